//! A verification for programs (docs/FORMATS.md, "Verdict").

use super::verify_told::Told;
use crate::{
    plan::Role,
    run::Program,
    verify::{
        Cause, Constraint, Differs, FIGURES, InOrder, Lost, Measure, Proven, Regression, Row, Stage,
    },
};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// All of it.
pub fn json(told: &Told<'_>) -> Value {
    let Told { pair, verdict, rolling, from, seeds, profile, .. } = *told;
    let names = |roles: &mut dyn Iterator<Item = &Role>| {
        roles.map(|role| role.name().to_string()).collect::<Vec<_>>()
    };
    let row = |(signature, row): (&String, &Row)| {
        let counts =
            row.counts.iter().map(|(stage, count)| (stage.name().to_string(), json!(count)));
        (signature.clone(), Value::Object(counts.collect()))
    };
    let regression = |of: &Regression| {
        json!({"signature": of.signature, "sentence": of.sentence, "stage": of.stage.name(),
            "seed": of.seed, "on_base": of.on_base, "on_candidate": of.on_candidate,
            "as_it_was": of.as_it_was, "is_explained": of.is_explained, "case": of.case})
    };
    let constraint = |of: &Constraint| {
        let (kind, new, old) = match &of.cause {
            Cause::Mix { new, old } => ("mix", new.clone(), old.clone()),
            Cause::Back(roles) => ("back", roles.clone(), BTreeSet::new()),
            Cause::Change { new, old } => ("change", new.clone(), old.clone()),
        };
        json!({"kind": kind, "new": names(&mut new.iter()), "old": names(&mut old.iter()),
            "sentence": of.cause.to_string(), "signature": of.signature, "breaks": of.breaks,
            "aimed": of.aimed, "aimed_on_base": of.aimed_on_base, "case": of.case})
    };
    let figures = |(stage, measure): (&Stage, &Measure)| {
        let all = FIGURES.iter().map(|of| (of.key.to_string(), json!((of.of)(measure))));
        (stage.name().to_string(), Value::Object(all.collect()))
    };
    let differs = |of: &Differs| {
        json!({"figure": of.figure.key, "stage": of.stage(), "larger": of.larger,
            "smaller": of.smaller})
    };
    let in_order = |of: &InOrder| {
        json!({"signature": of.signature, "sentence": of.sentence, "stage": of.stage.name(),
            "seed": of.seed, "count": of.count, "must_hold": of.must_hold, "case": of.case})
    };
    let order = verdict.proven.as_ref().map(|proven| {
        let Proven { order, forward, back, unsure_forward, unsure_back, lost, seen } = proven;
        let all = |of: &[InOrder]| of.iter().map(in_order).collect::<Vec<_>>();
        json!({"roles": names(&mut order.roles.iter()), "at_once": names(&mut order.at_once.iter()),
            "returns": order.returns, "forward": forward, "back": back,
            "unsure_forward": unsure_forward, "unsure_back": unsure_back, "lost": all(lost),
            "seen": all(seen)})
    });
    let at_stage = |of: &[(String, Stage)], name: &str| {
        let told = of.iter().map(|(what, stage)| json!({name: what, "stage": stage.name()}));
        told.collect::<Vec<_>>()
    };
    let word = match (verdict.is_safe(rolling), verdict.is_unsafe(rolling)) {
        (true, _) => "safe",
        (false, true) => "unsafe",
        (false, false) => "none",
    };
    let lost = |(stage, lost): (&Stage, &Lost)| (stage.name().to_string(), json!(lost));
    let program = |of: &Option<Program>| of.as_ref().map(Program::label);
    json!({
        "base": pair.base, "candidate": pair.candidate, "from": from, "seeds": seeds,
        "profile": profile.name(), "rolling": rolling, "contract": verdict.contract,
        "base_sim": program(&verdict.programs.base),
        "candidate_sim": program(&verdict.programs.candidate), "safe": verdict.is_safe(rolling), "verdict": word,
        "came_to_nothing": verdict.came_to_nothing,
        "deployment": Some(&verdict.deployment).filter(|of| !of.is_empty()),
        "lost": verdict.lost.iter().map(lost).collect::<Map<_, _>>(),
        "interrupted": verdict.interrupted, "large": verdict.large, "on_the_wire": verdict.on_the_wire,
        "signatures": verdict.rows.iter().map(row).collect::<Map<_, _>>(),
        "figures": verdict.measures.iter().map(figures).collect::<Map<_, _>>(),
        "differences": verdict.differences.iter().map(differs).collect::<Vec<_>>(),
        "regressions": verdict.regressions.iter().map(regression).collect::<Vec<_>>(),
        "asked_of_base": verdict.asked_of_base,
        "mended": verdict.mended, "not_yet": verdict.not_yet, "unclear": verdict.unclear,
        "allowed": at_stage(&verdict.allowed, "signature"),
        "broken": at_stage(&verdict.broken, "signature"),
        "contract_unjudged": at_stage(&verdict.unjudged, "name"),
        "contract_unseen": at_stage(&verdict.unseen, "name"),
        "capped": verdict.capped.iter().map(|of| of.name()).collect::<Vec<_>>(),
        "constraints": verdict.constraints.iter().map(constraint).collect::<Vec<_>>(),
        "unconfirmed": verdict.unconfirmed.iter().map(constraint).collect::<Vec<_>>(),
        "order": order,
    })
}
