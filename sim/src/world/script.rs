//! A world without a plan: the roles and the fakes of one small cluster, and client sockets that
//! a script opens, writes raw bytes to and closes. For what is compared with captures (`parity`).

use super::{
    SimEnv,
    blobs::Memory,
    env::port,
    outside::{Accepted, LoginServer},
    shared::{Inner, Shared},
    sizes,
};
use crate::{
    fakes::{self, Hooks},
    plan::{Host, Role, TICK_MS},
    record::{Applied, Kind, sizes::Sizes},
    seeded,
};
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};
use teamtalk::{
    catalogue::limits::Limits,
    db_proxy,
    env::{Endpoint, Env},
    link::{self, Dial, Listen},
    msg_server,
    protocol::Protocol,
    route_server,
    store::sql::Value,
    timing::Timing,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
};

/// Entries of db_proxy that each msg_server is configured with; they name the same process. One
/// connection each: the first is the login half, the second the other half.
const DB_ENTRIES: usize = 2;

/// The host of the client sockets.
const CLIENTS: &str = "clients";
/// The host that lines of the SQL replica are of.
const REPLICA: &str = "sql-replica";

/// What the cluster starts from.
#[derive(Debug, Clone)]
pub struct Setup {
    /// How many msg_servers: `msg1`, `msg2` …
    pub msg_servers: u32,
    /// The switches of every role.
    pub protocol: Protocol,
    /// The values of all limits.
    pub limits: Limits,
    /// The durations of every role.
    pub timing: Timing,
    /// The key with which clients encrypt texts.
    pub text_key: [u8; 32],
    /// The wall clock at the start, in seconds since the Unix epoch.
    pub epoch: u64,
    /// Rows of IMUser.
    pub users: Vec<fakes::sql::User>,
    /// Statements with their parameters that SQL runs before the start.
    pub statements: Vec<(String, Vec<Value>)>,
    /// Commands that Redis runs before the start, in database 1, each word for itself.
    pub commands: Vec<Vec<Bytes>>,
}

impl Setup {
    /// What Redis and SQL hold at the start.
    ///
    /// # Errors
    /// A sentence with the user, statement or command that is refused, and why.
    pub fn stores(&self) -> Result<(fakes::redis::Engine, fakes::sql::Engine), String> {
        let mut sql = fakes::sql::Engine::new();
        sql.seed_users(&self.users).map_err(|e| format!("`users`: {e:?}"))?;
        let session = sql.open();
        for (text, params) in &self.statements {
            match sql.submit(session, text, params) {
                fakes::sql::Step::Done(fakes::sql::Done { result: Ok(_), .. }) => {}
                fakes::sql::Step::Done(fakes::sql::Done { result: Err(e), .. }) => {
                    return Err(format!("{text}: {e:?}"));
                }
                fakes::sql::Step::Blocked => return Err(format!("{text}: it waits for a lock")),
            }
        }
        sql.close(session);
        let mut redis = fakes::redis::Engine::new();
        let mut session = fakes::redis::Session::default();
        let database = [Bytes::from_static(b"SELECT"), Bytes::from_static(b"1")];
        for command in std::iter::once(&database[..]).chain(self.commands.iter().map(Vec::as_slice))
        {
            if let (fakes::redis::Reply::Error(e), _) = redis.run(&mut session, command) {
                let words: Vec<_> = command.iter().map(|w| String::from_utf8_lossy(w)).collect();
                return Err(format!("{}: {e}", words.join(" ")));
            }
        }
        Ok((redis, sql))
    }
}

/// The running cluster.
///
/// Hosts: `redis`, `sql`, `outside` (the login server), `route`, `db`, the msg_servers, and
/// `clients`. Store lines of the trace carry the host `redis`, `sql` (the primary) or
/// `sql-replica`. Stores take no time of their own, and db_proxy has one worker, so requests are
/// served one after the other.
pub struct Script {
    sim: turmoil::Sim<'static>,
    shared: Shared,
    redis: Arc<Mutex<fakes::redis::Engine>>,
    sql: Arc<Mutex<fakes::sql::Engine>>,
    orders: mpsc::UnboundedSender<Order>,
    now: Duration,
    epoch: u64,
}

/// What the script wants of a client socket, by slot.
#[derive(Debug)]
enum Order {
    Connect { slot: u32, server: String },
    Send { slot: u32, bytes: Bytes },
    Read { slot: u32, reads: bool },
    Close { slot: u32 },
}

/// What a client socket is told.
#[derive(Debug)]
enum Told {
    Write(Bytes),
    /// Whether to read what comes.
    Read(bool),
}

impl Script {
    /// Builds the cluster; nothing has run yet.
    ///
    /// # Panics
    /// If [`Setup::stores`] is an error.
    pub fn new(setup: &Setup) -> Self {
        let mut sim = seeded::network(0)
            .simulation_duration(Duration::from_secs(3_600))
            .epoch(SystemTime::UNIX_EPOCH + Duration::from_secs(setup.epoch))
            .tcp_capacity(1 << 16)
            .build();
        let shared = Shared::new(0);
        // Those that have no seam of their own to add them.
        let sockets = Host::named(CLIENTS, Role::Client);
        for host in [Role::Redis.host(), Role::Sql.host(), sockets] {
            shared.host(&host);
        }
        let (orders, received) = mpsc::unbounded_channel();
        let (redis, sql) = setup.stores().unwrap_or_else(|e| panic!("{e}"));
        let (redis, sql) = (Arc::new(Mutex::new(redis)), Arc::new(Mutex::new(sql)));
        stores(&mut sim, &shared, redis.clone(), sql.clone());
        servers(&mut sim, &shared, setup);
        let (all, received) = (shared.clone(), Arc::new(Mutex::new(Some(received))));
        sim.host(CLIENTS, move || {
            let received = received.lock().unwrap_or_else(PoisonError::into_inner).take();
            let shared = all.clone();
            async move {
                clients(shared, received.expect("clients are started once")).await;
                std::future::pending::<()>().await;
                Ok(())
            }
        });
        Self { sim, shared, redis, sql, orders, now: Duration::ZERO, epoch: setup.epoch }
    }

    /// Runs one tick.
    ///
    /// # Panics
    /// If a host's main function ends in an error.
    pub fn step(&mut self) {
        self.sim.step().expect("a host ended");
        self.now += Duration::from_millis(TICK_MS);
        let now_us = self.shared.lock().now_us;
        self.shared.lock().tick(now_us);
    }

    /// Simulated time since the start.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// The trace so far.
    pub fn shared(&self) -> MutexGuard<'_, Inner> {
        self.shared.lock()
    }

    /// What Redis holds.
    pub fn redis(&self) -> MutexGuard<'_, fakes::redis::Engine> {
        self.redis.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What SQL holds.
    pub fn sql(&self) -> MutexGuard<'_, fakes::sql::Engine> {
        self.sql.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes how much the stores hold now.
    pub fn measure(&self, sizes: &mut Sizes) {
        sizes::of_redis(sizes, &self.redis());
        sizes::of_sql(sizes, &self.sql(), self.epoch + self.now.as_secs());
    }

    /// Opens a client socket to a msg_server. The slot must not be open; it is the `device` of
    /// the trace's `Connected` line.
    pub fn connect(&self, slot: u32, server: &str) {
        self.order(Order::Connect { slot, server: server.into() });
    }

    /// Writes to a client socket; nothing if it is closed.
    pub fn send(&self, slot: u32, bytes: Bytes) {
        self.order(Order::Send { slot, bytes });
    }

    /// Whether a client socket reads what comes, as it does at first. What it leaves unread fills its window
    /// ([`crate::plan::WINDOW`]), and then waits at the server.
    pub fn read(&self, slot: u32, reads: bool) {
        self.order(Order::Read { slot, reads });
    }

    /// Closes a client socket.
    pub fn close(&self, slot: u32) {
        self.order(Order::Close { slot });
    }

    fn order(&self, order: Order) {
        self.orders.send(order).expect("the clients' host runs");
    }
}

/// A host whose main function is this; it never ends.
fn host<F>(sim: &mut turmoil::Sim<'static>, name: &str, main: impl Fn() -> F + 'static)
where
    F: Future<Output = io::Result<()>> + 'static,
{
    sim.host(name, move || {
        let main = main();
        async move {
            main.await?;
            std::future::pending::<()>().await;
            Ok(())
        }
    });
}

fn stores(
    sim: &mut turmoil::Sim<'static>,
    shared: &Shared,
    redis: Arc<Mutex<fakes::redis::Engine>>,
    sql: Arc<Mutex<fakes::sql::Engine>>,
) {
    let log = |host| Arc::new(Log { shared: shared.clone(), host }) as Arc<dyn Hooks>;
    let hooks = log(Role::Redis.host());
    host(sim, "redis", move || {
        let (redis, hooks) = (redis.clone(), hooks.clone());
        async move {
            let listener = turmoil::net::TcpListener::bind(("0.0.0.0", port::REDIS)).await?;
            fakes::redis::serve(listener, redis, hooks).await
        }
    });
    let (primary, replica) = (log(Role::Sql.host()), log(Host::named(REPLICA, Role::Sql)));
    host(sim, "sql", move || {
        let (sql, primary, replica) = (sql.clone(), primary.clone(), replica.clone());
        async move {
            let of_primary = turmoil::net::TcpListener::bind(("0.0.0.0", port::SQL)).await?;
            let of_replica =
                turmoil::net::TcpListener::bind(("0.0.0.0", port::SQL_REPLICA)).await?;
            tokio::spawn(fakes::sql::serve(of_replica, sql.clone(), replica));
            fakes::sql::serve(of_primary, sql, primary).await
        }
    });
}

fn servers(sim: &mut turmoil::Sim<'static>, shared: &Shared, setup: &Setup) {
    let Setup { protocol, timing, text_key, .. } = *setup;
    let env = |host: &Host| SimEnv::new(shared.clone(), host, None);
    let outside = env(&Role::Outside.host());
    host(sim, "outside", move || {
        let listen = Listen::new(port::LOGIN, Accepted);
        forever(link::run(outside.clone(), timing, LoginServer, vec![listen], Vec::new()))
    });
    let (route, bounds) =
        (env(&Role::Route.host()), route_server::bounds(&protocol, &setup.limits));
    host(sim, "route", move || {
        let listen = Listen::new(port::ROUTE, route_server::Kind::MsgServer).bounded(bounds);
        let role = route_server::RouteServer::new(protocol);
        forever(link::run(route.clone(), timing, role, vec![listen], Vec::new()))
    });
    let (db, limits) = (env(&Role::Db.host()), setup.limits.clone());
    host(sim, "db", move || {
        let sql = fakes::sql::Connector::new(db.clone(), "sql", timing);
        let redis = Endpoint::new("redis", port::REDIS);
        let config = db_proxy::Config {
            port: port::DB,
            redis,
            timing,
            protocol,
            limits: limits.clone(),
            workers: 1,
        };
        forever(db_proxy::run(db.clone(), sql, Memory::default(), config))
    });
    for n in 1..=setup.msg_servers {
        let name = Role::Msg.numbered(n);
        let (env, limits) = (env(&name), setup.limits.clone());
        host(sim, &name.clone(), move || {
            let config = msg_server::Config {
                limits: limits.clone(),
                protocol,
                timing,
                ip: name.to_string(),
                port: port::MSG,
                max_conn_cnt: 100_000,
                host_name: name.to_string(),
                db_entries: DB_ENTRIES,
                conns_per_entry: 1,
                text_key,
            };
            let kind = msg_server::Kind::Client;
            let listen = Listen::new(port::MSG, kind).bounded(config.bounds(kind));
            let dials = dials(&config);
            let role = msg_server::MsgServer::new(config);
            forever(link::run(env.clone(), timing, role, vec![listen], dials))
        });
    }
}

/// The links of a msg_server, in the order in which the original dials them.
fn dials(config: &msg_server::Config) -> Vec<Dial<msg_server::Kind>> {
    let dial = |host, port, kind| {
        let dial = Dial::new(Endpoint::new(host, port), kind).bounded(config.bounds(kind));
        dial.hearing_silence(config.protocol.hear_silence)
    };
    let db = (0..DB_ENTRIES).map(|index| dial("db", port::DB, msg_server::Kind::Db { index }));
    db.chain([
        dial("outside", port::LOGIN, msg_server::Kind::Login { index: 0 }),
        dial("route", port::ROUTE, msg_server::Kind::Route { index: 0 }),
    ])
    .collect()
}

async fn forever(
    role: impl Future<Output = io::Result<std::convert::Infallible>>,
) -> io::Result<()> {
    role.await.map(|_| ())
}

/// Passes what a store does to the trace; no delays.
struct Log {
    shared: Shared,
    host: Host,
}

impl Hooks for Log {
    fn delay(&self, _: &'static str, _: u64) -> u32 {
        0
    }

    fn applied(&self, applied: Applied) -> u64 {
        self.shared.record(&self.host, Kind::Store(applied));
        0
    }
}

/// The clients' host: one task a socket.
async fn clients(shared: Shared, mut orders: mpsc::UnboundedReceiver<Order>) {
    let clients = Host::named(CLIENTS, Role::Client);
    let mut open = BTreeMap::new();
    while let Some(order) = orders.recv().await {
        match order {
            Order::Connect { slot, server } => {
                let (sender, told) = mpsc::unbounded_channel();
                open.insert(slot, sender);
                let env = SimEnv::new(shared.clone(), &clients, Some(slot));
                tokio::spawn(client(env, server, told));
            }
            // A socket that the server closed takes nothing more.
            Order::Send { slot, bytes } => {
                let _ = open.get(&slot).map(|socket| socket.send(Told::Write(bytes)));
            }
            Order::Read { slot, reads } => {
                let _ = open.get(&slot).map(|socket| socket.send(Told::Read(reads)));
            }
            Order::Close { slot } => {
                open.remove(&slot);
            }
        }
    }
}

/// One socket: writes what it is given until there is no more to come, and drops what it reads
/// (the trace has it).
async fn client(env: SimEnv, server: String, mut told: mpsc::UnboundedReceiver<Told>) {
    let Ok(mut socket) = env.connect(&Endpoint::new(server, port::MSG)).await else { return };
    let (mut read, mut reads) = ([0; 4096], true);
    loop {
        tokio::select! {
            biased;
            more = told.recv() => match more {
                Some(Told::Write(bytes)) if socket.write_all(&bytes).await.is_ok() => {}
                Some(Told::Read(whether)) => reads = whether,
                _ => return,
            },
            n = socket.read(&mut read), if reads => {
                if !matches!(n, Ok(1..)) {
                    return;
                }
            }
        }
    }
}
