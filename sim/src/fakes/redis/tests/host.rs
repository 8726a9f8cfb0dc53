use crate::{
    fakes::{
        Hooks,
        redis::{Engine, Stored, serve},
    },
    record::{Applied, shown},
    seeded,
};
use bytes::Bytes;
use redis::{
    AsyncConnectionConfig, ProtocolVersion, RedisConnectionInfo, aio::MultiplexedConnection,
};
use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
    time::Duration,
};
use turmoil::net::{TcpListener, TcpStream};

/// Delays of `before` and `after` ticks, and a log of what applied.
struct Fixed {
    before: u32,
    after: u32,
    log: Mutex<Vec<String>>,
}

impl Hooks for Fixed {
    fn delay(&self, purpose: &'static str, _: u64) -> u32 {
        if purpose.ends_with("before") { self.before } else { self.after }
    }

    fn applied(&self, applied: Applied) -> u64 {
        let Applied { store, what, params, effect, .. } = applied;
        let params: Vec<_> = params.iter().map(shown).collect();
        let line = format!("{store} {what} {} -> {effect}", params.join(" "));
        crate::fakes::lock(&self.log).push(line);
        0
    }
}

async fn connect(version: ProtocolVersion) -> redis::RedisResult<MultiplexedConnection> {
    let stream = TcpStream::connect(("redis", 6379)).await?;
    let info = RedisConnectionInfo::default().set_protocol(version).set_db(1);
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(2)));
    let (conn, driver) = MultiplexedConnection::new_with_config(&info, stream, config).await?;
    tokio::spawn(driver);
    Ok(conn)
}

fn world(engine: &Arc<Mutex<Engine>>, hooks: &Arc<Fixed>) -> turmoil::Sim<'static> {
    let mut sim = seeded::network(0).tcp_capacity(4096).build();
    let (engine, hooks) = (engine.clone(), hooks.clone());
    sim.host("redis", move || {
        let (engine, hooks) = (engine.clone(), hooks.clone());
        async move {
            let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 6379)).await?;
            Ok(serve(listener, engine, hooks).await?)
        }
    });
    sim
}

fn parts(before: u32, after: u32) -> (Arc<Mutex<Engine>>, Arc<Fixed>) {
    let hooks = Fixed { before, after, log: Mutex::default() };
    (Arc::new(Mutex::new(Engine::new())), Arc::new(hooks))
}

#[test]
fn the_real_client_talks_to_it_in_both_versions() {
    let (engine, hooks) = parts(1, 2);
    let mut sim = world(&engine, &hooks);
    sim.client("client", async {
        for version in [ProtocolVersion::RESP2, ProtocolVersion::RESP3] {
            let mut conn = connect(version).await?;
            let n: i64 = redis::cmd("INCRBY").arg("n").arg(2).query_async(&mut conn).await?;
            assert_eq!(n, if version == ProtocolVersion::RESP2 { 2 } else { 4 });
            let () = redis::cmd("HMSET").arg("h").arg(&["b", "1"]).query_async(&mut conn).await?;
            let h: BTreeMap<String, u32> =
                redis::cmd("HGETALL").arg("h").query_async(&mut conn).await?;
            assert_eq!(h, BTreeMap::from([("b".to_string(), 1)]));
            let m: Vec<Option<String>> =
                redis::cmd("MGET").arg(&["n", "x"]).query_async(&mut conn).await?;
            assert_eq!(m, [Some(n.to_string()), None]);
            let wrong = redis::cmd("GET").arg("h").query_async::<String>(&mut conn).await;
            assert_eq!(wrong.unwrap_err().code(), Some("WRONGTYPE"));
        }
        Ok(())
    });
    sim.run().unwrap();
    assert_eq!(
        crate::fakes::lock(&engine).get(1, b"n"),
        Some(&Stored::Text(Bytes::from_static(b"4")))
    );
    let log = crate::fakes::lock(&hooks.log);
    assert_eq!(log[0], "redis INCRBY n 2 -> 2");
    assert_eq!(log.len(), 10, "commands of the connection are not reported: {log:?}");
}

/// In a pipeline the answer to what ran before HELLO is in the version of before.
#[test]
fn a_reply_is_in_the_version_of_its_effect() {
    let (engine, hooks) = parts(1, 3);
    let mut sim = world(&engine, &hooks);
    sim.client("client", async {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = TcpStream::connect(("redis", 6379)).await?;
        let hgetall = b"*2\r\n$7\r\nHGETALL\r\n$1\r\nh\r\n";
        let hello = b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n";
        stream.write_all(&[hgetall.as_slice(), hello].concat()).await?;
        let mut answers = [0; 6];
        stream.read_exact(&mut answers).await?;
        assert_eq!(answers.escape_ascii().to_string(), r"*0\r\n%7");
        Ok(())
    });
    sim.run().unwrap();
}

/// A client that dies while its command is on the way: with a long delay before there is no
/// effect, with a long delay after there is an effect that nobody heard of.
#[test]
fn a_cut_before_has_no_effect_and_after_it_has() {
    for (before, after, effect) in [(100, 0, false), (0, 100, true)] {
        let (engine, hooks) = parts(before, after);
        let mut sim = world(&engine, &hooks);
        sim.client("client", async {
            use tokio::io::AsyncWriteExt;
            let mut stream = TcpStream::connect(("redis", 6379)).await?;
            stream.write_all(b"*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n").await?;
            tokio::time::sleep(Duration::from_millis(200)).await;
            drop(stream);
            tokio::time::sleep(Duration::from_secs(2)).await;
            Ok(())
        });
        sim.run().unwrap();
        assert_eq!(crate::fakes::lock(&engine).get(0, b"n").is_some(), effect);
    }
}

/// Twenty commands written at once are answered after one pair of delays, not after twenty.
#[test]
fn a_pipeline_is_served_side_by_side_and_in_order() {
    let (engine, hooks) = parts(10, 10);
    let mut sim = world(&engine, &hooks);
    sim.client("client", async {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = TcpStream::connect(("redis", 6379)).await?;
        let started = tokio::time::Instant::now();
        stream.write_all(&b"*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n".repeat(20)).await?;
        let mut answers = String::new();
        while answers.lines().count() < 20 {
            let mut chunk = [0; 64];
            let n = stream.read(&mut chunk).await?;
            answers.push_str(std::str::from_utf8(&chunk[..n])?);
        }
        let expected: String = (1..=20).map(|n| format!(":{n}\r\n")).collect();
        assert_eq!(answers, expected);
        assert!(started.elapsed() < Duration::from_millis(400), "{:?}", started.elapsed());
        Ok(())
    });
    sim.run().unwrap();
}
