//! File transfers, which msg_server arranges between clients and the file server (SYSTEM.md
//! section 4, "Files").

use super::{
    dispatch::{self, Handler},
    relay::{NO_DB, Source},
    state::{FileServer, State, in_flight::Asked, turn::Turn},
};
use crate::{
    catalogue::{Half, id as cmd},
    env::ConnId,
    mutants::Mutant,
    wire::{
        Malformed, Pdu,
        attach::{Attach, kind},
        check,
        edit::Edit,
        fields,
        im::{
            base_define::{IpAddr, TransferFileType, UserStatType},
            buddy::{ImUsersStatReq, ImUsersStatRsp},
            file::{
                ImFileAddOfflineReq, ImFileDelOfflineReq, ImFileHasOfflineRsp, ImFileNotify,
                ImFileReq, ImFileRsp,
            },
            server::{ImFileServerIpReq, ImFileServerIpRsp, ImFileTransferReq, ImFileTransferRsp},
        },
        tt::extension::RefusedCode,
    },
};

const NO_FILE_SERVER: &str = "no file server";
const ONLINE: i32 = TransferFileType::FileTypeOnline as i32;
const OFFLINE: i32 = TransferFileType::FileTypeOffline as i32;

/// A file server's link opened: it is asked where clients reach it.
pub(super) fn opened(state: &mut State, turn: &mut Turn<'_>, conn: ConnId) {
    state.file_servers.push(FileServer { conn, addresses: Vec::new() });
    turn.send(conn, Pdu::new(cmd::OTHER_FILE_SERVER_IP_REQ, 0, &ImFileServerIpReq {}));
}

/// The link of a file server closed.
pub(super) fn closed(state: &mut State, turn: &mut Turn<'_>, conn: ConnId) {
    state.file_servers.retain(|server| server.conn != conn);
    let lost = state.in_flight.of_link(conn);
    state.unanswered(turn, lost, "the file server is gone");
}

/// The handler of a file server's command that the catalogue says has one here.
pub(super) fn handler(command: u16) -> Option<Handler> {
    Some(match command {
        cmd::OTHER_FILE_TRANSFER_RSP => transfer_rsp,
        cmd::OTHER_FILE_SERVER_IP_RSP => addresses_rsp,
        _ => return None,
    })
}

/// Serves one PDU of a file server.
pub(super) fn dispatch(
    state: &mut State,
    turn: &mut Turn<'_>,
    link: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    dispatch::of_link(handler(pdu.command()), state, turn, link, pdu)
}

/// 0734: where clients reach that file server.
fn addresses_rsp(
    state: &mut State,
    _: &mut Turn<'_>,
    link: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    let rsp: ImFileServerIpRsp = pdu.view()?;
    for server in state.file_servers.iter_mut().filter(|server| server.conn == link) {
        server.addresses.clone_from(&rsp.ip_addr_list);
    }
    Ok(())
}

fn addresses(state: &State) -> Vec<IpAddr> {
    state.file_servers.first().map(|server| server.addresses.clone()).unwrap_or_default()
}

/// 0506: a client offers a file.
pub(super) fn offer(
    state: &mut State,
    turn: &mut Turn<'_>,
    conn: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    let req: ImFileReq = pdu.view()?;
    let Some(client) = state.conns.get(&conn) else { return Ok(()) };
    let (user, handle, seq) = (client.user, client.handle, pdu.header.seq_num);
    let Some(server) = state.file_servers.first().map(|server| server.conn) else {
        turn.refused(conn, pdu.command(), NO_FILE_SERVER);
        let rsp = ImFileRsp {
            result_code: 1,
            from_user_id: user,
            to_user_id: req.to_user_id,
            file_name: req.file_name,
            task_id: Default::default(),
            ip_addr_list: Vec::new(),
            trans_mode: req.trans_mode,
        };
        turn.send(conn, Pdu::new(cmd::FILE_RESPONSE, seq, &rsp));
        return Ok(());
    };
    let transfer = ImFileTransferReq {
        from_user_id: user,
        to_user_id: req.to_user_id,
        file_name: req.file_name,
        file_size: req.file_size,
        trans_mode: req.trans_mode,
        attach_data: Some(Attach::handle(handle).encode()),
    };
    let source = Source::client(conn, pdu);
    let pc_on_here = state.users.get(&req.to_user_id).is_some_and(|target| target.pc_on);
    if req.trans_mode == OFFLINE || pc_on_here {
        let transfer = Pdu::new(cmd::OTHER_FILE_TRANSFER_REQ, seq, &transfer);
        state.ask(turn, server, transfer, source);
    } else if let Some(&master) = state.routes.first() {
        // The mode depends on whether the target has a PC online elsewhere: route knows.
        let body = Some(prost::Message::encode_to_vec(&transfer).into());
        let attach = Attach { kind: kind::FILE, handle, service_type: 0, pdu: body };
        let ask = ImUsersStatReq {
            user_id: user,
            user_id_list: vec![req.to_user_id],
            attach_data: Some(attach.encode()),
        };
        let ask = Pdu::new(cmd::BUDDY_LIST_USERS_STATUS_REQUEST, seq, &ask);
        state.ask(turn, master, ask, source);
    } else {
        let code = RefusedCode::RefusedUnavailable;
        state.refuse(turn, conn, Asked::of(pdu), code, "no route server");
    }
    Ok(())
}

/// 020b with a 0731 attached: a target who is online gets a direct transfer.
pub(super) fn status(
    state: &mut State,
    turn: &mut Turn<'_>,
    link: ConnId,
    seq: u16,
    rsp: &ImUsersStatRsp,
    attach: &Attach,
) -> Result<(), Malformed> {
    let mut transfer: ImFileTransferReq = check::decode(attach.pdu.as_deref().unwrap_or_default())?;
    let asked = Asked { command: cmd::FILE_REQUEST, seq };
    let (_, is_owed) = state.settled(link, attach.handle, asked);
    if !is_owed {
        return Ok(());
    }
    let online = UserStatType::UserStatusOnline as i32;
    let pc_on = rsp.user_stat_list.first().is_some_and(|user| user.status == online);
    let pc_on = pc_on && !state.config.protocol.mutated(Mutant::TransferAlwaysOffline);
    transfer.trans_mode = if pc_on { ONLINE } else { OFFLINE };
    let server = state.file_servers.first().map(|server| server.conn);
    let requester = state.find(transfer.from_user_id, attach.handle);
    let transfer = Pdu::new(cmd::OTHER_FILE_TRANSFER_REQ, seq, &transfer);
    match (server, requester) {
        (Some(server), Some(conn)) => {
            state.ask(turn, server, transfer, Source { conn, asked, body: 0, missed: None });
        }
        (Some(server), None) => turn.send(server, transfer),
        (None, Some(conn)) => {
            state.refuse(turn, conn, asked, RefusedCode::RefusedUnavailable, NO_FILE_SERVER);
        }
        (None, None) => {}
    }
    Ok(())
}

/// 0732: the requester is told where to upload the file, the target that it is offered.
fn transfer_rsp(
    state: &mut State,
    turn: &mut Turn<'_>,
    link: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    let rsp: ImFileTransferRsp = pdu.view()?;
    let seq = pdu.header.seq_num;
    let Some(attach) = Attach::decode(rsp.attach_data.as_deref().unwrap_or_default()) else {
        turn.close(link, "a reply whose attach data is too short");
        return Ok(());
    };
    let asked = Asked { command: cmd::FILE_REQUEST, seq };
    let (_, is_owed) = state.settled(link, attach.handle, asked);
    let server = state.file_servers.iter().find(|server| server.conn == link);
    let ip_addr_list = server.map(|server| server.addresses.clone()).unwrap_or_default();
    let answer = ImFileRsp {
        result_code: rsp.result_code,
        from_user_id: rsp.from_user_id,
        to_user_id: rsp.to_user_id,
        file_name: rsp.file_name.unwrap_or_default(),
        task_id: rsp.task_id.unwrap_or_default(),
        ip_addr_list,
        trans_mode: rsp.trans_mode.unwrap_or(ONLINE),
    };
    if let Some(conn) = state.find(rsp.from_user_id, attach.handle).filter(|_| is_owed) {
        turn.send(conn, Pdu::new(cmd::FILE_RESPONSE, seq, &answer));
    }
    if rsp.result_code == 0 {
        let notice = ImFileNotify {
            from_user_id: answer.from_user_id,
            to_user_id: answer.to_user_id,
            file_name: answer.file_name,
            file_size: rsp.file_size.unwrap_or_default(),
            task_id: answer.task_id,
            ip_addr_list: answer.ip_addr_list,
            trans_mode: answer.trans_mode,
            offline_ready: 0,
        };
        notify(state, turn, &notice);
    }
    Ok(())
}

/// 0508 to the target's PCs here, and to route.
fn notify(state: &State, turn: &mut Turn<'_>, notice: &ImFileNotify) {
    let pdu = Pdu::new(cmd::FILE_NOTIFY, 0, notice);
    let is_pc = |conn: &ConnId| state.conns.get(conn).is_some_and(|client| !client.is_mobile());
    let protocol = state.config.protocol;
    let to = match protocol.mutated(Mutant::FileOfferedToSender) {
        true => notice.from_user_id,
        false => notice.to_user_id,
    };
    let target = state.conns_of(to, None).into_iter();
    turn.send_all(&target.filter(is_pc).collect::<Vec<_>>(), &pdu);
    if !protocol.mutated(Mutant::FileOfferedHereOnly) {
        state.to_route(turn, pdu);
    }
}

/// 0508 of another msg_server: to all the target's connections.
pub(super) fn notice(
    state: &mut State,
    turn: &mut Turn<'_>,
    _: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    let notice: ImFileNotify = pdu.view()?;
    turn.send_all(&state.conns_of(notice.to_user_id, None), pdu);
    Ok(())
}

/// 050a: passed on with its attach data, and with the addresses of the file server, which db_proxy
/// does not know (ours: nobody else could fill that field).
pub(super) fn offline_list(
    state: &mut State,
    turn: &mut Turn<'_>,
    link: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    let rsp: ImFileHasOfflineRsp = pdu.view()?;
    let Some(attach) = state.db.attach_of(turn, link, rsp.attach_data.as_deref()) else {
        return Ok(());
    };
    let asked = Asked { command: cmd::FILE_HAS_OFFLINE_REQ, seq: pdu.header.seq_num };
    let (_, is_owed) = state.settled(link, attach.handle, asked);
    if let Some(conn) = state.find(rsp.user_id, attach.handle).filter(|_| is_owed) {
        let mut body = pdu.body.to_vec();
        prost::encoding::message::encode_repeated(
            fields::IP_ADDR_LIST,
            &addresses(state),
            &mut body,
        );
        turn.send(conn, pdu.with_body(body.into()));
    }
    Ok(())
}

/// 050b: a file was uploaded; not answered.
pub(super) fn uploaded(
    state: &mut State,
    turn: &mut Turn<'_>,
    conn: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    let req: ImFileAddOfflineReq = pdu.view()?;
    let Some(user) = state.conns.get(&conn).map(|client| client.user) else { return Ok(()) };
    let body = Edit::of(&pdu.body).uint(fields::USER_ID, u64::from(user)).done();
    if !to_db(state, turn, conn, pdu, pdu.with_body(body)) {
        return Ok(());
    }
    let notice = ImFileNotify {
        from_user_id: user,
        to_user_id: req.to_user_id,
        file_name: req.file_name,
        file_size: req.file_size,
        task_id: req.task_id,
        ip_addr_list: addresses(state),
        trans_mode: OFFLINE,
        offline_ready: 1,
    };
    notify(state, turn, &notice);
    Ok(())
}

/// 050c: a file was fetched; relayed as it is and not answered.
pub(super) fn fetched(
    state: &mut State,
    turn: &mut Turn<'_>,
    conn: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    let _: ImFileDelOfflineReq = pdu.view()?;
    to_db(state, turn, conn, pdu, pdu.clone());
    Ok(())
}

/// Sends a request on to a db_proxy. False if there is none and the client was told so.
fn to_db(state: &State, turn: &mut Turn<'_>, conn: ConnId, asked: &Pdu, pdu: Pdu) -> bool {
    let user = state.conns.get(&conn).map_or(0, |client| client.user);
    if let Some(link) = state.db.pick(turn, Half::Other, user, asked) {
        turn.send(link, pdu);
        return true;
    }
    state.refuse(turn, conn, Asked::of(asked), RefusedCode::RefusedUnavailable, NO_DB);
    !state.config.protocol.answered_refusals
}
