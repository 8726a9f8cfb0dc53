//! Every action of a plan does what it says, seen through the history of a calm run.

use crate::{
    explore::run_case,
    plan::{
        self, Action, Chat, Client, Device, Ends, Group, GroupKind, GroupRef, Odd, Operation, Pace,
        Rogue, Side, Size,
        case::{Case, FORMAT, ProtocolSpec, Protocols},
        generate::{Clients, Profile, generate},
    },
    record::{Kind, history::Outcome},
};
use std::collections::BTreeSet;
use teamtalk::{
    catalogue::Args,
    client::{Acks, Conduct},
};

/// As many as there are actions and questions; `plan::generate`'s tests count the same.
const KINDS: usize = 39;

/// Simulated milliseconds from one operation to the next: the first send of a pair takes longest.
const APART_MS: u64 = 3_000;

/// User 1's PC, the same user's phone, user 2's PC.
const PC: u32 = 1;
const PHONE: u32 = 2;
const PEER: u32 = 5;

fn device(slot: u32, user: u32, client: Client) -> Device {
    Device {
        slot,
        user,
        client,
        host: "client1".into(),
        home: "msg1".into(),
        side: Side::Base,
        conduct: Conduct::default(),
        token: None,
    }
}

fn case(preset: &str, devices: Vec<Device>, actions: &[(u32, Action)]) -> Case {
    let mut plan = generate(1, Clients::Ours, Profile::Calm);
    plan.pace = Pace::Original;
    plan.devices = devices;
    let (id, kind, members) = (1, GroupKind::Temporary, vec![1, 2]);
    plan.groups = vec![Group { id, kind, creator: 1, members }];
    let number = |(id, (device, action)): (u32, &(u32, Action))| Operation {
        id,
        at_ms: u64::from(id) * APART_MS,
        device: *device,
        action: action.clone(),
    };
    plan.operations = (1..).zip(actions).map(number).collect();
    plan.horizon_ms = (actions.len() as u64 + 1) * APART_MS;
    let protocol = ProtocolSpec::preset(preset);
    let protocols = Protocols { base: protocol.clone(), candidate: protocol };
    Case { format: FORMAT, protocols, seed: None, plan, expect: "holds".into(), story: None }
}

fn ours() -> Vec<Device> {
    vec![
        device(PC, 1, Client::OursPc),
        device(PHONE, 1, Client::OursPhone),
        device(PEER, 2, Client::OursPc),
    ]
}

/// The outcomes of the operations, in order.
fn outcomes(case: &Case) -> Vec<Outcome> {
    let outcome = run_case(case).expect("a preset resolves");
    let ids = case.plan.operations.iter().map(|op| op.id);
    ids.map(|id| outcome.history.entries[&id].outcome.clone()).collect()
}

fn send(to: u32, odd: Odd) -> Action {
    Action::SendOdd { to: Chat::User(to), odd }
}

/// A step: which device does what, and what comes of it.
type Step = (u32, Action, Outcome);

fn ok(msg_id: u32) -> Outcome {
    Outcome::Ok(msg_id)
}

fn no(reason: &str) -> Outcome {
    Outcome::Failed(reason.into())
}

fn idle(reason: &str) -> Outcome {
    Outcome::NotDone(reason.into())
}

/// Logins, and a chat of two.
fn chats() -> Vec<Step> {
    let (to, chat) = (Chat::User(2), Chat::User(1));
    vec![
        (PC, Action::Login, ok(0)),
        (PHONE, Action::Login, ok(0)),
        (PEER, Action::Login, ok(0)),
        (PC, Action::Resend { of: None }, idle("nothing to send again")),
        (PC, Action::Send { to }, ok(1)),
        (PC, send(2, Odd::TooLong), no("refused: not stored")),
        (PC, send(2, Odd::NotUtf8), no("refused: not stored")),
        (PC, send(2, Odd::Empty), no("refused: malformed")),
        (PC, Action::Send { to: Chat::User(1) }, no("refused: malformed")),
        (PC, Action::Send { to: Chat::User(999) }, ok(1)),
        (PC, Action::Resend { of: Some(7) }, no("refused: not stored")),
        (PEER, Action::Read { chat }, ok(0)),
        (PEER, Action::Pull { chat, count: 3 }, ok(0)),
        (PEER, Action::asking("latest", Args { chat: Some(chat), ..Args::default() }), ok(0)),
        (
            PEER,
            Action::asking("by_id", Args { chat: Some(chat), ids: vec![], ..Args::default() }),
            ok(0),
        ),
        (
            PEER,
            Action::asking("by_id", Args { chat: Some(chat), ids: vec![77], ..Args::default() }),
            ok(0),
        ),
        (PEER, Action::asking("sessions", Args::default()), ok(0)),
        (
            PEER,
            Action::asking("remove_session", Args { chat: Some(chat), ..Args::default() }),
            ok(0),
        ),
    ]
}

/// A group that is there, one that is made, and one that is not; `first` is the first step's
/// operation.
fn groups(first: u32) -> Vec<Step> {
    let group = GroupRef::Known(1);
    let (chat, none) = (Chat::group(group), Chat::group(GroupRef::Known(9)));
    let made = |created_by| Chat::group(GroupRef::Created { created_by });
    let (add, remove) = (
        |users| Action::AddMembers { group, users },
        |users| Action::RemoveMembers { group, users },
    );
    vec![
        (PC, Action::CreateGroup { members: vec![1, 2] }, ok(2)),
        (PEER, Action::Send { to: made(first) }, ok(1)),
        (PEER, Action::Send { to: made(first + 1) }, idle("its group was not created")),
        (PC, Action::Send { to: chat }, ok(1)),
        (PC, Action::SendCipher { to: chat }, ok(2)),
        (PEER, Action::SendAudio { to: chat }, ok(3)),
        (PEER, Action::Send { to: none }, no("refused: not allowed")),
        (PHONE, Action::Read { chat }, ok(0)),
        (PEER, Action::Pull { chat, count: 5 }, ok(0)),
        (PEER, Action::asking("latest", Args { chat: Some(chat), ..Args::default() }), ok(0)),
        (
            PEER,
            Action::asking("by_id", Args { chat: Some(chat), ids: vec![1, 3], ..Args::default() }),
            ok(0),
        ),
        (
            PEER,
            Action::asking("remove_session", Args { chat: Some(chat), ..Args::default() }),
            ok(0),
        ),
        (PEER, add(vec![3]), ok(0)),
        (PEER, remove(vec![3]), no("result 1")),
        (PC, remove(vec![3]), ok(0)),
        (PC, Action::asking("group_list", Args::default()), ok(0)),
        (PC, Action::asking("group_info", Args { group: Some(group), ..Args::default() }), ok(0)),
        (
            PC,
            Action::asking(
                "shield_group",
                Args { group: Some(group), on: Some(true), ..Args::default() },
            ),
            ok(0),
        ),
    ]
}

/// Users, pushes, files.
fn the_rest() -> Vec<Step> {
    let chat = Chat::User(1);
    vec![
        (PEER, Action::asking("time", Args::default()), ok(0)),
        (PEER, Action::asking("status", Args { users: vec![1, 2], ..Args::default() }), ok(0)),
        (PEER, Action::P2p { to: 1 }, ok(0)),
        (PEER, Action::asking("user_info", Args { users: vec![1, 2], ..Args::default() }), ok(0)),
        (PEER, Action::asking("all_users", Args { since: Some(0), ..Args::default() }), ok(0)),
        (PEER, Action::asking("departments", Args::default()), ok(0)),
        (PEER, Action::Avatar, ok(0)),
        (PEER, Action::asking("sign", Args::default()), ok(0)),
        (
            PEER,
            Action::asking("set_push_shield", Args { on: Some(true), ..Args::default() }),
            ok(0),
        ),
        (PEER, Action::asking("ask_push_shield", Args::default()), ok(0)),
        (PEER, Action::asking("device_token", Args::default()), idle("this is no phone")),
        (PHONE, Action::asking("device_token", Args::default()), ok(0)),
        (
            PEER,
            Action::asking(
                "send_file",
                Args { to: Some(1), offline: Some(true), ..Args::default() },
            ),
            ok(0),
        ),
        (PEER, Action::AddOfflineFile { to: 1 }, ok(0)),
        (PC, Action::asking("offline_files", Args::default()), ok(0)),
        (PC, Action::DelOfflineFile { from: 2, of: 50 }, ok(0)),
        // What could not be stored (7, 8 and the resend) has used up an id each.
        (PEER, Action::SendAudio { to: chat }, ok(5)),
        (PEER, Action::Probe { limit: "0204.user_id_list".into(), size: Size::At }, ok(0)),
        (
            PC,
            Action::Probe { limit: "0204.user_id_list".into(), size: Size::Over },
            no("refused: malformed"),
        ),
        (
            PC,
            Action::Probe { limit: "0601.from_user_id".into(), size: Size::Over },
            no("refused: not allowed"),
        ),
        (PEER, Action::Malformed { command: 0x0309 }, no("refused: malformed")),
        (PEER, Action::Malformed { command: 0x0399 }, no("refused: unknown command")),
        (PEER, Action::asking("kick_pc", Args::default()), idle("this is no phone")),
        (PHONE, Action::asking("kick_pc", Args::default()), ok(0)),
        (PC, Action::Send { to: Chat::User(2) }, idle("not logged in")),
        (PC, Action::Login, ok(0)),
        (PC, Action::Reconnect, ok(0)),
        (PC, Action::Logout, ok(0)),
        (PC, Action::Rogue { what: Rogue::Text { to: 2 } }, no("refused")),
        (PC, Action::Rogue { what: Rogue::Unread { of: 2 } }, no("refused")),
        (PC, Action::Rogue { what: Rogue::Garbage }, Outcome::Unknown),
    ]
}

#[test]
fn under_hardened_every_action_ends_as_it_should() {
    let mut steps = chats();
    steps.extend(groups(steps.len() as u32 + 1));
    steps.extend(the_rest());
    let actions: Vec<_> = steps.iter().map(|(d, action, _)| (*d, action.clone())).collect();
    let kinds: BTreeSet<String> = actions.iter().map(|(_, action)| action.name()).collect();
    assert_eq!(kinds.len(), KINDS, "not every kind of action is here: {kinds:?}");
    let found = outcomes(&case("hardened", ours(), &actions));
    for ((step, found), n) in steps.iter().zip(found).zip(1..) {
        assert_eq!(found, step.2, "operation {n}: {:?}", step.1);
    }
}

#[test]
fn the_original_serves_a_connection_without_a_login() {
    let rogue = |what| (PC, Action::Rogue { what });
    let actions = [rogue(Rogue::Unread { of: 2 }), rogue(Rogue::Text { to: 2 })];
    let outcome = run_case(&case("teamtalk", ours(), &actions)).expect("a preset resolves");
    let silence = |id| outcome.history.entries[&id].outcome == Outcome::Unknown;
    assert!(silence(1) && silence(2), "the replies find no connection");
    let trace = outcome.trace.to_jsonl();
    assert!(trace.contains(r#""kind":"session_row""#), "user 0 has a session now");
}

/// Served without a login while it runs the original, and refused before it and after it.
#[test]
fn a_host_runs_what_the_side_runs_that_its_step_led_to() {
    let text = (PC, Action::Rogue { what: Rogue::Text { to: 2 } });
    let mut case = case("hardened", ours(), &[text.clone(), text.clone(), text]);
    case.protocols.candidate = ProtocolSpec::preset("teamtalk");
    let step =
        |id, at_ms, to, by| plan::Step { id, at_ms, for_ms: 500, host: "msg1".into(), to, by };
    case.plan.rollout = vec![
        step(1, APART_MS + 1_500, Side::Candidate, Ends::Kill),
        step(2, 2 * APART_MS + 1_500, Side::Base, Ends::PowerCut),
    ];
    let outcome = run_case(&case).expect("presets resolve");
    let came = |id| outcome.history.entries[&id].outcome.clone();
    assert_eq!(came(2), Outcome::Unknown, "the original says nothing");
    assert!(
        matches!((came(1), came(3)), (Outcome::Failed(_), Outcome::Failed(_))),
        "{:?}",
        came(3)
    );
    let sides = outcome.trace.lines.iter().filter_map(|line| match line.kind {
        Kind::OnSide { side } => Some((&*line.host, line.incarnation, side)),
        _ => None,
    });
    let wanted = [("msg1", 2, Side::Candidate), ("msg1", 3, Side::Base)];
    assert_eq!(sides.collect::<Vec<_>>(), wanted);
    assert!(outcome.hits.is_empty(), "a step is no fault of the plan");
}

#[test]
fn a_second_device_of_a_class_kicks_the_first_unless_it_ignores_that() {
    for (preset, ignores_kick, last) in [
        ("teamtalk", false, Outcome::NotDone("not logged in".into())),
        ("teamtalk", true, Outcome::Ok(1)),
    ] {
        let mut devices = vec![device(PC, 1, Client::Windows), device(3, 1, Client::Mac)];
        devices[0].conduct = Conduct { acks: Acks::Prompt, ignores_kick };
        let actions =
            [(PC, Action::Login), (3, Action::Login), (PC, Action::Send { to: Chat::User(2) })];
        let found = outcomes(&case(preset, devices, &actions));
        assert_eq!(found[2], last, "{preset}, ignores its kick: {ignores_kick}");
    }
}

#[test]
fn every_kind_of_client_talks_to_every_other() {
    use Client::{Android, Ios, Mac, OursPc, OursPhone, Windows};
    for preset in ["teamtalk", "hardened"] {
        for (a, b) in [(Windows, Android), (Mac, Ios), (OursPc, OursPhone), (Android, OursPc)] {
            let devices = vec![device(PC, 1, a), device(PEER, 2, b)];
            let actions = [
                (PC, Action::Login),
                (PEER, Action::Login),
                (PC, Action::Send { to: Chat::User(2) }),
                (PEER, Action::Send { to: Chat::User(1) }),
                (PC, Action::Read { chat: Chat::User(2) }),
                (PEER, Action::Read { chat: Chat::User(1) }),
            ];
            let found = outcomes(&case(preset, devices, &actions));
            let ok = [0, 0, 1, 2, 0, 0].map(Outcome::Ok);
            assert_eq!(found, ok, "{a:?} and {b:?} under {preset}");
        }
    }
}
