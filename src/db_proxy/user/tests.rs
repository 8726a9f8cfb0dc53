//! Users, their tokens and settings, against scripted stores (SYSTEM.md section 6).

use crate::{
    catalogue::id as command,
    db_proxy::testing::{Fake, NOW, answer, ask, lost, refused, rows},
    protocol::Protocol,
    store::sql::{Outcome, SqlError, Value},
    wire::{
        Pdu,
        attach::Attach,
        im::{
            base_define::ClientType,
            buddy::*,
            login::*,
            server::{ImValidateReq, ImValidateRsp},
        },
        tt::extension::{Refused, RefusedCode},
    },
};
use bytes::Bytes;
use std::time::Duration;

fn attach() -> Option<Bytes> {
    Some(Attach::handle(3).encode())
}

fn ask_as(protocol: Protocol, world: &Fake, command: u16, body: &impl prost::Message) -> Pdu {
    answer(&mut world.context(protocol), &Pdu::new(command, 9, body)).expect("an answer")
}

fn none() -> Result<Outcome, SqlError> {
    Ok(Outcome::default())
}

fn token(user: u32, token: &'static str, kind: Option<ClientType>) -> ImDeviceTokenReq {
    ImDeviceTokenReq {
        user_id: user,
        device_token: token.into(),
        client_type: kind.map(|k| k as i32),
        attach_data: None,
    }
}

#[test]
fn a_device_token_is_kept_as_in_golden_43_and_24() {
    let command = command::LOGIN_REQ_DEVICETOKEN;
    let world = Fake::default();
    for (kind, kept) in [
        (Some(ClientType::Ios), "ios:tok"),
        (Some(ClientType::Android), "android:tok"),
        (Some(ClientType::Windows), "tok"),
        (None, "tok"),
    ] {
        let world = Fake::default();
        let reply: ImDeviceTokenRsp = ask(&world, command, &token(1901, "tok", kind));
        assert_eq!((reply.user_id, reply.attach_data), (1901, Some(Bytes::new())));
        let expected = [
            "GET device_1901".into(),
            format!("SET device_1901 {kept}"),
            "SET device_tok 1901".into(),
        ];
        assert_eq!(world.log(), expected);
    }
    let _: ImDeviceTokenRsp = ask(&world, command, &token(1, "", None));
    assert_eq!(world.log(), ["GET device_1", "SET device_1 ", "SET device_ 1"]);
}

#[test]
fn a_former_token_is_taken_from_its_owner() {
    let command = command::LOGIN_REQ_DEVICETOKEN;
    let world = Fake::default();
    world.value("device_7", "ios:old");
    world.value("device_old", "7");
    let _: ImDeviceTokenRsp = ask(&world, command, &token(7, "new", Some(ClientType::Ios)));
    assert_eq!(
        world.log(),
        [
            "GET device_7",
            "GET device_old",
            "SET device_old ",
            "SET device_7 ios:new",
            "SET device_new 7"
        ]
    );
    let _: ImDeviceTokenRsp = ask(&world, command, &token(7, "", None));
    let _: ImDeviceTokenRsp = ask(&world, command, &token(7, "x", None));
    let log = world.log();
    assert_eq!(log[5..], ["GET device_7", "SET device_7 x", "SET device_x 7"], "a bare one");
}

/// `edge-limits`: two keys for each user who has a phone, whatever they had before.
#[test]
fn a_user_has_one_token_and_a_token_one_user() {
    let world = Fake::default();
    let keep = |user, of: &'static str, kind| {
        let command = command::LOGIN_REQ_DEVICETOKEN;
        ask_as(Protocol::hardened(), &world, command, &token(user, of, kind));
    };
    let held = |keys: &[(&str, &str)]| {
        let keys = keys.iter().map(|(key, value)| (key.to_string(), value.as_bytes().to_vec()));
        assert_eq!(world.values(), keys.collect());
    };
    for of in ["first", "second", "third"] {
        keep(7, of, Some(ClientType::Ios));
        keep(7, of, None);
    }
    held(&[("device_7", "third"), ("token_third", "7")]);
    // The phone is another's now; what its former user does takes nothing from them.
    keep(8, "third", Some(ClientType::Android));
    held(&[("device_8", "android:third"), ("token_third", "8")]);
    keep(7, "fourth", None);
    keep(7, "", None);
    held(&[("device_8", "android:third"), ("token_third", "8")]);
}

#[test]
fn the_push_shield_is_set_and_asked_for() {
    let world = Fake::default();
    let set = ImPushShieldReq { user_id: 2, shield_status: 1, attach_data: attach() };
    let reply: ImPushShieldRsp = ask(&world, command::LOGIN_REQ_PUSH_SHIELD, &set);
    assert_eq!((reply.result_code, reply.shield_status), (0, Some(1)));
    assert_eq!(reply.attach_data, attach());
    assert_eq!(
        world.log(),
        ["M update IMUser set `push_shield_status`=1, `updated`=1000 where id=2"]
    );
    world.on("update IMUser", none()).on("update IMUser", refused(1205));
    for _ in 0..2 {
        let reply: ImPushShieldRsp = ask(&world, command::LOGIN_REQ_PUSH_SHIELD, &set);
        assert_eq!((reply.result_code, reply.shield_status), (1, None));
    }
    world.log();
    let query = ImQueryPushShieldReq { user_id: 2, attach_data: None };
    let reply: ImQueryPushShieldRsp = ask(&world, command::LOGIN_REQ_QUERY_PUSH_SHIELD, &query);
    assert_eq!((reply.result_code, reply.shield_status), (1, None));
    assert_eq!(world.log(), ["S select push_shield_status from IMUser where id=2"]);
    world.on("from IMUser", rows(["push_shield_status"], &[[1.into()]]));
    let reply: ImQueryPushShieldRsp = ask(&world, command::LOGIN_REQ_QUERY_PUSH_SHIELD, &query);
    assert_eq!((reply.result_code, reply.shield_status), (0, Some(1)));
}

#[test]
fn a_write_with_an_unknown_outcome_is_refused_with_the_switch() {
    let world = Fake::default();
    world.on("update IMUser", lost()).on("update IMUser", lost());
    let set = ImPushShieldReq { user_id: 2, shield_status: 1, attach_data: attach() };
    let reply: ImPushShieldRsp = ask(&world, command::LOGIN_REQ_PUSH_SHIELD, &set);
    assert_eq!(reply.result_code, 1);
    let pdu = ask_as(Protocol::hardened(), &world, command::LOGIN_REQ_PUSH_SHIELD, &set);
    assert_eq!(pdu.view::<Refused>().unwrap().code(), RefusedCode::RefusedUnavailable);
}

fn user_row(id: u32, updated: u32) -> Result<Outcome, SqlError> {
    let row: [Value; 5] = [id.into(), "bob".into(), "Bob".into(), 2.into(), updated.into()];
    rows(["id", "name", "nick", "status", "updated"], &[row])
}

#[test]
fn users_are_read_by_id_whatever_their_status() {
    let world = Fake::default();
    world.on("from IMUser", user_row(2, 5));
    let command = command::BUDDY_LIST_USER_INFO_REQUEST;
    let mut request = ImUsersInfoReq { user_id: 1, user_id_list: vec![3, 2, 3], attach_data: None };
    let reply: ImUsersInfoRsp = ask(&world, command, &request);
    let info = &reply.user_info_list[0];
    assert_eq!((info.user_id, info.status, &info.user_nick_name[..]), (2, 2, &b"Bob"[..]));
    assert_eq!(world.log(), ["S select * from IMUser where id in (2,3)"]);
    request.user_id_list.clear();
    let _: ImUsersInfoRsp = ask(&world, command, &request);
    assert!(world.log().is_empty());
}

#[test]
fn all_users_are_read_only_after_a_change() {
    let command = command::BUDDY_LIST_ALL_USER_REQUEST;
    let request = |since| ImAllUserReq { user_id: 1, latest_update_time: since, attach_data: None };
    let world = Fake::default();
    for _ in 0..2 {
        world.on("select id, updated from IMUser", rows(["id"], &[[2.into()]]));
        world.on("select * from IMUser", user_row(2, 70));
    }
    let reply: ImAllUserRsp = ask(&world, command, &request(0));
    assert_eq!((reply.latest_update_time, reply.user_list.len()), (70, 1));
    let rows = "S select * from IMUser where id in (2)";
    assert_eq!(world.log(), ["S select id, updated from IMUser where status != 3", rows]);
    let reply: ImAllUserRsp = ask(&world, command, &request(NOW - 1));
    assert_eq!(reply.latest_update_time, NOW - 1, "the greater of the two");
    assert_eq!(world.log(), ["S select id, updated from IMUser where updated>=999", rows]);
    let reply: ImAllUserRsp = ask(&world, command, &request(NOW));
    assert_eq!((reply.latest_update_time, reply.user_list.len()), (NOW, 0));
    assert!(world.log().is_empty());
}

#[test]
fn a_signature_is_changed_and_the_change_noted() {
    let command = command::BUDDY_LIST_CHANGE_SIGN_INFO_REQUEST;
    let request = |text: String| ImChangeSignInfoReq {
        user_id: 2,
        sign_info: text.into(),
        attach_data: attach(),
    };
    let world = Fake::default();
    let reply: ImChangeSignInfoRsp = ask(&world, command, &request("hi".into()));
    assert_eq!((reply.result_code, reply.sign_info), (0, Some(Bytes::from_static(b"hi"))));
    assert_eq!(
        world.log(),
        [
            "M update IMUser set `sign_info`='hi', `updated`=1000 where id=2",
            "SET total_user_update 1000"
        ]
    );
    world.on("update IMUser", none());
    let reply: ImChangeSignInfoRsp = ask(&world, command, &request("x".repeat(128)));
    assert_eq!((reply.result_code, reply.sign_info), (1, None));
    assert_eq!(world.log().len(), 1);
    let reply: ImChangeSignInfoRsp = ask(&world, command, &request("x".repeat(129)));
    assert_eq!(reply.result_code, 1);
    assert!(world.log().is_empty());
}

/// What can't be stored at all is result 1; what could be at another time is refused, so that the client tries again.
#[test]
fn a_signature_that_sql_refuses_for_now_is_refused_and_not_called_unstorable() {
    let command = command::BUDDY_LIST_CHANGE_SIGN_INFO_REQUEST;
    let asked = ImChangeSignInfoReq { user_id: 2, sign_info: "hi".into(), attach_data: attach() };
    let request = Pdu::new(command, 9, &asked);
    let answer_to = |protocol: Protocol, code: u16| {
        let world = Fake::default();
        // Also if it is run again for a lost lock (`plumbing::tries`).
        (0..6).for_each(|_| _ = world.on("update IMUser", refused(code)));
        answer(&mut world.context(protocol), &request).expect("an answer")
    };
    let result = |reply: &Pdu| reply.view::<ImChangeSignInfoRsp>().map(|reply| reply.result_code);
    let refusing = Protocol { answered_refusals: true, ..Protocol::teamtalk() };
    for for_now in [1205, 1213, 1290, 1114] {
        let reply = answer_to(refusing, for_now);
        assert_eq!(reply.command(), command::OTHER_REFUSED, "{for_now}");
        let original = answer_to(Protocol::teamtalk(), for_now);
        assert_eq!(result(&original), Ok(1), "{for_now}: the original says that it can't be");
    }
    for for_ever in [1264, 1366, 1406] {
        assert_eq!(result(&answer_to(refusing, for_ever)), Ok(1), "{for_ever}");
    }
}

/// Switch `ordered-logins`.
#[test]
fn a_login_is_numbered_by_the_store_or_it_is_none() {
    // md5hex("pw" + "salt"); the client sends "pw".
    const PASSWORD: &str = "55e70b9971d050fe8f7455eb551189cf";
    let login = |password: &'static str| ImValidateReq {
        user_name: "bob".into(),
        password: password.into(),
        attach_data: attach(),
    };
    let told = |protocol, world: &Fake, password| {
        let row: [Value; 4] = [2.into(), "bob".into(), PASSWORD.into(), "salt".into()];
        world.on("from IMUser", rows(["id", "name", "password", "salt"], &[row]));
        let reply = ask_as(protocol, world, command::OTHER_VALIDATE_REQ, &login(password));
        let reply: ImValidateRsp = reply.view().unwrap();
        (reply.result_code, reply.user_info.is_some(), reply.login_number)
    };
    let on = || Protocol { ordered_logins: true, ..Protocol::teamtalk() };
    let world = Fake::default();
    let select = "S select * from IMUser where name='bob' and status=0";
    assert_eq!(told(Protocol::teamtalk(), &world, "pw"), (0, true, None));
    assert_eq!(world.log(), [select], "the original has no such thing");
    assert_eq!(told(on(), &world, "wrong"), (1, false, None));
    assert_eq!(world.log(), [select], "who is not let in is not counted");
    let drawn = Outcome { affected: 2, last_insert_id: 7, ..Outcome::default() };
    world.on("TTLogin", Ok(drawn)).on("TTLogin", lost());
    assert_eq!(told(on(), &world, "pw"), (0, true, Some(7)));
    let insert = "M insert into TTLogin (`userId`,`lastLogin`) values(2,LAST_INSERT_ID(1)) \
                  on duplicate key update lastLogin=LAST_INSERT_ID(lastLogin+1)";
    assert_eq!(world.log(), [select, insert]);
    assert_eq!(told(on(), &world, "pw"), (1, false, None), "no number, no login");
}

/// It is 30 minutes that pass, whatever the wall clock is set to meanwhile.
#[tokio::test(start_paused = true)]
async fn a_name_is_kept_out_by_a_clock_that_nobody_sets() {
    let (world, protocol) = (Fake::default(), Protocol::hardened());
    let mut cx = world.context(protocol);
    let login =
        ImValidateReq { user_name: "bob".into(), password: "wrong".into(), attach_data: attach() };
    let mut told = || {
        let reply = answer(&mut cx, &Pdu::new(command::OTHER_VALIDATE_REQ, 9, &login));
        reply.expect("an answer").view::<ImValidateRsp>().expect("a 0704").result_code
    };
    for _ in 0..11 {
        assert_eq!(told(), 1);
    }
    world.set_clock(86_400);
    assert_eq!(told(), 6, "a clock that is set ahead lets nobody in");
    world.set_clock(0);
    tokio::time::advance(Duration::from_secs(1_799)).await;
    assert_eq!(told(), 6);
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(told(), 1, "the time has passed, though the clock says that it has not");
}

/// Switch `kept-tokens`.
#[test]
fn a_token_that_is_a_number_is_no_users_key_with_the_switch() {
    let command = command::LOGIN_REQ_DEVICETOKEN;
    let world = Fake::default();
    world.value("device_7", "ios:8");
    world.value("token_8", "7");
    let protocol = Protocol { kept_tokens: true, ..Protocol::teamtalk() };
    ask_as(protocol, &world, command, &token(7, "9", Some(ClientType::Ios)));
    let log = world.log();
    let expected =
        ["GET device_7", "GET token_8", "SET token_8 ", "SET device_7 ios:9", "SET token_9 7"];
    assert_eq!(log, expected, "users 8 and 9 keep what they have");
}
