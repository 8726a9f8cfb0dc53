//! The events of a chain, a line of text each: a card has them.

use super::{
    decode::{decode, name_of, shortened},
    messages::Messages,
    scene::{Flight, Scene},
    words,
};
use crate::{
    chain::Chain,
    plan::{Host, rollout},
    properties::Named,
    record::{End, Kind, Line, Trace},
    report::printable,
};
use std::{collections::BTreeMap, fmt::Write};
use teamtalk::env::ConnId;

/// Tells the events of a trace.
pub struct Teller<'a> {
    trace: &'a Trace,
    scene: Scene<'a>,
    messages: Messages,
}

impl<'a> Teller<'a> {
    /// Reads a trace.
    pub fn of(trace: &'a Trace) -> Self {
        Self { trace, scene: Scene::of(trace), messages: Messages::read(trace) }
    }

    /// The events of a chain, and faults, up to the line that broke it: a PDU is one event, at the time at which
    /// it was sent, unless the line that broke it is the one at which it was read.
    pub fn events(&self, chain: &Chain, broken_by: Option<u64>) -> Vec<&'a Line> {
        let is_before = |line: &&Line| broken_by.is_none_or(|n| line.n <= n);
        let until = self.trace.lines.iter().take_while(is_before);
        let is_event = |line: &&Line| {
            let is_fault = matches!(line.kind, Kind::FaultStart { .. } | Kind::FaultEnd { .. });
            let is_told = || self.sent(line).is_some_and(|sent| chain.has(sent));
            is_fault || Some(line.n) == broken_by || (chain.has(line) && !is_told())
        };
        until.filter(is_event).collect()
    }

    /// A line of text: when, where and what.
    pub fn event(&self, line: &Line) -> String {
        let text = printable(&self.words(line));
        format!("{:>10.3} ms {:<8} {text}", ms(line), line.host)
    }

    /// From whom to whom the connections go that some lines name and do not say this of.
    pub fn connections(&self, lines: &[&Line]) -> String {
        let mut ways: BTreeMap<ConnId, [&Host; 2]> = BTreeMap::new();
        for line in lines.iter().filter(|line| self.flight(line).is_none()) {
            let conn = Named::by(line).conn;
            let way = conn.and_then(|conn| Some((conn, self.way(conn)?)));
            ways.extend(way.filter(|_| !matches!(line.kind, Kind::Connected { .. })));
        }
        let each = ways.iter().map(|(conn, [from, to])| format!("{conn} {from} to {to}"));
        let each = each.collect::<Vec<_>>().join(", ");
        if each.is_empty() { each } else { format!("connections: {each}\n") }
    }

    /// From which host to which a connection was dialled.
    fn way(&self, conn: ConnId) -> Option<[&'a Host; 2]> {
        let ends = &self.scene.ends;
        let dialler = ends.get(&(conn, End::Dialler)).map(|end| [end.host, end.peer]);
        dialler.or_else(|| ends.get(&(conn, End::Acceptor)).map(|end| [end.peer, end.host]))
    }

    /// The line at which the PDU was sent that was read at a line.
    fn sent(&self, line: &Line) -> Option<&'a Line> {
        let flight = self.flight(line).filter(|_| matches!(line.kind, Kind::PduReceived(_)));
        flight.and_then(|flight| flight.sent)
    }

    fn flight(&self, line: &Line) -> Option<&Flight<'a>> {
        self.scene.flight_at.get(&line.n).map(|at| &self.scene.flights[*at])
    }

    fn words(&self, line: &Line) -> String {
        match &line.kind {
            Kind::PduSent(_) | Kind::PduReceived(_) => self.pdu(line),
            Kind::Fact(fact) => words::said(fact).1,
            Kind::Row { from, .. } => {
                format!("commits {} from user {from}", words::row(line).unwrap_or_default())
            }
            Kind::SessionRow { .. } | Kind::RelationRow { .. } => {
                format!("commits {}", words::row(line).unwrap_or_default())
            }
            Kind::MemberRow { group, user, live } => {
                format!("user {user} {} g{group}", if *live { "joins" } else { "leaves" })
            }
            Kind::Store(applied) => words::command(applied),
            Kind::FaultStart { fault, what } => rollout::begins(*fault, what),
            Kind::FaultEnd { fault, hit } => rollout::ends(*fault, *hit),
            Kind::OnSide { side } => format!("is on the side of {} from here on", side.name()),
            Kind::Panic { message, at } => format!("PANICS at {at}: {message}"),
            Kind::Endless { message } => format!("RUNS WITHOUT END: {message}"),
            Kind::Connected { conn, end: End::Dialler, peer, device, .. } => {
                let device = device.map_or(String::new(), |device| format!("device {device} "));
                format!("{device}connects to {peer}: connection {conn}")
            }
            Kind::Connected { conn, end: End::Acceptor, peer, .. } => {
                format!("accepts {peer}: connection {conn}")
            }
            Kind::Disconnected { conn, .. } => format!("connection {conn} is closed here"),
            Kind::ConnectFailed { peer, device, why, .. } => {
                let device = device.map_or(String::new(), |device| format!("device {device}: "));
                format!("{device}no connection to {peer}: {why}")
            }
            Kind::StreamReset { conn } => format!("connection {conn} is reset"),
            Kind::StoreLost { store, commands, .. } => {
                format!("{store} lost what {commands} commands had changed")
            }
            Kind::Migrated { version, .. } => format!("its schema has version {version} now"),
            Kind::HostUp => "its process starts".into(),
            Kind::HostDown => "its process is gone".into(),
            Kind::Op { device, what, delivered, .. } => {
                let down = if *delivered { "" } else { " (its host is down)" };
                format!("device {device} {what}{down}")
            }
            Kind::Holds { store, changed } => {
                format!("{store} holds {} rows or keys at first", changed.len())
            }
            Kind::Phase { phase } => format!("phase: {phase:?}"),
        }
    }

    /// A PDU at one of its ends, with what it is about and where it comes from or goes to.
    fn pdu(&self, line: &Line) -> String {
        let Some(flight) = self.flight(line) else { return String::new() };
        let (frame, is_sent) = (flight.frame, matches!(line.kind, Kind::PduSent(_)));
        let mut text = format!("{} {}", if is_sent { "sends" } else { "reads" }, name_of(frame));
        let ids = self.messages.ids(&Named::by(line), &decode(frame));
        if !ids.is_empty() {
            let _ = write!(text, " {}", shortened(&ids));
        }
        let other = self.way(frame.conn).and_then(|way| {
            let other = way.into_iter().find(|host| **host != line.host);
            other.or(Some(way[0]))
        });
        if let Some(host) = other {
            let _ = write!(text, " {} {host}", if is_sent { "to" } else { "from" });
        }
        let _ = write!(text, ": connection {}, seq {}", frame.conn, frame.header.seq_num);
        let other = if is_sent { flight.received } else { flight.sent };
        let _ = match (is_sent, other) {
            (true, Some(read)) => write!(text, ", read at {:.3} ms", ms(read)),
            (true, None) => write!(text, ", never read"),
            (false, Some(sent)) => write!(text, ", sent at {:.3} ms", ms(sent)),
            (false, None) => Ok(()),
        };
        text
    }
}

fn ms(line: &Line) -> f64 {
    line.sim_us as f64 / 1_000.0
}
