//! The servers around the cluster, as far as msg_servers see them: ports of the host `outside`.

use super::{SimEnv, env::port};
use std::convert::Infallible;
use teamtalk::{
    catalogue::id as command,
    env::Draw,
    link::{self, Action, Event, Kind, Listen, Now, Role},
    timing::Timing,
    wire::{
        Pdu,
        im::{
            base_define::{IpAddr, PushResult, UserTokenInfo},
            server::{
                ImFileServerIpRsp, ImFileTransferReq, ImFileTransferRsp, ImPushToUserReq,
                ImPushToUserRsp,
            },
        },
    },
};

/// A server link of a host that only listens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Accepted;

impl Kind for Accepted {
    fn is_server_link(self) -> bool {
        true
    }
}

/// login_server: it listens and keeps its heartbeats.
pub(super) struct LoginServer;

impl Role for LoginServer {
    type Kind = Accepted;

    fn handle(&mut self, _: Now, _: &dyn Draw, _: Event<Accepted>, _: &mut Vec<Action>) {}
}

/// push server: every push reaches its phone.
pub(super) struct PushServer;

impl Role for PushServer {
    type Kind = Accepted;

    fn handle(&mut self, _: Now, _: &dyn Draw, event: Event<Accepted>, out: &mut Vec<Action>) {
        let Event::Pdu { conn, pdu, .. } = event else { return };
        if pdu.command() != command::OTHER_PUSH_TO_USER_REQ {
            return;
        }
        let Ok(push) = pdu.view::<ImPushToUserReq>() else { return };
        let shown = push.user_token_list.into_iter();
        let result = |to: UserTokenInfo| PushResult { user_token: to.token, result_code: 0 };
        let answer = ImPushToUserRsp { push_result_list: shown.map(result).collect() };
        let seq = pdu.header.seq_num;
        out.push(Action::Send {
            conn,
            pdu: Pdu::new(command::OTHER_PUSH_TO_USER_RSP, seq, &answer),
        });
    }
}

/// file server: it grants every transfer. The files themselves are not simulated.
#[derive(Default)]
pub(super) struct FileServer {
    /// Transfers granted.
    tasks: u32,
}

impl Role for FileServer {
    type Kind = Accepted;

    fn handle(&mut self, _: Now, _: &dyn Draw, event: Event<Accepted>, out: &mut Vec<Action>) {
        let Event::Pdu { conn, pdu, .. } = event else { return };
        let seq = pdu.header.seq_num;
        let answer = match pdu.command() {
            command::OTHER_FILE_SERVER_IP_REQ => {
                let here = IpAddr { ip: "outside".into(), port: port::FILE.into() };
                let answer = ImFileServerIpRsp { ip_addr_list: vec![here] };
                Pdu::new(command::OTHER_FILE_SERVER_IP_RSP, seq, &answer)
            }
            command::OTHER_FILE_TRANSFER_REQ => {
                let Ok(asked) = pdu.view::<ImFileTransferReq>() else { return };
                self.tasks += 1;
                let task = format!("task-{}", self.tasks);
                let answer = ImFileTransferRsp {
                    result_code: 0,
                    from_user_id: asked.from_user_id,
                    to_user_id: asked.to_user_id,
                    file_name: Some(asked.file_name),
                    file_size: Some(asked.file_size),
                    task_id: Some(task.into()),
                    trans_mode: Some(asked.trans_mode),
                    attach_data: asked.attach_data,
                };
                Pdu::new(command::OTHER_FILE_TRANSFER_RSP, seq, &answer)
            }
            _ => return,
        };
        out.push(Action::Send { conn, pdu: answer });
    }
}

/// Runs all three until one ends, which none does by itself.
pub(super) async fn run(env: SimEnv, timing: Timing) -> std::io::Result<Infallible> {
    let listen = |port| vec![Listen::new(port, Accepted)];
    tokio::select! {
        biased;
        ended = link::run(env.clone(), timing, LoginServer, listen(port::LOGIN), Vec::new()) => ended,
        ended = link::run(env.clone(), timing, PushServer, listen(port::PUSH), Vec::new()) => ended,
        ended = link::run(
            env.clone(), timing, FileServer::default(), listen(port::FILE), Vec::new(),
        ) => ended,
    }
}
