//! How often a case still fails when what is drawn is new from a moment on.

use super::{SEEDS, SURE};
use crate::{
    chain::Chain,
    noise::Draw,
    plan::{NoiseFrom, TICK_MS, case::Case},
    pool::Pool,
    record::{Kind, Line},
    world::Outcome,
};
use std::collections::{BTreeMap, BTreeSet};

/// At most so many moments are looked at, before the jump to certainty is looked for between two.
const MOMENTS: usize = 40;
/// The same, of what is owed at the end: those runs are long.
const MOMENTS_OF_LIVENESS: usize = 20;

/// What is drawn anew has seeds from here on, after the one of the plan: those next to it are the ones
/// that shrinking tries.
const NEW_SEEDS: u64 = 1_000;

/// A moment from which on draws are new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// In simulated milliseconds.
    pub at_ms: u64,
    /// Of so many runs with new draws.
    pub runs: u64,
    /// So many fail.
    pub failing: u64,
}

impl Moment {
    /// Whether each run fails.
    pub fn is_sure(&self) -> bool {
        self.failing == self.runs
    }
}

/// From when on a failure is inevitable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inevitable {
    /// In simulated milliseconds: what is drawn from then on changes nothing. 0: the plan alone is enough.
    pub from_ms: u64,
    /// What was drawn in the tick before it, which decided it, and how often. If some of it was about commands,
    /// statements or PDUs of the chain that led to the violation, only that.
    pub draws: BTreeMap<&'static str, u64>,
    /// The lines in the trace of what these draws were about: of a command that was delayed, when it was applied.
    pub about: Vec<u64>,
    /// If nothing is known of that, the lines of the chain in that tick.
    pub lines: Vec<u64>,
}

/// Looks at moments of a case, of which this came, that fails; `None` if it was asked to stop.
pub(super) fn of(
    case: &Case,
    outcome: &Outcome,
    pool: &Pool<'_>,
    each: &(dyn Fn() + Sync),
) -> Option<(Vec<Moment>, Option<Inevitable>)> {
    let all = moments_of(case, outcome);
    let touched = all.partition_point(|at| *at <= last_touched_ms(case, outcome));
    let is_owed = outcome.broken_at_ms(&case.expect).is_none();
    let most = if is_owed { MOMENTS_OF_LIVENESS } else { MOMENTS };
    let share = |at_ms, seeds| share(case, at_ms, seeds, pool, each);
    let (curve, from_ms) = search(&all, touched, most, &share)?;
    let inevitable = from_ms.map(|from_ms| {
        let chain = outcome.violation(&case.expect).map(|of| Chain::of(outcome, of));
        Inevitable::from(from_ms, &outcome.draws, &outcome.trace.lines, &chain.unwrap_or_default())
    });
    Some((curve, inevitable))
}

/// How often it fails, by moment, if draws are new from there on, under so many seeds; `None` if it was asked to stop.
type Share<'a> = dyn Fn(u64, u64) -> Option<Moment> + 'a;

/// Looks at some moments, the first ones if what is looked for is among them: some of them, at most so many, and from
/// which one on it is sure.
pub(super) fn search(
    moments: &[u64],
    first: usize,
    most: usize,
    share: &Share<'_>,
) -> Option<(Vec<Moment>, Option<u64>)> {
    // What does not touch it hardly decides it.
    match up_to(&moments[..first], most, share)? {
        (_, None) if first < moments.len() => up_to(moments, most, share),
        known => Some(known),
    }
}

/// Looks at some of these moments.
fn up_to(moments: &[u64], most: usize, share: &Share<'_>) -> Option<(Vec<Moment>, Option<u64>)> {
    let looked_at: Vec<usize> = spread(moments.len(), most).collect();
    let share = |at: usize, seeds: u64| share(moments[at], seeds);
    let curve = looked_at.iter().map(|at| share(*at, SEEDS)).collect::<Option<Vec<_>>>()?;
    // From the last one on that is not sure.
    let unsure = curve.iter().rposition(|moment| !moment.is_sure());
    let (mut low, mut high) = match unsure {
        Some(at) if at + 1 == curve.len() => return Some((curve, None)),
        Some(at) => (looked_at[at] as i64, looked_at[at + 1]),
        None => (-1, 0),
    };
    let mut is_sure = share(high, SURE)?.is_sure();
    // More seeds may find that it is sure later only.
    while !is_sure && high + 1 < moments.len() {
        (low, high) = (high as i64, high + 1);
        is_sure = share(high, SURE)?.is_sure();
    }
    while high as i64 - low > 1 {
        let middle = ((low + high as i64) / 2) as usize;
        match share(middle, SURE)?.is_sure() {
            true => high = middle,
            false => low = middle as i64,
        }
    }
    Some((curve, is_sure.then(|| moments[high])))
}

/// When the last line that touches what the violation is about was over, in simulated milliseconds.
fn last_touched_ms(case: &Case, outcome: &Outcome) -> u64 {
    let violation = outcome.violation(&case.expect);
    let touches = |line: &&Line| violation.is_some_and(|of| of.about.touches(line));
    let last = outcome.trace.lines.iter().rev().find(touches);
    last.map_or(u64::MAX, |line| line.sim_us / 1_000 + TICK_MS)
}

/// The moments at which something may be decided: the start, and behind each tick in which something was
/// drawn, up to the failure.
fn moments_of(case: &Case, outcome: &Outcome) -> Vec<u64> {
    let end = outcome.broken_at_ms(&case.expect).unwrap_or(u64::MAX);
    let drawn = outcome.draws.iter().map(|draw| draw.at_us / 1_000);
    let behind = drawn.filter(|at| *at <= end).map(|at| at + TICK_MS);
    let mut moments: Vec<_> = [0].into_iter().chain(behind).collect();
    moments.dedup();
    moments
}

/// So many of the numbers below another one, evenly, with the first and the last.
fn spread(all: usize, most: usize) -> impl Iterator<Item = usize> {
    let n = all.min(most);
    (0..n).map(move |at| if n < 2 { 0 } else { at * (all - 1) / (n - 1) })
}

fn share(
    case: &Case,
    at_ms: u64,
    seeds: u64,
    pool: &Pool<'_>,
    each: &(dyn Fn() + Sync),
) -> Option<Moment> {
    let with = |n: u64| {
        let mut case = case.clone();
        let seed = case.plan.noise.wrapping_add(NEW_SEEDS + n);
        case.plan.noise_from = Some(NoiseFrom { at_ms, seed });
        case
    };
    let failing = pool.failing(&(0..seeds).map(with).collect::<Vec<_>>(), each)?;
    Some(Moment { at_ms, runs: seeds, failing })
}

impl Inevitable {
    /// From a moment on, in simulated milliseconds: what was drawn in the tick before it, and what came of that.
    pub(super) fn from(from_ms: u64, draws: &[Draw], lines: &[Line], chain: &Chain) -> Self {
        let tick = from_ms.saturating_sub(TICK_MS) * 1_000..from_ms * 1_000;
        let is_of_it = |n: &u64| lines.get(*n as usize).is_some_and(|line| chain.knows(line));
        let drawn = draws.iter().filter(|draw| tick.contains(&draw.at_us));
        let drawn = drawn.map(|draw| (draw.purpose, line_of(draw, lines)));
        let drawn: Vec<(&'static str, Option<u64>)> = drawn.collect();
        let is_about_it = |(_, line): &(&str, Option<u64>)| line.as_ref().is_some_and(is_of_it);
        let about_it: Vec<_> = drawn.iter().filter(|drawn| is_about_it(drawn)).copied().collect();
        let decided = if about_it.is_empty() { drawn } else { about_it };
        let mut draws = BTreeMap::new();
        for (purpose, _) in &decided {
            *draws.entry(*purpose).or_default() += 1;
        }
        let about: BTreeSet<u64> = decided.into_iter().filter_map(|(_, line)| line).collect();
        let is_then =
            |line: &&Line| about.is_empty() && tick.contains(&line.sim_us) && chain.has(line);
        let lines = lines.iter().filter(is_then).map(|line| line.n).collect();
        Self { from_ms, draws, about: about.into_iter().collect(), lines }
    }
}

/// The line of what a draw was about: what it delayed, the PDU that goes by the link that was drawn, or the one for
/// which a worker was.
fn line_of(draw: &Draw, lines: &[Line]) -> Option<u64> {
    if draw.led_to.is_some() {
        return draw.led_to;
    }
    let (host, n) = draw.by.as_ref()?;
    let (before, behind) = lines.split_at_checked(*n as usize)?;
    let is_then = |line: &&Line| line.host == *host && line.sim_us == draw.at_us;
    let sent = |line: &&Line| is_then(line) && matches!(line.kind, Kind::PduSent(_));
    let read = |line: &&Line| is_then(line) && matches!(line.kind, Kind::PduReceived(_));
    let line = match draw.purpose {
        "db-link" => behind.iter().find(sent),
        "db-worker" => before.iter().rfind(read),
        _ => None,
    };
    line.map(|line| line.n)
}
