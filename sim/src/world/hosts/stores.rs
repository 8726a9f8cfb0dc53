//! The stores of a world: their data outlives their hosts.

use crate::{
    fakes::{self, Hooks},
    plan::{Durability, Host, Plan, Role},
    record::{
        Kind,
        sizes::{Measure, Sizes},
    },
    world::{SimEnv, blobs::Memory, env::port, population, sizes},
};
use std::{
    io,
    sync::{Arc, Mutex},
};
use teamtalk::{
    env::{Env, Listener},
    store::migrations::LATEST,
};

/// Redis with its disk, SQL, and the files of audio. Clones share them.
#[derive(Clone)]
pub struct Stores {
    redis: Arc<Mutex<fakes::redis::Engine>>,
    /// The disk under Redis.
    disk: Arc<Mutex<fakes::redis::Disk>>,
    sql: Arc<Mutex<fakes::sql::Engine>>,
    /// What all db_proxies keep audio in.
    pub blobs: Memory,
}

impl Stores {
    /// With what they hold before the run.
    pub fn new(plan: &Plan) -> Self {
        let version = plan.schema.unwrap_or(LATEST);
        let mut sql = fakes::sql::Engine::of_version(version, population::since(plan));
        let mut redis = fakes::redis::Engine::new();
        population::fill_sql(&mut sql, plan);
        population::fill_redis(&mut redis, plan);
        sql.set_lock_wait(plan.pace.timing().sql_lock_wait());
        if plan.sql_snapshot_isolation {
            sql.isolate_snapshots();
        }
        if plan.redis_refuses_writes {
            redis.refuse_writes();
        }
        let disk = fakes::redis::Disk::new(flushed_every(plan), &redis);
        Self {
            redis: Arc::new(Mutex::new(redis)),
            disk: Arc::new(Mutex::new(disk)),
            sql: Arc::new(Mutex::new(sql)),
            blobs: Memory::default(),
        }
    }

    /// Redis serves on its host, for ever.
    pub async fn serve_redis(&self, env: &SimEnv, hooks: Arc<dyn Hooks>) -> io::Result<()> {
        let mut listener = env.bind(port::REDIS).await?;
        loop {
            let stream = listener.accept().await?;
            // A broken connection is the client's affair: it sees it too.
            tokio::spawn(fakes::redis::converse(stream, self.redis.clone(), hooks.clone()));
        }
    }

    /// A port of SQL serves on its host, for ever. A session stays with its port, and so `hooks`.
    pub async fn serve_sql(
        &self,
        env: &SimEnv,
        port: u16,
        hooks: Arc<dyn Hooks>,
    ) -> io::Result<()> {
        let mut listener = env.bind(port).await?;
        loop {
            let stream = listener.accept().await?;
            tokio::spawn(fakes::sql::converse(stream, self.sql.clone(), hooks.clone()));
        }
    }

    /// Redis writes to its disk if that is due.
    pub fn flush(&self, now_ms: u64) {
        let redis = self.redis.lock().expect("no panic under it");
        self.disk.lock().expect("no panic under it").tick(&redis, now_ms);
    }

    /// Notes how much the stores hold at a time of the wall clock, in seconds since 1970.
    pub fn measure(&self, sizes: &mut Sizes, unix_s: u64) {
        sizes::of_redis(sizes, &self.redis.lock().expect("no panic under it"));
        sizes::of_sql(sizes, &self.sql.lock().expect("no panic under it"), unix_s);
        sizes.note(&Role::Outside.host(), Measure::Blobs, self.blobs.len() as u64);
    }

    /// The database gets a later version of the schema; `None` if it has it.
    pub fn migrate(&self, version: u32, unix_s: u32) -> Option<Kind> {
        let mut sql = self.sql.lock().expect("no panic under it");
        (version > sql.version()).then(|| {
            let changed = sql.migrate(version, unix_s);
            Kind::Migrated { version, changed }
        })
    }

    /// What they hold, for the trace.
    pub fn held(&self) -> [Kind; 2] {
        let nothing = fakes::redis::Engine::new();
        let redis = nothing.changed_to(&self.redis.lock().expect("no panic under it"));
        let sql = self.sql.lock().expect("no panic under it").held();
        let holds = |store, changed| Kind::Holds { store, changed };
        [holds("redis", redis), holds("sql", sql)]
    }

    /// A host loses its power: what its store lost, if it has one that can.
    pub fn power_cut(&self, host: &Host) -> Option<Kind> {
        (host.role() == Role::Redis).then(|| {
            let mut redis = self.redis.lock().expect("no panic under it");
            let disk = self.disk.lock().expect("no panic under it");
            let (commands, changed) = disk.power_cut(&mut redis);
            Kind::StoreLost { store: "redis", commands, changed }
        })
    }
}

/// Simulated milliseconds between flushes of Redis; see [`Durability`].
fn flushed_every(plan: &Plan) -> Option<u64> {
    let seconds = match plan.redis {
        Durability::Always => return None,
        Durability::EverySecond => 1,
        Durability::Never => 30,
    };
    Some(plan.pace.seconds(seconds).as_millis() as u64)
}
