//! What the properties see of each command: in runs that hold, one PDU is left out, or one of its fields
//! is another at both ends, and the run is judged again.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};
use teamtalk::{catalogue, env::ConnId, wire::Pdu};
use teamtalk_sim::{
    explore::{case_of, run_case},
    plan::{
        Host, Role,
        case::{Case, ProtocolSpec},
        generate::Profile,
    },
    record::{
        End, Frame, Kind, Line, Trace,
        altered::{Altered, altered},
    },
    world::judge,
};

/// Calm, so that nothing excuses what is wrong, and enough that each command is among them.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=40;

/// So many PDUs of each command and way are altered in one way until one that is altered so is seen.
const TRIES: usize = 20;

/// So many PDUs of each command and way are looked at.
const LOOKED_AT: usize = 200;

/// What is done to a PDU: `left out`, or a field and how it is altered.
pub type How = String;

/// A command on its way from one role to another.
pub type Way = (u16, String);

/// For each command and way, what is done to it and which properties see that; none: nobody does.
pub type Seen = BTreeMap<Way, BTreeMap<How, BTreeSet<&'static str>>>;

/// A run that holds.
struct Held {
    case: Case,
    trace: Trace,
}

/// A PDU of a run: the lines at which it was written and read.
#[derive(Clone, Copy)]
struct Place {
    run: usize,
    sent: usize,
    received: usize,
}

/// What is seen.
pub fn seen() -> &'static Seen {
    static SEEN: OnceLock<Seen> = OnceLock::new();
    SEEN.get_or_init(|| {
        // Each thread has runs of its own: a trace remembers what it decoded.
        let half = |half: usize| {
            let held: Vec<Held> = SEEDS.map(run).collect();
            let places = places(&held).into_iter().enumerate().filter(|(n, _)| n % 2 == half);
            places.map(|(_, (way, at))| (way.clone(), of(&held, &way, &at))).collect::<Seen>()
        };
        std::thread::scope(|scope| {
            let halves = [0, 1].map(|n| scope.spawn(move || half(n)));
            halves.into_iter().flat_map(|half| half.join().expect("a verdict")).collect()
        })
    })
}

/// The properties that saw an alteration of each command.
pub fn by_command() -> BTreeMap<u16, BTreeSet<&'static str>> {
    let mut by: BTreeMap<u16, BTreeSet<&str>> = BTreeMap::new();
    for ((command, _), seen) in seen() {
        by.entry(*command).or_default().extend(seen.values().flatten());
    }
    by
}

fn run(seed: u64) -> Held {
    let case = case_of(seed, &ProtocolSpec::preset("hardened"), Profile::Calm);
    let outcome = run_case(&case).expect("a verdict");
    assert!(outcome.violations.is_empty(), "seed {seed}: {}", outcome.found());
    let again = judge(&case, &outcome.trace.lines).expect("a preset resolves");
    assert!(again.is_empty(), "seed {seed}, judged again: {again:?}");
    Held { case, trace: outcome.trace }
}

fn name(host: &Host) -> &'static str {
    match host.role() {
        Role::Client => "device",
        role => role.name(),
    }
}

/// Where each command was written and read.
fn places(held: &[Held]) -> BTreeMap<Way, Vec<Place>> {
    let mut found: BTreeMap<Way, Vec<Place>> = BTreeMap::new();
    for (run, held) in held.iter().enumerate() {
        let mut sent: BTreeMap<(ConnId, bool, u64), usize> = BTreeMap::new();
        for (n, line) in held.trace.lines.iter().enumerate() {
            match &line.kind {
                Kind::PduSent(pdu) => {
                    sent.insert((pdu.conn, pdu.end == End::Dialler, pdu.k), n);
                }
                Kind::PduReceived(pdu) => {
                    let from = (pdu.conn, pdu.end != End::Dialler, pdu.k);
                    let Some(sent) = sent.remove(&from) else { continue };
                    // What is no command is for the rogues to send and for nobody to answer.
                    if catalogue::of(pdu.pdu.command()).is_none() {
                        continue;
                    }
                    let writer = name(&held.trace.lines[sent].host);
                    let way = format!("{writer} → {}", name(&line.host));
                    let places = found.entry((pdu.pdu.command(), way)).or_default();
                    places.push(Place { run, sent, received: n });
                }
                _ => {}
            }
        }
    }
    found
}

/// Some of many, spread, and those first that are far from each other.
fn some(places: &[Place]) -> impl Iterator<Item = Place> + '_ {
    let step = places.len().div_ceil(TRIES).max(1);
    let far = (0..step).flat_map(move |first| places.iter().skip(first).step_by(step));
    far.take(LOOKED_AT).copied()
}

/// What becomes of one way to alter PDUs.
#[derive(Default)]
struct Tried {
    times: usize,
    by: BTreeSet<&'static str>,
}

fn of(
    held: &[Held],
    (command, _): &Way,
    places: &[Place],
) -> BTreeMap<How, BTreeSet<&'static str>> {
    let mut tried: BTreeMap<How, Tried> = BTreeMap::new();
    for place in some(places) {
        let Held { case, trace } = &held[place.run];
        let mut note = |how: String, lines: &mut dyn Iterator<Item = &Line>| {
            let tried = tried.entry(how).or_default();
            if tried.by.is_empty() && tried.times < TRIES {
                let found = judge(case, lines).expect("a preset resolves");
                tried.by.extend(found.iter().map(|v| v.property));
                tried.times += 1;
            }
        };
        let is_kept = |(n, line)| (n != place.sent && n != place.received).then_some(line);
        note("left out".into(), &mut trace.lines.iter().enumerate().filter_map(is_kept));
        let Some(entry) = catalogue::of(*command) else { continue };
        let (Kind::PduSent(pdu), lines) = (&trace.lines[place.sent].kind, &trace.lines) else {
            continue;
        };
        for Altered { field: (_, field), how, body } in altered(entry.body, &pdu.pdu.body) {
            let [sent, received] = [place.sent, place.received].map(|n| saying(&lines[n], &body));
            let other = |(n, line)| match n {
                n if n == place.sent => &sent,
                n if n == place.received => &received,
                _ => line,
            };
            note(format!("{field} {how}"), &mut lines.iter().enumerate().map(other));
        }
    }
    tried.into_iter().map(|(how, tried)| (how, tried.by)).collect()
}

/// A line with another body.
fn saying(line: &Line, body: &[u8]) -> Line {
    let with = |frame: &Frame| {
        let pdu = Pdu { header: frame.pdu.header, body: body.to_vec().into() };
        Frame::new(frame.conn, frame.end, frame.k, pdu)
    };
    let kind = match &line.kind {
        Kind::PduSent(frame) => Kind::PduSent(with(frame)),
        Kind::PduReceived(frame) => Kind::PduReceived(with(frame)),
        other => other.clone(),
    };
    Line { kind, ..line.clone() }
}
