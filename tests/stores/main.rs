//! The roles on a real Redis and a real MariaDB, which `scripts/stores.sh` starts:
//!
//!     scripts/stores.sh run cargo test --features server --test stores
//!
//! Without the feature `server`, or without the variables that the script sets, nothing is tested here, and
//! the test says so. STORES=required makes that a failure.

#![cfg_attr(feature = "server", allow(clippy::disallowed_methods))] // Real time and threads of its own.

#[cfg(feature = "server")]
mod cluster;
#[cfg(feature = "server")]
mod database;
#[cfg(feature = "server")]
mod lockstep;
#[cfg(feature = "server")]
mod plans;
#[cfg(feature = "server")]
mod processes;
#[cfg(feature = "server")]
mod replayed;
#[cfg(feature = "server")]
mod sent;
#[cfg(feature = "server")]
mod statements;

use std::io::Write as _;

const HOW: &str = "scripts/stores.sh run cargo test --features server --test stores";

/// Where the stores are: Redis and SQL, as the script says; `None`, said past libtest, if that is not known.
fn stores() -> Option<(String, String)> {
    let of = |name| std::env::var(name).ok();
    let both = of("TEAMTALK_REDIS").zip(of("TEAMTALK_SQL"));
    if both.is_none() {
        left_out("TEAMTALK_REDIS and TEAMTALK_SQL are not set");
    }
    both
}

/// Says that a test was left out, where libtest shows it though the test passes.
fn left_out(why: &str) {
    let sentence = format!("tests/stores: {why}: NOT tested on real stores; to run it: {HOW}");
    assert_ne!(std::env::var("STORES").as_deref(), Ok("required"), "{sentence}");
    let _ = writeln!(std::io::stderr(), "{sentence}");
}

#[cfg(not(feature = "server"))]
#[test]
fn without_the_feature_server_nothing_is_tested() {
    let _ = stores();
    left_out("the feature `server` is off");
}
