//! Whether something is more frequent here than there, or may be so by chance.

/// Chance is taken for the reason down to this probability: in a hundred signatures a difference is seen
/// where there is none in one verification of ten.
pub const BY_CHANCE: f64 = 0.001;

/// How often something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Count {
    /// So many times.
    pub hits: u64,
    /// Of so many.
    pub of: u64,
}

impl Count {
    /// One more, or one more that is none.
    pub fn add(&mut self, hit: bool) {
        self.hits += u64::from(hit);
        self.of += 1;
    }

    /// Both together.
    pub fn and(self, more: Self) -> Self {
        Self { hits: self.hits + more.hits, of: self.of + more.of }
    }

    /// Whether it is more frequent than another one, and not by chance.
    pub fn exceeds(self, other: Self) -> bool {
        self.exceeds_at(BY_CHANCE, other)
    }

    /// Whether it is more frequent than another one, and by chance it would be so in less than this share.
    pub fn exceeds_at(self, chance: f64, other: Self) -> bool {
        probability(self, other) < chance
    }
}

/// The probability of as many hits here as there are, or more, if each hit of both were as likely here as
/// there (Fisher's exact test, one-sided).
pub fn probability(here: Count, there: Count) -> f64 {
    let (hits, all) = (here.hits + there.hits, here.of + there.of);
    let most = hits.min(here.of);
    let whole = ln_choose(all, here.of);
    let exactly = |k: u64| (ln_choose(hits, k) + ln_choose(all - hits, here.of - k) - whole).exp();
    let possible = |k: &u64| here.of - k <= all - hits;
    (here.hits..=most).filter(possible).map(exactly).sum::<f64>().min(1.0)
}

/// The probability that of so many tosses of a coin at least as many fall on one side as did here, whichever
/// side that is (the sign test, two-sided); 1 of none.
pub fn even_odds(one: u64, other: u64) -> f64 {
    let tosses = one + other;
    let exactly = |k: u64| (ln_choose(tosses, k) - tosses as f64 * 2.0_f64.ln()).exp();
    (2.0 * (one.max(other)..=tosses).map(exactly).sum::<f64>()).min(1.0)
}

/// The logarithm of the number of ways to choose `k` of `n`.
fn ln_choose(n: u64, k: u64) -> f64 {
    ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k)
}

fn ln_factorial(n: u64) -> f64 {
    (2..=n).map(|i| (i as f64).ln()).sum()
}

/// Something that was never seen in so many runs happens in less than this share of them, with 95 %.
pub fn bound(runs: u64) -> f64 {
    1.0 - 0.05_f64.powf(1.0 / runs.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::{Count, bound, even_odds, probability};

    fn of(hits: u64, of: u64) -> Count {
        Count { hits, of }
    }

    /// Fisher's tea: all four of four, where none of the other four is.
    #[test]
    fn probabilities_are_those_of_fishers_test() {
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(near(probability(of(4, 4), of(0, 4)), 1.0 / 70.0));
        assert!(near(probability(of(3, 4), of(1, 4)), 17.0 / 70.0));
        assert!(near(probability(of(0, 10), of(5, 10)), 1.0));
        assert!(near(probability(of(0, 0), of(0, 0)), 1.0));
    }

    #[test]
    fn a_coin_that_falls_on_one_side_only_is_hardly_fair() {
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(near(even_odds(10, 0), 2.0 / 1024.0) && near(even_odds(0, 10), 2.0 / 1024.0));
        assert!(near(even_odds(4, 1), 2.0 * 6.0 / 32.0));
        assert!(near(even_odds(3, 3), 1.0) && near(even_odds(0, 0), 1.0));
    }

    #[test]
    fn only_what_chance_hardly_does_is_a_difference() {
        assert!(of(10, 20).exceeds(of(0, 20)));
        assert!(!of(1, 300).exceeds(of(0, 300)));
        assert!(!of(30, 300).exceeds(of(25, 300)) && of(70, 300).exceeds(of(25, 300)));
        assert!(!of(25, 300).exceeds(of(70, 300)), "less is not more");
    }

    #[test]
    fn what_was_never_seen_may_still_be() {
        assert!((bound(150) - 0.0198).abs() < 1e-4, "{}", bound(150));
    }
}
