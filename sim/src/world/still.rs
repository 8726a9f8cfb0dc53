//! When a run stands still: nothing moves but what moves for ever (heartbeats, and the group jobs of db_proxies),
//! every connection is heard at both ends, and nothing that was connected is missing. What is owed then is owed for
//! ever, and a run need not wait for its bound to see that.
//!
//! A timer of a role or a device that still runs in such a world would have ended within [`after`]: entries of send lists,
//! requests, acks and pulls wait for less than that, and the longer ones (a silent link, a silent device, the
//! waits before a reconnect) are of connections that are not heard or not there.
//! `sim/tests/still.rs` holds it to runs that wait for their bound.

use super::{
    roster::{HostId, Roster},
    streams::Streams,
};
use crate::{
    plan::Role,
    properties::SETTLED_US,
    record::{End, Kind, Line},
};
use std::{collections::BTreeMap, time::Duration};
use teamtalk::{catalogue::id as command, env::ConnId, fact::Fact, timing::Timing};

/// What moves, from the beginning of the liveness phase on. Times are simulated microseconds.
#[derive(Debug, Default)]
pub struct Still {
    began_us: u64,
    moved_us: u64,
    heard_us: BTreeMap<(ConnId, End), u64>,
    /// From a host to another one: the most connections that were open at once.
    most: BTreeMap<(HostId, HostId), usize>,
}

/// How long nothing moves before a run stands still: 35 s of docs/SYSTEM.md's (our own decision), five ticks more
/// than a silent link is given. Entries, requests and pulls wait for half of it at most, and our clients, servers, iOS and Mac are heard
/// within it; who is heard less often (Android) has its run wait for the bound.
fn after(timing: &Timing) -> Duration {
    timing.server_timeout() + 5 * timing.tick()
}

impl Still {
    /// From this moment on.
    pub fn since(now_us: u64) -> Self {
        Self { began_us: now_us, moved_us: now_us, ..Self::default() }
    }

    /// Follows a line of the trace.
    pub fn follow(&mut self, line: &Line, streams: &Streams, roster: &Roster) {
        // What an audit asks moves nothing.
        let of_an_audit = |conn: &ConnId| {
            streams.get(conn).is_some_and(|of| roster.host(of.from).role() == Role::Outside)
        };
        let moves = match &line.kind {
            Kind::PduReceived(frame) | Kind::PduSent(frame) => {
                if matches!(line.kind, Kind::PduReceived(_)) {
                    self.heard_us.insert((frame.conn, frame.end), line.sim_us);
                }
                frame.command() != command::OTHER_HEARTBEAT && !of_an_audit(&frame.conn)
            }
            Kind::Connected { conn, .. } | Kind::Disconnected { conn, .. } => !of_an_audit(conn),
            // Whatever a request makes the stores do, its answer is a movement; the rest is the group job.
            Kind::Store(_) | Kind::Phase { .. } | Kind::Fact(Fact::HighWater { .. }) => false,
            _ => true,
        };
        if moves {
            self.moved_us = line.sim_us;
        }
    }

    /// Notes what is connected; whether the run stands still now, if everybody is there who wants to be.
    pub fn is(&mut self, now_us: u64, timing: &Timing, streams: &Streams, roster: &Roster) -> bool {
        let since = now_us.saturating_sub(after(timing).as_micros() as u64);
        let mut open: BTreeMap<(HostId, HostId), usize> = BTreeMap::new();
        let mut all_heard = true;
        for (conn, stream) in streams.iter() {
            let role = |host: HostId| roster.host(host).role();
            let is_theirs = |host| ![Role::Redis, Role::Sql, Role::Outside].contains(&role(host));
            if !stream.is_open() || !is_theirs(stream.from) || !is_theirs(stream.to) {
                continue;
            }
            *open.entry((stream.from, stream.to)).or_default() += 1;
            let is_heard =
                |end: End| self.heard_us.get(&(conn, end)).is_some_and(|at| *at >= since);
            all_heard &= is_heard(End::Dialler) && is_heard(End::Acceptor);
        }
        let mut all_there = true;
        for (between, most) in &mut self.most {
            all_there &= open.get(between).copied().unwrap_or(0) >= *most;
        }
        for (between, now) in open {
            let most = self.most.entry(between).or_default();
            *most = now.max(*most);
        }
        // Until then a property may forgive what has no answer.
        let is_settled = self.began_us + SETTLED_US < now_us;
        is_settled && self.moved_us <= since && all_heard && all_there
    }
}
