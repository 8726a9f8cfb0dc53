//! Long answers: they go over the link of a db_proxy that serves all users of a msg_server. Under the original they close it;
//! under `hardened` they are served, and one that is longer than a PDU may be is refused.

use super::raw::{ALICE, Raw, STRANGER, Seen, on_seed};
use std::time::Duration;
use teamtalk::{
    catalogue::id as command,
    mutants,
    protocol::Protocol,
    store::sql::Value,
    wire::{
        Pdu,
        frame::MAX_LEN,
        im::{
            base_define::{MsgType, SessionType},
            buddy::{ImAllUserReq, ImAllUserRsp, ImRecentContactSessionReq},
            message::{ImGetMsgListReq, ImGetMsgListRsp, ImMsgData},
        },
    },
};

/// Another user, at the msg_server of user 1 as well.
const CAROL: u32 = STRANGER + 1;
/// As many messages as a page may have.
const PAGE: u32 = 100;
/// So many of them a second: under the rate of 0301.
const A_SECOND: usize = 20;
/// Bytes that may wait to be written to a server in the original (SYSTEM.md section 3).
const ORIGINAL: usize = 4 << 20;
/// Simulated milliseconds for the longest answer.
const LONG_MS: u64 = 20_000;

/// User 1 at msg1, and nobody else.
fn alice(protocol: Protocol, limits: &[(&str, u32)], statements: Vec<(String, Vec<Value>)>) -> Raw {
    let mut raw = Raw::on(protocol, limits, statements);
    raw.connect(ALICE);
    raw.log_in(ALICE, 1);
    raw.next_window();
    raw
}

/// User 1 asks for something long, and while the answer is on its way user 2 asks for something short.
fn asked(raw: &mut Raw, long: Pdu) -> Seen {
    raw.connect(CAROL);
    raw.log_in(CAROL, 2);
    raw.next_window();
    raw.take();
    raw.write(ALICE, &[long]);
    raw.pass(Duration::from_millis(30));
    let sessions =
        ImRecentContactSessionReq { user_id: 2, latest_update_time: 0, ..Default::default() };
    let short = Pdu::new(command::BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST, 1, &sessions);
    raw.write(CAROL, &[short]);
    let begun = raw.take();
    assert!(begun.told.is_empty(), "the answer is on its way: {} PDUs", begun.told.len());
    raw.pass(Duration::from_millis(LONG_MS));
    let mut seen = raw.take();
    seen.links.extend(begun.links);
    seen
}

/// Whether the other user was served.
fn is_other_served(seen: &Seen) -> bool {
    seen.of(CAROL, command::BUDDY_LIST_RECENT_CONTACT_SESSION_RESPONSE).count() == 1
}

/// User 1 has sent a page of recordings of so many bytes to user 2, and asks for it.
fn voices(protocol: Protocol, bytes: u32) -> Seen {
    let said = ImMsgData {
        from_user_id: 1,
        to_session_id: 2,
        msg_type: MsgType::SingleAudio.into(),
        // Four bytes of its duration are not of the recording.
        msg_data: vec![1; bytes as usize].into(),
        ..Default::default()
    };
    let page = ImGetMsgListReq {
        user_id: 1,
        session_type: SessionType::Single.into(),
        session_id: 2,
        msg_cnt: PAGE,
        ..Default::default()
    };
    on_seed(|| {
        let mut raw = alice(protocol, &[("0301.msg_data", 1 << 20)], Vec::new());
        for _ in 0..PAGE as usize / A_SECOND {
            let send = Pdu::new(command::MSG_DATA, 1, &said);
            raw.write(ALICE, &vec![send; A_SECOND]);
            raw.pass(Duration::from_secs(2));
            raw.next_window();
        }
        let acked = raw.take().of(ALICE, command::MSG_DATA_ACK).count();
        assert_eq!(acked, PAGE as usize, "all are stored");
        asked(&mut raw, Pdu::new(command::MSG_LIST_REQUEST, 1, &page))
    })
}

/// More than 40 KiB each: together more than may wait to be written in the original.
const VOICE: u32 = 42_000;
/// Together more than a PDU may have.
const LONG_VOICE: u32 = 170_000;

#[test]
fn a_page_of_long_recordings_is_served() {
    let seen = voices(Protocol::hardened(), VOICE);
    let page = seen.of(ALICE, command::MSG_LIST_RESPONSE).next().expect("a 030a");
    assert!(page.body.len() > ORIGINAL);
    let page: ImGetMsgListRsp = page.view().expect("a 030a");
    let lengths: Vec<_> = page.msg_list.iter().map(|message| message.msg_data.len()).collect();
    assert_eq!(lengths, [VOICE as usize; PAGE as usize]);
    assert!(is_other_served(&seen), "{seen:?}");
    assert_eq!((seen.refused.len(), seen.links.len()), (0, 0), "{:?}", seen.links);
}

/// So it does not go unseen: what `edge-limits` is for.
#[test]
fn a_page_of_long_recordings_closes_a_link_of_the_original() {
    let seen = voices(Protocol::teamtalk(), VOICE);
    assert_eq!(seen.of(ALICE, command::MSG_LIST_RESPONSE).count(), 0);
    assert!(seen.links.iter().any(|link| link == "msg1 to db"), "{:?}", seen.links);
}

#[test]
fn a_page_that_is_longer_than_a_pdu_is_refused() {
    let seen = voices(Protocol::hardened(), LONG_VOICE);
    assert_eq!(seen.of(ALICE, command::MSG_LIST_RESPONSE).count(), 0);
    let [(asked, _)] = seen.refusals(ALICE)[..] else { panic!("{:?}", seen.refused) };
    assert_eq!(asked, command::MSG_LIST_REQUEST);
    let [(_, reason)] = &seen.refused[..] else { panic!("{:?}", seen.refused) };
    let has = |part: &str| assert!(reason.contains(part), "{reason}");
    has("an answer of ");
    has(&format!(" bytes: at most {MAX_LEN}"));
    assert!(is_other_served(&seen), "{seen:?}");
    assert!(seen.links.is_empty(), "{:?}", seen.links);
}

/// The same where it is written all the same: msg1 closes its link.
#[test]
fn a_page_that_is_written_however_long_closes_the_link() {
    let mut protocol = Protocol::hardened();
    let planted = protocol.plant("answers-past-room");
    assert_eq!(planted.is_ok(), mutants::BUILT, "{planted:?}");
    if planted.is_err() {
        return;
    }
    let seen = voices(protocol, LONG_VOICE);
    assert!(seen.links.iter().any(|link| link == "msg1 to db"), "{:?}", seen.links);
}

/// Twenty thousand users, each column as long as it may be.
#[test]
fn a_list_of_twenty_thousand_users_is_served() {
    const USERS: u32 = 20_000;
    let insert = "insert into IMUser (id, name, domain, nick, password, salt, phone, email, avatar, \
                  sign_info, sex, departId) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 1)";
    let lengths = [32, 32, 32, 32, 4, 32, 64, 255, 128];
    let columns = lengths.map(|length| Value::Bytes(vec![b'x'; length].into()));
    let user = |id: u32| [vec![id.into()], columns.to_vec()].concat();
    let statements: Vec<_> = (3..=USERS).map(|id| (insert.to_string(), user(id))).collect();
    let all = ImAllUserReq { user_id: 1, latest_update_time: 0, attach_data: None };
    let seen = on_seed(|| {
        let mut raw = alice(Protocol::hardened(), &[], statements);
        asked(&mut raw, Pdu::new(command::BUDDY_LIST_ALL_USER_REQUEST, 1, &all))
    });
    let told = seen.of(ALICE, command::BUDDY_LIST_ALL_USER_RESPONSE).next().expect("a 0209");
    assert!(told.body.len() > ORIGINAL && told.body.len() < MAX_LEN as usize);
    let told: ImAllUserRsp = told.view().expect("a 0209");
    assert_eq!(told.user_list.len(), USERS as usize);
    assert!(is_other_served(&seen), "{:?}", seen.refused);
    assert_eq!((seen.refused.len(), seen.links.len()), (0, 0), "{:?}", seen.links);
}
