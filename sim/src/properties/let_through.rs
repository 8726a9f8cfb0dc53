//! What a device may not send is not served: a part of `bounded`.
//!
//! A PDU over a limit of the catalogue, or one that says it is of another user, must be refused, or
//! cost the connection. How much a PDU holds is measured by `catalogue::limits`, whose tests hold it
//! to bodies of known sizes.

use super::{About, Seen, Subject, Violation, wire::At};
use crate::{plan::Role, record::Kind};
use std::collections::{BTreeMap, VecDeque};
use teamtalk::{
    catalogue::{self, id as cmd, limits::Limits},
    env::ConnId,
    wire::{Pdu, fields, tt::extension::Refused},
};

/// See the module.
#[derive(Debug, Default)]
pub struct LetThrough {
    /// By connection, seq_num and command: a client may use a seq_num twice.
    read: BTreeMap<(ConnId, u16, u16), Read>,
    /// How many PDUs were measured.
    pub measured: u64,
}

/// PDUs of one name that a msg_server read, and neither answered nor refused so far. Which of them
/// an answer is for cannot be seen: it is for one that may be served, as long as there is one.
#[derive(Debug, Default)]
struct Read {
    right: u32,
    /// What is wrong with each of the others, in the order in which they were read.
    wrong: VecDeque<String>,
}

impl LetThrough {
    /// Takes the next line.
    pub fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        if let Kind::Disconnected { conn, .. } | Kind::StreamReset { conn } = &seen.line.kind {
            self.read.retain(|name, _| name.0 != *conn);
        }
        let (at, conn, pdu) = seen.client?;
        let pdu = &pdu.pdu;
        let (seq, command) = (pdu.header.seq_num, pdu.command());
        match at {
            At::ServerReads => {
                let user = seen.stood.and_then(|stood| stood.user);
                let name = (conn, seq, command);
                self.measured += 1;
                match wrong_with(seen.limits(), pdu, user) {
                    Some(wrong) => self.read.entry(name).or_default().wrong.push_back(wrong),
                    None if is_request(command) => self.read.entry(name).or_default().right += 1,
                    None => {}
                }
                None
            }
            At::ServerWrites => self.told(conn, pdu),
            _ => None,
        }
    }

    fn told(&mut self, conn: ConnId, pdu: &Pdu) -> Option<Violation> {
        let (seq, command) = (pdu.header.seq_num, pdu.command());
        if command == cmd::OTHER_REFUSED {
            // Several requests may have this seq_num: a refusal names the command of the one that it refuses.
            let refused = pdu.view::<Refused>().map(|refused| refused.command_id as u16);
            if let Ok(refused) = refused {
                self.settle((conn, seq, refused), true);
            }
            return None;
        }
        let asked = catalogue::request_of(command)?.id;
        let wrong = self.settle((conn, seq, asked), false)?;
        Some(violation(conn, seq, asked, &wrong))
    }

    /// One of this name was answered or refused: what was wrong with it. A refusal is for what is
    /// wrong first.
    fn settle(&mut self, name: (ConnId, u16, u16), refused: bool) -> Option<String> {
        let read = self.read.get_mut(&name)?;
        let wrong = if read.right == 0 || refused { read.wrong.pop_front() } else { None };
        if wrong.is_none() {
            read.right = read.right.saturating_sub(1);
        }
        if read.right == 0 && read.wrong.is_empty() {
            self.read.remove(&name);
        }
        wrong
    }

    /// One that was never refused.
    pub fn pending(&self) -> Option<Violation> {
        let wrong = |(name, read): (&(ConnId, u16, u16), &Read)| {
            read.wrong.front().map(|wrong| violation(name.0, name.1, name.2, wrong))
        };
        self.read.iter().find_map(wrong)
    }
}

/// What is wrong with a PDU of this user; `None`: nothing, or nobody is logged in.
fn wrong_with(limits: &Limits, pdu: &Pdu, user: Option<u32>) -> Option<String> {
    if let Err(over) = limits.check(pdu.command(), &pdu.body) {
        return Some(over.to_string());
    }
    let entry = catalogue::of(pdu.command())?;
    let claim = entry.body.field(entry.claim?)?;
    let claimed = fields::uint(&pdu.body, claim.number)?;
    let user = user.filter(|user| *user != claimed)?;
    Some(format!("{} {claimed} of user {user}", claim.name))
}

/// Whether a command has an answer.
fn is_request(command: u16) -> bool {
    catalogue::of(command).is_some_and(|entry| entry.reply.is_some())
}

#[cold]
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
