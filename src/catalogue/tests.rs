//! What the catalogue must be like, whatever it says.

use super::{ALL, Command, Limit, Peer, Serve, id, of, request_of};
use crate::wire::{
    attach,
    check::{Field, Kind, Label},
};

fn name(command: &Command) -> String {
    format!("{:04x} {}", command.id, command.name)
}

fn from_device(command: &Command) -> bool {
    command.ways.iter().any(|way| way.from == Peer::Device)
}

#[test]
fn commands_are_in_order_of_their_ids_each_once() {
    for pair in ALL.windows(2) {
        assert!(pair[0].id < pair[1].id, "{} after {}", name(&pair[1]), name(&pair[0]));
    }
    for command in &ALL {
        assert_eq!(of(command.id).map(|found| found.id), Some(command.id));
    }
    assert!(of(0).is_none() && of(0x0399).is_none() && of(u16::MAX).is_none());
}

#[test]
fn each_answer_is_of_one_request_and_known_by_it() {
    for command in &ALL {
        let Some(reply) = command.reply else { continue };
        assert_eq!(request_of(reply).map(|asked| asked.id), Some(command.id), "{}", name(command));
    }
    assert!(request_of(id::MSG_TIME_REQUEST).is_none());
}

#[test]
fn what_is_relayed_says_how_and_its_answer_can_find_the_connection() {
    for command in &ALL {
        let relayed = command.served(Peer::Device, Peer::Msg) == Some(Serve::Relayed);
        assert!(!relayed || command.relay.is_some(), "{}: relayed, but how?", name(command));
        if command.relay.is_none() {
            continue;
        }
        let to_db = command.served(Peer::Msg, Peer::Db);
        assert_eq!(to_db, Some(Serve::Handler), "{}: nobody serves it", name(command));
        let reply = command.reply.and_then(of);
        let reply = reply.unwrap_or_else(|| panic!("{}: no answer", name(command)));
        for (entry, what) in [(command, "request"), (reply, "answer")] {
            let number = |field| entry.body.field(field).map(|field: &Field| field.number);
            assert_eq!(number("user_id"), Some(1), "{}: {what}", name(command));
            assert_eq!(number("attach_data"), Some(attach::FIELD), "{}: {what}", name(command));
        }
    }
}

#[test]
fn every_command_of_a_device_has_limits_and_no_other_has_any() {
    for command in &ALL {
        assert_eq!(command.limits.is_some(), from_device(command), "{}", name(command));
    }
}

/// Strings and lists, at any depth, may be as long as a PDU: each has a limit. Numbers have one
/// where they choose how much is read.
#[test]
fn every_string_and_every_list_of_a_device_has_a_limit() {
    for command in ALL.iter().filter(|command| from_device(command)) {
        let limits = command.limits.expect("the test above");
        let limited = |name: &str| limits.fields.iter().any(|limit| limit.field == name);
        for field in command.body.fields {
            let unbounded = field.label == Label::Repeated || matches!(field.kind, Kind::Bytes);
            assert!(!unbounded || limited(field.name), "{}: {}", name(command), field.name);
            if let Kind::Message(nested) = &field.kind {
                let grows =
                    nested.fields.iter().any(|f| !matches!(f.kind, Kind::Uint32 | Kind::Enum(_)));
                assert!(!grows, "{}: {} holds what has no limit", name(command), field.name);
            }
            if field.name.ends_with("_cnt") {
                assert!(limited(field.name), "{}: {} chooses a size", name(command), field.name);
            }
        }
        for limit in limits.fields {
            let known = command.body.field(limit.field).is_some();
            let may_be_sent = limit.field == "attach_data";
            assert!(known || may_be_sent, "{}: no field {}", name(command), limit.field);
        }
    }
}

#[test]
fn limits_are_under_their_ceilings() {
    let check = |what: String, limit: Limit| {
        assert!(limit.default <= limit.ceiling, "{what}: {limit:?}");
        assert!(limit.default > 0, "{what}: {limit:?} lets nothing through");
    };
    for command in &ALL {
        let Some(limits) = command.limits else { continue };
        check(format!("{}: rate", name(command)), limits.rate);
        for field in limits.fields {
            check(format!("{}: {}", name(command), field.field), field.limit);
        }
    }
}

#[test]
fn questions_have_an_answer_and_a_name_of_their_own() {
    let asked: Vec<_> = ALL.iter().filter(|command| command.question.is_some()).collect();
    assert!(asked.len() > 15);
    for command in &asked {
        assert!(command.reply.is_some(), "{}", name(command));
        let question = command.question.expect("filtered");
        let same = asked.iter().filter(|c| c.question.is_some_and(|q| q.name == question.name));
        assert_eq!(same.count(), 1, "{}", question.name);
    }
}

#[test]
fn a_claim_is_a_field_of_a_devices_body() {
    let claims: Vec<_> = ALL.iter().filter_map(|c| Some((c, c.claim?))).collect();
    assert!(!claims.is_empty());
    for (command, claim) in claims {
        assert!(from_device(command) && command.body.field(claim).is_some(), "{}", name(command));
    }
}
