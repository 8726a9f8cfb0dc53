//! The client over the simulated network.

use crate::{
    fakes::{
        Hooks, lock,
        sql::{Connector, Engine, PRIMARY_PORT, REPLICA_PORT, serve},
    },
    record::{Applied, shown},
    seeded,
};
use std::{
    io,
    net::Ipv4Addr,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};
use teamtalk::{
    env::{ConnId, Endpoint, Env, Listener, Stream},
    fact::Fact,
    store::sql::{
        self, BatchError, Connection as _, Connector as _, Server, SqlError, Statement, Value,
    },
    timing::Timing,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use turmoil::net::{TcpListener, TcpStream};

/// Sockets of turmoil and nothing else.
#[derive(Clone)]
struct Net;

struct Socket(TcpStream);

struct Accept(TcpListener);

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl Stream for Socket {
    fn id(&self) -> ConnId {
        0
    }

    fn source(&self) -> Option<std::net::IpAddr> {
        None
    }
}

impl Listener for Accept {
    type Stream = Socket;

    async fn accept(&mut self) -> io::Result<Socket> {
        Ok(Socket(self.0.accept().await?.0))
    }
}

impl Env for Net {
    type Stream = Socket;
    type Listener = Accept;

    async fn connect(&self, to: &Endpoint) -> io::Result<Socket> {
        Ok(Socket(TcpStream::connect((to.host.as_str(), to.port)).await?))
    }

    async fn bind(&self, port: u16) -> io::Result<Accept> {
        Ok(Accept(TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?))
    }

    fn unix_time(&self) -> Duration {
        Duration::ZERO
    }

    fn random(&self, _: &'static str, _: impl Fn() -> u64) -> u64 {
        0
    }

    fn fact(&self, _: Fact) {}
}

/// Delays of `before` and `after` ticks, and a log of what applied.
struct Fixed {
    before: u32,
    after: u32,
    /// A batch whose client is gone is run to its end.
    runs_on: bool,
    log: Mutex<Vec<String>>,
}

impl Hooks for Fixed {
    fn delay(&self, purpose: &'static str, _: u64) -> u32 {
        if ["sql arrived", "sql alone"].contains(&purpose) {
            return u32::from(!self.runs_on);
        }
        if purpose.ends_with("after") { self.after } else { self.before }
    }

    fn applied(&self, applied: Applied) -> u64 {
        let Applied { store, what, params, effect, committed, .. } = applied;
        let params: Vec<_> = params.iter().map(shown).collect();
        let line = format!("{store} {what} [{}] {effect} {committed}", params.join(" "));
        lock(&self.log).push(line);
        0
    }
}

const INSERT: &str = "insert into TTRelation (smallId, bigId, relateId) values (?, ?, 1)";

fn parts(before: u32, after: u32) -> (Arc<Mutex<Engine>>, Arc<Fixed>) {
    let hooks = Fixed { before, after, runs_on: false, log: Mutex::default() };
    (Arc::new(Mutex::new(Engine::new())), Arc::new(hooks))
}

fn world(engine: &Arc<Mutex<Engine>>, hooks: &Arc<Fixed>) -> turmoil::Sim<'static> {
    let mut sim =
        seeded::network(0).tcp_capacity(4096).simulation_duration(Duration::from_secs(120)).build();
    let (engine, hooks) = (engine.clone(), hooks.clone());
    sim.host("sql", move || {
        let (engine, hooks) = (engine.clone(), hooks.clone());
        async move {
            let replica = TcpListener::bind((Ipv4Addr::UNSPECIFIED, REPLICA_PORT)).await?;
            tokio::spawn(serve(replica, engine.clone(), hooks.clone()));
            let primary = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PRIMARY_PORT)).await?;
            Ok(serve(primary, engine, hooks).await?)
        }
    });
    sim
}

/// Runs until so many simulated milliseconds; then SQL crashes and is there anew at once.
fn crashes_at(sim: &mut turmoil::Sim<'_>, ms: u64) {
    while sim.elapsed() < Duration::from_millis(ms) {
        sim.step().unwrap();
    }
    sim.crash("sql");
    sim.bounce("sql");
}

fn connector(timing: Timing) -> Connector<Net> {
    Connector::new(Net, "sql", timing)
}

#[test]
fn statements_travel_and_are_reported() {
    let (engine, hooks) = parts(1, 2);
    let mut sim = world(&engine, &hooks);
    sim.client("client", async {
        let connector = connector(Timing::original());
        let mut primary = connector.connect(Server::Primary).await?;
        let mut replica = connector.connect(Server::Replica).await?;
        primary.execute("begin", &[]).await?;
        assert_eq!(primary.execute(INSERT, &[1.into(), 2.into()]).await?.affected, 1);
        let read = "select relateId from TTRelation where smallId=?";
        assert_eq!(replica.execute(read, &[1.into()]).await?.rows.len(), 0);
        primary.execute("commit", &[]).await?;
        assert_eq!(replica.execute(read, &[1.into()]).await?.get(0, "relateId").uint(), 1);
        let again = primary.execute(INSERT, &[1.into(), 2.into()]).await;
        assert!(matches!(again, Err(SqlError::Server { code: 1062, .. })));
        primary.execute("select 1", &[]).await?;
        Ok(())
    });
    sim.run().unwrap();
    let log = lock(&hooks.log);
    assert_eq!(log[0], "sql begin [] tx 1: affected 0 false");
    assert_eq!(log[1], format!("sql {INSERT} [1 2] tx 1: affected 1 false"));
    assert!(log[2].ends_with("[1] rows 0 true"), "{}", log[2]);
    assert_eq!(log[3], "sql commit [] tx 1: affected 0 true");
    assert!(log[5].contains("error 1062") && log[5].ends_with("false"), "{}", log[5]);
}

/// Begins, inserts, runs `then`, commits.
fn batch<'a>(pair: &'a [Value; 2], then: &'a str) -> [Statement<'a>; 4] {
    let of = |text, params| Statement { text, params };
    [of("begin", &[]), of(INSERT, pair), of(then, &[]), of("commit", &[])]
}

#[test]
fn a_batch_ends_at_its_first_error() {
    let (engine, hooks) = parts(1, 2);
    let mut sim = world(&engine, &hooks);
    sim.client("client", async {
        let mut primary = connector(Timing::original()).connect(Server::Primary).await?;
        let one = [1.into(), 2.into()];
        let failed = primary.batch(&batch(&one, "select nothing")).await;
        let Err(BatchError { at: 2, error: SqlError::Server { .. } }) = failed else {
            panic!("{failed:?}")
        };
        primary.execute("rollback", &[]).await?;
        let two = [1.into(), 3.into()];
        let outcomes = primary.batch(&batch(&two, "select 1")).await?;
        assert_eq!(outcomes.iter().map(|o| o.affected).collect::<Vec<_>>(), [0, 1, 0, 0]);
        Ok(())
    });
    sim.run().unwrap();
    assert_eq!(lock(&engine).rows("TTRelation").len(), 1, "the first one was rolled back");
    assert_eq!(lock(&hooks.log).len(), 3 + 1 + 4, "each statement has its line");
}

/// The delay before each statement of a batch is a place for a crash: the transaction is undone
/// unless it came to its commit.
#[test]
fn a_crash_within_a_batch_undoes_its_transaction() {
    for (crash_ms, rows) in [(900, 0), (1_300, 1)] {
        let (engine, hooks) = parts(50, 100);
        let mut sim = world(&engine, &hooks);
        sim.client("client", async {
            let mut conn = connector(Timing::original()).connect(Server::Primary).await?;
            let pair = [1.into(), 2.into()];
            let lost = conn.batch(&batch(&pair, "select 1")).await;
            assert!(matches!(lost, Err(BatchError { error: SqlError::Lost(_), .. })), "{lost:?}");
            Ok(())
        });
        while sim.elapsed() < Duration::from_millis(crash_ms) {
            sim.step().unwrap();
        }
        assert!(lock(&hooks.log).len() >= 3, "the insert has run");
        sim.crash("sql");
        sim.bounce("sql");
        sim.run().unwrap();
        assert_eq!(lock(&engine).rows("TTRelation").len(), rows);
    }
}

/// Its client hears of nothing, and one that asks again finds it done.
#[test]
fn a_batch_whose_client_is_gone_ends_or_runs_on() {
    for (runs_on, gone_ms, rows) in
        [(false, 700, 0), (true, 700, 1), (false, 100, 0), (true, 100, 1)]
    {
        let hooks = Fixed { before: 50, after: 0, runs_on, log: Mutex::default() };
        let (engine, hooks) = (Arc::new(Mutex::new(Engine::new())), Arc::new(hooks));
        let mut sim = world(&engine, &hooks);
        sim.client("client", async move {
            let mut conn = connector(Timing::original()).connect(Server::Primary).await?;
            let pair = [1.into(), 2.into()];
            let statements = batch(&pair, "select 1");
            let limit = Duration::from_millis(gone_ms);
            let answer = tokio::time::timeout(limit, conn.batch(&statements)).await;
            assert!(answer.is_err(), "gone before the answer");
            drop(conn);
            tokio::time::sleep(Duration::from_secs(3)).await;
            Ok(())
        });
        sim.run().unwrap();
        assert_eq!(lock(&engine).rows("TTRelation").len(), rows, "{runs_on} {gone_ms}");
    }
}

/// Two sessions, of which the first has inserted a pair in a transaction that goes on.
async fn held(
    connector: &Connector<Net>,
) -> Result<[<Connector<Net> as sql::Connector>::Connection; 2], SqlError> {
    let mut first = connector.connect(Server::Primary).await?;
    let second = connector.connect(Server::Primary).await?;
    first.execute("begin", &[]).await?;
    first.execute(INSERT, &[1.into(), 2.into()]).await?;
    Ok([first, second])
}

#[test]
fn a_blocked_insert_goes_on_when_the_other_connection_drops() {
    let (engine, hooks) = parts(0, 0);
    let mut sim = world(&engine, &hooks);
    sim.client("client", async {
        let [first, mut second] = held(&connector(Timing::original())).await?;
        let waiting =
            tokio::spawn(async move { second.execute(INSERT, &[1.into(), 2.into()]).await });
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!waiting.is_finished());
        drop(first);
        assert_eq!(waiting.await??.affected, 1);
        Ok(())
    });
    sim.run().unwrap();
    let log = lock(&hooks.log);
    assert!(log.contains(&"sql ROLLBACK [] tx 1: connection lost false".to_string()), "{log:?}");
}

/// Seen on MariaDB (tests/stores/scenarios/orphans.txt): nobody looks for the client of a statement that waits.
#[test]
fn what_waits_for_a_lock_is_done_though_its_client_is_gone() {
    let (engine, hooks) = parts(0, 0);
    let mut sim = world(&engine, &hooks);
    sim.client("client", async {
        let [mut first, mut second] = held(&connector(Timing::original())).await?;
        let pair = [1.into(), 2.into()];
        let waiting = second.execute(INSERT, &pair);
        let waited = tokio::time::timeout(Duration::from_secs(1), waiting).await;
        assert!(waited.is_err(), "it waits");
        drop(second);
        tokio::time::sleep(Duration::from_secs(1)).await;
        first.execute("rollback", &[]).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(())
    });
    sim.run().unwrap();
    assert_eq!(lock(&engine).rows("TTRelation").len(), 1, "the second one's");
}

#[test]
fn a_lock_wait_ends_with_1205_and_a_silent_server_with_lost() {
    let (engine, hooks) = parts(0, 0);
    lock(&engine).set_lock_wait(Duration::from_secs(1));
    let mut sim = world(&engine, &hooks);
    sim.client("client", async {
        let connector = connector(Timing::original());
        let [_first, mut second] = held(&connector).await?;
        let waited = second.execute(INSERT, &[1.into(), 2.into()]).await;
        assert!(matches!(waited, Err(SqlError::Server { code: 1205, .. })));
        turmoil::partition("client", "sql");
        let start = tokio::time::Instant::now();
        let lost = second.execute("select 1", &[]).await;
        assert!(matches!(lost, Err(SqlError::Lost(_))));
        assert_eq!(start.elapsed().as_secs(), Timing::original().sql_timeout().as_secs());
        turmoil::repair("client", "sql");
        assert!(matches!(second.execute("select 1", &[]).await, Err(SqlError::Lost(_))));
        turmoil::hold("client", "sql");
        let hung = connector.connect(Server::Primary).await;
        assert!(matches!(hung, Err(SqlError::Lost(_))), "a connect has a deadline too");
        Ok(())
    });
    sim.run().unwrap();
}

/// A crash during the delay before has no effect, during the one after it has; what a crash
/// interrupts is undone, and the engine is there for the next incarnation.
#[test]
fn the_engine_outlives_its_host() {
    for (before, after, rows) in [(100, 0, 0), (0, 100, 1)] {
        let (engine, hooks) = parts(before, after);
        let mut sim = world(&engine, &hooks);
        sim.client("client", async {
            let mut conn = connector(Timing::original()).connect(Server::Primary).await?;
            let lost = conn.execute(INSERT, &[1.into(), 2.into()]).await;
            assert!(matches!(lost, Err(SqlError::Lost(_))), "{lost:?}");
            Ok(())
        });
        crashes_at(&mut sim, 400);
        sim.run().unwrap();
        assert_eq!(lock(&engine).rows("TTRelation").len(), rows);
    }
}

#[test]
fn a_crash_ends_transactions() {
    let (engine, hooks) = parts(0, 0);
    let mut sim = world(&engine, &hooks);
    sim.client("client", async {
        let connector = connector(Timing::original());
        let mut conn = connector.connect(Server::Primary).await?;
        conn.execute("begin", &[]).await?;
        conn.execute(INSERT, &[1.into(), 2.into()]).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(matches!(conn.execute("commit", &[]).await, Err(SqlError::Lost(_))));
        let mut conn = connector.connect(Server::Primary).await?;
        assert_eq!(conn.execute(INSERT, &[1.into(), 2.into()]).await?.affected, 1);
        Ok(())
    });
    crashes_at(&mut sim, 600);
    sim.run().unwrap();
    assert_eq!(lock(&engine).rows("TTRelation").len(), 1);
}

/// Between statements a client can tell, and a new connection is of use at once.
#[test]
fn a_connection_whose_server_was_there_anew_is_known_to_be_closed() {
    let (engine, hooks) = parts(0, 0);
    let mut sim = world(&engine, &hooks);
    sim.client("client", async {
        let connector = connector(Timing::original());
        let mut conn = connector.connect(Server::Primary).await?;
        conn.execute("select 1", &[]).await?;
        assert!(conn.is_open() && conn.is_open());
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!conn.is_open());
        let mut conn = connector.connect(Server::Primary).await?;
        assert!(conn.is_open());
        assert_eq!(conn.execute(INSERT, &[1.into(), 2.into()]).await?.affected, 1);
        assert!(conn.is_open());
        Ok(())
    });
    crashes_at(&mut sim, 600);
    sim.run().unwrap();
}

/// A client that lost its power in a transaction: with a limit the server ends it, without one
/// its locks stay.
#[test]
fn a_transaction_that_idles_too_long_is_ended_if_that_is_limited() {
    for (limit, ends) in [("set session idle_transaction_timeout=1", true), ("select 1", false)] {
        let (engine, hooks) = parts(0, 0);
        let mut sim = world(&engine, &hooks);
        sim.client("client", async move {
            let connector = connector(Timing::original());
            let mut first = connector.connect(Server::Primary).await?;
            let mut second = connector.connect(Server::Primary).await?;
            first.execute(limit, &[]).await?;
            tokio::time::sleep(Duration::from_secs(2)).await;
            first.execute("begin", &[]).await?;
            first.execute(INSERT, &[1.into(), 2.into()]).await?;
            let waiting = second.execute(INSERT, &[1.into(), 2.into()]).await;
            assert_eq!(waiting.is_ok(), ends, "{waiting:?}");
            assert_eq!(first.execute("commit", &[]).await.is_err(), ends);
            Ok(())
        });
        sim.run().unwrap();
    }
}
