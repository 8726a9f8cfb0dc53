//! rates: what is over the rate is refused, what is under it is served, and far beyond it costs the
//! connection (switch `edge-limits`).
//!
//! A msg_server counts by windows whose beginnings nobody outside it sees. In any time as long as a window
//! there are parts of at most two of them, so twice the rate may be served in it and no more; and who is
//! refused has come with more than the rate within the time of one window before.

use super::{Class, Known, Property, Seen, Sort, Subject, Tally, Violation, room, wire::At};
use crate::{
    lookup::Lookup,
    plan::{Host, Role},
    record::{Frame, Kind},
};
use std::collections::VecDeque;
use teamtalk::{
    catalogue::{self, id as cmd, limits::Limits},
    env::ConnId,
    wire::tt::extension::{Refused, RefusedCode},
};

/// How long a refusal may take, and a close, in simulated microseconds.
const GRACE_US: u64 = 100_000;
/// For how long a connection that is closed goes on writing what its device has not read (src/link/conn.rs),
/// in simulated microseconds.
const LINGER_US: u64 = 1_000_000;
/// For how long what was read is kept, in simulated microseconds: a machine may stand still meanwhile.
const KEPT_US: u64 = 10_000_000;

/// Who pays: a user with all devices at a msg_server, or a connection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Payer {
    User(u32, Host),
    Conn(ConnId),
}

/// What is counted; the commands that are served to nobody together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum What {
    Command(u16),
    Requests,
    Unserved,
}

/// A PDU that a msg_server read.
#[derive(Debug)]
struct Read {
    at_us: u64,
    name: (ConnId, u16, u16),
    refused: bool,
    /// How many of it its host might serve in a window.
    most: usize,
}

/// What was read, the oldest first.
#[derive(Debug, Default)]
struct Reads {
    read: VecDeque<Read>,
    /// How many of these begin windows that have been looked at.
    judged: usize,
}

/// A connection that is to be closed.
#[derive(Debug)]
struct Abused {
    since_us: u64,
    /// How many PDUs its device has not read of those that were written until it was to be closed: these
    /// are written to the end.
    unread: u64,
    /// When its device read the last one of them.
    read_us: u64,
}

impl Abused {
    /// Whether it is still there, though nothing is under way to its device.
    fn is_late(&self, now_us: u64) -> bool {
        let lingers = self.unread > 0 && now_us <= self.since_us + LINGER_US + GRACE_US;
        !lingers && self.read_us + GRACE_US < now_us
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Rates {
    read: Lookup<(Payer, What), Reads>,
    abused: Lookup<ConnId, Abused>,
    /// How many PDUs were written on a connection and not read by its device.
    unread: Lookup<ConnId, u64>,
    /// What is broken, and can't be told at the line that broke it.
    broken: Option<Violation>,
    tally: Tally,
}

#[cold]
fn violation(kind: &'static str, sentence: String, conn: ConnId) -> Violation {
    let about = [Subject::Connection(conn)].into();
    Violation { property: "rates", kind, role: Role::Msg, sentence, about }
}

impl What {
    fn most(self, limits: &Limits) -> u32 {
        match self {
            Self::Command(command) => limits.of(command).map_or(limits.unserved, |of| of.rate),
            Self::Requests => limits.requests,
            Self::Unserved => limits.unserved,
        }
    }
}

impl Rates {
    /// For whom a PDU counts, and as what.
    fn counted(seen: &Seen<'_>, conn: ConnId, command: u16) -> Vec<(Payer, What)> {
        let user = seen.stood.and_then(|stood| stood.user.filter(|_| !stood.kicked));
        let entry = catalogue::of(command);
        let served = entry.filter(|entry| {
            seen.limits().of(command).is_some() && (user.is_some() || entry.before_login)
        });
        let what = served.map_or(What::Unserved, |_| What::Command(command));
        let is_request = served.is_some_and(|entry| entry.reply.is_some());
        let user = user.map(|user| Payer::User(user, seen.line.host.clone()));
        let payers = user.into_iter().chain([Payer::Conn(conn)]);
        let mut all: Vec<_> = payers.map(|payer| (payer, what)).collect();
        if is_request {
            let (payer, _) = all[0].clone();
            all.insert(1, (payer, What::Requests));
        }
        all
    }

    fn reads(&mut self, seen: &Seen<'_>, conn: ConnId, pdu: &Frame) -> Option<Violation> {
        let (now_us, window_us) = (seen.line.sim_us, seen.known.rate_window_us);
        let name = (conn, pdu.header.seq_num, pdu.command());
        for (payer, what) in Self::counted(seen, conn, pdu.command()) {
            let is_conn = matches!(payer, Payer::Conn(_));
            let reads = self.read.entry((payer, what)).or_default();
            let most = what.most(seen.limits()) as usize;
            reads.read.push_back(Read { at_us: now_us, name, refused: false, most });
            let within = reads.read.iter().rev().take_while(|r| r.at_us + window_us > now_us);
            if is_conn && within.count() > 2 * most * seen.limits().abuse as usize {
                let unread = self.unread.get(&conn).copied().unwrap_or_default();
                let abused = Abused { since_us: now_us, unread, read_us: now_us };
                self.abused.entry(conn).or_insert(abused);
            }
            // Nothing that comes can be in one window with what is older, and its refusal is over.
            while reads.next().is_some_and(|read| read.at_us + window_us + GRACE_US < now_us) {
                if let Some(broken) = reads.over(reads.judged, window_us) {
                    self.broken.get_or_insert(broken);
                }
                reads.judged += 1;
                self.tally.judge();
            }
            while reads.judged > 0 && reads.read.front().is_some_and(|r| r.at_us + KEPT_US < now_us)
            {
                reads.read.pop_front();
                reads.judged -= 1;
            }
        }
        self.broken.take()
    }

    /// Counts what is on its way to a device.
    fn goes_out(&mut self, at: At, conn: ConnId, now_us: u64) {
        match at {
            At::ServerWrites => {
                *self.unread.entry(conn).or_default() += 1;
                if let Some(abused) = self.abused.get_mut(&conn)
                    && now_us <= abused.since_us + GRACE_US
                {
                    abused.unread += 1;
                }
            }
            At::DeviceReads => {
                if let Some(unread) = self.unread.get_mut(&conn) {
                    *unread = unread.saturating_sub(1);
                }
                if let Some(abused) = self.abused.get_mut(&conn)
                    && abused.unread > 0
                {
                    abused.unread -= 1;
                    abused.read_us = now_us;
                }
            }
            At::ServerReads | At::DeviceWrites => {}
        }
    }

    /// A msg_server says that it is too much.
    fn refuses(&mut self, seen: &Seen<'_>, conn: ConnId, pdu: &Frame) -> Option<Violation> {
        let said = pdu.view::<Refused>().ok()?;
        let command = said.command_id as u16;
        // Whether so much of a device waits `bounded` judges.
        let is_rate = said.code == RefusedCode::RefusedTooMany as i32
            && !room::is_waiting(said.reason.as_deref().unwrap_or_default());
        let name = (conn, pdu.header.seq_num, command);
        let (now_us, window_us) = (seen.line.sim_us, seen.known.rate_window_us);
        let mut founded = false;
        for (payer, what) in Self::counted(seen, conn, command) {
            let most = what.most(seen.limits());
            let Some(Reads { read, .. }) = self.read.get_mut(&(payer, what)) else { continue };
            if let Some(read) = read.iter_mut().find(|r| r.name == name && !r.refused) {
                // Whatever it is refused for: it is not served.
                read.refused = true;
            }
            let is_text = matches!(what, What::Command(cmd::MSG_DATA));
            let most = if is_text { most.min(seen.limits().messages) } else { most };
            founded |= in_one_window(read, now_us, window_us + GRACE_US) > most as usize;
        }
        if !is_rate {
            return None;
        }
        self.tally.judge();
        let (host, name) = (&seen.line.host, catalogue::name(command).unwrap_or("a PDU"));
        let why = format!("{host} refuses {name} on connection {conn}, which is not over its rate");
        (!founded).then(|| violation("refused", why, conn))
    }
}

/// How many may have come in the window of now. A machine that stands still has a window that is longer:
/// what came before one gap may be in it, too.
fn in_one_window(read: &VecDeque<Read>, now_us: u64, window_us: u64) -> usize {
    let (mut since_us, mut gaps) = (now_us, 0);
    let in_it = |read: &&Read| {
        if read.at_us + window_us <= since_us {
            gaps += 1;
            since_us = read.at_us;
        }
        gaps < 2
    };
    read.iter().rev().take_while(in_it).count()
}

impl Reads {
    /// The oldest that begins a window that was not looked at.
    fn next(&self) -> Option<&Read> {
        self.read.get(self.judged)
    }

    /// Whether more than twice the rate was served in the window that begins with one.
    fn over(&self, at: usize, window_us: u64) -> Option<Violation> {
        let first = self.read.get(at)?;
        let from = self.read.iter().skip(at);
        let within = from.take_while(|r| r.at_us < first.at_us + window_us);
        // A host that changes side within the window may serve under either limit.
        let most = within.clone().map(|r| r.most).max()?;
        let served = within.filter(|r| !r.refused).count();
        if served <= 2 * most {
            return None;
        }
        let (conn, _, command) = first.name;
        let name = catalogue::name(command).unwrap_or("a command that does not exist");
        let why =
            format!("{served} PDUs such as {name} were served in one window, and {most} may be");
        Some(violation("served", why, conn))
    }
}

impl Property for Rates {
    fn name(&self) -> &'static str {
        "rates"
    }

    fn says(&self) -> &'static str {
        "what is over the rate is refused, what is under it is served, and far beyond it costs the \
         connection"
    }

    fn sort(&self) -> Sort {
        Sort::Safety
    }

    fn looks_at(&self) -> &'static [Class] {
        &[Class::ServerReads, Class::ServerWrites, Class::DeviceReads, Class::Event]
    }

    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        if let Kind::Disconnected { conn, .. } | Kind::StreamReset { conn } = seen.line.kind {
            // What came on a connection that is closed was served to nobody from some point on.
            self.unread.remove(&conn);
            let abused = self.abused.remove(&conn);
            self.read.update(|_, reads| {
                reads.read.iter_mut().for_each(|read| read.refused |= read.name.0 == conn);
            });
            let late = abused.is_some_and(|abused| abused.is_late(seen.line.sim_us));
            return late.then(|| abuse(conn));
        }
        let (at, conn, pdu) = seen.client?;
        self.goes_out(at, conn, seen.line.sim_us);
        if !seen.protocol().edge_limits {
            return None;
        }
        match (at, pdu.command()) {
            (At::ServerReads, cmd::OTHER_HEARTBEAT) => None,
            (At::ServerReads, _) => self.reads(seen, conn, pdu),
            (At::ServerWrites, cmd::OTHER_REFUSED) => self.refuses(seen, conn, pdu),
            _ => None,
        }
    }

    fn pending(&self, known: &Known) -> Option<Violation> {
        if let Some((&conn, _)) = self.abused.least(|_, _| true) {
            return Some(abuse(conn));
        }
        let over = |reads: &Reads| {
            let all = reads.judged..reads.read.len();
            all.into_iter().find_map(|at| reads.over(at, known.rate_window_us))
        };
        let (_, reads) = self.read.least(|_, reads| over(reads).is_some())?;
        over(reads)
    }

    fn tally(&self, _: &Known) -> Option<Tally> {
        Some(self.tally.clone())
    }
}

fn abuse(conn: ConnId) -> Violation {
    let why =
        format!("connection {conn} sent far more than is served in a window, and is served on");
    violation("abuse", why, conn)
}

#[cfg(test)]
mod tests {
    use super::{GRACE_US, Rates};
    use crate::{
        plan::Side,
        properties::{
            Protocols,
            tape::{Tape, refused},
        },
        record::{End, Kind},
    };
    use bytes::Bytes;
    use std::collections::BTreeMap;
    use teamtalk::{
        catalogue::{id as cmd, limits::Limits},
        protocol::Protocol,
        wire::{Pdu, tt::extension::RefusedCode},
    };

    const WINDOW_US: u64 = 200_000;

    fn tape() -> Tape<Rates> {
        let mut tape = Tape::new(Rates::default()).under(Protocol::hardened());
        tape.known.rate_window_us = WINDOW_US;
        tape.login(1, 10, 1);
        tape
    }

    /// Asks for the departments, of which 10 are served in a window.
    fn asks(tape: &mut Tape<Rates>, seqs: std::ops::Range<u16>) {
        for seq in seqs {
            tape.asks(10, Pdu::raw(cmd::BUDDY_LIST_DEPARTMENT_REQUEST, seq, Bytes::new()));
        }
    }

    fn refuses(tape: &mut Tape<Rates>, seqs: std::ops::Range<u16>) {
        for seq in seqs {
            let code = RefusedCode::RefusedTooMany;
            tape.tells(10, refused(seq, 1, cmd::BUDDY_LIST_DEPARTMENT_REQUEST, code));
        }
    }

    /// The base serves 30 a window, the candidate 10.
    #[test]
    fn a_host_that_changes_side_serves_what_it_may_there() {
        let limits = |rate| BTreeMap::from([("0210.rate".to_string(), rate)]);
        let limits = |rate| Limits::with(&limits(rate)).expect("a limit");
        for (side, found) in [(Side::Base, &[][..]), (Side::Candidate, &["rates/served/msg"])] {
            let mut tape = tape();
            let protocols = Protocols::all(Protocol::hardened());
            tape.known.protocols = protocols.limited(limits(30), limits(10));
            asks(&mut tape, 2..42);
            tape.later(WINDOW_US + GRACE_US);
            tape.line("msg1", Kind::OnSide { side });
            asks(&mut tape, 42..82);
            tape.later(2 * (WINDOW_US + GRACE_US));
            asks(&mut tape, 82..83);
            assert_eq!(tape.found, found, "{side:?}");
        }
    }

    #[test]
    fn two_windows_of_a_rate_may_be_served_and_no_more() {
        let mut tape = tape();
        asks(&mut tape, 2..22);
        tape.later(1);
        asks(&mut tape, 22..43);
        refuses(&mut tape, 32..42);
        tape.later(1);
        asks(&mut tape, 43..44);
        assert_eq!((tape.pending(), &tape.found[..]), (None, &[][..] as &[String]));
        asks(&mut tape, 44..65);
        assert_eq!(tape.pending().as_deref(), Some("rates/served/msg"));
        tape.later(1);
        asks(&mut tape, 65..66);
        assert_eq!(tape.found, ["rates/served/msg"]);
    }

    #[test]
    fn who_keeps_to_the_rate_is_not_refused() {
        let mut tape = tape();
        asks(&mut tape, 2..13);
        refuses(&mut tape, 12..13);
        assert_eq!(tape.found, [""; 0], "the eleventh");
        tape.later(1);
        asks(&mut tape, 13..14);
        refuses(&mut tape, 13..14);
        assert_eq!(tape.found, [""; 0], "it may have stood still since");
        tape.later(1);
        asks(&mut tape, 14..23);
        refuses(&mut tape, 22..23);
        assert_eq!(tape.found, ["rates/refused/msg"], "the ninth of a later window");
    }

    #[test]
    fn far_beyond_the_rate_a_connection_is_closed() {
        let flooded = || {
            let mut tape = tape();
            tape.connect(2, 20);
            for seq in 0..402 {
                tape.asks(20, Pdu::raw(cmd::MSG_TIME_REQUEST, seq, Bytes::new()));
            }
            tape
        };
        let mut closed = flooded();
        assert_eq!(closed.pending().as_deref(), Some("rates/abuse/msg"));
        closed.line("msg1", Kind::Disconnected { conn: 20, end: End::Acceptor });
        assert_eq!((closed.pending(), closed.found.len()), (None, 0));
        let mut stays = flooded();
        stays.later(1).line("msg1", Kind::Disconnected { conn: 20, end: End::Acceptor });
        assert_eq!(stays.found, ["rates/abuse/msg"], "it went by itself");
    }

    /// Seed 1181 of `hardened`.
    #[test]
    fn a_connection_that_is_closed_may_write_what_its_device_is_slow_to_read() {
        let refusal = || refused(0, 1, cmd::MSG_TIME_REQUEST, RefusedCode::RefusedTooMany);
        let slow = || {
            let mut tape = tape();
            tape.connect(2, 20);
            for seq in 0..402 {
                tape.asks(20, Pdu::raw(cmd::MSG_TIME_REQUEST, seq, Bytes::new()));
            }
            for _ in 0..2 {
                tape.frame("msg1", End::Acceptor, true, 20, refusal());
            }
            tape.at(900_000).frame("client1", End::Dialler, false, 20, refusal());
            tape
        };
        let gone = || Kind::Disconnected { conn: 20, end: End::Dialler };
        let found = |at_us| slow().at(at_us).line("client1", gone()).found.clone();
        assert_eq!(found(950_000), [""; 0], "one is still to be read");
        assert_eq!(found(1_200_000), ["rates/abuse/msg"], "no close lasts so long");
        let mut read = slow();
        read.frame("client1", End::Dialler, false, 20, refusal());
        read.at(1_010_000).line("client1", gone());
        assert_eq!(read.found, ["rates/abuse/msg"], "it has read all, and nobody closed");
    }
}
