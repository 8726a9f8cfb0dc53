//! What a contract names, and what the runs know of it.

use super::{Contract, ROLLING, Runs, Stage, Terms, Verdict, Verification};
use std::collections::{BTreeMap, BTreeSet};

/// What some runs have looked at.
#[derive(Debug, Clone, Default)]
pub(super) struct Looked {
    /// How often each property judged.
    pub(super) judged: BTreeMap<String, u64>,
    /// Signatures that were violated.
    pub(super) violated: BTreeSet<String>,
}

impl Looked {
    /// One more run.
    pub(super) fn add(&mut self, ran: &super::Ran) {
        for (property, n) in &ran.came.judged {
            *self.judged.entry(property.clone()).or_default() += n;
        }
        self.violated.extend(ran.came.violated.iter().map(|of| of.signature.clone()));
    }

    /// Whether nothing was judged of what a contract names: its property never did.
    fn has_not_judged(&self, name: &str) -> bool {
        let property = name.split('/').next().unwrap_or_default();
        self.judged.get(property).is_none_or(|judged| *judged == 0)
    }

    fn has_seen(&self, name: &str) -> bool {
        self.violated.iter().any(|of| super::contract::is_of(of, name))
    }
}

impl Runs {
    /// What the runs of the stages of a kind have looked at.
    pub(super) fn looked(&self, is_of: impl Fn(Stage) -> bool) -> Looked {
        let mut looked = Looked::default();
        self.of(is_of).for_each(|ran| looked.add(ran));
        looked
    }
}

/// What is not known of the terms of a stage: what must hold there and was not judged, and what is named and no run has
/// violated. A property as a whole need not be violated to be known.
fn unknown(terms: &Terms, here: &Looked, all: &[&Looked]) -> [Vec<String>; 2] {
    let is_unseen = |name: &&String| !all.iter().any(|of| of.has_seen(name));
    let unjudged = terms.must_hold.iter().filter(|name| here.has_not_judged(name)).cloned();
    let signatures = terms.must_hold.iter().filter(|name| name.contains('/'));
    let unseen = signatures.chain(&terms.may_lose).filter(is_unseen).cloned();
    [unjudged.collect(), unseen.collect()]
}

impl Verification<'_> {
    /// Holds what was run to the contract; `in_order`: what the runs of the order have looked at, if there were some.
    pub(super) fn held_to(&self, verdict: &mut Verdict, runs: &Runs, in_order: Option<&Looked>) {
        let lost = verdict.proven.iter().flat_map(|of| &of.lost).filter(|of| of.must_hold);
        verdict.broken.extend(lost.map(|of| (of.signature.clone(), of.stage)));
        // What was not run to the end says nothing of what it lacks.
        if self.is_stopped() {
            return;
        }
        let Contract { candidate, mixed } = &self.contract;
        let (here, any) = (runs.looked(|of| of == Stage::Candidate), runs.looked(|_| true));
        let all: Vec<_> = [&any].into_iter().chain(in_order).collect();
        let [mut unjudged, mut unseen] = [Vec::new(), Vec::new()];
        let mut add = |stage, [not_judged, not_seen]: [Vec<String>; 2]| {
            unjudged.extend(not_judged.into_iter().map(|name| (name, stage)));
            unseen.extend(not_seen.into_iter().map(|name| (name, stage)));
        };
        add(Stage::Candidate, unknown(candidate, &here, &all));
        if let Some(in_order) = in_order {
            add(ROLLING, unknown(mixed, in_order, &all));
        }
        (verdict.unjudged, verdict.unseen) = (unjudged, unseen);
    }
}

#[cfg(test)]
mod tests {
    use super::{Looked, Terms, unknown};

    /// `order` judged and was broken once, `pushed` never judged.
    fn looked() -> Looked {
        let judged = [("order".to_string(), 7), ("pushed".to_string(), 0)].into();
        Looked { judged, violated: ["order/gap/db".to_string()].into() }
    }

    #[test]
    fn what_must_hold_and_was_not_judged_is_not_known_to_hold() {
        let must_hold = ["order", "pushed", "pushed/never/db", "tokens"].map(String::from).into();
        let terms = Terms { must_hold, ..Terms::default() };
        let [unjudged, unseen] = unknown(&terms, &looked(), &[&looked()]);
        assert_eq!(unjudged, ["pushed", "pushed/never/db", "tokens"]);
        assert_eq!(unseen, ["pushed/never/db"]);
    }

    #[test]
    fn a_signature_that_no_run_has_violated_may_be_none() {
        let names = |all: &[&str]| all.iter().map(ToString::to_string).collect();
        let terms = Terms {
            must_hold: names(&["order/gap/db", "order/gapp/db"]),
            may_lose: names(&["order", "order/gap", "pushed"]),
        };
        let [unjudged, unseen] = unknown(&terms, &looked(), &[&looked()]);
        assert!(unjudged.is_empty(), "{unjudged:?}");
        assert_eq!(unseen, ["order/gapp/db", "pushed"]);
        // What only another stage has seen is one, too.
        let [_, unseen] = unknown(&terms, &Looked::default(), &[&looked()]);
        assert_eq!(unseen, ["order/gapp/db", "pushed"]);
    }
}
