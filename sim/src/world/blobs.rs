//! The blob store of a run: in memory, and what it is given is in the trace.

use super::shared::Shared;
use crate::record::Kind;
use bytes::Bytes;
use teamtalk::store::blob::{BlobError, Blobs, Memory};

/// As a host sees it.
pub struct Recorded {
    blobs: Memory,
    shared: Shared,
    host: String,
}

impl Recorded {
    /// For a host; all of a run share `blobs`.
    pub fn new(blobs: Memory, shared: Shared, host: &str) -> Self {
        Self { blobs, shared, host: host.into() }
    }
}

impl Blobs for Recorded {
    async fn put(&self, bytes: Bytes) -> Result<String, BlobError> {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let path = self.blobs.put(bytes).await?;
        let line = Kind::Store {
            store: "blob",
            what: "put".into(),
            params: vec![text],
            effect: path.clone(),
            committed: true,
        };
        self.shared.record(&self.host, line);
        Ok(path)
    }

    async fn get(&self, path: &str) -> Result<Bytes, BlobError> {
        self.blobs.get(path).await
    }
}
