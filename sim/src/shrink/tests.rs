//! Small from large: what is left of failing cases, and that it does not depend on the machine.

use super::{
    Count, End, NoFailure, OfPast, Part, Shrinking, Shrunk, Subsets, parts::without, shrink,
};
use crate::{
    explore::case_of,
    plan::{
        Action, Fault, Operation, PastMessage, PastPair, Plant, Role, Trouble,
        case::{Case, ProtocolSpec},
        generate::Profile,
    },
    run::{Runner, run_case},
};
use std::sync::atomic::AtomicBool;

/// A case as a campaign finds it, of two users' first messages that meet.
fn two_messages() -> Case {
    let expect = "unique-msg-id/two-messages/db";
    let protocol = ProtocolSpec::preset("teamtalk");
    let cases = (1..50).map(|seed| case_of(seed, &protocol, Profile::Default));
    let fails = |case: &Case| {
        let outcome = run_case(case).expect("a verdict");
        outcome.violation(expect).is_some()
    };
    let case = cases.into_iter().find(fails).expect("one of the seeds");
    Case { expect: expect.into(), ..case }
}

fn shrunk_by(case: &Case, jobs: usize, budget: u64, stop: bool) -> Result<Shrunk, NoFailure> {
    let stop = AtomicBool::new(stop);
    let runner = Runner::default();
    shrink(
        case,
        Shrinking {
            runner,
            jobs,
            budget,
            sure: true,
            stop: &stop,
            twins: Vec::new(),
            progress: &|_| {},
        },
    )
}

/// A calm plan in which a task of a host panics at 2 s.
fn planted(host: &str) -> Case {
    let mut case = case_of(1, &ProtocolSpec::preset("hardened"), Profile::Calm);
    let trouble = Trouble::Planted { host: host.into(), does: Plant::Panics };
    case.plan.faults = vec![Fault { id: 1, at_ms: 2_000, for_ms: 5, trouble }];
    case.expect = format!("no-panic/panic/{}", &host[..host.len() - 1]);
    case
}

#[test]
fn two_messages_that_meet_are_left_whatever_the_number_of_jobs() {
    let case = two_messages();
    let shrunk = shrunk_by(&case, 1, 2_000, false).expect("it fails");
    assert_eq!(Count::of(&case.plan), shrunk.from);
    let Count { operations, faults, devices, hosts, .. } = shrunk.to;
    assert_eq!((operations, faults, devices, hosts), (2, 0, 2, 7));
    let sends = |op: &&Operation| matches!(op.action, Action::Send { .. });
    assert_eq!(shrunk.case.plan.operations.iter().filter(sends).count(), 2);
    assert_eq!(shrunk.end, End::Smallest);
    assert_eq!(shrunk.subsets, Some(Subsets::NoneFails { parts: 4, with_logins: true }));
    assert!(shrunk.failing.is_some_and(|failing| failing > 0));
    let outcome = run_case(&shrunk.case).expect("a verdict");
    assert!(outcome.is_expected(&case.expect), "{}", outcome.found());
    let side_by_side = shrunk_by(&case, 3, 2_000, false).expect("it fails");
    assert_eq!(shrunk.case, side_by_side.case);
    assert_eq!((shrunk.runs, shrunk.failing), (side_by_side.runs, side_by_side.failing));
}

#[test]
fn a_fault_alone_is_left_if_it_alone_is_to_blame() {
    let shrunk = shrunk_by(&planted("db2"), 2, 2_000, false).expect("it fails");
    let Count { operations, faults, devices, .. } = shrunk.to;
    assert_eq!((operations, faults, devices), (0, 1, 0), "nobody needs to be there");
    assert_eq!(shrunk.case.plan.faults[0].trouble.hosts(), ["db2"]);
}

#[test]
fn it_ends_with_its_budget_or_when_it_is_asked_to_and_the_best_so_far_fails() {
    let case = two_messages();
    for (budget, stop, end) in [(3, false, End::Spent), (2_000, true, End::Stopped)] {
        let shrunk = shrunk_by(&case, 2, budget, stop).expect("it fails");
        assert_eq!(shrunk.end, end);
        assert_eq!(shrunk.failing.is_none(), stop);
        let outcome = run_case(&shrunk.case).expect("a verdict");
        assert!(outcome.is_expected(&case.expect), "{end:?}: {}", outcome.found());
    }
}

#[test]
fn what_does_not_fail_as_it_expects_is_refused() {
    let holds = Case { expect: "holds".into(), ..two_messages() };
    assert!(matches!(shrunk_by(&holds, 1, 9, false), Err(NoFailure::Holds)));
    let other = Case { expect: "order/gap/db".into(), ..planted("msg1") };
    let why = shrunk_by(&other, 1, 9, false).expect_err("it fails otherwise").to_string();
    let start = "the case expects order/gap/db, but no-panic/panic/msg";
    assert!(why.starts_with(start), "{why}");
    let failed = shrunk_by(&planted("sql"), 1, 9, false).expect_err("the rig fails");
    assert!(failed.to_string().starts_with("the rig itself failed: "), "{failed}");
}

/// All that a device does goes with it, and another msg_server takes the place of one that goes.
#[test]
fn a_plan_without_a_part_is_sound() {
    let plan = two_messages().plan;
    let device = &plan.devices[0];
    let gone = without(&plan, &[Part::Device(device.slot)]);
    assert_eq!(gone.devices.len() + 1, plan.devices.len());
    assert!(gone.operations.iter().all(|op| op.device != device.slot));
    assert!(gone.operations.len() < plan.operations.len());

    let msg = plan.hosts(Role::Msg).pop().expect("one").clone();
    let gone = without(&plan, &[Part::Node(msg.clone())]);
    assert_eq!(gone.nodes.len() + 1, plan.nodes.len());
    assert_eq!(gone.devices.len(), plan.devices.len());
    assert!(plan.devices.iter().any(|device| *device.home == *msg));
    assert!(gone.devices.iter().all(|device| gone.node(&device.home).is_some()));

    let user = device.user;
    let gone = without(&plan, &[Part::User(user)]);
    assert!(gone.devices.iter().all(|device| device.user != user));
    assert!(gone.groups.iter().all(|group| !group.members.contains(&user)));
    let mut plan = plan;
    let message = |id| PastMessage { id, from: 1, msg_id: id, ago_s: 9 };
    let pair =
        |id| PastPair { users: [1, 2], counter: 9, messages: vec![message(id), message(id + 1)] };
    plan.past.pairs = vec![pair(1), pair(3)];
    let gone = without(&plan, &[OfPast::Pair(0), OfPast::Message(3)].map(Part::Past));
    assert_eq!(gone.past.pairs, [PastPair { messages: vec![message(4)], ..pair(3) }]);
    assert_eq!((Count::of(&plan).past, Count::of(&gone).past), (6, 2));
    let last = plan.hosts(Role::Redis)[0].clone();
    assert_eq!(without(&plan, &[Part::Node(last)]), plan, "there is no other one");
}
