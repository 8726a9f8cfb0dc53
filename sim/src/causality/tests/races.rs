//! Races of which it is known when they are lost: by hand, and found. The moment is read off the trace, from the
//! line that loses the race.

use super::{NEAR_MS, failing, send, two_users};
use crate::{
    causality::{Explaining, Inevitable, moments, with_draws},
    plan::{
        Action, Chat, Clock, Cut, Fate, Fault, Host, Node, Operation, Side, Trouble, case::Case,
    },
    record::{Applied, Kind, Line, shown},
    run::Runner,
    shrink::NoFailure,
    world::Outcome,
};
use std::{path::Path, sync::atomic::AtomicBool};
use teamtalk::{catalogue::id as cmd, fact::Fact};

/// The shortest way to a store and back under these plans, in simulated milliseconds: a tick each way.
const CALL_MS: u64 = 10;

/// A store's last answer is with a msg_server two ticks after its statement if it is quick, and up to four ticks later:
/// so much after it, an ack could as well have been a device's already.
const LATE_MS: u64 = 25;

/// From when on a case that fails must. What mends it is of no interest here, and takes longest.
fn inevitable(case: &Case) -> (Outcome, Inevitable) {
    let stop = AtomicBool::new(false);
    let explaining = Explaining { runner: Runner::default(), jobs: 2, stop: &stop, each: &|| {} };
    let outcome = match NoFailure::refuse(case, &with_draws(&explaining.runner)) {
        Ok(outcome) => outcome,
        Err(_) => panic!("it fails with {}", case.expect),
    };
    let known = moments::of(case, &outcome, &explaining.pool(case, &outcome), &|| {});
    let (_, inevitable) = known.expect("nobody stops it");
    (outcome, inevitable.expect("it is decided before it fails"))
}

fn assert_near(inevitable: &Inevitable, lost_ms: u64) {
    let off = inevitable.from_ms.abs_diff(lost_ms);
    assert!(off <= NEAR_MS, "{inevitable:?}, but the race was lost at {lost_ms} ms");
}

/// What the draws of the tick before it were about.
fn was_about(outcome: &Outcome, inevitable: &Inevitable) -> Vec<String> {
    let told = |n: &u64| {
        let line = &outcome.trace.lines[*n as usize];
        match &line.kind {
            Kind::Store(applied) => format!("{}: {}", applied.store, &**applied.what),
            Kind::PduSent(_) => format!("{} sends a PDU", line.host),
            Kind::PduReceived(_) => format!("{} reads a PDU", line.host),
            other => format!("{other:?}"),
        }
    };
    inevitable.about.iter().map(told).collect()
}

/// A case of traces/.
fn kept(name: &str) -> Case {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../traces").join(name);
    Case::read(&path).expect("a case")
}

fn ms(line: &Line) -> u64 {
    line.sim_us / 1_000
}

fn store(line: &Line) -> Option<&Applied> {
    match &line.kind {
        Kind::Store(applied) => Some(applied),
        _ => None,
    }
}

/// When a host that is named like this first wrote a PDU of a command.
fn wrote(outcome: &Outcome, role: &str, command: u16) -> u64 {
    let is_it = |line: &&Line| matches!(&line.kind, Kind::PduSent(frame) if frame.header.command_id == command && line.host.starts_with(role));
    ms(outcome.trace.lines.iter().find(is_it).expect("it was written"))
}

/// When a statement of a send, or a command, last took effect before a moment.
fn last_call(outcome: &Outcome, before_ms: u64) -> u64 {
    let calls = outcome.trace.lines.iter().filter(|line| is_of_a_send(line));
    calls.map(ms).filter(|at| *at < before_ms).max().expect("a store was asked")
}

/// Whether a store was asked for what a send needs: sessions, a relation, an id, the count of unread messages.
fn is_of_a_send(line: &Line) -> bool {
    store(line).is_some_and(|of| match of.store {
        "sql" => ["IMRecentSession", "IMRelationShip"].iter().any(|table| of.what.names(table)),
        _ => of.params.first().is_some_and(|key| {
            let key = shown(key);
            key.starts_with("msg_id_") || key.starts_with("unread_")
        }),
    })
}

/// Three db_proxies, of which db2 is cut off without a sign of it when user 2 reads the chat. Read acks go by the
/// second half of the links, which is one to db2 and both to db3 (of two db_proxies it would be db2 alone, and
/// nothing to draw). Nobody answers them: once one is written to the dead link, the message stays unread.
#[test]
fn an_unread_count_is_wrong_once_the_read_ack_is_written_to_a_dead_link() {
    let read = |noise| {
        let chat = Chat::User(1);
        let reads = Operation { id: 4, at_ms: 1_800, device: 2, action: Action::Read { chat } };
        let mut case = two_users(vec![send(3, 1_000, 1, 2), reads], noise);
        case.plan.nodes.push(Node {
            host: Host::of("db3"),
            side: Side::Base,
            clock: Clock::default(),
        });
        let (a, b) = ("msg1".into(), "db2".into());
        let trouble = Trouble::Partition { a, b, cut: Cut::Both, fate: Fate::Silent };
        case.plan.faults = vec![Fault { id: 1, at_ms: 1_700, for_ms: 600, trouble }];
        case
    };
    let (outcome, inevitable) = inevitable(&failing(read, "unread/too-many/db"));
    assert_near(&inevitable, wrote(&outcome, "msg", cmd::MSG_READ_ACK));
    assert_eq!(inevitable.draws, [("db-link", 1)].into());
    assert_eq!(was_about(&outcome, &inevitable), ["msg1 sends a PDU"]);
}

/// The connection is reset one tick before the ack is there, and the person sends again. How long the store's last
/// answer took decided on which side of the reset the ack fell.
#[test]
fn a_message_is_stored_twice_once_its_ack_cannot_be_there_before_the_reset() {
    let sent = |noise| {
        let again =
            Operation { id: 4, at_ms: 3_000, device: 1, action: Action::Resend { of: None } };
        let mut case = two_users(vec![send(3, 1_000, 1, 2), again], noise);
        case.plan.horizon_ms = 4_000;
        case
    };
    let acked = |case: &Case| {
        let outcome = Runner::default().run(case).expect("a verdict");
        let written = wrote(&outcome, "msg", cmd::MSG_DATA_ACK);
        (written, last_call(&outcome, written))
    };
    let late = (1..40).map(sent).find_map(|case| {
        let (written, answered) = acked(&case);
        (written >= answered + LATE_MS).then_some((case, written))
    });
    let (mut case, reset_ms) = late.expect("one of the noise seeds");
    let trouble = Trouble::Reset { a: "client1".into(), b: "msg1".into() };
    case.plan.faults = vec![Fault { id: 1, at_ms: reset_ms, for_ms: 5, trouble }];
    case.expect = "no-duplicate/two-rows/db".into();
    let (outcome, inevitable) = inevitable(&case);
    assert_near(&inevitable, last_call(&outcome, reset_ms));
}

/// Found: each of two sends looks for the session before one of them has made it.
#[test]
fn two_sessions_that_were_found_are_inevitable_once_the_second_one_has_looked() {
    let (outcome, inevitable) =
        inevitable(&kept("teamtalk-one-row-two-sessions-db-race-06991db3.json"));
    let about = outcome.trace.lines.iter().rev().find_map(|line| match line.kind {
        Kind::SessionRow { user, peer, .. } => Some([user, peer].map(|id| id.to_string())),
        _ => None,
    });
    let about = about.expect("a session was made");
    let of_it = |verb: &str| -> Vec<u64> {
        let is_it = |line: &&Line| {
            store(line).is_some_and(|of| {
                let ids: Vec<_> = of.params.iter().take(2).map(shown).collect();
                let is_so = of.what.to_ascii_lowercase().starts_with(verb);
                is_so && of.what.names("IMRecentSession") && ids == about
            })
        };
        outcome.trace.lines.iter().filter(is_it).map(ms).collect()
    };
    let made = of_it("insert");
    let looked = of_it("select").into_iter().filter(|at| *at < made[0]).max();
    assert_near(&inevitable, looked.expect("they looked"));
    assert!(inevitable.draws.contains_key("sql before"), "{inevitable:?}");
    let looks = "sql: select id from IMRecentSession where userId=? and peerId=? and type=?";
    assert_eq!(was_about(&outcome, &inevitable), [looks]);
}

/// Found: SQL crashes while a message is on its way into it. Each call to a store takes a tick each way, so it is too
/// late once the calls that are left do not fit in before the crash.
#[test]
fn a_message_that_was_found_is_not_stored_once_the_calls_left_do_not_fit_in_before_the_crash() {
    let case = kept("teamtalk-acked-is-stored-not-stored-db-store-failed-6b6d3db2.json");
    let crash_ms = case.plan.faults[0].at_ms;
    let (outcome, inevitable) = inevitable(&case);
    let failed = |line: &Line| matches!(line.kind, Kind::Fact(Fact::StoreFailed { .. }));
    let until = outcome.trace.lines.iter().position(failed).expect("it was not stored");
    let calls: Vec<_> =
        outcome.trace.lines[..until].iter().filter(|line| is_of_a_send(line)).map(ms).collect();
    // Those behind it, and the INSERT that failed.
    let too_late = |n: &usize| calls[*n] + (calls.len() - n) as u64 * CALL_MS >= crash_ms;
    let lost = (0..calls.len()).find(too_late).expect("it came too late");
    assert_near(&inevitable, calls[lost]);
}

/// Found: SQL has crashed, and of the workers of a db_proxy each has a connection of its own, some of them dead. The
/// worker is drawn when a request is read, and one with a dead connection lists nothing.
#[test]
fn a_list_that_was_found_lacks_a_message_once_a_worker_with_a_dead_connection_is_drawn() {
    let case = kept("teamtalk-order-missing-db-race-c3af4a5a.json");
    let (outcome, inevitable) = inevitable(&case);
    let broken_ms = outcome.broken_at_ms(&case.expect).expect("a line breaks it");
    let is_it = |line: &&Line| matches!(&line.kind, Kind::PduReceived(frame) if frame.header.command_id == cmd::MSG_LIST_REQUEST && line.host.starts_with("db"));
    let read = outcome.trace.lines.iter().filter(is_it).map(ms).filter(|at| *at <= broken_ms);
    assert_near(&inevitable, read.max().expect("a db_proxy read it"));
    assert_eq!(inevitable.draws, [("db-worker", 1)].into());
    assert_eq!(was_about(&outcome, &inevitable), ["db1 reads a PDU"]);
}
