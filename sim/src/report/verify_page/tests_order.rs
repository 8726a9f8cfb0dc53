//! What is said of an order that was run, of a verdict that is weak, and of what is not known.

use super::{
    page,
    tests::{ODD, failures, of, pair, seen, told, verdict},
};
use crate::{
    explore::case_of,
    plan::{case::ProtocolSpec, generate::Profile},
    report::{
        verify::{conclusion, verdict as in_words},
        verify_json::json,
        verify_junit::junit,
    },
    verify::{Capped, InOrder, ROLLING, Stage, Verdict},
};
use roxmltree::Document;

/// A signature that runs of the order violated.
fn in_order(signature: &str, hits: u64, must_hold: bool) -> InOrder {
    InOrder {
        signature: signature.into(),
        sentence: format!("{signature} went wrong: {ODD}"),
        stage: ROLLING,
        seed: 301,
        count: of(hits, 61),
        must_hold,
        case: case_of(1, &ProtocolSpec::preset("hardened"), Profile::Calm),
    }
}

/// The verdict of an order that lost, and of which something was seen that is not told from chance.
fn proven(lost: Vec<InOrder>, seen: Vec<InOrder>) -> Verdict {
    let mut verdict = verdict();
    let proven = verdict.proven.as_mut().expect("an order");
    (proven.forward.hits, proven.unsure_forward) = (lost.len() as u64, seen.len() as u64);
    (proven.lost, proven.seen) = (lost, seen);
    verdict
}

#[test]
fn what_an_order_loses_is_named_with_its_seed_and_how_to_see_it_again() {
    let verdict = proven(vec![in_order("order/gap/db", 2, false)], Vec::new());
    let name = "order-gap-db-in-order-301.json";
    let words = told(&verdict, in_words);
    assert!(words.contains(
        "  that order, also stopped on the way: 1 of 30 runs lose what the base holds\n"
    ));
    let said = "lost in the order: order/gap/db, in 2 of 61 runs (while hosts change side (forward), seed 301 first)\n";
    assert!(words.contains(said), "{words}");
    assert!(words.contains(&format!("  | card of {name}: ")), "{words}");
    let page = seen(&told(&verdict, page));
    assert!(page.contains(
        "Of the 61 runs in the order that was inferred 1 lose what the base holds: order/gap/db."
    ));
    assert!(page.contains(&format!("Again: sim replay '{ODD}-{name}'")), "{page}");
    let xml = told(&verdict, junit);
    let document = Document::parse(&xml).unwrap_or_else(|e| panic!("{e}: {xml}"));
    let loses = document.descendants().find(|node| node.attribute("type") == Some("order-loses"));
    let said = loses.and_then(|node| node.text()).expect("the order fails");
    assert!(said.contains("VIOLATED order/gap/db (seed 301)"), "{said}");
    assert!(said.contains(&format!("replay:  sim replay '{ODD}-{name}'")), "{said}");
    let json = told(&verdict, json);
    assert_eq!(json["order"]["lost"][0]["signature"], "order/gap/db");
    assert_eq!((&json["verdict"], &json["safe"]), (&"unsafe".into(), &false.into()));
}

#[test]
fn an_order_that_breaks_the_contract_alone_says_that() {
    let mut verdict = proven(vec![in_order("order/gap/db", 2, true)], Vec::new());
    verdict.broken = vec![("order/gap/db".into(), ROLLING)];
    let words = told(&verdict, in_words);
    for said in [
        "CONTRACT broken: order/gap/db must hold while hosts change, and does not\n",
        "also stopped on the way: 1 of 30 runs break the contract\n",
        "the contract is broken in the order: order/gap/db, in 2 of 61 runs",
        "UNSAFE: the contract is broken\n",
    ] {
        assert!(words.contains(said), "{said}: {words}");
    }
    assert!(!words.contains("that the base holds is lost"), "{words}");
    let failed = failures(&told(&verdict, junit));
    let failed: Vec<_> = failed.into_iter().filter(|(_, of)| !of.is_empty()).collect();
    assert!(failed.contains(&("the contract".into(), vec!["order/gap/db".into()])), "{failed:?}");
    assert_eq!(told(&verdict, json)["broken"][0]["stage"], "forward");
}

#[test]
fn what_an_order_shows_and_chance_may_do_is_said_and_takes_the_bound() {
    let verdict = proven(Vec::new(), vec![in_order("order/gap/db", 2, false)]);
    assert!(verdict.is_safe(true));
    let words = told(&verdict, in_words);
    for said in [
        "also stopped on the way: 0 of 30 runs are known to lose what the base holds; in 1 of them it is not told from \
         chance, so no bound follows\n",
        "and back: 0 of 31 runs lose what the base holds; a fault in 9.2 % of them would show",
        "seen in the order, not told from chance: order/gap/db, in 2 of 61 runs (while hosts",
        "nothing that the base holds is known to be lost at any stage (40 seeds); what was seen",
    ] {
        assert!(words.contains(said), "{said}: {words}");
    }
    let page = seen(&told(&verdict, page));
    assert!(page.contains("Seen in the order, not told from chance: 1"), "{page}");
    assert!(page.contains("in 1 it is not told from chance: no bound follows"), "{page}");
    let xml = told(&verdict, junit);
    let document = Document::parse(&xml).unwrap_or_else(|e| panic!("{e}: {xml}"));
    let beside = document.descendants().find(|node| node.has_tag_name("system-out"));
    let beside = beside.and_then(|node| node.text()).expect("it is said beside the test cases");
    assert!(
        beside.starts_with("seen in the order, not told from chance: order/gap/db"),
        "{beside}"
    );
    assert_eq!(told(&verdict, json)["order"]["seen"][0]["count"]["hits"], 2);
}

#[test]
fn a_verdict_of_few_runs_says_how_weak_it_is() {
    let mut verdict = verdict();
    let proof = |forward: u64, back: u64| {
        let mut verdict = self::verdict();
        let proven = verdict.proven.as_mut().expect("an order");
        (proven.forward, proven.back) = (of(0, forward), of(0, back));
        conclusion(&pair(), &verdict, true)
    };
    // The fewer of both: 1 - 0.05^(1/4) is 52.7 %, 1 - 0.05^(1/28) is 10.1 %, 1 - 0.05^(1/29) is 9.8 %.
    let weak = "SAFE in that order as far as 4 runs can tell (a fault in 52.7 % of them may be missed): nothing";
    assert!(proof(30, 4).contains(weak) && proof(4, 30).contains(weak), "{}", proof(30, 4));
    assert!(
        proof(28, 29).contains("as far as 28 runs")
            && proof(29, 29).contains("SAFE in that order: ")
    );
    assert!(proof(30, 0).contains("SAFE in that order: "), "the way back is said to be not run");
    verdict.runs.insert(Stage::Candidate, 1);
    let alone = conclusion(&pair(), &verdict, false);
    let weak = "SAFE with everybody on the candidate as far as 1 run can tell (a fault in 95.0 % of them may be missed): ";
    assert!(alone.contains(weak), "{alone}");
}

#[test]
fn a_way_back_that_was_not_run_is_not_said_to_be_known() {
    let mut verdict = verdict();
    verdict.proven.as_mut().expect("an order").back = of(0, 0);
    let words = told(&verdict, in_words);
    let said = "  the way back was not run; as it was inferred: the last safe point of return is before msg_servers\n";
    assert!(words.contains(said), "{words}");
    assert!(seen(&told(&verdict, page)).contains("The way back was not run"));
}

#[test]
fn a_stop_before_the_order_says_none_and_none_that_is_unsafe() {
    let verdict = Verdict { interrupted: true, proven: None, ..verdict() };
    let words = told(&verdict, in_words);
    assert!(words.contains("\nINTERRUPTED before the order was inferred\n"), "{words}");
    assert!(!words.contains("ORDER"), "{words}");
    assert!(failures(&told(&verdict, junit)).contains(&("order".into(), vec![])));
}

#[test]
fn what_was_not_looked_at_is_said() {
    let mut verdict = verdict();
    verdict.capped = [Capped::Causes, Capped::Tried, Capped::Rounds].into();
    verdict.unseen = vec![("order/gapp/db".into(), Stage::Candidate)];
    let words = told(&verdict, in_words);
    assert_eq!(words.matches("\nnot all was looked at: ").count(), 3, "{words}");
    let said =
        "`order/gapp/db` of the contract (with everybody on the candidate): no run has violated it";
    assert!(words.contains(said), "{words}");
    let json = told(&verdict, json);
    assert_eq!(json["capped"], serde_json::json!(["causes", "tried", "rounds"]));
    assert_eq!(json["contract_unseen"][0]["name"], "order/gapp/db");
    for (field, value) in [
        ("from", serde_json::json!(7)),
        ("seeds", 40.into()),
        ("rolling", true.into()),
        ("verdict", "safe".into()),
    ] {
        assert_eq!(json[field], value, "{field}");
    }
}
