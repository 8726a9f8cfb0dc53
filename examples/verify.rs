//! A change of the protocol verified from a test of one's own: may it go out, and in what order?
//!
//!     cargo run --release --example verify
//!
//! `cargo test` runs the tests at its end. What the words of the verdict mean is in docs/DEPLOY.md.

use teamtalk_sim::{
    plan::case::ProtocolSpec,
    verify::{Verified, verify},
};

/// `hardened` without a switch.
fn without(switch: &str) -> ProtocolSpec {
    let mut spec = ProtocolSpec::preset("hardened");
    spec.overrides.insert(switch.into(), false);
    spec
}

/// Is `whole-audio` safe to turn on, host by host?
fn whole_audio(seeds: u64) -> Result<Verified, String> {
    verify(without("whole-audio"), ProtocolSpec::preset("hardened")).rolling().seeds(seeds).run()
}

fn main() -> Result<(), String> {
    let verified = whole_audio(100)?;
    print!("{verified}");
    Ok(())
}

#[test]
fn whole_audio_may_be_turned_on_host_by_host() {
    let verified = whole_audio(6).expect("both protocols are there");
    assert!(verified.is_safe(), "{verified}");
    let order = &verified.verdict.proven.as_ref().expect("an order").order;
    assert_eq!(order.returns, order.roles.len(), "all of it can be taken back: {verified}");
}

#[test]
fn a_candidate_that_this_build_does_not_have_is_said() {
    let wrong = verify(ProtocolSpec::preset("hardened"), without("no-such-switch")).run();
    let sentence = wrong.expect_err("there is no such switch");
    assert!(sentence.starts_with("candidate: unknown switch `no-such-switch`"), "{sentence}");
}
