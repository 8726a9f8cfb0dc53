//! The first panic of a run: in which host, where, with what message.
//!
//! A role's panic has echoes: tokio shuts the host's runtime down with a panic of its own, and
//! what unwinds may panic again. Only the first one says what happened.

use super::watch::Watch;
use crate::plan::{Host, Role};
use std::{
    backtrace::Backtrace,
    cell::{Cell, RefCell},
    io::{self, Write},
    panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind},
    sync::Once,
};

/// A panic in a run, or a task that the rig made panic because it ran without end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panicked {
    /// The host whose process was running; `world` outside of any.
    pub host: Host,
    /// `file:line:column`, of our own files from the root of the repository.
    pub at: String,
    /// Its message, in one line.
    pub message: String,
    /// It ran without end, see [`Endless`].
    pub endless: bool,
    /// The frames of what panicked, without those of the panic itself, if they were asked for.
    pub backtrace: Option<String>,
}

impl Panicked {
    /// One sentence.
    pub fn sentence(&self) -> String {
        let Self { host, at, message, endless, .. } = self;
        match endless {
            true => format!("{host} ran without end: {message}"),
            false => format!("{host} panicked at {at}: {message}"),
        }
    }
}

/// What a task panics with that ran without end: why that is known.
pub struct Endless(pub String);

/// The run of this thread.
struct Run {
    watch: Watch,
    first: Option<Panicked>,
}

thread_local! {
    static RUN: RefCell<Option<Run>> = const { RefCell::new(None) };
    /// A panic is kept and was not taken.
    static PANICKED: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic is kept that was not taken. What happens then is its echo: a runtime that
/// shuts down drops its tasks in an order that differs from run to run.
pub(super) fn is_over() -> bool {
    PANICKED.get()
}

/// Runs `body`, whose first panic on this thread is kept and not printed; see [`take`]. Panics of
/// other threads are printed as ever.
///
/// # Errors
/// If it panicked.
pub fn kept<T>(watch: &Watch, body: impl FnOnce() -> T) -> Result<T, Panicked> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !keep(info) {
                usual(info);
            }
        }));
    });
    PANICKED.set(false);
    RUN.set(Some(Run { watch: watch.clone(), first: None }));
    let result = catch_unwind(AssertUnwindSafe(body)).map_err(|_| take());
    RUN.set(None);
    result
}

/// The first panic since the last call, after one was caught.
pub fn take() -> Panicked {
    PANICKED.set(false);
    RUN.with_borrow_mut(|run| run.as_mut().and_then(|run| run.first.take())).unwrap_or_else(|| {
        // It did not come through the hook (`resume_unwind`).
        Panicked {
            host: Role::World.host(),
            at: "?".into(),
            message: "no message".into(),
            endless: false,
            backtrace: None,
        }
    })
}

/// False if this thread is in no run, or the process is about to end by what is printed then.
fn keep(info: &PanicHookInfo<'_>) -> bool {
    // `panic in a destructor during cleanup` and its like.
    if info.payload_as_str().is_some_and(|message| message.starts_with("panic in a ")) {
        let first = RUN.try_with(|run| Some(run.try_borrow().ok()?.as_ref()?.first.clone()));
        if let Ok(Some(Some(first))) = first {
            let _ = writeln!(io::stderr(), "{}, and what unwound panicked too:", first.sentence());
        }
        return false;
    }
    let Ok(watch) = RUN.try_with(|run| {
        let run = run.try_borrow().ok()?;
        let run = run.as_ref()?;
        Some(run.first.is_none().then(|| run.watch.clone()))
    }) else {
        return false;
    };
    let Some(not_yet) = watch else { return false };
    if let Some(watch) = not_yet {
        let panicked = panicked(&watch, info);
        let _ = RUN.try_with(|run| {
            if let Some(run) = run.borrow_mut().as_mut() {
                run.first = Some(panicked);
                PANICKED.set(true);
            }
        });
    }
    true
}

fn panicked(watch: &Watch, info: &PanicHookInfo<'_>) -> Panicked {
    let endless = info.payload().downcast_ref::<Endless>();
    let message = match endless {
        Some(Endless(why)) => why,
        None => info.payload_as_str().unwrap_or("no message"),
    };
    let lines: Vec<_> = message.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    Panicked {
        host: watch.host_here().unwrap_or_else(|| Role::World.host()),
        at: info
            .location()
            .map_or("?".into(), |at| format!("{}:{}:{}", short(at.file()), at.line(), at.column())),
        message: lines.join("; "),
        endless: endless.is_some(),
        backtrace: watch.wants_backtraces().then(|| frames(&Backtrace::force_capture())),
    }
}

/// A file of a dependency without the place where this machine keeps it.
fn short(file: &str) -> &str {
    for (before, parts) in [("/registry/src/", 1), ("/rustc/", 1)] {
        if let Some((_, rest)) = file.split_once(before) {
            return rest.splitn(parts + 1, '/').last().unwrap_or(rest);
        }
    }
    file
}

/// The frames between the panic's own and those of what polls tasks.
fn frames(backtrace: &Backtrace) -> String {
    let text = backtrace.to_string();
    let mut frames: Vec<Vec<&str>> = Vec::new();
    for line in text.lines() {
        match frames.last_mut() {
            Some(frame) if line.trim_start().starts_with("at ") => frame.push(line),
            _ => frames.push(vec![line]),
        }
    }
    let is_of =
        |frame: &Vec<&str>, words: &[&str]| words.iter().any(|word| frame[0].contains(word));
    let panic = frames.iter().position(|frame| is_of(frame, &["rust_begin_unwind"]));
    let own = frames.into_iter().skip(panic.map_or(0, |at| at + 1));
    let own = own.skip_while(|frame| is_of(frame, &["core::panicking::", "panic_any"]));
    let below = ["/src/runtime/task/", "core/src/future/", "turmoil::rt::", "world::panics::kept"];
    let is_below =
        |frame: &Vec<&str>| frame.iter().any(|line| below.iter().any(|b| line.contains(b)));
    let own = own.take_while(|frame| !is_below(frame));
    own.flatten().collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::{Endless, kept, short, take};
    use crate::{
        record::Kind,
        world::{shared::Shared, watch::Watch},
    };
    use std::panic::{catch_unwind, panic_any};

    #[test]
    fn the_first_panic_is_kept_whatever_follows() {
        let watch = Watch::new(true);
        let done = kept(&watch, || {
            let echo = catch_unwind(|| panic!("first\n  left: {}", 1));
            assert!(echo.is_err());
            let _ = catch_unwind(|| panic!("second"));
            let panicked = take();
            assert_eq!(panicked.message, "first; left: 1");
            assert_eq!(panicked.host, "world");
            assert!(panicked.at.starts_with("sim/src/world/panics.rs:"), "{}", panicked.at);
            let frames = panicked.backtrace.expect("asked for");
            assert!(frames.contains("the_first_panic_is_kept"), "{frames}");
            7
        });
        assert_eq!(done, Ok(7));
        let panicked = kept(&watch, || panic_any(Endless("why".into()))).expect_err("it panicked");
        assert_eq!(panicked.sentence(), "world ran without end: why");
    }

    #[test]
    fn who_records_without_end_within_a_tick_is_ended() {
        let shared = Shared::new(1);
        let record = |lines: usize| {
            shared.lock().tick(0);
            let line = || shared.record_world(Kind::Phase { phase: "safety" });
            kept(&Watch::default(), || (0..lines).for_each(|_| line())).map_err(|p| p.sentence())
        };
        assert_eq!(record(200_000), Ok(()));
        assert_eq!(record(200_000), Ok(()), "the next tick has its own");
        let ended = record(1_000_000).expect_err("too many");
        assert!(ended.starts_with("world ran without end: it made 300000 lines"), "{ended}");
    }

    #[test]
    fn files_of_dependencies_are_named_the_same_on_every_machine() {
        let file =
            "/home/me/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/redis-1.8.0/src/a.rs";
        assert_eq!(short(file), "redis-1.8.0/src/a.rs");
        assert_eq!(short("/rustc/59807616e1fa/library/core/src/a.rs"), "library/core/src/a.rs");
        assert_eq!(short("src/link/mod.rs"), "src/link/mod.rs");
    }
}
