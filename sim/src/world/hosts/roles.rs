//! Which role runs on which host.

use super::Hosts;
use crate::{
    fakes::{self, Hooks},
    plan::{Host, Role},
    world::{Deployed, SimEnv, blobs::Recorded, env::port, outside, recorder::Recorder},
};
use std::{io, sync::Arc};
use teamtalk::{
    catalogue::limits::Limits,
    db_proxy,
    env::Endpoint,
    link::{self, Dial, Listen},
    msg_server,
    protocol::Protocol,
    route_server,
    timing::Timing,
};

/// Connections from a msg_server to each db_proxy, as in the captures.
const DB_CONNECTIONS: usize = 2;

impl Hosts {
    /// What a host runs, until it ends by itself.
    pub(super) async fn main(&self, host: &Host) -> io::Result<()> {
        let env = SimEnv::new(self.shared.clone(), host, None);
        let timing = self.plan.pace.timing();
        let side = self.installed(host);
        let Deployed { protocol, limits } = self.sides.of(side).clone();
        match host.role() {
            Role::Redis => self.stores.serve_redis(&env, self.recorder(host)).await,
            Role::Sql => {
                let replica = Recorder::new(self.shared.clone(), host).of_replica();
                let replica: Arc<dyn Hooks> = Arc::new(replica);
                let serve = |port, hooks| self.stores.serve_sql(&env, port, hooks);
                tokio::select! {
                    biased;
                    ended = serve(port::SQL, self.recorder(host)) => ended,
                    ended = serve(port::SQL_REPLICA, replica) => ended,
                }
            }
            Role::Outside => {
                tokio::spawn(self.auditor.clone().serve(env.clone(), self.plan.clone()));
                outside::run(env, timing).await.map(|_| ())
            }
            Role::Route => {
                let kind = route_server::Kind::MsgServer;
                let bounds = route_server::bounds(&protocol, &limits);
                let listen = Listen::new(port::ROUTE, kind).bounded(bounds);
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
                let blobs = Recorded::new(self.stores.blobs.clone(), self.shared.clone(), host);
                db_proxy::run_until(env, sql, blobs, config, stop).await
            }
            Role::Msg => self.msg_main(env, host, protocol, limits, timing).await,
            Role::Client => {
                self.devices.start(host, side, timing);
                Ok(())
            }
            Role::World => Ok(()),
        }
    }

    fn recorder(&self, host: &Host) -> Arc<dyn Hooks> {
        Arc::new(Recorder::new(self.shared.clone(), host))
    }

    async fn msg_main(
        &self,
        env: SimEnv,
        host: &Host,
        protocol: Protocol,
        limits: Limits,
        timing: Timing,
    ) -> io::Result<()> {
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
            let dial = Dial::new(Endpoint::new(host, port), kind).bounded(config.bounds(kind));
            dials.push(dial.hearing_silence(protocol.hear_silence));
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
}
