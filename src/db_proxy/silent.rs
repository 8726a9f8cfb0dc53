//! Why a request is not served.

use super::context::StoreError;
use crate::wire::Malformed;

/// A request without the reply that it asked for: silence in the original, a 07e1 with the switch
/// `answered-refusals` (see `refusal`). The connection stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Silent {
    /// The body is not what the command says (SYSTEM.md section 1).
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// This command has no handler, or none of its replies fits.
    #[error("no handler")]
    NoHandler,
    /// The command has no reply: all is done.
    #[error("done without a reply")]
    Done,
    /// The original ignores it: it makes no sense.
    #[error("ignored: {0}")]
    Ignored(&'static str),
    /// Groups and audio: a later issue. This is the one place that says so: every branch of a
    /// handler that would serve a group (0301, 0303, 0309, 030b, 030d of a group) or store
    /// audio (0301) ends here, and group sessions are left out of 0201, 0307 and the push count
    /// of 0706.
    #[error("{0}: later issue")]
    Later(&'static str),
    /// A store gave no answer, or a wrong one: what was asked for may or may not have happened.
    #[error("store failed: {0}")]
    Store(StoreError),
    /// The content can never be stored as it is.
    #[error("can not be stored: {0}")]
    NotStored(StoreError),
}

impl From<StoreError> for Silent {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
