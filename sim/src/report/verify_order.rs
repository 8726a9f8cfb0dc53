//! What is unsafe beside what, the order that follows, and what its own runs say, in words.

use super::{
    printable,
    verify::when,
    verify_told::{Shown, Told},
};
use crate::{
    plan::Role,
    verify::{Cause, Constraint, Count, InOrder, Proven, bound, named},
};
use std::{collections::BTreeSet, fmt::Write};

/// All of it.
pub(super) fn order(told: &Told<'_>) -> String {
    let (verdict, mut out) = (told.verdict, String::from("\n"));
    for of in &verdict.constraints {
        out += &constraint(of);
        out += &(told.shown)(&of.file_name()).text();
    }
    for Constraint { cause, signature, aimed, aimed_on_base, .. } in &verdict.unconfirmed {
        let _ = writeln!(
            out,
            "seen, and not confirmed: {cause}: {signature} (of {} seeds aimed at it {} break that, {} under the base)",
            aimed.of, aimed.hits, aimed_on_base.hits
        );
    }
    for of in &verdict.capped {
        let _ = writeln!(out, "not all was looked at: {of}");
    }
    let Some(proven) = &verdict.proven else {
        let why = match (verdict.is_lost_alone(), verdict.interrupted) {
            (true, _) => "ORDER none is safe: with everybody on the candidate something is lost",
            (false, true) => "INTERRUPTED before the order was inferred",
            (false, false) => "ORDER none is safe",
        };
        return out + why + "\n";
    };
    let names: Vec<_> = proven.order.roles.iter().map(|role| one(*role)).collect();
    let _ = writeln!(out, "ORDER {}", names.join(", then "));
    for role in &proven.order.at_once {
        let _ = writeln!(out, "  all {} at once", one(*role));
    }
    if told.pair.older_schema().is_some() {
        out += "  db_proxies of the candidate do not serve before the schema is migrated\n";
    }
    let _ = writeln!(out, "  {}", way_back(proven));
    let Proven { forward, back, unsure_forward, unsure_back, .. } = proven;
    let mut part = |what: &str, count: Count, unsure: u64| {
        let _ = writeln!(out, "  {what}: {}", came_of(proven, count, unsure));
    };
    part("that order, also stopped on the way", *forward, *unsure_forward);
    part("and back", *back, *unsure_back);
    for (of, n) in proven.lost.iter().zip(0..) {
        let mut shown = (told.shown)(&of.file_name());
        // One card is enough; there is one in a file for each.
        shown.card = shown.card.filter(|_| n == 0);
        out += &in_order(of, true, &shown);
    }
    for of in &proven.seen {
        let replay = (told.shown)(&of.file_name()).replay;
        out += &in_order(of, false, &Shown { replay, card: None });
    }
    out
}

/// How far the order may be taken back.
fn way_back(proven: &Proven) -> String {
    let order = &proven.order;
    let far = match order.returns {
        0 => return "no way back: from the first step on".into(),
        all if all == order.roles.len() => "to the end: all of it can be taken back".into(),
        some => format!("the last safe point of return is before {}", one(order.roles[some])),
    };
    match proven.is_back_not_run() {
        true => format!("the way back was not run; as it was inferred: {far}"),
        false => far,
    }
}

/// What a part of the runs of an order came to, in a sentence: a bound is said only if each of them is known to hold.
fn came_of(proven: &Proven, count: Count, unsure: u64) -> String {
    match (count.of, count.hits, unsure) {
        (0, ..) => "not run".into(),
        (of, 0, 0) => format!(
            "0 of {of} runs lose what the base holds; a fault in {:.1} % of them would show with 95 %",
            100.0 * bound(of)
        ),
        (of, 0, unsure) => format!(
            "0 of {of} runs are known to lose what the base holds; in {unsure} of them it is not told from chance, so no \
             bound follows"
        ),
        (of, hits, 0) => format!("{hits} of {of} runs {}", lose(proven)),
        (of, hits, unsure) => {
            format!(
                "{hits} of {of} runs {}; in {unsure} more it is not told from chance",
                lose(proven)
            )
        }
    }
}

/// What runs of an order do that lose something: the contract may be all that they break.
pub(super) fn lose(proven: &Proven) -> &'static str {
    let of_contract = proven.lost.iter().filter(|of| of.must_hold).count();
    match of_contract {
        0 => "lose what the base holds",
        all if all == proven.lost.len() => "break the contract",
        _ => "lose what the base holds, or break the contract",
    }
}

/// A signature that the runs of the order violated: `lost in the order: …`, `seen in the order, not told from chance: …`.
pub(super) fn headline(of: &InOrder, is_lost: bool) -> String {
    let what = match (is_lost, of.must_hold) {
        (true, true) => "the contract is broken in the order",
        (true, false) => "lost in the order",
        (false, _) => "seen in the order, not told from chance",
    };
    let Count { hits, of: runs } = of.count;
    format!("{what}: {}, in {hits} of {runs} runs", of.signature)
}

fn in_order(of: &InOrder, is_lost: bool, shown: &Shown) -> String {
    format!(
        "{} ({}, seed {} first)\n  {}\n{}",
        headline(of, is_lost),
        when(of.stage),
        of.seed,
        printable(&of.sentence),
        shown.text()
    )
}

/// What is unsafe, what to do about it, and how sure that is: three lines.
pub(super) fn constraint(of: &Constraint) -> String {
    let Constraint { cause, signature, aimed, aimed_on_base, .. } = of;
    format!(
        "UNSAFE {cause}: {signature}\n  {}\n  of {} seeds aimed at it {} break that ({} under the base)\n",
        rule(cause),
        aimed.of,
        aimed.hits,
        aimed_on_base.hits
    )
}

/// What an operator has to do about a cause.
pub(super) fn rule(cause: &Cause) -> String {
    match cause {
        Cause::Mix { new, old } if old.is_empty() => {
            format!("no {} may run it", named(new))
        }
        Cause::Mix { new, old } if new == old && *new == BTreeSet::from([Role::Client]) => {
            "no order avoids it: devices don't change at once".into()
        }
        Cause::Mix { new, old } if new == old => {
            format!("all {} change at once", named(new))
        }
        Cause::Change { new, old } if old.is_empty() => {
            format!("{} may not change while the system runs", named(new))
        }
        Cause::Mix { new, old } | Cause::Change { new, old } => {
            let whole = |role: &Role| match role {
                Role::Sql => "the schema".to_string(),
                role => format!("all {}", one(*role)),
            };
            let first: Vec<_> = old.iter().map(whole).collect();
            let first = first.join(" or ");
            match new.len() {
                1 => format!("{first} before any of the {}", named(new)),
                _ => format!("{first} before the last of {}", named(new)),
            }
        }
        Cause::Back(roles) => format!("{} do not go back", named(roles)),
    }
}

pub(super) fn one(role: Role) -> String {
    named(&BTreeSet::from([role]))
}
