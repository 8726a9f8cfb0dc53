//! Who waits for whom at a db_proxy under `hardened`: a group to which everybody writes at once keeps its own members
//! waiting, who asks for much at once waits for themselves, and nobody else notices.

use teamtalk::fact::Fact;
use teamtalk_sim::{
    explore::{case_of, run_case},
    plan::{
        Action, Chat, Client, Device, Group, GroupKind, GroupRef, Operation, Plan, Role,
        case::{Case, ProtocolSpec},
        generate::Profile,
    },
    record::{Kind, Line},
    world::Outcome,
};

/// So many write to the group, so often.
const MEMBERS: u32 = 12;
const MESSAGES: u32 = 1;
/// Or one of them asks for so many pages at once: just under the rate.
const PAGES: u32 = 58;
/// When they do, in simulated milliseconds.
const AT_MS: u64 = 5_000;
/// One who is in no group asks so often meanwhile, so many milliseconds apart: under the rate of what is asked.
const QUESTIONS: u64 = 20;
const ASKED_EVERY_MS: u64 = 40;
/// Each question is two or three round trips to the stores, of at most 50 ms each, and those to msg_server and db_proxy.
const ANSWERED_WITHIN_US: u64 = 250_000;

/// When, which device, what.
type Timed = (u64, u32, Action);

/// Everybody writes to the group.
fn crowd() -> Vec<Timed> {
    let send = |slot| (AT_MS, slot, Action::Send { to: Chat::group(GroupRef::Known(1)) });
    (0..MESSAGES).flat_map(|_| (1..=MEMBERS).map(send)).collect()
}

/// One user asks for many pages.
fn burst() -> Vec<Timed> {
    let pull = Action::Pull { chat: Chat::User(2), count: 100 };
    (0..PAGES).map(|_| (AT_MS, 1, pull.clone())).collect()
}

/// One db_proxy of some workers, and what keeps it busy.
fn case(workers: usize, busy: Vec<Timed>) -> Case {
    let mut case = case_of(1, &ProtocolSpec::preset("hardened"), Profile::Calm);
    let device = |slot| Device::by_hand(slot, Client::OursPc, "msg1");
    let asks = MEMBERS + 1;
    let logins = (1..=asks).map(|slot| (200, slot, Action::Login));
    let ask = |n| (AT_MS + n * ASKED_EVERY_MS, asks, Action::ask("departments"));
    let all = logins.chain(busy).chain((0..QUESTIONS).map(ask));
    let operations =
        all.zip(1..).map(|((at_ms, device, action), id)| Operation { id, at_ms, device, action });
    let members = (1..=MEMBERS).collect();
    case.plan = Plan {
        db_workers: workers,
        devices: (1..=asks).map(device).collect(),
        groups: vec![Group { id: 1, kind: GroupKind::Normal, creator: 1, members }],
        operations: operations.collect(),
        horizon_ms: AT_MS + 3_000,
        ..case.plan
    };
    case.plan.nodes.retain(|node| node.host.role() != Role::Db || node.host == "db1");
    case
}

/// How long each question waited for its answer, in simulated microseconds; `None` for one that has none.
fn waits(case: &Case, outcome: &Outcome) -> Vec<Option<u64>> {
    let is_asked = |op: &&Operation| op.action == Action::ask("departments");
    let asked = case.plan.operations.iter().filter(is_asked);
    let entries = asked.map(|op| &outcome.history.entries[&op.id]);
    entries.map(|entry| Some(entry.done_us? - entry.invoked_us)).collect()
}

/// The most requests that waited for a worker.
fn longest(outcome: &Outcome) -> u64 {
    let of = |line: &Line| match &line.kind {
        Kind::Fact(Fact::HighWater { queue, length, .. }) if queue == "worker_queue" => *length,
        _ => 0,
    };
    outcome.trace.lines.iter().map(of).max().unwrap_or_default()
}

/// Whoever asks meanwhile is answered in time, of however few workers.
fn holds_up_nobody_else(busy: fn() -> Vec<Timed>) {
    for workers in [4, 12] {
        let case = case(workers, busy());
        let outcome = run_case(&case).unwrap_or_else(|failed| panic!("{failed}"));
        let waited = waits(&case, &outcome);
        println!("{workers} workers, {} waited: {waited:?}", longest(&outcome));
        assert!(longest(&outcome) > 0, "they wait for each other");
        assert_eq!(outcome.found(), "holds", "{:?}", outcome.violations.first());
        let in_time = |us: &Option<u64>| us.is_some_and(|us| us < ANSWERED_WITHIN_US);
        assert!(waited.iter().all(in_time), "{workers} workers: {waited:?}");
    }
}

#[test]
fn a_group_to_which_all_write_at_once_holds_up_nobody_else() {
    holds_up_nobody_else(crowd);
}

#[test]
fn a_user_who_asks_for_much_at_once_holds_up_nobody_else() {
    holds_up_nobody_else(burst);
}
