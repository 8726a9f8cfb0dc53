//! `sim`: explore, run, replay and compare simulations from the command line.

mod cli;

fn main() -> std::process::ExitCode {
    teamtalk_sim::world::install_panic_hook();
    cli::main()
}
