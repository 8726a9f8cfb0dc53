//! How an answer is judged: by its parts, each of which is what one statement or one key gave.

use super::stores::{Stores, View};
use std::fmt::Debug;

/// What a part of an answer says, and what it should have said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong(pub String);

/// Whether an answer, or a part of it, is what the stores held.
pub type Judged = Result<(), Wrong>;

/// The versions among which a role may have read. Each part is read at no older one than the part
/// before it: a role reads one after the other.
#[derive(Debug, Clone, Copy)]
pub struct Reads<'a> {
    stores: &'a Stores,
    /// The version at which the next part is read at the earliest.
    from: u64,
    /// The line before which the last part was read.
    to: u64,
}

impl<'a> Reads<'a> {
    /// Between the line at which a role read a question and that at which it wrote the answer.
    pub fn between(stores: &'a Stores, asked: u64, answered: u64) -> Self {
        Self { stores, from: asked, to: answered }
    }

    /// The versions that may be read from here on.
    fn versions(self) -> impl Iterator<Item = u64> + use<'a> {
        [self.from]
            .into_iter()
            .chain(self.stores.changes_between(self.from, self.to).iter().copied())
    }

    /// Judges what follows a read whose result is not in the answer by itself, such as who is a
    /// member: by each result that the read may have had.
    ///
    /// # Errors
    /// That of the first result, if with none of them what follows is right.
    pub fn choose<T: PartialEq>(
        &mut self,
        read: impl Fn(View<'a>) -> T,
        mut then: impl FnMut(&T, &mut Self) -> Judged,
    ) -> Judged {
        let (mut last, mut wrong) = (None, None);
        for version in self.versions() {
            let result = read(self.stores.after(version));
            if last.as_ref() == Some(&result) {
                continue;
            }
            let mut rest = Self { from: version, ..*self };
            match then(&result, &mut rest) {
                Ok(()) => {
                    self.from = rest.from;
                    return Ok(());
                }
                Err(error) => _ = wrong.get_or_insert(error),
            }
            last = Some(result);
        }
        Err(wrong.expect("there is a version, and so a result"))
    }

    /// Judges a part: it equals what is read.
    ///
    /// # Errors
    /// If it does at no version.
    pub fn equals<T: PartialEq + Debug>(
        &mut self,
        what: &str,
        said: &T,
        read: impl Fn(View<'a>) -> T,
    ) -> Judged {
        self.choose(read, |stored, _| match stored == said {
            true => Ok(()),
            false => Err(Wrong(format!("{what} {said:?}, where the stores have {stored:?}"))),
        })
    }

    /// Judges a part by what is read, where more than one answer is right.
    ///
    /// # Errors
    /// If it is right at no version.
    pub fn holds<T: PartialEq>(
        &mut self,
        read: impl Fn(View<'a>) -> T,
        right: impl Fn(&T) -> Judged,
    ) -> Judged {
        self.choose(read, |stored, _| right(stored))
    }

    /// What may be read from here on, from the oldest version to the newest.
    pub fn views(&self) -> Vec<View<'a>> {
        self.versions().map(|version| self.stores.after(version)).collect()
    }

    /// The least and the greatest number that may be read from here on.
    pub fn range(&self, read: impl Fn(View<'a>) -> u32) -> (u32, u32) {
        let read = self.views().into_iter().map(read);
        read.fold((u32::MAX, 0), |(least, most), n| (least.min(n), most.max(n)))
    }
}

/// Judges a list that is ordered by a number, highest first: rows of one number come in any order,
/// and of more than `limit` rows the first ones are said. `found` is what is stored.
///
/// # Errors
/// If it says anything else, or in another order.
pub fn listed<T: PartialEq + Debug>(
    what: &str,
    said: &[T],
    mut found: Vec<(u32, T)>,
    limit: usize,
) -> Judged {
    let wrong = |found: &[(u32, T)]| {
        let stored: Vec<_> = found.iter().map(|(_, row)| row).collect();
        Err(Wrong(format!("{what} {said:?}, where the stores have {stored:?}")))
    };
    found.sort_by_key(|(order, _)| std::cmp::Reverse(*order));
    if said.len() != found.len().min(limit) {
        return wrong(&found);
    }
    let mut begin = 0;
    while begin < said.len() {
        let order = found[begin].0;
        let end = begin + found[begin..].partition_point(|(o, _)| *o == order);
        let mut tied: Vec<&T> = found[begin..end].iter().map(|(_, row)| row).collect();
        for row in &said[begin..end.min(said.len())] {
            match tied.iter().position(|tied| *tied == row) {
                Some(at) => _ = tied.swap_remove(at),
                None => return wrong(&found),
            }
        }
        begin = end;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Reads, Stores, listed};
    use crate::{
        plan::Host,
        record::{Changed, Kind, Line},
    };
    use bytes::Bytes;

    /// Two strings of Redis: `a` is 1, 2 and 3 after lines 10, 20 and 30; `b` is the same.
    fn stores() -> Stores {
        let mut stores = Stores::default();
        for (n, value) in [(10, "1"), (20, "2"), (30, "3")] {
            let text = |text: &'static str| Bytes::from_static(text.as_bytes());
            let key = |key| Changed::key(1, &text(key), None, None, Some(&text(value)));
            let kind = Kind::Holds { store: "redis", changed: vec![key("a"), key("b")] };
            stores.observe(&Line { n, sim_us: n, host: Host::of("world"), incarnation: 0, kind });
        }
        stores
    }

    fn number(view: super::View<'_>, key: &str) -> u32 {
        let text = view.text(key).map(|text| String::from_utf8_lossy(text).into_owned());
        text.map_or(0, |text| text.parse().expect("a number"))
    }

    #[test]
    fn a_part_is_of_a_version_from_the_question_to_the_answer() {
        let stores = stores();
        let says = |(from, to), n: u32| {
            Reads::between(&stores, from, to).equals("a", &n, |view| number(view, "a")).is_ok()
        };
        assert!(says((12, 28), 1), "as it was when the question was read");
        assert!(says((12, 28), 2), "what came meanwhile");
        assert!(!says((12, 28), 3), "what came after the answer");
        assert!(!says((22, 28), 1), "what was gone before the question");
    }

    #[test]
    fn a_later_part_is_of_no_older_version_than_an_earlier_one() {
        let stores = stores();
        let says = |a: u32, b: u32| {
            let mut reads = Reads::between(&stores, 12, 35);
            reads.equals("a", &a, |view| number(view, "a"))?;
            reads.equals("b", &b, |view| number(view, "b"))
        };
        assert!(says(1, 3).is_ok() && says(2, 2).is_ok());
        let wrong = says(3, 2).expect_err("b was read before a").0;
        assert_eq!(wrong, "b 2, where the stores have 3");
    }

    #[test]
    fn what_follows_a_hidden_read_is_judged_by_each_of_its_results() {
        let stores = stores();
        let says = |sum: u32| {
            Reads::between(&stores, 12, 25).choose(
                |view| number(view, "a"),
                |a, rest| rest.equals("sum", &sum, |view| a + number(view, "b")),
            )
        };
        assert!([2, 3, 4].into_iter().all(|sum| says(sum).is_ok()));
        assert!(says(5).is_err() && says(1).is_err());
        assert_eq!(Reads::between(&stores, 12, 25).range(|view| number(view, "a")), (1, 2));
    }

    #[test]
    fn a_list_is_whole_and_in_order_but_for_ties() {
        let found = || vec![(5, 'a'), (9, 'b'), (5, 'c'), (1, 'd')];
        let says = |said: &str, limit| {
            listed("rows", &said.chars().collect::<Vec<_>>(), found(), limit).is_ok()
        };
        assert!(says("bacd", 9) && says("bcad", 9));
        assert!(!says("abcd", 9) && !says("bac", 9) && !says("bacdd", 9) && !says("baad", 9));
        assert!(says("ba", 2) && says("bc", 2) && !says("bd", 2) && !says("bac", 2));
    }
}
