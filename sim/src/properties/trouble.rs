//! When the world was last out of order, by the faults of the plan. It follows the run for the
//! properties and judges nothing itself.
//!
//! The stores are *up* when no fault is under way and none has ended within the time in which
//! everything owed is paid (`Known::settles_within_us`). A store that runs, can be reached and answers
//! with errors of its own is up: that is the deployment's, and no fault explains it.

use crate::{
    plan::Host,
    record::{Kind, Line},
};
use std::collections::BTreeSet;
use teamtalk::fact::Fact;

/// See the module.
#[derive(Debug, Default)]
pub struct Trouble {
    under_way: BTreeSet<u32>,
    /// Hosts whose process ended of itself because the database lacks what it needs: that, and that it
    /// is started again, is the deployment's, and no fault.
    not_serving: BTreeSet<Host>,
    /// When a fault last began or ended, a stream was reset, a host went down or came back, or a
    /// store lost something: the line, and the simulated microsecond.
    last: Option<(u64, u64)>,
}

impl Trouble {
    /// Takes the next line.
    pub fn observe(&mut self, line: &Line) {
        match &line.kind {
            Kind::FaultStart { fault, .. } => drop(self.under_way.insert(*fault)),
            Kind::FaultEnd { fault, .. } => drop(self.under_way.remove(fault)),
            Kind::Fact(Fact::NotServing { .. }) => {
                self.not_serving.insert(line.host.clone());
                return;
            }
            Kind::HostDown if self.not_serving.contains(&line.host) => return,
            Kind::HostUp if self.not_serving.remove(&line.host) => return,
            Kind::HostUp if line.incarnation < 2 => return,
            Kind::HostUp | Kind::HostDown | Kind::StreamReset { .. } | Kind::StoreLost { .. } => {}
            _ => return,
        }
        self.last = Some((line.n, line.sim_us));
    }

    /// Whether nothing was out of order within so many simulated microseconds before a moment that
    /// is not before the last line.
    pub fn is_quiet(&self, now_us: u64, within_us: u64) -> bool {
        self.under_way.is_empty() && self.last.is_none_or(|(_, us)| us + within_us < now_us)
    }

    /// Whether the last trouble is over since before a line.
    pub fn is_over_before(&self, n: u64) -> bool {
        self.under_way.is_empty() && self.last.is_none_or(|(last, _)| last < n)
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        properties::{no_panic::NoPanic, tape::Tape},
        record::Kind,
    };
    use teamtalk::fact::Fact;

    #[test]
    fn it_is_quiet_again_a_while_after_the_last_fault() {
        let mut tape = Tape::new(NoPanic::default());
        let quiet = |tape: &Tape<NoPanic>, now_us| tape.known.trouble.is_quiet(now_us, 1_000);
        tape.line("msg1", Kind::HostUp);
        assert!(quiet(&tape, 10), "a run begins in order");
        tape.line("world", Kind::FaultStart { fault: 1, what: "stall".into() });
        assert!(!quiet(&tape, 9_000_000), "it is under way");
        tape.at(5_000).line("world", Kind::FaultEnd { fault: 1, hit: 1 });
        assert!(!quiet(&tape, 6_000) && quiet(&tape, 6_001));
        let over = |tape: &Tape<NoPanic>, n| tape.known.trouble.is_over_before(n);
        assert!(!over(&tape, 2) && over(&tape, 3));
        tape.line("world", Kind::StreamReset { conn: 7 });
        assert!(!quiet(&tape, 6_001), "a cut has its effect later");
    }

    #[test]
    fn a_process_that_lacks_its_schema_is_no_fault() {
        let mut tape = Tape::new(NoPanic::default());
        let quiet = |tape: &Tape<NoPanic>| tape.known.trouble.is_quiet(9_000, 1_000);
        let reason = "no tables".to_string();
        tape.at(8_500).line("db1", Kind::Fact(Fact::NotServing { reason }));
        tape.line("db1", Kind::HostDown).line("db1", Kind::HostUp);
        assert!(quiet(&tape));
        tape.line("db1", Kind::HostDown);
        assert!(!quiet(&tape), "it served, and was killed");
    }
}
