//! What a route_server owes by who comes and goes (docs/SYSTEM.md section 5; `presence-by-link`).

use super::{Notices, broken, due::To, own, settled_links};
use crate::{
    plan::{Host, Role},
    properties::{Seen, Violation, wire::is_phone},
    record::Frame,
};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{
    catalogue::id,
    env::ConnId,
    wire::im::{
        base_define::{UserStat, UserStatType},
        buddy::{ImUserStatNotify, ImUsersStatReq, ImUsersStatRsp},
        server::{ImOnlineUserInfo, ImServerPcLoginStatusNotify, ImUserStatusUpdate},
    },
};

const OFFLINE: u32 = UserStatType::UserStatusOffline as u32;

/// The connections of users, by route_server and link: how many of each client type.
#[derive(Debug, Default)]
pub struct Presence(BTreeMap<(Host, ConnId), BTreeMap<(u32, u32), u32>>);

/// What a route_server said of who has a PC on.
#[derive(Debug)]
pub struct StatusAnswer {
    at_us: u64,
    conn: ConnId,
    users: BTreeSet<u32>,
    /// Who had one on when the question was read.
    before: BTreeSet<u32>,
    said: BTreeMap<u32, i32>,
}

impl StatusAnswer {
    /// Whether each user who was asked for is said, once, as it was when the question was read, or is now.
    fn is_right(&self, now: &BTreeSet<u32>) -> bool {
        let is_right = |user: &u32| {
            self.said.get(user).is_some_and(|status| {
                let is_on = *status == UserStatType::UserStatusOnline as i32;
                is_on == self.before.contains(user) || is_on == now.contains(user)
            })
        };
        self.said.len() == self.users.len() && self.users.iter().all(is_right)
    }
}

impl Presence {
    /// The users who have a PC behind a link of a route_server.
    fn with_pc(&self, host: &Host) -> BTreeSet<u32> {
        self.present(host).filter(|(_, kind)| !is_phone(*kind)).map(|(user, _)| user).collect()
    }

    /// Whether a route_server knows of any connection of a user.
    fn knows(&self, host: &Host, user: u32) -> bool {
        self.present(host).any(|(of, _)| of == user)
    }

    /// Who is behind the links of a route_server, with which client types.
    fn present(&self, host: &Host) -> impl Iterator<Item = (u32, u32)> {
        let links = self.0.iter().filter(move |((of, _), _)| of == host);
        links.flat_map(|(_, counts)| counts.keys().copied())
    }

    fn link(&mut self, host: &Host, conn: ConnId) -> &mut BTreeMap<(u32, u32), u32> {
        self.0.entry((host.clone(), conn)).or_default()
    }
}

fn pc_status(user_id: u32, login_status: u32) -> (u16, Bytes) {
    let notice = ImServerPcLoginStatusNotify { user_id, login_status };
    own(id::OTHER_LOGIN_STATUS_NOTIFY, &notice)
}

fn status(user_id: u32, status: u32) -> (u16, Bytes) {
    let user_stat = UserStat { user_id, status: status as i32 };
    own(id::BUDDY_LIST_STATUS_NOTIFY, &ImUserStatNotify { user_stat })
}

impl Notices {
    /// What a msg_server says of its users.
    pub(super) fn presence_says(&mut self, seen: &Seen<'_>, pdu: &Frame) {
        if !seen.protocol().presence_by_link {
            return;
        }
        match pdu.command() {
            id::OTHER_USER_STATUS_UPDATE => {
                if let Ok(update) = pdu.view::<ImUserStatusUpdate>() {
                    self.came_or_went(seen, pdu.conn, &update);
                }
            }
            id::OTHER_ONLINE_USER_INFO => {
                if let Ok(all) = pdu.view::<ImOnlineUserInfo>() {
                    self.reported(seen, pdu.conn, &all);
                }
            }
            id::BUDDY_LIST_USERS_STATUS_REQUEST => self.status_is_asked(seen, pdu),
            _ => {}
        }
    }

    /// 070a: one connection of a user came or went.
    fn came_or_went(&mut self, seen: &Seen<'_>, conn: ConnId, update: &ImUserStatusUpdate) {
        let host = &seen.line.host;
        let (user, kind) = (update.user_id, update.client_type as u32);
        let (is_pc, is_gone) = (!is_phone(kind), update.user_status == OFFLINE);
        let counts = self.presence.link(host, conn);
        let count = counts.entry((user, kind)).or_default();
        *count = if is_gone { count.saturating_sub(1) } else { *count + 1 };
        if *count == 0 {
            counts.remove(&(user, kind));
        }
        let pc_on = self.presence.with_pc(host).contains(&user);
        if self.presence.knows(host, user) {
            match (is_gone, pc_on) {
                (false, true) => self.owe_all(seen, &pc_status(user, 1)),
                (true, false) if is_pc => self.owe_all(seen, &pc_status(user, 0)),
                _ => {}
            }
        }
        if is_pc && !(is_gone && pc_on) {
            self.owe_all(seen, &status(user, update.user_status));
        }
    }

    /// 0708: all who are behind a link, which replaces what was known of it. The phones behind it are
    /// told about their PCs: they were not while the link was closed.
    fn reported(&mut self, seen: &Seen<'_>, conn: ConnId, all: &ImOnlineUserInfo) {
        let host = &seen.line.host;
        let before = self.presence.with_pc(host);
        let counts = self.presence.link(host, conn);
        counts.clear();
        let mut phones = BTreeSet::new();
        for user in all.user_stat_list.iter().filter(|user| user.status as u32 != OFFLINE) {
            let kind = user.client_type as u32;
            *counts.entry((user.user_id, kind)).or_default() += 1;
            if is_phone(kind) {
                phones.insert(user.user_id);
            }
        }
        let changed = self.announce(seen, &before, &BTreeSet::new());
        let with_pc = self.presence.with_pc(host);
        for user in phones.difference(&changed) {
            let (command, body) = pc_status(*user, u32::from(with_pc.contains(user)));
            self.add((To::Conn(conn), command, body), seen.line.sim_us);
        }
    }

    /// 020b: of each user who was asked for, once, whether they have a PC on: as it was when the question
    /// was read, or is now.
    pub(super) fn status_is_told(&mut self, seen: &Seen<'_>, pdu: &Frame) {
        let Ok(answer) = pdu.view::<ImUsersStatRsp>() else { return };
        let key = (pdu.conn, pdu.header.seq_num, answer.attach_data.clone().unwrap_or_default());
        let Some((users, before)) = self.asked_status.remove(&key) else { return };
        let now = self.presence.with_pc(&seen.line.host);
        let said: BTreeMap<u32, i32> =
            answer.user_stat_list.iter().map(|user| (user.user_id, user.status)).collect();
        self.tally.judge();
        let answer = StatusAnswer { at_us: seen.line.sim_us, conn: pdu.conn, users, before, said };
        if !answer.is_right(&now) {
            self.doubtful.push((seen.line.host.clone(), answer));
        }
    }

    /// What was not right when it was said, and is not so by the ends of links that are seen in that moment:
    /// the server may have taken those before the question.
    pub(super) fn doubts(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        let at = self.doubtful.iter().position(|(_, said)| said.at_us != seen.line.sim_us)?;
        let (host, answer) = self.doubtful.remove(at);
        let now = self.presence.with_pc(&host);
        let StatusAnswer { conn, users, said, .. } = answer;
        let sentence = format!(
            "{host} said of users {users:?} the status {said:?} on connection {conn}, where {now:?} have a \
             PC on"
        );
        broken("status", Role::Route, sentence, conn)
    }

    fn status_is_asked(&mut self, seen: &Seen<'_>, pdu: &Frame) {
        let Ok(asked) = pdu.view::<ImUsersStatReq>() else { return };
        let key = (pdu.conn, pdu.header.seq_num, asked.attach_data.clone().unwrap_or_default());
        let users = asked.user_id_list.iter().copied().collect();
        self.asked_status.insert(key, (users, self.presence.with_pc(&seen.line.host)));
    }

    /// A link closed at a route_server: who was only behind it is gone.
    pub(super) fn link_closed(&mut self, seen: &Seen<'_>, conn: ConnId) {
        let host = &seen.line.host;
        let before = self.presence.with_pc(host);
        let known = self.known_users(host);
        self.presence.0.remove(&(host.clone(), conn));
        let now = self.presence.with_pc(host);
        self.doubtful.retain(|(of, answer)| of != host || !answer.is_right(&now));
        // Of what comes in one moment the server may have taken the end of the link first.
        for user in known.difference(&self.known_users(host)) {
            self.due.forget_since(&pc_status(*user, 0), seen.line.sim_us);
        }
        if !seen.protocol().presence_by_link {
            return;
        }
        // Who came in this moment was told of a PC behind the link, or it was gone already.
        let after = self.presence.with_pc(host);
        let late = before.difference(&after).copied();
        let late: BTreeSet<u32> = late
            .filter(|user| self.due.forget_since(&pc_status(*user, 1), seen.line.sim_us))
            .collect();
        self.announce(seen, &before, &late);
    }

    fn known_users(&self, host: &Host) -> BTreeSet<u32> {
        self.presence.present(host).map(|(user, _)| user).collect()
    }

    /// A route_server's process ended.
    pub(super) fn route_down(&mut self, host: &Host) {
        self.presence.0.retain(|(of, _), _| of != host);
    }

    /// 070e and 0203 for everybody whose PC came or went; who that is. Those who are late were not there
    /// when it did.
    fn announce(
        &mut self,
        seen: &Seen<'_>,
        before: &BTreeSet<u32>,
        late: &BTreeSet<u32>,
    ) -> BTreeSet<u32> {
        let after = self.presence.with_pc(&seen.line.host);
        let changed: BTreeSet<u32> = before.symmetric_difference(&after).copied().collect();
        for &user in &changed {
            let is_on = after.contains(&user);
            // Without any connection there is nobody to tell that the PC went.
            if self.presence.knows(&seen.line.host, user) && !late.contains(&user) {
                self.owe_all(seen, &pc_status(user, u32::from(is_on)));
            }
            self.owe_all(seen, &status(user, if is_on { 1 } else { OFFLINE }));
        }
        changed
    }

    fn owe_all(&mut self, seen: &Seen<'_>, (command, body): &(u16, Bytes)) {
        for conn in settled_links(seen) {
            self.add((To::Conn(conn), *command, body.clone()), seen.line.sim_us);
        }
    }
}
