//! One run on a thread of its own, with everything seeded, and what becomes of it when it does not
//! come to an end.

mod failed;
mod program;

pub use failed::{Failed, Why};
pub use program::Program;

use crate::{
    plan::case::Case,
    record::Header,
    seeded,
    world::{self, Outcome, Watch, judged, panics},
};
use std::{sync::mpsc, time::Duration};

/// How a case is run.
#[derive(Debug, Clone)]
pub struct Runner {
    /// Another seed for what asks the system for randomness. A plan's trace must not depend on
    /// it: a `std` map iterated in a role shows by it.
    pub entropy: u64,
    /// So much real time may pass without a tick of simulated time, which takes milliseconds at
    /// most. After half of it a task that is ready again and again is ended, which is a verdict;
    /// after all of it the run is given up. A process that is stopped, or a machine that sleeps,
    /// does not lose it.
    pub patience: Duration,
    /// Keep the backtrace of a panic.
    pub backtraces: bool,
    /// What is wanted of a run, if not all of it.
    pub wanted: Wanted,
    /// What runs it, if not this build: all of it is run then, and what a run measures beside its trace is not
    /// there.
    pub program: Option<Program>,
}

/// What is wanted of a run, if not all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// When it is over before its end.
    pub until: Option<Until>,
    /// What was drawn, too.
    pub draws: bool,
    /// The liveness phase waits for its bound though the run stands still (`world/still.rs`): to compare the two.
    pub to_the_bound: bool,
    /// It is judged as a stored trace is: by its lines alone, and what is owed at the last one has had its time.
    pub by_its_trace: bool,
}

/// When a run is over before its end: with the first of both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Until {
    /// A line of the trace breaks a property with this signature.
    pub signature: String,
    /// So many simulated milliseconds are over.
    pub at_ms: u64,
}

/// [`Runner::patience`] unless it is set.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Looks at a run while [`Runner::patience`] passes.
const LOOKS: u32 = 30;

impl Default for Runner {
    fn default() -> Self {
        Self {
            entropy: 0,
            patience: PATIENCE,
            backtraces: false,
            wanted: Wanted::default(),
            program: None,
        }
    }
}

/// Runs a case as [`Runner::default`] does.
///
/// # Errors
/// If it comes to nothing.
pub fn run_case(case: &Case) -> Result<Outcome, Failed> {
    Runner::default().run(case)
}

impl Runner {
    /// Runs a case.
    ///
    /// # Errors
    /// If it comes to nothing.
    pub fn run(&self, case: &Case) -> Result<Outcome, Failed> {
        if let Some(program) = &self.program {
            return program.run(case, self.patience);
        }
        let watch = Watch::new(self.backtraces);
        let (result, seen) = mpsc::channel();
        let (of_thread, case_of_thread) = (watch.clone(), case.clone());
        let wanted = self.wanted.clone();
        let thread = seeded::spawn(case.plan.noise ^ self.entropy, move || {
            let ran = panics::kept(&of_thread, || world::run(&case_of_thread, &of_thread, wanted));
            // Whoever waited may have given up.
            let _ = result.send(ran);
        });
        let ran = self.wait(&watch, &seen)?;
        // What the thread leaves behind is gone before the next run begins.
        let _ = thread.join();
        let failed = |why| Failed { why, trace: watch.trace() };
        let outcome = ran
            .map_err(|panicked| failed(Why::Panicked(panicked.into())))?
            .map_err(|sentence| failed(Why::Protocol(sentence)))?;
        match &outcome.panicked {
            Some(panicked)
                if panicked.host.role().is_of_the_rig() && outcome.violations.is_empty() =>
            {
                let why = Why::Panicked(panicked.clone().into());
                Err(Failed { why, trace: outcome.trace })
            }
            _ if self.wanted.by_its_trace => {
                let header = Header::of(case, &outcome.trace, true);
                judged(&header, outcome.trace).map_err(|sentence| failed(Why::Protocol(sentence)))
            }
            _ => Ok(outcome),
        }
    }

    /// The same, where a panic of the rig itself is a run that came to nothing, too.
    ///
    /// # Errors
    /// If it comes to nothing.
    pub fn kept(&self, case: &Case) -> Result<Outcome, Failed> {
        panics::kept(&Watch::default(), || self.run(case))
            .unwrap_or_else(|panicked| Err(panicked.into()))
    }

    /// Waits for a run as long as its time goes on.
    fn wait<T>(&self, watch: &Watch, seen: &mpsc::Receiver<T>) -> Result<T, Failed> {
        let (mut at_ms, mut looks) = (0, 0);
        loop {
            match seen.recv_timeout(self.patience / LOOKS) {
                Ok(ran) => return Ok(ran),
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    unreachable!("it sends, or panics are kept")
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
            let now_ms = watch.now_ms();
            looks = if now_ms == at_ms { looks + 1 } else { 0 };
            at_ms = now_ms;
            if looks == LOOKS / 2 {
                watch.end_endless();
            }
            if looks < LOOKS {
                continue;
            }
            let trace = watch.trace();
            let last = trace.lines.last().map(|line| line.host.clone());
            let why = Why::Stuck { at_ms, patience: self.patience, last };
            return Err(Failed { why, trace });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Runner, Why, run_case};
    use crate::{
        explore::case_of,
        plan::{
            Fault, Plant, Trouble,
            case::{Case, ProtocolSpec},
            generate::Profile,
        },
        record::Kind,
    };
    use std::time::Duration;

    /// A calm plan in which a task of a host misbehaves at 2 s.
    fn planted(host: &str, does: Plant) -> Case {
        let mut case = case_of(1, &ProtocolSpec::preset("hardened"), Profile::Calm);
        let trouble = Trouble::Planted { host: host.into(), does };
        case.plan.faults = vec![Fault { id: 1, at_ms: 2_000, for_ms: 5, trouble }];
        case
    }

    #[test]
    fn a_panic_of_a_role_is_reported_with_its_host_and_place() {
        for host in ["msg1", "db2", "route1"] {
            let outcome = run_case(&planted(host, Plant::Panics)).expect("a verdict");
            let role = &host[..host.len() - 1];
            assert_eq!(outcome.found(), format!("no-panic/panic/{role}"));
            let sentence = &outcome.violations[0].sentence;
            let start = format!("{host} panicked at sim/src/world/plant.rs:");
            assert!(sentence.starts_with(&start) && sentence.ends_with(": planted"), "{sentence}");
            let last = outcome.trace.lines.last().expect("a trace");
            assert!(matches!(&last.kind, Kind::Panic { .. }) && &*last.host == host, "{last:?}");
            assert_eq!(last.sim_us / 1_000, 2_000);
        }
    }

    #[test]
    fn the_backtrace_is_kept_if_it_is_asked_for() {
        let runner = Runner { backtraces: true, ..Runner::default() };
        let outcome = runner.run(&planted("msg1", Plant::Panics)).expect("a verdict");
        let frames = outcome.panicked.and_then(|panicked| panicked.backtrace).expect("asked for");
        assert!(frames.contains("plant"), "{frames}");
        assert!(!frames.contains("turmoil::rt") && frames.lines().count() < 10, "{frames}");
    }

    #[test]
    fn a_panic_of_a_store_is_the_rigs() {
        for host in ["sql", "redis", "outside"] {
            let failed = run_case(&planted(host, Plant::Panics)).expect_err("no verdict");
            let start =
                format!("the rig itself failed: {host} panicked at sim/src/world/plant.rs:");
            assert!(failed.to_string().starts_with(&start), "{failed}");
            assert!(failed.trace.lines.len() > 100, "what happened is kept");
        }
    }

    #[test]
    fn who_calls_the_world_without_end_is_ended() {
        let first = run_case(&planted("msg1", Plant::Calls)).expect("a verdict");
        assert_eq!(first.found(), "no-panic/endless/msg");
        assert!(first.violations[0].sentence.starts_with("msg1 ran without end: it called"));
    }

    #[test]
    fn who_is_ready_again_and_again_is_ended_after_a_while() {
        let runner = Runner { patience: Duration::from_secs(2), ..Runner::default() };
        let run = || runner.run(&planted("db1", Plant::Yields)).expect("a verdict");
        let (first, second) = (run(), run());
        assert_eq!(first.found(), "no-panic/endless/db");
        assert_eq!(first.trace.hash(), second.trace.hash(), "real time leaves no mark");
    }

    #[test]
    fn who_never_yields_is_given_up() {
        let runner = Runner { patience: Duration::from_secs(2), ..Runner::default() };
        let failed = runner.run(&planted("msg1", Plant::Hangs)).expect_err("no verdict");
        let Why::Stuck { at_ms, last, .. } = failed.why else { panic!("{failed}") };
        assert_eq!(at_ms, 2_000);
        assert!(last.is_some() && failed.trace.lines.len() > 100, "what happened is kept");
    }
}
