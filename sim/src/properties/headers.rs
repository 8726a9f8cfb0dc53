//! integrity, kind `header`: what a role writes has the header that it builds, or the one that it read.
//!
//! What is built has version 1, flag 0 and the service of its command (SYSTEM.md section 1). What a server
//! passes on keeps the header with which it came, whatever that says. The reserved field is nobody's: no
//! role reads it, and what a candidate makes of it is for `verify` to say.

use super::{Seen, Subject, Violation};
use crate::{
    plan::{Host, Role},
    record::{Frame, Kind},
};
use std::collections::BTreeSet;

/// Version, flag, service and command.
type Named = [u16; 4];

/// See the module.
#[derive(Debug, Default)]
pub struct Headers {
    /// What hosts have read under a header that is not as it is built.
    came: BTreeSet<(Host, Named)>,
}

fn named(pdu: &Frame) -> Named {
    let header = &pdu.header;
    [header.version, header.flag, header.service_id, header.command_id]
}

fn is_built(pdu: &Frame) -> bool {
    named(pdu) == [1, 0, pdu.command() >> 8, pdu.command()]
}

impl Headers {
    /// Takes the next line.
    #[inline]
    pub fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        match &seen.line.kind {
            Kind::PduSent(pdu) if !is_built(pdu) => self.writes(seen, pdu),
            Kind::PduReceived(pdu) if !is_built(pdu) => {
                self.came.insert((seen.line.host.clone(), named(pdu)));
                None
            }
            _ => None,
        }
    }

    #[cold]
    fn writes(&self, seen: &Seen<'_>, pdu: &Frame) -> Option<Violation> {
        let (host, header) = (&seen.line.host, named(pdu));
        let is_role = matches!(host.role(), Role::Client | Role::Msg | Role::Route | Role::Db);
        if !is_role || self.came.contains(&(host.clone(), header)) {
            return None;
        }
        let [version, flag, service, command] = header;
        Some(Violation {
            property: "integrity",
            kind: "header",
            role: host.role(),
            sentence: format!(
                "{host} wrote {command:#06x} on connection {} with version {version}, flag {flag} and \
                 service {service}, and never read it so",
                pdu.conn
            ),
            about: [Subject::Connection(pdu.conn)].into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        properties::{
            integrity::Integrity,
            tape::{Tape, ack, message},
        },
        record::End,
    };
    use teamtalk::wire::Pdu;

    /// The link of msg1 to db1.
    const DB: u64 = 70;

    fn tape() -> Tape<Integrity> {
        let mut tape = Tape::new(Integrity::default());
        tape.login(1, 10, 1);
        assert!(tape.found.is_empty(), "{:?}", tape.found);
        tape
    }

    fn edited(mut pdu: Pdu, edit: impl Fn(&mut teamtalk::wire::Header)) -> Pdu {
        edit(&mut pdu.header);
        pdu
    }

    #[test]
    fn what_is_built_names_its_version_and_its_service() {
        let edits: [fn(&mut teamtalk::wire::Header); 3] =
            [|header| header.version = 0, |header| header.flag = 1, |header| header.service_id = 0];
        for edit in edits {
            let mut tape = tape();
            tape.tells(10, edited(ack(5, 7, 1, 2), edit));
            assert_eq!(tape.found, ["integrity/header/msg"]);
            tape.frame("db1", End::Acceptor, true, DB, edited(ack(5, 7, 1, 2), edit));
            tape.frame("route1", End::Acceptor, true, 80, edited(ack(5, 7, 1, 2), edit));
            tape.asks(10, edited(message(6, 0, 1, 2, "text"), edit));
            let by =
                ["msg", "db", "route", "client"].map(|role| format!("integrity/header/{role}"));
            assert_eq!(tape.found, by);
        }
        let mut tape = tape();
        tape.tells(10, ack(5, 7, 1, 2)).asks(10, message(6, 0, 1, 2, "text"));
        tape.tells(10, edited(ack(6, 8, 1, 2), |header| header.reserved = 9));
        assert!(tape.found.is_empty(), "{:?}", tape.found);
    }

    #[test]
    fn what_is_passed_on_keeps_the_header_it_came_with() {
        let odd = || edited(message(6, 0, 1, 2, "text"), |header| header.version = 3);
        let mut tape = tape();
        tape.frame("msg1", End::Acceptor, false, 10, odd());
        tape.frame("msg1", End::Dialler, true, DB, odd());
        assert!(tape.found.is_empty(), "{:?}", tape.found);
        tape.frame("msg2", End::Dialler, true, 71, odd());
        tape.frame("msg1", End::Dialler, true, DB, edited(odd(), |header| header.flag = 1));
        assert_eq!(tape.found, ["integrity/header/msg"; 2], "nobody asked msg2, nor so");
    }
}
