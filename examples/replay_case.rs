//! A case replayed from a test: how a failing seed becomes a regression test of one's own.
//!
//!     cargo run --example replay_case
//!     cargo test --example replay_case
//!
//! A case is a file; it outlives the generator that made it. `cargo sim keep` moves one to traces/,
//! where `cargo test` replays all of them. This does the same by hand and asks one question more: is
//! it this one switch that mends it?

use std::path::Path;
use teamtalk_sim::{
    explore::run_case,
    plan::case::{Case, ProtocolSpec},
    report,
};

/// Two first messages of a pair meet, and two relations with a counter each are inserted.
const CASE: &str = "traces/teamtalk-one-row-two-relations-db-race-a80f9259.json";

fn kept() -> Case {
    Case::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(CASE)).expect("a case of this build")
}

/// The same plan under `teamtalk` with one switch on.
fn mended() -> Case {
    let mut protocol = ProtocolSpec::preset("teamtalk");
    protocol.overrides.insert("single-relation".into(), true);
    let mut case = kept();
    (case.protocols.base, case.protocols.candidate) = (protocol.clone(), protocol);
    case
}

fn main() {
    let case = kept();
    let outcome = run_case(&case).expect("its protocol is built in");
    if let Some(violation) = outcome.violation(&case.expect) {
        let replay = format!("cargo sim replay {CASE}");
        println!("{}", report::card(&case, &outcome, violation, &replay));
    }
    let mended = mended();
    let outcome = run_case(&mended).expect("its protocol is built in");
    let still = outcome.violations.iter().filter(|v| v.property == "one-row").count();
    println!("the same plan under {}:", mended.protocols.base.label());
    println!("  {}", if still == 0 { "one-row holds" } else { "one-row is broken all the same" });
    println!("  other warts of the original remain: {}", outcome.found());
}

#[test]
fn the_original_inserts_two_relations() {
    let case = kept();
    let outcome = run_case(&case).expect("its protocol is built in");
    assert!(outcome.is_expected(&case.expect), "{}", outcome.found());
}

#[test]
fn one_switch_mends_it() {
    let outcome = run_case(&mended()).expect("its protocol is built in");
    assert!(outcome.violations.iter().all(|v| v.property != "one-row"), "{}", outcome.found());
}
