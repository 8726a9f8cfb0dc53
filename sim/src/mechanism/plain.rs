//! When two mechanisms of a signature are the same: one has all words of the other, and more that was unusual in
//! that run without being needed.

use super::RACE;
use std::collections::BTreeSet;

fn words(mechanism: &str) -> BTreeSet<&str> {
    mechanism.split(" + ").collect()
}

/// Of the mechanisms `all`, each of which was enough in some run, the plainest that is a part of `of`: all its words are
/// words of `of`. It is the one of fewest words, and of these the first by name; `of` itself if no other is a part of
/// it. A race counts as no part, because it would be one of every mechanism.
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
