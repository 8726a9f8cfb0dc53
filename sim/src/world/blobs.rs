//! The blob store of a run: in memory, and what it is given is in the trace.

use super::shared::Shared;
use crate::{
    plan::Host,
    record::{Applied, Effect, Kind, What, kept},
};
use bytes::Bytes;
use std::sync::Arc;
use teamtalk::store::{
    blob::{BlobError, Blobs, Memory},
    sql::Value,
};

/// As a host sees it.
pub struct Recorded {
    blobs: Memory,
    shared: Shared,
    host: Host,
    put: Arc<What>,
}

impl Recorded {
    /// For a host; all of a run share `blobs`.
    pub fn new(blobs: Memory, shared: Shared, host: &Host) -> Self {
        Self { blobs, shared, host: host.clone(), put: What::new("put") }
    }
}

impl Blobs for Recorded {
    async fn put(&self, bytes: Bytes) -> Result<String, BlobError> {
        let params = vec![Value::Bytes(kept(&bytes))];
        let path = self.blobs.put(bytes).await?;
        let line = Kind::Store(Applied {
            store: "blob",
            what: self.put.clone(),
            params,
            effect: Effect::Text(path.clone()),
            committed: true,
        });
        self.shared.record(&self.host, line);
        Ok(path)
    }

    async fn get(&self, path: &str) -> Result<Bytes, BlobError> {
        self.blobs.get(path).await
    }
}
