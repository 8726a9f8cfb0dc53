//! Why a store gave no answer, and what that means to a request.

use crate::store::{
    blob::BlobError,
    cache::CacheError,
    sql::{SqlError, code},
};

/// Why a store gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// SQL failed.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// Redis failed.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The blob store failed.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// An audio message without audio.
    #[error("no audio behind the duration")]
    NoAudio,
    /// A statement ran without an error, but without the effect that it had to have (no changed
    /// row, no new id).
    #[error("{0}")]
    NoEffect(&'static str),
    /// The store shows that the user may not do this.
    #[error("not allowed: {0}")]
    NotAllowed(&'static str),
    /// COMMIT failed: the transaction may or may not have its effect, now or later.
    #[error("outcome unknown: {0}")]
    Unknown(SqlError),
}

impl StoreError {
    /// MySQL's number, if the server answered a statement with an error.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Sql(SqlError::Server { code, .. }) => Some(*code),
            _ => None,
        }
    }

    /// Whether another row has that unique key already.
    pub fn is_duplicate(&self) -> bool {
        self.code() == Some(code::DUPLICATE)
    }

    /// Whether a transaction, or a statement outside any, has had no effect and may succeed if it is run again at
    /// once: another one had a lock, or has changed what was read.
    pub fn lost_a_lock(&self) -> bool {
        matches!(self, Self::Sql(error) if lost_a_lock(error))
    }

    /// Whether a statement can't be done with these values, at whatever time: a key that is there, a text or number that
    /// its column can't hold.
    pub fn is_about_values(&self) -> bool {
        self.is_duplicate() || self.is_about_content() || self.code() == Some(code::OUT_OF_RANGE)
    }

    /// Whether the content can never be stored as it is.
    pub fn is_about_content(&self) -> bool {
        matches!(self.code(), Some(code::TOO_LONG | code::INCORRECT_STRING))
            || *self == Self::NoAudio
    }
}

/// See [`StoreError::lost_a_lock`].
pub fn lost_a_lock(error: &SqlError) -> bool {
    const LOST: [u16; 3] = [code::DEADLOCK, code::LOCK_WAIT_TIMEOUT, code::RECORD_CHANGED];
    matches!(error, SqlError::Server { code, .. } if LOST.contains(code))
}

/// Why a transaction is not known to be committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotCommitted {
    /// One of its statements failed: it is still open, or rolled back by the server.
    Failed(SqlError),
    /// COMMIT itself failed, or had no answer.
    Unknown(SqlError),
}

/// What a failed read means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// It counts as no rows (SYSTEM.md section 3, step 2).
    Empty,
    /// It fails the request (switches `ack-after-store` and `honest-reads`).
    Fail,
}

/// A failed read as `on_failure` says.
pub fn or_empty<T: Default>(
    on_failure: OnFailure,
    read: Result<T, StoreError>,
) -> Result<T, StoreError> {
    match (read, on_failure) {
        (Err(_), OnFailure::Empty) => Ok(T::default()),
        (read, _) => read,
    }
}
