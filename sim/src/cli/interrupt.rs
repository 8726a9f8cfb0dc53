//! Ctrl-C: the first one asks a command to stop, the second one ends it as usual.

use std::sync::atomic::{AtomicBool, Ordering};

/// Set by Ctrl-C, and by whoever else wants the command to stop.
pub static STOP: AtomicBool = AtomicBool::new(false);
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C (and SIGTERM) asks.
pub fn listen() {
    #[cfg(unix)]
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let handler = asked as extern "C" fn(libc::c_int);
        // SAFETY: the handler only stores to atomics and calls `signal`, which a handler may.
        unsafe {
            libc::signal(signal, handler as libc::sighandler_t);
        }
    }
}

#[cfg(unix)]
extern "C" fn asked(signal: libc::c_int) {
    INTERRUPTED.store(true, Ordering::Relaxed);
    STOP.store(true, Ordering::Relaxed);
    // SAFETY: the default action is a valid one.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
    }
}

/// Whether it did.
pub fn is_interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}
