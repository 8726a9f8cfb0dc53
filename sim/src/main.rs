//! `sim`: explore, run, replay and compare simulations from the command line.

mod cli;

fn main() -> std::process::ExitCode {
    end_quietly_with_the_reader();
    teamtalk_sim::world::install_panic_hook();
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
