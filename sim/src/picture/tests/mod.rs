//! Pictures of runs: what is in the trace is in them, and they are what their formats say.

mod format;
mod mermaid;
mod page;

use crate::{explore::run_case, plan::case::Case, properties::Violation, world::Outcome};
use std::path::Path;

/// A small case: two first messages that meet (`met`), or a link that is cut (`cut`).
fn small(name: &str) -> Case {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/picture/{name}.json"));
    Case::read(&path).unwrap_or_else(|e| panic!("{e}"))
}

fn run(case: &Case) -> Outcome {
    run_case(case).unwrap_or_else(|e| panic!("{e}"))
}

fn expected<'a>(case: &Case, outcome: &'a Outcome) -> &'a Violation {
    outcome.violation(&case.expect).expect("what the case expects")
}

/// Every kept case, and what comes of it.
fn kept() -> Vec<Case> {
    let traces = Path::new(env!("CARGO_MANIFEST_DIR")).join("../traces");
    let entries = std::fs::read_dir(traces).expect("traces/ is there");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.is_file());
    paths.sort();
    paths.iter().map(|path| Case::read(path).unwrap_or_else(|e| panic!("{e}"))).collect()
}
