//! The pool over in-memory streams that a small scripted Redis answers.

use super::{Cache, CacheError, Pool};
use crate::{
    env::{ConnId, Endpoint, Env, Listener, Stream},
    fact::Fact,
    timing::Timing,
};
use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf},
    time::Instant,
};

/// What the scripted Redis does with commands after the handshake.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    Answer(&'static str),
    Mute,
    HangUp,
}

#[derive(Clone)]
struct TestEnv {
    mode: Arc<Mutex<Mode>>,
    seen: Arc<Mutex<String>>,
    connects: Arc<AtomicUsize>,
    /// Connects hang.
    unreachable: Arc<AtomicBool>,
}

struct Pipe(DuplexStream);

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Pipe {
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

impl Stream for Pipe {
    fn id(&self) -> ConnId {
        0
    }

    fn source(&self) -> Option<std::net::IpAddr> {
        None
    }
}

struct NoListener;

impl Listener for NoListener {
    type Stream = Pipe;

    async fn accept(&mut self) -> io::Result<Pipe> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Env for TestEnv {
    type Stream = Pipe;
    type Listener = NoListener;

    async fn connect(&self, _to: &Endpoint) -> io::Result<Pipe> {
        self.connects.fetch_add(1, Relaxed);
        if self.unreachable.load(Relaxed) {
            std::future::pending::<()>().await;
        }
        let (ours, theirs) = tokio::io::duplex(4096);
        tokio::spawn(serve(theirs, self.clone()));
        Ok(Pipe(ours))
    }

    async fn bind(&self, _port: u16) -> io::Result<NoListener> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn unix_time(&self) -> Duration {
        Duration::ZERO
    }

    fn random(&self, _purpose: &'static str, _id: impl Fn() -> u64) -> u64 {
        0
    }

    fn fact(&self, _fact: Fact) {}
}

/// Answers each command of a read: a chunk holds whole commands, as a duplex keeps writes.
async fn serve(mut stream: DuplexStream, env: TestEnv) {
    let mut chunk = [0; 4096];
    while let Ok(n @ 1..) = stream.read(&mut chunk).await {
        let text = String::from_utf8_lossy(&chunk[..n]).into_owned();
        env.seen.lock().unwrap().push_str(&text);
        for command in text.split('*').skip(1) {
            let mode = *env.mode.lock().unwrap();
            let answer = match command.lines().nth(2).unwrap_or_default() {
                "HELLO" => "%1\r\n+proto\r\n:3\r\n",
                "SELECT" | "CLIENT" => "+OK\r\n",
                _ => match mode {
                    Mode::Answer(answer) => answer,
                    Mode::Mute => continue,
                    Mode::HangUp => return,
                },
            };
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

fn world(mode: Mode) -> (TestEnv, Pool<TestEnv>) {
    let env = TestEnv {
        mode: Arc::new(Mutex::new(mode)),
        seen: Arc::default(),
        connects: Arc::default(),
        unreachable: Arc::default(),
    };
    (env.clone(), Pool::new(env, Endpoint::new("redis", 6379), Timing::original()))
}

fn run<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(test)
}

#[test]
fn commands_run_in_database_1_over_resp3() {
    run(async {
        let (env, pool) = world(Mode::Answer(":5\r\n"));
        assert_eq!(pool.incr_by("msg_id_1", 1).await, Ok(5));
        let seen = env.seen.lock().unwrap().clone();
        assert!(seen.contains("HELLO\r\n$1\r\n3"), "{seen}");
        assert!(seen.contains("SELECT\r\n$1\r\n1\r\n"), "{seen}");
        assert!(seen.contains("INCRBY\r\n$8\r\nmsg_id_1\r\n$1\r\n1\r\n"), "{seen}");
        *env.mode.lock().unwrap() =
            Mode::Answer("%2\r\n$2\r\n10\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n7\r\n");
        let hash = pool.hgetall("unread_1").await.unwrap();
        let pairs: Vec<_> = hash.iter().map(|(k, v)| (&k[..], &v[..])).collect();
        assert_eq!(pairs, [(&b"10"[..], &b"1"[..]), (b"2", b"7")]);
        *env.mode.lock().unwrap() = Mode::Answer("*2\r\n_\r\n$1\r\nx\r\n");
        let keys = ["a".to_string(), "b".to_string()];
        assert_eq!(pool.mget(&keys).await, Ok(vec![None, Some(b"x".to_vec())]));
        assert_eq!(pool.mget(&[]).await, Ok(vec![]));
        assert_eq!(env.connects.load(Relaxed), 1);
    });
}

#[test]
fn commands_on_fields_of_a_hash() {
    run(async {
        let (env, pool) = world(Mode::Answer(":1\r\n"));
        assert_eq!(pool.exists("group_member_1").await, Ok(true));
        assert_eq!(pool.hset("group_member_1", "2", "77").await, Ok(()));
        assert_eq!(pool.hdel("group_member_1", "2").await, Ok(true));
        *env.mode.lock().unwrap() = Mode::Answer("$2\r\n77\r\n");
        assert_eq!(pool.hget("group_member_1", "2").await, Ok(Some(b"77".to_vec())));
        *env.mode.lock().unwrap() = Mode::Answer("_\r\n");
        assert_eq!(pool.hget("group_member_1", "2").await, Ok(None));
        *env.mode.lock().unwrap() = Mode::Answer("+OK\r\n");
        let fields = [(b"count".to_vec(), b"5".to_vec())].into();
        assert_eq!(pool.hmset("2_1_im_user_group", &fields).await, Ok(()));
        let seen = env.seen.lock().unwrap().clone();
        assert!(seen.contains("HMSET\r\n$17\r\n2_1_im_user_group\r\n$5\r\ncount\r\n$1\r\n5\r\n"));
        assert!(seen.contains("HSET\r\n$14\r\ngroup_member_1\r\n$1\r\n2\r\n$2\r\n77\r\n"));
        *env.mode.lock().unwrap() = Mode::HangUp;
        assert_eq!(pool.hmset("k", &super::Hash::new()).await, Ok(()), "no command");
    });
}

#[test]
fn an_error_reply_has_not_run_and_keeps_the_connection() {
    run(async {
        let (env, pool) = world(Mode::Answer("-OOM command not allowed\r\n"));
        let error = pool.set("k", "v").await.unwrap_err();
        assert!(matches!(error, CacheError::Server(_)), "{error:?}");
        assert!(!error.may_have_run());
        *env.mode.lock().unwrap() = Mode::Answer("+OK\r\n");
        assert_eq!(pool.set("k", "v").await, Ok(()));
        assert_eq!(env.connects.load(Relaxed), 1);
    });
}

#[test]
fn a_lost_connection_may_have_run_and_is_replaced() {
    run(async {
        let (env, pool) = world(Mode::HangUp);
        let error = pool.incr_by("k", 1).await.unwrap_err();
        assert!(error.may_have_run(), "{error:?}");
        *env.mode.lock().unwrap() = Mode::Answer(":2\r\n");
        assert_eq!(pool.incr_by("k", 1).await, Ok(2));
        assert_eq!(env.connects.load(Relaxed), 2);
    });
}

#[test]
fn two_timeouts_in_a_row_replace_the_connection() {
    run(async {
        let (env, pool) = world(Mode::Mute);
        for _ in 0..2 {
            let asked = Instant::now();
            assert!(pool.incr_by("k", 1).await.unwrap_err().may_have_run());
            assert_eq!(asked.elapsed().as_secs(), Timing::original().cache_timeout().as_secs());
        }
        assert_eq!(env.connects.load(Relaxed), 1);
        *env.mode.lock().unwrap() = Mode::Answer(":3\r\n");
        assert_eq!(pool.incr_by("k", 1).await, Ok(3));
        assert_eq!(env.connects.load(Relaxed), 2);
    });
}

#[test]
fn an_endpoint_that_hangs_costs_those_who_wait_one_deadline_together() {
    run(async {
        let (env, pool) = world(Mode::Mute);
        env.unreachable.store(true, Relaxed);
        let asked = Instant::now();
        let (a, b) = tokio::join!(pool.get("k"), pool.get("k"));
        assert!(matches!(a, Err(CacheError::Unreachable(_))));
        assert_eq!(a, b);
        assert!(!a.unwrap_err().may_have_run());
        assert_eq!(asked.elapsed().as_secs(), Timing::original().connect_timeout().as_secs());
        assert_eq!(env.connects.load(Relaxed), 1);
    });
}
