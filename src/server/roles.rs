//! Each role on tokio's sockets, until it is told to stop.

use super::{
    config::{Config, endpoint},
    login,
};
use crate::{
    db_proxy,
    env::{Endpoint, sockets::Sockets},
    link::{self, Dial, Listen, Role},
    msg_server, route_server,
    store::{
        folder::Folder,
        migrations::{self, Migration},
        mysql,
        sql::{Connector as _, Server},
    },
    timing::Timing,
};
use std::{future::Future, io};

/// Why a program ends that nobody has stopped.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The settings are wrong: to start it again would not help.
    #[error("{0}")]
    Settings(String),
    /// A port can't be bound, the database lacks tables, or the like.
    #[error("{0}")]
    Running(#[from] io::Error),
    /// A migration failed.
    #[error("{0}")]
    Migration(String),
}

impl From<String> for Failed {
    fn from(why: String) -> Self {
        Self::Settings(why)
    }
}

/// Every duration as docs/SYSTEM.md has it.
fn timing() -> Timing {
    Timing::original()
}

/// Runs a db_proxy until `stop` is ready, and `Timing::stop_grace` longer.
///
/// # Errors
/// See [`Failed`].
pub async fn db_proxy(config: &Config, stop: impl Future<Output = ()>) -> Result<(), Failed> {
    let (protocol, limits) = config.protocol.resolve()?;
    let timing = timing();
    let (primary, replica) = config.stores.sql()?;
    let sql = mysql::Connector::new(primary, replica, timing)?;
    let redis = config.stores.redis()?;
    let blobs = Folder::open(config.stores.recordings.clone(), timing.sql_timeout()).await?;
    let env = Sockets::new(config.db_proxy.address);
    let (port, workers) = (config.db_proxy.port, config.db_proxy.workers);
    tracing::info!(port, workers, preset = config.protocol.preset, "db_proxy starts");
    let role = db_proxy::Config { port, redis, timing, protocol, limits, workers };
    Ok(db_proxy::run_until(env, sql, blobs, role, stop).await?)
}

/// Runs a route_server until `stop` is ready: its links close.
///
/// # Errors
/// See [`Failed`].
pub async fn route_server(config: &Config, stop: impl Future<Output = ()>) -> Result<(), Failed> {
    let (protocol, limits) = config.protocol.resolve()?;
    let (env, port) = (Sockets::new(config.route.address), config.route.port);
    tracing::info!(port, preset = config.protocol.preset, "route_server starts");
    let bounds = route_server::bounds(&protocol, &limits);
    let listen = Listen::new(port, route_server::Kind::MsgServer).bounded(bounds);
    until(stop, env, route_server::RouteServer::new(protocol), listen, Vec::new()).await
}

/// Runs what stands in for a login_server until `stop` is ready: its links close.
///
/// # Errors
/// See [`Failed`].
pub async fn login_server(config: &Config, stop: impl Future<Output = ()>) -> Result<(), Failed> {
    let (env, port) = (Sockets::new(config.login.address), config.login.port);
    tracing::info!(port, "login_server starts");
    until(stop, env, login::LoginServer, Listen::new(port, login::MsgServer), Vec::new()).await
}

/// Runs a msg_server until `stop` is ready: its connections close, and devices dial another one.
///
/// # Errors
/// See [`Failed`].
pub async fn msg_server(config: &Config, stop: impl Future<Output = ()>) -> Result<(), Failed> {
    let (protocol, limits) = config.protocol.resolve()?;
    let msg = &config.msg;
    let role = msg_server::Config {
        protocol,
        timing: timing(),
        limits,
        ip: msg.ip.clone(),
        port: msg.port,
        max_conn_cnt: msg.max_conn_cnt,
        host_name: msg.host_name.clone(),
        db_entries: msg.db.len(),
        conns_per_entry: msg.connections,
        text_key: msg.text_key()?,
    };
    let mut dials = Vec::new();
    for (to, kind) in links(config)? {
        let dial = Dial::new(to, kind).bounded(role.bounds(kind));
        dials.push(dial.hearing_silence(protocol.hear_silence));
    }
    let (env, port) = (Sockets::new(msg.address), msg.port);
    tracing::info!(port, preset = config.protocol.preset, "msg_server starts");
    let kind = msg_server::Kind::Client;
    let listen = Listen::new(port, kind).bounded(role.bounds(kind));
    until(stop, env, msg_server::MsgServer::new(role), listen, dials).await
}

/// What a msg_server dials, and what for.
fn links(config: &Config) -> Result<Vec<(Endpoint, msg_server::Kind)>, String> {
    use msg_server::Kind;
    let msg = &config.msg;
    let mut links = Vec::new();
    for (entry, proxy) in msg.db.iter().enumerate() {
        for n in 0..msg.connections {
            links.push((endpoint(proxy)?, Kind::Db { index: entry * msg.connections + n }));
        }
    }
    for (index, login) in msg.login.iter().enumerate() {
        links.push((endpoint(login)?, Kind::Login { index }));
    }
    for (other, kind) in [(&msg.push, Kind::Push), (&msg.file, Kind::File)] {
        if let Some(to) = other {
            links.push((endpoint(to)?, kind));
        }
    }
    for (index, route) in msg.route.iter().enumerate() {
        links.push((endpoint(route)?, Kind::Route { index }));
    }
    Ok(links)
}

async fn until<R: Role>(
    stop: impl Future<Output = ()>,
    env: Sockets,
    role: R,
    listen: Listen<R::Kind>,
    dials: Vec<Dial<R::Kind>>,
) -> Result<(), Failed> {
    let running = link::run(env, timing(), role, vec![listen], dials);
    tokio::select! {
        biased;
        () = stop => Ok(()),
        ended = running => Ok(ended.map(|_| ())?),
    }
}

/// Brings the database to the latest version of the schema; which migrations ran.
///
/// # Errors
/// See [`Failed`].
pub async fn migrate(config: &Config) -> Result<Vec<&'static Migration>, Failed> {
    let (primary, replica) = config.stores.sql()?;
    let sql = mysql::Connector::new(primary, replica, timing())?;
    let failed = |e: &dyn std::fmt::Display| Failed::Migration(format!("the primary: {e}"));
    let mut connection = sql.connect(Server::Primary).await.map_err(|e| failed(&e))?;
    migrations::run(&mut connection).await.map_err(|e| failed(&e))
}
