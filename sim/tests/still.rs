//! A run that stands still is over before the bound of its liveness phase (`world/still.rs`): it violates what it would
//! violate if it waited for that.
//!
//! `SIM_SEEDS` runs other numbers of seeds of each kind.

use std::{collections::BTreeSet, num::NonZero, sync::atomic::AtomicBool};
use teamtalk_sim::{
    plan::{
        case::{Case, ProtocolSpec},
        generate::{Deployment, Profile},
    },
    pool::Pool,
    run::{Runner, Wanted},
    verify::{Pair, Paths},
};

/// What a run violated, and when it was over.
struct Came {
    signatures: BTreeSet<String>,
    end_us: u64,
}

fn came(case: &Case, to_the_bound: bool) -> Came {
    let wanted = Wanted { to_the_bound, ..Wanted::default() };
    let outcome = Runner { wanted, ..Runner::default() }.run(case);
    let outcome = outcome.expect("a run that ends");
    Came {
        signatures: outcome.violations.iter().map(|of| of.signature()).collect(),
        end_us: outcome.trace.lines.last().map_or(0, |line| line.sim_us),
    }
}

/// Cases of the original, of `hardened`, and of hosts that go from the one to the other, in three profiles.
fn cases(seeds: u64) -> Vec<Case> {
    let [base, candidate] = ["teamtalk", "hardened"].map(ProtocolSpec::preset);
    let pair = Pair { base, candidate };
    let profiles = [Profile::Default, Profile::Bounds, Profile::Idle];
    let of_seed = |seed: u64| {
        let profile = profiles[seed as usize % profiles.len()];
        let (case, _) = pair.rolling(seed, profile, &Deployment::default(), &Paths::any());
        let on = |preset: &str| {
            let mut case = case.clone();
            case.protocols.base = ProtocolSpec::preset(preset);
            case.protocols.candidate = ProtocolSpec::preset(preset);
            (case.plan.schema, case.plan.migrations) = (None, Vec::new());
            case
        };
        [on("teamtalk"), on("hardened"), case]
    };
    (1..=seeds).flat_map(of_seed).collect()
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the rig's own threads")]
fn what_stands_still_violates_no_more_than_what_waits() {
    let seeds = std::env::var("SIM_SEEDS").map_or(9, |n| n.parse().expect("a number"));
    let stop = AtomicBool::new(false);
    let jobs = std::thread::available_parallelism().map_or(1, NonZero::get);
    let pool = Pool::new(Runner::default(), jobs, &stop);
    let cases = cases(seeds);
    let both = |_: usize, case: &Case| Some([came(case, false), came(case, true)]);
    let (mut wrong, mut sooner, mut saved_us, mut all_us) = (Vec::new(), 0, 0, 0);
    for (case, came) in cases.iter().zip(pool.side_by_side(&cases, both)) {
        let [here, waited] = came.expect("nobody stops it");
        sooner += u64::from(here.end_us < waited.end_us);
        saved_us += waited.end_us.saturating_sub(here.end_us);
        all_us += waited.end_us;
        if here.signatures != waited.signatures {
            let (base, candidate) = (&case.protocols.base, &case.protocols.candidate);
            let of = format!("seed {:?} of {} to {}", case.seed, base.preset, candidate.preset);
            let lacks: Vec<_> = waited.signatures.difference(&here.signatures).collect();
            let more: Vec<_> = here.signatures.difference(&waited.signatures).collect();
            wrong
                .push(format!("{of}: more {more:?}, less {lacks:?}, of {}", here.signatures.len()));
        }
    }
    eprintln!(
        "{sooner} of {} runs are over sooner; {} of {} simulated seconds are saved",
        cases.len(),
        saved_us / 1_000_000,
        all_us / 1_000_000
    );
    assert!(sooner > seeds / 3, "only {sooner} of {} runs stand still", cases.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
