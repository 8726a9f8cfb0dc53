//! bounded: queues, send lists and unsent output stay under their bounds, what a device may not send
//! is not served, no address has more connections than it may, and no bytes of a client close a link between
//! servers.
//!
//! Queues are what roles report (`Fact::HighWater`); what the world measures by itself, `bounds`
//! judges.

use super::{
    Class, Known, Property, Seen, Sort, Subject, Tally, Violation, bounds::Bounds,
    let_through::LetThrough, room::Room, sources::Sources,
};
use crate::{
    plan::Role,
    record::{End, Kind, sizes::Sizes},
};
use std::collections::BTreeSet;
use teamtalk::{env::ConnId, fact::Fact};

/// See the module.
#[derive(Debug, Default)]
pub struct Bounded {
    let_through: LetThrough,
    sources: Sources,
    room: Room,
    /// Connections that one server dialled to another.
    links: BTreeSet<ConnId>,
}

impl Property for Bounded {
    fn name(&self) -> &'static str {
        "bounded"
    }

    fn says(&self) -> &'static str {
        "queues, send lists and unsent output stay under their bounds, and what is over a limit is refused"
    }

    fn sort(&self) -> Sort {
        Sort::Safety
    }

    fn looks_at(&self) -> &'static [Class] {
        &[Class::ServerReads, Class::ServerWrites, Class::DbPdu, Class::Fact, Class::Event]
    }

    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        if let Some(found) = self.let_through.observe(seen) {
            return Some(found);
        }
        let found = self.sources.observe(seen).or_else(|| self.room.observe(seen));
        if found.is_some() {
            return found;
        }
        let line = seen.line;
        match &line.kind {
            Kind::Connected { conn, end: End::Dialler, device: None, .. }
                if is_server(line.host.role()) =>
            {
                self.links.insert(*conn);
            }
            Kind::Fact(Fact::Closed { conn, reason }) if reason != SILENT => {
                return self.links.contains(conn).then(|| Violation {
                    property: self.name(),
                    kind: "link-closed",
                    role: line.host.role(),
                    sentence: format!("{} closed a server's link: {reason}", line.host),
                    about: [Subject::Connection(*conn)].into(),
                });
            }
            _ => {}
        }
        let Kind::Fact(Fact::HighWater { queue, length, bound }) = &line.kind else { return None };
        (length > bound).then(|| Violation {
            property: self.name(),
            kind: "over",
            role: line.host.role(),
            sentence: format!("{}'s {queue} holds {length}, over its bound of {bound}", line.host),
            about: [Subject::Queue(line.host.clone(), queue.clone())].into(),
        })
    }

    fn pending(&self, _: &Known) -> Option<Violation> {
        self.let_through.pending()
    }

    fn measured(&self, known: &Known, sizes: &Sizes) -> Option<Violation> {
        let most = known.protocols.limits().iter().map(|limits| limits.connections).max();
        let mut bounds = Bounds::new(most.unwrap_or_default());
        if let Some((kept, timing)) = known.kept.as_ref().zip(known.timing.as_ref()) {
            bounds = kept.bounds(bounds, &known.protocols, timing);
        }
        bounds.judge(sizes)
    }

    fn tally(&self, _: &Known) -> Option<Tally> {
        let judged = self.let_through.measured + self.sources.judged + self.room.judged;
        Some(Tally { judged, ..Tally::default() })
    }
}

/// Why a link is closed whose other end has gone away, or is cut off: nobody's bytes did it.
const SILENT: &str = "silent for too long";

fn is_server(role: Role) -> bool {
    matches!(role, Role::Msg | Role::Route | Role::Db)
}

#[cfg(test)]
mod tests {
    use super::{Bounded, SILENT};
    use crate::{
        plan::Host,
        properties::tape::Tape,
        record::{End, Kind},
    };
    use teamtalk::{
        catalogue::id as command,
        fact::Fact,
        wire::{
            Pdu,
            im::{
                buddy::{ImUsersInfoReq, ImUsersInfoRsp},
                switch_service::Imp2pCmdMsg,
            },
            tt::extension::{Refused, RefusedCode},
        },
    };

    fn tape() -> Tape<Bounded> {
        Tape::new(Bounded::default())
    }

    fn users(count: u32) -> Pdu {
        let asked =
            ImUsersInfoReq { user_id: 1, user_id_list: (0..count).collect(), attach_data: None };
        Pdu::new(command::BUDDY_LIST_USER_INFO_REQUEST, 5, &asked)
    }

    fn refusal(asked: u16) -> Pdu {
        let refused = Refused {
            command_id: asked.into(),
            code: RefusedCode::RefusedMalformed.into(),
            ..Default::default()
        };
        Pdu::new(command::OTHER_REFUSED, 5, &refused)
    }

    #[test]
    fn what_is_over_a_limit_has_to_be_refused() {
        let answer =
            Pdu::new(command::BUDDY_LIST_USER_INFO_RESPONSE, 5, &ImUsersInfoRsp::default());
        let mut tape = tape();
        tape.login(1, 7, 1);
        assert!(tape.asks(7, users(200)).tells(7, answer.clone()).found.is_empty());
        assert_eq!(tape.pending(), None);
        tape.asks(7, users(201));
        assert_eq!(tape.pending(), Some("bounded/let-through/msg".into()));
        tape.tells(7, refusal(command::BUDDY_LIST_USER_INFO_REQUEST));
        assert_eq!(tape.pending(), None);
        assert_eq!(tape.asks(7, users(201)).tells(7, answer).found, ["bounded/let-through/msg"]);
    }

    /// A seq_num may come twice: each PDU has a debt of its own.
    #[test]
    fn of_two_of_one_name_each_has_to_be_refused_or_answered() {
        let asked = command::BUDDY_LIST_USER_INFO_REQUEST;
        let answer =
            || Pdu::new(command::BUDDY_LIST_USER_INFO_RESPONSE, 5, &ImUsersInfoRsp::default());
        let mut two = tape();
        two.login(1, 7, 1).asks(7, users(201)).asks(7, users(201)).tells(7, refusal(asked));
        assert_eq!(two.pending(), Some("bounded/let-through/msg".into()), "one refusal for two");
        two.tells(7, refusal(asked));
        assert_eq!(two.pending(), None);
        let mut mixed = tape();
        mixed.login(1, 7, 1).asks(7, users(200)).asks(7, users(201));
        mixed.tells(7, refusal(asked)).tells(7, answer());
        assert!(mixed.found.is_empty(), "{:?}", mixed.found);
        assert_eq!(mixed.pending(), None);
        let mut served = tape();
        served.login(1, 7, 1).asks(7, users(200)).asks(7, users(201));
        assert!(served.tells(7, answer()).found.is_empty());
        assert_eq!(served.tells(7, answer()).found, ["bounded/let-through/msg"]);
    }

    #[test]
    fn who_speaks_for_another_has_to_be_refused() {
        let p2p = |from_user_id| {
            let said = Imp2pCmdMsg { from_user_id, to_user_id: 2, cmd_msg_data: "x".into() };
            Pdu::new(command::SWITCH_P2P_CMD, 5, &said)
        };
        let mut tape = tape();
        tape.login(1, 7, 1).asks(7, p2p(1));
        assert_eq!(tape.pending(), None);
        tape.asks(7, p2p(2));
        assert_eq!(tape.pending(), Some("bounded/let-through/msg".into()));
        tape.tells(7, refusal(command::SWITCH_P2P_CMD));
        assert_eq!(tape.pending(), None);
    }

    #[test]
    fn a_slow_device_may_be_closed_and_a_server_may_not() {
        let because = |reason: &str, conn| Fact::Closed { conn, reason: reason.into() };
        let closed = |conn| because("too many unsent bytes", conn);
        let mut tape = tape();
        tape.login(1, 7, 1);
        let made = Kind::Connected {
            conn: 40,
            end: End::Dialler,
            peer: Host::of("db1"),
            port: 1,
            device: None,
        };
        tape.line("msg1", made);
        assert!(tape.fact("msg1", closed(7)).found.is_empty());
        assert!(tape.fact("db1", because(SILENT, 40)).found.is_empty());
        assert_eq!(tape.fact("db1", closed(40)).found, ["bounded/link-closed/db"]);
        let malformed = because("a reply whose attach data is too short", 40);
        assert_eq!(tape.fact("msg1", malformed).found[1..], ["bounded/link-closed/msg"]);
    }

    #[test]
    fn only_what_is_over_its_bound_is_found() {
        let high_water = |length| Fact::HighWater { queue: "send_list".into(), length, bound: 10 };
        let mut tape = tape();
        assert!(tape.fact("msg1", high_water(10)).found.is_empty());
        assert_eq!(tape.fact("msg1", high_water(11)).found, ["bounded/over/msg"]);
    }
}
