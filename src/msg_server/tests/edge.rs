//! edge-limits: every limit of the catalogue, at it and one over.

use super::*;
use crate::{
    catalogue::{
        self,
        probe::{self, Probe},
    },
    link::Bounds,
    wire::im,
};
use prost::Message;

const SWITCHES: &[&str] = &["edge-limits", "answered-refusals", "login-gate"];
/// A connection that is not logged in.
const STRANGER: ConnId = 300;

/// Why a limit had something refused; empty if none had.
fn limit_of(done: &Done) -> Vec<String> {
    let of = |fact: &Fact| match fact {
        Fact::Refused { reason, .. } if reason.contains("at most") => Some(reason.clone()),
        _ => None,
    };
    done.facts.iter().filter_map(of).collect()
}

/// Writes a body of this size in a window of its own; from whom the command may come.
fn try_at(rig: &mut Rig, probe: &Probe, size: u32, at: f64) -> (ConnId, Done) {
    rig.tick_at(at);
    let before = catalogue::of(probe.command).expect("a command").before_login;
    let conn = if before { STRANGER } else { ALICE };
    (conn, rig.pdu(conn, probe.command, 5, &hex(&probe.body(size))))
}

fn rig() -> Rig {
    let mut rig = Rig::only(SWITCHES);
    rig.login(ALICE, 1, 0x12);
    rig.open(STRANGER, Kind::Client);
    rig
}

#[test]
fn each_limit_lets_through_what_is_at_it_and_refuses_one_more_with_a_reason() {
    for probe in probe::all(&Limits::default()) {
        let what = format!("{:04x} {:?}", probe.command, probe.limit);
        for (size, at) in [(probe.most - 1, 1.0), (probe.most, 2.0)] {
            let (_, done) = try_at(&mut rig(), &probe, size, at);
            assert!(limit_of(&done).is_empty(), "{what} {size}: {:?}", done.facts);
        }
        let mut rig = rig();
        let (conn, done) = try_at(&mut rig, &probe, probe.most + 1, 1.0);
        let refused = [(probe.command, 5, RefusedCode::RefusedMalformed)];
        assert_eq!(done.told(conn), refused, "{what}: {:?}", done.facts);
        assert_eq!(limit_of(&done).len(), 1, "{what}: {:?}", done.facts);
        assert_eq!(done.sent.len(), 1, "{what}: nobody else notices");
        assert!(done.closed.is_empty(), "{what}: {:?}", done.closed);
    }
}

#[test]
fn the_original_has_none_of_them() {
    for probe in probe::all(&Limits::default()) {
        let mut rig = Rig::teamtalk();
        rig.login(ALICE, 1, 0x12);
        rig.open(STRANGER, Kind::Client);
        let (_, done) = try_at(&mut rig, &probe, probe.most + 1, 1.0);
        assert!(limit_of(&done).is_empty(), "{:04x}: {:?}", probe.command, done.facts);
    }
}

#[test]
fn each_command_has_a_rate_and_what_is_far_beyond_it_costs_the_connection() {
    let limits = Limits::default();
    for command in catalogue::ALL.iter().filter(|command| !command.before_login) {
        // A logout ends it all.
        let ends = command.id == cmd::LOGIN_REQ_LOGINOUT;
        let Some(of) = limits.of(command.id).filter(|_| !ends) else { continue };
        let mut rig = rig();
        let mut closed_at = None;
        let mut told = BTreeMap::new();
        let most = of.rate;
        assert!(command.reply.is_none() || most <= limits.requests, "{}", command.name);
        for n in 1..=10 * most + 1 {
            // Broken off: whatever is behind the edge does not wait for an answer.
            let done = rig.pdu(ALICE, command.id, 5, "08");
            for (_, _, code) in done.told(ALICE) {
                told.entry(code as i32).or_insert(n);
            }
            if done.closed == [ALICE] {
                closed_at = Some(n);
            }
        }
        let too_many = told.get(&(RefusedCode::RefusedTooMany as i32));
        assert_eq!(too_many, Some(&(most + 1)), "{}", command.name);
        assert_eq!(closed_at, Some(10 * most + 1), "{}", command.name);
    }
}

#[test]
fn a_rate_is_the_users_whatever_device_they_have_and_a_tick_ends_the_window() {
    let mut rig = rig();
    rig.login(BOB, 1, 1);
    let most = Limits::default().of(cmd::BUDDY_LIST_ALL_USER_REQUEST).expect("a limit").rate;
    let told = |rig: &mut Rig, conn| {
        let done = rig.pdu(conn, cmd::BUDDY_LIST_ALL_USER_REQUEST, 5, "0801100018");
        done.told(conn).iter().map(|told| told.2).collect::<Vec<_>>()
    };
    for n in 0..most {
        let conn = if n % 2 == 0 { ALICE } else { BOB };
        assert_eq!(told(&mut rig, conn), [RefusedCode::RefusedMalformed], "let through");
    }
    for conn in [ALICE, BOB] {
        assert_eq!(told(&mut rig, conn), [RefusedCode::RefusedTooMany]);
    }
    rig.tick_at(1.0);
    assert_eq!(told(&mut rig, BOB), [RefusedCode::RefusedMalformed]);
}

#[test]
fn a_stranger_writes_a_login_and_a_device_what_devices_write() {
    let mut rig = Rig::only(SWITCHES);
    let done = rig.login(ALICE, 1, 1);
    let limits = Limits::default();
    assert_eq!(done.admitted, [(ALICE, limits.device_pdu)]);
    let mut rig = Rig::teamtalk();
    assert_eq!(rig.login(ALICE, 1, 1).admitted, []);

    let mut config = config(Protocol::teamtalk());
    assert_eq!(config.bounds(Kind::Client), Bounds::ORIGINAL);
    config.protocol.edge_limits = true;
    let of = |kind| config.bounds(kind);
    assert!(of(Kind::Client).pdu < 4_096 && of(Kind::Push).pdu == Bounds::ORIGINAL.pdu);
    assert!(of(Kind::Client).unsent < of(Kind::Db { index: 0 }).unsent);
    // A server's queue holds several of the longest answers.
    assert!(of(Kind::Db { index: 0 }).unsent >= 4 * Bounds::ORIGINAL.pdu as usize);
}

#[test]
fn one_connection_too_many_is_closed_and_what_is_announced_is_kept_to() {
    let mut config = config(Protocol { edge_limits: true, ..Protocol::teamtalk() });
    config.limits = Limits::with(&BTreeMap::from([("connections".into(), 2)])).expect("a limit");
    let mut rig = Rig::of(config);
    assert!(rig.open(ALICE, Kind::Client).closed.is_empty());
    assert!(rig.open(BOB, Kind::Client).closed.is_empty());
    assert_eq!(rig.open(STRANGER, Kind::Client).closed, [STRANGER]);
    rig.gone(STRANGER);
    rig.gone(BOB);
    assert!(rig.open(301, Kind::Client).closed.is_empty());
    let info = rig.open(900, Kind::Login { index: 1 });
    let sent = unhex(info.to(900)[0]);
    let info = im::server::ImMsgServInfo::decode(&sent[16..]).expect("0709");
    assert_eq!(info.max_conn_cnt, 2);
}

#[test]
fn nobody_speaks_for_another_user() {
    let p2p = im::switch_service::Imp2pCmdMsg {
        from_user_id: 2,
        to_user_id: 1,
        cmd_msg_data: "x".into(),
    };
    let fetched =
        im::file::ImFileDelOfflineReq { from_user_id: 1, to_user_id: 2, task_id: "t".into() };
    let false_claims = [
        (cmd::SWITCH_P2P_CMD, p2p.encode_to_vec()),
        (cmd::FILE_DEL_OFFLINE_REQ, fetched.encode_to_vec()),
    ];
    for (command, body) in &false_claims {
        let mut rig = rig();
        rig.login(BOB, 2, 1);
        let done = rig.pdu(ALICE, *command, 5, &hex(body));
        assert_eq!(done.told(ALICE), [(*command, 5, RefusedCode::RefusedNotAllowed)]);
        assert_eq!(done.sent.len(), 1, "nobody else notices");
        let done = rig.pdu(BOB, *command, 5, &hex(body));
        assert!(done.told(BOB).is_empty(), "it is true of user 2");
        assert!(!done.sent.is_empty());
    }
}

#[test]
fn a_token_is_no_users_number() {
    let of = |token: &str| {
        let asked = im::login::ImDeviceTokenReq {
            user_id: 1,
            device_token: token.to_string().into(),
            ..Default::default()
        };
        rig().pdu(ALICE, cmd::LOGIN_REQ_DEVICETOKEN, 5, &hex(&asked.encode_to_vec()))
    };
    let refused = [(cmd::LOGIN_REQ_DEVICETOKEN, 5, RefusedCode::RefusedNotAllowed)];
    assert_eq!(of("17").told(ALICE), refused);
    for token in ["", "17a", "ff00"] {
        assert!(of(token).told(ALICE).is_empty(), "{token}");
    }
}

#[test]
fn requests_of_all_kinds_together_have_a_rate() {
    let most = 30;
    let mut config = config(Protocol::teamtalk());
    for name in SWITCHES {
        assert!(config.protocol.set(name, true));
    }
    let set = BTreeMap::from([("requests.rate".into(), most)]);
    config.limits = Limits::with(&set).expect("a limit");
    let mut rig = Rig::of(config);
    rig.login(ALICE, 1, 0x12);
    let kinds =
        [cmd::MSG_LIST_REQUEST, cmd::MSG_UNREAD_CNT_REQUEST, cmd::GROUP_NORMAL_LIST_REQUEST];
    for n in 0..=most {
        let done = rig.pdu(ALICE, kinds[n as usize % 3], 5, "08");
        let code =
            if n < most { RefusedCode::RefusedMalformed } else { RefusedCode::RefusedTooMany };
        assert_eq!(done.told(ALICE)[0].2, code, "request {n}");
    }
}

#[test]
fn what_is_never_served_is_counted_too() {
    for (conn, command) in
        [(STRANGER, cmd::MSG_DATA), (ALICE, 0x0399), (ALICE, cmd::MSG_LIST_RESPONSE)]
    {
        let mut rig = rig();
        let codes: Vec<_> =
            (0..21).map(|_| rig.pdu(conn, command, 5, "").told(conn)[0].2).collect();
        assert!(!codes[..20].contains(&RefusedCode::RefusedTooMany), "{codes:?}");
        assert_eq!(codes[20], RefusedCode::RefusedTooMany);
        let closed: Vec<_> = (21..201).map(|_| rig.pdu(conn, command, 5, "").closed).collect();
        assert_eq!(closed.last(), Some(&vec![conn]), "abuse");
    }
}

#[test]
fn abuse_of_one_device_does_not_cost_the_users_other_one() {
    let mut rig = rig();
    rig.login(BOB, 1, 1);
    let most = Limits::default().of(cmd::BUDDY_LIST_ALL_USER_REQUEST).expect("a limit").rate;
    let ask = |rig: &mut Rig, conn| rig.pdu(conn, cmd::BUDDY_LIST_ALL_USER_REQUEST, 5, "08");
    for _ in 0..10 * most {
        assert!(ask(&mut rig, ALICE).closed.is_empty());
    }
    assert_eq!(ask(&mut rig, ALICE).closed, [ALICE]);
    let done = ask(&mut rig, BOB);
    assert!(done.closed.is_empty());
    assert_eq!(done.told(BOB)[0].2, RefusedCode::RefusedTooMany);
}

#[test]
fn a_devices_own_attach_data_reaches_nobody() {
    let fetched =
        im::file::ImFileDelOfflineReq { from_user_id: 2, to_user_id: 1, task_id: "t".into() };
    let fetched = hex(&fetched.encode_to_vec());
    let body = format!("{fetched}{}", attach(7));
    let done = rig().pdu(ALICE, cmd::FILE_DEL_OFFLINE_REQ, 5, &body);
    assert!(done.to(DB_OTHER)[0].ends_with(&fetched), "{done:?}");
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 1, 0x12);
    let done = rig.pdu(ALICE, cmd::FILE_DEL_OFFLINE_REQ, 5, &body);
    assert!(done.to(DB_OTHER)[0].ends_with(&body), "relayed as it is: {done:?}");
}

/// What a db_proxy has not taken yet is refused, and no link closes for it.
#[test]
fn a_request_that_finds_no_room_on_its_link_is_refused() {
    let mut rig = Rig::with(Protocol::hardened());
    rig.login(ALICE, 1, 1);
    rig.full.extend([DB_LOGIN, DB_OTHER]);
    let text = message(1, 2, 0, 1, "");
    for (command, body) in [(cmd::MSG_DATA, &*text), (cmd::MSG_UNREAD_CNT_REQUEST, "0801")] {
        let done = rig.pdu(ALICE, command, 9, body);
        assert_eq!(done.told(ALICE), [(command, 9, RefusedCode::RefusedUnavailable)]);
        assert!(done.refusal().starts_with("overloaded"), "{}", done.refusal());
        assert_eq!((done.sent.len(), &done.closed[..]), (1, &[][..]), "nothing else happens");
    }
    // Nothing is waited for: no second refusal when it would be late, nor when the link is gone.
    assert_eq!(rig.tick_at(60.0).told(ALICE), []);
    assert_eq!(rig.gone(DB_OTHER).told(ALICE), []);
    rig.full.clear();
    assert_eq!(rig.pdu(ALICE, cmd::MSG_UNREAD_CNT_REQUEST, 10, "0801").told(ALICE), []);
}

/// A login that finds no room has its own reply.
#[test]
fn a_login_that_finds_no_room_is_refused_by_0104() {
    let mut rig = Rig::with(Protocol::hardened());
    rig.full.extend([DB_LOGIN, DB_OTHER]);
    rig.open(ALICE, Kind::Client);
    let done = rig.pdu(ALICE, cmd::LOGIN_REQ_USERLOGIN, 1, "0a02753112017018012001");
    assert_eq!(done.order(), [(ALICE, "0104".to_string())]);
    assert_eq!(done.closed, [ALICE]);
}
