//! Preset `teamtalk` against captures of the original (tests/golden/README.md), as `cargo sim parity
//! tests/golden` plays them. tests/golden/parity.toml says which flows there are, and from which state.

use std::path::Path;
use teamtalk_sim::{
    parity::{Base, Parity, Played},
    plan::case::ProtocolSpec,
};

fn played(range: std::ops::Range<usize>) -> Vec<Played> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let parity = Parity::read(&folder).unwrap_or_else(|e| panic!("{e}"));
    let base = Base::of(&ProtocolSpec::preset("teamtalk")).expect("a preset");
    assert_eq!(parity.runs().len(), 6);
    parity.runs()[range].iter().flat_map(|run| parity.play(run, &base)).collect()
}

fn judge(played: &[Played]) {
    for flow in played {
        if let Some(why) = &flow.known {
            println!("{}: {} differences ({why})", flow.flow, flow.differences.len());
        }
    }
    let wrong: Vec<_> = played.iter().flat_map(Played::wrong).collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn captures_00_to_25_are_one_run() {
    let played = played(0..1);
    assert_eq!(played.len(), 26);
    judge(&played);
}

#[test]
fn the_other_captures_are_runs_of_their_own() {
    let played = played(1..6);
    let flows: Vec<_> = played.iter().map(|flow| &flow.flow[..2]).collect();
    assert_eq!(flows, ["36", "41", "43", "45", "48"]);
    judge(&played);
}
