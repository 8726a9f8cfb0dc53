use super::{Kind, RouteServer};
use crate::{
    catalogue::id as cmd,
    env::Draw,
    link::{Action, Event, Now, Role},
    protocol::Protocol,
    wire::Pdu,
};
use std::time::Duration;

struct NoDraw;
impl Draw for NoDraw {
    fn random(&self, _: &'static str, _: &dyn Fn() -> u64) -> u64 {
        0
    }
}

struct Rig(RouteServer);

impl Rig {
    fn new(links: &[u64]) -> Self {
        Self::with(Protocol::teamtalk(), links)
    }

    fn with(protocol: Protocol, links: &[u64]) -> Self {
        let mut rig = Self(RouteServer::new(protocol));
        for &conn in links {
            assert!(rig.event(Event::Opened { conn, kind: Kind::MsgServer }).is_empty());
        }
        rig
    }

    /// What is sent: (link, command, body as hex).
    fn event(&mut self, event: Event<Kind>) -> Vec<(u64, u16, String)> {
        let mut out = Vec::new();
        let now = Now { up: Duration::ZERO, unix: Duration::ZERO };
        self.0.handle(now, &NoDraw, event, &mut out);
        let sent = |action| match action {
            Action::Send { conn, pdu } => Some((conn, pdu.command(), hex(&pdu.body))),
            _ => None,
        };
        out.into_iter().filter_map(sent).collect()
    }

    fn close(&mut self, conn: u64) -> Vec<(u64, u16, String)> {
        self.event(Event::Closed { conn, kind: Kind::MsgServer, reason: String::new() })
    }

    fn pdu(&mut self, conn: u64, command: u16, body: &str) -> Vec<(u64, u16, String)> {
        let pdu = Pdu::raw(command, 14, unhex(body).into());
        self.event(Event::Pdu { conn, kind: Kind::MsgServer, pdu })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

fn to_both(command: u16, body: &str) -> [(u64, u16, String); 2] {
    [(1, command, body.to_string()), (2, command, body.to_string())]
}

/// Golden 01 and 06: login and logoff of a PC that is alone; its entry is gone, so no 070e.
#[test]
fn pc_comes_and_goes() {
    let mut rig = Rig::new(&[1, 2]);
    let sent = rig.pdu(1, cmd::OTHER_USER_STATUS_UPDATE, "080110031801");
    let expected = [to_both(0x070e, "08031001"), to_both(0x0203, "0a0408031001")].concat();
    assert_eq!(sent, expected);
    let sent = rig.pdu(1, cmd::OTHER_USER_STATUS_UPDATE, "080210031801");
    assert_eq!(sent, to_both(0x0203, "0a0408031002"));
}

/// Golden 08: a phone beside a PC is announced as "a PC is on", and never by 0203.
#[test]
fn phone_beside_a_pc() {
    let mut rig = Rig::new(&[1, 2]);
    assert!(rig.pdu(1, cmd::OTHER_USER_STATUS_UPDATE, "080110011812").is_empty());
    rig.pdu(1, cmd::OTHER_USER_STATUS_UPDATE, "080110011801");
    let sent = rig.pdu(2, cmd::OTHER_USER_STATUS_UPDATE, "080110011812");
    assert_eq!(sent, to_both(0x070e, "08011001"));
    // The PC goes: its link stays in the set, so the entry stays and 070e 0 goes out.
    let sent = rig.pdu(1, cmd::OTHER_USER_STATUS_UPDATE, "080210011801");
    assert_eq!(sent, [to_both(0x070e, "08011000"), to_both(0x0203, "0a0408011002")].concat());
}

/// Golden 24: an entry outlives its last connection when two links had reported the user.
#[test]
fn an_entry_is_left_behind_by_two_links() {
    let mut rig = Rig::new(&[1, 2]);
    rig.pdu(1, cmd::OTHER_USER_STATUS_UPDATE, "080110011801");
    rig.pdu(2, cmd::OTHER_USER_STATUS_UPDATE, "080110011802");
    assert!(rig.pdu(1, cmd::OTHER_USER_STATUS_UPDATE, "080210011801").is_empty());
    let sent = rig.pdu(2, cmd::OTHER_USER_STATUS_UPDATE, "080210011802");
    assert_eq!(sent, [to_both(0x070e, "08011000"), to_both(0x0203, "0a0408011002")].concat());
    // An OFFLINE from a link that is no longer in the set changes nothing.
    rig.pdu(1, cmd::OTHER_USER_STATUS_UPDATE, "080110011801");
    let sent = rig.pdu(2, cmd::OTHER_USER_STATUS_UPDATE, "080210011801");
    assert!(sent.is_empty(), "a PC remains: {sent:?}");
}

/// Golden 20: the reply carries the attach and the seq_num; users with a phone only are OFFLINE.
#[test]
fn users_status() {
    let mut rig = Rig::new(&[1]);
    rig.pdu(1, cmd::OTHER_ONLINE_USER_INFO, "0a06080110011801");
    rig.pdu(1, cmd::OTHER_ONLINE_USER_INFO, "0a060802100118120a06080310021801");
    let body = "0801100110021003a2011000000001000000070000000000000000";
    let sent = rig.pdu(1, cmd::BUDDY_LIST_USERS_STATUS_REQUEST, body);
    let body = "08011204080110011204080210021204080310\
                02a2011000000001000000070000000000000000";
    assert_eq!(sent, [(1, 0x020b, body.to_string())]);
    let sent = rig.pdu(1, cmd::BUDDY_LIST_USERS_STATUS_REQUEST, "0801");
    assert_eq!(sent, [(1, 0x020b, "0801a20100".to_string())]);
}

#[test]
fn relays_to_all_but_the_source() {
    let mut rig = Rig::new(&[1, 2, 3]);
    for command in [0x0301, 0x0601, 0x0304, 0x070d, 0x040b, 0x0508, 0x020f, 0x07e2] {
        let to: Vec<_> = rig.pdu(2, command, "ff").into_iter().map(|(conn, ..)| conn).collect();
        assert_eq!(to, [1, 3], "{command:04x}");
    }
    assert_eq!(rig.pdu(2, 0x0215, "ff").len(), 3);
    assert!(rig.pdu(2, 0x0707, "0801").is_empty());
}

#[test]
fn a_closed_link_leaves_every_entry() {
    let mut rig = Rig::new(&[1, 2]);
    rig.pdu(1, cmd::OTHER_USER_STATUS_UPDATE, "080110011801");
    assert!(rig.close(1).is_empty());
    let sent = rig.pdu(2, cmd::BUDDY_LIST_USERS_STATUS_REQUEST, "08021001");
    assert_eq!(sent, [(2, 0x020b, "0802120408011002a20100".to_string())]);
}

fn by_link(links: &[u64]) -> Rig {
    Rig::with(Protocol { presence_by_link: true, ..Protocol::teamtalk() }, links)
}

/// Who is ONLINE, as 020a tells.
fn is_online(rig: &mut Rig, user: u8) -> bool {
    let link = *rig.0.links.first().unwrap();
    let sent = rig.pdu(link, cmd::BUDDY_LIST_USERS_STATUS_REQUEST, &format!("080910{user:02x}"));
    sent[0].2 == format!("0809120408{user:02x}1001a20100")
}

/// The same in both modes.
#[test]
fn by_link_tells_logins_and_logoffs_as_the_original() {
    let mut rig = by_link(&[1, 2]);
    let sent = rig.pdu(1, cmd::OTHER_USER_STATUS_UPDATE, "080110031801");
    assert_eq!(sent, [to_both(0x070e, "08031001"), to_both(0x0203, "0a0408031001")].concat());
    let phone = rig.pdu(2, cmd::OTHER_USER_STATUS_UPDATE, "080110031812");
    assert_eq!(phone, to_both(0x070e, "08031001"));
    let sent = rig.pdu(1, cmd::OTHER_USER_STATUS_UPDATE, "080210031801");
    assert_eq!(sent, [to_both(0x070e, "08031000"), to_both(0x0203, "0a0408031002")].concat());
    assert!(rig.pdu(1, cmd::OTHER_USER_STATUS_UPDATE, "080210031812").is_empty(), "another's");
    assert!(rig.pdu(2, cmd::OTHER_USER_STATUS_UPDATE, "080210031812").is_empty());
    assert!(!rig.0.presence.knows(3));
}

#[test]
fn by_link_a_closed_link_takes_its_counts_along() {
    for (protocol, remains) in [
        (Protocol::teamtalk(), true),
        (Protocol { presence_by_link: true, ..Protocol::teamtalk() }, false),
    ] {
        let mut rig = Rig::with(protocol, &[1, 2]);
        rig.pdu(1, cmd::OTHER_USER_STATUS_UPDATE, "080110011801");
        rig.pdu(2, cmd::OTHER_USER_STATUS_UPDATE, "080110011812");
        let sent = rig.close(1);
        assert_eq!(is_online(&mut rig, 1), remains);
        let told = [(2, 0x070e, "08011000".into()), (2, 0x0203, "0a0408011002".into())];
        assert_eq!(sent, if remains { vec![] } else { told.to_vec() });
    }
}

#[test]
fn by_link_a_user_who_was_only_behind_a_closed_link_is_gone() {
    let mut rig = by_link(&[1, 2]);
    rig.pdu(1, cmd::OTHER_USER_STATUS_UPDATE, "080110011801");
    rig.pdu(1, cmd::OTHER_USER_STATUS_UPDATE, "080110021812");
    assert_eq!(rig.close(1), [(2, 0x0203, "0a0408011002".into())]);
    assert!(!rig.0.presence.knows(1) && !rig.0.presence.knows(2));
}

#[test]
fn by_link_a_link_reports_anew() {
    let mut rig = by_link(&[1, 2]);
    // User 1 with a PC.
    let sent = rig.pdu(1, cmd::OTHER_ONLINE_USER_INFO, "0a06080110011801");
    assert_eq!(sent, [to_both(0x070e, "08011001"), to_both(0x0203, "0a0408011001")].concat());
    assert!(rig.pdu(1, cmd::OTHER_ONLINE_USER_INFO, "0a06080110011801").is_empty(), "no change");
    // Another link: the user's phone hears that the PC is on.
    let sent = rig.pdu(2, cmd::OTHER_ONLINE_USER_INFO, "0a06080110011812");
    assert_eq!(sent, [(2, 0x070e, "08011001".into())]);
    // The count is 1, not 2.
    rig.pdu(1, cmd::OTHER_USER_STATUS_UPDATE, "080210011801");
    assert!(!is_online(&mut rig, 1));
    rig.pdu(1, cmd::OTHER_ONLINE_USER_INFO, "0a06080110011801");
    let sent = rig.pdu(1, cmd::OTHER_ONLINE_USER_INFO, "0a06080310021801");
    assert_eq!(sent, [to_both(0x070e, "08011000"), to_both(0x0203, "0a0408011002")].concat());
    assert!(!is_online(&mut rig, 1) && !is_online(&mut rig, 3));
}

#[test]
fn a_command_has_a_handler_where_the_catalogue_says_so_and_nowhere_else() {
    use crate::catalogue::{ALL, Peer, Serve};
    for command in &ALL {
        let says = command.served(Peer::Msg, Peer::Route) == Some(Serve::Handler);
        assert_eq!(super::handler(command.id).is_some(), says, "{}", command.name);
    }
}
