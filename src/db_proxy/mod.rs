//! db_proxy: a table from command to handler over Redis and SQL (SYSTEM.md section 6).
//!
//! Requests of all msg_servers go to a pool of workers; each request goes to a random worker with
//! its own queue and its own pair of SQL connections (with `edge-limits` to one that is idle, and all
//! wait in one line, by turns of users: `line`), so requests of one connection may run side by side and be answered out
//! of order. What fails is not tried again, with one exception: a transaction, or a statement outside any, that lost
//! a lock to another one is run again a few times (`plumbing::tries`).

mod data;
mod fair;
mod file;
mod group;
mod line;
mod message;
mod plumbing;
mod push;
mod schema;
mod session;
mod table;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod user;
mod worker;

use crate::{
    catalogue::{
        id as command,
        limits::{Limits, SPARE},
    },
    env::{ConnId, Endpoint, Env},
    fact::Fact,
    link::{Bounds, Event, Kind, Link, Listen},
    mutants::Mutant,
    protocol::Protocol,
    store::{blob::Blobs, cache::Pool, migrations::TooOld, sql::Connector},
    timing::Timing,
    wire::{Pdu, frame::MAX_LEN, im::server::ImStopReceivePacket, pdu::HEADER_LEN},
};
use data::caches::Caches;
use plumbing::{
    context::{Context, Shared, World},
    refusal::{self, Unwritten},
};
use std::{
    collections::BTreeSet,
    convert::Infallible,
    io,
    marker::PhantomData,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinError, JoinSet},
    time::Sleep,
};
use user::user_change;
use worker::Queues;

/// The most replies that may wait to be written; past it workers wait.
const REPLIES_BOUND: usize = 1024;

/// How one db_proxy is set up.
#[derive(Debug, Clone)]
pub struct Config {
    /// The port that msg_servers dial.
    pub port: u16,
    /// Where Redis is.
    pub redis: Endpoint,
    /// The durations.
    pub timing: Timing,
    /// The switches.
    pub protocol: Protocol,
    /// How much may wait to be written to a msg_server (switch `edge-limits`).
    pub limits: Limits,
    /// How many workers (and so pairs of SQL connections); at least 1.
    pub workers: usize,
}

impl Config {
    /// A configuration with 4 workers.
    pub fn new(port: u16, redis: Endpoint, timing: Timing, protocol: Protocol) -> Self {
        let limits = Limits::default();
        Self { port, redis, timing, protocol, limits, workers: 4 }
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

/// The stores of a process that runs on `E`, `C` and `B`.
struct Real<E, C, B>(PhantomData<(E, C, B)>);

impl<E: Env, C: Connector, B: Blobs> World for Real<E, C, B> {
    type Host = E;
    type Cache = Pool<E>;
    type Sql = C;
    type Blobs = B;
}

/// Why an answer can't be written to its link, if it can't.
fn unwritable<E: Env>(link: &Link<E, MsgServer>, conn: ConnId, reply: &Pdu) -> Option<Unwritten> {
    let length = HEADER_LEN + reply.body.len();
    if length > MAX_LEN as usize {
        return Some(Unwritten::TooLong(length));
    }
    (!link.has_room(conn, reply, SPARE)).then_some(Unwritten::NoRoom)
}

/// Writes an answer. With `edge-limits` one that is longer than a PDU may be, or for which there is
/// no room beside what a slow msg_server has not taken yet, is refused: no request of a client may
/// close the link that serves all of them.
fn answer<E: Env>(link: &mut Link<E, MsgServer>, protocol: &Protocol, conn: ConnId, reply: Pdu) {
    let unwritten = match protocol.edge_limits {
        true => unwritable(link, conn, &reply),
        false => None,
    };
    match unwritten {
        Some(why) if !protocol.mutated(Mutant::AnswersPastRoom) => {
            if let Some(refusal) = refusal::instead_of(protocol, &reply, why) {
                link.send(conn, refusal);
            }
        }
        _ => link.send(conn, reply),
    }
}

/// Runs a db_proxy for ever.
///
/// # Errors
/// Those of [`run_until`].
///
/// # Panics
/// When a worker panicked: its panic goes on here.
pub async fn run<E: Env, C: Connector, B: Blobs>(
    env: E,
    connector: C,
    blobs: B,
    config: Config,
) -> io::Result<Infallible> {
    run_until(env, connector, blobs, config, std::future::pending()).await?;
    Err(io::Error::other("stopped without being told"))
}

/// Runs a db_proxy until `stop` is ready (SIGTERM) and `Timing::stop_grace` longer: every
/// msg_server is told to pick this one no more, the jobs stop, and requests are served to
/// the end. What is still queued then is lost.
///
/// Requests wait until the database has said which version of the schema it has, if a switch needs one
/// (`schema::Check`), or could not be asked.
///
/// # Errors
/// When the port can't be bound, or a worker ended; with [`TooOld`] inside, when the database lacks
/// tables that the switches need: whoever watches over the process starts it again.
///
/// # Panics
/// When a worker panicked: its panic goes on here.
pub async fn run_until<E: Env, C: Connector, B: Blobs>(
    env: E,
    connector: C,
    blobs: B,
    config: Config,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let Config { port, redis, timing, protocol, limits, workers } = config;
    let shared = Arc::new(Shared::<Real<E, C, B>> {
        host: env.clone(),
        cache: Pool::new(env.clone(), redis, timing),
        blobs,
        protocol,
        timing,
        caches: Caches::new(timing.login_failure_window(), env.unix_time().as_secs() as u32),
    });
    let context = || Context::new(shared.clone(), connector.clone());
    let bounds = match protocol.edge_limits {
        true => Bounds { unsent: limits.link_unsent, ..Bounds::ORIGINAL },
        false => Bounds::ORIGINAL,
    };
    let listens = vec![Listen::new(port, MsgServer).bounded(bounds)];
    let link = Link::open(env.clone(), timing, listens, Vec::new()).await?;
    let mut link = link.under(protocol);
    let (replies, mut answered) = mpsc::channel(REPLIES_BOUND);
    // Dropped with this future: no task outlives its db_proxy.
    let mut tasks = JoinSet::new();
    let mut jobs = vec![tasks.spawn(background(context()))];
    if protocol.idempotent_send {
        jobs.push(tasks.spawn(message::tokens::run(context())));
    }
    let start = |queues: &mut Vec<_>, tasks: &mut JoinSet<()>| {
        for queue in queues.drain(..) {
            tasks.spawn(worker::run(context(), queue, replies.clone()));
        }
    };
    let mut schema = schema::Check::new(connector.clone(), protocol, timing);
    // `queues` are those of the workers that have not started.
    let (mut pool, mut queues) = match protocol.edge_limits {
        true => {
            // Then its device has asked again, and half the time is left in which its msg_server takes an answer.
            let longest = timing.request_timeout() / 2;
            let bounds = (limits.worker_queue, longest);
            Queues::shared(env.clone(), workers.max(1), bounds, protocol)
        }
        false => Queues::own(env.clone(), workers.max(1), worker::QUEUE_BOUND),
    };
    if !schema.is_asking() {
        start(&mut queues, &mut tasks);
    }
    let mut links = BTreeSet::new();
    let mut stop = pin!(stop);
    let mut exit = None;
    loop {
        tokio::select! {
            biased;
            () = &mut stop, if exit.is_none() => {
                jobs.iter().for_each(AbortHandle::abort);
                for &conn in &links {
                    if !protocol.mutated(Mutant::StopUntold) {
                        link.send(conn, stop_notice());
                    }
                }
                let grace = match protocol.mutated(Mutant::StopAtOnce) {
                    true => Duration::ZERO,
                    false => timing.stop_grace(),
                };
                exit = Some(Box::pin(tokio::time::sleep(grace)));
            }
            () = passed(&mut exit) => return Ok(()),
            fits = schema.next() => match fits {
                Ok(()) => start(&mut queues, &mut tasks),
                Err(lacks) => return Err(not_serving(&env, lacks)),
            },
            Some((conn, reply)) = answered.recv() => answer(&mut link, &protocol, conn, reply),
            Some(ended) = tasks.join_next() => worker_ended(ended)?,
            event = link.next() => match event {
                Event::Opened { conn, .. } => {
                    links.insert(conn);
                    if exit.is_some() {
                        link.send(conn, stop_notice());
                    }
                }
                Event::Closed { conn, .. } => {
                    links.remove(&conn);
                }
                Event::Pdu { pdu, .. }
                    if pdu.command() == command::MSG_DATA
                        && !pdu.is_marked()
                        && protocol.mutated(Mutant::DbWantsMark) => {}
                Event::Pdu { conn, pdu, .. } => {
                    if let Err(full) = pool.dispatch(conn, pdu)
                        && let Some(refusal) = refusal::queue_full(&protocol, &full)
                    {
                        link.send(conn, refusal);
                    }
                }
                // It asks nobody.
                Event::NotAsked { .. } | Event::Tick => {}
            }
        }
    }
}

/// The database is too old: says so where facts go, and is what the process ends with.
fn not_serving<E: Env>(env: &E, lacks: TooOld) -> io::Error {
    tracing::error!(%lacks, "not serving");
    env.fact(Fact::NotServing { reason: lacks.to_string() });
    io::Error::other(lacks)
}

/// 0702: tells a msg_server to send no more requests here.
fn stop_notice() -> Pdu {
    Pdu::new(command::OTHER_STOP_RECV_PACKET, 0, &ImStopReceivePacket { result: 0 })
}

/// Waits for a time; for ever if it is not set.
async fn passed(exit: &mut Option<Pin<Box<Sleep>>>) {
    match exit {
        Some(sleep) => sleep.await,
        None => std::future::pending().await,
    }
}

/// What a db_proxy does by itself.
async fn background<W: World>(mut cx: Context<W>) {
    user_change::load(&mut cx).await;
    group::job::run(cx).await;
}

/// A task has ended. That is in order only for a job that is stopped: workers never end.
fn worker_ended(ended: Result<(), JoinError>) -> io::Result<()> {
    match ended {
        Err(error) if error.is_cancelled() => Ok(()),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(error) => Err(io::Error::other(error)),
        Ok(()) => Err(io::Error::other("a worker ended")),
    }
}
