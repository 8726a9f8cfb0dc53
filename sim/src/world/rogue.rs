//! Connections beside those of the devices: what a bad client, or anybody, does to a msg_server.

use super::{
    SimEnv,
    env::port,
    population::{hashed_password, user_name},
    shared::Shared,
};
use crate::plan::{Action, Host, Operation, Plan, Rogue};
use bytes::BytesMut;
use std::{io, sync::Arc, time::Duration};
use teamtalk::{
    catalogue::id as command,
    client::reason,
    env::{Endpoint, Env, Stream},
    fact::Fact,
    wire::{
        Pdu,
        frame::Codec,
        im::{
            base_define::{ClientType, MsgType, UserStatType},
            login::ImLoginReq,
            message::{ImClientTimeReq, ImMsgData, ImUnreadMsgCntReq},
        },
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_util::codec::Decoder;

/// How long a connection is tried, and how long most listen.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long one listens that is to be closed for its silence.
const LONG_PATIENCE: Duration = Duration::from_secs(3_600);
/// The seq_num of what is sent first.
const SEQ_NUM: u16 = 1;
/// A length of 5, which no PDU has.
const GARBAGE: &[u8] = b"\x00\x00\x00\x05\x00";

/// Does what it is told, side by side, until its host dies.
pub async fn run(
    shared: Shared,
    host: Host,
    plan: Arc<Plan>,
    mut operations: mpsc::UnboundedReceiver<Operation>,
) {
    while let Some(op) = operations.recv().await {
        let Action::Rogue { what } = &op.action else { continue };
        let Some(device) = plan.devices.iter().find(|d| d.slot == op.device) else { continue };
        let env = SimEnv::new(shared.clone(), &host, Some(device.slot));
        let to = Endpoint::new(device.home.as_str(), port::MSG);
        if let Rogue::Crowd { count } = *what {
            tokio::spawn(crowd(env, op.id, count, to));
            continue;
        }
        let intrusion = Intrusion {
            op: op.id,
            bytes: bytes(&op, what, device.user),
            listens: match what {
                Rogue::Silent { .. } => Listens::UntilClosed,
                Rogue::Flood { .. } => Listens::ForAWhile,
                _ => Listens::ForAnAnswer,
            },
        };
        tokio::spawn(async move {
            let (op, fact) = (op.id, env.clone());
            fact.fact(match intrude(env, intrusion, &to).await {
                Ok(()) => Fact::OpOk { op, msg_id: 0 },
                Err(reason) => Fact::OpFailed { op, reason },
            });
        });
    }
}

/// What a connection is for.
struct Intrusion {
    op: u32,
    /// What is written.
    bytes: Vec<u8>,
    listens: Listens,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listens {
    /// Until the first thing that was written is answered.
    ForAnAnswer,
    /// Whatever comes.
    ForAWhile,
    /// Until the server closes.
    UntilClosed,
}

/// What is written.
fn bytes(op: &Operation, what: &Rogue, user: u32) -> Vec<u8> {
    let text = |seq, to| {
        let message = ImMsgData {
            from_user_id: user,
            to_session_id: to,
            msg_type: MsgType::SingleText.into(),
            msg_data: op.content().unwrap_or_default().into(),
            ..Default::default()
        };
        Pdu::new(command::MSG_DATA, seq, &message)
    };
    let unread = |seq, of| {
        let asked = ImUnreadMsgCntReq { user_id: of, attach_data: None };
        Pdu::new(command::MSG_UNREAD_CNT_REQUEST, seq, &asked)
    };
    let time = |seq| Pdu::new(command::MSG_TIME_REQUEST, seq, &ImClientTimeReq::default());
    let pdus = match *what {
        Rogue::Garbage => return GARBAGE.to_vec(),
        Rogue::Unread { of } => vec![unread(SEQ_NUM, of)],
        Rogue::Text { to } => vec![text(SEQ_NUM, to)],
        Rogue::Login { of, wrong } => vec![login(of, wrong, false)],
        Rogue::Hasty { of, to } => {
            vec![login(of, false, false), time(2), unread(3, to), text(4, to)]
        }
        Rogue::Flood { count } => (0..count).map(|n| time(SEQ_NUM + n)).collect(),
        Rogue::Crowd { .. } => Vec::new(),
        Rogue::Silent { of, phone } => of.map(|of| login(of, false, phone)).into_iter().collect(),
    };
    pdus.iter().flat_map(|pdu| pdu.encode().to_vec()).collect()
}

fn login(user: u32, wrong: bool, phone: bool) -> Pdu {
    // The hash of another user's password is as long, and wrong.
    let password = hashed_password(if wrong { user + 1 } else { user });
    let client_type = if phone { ClientType::Android } else { ClientType::Windows };
    let request = ImLoginReq {
        user_name: user_name(user).into(),
        password: password.into(),
        online_status: UserStatType::UserStatusOnline.into(),
        client_type: client_type.into(),
        ..Default::default()
    };
    Pdu::new(command::LOGIN_REQ_USERLOGIN, SEQ_NUM, &request)
}

/// Dials so many connections at once, and keeps them for a while.
async fn crowd(env: SimEnv, op: u32, count: u16, to: Endpoint) {
    let mut dials = JoinSet::new();
    for _ in 0..count {
        let (env, to) = (env.clone(), to.clone());
        dials.spawn(async move { timeout(PATIENCE, env.connect(&to)).await });
    }
    let kept = dials.join_all().await;
    sleep(PATIENCE).await;
    drop(kept);
    env.fact(Fact::OpOk { op, msg_id: 0 });
}

/// Dials, writes, and listens; why there was no answer.
async fn intrude(env: SimEnv, what: Intrusion, to: &Endpoint) -> Result<(), String> {
    let Intrusion { op, bytes, listens } = what;
    let lost = |_: io::Error| reason::CONNECTION_LOST.to_string();
    let dialled = timeout(PATIENCE, env.connect(to)).await;
    let mut stream = dialled.map_err(|_| "connect timed out")?.map_err(|e| e.to_string())?;
    env.fact(Fact::Attempt { op, attempt: 1, conn: stream.id(), seq_num: SEQ_NUM });
    stream.write_all(&bytes).await.map_err(lost)?;
    let patience = match listens {
        Listens::ForAnAnswer | Listens::ForAWhile => PATIENCE,
        Listens::UntilClosed => LONG_PATIENCE,
    };
    let until = Instant::now() + patience;
    let mut buf = BytesMut::new();
    loop {
        match Codec.decode(&mut buf) {
            Ok(Some(_)) if listens != Listens::ForAnAnswer => {}
            Ok(Some(pdu)) if pdu.header.seq_num != SEQ_NUM => {}
            Ok(Some(pdu)) if pdu.command() == command::OTHER_REFUSED => {
                return Err("refused".into());
            }
            Ok(Some(_)) => return Ok(()),
            Ok(None) => match timeout_at(until, stream.read_buf(&mut buf)).await {
                Err(_) => return Err(reason::NO_ANSWER.into()),
                Ok(Err(error)) => return Err(lost(error)),
                Ok(Ok(0)) => return Err(reason::CONNECTION_LOST.into()),
                Ok(Ok(_)) => {}
            },
            Err(error) => return Err(error.to_string()),
        }
    }
}
