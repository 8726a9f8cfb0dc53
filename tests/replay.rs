//! Each case in traces/ comes out as it expects.

use std::path::Path;
use teamtalk_sim::{explore::run_case, plan::case::Case};

#[test]
fn every_kept_case_comes_out_as_it_expects() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces");
    let mut cases: Vec<_> = std::fs::read_dir(&folder)
        .expect("traces/ is in the repository")
        .map(|entry| entry.expect("a readable entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .collect();
    cases.sort();
    assert!(!cases.is_empty(), "traces/ holds no case: this test would assert nothing");
    for path in cases {
        let case = Case::read(&path).unwrap_or_else(|e| panic!("{e}"));
        let outcome = run_case(&case).unwrap_or_else(|e| panic!("{e}"));
        let (expect, found) = (&case.expect, outcome.found());
        assert!(outcome.is_expected(expect), "{}: {expect}, but {found}", path.display());
    }
}
