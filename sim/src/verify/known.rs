//! What is known of cases that were run: those under noise seeds and those that are aimed at a cause share
//! many, above all those with everybody on the base.

use crate::{
    plan::case::{Case, Protocols},
    run::Runner,
};
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};
use teamtalk::env::draw_id;

/// What a case has broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broken {
    /// All that it does: it was run to its end.
    All(Vec<String>),
    /// This, and what else is not known: its run was over then.
    AtLeast(String),
}

/// What cases have broken, by their hash.
#[derive(Default)]
pub struct Known(Mutex<BTreeMap<u64, Broken>>);

impl Known {
    /// What a case is to break decides nothing of how it runs; who runs it does.
    fn key(case: &Case, runner: &Runner) -> u64 {
        let Case { protocols: Protocols { base, candidate }, plan, .. } = case;
        let program = runner.program.as_ref().map(|of| of.path().as_os_str().as_encoded_bytes());
        let text = serde_json::to_vec(&(base, candidate, plan)).expect("plain data");
        draw_id(&[&text, program.unwrap_or_default()])
    }

    /// Whether a case fails as it expects; `None` if nobody has run it far enough to know.
    pub fn fails(&self, case: &Case, runner: &Runner) -> Option<bool> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(&Self::key(case, runner))? {
            Broken::All(signatures) => Some(signatures.contains(&case.expect)),
            Broken::AtLeast(signature) => (*signature == case.expect).then_some(true),
        }
    }

    /// All that a case breaks; `None` if nobody has run it to its end.
    pub fn all(&self, case: &Case, runner: &Runner) -> Option<Vec<String>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(&Self::key(case, runner))? {
            Broken::All(signatures) => Some(signatures.clone()),
            Broken::AtLeast(_) => None,
        }
    }

    /// Keeps what a run of a case has broken.
    pub fn keep(&self, case: &Case, runner: &Runner, broken: Broken) {
        let key = Self::key(case, runner);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, broken);
    }
}

#[cfg(test)]
mod tests {
    use super::{Broken, Known};
    use crate::{
        explore::case_of,
        plan::{
            case::{Case, ProtocolSpec},
            generate::Profile,
        },
        run::Runner,
    };

    /// A run that was over as soon as it failed says nothing of what else it would have broken.
    #[test]
    fn what_was_not_run_to_its_end_is_known_by_what_it_broke_alone() {
        let case = case_of(1, &ProtocolSpec::preset("hardened"), Profile::Calm);
        let expecting = |expect: &str| Case { expect: expect.into(), ..case.clone() };
        let (known, runner) = (Known::default(), Runner::default());
        let fails = |expect| known.fails(&expecting(expect), &runner);
        assert_eq!(fails("order/gap/db"), None);
        known.keep(&case, &runner, Broken::AtLeast("order/gap/db".into()));
        assert_eq!((fails("order/gap/db"), fails("shown/stale/client")), (Some(true), None));
        assert_eq!(known.all(&case, &runner), None);
        known.keep(&case, &runner, Broken::All(vec!["order/gap/db".into()]));
        assert_eq!((fails("order/gap/db"), fails("shown/stale/client")), (Some(true), Some(false)));
        assert_eq!(known.all(&case, &runner), Some(vec!["order/gap/db".to_string()]));
    }
}
