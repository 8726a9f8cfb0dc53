//! `sim`: explore, run, replay and compare simulations from the command line.

mod cli;

fn main() -> std::process::ExitCode {
    end_quietly_with_the_reader();
    keep_memory_for_the_next_run();
    cli::main()
}

/// `cargo sim explore | head` ends as other programs do, and not with a panic: Rust ignores the
/// signal that says so.
fn end_quietly_with_the_reader() {
    #[cfg(unix)]
    // SAFETY: nothing else has run yet, and the default action is a valid one.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    }
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
