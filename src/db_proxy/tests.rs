//! A whole db_proxy on streams in memory: requests, and how it stops.

use super::{Config, MsgServer, run_until};
use crate::{
    catalogue::{id as command, limits::Limits},
    db_proxy::testing::{Fake, Session, Sql, lost, refused, rows, schema, serve, text},
    env::{Endpoint, Env},
    link::{
        Dial, Event, Link,
        test_env::{MemoryEnv, MemoryStream},
    },
    protocol::Protocol,
    store::{
        migrations::{ASK, LATEST, TooOld},
        sql::{Connector, Server, SqlError, Value, code},
    },
    timing::Timing,
    wire::{
        Pdu,
        attach::Attach,
        frame::{MAX_LEN, cut},
        im::{
            base_define::UserInfo,
            buddy::{ImUsersInfoReq, ImUsersInfoRsp},
            message::ImMsgData,
            server::ImStopReceivePacket,
        },
        pdu::HEADER_LEN,
        tt::extension::Refused,
    },
};
use bytes::{Bytes, BytesMut};
use prost::Message;
use std::{collections::BTreeMap, io, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, timeout},
};

const PORT: u16 = 10600;

type MsgLink = Link<MemoryEnv, MsgServer>;

/// Starts a db_proxy on host `db`, without a Redis.
fn start(env: &MemoryEnv, protocol: Protocol) -> (oneshot::Sender<()>, JoinHandle<()>) {
    let (stop, running) = start_on(env, protocol, Fake::default());
    (stop, tokio::spawn(async { running.await.unwrap().unwrap() }))
}

/// The same with a database that is there already, and how it ends.
fn start_on(
    env: &MemoryEnv,
    protocol: Protocol,
    sql: impl Connector,
) -> (oneshot::Sender<()>, JoinHandle<io::Result<()>>) {
    start_with(env, protocol, Limits::default(), sql)
}

/// The same with limits of its own.
fn start_with(
    env: &MemoryEnv,
    protocol: Protocol,
    limits: Limits,
    sql: impl Connector,
) -> (oneshot::Sender<()>, JoinHandle<io::Result<()>>) {
    let (stop, told) = oneshot::channel();
    let redis = Endpoint::new("redis", 6379);
    let config = Config { limits, ..Config::new(PORT, redis, Timing::original(), protocol) };
    let env = env.host("db");
    let running = async move {
        let told = async { told.await.unwrap_or_default() };
        run_until(env, sql, Fake::default(), config, told).await
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

/// A request to a db_proxy whose database gives these answers about its schema: how the process ended,
/// `Ok` if it served the request, and what it asked the primary.
async fn on_schema(protocol: Protocol, answers: Vec<Sql>) -> (io::Result<()>, Vec<String>) {
    let (env, world) = (MemoryEnv::new("msg"), Fake::default());
    answers.into_iter().for_each(|answer| _ = world.on(ASK, answer));
    let (_stop, running) = start_on(&env, protocol, world.clone());
    let answered = async {
        let (mut link, conn) = dial(&env).await;
        link.send(conn, request(command::BUDDY_LIST_USER_INFO_REQUEST));
        next_pdu(&mut link).await
    };
    let ended = tokio::select! {
        biased;
        ended = running => ended.unwrap(),
        _ = answered => Ok(()),
    };
    let sql = world.log().into_iter().filter(|line| line.starts_with("M ")).collect();
    (ended, sql)
}

#[test]
fn one_whose_switches_need_more_than_the_database_has_serves_nothing_and_says_why() {
    let asks = format!("M {ASK}");
    run(async {
        for (answer, found) in [(refused(code::NO_TABLE), 0), (schema(3), 3)] {
            let (ended, sql) = on_schema(Protocol::hardened(), vec![answer]).await;
            let lacks = ended.expect_err("it does not serve").downcast::<TooOld>().unwrap();
            assert_eq!((lacks.found, lacks.needed), (found, LATEST));
            assert_eq!(sql, [&*asks], "nothing else was asked");
        }
    });
}

#[test]
fn a_schema_that_has_enough_is_asked_for_once_and_none_if_no_switch_needs_one() {
    run(async {
        let older = Protocol { single_session: true, ..Protocol::teamtalk() };
        for (protocol, version, asked) in
            [(Protocol::hardened(), LATEST, 1), (older, 2, 1), (Protocol::teamtalk(), 0, 0)]
        {
            let (ended, sql) = on_schema(protocol, vec![schema(version)]).await;
            ended.expect("it serves");
            let about_schema = sql.iter().filter(|text| text.contains("TTSchema"));
            assert_eq!(about_schema.count(), asked, "{sql:?}");
        }
    });
}

/// A database to which each new connection takes two seconds.
#[derive(Clone)]
struct Slow(Fake);

impl Connector for Slow {
    type Connection = Session;

    async fn connect(&self, server: Server) -> Result<Session, SqlError> {
        tokio::time::sleep(Duration::from_secs(2)).await;
        self.0.connect(server).await
    }
}

#[test]
fn requests_wait_until_the_database_has_said_what_it_has() {
    run(async {
        for (protocol, seconds) in [(Protocol::hardened(), 4), (Protocol::teamtalk(), 2)] {
            let env = MemoryEnv::new("msg");
            let (_stop, _running) = start_on(&env, protocol, Slow(Fake::default()));
            let started = Instant::now();
            tokio::task::yield_now().await;
            let (mut link, conn) = dial(&env).await;
            link.send(conn, request(command::BUDDY_LIST_USER_INFO_REQUEST));
            next_pdu(&mut link).await;
            // The connection of the worker, after that of whoever asks for the schema.
            assert_eq!(started.elapsed(), Duration::from_secs(seconds));
        }
    });
}

/// SQL may be away when a db_proxy starts: then it serves as far as it can, and asks again.
#[test]
fn a_database_that_cannot_be_asked_is_asked_again_in_a_tick() {
    run(async {
        let (env, world) = (MemoryEnv::new("msg"), Fake::default());
        world.on(ASK, lost()).on(ASK, refused(1040)).on(ASK, schema(1));
        let (_stop, running) = start_on(&env, Protocol::hardened(), world.clone());
        let started = Instant::now();
        tokio::task::yield_now().await;
        let (mut link, conn) = dial(&env).await;
        link.send(conn, request(command::BUDDY_LIST_USER_INFO_REQUEST));
        next_pdu(&mut link).await;
        let ended = running.await.unwrap();
        assert!(ended.expect_err("it has been asked").downcast::<TooOld>().is_ok());
        assert_eq!(started.elapsed(), Timing::original().tick() * 2);
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

/// The answer to [`request`] with one user whose signature has so many bytes.
fn signed(bytes: usize) -> ImUsersInfoRsp {
    let sign_info = Some(vec![b'x'; bytes].into());
    let user = UserInfo { user_id: 7, sign_info, ..Default::default() };
    let attach_data = Some(Attach::handle(3).encode());
    ImUsersInfoRsp { user_id: 1, user_info_list: vec![user], attach_data }
}

/// The rows of it.
fn row(bytes: usize) -> Sql {
    rows(["id", "sign_info"], &[[7.into(), Value::Bytes(vec![b'x'; bytes].into())]])
}

/// The next PDU of a stream without a link around it.
async fn read(stream: &mut MemoryStream, bytes: &mut BytesMut) -> Pdu {
    let next = async {
        loop {
            match cut(bytes, MAX_LEN).unwrap() {
                Some(pdu) => return pdu,
                None => assert_ne!(stream.read_buf(bytes).await.unwrap(), 0, "it was closed"),
            }
        }
    };
    timeout(Duration::from_secs(60), next).await.expect("a PDU")
}

/// Why a request was refused, if it was.
fn reason(pdu: &Pdu) -> Option<String> {
    let refused: Option<Refused> =
        (pdu.command() == command::OTHER_REFUSED).then(|| pdu.view().unwrap());
    refused.map(|refused| String::from_utf8_lossy(&refused.reason.unwrap()).into_owned())
}

/// One byte more, and the msg_server would close the link.
#[test]
fn an_answer_that_is_longer_than_a_pdu_may_be_is_refused() {
    run(async {
        let (env, world) = (MemoryEnv::new("msg"), Fake::default());
        let most = MAX_LEN as usize;
        // A length of 4 MiB takes as many bytes as one of nearly 16.
        let beside = HEADER_LEN + signed(4 << 20).encoded_len() - (4 << 20);
        world.on("IMUser", row(most - beside)).on("IMUser", row(most - beside + 1));
        let (_stop, _running) = start_on(&env, Protocol::hardened(), world);
        tokio::task::yield_now().await;
        let (mut link, conn) = dial(&env).await;
        let asks = request(command::BUDDY_LIST_USER_INFO_REQUEST);
        link.send(conn, asks.clone());
        let served = next_pdu(&mut link).await;
        assert_eq!(served.command(), command::BUDDY_LIST_USER_INFO_RESPONSE);
        assert_eq!(HEADER_LEN + served.body.len(), most);
        link.send(conn, asks.clone());
        let refused = next_pdu(&mut link).await;
        let why = format!("an answer of {} bytes: at most {most}", most + 1);
        assert_eq!(reason(&refused), Some(why));
        // The link is still there.
        link.send(conn, asks);
        assert_eq!(next_pdu(&mut link).await.command(), command::BUDDY_LIST_USER_INFO_RESPONSE);
    });
}

/// A msg_server that does not read has room for two answers of a third of the bound and what is spared; another
/// one is served meanwhile.
#[test]
fn an_answer_for_which_its_link_has_no_room_is_refused() {
    const ANSWER: usize = 8 << 20;
    run(async {
        let (env, world) = (MemoryEnv::new("msg"), Fake::default());
        let limits = BTreeMap::from([("link.unsent".to_string(), 24 << 20)]);
        let limits = Limits::with(&limits).unwrap();
        (0..3).for_each(|_| _ = world.on("IMUser", row(ANSWER)));
        let (_stop, _running) = start_with(&env, Protocol::hardened(), limits, world);
        tokio::task::yield_now().await;
        let db = Endpoint::new("db", PORT);
        let mut slow = env.host("slow").connect(&db).await.unwrap();
        let asks = request(command::BUDDY_LIST_USER_INFO_REQUEST);
        for _ in 0..3 {
            slow.write_all(&asks.encode()).await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let (mut other, conn) = dial(&env).await;
        other.send(conn, asks.clone());
        let served = next_pdu(&mut other).await;
        assert_eq!(served.command(), command::BUDDY_LIST_USER_INFO_RESPONSE);
        let (mut told, mut bytes) = (Vec::new(), BytesMut::new());
        for _ in 0..3 {
            told.push(read(&mut slow, &mut bytes).await);
        }
        let reasons: Vec<_> = told.iter().map(reason).collect();
        assert_eq!(reasons, [None, None, Some("too much waits to be written".to_string())]);
        let lengths = told[..2].iter().map(|pdu| pdu.body.len());
        assert!(lengths.min() > Some(ANSWER));
        // And served on.
        slow.write_all(&asks.encode()).await.unwrap();
        let served = read(&mut slow, &mut bytes).await;
        assert_eq!(served.command(), command::BUDDY_LIST_USER_INFO_RESPONSE);
    });
}
