//! `sim`: explore, run, replay and compare simulations from the command line.

// They panic where their stream is closed or full: `cli::output` does not.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod cli;

use std::{panic::catch_unwind, process::ExitCode};

fn main() -> ExitCode {
    keep_memory_for_the_next_run();
    // A panic has been printed by then.
    catch_unwind(cli::main).unwrap_or(ExitCode::from(cli::RIG_FAILED))
}

/// A run takes some megabytes and gives them back; the next one takes as many. glibc would hand
/// them to the kernel in between, and each page would come back with a fault.
fn keep_memory_for_the_next_run() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: both are documented parameters with values that are allowed; refused ones change nothing.
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, 256 << 20);
        libc::mallopt(libc::M_MMAP_THRESHOLD, 32 << 20);
    }
}
