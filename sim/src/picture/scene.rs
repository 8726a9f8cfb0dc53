//! A trace as what is drawn: flights of PDUs, faults and entries of send lists with their ends.

use crate::{
    plan::{Host, Plan, Role},
    record::{End, Frame, Kind, Line, Trace},
};
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{catalogue::id as command, conversation::Conversation, env::ConnId, fact::Fact};

/// A PDU on its way.
#[derive(Debug, Clone, Copy)]
pub struct Flight<'a> {
    /// The PDU.
    pub frame: &'a Frame,
    /// The line at which it was written.
    pub sent: Option<&'a Line>,
    /// The line at which it was read; `None`: it was lost, or the run ended.
    pub received: Option<&'a Line>,
}

/// A fault from its beginning to its end.
#[derive(Debug, Clone, Copy)]
pub struct FaultSpan<'a> {
    /// Its id.
    pub fault: u32,
    /// What it does, in words.
    pub what: &'a str,
    /// The line at which it began.
    pub from: &'a Line,
    /// The line at which it ended, and what it had hit.
    pub ended: Option<(&'a Line, u64)>,
}

/// An entry of a send list from its beginning to its end.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The connection whose list it is in.
    pub conn: ConnId,
    /// That connection's user.
    pub user: u32,
    /// The conversation of the message.
    pub conversation: Conversation,
    /// The message's id.
    pub msg_id: u32,
    /// Who sent the message.
    pub sender: u32,
    /// The line at which it was added.
    pub added: &'a Line,
    /// How often the push was written again.
    pub resent: u32,
    /// The line at which it went, and how.
    pub ended: Option<(&'a Line, &'static str)>,
}

/// One end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Ended<'a> {
    /// Where it is.
    pub host: &'a Host,
    /// The other host.
    pub peer: &'a Host,
    /// The acceptor's port.
    pub port: u16,
    /// The device that dialled.
    pub device: Option<u32>,
}

/// All of it.
#[derive(Debug, Default)]
pub struct Scene<'a> {
    /// In the order of their first lines.
    pub flights: Vec<Flight<'a>>,
    /// The place in `flights` of each line with a PDU, by its number.
    pub flight_at: BTreeMap<u64, usize>,
    /// In the order of their beginnings.
    pub faults: Vec<FaultSpan<'a>>,
    /// In the order of their beginnings.
    pub entries: Vec<Entry<'a>>,
    /// The ends of connections.
    pub ends: BTreeMap<(ConnId, End), Ended<'a>>,
    /// When the last line was.
    pub end_us: u64,
}

impl<'a> Scene<'a> {
    /// Reads a trace.
    pub fn of(trace: &'a Trace) -> Self {
        let mut scene = Self::default();
        // By the connection, the end that writes, and the frame's number.
        let mut in_flight: BTreeMap<(ConnId, End, u64), usize> = BTreeMap::new();
        for line in &trace.lines {
            scene.end_us = scene.end_us.max(line.sim_us);
            match &line.kind {
                Kind::PduSent(frame) => {
                    in_flight.insert((frame.conn, frame.end, frame.k), scene.flights.len());
                    scene.flight_at.insert(line.n, scene.flights.len());
                    scene.flights.push(Flight { frame, sent: Some(line), received: None });
                }
                Kind::PduReceived(frame) => {
                    match in_flight.remove(&(frame.conn, frame.end.other(), frame.k)) {
                        Some(at) => {
                            scene.flights[at].received = Some(line);
                            scene.flight_at.insert(line.n, at);
                        }
                        None => {
                            scene.flight_at.insert(line.n, scene.flights.len());
                            let received = Some(line);
                            scene.flights.push(Flight { frame, sent: None, received });
                        }
                    }
                }
                Kind::Connected { conn, end, peer, port, device } => {
                    let ended = Ended { host: &line.host, peer, port: *port, device: *device };
                    scene.ends.insert((*conn, *end), ended);
                }
                Kind::FaultStart { fault, what } => {
                    let (fault, what) = (*fault, what.as_str());
                    scene.faults.push(FaultSpan { fault, what, from: line, ended: None });
                }
                Kind::FaultEnd { fault, hit } => {
                    let open =
                        |known: &&mut FaultSpan<'_>| known.fault == *fault && known.ended.is_none();
                    if let Some(known) = scene.faults.iter_mut().find(open) {
                        known.ended = Some((line, *hit));
                    }
                }
                Kind::HostDown => {
                    let open = |known: &&mut Entry<'_>| {
                        known.ended.is_none() && known.added.host == line.host
                    };
                    for entry in scene.entries.iter_mut().filter(open) {
                        entry.ended = Some((line, "gone with its process"));
                    }
                }
                Kind::Fact(fact) => scene.listed(fact, line),
                _ => {}
            }
        }
        scene
    }

    /// Takes what a msg_server says of its send lists.
    fn listed(&mut self, fact: &Fact, line: &'a Line) {
        let (key, how) = match fact {
            Fact::SendListAdded { conn, user, conversation, msg_id, from } => {
                let (conn, user, conversation, msg_id) = (*conn, *user, *conversation, *msg_id);
                let (sender, added, resent, ended) = (*from, line, 0, None);
                self.entries.push(Entry {
                    conn,
                    user,
                    conversation,
                    msg_id,
                    sender,
                    added,
                    resent,
                    ended,
                });
                return;
            }
            Fact::SendListResent { conn, conversation, msg_id } => {
                ((*conn, *conversation, *msg_id), None)
            }
            Fact::SendListAcked { conn, conversation, msg_id } => {
                ((*conn, *conversation, *msg_id), Some("acked"))
            }
            Fact::SendListExpired { conn, conversation, msg_id } => {
                ((*conn, *conversation, *msg_id), Some("expired"))
            }
            Fact::SendListDropped { conn, conversation, msg_id } => {
                ((*conn, *conversation, *msg_id), Some("dropped"))
            }
            _ => return,
        };
        let open = |known: &&mut Entry<'_>| {
            known.ended.is_none() && (known.conn, known.conversation, known.msg_id) == key
        };
        // Two entries may be of one id: the older one goes first.
        if let Some(entry) = self.entries.iter_mut().find(open) {
            match how {
                Some(how) => entry.ended = Some((line, how)),
                None => entry.resent += 1,
            }
        }
    }

    /// Whether a connection is the auditor's, who asks whether what is owed is paid.
    pub fn is_audit(&self, conn: ConnId) -> bool {
        let dialler = self.ends.get(&(conn, End::Dialler));
        dialler.is_some_and(|end| end.host.role() == Role::Outside)
    }

    /// The device that dialled a connection.
    pub fn device(&self, conn: ConnId) -> Option<u32> {
        self.ends.get(&(conn, End::Dialler)).and_then(|end| end.device)
    }
}

impl<'a> Flight<'a> {
    /// Whether it is a heartbeat.
    pub fn is_heartbeat(&self) -> bool {
        self.frame.command() == command::OTHER_HEARTBEAT
    }

    /// Its first line.
    pub fn first(&self) -> &'a Line {
        self.sent.or(self.received).expect("one of them made it")
    }
}

/// The hosts of a plan, from users to stores, and those of a trace that no plan has.
pub fn hosts<'a>(plan: &'a Plan, trace: &'a Trace) -> Vec<&'a Host> {
    let of_plan = plan.nodes.iter().map(|node| &node.host);
    let all: BTreeSet<&Host> = of_plan.chain(trace.lines.iter().map(|line| &line.host)).collect();
    let mut hosts: Vec<&Host> = all.into_iter().collect();
    // Numbered hosts are in the order of their numbers.
    hosts.sort_by_key(|host| (from_users_to_stores(host.role()), host.len()));
    hosts
}

fn from_users_to_stores(role: Role) -> u8 {
    match role {
        Role::World => 0,
        Role::Client => 1,
        Role::Msg => 2,
        Role::Route => 3,
        Role::Db => 4,
        Role::Redis => 5,
        Role::Sql => 6,
        Role::Outside => 7,
    }
}
