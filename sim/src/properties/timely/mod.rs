//! timely: what goes by a timer happens in its time, and not before.
//!
//! Devices that run our program and both ends of a link between servers send heartbeats; a msg_server
//! closes a connection that is silent, or does not log in, for as long as docs/SYSTEM.md section 2 says,
//! and not sooner; an entry of a send list lives, or is written again, as section 3 says; a 0306, a 0104 and
//! a message on its way to db_proxy say what time it is. That something is late is judged only where nothing was out of order meanwhile
//! (`trouble.rs`); that something is too early always is.

mod entries;
mod silence;
#[cfg(test)]
mod tests;

use super::{About, Class, Known, Property, Seen, Sort, Subject, Tally, Violation, us, wire::At};
use crate::{
    plan::{Host, Role},
    record::{End, Frame, Kind},
};
use entries::Entries;
use silence::Silence;
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{
    catalogue::id as command,
    env::ConnId,
    fact::Fact,
    timing::Timing,
    wire::{
        fields,
        im::{login::ImLoginRes, message::ImClientTimeRsp},
    },
};

/// Simulated microseconds from one look for what is late to the next.
const LOOK_US: u64 = 100_000;
/// What is done by a tick may be so much later: a tick and some, and the way to a socket.
const TICKS: u32 = 2;
/// Simulated microseconds that something may be off for other reasons than a tick.
const GRAIN_US: u64 = 50_000;

/// A PDU of more bytes than this takes a good part of what a connection carries at once (64 KiB): what is written
/// after it waits until some of it has arrived.
const LONG: usize = 32 << 10;
/// Simulated microseconds for which a heartbeat may wait behind it: some ways there and back.
const BEHIND_US: u64 = 500_000;

/// A device that sends heartbeats, and when they last wrote something that puts the next one off.
#[derive(Debug)]
struct Beats {
    host: Host,
    last_us: u64,
    /// When they last wrote a long PDU, if they have.
    long_us: Option<u64>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Timely {
    /// Links of which an end said that it stops (0702).
    stopped: BTreeSet<ConnId>,
    /// Connections of devices that run our program, which are logged in.
    devices: BTreeMap<ConnId, Beats>,
    silence: Silence,
    entries: Entries,
    next_look_us: u64,
    /// Counts what may be too early, or wrong.
    tally: Tally,
}

/// When something that a tick does is late: so many simulated microseconds after it was due.
fn late_us(timing: &Timing) -> u64 {
    us(timing.tick() * TICKS) + GRAIN_US
}

#[cold]
fn untimely(kind: &'static str, role: Role, sentence: String, about: About) -> Violation {
    Violation { property: "timely", kind, role, sentence, about }
}

/// An instant for people, in milliseconds.
fn ms(sim_us: u64) -> u64 {
    sim_us / 1_000
}

impl Timely {
    fn event(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        let line = seen.line;
        let last_us = line.sim_us;
        match &line.kind {
            Kind::Connected { conn, peer, .. }
                if (line.host.role(), peer.role()) == (Role::Msg, Role::Client) =>
            {
                self.silence.opened(*conn, line.host.clone(), last_us);
            }
            Kind::Disconnected { conn, end: End::Dialler } => drop(self.devices.remove(conn)),
            Kind::Disconnected { conn, end: End::Acceptor } => {
                self.silence.closed(*conn);
                self.entries.closed(*conn);
            }
            Kind::HostDown => {
                self.devices.retain(|_, beats| beats.host != line.host);
                for conn in self.silence.host_down(&line.host) {
                    self.entries.closed(conn);
                }
            }
            Kind::Fact(Fact::DeviceOnline { device, conn, .. })
                if seen.known.orderly.contains(device) =>
            {
                let beats = Beats { host: line.host.clone(), last_us, long_us: None };
                self.devices.insert(*conn, beats);
            }
            Kind::Fact(Fact::DeviceOffline { conn, .. }) => drop(self.devices.remove(conn)),
            Kind::Fact(fact) => {
                let timing = seen.known.timing.as_ref()?;
                let (tally, entries) = (&mut self.tally, &mut self.entries);
                let early = self.silence.fact(fact, seen, timing, tally);
                return early.or_else(|| entries.fact(fact, seen, timing, tally));
            }
            Kind::PduSent(_) => return self.sent(seen),
            Kind::PduReceived(frame) => {
                if frame.command() == command::OTHER_STOP_RECV_PACKET {
                    self.stopped.insert(frame.conn);
                }
                if let Some((At::ServerReads, conn, _)) = seen.client {
                    self.silence.heard(conn, last_us);
                }
            }
            _ => {}
        }
        None
    }

    fn sent(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        let sim_us = seen.line.sim_us;
        let Some((at, conn, pdu)) = seen.client else { return self.sent_on(seen) };
        if at == At::DeviceWrites
            && pdu.body.len() > LONG
            && let Some(beats) = self.devices.get_mut(&conn)
        {
            beats.long_us = Some(sim_us);
        }
        match (at, pdu.command()) {
            (At::DeviceWrites, command::OTHER_HEARTBEAT) => {
                if let Some(beats) = self.devices.get_mut(&conn) {
                    beats.last_us = sim_us;
                }
                None
            }
            (At::DeviceWrites, command::LOGIN_REQ_LOGINOUT) => {
                self.devices.remove(&conn);
                None
            }
            (At::ServerWrites, command::MSG_TIME_RESPONSE) => {
                self.time(seen, pdu, pdu.view::<ImClientTimeRsp>().ok()?.server_time)
            }
            (At::ServerWrites, command::LOGIN_RES_USERLOGIN) => {
                self.time(seen, pdu, pdu.view::<ImLoginRes>().ok()?.server_time)
            }
            _ => None,
        }
    }

    /// A msg_server says to a db_proxy when a message was sent: now.
    fn sent_on(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        let Kind::PduSent(pdu) = &seen.line.kind else { return None };
        if pdu.command() != command::MSG_DATA {
            return None;
        }
        let link = seen.known.links.get(pdu.conn, pdu.end)?;
        if (link.host.role(), link.peer) != (Role::Msg, Role::Db) {
            return None;
        }
        self.time(seen, pdu, fields::uint(&pdu.pdu.body, fields::CREATE_TIME)?)
    }

    /// What a msg_server says is the time, in whole seconds: what its own clock said a moment ago at most, and
    /// never what it is yet to say.
    fn time(&mut self, seen: &Seen<'_>, pdu: &Frame, said: u32) -> Option<Violation> {
        let (now_us, conn) = (seen.line.sim_us, pdu.conn);
        self.tally.judge();
        let of_late = now_us.saturating_sub(GRAIN_US);
        let was = seen.known.clocks.readings(&seen.line.host, of_late, now_us);
        if was.iter().any(|(least, most)| (*least..=*most).contains(&said)) {
            return None;
        }
        let is = was.last().map_or(0, |(_, is)| *is);
        let what =
            format!("a {:04x} on connection {conn} says {said}, and it is {is}", pdu.command());
        let about = [Subject::Connection(conn)].into();
        Some(untimely("wrong-time", Role::Msg, what, about))
    }

    /// Who should have sent a heartbeat by now and has not.
    fn without_heartbeat(&self, known: &Known, timing: &Timing, now_us: u64) -> Option<Violation> {
        let quiet = |wait: u64| known.trouble.is_quiet(now_us, wait);
        let wait = us(timing.client_heartbeat()) + GRAIN_US;
        let is_late = |last_us: u64, wait| last_us + wait < now_us;
        let is_behind =
            |beats: &Beats| beats.long_us.is_some_and(|long_us| !is_late(long_us, BEHIND_US));
        let mut devices = self.devices.iter();
        let device = devices.find(|(_, beats)| is_late(beats.last_us, wait) && !is_behind(beats));
        if let Some((conn, beats)) = device.filter(|_| quiet(2 * wait)) {
            let last = ms(beats.last_us);
            let what = format!("no heartbeat came on connection {conn} since {last} ms");
            let about = [Subject::Ends(*conn)].into();
            return Some(untimely("no-heartbeat", Role::Client, what, about));
        }
        let wait = us(timing.server_heartbeat()) + late_us(timing);
        let silent = known
            .links
            .first(|(conn, _), link| is_late(link.wrote_us, wait) && !self.stopped.contains(conn));
        let ((conn, _), link) = silent.filter(|_| quiet(2 * wait))?;
        let (host, last) = (&link.host, ms(link.wrote_us));
        let what = format!("{host} wrote nothing on its link {conn} since {last} ms");
        let about = [Subject::Ends(*conn)].into();
        Some(untimely("no-heartbeat", host.role(), what, about))
    }
}

impl Property for Timely {
    fn name(&self) -> &'static str {
        "timely"
    }

    fn says(&self) -> &'static str {
        "heartbeats, the end of silent connections and of entries, and what time it is said to be \
         are as the clock has it"
    }

    fn sort(&self) -> Sort {
        Sort::Safety
    }

    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        let now_us = seen.line.sim_us;
        let early = self.event(seen);
        if early.is_some() || now_us < self.next_look_us {
            return early;
        }
        self.next_look_us = now_us + LOOK_US;
        let (known, timing) = (seen.known, seen.known.timing.as_ref()?);
        let late = self.without_heartbeat(known, timing, now_us);
        let late = late.or_else(|| self.silence.late(known, timing, now_us));
        late.or_else(|| self.entries.late(seen, timing))
    }

    fn looks_at(&self) -> &'static [Class] {
        &[
            Class::DeviceWrites,
            Class::ServerReads,
            Class::ServerWrites,
            Class::DeviceReads,
            Class::DbPdu,
            Class::LinkPdu,
            Class::RoutePdu,
            Class::OtherPdu,
            Class::SendList,
            Class::Sending,
            Class::Shown,
            Class::Fact,
            Class::Event,
        ]
    }

    fn tally(&self, _: &Known) -> Option<Tally> {
        Some(self.tally.clone())
    }
}
