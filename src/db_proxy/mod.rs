//! db_proxy: a table from command to handler over Redis and SQL (SYSTEM.md section 6).
//!
//! Requests of all msg_servers go to a pool of workers; each request goes to a random worker
//! with its own queue and its own pair of SQL connections, so requests of one connection may
//! run side by side and be answered out of order. There is no retry anywhere.

mod all_users;
mod by_id;
mod context;
mod departments;
mod device_token;
mod failures;
mod group_job;
mod group_list;
mod keep_token;
mod latest_id;
mod message;
mod msg_list;
mod push_shield;
mod read_ack;
mod read_mark;
#[cfg(test)]
mod read_switch_tests;
#[cfg(test)]
mod read_tests;
mod recent;
mod refusal;
mod relation;
mod remove_session;
mod send;
#[cfg(test)]
mod send_tests;
mod session;
mod sign_info;
mod silent;
mod single;
#[cfg(test)]
mod switch_tests;
mod table;
#[cfg(test)]
mod testing;
mod text;
mod transaction;
mod unread;
mod user_change;
#[cfg(test)]
mod user_tests;
mod users;
mod validate;
mod worker;

use crate::{
    env::{ConnId, Endpoint, Env},
    link::{Event, Kind, Link, Listen},
    protocol::Protocol,
    store::{cache::Pool, sql::Connector},
    timing::Timing,
    wire::Pdu,
};
use context::{Context, Shared, World};
use std::{convert::Infallible, io, marker::PhantomData, sync::Arc};
use tokio::{
    sync::mpsc,
    task::{JoinError, JoinSet},
};

/// How many replies may wait for the shell; workers wait when there are more.
const REPLIES_BOUND: usize = 1024;

/// How one db_proxy is set up.
#[derive(Debug, Clone)]
pub struct Config {
    /// The port that msg_servers dial.
    pub port: u16,
    /// Redis.
    pub redis: Endpoint,
    /// The durations.
    pub timing: Timing,
    /// The switches.
    pub protocol: Protocol,
    /// How many workers (and so pairs of SQL connections); at least 1.
    pub workers: usize,
}

impl Config {
    /// A configuration with 4 workers.
    pub fn new(port: u16, redis: Endpoint, timing: Timing, protocol: Protocol) -> Self {
        Self { port, redis, timing, protocol, workers: 4 }
    }
}

/// db_proxy has one kind of connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct MsgServer;

impl Kind for MsgServer {
    fn is_server_link(self) -> bool {
        true
    }
}

/// The stores of a process that runs on `E` and `C`.
struct Real<E, C>(PhantomData<fn() -> (E, C)>);

impl<E: Env, C: Connector> World for Real<E, C> {
    type Host = E;
    type Cache = Pool<E>;
    type Sql = C;
}

/// Runs a db_proxy for ever.
///
/// # Errors
/// When the port can't be bound, or a worker ended.
///
/// # Panics
/// When a worker panicked: its panic goes on here.
pub async fn run<E: Env, C: Connector>(
    env: E,
    connector: C,
    config: Config,
) -> io::Result<Infallible> {
    let Config { port, redis, timing, protocol, workers } = config;
    let shared = Arc::new(Shared::<Real<E, C>> {
        host: env.clone(),
        cache: Pool::new(env.clone(), redis, timing),
        protocol,
        timing,
        failures: failures::Failures::new(timing.login_failure_window()),
        user_change: user_change::UserChange::at(env.unix_time().as_secs() as u32),
    });
    let context = || Context::new(shared.clone(), connector.clone());
    let listens = vec![Listen { port, kind: MsgServer }];
    let mut link = Link::open(env.clone(), timing, listens, Vec::new()).await?;
    let (replies, mut answered) = mpsc::channel(REPLIES_BOUND);
    // Dropped with this future: no task outlives its db_proxy.
    let mut tasks = JoinSet::new();
    tasks.spawn(background(context()));
    let mut pool = worker::Queues::new(env, workers.max(1), |queue| {
        tasks.spawn(worker::run(context(), queue, replies.clone()));
    });
    loop {
        tokio::select! {
            biased;
            Some((conn, reply)) = answered.recv() => answer(&mut link, conn, reply),
            Some(ended) = tasks.join_next() => return Err(worker_ended(ended)),
            event = link.next() => {
                if let Event::Pdu { conn, pdu, .. } = event
                    && let Err(full) = pool.dispatch(conn, pdu)
                    && let Some(refusal) = refusal::queue_full(&protocol, &full)
                {
                    answer(&mut link, conn, refusal);
                }
            }
        }
    }
}

/// What a db_proxy does unasked.
async fn background<W: World>(mut cx: Context<W>) {
    user_change::load(&mut cx).await;
    group_job::run(cx).await;
}

/// Queues a reply; the shell drops one whose connection is gone.
fn answer<E: Env>(link: &mut Link<E, MsgServer>, conn: ConnId, reply: Pdu) {
    link.send(conn, reply);
}

fn worker_ended(ended: Result<(), JoinError>) -> io::Error {
    match ended {
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(error) => io::Error::other(error),
        Ok(()) => io::Error::other("a worker ended"),
    }
}
