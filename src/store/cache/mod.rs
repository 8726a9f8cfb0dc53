//! Redis as db_proxy sees it: few typed commands on a fixed pool of multiplexed connections.
//!
//! All keys live in database 1 (SYSTEM.md section 6). Nothing is tried again here: what an error
//! means for the request is the caller's decision, so [`CacheError`] says whether the command may
//! have run.

use crate::{
    env::{Endpoint, Env, draw_id},
    timing::Timing,
};
use redis::{
    AsyncConnectionConfig, Cmd, FromRedisValue, Pipeline, ProtocolVersion, RedisConnectionInfo,
    RedisError, aio::MultiplexedConnection,
};
use std::{collections::BTreeMap, future::Future, sync::Arc};
use tokio::{sync::Mutex, time::Instant};

/// Connections of one pool (ours; the original starts with 2 as well).
pub const CONNECTIONS: usize = 2;

/// The database number of every key (SYSTEM.md section 6).
pub const DATABASE: i64 = 1;

/// After so many commands in a row without a response in time a connection is given up: a stream
/// that lost a segment never answers again, and nothing else would show that.
const TIMEOUTS_BEFORE_RECONNECT: u32 = 2;

/// Field and value pairs of a hash, in text order of the fields.
pub type Hash = BTreeMap<Vec<u8>, Vec<u8>>;

/// Why a command gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CacheError {
    /// Redis answered with an error, or with something of another type: it has no effect that
    /// the caller asked for.
    #[error("Redis error: {0}")]
    Server(String),
    /// No connection could be opened: the command has not run.
    #[error("Redis unreachable: {0}")]
    Unreachable(String),
    /// The connection was lost or the answer did not come in time: the command may have run.
    #[error("Redis connection lost: {0}")]
    Lost(String),
}

impl CacheError {
    /// Whether the command may have had its effect.
    pub fn may_have_run(&self) -> bool {
        matches!(self, Self::Lost(_))
    }
}

/// The commands that db_proxy uses. Keys are text, values are bytes.
pub trait Cache: Send + Sync + 'static {
    /// `INCRBY key by`: the value after it.
    fn incr_by(&self, key: &str, by: i64) -> impl Future<Output = Result<i64, CacheError>> + Send;
    /// `HINCRBY key field by`: the value after it.
    fn hincr_by(
        &self,
        key: &str,
        field: &str,
        by: i64,
    ) -> impl Future<Output = Result<i64, CacheError>> + Send;
    /// `HGETALL key`; empty if there is no such key.
    fn hgetall(&self, key: &str) -> impl Future<Output = Result<Hash, CacheError>> + Send;
    /// `HDEL key field`: whether it was there.
    fn hdel(&self, key: &str, field: &str)
    -> impl Future<Output = Result<bool, CacheError>> + Send;
    /// `EXISTS key`.
    fn exists(&self, key: &str) -> impl Future<Output = Result<bool, CacheError>> + Send;
    /// `HGET key field`.
    fn hget(
        &self,
        key: &str,
        field: &str,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, CacheError>> + Send;
    /// HGET of one field of each of some hashes, in one round trip.
    fn hget_each(
        &self,
        keys: &[String],
        field: &str,
    ) -> impl Future<Output = Result<Vec<Option<Vec<u8>>>, CacheError>> + Send;
    /// `HSET key field value`.
    fn hset(
        &self,
        key: &str,
        field: &str,
        value: &str,
    ) -> impl Future<Output = Result<(), CacheError>> + Send;
    /// HSET of each of some fields of a hash, in one round trip.
    fn hset_each(
        &self,
        key: &str,
        fields: &Hash,
    ) -> impl Future<Output = Result<(), CacheError>> + Send;
    /// HDEL of each of some fields of a hash, in one round trip.
    fn hdel_each(
        &self,
        key: &str,
        fields: &[String],
    ) -> impl Future<Output = Result<(), CacheError>> + Send;
    /// `HMSET key field value …`; no command for no fields.
    fn hmset(
        &self,
        key: &str,
        fields: &Hash,
    ) -> impl Future<Output = Result<(), CacheError>> + Send;
    /// `SET key value`.
    fn set(&self, key: &str, value: &str) -> impl Future<Output = Result<(), CacheError>> + Send;
    /// `DEL key`; whether it was there is not said.
    fn del(&self, key: &str) -> impl Future<Output = Result<(), CacheError>> + Send;
    /// `GETSET key value`: what was there, in the same step.
    fn swap(
        &self,
        key: &str,
        value: &str,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, CacheError>> + Send;
    /// `GETDEL key` (Redis 6.2): what was there, in the same step.
    fn take(&self, key: &str) -> impl Future<Output = Result<Option<Vec<u8>>, CacheError>> + Send;
    /// `GET key`.
    fn get(&self, key: &str) -> impl Future<Output = Result<Option<Vec<u8>>, CacheError>> + Send;
    /// `MGET key …`, in the order of the keys; no command for no keys.
    fn mget(
        &self,
        keys: &[String],
    ) -> impl Future<Output = Result<Vec<Option<Vec<u8>>>, CacheError>> + Send;
}

/// The pool. Clones share it.
#[derive(Debug)]
pub struct Pool<E: Env> {
    env: E,
    redis: Endpoint,
    timing: Timing,
    slots: Arc<[Mutex<Slot>; CONNECTIONS]>,
}

impl<E: Env> Clone for Pool<E> {
    fn clone(&self) -> Self {
        Self {
            env: self.env.clone(),
            redis: self.redis.clone(),
            timing: self.timing,
            slots: self.slots.clone(),
        }
    }
}

/// One place for a connection, opened when a command needs it.
#[derive(Debug, Default)]
struct Slot {
    open: Option<MultiplexedConnection>,
    /// Counts the connections of this slot, so that an error of an old one leaves a newer alone.
    generation: u64,
    timeouts: u32,
    /// The last failed connect: those who waited for it share its outcome.
    failed: Option<(Instant, CacheError)>,
}

impl<E: Env> Pool<E> {
    /// A pool over streams to `redis`. Opens nothing yet.
    pub fn new(env: E, redis: Endpoint, timing: Timing) -> Self {
        Self { env, redis, timing, slots: Arc::default() }
    }

    async fn query<T: FromRedisValue>(&self, command: Cmd, key: &str) -> Result<T, CacheError> {
        let slot = self.slot(&command.get_packed_command());
        let (generation, mut connection) = self.connection(slot).await?;
        let result: Result<redis::Value, RedisError> = command.query_async(&mut connection).await;
        Self::noted(slot, generation, result, key).await
    }

    /// Commands in one round trip.
    async fn query_all<T: FromRedisValue>(
        &self,
        commands: Pipeline,
        key: &str,
    ) -> Result<T, CacheError> {
        let slot = self.slot(&commands.get_packed_pipeline());
        let (generation, mut connection) = self.connection(slot).await?;
        let result: Result<redis::Value, RedisError> = commands.query_async(&mut connection).await;
        Self::noted(slot, generation, result, key).await
    }

    /// The connection for what is asked, by its bytes.
    fn slot(&self, packed: &[u8]) -> &Mutex<Slot> {
        let id = || draw_id(&[packed]);
        &self.slots[self.env.random("cache-connection", id) as usize % CONNECTIONS]
    }

    /// Takes note of an outcome.
    async fn noted<T: FromRedisValue>(
        slot: &Mutex<Slot>,
        generation: u64,
        result: Result<redis::Value, RedisError>,
        key: &str,
    ) -> Result<T, CacheError> {
        let mut slot = slot.lock().await;
        if slot.generation == generation {
            slot.note(result.as_ref().err());
        }
        drop(slot);
        let wrong = |e: &dyn std::fmt::Display| CacheError::Server(format!("{key}: {e}"));
        match result {
            Ok(value) => redis::from_redis_value(value).map_err(|e| wrong(&e)),
            Err(e) if e.is_io_error() || e.is_unrecoverable_error() => {
                Err(CacheError::Lost(e.to_string()))
            }
            Err(e) => Err(wrong(&e)),
        }
    }

    async fn connection(
        &self,
        slot: &Mutex<Slot>,
    ) -> Result<(u64, MultiplexedConnection), CacheError> {
        let asked = Instant::now();
        let mut slot = slot.lock().await;
        if let Some(open) = &slot.open {
            return Ok((slot.generation, open.clone()));
        }
        // Without this, requests queued behind one dead endpoint would each wait a whole
        // connect timeout, one after the other.
        if let Some((at, error)) = &slot.failed
            && *at > asked
        {
            return Err(error.clone());
        }
        match self.open().await {
            Ok(open) => {
                slot.generation += 1;
                slot.timeouts = 0;
                slot.failed = None;
                slot.open = Some(open.clone());
                Ok((slot.generation, open))
            }
            Err(error) => {
                slot.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    async fn open(&self) -> Result<MultiplexedConnection, CacheError> {
        let opening = async {
            let stream = self.env.connect(&self.redis).await?;
            let info = RedisConnectionInfo::default()
                .set_protocol(ProtocolVersion::RESP3)
                .set_db(DATABASE);
            let config = AsyncConnectionConfig::new()
                .set_response_timeout(Some(self.timing.cache_timeout()));
            let (connection, driver) =
                MultiplexedConnection::new_with_config(&info, stream, config).await?;
            tokio::spawn(driver);
            Ok::<_, RedisError>(connection)
        };
        // The crate's own timeouts do not cover the handshake (DESIGN.md, "Cost").
        match tokio::time::timeout(self.timing.connect_timeout(), opening).await {
            Ok(opened) => opened.map_err(|e| CacheError::Unreachable(e.to_string())),
            Err(_) => Err(CacheError::Unreachable("connect timeout".into())),
        }
    }
}

impl Slot {
    /// Takes note of a command's outcome and drops a connection that is of no more use.
    fn note(&mut self, error: Option<&RedisError>) {
        let Some(error) = error else {
            self.timeouts = 0;
            return;
        };
        if error.is_timeout() {
            self.timeouts += 1;
        }
        let dead = error.is_connection_dropped() || error.is_unrecoverable_error();
        if dead || self.timeouts >= TIMEOUTS_BEFORE_RECONNECT {
            tracing::warn!(%error, "redis connection given up");
            self.open = None;
        }
    }
}

impl<E: Env> Cache for Pool<E> {
    async fn incr_by(&self, key: &str, by: i64) -> Result<i64, CacheError> {
        self.query(Cmd::new().arg("INCRBY").arg(key).arg(by).take(), key).await
    }

    async fn hincr_by(&self, key: &str, field: &str, by: i64) -> Result<i64, CacheError> {
        self.query(Cmd::new().arg("HINCRBY").arg(key).arg(field).arg(by).take(), key).await
    }

    async fn hgetall(&self, key: &str) -> Result<Hash, CacheError> {
        self.query(Cmd::new().arg("HGETALL").arg(key).take(), key).await
    }

    async fn hdel(&self, key: &str, field: &str) -> Result<bool, CacheError> {
        self.query(Cmd::new().arg("HDEL").arg(key).arg(field).take(), key).await
    }

    async fn exists(&self, key: &str) -> Result<bool, CacheError> {
        self.query(Cmd::new().arg("EXISTS").arg(key).take(), key).await
    }

    async fn hget(&self, key: &str, field: &str) -> Result<Option<Vec<u8>>, CacheError> {
        self.query(Cmd::new().arg("HGET").arg(key).arg(field).take(), key).await
    }

    async fn hget_each(
        &self,
        keys: &[String],
        field: &str,
    ) -> Result<Vec<Option<Vec<u8>>>, CacheError> {
        let Some(first) = keys.first() else { return Ok(Vec::new()) };
        let mut commands = redis::pipe();
        keys.iter().for_each(|key| _ = commands.cmd("HGET").arg(key).arg(field));
        self.query_all(commands, first).await
    }

    async fn hset(&self, key: &str, field: &str, value: &str) -> Result<(), CacheError> {
        self.query(Cmd::new().arg("HSET").arg(key).arg(field).arg(value).take(), key).await
    }

    async fn hset_each(&self, key: &str, fields: &Hash) -> Result<(), CacheError> {
        if fields.is_empty() {
            return Ok(());
        }
        let mut commands = redis::pipe();
        for (field, value) in fields {
            commands.cmd("HSET").arg(key).arg(field).arg(value);
        }
        let _: Vec<i64> = self.query_all(commands, key).await?;
        Ok(())
    }

    async fn hdel_each(&self, key: &str, fields: &[String]) -> Result<(), CacheError> {
        if fields.is_empty() {
            return Ok(());
        }
        let mut commands = redis::pipe();
        fields.iter().for_each(|field| _ = commands.cmd("HDEL").arg(key).arg(field));
        let _: Vec<i64> = self.query_all(commands, key).await?;
        Ok(())
    }

    async fn hmset(&self, key: &str, fields: &Hash) -> Result<(), CacheError> {
        if fields.is_empty() {
            return Ok(());
        }
        let mut command = Cmd::new();
        command.arg("HMSET").arg(key);
        for (field, value) in fields {
            command.arg(field).arg(value);
        }
        self.query(command, key).await
    }

    async fn set(&self, key: &str, value: &str) -> Result<(), CacheError> {
        self.query(Cmd::new().arg("SET").arg(key).arg(value).take(), key).await
    }

    async fn del(&self, key: &str) -> Result<(), CacheError> {
        self.query(Cmd::new().arg("DEL").arg(key).take(), key).await
    }

    async fn swap(&self, key: &str, value: &str) -> Result<Option<Vec<u8>>, CacheError> {
        self.query(Cmd::new().arg("GETSET").arg(key).arg(value).take(), key).await
    }

    async fn take(&self, key: &str) -> Result<Option<Vec<u8>>, CacheError> {
        self.query(Cmd::new().arg("GETDEL").arg(key).take(), key).await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, CacheError> {
        self.query(Cmd::new().arg("GET").arg(key).take(), key).await
    }

    async fn mget(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, CacheError> {
        let Some(first) = keys.first() else { return Ok(Vec::new()) };
        self.query(Cmd::new().arg("MGET").arg(keys).take(), first).await
    }
}

#[cfg(test)]
mod tests;
