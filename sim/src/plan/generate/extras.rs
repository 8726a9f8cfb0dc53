//! What plans of the profile `default` have beside what a person's day has: hours of the night, long
//! texts, wrong passwords, strangers, floods. It is drawn from numbers of its own, and laid over a plan
//! that is complete without it, so that the rest of the plan is what it was.

use super::{Clients, Deployment, LOGINS_END_MS, amid, at_faults, operations::LAST_MS};
use crate::plan::{
    Action, Chat, Client, Device, EPOCH, Odd, Operation, Payload, Plan, Rogue, Role, TICK_MS,
};
use proptest::test_runner::{RngAlgorithm, TestRng};
use rand::Rng;
use teamtalk::catalogue::Args;

/// The first user who has no device and logs in beside them all; none is named by anything else.
pub(super) const STRANGER: u32 = 900;
/// In seconds: from 22:13, when runs begin, to ten in the morning, and to a few seconds before 22:00.
const UNTIL_DAY: u64 = 12 * 3_600;
const UNTIL_EVENING: u64 = 23 * 3_600 + 46 * 60 + 35;
/// Simulated milliseconds from a phone's login to what its user sets, and to a PC's logout.
const SETTING_MS: u64 = 600;
/// A msg_server takes 20 texts a window, which is 200 ms at a brisk pace, and answers 10 questions of a
/// kind: so many at once are over both, wherever the windows begin.
const BURST: u64 = 48;
/// Questions at once that are abuse: over ten times what is refused (20 a window).
const FLOOD: u16 = 450;
/// A page of history is 100 messages: so many, and up to so many more, are more than one.
const CROWD: (u64, u64) = (101, 12);
/// After so many simulated milliseconds a crowd's user is back and the plan is over.
const CROWD_ENDS_MS: u64 = 300;
/// Simulated milliseconds between two tries of a password.
pub(super) const TRIES_EVERY_MS: u64 = 60;

/// Operations before they are numbered: when, which device, what.
pub(super) type Timed = Vec<(u64, u32, Action)>;

/// Draws of their own.
pub(super) struct Draws(TestRng);

impl Draws {
    /// The draws of this number for a plan.
    pub(super) fn of(seed: u64, stream: u8) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[8] = stream;
        Self(TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
    }

    /// A number under a bound.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0.next_u64() % bound
    }

    /// True once in so many times.
    pub(super) fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub(super) fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize].clone()
    }

    /// When something may begin that takes so long, in simulated milliseconds.
    pub(super) fn when(&mut self, takes_ms: u64) -> u64 {
        LOGINS_END_MS + self.below(LAST_MS - LOGINS_END_MS - takes_ms)
    }

    pub(super) fn device(&mut self, plan: &Plan) -> Device {
        self.pick(&plan.devices)
    }

    /// A user of another device; the device's own if there is no other.
    pub(super) fn peer(&mut self, plan: &Plan, user: u32) -> u32 {
        let others: Vec<_> = plan.devices.iter().map(|d| d.user).filter(|&u| u != user).collect();
        if others.is_empty() { user } else { self.pick(&others) }
    }
}

/// What comes of one kind of them.
type Kind = fn(&mut Plan, &mut Draws) -> Timed;

/// Lays them over a plan.
pub(super) fn add(plan: &mut Plan, seed: u64, clients: Clients, deployment: &Deployment) {
    let mut draws = Draws::of(seed, 1);
    if clients == Clients::Ours && deployment.clients.is_empty() {
        for device in plan.devices.iter_mut().filter(|d| d.client == Client::OursPhone) {
            if draws.once_in(3) {
                device.client = Client::OursIphone;
            }
        }
    }
    clock(plan, &mut draws);
    payloads(plan, &mut draws);
    let mut all: Timed = Vec::new();
    let kinds: [(u64, Kind); 10] = [
        (2, |plan, draws| pushes(plan, draws)),
        (6, |plan, draws| passwords(plan, draws)),
        (8, |plan, draws| hasty(plan, draws)),
        (8, |plan, draws| claims(plan, draws)),
        (10, |plan, draws| burst(plan, draws)),
        (16, |plan, draws| flood(plan, draws)),
        (10, |plan, draws| silent(plan, draws)),
        (10, |plan, draws| no_audio(plan, draws)),
        (40, crowd),
        (3, |plan, draws| at_faults::operations(plan, draws)),
    ];
    for (times, add) in kinds {
        if draws.once_in(times) {
            all.extend(add(plan, &mut draws));
        }
    }
    all.extend(amid::add(plan, seed));
    append(plan, all);
}

/// Adds operations under ids of their own.
pub(super) fn append(plan: &mut Plan, all: Vec<(u64, u32, Action)>) {
    let first = plan.operations.iter().map(|op| op.id).max().unwrap_or(0) + 1;
    let latest = plan.horizon_ms - TICK_MS;
    let numbered = (first..).zip(all).map(|(id, (at_ms, device, action))| Operation {
        id,
        at_ms: at_ms.min(latest) / TICK_MS * TICK_MS,
        device,
        action,
    });
    plan.operations.extend(numbered);
    plan.operations.sort_by_key(|op| (op.at_ms, op.id));
}

/// By night, by day, or at ten in the evening.
fn clock(plan: &mut Plan, draws: &mut Draws) {
    let later = match draws.below(8) {
        0..4 => 0,
        4..7 => UNTIL_DAY,
        _ => UNTIL_EVENING,
    };
    plan.epoch = EPOCH + later;
    for op in &mut plan.operations {
        // What has changed since a time within the run.
        if let Action::Ask(ask) = &mut op.action
            && let Some(since) = ask.args.since.as_mut().filter(|since| **since > 0)
        {
            *since += later as u32;
        }
    }
}

/// Some texts are more than their operation's.
fn payloads(plan: &mut Plan, draws: &mut Draws) {
    for op in &mut plan.operations {
        match op.action {
            Action::Send { to } if draws.once_in(12) => {
                let payload = draws.pick(&Payload::ALL);
                op.action = Action::SendPayload { to, payload, cipher: false };
            }
            Action::SendCipher { to } if draws.once_in(2) => {
                let payload = draws.pick(&[Payload::Long, Payload::Long, Payload::Emoji]);
                op.action = Action::SendPayload { to, payload, cipher: true };
            }
            _ => {}
        }
    }
}

/// A phone registers, may want no pushes at night, and is sent what a push shows, while the PCs of its
/// user come and go.
fn pushes(plan: &Plan, draws: &mut Draws) -> Timed {
    let phones: Vec<_> = plan.devices.iter().filter(|d| d.client.is_phone()).collect();
    let mut all = Timed::new();
    for phone in phones {
        let login = |slot| {
            let of = |op: &&Operation| op.device == slot && op.action == Action::Login;
            plan.operations.iter().find(of).map(|op| op.at_ms)
        };
        let Some(begins) = login(phone.slot) else { continue };
        all.push((begins + SETTING_MS / 2, phone.slot, Action::ask("device_token")));
        if draws.once_in(2) {
            let args = Args { on: Some(!draws.once_in(4)), ..Args::default() };
            all.push((begins + SETTING_MS, phone.slot, Action::asking("set_push_shield", args)));
        }
        for _ in 0..draws.below(6) {
            let sender = draws.device(plan);
            if sender.user == phone.user {
                continue;
            }
            let known = plan.groups.iter().filter(|group| {
                [sender.user, phone.user].iter().all(|user| group.members.contains(user))
            });
            let groups = known.map(|group| Chat::group(crate::plan::GroupRef::Known(group.id)));
            let groups: Vec<_> = groups.collect();
            // Several phones at once are pushed to for a group only.
            let chats = groups.iter().chain(&groups).copied().chain([Chat::User(phone.user)]);
            let chats: Vec<_> = chats.collect();
            let (to, payload) = (draws.pick(&chats), draws.pick(&[Payload::Long, Payload::Emoji]));
            let action = match draws.below(3) {
                0 => Action::SendAudio { to },
                1 => Action::SendCipher { to },
                _ => Action::SendPayload { to, payload, cipher: true },
            };
            all.push((draws.when(0), sender.slot, action));
        }
        let pc = plan.devices.iter().find(|d| d.user == phone.user && !d.client.is_phone());
        if let Some(pc) = pc
            && draws.once_in(2)
        {
            let at = draws.when(1_500);
            all.push((at, pc.slot, Action::Logout));
            all.push((at + 700 + draws.below(1_500), pc.slot, Action::Login));
        }
        if draws.once_in(6) {
            all.push((draws.when(0), phone.slot, Action::Logout));
        }
    }
    all
}

/// Wrong passwords, then the right one: a few, so many that the name is locked, or as many again after
/// the right one. All at one msg_server: what is counted is counted by one db_proxy.
fn passwords(plan: &Plan, draws: &mut Draws) -> Timed {
    let device = draws.device(plan);
    let (first, second) = draws.pick(&[(2, 0), (10, 0), (11, 2), (13, 0), (9, 4), (8, 8)]);
    let wrong = |n| std::iter::repeat_n(true, n);
    let tries: Vec<_> = wrong(first).chain([false]).chain(wrong(second)).chain([false]).collect();
    let begins = draws.when(tries.len() as u64 * TRIES_EVERY_MS);
    let rogue = |(n, wrong)| {
        let what = Rogue::Login { of: STRANGER, wrong };
        (begins + n * TRIES_EVERY_MS, device.slot, Action::Rogue { what })
    };
    (0..).zip(tries).map(rogue).collect()
}

fn hasty(plan: &Plan, draws: &mut Draws) -> Timed {
    let device = draws.device(plan);
    let to = draws.peer(plan, device.user);
    let what = Rogue::Hasty { of: STRANGER + 1, to };
    vec![(draws.when(0), device.slot, Action::Rogue { what })]
}

fn claims(plan: &Plan, draws: &mut Draws) -> Timed {
    let device = draws.device(plan);
    let (to, of) = (draws.peer(plan, device.user), draws.peer(plan, device.user));
    vec![(draws.when(0), device.slot, Action::Claim { to, of })]
}

/// More at once than a msg_server takes.
fn burst(plan: &Plan, draws: &mut Draws) -> Timed {
    let device = draws.device(plan);
    let to = Chat::User(draws.peer(plan, device.user));
    let (at, texts) = (draws.when(0), draws.once_in(2));
    let action = || if texts { Action::Send { to } } else { Action::ask("departments") };
    (0..BURST).map(|_| (at, device.slot, action())).collect()
}

fn flood(plan: &Plan, draws: &mut Draws) -> Timed {
    let device = draws.device(plan);
    vec![(draws.when(0), device.slot, Action::Rogue { what: Rogue::Flood { count: FLOOD } })]
}

/// A stranger who says nothing.
fn silent(plan: &Plan, draws: &mut Draws) -> Timed {
    let (device, at) = (draws.device(plan), draws.when(4_000));
    vec![(at, device.slot, Action::Rogue { what: Rogue::Silent { of: None, phone: false } })]
}

fn no_audio(plan: &Plan, draws: &mut Draws) -> Timed {
    let device = draws.device(plan);
    let to = Chat::User(draws.peer(plan, device.user));
    vec![(draws.when(0), device.slot, Action::SendOdd { to, odd: Odd::ShortAudio })]
}

/// Simulated milliseconds between two messages of a crowd. They take turns in their conversation, each for two ways to
/// SQL and back and what these take: some 25 ms where a way takes one tick, 46 where it takes two. What comes
/// nearly as fast waits for the rest of a run, and keeps the workers of a db_proxy from all others.
fn crowd_every_ms(plan: &Plan) -> u64 {
    let latencies = plan.latencies();
    let to_sql = latencies.between(Role::Db, Role::Sql);
    30 + 30 * to_sql.max(latencies.between(Role::Db, Role::Redis))
}

/// More messages than a page of history has, while a device that is to have them is away.
fn crowd(plan: &mut Plan, draws: &mut Draws) -> Timed {
    let every_ms = crowd_every_ms(plan);
    let device = draws.device(plan);
    let peer = draws.peer(plan, device.user);
    let (to, many) = (Chat::User(peer), CROWD.0 + draws.below(CROWD.1));
    let sends = |n| (LOGINS_END_MS + 300 + n * every_ms, device.slot, Action::Send { to });
    let mut all: Timed = (0..many).map(sends).collect();
    if let Some(away) = plan.devices.iter().find(|d| d.user == peer) {
        all.push((LOGINS_END_MS, away.slot, Action::Logout));
        let back = LOGINS_END_MS + 1_000 + many * every_ms;
        all.push((back, away.slot, Action::Login));
        plan.horizon_ms = plan.horizon_ms.max(back + CROWD_ENDS_MS);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{CROWD, Draws, STRANGER, append, crowd};
    use crate::plan::{
        Action, Client, EPOCH, Odd, Payload, Rogue,
        generate::{Clients, Profile, generate},
    };
    use std::collections::BTreeSet;

    /// Seed 22257 of `hardened`: 17 messages a second were more than a conversation takes where SQL is 10 ms away.
    #[test]
    fn a_crowd_comes_as_fast_as_a_conversation_takes_it() {
        for (latency_ticks, every_ms) in [(1, 60), (2, 90)] {
            let mut plan = generate(3, Clients::Ours, Profile::Calm);
            plan.latency_ticks = latency_ticks;
            plan.operations.clear();
            let all = crowd(&mut plan, &mut Draws::of(3, 1));
            append(&mut plan, all);
            let sends =
                plan.operations.iter().filter(|op| matches!(op.action, Action::Send { .. }));
            let at: Vec<u64> = sends.map(|op| op.at_ms).collect();
            assert!(
                at.len() as u64 >= CROWD.0 && at.windows(2).all(|at| at[0] + every_ms == at[1])
            );
            let back = plan.operations.last().expect("a login");
            assert!(back.action == Action::Login && back.at_ms > at[at.len() - 1]);
        }
    }

    /// What is laid over plans is in some of them, and who logs in beside the devices is nobody else.
    #[test]
    fn extras_are_in_some_plans_and_strangers_have_no_devices() {
        let (mut hours, mut payloads) = (BTreeSet::new(), BTreeSet::new());
        let (mut iphones, mut shields, mut wrong, mut crowds) = (0, 0, 0, 0);
        let mut rogues = [0; 4];
        for seed in 0..300 {
            let plan = generate(seed, Clients::Ours, Profile::Default);
            hours.insert((plan.epoch / 3_600) % 24);
            iphones += u32::from(plan.devices.iter().any(|d| d.client == Client::OursIphone));
            assert!(plan.devices.iter().all(|device| device.user < STRANGER));
            let sends = |slot: u32| {
                let of = plan.operations.iter().filter(|op| op.device == slot);
                of.filter(|op| matches!(op.action, Action::Send { .. })).count() as u64
            };
            crowds += u32::from(plan.devices.iter().any(|device| sends(device.slot) >= CROWD.0));
            for op in &plan.operations {
                match &op.action {
                    Action::SendPayload { payload, .. } => drop(payloads.insert(*payload)),
                    Action::Rogue { what: Rogue::Login { wrong: is, .. } } => {
                        wrong += u32::from(*is)
                    }
                    Action::Rogue { what: Rogue::Hasty { .. } } => rogues[0] += 1,
                    Action::Rogue { what: Rogue::Flood { .. } } => rogues[1] += 1,
                    Action::Rogue { what: Rogue::Silent { .. } } => rogues[2] += 1,
                    Action::SendOdd { odd: Odd::ShortAudio, .. } => rogues[3] += 1,
                    action if action.name() == "set_push_shield" => shields += 1,
                    _ => {}
                }
            }
        }
        assert_eq!(hours, [10, 21, 22].into(), "day, evening and night");
        assert_eq!(payloads.len(), Payload::ALL.len());
        assert!(iphones > 60 && shields > 60 && wrong > 300, "{iphones} {shields} {wrong}");
        assert!(rogues.iter().all(|n| *n > 8) && crowds > 3, "{rogues:?} {crowds}");
        assert!(generate(1, Clients::Ours, Profile::Calm).epoch == EPOCH);
    }
}
