//! available: what is asked in good order is done in the end.
//!
//! An *orderly* send is a text or recording that the store takes, in the name of the device's own
//! user, to another user or to a group of which that user is surely a member. What a fault explains is
//! forgiven, and nothing else is: see `trouble` for when the stores are up. A Redis that refuses every
//! write is up, so a deployment in which nothing is acked is broken however politely it says so. A send that
//! is not orderly is owed an end: its ack, or a refusal for good.

#[cfg(test)]
mod tests;

use super::{
    Class, Known, Property, Seen, Sort, Subject, Tally, Violation,
    answered::reply_of,
    room,
    seen::Data,
    wire::{At, Message, is_audio, is_group},
};
use crate::{
    plan::Role,
    record::{End, Frame, Kind},
};
use bytes::Bytes;
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{
    catalogue::{id as cmd, name},
    env::ConnId,
    wire::{
        im::message::{ImMsgDataAck, ImMsgDataReadAck},
        tt::extension::{Refused, RefusedCode},
    },
};

/// The most characters that a text in the store has (SYSTEM.md section 6, "Tables").
const LONGEST_TEXT: usize = 4096;
/// Audio of so many bytes has no recording behind its duration (SYSTEM.md section 6, "Audio").
const NO_AUDIO: usize = 4;

/// A request by its connection, seq_num and command.
type Asked = (ConnId, u16, u16);

/// An orderly send that is neither acked nor refused for good.
#[derive(Debug)]
struct Send {
    device: u32,
    /// The group that it goes to.
    group: Option<u32>,
    /// The line and the simulated microsecond at which it was first written.
    first: (u64, u64),
    /// The line at which it was last written, and its place there.
    last: (u64, Asked),
    /// Who refused it for the time being, the last time.
    put_off_by: Option<Role>,
}

/// A question that is not answered yet; a refusal for the time being is no answer.
#[derive(Debug)]
struct Question {
    device: u32,
    /// What it asks: a device that gave up and asks the same under another seq_num asks it again.
    body: Bytes,
    first_us: u64,
    /// The line at which it was last written.
    last: u64,
    /// The same, or 0 once that was refused.
    written: u64,
    /// How many of its writes since the last fault were refused.
    refused: u32,
    /// It was refused while no fault was near, and not asked again since.
    in_quiet: bool,
    by: Role,
}

/// What a send is known by that is not orderly: two empty ones say the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Odd {
    /// The device and the token, which it has on every connection.
    Token(u32, Bytes),
    /// One without a token is written on one connection.
    Asked(Asked),
}

/// See the module.
#[derive(Debug, Default)]
pub struct Available {
    sends: BTreeMap<Message, Send>,
    /// Those that are not orderly, and neither acked nor refused for good.
    odd: BTreeMap<Odd, Send>,
    /// What a connection's odd sends are.
    sent_odd: BTreeMap<Asked, Odd>,
    /// What a connection's sends are.
    sent: BTreeMap<Asked, Message>,
    /// Questions that are not answered yet.
    questions: BTreeMap<Asked, Question>,
    /// Connections that their devices have closed.
    closed: BTreeSet<ConnId>,
    /// What db_proxies refused: the user, the seq_num and the command.
    by_db: BTreeSet<(u32, u16, u16)>,
    tally: Tally,
}

/// Whether a store takes what a 0301 says.
fn can_be_stored(data: &Data) -> bool {
    let bytes = &data.body.msg_data;
    if is_audio(data.body.msg_type) {
        return bytes.len() > NO_AUDIO;
    }
    let text = std::str::from_utf8(bytes);
    text.is_ok_and(|text| !text.is_empty() && text.chars().count() <= LONGEST_TEXT)
}

impl Available {
    /// A device writes a 0301.
    fn sends(&mut self, seen: &Seen<'_>, asked: Asked) -> Option<()> {
        let clients = &seen.known.clients;
        let (device, data) = (clients.device(asked.0)?, seen.data.as_ref()?);
        let message = seen.message.clone()?;
        let (user, body) = (message.0, &data.body);
        let group = is_group(body.msg_type).then_some(body.to_session_id);
        let to_oneself = group.is_none() && body.to_session_id == user;
        let (n, us) = (seen.line.n, seen.line.sim_us);
        let last = (n, asked);
        let new = Send { device, group, first: (n, us), last, put_off_by: None };
        if !can_be_stored(data) || to_oneself || body.from_user_id != user {
            self.tally.excuse("a send that no store takes");
            let odd = match &body.send_token {
                Some(token) => Odd::Token(device, token.clone()),
                None => Odd::Asked(asked),
            };
            self.odd.entry(odd.clone()).or_insert(new).last = last;
            self.sent_odd.insert(asked, odd);
            return None;
        }
        self.sends.entry(message.clone()).or_insert(new).last = last;
        self.sent.insert(asked, message);
        Some(())
    }

    /// A device reads an answer to a send: an ack, or with its code a refusal.
    fn is_answered(
        &mut self,
        seen: &Seen<'_>,
        asked: Asked,
        refused: Option<(RefusedCode, Role)>,
    ) -> Option<Violation> {
        use RefusedCode::{
            RefusedNotAllowed, RefusedNotLoggedIn, RefusedTooMany, RefusedUnavailable,
        };
        if let Some(odd) = self.sent_odd.get(&asked) {
            match refused {
                Some((RefusedTooMany | RefusedNotLoggedIn | RefusedUnavailable, by)) => {
                    self.odd.get_mut(odd)?.put_off_by = Some(by);
                }
                _ => self.tally.judged += u64::from(self.odd.remove(odd).is_some()),
            }
            return None;
        }
        let message = self.sent.get(&asked)?.clone();
        let send = self.sends.get_mut(&message)?;
        let (code, by) = match refused {
            // Later it is served: over a rate, before a login, or a server that is slow.
            Some((RefusedTooMany | RefusedNotLoggedIn | RefusedUnavailable, by)) => {
                send.put_off_by = Some(by);
                return None;
            }
            Some(refused) => refused,
            None => {
                self.sends.remove(&message);
                self.tally.judge();
                return None;
            }
        };
        let (first, group) = (send.first.0, send.group);
        self.sends.remove(&message);
        let is_member =
            |group| seen.known.membership.is_always(group, message.0, first, seen.line.n);
        let is_allowed = code != RefusedNotAllowed || group.is_none_or(is_member);
        match (is_allowed, is_quiet(seen)) {
            (true, true) => self.tally.judge(),
            (true, false) => self.tally.excuse("a fault shortly before a refusal"),
            (false, _) => self.tally.excuse("not surely a member since"),
        }
        (is_allowed && is_quiet(seen)).then(|| {
            let what = format!("\"{}\" from user {}", message.1, message.0);
            refused_in_quiet(&what, asked, by).and(Subject::Content(message.1.clone()))
        })
    }

    /// A device reads a refusal.
    fn is_refused(&mut self, seen: &Seen<'_>, conn: ConnId, pdu: &Frame) -> Option<Violation> {
        let refused = pdu.view::<Refused>().ok()?;
        let (seq, command) = (pdu.header.seq_num, refused.command_id as u16);
        let asked = (conn, seq, command);
        let is_of_db = self.by_db.contains(&(refused.user_id, seq, command));
        let by = if is_of_db { Role::Db } else { Role::Msg };
        if command == cmd::MSG_DATA {
            return self.is_answered(seen, asked, Some((refused.code(), by)));
        }
        if refused.code() != RefusedCode::RefusedUnavailable {
            self.questions.remove(&asked);
            return None;
        }
        let question = self.questions.get_mut(&asked)?;
        let is_full = room::is_full(refused.reason.as_deref().unwrap_or_default());
        (question.by, question.in_quiet) = (by, is_quiet(seen) && !is_full);
        if is_full {
            self.tally.excuse("a server without room");
        }
        let written = std::mem::take(&mut question.written);
        question.refused += u32::from(written != 0 && seen.known.trouble.is_over_before(written));
        None
    }

    fn pdu(&mut self, seen: &Seen<'_>, (at, conn, pdu): (At, ConnId, &Frame)) -> Option<Violation> {
        let (seq, command) = (pdu.header.seq_num, pdu.command());
        match (at, command) {
            (At::DeviceWrites, cmd::MSG_DATA) => drop(self.sends(seen, (conn, seq, command))),
            (At::DeviceWrites, _) if reply_of(command).is_some() => {
                let device = seen.known.clients.device(conn)?;
                let (written, first_us) = (seen.line.n, seen.line.sim_us);
                let (refused, in_quiet, by) = (0, false, Role::Msg);
                let (body, last) = (pdu.body.clone(), written);
                let new = Question { device, body, first_us, last, written, refused, in_quiet, by };
                let question = self.questions.entry((conn, seq, command)).or_insert(new);
                (question.last, question.written, question.in_quiet) = (last, written, false);
            }
            (At::DeviceReads, cmd::OTHER_REFUSED) => return self.is_refused(seen, conn, pdu),
            (At::DeviceReads, cmd::MSG_DATA_ACK) => {
                let is_stored = pdu.view::<ImMsgDataAck>().ok()?.msg_id != 0;
                let refused = (!is_stored).then_some((RefusedCode::RefusedNotStored, Role::Db));
                return self.is_answered(seen, (conn, seq, cmd::MSG_DATA), refused);
            }
            (At::DeviceReads, _) => {
                let same_seq = (conn, seq, 0)..=(conn, seq, u16::MAX);
                let answered = |(asked, _): (&Asked, _)| {
                    (reply_of(asked.2) == Some(command)).then_some(*asked)
                };
                let answered: Vec<_> =
                    self.questions.range(same_seq).filter_map(answered).collect();
                answered.into_iter().for_each(|asked| self.is_done(asked));
            }
            _ => {}
        }
        None
    }

    /// A question is answered, and with it what its device asked alike before under other seq_nums. What
    /// is still to be heard of those is judged by itself.
    fn is_done(&mut self, asked: Asked) {
        let Some(done) = self.questions.remove(&asked) else { return };
        self.questions.retain(|(_, _, command), before| {
            let is_alike = *command == asked.2
                && before.device == done.device
                && before.last < done.last
                && before.body == done.body;
            if is_alike {
                before.refused = 0;
            }
            !is_alike || before.written != 0
        });
    }

    /// What is still not done of what devices go on asking for; `is_due`: by when it was first asked.
    fn undone(&self, known: &Known, is_due: impl Fn(u64) -> bool) -> Option<Violation> {
        let goes_on = |device: &u32, conn: ConnId| {
            known.clients.online().contains_key(device) && !self.closed.contains(&conn)
        };
        let is_owed = |send: &Send| {
            let (n, (conn, ..)) = send.last;
            let since = known.trouble.is_over_before(n);
            since && goes_on(&send.device, conn) && is_due(send.first.1)
        };
        let mut sends = self.sends.iter();
        let send = sends.find(|(_, send)| is_owed(send));
        if let Some((message, Send { device, last: (_, asked), put_off_by, .. })) = send {
            let how = put_off_by.map_or("is not acked", |_| "is put off for ever");
            return Some(Violation {
                property: "available",
                kind: "never-acked",
                role: put_off_by.unwrap_or(Role::Msg),
                sentence: format!(
                    "device {device} is online and its send of \"{}\" from user {} {how}",
                    message.1, message.0
                ),
                about: [Subject::Content(message.1.clone()), question(*asked)].into(),
            });
        }
        if let Some(Send { device, last: (_, asked), put_off_by, .. }) =
            self.odd.values().find(|send| is_owed(send))
        {
            let how = put_off_by.map_or("has no answer", |_| "is put off for ever");
            return Some(Violation {
                property: "available",
                kind: "never-ended",
                role: put_off_by.unwrap_or(Role::Msg),
                sentence: format!(
                    "device {device} is online and its send with seq_num {} on connection {}, which no store \
                     takes, {how}",
                    asked.1, asked.0
                ),
                about: [question(*asked)].into(),
            });
        }
        let mut questions = self.questions.iter();
        let (asked, refused) = questions.find(|(asked, question)| {
            let is_refused = question.in_quiet || question.refused > 1;
            is_refused
                && goes_on(&question.device, asked.0)
                && is_due(question.first_us)
                && !(asked.2 == cmd::MSG_READ_ACK && is_read(known, question))
        })?;
        if refused.in_quiet {
            return Some(refused_in_quiet("a request", *asked, refused.by));
        }
        Some(Violation {
            property: "available",
            kind: "refused-for-ever",
            role: refused.by,
            sentence: format!(
                "device {} asks {} under seq_num {} on connection {} and was refused {} times \
                 since the last fault",
                refused.device,
                named(asked.2),
                asked.1,
                asked.0,
                refused.refused
            ),
            about: [question(*asked)].into(),
        })
    }
}

/// Whether a user has read as far as a read ack says, by another ack: its device does not go on then.
fn is_read(known: &Known, question: &Question) -> bool {
    let Ok(read) = ImMsgDataReadAck::decode(question.body.clone()) else { return false };
    let kind = read.session_type as u32;
    let of = [("userId", read.user_id), ("peerId", read.session_id), ("type", kind)];
    let view = known.stores.after(known.now);
    view.rows("TTRead").any(|row| row.has(of) && row.uint("msgId") >= read.msg_id)
}

/// Whether the stores are up, and have been for so long that no fault explains a refusal.
fn is_quiet(seen: &Seen<'_>) -> bool {
    seen.known.trouble.is_quiet(seen.line.sim_us, seen.known.settles_within_us)
}

fn question((conn, seq, command): Asked) -> Subject {
    Subject::asked(conn, seq, command)
}

fn named(command: u16) -> String {
    format!("{command:#06x} ({})", name(command).unwrap_or("a command that does not exist"))
}

#[cold]
fn refused_in_quiet(what: &str, asked: Asked, by: Role) -> Violation {
    let (conn, seq, command) = asked;
    Violation {
        property: "available",
        kind: "refused",
        role: by,
        sentence: format!(
            "{what}, {} with seq_num {seq} on connection {conn}, was refused though the stores are \
             up and no fault is near",
            named(command)
        ),
        about: [question(asked)].into(),
    }
}

impl Property for Available {
    fn name(&self) -> &'static str {
        "available"
    }

    fn says(&self) -> &'static str {
        "with stores up and no fault an orderly send is acked in the end, any other is acked or refused for \
         good, and a request is not refused for ever"
    }

    fn sort(&self) -> Sort {
        Sort::Liveness
    }

    fn looks_at(&self) -> &'static [Class] {
        &[Class::DeviceWrites, Class::DeviceReads, Class::DbPdu, Class::Event]
    }

    fn commands(&self, class: Class) -> Option<&'static [u16]> {
        match class {
            Class::DbPdu => Some(&[cmd::OTHER_REFUSED]),
            _ => None,
        }
    }

    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        match seen.line.kind {
            Kind::Disconnected { conn, end: End::Dialler } => drop(self.closed.insert(conn)),
            Kind::FaultStart { .. } if !seen.known.clocks.is_a_step(seen.line) => {
                self.questions.values_mut().for_each(|q| q.refused = 0)
            }
            _ => {}
        }
        if let Some((_, pdu, true)) = seen.db
            && pdu.command() == cmd::OTHER_REFUSED
            && let Ok(refused) = pdu.view::<Refused>()
        {
            let command = refused.command_id as u16;
            self.by_db.insert((refused.user_id, pdu.header.seq_num, command));
        }
        self.pdu(seen, seen.client?)
    }

    fn pending(&self, known: &Known) -> Option<Violation> {
        self.undone(known, |_| true)
    }

    fn overdue(&self, known: &Known, now_us: u64) -> Option<Violation> {
        self.undone(known, |first_us| first_us + known.settles_within_us < now_us)
    }

    fn tally(&self, _: &super::Known) -> Option<Tally> {
        Some(self.tally.clone())
    }
}
