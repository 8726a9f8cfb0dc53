//! Why a request is not served.

use crate::{db_proxy::plumbing::error::StoreError, wire::Malformed};

/// Why a request has not the reply that it asked for. The original is silent then; with the switch
/// `answered-refusals` there is a 07e1 (see `refusal`). The connection stays open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Silent {
    /// The body is not what the command says (SYSTEM.md section 1).
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// This command has no handler, or none of its replies fits.
    #[error("no handler")]
    NoHandler,
    /// The command has no reply, and was served.
    #[error("done without a reply")]
    Done,
    /// The request makes no sense; the original ignores it.
    #[error("ignored: {0}")]
    Ignored(&'static str),
    /// The group is not known, or the user is not in it.
    #[error("not allowed: {0}")]
    NotAllowed(&'static str),
    /// A store gave no answer, or a wrong one: what was asked for may or may not have happened.
    #[error("store failed: {0}")]
    Store(StoreError),
    /// The content can never be stored as it is.
    #[error("can not be stored: {0}")]
    NotStored(StoreError),
}

impl Silent {
    /// Whether the user may not do this.
    pub fn is_not_allowed(&self) -> bool {
        matches!(self, Self::NotAllowed(_))
    }
}

impl From<StoreError> for Silent {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotAllowed(why) => Self::NotAllowed(why),
            error => Self::Store(error),
        }
    }
}
