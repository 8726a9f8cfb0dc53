//! The blob store of a run: in memory, and what it is given is in the trace.

use super::shared::Shared;
use crate::{
    plan::Host,
    record::{Applied, Effect, Kind, What, kept},
};
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};
use teamtalk::store::{
    blob::{BlobError, Blobs},
    sql::Value,
};

/// The blobs of a run; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<Mutex<BTreeMap<String, Bytes>>>);

impl Memory {
    /// How many files there are.
    pub fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

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
            replica: false,
            changed: Vec::new(),
        });
        self.shared.record(&self.host, line);
        Ok(path)
    }

    async fn get(&self, path: &str) -> Result<Bytes, BlobError> {
        self.blobs.get(path).await
    }
}
