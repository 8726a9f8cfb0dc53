//! The links to db_proxies, route and login servers (SYSTEM.md section 2).

use super::{
    fan_out, hint,
    state::{State, Turn},
};
use crate::{
    catalogue::Half,
    env::{ConnId, draw_id},
    wire::{Pdu, attach, command as cmd, edit::Edit, im},
};
use std::collections::BTreeMap;

/// The links to db_proxies.
#[derive(Debug)]
pub(super) struct DbLinks {
    /// The first place that is not of the login half.
    split: usize,
    /// Links that may be picked, by their place.
    open: BTreeMap<usize, ConnId>,
    /// All links that are up, those after a 0702 too: their replies still count.
    up: BTreeMap<ConnId, usize>,
}

impl DbLinks {
    pub(super) fn new(entries: usize, conns_per_entry: usize) -> Self {
        Self { split: entries / 2 * conns_per_entry, open: BTreeMap::new(), up: BTreeMap::new() }
    }

    pub(super) fn opened(&mut self, index: usize, conn: ConnId) {
        self.open.insert(index, conn);
        self.up.insert(conn, index);
    }

    pub(super) fn closed(&mut self, conn: ConnId) {
        self.stopped(conn);
        self.up.remove(&conn);
    }

    /// After a 0702 this link is picked no more.
    pub(super) fn stopped(&mut self, conn: ConnId) {
        self.open.retain(|_, &mut open| open != conn);
    }

    pub(super) fn is_up(&self, conn: ConnId) -> bool {
        self.up.contains_key(&conn)
    }

    pub(super) fn any_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// One of the open links of a half, or else of the other half, uniformly. The draw is keyed
    /// by what the request is: its command, user, seq_num and body without attach.
    pub(super) fn pick(
        &self,
        turn: &Turn<'_>,
        half: Half,
        user: u32,
        request: &Pdu,
    ) -> Option<ConnId> {
        let header = &request.header;
        self.draw(turn, half, || {
            let body = Edit::of(&request.body).clear(attach::FIELD).done();
            draw_id(&[
                &header.command_id.to_be_bytes(),
                &user.to_be_bytes(),
                &header.seq_num.to_be_bytes(),
                &body,
            ])
        })
    }

    /// The same for a request about a message that it carries as attach data.
    pub(super) fn pick_about(
        &self,
        turn: &Turn<'_>,
        half: Half,
        command: u16,
        message: &[u8],
    ) -> Option<ConnId> {
        self.draw(turn, half, || {
            let message = Edit::of(message).clear(attach::FIELD).done();
            draw_id(&[&command.to_be_bytes(), &message])
        })
    }

    fn draw(&self, turn: &Turn<'_>, half: Half, id: impl FnOnce() -> u64) -> Option<ConnId> {
        let of = |half| -> Vec<ConnId> {
            let is_of = |index: usize| (index < self.split) == (half == Half::Login);
            self.open.iter().filter(|(index, _)| is_of(**index)).map(|(_, conn)| *conn).collect()
        };
        let mut links = of(half);
        if links.is_empty() {
            links = of(if half == Half::Login { Half::Other } else { Half::Login });
        }
        if links.len() < 2 {
            return links.first().copied();
        }
        let drawn = turn.draw.random("db-link", id()) % links.len() as u64;
        Some(links[drawn as usize])
    }
}

impl State {
    /// 0709 to a login server.
    pub(super) fn login_opened(&mut self, turn: &mut Turn<'_>, conn: ConnId) {
        self.logins_up.push(conn);
        let config = &self.config;
        let info = im::server::ImMsgServInfo {
            ip1: config.ip.clone().into(),
            ip2: config.ip.clone().into(),
            port: u32::from(config.port),
            max_conn_cnt: config.max_conn_cnt,
            cur_conn_cnt: self.open_conns().count() as u32,
            host_name: config.host_name.clone().into(),
        };
        turn.send(conn, Pdu::new(cmd::OTHER_MSG_SERV_INFO, 0, &info));
    }

    /// 0707 if this link becomes the master, then 0708 with everyone who is online here.
    pub(super) fn route_opened(&mut self, turn: &mut Turn<'_>, conn: ConnId) {
        self.routes.push(conn);
        if self.routes.len() == 1 {
            self.announce_master(turn);
        }
        let stat = |conn: &super::state::Conn| im::base_define::ServerUserStat {
            user_id: conn.user,
            status: conn.online_status,
            client_type: conn.client_type as i32,
        };
        let user_stat_list = self.open_conns().map(stat).collect();
        let info = im::server::ImOnlineUserInfo { user_stat_list };
        turn.send(conn, Pdu::new(cmd::OTHER_ONLINE_USER_INFO, 0, &info));
        // What came through this link while it was closed went by everyone here.
        hint::everyone_here(self, turn);
    }

    /// The oldest link that is left becomes the master and is told so.
    pub(super) fn route_closed(&mut self, turn: &mut Turn<'_>, conn: ConnId) {
        let was_master = self.routes.first() == Some(&conn);
        self.routes.retain(|&link| link != conn);
        if was_master {
            self.announce_master(turn);
        }
        let lost = self.in_flight.of_link(conn);
        self.unanswered(turn, lost, "the route_server is gone");
    }

    /// A db_proxy link is gone, and what it had not answered with it.
    pub(super) fn db_closed(&mut self, turn: &mut Turn<'_>, conn: ConnId) {
        self.db.closed(conn);
        let lost = self.in_flight.of_link(conn);
        self.unanswered(turn, lost, "the db_proxy is gone");
        fan_out::link_closed(self, turn, conn);
    }

    fn announce_master(&self, turn: &mut Turn<'_>) {
        let role = im::server::ImRoleSet { master: 1 };
        self.to_route(turn, Pdu::new(cmd::OTHER_ROLE_SET, 0, &role));
        hint::through_route(self, turn);
    }
}
