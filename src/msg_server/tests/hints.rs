//! catch-up-hint: who may have missed a push is told to ask.

use super::*;

const SWITCH: &[&str] = &["catch-up-hint"];
const EVERYONE: &str = "000000100001000000 0707e200000000";

fn everyone() -> String {
    EVERYONE.replace(' ', "")
}

/// The connections that got an empty 07e2.
fn hinted(done: &Done) -> Vec<ConnId> {
    done.sent.iter().filter(|(_, hex)| *hex == everyone()).map(|(to, _)| *to).collect()
}

#[test]
fn a_new_master_and_a_new_link() {
    for names in [&[][..], SWITCH] {
        let mut rig = Rig::only(names);
        rig.login(ALICE, 1, 1);
        rig.login(8, 2, 0x12);
        rig.open(9, Kind::Client);
        let on = |to: &[ConnId]| if names.is_empty() { vec![] } else { to.to_vec() };
        assert_eq!(hinted(&rig.open(40, Kind::Route { index: 1 })), on(&[ALICE, 8]));
        assert_eq!(hinted(&rig.gone(ROUTE)), on(&[40]), "the second is master now");
        assert!(hinted(&rig.gone(40)).is_empty());
        let opened = rig.open(41, Kind::Route { index: 0 });
        assert_eq!(hinted(&opened), on(&[41, ALICE, 8]));
        if !names.is_empty() {
            let to_route = opened.order().into_iter().filter(|(to, _)| *to == 41);
            let to_route: Vec<_> = to_route.map(|(_, command)| command).collect();
            assert_eq!(to_route, ["0707", "07e2", "0708"]);
        }
    }
}

#[test]
fn a_hint_from_another_server() {
    let mut rig = Rig::only(SWITCH);
    rig.login(ALICE, 1, 1);
    rig.login(8, 1, 0x12);
    rig.login(9, 2, 1);
    assert_eq!(hinted(&rig.pdu(ROUTE, cmd::OTHER_CATCH_UP_HINT, 0, "")), [ALICE, 8, 9]);
    let some = rig.pdu(ROUTE, cmd::OTHER_CATCH_UP_HINT, 0, "08010803");
    assert_eq!((hinted(&some), some.sent.len()), (vec![ALICE, 8], 2));
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 1, 1);
    assert!(rig.pdu(ROUTE, cmd::OTHER_CATCH_UP_HINT, 0, "").sent.is_empty());
}

const BOTH: &str = "000000140001000000 0707e20000000008010802";

#[test]
fn a_send_whose_link_closed() {
    let mut rig = Rig::only(SWITCH);
    rig.login(ALICE, 1, 1);
    rig.login(8, 2, 1);
    rig.login(9, 3, 1);
    rig.pdu(ALICE, cmd::MSG_DATA, 5, &message(1, 2, 0, 1, ""));
    rig.pdu(9, cmd::MSG_DATA, 5, &message(3, 2, 0, 1, ""));
    rig.pdu(DB_OTHER, cmd::MSG_DATA, 5, &message(3, 2, 1, 1, &attach(9)));
    // That its sender is gone changes nothing for the receiver.
    rig.gone(ALICE);
    let gone = rig.gone(DB_OTHER);
    assert_eq!(hinted(&gone), [8]);
    assert_eq!(gone.to(ROUTE), [BOTH.replace(' ', "")]);
    assert_eq!(gone.sent.len(), 2, "no refusal without answered-refusals");
}

/// Seed 1779 of `hardened`: only the users of a send were told, and who missed a message of a group had to wait for the
/// next hint.
#[test]
fn all_that_goes_with_a_link_is_told_at_once() {
    let lost = |rig: &mut Rig| {
        rig.login(ALICE, 1, 1);
        rig.login(8, 2, 1);
        rig.login(9, 3, 1);
        rig.pdu(ROUTE, cmd::MSG_DATA, 0, &message(5, 9, 1, 17, ""));
        rig.pdu(ALICE, cmd::MSG_DATA, 5, &message(1, 2, 0, 1, ""));
    };
    let mut rig = Rig::only(SWITCH);
    lost(&mut rig);
    let gone = rig.gone(DB_OTHER);
    assert_eq!(hinted(&gone), [ALICE, 8, 9]);
    assert_eq!(gone.to(ROUTE), [BOTH.replace(' ', "")]);
    // So it is with what has waited too long.
    let mut rig = Rig::only(SWITCH);
    lost(&mut rig);
    assert!(rig.tick_at(36.0).sent.is_empty());
    let late = rig.tick_at(36.1);
    assert_eq!((hinted(&late), late.to(ROUTE).len()), (vec![ALICE, 8, 9], 1));
}

/// Late is not lost: the client may hear at 12 s, the others wait until nothing can come.
#[test]
fn a_send_without_an_answer() {
    let mut rig = Rig::only(&["catch-up-hint", "answered-refusals"]);
    rig.login(ALICE, 1, 1);
    for seq in [5, 6] {
        rig.pdu(ALICE, cmd::MSG_DATA, seq, &message(1, 2, 0, 1, ""));
    }
    let late = rig.tick_at(12.1);
    assert_eq!((late.told(ALICE).len(), late.sent.len()), (2, 2));
    let reply = rig.pdu(DB_OTHER, cmd::MSG_DATA, 5, &message(1, 2, 1, 1, &attach(7)));
    assert_eq!(reply.to(ALICE).len(), 0, "it was told otherwise, and asks again");
    assert!(rig.tick_at(36.0).sent.is_empty());
    let lost = rig.tick_at(36.1);
    assert_eq!((hinted(&lost), lost.to(ROUTE).len(), lost.sent.len()), (vec![ALICE], 1, 2));
    assert!(rig.tick_at(60.0).sent.is_empty());
    // Other requests change nothing for anyone else.
    rig.pdu(ALICE, cmd::MSG_LIST_REQUEST, 6, "08011001180220002803");
    assert!(hinted(&rig.tick_at(110.0)).is_empty());
}

#[test]
fn of_a_late_send_a_closed_link_is_the_end() {
    let mut rig = Rig::only(SWITCH);
    rig.login(ALICE, 1, 1);
    rig.pdu(ALICE, cmd::MSG_DATA, 5, &message(1, 2, 0, 1, ""));
    assert!(rig.tick_at(13.0).sent.is_empty());
    assert_eq!(hinted(&rig.gone(DB_OTHER)), [ALICE]);
    // A group's members are not known here.
    rig.pdu(ALICE, cmd::MSG_DATA, 7, &message(1, 9, 0, 17, ""));
    assert!(rig.gone(DB_LOGIN).sent.is_empty(), "not so soon again");
    assert!(rig.tick_at(24.9).sent.is_empty());
    assert_eq!(hinted(&rig.tick_at(25.0)), [ALICE, ROUTE]);
    assert!(rig.tick_at(60.0).sent.is_empty());
}

#[test]
fn a_send_that_db_proxy_could_not_answer_for() {
    let mut rig = Rig::only(&["catch-up-hint", "answered-refusals"]);
    rig.login(ALICE, 1, 1);
    for (at, code, hinted_at_all) in [(0.0, 5, true), (20.0, 6, false), (40.0, 5, true)] {
        rig.at(at);
        rig.pdu(ALICE, cmd::MSG_DATA, 5, &message(1, 2, 0, 1, ""));
        let body = format!("0801108106 18{code:02x}220178{}", attach(7)).replace(' ', "");
        let done = rig.pdu(DB_OTHER, cmd::OTHER_REFUSED, 5, &body);
        assert_eq!(done.told(ALICE).len(), 1);
        assert_eq!(!hinted(&done).is_empty(), hinted_at_all);
    }
    // That its sender is gone changes nothing for the receiver.
    rig.at(60.0);
    rig.login(8, 2, 1);
    rig.pdu(ALICE, cmd::MSG_DATA, 5, &message(1, 2, 0, 1, ""));
    rig.gone(ALICE);
    let body = format!("0801108106 1805220178{}", attach(7)).replace(' ', "");
    assert_eq!(hinted(&rig.pdu(DB_OTHER, cmd::OTHER_REFUSED, 5, &body)), [8]);
    assert!(rig.gone(DB_OTHER).sent.is_empty());
}
