//! route_server: who is online where, and the relay between msg_servers (SYSTEM.md section 5).

mod presence;
#[cfg(test)]
mod tests;

use crate::{
    catalogue::{self, Peer, Serve, id as cmd, limits::Limits},
    env::{ConnId, Draw},
    fact::Fact,
    link::{self, Action, Bounds, Event, Now, Role},
    mutants::Mutant,
    protocol::Protocol,
    wire::{Malformed, Pdu, attach, edit::Edit, im},
};
use im::base_define::{UserStat, UserStatType};
use presence::{ByLink, Presence, Shared};
use std::collections::BTreeSet;

/// What route_server's connections are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A msg_server.
    MsgServer,
}

impl link::Kind for Kind {
    fn is_server_link(self) -> bool {
        true
    }
}

/// The role without I/O.
#[derive(Debug)]
pub struct RouteServer {
    /// In the order of their numbers, which is the order of every broadcast.
    links: BTreeSet<ConnId>,
    presence: Presence,
    protocol: Protocol,
}

/// Client types of the PC class have this bit clear (SYSTEM.md section 2).
const MOBILE: u32 = 0x10;

impl RouteServer {
    /// A route_server that knows nobody.
    pub fn new(protocol: Protocol) -> Self {
        let presence = if protocol.presence_by_link {
            Presence::ByLink(ByLink::default())
        } else {
            Presence::Shared(Shared::default())
        };
        Self { links: BTreeSet::new(), presence, protocol }
    }

    fn to_all(&self, out: &mut Vec<Action>, pdu: &Pdu) {
        self.to_others(out, None, pdu);
    }

    fn to_others(&self, out: &mut Vec<Action>, source: Option<ConnId>, pdu: &Pdu) {
        let mut links: Vec<_> = self.links.iter().filter(|&&link| Some(link) != source).collect();
        if links.len() > 1
            && source.is_some()
            && self.protocol.mutated(Mutant::RelaySkipsLastServer)
        {
            links.pop();
        }
        for &conn in links {
            out.push(Action::Send { conn, pdu: pdu.clone() });
        }
    }

    fn dispatch(
        &mut self,
        conn: ConnId,
        pdu: &Pdu,
        out: &mut Vec<Action>,
    ) -> Result<(), Malformed> {
        match catalogue::served(pdu.command(), Peer::Msg, Peer::Route) {
            Some(Serve::ToOtherLinks) => self.to_others(out, Some(conn), pdu),
            Some(Serve::ToAllLinks) => self.to_all(out, pdu),
            Some(_) if let Some(handler) = handler(pdu.command()) => {
                return handler(self, conn, pdu, out);
            }
            _ => out.push(refused(conn, pdu, "unknown command")),
        }
        Ok(())
    }

    /// 0707: read, and used nowhere.
    fn role_set(&mut self, _: ConnId, _: &Pdu, _: &mut Vec<Action>) -> Result<(), Malformed> {
        Ok(())
    }

    /// 070a: one connection of a user came or went.
    fn status_update(
        &mut self,
        conn: ConnId,
        pdu: &Pdu,
        out: &mut Vec<Action>,
    ) -> Result<(), Malformed> {
        let msg: im::server::ImUserStatusUpdate = pdu.view()?;
        let (user, kind) = (msg.user_id, msg.client_type as u32);
        let offline = msg.user_status == UserStatType::UserStatusOffline as u32;
        if offline {
            self.presence.remove(user, conn, kind);
        } else {
            self.presence.add(user, conn, kind);
        }
        let pc_present = self.presence.has_pc(user);
        let is_pc = kind & MOBILE == 0;
        // No notice when the entry is gone with its last link.
        if self.presence.knows(user) {
            let status = match (offline, pc_present) {
                (false, true) => Some(1),
                (true, false) if is_pc && !self.protocol.mutated(Mutant::PcGoneUntold) => Some(0),
                _ => None,
            };
            if let Some(status) = status {
                self.to_all(out, &pc_status(user, status));
            }
        }
        let untold = offline && self.protocol.mutated(Mutant::OfflineUntold);
        if is_pc && !(offline && pc_present) && !untold {
            self.status_notify(user, msg.user_status, out);
        }
        Ok(())
    }
}

impl RouteServer {
    /// 0203 to every link, the source too.
    fn status_notify(&self, user: u32, status: u32, out: &mut Vec<Action>) {
        let user_stat = UserStat { user_id: user, status: status as i32 };
        let notice = im::buddy::ImUserStatNotify { user_stat };
        self.to_all(out, &Pdu::new(cmd::BUDDY_LIST_STATUS_NOTIFY, 0, &notice));
    }

    /// 0708: who is online at a msg_server when its link opens. The original sends no notices of
    /// it; with `presence-by-link` it replaces what the link had reported, and others hear of the
    /// change.
    fn online_users(
        &mut self,
        conn: ConnId,
        pdu: &Pdu,
        out: &mut Vec<Action>,
    ) -> Result<(), Malformed> {
        let msg: im::server::ImOnlineUserInfo = pdu.view()?;
        let before = match self.protocol.mutated(Mutant::ReportAddsUp) {
            true => None,
            false => self.forget_link(conn),
        };
        let on = |user: &&im::base_define::ServerUserStat| {
            user.status != UserStatType::UserStatusOffline as i32
        };
        let mut phones = BTreeSet::new();
        for user in msg.user_stat_list.iter().filter(on) {
            self.presence.add(user.user_id, conn, user.client_type as u32);
            if user.client_type as u32 & MOBILE != 0 {
                phones.insert(user.user_id);
            }
        }
        if let Some(before) = before {
            let changed = self.announce_changes(before, out);
            // While the link was closed, the phones behind it were not told about PCs.
            for user in phones.into_iter().filter(|user| !changed.contains(user)) {
                let pdu = pc_status(user, u32::from(self.presence.has_pc(user)));
                out.push(Action::Send { conn, pdu });
            }
        }
        Ok(())
    }

    /// `presence-by-link`: forgets what a link reported, and returns who had a PC on before that.
    /// `None` for the original, which forgets nothing.
    fn forget_link(&mut self, conn: ConnId) -> Option<BTreeSet<u32>> {
        let Presence::ByLink(table) = &mut self.presence else { return None };
        let before = table.with_pc();
        table.forget_link(conn);
        Some(before)
    }

    /// A link closed. The original sends no notices: that users who were only behind it are gone is
    /// not announced, and their counts stay.
    fn link_closed(&mut self, conn: ConnId, out: &mut Vec<Action>) {
        if let Presence::Shared(table) = &mut self.presence {
            table.close_link(conn);
        }
        if !self.protocol.mutated(Mutant::UsersOutliveTheirLink)
            && let Some(before) = self.forget_link(conn)
        {
            self.announce_changes(before, out);
        }
    }

    /// Sends 070e and 0203 for everyone whose PC came or went since `before`, and returns who that
    /// is.
    fn announce_changes(&self, before: BTreeSet<u32>, out: &mut Vec<Action>) -> BTreeSet<u32> {
        let Presence::ByLink(table) = &self.presence else { return BTreeSet::new() };
        let changed: BTreeSet<u32> =
            before.symmetric_difference(&table.with_pc()).copied().collect();
        for &user in &changed {
            let (login_status, status) = if table.has_pc(user) {
                (1, UserStatType::UserStatusOnline)
            } else {
                (0, UserStatType::UserStatusOffline)
            };
            // Without any connection there is nobody to tell that the PC went.
            if table.knows(user) {
                self.to_all(out, &pc_status(user, login_status));
            }
            self.status_notify(user, status as u32, out);
        }
        changed
    }

    /// 020a → 020b: ONLINE only with a PC type present.
    fn users_status(
        &mut self,
        conn: ConnId,
        pdu: &Pdu,
        out: &mut Vec<Action>,
    ) -> Result<(), Malformed> {
        let req: im::buddy::ImUsersStatReq = pdu.view()?;
        let stat = |user_id| {
            let phone = || self.presence.knows(user_id);
            let status = if self.presence.has_pc(user_id)
                || (phone() && self.protocol.mutated(Mutant::PhoneCountsAsPc))
            {
                UserStatType::UserStatusOnline
            } else {
                UserStatType::UserStatusOffline
            };
            UserStat { user_id, status: status as i32 }
        };
        let listed = |user: &u32| {
            self.presence.has_pc(*user) || !self.protocol.mutated(Mutant::StatusLeavesOutOffline)
        };
        let rsp = im::buddy::ImUsersStatRsp {
            user_id: req.user_id,
            user_stat_list: req.user_id_list.into_iter().filter(listed).map(stat).collect(),
            attach_data: None,
        };
        // Replies always carry attach_data, empty if the request had none.
        let body = prost::Message::encode_to_vec(&rsp);
        let body =
            Edit::of(&body).bytes(attach::FIELD, &req.attach_data.unwrap_or_default()).done();
        let seq = pdu.header.seq_num;
        let pdu = Pdu::raw(cmd::BUDDY_LIST_USERS_STATUS_RESPONSE, seq, body);
        out.push(Action::Send { conn, pdu });
        Ok(())
    }
}

/// What the connection of a msg_server may hold: with `edge-limits` more than any answer, so that no
/// client's requests close it.
pub fn bounds(protocol: &Protocol, limits: &Limits) -> Bounds {
    match protocol.edge_limits {
        true => Bounds { unsent: limits.link_unsent, ..Bounds::ORIGINAL },
        false => Bounds::ORIGINAL,
    }
}

/// Serves one PDU of one link.
type Handler = fn(&mut RouteServer, ConnId, &Pdu, &mut Vec<Action>) -> Result<(), Malformed>;

/// The handler of a command that the catalogue says has one here.
fn handler(command: u16) -> Option<Handler> {
    Some(match command {
        cmd::OTHER_USER_STATUS_UPDATE => RouteServer::status_update,
        cmd::OTHER_ONLINE_USER_INFO => RouteServer::online_users,
        cmd::BUDDY_LIST_USERS_STATUS_REQUEST => RouteServer::users_status,
        cmd::OTHER_ROLE_SET => RouteServer::role_set,
        _ => return None,
    })
}

/// 070e: a user's PC is there (1) or gone (0).
fn pc_status(user: u32, login_status: u32) -> Pdu {
    let notice = im::server::ImServerPcLoginStatusNotify { user_id: user, login_status };
    Pdu::new(cmd::OTHER_LOGIN_STATUS_NOTIFY, 0, &notice)
}

fn refused(conn: ConnId, pdu: &Pdu, reason: impl Into<String>) -> Action {
    Action::Fact(Fact::Refused { conn, command: pdu.command(), reason: reason.into() })
}

impl Role for RouteServer {
    type Kind = Kind;

    fn protocol(&self) -> Protocol {
        self.protocol
    }

    fn handle(&mut self, _now: Now, _draw: &dyn Draw, event: Event<Kind>, out: &mut Vec<Action>) {
        match event {
            Event::Opened { conn, .. } => {
                self.links.insert(conn);
            }
            Event::Pdu { conn, pdu, .. } => {
                if let Err(malformed) = self.dispatch(conn, &pdu, out) {
                    out.push(refused(conn, &pdu, malformed.to_string()));
                }
            }
            Event::Closed { conn, .. } => {
                self.links.remove(&conn);
                self.link_closed(conn, out);
            }
            // It asks nobody.
            Event::NotAsked { .. } | Event::Tick => {}
        }
        if self.protocol.mutated(Mutant::MsgWantsMark) {
            out.iter_mut().for_each(mark);
        }
    }
}

/// [`Mutant::MsgWantsMark`].
fn mark(action: &mut Action) {
    if let Action::Send { pdu, .. } = action {
        *pdu = pdu.clone().marked();
    }
}
