//! What the stores may keep (docs/DESIGN.md, "Catalogue") in worlds under `hardened`, each beside a mutant that lets it grow:
//! the property `bounded` measures the stores and sees it.

use std::time::Duration;
use teamtalk::{
    catalogue::limits::Limits, mutants, protocol::Protocol, store::sql::Value, timing::Timing,
};
use teamtalk_sim::{
    explore::{case_of, run_case},
    plan::{
        Action, Chat, Client, Device, Operation, Plan, Size,
        case::{Case, ProtocolSpec},
        generate::Profile,
    },
    properties::Properties,
    record::sizes::{Measure, Sizes},
    seeded::on_seeded_thread,
    world::{Outcome, Script, Setup},
};

/// One device of user 1, and one of user 2, which log in and do this, so many milliseconds after the start of the run.
fn case(client: Client, done: Vec<(u64, Action)>) -> Case {
    let mut case = case_of(1, &ProtocolSpec::preset("hardened"), Profile::Calm);
    let device = |slot| Device::by_hand(slot, client, "msg1");
    let logins = [1, 2].map(|slot| (200, slot, Action::Login));
    let all = logins.into_iter().chain(done.into_iter().map(|(at_ms, action)| (at_ms, 1, action)));
    let operations =
        all.zip(1..).map(|((at_ms, device, action), id)| Operation { id, at_ms, device, action });
    case.plan = Plan {
        devices: vec![device(1), device(2)],
        groups: Vec::new(),
        operations: operations.collect(),
        horizon_ms: 10_000,
        ..case.plan
    };
    case
}

fn run(case: &Case) -> Outcome {
    run_case(case).unwrap_or_else(|failed| panic!("{failed}"))
}

/// It holds and comes to `most` of the measure, and with the mutant `bounded` sees more.
fn grows_only_with(case: Case, measure: &Measure, most: u64, mutant: &str, signature: &str) {
    let outcome = run(&case);
    assert_eq!(outcome.found(), "holds", "{:?}", outcome.violations.first());
    assert_eq!(outcome.sizes.largest(measure), most, "{measure}");
    if !mutants::BUILT {
        return;
    }
    let mut grown = case;
    grown.protocols.base = ProtocolSpec::with_mutant(mutant);
    let outcome = run(&grown);
    let found: Vec<_> = outcome.violations.iter().map(|of| of.signature()).collect();
    println!("{mutant}: {} {measure}; {found:?}", outcome.sizes.largest(measure));
    assert!(outcome.mutants_reached > 0);
    assert!(found.iter().any(|found| found == signature), "{found:?}");
}

/// A phone that has three tokens, one after the other.
#[test]
fn of_a_phone_the_last_token_is_kept() {
    let longest = |size| Action::Probe { limit: "0108.device_token".into(), size };
    let done = vec![
        (2_000, Action::ask("device_token")),
        (3_000, longest(Size::Under)),
        (4_000, longest(Size::At)),
    ];
    let (measure, signature) = (Measure::Keys("token_"), "bounded/keys/redis");
    grows_only_with(case(Client::OursPhone, done), &measure, 1, "former-token-stays", signature);
}

/// A read ack of user 1 for a chat with themselves, in which nothing was said.
#[test]
fn where_nothing_was_said_no_mark_is_kept() {
    let ack = Action::Probe { limit: "0303.body".into(), size: Size::At };
    let (measure, signature) = (Measure::Rows("TTRead".into()), "bounded/rows/sql");
    grows_only_with(
        case(Client::OursPc, vec![(2_000, ack)]),
        &measure,
        0,
        "marks-as-said",
        signature,
    );
}

/// Each message is written again on a new connection before it is acked.
#[test]
fn of_a_message_one_token_is_kept_however_often_it_is_sent() {
    const SENDS: u64 = 6;
    let send = |n| (2_000 + n * 1_000, Action::Send { to: Chat::User(2) });
    let lost = |n| (2_020 + n * 1_000, Action::Reconnect);
    let done = (0..SENDS).flat_map(|n| [send(n), lost(n)]).collect();
    let (measure, signature) = (Measure::Rows("TTSend".into()), "bounded/rows/sql");
    grows_only_with(case(Client::OursPc, done), &measure, SENDS, "token-of-try", signature);
}

/// The tokens of a database in which one is as old as it may be, after two of two sends, as `bounded` sees them.
fn aged(protocol: Protocol) -> (Sizes, Vec<String>) {
    const KEPT_S: u64 = 30 * 24 * 60 * 60;
    const EPOCH: u64 = 1_795_404_600;
    let timing = Timing::brisk();
    let insert = "insert into TTSend (fromId, token, type, relateId, msgId, created) values (1, ?, 1, 1, 1, ?)";
    let token = |created: u64| {
        let params =
            vec![Value::Bytes(created.to_be_bytes().to_vec().into()), Value::Int(created as i64)];
        (insert.to_string(), params)
    };
    let setup = Setup {
        msg_servers: 1,
        protocol,
        limits: Limits::default(),
        timing,
        text_key: [7; 32],
        epoch: EPOCH,
        users: Vec::new(),
        statements: vec![token(EPOCH - KEPT_S), token(EPOCH - KEPT_S / 2)],
        commands: Vec::new(),
    };
    let sends = [1_000, 2_000].map(|at_ms| (at_ms, Action::Send { to: Chat::User(2) }));
    let plan = case(Client::OursPc, sends.into()).plan;
    on_seeded_thread(1, || {
        let (mut script, mut sizes) = (Script::new(&setup), Sizes::default());
        // The longest that a row may be there, and a little more.
        let end = timing.token_job() + Duration::from_secs(90);
        while script.now() < end {
            script.step();
        }
        script.measure(&mut sizes);
        let properties = Properties::new(&protocol).at_pace(&timing).of_plan(&plan);
        let found = properties.measured(&sizes).iter().map(|found| found.signature()).collect();
        (sizes, found)
    })
}

#[test]
fn tokens_of_sends_are_forgotten_when_they_are_old() {
    let (tokens, age) = (Measure::Rows("TTSend".into()), Measure::Oldest("TTSend"));
    let (sizes, found) = aged(Protocol::hardened());
    assert_eq!(found, [""; 0]);
    assert_eq!(sizes.largest(&tokens), 1, "the young one");
    assert!(sizes.largest(&age) < 16 * 24 * 60 * 60);
    let mut protocol = Protocol::hardened();
    let planted = protocol.plant("tokens-kept-for-ever");
    assert_eq!(planted.is_ok(), mutants::BUILT, "{planted:?}");
    if planted.is_err() {
        return;
    }
    let (sizes, found) = aged(protocol);
    assert_eq!(sizes.largest(&tokens), 2);
    assert_eq!(found, ["bounded/age/sql"]);
}
