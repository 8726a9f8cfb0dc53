//! The same plan is the same trace, on any thread.

use teamtalk_sim::{
    explore::{case_of, run_case},
    plan::{case::ProtocolSpec, generate::Profile},
};

#[test]
fn a_plan_is_a_trace() {
    for (seed, preset) in [(1, "hardened"), (2, "hardened"), (3, "teamtalk"), (4, "teamtalk")] {
        let case = case_of(seed, &ProtocolSpec::preset(preset), Profile::Default);
        let run = || run_case(&case).expect("a preset resolves").trace.to_jsonl();
        let (first, second) = (run(), run());
        let differs = first.lines().zip(second.lines()).find(|(a, b)| a != b);
        assert!(differs.is_none(), "seed {seed} under {preset}: {differs:#?}");
        assert_eq!(first.len(), second.len(), "seed {seed} under {preset}: one trace goes on");
    }
}
