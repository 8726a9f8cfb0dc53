//! presence: at rest route's view of who is online is the truth.
//!
//! An audit asks every route_server for the status of every user. The truth: a msg_server has an
//! open connection of the PC class on which it has logged the user in (SYSTEM.md section 5).

use super::{About, Class, Known, Property, Seen, Sort, Subject, Tally, Violation, wire::is_phone};
use crate::{
    plan::{Host, Role},
    record::{End, Kind, Line},
};
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{
    catalogue::id as command,
    env::ConnId,
    wire::im::{base_define::UserStatType, buddy::ImUsersStatRsp},
};

/// See the module.
#[derive(Debug, Default)]
pub struct Presence {
    routes: BTreeSet<Host>,
    /// The route_server at the other end of each connection of the auditor.
    dialled: BTreeMap<ConnId, Host>,
    /// The links of a route_server.
    links: BTreeMap<Host, Vec<ConnId>>,
    /// The answers to the last audit: whether a user is online, by route_server and user.
    answers: BTreeMap<Host, BTreeMap<u32, bool>>,
}

impl Presence {
    fn answer(&mut self, line: &Line) -> Option<()> {
        let Kind::PduReceived(frame) = &line.kind else { return None };
        if frame.pdu.command() != command::BUDDY_LIST_USERS_STATUS_RESPONSE {
            return None;
        }
        let route = self.dialled.get(&frame.conn)?.clone();
        let answer: ImUsersStatRsp = frame.pdu.view().ok()?;
        let online = UserStatType::UserStatusOnline as i32;
        let said = answer.user_stat_list.iter().map(|stat| (stat.user_id, stat.status == online));
        self.answers.insert(route, said.collect());
        Some(())
    }
}

impl Property for Presence {
    fn name(&self) -> &'static str {
        "presence"
    }

    fn says(&self) -> &'static str {
        "at rest route's view of who is online is the truth"
    }

    fn sort(&self) -> Sort {
        Sort::Liveness
    }

    fn audited(&self) -> bool {
        true
    }

    fn looks_at(&self) -> &'static [Class] {
        &[Class::OtherPdu, Class::Event]
    }

    fn observe(&mut self, Seen { line, .. }: &Seen<'_>) -> Option<Violation> {
        match &line.kind {
            Kind::HostUp if line.host.role() == Role::Route => {
                self.routes.insert(line.host.clone());
            }
            Kind::Connected { conn, end: End::Dialler, peer, .. }
                if line.host.role() == Role::Outside && peer.role() == Role::Route =>
            {
                self.dialled.insert(*conn, peer.clone());
            }
            Kind::Connected { conn, end: End::Acceptor, peer, .. }
                if line.host.role() == Role::Route && peer.role() != Role::Outside =>
            {
                self.links.entry(line.host.clone()).or_default().push(*conn);
            }
            Kind::Phase { phase: "audit" } => self.answers.clear(),
            _ => {
                self.answer(line);
            }
        }
        None
    }

    fn pending(&self, known: &Known) -> Option<Violation> {
        let violation = |kind, sentence, about| {
            let role = Role::Route;
            Some(Violation { property: "presence", kind, role, sentence, about })
        };
        // A wrong view of a user comes of a word of theirs, or of a link, that was lost.
        let about = |user, route: &Host| {
            let links = self.links.get(route).into_iter().flatten();
            links.map(|conn| Subject::Ends(*conn)).chain([Subject::User(user)]).collect::<About>()
        };
        let there = known.clients.all_served().filter(|s| s.open && !is_phone(s.client_type));
        let there: BTreeMap<u32, &str> = there.filter_map(|s| Some((s.user?, &*s.host))).collect();
        for route in &self.routes {
            let Some(said) = self.answers.get(route) else {
                let why = format!("{route} does not say who is online");
                return violation("no-answer", why, [Subject::Host(route.clone())].into());
            };
            for (user, online) in said {
                match (online, there.get(user)) {
                    (true, None) => {
                        let why =
                            format!("{route} says user {user} is on a PC, and no PC is there");
                        return violation("ghost", why, about(*user, route));
                    }
                    (false, Some(host)) => {
                        let why = format!("{route} says user {user} is on no PC; one is at {host}");
                        return violation("missing", why, about(*user, route));
                    }
                    _ => {}
                }
            }
        }
        None
    }

    fn tally(&self, _: &Known) -> Option<Tally> {
        let judged = self.answers.values().map(|said| said.len() as u64).sum();
        Some(Tally { judged, ..Tally::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::Presence;
    use crate::{
        plan::Role,
        properties::tape::Tape,
        record::{End, Kind},
    };
    use teamtalk::{
        catalogue::id as command,
        wire::{
            Pdu,
            im::{
                base_define::{ClientType, UserStat},
                buddy::ImUsersStatRsp,
            },
        },
    };

    const GHOST: Option<&str> = Some("presence/ghost/route");
    const MISSING: Option<&str> = Some("presence/missing/route");

    /// User 1 on a PC, user 2 on a phone.
    fn world() -> Tape<Presence> {
        let mut tape = Tape::new(Presence::default());
        tape.line("route1", Kind::HostUp).line("route2", Kind::HostUp);
        tape.login(1, 10, 1).connect(2, 20).login_here(2, 20, 2, ClientType::Ios as i32);
        tape
    }

    /// An audit: each route_server in turn says who is online of users 1 and 2.
    fn audited(tape: &mut Tape<Presence>, said: &[[bool; 2]]) -> Option<String> {
        tape.line("world", Kind::Phase { phase: "audit" });
        for (n, online) in said.iter().enumerate() {
            let (conn, peer) = (90 + n as u64, Role::Route.numbered(n as u32 + 1));
            let connected =
                Kind::Connected { conn, end: End::Dialler, peer, port: 8200, device: None };
            tape.line("outside", connected);
            let stat = |(n, &on): (usize, &bool)| {
                let status = if on { 1 } else { 2 };
                UserStat { user_id: n as u32 + 1, status }
            };
            let user_stat_list = online.iter().enumerate().map(stat).collect();
            let answer = ImUsersStatRsp { user_id: 0, user_stat_list, attach_data: None };
            let pdu = Pdu::new(command::BUDDY_LIST_USERS_STATUS_RESPONSE, 1, &answer);
            tape.frame("outside", End::Dialler, false, conn, pdu);
        }
        tape.pending()
    }

    #[test]
    fn every_route_server_must_answer_the_last_audit() {
        let mut tape = world();
        let silent = Some("presence/no-answer/route");
        assert_eq!(tape.pending().as_deref(), silent);
        assert_eq!(audited(&mut tape, &[[true, false]]).as_deref(), silent);
        assert_eq!(audited(&mut tape, &[[true, false]; 2]), None);
        assert_eq!(audited(&mut tape, &[]).as_deref(), silent);
    }

    #[test]
    fn a_wrong_view_of_any_of_them_is_found() {
        let mut tape = world();
        assert_eq!(audited(&mut tape, &[[true, false], [false, false]]).as_deref(), MISSING);
        assert_eq!(audited(&mut tape, &[[true, true], [true, false]]).as_deref(), GHOST);
    }

    #[test]
    fn who_is_there_depends_on_open_connections_at_msg_servers() {
        let mut tape = world();
        tape.login(1, 11, 1).line("msg1", Kind::Disconnected { conn: 10, end: End::Acceptor });
        assert_eq!(audited(&mut tape, &[[true, false]; 2]), None);
        tape.line("client1", Kind::Disconnected { conn: 11, end: End::Dialler });
        assert_eq!(audited(&mut tape, &[[true, false]; 2]), None, "msg1 has not noticed");
        tape.line("msg2", Kind::HostDown);
        assert_eq!(audited(&mut tape, &[[true, false]; 2]), None);
        tape.line("msg1", Kind::HostDown);
        assert_eq!(audited(&mut tape, &[[true, false]; 2]).as_deref(), GHOST);
        assert_eq!(audited(&mut tape, &[[false, false]; 2]), None);
    }
}
