//! A store for the bytes of audio messages (SYSTEM.md section 6, "Audio"): what IMAudio keeps is
//! only a path into it.

use bytes::Bytes;
use std::future::Future;

/// Why there is no blob.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// Nothing is kept under that path.
    #[error("no blob {0}")]
    Missing(String),
    /// The store gave no answer in time, or an error.
    #[error("blob store failed: {0}")]
    Failed(String),
}

/// Keeps bytes under paths of its own choice, within a deadline of its own.
pub trait Blobs: Send + Sync + 'static {
    /// Keeps the bytes and returns the path to them.
    fn put(&self, bytes: Bytes) -> impl Future<Output = Result<String, BlobError>> + Send;
    /// The bytes at a path that [`Blobs::put`] gave.
    fn get(&self, path: &str) -> impl Future<Output = Result<Bytes, BlobError>> + Send;
}
