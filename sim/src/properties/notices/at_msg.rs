//! What a msg_server owes by what devices and db_proxies say to it (docs/SYSTEM.md section 4).

use super::{
    Notices,
    audience::{members, owed},
    due::{Notice, To},
    has_route, own,
};
use crate::{
    plan::{Host, Role},
    properties::{Seen, wire::is_group},
    record::{End, Frame, Kind, fields::without},
};
use bytes::Bytes;
use std::collections::BTreeSet;
use teamtalk::{
    catalogue::{self, id},
    env::ConnId,
    wire::{
        attach::{self, Attach, kind},
        check,
        im::{
            base_define::{IpAddr, SessionType, TransferFileType},
            buddy::{
                ImChangeSignInfoRsp, ImRemoveSessionNotify, ImRemoveSessionReq, ImRemoveSessionRsp,
                ImSignInfoChangedNotify,
            },
            file::{ImFileAddOfflineReq, ImFileNotify},
            group::{ImGroupChangeMemberNotify, ImGroupChangeMemberRsp, ImGroupInfoListRsp},
            message::{ImMsgData, ImMsgDataReadAck, ImMsgDataReadNotify},
            server::{ImFileServerIpRsp, ImFileTransferRsp},
            switch_service::Imp2pCmdMsg,
        },
    },
};

/// The attach data of a PDU.
fn attach_of(pdu: &Frame) -> Option<Attach> {
    Attach::decode(pdu.attach()?)
}

impl Notices {
    /// What follows from a device's own words.
    pub(super) fn device_says(&mut self, seen: &Seen<'_>, pdu: &Frame) {
        let (conn, host, seq) = (pdu.conn, &seen.line.host, pdu.header.seq_num);
        if catalogue::of(pdu.command()).is_some_and(|entry| entry.reply.is_some()) {
            self.asked.entry((seq, pdu.command(), host.clone())).or_default().push(conn);
        }
        if let Some(data) = seen.data.as_ref().filter(|_| pdu.command() == id::MSG_DATA) {
            let data = &data.body;
            let message = (data.msg_type, data.to_session_id, data.msg_data.clone());
            self.sent.entry(message).or_default().insert(conn);
        }
        let ghost = self.here.ghosts.get(&conn);
        let Some(device) = self.here.devices.get(&conn).or(ghost) else { return };
        let (user, is_going) = (device.user, device.is_kicked || ghost.is_some());
        let told = match pdu.command() {
            id::SWITCH_P2P_CMD => self.p2p(host, conn, user, pdu),
            id::BUDDY_LIST_REMOVE_SESSION_REQ if !seen.protocol().confirmed_read_acks => {
                self.removal(host, conn, user, pdu)
            }
            id::FILE_ADD_OFFLINE_REQ => self.file_waits(host, user, pdu),
            id::MSG_READ_ACK if !seen.protocol().confirmed_read_acks => {
                self.read(host, conn, user, pdu)
            }
            _ => None,
        };
        let Some((conns, (command, body))) = told else { return };
        let to = conns.into_iter().map(To::Conn);
        let notices: Vec<_> = to.map(|to| (to, command, body.clone())).collect();
        let mut all = notices;
        if has_route(seen) {
            all.push((To::Route(host.clone()), command, body));
        }
        if is_going {
            // The original serves a kicked connection, and a server may not know that its device is gone:
            // others may be told what it does.
            all.into_iter().for_each(|notice| self.may.add(notice, seen.line.sim_us));
            return;
        }
        all.iter().for_each(|notice| self.add(notice.clone(), seen.line.sim_us));
        let asked = Asked { at_us: seen.line.sim_us, notices: all };
        self.unless_refused.insert((conn, pdu.command(), seq), asked);
    }

    /// A connection is kicked, or closed. What was read on it in this moment may have been too late.
    pub(super) fn forgive_last_words(&mut self, conn: ConnId, now_us: u64) {
        let of_conn = (conn, 0, 0)..=(conn, u16::MAX, u16::MAX);
        let last = self.unless_refused.range(of_conn).filter(|(_, asked)| asked.at_us == now_us);
        let last: Vec<_> = last.flat_map(|(_, asked)| asked.notices.clone()).collect();
        for (to, command, body) in last {
            if self.due.take((to.clone(), command), || body.clone()) {
                self.may.add((to, command, body), now_us);
            }
        }
    }

    /// 0601: unchanged to the sender's other connections and the target's.
    fn p2p(&self, host: &Host, conn: ConnId, user: u32, pdu: &Frame) -> Told {
        let cmd = pdu.view::<Imp2pCmdMsg>().ok()?;
        let mut conns = self.others(host, user, &[conn]);
        conns.extend(self.others(host, cmd.to_user_id, &[conn]));
        Some((conns, (pdu.command(), pdu.bare())))
    }

    /// 020f of a session with a user, to the user's other connections, at once (without
    /// `confirmed-read-acks`).
    fn removal(&self, host: &Host, conn: ConnId, user: u32, pdu: &Frame) -> Told {
        let asked = pdu.view::<ImRemoveSessionReq>().ok()?;
        if asked.session_type != SessionType::Single as i32 {
            return None;
        }
        let notice = ImRemoveSessionNotify {
            user_id: user,
            session_type: asked.session_type,
            session_id: asked.session_id,
        };
        let notice = own(id::BUDDY_LIST_REMOVE_SESSION_NOTIFY, &notice);
        Some((self.others(host, user, &[conn]), notice))
    }

    /// 0304 to the user's other connections, at once (without `confirmed-read-acks`).
    fn read(&self, host: &Host, conn: ConnId, user: u32, pdu: &Frame) -> Told {
        let ack = pdu.view::<ImMsgDataReadAck>().ok()?;
        let notice = ImMsgDataReadNotify {
            user_id: user,
            session_id: ack.session_id,
            msg_id: ack.msg_id,
            session_type: ack.session_type,
            attach_data: None,
        };
        Some((self.others(host, user, &[conn]), own(id::MSG_READ_NOTIFY, &notice)))
    }

    /// 0508 of a file that waits, to the PCs of whom it is for. Where clients reach the file server is
    /// what that server said last.
    fn file_waits(&self, host: &Host, user: u32, pdu: &Frame) -> Told {
        let file = pdu.view::<ImFileAddOfflineReq>().ok()?.into_owned();
        let notice = ImFileNotify {
            from_user_id: user,
            to_user_id: file.to_user_id,
            file_name: file.file_name,
            file_size: file.file_size,
            task_id: file.task_id,
            ip_addr_list: self.file_server(host),
            trans_mode: TransferFileType::FileTypeOffline as i32,
            offline_ready: 1,
        };
        Some((self.pcs(host, file.to_user_id), own(id::FILE_NOTIFY, &notice)))
    }

    /// 0508 of a file that is offered.
    fn file_offered(&self, host: &Host, pdu: &Frame) -> Told {
        let answer = pdu.view::<ImFileTransferRsp>().ok()?.into_owned();
        if answer.result_code != 0 {
            return None;
        }
        let notice = ImFileNotify {
            from_user_id: answer.from_user_id,
            to_user_id: answer.to_user_id,
            file_name: answer.file_name.unwrap_or_default(),
            file_size: answer.file_size.unwrap_or_default(),
            task_id: answer.task_id.unwrap_or_default(),
            ip_addr_list: self.file_server(host),
            trans_mode: answer.trans_mode.unwrap_or(TransferFileType::FileTypeOnline as i32),
            offline_ready: 0,
        };
        Some((self.pcs(host, answer.to_user_id), own(id::FILE_NOTIFY, &notice)))
    }

    fn pcs(&self, host: &Host, user: u32) -> Vec<ConnId> {
        let users = [user];
        let own = self.here.of_users(host, &users).filter(owed);
        own.filter(|(_, device)| !device.is_mobile).map(|(conn, _)| conn).collect()
    }

    fn file_server(&self, host: &Host) -> Vec<IpAddr> {
        self.addresses.get(host).cloned().unwrap_or_default()
    }

    /// What follows from an answer of a db_proxy.
    pub(super) fn server_says(&mut self, seen: &Seen<'_>, pdu: &Frame) {
        let host = &seen.line.host;
        let told = match pdu.command() {
            id::MSG_DATA => self.stored(seen, pdu),
            id::MSG_READ_NOTIFY => self.confirmed(host, pdu),
            id::BUDDY_LIST_REMOVE_SESSION_RES if seen.protocol().confirmed_read_acks => {
                self.removed(host, pdu)
            }
            id::GROUP_CHANGE_MEMBER_RESPONSE => self.changed(host, pdu),
            id::BUDDY_LIST_CHANGE_SIGN_INFO_RESPONSE => signed(pdu),
            id::OTHER_FILE_TRANSFER_RSP => self.file_offered(host, pdu),
            id::OTHER_FILE_SERVER_IP_RSP => {
                if let Ok(said) = pdu.view::<ImFileServerIpRsp>() {
                    self.addresses.insert(host.clone(), said.into_owned().ip_addr_list);
                }
                None
            }
            id::GROUP_INFO_RESPONSE => {
                self.fan_out(seen, pdu);
                None
            }
            _ => None,
        };
        let Some((conns, (command, body))) = told else { return };
        for conn in conns {
            self.owes(seen, pdu.conn, (To::Conn(conn), command, body.clone()));
        }
        if has_route(seen) {
            self.owes(seen, pdu.conn, (To::Route(host.clone()), command, body));
        }
    }

    /// What a PDU of a link says is to be told; if its server has failed to write on the link it may have
    /// dropped it before.
    fn owes(&mut self, seen: &Seen<'_>, link: ConnId, notice: Notice) {
        match self.unwritable.contains(&link) {
            true => {
                self.tally.excuse("a link that could not be written on");
                self.may.add(notice, seen.line.sim_us);
            }
            false => self.add(notice, seen.line.sim_us),
        }
    }

    /// A db_proxy has closed its end of a link, or its msg_server writes on one of which the other end is
    /// closed.
    pub(super) fn link_ends(&mut self, seen: &Seen<'_>) {
        match &seen.line.kind {
            Kind::Disconnected { conn, end: End::Acceptor }
                if seen.line.host.role() == Role::Db =>
            {
                self.closing.insert(*conn);
            }
            Kind::PduSent(pdu) if pdu.end == End::Dialler && self.closing.contains(&pdu.conn) => {
                self.unwritable.insert(pdu.conn);
            }
            _ => {}
        }
    }

    /// A message that was stored goes to route, and one between users is pushed here.
    fn stored(&self, seen: &Seen<'_>, pdu: &Frame) -> Told {
        let (host, data) = (&seen.line.host, &seen.data.as_ref()?.body);
        if data.msg_id == 0 {
            return None;
        }
        let mut conns = Vec::new();
        if !is_group(data.msg_type) {
            let origin = self.origins(data);
            conns = self.others(host, data.from_user_id, &origin);
            conns.extend(self.others(host, data.to_session_id, &origin));
        }
        Some((conns, (pdu.command(), pdu.bare())))
    }

    /// A read ack that is stored is told to the user's other connections.
    fn confirmed(&mut self, host: &Host, pdu: &Frame) -> Told {
        let notice = pdu.view::<ImMsgDataReadNotify>().ok()?;
        let requester = self.requesters(host, id::MSG_READ_ACK, pdu, notice.user_id);
        self.may_be_told(&requester, &(pdu.command(), pdu.bare()));
        Some((self.others(host, notice.user_id, &requester.here), (pdu.command(), pdu.bare())))
    }

    /// A session that is removed is told to the user's other connections. Who was told that no answer came is
    /// owed the notice, too; who asked may be told so in this moment.
    fn removed(&mut self, host: &Host, pdu: &Frame) -> Told {
        let answer = pdu.view::<ImRemoveSessionRsp>().ok()?;
        if answer.result_code != 0 {
            return None;
        }
        let notice = ImRemoveSessionNotify {
            user_id: answer.user_id,
            session_type: answer.session_type,
            session_id: answer.session_id,
        };
        let notice = own(id::BUDDY_LIST_REMOVE_SESSION_NOTIFY, &notice);
        let asked = id::BUDDY_LIST_REMOVE_SESSION_REQ;
        let mut requester = self.requesters(host, asked, pdu, answer.user_id);
        let seq = pdu.header.seq_num;
        requester.here.retain(|conn| !self.given_up.contains(&(*conn, seq)));
        for conn in &requester.here {
            self.may.add((To::Conn(*conn), notice.0, notice.1.clone()), 0);
        }
        Some((self.others(host, answer.user_id, &requester.here), notice))
    }

    /// A change of members is told to those who came or went and to the members.
    fn changed(&mut self, host: &Host, pdu: &Frame) -> Told {
        let answer = pdu.view::<ImGroupChangeMemberRsp>().ok()?.into_owned();
        if answer.result_code != 0 {
            return None;
        }
        let asked = id::GROUP_CHANGE_MEMBER_REQUEST;
        let requester = self.requesters(host, asked, pdu, answer.user_id);
        let notice = ImGroupChangeMemberNotify {
            user_id: answer.user_id,
            change_type: answer.change_type,
            group_id: answer.group_id,
            cur_user_id_list: answer.cur_user_id_list,
            chg_user_id_list: answer.chg_user_id_list,
        };
        let mut conns = members(&self.here, host, &notice);
        let notice = own(id::GROUP_CHANGE_MEMBER_NOTIFY, &notice);
        // One in both lists would be told twice.
        self.may_be_told(&requester, &notice);
        self.may_be_told(&requester, &notice);
        conns.retain(|conn| !requester.here.contains(conn));
        Some((conns, notice))
    }

    /// A message of a group is pushed to the members that a db_proxy names.
    fn fan_out(&mut self, seen: &Seen<'_>, pdu: &Frame) {
        let host = &seen.line.host;
        let Some(attach) = attach_of(pdu).filter(|attach| attach.kind == kind::GROUP) else {
            return;
        };
        let Ok(answer) = pdu.view::<ImGroupInfoListRsp>() else { return };
        let Some((body, message)) = attach.pdu.and_then(|body| {
            let message = check::decode::<ImMsgData>(&body).ok()?;
            Some((body, message))
        }) else {
            return;
        };
        let groups = &answer.group_info_list;
        let group = groups.iter().find(|group| group.group_id == message.to_session_id);
        let Some(group) = group else { return };
        let from = message.from_user_id;
        if !seen.protocol().members_from_store && !group.group_member_list.contains(&from) {
            return;
        }
        // On another server nobody is the origin.
        let origin = if attach.handle == 0 { Vec::new() } else { self.origins(&message) };
        let bare = without(&body, &[attach::FIELD]);
        for &member in &group.group_member_list {
            for conn in self.others(host, member, &origin) {
                self.owes(seen, pdu.conn, (To::Conn(conn), id::MSG_DATA, bare.clone()));
            }
        }
    }

    /// A user's connections here that are owed notices, but some.
    fn others(&self, host: &Host, user: u32, except: &[ConnId]) -> Vec<ConnId> {
        let users = [user];
        let own = self.here.of_users(host, &users).filter(owed);
        own.map(|(conn, _)| conn).filter(|conn| !except.contains(conn)).collect()
    }

    /// Of several connections that may have asked, all but one are told.
    fn may_be_told(&mut self, requesters: &Requesters, (command, body): &(u16, Bytes)) {
        for conn in requesters.here.iter().filter(|_| requesters.may_be_another) {
            self.may.add((To::Conn(*conn), *command, body.clone()), 0);
        }
    }

    /// The connections of a user whose question a db_proxy may have answered: which of two that asked
    /// with one seq_num it was can't be told, also if one of them is gone by now.
    fn requesters(&self, host: &Host, command: u16, answer: &Frame, user: u32) -> Requesters {
        let asked = self.asked.get(&(answer.header.seq_num, command, host.clone()));
        let asked: BTreeSet<ConnId> = asked.into_iter().flatten().copied().collect();
        let device = |conn: &ConnId| self.here.devices.get(conn);
        let is_own = |conn: &&ConnId| device(conn).is_some_and(|device| device.user == user);
        let here: Vec<ConnId> = asked.iter().filter(is_own).copied().collect();
        let may_be_another = here.len() > 1 || asked.iter().any(|conn| device(conn).is_none());
        Requesters { here, may_be_another }
    }

    /// The connections on which a message was sent.
    fn origins(&self, message: &ImMsgData) -> Vec<ConnId> {
        let message = (message.msg_type, message.to_session_id, message.msg_data.clone());
        self.sent.get(&message).into_iter().flatten().copied().collect()
    }
}

/// What follows from a device's PDU.
#[derive(Debug)]
pub struct Asked {
    /// When it was read, in simulated microseconds.
    pub at_us: u64,
    /// What is owed unless it is refused.
    pub notices: Vec<Notice>,
}

/// Who may have asked what a db_proxy answers.
struct Requesters {
    /// The connections of the user that are there.
    here: Vec<ConnId>,
    /// It may be another one than each of them.
    may_be_another: bool,
}

/// The connections that are owed a notice, and the notice: command and body.
type Told = Option<(Vec<ConnId>, (u16, Bytes))>;

/// A signature that was stored is told to everybody, through route.
fn signed(pdu: &Frame) -> Told {
    let answer = pdu.view::<ImChangeSignInfoRsp>().ok()?.into_owned();
    let notice = ImSignInfoChangedNotify {
        changed_user_id: answer.user_id,
        sign_info: answer.sign_info.unwrap_or_default(),
    };
    (answer.result_code == 0)
        .then(|| (Vec::new(), own(id::BUDDY_LIST_SIGN_INFO_CHANGED_NOTIFY, &notice)))
}
