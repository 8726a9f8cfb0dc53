use super::*;

/// Golden 20.
#[test]
fn users_status() {
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 1, 1);
    let asked = rig.pdu(ALICE, 0x020a, 14, "08051001100210031004104d");
    let body = "08011001100210031004104d";
    let to_route =
        format!("0000002f000100000002020a000e0000{body}a2011000000001000000070000000000000000");
    assert_eq!(asked.sent, [(ROUTE, to_route)]);
    let stats = "08011204080110011204080210021204084d1002";
    let attach = "a2011000000001000000070000000000000000";
    let done = rig.pdu(ROUTE, 0x020b, 14, &format!("{stats}{attach}"));
    assert_eq!(done.sent, [(ALICE, format!("00000024000100000002020b000e0000{stats}"))]);
    assert!(
        rig.pdu(ROUTE, 0x020b, 14, &format!("{stats}{}", attach.replace("07", "09")))
            .sent
            .is_empty()
    );
    assert_eq!(rig.pdu(ROUTE, 0x020b, 14, "0801a20100").closed, [ROUTE]);
}

#[test]
fn users_status_without_a_route_server() {
    for names in [&[][..], &["answered-refusals"]] {
        let mut rig = Rig::only(names);
        rig.login(ALICE, 1, 1);
        rig.pdu(ALICE, 0x020a, 14, "08011001");
        let gone = rig.gone(ROUTE).told(ALICE);
        let refused = rig.pdu(ALICE, 0x020a, 15, "08011001");
        assert_eq!(refused.refusal(), "no route server");
        let told = |seq| {
            let told = (0x020a, seq, RefusedCode::RefusedUnavailable);
            if names.is_empty() { vec![] } else { vec![told] }
        };
        assert_eq!((gone, refused.told(ALICE)), (told(14), told(15)));
    }
}

#[test]
fn peer_to_peer_commands() {
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 1, 1);
    rig.login(8, 1, 0x12);
    rig.login(9, 2, 1);
    let pdu = "000000180001000000060601000a0000080110021a026869";
    let done = rig.hex(ALICE, pdu);
    assert_eq!(done.sent, [8, 9, ROUTE].map(|to| (to, pdu.to_string())));
    let done = rig.hex(ROUTE, pdu);
    assert_eq!(done.sent, [ALICE, 8, 9].map(|to| (to, pdu.to_string())));
}

/// Golden 48.
#[test]
fn a_hidden_session() {
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 1, 1);
    rig.login(8, 1, 0x12);
    let done = rig.pdu(ALICE, 0x0206, 3, "080110011802");
    let notice = "00000016000100000002020f00000000080110011802".to_string();
    let relayed = format!("000000250001000000020206000300000801100118 02{}", attach(7));
    let relayed = (DB_OTHER, relayed.replace(' ', ""));
    assert_eq!(done.sent, [relayed, (8, notice.clone()), (ROUTE, notice.clone())]);
    let reply = rig.pdu(DB_OTHER, 0x0207, 3, &format!("0801100018012002{}", attach(7)));
    assert_eq!(reply.to(ALICE), ["000000180001000000020207000300000801100018012002"]);
    let from_route = rig.hex(ROUTE, &notice);
    assert_eq!(from_route.sent, [(ALICE, notice.clone()), (8, notice)]);
    // Of a group session nobody else hears.
    assert_eq!(rig.pdu(ALICE, 0x0206, 3, "080110021802").sent.len(), 1);
}

/// Seeds 300098 and 5619 of `hardened`: a removal that takes effect after its notice, or its 07e1, was told
/// to nobody.
#[test]
fn a_hidden_session_is_told_when_it_is_stored() {
    let mut rig = Rig::only(&["confirmed-read-acks", "answered-refusals"]);
    rig.login(ALICE, 1, 1);
    rig.login(8, 1, 0x12);
    let stored = |kind| format!("080110001802200{kind}{}", attach(7));
    for kind in [1, 2] {
        let asked = rig.pdu(ALICE, 0x0206, 3, &format!("08011002180{kind}"));
        assert_eq!(asked.order(), [(DB_OTHER, "0206".into())], "no notice yet");
        let done = rig.pdu(DB_OTHER, 0x0207, 3, &stored(kind));
        let notice = format!("00000016000100000002020f0000000008011002180{kind}");
        assert_eq!(done.sent[1..], [(8, notice.clone()), (ROUTE, notice)]);
        assert_eq!(done.order()[0], (ALICE, "0207".into()));
    }
    rig.pdu(ALICE, 0x0206, 4, "080110021801");
    let failed = rig.pdu(DB_OTHER, 0x0207, 4, &format!("0801100118022001{}", attach(7)));
    assert_eq!(failed.order(), [(ALICE, "0207".into())], "there is no such session");
    rig.pdu(ALICE, 0x0206, 5, "080110021801");
    assert_eq!(rig.tick_at(20.0).told(ALICE).len(), 1, "no answer in time");
    let late = rig.pdu(DB_OTHER, 0x0207, 5, &stored(1)).order();
    assert_eq!(late, [(ALICE, "020f".into()), (8, "020f".into()), (ROUTE, "020f".into())]);
}

#[test]
fn a_session_that_cannot_be_hidden() {
    for (names, commands) in [(&[][..], &["020f", "020f"][..]), (&["answered-refusals"], &["07e1"])]
    {
        let mut rig = Rig::only(names);
        rig.login(ALICE, 1, 1);
        rig.login(8, 1, 0x12);
        rig.gone(DB_LOGIN);
        rig.gone(DB_OTHER);
        let done = rig.pdu(ALICE, 0x0206, 3, "080110011802");
        let sent: Vec<_> = done.order().into_iter().map(|(_, command)| command).collect();
        assert_eq!(sent, commands);
    }
}

#[test]
fn sign_info() {
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 1, 1);
    rig.login(8, 2, 0x12);
    let attach = "a2011000000001000000070000000000000000";
    let asked = rig.pdu(ALICE, 0x0213, 4, "080112026869");
    assert_eq!(&asked.to(DB_OTHER)[0][32..], format!("080112026869{attach}"));
    let done = rig.pdu(DB_OTHER, 0x0214, 4, &format!("080110001a026869{attach}"));
    let notice = "00000016000100000002021500000000080112026869".to_string();
    let passed = "000000180001000000020214000400000801 10001a026869".replace(' ', "");
    assert_eq!(done.sent, [(ALICE, passed), (ROUTE, notice.clone())]);
    let everyone = rig.hex(ROUTE, &notice);
    assert_eq!(everyone.sent, [(ALICE, notice.clone()), (8, notice)]);
    let failed = rig.pdu(DB_OTHER, 0x0214, 4, &format!("08011001{attach}"));
    assert_eq!(failed.order(), [(ALICE, "0214".to_string())]);
}

#[test]
fn an_avatar_is_changed_without_an_answer() {
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 1, 1);
    let relayed = "00000014000100000002020c0004000008011200".to_string();
    assert_eq!(rig.pdu(ALICE, 0x020c, 4, "08091200").sent, [(DB_OTHER, relayed.clone())]);
    let mut rig = Rig::only(&["answered-refusals"]);
    rig.login(ALICE, 1, 1);
    let asked = rig.pdu(ALICE, 0x020c, 4, "08091200");
    assert!(asked.to(DB_OTHER)[0].ends_with(&attach(7)));
    let told = rig.gone(DB_OTHER).told(ALICE);
    assert_eq!(told, [(0x020c, 4, RefusedCode::RefusedUnavailable)]);
}

/// Golden 43.
#[test]
fn device_token() {
    let mut rig = Rig::teamtalk();
    rig.login(ALICE, 1, 0x11);
    let done = rig.pdu(ALICE, 0x0108, 2, "08091208746f6b2d31393031");
    let expected = [
        (ALICE, "00000010000100000001010900020000"),
        (DB_OTHER, "0000001e00010000000101080002000008011208746f6b2d313930311811"),
    ];
    assert_eq!(done.sent, expected.map(|(to, hex)| (to, hex.to_string())));
    assert!(rig.pdu(DB_OTHER, 0x0109, 2, "0801a20100").sent.is_empty());
    rig.login(8, 2, 1);
    let done = rig.pdu(8, 0x0108, 2, "08021200");
    assert_eq!((done.refusal(), done.sent.len()), ("not a phone", 0));
}
