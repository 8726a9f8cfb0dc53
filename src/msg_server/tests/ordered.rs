//! Switch `ordered-logins`: a kick hits older logins only.

use super::*;

/// What 070d says: user 1, a PC, another login; and which number that has.
fn kick(number: Option<u8>) -> String {
    let number = number.map_or(String::new(), |number| format!("a806{number:02x}"));
    format!("080110011801{number}")
}

/// The bodies of the 070d that went to route.
fn kicks(done: &Done) -> Vec<&str> {
    let of_route = done.to(ROUTE).into_iter();
    of_route.filter(|hex| hex[20..24] == *"070d").map(|hex| &hex[32..]).collect()
}

/// Its device is told that it is logged in, and at once that another one is; and it kicks nobody.
fn is_put_off(done: &Done, conn: ConnId) {
    let told: Vec<_> = done.to(conn).into_iter().map(|hex| hex[20..24].to_string()).collect();
    assert_eq!((told, &done.closed), (vec!["0104".into(), "0107".into()], &vec![conn]));
    assert!(kicks(done).is_empty(), "{done:?}");
}

/// What a db_proxy says of a wrong password.
fn refusal(attach: &str) -> String {
    format!("{}10011a0161a2010c{attach}", name(1))
}

fn rig() -> Rig {
    Rig::only(&["ordered-logins", "login-gate"])
}

impl Rig {
    /// A PC of user 1 logs in, as this one of the user's logins.
    fn login_as(&mut self, conn: ConnId, number: u8) -> Done {
        let attach = self.asks_login(conn, 1, 1);
        self.is_validated(1, &attach, &format!("a806{number:02x}"))
    }
}

#[test]
fn a_kick_from_elsewhere_hits_what_is_older() {
    let mut rig = rig();
    assert_eq!(kicks(&rig.login_as(ALICE, 5)), [kick(Some(5))]);
    let newer = rig.pdu(ROUTE, cmd::OTHER_SERVER_KICK_USER, 0, &kick(Some(6)));
    assert_eq!((newer.to(ALICE).len(), newer.closed), (1, vec![ALICE]));
    rig.login_as(8, 7);
    let phone = rig.pdu(ROUTE, cmd::OTHER_SERVER_KICK_USER, 0, "080110021802");
    assert_eq!(phone.closed, [8], "a phone puts off whoever is there");
}

#[test]
fn a_kick_that_meets_a_newer_login_is_answered_with_that_ones() {
    let mut rig = rig();
    rig.login_as(ALICE, 5);
    let late = rig.pdu(ROUTE, cmd::OTHER_SERVER_KICK_USER, 0, &kick(Some(4)));
    assert_eq!(late.sent, [(ROUTE, late.to(ROUTE)[0].to_string())], "and nobody is kicked");
    assert_eq!((kicks(&late), late.closed.len()), (vec![&*kick(Some(5))], 0));
    let own = rig.pdu(ROUTE, cmd::OTHER_SERVER_KICK_USER, 0, &kick(Some(5)));
    assert!(own.sent.is_empty(), "its own");
}

/// Numbers are drawn as db_proxies get round to them, and their answers come when they come: a device that
/// lost its power and is back would be put off by what it asked for before.
#[test]
fn here_what_was_asked_for_last_is_newest_whatever_the_numbers_say() {
    for (first, second) in [(5, 6), (6, 5)] {
        let tail = |number: u8| format!("a806{number:02x}");
        let mut rig = rig();
        let (before, after) = (rig.asks_login(8, 1, 1), rig.asks_login(ALICE, 1, 1));
        assert_eq!(kicks(&rig.is_validated(1, &before, &tail(first))), [kick(Some(first))]);
        let newer = rig.is_validated(1, &after, &tail(second));
        assert_eq!((newer.to(8).len(), &newer.closed), (1, &vec![8]), "{first}, then {second}");
        assert_eq!(kicks(&newer), [kick(Some(6))], "it has the place of whom it kicks");
        let late = rig.pdu(ROUTE, cmd::OTHER_SERVER_KICK_USER, 0, &kick(Some(6)));
        assert!(late.closed.is_empty() && late.sent.is_empty(), "what that one told: {late:?}");

        for is_there in [true, false] {
            let mut rig = self::rig();
            let (before, after) = (rig.asks_login(8, 1, 1), rig.asks_login(ALICE, 1, 1));
            assert_eq!(kicks(&rig.is_validated(1, &after, &tail(second))), [kick(Some(second))]);
            if !is_there {
                rig.gone(ALICE);
            }
            is_put_off(&rig.is_validated(1, &before, &tail(first)), 8);
            if is_there {
                assert_eq!(rig.login_as(9, 7).closed, [ALICE], "who was left");
            }
        }
    }
}

/// `u1` and `U1` are one user to the stores.
#[test]
fn a_login_under_another_spelling_is_overtaken_by_one_that_is_here() {
    let mut rig = rig();
    let before = rig.asks_login(8, 2, 1);
    rig.login_as(ALICE, 5);
    let user = "2214080110011a0022002801320 03a0042004a005000".replace(' ', "");
    let answer = format!("{}10001a0161{user}a2010c{before}a80606", name(2));
    is_put_off(&rig.pdu(DB_LOGIN, 0x0704, 1, &answer), 8);
}

#[test]
fn a_number_makes_no_difference_to_what_was_overtaken() {
    let mut rig = rig();
    let (first, second) = (rig.asks_login(8, 1, 1), rig.asks_login(9, 1, 1));
    let wrong = rig.asks_login(10, 1, 1);
    rig.login_as(ALICE, 5);
    is_put_off(&rig.is_validated(1, &first, ""), 8);
    is_put_off(&rig.is_validated(1, &second, "a80606"), 9);
    let refused = rig.pdu(DB_LOGIN, 0x0704, 1, &refusal(&wrong));
    assert_eq!((refused.to(10).len(), refused.closed), (1, vec![10]), "it is refused as any");
}

#[test]
fn only_a_login_of_the_same_class_that_was_let_in_with_a_number_overtakes() {
    let mut rig = rig();
    let before = rig.asks_login(8, 1, 1);
    let phone = rig.asks_login(9, 1, 0x11);
    rig.is_validated(1, &phone, "a80605");
    let refused = rig.asks_login(10, 1, 1);
    rig.pdu(DB_LOGIN, 0x0704, 1, &refusal(&refused));
    rig.login(11, 1, 1);
    let other = rig.asks_login(12, 2, 1);
    rig.is_validated(2, &other, "a80601");
    let later = rig.asks_login(ALICE, 1, 1);
    let first = rig.is_validated(1, &before, "a80607");
    assert_eq!((kicks(&first), &first.closed), (vec![&*kick(Some(7))], &vec![11]));
    assert_eq!(rig.is_validated(1, &later, "a80608").closed, [8]);
}

#[test]
fn a_login_without_a_number_is_older_than_any_and_kicks_as_before() {
    let mut rig = rig();
    rig.login(ALICE, 1, 1);
    assert_eq!(rig.login_as(8, 1).closed, [ALICE]);
    let old_peer = rig.pdu(ROUTE, cmd::OTHER_SERVER_KICK_USER, 0, &kick(None));
    assert_eq!(old_peer.closed, [8]);
    let mut off = Rig::only(&["login-gate"]);
    off.login_as(ALICE, 5);
    let late = off.pdu(ROUTE, cmd::OTHER_SERVER_KICK_USER, 0, &kick(Some(4)));
    assert_eq!(late.closed, [ALICE], "without the switch numbers mean nothing");
}

/// Without the switch: `a_last_close_forgets_logins_of_that_name`.
#[test]
fn a_last_close_forgets_no_login_that_is_under_way() {
    let mut rig = rig();
    rig.login_as(ALICE, 1);
    let attach = rig.asks_login(8, 1, 1);
    rig.gone(ALICE);
    let done = rig.is_validated(1, &attach, "a80602");
    assert!(done.facts.contains(&Fact::LoggedIn { conn: 8, user: 1, client_type: 1 }));
}
