//! Connections that do not log in: what a bad client, or anybody, does to a msg_server.

use super::{SimEnv, env::port, shared::Shared};
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
            base_define::MsgType,
            message::{ImMsgData, ImUnreadMsgCntReq},
        },
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
    time::{Instant, timeout, timeout_at},
};
use tokio_util::codec::Decoder;

/// How long a connection is tried, and how long it listens.
const PATIENCE: Duration = Duration::from_secs(1);
/// The seq_num of what is sent.
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
        let Some(device) = plan.devices.iter().find(|d| d.slot == op.device) else { continue };
        let env = SimEnv::new(shared.clone(), &host, Some(device.slot));
        let to = Endpoint::new(device.home.as_str(), port::MSG);
        let bytes = bytes(&op, device.user);
        tokio::spawn(async move {
            let (op, fact) = (op.id, env.clone());
            fact.fact(match intrude(env, op, &to, &bytes).await {
                Ok(()) => Fact::OpOk { op, msg_id: 0 },
                Err(reason) => Fact::OpFailed { op, reason },
            });
        });
    }
}

/// What is written.
fn bytes(op: &Operation, user: u32) -> Vec<u8> {
    let Action::Rogue { what } = &op.action else { return Vec::new() };
    let pdu = match what {
        Rogue::Garbage => return GARBAGE.to_vec(),
        Rogue::Unread { of } => {
            let asked = ImUnreadMsgCntReq { user_id: *of, attach_data: None };
            Pdu::new(command::MSG_UNREAD_CNT_REQUEST, SEQ_NUM, &asked)
        }
        Rogue::Text { to } => {
            let message = ImMsgData {
                from_user_id: user,
                to_session_id: *to,
                msg_type: MsgType::SingleText.into(),
                msg_data: op.content().unwrap_or_default().into(),
                ..Default::default()
            };
            Pdu::new(command::MSG_DATA, SEQ_NUM, &message)
        }
    };
    pdu.encode().to_vec()
}

/// Dials, writes, and listens for an answer; why there was none.
async fn intrude(env: SimEnv, op: u32, to: &Endpoint, bytes: &[u8]) -> Result<(), String> {
    let lost = |_: io::Error| reason::CONNECTION_LOST.to_string();
    let dialled = timeout(PATIENCE, env.connect(to)).await;
    let mut stream = dialled.map_err(|_| "connect timed out")?.map_err(|e| e.to_string())?;
    env.fact(Fact::Attempt { op, attempt: 1, conn: stream.id(), seq_num: SEQ_NUM });
    stream.write_all(bytes).await.map_err(lost)?;
    let until = Instant::now() + PATIENCE;
    let mut buf = BytesMut::new();
    loop {
        match Codec.decode(&mut buf) {
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
