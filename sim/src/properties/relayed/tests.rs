//! What msg_servers pass on, by hand.

use crate::{
    plan::Host,
    properties::{answers::Answers, tape::Tape},
    record::{End, Kind},
};
use teamtalk::{
    catalogue::id,
    wire::{
        Pdu,
        im::group::{ImGroupShieldReq, ImGroupShieldRsp},
    },
};

const LINK: u64 = 70;

/// User 1 mutes group 7, and msg1 answers by itself.
fn mutes(link_ends: bool, result_code: u32) -> Vec<String> {
    let mut tape = Tape::new(Answers::default());
    let (conn, end, peer) = (LINK, End::Dialler, Host::of("db1"));
    tape.line("msg1", Kind::Connected { conn, end, peer, port: 10600, device: None });
    tape.login(1, 10, 1);
    if link_ends {
        tape.line("msg1", Kind::Disconnected { conn, end });
    }
    let (user_id, group_id, attach_data) = (1, 7, None);
    let ask = ImGroupShieldReq { user_id, group_id, shield_status: 1, attach_data: None };
    tape.asks(10, Pdu::new(id::GROUP_SHIELD_GROUP_REQUEST, 5, &ask));
    let answer = ImGroupShieldRsp { user_id, group_id, result_code, attach_data };
    tape.tells(10, Pdu::new(id::GROUP_SHIELD_GROUP_RESPONSE, 5, &answer));
    tape.found.retain(|found| found.starts_with("answers/answer-altered"));
    tape.found
}

/// Seed 3928 of `hardened`.
#[test]
fn a_msg_server_without_a_db_proxy_may_say_that_a_change_failed() {
    let made_up = ["answers/answer-altered/msg"];
    assert_eq!(mutes(true, 1), [""; 0]);
    assert_eq!(mutes(true, 0), made_up, "nobody has muted it");
    assert_eq!(mutes(false, 1), made_up, "it could have asked");
}
