//! A run in the Trace Event Format (Chrome's JSON), which ui.perfetto.dev and `trace_processor` open.
//!
//! A process is a host, a thread an end of a connection; the first thread of each has what the host says
//! and stores. docs/PICTURE.md lists what is in it.

use super::{
    decode::{decode, name_of, shortened},
    scene::{Entry, FaultSpan, Scene, hosts},
    words::stored,
};
use crate::{
    plan::{Host, TICK_MS, case::Case},
    properties::Named,
    record::{Applied, Changed, End, Frame, Kind, Line, shown},
    world::Outcome,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use teamtalk::env::ConnId;

/// How long the slice of a PDU is.
const SLICE_US: u64 = TICK_MS * 1_000;

/// A thread of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Track {
    pid: usize,
    tid: usize,
}

/// The text of the file.
pub fn perfetto(case: &Case, outcome: &Outcome) -> String {
    let writer = Writer::of(case, outcome);
    let about = json!({
        "expect": case.expect,
        "protocol": case.protocols.base.label(),
        "seed": case.seed,
        "tick_us": SLICE_US,
        "trace": outcome.trace.hash(),
    });
    let events: Vec<String> = writer.events().iter().map(Value::to_string).collect();
    let events = events.join(",\n");
    format!("{{\"displayTimeUnit\":\"ms\",\"otherData\":{about},\"traceEvents\":[\n{events}\n]}}\n")
}

struct Writer<'a> {
    case: &'a Case,
    outcome: &'a Outcome,
    scene: Scene<'a>,
    hosts: Vec<&'a Host>,
    /// The thread of each end of a connection.
    ends: BTreeMap<(&'a Host, ConnId, End), Track>,
    /// How long the slices of a thread are that begin at a time.
    lengths: BTreeMap<(Track, u64), u64>,
    /// What was broken by which line.
    broken: BTreeMap<u64, Vec<String>>,
}

impl<'a> Writer<'a> {
    fn of(case: &'a Case, outcome: &'a Outcome) -> Self {
        let scene = Scene::of(&outcome.trace);
        let hosts = hosts(&case.plan, &outcome.trace);
        let mut named: BTreeMap<(&Host, ConnId, End), Track> = BTreeMap::new();
        for line in &outcome.trace.lines {
            if let Some((conn, end)) = end_of(&line.kind) {
                named.insert((&line.host, conn, end), Track { pid: 0, tid: 0 });
            }
        }
        // Numbers of threads are unique, and none is that of a process.
        let first = 2 * hosts.len() + 3;
        for (n, ((host, ..), track)) in named.iter_mut().enumerate() {
            *track = Track { pid: place(&hosts, host), tid: first + n };
        }
        let mut broken: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        for (signature, n) in &outcome.broken_by {
            broken.entry(*n).or_default().push(signature.clone());
        }
        let lengths = BTreeMap::new();
        let mut writer = Self { case, outcome, scene, hosts, ends: named, lengths, broken };
        writer.lengths = writer.lengths_of_slices();
        writer
    }

    /// A tick, or until the next one begins: slices that begin together nest, others follow.
    fn lengths_of_slices(&self) -> BTreeMap<(Track, u64), u64> {
        let mut begins: BTreeMap<(Track, u64), u64> = BTreeMap::new();
        for line in &self.outcome.trace.lines {
            if let Kind::PduSent(frame) | Kind::PduReceived(frame) = &line.kind {
                begins.insert((self.track(line, frame), line.sim_us), SLICE_US);
            }
        }
        let mut next: Option<(Track, u64)> = None;
        for ((track, at), length) in begins.iter_mut().rev() {
            if let Some((_, after)) = next.filter(|(of, _)| of == track) {
                *length = SLICE_US.min(after - at);
            }
            next = Some((*track, *at));
        }
        begins
    }

    fn track(&self, line: &Line, frame: &Frame) -> Track {
        self.ends[&(&line.host, frame.conn, frame.end)]
    }

    /// The thread of what a host says and stores.
    fn own_track(&self, host: &Host) -> Track {
        let pid = place(&self.hosts, host);
        Track { pid, tid: self.hosts.len() + 1 + pid }
    }

    /// The process of what was broken.
    fn violations(&self) -> Track {
        let pid = self.hosts.len() + 1;
        Track { pid, tid: self.hosts.len() + 1 + pid }
    }

    fn events(&self) -> Vec<Value> {
        let mut events = self.names();
        for line in &self.outcome.trace.lines {
            self.line(line, &mut events);
        }
        for fault in &self.scene.faults {
            self.fault(fault, &mut events);
        }
        for (n, entry) in self.scene.entries.iter().enumerate() {
            self.entry(n, entry, &mut events);
        }
        self.broken(&mut events);
        // By time; what is of one time stays in the order of the trace.
        events.sort_by_key(|event| event["ts"].as_u64());
        events
    }

    /// What processes and threads are called, and in which order they are shown.
    fn names(&self) -> Vec<Value> {
        let mut events = Vec::new();
        let mut name = |what: &str, track: Track, args: Value| {
            events.push(json!({"ph": "M", "name": what, "pid": track.pid, "tid": track.tid,
                "args": args}));
        };
        let broken = self.violations();
        name("process_name", broken, json!({"name": "violations"}));
        name("process_sort_index", broken, json!({"sort_index": 0}));
        name("thread_name", broken, json!({"name": "violations"}));
        for host in &self.hosts {
            let own = self.own_track(host);
            name("process_name", own, json!({"name": &***host}));
            name("process_sort_index", own, json!({"sort_index": own.pid}));
            name("thread_name", own, json!({"name": "facts and commits"}));
            name("thread_sort_index", own, json!({"sort_index": 0}));
        }
        for ((_, conn, end), track) in &self.ends {
            name("thread_name", *track, json!({"name": self.end_name(*conn, *end)}));
            name("thread_sort_index", *track, json!({"sort_index": conn}));
        }
        events
    }

    fn end_name(&self, conn: ConnId, end: End) -> String {
        let Some(ended) = self.scene.ends.get(&(conn, end)) else {
            return format!("connection {conn}");
        };
        let device = self.scene.device(conn).map_or(String::new(), |d| format!(", device {d}"));
        match end {
            End::Dialler => format!("connection {conn} to {}:{}{device}", ended.peer, ended.port),
            End::Acceptor => format!("connection {conn} from {}{device}", ended.peer),
        }
    }

    fn line(&self, line: &'a Line, events: &mut Vec<Value>) {
        let own = self.own_track(&line.host);
        let told = |name: &str, cat: &str, track: Track, args: Value| {
            let args = with_line(args, line);
            json!({"ph": "i", "s": "t", "name": name, "cat": cat, "ts": line.sim_us,
                "pid": track.pid, "tid": track.tid, "args": args})
        };
        let on = |conn: ConnId, end: End| self.ends[&(&line.host, conn, end)];
        // What a line says in the trace, without what every line has.
        let said = || {
            let mut value: Value = serde_json::from_str(&line.to_json()).expect("a line is JSON");
            let fields = value.as_object_mut().expect("a line is an object");
            for common in ["n", "sim_us", "host", "incarnation", "kind"] {
                fields.remove(common);
            }
            value
        };
        let event = match &line.kind {
            Kind::PduSent(frame) => return self.slice(line, frame, true, events),
            Kind::PduReceived(frame) => return self.slice(line, frame, false, events),
            Kind::Connected { conn, end, .. } => {
                told("connected", "connection", on(*conn, *end), said())
            }
            Kind::Disconnected { conn, end } => {
                told("disconnected", "connection", on(*conn, *end), said())
            }
            Kind::ConnectFailed { .. } => told("connect_failed", "connection", own, said()),
            Kind::StreamReset { .. } => told("stream_reset", "connection", own, said()),
            Kind::Fact(fact) => {
                let mut fields = serde_json::to_value(fact).expect("facts are plain data");
                let name = fields["fact"].as_str().unwrap_or_default().to_string();
                // Of a voice message what is behind its duration, as in PDUs and rows.
                if let Some(content) = Named::by(line).content {
                    fields["content"] = json!(shortened(&content));
                }
                told(&name, "fact", own, fields)
            }
            Kind::Store(applied) => {
                told(&stored(applied), store_cat(applied), own, store_args(applied))
            }
            Kind::Row { conversation, msg_id, from, content } => {
                let content = shortened(content);
                let args = json!({"conversation": conversation, "msg_id": msg_id, "from": from,
                    "content": content});
                told("row", "row", own, args)
            }
            Kind::SessionRow { .. } => told("session_row", "row", own, said()),
            Kind::RelationRow { .. } => told("relation_row", "row", own, said()),
            Kind::MemberRow { .. } => told("member_row", "row", own, said()),
            Kind::Op { what, .. } => told(what, "op", own, said()),
            Kind::StoreLost { store, commands, .. } => {
                told("store_lost", "host", own, json!({"store": store, "commands": commands}))
            }
            Kind::OnSide { .. } => told("on_side", "host", own, said()),
            Kind::Migrated { version, .. } => {
                told("migrated", "host", own, json!({"version": version}))
            }
            Kind::HostUp => told("host_up", "host", own, json!({})),
            Kind::HostDown => told("host_down", "host", own, json!({})),
            Kind::Panic { .. } => told("panic", "host", own, said()),
            Kind::Endless { .. } => told("endless", "host", own, said()),
            Kind::Phase { phase } => told(phase, "phase", own, json!({})),
            // Faults are spans; what stores hold at first is no event.
            Kind::FaultStart { .. } | Kind::FaultEnd { .. } | Kind::Holds { .. } => return,
        };
        events.push(event);
    }

    /// The slice of a PDU at one of its ends, and its end of the arrow.
    fn slice(&self, line: &'a Line, frame: &'a Frame, sent: bool, events: &mut Vec<Value>) {
        let track = self.track(line, frame);
        let at = self.scene.flight_at[&line.n];
        let flight = &self.scene.flights[at];
        let named = Named::by(line);
        let read = decode(frame);
        let mut args = json!({"command": format!("{:#06x}", frame.command()), "conn": frame.conn,
            "k": frame.k, "seq": frame.header.seq_num, "pdu": read.to_json(),
            "bytes": frame.pdu.body.len()});
        let mut put = |name: &str, value: Value| args[name] = value;
        if let Some(conversation) = named.conversation {
            put("conversation", json!(conversation));
        }
        if let Some(msg_id) = named.msg_id {
            put("msg_id", json!(msg_id));
        }
        if let Some(content) = &named.content {
            put("content", json!(shortened(content)));
        }
        if let Some(ended) = self.scene.ends.get(&(frame.conn, frame.end)) {
            put("peer", json!(&**ended.peer));
        }
        if let Some(device) = self.scene.device(frame.conn) {
            put("device", json!(device));
        }
        if let Some(broke) = self.broken.get(&line.n) {
            put("broke", json!(broke));
        }
        let cat = if sent { "pdu_sent" } else { "pdu_received" };
        let length = self.lengths[&(track, line.sim_us)];
        events.push(json!({"ph": "X", "name": name_of(frame), "cat": cat, "ts": line.sim_us,
            "dur": length, "pid": track.pid, "tid": track.tid, "args": with_line(args, line)}));
        if flight.sent.is_some() && flight.received.is_some() {
            // Both ends have one name, category and id, and follow their slice: that is how they are
            // bound to it, and to each other.
            let mut end = json!({"ph": if sent { "s" } else { "f" }, "name": "pdu", "cat": "pdu",
                "id": at + 1, "ts": line.sim_us, "pid": track.pid, "tid": track.tid});
            if !sent {
                end["bp"] = json!("e");
            }
            events.push(end);
        }
    }

    fn fault(&self, fault: &FaultSpan<'_>, events: &mut Vec<Value>) {
        let track = self.own_track(&fault.from.host);
        let until = fault.ended.map_or(self.scene.end_us, |(line, _)| line.sim_us);
        let id = format!("0xf{:07x}", fault.fault);
        let hit = fault.ended.map(|(_, hit)| hit);
        let planned = self.case.plan.fault(fault.fault);
        let hosts = planned.as_ref().map(|of| of.trouble.hosts()).unwrap_or_default();
        let args = json!({"fault": fault.fault, "hit": hit, "hosts": hosts, "what": fault.what});
        span(fault.what, "fault", &id, track, [fault.from.sim_us, until], args, events);
    }

    fn entry(&self, n: usize, entry: &Entry<'_>, events: &mut Vec<Value>) {
        let track = self.own_track(&entry.added.host);
        let until = entry.ended.map_or(self.scene.end_us, |(line, _)| line.sim_us);
        let ended = entry.ended.map_or("still there at the end", |(_, how)| how);
        let args = json!({"conn": entry.conn, "user": entry.user, "from": entry.sender,
            "conversation": entry.conversation, "msg_id": entry.msg_id,
            "resent": entry.resent, "ended": ended});
        let name = format!("send list of user {}", entry.user);
        let id = format!("0xe{n:07x}");
        span(&name, "send_list", &id, track, [entry.added.sim_us, until], args, events);
    }

    fn broken(&self, events: &mut Vec<Value>) {
        let track = self.violations();
        for violation in &self.outcome.violations {
            let signature = violation.signature();
            let n = self.outcome.broken_by.get(&signature);
            let line = n.and_then(|n| self.outcome.trace.lines.iter().find(|line| line.n == *n));
            let at = line.map_or(self.scene.end_us, |line| line.sim_us);
            let args = json!({"sentence": shortened(&violation.sentence), "line": n,
                "host": line.map(|line| &*line.host), "owed_at_the_end": line.is_none(),
                "expected": signature == self.case.expect});
            events.push(json!({"ph": "i", "s": "g", "name": format!("VIOLATED {signature}"),
                "cat": "violation", "ts": at, "pid": track.pid, "tid": track.tid,
                "args": args}));
        }
    }
}

/// The number of a host's process.
fn place(hosts: &[&Host], host: &Host) -> usize {
    1 + hosts.iter().position(|of| *of == host).expect("every host of a trace has a process")
}

/// The end of a connection that a line is about.
fn end_of(kind: &Kind) -> Option<(ConnId, End)> {
    match kind {
        Kind::PduSent(frame) | Kind::PduReceived(frame) => Some((frame.conn, frame.end)),
        Kind::Connected { conn, end, .. } | Kind::Disconnected { conn, end } => Some((*conn, *end)),
        _ => None,
    }
}

fn with_line(mut args: Value, line: &Line) -> Value {
    args["line"] = json!(line.n);
    args
}

/// Both ends of an async span.
fn span(
    name: &str,
    cat: &str,
    id: &str,
    track: Track,
    [from, until]: [u64; 2],
    args: Value,
    events: &mut Vec<Value>,
) {
    let end = |ph: &str, ts: u64, args: Value| {
        json!({"ph": ph, "name": name, "cat": cat, "id": id, "ts": ts, "pid": track.pid,
            "tid": track.tid, "args": args})
    };
    events.push(end("b", from, args));
    events.push(end("e", until, json!({})));
}

fn store_cat(applied: &Applied) -> &'static str {
    if applied.changed.is_empty() { "store" } else { "commit" }
}

fn store_args(applied: &Applied) -> Value {
    let params: Vec<_> = applied.params.iter().map(|param| shortened(&shown(param))).collect();
    let mut args = Map::new();
    args.insert("what".into(), json!(shortened(&applied.what)));
    args.insert("params".into(), json!(params));
    args.insert("effect".into(), json!(shortened(&applied.effect.to_string())));
    args.insert("replica".into(), json!(applied.replica));
    if !applied.changed.is_empty() {
        args.insert("changed".into(), applied.changed.iter().map(Changed::to_json).collect());
    }
    Value::Object(args)
}
