//! A whole db_proxy on streams in memory: requests, and how it stops.

use super::{Config, MsgServer, run_until};
use crate::{
    catalogue::id as command,
    db_proxy::testing::{Fake, serve, text},
    env::Endpoint,
    link::{Dial, Event, Link, test_env::MemoryEnv},
    protocol::Protocol,
    timing::Timing,
    wire::{
        Pdu,
        attach::Attach,
        im::{buddy::ImUsersInfoReq, message::ImMsgData, server::ImStopReceivePacket},
        tt::extension::Refused,
    },
};
use bytes::Bytes;
use std::time::Duration;
use tokio::{
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, timeout},
};

const PORT: u16 = 10600;

type MsgLink = Link<MemoryEnv, MsgServer>;

/// Starts a db_proxy on host `db`, without a Redis.
fn start(env: &MemoryEnv, protocol: Protocol) -> (oneshot::Sender<()>, JoinHandle<()>) {
    let (stop, told) = oneshot::channel();
    let redis = Endpoint::new("redis", 6379);
    let config = Config::new(PORT, redis, Timing::original(), protocol);
    let env = env.host("db");
    let running = async move {
        let told = async { told.await.unwrap_or_default() };
        run_until(env, Fake::default(), Fake::default(), config, told).await.unwrap();
    };
    (stop, tokio::spawn(running))
}

async fn dial(env: &MemoryEnv) -> (MsgLink, u64) {
    let dials = vec![Dial::new(Endpoint::new("db", PORT), MsgServer)];
    let mut link = Link::open(env.host("msg"), Timing::original(), vec![], dials).await.unwrap();
    loop {
        if let Event::Opened { conn, .. } = link.next().await {
            return (link, conn);
        }
    }
}

async fn next_pdu(link: &mut MsgLink) -> Pdu {
    let next = async {
        loop {
            if let Event::Pdu { pdu, .. } = link.next().await {
                return pdu;
            }
        }
    };
    timeout(Duration::from_secs(60), next).await.expect("a PDU")
}

fn run<F: Future>(test: F) -> F::Output {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(test)
}

fn request(command: u16) -> Pdu {
    let attach_data = Some(Attach::handle(3).encode());
    Pdu::new(command, 9, &ImUsersInfoReq { user_id: 1, user_id_list: vec![1], attach_data })
}

#[test]
fn requests_are_answered_and_a_refusal_is_too() {
    run(async {
        let env = MemoryEnv::new("msg");
        let (_stop, _running) = start(&env, Protocol::hardened());
        tokio::task::yield_now().await;
        let (mut link, conn) = dial(&env).await;
        link.send(conn, request(command::BUDDY_LIST_USER_INFO_REQUEST));
        let reply = next_pdu(&mut link).await;
        assert_eq!(reply.command(), command::BUDDY_LIST_USER_INFO_RESPONSE);
        link.send(conn, request(command::BUDDY_LIST_CHANGE_AVATAR_REQUEST));
        let refused: Refused = next_pdu(&mut link).await.view().unwrap();
        assert_eq!(refused.command_id, u32::from(command::BUDDY_LIST_CHANGE_AVATAR_REQUEST));
    });
}

#[test]
fn one_that_is_stopped_says_so_and_serves_four_seconds_more() {
    run(async {
        let env = MemoryEnv::new("msg");
        let (stop, running) = start(&env, Protocol::teamtalk());
        tokio::task::yield_now().await;
        let (mut link, conn) = dial(&env).await;
        // Some rounds of the group job.
        tokio::time::sleep(Duration::from_secs(12)).await;
        stop.send(()).unwrap();
        let told = Instant::now();
        let notice = next_pdu(&mut link).await;
        assert_eq!(notice.command(), command::OTHER_STOP_RECV_PACKET);
        assert_eq!(notice.view::<ImStopReceivePacket>().unwrap().result, 0);
        link.send(conn, request(command::BUDDY_LIST_USER_INFO_REQUEST));
        let reply = next_pdu(&mut link).await;
        assert_eq!(reply.command(), command::BUDDY_LIST_USER_INFO_RESPONSE);
        // One that comes late is told as well.
        let (mut late, _) = dial(&env).await;
        assert_eq!(next_pdu(&mut late).await.command(), command::OTHER_STOP_RECV_PACKET);
        let redis = Endpoint::new("redis", 6379);
        let tried = env.tried(&redis).len();
        running.await.unwrap();
        assert_eq!(told.elapsed(), Duration::from_secs(4));
        assert_eq!(env.tried(&redis).len(), tried, "the job has stopped");
        assert!(tried > 2, "it ran before");
    });
}

/// SQL was there anew between two requests: that fails none of them with `answered-refusals`.
#[test]
fn a_connection_that_was_closed_between_requests_fails_none() {
    let asks = request(command::BUDDY_LIST_USER_INFO_REQUEST);
    let message = ImMsgData { send_token: Some(Bytes::from_static(&[1; 16])), ..text() };
    let sends = Pdu::new(command::MSG_DATA, 9, &message);
    let honest = Protocol { honest_reads: true, ..Protocol::teamtalk() };
    for (protocol, request, fails) in [
        (Protocol::hardened(), &asks, false),
        (Protocol::hardened(), &sends, false),
        (honest, &asks, true),
    ] {
        let world = Fake::default();
        let mut cx = world.context(protocol);
        serve(&mut cx, request).expect("it is served");
        world.hang_up();
        cx.start_request();
        assert_eq!(serve(&mut cx, request).is_err(), fails, "{:#06x}", request.command());
        cx.start_request();
        serve(&mut cx, request).expect("on a new connection");
    }
}
