use super::*;

const PUSH: ConnId = 30;
/// The short text of golden 43, as 1900 sends it to 1901: "push while offline".
const TEXT: &str = "08ec0e10ed0e180220bdea8ed8062801322c37656a6433346a6f57346578455054436d38333848316f635a6d\
                    434b2b5847566b447751584a63332b57553d";
/// The long one.
const LONG: &str = "08ec0e10ed0e180120bcea8ed80628013240655649784d5959565945796e6c5a5769646e587a6c6d336f4d6b\
                    367a524659717457497954345674654a39643569622f37794d483532356d3449442f6a584533";
/// 1901's phone.
const TOKEN: &str = "0a1308ed0e10111a08746f6b2d3139303120022801";
const DATA: &str =
    "12277b0a092266726f6d5f6964223a20313930302c0a09226d73675f74797065223a2031200a7d200a";

fn line(text: &str) -> String {
    text.split_whitespace().collect()
}

/// A length-delimited field 20.
fn attached(body: &str) -> String {
    format!("a201{:02x}{}", line(body).len() / 2, line(body))
}

/// Logs 1900 or 1901 in, whose nick is `U` and the id.
fn login(rig: &mut Rig, conn: ConnId, user: u16, client_type: u8) {
    rig.open(conn, Kind::Client);
    let name = "0a0275 41".replace(' ', "");
    let asked = rig.pdu(conn, 0x0103, 1, &format!("{name}120170180120{client_type:02x}"));
    let attach = asked.to(DB_LOGIN)[0];
    let attach = attach[attach.len() - 24..].to_string();
    let nick = hex(format!("U{user}").as_bytes());
    let id = format!("{:02x}{:02x}", user & 0x7f | 0x80, user >> 7);
    let info = format!("08{id}10011a05{nick}220028013200 3a0042004a005000").replace(' ', "");
    let info = format!("22{:02x}{info}", info.len() / 2);
    rig.pdu(DB_LOGIN, 0x0704, 1, &format!("{name}10001a0161{info}a2010c{attach}"));
}

fn with_push_server() -> Rig {
    let mut rig = Rig::teamtalk();
    assert!(rig.open(PUSH, Kind::Push).sent.is_empty());
    rig
}

/// The body of 070f: flash, data, token with its push_type.
fn push_body(flash: &[u8], token: &str) -> String {
    format!("0a{:02x}{}{DATA}1a{}", flash.len(), hex(flash), &token[2..])
}

/// Golden 43: the receiver is not here, so route is asked, even without a push server.
#[test]
fn a_phone_elsewhere() {
    let mut rig = Rig::teamtalk();
    login(&mut rig, ALICE, 1900, 1);
    let asked = rig.pdu(DB_OTHER, 0x0706, 0, &format!("{TOKEN}{}", attached(LONG)));
    let expected = "00000090000100000002020a00000000080010ed0ea201780000000400000000000000000000006\
                    80a2855313930303a70757368207768696c65206d6f62696c65206f6e6c696e65206f6e206d7367\
                    2e2e2e12277b0a092266726f6d5f6964223a20313930302c0a09226d73675f74797065223a20312\
                    00a7d200a1a1308ed0e10111a08746f6b2d3139303120012801";
    let expected = line(expected).replace("3139303120012801", "3139303120022801");
    assert_eq!(asked.sent, [(ROUTE, expected)]);
    let short = rig.pdu(DB_OTHER, 0x0706, 0, &format!("{TOKEN}{}", attached(TEXT)));
    let ask = "00000080000100000002020a00000000080010ed0ea20168000000040000000000000000000000580a185\
               5313930303a70757368207768696c65206f66666c696e6512277b0a092266726f6d5f6964223a2031393\
               0302c0a09226d73675f74797065223a2031200a7d200a1a1308ed0e10111a08746f6b2d3139303120022\
               801";
    assert_eq!(short.sent, [(ROUTE, line(ask))]);
    let attach = &line(ask)[42..];
    for (status, push_type) in [("02", "01"), ("01", "02")] {
        let answer = format!("0800120508ed0e10{status}{attach}");
        assert!(rig.pdu(ROUTE, 0x020b, 0, &answer).sent.is_empty(), "no push server");
        let mut rig = with_push_server();
        let done = rig.pdu(ROUTE, 0x020b, 0, &answer);
        let body = push_body(
            b"U1900:push while offline",
            &TOKEN.replace("2801", &format!("28{push_type}")),
        );
        let pdu = Pdu::raw(0x070f, 0, unhex(&body).into());
        assert_eq!(done.sent, [(PUSH, hex(&pdu.encode()))]);
        assert!(rig.pdu(PUSH, 0x0710, 0, "").sent.is_empty());
        rig.gone(PUSH);
        assert!(rig.pdu(ROUTE, 0x020b, 0, &answer).sent.is_empty());
    }
}

#[test]
fn a_phone_here() {
    let mut rig = with_push_server();
    login(&mut rig, ALICE, 1900, 1);
    login(&mut rig, 8, 1901, 0x11);
    let answer = format!("{TOKEN}{}", attached(TEXT));
    for (pc, push_type) in [("00", "01"), ("01", "02"), ("00", "01")] {
        rig.pdu(ROUTE, 0x070e, 0, &format!("08ed0e10{pc}"));
        let done = rig.pdu(DB_OTHER, 0x0706, 0, &answer);
        let token = TOKEN.replace("2801", &format!("28{push_type}"));
        let body = push_body(b"U1900:push while offline", &token);
        assert_eq!(done.sent, [(PUSH, hex(&Pdu::raw(0x070f, 0, unhex(&body).into()).encode()))]);
    }
    // The sender's own phone is skipped.
    let own = TOKEN.replace("08ed0e", "08ec0e");
    assert!(rig.pdu(DB_OTHER, 0x0706, 0, &format!("{own}{}", attached(TEXT))).sent.is_empty());
    // Those who are here share one 070f.
    let two = format!("{TOKEN}{TOKEN}{}", attached(TEXT));
    assert_eq!(rig.pdu(DB_OTHER, 0x0706, 0, &two).sent.len(), 1);
}

/// What the phone shows.
fn flash(rig: &mut Rig, message: &str) -> Option<String> {
    let done = rig.pdu(DB_OTHER, 0x0706, 0, &format!("{TOKEN}{}", attached(message)));
    let (_, push) = done.sent.first()?;
    let bytes = unhex(push);
    let length = usize::from(bytes[17]);
    Some(String::from_utf8_lossy(&bytes[18..18 + length]).into_owned())
}

/// A message of 1900 as hex.
fn message_with(kind: u8, data: &[u8]) -> String {
    format!("08ec0e10ed0e1802200528{kind:02x}32{:02x}{}", data.len(), hex(data))
}

#[test]
fn what_a_phone_shows() {
    let mut rig = with_push_server();
    login(&mut rig, 8, 1901, 0x11);
    let some = Some("您收到了一条消息".to_string());
    assert_eq!(flash(&mut rig, TEXT), some, "the sender is not here");
    assert_eq!(flash(&mut rig, &message_with(2, b"1234audio")), some);
    login(&mut rig, ALICE, 1900, 1);
    let says = |text: &str| Some(format!("U1900{text}"));
    assert_eq!(flash(&mut rig, LONG), says(":push while mobile online on msg..."));
    let audio = flash(&mut rig, &message_with(2, b"1234audio"));
    assert_eq!(audio, says("给您发送了一条语音消息"));
    let audio = flash(&mut rig, &message_with(18, b"1234audio"));
    assert_eq!(audio, says("在群聊中发送了一条语音消息"));
    assert_eq!(flash(&mut rig, &message_with(1, b"no cipher")), None);
    // "hi &$#@~^@[{:http://a:}]&$~@#@"
    let image = b"3K1cr5kG6CixoUR7eqrGs0Hsz8xze0zNSGp/eadJQ1L1EV+nWkCfDab/sNuUCZRf";
    assert_eq!(flash(&mut rig, &message_with(1, image)), some);
}

#[test]
fn the_data_of_a_group_message_names_the_group() {
    let mut rig = with_push_server();
    login(&mut rig, 8, 1901, 0x11);
    let message = message_with(18, b"1234audio");
    let done = rig.pdu(DB_OTHER, 0x0706, 0, &format!("{TOKEN}{}", attached(&message)));
    let data = "{\n\t\"from_id\": 1900,\n\t\"group_id\": 1901,\n\t\"msg_type\": 18 \n} \n";
    assert!(done.to(PUSH)[0].contains(&hex(data.as_bytes())), "{done:?}");
}
