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

#[test]
fn here_the_newest_stays_whichever_answer_comes_first() {
    let mut rig = rig();
    rig.login_as(ALICE, 5);
    let newer = rig.login_as(8, 6);
    assert_eq!((newer.to(ALICE).len(), newer.closed), (1, vec![ALICE]));
    let older = rig.login_as(9, 4);
    assert_eq!(older.closed, [9]);
    let told: Vec<_> = older.to(9).into_iter().map(|hex| hex[20..24].to_string()).collect();
    assert_eq!(told, ["0104", "0107"], "it was let in, and overtaken");
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
