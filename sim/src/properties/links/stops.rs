//! A db_proxy that is told to stop (SIGTERM), and what msg_servers make of it.
//!
//! It says so on every link (0702), goes on for its grace, and is asked for nothing more by who has read
//! that. Where another fault is under way meanwhile nothing is judged: that may end it, or keep from a link
//! what was written to it.

use super::{AT_ONCE_US, about, us};
use crate::{
    plan::{Host, Role, Trouble},
    properties::{Seen, Subject, Tally, Violation},
    record::{End, Frame, Kind},
};
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{catalogue::id, env::ConnId, fact::Fact, timing::Timing};

/// A process that was told to stop, and is there.
#[derive(Debug)]
struct Stop {
    host: Host,
    fault: u32,
    since_us: u64,
    /// The links that were there then and were not told.
    untold: BTreeSet<ConnId>,
    /// When it was gone before its grace was over: too soon, if its fault is not over by then.
    gone_us: Option<u64>,
}

/// What is no question of its own: heartbeats, and what goes on the link that an answer came on
/// (docs/SYSTEM.md section 4, "Group fan-out").
const GOES_ON: [u16; 2] = [id::OTHER_HEARTBEAT, id::OTHER_GET_DEVICE_TOKEN_REQ];

/// See the module.
#[derive(Debug, Default)]
pub struct Stops {
    under_way: BTreeSet<u32>,
    stop: Option<Stop>,
    /// The links on which a msg_server has read that its db_proxy stops, with when.
    stopped: BTreeMap<ConnId, u64>,
    /// Hosts whose process is not there, or does not serve as the database lacks what it needs: that one ends of
    /// itself, and is told nothing.
    absent: BTreeSet<Host>,
}

fn broken(
    kind: &'static str,
    role: Role,
    what: String,
    conn: Option<ConnId>,
    host: &Host,
) -> Violation {
    let about = match conn {
        Some(conn) => about(conn, host),
        None => [Subject::Host(host.clone())].into(),
    };
    Violation { role, ..super::broken(kind, what, about) }
}

impl Stops {
    /// Takes a line that is no PDU.
    pub fn event(
        &mut self,
        seen: &Seen<'_>,
        timing: &Timing,
        tally: &mut Tally,
    ) -> Option<Violation> {
        let (line, now_us) = (seen.line, seen.line.sim_us);
        match &line.kind {
            Kind::FaultStart { fault, what } => self.begins(seen, *fault, what, tally),
            Kind::FaultEnd { fault, .. } => {
                self.under_way.remove(fault);
                let is_over = |stop: &mut Stop| stop.gone_us.is_none_or(|us| us == now_us);
                self.stop.take_if(|stop| stop.fault == *fault && is_over(stop));
            }
            Kind::Disconnected { conn, .. } => {
                self.stopped.remove(conn);
                // Its msg_server lost its power or was killed before, and what it left is reset by now: nobody
                // listens there.
                if let Some(stop) = self.stop.as_mut().filter(|stop| stop.host == line.host) {
                    stop.untold.remove(conn);
                }
            }
            Kind::HostUp => drop(self.absent.remove(&line.host)),
            Kind::Fact(Fact::NotServing { .. }) => {
                self.absent.insert(line.host.clone());
                self.stop.take_if(|stop| stop.host == line.host);
            }
            Kind::HostDown => {
                self.absent.insert(line.host.clone());
                let stop = self.stop.as_mut().filter(|stop| stop.host == line.host)?;
                let late = untold(stop, now_us);
                let grace_us = us(timing.stop_grace());
                if now_us + AT_ONCE_US < stop.since_us + grace_us {
                    stop.gone_us = Some(now_us);
                } else {
                    self.stop = None;
                }
                return late;
            }
            _ => {}
        }
        None
    }

    /// Only one that nothing else goes wrong beside is judged.
    fn begins(&mut self, seen: &Seen<'_>, fault: u32, what: &str, tally: &mut Tally) {
        let told = Trouble::told_to_stop(what).and_then(|name| Host::parse(name).ok());
        let is_there = |host: &Host| host.role() == Role::Db && !self.absent.contains(host);
        let told = told.filter(is_there);
        if self.stop.take().is_some() || told.is_some() && !self.under_way.is_empty() {
            tally.excuse("another fault beside a stop");
        } else if let Some(host) = told {
            let untold = seen.known.links.of(&host, Role::Msg).map(|(conn, _)| conn).collect();
            let since_us = seen.line.sim_us;
            self.stop = Some(Stop { host, fault, since_us, untold, gone_us: None });
            tally.judge();
        }
        self.under_way.insert(fault);
    }

    /// Takes a PDU between a msg_server and a db_proxy, at either end.
    pub fn pdu(&mut self, seen: &Seen<'_>, pdu: &Frame, is_sent: bool) -> Option<Violation> {
        let (host, now_us) = (&seen.line.host, seen.line.sim_us);
        if let Some(stop) = self.stop.as_mut().filter(|stop| stop.host == *host) {
            if is_sent && pdu.command() == id::OTHER_STOP_RECV_PACKET {
                stop.untold.remove(&pdu.conn);
            }
            return untold(stop, now_us);
        }
        if host.role() != Role::Msg || pdu.end != End::Dialler {
            return None;
        }
        if !is_sent {
            if pdu.command() == id::OTHER_STOP_RECV_PACKET && self.stop.is_some() {
                self.stopped.entry(pdu.conn).or_insert(now_us);
            }
            return None;
        }
        let since_us = *self.stopped.get(&pdu.conn)?;
        let is_alone = self.stop.is_some();
        if !is_alone || GOES_ON.contains(&pdu.command()) || now_us <= since_us + AT_ONCE_US {
            return None;
        }
        let (ms, command) = (since_us / 1_000, pdu.command());
        let what = format!(
            "{host} writes {command:#06x} on link {}, on which it read at {ms} ms that its db_proxy stops",
            pdu.conn
        );
        Some(broken("stop-ignored", Role::Msg, what, Some(pdu.conn), host))
    }

    /// A process that was told to stop, and is there again, was gone too soon, and not because its fault was
    /// over.
    pub fn gone_too_soon(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        let is_gone = |stop: &mut Stop| stop.gone_us.is_some_and(|us| us < seen.line.sim_us);
        let stop = self.stop.take_if(|stop| stop.host == seen.line.host && is_gone(stop))?;
        let ms = (stop.gone_us? - stop.since_us) / 1_000;
        let what = format!("{} was told to stop and is gone after {ms} ms", stop.host);
        Some(broken("stop-at-once", Role::Db, what, None, &stop.host))
    }
}

/// A link that is not told in time.
fn untold(stop: &mut Stop, now_us: u64) -> Option<Violation> {
    if now_us <= stop.since_us + AT_ONCE_US {
        return None;
    }
    let conn = stop.untold.pop_first()?;
    let what = format!("{} was told to stop and does not say so on link {conn}", stop.host);
    Some(broken("stop-untold", Role::Db, what, Some(conn), &stop.host))
}

#[cfg(test)]
mod tests {
    use crate::{
        plan::Host,
        properties::{
            links::Links,
            tape::{Tape, message},
        },
        record::{End, Kind},
    };
    use bytes::Bytes;
    use teamtalk::{
        catalogue::id, env::ConnId, fact::Fact, protocol::Protocol, timing::Timing, wire::Pdu,
    };

    const LINK: ConnId = 90;

    /// msg1 has a link to db1, which is told to stop.
    fn tape() -> Tape<Links> {
        let mut tape = Tape::new(Links::default()).under(Protocol::hardened());
        tape.known.timing = Some(Timing::original());
        for (host, end, peer) in [("msg1", End::Dialler, "db1"), ("db1", End::Acceptor, "msg1")] {
            let peer = Host::of(peer);
            tape.line(host, Kind::Connected { conn: LINK, end, peer, port: 1, device: None });
        }
        begins(&mut tape, 1, "tell db1 to stop, back after 9000 ms");
        tape
    }

    fn begins(tape: &mut Tape<Links>, fault: u32, what: &str) {
        tape.line("world", Kind::FaultStart { fault, what: what.into() });
    }

    fn bare(command: u16) -> Pdu {
        Pdu::raw(command, 0, Bytes::new())
    }

    fn told(tape: &mut Tape<Links>) {
        let stop = || bare(id::OTHER_STOP_RECV_PACKET);
        tape.frame("db1", End::Acceptor, true, LINK, stop());
        tape.frame("msg1", End::Dialler, false, LINK, stop());
    }

    #[test]
    fn it_says_so_and_goes_on_for_its_grace() {
        let mut tape = tape();
        told(&mut tape);
        tape.later(4).line("db1", Kind::HostDown).later(1).line("world", Kind::HostUp);
        assert_eq!(tape.found, [""; 0]);
        let mut tape = self::tape();
        tape.later(1).frame("db1", End::Acceptor, true, LINK, bare(id::OTHER_HEARTBEAT));
        assert_eq!(tape.found, ["links/stop-untold/db"]);
        let mut tape = self::tape();
        begins(&mut tape, 2, "db1 stands still for 900 ms");
        tape.later(1).frame("db1", End::Acceptor, true, LINK, bare(id::OTHER_HEARTBEAT));
        assert_eq!(tape.found, [""; 0], "another fault");
    }

    #[test]
    fn it_is_not_gone_at_once_unless_its_fault_is_over() {
        for (is_over, found) in [(false, 1), (true, 0)] {
            let mut tape = tape();
            told(&mut tape);
            tape.at(1_000_000).line("db1", Kind::HostDown);
            if is_over {
                tape.at(1_000_000).line("world", Kind::FaultEnd { fault: 1, hit: 1 });
            }
            tape.at(2_000_000).line("db1", Kind::HostUp);
            assert_eq!(tape.found, ["links/stop-at-once/db"][..found]);
        }
    }

    /// Seed 26 of the profile `rolling`: a link was left by a msg_server without power, and the reset came in the
    /// moment of the stop.
    #[test]
    fn on_a_link_that_is_reset_there_is_nobody_to_tell() {
        let mut tape = tape();
        tape.line("db1", Kind::Disconnected { conn: LINK, end: End::Acceptor });
        tape.later(4).line("db1", Kind::HostDown);
        assert_eq!(tape.found, [""; 0]);
    }

    /// Seed 1 of `teamtalk` to `hardened`: a db_proxy waited for the schema that it needs, and is started again
    /// and again; who tells it to stop in between tells nobody.
    #[test]
    fn one_that_does_not_serve_is_gone_at_once() {
        let lacks = || Kind::Fact(Fact::NotServing { reason: "the schema".into() });
        let mut tape = tape();
        tape.line("db1", lacks()).at(1_000_000).line("db1", Kind::HostDown);
        tape.at(2_000_000).line("db1", Kind::HostUp);
        assert_eq!(tape.found, [""; 0], "after it was told");
        let mut tape = Tape::new(Links::default()).under(Protocol::hardened());
        tape.known.timing = Some(Timing::original());
        tape.line("db1", lacks()).line("db1", Kind::HostDown);
        begins(&mut tape, 1, "tell db1 to stop, back after 9000 ms");
        tape.at(1_000_000).line("db1", Kind::HostDown).at(2_000_000).line("db1", Kind::HostUp);
        assert_eq!(tape.found, [""; 0], "before it was told");
    }

    #[test]
    fn it_is_asked_for_nothing_more() {
        let mut tape = tape();
        told(&mut tape);
        let writes = |tape: &mut Tape<Links>, pdu: Pdu| {
            tape.frame("msg1", End::Dialler, true, LINK, pdu);
            tape.found.len()
        };
        assert_eq!(writes(&mut tape, message(1, 0, 1, 2, "under way")), 0);
        tape.later(1);
        assert_eq!(writes(&mut tape, bare(id::OTHER_HEARTBEAT)), 0);
        assert_eq!(writes(&mut tape, bare(id::OTHER_GET_DEVICE_TOKEN_REQ)), 0);
        assert_eq!(writes(&mut tape, message(2, 0, 1, 2, "late")), 1);
        assert_eq!(tape.found, ["links/stop-ignored/msg"]);
    }
}
