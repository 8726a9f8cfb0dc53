use super::*;

const REQUEST: &str = "000000470001000000010103000100000a05616c6963651220646633333838316234613762\
                       6564626633356265373865313431386133313836180120012a08746573742f312e30";
const REPLY: &str = "000000730001000000070704000100000a05616c69636510001a06e68890e58a9f224108011001\
                     1a05416c696365220028013211616c696365406578616d706c652e636f6d3a05616c6963654\
                     20b31333830303030303030314a05616c69636550005a00a2010c0000000100000007000000\
                     00";

/// Golden 01, byte for byte.
#[test]
fn a_pc_logs_in() {
    let mut rig = Rig::teamtalk();
    rig.open(ALICE, Kind::Client);
    let asked = rig.hex(ALICE, REQUEST);
    let validate = "000000480001000000070703000100000a05616c69636512206466333338383162346137626564\
                    626633356265373865313431386133313836a2010c000000010000000700000000";
    assert_eq!(asked.sent, [(DB_LOGIN, validate.to_string())]);
    let done = rig.hex(DB_LOGIN, REPLY);
    let expected = [
        (ROUTE, "00000016000100000007070d00000000080110011801"),
        (LOGIN, "00000014000100000007070b0000000008011001"),
        (ROUTE, "00000016000100000007070a00000000080110011801"),
        (
            ALICE,
            "0000006500010000000101040001000008c5e68ed80610001a06e68890e58a9f20012a4108011001\
             1a05416c696365220028013211616c696365406578616d706c652e636f6d3a05616c696365420b31\
             333830303030303030314a05616c69636550005a00",
        ),
    ];
    assert_eq!(done.sent, expected.map(|(to, hex)| (to, hex.to_string())));
    assert!(done.facts.contains(&Fact::LoggedIn { conn: ALICE, user: 1, client_type: 1 }));
    assert_eq!(rig.hex(ALICE, REQUEST).refusal(), "a second login on this connection");
    assert_eq!(rig.hex(DB_LOGIN, REPLY).refusal(), "no such login in flight");
}

/// Golden 36.
#[test]
fn a_wrong_password() {
    let mut rig = Rig::teamtalk();
    rig.open(ALICE, Kind::Client);
    rig.pdu(
        ALICE,
        cmd::LOGIN_REQ_USERLOGIN,
        1,
        "0a03626f62120577726f6e67180120012a08746573742f312e30",
    );
    rig.now.unix = Duration::from_secs(1_795_404_967);
    let text = "1a16e794a8e688b7e5908d2fe5af86e7a081e99499e8afaf";
    let done = rig.pdu(DB_LOGIN, 0x0704, 1, &format!("0a03626f621001{text}{}", attach(7)));
    let expected = format!("0000003000010000000101040001000008a7e98ed8061006{text}");
    assert_eq!(done.sent, [(ALICE, expected)]);
    assert_eq!(done.closed, [ALICE]);
    assert!(rig.gone(ALICE).sent.is_empty());
}

#[test]
fn refused_for_want_of_links() {
    let text = "1a0fe69c8de58aa1e7abafe5bc82e5b8b8";
    for (missing, code) in [(DB_OTHER, 3), (LOGIN, 4), (ROUTE, 5)] {
        let mut rig = Rig::teamtalk();
        if missing == DB_OTHER {
            rig.gone(DB_LOGIN);
        }
        rig.gone(missing);
        rig.open(ALICE, Kind::Client);
        // Before parsing: even a malformed request is refused.
        let done = rig.pdu(ALICE, cmd::LOGIN_REQ_USERLOGIN, 1, "ff");
        let body = format!("08c5e68ed80610{code:02x}{text}");
        assert_eq!(&done.to(ALICE)[0][32..], body);
        assert_eq!(done.closed, [ALICE]);
    }
}

/// Golden 23: a Mac on the same server puts the Windows client off, whose socket stays open.
#[test]
fn same_class_is_kicked() {
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 1, 1);
    let phone = rig.login(8, 1, 0x12);
    assert!(phone.to(ALICE).is_empty(), "a phone kicks no PC");
    let mac = rig.login(9, 1, 2);
    let expected = [
        (ALICE, "0000001400010000000101070000000008011001".to_string()),
        (ROUTE, "00000016000100000007070d00000000080110021801".to_string()),
        (LOGIN, "00000014000100000007070b0000000008011001".to_string()),
        (ROUTE, "00000016000100000007070a00000000080110011802".to_string()),
    ];
    assert_eq!(mac.sent[..4], expected);
    assert!(mac.closed.is_empty());
    // A wart: the kicked one has the lowest handle still, and is kicked again.
    let again = rig.login(10, 1, 1);
    assert_eq!((again.to(ALICE).len(), again.to(9).len()), (1, 0));
    // And it is served as before.
    assert_eq!(rig.pdu(ALICE, cmd::MSG_DATA, 2, &message(1, 2, 0, 1, "")).to(DB_OTHER).len(), 1);
}

/// Golden 22.
#[test]
fn kicked_from_another_server() {
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 1, 1);
    let done = rig.pdu(ROUTE, cmd::OTHER_SERVER_KICK_USER, 0, "080110021801");
    assert_eq!(done.sent, [(ALICE, "0000001400010000000101070000000008011001".to_string())]);
    assert!(rig.pdu(ROUTE, cmd::OTHER_SERVER_KICK_USER, 0, "080110121801").sent.is_empty());
}

/// Golden 45.
#[test]
fn a_phone_kicks_the_pc() {
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 1, 1);
    rig.login(8, 1, 0x12);
    let done = rig.pdu(8, cmd::LOGIN_REQ_KICKPCCLIENT, 2, "0801");
    let expected = [
        (ALICE, "0000001400010000000101070000000008011002"),
        (ROUTE, "00000016000100000007070d00000000080110021802"),
        (8, "00000014000100000001010b0002000008011000"),
    ];
    assert_eq!(done.sent, expected.map(|(to, hex)| (to, hex.to_string())));
    assert_eq!(rig.pdu(ALICE, cmd::LOGIN_REQ_KICKPCCLIENT, 2, "0801").refusal(), "not a phone");
}

/// Golden 24 and 25.
#[test]
fn logout_and_disconnect() {
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 1, 2);
    let done = rig.pdu(ALICE, cmd::LOGIN_REQ_LOGINOUT, 2, "");
    let expected = [
        (DB_OTHER, "0000001400010000000101080002000008011200"),
        (ALICE, "000000120001000000010106000200000800"),
        (LOGIN, "00000014000100000007070b0000000008021001"),
        (ROUTE, "00000016000100000007070a00000000080210011802"),
    ];
    assert_eq!(done.sent, expected.map(|(to, hex)| (to, hex.to_string())));
    assert_eq!(done.closed, [ALICE]);
    assert!(rig.gone(ALICE).sent.is_empty(), "said once only");
    rig.login(8, 2, 1);
    assert_eq!(rig.gone(8).sent.len(), 2);
}

/// Switch `kept-tokens`: the token is the phone's.
#[test]
fn only_a_phones_logout_empties_the_token_with_the_switch() {
    for (kind, emptied) in [(1, 0), (0x12, 1)] {
        let mut rig = Rig::only(&["kept-tokens"]);
        rig.login(ALICE, 1, kind);
        let done = rig.pdu(ALICE, cmd::LOGIN_REQ_LOGINOUT, 2, "");
        assert_eq!((done.to(DB_OTHER).len(), done.to(ALICE).len()), (emptied, 1), "{kind:02x}");
        assert_eq!(done.closed, [ALICE]);
    }
}

#[test]
fn a_last_close_forgets_logins_of_that_name() {
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 1, 1);
    rig.open(8, Kind::Client);
    rig.pdu(8, cmd::LOGIN_REQ_USERLOGIN, 1, "0a02753112017018012001");
    rig.gone(ALICE);
    let info = "22140801 10011a00220028013200 3a0042004a005000".replace(' ', "");
    let reply = format!("0a02753110001a0161{info}{}", attach(8));
    assert_eq!(rig.pdu(DB_LOGIN, 0x0704, 1, &reply).refusal(), "no such login in flight");
}

/// Golden 08 and 01: 070e goes on to phones, 0203 to PCs.
#[test]
fn presence_notices() {
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 1, 1);
    rig.login(8, 1, 0x12);
    let pc_on = rig.pdu(ROUTE, cmd::OTHER_LOGIN_STATUS_NOTIFY, 0, "08011001");
    assert_eq!(pc_on.sent, [(8, "00000014000100000002020e0000000008011001".to_string())]);
    let pc_off = rig.pdu(ROUTE, cmd::OTHER_LOGIN_STATUS_NOTIFY, 0, "08011000");
    assert_eq!(pc_off.sent, [(8, "00000014000100000002020e0000000008011002".to_string())]);
    let status = rig.pdu(ROUTE, cmd::BUDDY_LIST_STATUS_NOTIFY, 0, "0a0408011001");
    let relayed = "000000160001000000020203000000000a0408011001".to_string();
    assert_eq!(status.sent, [(ALICE, relayed)]);
}
