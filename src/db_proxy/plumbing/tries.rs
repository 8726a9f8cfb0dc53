//! How often what lost a lock is run again.

use crate::timing::Timing;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// After the first so many more times, if there is time. Of N who deadlock with each other at least one comes through
/// each time.
const AGAIN: u32 = 5;

/// Counts the runs of one transaction, or of one statement outside any.
#[derive(Debug)]
pub struct Tries {
    begun: Instant,
    /// None is begun later than this behind the first.
    limit: Duration,
    left: u32,
    pause: Duration,
    next_pause: Duration,
}

impl Tries {
    /// Before the first run.
    pub fn new(timing: &Timing) -> Self {
        let (begun, limit) = (Instant::now(), timing.sql_timeout());
        let next_pause = timing.lost_lock_pause();
        Self { begun, limit, left: AGAIN, pause: Duration::ZERO, next_pause }
    }

    /// A run lost a lock: whether it is to be run again, now. The second run is at once, since whoever had the lock
    /// has it no more; before each further one there is a pause, twice as long each time.
    pub async fn again(&mut self) -> bool {
        if self.left == 0 || self.begun.elapsed() + self.pause >= self.limit {
            return false;
        }
        self.left -= 1;
        if !self.pause.is_zero() {
            sleep(self.pause).await;
        }
        self.pause = self.next_pause;
        self.next_pause *= 2;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::Tries;
    use crate::timing::Timing;
    use std::time::Duration;
    use tokio::time::{Instant, sleep};

    #[tokio::test(start_paused = true)]
    async fn the_first_is_at_once_and_the_pauses_double() {
        let (began, mut tries) = (Instant::now(), Tries::new(&Timing::original()));
        let mut at_ms = Vec::new();
        while tries.again().await {
            at_ms.push(began.elapsed().as_millis());
        }
        assert_eq!(at_ms, [0, 20, 60, 140, 300]);
    }

    #[tokio::test(start_paused = true)]
    async fn none_is_begun_after_the_time_of_a_statement() {
        let mut tries = Tries::new(&Timing::original());
        sleep(Duration::from_millis(4_900)).await;
        assert!(tries.again().await);
        sleep(Duration::from_millis(90)).await;
        assert!(!tries.again().await);
    }
}
