//! The wall clock of a host. Timers do not go by it: they go by a clock of their own, which is always right.

use serde::{Deserialize, Serialize};

/// No clock is further ahead at the start, and none is set further, than this, in milliseconds: a day.
pub const MOST_AHEAD_MS: i64 = 86_400_000;
/// No clock gains or loses more than this, in microseconds a second: half of the time.
pub const MOST_DRIFT_PPM: i64 = 500_000;

/// How a host's wall clock goes, but for the faults that step it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clock {
    /// How far it is ahead at the start of the run, in milliseconds; behind if under 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ahead_ms: i64,
    /// How much it gains, in microseconds a second; it loses if under 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub drift_ppm: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl Clock {
    /// Whether it is right all the time.
    pub fn is_right(&self) -> bool {
        *self == Self::default()
    }

    /// What it says, in microseconds since 1970, where a right one says `right_us` and `sim_us` have passed
    /// since the start; `stepped_ms`: by so many milliseconds faults have it ahead just now.
    pub fn reading_us(&self, right_us: u64, sim_us: u64, stepped_ms: i64) -> u64 {
        let gained = i128::from(sim_us) * i128::from(self.drift_ppm) / 1_000_000;
        let ahead = (i128::from(self.ahead_ms) + i128::from(stepped_ms)) * 1_000;
        u64::try_from((i128::from(right_us) + gained + ahead).max(0)).unwrap_or(u64::MAX)
    }

    /// Whether a host may have it.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn check(&self) -> Result<(), String> {
        is_within("clock.ahead_ms", self.ahead_ms, MOST_AHEAD_MS)?;
        is_within("clock.drift_ppm", self.drift_ppm, MOST_DRIFT_PPM)
    }

    /// In a few words; none if it is right.
    pub fn words(&self) -> Option<String> {
        let ahead = (self.ahead_ms != 0).then(|| ahead(self.ahead_ms));
        let drift = match self.drift_ppm {
            0 => None,
            1.. => Some(format!("gains {} us a second", self.drift_ppm)),
            _ => Some(format!("loses {} us a second", self.drift_ppm.unsigned_abs())),
        };
        let words: Vec<_> = ahead.into_iter().chain(drift).collect();
        (!words.is_empty()).then(|| words.join(" and "))
    }
}

/// So many milliseconds ahead, or behind, in words.
pub fn ahead(ms: i64) -> String {
    let way = if ms < 0 { "behind" } else { "ahead" };
    format!("is {} ms {way}", ms.unsigned_abs())
}

/// Whether a number is at most so much over or under 0.
pub(super) fn is_within(field: &str, number: i64, most: i64) -> Result<(), String> {
    if (-most..=most).contains(&number) {
        return Ok(());
    }
    Err(format!("field `{field}`: {number} is not within -{most} to {most}"))
}

#[cfg(test)]
mod tests {
    use super::{Clock, MOST_AHEAD_MS, MOST_DRIFT_PPM};

    #[test]
    fn it_is_ahead_by_what_it_began_with_what_it_gained_and_what_faults_add() {
        let right = 1_700_000_000_000_000;
        let at = |clock: Clock, sim_us, stepped| {
            clock.reading_us(right + sim_us, sim_us, stepped) as i64 - right as i64
        };
        assert_eq!(at(Clock::default(), 3_000_000, 0), 3_000_000);
        let behind = Clock { ahead_ms: -1_500, drift_ppm: 0 };
        assert_eq!(at(behind, 3_000_000, 0), 1_500_000);
        assert_eq!(at(behind, 3_000_000, 2_000), 3_500_000);
        let fast = Clock { ahead_ms: 0, drift_ppm: 100_000 };
        assert_eq!(at(fast, 3_000_000, 0), 3_300_000);
        let slow = Clock { ahead_ms: 0, drift_ppm: -100_000 };
        assert_eq!(at(slow, 3_000_000, 0), 2_700_000);
        assert_eq!(behind.reading_us(1_000_000, 0, 0), 0, "no time is before 1970");
    }

    #[test]
    fn what_no_host_may_have_is_refused() {
        let check = |ahead_ms, drift_ppm| Clock { ahead_ms, drift_ppm }.check();
        assert_eq!(check(-MOST_AHEAD_MS, MOST_DRIFT_PPM), Ok(()));
        let wrong = "field `clock.ahead_ms`: 86400001 is not within -86400000 to 86400000";
        assert_eq!(check(MOST_AHEAD_MS + 1, 0), Err(wrong.into()));
        assert!(check(i64::MIN, 0).is_err() && check(0, -MOST_DRIFT_PPM - 1).is_err());
    }

    #[test]
    fn it_says_how_it_goes() {
        let words = |ahead_ms, drift_ppm| Clock { ahead_ms, drift_ppm }.words();
        assert_eq!(words(0, 0), None);
        assert_eq!(words(-20, 0).as_deref(), Some("is 20 ms behind"));
        assert_eq!(words(20, -3).as_deref(), Some("is 20 ms ahead and loses 3 us a second"));
        assert_eq!(words(0, 5).as_deref(), Some("gains 5 us a second"));
    }
}
