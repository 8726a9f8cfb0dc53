//! The driver of a run: applies faults, hands out operations, shows the properties what happened,
//! and says when the run is over.

use super::{
    LONGEST_RUN_MS, Outcome, Panicked, Shared, faults::Faults, hosts::Hosts, panics, sizes,
    still::Still,
};
use crate::{
    plan::{Action, Fault, Host, Migration, Operation, Plan, Role, TICK_MS, Trouble},
    properties::{Properties, Violation, settles_within},
    record::{Kind, history::History, sizes::Sizes},
    run::{Until, Wanted},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
};
use teamtalk::{conversation::Chat, fact::Fact, mutants};

/// Operations of the liveness phase are numbered from here: a plan's never reach it.
const LIVENESS_OPS: u32 = 1_000_000;

/// Simulated milliseconds from one audit to the next.
const AUDIT_EVERY_MS: u64 = 1_000;
/// Simulated milliseconds for which audits go on at least.
const AUDITS_MS: u64 = 5_000;
/// The same where the run stands still: what an audit does not agree with then, the next one does not either.
const AUDITS_STILL_MS: u64 = 1_000;

/// Simulated milliseconds from one measuring of the stores to the next.
const MEASURED_EVERY_MS: u64 = 1_000;

/// Lines that the properties are shown together: no verdict is needed sooner, and their code and
/// the hosts' take turns in the processor's caches less often. Most runs have fewer until they
/// are asked what is owed.
const JUDGED_AT_ONCE: usize = 8_192;

/// Simulated milliseconds from one look to the next for what ends a run.
const LOOKED_AT_EVERY_MS: u64 = 500;

/// See the module.
pub struct Driver<'a> {
    plan: &'a Plan,
    shared: Shared,
    hosts: Hosts,
    faults: Faults,
    operations: Vec<Operation>,
    /// Those that are still to run, the next one last.
    migrations: Vec<Migration>,
    properties: Properties,
    /// How many lines of the trace have been followed, and how many judged.
    followed: usize,
    judged: usize,
    violations: Vec<Violation>,
    broken_by: BTreeMap<String, u64>,
    /// When the run is over before its end.
    until: Option<Until>,
    /// Whether it waits for the bound of the liveness phase though it stands still.
    to_the_bound: bool,
    /// What moves in the liveness phase.
    still: Option<Still>,
    opened: BTreeSet<(u32, Chat)>,
    next_op: u32,
    /// Operations that were to create a group, and the groups that they created.
    creations: BTreeSet<u32>,
    created: BTreeMap<u32, u32>,
    /// Devices that are logged in, with their hosts.
    online: BTreeMap<u32, Host>,
    rest: Rest,
    sizes: Sizes,
    panicked: Option<Panicked>,
}

/// How far the end of the liveness phase has come; times in simulated milliseconds.
#[derive(Debug, Default)]
struct Rest {
    /// What was owed when the bound passed has been noted.
    late: bool,
    /// When the next audit may start; `None` before the first one.
    next_audit: Option<u64>,
    /// What the last audit does not agree with is a violation from here on.
    audits_end: u64,
}

impl Rest {
    /// The bound has passed, or the run stands still; whether it did not before. What the last audit said may be older than
    /// what held the next ones up: audits go on from here for their least time.
    fn turns_late(&mut self, now: u64, audits_ms: u64) -> bool {
        let turns = !std::mem::replace(&mut self.late, true);
        if turns && self.next_audit.is_some() {
            self.audits_end = now + audits_ms;
        }
        turns
    }
}

impl<'a> Driver<'a> {
    /// Before the first step.
    pub fn new(plan: &'a Plan, properties: Properties, shared: Shared, hosts: Hosts) -> Self {
        let mut operations = plan.operations.clone();
        operations.sort_by_key(|op| (op.at_ms, op.id));
        operations.reverse();
        let mut migrations = plan.migrations.clone();
        migrations.sort_by_key(|of| std::cmp::Reverse((of.at_ms, of.id)));
        let creates = |op: &&Operation| matches!(op.action, Action::CreateGroup { .. });
        let faults = Faults::new(plan, &shared);
        Self {
            creations: operations.iter().filter(creates).map(|op| op.id).collect(),
            created: BTreeMap::new(),
            plan,
            shared,
            hosts,
            faults,
            operations,
            migrations,
            properties,
            followed: 0,
            judged: 0,
            violations: Vec::new(),
            broken_by: BTreeMap::new(),
            until: None,
            to_the_bound: false,
            still: None,
            opened: BTreeSet::new(),
            next_op: LIVENESS_OPS,
            online: BTreeMap::new(),
            rest: Rest::default(),
            sizes: Sizes::default(),
            panicked: None,
        }
    }

    /// Not all of the run may be wanted, or more of it.
    pub fn wanted(self, wanted: Wanted) -> Self {
        Self { until: wanted.until, to_the_bound: wanted.to_the_bound, ..self }
    }

    /// Safety until the horizon, then liveness until nothing is owed or its bound has passed.
    pub fn drive(&mut self, sim: &mut turmoil::Sim<'_>) {
        self.shared.record_world(Kind::Phase { phase: "safety" });
        let horizon = self.plan.horizon_ms;
        let bound = bound_ms(self.plan);
        let mut now = 0;
        let mut healed_at = None;
        loop {
            assert!(now < LONGEST_RUN_MS, "the run has no end: it was not over after {now} ms");
            self.shared.lock().tick(now * 1_000);
            self.hosts.watch.at(now);
            self.hosts.stores.flush(now);
            self.faults.apply(sim, &self.shared, &self.hosts, now);
            self.migrate(now);
            while self.operations.last().is_some_and(|op| op.at_ms <= now) {
                let op = self.operations.pop().expect("just seen");
                self.hosts.devices.perform(&op, &self.created);
            }
            let stepped = catch_unwind(AssertUnwindSafe(|| sim.step()));
            if stepped.is_err() {
                let panicked = panics::take();
                let Panicked { host, at, message, endless, .. } = &panicked;
                let (at, message) = (at.clone(), message.clone());
                self.shared.record(
                    host,
                    match endless {
                        true => Kind::Endless { message },
                        false => Kind::Panic { message, at },
                    },
                );
                self.judge();
                self.panicked = Some(panicked);
                return;
            }
            now += TICK_MS;
            self.follow();
            if self.is_enough(now) {
                return;
            }
            if now.is_multiple_of(MEASURED_EVERY_MS) {
                self.measure_stores();
            }
            if now < horizon || !self.faults.all_over(&self.shared) {
                continue;
            }
            let since = *healed_at.get_or_insert_with(|| {
                self.shared.lock().now_us = now * 1_000;
                self.shared.record_world(Kind::Phase { phase: "liveness" });
                self.still = Some(Still::since(now * 1_000));
                now
            });
            if (now - since).is_multiple_of(100) {
                self.open_unread_chats(now);
                if self.at_rest(now, since, bound) {
                    return;
                }
            }
        }
    }

    /// Runs the migrations that are due. While SQL is down they wait.
    fn migrate(&mut self, now: u64) {
        let sql = Role::Sql.host();
        while self.migrations.last().is_some_and(|next| next.at_ms <= now)
            && !self.hosts.process(&sql).is_down()
        {
            let Some(next) = self.migrations.pop() else { return };
            let unix_s = (self.plan.epoch + now / 1_000) as u32;
            if let Some(migrated) = self.hosts.stores.migrate(next.to, unix_s) {
                self.shared.record(&sql, migrated);
            }
        }
    }

    /// Whether the run is over: nothing is owed and an audit agrees, or their time is up. An
    /// audit is made once nothing else is owed and every device that wants to be online is, or
    /// the bound has passed; then again until it agrees.
    fn at_rest(&mut self, now: u64, since: u64, bound: u64) -> bool {
        self.judge();
        let owed = self.properties.owed(false);
        let everyone_here = self.is_everyone_here();
        let is_still = self.is_still(now) && everyone_here;
        let late = now - since > bound || is_still || self.rest.late;
        if !late && (now - since < 500 || !owed.is_empty() || !everyone_here) {
            return false;
        }
        let audits_ms = if is_still { AUDITS_STILL_MS } else { AUDITS_MS };
        if late && self.rest.turns_late(now, audits_ms) {
            // As if the bound had passed: until then nothing more happens where it stands still.
            let overdue = self.properties.overdue(now.max(since + bound + 1) * 1_000);
            overdue.into_iter().for_each(|violation| self.found(violation));
        }
        let Some(next_audit) = self.rest.next_audit else {
            let at_least = if is_still { now } else { since + bound };
            self.rest.audits_end = at_least.max(now + audits_ms);
            self.audit(now);
            return false;
        };
        let disagree = self.properties.owed(true);
        // The last audit is heard to its end before it is a violation that it disagrees.
        let over = now > self.rest.audits_end && !self.hosts.auditor.is_busy();
        if disagree.is_empty() || over {
            disagree.into_iter().for_each(|violation| self.found(violation));
            return true;
        }
        if now >= next_audit {
            self.audit(now);
        }
        false
    }

    /// Whether each device is online that wants to be.
    fn is_everyone_here(&self) -> bool {
        let mut devices = self.plan.devices.iter().map(|d| d.slot);
        devices.all(|d| self.online.contains_key(&d) || !self.hosts.devices.wants_online(d))
    }

    /// Whether nothing more will come of the liveness phase, if everybody is there who wants to be.
    fn is_still(&mut self, now: u64) -> bool {
        let timing = self.plan.pace.timing();
        let shared = self.shared.lock();
        let still = self.still.as_mut().filter(|_| !self.to_the_bound);
        still.is_some_and(|still| still.is(now * 1_000, &timing, &shared.streams, &shared.roster))
    }

    fn audit(&mut self, now: u64) {
        self.shared.lock().now_us = now * 1_000;
        if self.hosts.auditor.start() {
            self.shared.record_world(Kind::Phase { phase: "audit" });
        }
        self.rest.next_audit = Some(now + AUDIT_EVERY_MS);
    }

    /// Each online user opens once every chat that its client shows as unread.
    fn open_unread_chats(&mut self, now: u64) {
        let online: Vec<_> = self.online.keys().copied().collect();
        let chats = online
            .iter()
            .flat_map(|d| self.hosts.devices.unread_chats(*d).into_iter().map(|c| (*d, c)));
        for (device, chat) in chats.collect::<Vec<_>>() {
            if self.opened.insert((device, chat)) {
                self.next_op += 1;
                let action = Action::Read { chat: chat.into() };
                let op = Operation { id: self.next_op, at_ms: now, device, action };
                self.hosts.devices.perform(&op, &self.created);
            }
        }
    }

    /// Notes what the driver itself must know by the next tick.
    fn follow(&mut self) {
        let shared = self.shared.lock();
        for line in &shared.trace.lines[self.followed..] {
            if let Some(still) = &mut self.still {
                still.follow(line, &shared.streams, &shared.roster);
            }
            match &line.kind {
                Kind::Fact(Fact::DeviceOnline { device, .. }) => {
                    self.online.insert(*device, line.host.clone());
                }
                Kind::Fact(Fact::DeviceOffline { device, .. }) => {
                    self.online.remove(device);
                }
                Kind::Fact(Fact::OpOk { op, msg_id }) if self.creations.contains(op) => {
                    self.created.insert(*op, *msg_id);
                }
                Kind::HostDown => self.online.retain(|_, host| *host != line.host),
                _ => {}
            }
        }
        self.followed = shared.trace.lines.len();
        drop(shared);
        if self.followed - self.judged >= JUDGED_AT_ONCE {
            self.judge();
        }
    }

    /// Shows the properties what is new.
    fn judge(&mut self) {
        let mut shared = self.shared.lock();
        for line in &mut shared.trace.lines[self.judged..] {
            self.properties.observe(line, |violation| {
                let signature = violation.signature();
                if note(&mut self.violations, violation) {
                    self.broken_by.insert(signature, line.n);
                }
            });
            if let Kind::PduSent(frame) | Kind::PduReceived(frame) = &mut line.kind {
                frame.forget();
            }
        }
        self.judged = shared.trace.lines.len();
    }

    /// Whether more is not asked for.
    fn is_enough(&mut self, now: u64) -> bool {
        let Some(Until { signature, at_ms }) = &self.until else { return false };
        if self.broken_by.contains_key(signature) {
            return true;
        }
        let is_over = now >= *at_ms;
        if is_over || now.is_multiple_of(LOOKED_AT_EVERY_MS) {
            self.judge();
        }
        is_over
    }

    fn found(&mut self, violation: Violation) {
        note(&mut self.violations, violation);
    }

    /// Measures the stores: what they hold now may be the most that they ever held.
    fn measure_stores(&mut self) {
        let unix_s = self.plan.epoch + self.shared.lock().now_us / 1_000_000;
        self.hosts.stores.measure(&mut self.sizes, unix_s);
    }

    /// What came of the run.
    pub fn outcome(mut self) -> Outcome {
        self.measure_stores();
        {
            let shared = self.shared.lock();
            sizes::of_streams(&mut self.sizes, &shared.roster, &shared.streams);
        }
        for violation in self.properties.measured(&self.sizes) {
            self.found(violation);
        }
        let (trace, draws) = {
            let mut shared = self.shared.lock();
            (std::mem::take(&mut shared.trace), shared.noise.take_draws())
        };
        let history = History::of(&trace);
        let tallies = self.properties.tallies().collect();
        let hits = self.faults.ended.iter().copied().collect();
        let Self { violations, broken_by, sizes, panicked, .. } = self;
        let mutants_reached = mutants::take_reached();
        Outcome {
            trace,
            history,
            violations,
            broken_by,
            hits,
            draws,
            tallies,
            sizes,
            panicked,
            mutants_reached,
        }
    }
}

/// Keeps the first violation of each signature: what follows may only be its echo. Whether this is
/// the first one.
pub(super) fn note(violations: &mut Vec<Violation>, violation: Violation) -> bool {
    let is_it = |v: &Violation| (v.property, v.kind, v.role);
    let is_first = violations.iter().all(|v| is_it(v) != is_it(&violation));
    if is_first {
        violations.push(violation);
    }
    is_first
}

/// Simulated milliseconds after the last fault within which everything owed is paid. A server that read
/// slowly has as much work before it as piled up meanwhile, beside all that comes: it has that time more.
fn bound_ms(plan: &Plan) -> u64 {
    let piles_up = |fault: &&Fault| match &fault.trouble {
        Trouble::SlowReader { host, .. } => {
            Host::parse(host).is_ok_and(|host| host.role() != Role::Client)
        }
        _ => false,
    };
    let piled_up = plan.faults.iter().filter(piles_up).map(|fault| fault.for_ms).max();
    settles_within(&plan.pace.timing()).as_millis() as u64 + piled_up.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{AUDITS_MS, Rest, bound_ms};
    use crate::plan::{
        Fault, Trouble,
        generate::{Clients, Profile, generate},
    };

    /// Seeds 7994 and 23043 of `hardened`: a db_proxy read 3 bytes a tick for nine seconds in which a crowd
    /// sent and sent again, and was busy with it for twenty seconds and some.
    #[test]
    fn what_piled_up_at_a_server_takes_its_time() {
        let mut plan = generate(1, Clients::Ours, Profile::Calm);
        plan.faults.clear();
        let alone = bound_ms(&plan);
        for (host, for_ms, more) in
            [("client1", 9_000, 0), ("msg1", 700, 700), ("db2", 9_000, 9_000)]
        {
            let trouble = Trouble::SlowReader { host: host.into(), peer: None, bytes: 3 };
            plan.faults.push(Fault { id: 1, at_ms: 900, for_ms, trouble });
            assert_eq!(bound_ms(&plan), alone + more, "{host}");
        }
    }

    /// Seed 456 of `hardened`: something owed held the audits up until the bound had passed, and the
    /// first one, of 20 seconds ago, was the verdict.
    #[test]
    fn an_audit_from_before_the_bound_is_no_verdict_after_it() {
        let mut rest = Rest { late: false, next_audit: Some(10_500), audits_end: 29_000 };
        assert!(rest.turns_late(29_100, AUDITS_MS));
        assert_eq!(rest.audits_end, 29_100 + AUDITS_MS);
        assert!(!rest.turns_late(29_200, AUDITS_MS));
        assert_eq!(rest.audits_end, 29_100 + AUDITS_MS, "once");
    }
}
