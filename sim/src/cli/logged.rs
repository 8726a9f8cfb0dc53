//! The roles' log of one run (`run --log`), on standard error.

use super::Failure;
use std::{
    fmt,
    io::{self, IsTerminal},
};
use teamtalk_sim::world;
use tracing::{
    Metadata, Subscriber,
    level_filters::LevelFilter,
    span::{Attributes, Id, Record},
    subscriber::Interest,
};
use tracing_subscriber::{
    EnvFilter,
    fmt::{format::Writer, time::FormatTime},
    layer::{Context, Filter, Layer as _, SubscriberExt as _},
    registry::LookupSpan,
    util::SubscriberInitExt as _,
};

/// Begins to write it, with colours if that is a terminal.
///
/// # Errors
/// A sentence about a filter that is none.
pub fn to_stderr(filter: &str) -> Result<(), Failure> {
    let chosen = EnvFilter::try_new(filter).map_err(|e| format!("--log `{filter}`: {e}"))?;
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(io::stderr().is_terminal())
        .with_timer(Simulated)
        .with_writer(io::stderr)
        .with_filter(WithHosts(chosen));
    tracing_subscriber::registry().with(lines).init();
    Ok(())
}

/// The simulated time of a line, in milliseconds since the run began; `-` of what happens before that.
struct Simulated;

impl FormatTime for Simulated {
    fn format_time(&self, out: &mut Writer<'_>) -> fmt::Result {
        match world::now() {
            Some(since) => write!(out, "{:>10.1} ms", since.as_secs_f64() * 1_000.0),
            None => write!(out, "{:>10} ms", "-"),
        }
    }
}

/// A filter of lines. Whatever it is, each line has its host: the simulated network is within a span of this name
/// while a host is at work.
struct WithHosts(EnvFilter);

fn is_host(what: &Metadata<'_>) -> bool {
    what.is_span() && what.name() == world::HOST_SPAN
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Filter<S> for WithHosts {
    fn enabled(&self, what: &Metadata<'_>, cx: &Context<'_, S>) -> bool {
        is_host(what) || Filter::enabled(&self.0, what, cx)
    }

    fn callsite_enabled(&self, what: &'static Metadata<'static>) -> Interest {
        match (is_host(what), Filter::<S>::callsite_enabled(&self.0, what)) {
            (true, _) => Interest::always(),
            (false, interest) => interest,
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        // The span of a host is of this level.
        Filter::<S>::max_level_hint(&self.0).map(|most| most.max(LevelFilter::INFO))
    }

    fn on_new_span(&self, span: &Attributes<'_>, id: &Id, cx: Context<'_, S>) {
        Filter::on_new_span(&self.0, span, id, cx);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, cx: Context<'_, S>) {
        Filter::on_record(&self.0, id, values, cx);
    }

    fn on_enter(&self, id: &Id, cx: Context<'_, S>) {
        Filter::on_enter(&self.0, id, cx);
    }

    fn on_exit(&self, id: &Id, cx: Context<'_, S>) {
        Filter::on_exit(&self.0, id, cx);
    }

    fn on_close(&self, id: Id, cx: Context<'_, S>) {
        Filter::on_close(&self.0, id, cx);
    }
}
