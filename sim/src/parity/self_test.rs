//! Each comparison is seen to fail: a capture with one thing changed is reported, in words.

use super::{
    agreement::Agreement,
    capture::{Flow, Server, Stores, What},
    compare::compare,
    observe::Observed,
    settings::Settings,
    state::{self, Base},
};
use crate::{plan::case::ProtocolSpec, seeded::on_seeded_thread};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use teamtalk::{
    catalogue::id as command,
    wire::{Pdu, edit::Edit},
};

/// The captures of the original.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden")
}

fn golden(name: &str, settings: &Settings) -> Flow {
    Flow::read(&folder(), name, settings).unwrap_or_else(|e| panic!("{e}"))
}

fn settings() -> Settings {
    Settings::read(&folder()).unwrap_or_else(|e| panic!("{e}"))
}

/// 03 as it is, what we do, and what was agreed on before.
fn third() -> (Flow, Observed, Agreement) {
    on_seeded_thread(0, || {
        let settings = settings();
        let base = Base::of(&ProtocolSpec::preset("teamtalk")).expect("a preset");
        let mut stage = state::before(&settings, &settings.runs[0], &base, true);
        let mut agreement = Agreement::default();
        for name in ["00_startup", "01_login_pc", "02_login_second_user_other_server"] {
            let flow = golden(name, &settings);
            let observed = stage.play(&flow);
            assert_eq!(compare(&flow, &observed, &mut agreement), [""; 0]);
        }
        let flow = golden("03_first_single_text_cross_server", &settings);
        let observed = stage.play(&flow);
        (flow, observed, agreement)
    })
}

/// The first captured PDU of this command, on this link in this direction.
fn pdu<'a>(flow: &'a mut Flow, way: &str, command: u16) -> &'a mut Pdu {
    let mut pdus = flow.events.iter_mut().filter(|event| event.way.to_string() == way);
    let pdu = pdus.find_map(|event| match &mut event.what {
        What::Pdu(pdu) if pdu.command() == command => Some(pdu),
        _ => None,
    });
    pdu.expect("the capture has it")
}

#[test]
fn a_changed_capture_is_reported() {
    let (flow, ours, agreement) = third();
    let found = |flow: &Flow| compare(flow, &ours, &mut agreement.clone());
    assert_eq!(found(&flow), [""; 0]);
    let one = |change: &dyn Fn(&mut Flow), expected: &str| {
        let mut changed = flow.clone();
        change(&mut changed);
        let found = found(&changed);
        assert_eq!(found.len(), 1, "{found:#?}");
        let expected = format!("03_first_single_text_cross_server: {expected}");
        assert!(found[0].starts_with(&expected), "{}\n{expected}", found[0]);
    };

    // A field of a body, of a header, of attach data.
    one(
        &|flow| {
            let ack = pdu(flow, "client:alice-PC-msg1 s2c", command::MSG_DATA_ACK);
            ack.body = Edit::of(&ack.body).uint(3, 9).done();
        },
        "client:alice-PC-msg1 s2c, PDU 0 0x0302 seq 2: expected body.msg_id = 9, got body.msg_id = 1",
    );
    one(
        &|flow| pdu(flow, "msg2-route route->msg2", command::MSG_DATA).header.flag = 5,
        "msg2-route route->msg2, PDU 0 0x0301 seq 2: expected header.flag = 5, got header.flag = 0",
    );
    one(
        &|flow| {
            let send = pdu(flow, "msg1-db[1] msg1->db", command::MSG_DATA);
            let mut body = send.body.to_vec();
            let handle = body.len() - 5;
            body[handle] += 1;
            send.body = body.into();
        },
        "msg1-db[1] msg1->db, PDU 0 0x0301 seq 2: expected body.attach_data.handle = handle 8, \
         got body.attach_data.handle = handle ",
    );
    // A PDU too few, a PDU too many.
    one(
        &|flow| flow.events.retain(|event| event.way.to_string() != "client:alice-PC-msg1 s2c"),
        "client:alice-PC-msg1 s2c, PDU 0: expected no more\n  got 0x0302 seq 2",
    );
    one(
        &|flow| {
            let push = flow.events.iter().find(|e| e.way.to_string() == "client:bob-PC-msg2 s2c");
            flow.events.push(push.expect("bob gets it").clone());
        },
        "client:bob-PC-msg2 s2c, PDU 1 0x0301 seq 2: expected it, got no more",
    );
    // A connection that the server closed.
    one(
        &|flow| {
            let mut fin = flow.events[0].clone();
            (fin.way.dir, fin.what) = ("s2c".into(), What::Fin);
            flow.events.push(fin);
        },
        "alice-PC-msg1, closed by its server: expected, got none",
    );
}

#[test]
fn a_changed_statement_or_command_is_reported() {
    let (flow, ours, agreement) = third();
    let found = |change: &dyn Fn(&mut Stores)| {
        let mut changed = flow.clone();
        let stores = changed.stores.as_mut().expect("03 has both stores");
        change(stores);
        let found = compare(&changed, &ours, &mut agreement.clone());
        assert_eq!(found.len(), 1, "{found:#?}");
        found[0].clone()
    };
    let says = |text: &str, parts: &[&str]| {
        for part in parts {
            assert!(text.contains(part), "no {part} in {text}");
        }
    };

    let value = found(&|stores| {
        stores.sql[9].1 = stores.sql[9].1.replace("values(1, 1, 2,", "values(1, 1, 3,")
    });
    says(
        &value,
        &[
            "statement 9: expected primary: insert into IMMessage_1",
            "values ( 1 , 1 , 3 , 1 ,",
            "got primary: insert into IMMessage_1",
            "values ( 1 , 1 , 2 , 1 ,",
            "(statement 9 of 0x0301 seq 2)",
        ],
    );
    let server = found(&|stores| stores.sql[7].0 = Server::Replica);
    says(&server, &["statement 7: expected replica: select", "got primary: select"]);
    let order = found(&|stores| stores.sql.swap(10, 11));
    says(&order, &["statement 10: expected primary: update", "where id = 0", "where id = 2"]);
    let fewer = found(&|stores| drop(stores.sql.pop()));
    says(&fewer, &["statement 11: expected no more", "got primary: update IMRecentSession"]);
    let time =
        found(&|stores| stores.sql[11].1 = stores.sql[11].1.replace("1795404617", "1795404610"));
    says(&time, &["statement 11: the times differ"]);

    let command = found(&|stores| stores.redis[2][1] = "unread_3".into());
    says(
        &command,
        &[
            "statement 2: expected redis: HINCRBY unread_3 1 1",
            "got redis: HINCRBY unread_2 1 1  (statement 2 of 0x0301 seq 2)",
        ],
    );
}

#[test]
fn heartbeats_are_compared_by_side_and_spacing() {
    let flow = golden("21_heartbeats", &settings());
    let mut ours = Observed::default();
    for event in &flow.events {
        if event.way.client().is_none() {
            ours.heartbeats.entry(event.way.clone()).or_default().push(event.at);
        }
    }
    // Without what this run of no clients lacks.
    let complaints = |ours: &Observed| {
        let found = compare(&flow, ours, &mut Agreement::default());
        found.into_iter().filter(|text| !text.contains("client:")).collect::<Vec<_>>()
    };
    assert_eq!(complaints(&ours), [""; 0]);

    let mut late = ours.clone();
    let way = late.heartbeats.keys().next().expect("there are some").clone();
    late.heartbeats.get_mut(&way).expect("just seen")[0] = Duration::ZERO;
    assert!(complaints(&late)[0].contains("the run's heartbeats are"), "{way}");

    ours.heartbeats.remove(&way);
    assert!(complaints(&ours)[0].contains("has no heartbeat there"), "{way}");
}
