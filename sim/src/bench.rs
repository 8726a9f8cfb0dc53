//! How fast the rig is: a pinned plan beside the same hosts and ticks idle.

use crate::{
    explore::{SeedReport, run_case},
    plan::{Action, case::Case},
};
use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// The plan, pinned in the repository so that figures of different days compare.
const PINNED: &str = include_str!("../../benches/pinned.json");

/// What a batch of runs did.
#[derive(Debug, Clone, Default)]
struct Batch {
    runs: u64,
    wall: Duration,
    /// Wall seconds a simulated second of each round.
    costs: Vec<f64>,
    sim_ms: u64,
    pdus: u64,
    acked: u64,
}

impl Batch {
    fn add(&mut self, wall: Duration, reports: &[SeedReport]) {
        self.wall += wall;
        self.runs += reports.len() as u64;
        let sim_ms: u64 = reports.iter().map(|report| report.sim_ms).sum();
        self.costs.push(wall.as_secs_f64() * 1_000.0 / sim_ms.max(1) as f64);
        for report in reports {
            self.sim_ms += report.sim_ms;
            self.pdus += report.pdus;
            self.acked += report.acked;
        }
    }

    fn per_second(&self, count: u64) -> f64 {
        count as f64 / self.wall.as_secs_f64().max(1e-9)
    }

    /// What a simulated second costs in wall seconds: the median, and the fastest round's. Other
    /// work on the machine makes some rounds much dearer, and no mean forgives that.
    fn costs(&self) -> (f64, f64) {
        let mut costs = self.costs.clone();
        costs.sort_by(f64::total_cmp);
        match costs.len() {
            0 => (f64::NAN, f64::NAN),
            n => ((costs[(n - 1) / 2] + costs[n / 2]) / 2.0, costs[0]),
        }
    }
}

/// The pinned case.
///
/// # Errors
/// If the file in the repository is not a case of this build's format.
pub fn pinned() -> Result<Case, String> {
    let case: Case =
        serde_json::from_str(PINNED).map_err(|e| format!("benches/pinned.json: {e}"))?;
    case.protocols.base.resolve()?;
    Ok(case)
}

/// The pinned case with the same hosts, ticks and logins, and nobody who says anything.
fn idle(case: &Case) -> Case {
    let mut idle = case.clone();
    idle.plan.operations.retain(|op| op.action == Action::Login);
    idle
}

/// Runs a case once on each of `jobs` threads, with noise seeds of their own.
#[allow(clippy::disallowed_methods, reason = "the rig's own threads and clock")]
fn round(
    case: &Case,
    jobs: usize,
    noise: &AtomicU64,
) -> Result<(Duration, Vec<SeedReport>), String> {
    let started = Instant::now();
    let one = || {
        let mut case = case.clone();
        case.plan.noise = noise.fetch_add(1, Ordering::Relaxed);
        let outcome = run_case(&case).map_err(|failed| failed.to_string())?;
        match outcome.violations.first() {
            Some(v) => Err(format!("the pinned plan broke {}: {}", v.signature(), v.sentence)),
            None => Ok(SeedReport::of(case.plan.noise, &case, &outcome)),
        }
    };
    let reports: Result<Vec<_>, String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|t| t.join().map_err(|_| "a run panicked".to_string())?).collect()
    });
    Ok((started.elapsed(), reports?))
}

/// Runs the pinned plan `runs` times on one core, on `jobs` cores and idle, in turns so that
/// a noisy machine is as noisy for each, and says what came of it.
///
/// # Errors
/// If the pinned plan is unreadable or breaks a property.
pub fn bench(runs: u64, jobs: usize, mut each: impl FnMut()) -> Result<String, String> {
    let busy = pinned()?;
    let quiet = idle(&busy);
    let noise = AtomicU64::new(1);
    let (mut one, mut all, mut still) = (Batch::default(), Batch::default(), Batch::default());
    for _ in 0..runs {
        for (batch, case, jobs) in
            [(&mut one, &busy, 1), (&mut still, &quiet, 1), (&mut all, &busy, jobs)]
        {
            let (wall, reports) = round(case, jobs, &noise)?;
            batch.add(wall, &reports);
        }
        each();
    }
    Ok(table(&busy, jobs, &one, &all, &still))
}

fn table(case: &Case, jobs: usize, one: &Batch, all: &Batch, still: &Batch) -> String {
    let mut out = String::new();
    let plan = &case.plan;
    let _ = writeln!(
        out,
        "pinned plan: {} hosts, {} devices, {} operations, {:.1} acked sends a run, {} ms + liveness",
        plan.nodes.len(),
        plan.devices.len(),
        plan.operations.len(),
        one.acked as f64 / one.runs.max(1) as f64,
        plan.horizon_ms
    );
    let _ = writeln!(
        out,
        "{:<16} {:>6} {:>10} {:>16} {:>12}",
        "", "runs", "seeds/s", "sim seconds/s", "PDUs/s"
    );
    let cores = format!("{jobs} cores");
    for (name, batch) in [("one core", one), (cores.as_str(), all), ("idle, one core", still)] {
        let _ = writeln!(
            out,
            "{name:<16} {:>6} {:>10.1} {:>16.1} {:>12.0}",
            batch.runs,
            batch.per_second(batch.runs),
            batch.per_second(batch.sim_ms) / 1_000.0,
            batch.per_second(batch.pdus)
        );
    }
    let ((busy, fastest), (idle, fastest_idle)) = (one.costs(), still.costs());
    let _ = writeln!(
        out,
        "a simulated second costs {:.2} times an idle one (medians; the fastest rounds: {:.2})",
        busy / idle,
        fastest / fastest_idle
    );
    let _ = writeln!(
        out,
        "{jobs} cores do {:.2} times the seeds of one",
        all.per_second(all.runs) / one.per_second(one.runs)
    );
    out
}

#[cfg(test)]
mod tests {
    use super::{idle, pinned, run_case};
    use crate::explore::SeedReport;

    #[test]
    fn the_pinned_plan_does_what_the_figures_are_for() {
        let case = pinned().expect("the pinned plan reads");
        assert_eq!(case.plan.horizon_ms, 8_000);
        let outcome = run_case(&case).expect("it runs");
        assert_eq!(outcome.found(), "holds");
        let report = SeedReport::of(1, &case, &outcome);
        assert!(report.acked >= 300, "{} acked sends", report.acked);
        let outcome = run_case(&idle(&case)).expect("it runs");
        assert_eq!(SeedReport::of(1, &case, &outcome).acked, 0);
    }
}
