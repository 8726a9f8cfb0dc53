//! Why a request gets no reply.

use super::context::StoreError;
use crate::wire::Malformed;

/// A request that is not answered. The connection stays.
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
    /// The original ignores it.
    #[error("ignored: {0}")]
    Ignored(&'static str),
    /// Groups and audio: a later issue. This is the one place that says so: every branch of a
    /// handler that would serve a group (0301, 0303, 0309, 030b, 030d of a group) or store
    /// audio (0301) ends here, and group sessions are left out of 0201, 0307 and the push count
    /// of 0706.
    #[error("{0}: later issue")]
    Later(&'static str),
    /// A read failed and the switch `honest-reads` forbids to answer as if there was nothing;
    /// the requester asks again after its timeout.
    #[error("store failed: {0}")]
    Store(StoreError),
}
