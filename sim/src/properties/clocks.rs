//! What the wall clock of each host says, by the plan and by the faults that a trace shows. It follows the run
//! for the properties and judges nothing itself.

use crate::{
    plan::{Clock, EPOCH, Host, Plan, Trouble},
    record::{Kind, Line},
};
use std::collections::BTreeMap;

/// From a simulated microsecond on faults have a clock so many milliseconds ahead.
type Set = (u64, i64);

/// See the module.
#[derive(Debug)]
pub struct Clocks {
    /// In seconds since 1970: at the start, on a clock that is right.
    epoch: u64,
    /// Of the hosts whose clocks are not right.
    own: BTreeMap<Host, Clock>,
    /// The faults that set a clock: whose, and by how many milliseconds.
    steps: BTreeMap<u32, (Host, i64)>,
    /// How each clock was set, the first time first.
    set: BTreeMap<Host, Vec<Set>>,
}

impl Default for Clocks {
    /// All are right, and a run begins at [`EPOCH`].
    fn default() -> Self {
        let (own, steps, set) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { epoch: EPOCH, own, steps, set }
    }
}

impl Clocks {
    /// Those of the hosts of a plan.
    pub fn of(plan: &Plan) -> Self {
        let wrong = plan.nodes.iter().filter(|node| !node.clock.is_right());
        let step = |trouble: &Trouble| match trouble {
            Trouble::ClockStep { host, ahead_ms } => {
                Some((plan.node(host)?.host.clone(), *ahead_ms))
            }
            _ => None,
        };
        let steps = plan.faults.iter().filter_map(|fault| Some((fault.id, step(&fault.trouble)?)));
        Self {
            epoch: plan.epoch,
            own: wrong.map(|node| (node.host.clone(), node.clock)).collect(),
            steps: steps.collect(),
            set: BTreeMap::new(),
        }
    }

    /// Takes the next line.
    pub fn observe(&mut self, line: &Line) {
        let (fault, sign) = match line.kind {
            Kind::FaultStart { fault, .. } => (fault, 1),
            Kind::FaultEnd { fault, .. } => (fault, -1),
            _ => return,
        };
        if let Some((host, ms)) = self.steps.get(&fault) {
            let set = self.set.entry(host.clone()).or_default();
            let before = set.last().map_or(0, |(_, ahead)| *ahead);
            set.push((line.sim_us, before + sign * ms));
        }
    }

    /// Whether a line begins or ends a fault that does nothing but set a clock: no link and no store is out of
    /// order by that, so it excuses nobody.
    pub fn is_a_step(&self, line: &Line) -> bool {
        match &line.kind {
            Kind::FaultStart { fault, .. } | Kind::FaultEnd { fault, .. } => {
                self.steps.contains_key(fault)
            }
            _ => false,
        }
    }

    /// What a host's clock said between two simulated microseconds, the later of which is not after the last line:
    /// in whole seconds since 1970, the first and the last of each piece of that time in which nothing set it.
    pub fn readings(&self, host: &Host, from_us: u64, to_us: u64) -> Vec<(u32, u32)> {
        let none = Vec::new();
        let set = self.set.get(host).unwrap_or(&none);
        let starts = [(0, 0)].into_iter().chain(set.iter().copied());
        let ends = set.iter().map(|(us, _)| *us).chain([u64::MAX]);
        let pieces = starts.zip(ends);
        // What is said at the moment in which it is set may be of before and of after.
        let within = pieces.filter(|((start, _), end)| *start <= to_us && *end >= from_us);
        let piece = |((start, ahead), end): (Set, u64)| {
            let at = |us| self.at(host, us, ahead);
            (at(from_us.max(start)), at(to_us.min(end)))
        };
        within.map(piece).collect()
    }

    /// The second that a host's clock shows while faults have it ahead.
    fn at(&self, host: &Host, sim_us: u64, stepped_ms: i64) -> u32 {
        let right_us = self.epoch * 1_000_000 + sim_us;
        let clock = self.own.get(host).copied().unwrap_or_default();
        (clock.reading_us(right_us, sim_us, stepped_ms) / 1_000_000) as u32
    }

    /// The second that a clock shows which is right.
    pub fn right(&self, sim_us: u64) -> u32 {
        (self.epoch + sim_us / 1_000_000) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::Clocks;
    use crate::{
        plan::{Clock, EPOCH, Host, Role},
        record::{Kind, Line},
    };

    const SECOND: u64 = 1_000_000;

    fn clocks() -> Clocks {
        let own = Clock { ahead_ms: -10_000, drift_ppm: 0 };
        let (msg1, msg2) = (Host::of("msg1"), Host::of("msg2"));
        Clocks {
            own: [(msg2.clone(), own)].into(),
            steps: [(3, (msg2, 60_000)), (4, (msg1, -5_000))].into(),
            ..Clocks::default()
        }
    }

    fn line(sim_us: u64, kind: Kind) -> Line {
        Line { n: 0, sim_us, host: Role::World.host(), incarnation: 0, kind }
    }

    fn begins(fault: u32) -> Kind {
        Kind::FaultStart { fault, what: String::new() }
    }

    #[test]
    fn each_host_has_its_own_and_it_is_in_pieces_where_it_was_set() {
        let mut clocks = clocks();
        let readings = |clocks: &Clocks, host: &str, from, to| {
            let after = |second: u32| i64::from(second) - EPOCH as i64;
            let all = clocks.readings(&Host::of(host), from * SECOND, to * SECOND);
            all.into_iter().map(|(least, most)| (after(least), after(most))).collect::<Vec<_>>()
        };
        assert_eq!(readings(&clocks, "msg1", 2, 4), [(2, 4)]);
        assert_eq!(readings(&clocks, "msg2", 2, 4), [(-8, -6)]);
        clocks.observe(&line(5 * SECOND, begins(3)));
        clocks.observe(&line(6 * SECOND, begins(4)));
        assert_eq!(readings(&clocks, "msg2", 4, 7), [(-6, -5), (55, 57)]);
        assert_eq!(readings(&clocks, "msg2", 6, 7), [(56, 57)]);
        assert_eq!(readings(&clocks, "msg1", 7, 7), [(2, 2)]);
        assert_eq!(readings(&clocks, "db1", 7, 7), [(7, 7)]);
        clocks.observe(&line(8 * SECOND, Kind::FaultEnd { fault: 3, hit: 1 }));
        assert_eq!(readings(&clocks, "msg2", 9, 9), [(-1, -1)], "it is as it began");
        assert_eq!(readings(&clocks, "msg2", 7, 9), [(57, 58), (-2, -1)]);
    }

    #[test]
    fn only_what_sets_a_clock_is_a_step() {
        let clocks = clocks();
        assert!(clocks.is_a_step(&line(0, begins(3))) && !clocks.is_a_step(&line(0, begins(5))));
        assert!(!clocks.is_a_step(&line(0, Kind::HostUp)));
    }
}
