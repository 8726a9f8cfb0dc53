//! A MariaDB that lets no transaction lock what has changed since its first read (`innodb_snapshot_isolation`, on from
//! 11.6.2 on): members of a group are changed while others write to it, and each change and each message
//! is served.

use teamtalk_sim::{
    explore::{case_of, run_case},
    plan::{
        Action, Chat, Client, Device, Group, GroupKind, GroupRef, Operation, Plan,
        case::{Case, ProtocolSpec},
        generate::Profile,
    },
    record::{Applied, Did, Effect, Kind, history},
    world::Outcome,
};

/// Who write to the group; the first of them changes its members instead.
const MEMBERS: u32 = 4;
/// Who is taken in and out.
const GUESTS: [u32; 2] = [5, 6];
const CHANGES: u64 = 10;
const MESSAGES: u64 = 12;
/// So many runs.
const NOISES: u64 = 10;
/// When they begin, and how far apart they are, in simulated milliseconds.
const AT_MS: u64 = 1_000;
const CHANGES_EVERY_MS: u64 = 400;
const MESSAGES_EVERY_MS: u64 = 330;

fn case(noise: u64) -> Case {
    let mut case = case_of(1, &ProtocolSpec::preset("hardened"), Profile::Calm);
    let group = GroupRef::Known(1);
    let login = (1..=MEMBERS).map(|slot| (200, slot, Action::Login));
    let change = |n: u64| {
        GUESTS.iter().map(move |guest| {
            let users = vec![*guest];
            let action = match n.is_multiple_of(2) {
                true => Action::AddMembers { group, users },
                false => Action::RemoveMembers { group, users },
            };
            (AT_MS + n * CHANGES_EVERY_MS, 1, action)
        })
    };
    let send = |n: u64| {
        (2..=MEMBERS).map(move |slot| {
            (AT_MS + n * MESSAGES_EVERY_MS, slot, Action::Send { to: Chat::group(group) })
        })
    };
    let mut timed: Vec<_> =
        login.chain((0..CHANGES).flat_map(change)).chain((0..MESSAGES).flat_map(send)).collect();
    timed.sort_by_key(|(at_ms, ..)| *at_ms);
    let operation = |((at_ms, device, action), id)| Operation { id, at_ms, device, action };
    case.plan = Plan {
        noise,
        sql_snapshot_isolation: true,
        devices: (1..=MEMBERS).map(|slot| Device::by_hand(slot, Client::OursPc, "msg1")).collect(),
        groups: vec![Group {
            id: 1,
            kind: GroupKind::Normal,
            creator: 1,
            members: (1..=MEMBERS).collect(),
        }],
        operations: timed.into_iter().zip(1..).map(operation).collect(),
        horizon_ms: AT_MS + 5_000,
        ..case.plan
    };
    case
}

/// How many statements the server ended so.
fn too_old(outcome: &Outcome) -> usize {
    let is_one = |kind: &Kind| match kind {
        Kind::Store(Applied { effect: Effect::Sql { did, .. }, .. }) => {
            matches!(did, Did::Failed { code: 1020, .. })
        }
        _ => false,
    };
    outcome.trace.lines.iter().filter(|line| is_one(&line.kind)).count()
}

#[test]
fn a_change_of_members_beside_messages_is_served() {
    let mut ended = 0;
    for noise in 1..=NOISES {
        let case = case(noise);
        let outcome = run_case(&case).unwrap_or_else(|failed| panic!("{failed}"));
        ended += too_old(&outcome);
        for op in &case.plan.operations {
            let ended = &outcome.history.entries[&op.id].outcome;
            assert!(matches!(ended, history::Outcome::Ok(_)), "noise {noise}: {op:?}: {ended:?}");
        }
        assert_eq!(outcome.found(), "holds", "{:?}", outcome.violations.first());
    }
    // Each is run again. Were a joining to lock the floor behind its first read, it would be ended by every message.
    println!("{ended} transactions were ended by error 1020");
}
