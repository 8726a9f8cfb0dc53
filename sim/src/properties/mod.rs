//! What must hold: each property reads the trace line by line and knows nothing else.

mod about;
mod acked_is_stored;
mod acks_settle;
mod answered;
mod answers;
mod available;
mod bounded;
mod bounds;
mod clients;
mod clocks;
mod delivered;
mod diligent;
mod facts;
mod file_effects;
mod gate;
mod headers;
mod hints;
mod integrity;
mod isolation;
mod kept;
mod let_through;
mod links;
#[cfg(test)]
mod listed;
mod lockout;
mod looking;
mod membership;
mod no_duplicate;
mod no_panic;
mod notices;
mod offers;
mod one_row;
mod order;
#[cfg(test)]
mod pdus;
mod presence;
mod protocols;
mod pushed;
mod pushes;
mod rates;
mod reachable;
mod relayed;
mod room;
mod seen;
mod send_list_acked;
mod sends;
mod server_links;
mod sessions;
mod shown;
mod sources;
mod tally;
#[cfg(test)]
mod tape;
mod timely;
mod tokens;
mod transactions;
mod trouble;
mod unique_msg_id;
mod unread;
mod wire;

pub(crate) use about::Named;
pub use about::{About, Rows, Subject};
use clocks::Clocks;
use kept::Kept;
use looking::{Looking, is_shown};
pub(crate) use membership::SETTLED_US;
pub use protocols::{Protocols, role};
pub use seen::{Class, Known, Seen};
pub use tally::Tally;
pub use wire::{At, Message, held_content};

use crate::{
    plan::{Action, Operation, Plan, Role, Size},
    record::{Line, Trace, sizes::Sizes},
};
use std::time::Duration;
use teamtalk::{client::Acks, protocol::Protocol, timing::Timing};

/// Whether a property is broken by one event, or by something that never happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Broken at one line of the trace.
    Safety,
    /// Broken when something is still owed at the end of the liveness phase.
    Liveness,
}

/// A violation found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The property's name.
    pub property: &'static str,
    /// In which of its ways it was broken, in a word, without ids or times.
    pub kind: &'static str,
    /// The role that broke it.
    pub role: Role,
    /// One sentence with the ids involved.
    pub sentence: String,
    /// What it is about: the card shows the lines that touch it.
    pub about: About,
}

impl Violation {
    /// `property/kind/role`: the same for every instance of one bug.
    pub fn signature(&self) -> String {
        format!("{}/{}/{}", self.property, self.kind, self.role)
    }

    /// The same, about something more.
    fn and(self, subject: Subject) -> Self {
        Self { about: self.about.and(subject), ..self }
    }
}

/// A check over a trace.
pub trait Property {
    /// Its name, as `cargo sim properties` lists it.
    fn name(&self) -> &'static str;
    /// What it promises, in one sentence.
    fn says(&self) -> &'static str;
    /// Whether it is safety or liveness.
    fn sort(&self) -> Sort;
    /// The classes of lines that it is shown.
    fn looks_at(&self) -> &'static [Class] {
        Class::ALL
    }
    /// The commands of the PDUs that it is shown of a class; `None`: all.
    fn commands(&self, _: Class) -> Option<&'static [u16]> {
        None
    }
    /// Takes the next line, and returns the violation if this line breaks a safety property.
    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation>;
    /// Whether what is owed can be paid by an audit only (`world::audit`).
    fn audited(&self) -> bool {
        false
    }
    /// Something that is still owed at this point of the run, if anything is.
    fn pending(&self, _: &Known) -> Option<Violation> {
        None
    }
    /// What is owed when its time is up, at a simulated microsecond: [`Self::pending`] without what
    /// began so late that it had no time. The end of a run is no violation of that.
    fn overdue(&self, known: &Known, _now_us: u64) -> Option<Violation> {
        self.pending(known)
    }
    /// Whether something got too large, at the end of a run.
    fn measured(&self, _: &Known, _: &Sizes) -> Option<Violation> {
        None
    }
    /// How often it judged and forgave; `None` if it does not count.
    fn tally(&self, _: &Known) -> Option<Tally> {
        None
    }
}

/// All properties of a deployment, and what they know of its run.
pub struct Properties {
    known: Known,
    all: Vec<Box<dyn Property>>,
    looking: Looking,
}

impl Properties {
    /// The properties at the start of a run, for a deployment under this protocol.
    pub fn new(protocol: &Protocol) -> Self {
        let all = all(protocol);
        let looking = Looking::of(&all);
        let known = Known { protocols: Protocols::all(*protocol), ..Known::default() };
        Self { known, all, looking }
    }

    /// The same, for a deployment in which some hosts run another protocol, or have limits of their own.
    pub fn mixed(mut self, protocols: Protocols) -> Self {
        self.known.protocols = protocols;
        self
    }

    /// The same, for a deployment with these durations.
    pub fn at_pace(mut self, timing: &Timing) -> Self {
        self.known.store_timeout_us = us(timing.cache_timeout());
        self.known.answer_within_us = us(timing.request_timeout());
        self.known.lockout_us = us(timing.login_failure_window());
        self.known.rate_window_us = us(timing.rate_window());
        self.known.back_within_us = us(back_within(timing));
        self.known.settles_within_us = us(settles_within(timing));
        self.known.timing = Some(*timing);
        self
    }

    /// The same, for a run of a plan: which of its devices are orderly, how many workers a db_proxy has,
    /// and how much the stores may keep.
    pub fn of_plan(mut self, plan: &Plan) -> Self {
        self.known.db_workers = plan.db_workers;
        self.known.kept = Some(Kept::of(plan, self.known.protocols.limits()));
        self.known.clocks = Clocks::of(plan);
        let orderly = plan.devices.iter().filter(|device| device.is_orderly());
        self.known.orderly = orderly.map(|device| device.slot).collect();
        let never = plan.devices.iter().filter(|device| device.conduct.acks == Acks::Never);
        self.known.never_ack = never.map(|device| device.slot).collect();
        let by_hand = |op: &&Operation| match &op.action {
            Action::Probe { limit, size } => limit.starts_with("0303.") && *size != Size::Over,
            _ => false,
        };
        let by_hand = plan.operations.iter().filter(by_hand).map(|op| op.device);
        self.known.acks_by_hand = by_hand.collect();
        // Connections that never log in are made in a device's name, and what claims another sender, or tries a limit, is
        // written beside what the program keeps.
        let rogue = |op: &&Operation| match op.action {
            Action::Rogue { .. } | Action::Claim { .. } => true,
            Action::Probe { .. } => op.content().is_some(),
            _ => false,
        };
        for op in plan.operations.iter().filter(rogue) {
            self.known.orderly.remove(&op.device);
        }
        self
    }

    /// Takes the next line, and hands out the safety violations that it causes.
    pub fn observe(&mut self, line: &Line, mut found: impl FnMut(Violation)) {
        let seen = self.known.observe(line);
        for &at in self.looking.at(seen.class, seen.command()) {
            if let Some(violation) = self.all[at].observe(&seen) {
                found(violation);
            }
        }
    }

    /// What is still owed: to the properties that need an audit, or to all others.
    pub fn owed(&self, audited: bool) -> Vec<Violation> {
        let these = self.all.iter().filter(|p| p.audited() == audited);
        these.filter_map(|p| p.pending(&self.known)).collect()
    }

    /// What is owed that no audit pays, when its time is up at a simulated microsecond.
    pub fn overdue(&self, now_us: u64) -> Vec<Violation> {
        let these = self.all.iter().filter(|p| !p.audited());
        these.filter_map(|p| p.overdue(&self.known, now_us)).collect()
    }

    /// What got too large in a run that is over.
    pub fn measured(&self, sizes: &Sizes) -> Vec<Violation> {
        self.all.iter().filter_map(|p| p.measured(&self.known, sizes)).collect()
    }

    /// How often each property judged and forgave, of those that count.
    pub fn tallies(&self) -> impl Iterator<Item = (&'static str, Tally)> {
        self.all.iter().filter_map(|p| Some((p.name(), p.tally(&self.known)?)))
    }
}

/// A duration in simulated microseconds.
fn us(duration: Duration) -> u64 {
    duration.as_micros() as u64
}

/// How long after a fault everything owed must be paid: a silent server link is noticed and dialled
/// again, a client is back, an entry expires or is resent to the end, and one pull is asked twice.
pub fn settles_within(timing: &Timing) -> Duration {
    timing.server_timeout()
        + timing.server_reconnect(2)
        + timing.windows_reconnect(12)
        + timing.login_timeout()
        + timing.send_list_expiry()
        + 2 * timing.client_answer_timeout()
}

/// How long a device may take to be online again when nothing is wrong with the servers: it waits
/// its longest time, dials and logs in.
fn back_within(timing: &Timing) -> Duration {
    timing.windows_reconnect(12) + timing.connect_timeout() + timing.client_answer_timeout()
}

/// Shows a property of one's own the lines of a run that is over, as a run shows them to its own:
/// what broke it, and at last what is still owed (examples/own_property.rs).
pub fn judge(property: &mut dyn Property, trace: &Trace) -> Vec<Violation> {
    let (mut known, mut found) = (Known::default(), Vec::new());
    for line in &trace.lines {
        let seen = known.observe(line);
        if is_shown(property, seen.class, seen.command()) {
            found.extend(property.observe(&seen));
        }
    }
    found.extend(property.pending(&known));
    found
}

/// One property over lines that are given to it one by one.
pub struct Judge {
    known: Known,
    property: Box<dyn Property>,
}

impl Judge {
    /// The property of this name, for a deployment under this protocol.
    ///
    /// # Panics
    /// If there is none.
    pub fn of(name: &str, protocol: &Protocol) -> Self {
        let property = all(protocol).into_iter().find(|property| property.name() == name);
        let property = property.unwrap_or_else(|| panic!("no property {name}"));
        let protocols = Protocols::all(*protocol);
        // No store keeps a db_proxy waiting for as long as this.
        let known = Known { protocols, store_timeout_us: u64::MAX, ..Known::default() };
        Self { known, property }
    }

    /// Takes the next line: the violation that it causes.
    pub fn observe(&mut self, line: &Line) -> Option<Violation> {
        let seen = self.known.observe(line);
        let looks = is_shown(&*self.property, seen.class, seen.command());
        if looks { self.property.observe(&seen) } else { None }
    }
}

/// All properties, fresh, for a deployment under this protocol.
pub fn all(protocol: &Protocol) -> Vec<Box<dyn Property>> {
    vec![
        Box::new(unique_msg_id::UniqueMsgId::default()),
        Box::new(acked_is_stored::AckedIsStored::default()),
        Box::new(delivered::Delivered::default()),
        Box::new(send_list_acked::SendListAcked::default()),
        Box::new(acks_settle::AcksSettle::default()),
        Box::new(answered::Answered::default()),
        Box::new(answers::Answers::default()),
        Box::new(available::Available::default()),
        Box::new(no_duplicate::NoDuplicate::default()),
        Box::new(integrity::Integrity::default()),
        Box::new(isolation::Isolation::new(protocol)),
        Box::new(order::Order::default()),
        Box::new(one_row::OneRow::default()),
        Box::new(transactions::Transactions::default()),
        Box::new(unread::Unread::new(protocol)),
        Box::new(sessions::Sessions::default()),
        Box::new(shown::Shown::default()),
        Box::new(reachable::Reachable::default()),
        Box::new(presence::Presence::default()),
        Box::new(notices::Notices::default()),
        Box::new(hints::Hints::default()),
        Box::new(links::Links::default()),
        Box::new(offers::Offers::default()),
        Box::new(pushed::Pushed::default()),
        Box::new(diligent::Diligent::default()),
        Box::new(timely::Timely::default()),
        Box::new(pushes::Pushes::default()),
        Box::new(tokens::Tokens::default()),
        Box::new(lockout::Lockout::default()),
        Box::new(gate::Gate::default()),
        Box::new(rates::Rates::default()),
        Box::new(no_panic::NoPanic::default()),
        Box::new(bounded::Bounded::default()),
        Box::new(facts::Facts::default()),
    ]
}
