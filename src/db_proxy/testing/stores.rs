//! Redis and blobs of the [`Fake`]: tables in memory, which log what they are asked.

use super::Fake;
use crate::store::{
    blob::{BlobError, Blobs},
    cache::{Cache, CacheError, Hash},
};
use bytes::Bytes;

impl Cache for Fake {
    async fn incr_by(&self, key: &str, by: i64) -> Result<i64, CacheError> {
        self.command(format!("INCRBY {key} {by}"), |inner| {
            let n = inner.numbers.entry(key.into()).or_default();
            *n += by;
            *n
        })
    }

    async fn hincr_by(&self, key: &str, field: &str, by: i64) -> Result<i64, CacheError> {
        self.command(format!("HINCRBY {key} {field} {by}"), |inner| {
            let hash = inner.hashes.entry(key.into()).or_default();
            let value = hash.entry(field.into()).or_insert_with(|| b"0".to_vec());
            let old: i64 = String::from_utf8_lossy(value).parse().unwrap_or(0);
            *value = (old + by).to_string().into();
            old + by
        })
    }

    async fn hgetall(&self, key: &str) -> Result<Hash, CacheError> {
        self.command(format!("HGETALL {key}"), |inner| {
            inner.hashes.get(key).cloned().unwrap_or_default()
        })
    }

    async fn exists(&self, key: &str) -> Result<bool, CacheError> {
        self.command(format!("EXISTS {key}"), |inner| {
            inner.hashes.get(key).is_some_and(|hash| !hash.is_empty())
                || inner.values.contains_key(key)
        })
    }

    async fn hget(&self, key: &str, field: &str) -> Result<Option<Vec<u8>>, CacheError> {
        self.command(format!("HGET {key} {field}"), |inner| {
            inner.hashes.get(key)?.get(field.as_bytes()).cloned()
        })
    }

    async fn hget_each(
        &self,
        keys: &[String],
        field: &str,
    ) -> Result<Vec<Option<Vec<u8>>>, CacheError> {
        let mut all = Vec::new();
        for key in keys {
            all.push(self.hget(key, field).await?);
        }
        Ok(all)
    }

    async fn hset(&self, key: &str, field: &str, value: &str) -> Result<(), CacheError> {
        self.command(format!("HSET {key} {field} {value}"), |inner| {
            let hash = inner.hashes.entry(key.into()).or_default();
            hash.insert(field.into(), value.into());
        })
    }

    async fn hset_each(&self, key: &str, fields: &Hash) -> Result<(), CacheError> {
        let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        for (field, value) in fields {
            self.hset(key, &text(field), &text(value)).await?;
        }
        Ok(())
    }

    async fn hdel_each(&self, key: &str, fields: &[String]) -> Result<(), CacheError> {
        for field in fields {
            self.hdel(key, field).await?;
        }
        Ok(())
    }

    async fn hmset(&self, key: &str, fields: &Hash) -> Result<(), CacheError> {
        if fields.is_empty() {
            return Ok(());
        }
        let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        let pairs: Vec<_> = fields.iter().map(|(f, v)| text(f) + " " + &text(v)).collect();
        self.command(format!("HMSET {key} {}", pairs.join(" ")), |inner| {
            inner.hashes.entry(key.into()).or_default().extend(fields.clone());
        })
    }

    async fn hdel(&self, key: &str, field: &str) -> Result<bool, CacheError> {
        self.command(format!("HDEL {key} {field}"), |inner| {
            inner.hashes.get_mut(key).is_some_and(|hash| hash.remove(field.as_bytes()).is_some())
        })
    }

    async fn set(&self, key: &str, value: &str) -> Result<(), CacheError> {
        self.paused().await;
        self.command(format!("SET {key} {value}"), |inner| {
            inner.numbers.insert(key.into(), value.parse().unwrap_or(0));
            inner.values.insert(key.into(), value.into());
        })
    }

    async fn del(&self, key: &str) -> Result<(), CacheError> {
        self.paused().await;
        self.command(format!("DEL {key}"), |inner| {
            inner.values.remove(key);
        })
    }

    async fn swap(&self, key: &str, value: &str) -> Result<Option<Vec<u8>>, CacheError> {
        self.paused().await;
        self.command(format!("GETSET {key} {value}"), |inner| {
            inner.values.insert(key.into(), value.into())
        })
    }

    async fn take(&self, key: &str) -> Result<Option<Vec<u8>>, CacheError> {
        self.paused().await;
        self.command(format!("GETDEL {key}"), |inner| inner.values.remove(key))
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, CacheError> {
        self.paused().await;
        self.command(format!("GET {key}"), |inner| inner.values.get(key).cloned())
    }

    async fn mget(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, CacheError> {
        self.command(format!("MGET {}", keys.join(" ")), |inner| {
            keys.iter().map(|key| inner.values.get(key).cloned()).collect()
        })
    }
}

impl Blobs for Fake {
    async fn put(&self, bytes: Bytes) -> Result<String, BlobError> {
        self.with(|inner| {
            inner.log.push(format!("PUT {} bytes", bytes.len()));
            if inner.blobs_down {
                return Err(BlobError::Failed("scripted".into()));
            }
            inner.blobs.push(bytes);
            Ok(format!("blob/{}", inner.blobs.len() - 1))
        })
    }

    async fn get(&self, path: &str) -> Result<Bytes, BlobError> {
        self.with(|inner| {
            inner.log.push(format!("GET {path}"));
            let at = path.strip_prefix("blob/").and_then(|n| n.parse::<usize>().ok());
            let blob = at.filter(|_| !inner.blobs_down).and_then(|at| inner.blobs.get(at));
            blob.cloned().ok_or_else(|| BlobError::Missing(path.into()))
        })
    }
}
