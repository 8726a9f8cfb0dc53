//! A run as one page for a browser: lanes of hosts, time downwards, an arrow a PDU.
//!
//! What is known is put into the page as data, by lane and time; how it is laid out is decided in the
//! page (page.js), which does it again whenever a filter is set.

mod inevitable;
mod lanes;
mod marks;

use super::{
    decode::{decode, name_of, shortened},
    messages::Messages,
    scene::{Entry, Flight, Scene},
};
use crate::{
    causality::Explained,
    chain::Chain,
    plan::case::Case,
    properties::{Named, Violation},
    record::{Kind, Line},
    report::{html, mended, without},
    shrink::Part,
    world::{Outcome, describe},
};
use lanes::Lanes;
use serde_json::{Value, json};
use std::{collections::BTreeSet, fmt};

/// A page has no more PDUs than this, heartbeats not counted.
pub const MOST_PDUS: usize = 500;

/// A run has too much in it for one page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge {
    /// How many PDUs were written or read, heartbeats not counted.
    pub pdus: usize,
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pdus } = self;
        write!(
            f,
            "the run has {pdus} PDUs without heartbeats, and a page is readable up to {MOST_PDUS}: make the \
             case small (cargo sim shrink CASE), or write a file for Perfetto (--perfetto FILE)"
        )
    }
}

impl std::error::Error for TooLarge {}

/// Whether a page of a run can be read.
///
/// # Errors
/// If there are more than [`MOST_PDUS`] PDUs.
pub fn fits(outcome: &Outcome) -> Result<(), TooLarge> {
    scene_of(outcome).map(drop)
}

fn scene_of(outcome: &Outcome) -> Result<Scene<'_>, TooLarge> {
    let scene = Scene::of(&outcome.trace);
    let pdus = scene.flights.iter().filter(|flight| !flight.is_heartbeat()).count();
    if pdus > MOST_PDUS { Err(TooLarge { pdus }) } else { Ok(scene) }
}

/// The text of the page, with what is known of why the case fails, if it was explained. `replay` is the
/// command that runs the case again.
///
/// # Errors
/// If there are more than [`MOST_PDUS`] PDUs.
pub fn page(
    case: &Case,
    outcome: &Outcome,
    violation: Option<&Violation>,
    explained: Option<&Explained>,
    replay: &str,
) -> Result<String, TooLarge> {
    let scene = scene_of(outcome)?;
    let drawer = Drawer::of(case, outcome, violation, explained, scene);
    // No text of a run ends the element that it is in.
    let data = drawer.data(replay).to_string().replace('<', "\\u003c");
    let title = violation.map_or_else(|| "a run that holds".into(), Violation::signature);
    // One scope of their own.
    let (layout, page) = (include_str!("page/layout.js"), include_str!("page/page.js"));
    let script = format!("'use strict';\n(() => {{\n{layout}\n{page}}})();");
    let body = format!(
        "<noscript>This page draws itself with JavaScript, which is turned off here.</noscript>\n\
         <script type=\"application/json\" id=\"data\">{data}</script>\n<script>\n{script}\n</script>"
    );
    Ok(html::document(&title, include_str!("page/page.css"), &body))
}

/// What is drawn, and what it needs to know.
struct Drawer<'a> {
    case: &'a Case,
    outcome: &'a Outcome,
    violation: Option<&'a Violation>,
    explained: Option<&'a Explained>,
    /// The line that broke it.
    broken_by: Option<u64>,
    /// What led to it.
    chain: Chain,
    scene: Scene<'a>,
    lanes: Lanes<'a>,
    messages: Messages,
}

impl<'a> Drawer<'a> {
    fn of(
        case: &'a Case,
        outcome: &'a Outcome,
        violation: Option<&'a Violation>,
        explained: Option<&'a Explained>,
        scene: Scene<'a>,
    ) -> Self {
        let broken_by = violation.and_then(|v| outcome.line_of(v));
        let chain = violation.map(|v| Chain::of(outcome, v)).unwrap_or_default();
        let lanes = Lanes::of(case, &outcome.trace, &scene);
        let messages = Messages::read(&outcome.trace);
        Self { case, outcome, violation, explained, broken_by, chain, scene, lanes, messages }
    }

    fn data(&self, replay: &str) -> Value {
        let lines = &self.outcome.trace.lines;
        let flights = self.scene.flights.iter().filter(|flight| !flight.is_heartbeat());
        json!({
            "case": self.about(replay),
            "plan": self.plan(),
            "lanes": self.lanes.to_json(),
            "violation": self.broken(),
            "inevitable": self.explained.map(|known| inevitable::of(known, &self.outcome.trace)),
            "pdus": flights.map(|flight| self.pdu(flight)).collect::<Vec<_>>(),
            "marks": marks::of(self),
            "entries": self.scene.entries.iter().map(|entry| self.entry(entry)).collect::<Vec<_>>(),
            "faults": self.faults(),
            "down": self.down(),
            "phases": lines.iter().filter_map(phase).collect::<Vec<_>>(),
            "end": self.scene.end_us,
        })
    }

    fn about(&self, replay: &str) -> Value {
        let plan = &self.case.plan;
        let signature = self.violation.map(Violation::signature);
        let others = self.outcome.violations.iter().map(Violation::signature);
        let others: Vec<_> = others.filter(|other| Some(other) != signature.as_ref()).collect();
        json!({
            "seed": self.case.seed,
            "protocol": self.case.protocols.base.label(),
            "pace": plan.pace,
            "latency": plan.latencies().to_string(),
            "replay": replay,
            "trace": self.outcome.trace.hash(),
            "expect": self.case.expect,
            "others": others,
            "mended": self.explained.map(|known| mended(&known.mended).trim_end().to_string()),
            "heartbeats": self.scene.flights.iter().filter(|flight| flight.is_heartbeat()).count(),
        })
    }

    /// The operations and faults in the order of their times.
    fn plan(&self) -> Vec<Value> {
        let plan = &self.case.plan;
        let known = |part: Part| self.explained.map_or_else(String::new, |of| without(of, &part));
        let mut lines: Vec<(u64, &str, String)> = Vec::new();
        for op in &plan.operations {
            let what = format!("device {} {}", op.device, op.describe());
            lines.push((op.at_ms, "op", shortened(&what) + &known(Part::Operation(op.id))));
        }
        for fault in &plan.faults {
            let hit = self.outcome.hits.get(&fault.id);
            let hit = hit.map_or(String::new(), |n| format!(" [hit {n}]"));
            let what = shortened(&(describe(fault) + &hit));
            lines.push((fault.at_ms, "fault", what + &known(Part::Fault(fault.id))));
        }
        for migration in &plan.migrations {
            lines.push((migration.at_ms, "fault", shortened(&migration.describe())));
        }
        lines.sort_by_key(|line| line.0);
        let shown =
            |(at, kind, what): (u64, &str, String)| json!({"at": at, "kind": kind, "what": what});
        lines.into_iter().map(shown).collect()
    }

    /// What was broken, and where; what is owed at the end has no line.
    fn broken(&self) -> Value {
        let Some(violation) = self.violation else { return Value::Null };
        let n = self.broken_by;
        let line = n.and_then(|n| self.outcome.trace.lines.iter().find(|line| line.n == n));
        json!({
            "signature": violation.signature(),
            "sentence": shortened_sentence(&violation.sentence),
            "n": n,
            "us": line.map_or(self.scene.end_us, |line| line.sim_us),
            "host": line.map(|line| &*line.host),
        })
    }

    /// Whether a line is of what led to the violation, or of the same after it.
    fn touches(&self, line: &Line) -> bool {
        self.chain.has(line)
    }

    fn pdu(&self, flight: &Flight<'_>) -> Value {
        let (frame, first) = (flight.frame, flight.first());
        let (named, read) = (Named::by(first), decode(frame));
        let mut users = read.users();
        users.extend(self.users_of(&named));
        users.extend(self.scene.device(frame.conn).and_then(|d| self.lanes.user(d)));
        let place = |line: Option<&Line>| {
            let line = line?;
            Some(json!({"us": line.sim_us, "n": line.n,
                "lane": self.lanes.at(line, self.scene.device(frame.conn))}))
        };
        let other = self.lanes.other_end(flight, &self.scene);
        let seen = [flight.sent, flight.received];
        let mut lines = vec![
            ("connection".to_string(), format!("{}, frame {}", frame.conn, frame.k)),
            ("seq".into(), frame.header.seq_num.to_string()),
        ];
        lines.extend(read.lines());
        json!({
            "name": name_of(frame),
            "id": format!("{:#06x}", frame.command()),
            "ids": self.messages.ids(&named, &read),
            "sent": place(flight.sent),
            "received": place(flight.received),
            "other": other,
            "users": users,
            "messages": self.messages.of_pdu(&named, &read),
            "touches": seen.into_iter().flatten().any(|line| self.touches(line)),
            "background": self.scene.is_audit(frame.conn),
            "broke": seen.into_iter().flatten().any(|line| Some(line.n) == self.broken_by),
            "says": lines,
        })
    }

    fn users_of(&self, named: &Named<'_>) -> BTreeSet<u32> {
        let mut users: BTreeSet<u32> = named.users.iter().copied().chain(named.reader).collect();
        if let Some(teamtalk::conversation::Conversation::Single { low, high }) = named.conversation
        {
            users.extend([low, high]);
        }
        users.extend(named.device.and_then(|device| self.lanes.user(device)));
        users
    }

    fn entry(&self, entry: &Entry<'_>) -> Value {
        let named = Named::by(entry.added);
        let mut users = self.users_of(&named);
        users.extend([entry.user, entry.sender]);
        let touches = [Some(entry.added), entry.ended.map(|(line, _)| line)];
        json!({
            "lane": self.lanes.at(entry.added, None),
            "from": entry.added.sim_us,
            "to": entry.ended.map(|(line, _)| line.sim_us),
            "ended": entry.ended.map_or("still there at the end", |(_, how)| how),
            "resent": entry.resent,
            "what": format!("{} #{} for user {} on connection {}", entry.conversation, entry.msg_id,
                entry.user, entry.conn),
            "users": users,
            "messages": self.messages.of(&named),
            "touches": touches.into_iter().flatten().any(|line| self.touches(line)),
        })
    }

    fn faults(&self) -> Vec<Value> {
        let drawn = self.scene.faults.iter().map(|span| {
            let planned = self.case.plan.fault(span.fault);
            let hosts = planned.as_ref().map(|fault| fault.trouble.hosts()).unwrap_or_default();
            json!({
                "what": span.what,
                "from": span.from.sim_us,
                "to": span.ended.map(|(line, _)| line.sim_us),
                "hit": span.ended.map(|(_, hit)| hit),
                "lanes": self.lanes.of_hosts(&hosts),
            })
        });
        drawn.collect()
    }

    /// When no process ran on a host.
    fn down(&self) -> Vec<Value> {
        let lines = &self.outcome.trace.lines;
        let falls = lines.iter().enumerate().filter(|(_, line)| line.kind == Kind::HostDown);
        let drawn = falls.flat_map(|(at, fall)| {
            let back = |line: &&Line| line.host == fall.host && line.kind == Kind::HostUp;
            let back = lines[at..].iter().find(back).map(|line| line.sim_us);
            let lanes = self.lanes.of_hosts(&[&fall.host]);
            lanes
                .into_iter()
                .map(move |lane| json!({"lane": lane, "from": fall.sim_us, "to": back}))
        });
        drawn.collect()
    }
}

fn phase(line: &Line) -> Option<Value> {
    match line.kind {
        Kind::Phase { phase } => Some(json!({"us": line.sim_us, "phase": phase})),
        _ => None,
    }
}

/// A sentence is shown whole, but for what no page can show.
fn shortened_sentence(sentence: &str) -> String {
    crate::report::printable(sentence)
}
