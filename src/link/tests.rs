//! What a link does on the wire and in time.

use super::{test_env::MemoryEnv, *};
use crate::{
    catalogue::{id as command, limits::SPARE},
    env::Endpoint,
};
use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{advance, sleep, timeout},
};

#[derive(Debug, Clone, Copy, PartialEq)]
enum TestKind {
    Server,
    Client,
}

impl Kind for TestKind {
    fn is_server_link(self) -> bool {
        self == Self::Server
    }
}

type TestLink = Link<MemoryEnv, TestKind>;
const PORT: u16 = 8000;

async fn listening(env: &MemoryEnv, kind: TestKind) -> TestLink {
    let listens = vec![Listen::new(PORT, kind)];
    Link::open(env.clone(), Timing::original(), listens, vec![]).await.unwrap()
}

async fn dialling(env: &MemoryEnv, to: &Endpoint) -> TestLink {
    let dials = vec![Dial::new(to.clone(), TestKind::Server)];
    Link::open(env.clone(), Timing::original(), vec![], dials).await.unwrap()
}

/// The next event that is no tick.
async fn event(link: &mut TestLink) -> Event<TestKind> {
    loop {
        match link.next().await {
            Event::Tick => {}
            event => return event,
        }
    }
}

async fn opened(link: &mut TestLink) -> ConnId {
    match event(link).await {
        Event::Opened { conn, .. } => conn,
        other => panic!("{other:?}"),
    }
}

fn pdu(seq_num: u16, len: usize) -> Pdu {
    Pdu::raw(command::MSG_DATA, seq_num, vec![7; len].into())
}

fn closed_reason(event: Event<TestKind>) -> String {
    match event {
        Event::Closed { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn pdus_come_in_order_and_queued_ones_are_written_before_a_close() {
    let env = MemoryEnv::new("a");
    let mut a = listening(&env, TestKind::Server).await;
    let mut b = dialling(&env.host("b"), &Endpoint::new("a", PORT)).await;
    let (to_b, to_a) = (opened(&mut a).await, opened(&mut b).await);
    assert_eq!(to_a, to_b);
    for seq in 0..200 {
        a.send(to_b, pdu(seq, 5_000));
    }
    a.close(to_b, "enough");
    a.send(to_b, pdu(999, 1));
    assert_eq!(closed_reason(event(&mut a).await), "enough");
    for seq in 0..200 {
        let Event::Pdu { pdu: got, .. } = event(&mut b).await else { panic!() };
        assert_eq!(got, pdu(seq, 5_000));
    }
    assert_eq!(closed_reason(event(&mut b).await), "closed by the peer");
    assert!(env.facts().contains(&Fact::Closed { conn: to_b, reason: "enough".into() }));
}

/// What the socket does not take at once is written by a task, what is queued meanwhile after it,
/// and then the link writes itself again.
#[tokio::test(start_paused = true)]
async fn what_a_slow_peer_leaves_is_written_in_order_and_later_pdus_after_it() {
    let env = MemoryEnv::new("a");
    let mut a = listening(&env, TestKind::Client).await;
    let mut b = env.host("b").connect(&Endpoint::new("a", PORT)).await.unwrap();
    let conn = opened(&mut a).await;
    let mut want = Vec::new();
    for round in 0..3_u16 {
        // More than the stream holds, then one more while a task is at it.
        for seq in [round * 10, round * 10 + 1] {
            a.send(conn, pdu(seq, 100_000));
            want.extend(pdu(seq, 100_000).encode());
            let nothing = tokio::time::timeout(Duration::from_millis(10), a.next()).await;
            assert!(nothing.is_err() || matches!(nothing, Ok(Event::Tick)));
        }
        let mut got = vec![0; want.len()];
        b.read_exact(&mut got).await.unwrap();
        assert!(got == want, "round {round}");
        want.clear();
        // The stream has room again.
        a.send(conn, pdu(round, 10));
        let mut small = vec![0; pdu(round, 10).encode().len()];
        let reads = tokio::time::timeout(Duration::from_secs(1), b.read_exact(&mut small));
        let (read, _) =
            tokio::join!(reads, tokio::time::timeout(Duration::from_millis(10), a.next()));
        read.expect("the link writes before it waits").unwrap();
        assert_eq!(small, pdu(round, 10).encode());
    }
}

#[tokio::test(start_paused = true)]
async fn a_close_is_shown_once_and_nothing_after_it() {
    let env = MemoryEnv::new("a");
    let mut a = listening(&env, TestKind::Client).await;
    let mut stream = env.host("c").connect(&Endpoint::new("a", PORT)).await.unwrap();
    let conn = opened(&mut a).await;
    a.close(conn, "first");
    a.close(conn, "second");
    stream.write_all(&pdu(1, 1).encode()).await.unwrap();
    assert_eq!(closed_reason(event(&mut a).await), "first");
    assert!(timeout(Duration::from_secs(5), event(&mut a)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_reads_is_gone_a_second_after_a_close() {
    let env = MemoryEnv::new("a");
    let mut a = listening(&env, TestKind::Client).await;
    let mut stream = env.host("c").connect(&Endpoint::new("a", PORT)).await.unwrap();
    let conn = opened(&mut a).await;
    a.send(conn, pdu(1, 1 << 20));
    a.close(conn, "bye");
    let start = tokio::time::Instant::now();
    // Reads nothing: writing fails when the other end is dropped.
    while stream.write_all(&[0; 16]).await.is_ok() {
        sleep(Duration::from_millis(10)).await;
    }
    assert!((1000..1100).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_bad_length_closes_that_connection_with_a_reason() {
    let env = MemoryEnv::new("a");
    let mut a = listening(&env, TestKind::Client).await;
    let mut stream = env.host("c").connect(&Endpoint::new("a", PORT)).await.unwrap();
    let conn = opened(&mut a).await;
    stream.write_all(&15_u32.to_be_bytes()).await.unwrap();
    let reason = closed_reason(event(&mut a).await);
    assert!(reason.contains("15"), "{reason}");
    assert!(env.facts().contains(&Fact::Closed { conn, reason }));
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn over_the_bound_the_connection_is_closed_and_maxima_are_powers_of_two() {
    let env = MemoryEnv::new("a");
    let mut a = listening(&env, TestKind::Client).await;
    let _stream = env.host("c").connect(&Endpoint::new("a", PORT)).await.unwrap();
    let conn = opened(&mut a).await;
    let one = 10_000 - 16;
    let fits = UNSENT_BOUND / 10_000;
    for _ in 0..fits {
        a.send(conn, pdu(1, one));
    }
    let lengths = || -> Vec<u64> {
        let facts = env.facts().into_iter();
        facts
            .filter_map(|f| match f {
                Fact::HighWater { length, queue, .. } if queue == "unsent_bytes" => Some(length),
                _ => None,
            })
            .collect()
    };
    assert_eq!(lengths(), [70_000, 140_000, 270_000, 530_000, 1_050_000, 2_100_000]);
    // At the bound the link tries to write: the stream takes what it holds, and six more fit.
    for _ in 0..7 {
        a.send(conn, pdu(1, one));
    }
    assert_eq!(lengths().last(), Some(&(fits as u64 * 10_000 - (64 << 10) + 60_000)));
    assert_eq!(closed_reason(event(&mut a).await), "too many unsent bytes");
}

#[tokio::test(start_paused = true)]
async fn heartbeats_come_at_the_first_tick_after_five_seconds_and_are_not_shown() {
    let env = MemoryEnv::new("a");
    let mut a = listening(&env, TestKind::Server).await;
    let mut stream = env.host("b").connect(&Endpoint::new("a", PORT)).await.unwrap();
    let conn = opened(&mut a).await;
    advance(Duration::from_millis(500)).await;
    a.send(conn, pdu(1, 0));
    let start = tokio::time::Instant::now();
    let heartbeat = Pdu::raw(command::OTHER_HEARTBEAT, 0, Bytes::new()).encode();
    stream.write_all(&heartbeat).await.unwrap();
    let peer = async {
        let mut pdu = [0; 32];
        stream.read_exact(&mut pdu).await.unwrap();
        assert_eq!(pdu[16..], heartbeat[..]);
        start.elapsed()
    };
    tokio::select! { biased;
        at = peer => assert_eq!(at, Duration::from_millis(5500)),
        event = event(&mut a) => panic!("{event:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn heartbeats_keep_two_links_alive_and_a_silent_peer_is_closed() {
    let env = MemoryEnv::new("a");
    let mut a = listening(&env, TestKind::Server).await;
    let mut b = dialling(&env.host("b"), &Endpoint::new("a", PORT)).await;
    let conn = opened(&mut a).await;
    opened(&mut b).await;
    tokio::select! { biased;
        event = event(&mut a) => panic!("{event:?}"),
        event = event(&mut b) => panic!("{event:?}"),
        _ = sleep(Duration::from_secs(100)) => {}
    }
    // b stands still: its tasks live, but nobody sends its heartbeats.
    let start = tokio::time::Instant::now();
    let Event::Closed { conn: closed, reason, .. } = event(&mut a).await else { panic!() };
    assert_eq!((closed, reason.as_str()), (conn, "silent for too long"));
    assert!((25..=32).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn client_connections_get_no_heartbeats_and_no_timeout() {
    let env = MemoryEnv::new("a");
    let mut a = listening(&env, TestKind::Client).await;
    let mut stream = env.host("c").connect(&Endpoint::new("a", PORT)).await.unwrap();
    opened(&mut a).await;
    let heartbeat = Pdu::raw(command::OTHER_HEARTBEAT, 3, Bytes::new());
    stream.write_all(&heartbeat.encode()).await.unwrap();
    let Event::Pdu { pdu, .. } = event(&mut a).await else { panic!() };
    assert_eq!(pdu, heartbeat);
    tokio::select! { biased;
        event = event(&mut a) => panic!("{event:?}"),
        read = stream.read_u8() => panic!("{read:?}"),
        _ = sleep(Duration::from_secs(400)) => {}
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_stop_notice_a_link_is_neither_kept_alive_nor_closed() {
    let env = MemoryEnv::new("a");
    let mut a = listening(&env, TestKind::Server).await;
    let mut stream = env.host("b").connect(&Endpoint::new("a", PORT)).await.unwrap();
    opened(&mut a).await;
    let stop = Pdu::raw(command::OTHER_STOP_RECV_PACKET, 0, Bytes::from_static(&[8, 0]));
    stream.write_all(&stop.encode()).await.unwrap();
    let Event::Pdu { pdu, .. } = event(&mut a).await else { panic!() };
    assert_eq!(pdu, stop);
    tokio::select! { biased;
        event = event(&mut a) => panic!("{event:?}"),
        read = stream.read_u8() => panic!("{read:?}"),
        _ = sleep(Duration::from_secs(100)) => {}
    }
}

/// Switch `hear-silence`: a machine that loses its power after its 0702 closes nothing.
#[tokio::test(start_paused = true)]
async fn after_a_stop_notice_a_dial_that_hears_silence_is_closed_and_dialled_again() {
    let (env, to) = (MemoryEnv::new("b"), Endpoint::new("a", PORT));
    let mut a = listening(&env.host("a"), TestKind::Client).await;
    let dial = Dial::new(to.clone(), TestKind::Server).hearing_silence(true);
    let mut b = Link::open(env.clone(), Timing::original(), vec![], vec![dial]).await.unwrap();
    let (conn, _) = (opened(&mut a).await, opened(&mut b).await);
    a.send(conn, Pdu::raw(command::OTHER_STOP_RECV_PACKET, 0, Bytes::from_static(&[8, 0])));
    assert!(timeout(Duration::from_secs(1), event(&mut a)).await.is_err());
    assert!(matches!(event(&mut b).await, Event::Pdu { .. }));
    // The other end is there and says nothing; it hears no heartbeat either.
    tokio::select! { biased;
        event = event(&mut a) => panic!("{event:?}"),
        closed = event(&mut b) => assert_eq!(closed_reason(closed), "silent for too long"),
    }
    opened(&mut b).await;
    let seconds: Vec<u64> = env.tried(&to).iter().map(|at| at.as_secs()).collect();
    assert_eq!(seconds, [0, 35], "closed after 30 s at the next tick, dialled 4 s later");
}

/// A close between two ticks: the first of the four is less than a second away.
#[tokio::test(start_paused = true)]
async fn the_ticks_that_a_reconnect_waits_for_run_on_by_themselves() {
    let (env, to) = (MemoryEnv::new("b"), Endpoint::new("a", PORT));
    let mut a = listening(&env.host("a"), TestKind::Client).await;
    let mut b = dialling(&env, &to).await;
    let conn = opened(&mut b).await;
    opened(&mut a).await;
    assert!(timeout(Duration::from_millis(2_300), event(&mut b)).await.is_err());
    b.close(conn, "test");
    event(&mut b).await;
    opened(&mut b).await;
    let millis: Vec<u128> = env.tried(&to).iter().map(|at| at.as_millis()).collect();
    assert_eq!(millis, [0, 6_000], "3.7 s after the close");
}

#[tokio::test(start_paused = true)]
async fn reconnects_wait_4_8_16_32_64_4_and_a_good_connection_resets() {
    let env = MemoryEnv::new("b");
    let to = Endpoint::new("a", PORT);
    let mut b = dialling(&env, &to).await;
    assert!(timeout(Duration::from_secs(130), event(&mut b)).await.is_err());
    let mut a = listening(&env.host("a"), TestKind::Client).await;
    let conn = opened(&mut b).await;
    opened(&mut a).await;
    let seconds: Vec<u64> = env.tried(&to).iter().map(|at| at.as_secs()).collect();
    assert_eq!(seconds, [0, 4, 12, 28, 60, 124, 128, 136]);
    b.close(conn, "test");
    event(&mut b).await;
    opened(&mut b).await;
    assert_eq!(env.tried(&to).last().unwrap().as_secs(), 140);
}

#[tokio::test(start_paused = true)]
async fn a_connect_that_hangs_is_given_up_and_tried_again() {
    let env = MemoryEnv::new("b");
    let to = Endpoint::new("a", PORT);
    let _a = listening(&env.host("a"), TestKind::Server).await;
    env.hang(&to, true);
    let mut b = dialling(&env, &to).await;
    assert!(timeout(Duration::from_secs(6), event(&mut b)).await.is_err());
    env.hang(&to, false);
    opened(&mut b).await;
    let seconds: Vec<u64> = env.tried(&to).iter().map(|at| at.as_secs()).collect();
    assert_eq!(seconds, [0, 9]);
}

#[tokio::test(start_paused = true)]
async fn dropping_a_link_closes_its_connections() {
    let env = MemoryEnv::new("a");
    let mut a = listening(&env, TestKind::Client).await;
    let mut stream = env.host("c").connect(&Endpoint::new("a", PORT)).await.unwrap();
    opened(&mut a).await;
    drop(a);
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
}

/// `edge-limits`: one address is no reason to be closed to all others.
#[tokio::test(start_paused = true)]
async fn an_address_may_have_so_many_connections() {
    let env = MemoryEnv::new("a");
    let bounds = Bounds { of_source: 2, ..Bounds::ORIGINAL };
    let listens = vec![Listen::new(PORT, TestKind::Client).bounded(bounds)];
    let mut a = TestLink::open(env.clone(), Timing::original(), listens, vec![]).await.unwrap();
    let to = Endpoint::new("a", PORT);
    let dial = async |host: &str| env.host(host).connect(&to).await.unwrap();
    let first = dial("b").await;
    let _second = dial("b").await;
    opened(&mut a).await;
    opened(&mut a).await;
    let mut third = dial("b").await;
    let _other = dial("c").await;
    let other = opened(&mut a).await;
    assert_eq!(third.read(&mut [0; 1]).await.unwrap(), 0, "closed, and never shown");
    let reason = "too many connections of its address".to_string();
    assert!(env.facts().contains(&Fact::Closed { conn: other - 1, reason }));
    // One that is gone makes room for another.
    drop(first);
    assert_eq!(closed_reason(event(&mut a).await), "closed by the peer");
    let _fourth = dial("b").await;
    assert_eq!(opened(&mut a).await, other + 1);
}

/// `edge-limits`: so much may wait when a request joins it; one that nothing waits before fits.
#[tokio::test(start_paused = true)]
async fn a_request_joins_only_so_much_that_waits() {
    let env = MemoryEnv::new("a");
    let bounds = Bounds { asked: 1_000, ..Bounds::ORIGINAL };
    let listens = vec![Listen::new(PORT, TestKind::Client).bounded(bounds)];
    let mut a = TestLink::open(env.clone(), Timing::original(), listens, vec![]).await.unwrap();
    let _slow = env.host("b").connect(&Endpoint::new("a", PORT)).await.unwrap();
    let conn = opened(&mut a).await;
    a.ask(conn, pdu(1, 1_000_000), 0);
    assert!(timeout(Duration::from_millis(1), event(&mut a)).await.is_err(), "alone it fits");
    a.ask(conn, pdu(1, 10), 1);
    assert_eq!(event(&mut a).await, Event::NotAsked { conn, of: 1 });
    a.send(conn, pdu(1, 1_000_000));
    assert!(timeout(Duration::from_millis(1), event(&mut a)).await.is_err(), "it is open");
}

/// `edge-limits`: a request for which a slow server has no room is given back, and its link stays.
#[tokio::test(start_paused = true)]
async fn a_request_without_room_is_given_back() {
    let env = MemoryEnv::new("a");
    let mut a = listening(&env, TestKind::Client).await;
    let _slow = env.host("b").connect(&Endpoint::new("a", PORT)).await.unwrap();
    let conn = opened(&mut a).await;
    let large = 1_000_000;
    for of in 0..3 {
        a.ask(conn, pdu(1, large), of);
    }
    assert!(timeout(Duration::from_millis(1), event(&mut a)).await.is_err(), "there was room");
    a.ask(conn, pdu(1, large), 3);
    assert_eq!(event(&mut a).await, Event::NotAsked { conn, of: 3 });
    a.send(conn, pdu(1, SPARE / 2));
    assert!(timeout(Duration::from_millis(1), event(&mut a)).await.is_err(), "it is open");
}
