//! Where a turmoil simulation gets its randomness, and what makes it repeat: the claims of
//! docs/DETERMINISM.md that a small program can show.

#![expect(clippy::disallowed_methods, reason = "what turmoil does without a seed is the test")]

use std::{
    collections::BTreeSet,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex},
    time::Duration,
};
use teamtalk_sim::seeded::on_seeded_thread;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::sleep,
};
use turmoil::{
    Builder,
    net::{TcpListener, TcpStream},
};

/// What tasks noted.
fn taken<T: Default>(seen: &Mutex<T>) -> T {
    std::mem::take(&mut seen.lock().expect("no panic under it"))
}

/// Simulated milliseconds at which twenty bytes arrive, sent one by one over a link without fixed
/// latency.
fn arrivals(builder: &Builder) -> Vec<u128> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut sim = builder.build();
    let all = seen.clone();
    sim.host("server", move || {
        let seen = all.clone();
        async move {
            let listener = TcpListener::bind(("0.0.0.0", 80)).await?;
            let (mut stream, _) = listener.accept().await?;
            while stream.read_exact(&mut [0; 1]).await.is_ok() {
                let at = turmoil::sim_elapsed().unwrap_or_default().as_millis();
                seen.lock().expect("no panic under it").push(at);
            }
            Ok(())
        }
    });
    sim.client("client", async {
        let mut stream = TcpStream::connect(("server", 80)).await?;
        for _ in 0..20 {
            stream.write_all(b"?").await?;
            sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    });
    sim.run().expect("it ends in time");
    taken(&seen)
}

#[test]
fn a_builder_without_a_seed_draws_latencies_anew() {
    let runs: BTreeSet<_> = (0..5).map(|_| arrivals(&Builder::new())).collect();
    assert!(runs.len() > 1, "five runs without a seed were all the same");
    let seeded = || arrivals(Builder::new().rng_seed(7));
    assert_eq!(seeded().len(), 20);
    assert_eq!(seeded(), seeded());
}

/// Which of two ready branches a `select!` without `biased` takes, 64 times.
fn choices(builder: &Builder) -> String {
    let seen = Arc::new(Mutex::new(String::new()));
    let mut sim = builder.build();
    let all = seen.clone();
    sim.client("client", async move {
        for _ in 0..64 {
            let taken = tokio::select! {
                () = std::future::ready(()) => 'a',
                () = std::future::ready(()) => 'b',
            };
            all.lock().expect("no panic under it").push(taken);
        }
        Ok(())
    });
    sim.run().expect("it ends in time");
    taken(&seen)
}

/// With `--cfg tokio_unstable`, without which this package does not compile.
#[test]
fn a_select_without_biased_repeats_with_the_seed_of_the_builder() {
    let seeded = |seed| choices(Builder::new().rng_seed(seed));
    assert_eq!(seeded(1), seeded(1));
    assert_ne!(seeded(1), seeded(2));
    assert!(seeded(1).contains('a') && seeded(1).contains('b'));
}

#[test]
fn std_draws_the_keys_of_its_maps_from_the_thread_and_counts_them_up() {
    let two = |seed| {
        on_seeded_thread(seed, || {
            (RandomState::new().hash_one("x"), RandomState::new().hash_one("x"))
        })
    };
    assert_eq!(two(1), two(1));
    assert_ne!(two(1), two(2));
    // So a second run on the same thread meets other keys: hence a fresh thread for each run.
    assert_ne!(two(1).0, two(1).1);
}

/// The order in which a runtime drops five tasks.
fn dropped() -> Vec<usize> {
    struct Task(usize, Arc<Mutex<Vec<usize>>>);
    impl Drop for Task {
        fn drop(&mut self) {
            self.1.lock().expect("no panic under it").push(self.0);
        }
    }
    let seen = Arc::new(Mutex::new(Vec::new()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime");
    for n in 0..5 {
        let task = Task(n, seen.clone());
        runtime.spawn(async move {
            let _task = task;
            std::future::pending::<()>().await;
        });
    }
    runtime.block_on(tokio::task::yield_now());
    drop(runtime);
    taken(&seen)
}

/// The order follows from the tasks' numbers, which all runtimes of a process share.
#[test]
fn a_runtime_drops_its_tasks_in_an_order_that_depends_on_what_ran_before() {
    let orders: BTreeSet<_> = (0..50).map(|_| dropped()).collect();
    assert!(orders.len() > 1, "always {orders:?}");
}
