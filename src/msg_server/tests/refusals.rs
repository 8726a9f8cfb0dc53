//! answered-refusals: every request of a client has an answer.

use super::*;
use RefusedCode::*;

const SWITCH: &[&str] = &["answered-refusals"];
const LIST: &str = "08011001180220002803";

fn read_ack() -> &'static str {
    "0801100218012001"
}

#[test]
fn what_is_refused_here() {
    let text = message(1, 2, 0, 1, "");
    let cases = [
        (cmd::MSG_DATA, "ff".to_string(), RefusedMalformed),
        (cmd::MSG_DATA, "080110021800200028013200".to_string(), RefusedMalformed),
        (cmd::MSG_DATA, message(2, 2, 0, 1, ""), RefusedMalformed),
        (0x7777, String::new(), RefusedUnknownCommand),
        (cmd::LOGIN_REQ_USERLOGIN, "0a0161120162180120 01".replace(' ', ""), RefusedNotAllowed),
        (cmd::LOGIN_REQ_KICKPCCLIENT, "0801".to_string(), RefusedNotAllowed),
    ];
    for names in [&[][..], SWITCH] {
        let mut rig = Rig::only(names);
        rig.login(ALICE, 1, 1);
        for (command, body, code) in &cases {
            let done = rig.pdu(ALICE, *command, 5, body);
            let told = if names.is_empty() { vec![] } else { vec![(*command, 5, *code)] };
            assert_eq!(done.told(ALICE), told, "{command:04x} {body}");
            assert_eq!(done.sent.len(), told.len());
            assert!(!done.refusal().is_empty());
        }
        for _ in 0..19 {
            rig.pdu(ALICE, cmd::MSG_DATA, 2, &text);
        }
        let over = rig.pdu(ALICE, cmd::MSG_DATA, 6, &text);
        let told = if names.is_empty() { vec![] } else { vec![(0x0301, 6, RefusedTooMany)] };
        assert_eq!(over.told(ALICE), told);
    }
}

#[test]
fn the_bytes_of_a_refusal() {
    let mut rig = Rig::only(&["answered-refusals", "login-gate"]);
    rig.open(ALICE, Kind::Client);
    let done = rig.pdu(ALICE, cmd::MSG_TIME_REQUEST, 5, "");
    let text = hex(b"not logged in");
    let expected = format!("00000026000100000007 07e10005000008001085061801220d{text}");
    assert_eq!(done.sent, [(ALICE, expected.replace(' ', ""))]);
}

#[test]
fn without_a_db_proxy() {
    let mut rig = Rig::only(SWITCH);
    rig.login(ALICE, 1, 1);
    rig.gone(DB_LOGIN);
    rig.gone(DB_OTHER);
    let text = message(1, 2, 0, 1, "");
    for (command, body) in [(0x0301, text.as_str()), (0x0309, LIST), (0x0303, read_ack())] {
        let told = rig.pdu(ALICE, command, 5, body).told(ALICE);
        assert_eq!(told, [(command, 5, RefusedUnavailable)]);
    }
    // The failure replies of the original stay, and are the only answer.
    let done = rig.pdu(ALICE, cmd::GROUP_NORMAL_LIST_REQUEST, 5, "0801");
    assert_eq!(done.sent, [(ALICE, "00000010000100000004040200050000".to_string())]);
}

#[test]
fn without_a_db_proxy_no_list_is_said_to_be_empty() {
    let mut rig = Rig::only(&["answered-refusals", "honest-reads"]);
    rig.login(ALICE, 1, 1);
    rig.gone(DB_LOGIN);
    rig.gone(DB_OTHER);
    for command in
        [cmd::GROUP_NORMAL_LIST_REQUEST, cmd::GROUP_INFO_REQUEST, cmd::FILE_HAS_OFFLINE_REQ]
    {
        let told = rig.pdu(ALICE, command, 5, "0801").told(ALICE);
        assert_eq!(told, [(command, 5, RefusedUnavailable)]);
    }
    // That a change failed is true.
    let done = rig.pdu(ALICE, cmd::GROUP_SHIELD_GROUP_REQUEST, 6, "080110021801");
    assert_eq!(
        done.sent,
        [(ALICE, "000000160001000000 04040a00060000080110021801".replace(' ', ""))]
    );
}

#[test]
fn a_refusal_of_db_proxy_is_passed_on() {
    let body = format!("080110810618062201 78{}", attach(7)).replace(' ', "");
    let mut rig = Rig::only(SWITCH);
    rig.login(ALICE, 1, 1);
    rig.pdu(ALICE, cmd::MSG_DATA, 5, &message(1, 2, 0, 1, ""));
    let done = rig.pdu(DB_OTHER, cmd::OTHER_REFUSED, 5, &body);
    assert_eq!(done.told(ALICE), [(0x0301, 5, RefusedNotStored)]);
    assert_eq!(done.sent.len(), 1);
    assert!(rig.gone(DB_OTHER).told(ALICE).is_empty(), "it has its answer");
    let other = body.replace("00000007", "00000008");
    assert!(rig.pdu(DB_LOGIN, cmd::OTHER_REFUSED, 5, &other).sent.is_empty(), "nobody's");
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 1, 1);
    assert!(rig.pdu(DB_OTHER, cmd::OTHER_REFUSED, 5, &body).sent.is_empty());
}

#[test]
fn the_end_of_a_link_answers_what_went_on_it() {
    for names in [&[][..], SWITCH] {
        let mut rig = Rig::only(names);
        rig.login(ALICE, 1, 1);
        rig.pdu(ALICE, cmd::MSG_DATA, 5, &message(1, 2, 0, 1, ""));
        rig.pdu(ALICE, cmd::MSG_LIST_REQUEST, 6, LIST);
        rig.pdu(ALICE, cmd::MSG_LIST_REQUEST, 7, LIST);
        let answer = format!("0801100118022000{}", attach(7));
        rig.pdu(DB_LOGIN, cmd::MSG_LIST_RESPONSE, 6, &answer);
        let other = rig.gone(DB_OTHER).told(ALICE);
        let login = rig.gone(DB_LOGIN).told(ALICE);
        if names.is_empty() {
            assert!(other.is_empty() && login.is_empty());
        } else {
            assert_eq!(other, [(0x0301, 5, RefusedUnavailable)]);
            assert_eq!(login, [(0x0309, 7, RefusedUnavailable)]);
        }
    }
}

#[test]
fn silence_is_answered_in_the_end() {
    let mut rig = Rig::only(SWITCH);
    rig.login(ALICE, 1, 1);
    rig.login(8, 2, 1);
    rig.at(1.0);
    rig.pdu(ALICE, cmd::MSG_DATA, 5, &message(1, 2, 0, 1, ""));
    rig.pdu(8, cmd::MSG_LIST_REQUEST, 5, LIST);
    rig.gone(8);
    assert!(rig.tick_at(13.0).sent.is_empty());
    let done = rig.tick_at(13.1);
    assert_eq!(done.told(ALICE), [(0x0301, 5, RefusedUnavailable)]);
    assert_eq!(done.sent.len(), 1);
    assert!(rig.tick_at(60.0).sent.is_empty(), "once");
    // It was told that no answer came: a second, other answer would be a riddle.
    let late = rig.pdu(DB_OTHER, cmd::MSG_DATA, 5, &message(1, 2, 1, 1, &attach(7)));
    assert_eq!(late.to(ALICE).len(), 0);
}

/// Seed 7584 of `hardened`: a db_proxy that is slower than clients wait answered ten tries of a send, each
/// after its time, and its client never heard of one.
#[test]
fn what_comes_late_answers_what_its_client_has_written_again() {
    let text = message(1, 2, 0, 1, "");
    let stored = message(1, 2, 1, 1, &attach(7));
    let list = format!("0801100118022000{}", attach(7));
    let slow = || {
        let mut rig = Rig::only(SWITCH);
        rig.login(ALICE, 1, 1);
        rig.at(1.0);
        rig.pdu(ALICE, cmd::MSG_DATA, 5, &text);
        rig.pdu(ALICE, cmd::MSG_LIST_REQUEST, 6, LIST);
        assert_eq!(rig.tick_at(13.1).told(ALICE).len(), 2);
        rig
    };
    let mut rig = slow();
    rig.pdu(ALICE, cmd::MSG_DATA, 5, &text);
    rig.pdu(ALICE, cmd::MSG_LIST_REQUEST, 6, LIST);
    for tries in 1..=2 {
        let told = usize::from(tries == 1);
        let done = rig.pdu(DB_OTHER, cmd::MSG_DATA, 5, &stored);
        assert_eq!(done.to(ALICE).len(), told, "{tries}");
        let done = rig.pdu(DB_LOGIN, cmd::MSG_LIST_RESPONSE, 6, &list);
        assert_eq!(done.to(ALICE).len(), told, "{tries}");
    }
    assert!(rig.tick_at(60.0).sent.is_empty(), "both have their answer");
    // That nothing was stored is no answer to the second try, nor is it one to something else.
    let mut rig = slow();
    rig.pdu(ALICE, cmd::MSG_DATA, 5, &text);
    let failed = message(1, 2, 0, 1, &attach(7));
    assert_eq!(rig.pdu(DB_OTHER, cmd::MSG_DATA, 5, &failed).to(ALICE).len(), 0);
    let mut rig = slow();
    rig.pdu(ALICE, cmd::MSG_DATA, 5, &message(1, 3, 0, 1, ""));
    assert_eq!(rig.pdu(DB_OTHER, cmd::MSG_DATA, 5, &stored).to(ALICE).len(), 0);
}

#[test]
fn an_answer_ends_the_wait() {
    let mut rig = Rig::only(SWITCH);
    rig.login(ALICE, 1, 1);
    rig.pdu(ALICE, cmd::MSG_DATA, 5, &message(1, 2, 0, 1, ""));
    rig.pdu(ALICE, cmd::MSG_LIST_REQUEST, 6, LIST);
    rig.pdu(DB_OTHER, cmd::MSG_DATA, 5, &message(1, 2, 1, 1, &attach(7)));
    rig.pdu(DB_LOGIN, cmd::MSG_LIST_RESPONSE, 6, &format!("0801100118022000{}", attach(7)));
    assert!(rig.tick_at(60.0).sent.is_empty());
}

#[test]
fn a_login_without_an_answer_gets_its_own_refusal() {
    let login = "0a026133120178180120 01".replace(' ', "");
    for names in [&[][..], SWITCH] {
        let mut rig = Rig::only(names);
        rig.open(ALICE, Kind::Client);
        rig.open(8, Kind::Client);
        rig.pdu(ALICE, cmd::LOGIN_REQ_USERLOGIN, 1, &login);
        let gone = rig.gone(DB_LOGIN);
        if names.is_empty() {
            assert!(gone.sent.is_empty());
            continue;
        }
        assert_eq!(gone.order(), [(ALICE, "0104".to_string())]);
        assert!(gone.to(ALICE)[0].contains("1003"), "code 3: {gone:?}");
        assert_eq!(gone.closed, [ALICE]);
        rig.pdu(8, cmd::LOGIN_REQ_USERLOGIN, 1, &login);
        assert!(rig.tick_at(12.0).sent.is_empty());
        let late = rig.tick_at(12.1);
        assert_eq!((late.order(), late.closed), (vec![(8, "0104".to_string())], vec![8]));
        // And one that was answered is not refused.
        rig.open(DB_LOGIN, Kind::Db { index: 0 });
        rig.login(9, 1, 1);
        assert!(rig.tick_at(40.0).closed.is_empty());
    }
}

/// msg_id 0 is silence in the original; ack-after-store makes it a 0302.
#[test]
fn what_was_not_stored() {
    let failed = message(1, 2, 0, 1, &attach(7));
    for (names, expected) in [
        (&[][..], vec![]),
        (SWITCH, vec![(ALICE, "07e1".to_string())]),
        (&["answered-refusals", "ack-after-store"], vec![(ALICE, "0302".to_string())]),
    ] {
        let mut rig = Rig::only(names);
        rig.login(ALICE, 1, 1);
        rig.pdu(ALICE, cmd::MSG_DATA, 5, &message(1, 2, 0, 1, ""));
        assert_eq!(rig.pdu(DB_OTHER, cmd::MSG_DATA, 5, &failed).order(), expected);
        assert!(rig.tick_at(20.0).sent.is_empty());
    }
}

#[test]
fn a_confirmed_read_ack_is_a_request() {
    let mut rig = Rig::only(&["answered-refusals", "confirmed-read-acks"]);
    rig.login(ALICE, 1, 1);
    rig.pdu(ALICE, cmd::MSG_READ_ACK, 5, read_ack());
    rig.pdu(ALICE, cmd::MSG_READ_ACK, 6, read_ack());
    rig.pdu(DB_OTHER, cmd::MSG_READ_NOTIFY, 5, &format!("{}{}", read_ack(), attach(7)));
    let gone = rig.gone(DB_OTHER);
    assert_eq!(gone.told(ALICE), [(0x0303, 6, RefusedUnavailable)]);
}

#[test]
fn a_client_may_not_wait_for_everything() {
    let mut rig = Rig::only(SWITCH);
    rig.login(ALICE, 1, 1);
    for _ in 0..super::super::IN_FLIGHT_BOUND {
        assert!(rig.pdu(ALICE, cmd::MSG_LIST_REQUEST, 5, LIST).told(ALICE).is_empty());
    }
    let over = rig.pdu(ALICE, cmd::MSG_LIST_REQUEST, 6, LIST);
    assert_eq!(over.told(ALICE), [(0x0309, 6, RefusedTooMany)]);
    assert_eq!(over.sent.len(), 1, "and it goes nowhere");
}
