//! Seeded randomness of the system for the thread that runs a seed.
//!
//! std's `RandomState` and every generator that seeds itself from the system go through a function
//! of libc (`getrandom` on Linux). Here it is answered from a generator of this thread while one is installed, so
//! that nothing a dependency draws can differ between two runs of a plan.

use crate::fakes::TICK;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::cell::RefCell;

thread_local!(static SEEDED: RefCell<Option<SmallRng>> = const { RefCell::new(None) });

/// Runs `body` on a fresh thread whose `getrandom` is seeded.
///
/// A fresh thread, because std keeps the keys of its hash maps once a thread has drawn them.
///
/// # Panics
/// If `body` panics: with its panic.
#[allow(clippy::disallowed_methods, reason = "the thread belongs to the rig, not to the world")]
pub fn on_seeded_thread<T: Send>(seed: u64, body: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let run = move || {
            SEEDED.set(Some(SmallRng::seed_from_u64(seed)));
            body()
        };
        match scope.spawn(run).join() {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Like [`on_seeded_thread`], and the caller need not wait for its end.
#[allow(clippy::disallowed_methods, reason = "the thread belongs to the rig, not to the world")]
pub fn spawn<T: Send + 'static>(
    seed: u64,
    body: impl FnOnce() -> T + Send + 'static,
) -> std::thread::JoinHandle<T> {
    std::thread::spawn(move || {
        SEEDED.set(Some(SmallRng::seed_from_u64(seed)));
        body()
    })
}

/// A simulated network in which every latency is one tick, unless it is set, and the schedulers of
/// the hosts are seeded. Without a seed turmoil takes one from the system, and draws latencies.
pub fn network(seed: u64) -> turmoil::Builder {
    #[expect(clippy::disallowed_methods, reason = "the one place that seeds it")]
    let mut builder = turmoil::Builder::new();
    builder.rng_seed(seed).tick_duration(TICK).min_message_latency(TICK).max_message_latency(TICK);
    builder
}

/// Fills a buffer from the generator of this thread; false if it has none.
fn fill(out: &mut [u8]) -> bool {
    let filled = SEEDED.try_with(|cell| {
        let mut generator = cell.try_borrow_mut().ok()?;
        generator.as_mut().map(|g| g.fill_bytes(out))
    });
    matches!(filled, Ok(Some(())))
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
compile_error!(
    "the rig runs on Linux and macOS only: for its runs it replaces the function by which std asks \
     the system for randomness, and it knows that function of these two (sim/src/seeded.rs)."
);

/// What std and crates ask on Linux.
#[cfg(target_os = "linux")]
mod system {
    /// Replaces libc's symbol for the whole program; threads without a seed get the real one.
    ///
    /// # Safety
    /// As libc's: `buf` must be valid for `len` bytes.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn getrandom(buf: *mut u8, len: usize, flags: u32) -> isize {
        // SAFETY: the caller promises that `buf` holds `len` bytes.
        if super::fill(unsafe { std::slice::from_raw_parts_mut(buf, len) }) {
            return len as isize;
        }
        // SAFETY: the same buffer, handed to the kernel.
        unsafe { libc::syscall(libc::SYS_getrandom, buf, len, flags) as isize }
    }
}

/// What std (the first) and crates (the second) ask on macOS. Not checked: nobody has run it there.
#[cfg(target_os = "macos")]
mod system {
    /// Replaces libSystem's symbol for the whole program.
    ///
    /// # Safety
    /// As libSystem's: `buf` must be valid for `len` bytes.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn CCRandomGenerateBytes(buf: *mut u8, len: usize) -> i32 {
        // SAFETY: the caller promises the same of the same buffer.
        unsafe { getentropy(buf, len) }
    }

    /// Replaces libSystem's symbol for the whole program; threads without a seed get other
    /// randomness of the system's.
    ///
    /// # Safety
    /// As libSystem's: `buf` must be valid for `len` bytes.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn getentropy(buf: *mut u8, len: usize) -> i32 {
        // SAFETY: the caller promises that `buf` holds `len` bytes.
        if !super::fill(unsafe { std::slice::from_raw_parts_mut(buf, len) }) {
            // SAFETY: the same buffer; it does not come back to the two functions here, which
            // libSystem does not see.
            unsafe { libc::arc4random_buf(buf.cast(), len) };
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::on_seeded_thread;
    use std::hash::{BuildHasher, RandomState};

    #[expect(clippy::disallowed_methods, reason = "the test is of exactly these")]
    fn draw(seed: u64) -> (u64, u64) {
        on_seeded_thread(seed, || (RandomState::new().hash_one(1), rand::random()))
    }

    #[test]
    fn std_and_rand_repeat_with_the_seed_and_differ_without() {
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
