use super::*;

/// Golden 11, 15 and 16: request, body, half, reply.
#[test]
fn relayed_and_passed_back() {
    let flows = [
        (0x0307, "0802", DB_LOGIN, 0x0308, "08021000"),
        (0x0309, "08021001180120002803", DB_LOGIN, 0x030a, "0802100118012000"),
        (0x030d, "080210011801200120022063", DB_LOGIN, 0x030e, "080210011801"),
        (0x0201, "08021000", DB_LOGIN, 0x0202, "0802"),
        (0x0204, "08021001", DB_LOGIN, 0x0205, "0802"),
        (0x030b, "080210011801", DB_OTHER, 0x030c, "0802100118012008"),
        (0x0401, "0802", DB_OTHER, 0x0402, "0802"),
    ];
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 2, 1);
    for (request, body, link, response, answer) in flows {
        // The user is the logged-in one whatever the client says.
        let lied = body.replacen("0802", "0805", 1);
        let sent = rig.pdu(ALICE, request, 8, &lied);
        assert_eq!(&sent.to(link)[0][32..], format!("{body}{}", attach(7)), "{request:04x}");
        let done = rig.pdu(link, response, 8, &format!("{answer}{}", attach(7)));
        let passed = Pdu::raw(response, 8, unhex(answer).into());
        assert_eq!(done.sent, [(ALICE, hex(&passed.encode()))], "{response:04x}");
        // A handle of nobody's: dropped.
        assert!(rig.pdu(link, response, 8, &format!("{answer}{}", attach(99))).sent.is_empty());
    }
}

#[test]
fn the_long_attach() {
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 2, 1);
    let sent = rig.pdu(ALICE, cmd::LOGIN_REQ_QUERY_PUSH_SHIELD, 8, "0802");
    assert!(sent.to(DB_OTHER)[0].ends_with("a2011000000001000000070000000000000000"), "{sent:?}");
}

/// Golden 16.
#[test]
fn the_time() {
    let mut rig = Rig::teamtalk();
    rig.open(ALICE, Kind::Client);
    rig.now.unix = Duration::from_secs(1_795_404_647);
    let done = rig.hex(ALICE, "000000100001000000030305000a0000");
    assert_eq!(done.to(ALICE), ["000000160001000000030306000a000008e7e68ed806"]);
}

#[test]
fn malformed_and_unknown_are_ignored() {
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 2, 1);
    for (command, body) in [(0x0301, "ff"), (0x7777, ""), (0x0309, "0a"), (0x0302, "08")] {
        let done = rig.pdu(ALICE, command, 1, body);
        assert!(done.sent.is_empty() && done.closed.is_empty(), "{command:04x}");
        assert!(!done.refusal().is_empty());
    }
}
