use super::*;

const FILE: ConnId = 31;
/// 10.0.0.1:8600, as IpAddr in hex.
const ADDRESS: &str = "0a0831302e302e302e31109843";
/// name "f", size 9, mode ONLINE or OFFLINE (fields 3 to 5).
const ONLINE: &str = "1a016620092801";
const OFFLINE: &str = "1a016620092802";

fn with_file_server(names: &[&str]) -> Rig {
    let mut rig = Rig::only(names);
    rig.login(ALICE, 1, 1);
    let opened = rig.open(FILE, Kind::File);
    assert_eq!(opened.sent, [(FILE, "00000010000100000007073300000000".to_string())]);
    rig.pdu(FILE, 0x0734, 0, &format!("0a0d{ADDRESS}"));
    rig
}

fn body_of(hex: &str) -> &str {
    &hex[32..]
}

#[test]
fn without_a_file_server() {
    let mut rig = Rig::only(&["answered-refusals"]);
    rig.login(ALICE, 1, 1);
    let done = rig.pdu(ALICE, 0x0506, 3, &format!("08091002{ONLINE}"));
    let answer = "0000001f0001000000050507000300000801100118022201662a003801";
    assert_eq!(done.sent, [(ALICE, answer.replace("0000001f", "0000001d"))]);
}

#[test]
fn offline_goes_to_the_file_server() {
    let mut rig = with_file_server(&[]);
    let done = rig.pdu(ALICE, 0x0506, 3, &format!("08091002{OFFLINE}"));
    let transfer = format!("08011002{OFFLINE}{}", attach(7));
    assert_eq!(done.sent.len(), 1);
    assert_eq!(&done.to(FILE)[0][..32], "0000002a000100000007073100030000");
    assert_eq!(body_of(done.to(FILE)[0]), transfer);
}

#[test]
fn online_depends_on_the_targets_pc() {
    let mut rig = with_file_server(&[]);
    rig.login(8, 2, 0x12);
    let offer = format!("08011002{ONLINE}");
    let inner = format!("{offer}{}", attach(7));
    let ask = rig.pdu(ALICE, 0x0506, 3, &offer);
    let attach = format!("a2012a00000005000000070000000000 00001a{inner}").replace(' ', "");
    assert_eq!(ask.sent.len(), 1);
    assert_eq!(&ask.to(ROUTE)[0][8..32], "000100000002020a00030000");
    assert_eq!(body_of(ask.to(ROUTE)[0]), format!("08011002{attach}"));
    for (status, mode) in [("01", ONLINE), ("02", OFFLINE)] {
        let done =
            rig.pdu(ROUTE, 0x020b, 3, &format!("0801120408021 0{status}{attach}").replace(' ', ""));
        let transfer = inner.replace(ONLINE, mode);
        assert_eq!(done.sent.len(), 1);
        assert_eq!(&done.to(FILE)[0][8..32], "000100000007073100030000");
        assert_eq!(body_of(done.to(FILE)[0]), transfer);
    }
    // A PC that 070e told of, at a user who is here.
    rig.pdu(ROUTE, 0x070e, 0, "08021001");
    let direct = rig.pdu(ALICE, 0x0506, 4, &offer);
    assert_eq!(body_of(direct.to(FILE)[0]), inner);
}

#[test]
fn a_transfer_is_answered_and_noticed() {
    let mut rig = with_file_server(&[]);
    rig.login(8, 2, 1);
    rig.login(9, 2, 0x12);
    let rest = "08001001180222016628093201743801";
    let done = rig.pdu(FILE, 0x0732, 3, &format!("{rest}{}", attach(7)));
    let address = format!("320d{ADDRESS}");
    let answer = format!("08001001180222016 62a0174{address}3801").replace(' ', "");
    let notice = format!("080110021a016620092a0174{address}38014000");
    let sent: Vec<_> = done.sent.iter().map(|(to, hex)| (*to, body_of(hex).to_string())).collect();
    assert_eq!(sent, [(ALICE, answer), (8, notice.clone()), (ROUTE, notice.clone())]);
    let commands: Vec<_> = done.order().into_iter().map(|(_, command)| command).collect();
    assert_eq!(commands, ["0507", "0508", "0508"]);
    let from_route = rig.pdu(ROUTE, 0x0508, 0, &notice);
    assert_eq!((from_route.to(8).len(), from_route.to(9).len()), (1, 1), "phones too");
    let failed = rig.pdu(FILE, 0x0732, 3, &format!("080110011802{}", attach(7)));
    assert_eq!(failed.order(), [(ALICE, "0507".to_string())]);
    assert_eq!(rig.pdu(FILE, 0x0732, 3, "080110011802").closed, [FILE]);
}

#[test]
fn offline_files() {
    let mut rig = with_file_server(&[]);
    rig.login(8, 2, 1);
    let done = rig.pdu(ALICE, 0x050b, 3, "080910021a01742201662809");
    let relayed = "0000001c00010000000505 0b00030000080110021a01742201662809".replace(' ', "");
    assert_eq!(done.to(DB_OTHER), [relayed]);
    let notice = format!("080110021a016620092a0174320d{ADDRESS}38024001");
    assert_eq!(body_of(done.to(8)[0]), notice);
    assert_eq!(body_of(done.to(ROUTE)[0]), notice);
    let done = rig.pdu(8, 0x050c, 4, "080110021a0174");
    let as_it_is = "0000001700010000000505 0c00040000080110021a0174".replace(' ', "");
    assert_eq!(done.sent, [(DB_OTHER, as_it_is)]);
    let asked = rig.pdu(8, 0x0509, 5, "0801");
    assert_eq!(body_of(asked.to(DB_OTHER)[0]), format!("0802{}", attach(9)));
    let answer = format!("0802{}", attach(9));
    let done = rig.pdu(DB_OTHER, 0x050a, 5, &answer);
    assert_eq!(body_of(done.to(8)[0]), format!("{answer}1a0d{ADDRESS}"), "attach and addresses");
}

#[test]
fn a_file_server_or_route_that_goes_away() {
    let unavailable = |seq| vec![(0x0506, seq, RefusedCode::RefusedUnavailable)];
    let mut rig = with_file_server(&["answered-refusals"]);
    rig.pdu(ALICE, 0x0506, 3, &format!("08011002{OFFLINE}"));
    assert_eq!(rig.gone(FILE).told(ALICE), unavailable(3));
    let mut rig = with_file_server(&["answered-refusals"]);
    let ask = rig.pdu(ALICE, 0x0506, 4, &format!("08011002{ONLINE}"));
    let attach = body_of(ask.to(ROUTE)[0])[8..].to_string();
    rig.pdu(ALICE, 0x0506, 5, &format!("08011002{ONLINE}"));
    // The first goes on to the file server; the second is lost with route.
    rig.pdu(ROUTE, 0x020b, 4, &format!("08011204080210 01{attach}").replace(' ', ""));
    assert_eq!(rig.gone(ROUTE).told(ALICE), unavailable(5));
    assert_eq!(rig.gone(FILE).told(ALICE), unavailable(4));
}
