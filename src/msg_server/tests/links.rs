use super::*;

/// Golden 00.
#[test]
fn start_up() {
    let mut rig = Rig::bare(Protocol::teamtalk());
    assert!(rig.open(DB_LOGIN, Kind::Db { index: 0 }).sent.is_empty());
    assert!(rig.open(DB_OTHER, Kind::Db { index: 1 }).sent.is_empty());
    let login = rig.open(LOGIN, Kind::Login { index: 0 });
    let info = "00000033000100000007070900000000\
                0a093132372e302e302e3112093132372e302e302e3118c03e20a08d0628003202766d";
    assert_eq!(login.to(LOGIN), [info]);
    let route = rig.open(ROUTE, Kind::Route { index: 0 });
    let expected = ["000000120001000000070707000000000801", "00000010000100000007070800000000"];
    assert_eq!(route.to(ROUTE), expected);
}

#[test]
fn a_second_route_is_master_only_after_the_first() {
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 1, 1);
    let second = rig.open(40, Kind::Route { index: 1 });
    assert_eq!(second.to(40), ["000000180001000000070708000000000a06080110011801"]);
    assert!(rig.gone(40).sent.is_empty());
    rig.open(41, Kind::Route { index: 1 });
    let left = rig.gone(ROUTE);
    assert_eq!(left.sent, [(41, "000000120001000000070707000000000801".to_string())]);
    let read = rig.pdu(ALICE, cmd::MSG_READ_ACK, 9, "0801100218012001");
    assert_eq!(read.to(41).len(), 1, "the new master gets notices");
}

#[test]
fn a_login_link_hears_how_many_are_here() {
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 1, 1);
    let info = rig.open(50, Kind::Login { index: 1 });
    assert!(info.to(50)[0].contains("20a08d062801"), "cur_conn_cnt 1: {info:?}");
}

#[test]
fn halves_fall_back_on_each_other() {
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 1, 1);
    let list = "08011001180220002803";
    assert_eq!(rig.pdu(ALICE, cmd::MSG_LIST_REQUEST, 2, list).to(DB_LOGIN).len(), 1);
    rig.gone(DB_LOGIN);
    assert_eq!(rig.pdu(ALICE, cmd::MSG_LIST_REQUEST, 3, list).to(DB_OTHER).len(), 1);
    rig.open(10, Kind::Db { index: 0 });
    // After a 0702 a link is picked no more, but what it still answers counts.
    rig.pdu(DB_OTHER, cmd::OTHER_STOP_RECV_PACKET, 0, "0800");
    let text = message(1, 2, 0, 1, "");
    assert_eq!(rig.pdu(ALICE, cmd::MSG_DATA, 4, &text).to(10).len(), 1);
    let reply = rig.pdu(DB_OTHER, cmd::MSG_DATA, 4, &message(1, 2, 1, 1, &attach(7)));
    assert_eq!(reply.to(ALICE).len(), 1);
    rig.gone(10);
    assert_eq!(rig.pdu(ALICE, cmd::MSG_DATA, 5, &text).refusal(), "no db_proxy");
    assert_eq!(rig.draw.asked.get(), 0, "nothing to choose from");
}

#[test]
fn links_of_a_half_are_drawn() {
    let mut rig = Rig::bare(Protocol::teamtalk());
    rig.role.state.db = super::super::state::db_links::DbLinks::new(2, 2);
    for index in 0..4 {
        rig.open(100 + index as u64, Kind::Db { index });
    }
    rig.open(ALICE, Kind::Client);
    rig.draw.value = 3;
    assert_eq!(rig.pdu(ALICE, cmd::MSG_DATA, 1, &message(1, 2, 0, 1, "")).to(103).len(), 1);
    assert_eq!(rig.pdu(ALICE, cmd::MSG_LIST_REQUEST, 1, "08011001180220002803").to(101).len(), 1);
    assert_eq!(rig.draw.asked.get(), 2);
}

/// Golden 21.
#[test]
fn a_heartbeat_is_echoed_byte_for_byte() {
    let mut rig = Rig::teamtalk();
    rig.open(ALICE, Kind::Client);
    let beat = "00000010000700090007070112340005";
    assert_eq!(rig.hex(ALICE, beat).sent, [(ALICE, beat.to_string())]);
}

#[test]
fn silence_closes() {
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 1, 1);
    rig.login(8, 2, 0x12);
    rig.open(9, Kind::Client);
    assert!(rig.tick_at(15.0).closed.is_empty());
    assert_eq!(rig.tick_at(15.1).closed, [9]);
    assert!(rig.gone(9).sent.is_empty());
    assert!(rig.tick_at(120.0).closed.is_empty());
    let pc = rig.tick_at(120.1);
    assert_eq!(pc.closed, [ALICE]);
    assert_eq!(pc.order(), [(LOGIN, "070b".into()), (ROUTE, "070a".into())]);
    assert!(rig.tick_at(300.0).closed.is_empty());
    assert_eq!(rig.tick_at(300.1).closed, [8]);
}
