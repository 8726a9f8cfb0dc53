//! What turmoil's network does, as far as the world is built on it: a row of the table in
//! docs/DESIGN.md each. A new version of turmoil that does otherwise fails here, and not by a changed trace.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    time::Duration,
};
use teamtalk_sim::{fakes::TICK, seeded::network};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{sleep, sleep_until, timeout},
};
use turmoil::{
    Builder, Sim,
    net::{TcpListener, TcpStream},
};

const PORT: u16 = 80;
/// Simulated time after which nothing comes any more.
const LONG: Duration = Duration::from_secs(1);

/// What hosts saw, in order.
type Seen = Arc<Mutex<Vec<String>>>;

fn note(seen: &Seen, what: impl Into<String>) {
    seen.lock().expect("no panic under it").push(what.into());
}

fn noted(seen: &Seen) -> Vec<String> {
    seen.lock().expect("no panic under it").clone()
}

fn builder() -> Builder {
    let mut builder = network(1);
    builder.simulation_duration(Duration::from_secs(3_600));
    builder
}

fn run_for(sim: &mut Sim<'_>, time: Duration) {
    for _ in 0..time.as_millis() / TICK.as_millis() {
        sim.step().expect("no host ends in an error");
    }
}

/// A host that sends back what it reads.
fn echo(sim: &mut Sim<'_>, name: &str) {
    sim.host(name, || async {
        let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
        loop {
            let (mut stream, _) = listener.accept().await?;
            tokio::spawn(async move {
                let mut buf = [0; 16];
                while let Ok(n @ 1..) = stream.read(&mut buf).await {
                    let _ = stream.write_all(&buf[..n]).await;
                }
            });
        }
    });
}

/// Writes a byte and waits for its echo.
async fn ask(stream: &mut TcpStream) -> &'static str {
    if stream.write_all(b"?").await.is_err() {
        return "not written";
    }
    match timeout(LONG, stream.read(&mut [0; 16])).await {
        Err(_) => "written, no answer",
        Ok(Ok(0)) => "end of the stream",
        Ok(Ok(_)) => "answered",
        Ok(Err(_)) => "reset",
    }
}

async fn dial(host: &str) -> io::Result<TcpStream> {
    TcpStream::connect((host, PORT)).await
}

/// How a connect to an echo ends that is tried in a second, after `before` was done to the world.
fn connect_after(before: impl Fn(&mut Sim<'_>)) -> Vec<String> {
    let mut sim = builder().build();
    let seen = Seen::default();
    echo(&mut sim, "server");
    let all = seen.clone();
    sim.host("client", move || {
        let seen = all.clone();
        async move {
            sleep(Duration::from_secs(1)).await;
            match timeout(LONG, dial("server")).await {
                Err(_) => note(&seen, "hangs"),
                Ok(Err(error)) => note(&seen, format!("{:?}", error.kind())),
                Ok(Ok(mut stream)) => note(&seen, format!("made, {}", ask(&mut stream).await)),
            }
            std::future::pending().await
        }
    });
    run_for(&mut sim, Duration::from_millis(500));
    before(&mut sim);
    run_for(&mut sim, Duration::from_secs(4));
    noted(&seen)
}

#[test]
fn a_connect_says_how_the_link_and_the_host_are() {
    assert_eq!(connect_after(|_| ()), ["made, answered"]);
    assert_eq!(connect_after(|sim| sim.partition("client", "server")), ["ConnectionRefused"]);
    assert_eq!(connect_after(|sim| sim.hold("client", "server")), ["hangs"]);
    assert_eq!(connect_after(|sim| sim.crash("server")), ["hangs"]);
    let back_only = |sim: &mut Sim<'_>| sim.partition_oneway("server", "client");
    assert_eq!(connect_after(back_only), ["made, written, no answer"]);
}

#[test]
fn a_host_that_is_up_and_does_not_listen_refuses() {
    let mut sim = builder().build();
    let seen = Seen::default();
    sim.host("server", || async { std::future::pending().await });
    let all = seen.clone();
    sim.host("client", move || {
        let seen = all.clone();
        async move {
            let error = dial("server").await.expect_err("nobody listens");
            note(&seen, format!("{:?}", error.kind()));
            std::future::pending().await
        }
    });
    run_for(&mut sim, LONG);
    assert_eq!(noted(&seen), ["ConnectionRefused"]);
}

/// What a client hears on two streams to an echo that were made at the start: on the first during
/// what `begin` does and again after `end`, on the second after it only.
fn streams_through(begin: impl Fn(&mut Sim<'_>), end: impl Fn(&mut Sim<'_>)) -> Vec<String> {
    let mut sim = builder().build();
    let seen = Seen::default();
    echo(&mut sim, "server");
    let all = seen.clone();
    sim.host("client", move || {
        let seen = all.clone();
        async move {
            let started = tokio::time::Instant::now();
            let (mut used, mut idle) = (dial("server").await?, dial("server").await?);
            sleep_until(started + Duration::from_secs(1)).await;
            note(&seen, format!("during: {}", ask(&mut used).await));
            sleep_until(started + Duration::from_secs(4)).await;
            note(&seen, format!("after: {}", ask(&mut used).await));
            note(&seen, format!("idle: {}", ask(&mut idle).await));
            std::future::pending().await
        }
    });
    run_for(&mut sim, Duration::from_millis(500));
    begin(&mut sim);
    run_for(&mut sim, Duration::from_millis(2_500));
    end(&mut sim);
    run_for(&mut sim, Duration::from_secs(6));
    noted(&seen)
}

#[test]
fn a_partition_kills_the_streams_that_lose_a_segment_in_silence() {
    let heard = streams_through(
        |sim| sim.partition("client", "server"),
        |sim| sim.repair("client", "server"),
    );
    let silent = "written, no answer";
    assert_eq!(
        heard,
        [format!("during: {silent}"), format!("after: {silent}"), "idle: answered".into()]
    );
}

#[test]
fn a_hold_loses_nothing() {
    let heard =
        streams_through(|sim| sim.hold("client", "server"), |sim| sim.release("client", "server"));
    // What is heard after it answers the first question.
    assert_eq!(heard, ["during: written, no answer", "after: answered", "idle: answered"]);
}

#[test]
fn a_crash_ends_the_streams_of_its_host() {
    let heard = streams_through(|sim| sim.crash("server"), |_| ());
    assert!(["during: end of the stream", "during: reset"].contains(&&*heard[0]), "{heard:?}");
}

#[test]
fn a_host_whose_main_future_ends_is_frozen_and_its_streams_stay_open() {
    let mut sim = builder().build();
    let seen = Seen::default();
    sim.host("server", || async {
        let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
        let (mut stream, _) = listener.accept().await?;
        // It would answer, but its host does not go on.
        tokio::spawn(async move {
            let mut buf = [0; 1];
            while stream.read_exact(&mut buf).await.is_ok() {
                let _ = stream.write_all(&buf).await;
            }
        });
        Ok(())
    });
    let all = seen.clone();
    sim.host("client", move || {
        let seen = all.clone();
        async move {
            let mut stream = dial("server").await?;
            sleep(LONG).await;
            note(&seen, ask(&mut stream).await);
            std::future::pending().await
        }
    });
    run_for(&mut sim, Duration::from_secs(4));
    assert_eq!(noted(&seen), ["written, no answer"]);
}

/// In which order a server hears two clients that write in the same tick, if the hosts are
/// registered in this order.
fn heard_in_one_tick(order: [&'static str; 3]) -> Vec<String> {
    let mut sim = builder().build();
    let seen = Seen::default();
    for name in order {
        let all = seen.clone();
        if name != "server" {
            sim.host(name, move || async move {
                let mut stream = dial("server").await?;
                sleep_until(tokio::time::Instant::now() + Duration::from_millis(100)).await;
                stream.write_all(name.as_bytes()).await?;
                std::future::pending().await
            });
            continue;
        }
        sim.host(name, move || {
            let seen = all.clone();
            async move {
                let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
                loop {
                    let (mut stream, _) = listener.accept().await?;
                    let seen = seen.clone();
                    tokio::spawn(async move {
                        let mut buf = [0; 16];
                        let n = stream.read(&mut buf).await.unwrap_or_default();
                        let at = turmoil::sim_elapsed().unwrap_or_default().as_millis();
                        note(&seen, format!("{at} {}", String::from_utf8_lossy(&buf[..n])));
                    });
                }
            }
        });
    }
    run_for(&mut sim, LONG);
    noted(&seen)
}

#[test]
fn arrivals_of_one_tick_come_in_the_order_of_registration() {
    let names = |order| {
        let heard = heard_in_one_tick(order);
        let (times, names): (Vec<_>, Vec<_>) =
            heard.iter().filter_map(|line| line.split_once(' ')).unzip();
        assert_eq!(times.len(), 2);
        assert_eq!(times[0], times[1], "not the same tick");
        names.concat()
    };
    assert_eq!(names(["server", "a", "b"]), "ab");
    assert_eq!(names(["server", "b", "a"]), "ba");
    assert_eq!(names(["b", "a", "server"]), "ba");
}

#[test]
fn each_connect_that_is_refused_leaks_its_port() {
    const PORTS: usize = 8;
    let mut sim = builder().ephemeral_ports(50_000..=50_007).build();
    let seen = Seen::default();
    sim.host("server", || async { std::future::pending().await });
    let all = seen.clone();
    sim.host("client", move || {
        let seen = all.clone();
        async move {
            for _ in 0..=PORTS {
                dial("server").await.expect_err("nobody listens");
                note(&seen, "refused");
            }
            Ok(())
        }
    });
    let panicked = catch_unwind(AssertUnwindSafe(|| run_for(&mut sim, LONG)));
    let panic = panicked.expect_err("the ports are used up");
    let message = panic.downcast_ref::<String>().cloned().unwrap_or_default();
    assert_eq!(noted(&seen).len(), PORTS, "{message}");
}

#[test]
fn more_pending_accepts_than_the_capacity_are_a_panic() {
    let mut sim = builder().tcp_capacity(2).build();
    sim.host("server", || async {
        let _listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
        std::future::pending().await
    });
    sim.host("client", || async {
        for _ in 0..3 {
            tokio::spawn(dial("server"));
        }
        std::future::pending().await
    });
    assert!(catch_unwind(AssertUnwindSafe(|| run_for(&mut sim, LONG))).is_err());
}

#[test]
fn a_panic_in_a_task_of_a_host_unwinds_out_of_step() {
    let mut sim = builder().build();
    sim.host("server", || async {
        tokio::spawn(async { panic!("in a task") });
        std::future::pending().await
    });
    assert!(catch_unwind(AssertUnwindSafe(|| run_for(&mut sim, LONG))).is_err());
}

#[test]
fn all_hosts_have_one_wall_clock() {
    let mut sim = builder().build();
    let seen = Seen::default();
    for name in ["a", "b"] {
        let all = seen.clone();
        sim.host(name, move || {
            let seen = all.clone();
            async move {
                sleep(Duration::from_millis(100)).await;
                note(&seen, format!("{:?}", turmoil::since_epoch()));
                std::future::pending().await
            }
        });
    }
    run_for(&mut sim, LONG);
    let seen = noted(&seen);
    assert_eq!((seen.len(), &seen[0]), (2, &seen[1]));
}
