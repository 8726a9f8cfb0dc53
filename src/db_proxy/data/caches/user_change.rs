//! When a user was last changed, as far as this process knows (SYSTEM.md section 6, 0208 and
//! 0213).

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// The time, in seconds.
#[derive(Debug)]
pub struct UserChange(AtomicU32);

impl UserChange {
    /// A change at a time.
    pub fn at(time: u32) -> Self {
        Self(AtomicU32::new(time))
    }

    /// The last change.
    pub fn last(&self) -> u32 {
        self.0.load(Relaxed)
    }

    /// The last change was at a time.
    pub fn set(&self, time: u32) {
        self.0.store(time, Relaxed);
    }
}
