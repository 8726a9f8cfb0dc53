//! A verification as a test of somebody's own repository says it (examples/verify.rs).

use super::{
    Contract, Given, Known, Pair, Programs, SHRINK_RUNS, Verdict, Verification, check_seeds,
};
use crate::{
    plan::{
        case::ProtocolSpec,
        generate::{Deployment, Profile},
    },
    pool::Pool,
    report::{
        self,
        verify_told::{Shown, Told},
    },
    run::Runner,
};
use std::{fmt, num::NonZero, sync::atomic::AtomicBool, thread::available_parallelism};

/// What is to be verified: [`verify`] begins it.
#[derive(Debug, Clone)]
pub struct Verify {
    pair: Pair,
    seeds: u64,
    from: u64,
    jobs: usize,
    profile: Profile,
    rolling: bool,
    contract: Contract,
    shrink_runs: u64,
    deployment: Deployment,
}

/// May a candidate replace a base? 300 seeds from 1 on, on all cores, unless it is said otherwise.
pub fn verify(base: ProtocolSpec, candidate: ProtocolSpec) -> Verify {
    #[allow(clippy::disallowed_methods, reason = "the rig's own threads")]
    let jobs = available_parallelism().map_or(1, NonZero::get);
    let (profile, rolling) = (Profile::Default, false);
    let contract = Contract::default();
    let (pair, shrink_runs) = (Pair { base, candidate }, SHRINK_RUNS);
    let deployment = Deployment::default();
    Verify { pair, seeds: 300, from: 1, jobs, profile, rolling, contract, shrink_runs, deployment }
}

impl Verify {
    /// Hosts change side in some runs, and the order is inferred.
    pub fn rolling(self) -> Self {
        Self { rolling: true, ..self }
    }

    /// So many seeds for each stage.
    pub fn seeds(self, seeds: u64) -> Self {
        Self { seeds, ..self }
    }

    /// The first seed.
    pub fn from(self, from: u64) -> Self {
        Self { from, ..self }
    }

    /// So many runs at once.
    pub fn jobs(self, jobs: usize) -> Self {
        Self { jobs: jobs.max(1), ..self }
    }

    /// What the plans are like.
    pub fn profile(self, profile: Profile) -> Self {
        Self { profile, ..self }
    }

    /// What must hold where, if not simply all that the base holds.
    pub fn contract(self, contract: Contract) -> Self {
        Self { contract, ..self }
    }

    /// At most so many runs to make cases small, all together; 0: they stay as they are.
    pub fn shrink_runs(self, shrink_runs: u64) -> Self {
        Self { shrink_runs, ..self }
    }

    /// Plans are of this deployment; its limits hold on both sides, but for those that a protocol sets itself.
    pub fn deployment(self, deployment: Deployment) -> Self {
        Self { deployment, ..self }
    }

    /// Runs it.
    ///
    /// # Errors
    /// A sentence about a protocol that this build does not have, a deployment that can't be, a contract of hosts that change
    /// where none does, or seeds that there are not.
    pub fn run(self) -> Result<Verified, String> {
        let Self {
            shrink_runs,
            mut pair,
            seeds,
            from,
            jobs,
            profile,
            rolling,
            contract,
            deployment,
        } = self;
        deployment.check().map_err(|e| format!("deployment: {e}"))?;
        contract.check(rolling).map_err(|e| format!("contract: {e}"))?;
        check_seeds(from, seeds)?;
        for (side, spec) in [("base", &pair.base), ("candidate", &pair.candidate)] {
            let resolved = spec.resolve().and_then(|_| spec.resolve_limits());
            resolved.map_err(|e| format!("{side}: {e}"))?;
        }
        pair.base = deployment.under(&pair.base).map_err(|e| format!("base: {e}"))?;
        pair.candidate =
            deployment.under(&pair.candidate).map_err(|e| format!("candidate: {e}"))?;
        let stop = AtomicBool::new(false);
        let pool = Pool::new(Runner::default(), jobs, &stop);
        let progress = |_| {};
        let verification = Verification {
            pair: pair.clone(),
            from,
            seeds,
            profile,
            deployment,
            rolling,
            contract,
            candidate_noise: 0,
            pool,
            programs: Programs::default(),
            given: Given::new(),
            shrink_runs,
            known: Known::default(),
            progress: &progress,
        };
        Ok(Verified { verdict: verification.run(), pair, rolling, from, seeds, profile })
    }
}

/// What came of it. It prints as `sim verify` does.
#[derive(Debug, Clone)]
pub struct Verified {
    /// All that came of it.
    pub verdict: Verdict,
    pair: Pair,
    rolling: bool,
    from: u64,
    seeds: u64,
    profile: Profile,
}

impl Verified {
    /// Whether nothing that the base holds is lost.
    pub fn is_safe(&self) -> bool {
        self.verdict.is_safe(self.rolling)
    }
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verdict, pair, rolling, from, seeds, profile } = self;
        f.write_str(&report::verify::changes(pair, &verdict.programs))?;
        f.write_str(&report::verify::verdict(&Told {
            pair,
            verdict,
            rolling: *rolling,
            from: *from,
            seeds: *seeds,
            profile: *profile,
            shown: &|_| Shown { replay: "its case is in the verdict".into(), card: None },
        }))
    }
}
