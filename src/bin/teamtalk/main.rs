//! The server program: `teamtalk msg`, `teamtalk route`, `teamtalk db-proxy`, `teamtalk login`,
//! `teamtalk migrate`.
//!
//! Exit status: 0 stopped by SIGTERM or Ctrl-C, or migrated; 1 it could not run (a port is taken, the
//! database lacks tables or is away); 2 wrong usage or settings.

use clap::{Parser, Subcommand};
use std::{io::IsTerminal, path::PathBuf, process::ExitCode};
use teamtalk::server::{self, Config, Failed};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// A TeamTalk-compatible instant-messaging back end.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "\
Exit status: 0 stopped by SIGTERM or Ctrl-C, or migrated; 1 it could not run (a port is taken, the database\n\
lacks tables or is away); 2 wrong usage or settings.\n\
TEAMTALK_REDIS and TEAMTALK_SQL take the places of `stores.redis` and `stores.sql` of the file;\n\
TEAMTALK_LOG is a filter of the log, such as `info` (the default) or `teamtalk=debug`."
)]
struct Arguments {
    /// The settings, a TOML file (docs/FORMATS.md, "Server settings"). Without it: a trial on one machine.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Command {
    /// Runs a msg_server: what clients dial.
    Msg,
    /// Runs a db_proxy: the stores.
    DbProxy,
    /// Runs a route_server: what msg_servers have to say to each other.
    Route,
    /// Stands in for a login_server, without which a msg_server lets nobody log in; tells clients nothing.
    Login,
    /// Brings the database to the latest version of the schema; may run beside db_proxies.
    Migrate,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter =
        EnvFilter::try_from_env("TEAMTALK_LOG").or_else(|e| match std::env::var("TEAMTALK_LOG") {
            Err(_) => Ok(EnvFilter::new("info")),
            Ok(text) => Err(format!("TEAMTALK_LOG=`{text}`: {e}")),
        });
    let filter = match filter {
        Ok(filter) => filter,
        Err(why) => return ended(Err(Failed::Settings(why))),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return ended(Err(e.into())),
    };
    ended(runtime.block_on(run(arguments)))
}

async fn run(arguments: Arguments) -> Result<(), Failed> {
    let config = match &arguments.config {
        Some(path) => Config::read(path)?,
        None => Config::default(),
    };
    let config = config.with_environment(|name| std::env::var(name).ok());
    // Heard from now on: a signal that comes before the role runs is not lost.
    let (terminate, interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = told_to_stop(terminate, interrupt);
    match arguments.command {
        Command::Msg => server::msg_server(&config, stop).await,
        Command::DbProxy => server::db_proxy(&config, stop).await,
        Command::Route => server::route_server(&config, stop).await,
        Command::Login => server::login_server(&config, stop).await,
        Command::Migrate => {
            let ran = server::migrate(&config).await?;
            for migration in &ran {
                println!("version {}: {}", migration.version, migration.name);
            }
            if ran.is_empty() {
                println!("nothing to do");
            }
            Ok(())
        }
    }
}

async fn told_to_stop(mut terminate: Signal, mut interrupt: Signal) {
    tokio::select! {
        biased;
        _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
        _ = interrupt.recv() => tracing::info!("Ctrl-C: stopping"),
    }
}

fn ended(how: Result<(), Failed>) -> ExitCode {
    match how {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("teamtalk: {why}");
            ExitCode::from(if matches!(why, Failed::Settings(_)) { 2 } else { 1 })
        }
    }
}
