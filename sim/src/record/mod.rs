//! What happened in a run, in order: the trace, and the history of operations.

pub mod altered;
mod applied;
pub mod changed;
pub mod commits;
pub mod fields;
mod file;
mod frame;
pub mod history;
pub mod inserts;
pub mod members;
mod read;
pub mod sizes;
mod values;
mod what;

pub(crate) use applied::readable;
#[cfg(test)]
pub use applied::tests::sql as sql_applied;
pub use applied::{Applied, Did, Effect, kept, kept_value, shown};
pub use changed::{Changed, Columns};
pub use file::{FORMAT, Header, LARGEST_FILE, Stored, Written, difference, headed};
pub use frame::Frame;
pub use read::Reader;
pub use what::{Verb, What};

use crate::plan::{Host, Side};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use teamtalk::{conversation::Conversation, env::ConnId, fact::Fact, wire::Pdu};

/// Which end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The one that dialled.
    Dialler,
    /// The one that accepted.
    Acceptor,
}

impl End {
    /// The end that this one speaks to.
    pub fn other(self) -> Self {
        match self {
            Self::Dialler => Self::Acceptor,
            Self::Acceptor => Self::Dialler,
        }
    }
}

/// What a line of the trace says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A frame was written whole to a socket.
    PduSent(Frame),
    /// A frame was read whole from a socket.
    PduReceived(Frame),
    /// A connection was made (`device`: the device that dialled) or accepted.
    Connected {
        /// The connection.
        conn: ConnId,
        /// This end.
        end: End,
        /// The other host.
        peer: Host,
        /// The port of the acceptor.
        port: u16,
        /// The device slot, if a device dialled.
        device: Option<u32>,
    },
    /// An end of a connection was closed.
    Disconnected {
        /// The connection.
        conn: ConnId,
        /// This end.
        end: End,
    },
    /// This host dialled another one and got no connection.
    ConnectFailed {
        /// The other host.
        peer: Host,
        /// Its port.
        port: u16,
        /// The device slot, if a device dialled.
        device: Option<u32>,
        /// `refused`, or `given up` after silence.
        why: &'static str,
    },
    /// Something that a role reported.
    Fact(Fact),
    /// A store applied a command or statement.
    Store(Applied),
    /// What a store holds before the run begins.
    Holds {
        /// `redis` or `sql`.
        store: &'static str,
        /// Every row or key, each as one that was not there before.
        changed: Vec<Changed>,
    },
    /// A message row was committed: known from the statement, not from what the role reported. Rows
    /// come in the order of the commits.
    Row {
        /// The message's conversation.
        conversation: Conversation,
        /// The message's id.
        msg_id: u32,
        /// The user who sent it.
        from: u32,
        /// Its content, of a voice message the recording.
        content: String,
    },
    /// A row of `IMRecentSession` was inserted and committed.
    SessionRow {
        /// The user whose session it is.
        user: u32,
        /// The user or group with whom it is.
        peer: u32,
        /// 1 single, 2 group.
        session_type: u32,
        /// The row's id.
        id: u64,
    },
    /// A row of `IMRelationShip` was inserted and committed.
    RelationRow {
        /// The pair of users.
        conversation: Conversation,
        /// The row's id.
        id: u64,
    },
    /// A user became a member of a group, or ceased to be one: a row of `IMGroupMember` was
    /// committed with this status, or is there from the start.
    MemberRow {
        /// The group.
        group: u32,
        /// The user.
        user: u32,
        /// Whether the user is a member now.
        live: bool,
    },
    /// An operation was handed to its device.
    Op {
        /// Its id.
        op: u32,
        /// The device's slot.
        device: u32,
        /// What the device is to do, in words.
        what: String,
        /// False if the device's host was down.
        delivered: bool,
        /// Whether its user wants the device online from here on; `None`: as before.
        online: Option<bool>,
    },
    /// A fault began.
    FaultStart {
        /// Its id.
        fault: u32,
        /// What it does, in words.
        what: String,
    },
    /// A fault ended.
    FaultEnd {
        /// Its id.
        fault: u32,
        /// How many streams, connects, segments, reads, writes or store commands it touched; at 0
        /// the fault was idle.
        hit: u64,
    },
    /// A store lost changes that it had confirmed.
    StoreLost {
        /// `redis`.
        store: &'static str,
        /// How many of its commands, of those that had changed something.
        commands: u64,
        /// What it holds now in place of what they had made.
        changed: Vec<Changed>,
    },
    /// The database got a later version of the schema: its tables are there.
    Migrated {
        /// The version that it has now.
        version: u32,
        /// The rows of TTSchema that came with it.
        changed: Vec<Changed>,
    },
    /// The rig reset a connection.
    StreamReset {
        /// The connection.
        conn: ConnId,
    },
    /// A host's process started (again).
    HostUp,
    /// The host is on another side from here on: its process starts with the next line.
    OnSide {
        /// The side.
        side: Side,
    },
    /// A host's process was killed, or ended.
    HostDown,
    /// A task of the host panicked, and the run is over.
    Panic {
        /// Its message.
        message: String,
        /// `file:line:column`.
        at: String,
    },
    /// Tasks of the host ran without end within one tick, and the run is over.
    Endless {
        /// How that shows.
        message: String,
    },
    /// A phase began: `safety`, `liveness`, or `audit` for each audit.
    Phase {
        /// Its name.
        phase: &'static str,
    },
}

/// One line of the trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number, from 0.
    pub n: u64,
    /// Simulated microseconds since the start.
    pub sim_us: u64,
    /// The host, or `world`.
    pub host: Host,
    /// Which incarnation of the host, from 1; 0 for `world`.
    pub incarnation: u32,
    /// What happened.
    pub kind: Kind,
}

impl Line {
    /// The line as canonical JSON.
    pub fn to_json(&self) -> String {
        use serde_json::{Value, json};
        let frame = |kind: &str, f: &Frame| {
            let h = &f.pdu.header;
            let mut value = json!({"kind": kind, "conn": f.conn, "end": f.end, "k": f.k,
                "command": format!("{:#06x}", h.command_id), "seq": h.seq_num,
                "name": teamtalk::catalogue::name(h.command_id), "body": values::hex(&f.pdu.body)});
            // Nobody builds another one.
            if *h != Pdu::raw(h.command_id, h.seq_num, Bytes::new()).header {
                value["header"] = json!([h.version, h.flag, h.service_id, h.reserved]);
            }
            value
        };
        let mut value = match &self.kind {
            Kind::PduSent(f) => frame("pdu_sent", f),
            Kind::PduReceived(f) => frame("pdu_received", f),
            Kind::Connected { conn, end, peer, port, device } => json!({"kind": "connected",
                "conn": conn, "end": end, "peer": &**peer, "port": port, "device": device}),
            Kind::Disconnected { conn, end } => {
                json!({"kind": "disconnected", "conn": conn, "end": end})
            }
            Kind::ConnectFailed { peer, port, device, why } => json!({"kind": "connect_failed",
                "peer": &**peer, "port": port, "device": device, "why": why}),
            Kind::Fact(fact) => {
                let mut value = serde_json::to_value(fact).expect("facts are plain data");
                value["kind"] = json!("fact");
                value
            }
            Kind::Store(Applied { store, what, params, effect, committed, replica, changed }) => {
                let params: Vec<_> = params.iter().map(values::value).collect();
                json!({"kind": "store", "store": store, "what": &***what, "params": params,
                    "effect": values::effect(effect), "committed": committed,
                    "replica": replica, "changed": changes(changed)})
            }
            Kind::Holds { store, changed } => {
                json!({"kind": "holds", "store": store, "changed": changes(changed)})
            }
            Kind::Row { conversation, msg_id, from, content } => json!({"kind": "row",
                "conversation": conversation, "msg_id": msg_id, "from": from,
                "content": content}),
            Kind::SessionRow { user, peer, session_type, id } => json!({"kind": "session_row",
                "user": user, "peer": peer, "session_type": session_type, "id": id}),
            Kind::RelationRow { conversation, id } => json!({"kind": "relation_row",
                "conversation": conversation, "id": id}),
            Kind::MemberRow { group, user, live } => json!({"kind": "member_row",
                "group": group, "user": user, "live": live}),
            Kind::Op { op, device, what, delivered, online } => json!({"kind": "op", "op": op,
                "device": device, "what": what, "delivered": delivered, "online": online}),
            Kind::FaultStart { fault, what } => {
                json!({"kind": "fault_start", "fault": fault, "what": what})
            }
            Kind::FaultEnd { fault, hit } => {
                json!({"kind": "fault_end", "fault": fault, "hit": hit})
            }
            Kind::StoreLost { store, commands, changed } => {
                json!({"kind": "store_lost", "store": store, "commands": commands,
                    "changed": changes(changed)})
            }
            Kind::Migrated { version, changed } => {
                json!({"kind": "migrated", "version": version, "changed": changes(changed)})
            }
            Kind::StreamReset { conn } => json!({"kind": "stream_reset", "conn": conn}),
            Kind::HostUp => json!({"kind": "host_up"}),
            Kind::OnSide { side } => json!({"kind": "on_side", "side": side}),
            Kind::HostDown => json!({"kind": "host_down"}),
            Kind::Panic { message, at } => {
                json!({"kind": "panic", "message": message, "at": at})
            }
            Kind::Endless { message } => json!({"kind": "endless", "message": message}),
            Kind::Phase { phase } => json!({"kind": "phase", "phase": phase}),
        };
        value["n"] = json!(self.n);
        value["sim_us"] = json!(self.sim_us);
        value["host"] = json!(&*self.host);
        value["incarnation"] = json!(self.incarnation);
        Value::to_string(&value)
    }
}

fn changes(changed: &[Changed]) -> serde_json::Value {
    changed.iter().map(Changed::to_json).collect()
}

/// All lines of a run.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// In order.
    pub lines: Vec<Line>,
}

impl Trace {
    /// The users whose membership of a group is known so far, and whether they are members.
    pub fn members(&self, group: u32) -> BTreeMap<u32, bool> {
        let row = |line: &Line| match line.kind {
            Kind::MemberRow { group: of, user, live } if of == group => Some((user, live)),
            _ => None,
        };
        self.lines.iter().filter_map(row).collect()
    }

    /// What the blob store was given, as text, for the row of IMAudio with this id.
    pub fn recording(&self, id: &str) -> Option<String> {
        let path = self.stored("sql").find_map(|applied| {
            let insert = applied.what.insert.as_ref()?;
            let Effect::Sql { did: Did::Changed { id: of @ 1.., .. }, .. } = applied.effect else {
                return None;
            };
            let path = insert.audio_path(&applied.params)?;
            (of.to_string() == id).then_some(path)
        })?;
        let at = |applied: &&Applied| matches!(&applied.effect, Effect::Text(at) if *at == path);
        self.stored("blob").find(at)?.params.first().map(|recording| shown(recording).into())
    }

    /// What a store applied, the latest first.
    fn stored(&self, store: &'static str) -> impl Iterator<Item = &Applied> {
        self.lines.iter().rev().filter_map(move |line| match &line.kind {
            Kind::Store(applied) if applied.store == store => Some(applied),
            _ => None,
        })
    }

    /// The trace as JSON lines.
    pub fn to_jsonl(&self) -> String {
        let mut out = String::new();
        for line in &self.lines {
            out.push_str(&line.to_json());
            out.push('\n');
        }
        out
    }

    /// SHA-256 of [`Trace::to_jsonl`], in hex.
    pub fn hash(&self) -> String {
        values::hex(&Sha256::digest(self.to_jsonl()))
    }
}
