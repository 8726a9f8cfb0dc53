//! Lists of commands that properties keep beside the catalogue, held to it.

use std::collections::BTreeSet;
use teamtalk::catalogue::{self, Command};

/// All commands of a kind are in a property's list or, with the reason, among the others; and nothing else is.
#[track_caller]
pub fn assert_all(
    is_one: impl Fn(&Command) -> bool,
    listed: impl IntoIterator<Item = u16>,
    others: &[(u16, &str)],
) {
    let all: BTreeSet<u16> =
        catalogue::ALL.iter().filter(|of| is_one(of)).map(|of| of.id).collect();
    let others = others.iter().map(|(command, _)| *command);
    let both: Vec<u16> = listed.into_iter().chain(others).collect();
    assert_eq!(both.iter().copied().collect::<BTreeSet<_>>(), all);
    assert_eq!(both.len(), all.len(), "none is in both, or twice in one: {both:x?}");
}
