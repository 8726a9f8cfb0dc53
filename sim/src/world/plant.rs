//! What [`Trouble::Planted`](crate::plan::Trouble::Planted) does: a task in a host's process that
//! misbehaves, as a defect of its role would.

use super::shared::Shared;
use crate::plan::Plant;
use std::time::Duration;
use tokio::{runtime::Handle, task::yield_now};

/// Starts it in the runtime of a host. False if the process is gone.
pub fn start(what: Plant, runtime: &Handle, shared: &Shared) -> bool {
    let shared = shared.clone();
    let task = runtime.spawn(async move {
        match what {
            Plant::Panics => panic!("planted"),
            Plant::Yields => loop {
                yield_now().await;
            },
            Plant::Calls => loop {
                shared.lock().noise.draw("planted", 0);
                yield_now().await;
            },
            Plant::Hangs => loop {
                #[allow(clippy::disallowed_methods, reason = "it is to stop the simulation")]
                std::thread::sleep(Duration::from_secs(1));
            },
        }
    });
    !task.is_finished()
}
