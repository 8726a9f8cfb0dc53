use super::Tokens;
use crate::{
    properties::tape::Tape,
    record::{Applied, Changed, End, Kind, sql_applied},
};
use bytes::Bytes;
use teamtalk::{
    catalogue::id as cmd,
    fact::Fact,
    protocol::Protocol,
    wire::{
        Pdu,
        im::{
            base_define::ClientType,
            login::{ImDeviceTokenReq, ImDeviceTokenRsp, ImLogoutRsp},
        },
    },
};

fn tape() -> Tape<Tokens> {
    let mut tape = Tape::new(Tokens::default()).under(Protocol::hardened());
    tape.connect(2, 20).login_here(2, 20, 7, ClientType::Ios as i32);
    tape
}

fn request(user_id: u32, token: &'static str) -> Pdu {
    let device_token = Bytes::from_static(token.as_bytes());
    let request = ImDeviceTokenReq { user_id, device_token, ..Default::default() };
    Pdu::new(cmd::LOGIN_REQ_DEVICETOKEN, 5, &request)
}

fn registers(tape: &mut Tape<Tokens>) {
    tape.asks(20, request(7, "tok"));
    tape.tells(20, Pdu::raw(cmd::LOGIN_RES_DEVICETOKEN, 5, Bytes::new()));
}

fn logs_out(tape: &mut Tape<Tokens>) {
    tape.asks(20, Pdu::raw(cmd::LOGIN_REQ_LOGINOUT, 6, Bytes::new()));
    let answer = ImLogoutRsp { result_code: 0 };
    tape.tells(20, Pdu::new(cmd::LOGIN_RES_LOGINOUT, 6, &answer));
}

/// Redis has a key, or not.
fn holds(tape: &mut Tape<Tokens>, key: &str, value: Option<&str>) {
    let (key, value) = (Bytes::from(key.to_string()), value.map(|v| Bytes::from(v.to_string())));
    let changed = vec![Changed::key(1, &key, None, None, value.as_ref())];
    let applied = Applied { changed, ..sql_applied("SET", &[], "affected 1", true) };
    tape.line("redis", Kind::Store(applied));
}

#[test]
fn what_is_registered_is_kept_until_the_logout() {
    let mut tape = tape();
    registers(&mut tape);
    assert_eq!(tape.pending().as_deref(), Some("tokens/dropped/msg"));
    holds(&mut tape, "device_7", Some("android:tok"));
    assert!(tape.pending().is_some(), "of another kind");
    holds(&mut tape, "device_7", Some("ios:tok"));
    assert_eq!(tape.pending(), None);
    logs_out(&mut tape);
    assert_eq!(tape.pending().as_deref(), Some("tokens/stays/msg"));
    holds(&mut tape, "device_7", None);
    assert_eq!(tape.pending(), None);
}

#[test]
fn what_is_kept_stays() {
    let kept = || {
        let mut tape = tape();
        registers(&mut tape);
        tape.db_reads(request(7, "tok"));
        holds(&mut tape, "device_7", Some("ios:tok"));
        let answer = ImDeviceTokenRsp { user_id: 7, attach_data: None };
        tape.db_writes(Pdu::new(cmd::LOGIN_RES_DEVICETOKEN, 5, &answer));
        tape
    };
    let mut tape = kept();
    holds(&mut tape, "device_9", Some("ios:7"));
    assert_eq!(tape.found, [""; 0], "it is another user's");
    holds(&mut tape, "device_7", Some("9"));
    assert_eq!(tape.found, ["tokens/lost/db"], "a token that is the user's id was kept there");
    // Another phone of the user, and another user's phone that has the token now.
    for said in [request(7, "new"), request(9, "tok")] {
        let mut tape = kept();
        tape.db_reads(said);
        holds(&mut tape, "device_7", None);
        assert_eq!(tape.found, [""; 0]);
    }
    let mut tape = self::tape();
    tape.db_reads(request(7, "old"));
    registers(&mut tape);
    tape.db_reads(request(7, "tok"));
    holds(&mut tape, "device_7", Some("ios:tok"));
    holds(&mut tape, "device_7", Some("ios:old"));
    assert_eq!(tape.found, [""; 0], "a db_proxy had an older one under way");
}

#[test]
fn what_no_worker_had_room_for_is_not_owed() {
    for (reason, owed) in
        [("worker queue full", None), ("no such table", Some("tokens/dropped/msg"))]
    {
        let mut tape = tape();
        registers(&mut tape);
        let asked = request(7, "tok");
        tape.at(9_000).frame("db1", End::Acceptor, false, 40, asked);
        let (conn, command) = (40, cmd::LOGIN_REQ_DEVICETOKEN);
        let refused = Fact::Refused { conn, command, reason: reason.into() };
        tape.at(9_000).fact("db1", refused);
        assert_eq!(tape.pending().as_deref(), owed, "{reason}");
    }
}

#[test]
fn a_fault_forgives_what_had_no_time() {
    let fault = || Kind::FaultStart { fault: 1, what: "stall".into() };
    let mut tape = tape();
    tape.known.answer_within_us = 1_000;
    registers(&mut tape);
    assert_eq!(tape.line("world", fault()).pending(), None);
    let mut tape = self::tape();
    tape.known.answer_within_us = 1_000;
    registers(&mut tape);
    assert!(tape.later(1).line("world", fault()).pending().is_some());
}

#[test]
fn a_former_token_names_nobody() {
    let mut tape = tape();
    holds(&mut tape, "device_7", Some("ios:tok"));
    holds(&mut tape, "token_tok", Some("7"));
    holds(&mut tape, "token_old", Some("9"));
    let answer = Pdu::new(
        cmd::LOGIN_RES_DEVICETOKEN,
        5,
        &ImDeviceTokenRsp { user_id: 7, attach_data: None },
    );
    tape.db_reads(request(7, "tok")).db_writes(answer.clone());
    assert_eq!(tape.found, [""; 0]);
    holds(&mut tape, "token_old", Some("7"));
    tape.db_reads(request(7, "tok")).db_reads(request(7, "")).db_writes(answer.clone());
    assert_eq!(tape.found, [""; 0], "two at once: their steps mix");
    tape.db_writes(answer.clone());
    assert_eq!(tape.found, ["tokens/former/db"], "the last one leaves nothing");
    tape.found.clear();
    tape.line("world", Kind::FaultStart { fault: 1, what: "stall".into() });
    tape.db_reads(request(7, "tok")).db_writes(answer.clone());
    tape.later(1).line("world", Kind::FaultEnd { fault: 1, hit: 1 }).later(3_600);
    tape.db_reads(request(7, "tok")).db_writes(answer.clone());
    assert_eq!(tape.found, [""; 0], "it was left when something went wrong");
    tape.db_reads(request(7, "old")).db_writes(answer.clone());
    assert_eq!(tape.found, ["tokens/former/db"], "it was registered again");
    holds(&mut tape, "token_older", Some("7"));
    tape.db_reads(request(7, "tok")).db_writes(answer);
    assert_eq!(tape.found, ["tokens/former/db"; 2]);
}
