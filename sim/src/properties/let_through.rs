//! What a device may not send is not served: a part of `bounded`.
//!
//! A PDU over a limit of the catalogue, or one that says it is of another user, must be refused, or
//! cost the connection. How much a PDU holds is measured by `catalogue::limits`, whose tests hold it
//! to bodies of known sizes.

use super::{About, Seen, Subject, Violation, wire::At};
use crate::{plan::Role, record::Kind};
use std::collections::BTreeMap;
use teamtalk::{
    catalogue::{self, id as cmd, limits::Limits},
    env::ConnId,
    wire::{Pdu, fields, tt::extension::Refused},
};

/// See the module.
#[derive(Debug)]
pub struct LetThrough {
    limits: Limits,
    /// What is wrong with a PDU that its msg_server read and has not refused.
    owed: BTreeMap<(ConnId, u16, u16), String>,
}

impl LetThrough {
    /// Under these limits.
    pub fn new(limits: Limits) -> Self {
        Self { limits, owed: BTreeMap::new() }
    }

    /// Takes the next line.
    pub fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        if let Kind::Disconnected { conn, .. } | Kind::StreamReset { conn } = &seen.line.kind {
            self.owed.retain(|owed, _| owed.0 != *conn);
        }
        let (at, conn, pdu) = seen.client?;
        let pdu = &pdu.pdu;
        let (seq, command) = (pdu.header.seq_num, pdu.command());
        match at {
            At::ServerReads => {
                let user = seen.stood.and_then(|stood| stood.user);
                if let Some(wrong) = self.wrong_with(pdu, user) {
                    self.owed.insert((conn, seq, command), wrong);
                }
                None
            }
            At::ServerWrites => self.told(conn, pdu),
            _ => None,
        }
    }

    /// What is wrong with a PDU of this user; `None`: nothing, or nobody is logged in.
    fn wrong_with(&self, pdu: &Pdu, user: Option<u32>) -> Option<String> {
        if let Err(over) = self.limits.check(pdu.command(), &pdu.body) {
            return Some(over.to_string());
        }
        let entry = catalogue::of(pdu.command())?;
        let claim = entry.body.field(entry.claim?)?;
        let claimed = fields::uint(&pdu.body, claim.number)?;
        let user = user.filter(|user| *user != claimed)?;
        Some(format!("{} {claimed} of user {user}", claim.name))
    }

    fn told(&mut self, conn: ConnId, pdu: &Pdu) -> Option<Violation> {
        let (seq, command) = (pdu.header.seq_num, pdu.command());
        if command == cmd::OTHER_REFUSED {
            // Which of the requests of this seq_num it refuses, it says.
            let refused = pdu.view::<Refused>().map(|refused| refused.command_id as u16);
            self.owed.retain(|owed, _| Ok(owed.2) != refused || (owed.0, owed.1) != (conn, seq));
            return None;
        }
        let asked = catalogue::request_of(command)?.id;
        let wrong = self.owed.remove(&(conn, seq, asked))?;
        Some(violation(conn, seq, asked, &wrong))
    }

    /// One that was never refused.
    pub fn pending(&self) -> Option<Violation> {
        let ((conn, seq, command), wrong) = self.owed.first_key_value()?;
        Some(violation(*conn, *seq, *command, wrong))
    }
}

fn violation(conn: ConnId, seq: u16, command: u16, wrong: &str) -> Violation {
    let name = catalogue::name(command).unwrap_or("a command");
    Violation {
        property: "bounded",
        kind: "let-through",
        role: Role::Msg,
        sentence: format!("{name} (seq_num {seq}) on connection {conn} was served: {wrong}"),
        about: About::from([Subject::Connection(conn)]),
    }
}
