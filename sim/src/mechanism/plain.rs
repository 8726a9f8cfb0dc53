//! Mechanisms of one signature that are one: more that is unusual happened in a run than it took.

use super::RACE;
use std::collections::BTreeSet;

fn words(mechanism: &str) -> BTreeSet<&str> {
    mechanism.split(" + ").collect()
}

/// The plainest of some mechanisms that is a part of one, and is by itself enough in another run: the one of fewest
/// words, of these the first by name; itself if there is none. A race is a part of none: it would be of all.
pub fn plainest<'a>(of: &'a str, all: impl IntoIterator<Item = &'a str>) -> &'a str {
    let its = words(of);
    let is_part = |other: &&str| *other != RACE && words(other).is_subset(&its);
    let parts = all.into_iter().filter(is_part);
    parts.min_by_key(|part| (words(part).len(), *part)).unwrap_or(of)
}

#[cfg(test)]
mod tests {
    use super::plainest;

    #[test]
    fn what_is_enough_alone_explains_what_comes_with_more() {
        let all = ["race", "push dropped", "push dropped + route down", "push expired + sql down"];
        let plainest = |of| plainest(of, all);
        assert_eq!(plainest("push dropped + route down"), "push dropped");
        assert_eq!(plainest("push dropped + push expired + route down + sql down"), "push dropped");
        assert_eq!(plainest("push expired + route down + sql down"), "push expired + sql down");
        for own in ["race", "push dropped", "push expired + sql down", "msg down"] {
            assert_eq!(plainest(own), own);
        }
    }
}
