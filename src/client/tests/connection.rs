//! Connecting, login, logout, kicks, heartbeats.

use super::*;

#[test]
fn login_sends_the_md5_and_then_asks_what_real_clients_ask() {
    let mut rig = Rig::new(&WINDOWS);
    assert_eq!(connects(&rig.event(Event::Started)), [""; 0]);
    assert_eq!(connects(&rig.command(1, Action::Login)), ["a"]);
    let out = rig.event(Event::Connected { conn: 5 });
    let login = pdus(&out)[0].clone();
    let view = login.view::<ImLoginReq>().unwrap();
    assert_eq!(view.password, "827ccb0eea8a706c4c34a16891f84e7b");
    let seq_num = login.header.seq_num;
    assert!(facts(&out).contains(&Fact::Attempt { op: 1, attempt: 1, conn: 5, seq_num }));
    let out = rig.pdu(command::LOGIN_RES_USERLOGIN, seq_num, &login_answer(0));
    assert!(facts(&out).contains(&Fact::OpOk { op: 1, msg_id: 0 }));
    let asked: Vec<u16> = pdus(&out).iter().map(Pdu::command).collect();
    assert_eq!(asked, [0x0201, 0x0307, 0x0401]);
    assert!(rig.store.logged_in);
}

#[test]
fn a_device_that_was_online_goes_online_after_a_crash() {
    let mut rig = Rig::new(&OURS);
    rig.store.logged_in = true;
    assert_eq!(connects(&rig.event(Event::Started)), ["a"]);
}

#[test]
fn reconnects_wait_3_s_and_one_more_each_up_to_15_and_the_next_server_is_tried() {
    let mut rig = Rig::online(&WINDOWS);
    let out = rig.event(Event::Closed { reason: "eof".into() });
    let offline = Fact::DeviceOffline { device: 9, conn: 5, reason: "eof".into() };
    assert_eq!(facts(&out), [offline]);
    let mut waits = Vec::new();
    let mut hosts = Vec::new();
    for _ in 0..15 {
        waits.push((rig.device.due().unwrap() - rig.now).as_secs());
        hosts.push(connects(&rig.pass(secs(15)))[0].to_string());
        let out = rig.event(Event::ConnectFailed { reason: "refused".into() });
        assert_eq!(facts(&out), []);
    }
    assert_eq!(waits, [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 15, 15]);
    assert_eq!(hosts[..3], ["a", "b", "a"], "its own first, then the next after a failure");
    rig.pass(secs(15));
    rig.log_in();
    rig.event(Event::Closed { reason: "eof".into() });
    assert_eq!(rig.device.due().unwrap() - rig.now, secs(3), "a good login resets the wait");
}

#[test]
fn a_refused_or_unanswered_login_fails_and_is_tried_again() {
    let mut rig = Rig::new(&OURS);
    rig.command(1, Action::Login);
    rig.event(Event::Connected { conn: 5 });
    let out = rig.pdu(command::LOGIN_RES_USERLOGIN, 1, &login_answer(6));
    assert!(out.contains(&Effect::Disconnect));
    assert_eq!(reason_of(&facts(&out)), [(1, "login refused: code 6")]);
    assert_eq!(connects(&rig.pass(secs(3))), ["b"]);
    rig.event(Event::Connected { conn: 6 });
    assert!(rig.pass(secs(6)).contains(&Effect::Disconnect));
    assert_eq!(connects(&rig.pass(secs(4))), ["a"]);
}

#[test]
fn a_kick_and_a_logout_end_the_wish_to_be_online() {
    let mut rig = Rig::online(&OURS);
    let kick = ImKickUser { user_id: ME, kick_reason: 1 };
    let out = rig.pdu(command::LOGIN_KICK_USER, 0, &kick);
    assert!(out.contains(&Effect::Disconnect));
    assert_eq!(rig.pass(secs(100)), []);
    assert_eq!(connects(&rig.command(2, Action::Login)), ["a"]);
    rig.log_in();
    let out = rig.command(3, Action::Logout);
    assert_eq!(pdus(&out)[0].command(), command::LOGIN_REQ_LOGINOUT);
    let seq = pdus(&out)[0].header.seq_num;
    let out = rig.pdu(command::LOGIN_RES_LOGINOUT, seq, &ImLogoutRsp { result_code: 0 });
    assert!(facts(&out).contains(&Fact::OpOk { op: 3, msg_id: 0 }));
    assert_eq!(rig.pass(secs(100)), []);
}

#[test]
fn a_dropped_connection_comes_back_by_itself() {
    let mut rig = Rig::online(&WINDOWS);
    let out = rig.command(2, Action::Disconnect);
    assert_eq!(out[0], Effect::Disconnect);
    assert!(facts(&out).contains(&Fact::OpOk { op: 2, msg_id: 0 }));
    assert_eq!(connects(&rig.pass(secs(3))), ["a"]);
}

#[test]
fn heartbeats_every_five_seconds() {
    for kind in [&WINDOWS, &OURS] {
        let out = Rig::online(kind).pass_alive(secs(21));
        assert_eq!(sent(&out, command::OTHER_HEARTBEAT).len(), 4);
    }
}

#[test]
fn ours_hangs_up_on_a_silent_server_and_others_do_not() {
    let mut rig = Rig::online(&OURS);
    rig.pass_alive(secs(100));
    assert!(rig.device.online().is_some());
    rig.pass(secs(14));
    assert!(rig.device.online().is_some());
    let out = rig.pass(secs(1));
    assert!(out.contains(&Effect::Disconnect));
    let reason = "the server is silent".to_string();
    assert!(facts(&out).contains(&Fact::DeviceOffline { device: 9, conn: 5, reason }));
    assert_eq!(connects(&rig.pass(secs(3))), ["a"]);
    let others = [&WINDOWS, &ANDROID, &IOS, &MAC].map(Rig::online);
    let mut others = Vec::from(others);
    others.push(Rig::without(&OURS, "hear-silence"));
    for mut rig in others {
        rig.pass(secs(1_000));
        assert!(rig.device.online().is_some(), "{:?}", rig.device.config.habits);
    }
}

#[test]
fn a_device_that_ignores_its_kick_goes_on() {
    let mut rig = Rig::online(&OURS);
    rig.device.config.conduct.ignores_kick = true;
    let kick = ImKickUser { user_id: ME, kick_reason: 1 };
    assert_eq!(rig.pdu(command::LOGIN_KICK_USER, 0, &kick), []);
    assert_eq!(sent(&rig.send(2), command::MSG_DATA).len(), 1);
}

#[test]
fn a_login_that_a_server_can_not_judge_is_tried_again() {
    let mut rig = Rig::new(&OURS);
    rig.command(1, Action::Login);
    let login = pdus(&rig.event(Event::Connected { conn: 5 }))[0].clone();
    let out = rig.refuse(&login, RefusedCode::RefusedUnavailable);
    assert_eq!(reason_of(&facts(&out)), [(1, "login refused")]);
    assert_eq!(connects(&rig.pass(secs(3))), ["b"]);
}

#[tokio::test(start_paused = true)]
async fn on_a_network_a_device_logs_in_reconnects_and_stops_dialling_after_a_logout() {
    let env = MemoryEnv::new("a");
    let mut listener = env.bind(1).await.unwrap();
    let (commands, received) = mpsc::unbounded_channel();
    let store = Arc::new(Mutex::new(DeviceStore::default()));
    let config = Config { servers: vec![Endpoint::new("a", 1)], ..config(&OURS) };
    tokio::spawn(run(env.host("c"), config, received, store.clone()));
    commands.send(Command { op: 1, action: Action::Login }).unwrap();
    for _ in 0..2 {
        let mut stream = listener.accept().await.unwrap();
        let mut buf = BytesMut::new();
        let login = loop {
            if let Some(pdu) = Codec.decode(&mut buf).unwrap() {
                break pdu;
            }
            stream.read_buf(&mut buf).await.unwrap();
        };
        let answer = Pdu::new(command::LOGIN_RES_USERLOGIN, login.header.seq_num, &login_answer(0));
        stream.write_all(&answer.encode()).await.unwrap();
        // Recent sessions, unread counts, group list.
        stream.read_exact(&mut [0; 16 + 7 + 16 + 2 + 16 + 2]).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    commands.send(Command { op: 2, action: Action::Logout }).unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let tried: Vec<u64> = env.tried(&Endpoint::new("a", 1)).iter().map(Duration::as_secs).collect();
    assert_eq!(tried, [0, 3], "the logout came while it waited for the try at 6 s");
    let online = env.facts().iter().filter(|f| matches!(f, Fact::DeviceOnline { .. })).count();
    assert_eq!(online, 2);
    assert!(env.facts().contains(&Fact::OpOk { op: 2, msg_id: 0 }));
    assert!(!store.lock().unwrap().logged_in);
}

/// Seeds 4726 and 8403 of `hardened`: the db_proxy was slower than a request waits, and the list of groups was
/// asked for only once.
#[test]
fn what_a_login_asks_for_is_asked_again_until_it_is_answered() {
    let after_login = [
        command::BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST,
        command::MSG_UNREAD_CNT_REQUEST,
        command::GROUP_NORMAL_LIST_REQUEST,
    ];
    let mut rig = Rig::new(&OURS);
    rig.command(1, Action::Login);
    let asked = rig.log_in();
    for of in after_login {
        let pdu = asked.iter().find(|pdu| pdu.command() == of).expect("it is asked for");
        rig.refuse(pdu, RefusedCode::RefusedUnavailable);
    }
    for again in [6, 6] {
        let out = rig.pass_alive(secs(again));
        for of in after_login {
            assert_eq!(sent(&out, of).len(), 1, "{of:#06x}");
        }
    }
    let mut old = Rig::without(&OURS, "catch-up-on-gap");
    assert_eq!(sent(&old.pass_alive(secs(30)), command::GROUP_NORMAL_LIST_REQUEST), []);
}
