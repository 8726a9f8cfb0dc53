//! A store for the bytes of audio messages (SYSTEM.md section 6, "Audio"): what IMAudio keeps is
//! only a path into it.

use bytes::Bytes;
use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};

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

/// Keeps bytes under paths of its own choice. Applies its own deadline.
pub trait Blobs: Send + Sync + 'static {
    /// Keeps the bytes: where they are.
    fn put(&self, bytes: Bytes) -> impl Future<Output = Result<String, BlobError>> + Send;
    /// The bytes at a path that [`Blobs::put`] gave.
    fn get(&self, path: &str) -> impl Future<Output = Result<Bytes, BlobError>> + Send;
}

/// Blobs in memory; clones share them. For tests and for the simulation: they go with the
/// process.
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<Mutex<BTreeMap<String, Bytes>>>);

impl Blobs for Memory {
    async fn put(&self, bytes: Bytes) -> Result<String, BlobError> {
        let mut blobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let path = format!("memory/{}", blobs.len() + 1);
        blobs.insert(path.clone(), bytes);
        Ok(path)
    }

    async fn get(&self, path: &str) -> Result<Bytes, BlobError> {
        let blobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        blobs.get(path).cloned().ok_or_else(|| BlobError::Missing(path.to_string()))
    }
}
