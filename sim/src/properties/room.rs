//! Refusals for want of room: a part of `bounded`.
//!
//! A server whose bound is reached refuses what comes (a worker's queue of a db_proxy, a link of a msg_server,
//! the requests of one device that wait). It may say so only if as much waits as the bound allows. From outside
//! the most that can wait is known: what was read and is not answered. Who refuses with room to spare is found
//! by that.

use super::{Seen, Subject, Violation, answered::reply_of, wire::At};
use crate::{
    lookup::Lookup,
    plan::{Host, Role},
    record::{Frame, Kind},
};
use std::collections::VecDeque;
use teamtalk::{
    catalogue::id,
    env::ConnId,
    fact::Fact,
    wire::{pdu::HEADER_LEN, tt::extension::Refused},
};

/// How long what has no answer may wait for a worker, in simulated microseconds, and how long ago what waits
/// for a link was read.
const KEPT_US: u64 = 5_000_000;
/// What a db_proxy says whose worker has no room.
const WORKER: &str = "worker queue full";
/// How what a msg_server says begins whose link has no room.
const LINK: &str = "overloaded";
/// How what a msg_server says ends when too much of one device waits.
const DEVICE: &str = "requests without an answer";

/// Whether a refusal says that its server was full: another time it would have been served.
pub fn is_full(reason: &[u8]) -> bool {
    reason == WORKER.as_bytes() || reason.starts_with(LINK.as_bytes())
}

/// Whether a refusal says that too much of its device waits.
pub fn is_waiting(reason: &[u8]) -> bool {
    reason.ends_with(DEVICE.as_bytes())
}

/// One that was read, and not answered so far.
#[derive(Debug)]
struct Read {
    conn: ConnId,
    seq: u16,
    command: u16,
    at_us: u64,
    bytes: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Room {
    /// What db_proxies have read, and msg_servers of devices.
    read: Lookup<Host, VecDeque<Read>>,
    /// How many refusals were judged.
    pub judged: u64,
}

impl Room {
    /// Takes the next line.
    pub fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        let line = seen.line;
        match (&line.kind, seen.client, seen.db) {
            (_, Some((At::ServerReads, conn, pdu)), _) | (_, _, Some((conn, pdu, false))) => {
                self.reads(&line.host, conn, pdu, line.sim_us);
            }
            (_, Some((At::ServerWrites, conn, pdu)), _) | (_, _, Some((conn, pdu, true))) => {
                self.answers(&line.host, conn, pdu);
            }
            (Kind::Fact(Fact::Refused { conn, command, reason }), ..) => {
                return self.refuses(seen, *conn, *command, reason);
            }
            _ => {}
        }
        None
    }

    fn reads(&mut self, host: &Host, conn: ConnId, pdu: &Frame, at_us: u64) {
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
        while read.front().is_some_and(|old| old.at_us + KEPT_US < at_us) {
            read.pop_front();
        }
        read.push_back(Read { conn, seq, command, at_us, bytes });
    }

    fn answers(&mut self, host: &Host, conn: ConnId, pdu: &Frame) {
        let Some(read) = self.read.get_mut(host) else { return };
        let (seq, told) = (pdu.header.seq_num, pdu.command());
        let refused = (told == id::OTHER_REFUSED).then(|| pdu.view::<Refused>().ok()).flatten();
        let is_it = |of: &Read| {
            (of.conn, of.seq) == (conn, seq)
                && match &refused {
                    Some(refused) => refused.command_id as u16 == of.command,
                    None => reply_of(of.command) == Some(told),
                }
        };
        // One that is refused for its lateness may wait on.
        if refused.is_none()
            && let Some(at) = read.iter().position(is_it)
        {
            read.remove(at);
        }
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
            Role::Db if reason == WORKER => {
                (waits().count() as u64, limits.worker_queue as u64, "requests wait for a worker")
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
    use crate::properties::tape::Tape;
    use std::collections::BTreeMap;
    use teamtalk::{
        catalogue::id,
        fact::Fact,
        wire::{Pdu, im::message::ImUnreadMsgCntReq},
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
}
