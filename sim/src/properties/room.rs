//! Refusals for want of room: a part of `bounded`.
//!
//! A server whose bound is reached refuses what comes (a worker's queue of a db_proxy, a link of a msg_server,
//! the requests of one device that wait). It may say so only if as much waits as the bound allows. From outside
//! the most that can wait is known: what was read and is not answered. Who refuses with room to spare is found
//! by that. So is a db_proxy in which a request waits though a worker is idle, and one that refuses for its lateness what has
//! not waited long.

use super::{
    Seen, Subject, Violation,
    answered::reply_of,
    wire::{At, conversation_of},
};
use crate::{
    lookup::Lookup,
    plan::{Host, Role},
    record::{Frame, Kind},
};
use std::collections::{BTreeSet, VecDeque};
use teamtalk::{
    catalogue::id,
    conversation::Conversation,
    env::ConnId,
    fact::Fact,
    wire::{attach, fields, im::message::ImMsgData, pdu::HEADER_LEN, tt::extension::Refused},
};

/// How long what has no answer may wait for a worker, in simulated microseconds, and how long ago what waits
/// for a link was read.
const KEPT_US: u64 = 5_000_000;
/// The reason with which a db_proxy refuses when its worker has no room.
const WORKER: &str = "worker queue full";
/// The reason with which it refuses a request that has waited longer than half the time that its msg_server waits for an answer.
const LATE: &str = "waited too long for a worker";
/// What a db_proxy calls the requests that wait for its workers.
const WAIT: &str = "worker_queue";
/// How the reason begins with which a msg_server refuses when its link has no room.
const LINK: &str = "overloaded";
/// How the reason ends with which a msg_server refuses when too much of one device waits.
const DEVICE: &str = "requests without an answer";

/// Whether a refusal says that its server was full: another time it would have been served.
pub fn is_full(reason: &[u8]) -> bool {
    [WORKER, LATE].iter().any(|of| reason == of.as_bytes()) || reason.starts_with(LINK.as_bytes())
}

/// Whether a refusal says that too much of its device waits.
pub fn is_waiting(reason: &[u8]) -> bool {
    reason.ends_with(DEVICE.as_bytes())
}

/// One that was read, and not answered so far.
#[derive(Debug)]
struct Read {
    /// Of a message.
    conversation: Option<Conversation>,
    conn: ConnId,
    seq: u16,
    command: u16,
    /// Devices number their requests each by themselves: on a link several have the same number.
    asker: Option<Asker>,
    at_us: u64,
    bytes: u64,
}

/// Whom a msg_server asks for: what its attach data begin with, before a PDU that it may keep there.
type Asker = [u8; 12];

fn asker(pdu: &Frame) -> Option<Asker> {
    fields::bytes(&pdu.pdu.body, attach::FIELD)?.first_chunk().copied()
}

/// See the module.
#[derive(Debug, Default)]
pub struct Room {
    /// What db_proxies have read, and msg_servers of devices.
    read: Lookup<Host, VecDeque<Read>>,
    /// Hosts of which something may have waited for longer than [`KEPT_US`].
    slow: BTreeSet<Host>,
    /// How many refusals, and waits for a worker, were judged.
    pub judged: u64,
}

impl Room {
    /// Takes the next line.
    pub fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        let line = seen.line;
        match (&line.kind, seen.client, seen.db) {
            (_, Some((At::ServerReads, conn, pdu)), _) | (_, _, Some((conn, pdu, false))) => {
                self.reads(seen, conn, pdu);
            }
            (_, Some((At::ServerWrites, conn, pdu)), _) | (_, _, Some((conn, pdu, true))) => {
                return self.answers(seen, conn, pdu);
            }
            (Kind::Fact(Fact::Refused { conn, command, reason }), ..) => {
                return self.refuses(seen, *conn, *command, reason);
            }
            (Kind::Fact(Fact::HighWater { queue, length, .. }), ..) if queue == WAIT => {
                return self.waits(seen, *length);
            }
            _ => {}
        }
        None
    }

    fn reads(&mut self, seen: &Seen<'_>, conn: ConnId, pdu: &Frame) {
        let (host, at_us) = (&seen.line.host, seen.line.sim_us);
        let (seq, command) = (pdu.header.seq_num, pdu.command());
        let waits = match host.role() {
            Role::Db => command != id::OTHER_HEARTBEAT,
            _ => reply_of(command).is_some(),
        };
        if !waits {
            return;
        }
        let bytes = (HEADER_LEN + pdu.body.len()) as u64;
        let read = self.read.entry(host.clone()).or_default();
        while let Some(old) = read.pop_front_if(|old| old.at_us + KEPT_US < at_us) {
            if reply_of(old.command).is_some() {
                self.slow.insert(host.clone());
            }
        }
        let of = |of: &ImMsgData| conversation_of(of.from_user_id, of.to_session_id, of.msg_type);
        let conversation = seen.data.as_ref().map(|data| of(&data.body));
        let asker = asker(pdu);
        read.push_back(Read { conversation, conn, seq, command, asker, at_us, bytes });
    }

    fn answers(&mut self, seen: &Seen<'_>, conn: ConnId, pdu: &Frame) -> Option<Violation> {
        let (host, now_us) = (&seen.line.host, seen.line.sim_us);
        let read = self.read.get_mut(host)?;
        let (seq, told) = (pdu.header.seq_num, pdu.command());
        let refused = (told == id::OTHER_REFUSED).then(|| pdu.view::<Refused>().ok()).flatten();
        let is_it = |of: &Read| {
            (of.conn, of.seq) == (conn, seq)
                && match &refused {
                    Some(refused) => refused.command_id as u16 == of.command,
                    None => reply_of(of.command) == Some(told),
                }
                && of.asker == asker(pdu)
        };
        let at = read.iter().position(is_it)?;
        let is_late = |refused: &Refused| refused.reason.as_deref() == Some(LATE.as_bytes());
        match &refused {
            None => _ = read.remove(at),
            Some(refused) if host.role() == Role::Db && is_late(refused) => {
                let waited_us = now_us - read.remove(at)?.at_us;
                // It may be an earlier one of the same number (seed 191 of `hardened`).
                if self.slow.contains(host) {
                    return None;
                }
                self.judged += 1;
                return (waited_us < seen.known.answer_within_us / 2).then(|| Violation {
                    property: "bounded",
                    kind: "hasty",
                    role: host.role(),
                    sentence: format!(
                        "{host} refuses {:#06x} with seq_num {seq} because it \"{LATE}\", and that was {} ms",
                        refused.command_id,
                        waited_us / 1_000
                    ),
                    about: [Subject::Connection(conn)].into(),
                });
            }
            // One that its msg_server refuses for its lateness may wait on.
            Some(_) => {}
        }
        None
    }

    /// So many requests wait for the workers of a db_proxy, more than ever before. All its workers have one then,
    /// unless what waits are messages of one conversation, which may not have all of them.
    fn waits(&mut self, seen: &Seen<'_>, waiting: u64) -> Option<Violation> {
        let host = &seen.line.host;
        let workers = seen.known.db_workers as u64;
        let read = self.read.get(host)?;
        let mut written_to = BTreeSet::new();
        let takes_turns =
            read.iter().filter_map(|of| of.conversation).any(|of| !written_to.insert(of));
        if !seen.protocol().edge_limits || self.slow.contains(host) || takes_turns {
            return None;
        }
        self.judged += 1;
        let unanswered = read.len() as u64;
        (unanswered < workers + waiting).then(|| Violation {
            property: "bounded",
            kind: "idle-worker",
            role: host.role(),
            sentence: format!(
                "{waiting} requests wait at {host}, which has read {unanswered} that are not answered: of its \
                 {workers} workers some are idle"
            ),
            about: [Subject::Queue(host.clone(), WAIT.to_string())].into(),
        })
    }

    fn refuses(
        &mut self,
        seen: &Seen<'_>,
        conn: ConnId,
        command: u16,
        reason: &str,
    ) -> Option<Violation> {
        let (host, limits) = (&seen.line.host, seen.limits());
        let read = self.read.get(host);
        let waits = || read.into_iter().flatten();
        let (waiting, bound, what) = match host.role() {
            Role::Db if reason == WORKER && !self.slow.contains(host) => {
                // With the switch all workers stand at one line.
                let is_shared = seen.protocol().edge_limits;
                let workers = if is_shared { seen.known.db_workers.max(1) } else { 1 };
                let bound = limits.worker_queue * workers;
                (waits().count() as u64, bound as u64, "requests wait for a worker")
            }
            Role::Msg if reason.starts_with(LINK) => {
                (waits().map(|of| of.bytes).sum(), limits.link_requests as u64, "bytes have come")
            }
            Role::Msg if reason.ends_with(DEVICE) => {
                let of_it = waits().filter(|of| of.conn == conn).count();
                (of_it as u64, limits.in_flight as u64, "of its requests wait")
            }
            _ => return None,
        };
        self.judged += 1;
        (waiting < bound).then(|| Violation {
            property: "bounded",
            kind: "has-room",
            role: host.role(),
            sentence: format!(
                "{host} refuses {command:#06x} on connection {conn} (\"{reason}\"), and at most {waiting} {what}: \
                 {bound} may"
            ),
            about: [Subject::Connection(conn)].into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::bounded::Bounded;
    use crate::properties::tape::{Tape, group_ack, group_message};
    use std::collections::BTreeMap;
    use teamtalk::{
        catalogue::id,
        fact::Fact,
        protocol::Protocol,
        wire::{
            Pdu,
            attach::Attach,
            im::message::{ImUnreadMsgCntReq, ImUnreadMsgCntRsp},
            tt::extension::Refused,
        },
    };

    fn found(most: u32, asks: u16) -> Vec<String> {
        let limits = BTreeMap::from([("in-flight".to_string(), most)]);
        let mut tape = Tape::new(Bounded::default()).limited(&limits);
        tape.login(1, 7, 1);
        let asked = ImUnreadMsgCntReq { user_id: 1, attach_data: None };
        for seq in 0..asks {
            tape.asks(7, Pdu::new(id::MSG_UNREAD_CNT_REQUEST, 20 + seq, &asked));
        }
        let (conn, command) = (7, id::MSG_UNREAD_CNT_REQUEST);
        let reason = format!("over {most} requests without an answer");
        tape.fact("msg1", Fact::Refused { conn, command, reason });
        tape.found
    }

    #[test]
    fn who_refuses_for_want_of_room_has_none() {
        assert_eq!(found(3, 4), [""; 0]);
        assert_eq!(found(9, 4), ["bounded/has-room/msg"]);
    }

    /// Two workers: db1 reads so many requests, answers the first ones, and says that so many wait.
    fn waiting(read: u16, answered: u16, pdu: fn(u16) -> (Pdu, Pdu), waiting: u64) -> Vec<String> {
        let mut tape = Tape::new(Bounded::default()).under(Protocol::hardened());
        tape.known.db_workers = 2;
        for seq in 0..read {
            tape.db_reads(pdu(seq).0);
        }
        for seq in 0..answered {
            tape.db_writes(pdu(seq).1);
        }
        let (queue, bound) = ("worker_queue".to_string(), 9);
        tape.fact("db1", Fact::HighWater { queue, length: waiting, bound });
        tape.found
    }

    fn count(seq: u16) -> (Pdu, Pdu) {
        let asked = ImUnreadMsgCntReq { user_id: 1, attach_data: None };
        let told = ImUnreadMsgCntRsp { user_id: 1, ..Default::default() };
        let answer = Pdu::new(id::MSG_UNREAD_CNT_RESPONSE, seq, &told);
        (Pdu::new(id::MSG_UNREAD_CNT_REQUEST, seq, &asked), answer)
    }

    #[test]
    fn nobody_waits_for_a_worker_while_one_is_idle() {
        const IDLE: [&str; 1] = ["bounded/idle-worker/db"];
        assert_eq!(waiting(3, 0, count, 1), [""; 0], "two are served, one waits");
        assert_eq!(waiting(3, 1, count, 1), IDLE, "one is served");
        assert_eq!(waiting(5, 1, count, 2), [""; 0]);
        assert_eq!(waiting(5, 2, count, 2), IDLE);
        let group = |seq| {
            let told = group_ack(seq, 7, 1);
            (group_message(seq, 0, 1, "text"), told)
        };
        assert_eq!(waiting(2, 0, group, 1), [""; 0], "they take turns");
    }

    #[test]
    fn what_is_refused_for_its_lateness_has_waited_for_half_the_time_of_a_request() {
        let attach_data = |handle| Some(Attach::handle(handle).encode());
        let asks = |handle| {
            let asked = ImUnreadMsgCntReq { user_id: 1, attach_data: attach_data(handle) };
            Pdu::new(id::MSG_UNREAD_CNT_REQUEST, 5, &asked)
        };
        let found = |seconds: u64| {
            let mut tape = Tape::new(Bounded::default()).under(Protocol::hardened());
            tape.known.answer_within_us = 2_400_000;
            // Another device's of the same number comes later.
            tape.db_reads(asks(8)).later(seconds - 1).db_reads(asks(9)).later(1);
            let told =
                ImUnreadMsgCntRsp { user_id: 1, attach_data: attach_data(9), ..Default::default() };
            tape.db_writes(Pdu::new(id::MSG_UNREAD_CNT_RESPONSE, 5, &told));
            let command_id = id::MSG_UNREAD_CNT_REQUEST.into();
            let reason = Some(super::LATE.into());
            let attach_data = attach_data(8);
            let refused =
                Refused { user_id: 1, command_id, reason, attach_data, ..Default::default() };
            tape.db_writes(Pdu::new(id::OTHER_REFUSED, 5, &refused));
            tape.found
        };
        assert_eq!(found(2), [""; 0]);
        assert_eq!(found(1), ["bounded/hasty/db"]);
    }

    #[test]
    fn a_line_of_all_workers_has_room_for_each_of_them() {
        let full = |read: u16| {
            let limits = BTreeMap::from([("worker.queue".to_string(), 3)]);
            let tape = Tape::new(Bounded::default()).under(Protocol::hardened());
            let mut tape = tape.limited(&limits);
            tape.known.db_workers = 2;
            for seq in 0..read {
                tape.db_reads(count(seq).0);
            }
            let (conn, command) = (7, id::MSG_UNREAD_CNT_REQUEST);
            let reason = super::WORKER.to_string();
            tape.fact("db1", Fact::Refused { conn, command, reason });
            tape.found
        };
        assert_eq!(full(6), [""; 0]);
        assert_eq!(full(5), ["bounded/has-room/db"]);
    }
}
