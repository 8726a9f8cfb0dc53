//! A plan becomes turmoil hosts, and the hosts a trace.

mod actions;
mod audit;
mod blobs;
mod driver;
mod env;
mod faults;
mod hosts;
mod judge;
mod network;
mod outside;
pub mod panics;
mod plant;
mod population;
mod process;
mod recorder;
mod rogue;
mod roster;
mod script;
mod shared;
mod sizes;
mod socket;
mod still;
mod streams;
mod tap;
#[cfg(test)]
mod tests;
mod watch;

pub use crate::plan::text_of;
pub use env::{SimEnv, port};
pub use faults::describe;
pub use judge::{judge, judged};
pub use panics::Panicked;
pub use population::rows_at_start;
pub use script::{Script, Setup};
pub use shared::Shared;
pub use watch::Watch;

/// The name of turmoil's span around all that a host does, which has its name as field `name`.
pub const HOST_SPAN: &str = "node";

/// How much simulated time has passed since the run began; `None` outside of one.
pub fn now() -> Option<std::time::Duration> {
    turmoil::sim_elapsed()
}

use crate::{
    noise::{Draw, Noise},
    plan::{
        TICK_MS,
        case::{Case, ProtocolSpec},
    },
    properties::{Tally, Violation},
    record::{Trace, history::History, sizes::Sizes},
    run::Wanted,
    seeded,
};
use driver::Driver;
use hosts::Hosts;
use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};
use teamtalk::{catalogue::limits::Limits, mutants, protocol::Protocol};

/// No run is longer, in simulated milliseconds: one that is has no end. The longest plan, with its
/// last fault and everything owed after it, takes less.
pub(crate) const LONGEST_RUN_MS: u64 = 3_600_000;

/// Everything that came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// What happened, in order.
    pub trace: Trace,
    /// The operations as their users saw them.
    pub history: History,
    /// The first violation of each signature, in the order in which they were found.
    pub violations: Vec<Violation>,
    /// The lines that broke them, by signature; what is owed at the end is broken by none.
    pub broken_by: BTreeMap<String, u64>,
    /// What each fault hit, by id.
    pub hits: BTreeMap<u32, u64>,
    /// What was drawn, if [`Wanted`] says so.
    pub draws: Vec<Draw>,
    /// How often each property judged and forgave, of those that count.
    pub tallies: BTreeMap<&'static str, Tally>,
    /// How large things got.
    pub sizes: Sizes,
    /// The panic that ended the run.
    pub panicked: Option<Panicked>,
    /// How often the places of the planted mutants were reached (docs/MUTANTS.md).
    pub mutants_reached: u64,
}

/// Runs a case on the thread it is called on; see [`crate::run`].
///
/// # Errors
/// If the case's protocols can't be resolved.
///
/// # Panics
/// If the rig itself does, outside of any host.
pub fn run(case: &Case, watch: &Watch, wanted: Wanted) -> Result<Outcome, String> {
    let base = Deployed::of(&case.protocols.base)?;
    let candidate = Deployed::of(&case.protocols.candidate)?;
    let plan = &case.plan;
    let shared = Shared::new(plan.noise);
    shared.lock().noise = Noise::of(plan, wanted.draws);
    mutants::take_reached();
    let mut sim = seeded::network(plan.noise)
        .simulation_duration(Duration::from_millis(LONGEST_RUN_MS + TICK_MS))
        .epoch(SystemTime::UNIX_EPOCH + Duration::from_secs(plan.epoch))
        // In writes: more than fit in the window of a socket, byte by byte, and a FIN.
        .tcp_capacity(1 << 17)
        .ephemeral_ports(10_000..=60_000)
        .min_message_latency(Duration::from_millis(plan.latency_ticks * TICK_MS))
        .max_message_latency(Duration::from_millis(plan.latency_ticks * TICK_MS))
        .build();
    watch.begins(&shared);
    let properties = judge::properties_of(plan, &base, &candidate);
    let hosts = Hosts::new(plan.clone(), base, candidate, shared.clone(), watch.clone());
    hosts.register(&mut sim);
    let mut driver = Driver::new(plan, properties, shared, hosts).wanted(wanted);
    driver.drive(&mut sim);
    Ok(driver.outcome())
}

/// What the nodes and devices of a side run.
#[derive(Debug, Clone)]
pub(crate) struct Deployed {
    /// The switches.
    pub protocol: Protocol,
    /// The limits (switch `edge-limits`).
    pub limits: Limits,
}

impl Deployed {
    fn of(spec: &ProtocolSpec) -> Result<Self, String> {
        Ok(Self { protocol: spec.resolve()?, limits: spec.resolve_limits()? })
    }
}

impl Outcome {
    /// `holds`, or the signatures of what was broken.
    pub fn found(&self) -> String {
        match self.violations.as_slice() {
            [] => "holds".into(),
            some => some.iter().map(Violation::signature).collect::<Vec<_>>().join(", "),
        }
    }

    /// Whether a run came out as a case expects: `holds`, or one of the signatures found.
    pub fn is_expected(&self, expect: &str) -> bool {
        match expect {
            "holds" => self.violations.is_empty(),
            signature => self.violation(signature).is_some(),
        }
    }

    /// The number of the line that broke a violation's property; of what is owed at the end none did.
    pub fn line_of(&self, violation: &Violation) -> Option<u64> {
        self.broken_by.get(&violation.signature()).copied()
    }

    /// When this signature was found, in simulated milliseconds; what is owed at the end is broken at no
    /// time.
    pub fn broken_at_ms(&self, signature: &str) -> Option<u64> {
        let n = self.broken_by.get(signature)?;
        let line = self.trace.lines.iter().find(|line| line.n == *n)?;
        Some(line.sim_us / 1_000)
    }

    /// The violation of this signature, if it was found.
    pub fn violation(&self, signature: &str) -> Option<&Violation> {
        self.violations.iter().find(|v| v.signature() == signature)
    }
}
