//! The hosts of a world: which role runs where, and the way to the devices.

use super::{
    Deployed, SimEnv, actions,
    audit::Auditor,
    blobs::{Memory, Recorded},
    env::port,
    outside,
    population::{self, password, user_name},
    process::Process,
    recorder::Recorder,
    rogue,
    shared::Shared,
    sizes,
    watch::Watch,
};
use crate::{
    fakes,
    plan::{self, Durability, Host, Operation, Plan, Role, Side, TICK_MS},
    record::{
        Kind,
        sizes::{Measure, Sizes},
    },
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use teamtalk::{
    catalogue::limits::Limits,
    client::{self, Command, DeviceStore},
    conversation::Chat,
    db_proxy,
    env::{Endpoint, Env, Listener},
    fact::Fact,
    link::{self, Dial, Listen},
    msg_server,
    protocol::Protocol,
    route_server,
    timing::Timing,
};
use tokio::sync::mpsc;

/// Connections from a msg_server to each db_proxy, as in the captures.
const DB_CONNECTIONS: usize = 2;

/// The ways to the devices, by slot.
type Queues = Arc<Mutex<BTreeMap<u32, mpsc::UnboundedSender<Command>>>>;
/// The ways to the rogues, by client host.
type Rogues = Arc<Mutex<BTreeMap<Host, mpsc::UnboundedSender<Operation>>>>;

/// What outlives the hosts.
#[derive(Clone)]
pub struct Hosts {
    plan: Arc<Plan>,
    base: Deployed,
    candidate: Deployed,
    shared: Shared,
    redis: Arc<Mutex<fakes::redis::Engine>>,
    sql: Arc<Mutex<fakes::sql::Engine>>,
    /// What all db_proxies keep audio in.
    blobs: Memory,
    devices: BTreeMap<u32, Arc<Mutex<DeviceStore>>>,
    queues: Queues,
    rogues: Rogues,
    /// Starts audits.
    pub auditor: Auditor,
    /// The disk under Redis.
    disk: Arc<Mutex<fakes::redis::Disk>>,
    /// Where the processes say that they run.
    pub watch: Watch,
    processes: BTreeMap<Host, Process>,
}

impl Hosts {
    /// Stores with their users, and devices with empty stores.
    pub fn new(
        plan: Plan,
        base: Deployed,
        candidate: Deployed,
        shared: Shared,
        watch: Watch,
    ) -> Self {
        let (mut sql, mut redis) = (fakes::sql::Engine::new(), fakes::redis::Engine::new());
        population::fill_sql(&mut sql, &plan);
        population::fill_redis(&mut redis, &plan);
        population::record(&shared, &plan);
        plan.nodes.iter().for_each(|node| _ = shared.host(&node.host));
        let devices = plan
            .devices
            .iter()
            .map(|d| (d.slot, Arc::new(Mutex::new(DeviceStore::default()))))
            .collect();
        let disk = fakes::redis::Disk::new(flushed_every(&plan), &redis);
        let process = |n: &plan::Node| (n.host.clone(), Process::default());
        Self {
            processes: plan.nodes.iter().map(process).collect(),
            plan: Arc::new(plan),
            base,
            candidate,
            shared,
            redis: Arc::new(Mutex::new(redis)),
            sql: Arc::new(Mutex::new(sql)),
            blobs: Memory::default(),
            devices,
            queues: Arc::default(),
            rogues: Arc::default(),
            auditor: Auditor::default(),
            disk: Arc::new(Mutex::new(disk)),
            watch,
        }
    }

    /// Registers every host with turmoil, in the plan's order.
    pub fn register(&self, sim: &mut turmoil::Sim<'_>) {
        for node in &self.plan.nodes {
            let (hosts, host) = (self.clone(), node.host.clone());
            sim.host(&*node.host, move || {
                let (hosts, host) = (hosts.clone(), host.clone());
                async move {
                    hosts.start(&host).await;
                    hosts.main(&host).await?;
                    hosts.process(&host).end();
                    std::future::pending::<()>().await;
                    Ok(())
                }
            });
        }
        let latency = Duration::from_millis(self.plan.latency_ticks * TICK_MS);
        for (i, a) in self.plan.nodes.iter().enumerate() {
            for b in &self.plan.nodes[i + 1..] {
                sim.set_link_latency(&*a.host, &*b.host, latency);
            }
        }
    }

    /// Waits while the process is meant to be down, then counts the incarnation.
    async fn start(&self, host: &Host) {
        self.process(host).started().await;
        self.watch.started(host);
        let mut shared = self.shared.lock();
        let id = shared.roster.id(host);
        shared.roster.started(id);
        shared.record_at(id, Kind::HostUp);
    }

    fn deployed(&self, side: Side) -> &Deployed {
        match side {
            Side::Base => &self.base,
            Side::Candidate => &self.candidate,
        }
    }

    async fn main(&self, host: &Host) -> std::io::Result<()> {
        let env = SimEnv::new(self.shared.clone(), host, None);
        let timing = self.plan.pace.timing();
        let Deployed { protocol, limits } = self.deployed(self.plan.side_of(host)).clone();
        match host.role() {
            Role::Redis => self.redis_main(&env, host).await,
            Role::Sql => self.sql_main(&env, host).await,
            Role::Outside => {
                tokio::spawn(self.auditor.clone().serve(env.clone(), self.plan.clone()));
                outside::run(env, timing).await.map(|_| ())
            }
            Role::Route => {
                let listen = Listen::new(port::ROUTE, route_server::Kind::MsgServer);
                let role = route_server::RouteServer::new(protocol);
                link::run(env, timing, role, vec![listen], Vec::new()).await.map(|_| ())
            }
            Role::Db => {
                let sql = fakes::sql::Connector::new(env.clone(), "sql", timing);
                let config = db_proxy::Config {
                    port: port::DB,
                    redis: Endpoint::new("redis", port::REDIS),
                    timing,
                    protocol,
                    limits,
                    workers: self.plan.db_workers,
                };
                let stop = self.process(host).clone().told_to_stop();
                let blobs = Recorded::new(self.blobs.clone(), self.shared.clone(), host);
                db_proxy::run_until(env, sql, blobs, config, stop).await
            }
            Role::Msg => self.msg_main(env, host, protocol, limits, timing).await,
            Role::Client => self.devices_main(host, timing).await,
            Role::World => Ok(()),
        }
    }

    async fn redis_main(&self, env: &SimEnv, host: &Host) -> std::io::Result<()> {
        let mut listener = env.bind(port::REDIS).await?;
        let hooks = self.recorder(host);
        loop {
            let stream = listener.accept().await?;
            // A broken connection is the client's affair: it sees it too.
            tokio::spawn(fakes::redis::converse(stream, self.redis.clone(), hooks.clone()));
        }
    }

    async fn sql_main(&self, env: &SimEnv, host: &Host) -> std::io::Result<()> {
        let serve = async |port| -> std::io::Result<()> {
            let mut listener = env.bind(port).await?;
            let hooks = self.recorder(host);
            loop {
                let stream = listener.accept().await?;
                tokio::spawn(fakes::sql::converse(stream, self.sql.clone(), hooks.clone()));
            }
        };
        tokio::select! {
            biased;
            ended = serve(port::SQL) => ended,
            ended = serve(port::SQL_REPLICA) => ended,
        }
    }

    fn recorder(&self, host: &Host) -> Arc<dyn fakes::Hooks> {
        Arc::new(Recorder::new(self.shared.clone(), host))
    }

    async fn msg_main(
        &self,
        env: SimEnv,
        host: &Host,
        protocol: Protocol,
        limits: Limits,
        timing: Timing,
    ) -> std::io::Result<()> {
        let db = self.plan.hosts(Role::Db);
        let config = msg_server::Config {
            protocol,
            timing,
            limits,
            ip: host.to_string(),
            port: port::MSG,
            max_conn_cnt: 100_000,
            host_name: host.to_string(),
            db_entries: db.len(),
            conns_per_entry: DB_CONNECTIONS,
            text_key: msg_server::DEFAULT_TEXT_KEY,
        };
        let mut dials = Vec::new();
        let mut dial = |host: &str, port, kind| {
            dials.push(Dial::new(Endpoint::new(host, port), kind).bounded(config.bounds(kind)));
        };
        for (entry, proxy) in db.iter().enumerate() {
            for n in 0..DB_CONNECTIONS {
                let index = entry * DB_CONNECTIONS + n;
                dial(proxy, port::DB, msg_server::Kind::Db { index });
            }
        }
        dial("outside", port::LOGIN, msg_server::Kind::Login { index: 0 });
        dial("outside", port::PUSH, msg_server::Kind::Push);
        dial("outside", port::FILE, msg_server::Kind::File);
        for (index, route) in self.plan.hosts(Role::Route).into_iter().enumerate() {
            dial(route, port::ROUTE, msg_server::Kind::Route { index });
        }
        let kind = msg_server::Kind::Client;
        let listen = Listen::new(port::MSG, kind).bounded(config.bounds(kind));
        let role = msg_server::MsgServer::new(config);
        link::run(env, timing, role, vec![listen], dials).await.map(|_| ())
    }

    async fn devices_main(&self, host: &Host, timing: Timing) -> std::io::Result<()> {
        let servers = self.plan.hosts(Role::Msg);
        for device in self.plan.devices.iter().filter(|d| *host == *d.host) {
            let env = SimEnv::new(self.shared.clone(), host, Some(device.slot));
            let (sender, receiver) = mpsc::unbounded_channel();
            self.queues.lock().expect("no panic under it").insert(device.slot, sender);
            let home = servers.iter().position(|s| **s == *device.home).unwrap_or(0);
            let mut order = servers.clone();
            order.rotate_left(home);
            let config = client::Config {
                device: device.slot,
                install: device.slot.into(),
                conduct: device.conduct,
                user: device.user,
                user_name: user_name(device.user),
                password: password(device.user),
                client_type: device.client.client_type(),
                habits: device.client.habits(),
                servers: order.iter().map(|s| Endpoint::new(&***s, port::MSG)).collect(),
                protocol: self.deployed(device.side).protocol,
                timing,
            };
            let store = self.devices[&device.slot].clone();
            tokio::spawn(async move { client::run(env, config, receiver, store).await });
        }
        let (sender, receiver) = mpsc::unbounded_channel();
        self.rogues.lock().expect("no panic under it").insert(host.clone(), sender);
        tokio::spawn(rogue::run(self.shared.clone(), host.clone(), self.plan.clone(), receiver));
        Ok(())
    }

    /// The process of a host of the plan.
    pub fn process(&self, host: &Host) -> &Process {
        &self.processes[host]
    }

    /// Redis writes to its disk if that is due.
    pub fn flush(&self, now_ms: u64) {
        let redis = self.redis.lock().expect("no panic under it");
        self.disk.lock().expect("no panic under it").tick(&redis, now_ms);
    }

    /// Notes how much the stores hold.
    pub fn measure(&self, sizes: &mut Sizes) {
        sizes::of_redis(sizes, &self.redis.lock().expect("no panic under it"));
        sizes::of_sql(sizes, &self.sql.lock().expect("no panic under it"));
        sizes.note(&Role::Outside.host(), Measure::Blobs, self.blobs.len() as u64);
    }

    /// A host loses its power: how many commands its store lost, if it has one that can.
    pub fn power_cut(&self, host: &Host) -> Option<u64> {
        (host.role() == Role::Redis).then(|| {
            let mut redis = self.redis.lock().expect("no panic under it");
            self.disk.lock().expect("no panic under it").power_cut(&mut redis)
        })
    }

    /// Hands an operation to its device, or to the host's rogue. `created`: the groups that
    /// operations have created.
    pub fn perform(&self, op: &Operation, created: &BTreeMap<u32, u32>) {
        match actions::of(op, created, &self.base.limits) {
            Ok(Some(action)) => {
                let mut queues = self.queues.lock().expect("no panic under it");
                let command = Command { op: op.id, action };
                self.hand_over(op, queues.get_mut(&op.device), command);
            }
            Ok(None) => self.let_loose(op),
            Err(why) => {
                let (id, device, what) = (op.id, op.device, op.describe());
                let line = Kind::Op { op: id, device, what, delivered: true };
                self.shared.record_world(line);
                let reason = why.to_string();
                self.shared.record_world(Kind::Fact(Fact::OpFailed { op: id, reason }));
            }
        }
    }

    /// Has the device's host do what needs no login.
    fn let_loose(&self, op: &Operation) {
        let host = self.plan.devices.iter().find(|d| d.slot == op.device).map(|d| d.host.as_str());
        let mut rogues = self.rogues.lock().expect("no panic under it");
        self.hand_over(op, host.and_then(|host| rogues.get_mut(host)), op.clone());
    }

    fn hand_over<T>(&self, op: &Operation, to: Option<&mut mpsc::UnboundedSender<T>>, what: T) {
        let open = to.filter(|queue| !queue.is_closed());
        let (id, device, delivered) = (op.id, op.device, open.is_some());
        self.shared.record_world(Kind::Op { op: id, device, what: op.describe(), delivered });
        if let Some(queue) = open {
            // The receiver was open just now, and nothing else runs meanwhile.
            let _ = queue.send(what);
        }
    }

    /// Every chat that a device shows as unread.
    pub fn unread_chats(&self, device: u32) -> Vec<Chat> {
        let store = self.devices[&device].lock().expect("no panic under it");
        store.unread.keys().copied().collect()
    }

    /// Whether a device stays or goes online by itself: its user logged in, and was neither
    /// kicked nor logged out since.
    pub fn wants_online(&self, device: u32) -> bool {
        self.devices[&device].lock().expect("no panic under it").logged_in
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
