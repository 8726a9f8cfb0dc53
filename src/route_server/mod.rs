//! route_server: who is online where, and the relay between msg_servers (SYSTEM.md section 5).

mod presence;
#[cfg(test)]
mod tests;

use crate::{
    env::{ConnId, Draw},
    fact::Fact,
    link::{self, Action, Event, Now, Role},
    wire::{Malformed, Pdu, attach, command as cmd, edit::Edit, im},
};
use im::base_define::{UserStat, UserStatType};
use presence::Presence;
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
#[derive(Debug, Default)]
pub struct RouteServer {
    /// In the order of their numbers, which is the order of every broadcast.
    links: BTreeSet<ConnId>,
    presence: Presence,
}

/// Client types of the PC class have this bit clear (SYSTEM.md section 2).
const MOBILE: u32 = 0x10;

impl RouteServer {
    /// A route_server that knows nobody.
    pub fn new() -> Self {
        Self::default()
    }

    fn to_all(&self, out: &mut Vec<Action>, pdu: &Pdu) {
        self.to_others(out, None, pdu);
    }

    fn to_others(&self, out: &mut Vec<Action>, source: Option<ConnId>, pdu: &Pdu) {
        for &conn in self.links.iter().filter(|&&link| Some(link) != source) {
            out.push(Action::Send { conn, pdu: pdu.clone() });
        }
    }

    fn dispatch(
        &mut self,
        conn: ConnId,
        pdu: &Pdu,
        out: &mut Vec<Action>,
    ) -> Result<(), Malformed> {
        match pdu.command() {
            cmd::OTHER_USER_STATUS_UPDATE => self.status_update(conn, pdu, out),
            cmd::OTHER_ONLINE_USER_INFO => self.online_users(conn, pdu),
            cmd::BUDDY_LIST_USERS_STATUS_REQUEST => self.users_status(conn, pdu, out),
            // Noted, used nowhere.
            cmd::OTHER_ROLE_SET => Ok(()),
            cmd::MSG_DATA
            | cmd::SWITCH_P2P_CMD
            | cmd::MSG_READ_NOTIFY
            | cmd::OTHER_SERVER_KICK_USER
            | cmd::GROUP_CHANGE_MEMBER_NOTIFY
            | cmd::FILE_NOTIFY
            | cmd::BUDDY_LIST_REMOVE_SESSION_NOTIFY => {
                self.to_others(out, Some(conn), pdu);
                Ok(())
            }
            cmd::BUDDY_LIST_SIGN_INFO_CHANGED_NOTIFY => {
                self.to_all(out, pdu);
                Ok(())
            }
            _ => {
                out.push(refused(conn, pdu, "unknown command"));
                Ok(())
            }
        }
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
        // The notice is skipped when the entry is gone with its last link.
        if self.presence.knows(user) {
            let status = match (offline, pc_present) {
                (false, true) => Some(1),
                (true, false) if is_pc => Some(0),
                _ => None,
            };
            if let Some(login_status) = status {
                let notice =
                    im::server::ImServerPcLoginStatusNotify { user_id: user, login_status };
                self.to_all(out, &Pdu::new(cmd::OTHER_LOGIN_STATUS_NOTIFY, 0, &notice));
            }
        }
        if is_pc && !(offline && pc_present) {
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

    /// 0708: what a msg_server holds when its link opens. No notices.
    fn online_users(&mut self, conn: ConnId, pdu: &Pdu) -> Result<(), Malformed> {
        let msg: im::server::ImOnlineUserInfo = pdu.view()?;
        for user in msg.user_stat_list {
            if user.status != UserStatType::UserStatusOffline as i32 {
                self.presence.add(user.user_id, conn, user.client_type as u32);
            }
        }
        Ok(())
    }

    /// 020a → 020b: ONLINE only with a PC type present.
    fn users_status(
        &self,
        conn: ConnId,
        pdu: &Pdu,
        out: &mut Vec<Action>,
    ) -> Result<(), Malformed> {
        let req: im::buddy::ImUsersStatReq = pdu.view()?;
        let stat = |user_id| {
            let status = if self.presence.has_pc(user_id) {
                UserStatType::UserStatusOnline
            } else {
                UserStatType::UserStatusOffline
            };
            UserStat { user_id, status: status as i32 }
        };
        let rsp = im::buddy::ImUsersStatRsp {
            user_id: req.user_id,
            user_stat_list: req.user_id_list.into_iter().map(stat).collect(),
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

fn refused(conn: ConnId, pdu: &Pdu, reason: impl Into<String>) -> Action {
    Action::Fact(Fact::Refused { conn, command: pdu.command(), reason: reason.into() })
}

impl Role for RouteServer {
    type Kind = Kind;

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
            // No notices: who was only there stays unannounced, and counts stay.
            Event::Closed { conn, .. } => {
                self.links.remove(&conn);
                self.presence.close_link(conn);
            }
            Event::Tick => {}
        }
    }
}
