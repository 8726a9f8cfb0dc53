//! The chain of events that ends in a violation, as a sequence diagram of Mermaid.

use super::{
    decode::{decode, name_of, shortened},
    messages::Messages,
    scene::{Flight, Scene, hosts},
    words,
};
use crate::{
    chain::Chain,
    plan::{Host, case::Case, rollout},
    properties::{Named, Violation},
    record::{Kind, Line},
    world::Outcome,
};
use std::{collections::BTreeSet, fmt::Write};
use teamtalk::fact::Fact;

/// How much of a chain is shown at its beginning and at its end: arrows, and arrows and notes together.
/// A chain that is no longer than both is shown whole.
const FIRST: [usize; 2] = [12, 24];
const LAST: [usize; 2] = [28, 56];
/// A line of a note has about so many characters.
const WRAP: usize = 72;

/// Something of the chain.
enum Step<'a> {
    /// A PDU from one host to another.
    Arrow { at: String, text: String, from: &'a Host, to: &'a Host, arrived: bool },
    /// What happened at some hosts; at none: across all of them.
    Note { at: String, text: String, hosts: Vec<&'a Host> },
}

/// The diagram's text: the PDUs of the chain that led to a violation, up to the line that broke it, with store
/// commands, rows, facts and faults between them. At most some 40 arrows; it says how many are left out.
pub fn mermaid(case: &Case, outcome: &Outcome, violation: &Violation) -> String {
    let steps = steps(case, outcome, violation);
    let (first, last) = kept(&steps);
    let shown = || steps[..first].iter().chain(&steps[last..]);
    let used: BTreeSet<&Host> = shown().flat_map(Step::hosts).collect();
    let mut lanes = hosts(&case.plan, &outcome.trace);
    // It needs one at least, to say what was broken.
    let one = lanes.iter().rfind(|host| !host.role().is_of_the_rig()).copied();
    lanes.retain(|host| used.contains(host) || (used.is_empty() && Some(*host) == one));
    let all: Vec<&Host> = [lanes.first(), lanes.last()].into_iter().flatten().copied().collect();
    let mut out = String::from("sequenceDiagram\n");
    for host in &lanes {
        let _ = writeln!(out, "    participant {host}");
    }
    for step in &steps[..first] {
        step.write(&all, &mut out);
    }
    if first < last {
        let arrows = steps[first..last].iter().filter(|step| step.is_arrow()).count();
        let notes = last - first - arrows;
        note(&all, &format!("… {arrows} PDUs and {notes} notes are left out …"), &mut out);
    }
    for step in &steps[last..] {
        step.write(&all, &mut out);
    }
    let signature = escaped(&violation.signature());
    let sentence = wrapped(&crate::report::printable(&violation.sentence));
    let when = match outcome.line_of(violation).is_some() {
        true => "",
        false => " (owed when the run was over)",
    };
    note(&all, &format!("VIOLATED {signature}{when}<br/>{sentence}"), &mut out);
    out
}

impl<'a> Step<'a> {
    fn is_arrow(&self) -> bool {
        matches!(self, Self::Arrow { .. })
    }

    fn hosts(&self) -> Vec<&'a Host> {
        match self {
            Self::Arrow { from, to, .. } => vec![from, to],
            Self::Note { hosts, .. } => hosts.clone(),
        }
    }

    fn write(&self, all: &[&Host], out: &mut String) {
        match self {
            Self::Arrow { at, text, from, to, arrived } => {
                let arrow = if *arrived { "->>" } else { "-x" };
                let _ = writeln!(out, "    {from}{arrow}{to}: {} {at}", escaped(text));
            }
            Self::Note { at, text, hosts } => {
                let over = if hosts.is_empty() { all } else { hosts };
                note(over, &format!("{} {at}", wrapped(text)), out);
            }
        }
    }
}

/// A note over a host, or from one to another; the text is escaped already.
fn note(hosts: &[&Host], text: &str, out: &mut String) {
    let over = match hosts {
        [only] => only.to_string(),
        [first, .., last] if first == last => first.to_string(),
        [first, .., last] => format!("{first},{last}"),
        [] => return,
    };
    let _ = writeln!(out, "    Note over {over}: {text}");
}

/// Up to which step the beginning goes, and from which on the end.
fn kept(steps: &[Step<'_>]) -> (usize, usize) {
    let arrows = steps.iter().filter(|step| step.is_arrow()).count();
    if arrows <= FIRST[0] + LAST[0] && steps.len() <= FIRST[1] + LAST[1] {
        return (steps.len(), steps.len());
    }
    let long = |steps: &mut dyn Iterator<Item = &Step<'_>>, [arrows, all]: [usize; 2]| {
        let mut left = arrows;
        let fits = steps.take_while(|step| {
            let fits = !step.is_arrow() || left > 0;
            left -= usize::from(fits && step.is_arrow());
            fits
        });
        fits.take(all).count()
    };
    let first = long(&mut steps.iter(), FIRST);
    let last = steps.len() - long(&mut steps.iter().rev(), LAST);
    if first < last { (first, last) } else { (steps.len(), steps.len()) }
}

/// All of the chain.
fn steps<'a>(case: &'a Case, outcome: &'a Outcome, violation: &Violation) -> Vec<Step<'a>> {
    let scene = Scene::of(&outcome.trace);
    let messages = Messages::read(&outcome.trace);
    let about = &violation.about;
    let broken_by = outcome.line_of(violation);
    let chain = Chain::of(outcome, violation);
    let touches = |line: &Line| chain.has(line);
    let all = hosts(&case.plan, &outcome.trace);
    let host_of = |name: &str| all.iter().find(|host| ***host == *name).copied();
    let is_before = |line: &&'a Line| broken_by.is_none_or(|n| line.n <= n);
    let mut steps = Vec::new();
    for line in outcome.trace.lines.iter().take_while(is_before) {
        let mut told = |text: String, hosts: Vec<&'a Host>| {
            steps.push(Step::Note { at: format!("[{} ms]", ms(line)), text, hosts });
        };
        match &line.kind {
            Kind::PduSent(_) => {
                let flight = &scene.flights[scene.flight_at[&line.n]];
                let ends = [flight.sent, flight.received];
                let is_of_it = ends.into_iter().flatten().any(touches);
                if is_of_it && !flight.is_heartbeat() {
                    steps.extend(arrow(flight, &scene, &messages));
                }
            }
            Kind::FaultStart { fault, what } => {
                let planned = case.plan.fault(*fault);
                let of = planned.as_ref().map(|of| of.trouble.hosts()).unwrap_or_default();
                let mut of: Vec<_> = of.into_iter().filter_map(host_of).collect();
                of.sort_by_key(|host| all.iter().position(|other| other == host));
                told(rollout::begins(*fault, what), of);
            }
            Kind::FaultEnd { fault, hit } => {
                told(rollout::ends(*fault, *hit), Vec::new());
            }
            Kind::OnSide { side } => {
                told(format!("on the side of {} from here on", side.name()), vec![&line.host])
            }
            Kind::Migrated { version, .. } => {
                told(format!("its schema has version {version} now"), vec![&line.host]);
            }
            Kind::HostDown => told("its process is gone".into(), vec![&line.host]),
            Kind::HostUp if line.sim_us > 0 => told("its process starts".into(), vec![&line.host]),
            Kind::Op { op, device, what, .. } => {
                let planned = case.plan.operations.iter().find(|of| of.id == *op);
                if planned.is_some_and(|op| about.is_sent_by(op)) {
                    let at = case.plan.devices.iter().find(|of| of.slot == *device);
                    told(
                        format!("device {device} {what}"),
                        at.and_then(|of| host_of(&of.host)).into_iter().collect(),
                    );
                }
            }
            Kind::Fact(fact) if touches(line) && matters(fact) => {
                if let Some((_, text)) = words::fact(fact) {
                    told(text, vec![&line.host]);
                }
            }
            Kind::Panic { message, at } => {
                told(format!("PANICS at {at}: {}", shortened(message)), vec![&line.host]);
            }
            Kind::Store(applied) if touches(line) => {
                told(words::command(applied), vec![&line.host]);
            }
            _ if touches(line) => {
                if let Some(text) = words::row(line) {
                    told(text, vec![&line.host]);
                }
            }
            _ => {}
        }
    }
    steps
}

/// Whether a fact says more than the PDUs and rows beside it.
fn matters(fact: &Fact) -> bool {
    !matches!(fact, Fact::Stored { .. } | Fact::LoggedIn { .. } | Fact::OpOk { .. })
}

fn arrow<'a>(flight: &Flight<'a>, scene: &Scene<'a>, messages: &Messages) -> Option<Step<'a>> {
    let sent = flight.sent?;
    let (conn, end) = (flight.frame.conn, flight.frame.end);
    let peer = || scene.ends.get(&(conn, end)).map(|known| known.peer);
    let to = flight.received.map(|line| &line.host).or_else(peer)?;
    let device = scene.device(conn).map_or(String::new(), |device| format!("device {device}: "));
    let ids = messages.ids(&Named::by(sent), &decode(flight.frame));
    let text = format!("{device}{} {ids}", name_of(flight.frame));
    let at = match flight.received {
        Some(received) => format!("[{} → {} ms]", ms(sent), ms(received)),
        None => format!("[{} ms, never read]", ms(sent)),
    };
    Some(Step::Arrow { at, text, from: &sent.host, to, arrived: flight.received.is_some() })
}

fn ms(line: &Line) -> u64 {
    line.sim_us / 1_000
}

/// A text in lines of a note, escaped.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("never empty");
        if !last.is_empty() && last.chars().count() + word.chars().count() > WRAP {
            lines.push(word.into());
        } else {
            let space = if last.is_empty() { "" } else { " " };
            *last += &format!("{space}{word}");
        }
    }
    lines.iter().map(|line| escaped(line)).collect::<Vec<_>>().join("<br/>")
}

/// A text in which Mermaid finds nothing but text: `;` would end it, `#` begin an entity, `end` close a
/// block, `<` be an element.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let is_end = bare.eq_ignore_ascii_case("end");
        for (n, c) in word.chars().enumerate() {
            let plain =
                c.is_ascii_alphanumeric() || " .,:'()[]/-_=+*?!|".contains(c) || !c.is_ascii();
            if !plain || (n == 0 && is_end) {
                let _ = write!(out, "#{};", c as u32);
            } else {
                out.push(c);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{escaped, wrapped};

    #[test]
    fn what_mermaid_would_read_as_its_own_is_escaped() {
        assert_eq!(escaped("op-1 in 1-2, acked"), "op-1 in 1-2, acked");
        assert_eq!(escaped("a;b #1: \"x\" <b> %%"), "a#59;b #35;1: #34;x#34; #60;b#62; #37;#37;");
        assert_eq!(escaped("at the end of friends"), "at the #101;nd of friends");
        assert_eq!(escaped("End"), "#69;nd");
        assert_eq!(escaped("a\nb → c"), "a#10;b → c");
    }

    #[test]
    fn long_sentences_are_wrapped() {
        let text = "word ".repeat(40);
        let lines: Vec<_> = wrapped(text.trim()).split("<br/>").map(String::from).collect();
        assert!(lines.len() > 2 && lines.iter().all(|line| line.len() <= 80), "{lines:?}");
        assert_eq!(lines.join(" "), text.trim());
    }
}
