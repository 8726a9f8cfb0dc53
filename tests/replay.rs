//! Each case in traces/ comes out as it expects.

use std::path::{Path, PathBuf};
use teamtalk_sim::{corpus, explore::run_case, plan::case::Case};

/// `g1`, or `group 1`.
fn names_a_group(sentence: &str) -> bool {
    let mut words = sentence.split(|c: char| !c.is_alphanumeric());
    words.any(|word| {
        word == "group"
            || word.strip_prefix('g').is_some_and(|id| !id.is_empty() && id.parse::<u32>().is_ok())
    })
}

/// The cases in a folder; none if it is not there.
fn cases(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    corpus::files(&folder)
}

/// Runs a case, which comes out as it expects: the sentence of the violation, if it expects one.
fn replay(path: &Path) -> String {
    let case = Case::read(path).unwrap_or_else(|e| panic!("{e}"));
    let outcome = run_case(&case).unwrap_or_else(|e| panic!("{e}"));
    let (expect, found) = (&case.expect, outcome.found());
    assert!(outcome.is_expected(expect), "{}: {expect}, but {found}", path.display());
    outcome.violation(expect).map_or(String::new(), |violation| violation.sentence.clone())
}

/// Those with planted bugs, in a build that has such (feature `mutants`).
#[test]
fn every_kept_case_of_a_mutant_comes_out_as_it_expects() {
    for path in cases("traces/mutants") {
        match teamtalk::mutants::BUILT {
            true => drop(replay(&path)),
            false => assert!(Case::read(&path).is_err_and(|e| e.contains("no mutants"))),
        }
    }
}

#[test]
fn every_kept_case_comes_out_as_it_expects() {
    let cases = cases("traces");
    assert!(!cases.is_empty(), "traces/ holds no case: this test would assert nothing");
    let of_groups = cases.iter().filter(|path| names_a_group(&replay(path))).count();
    assert!(of_groups > 0 && of_groups < cases.len(), "some are of groups, some are not");
}
