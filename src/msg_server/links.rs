//! Links to db_proxies, route and login servers that come and go (SYSTEM.md section 2).

use super::{
    fan_out, hint,
    state::{State, conn::Conn, turn::Turn},
};
use crate::{
    catalogue::id as cmd,
    env::ConnId,
    mutants::Mutant,
    wire::{Pdu, im},
};
use std::time::Duration;

impl State {
    /// How many connections of devices it takes.
    pub(super) fn most_connections(&self) -> u32 {
        let config = &self.config;
        if config.protocol.edge_limits {
            config.limits.connections as u32
        } else {
            config.max_conn_cnt
        }
    }

    /// Whether one more connection of a device would be too many; never so in the original.
    pub(super) fn is_full(&self) -> bool {
        self.config.protocol.edge_limits && self.conns.len() >= self.config.limits.connections
    }

    /// A link to a login server opened: 0709.
    pub(super) fn login_opened(&mut self, turn: &mut Turn<'_>, conn: ConnId) {
        self.logins_up.push(conn);
        let config = &self.config;
        let info = im::server::ImMsgServInfo {
            ip1: config.ip.clone().into(),
            ip2: config.ip.clone().into(),
            port: u32::from(config.port),
            max_conn_cnt: self.most_connections(),
            cur_conn_cnt: self.open_conns().count() as u32,
            host_name: config.host_name.clone().into(),
        };
        turn.send(conn, Pdu::new(cmd::OTHER_MSG_SERV_INFO, 0, &info));
    }

    /// A link to a route_server opened: 0707 if it becomes the master, then 0708 with everyone who
    /// is online here.
    pub(super) fn route_opened(&mut self, turn: &mut Turn<'_>, conn: ConnId) {
        self.routes.push(conn);
        if self.routes.len() == 1 {
            self.announce_master(turn);
        }
        let stat = |conn: &Conn| im::base_define::ServerUserStat {
            user_id: conn.user,
            status: conn.online_status,
            client_type: conn.client_type as i32,
        };
        let protocol = self.config.protocol;
        let told = |c: &&Conn| !(c.is_mobile() && protocol.mutated(Mutant::ReportLeavesOutPhones));
        let user_stat_list = self.open_conns().filter(told).map(stat).collect();
        let info = im::server::ImOnlineUserInfo { user_stat_list };
        turn.send(conn, Pdu::new(cmd::OTHER_ONLINE_USER_INFO, 0, &info));
        // Everyone here missed what would have come through this link while it was closed.
        if !protocol.mutated(Mutant::NoHintAfterRouteIsBack) {
            hint::everyone_here(self, turn);
        }
    }

    /// A link to a route_server closed. The oldest one that is left becomes the master and is told
    /// so.
    pub(super) fn route_closed(&mut self, turn: &mut Turn<'_>, conn: ConnId) {
        let was_master = self.routes.first() == Some(&conn);
        self.routes.retain(|&link| link != conn);
        if was_master {
            self.announce_master(turn);
        }
        if self.config.protocol.mutated(Mutant::RouteRequestsStay) {
            return;
        }
        let lost = self.in_flight.of_link(conn);
        self.unanswered(turn, lost, "the route_server is gone");
    }

    /// A link to a db_proxy closed, and with it the answers that it owed.
    pub(super) fn db_closed(&mut self, turn: &mut Turn<'_>, conn: ConnId) {
        self.db.closed(conn);
        let protocol = self.config.protocol;
        if protocol.mutated(Mutant::DbRequestsStay) {
            return;
        }
        let lost = match protocol.mutated(Mutant::AllRequestsGoWithOneLink) {
            true => self.in_flight.given_up(turn.now.up, Duration::ZERO),
            false => self.in_flight.of_link(conn),
        };
        // First, so that all who miss something by this are told at once: the next are told after a pause.
        fan_out::link_closed(self, conn);
        self.unanswered(turn, lost, "the db_proxy is gone");
    }

    fn announce_master(&self, turn: &mut Turn<'_>) {
        let role = im::server::ImRoleSet { master: 1 };
        self.to_route(turn, Pdu::new(cmd::OTHER_ROLE_SET, 0, &role));
        hint::through_route(self, turn);
    }
}
