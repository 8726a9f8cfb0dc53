//! A reader that stands still is felt by the writer: by the window of its socket, then by the
//! bound of the role's queue.

use crate::{
    plan::{Fault, Role, TICK_MS, Trouble, WINDOW},
    properties::Properties,
    record::{Kind, Line},
    seeded,
    world::{
        SimEnv,
        env::port,
        network::{Effect, OnHost},
        shared::Shared,
    },
};
use bytes::Bytes;
use std::{collections::BTreeSet, time::Duration};
use teamtalk::{
    catalogue::id as command,
    env::{Endpoint, Env},
    fact::Fact,
    link::{self, Listen, UNSENT_BOUND},
    protocol::Protocol,
    route_server,
    timing::Timing,
    wire::Pdu,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// PDUs that one msg_server writes, and the bytes of each one's body.
const PDUS: usize = 90;
const BODY: usize = 60_000;

/// A route_server, a msg_server that writes more than the bound, and one that reads what it can;
/// then all lines of the trace. At each tick it is checked that no window is passed.
fn run(reader: Option<OnHost>) -> Vec<Line> {
    let shared = Shared::new(1);
    let mut sim = seeded::network(0).tcp_capacity(1 << 17).build();
    let env = SimEnv::new(shared.clone(), &Role::Route.numbered(1), None);
    sim.host("route1", move || {
        let env = env.clone();
        async move {
            let listen = Listen::new(port::ROUTE, route_server::Kind::MsgServer);
            let role = route_server::RouteServer::new(Protocol::hardened());
            link::run(env, Timing::original(), role, vec![listen], Vec::new()).await?;
            Ok(())
        }
    });
    let to = || Endpoint::new("route1", port::ROUTE);
    let env = SimEnv::new(shared.clone(), &Role::Msg.numbered(1), None);
    sim.host("msg1", move || {
        let env = env.clone();
        async move {
            let mut stream = env.connect(&to()).await?;
            tokio::time::sleep(Duration::from_millis(100)).await;
            for _ in 0..PDUS {
                let pdu = Pdu::raw(command::MSG_DATA, 0, Bytes::from(vec![7; BODY]));
                stream.write_all(&pdu.encode()).await?;
            }
            std::future::pending().await
        }
    });
    let env = SimEnv::new(shared.clone(), &Role::Msg.numbered(2), None);
    sim.host("msg2", move || {
        let env = env.clone();
        async move {
            let mut stream = env.connect(&to()).await?;
            let mut space = vec![0; 1 << 16];
            while stream.read(&mut space).await? > 0 {}
            std::future::pending().await
        }
    });
    if let Some(slow) = reader {
        let mut shared = shared.lock();
        let host = shared.roster.named("msg2");
        let trouble = Trouble::SlowReader { host: "msg2".into(), peer: None, bytes: 0 };
        let fault = Fault { id: 1, at_ms: 0, for_ms: 0, trouble };
        shared.network.begin(fault, 0, BTreeSet::new());
        shared.network.put_up(1, &[Effect::Host(host, slow)]);
    }
    for tick in 0..800 {
        shared.lock().now_us = tick * TICK_MS * 1_000;
        sim.step().expect("no host ends");
        let mut shared = shared.lock();
        for (_, stream) in shared.streams.iter() {
            let [there, back] = [
                stream.dialler.written - stream.acceptor.read,
                stream.acceptor.written - stream.dialler.read,
            ];
            assert!(there <= WINDOW && back <= WINDOW, "{there} and {back} bytes in flight");
        }
        let goes_on = std::mem::take(&mut shared.next_tick);
        goes_on.into_iter().for_each(std::task::Waker::wake);
    }
    std::mem::take(&mut shared.lock().trace.lines)
}

fn closed_for_unsent(lines: &[Line]) -> usize {
    let closed = |l: &&Line| matches!(&l.kind, Kind::Fact(Fact::Closed { reason, .. }) if reason == "too many unsent bytes");
    lines.iter().filter(closed).count()
}

fn relayed(lines: &[Line]) -> usize {
    let came = |l: &&Line| &*l.host == "msg2" && matches!(l.kind, Kind::PduReceived(_));
    lines.iter().filter(came).count()
}

#[test]
fn a_reader_that_stands_still_is_closed_at_the_bound() {
    let lines = run(Some(OnHost::SlowReader { peer: None, bytes: 0 }));
    assert_eq!(closed_for_unsent(&lines), 1);
    let mut longest = 0;
    let mut properties = Properties::new(&Protocol::hardened());
    for line in &lines {
        if let Kind::Fact(Fact::HighWater { queue, length, bound }) = &line.kind {
            assert_eq!((queue.as_str(), *bound), ("unsent_bytes", UNSENT_BOUND as u64));
            longest = longest.max(*length);
        }
        properties.observe(line, |found| assert_ne!(found.kind, "over", "{found:?}"));
    }
    let bound = UNSENT_BOUND as u64;
    assert!((bound - 2 * BODY as u64..=bound).contains(&longest), "{longest}");
    assert_eq!(relayed(&lines), 0);
}

#[test]
fn a_reader_that_keeps_up_gets_everything() {
    let lines = run(None);
    assert_eq!((closed_for_unsent(&lines), relayed(&lines)), (0, PDUS));
}
