//! 07e1: a request was not served, and why (switch `answered-refusals`).

use crate::{
    catalogue::{self, id as command},
    db_proxy::{
        data::text::text,
        plumbing::{
            reply::{carried, reply},
            silent::Silent,
        },
    },
    protocol::Protocol,
    wire::{
        Pdu,
        attach::{self, Attach},
        frame::MAX_LEN,
        im::server::{ImValidateReq, ImValidateRsp},
        tt::extension::{Refused, RefusedCode},
    },
};
use bytes::Bytes;
use prost::Message;

/// What every request of a client has, as msg_server relays it.
#[derive(Clone, PartialEq, Message)]
struct Envelope {
    #[prost(uint32, tag = "1")]
    user_id: u32,
    #[prost(bytes = "bytes", optional, tag = "20")]
    attach_data: Option<Bytes>,
}

/// The refusal of a request that is not served. `None` where silence stays, as in the original:
/// without the switch, for a command that has no reply, and for a request that no client waits for
/// (its attach data is not the handle of a connection).
pub fn of(protocol: &Protocol, request: &Pdu, why: &Silent) -> Option<Pdu> {
    if !protocol.answered_refusals {
        return None;
    }
    let code = match why {
        Silent::Done => return None,
        Silent::Malformed(_) | Silent::Ignored(_) => RefusedCode::RefusedMalformed,
        Silent::NotAllowed(_) => RefusedCode::RefusedNotAllowed,
        Silent::NoHandler => RefusedCode::RefusedUnknownCommand,
        Silent::Store(_) => RefusedCode::RefusedUnavailable,
        Silent::NotStored(_) => RefusedCode::RefusedNotStored,
    };
    answer(request, code, &why.to_string())
}

/// What a login is answered that can't be checked, or has no place in the order of the user's logins
/// (ours, switches `honest-reads`, `ordered-logins` and `answered-refusals`).
pub const UNAVAILABLE: &str = "服务暂不可用";

/// Why a request is refused that no worker has room for.
pub const FULL: &str = "worker queue full";
/// Why a request is refused that has waited longer than it may.
pub const LATE: &str = "waited too long for a worker";

/// The refusal of a request that no worker has room for. Of a login it is its own reply.
pub fn queue_full(protocol: &Protocol, request: &Pdu) -> Option<Pdu> {
    unserved(protocol, request, FULL)
}

/// The same of one that has waited longer than it may.
pub fn late(protocol: &Protocol, request: &Pdu) -> Option<Pdu> {
    unserved(protocol, request, LATE)
}

fn unserved(protocol: &Protocol, request: &Pdu, why: &str) -> Option<Pdu> {
    if !protocol.answered_refusals {
        return None;
    }
    if request.command() == command::OTHER_VALIDATE_REQ {
        let login: ImValidateReq = request.view().ok()?;
        let response = ImValidateRsp {
            user_name: login.user_name,
            result_code: 1,
            result_string: Some(text(UNAVAILABLE.to_string())),
            attach_data: carried(login.attach_data),
            ..Default::default()
        };
        return Some(reply(request, command::OTHER_VALIDATE_RSP, &response));
    }
    answer(request, RefusedCode::RefusedUnavailable, why)
}

/// Why an answer is not written (switch `edge-limits`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unwritten {
    /// It has so many bytes with its header: more than a PDU may have.
    TooLong(usize),
    /// Too much of the link waits already.
    NoRoom,
}

/// The refusal instead of an answer that is not written (switch `edge-limits`).
pub fn instead_of(protocol: &Protocol, reply: &Pdu, why: Unwritten) -> Option<Pdu> {
    if !protocol.answered_refusals {
        return None;
    }
    let asked = catalogue::request_of(reply.command()).map_or(reply.command(), |asked| asked.id);
    let reason = match why {
        Unwritten::TooLong(length) => format!("an answer of {length} bytes: at most {MAX_LEN}"),
        Unwritten::NoRoom => "too much waits to be written".into(),
    };
    refuse(asked, reply, RefusedCode::RefusedUnavailable, &reason)
}

fn answer(request: &Pdu, code: RefusedCode, reason: &str) -> Option<Pdu> {
    refuse(request.command(), request, code, reason)
}

/// `like` is the request or its answer: both say whose it is in the same fields.
fn refuse(asked: u16, like: &Pdu, code: RefusedCode, reason: &str) -> Option<Pdu> {
    let Envelope { user_id, attach_data } = Envelope::decode(like.body.clone()).ok()?;
    Attach::decode(attach_data.as_ref()?).filter(|a| a.kind == attach::kind::HANDLE)?;
    let refused = Refused {
        user_id,
        command_id: asked.into(),
        code: code as i32,
        reason: Some(text(reason.to_string())),
        attach_data,
    };
    Some(Pdu::new(command::OTHER_REFUSED, like.header.seq_num, &refused))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::im::message::ImUnreadMsgCntReq;

    fn request(attach: Option<Bytes>) -> Pdu {
        let body = ImUnreadMsgCntReq { user_id: 5, attach_data: attach };
        Pdu::new(command::MSG_UNREAD_CNT_REQUEST, 9, &body)
    }

    fn on() -> Protocol {
        Protocol { answered_refusals: true, ..Protocol::teamtalk() }
    }

    #[test]
    fn it_names_the_request_and_carries_its_attach_data() {
        let attach = Attach::handle(3).encode();
        let pdu = of(&on(), &request(Some(attach.clone())), &Silent::Ignored("odd")).unwrap();
        assert_eq!((pdu.command(), pdu.header.seq_num), (command::OTHER_REFUSED, 9));
        let refused: Refused = pdu.view().unwrap();
        assert_eq!((refused.user_id, refused.command_id), (5, 0x0307));
        assert_eq!(refused.code(), RefusedCode::RefusedMalformed);
        assert_eq!(refused.attach_data, Some(attach));
    }

    #[test]
    fn the_original_and_commands_without_a_reply_stay_silent() {
        let pdu = request(Some(Attach::handle(3).encode()));
        assert_eq!(of(&Protocol::teamtalk(), &pdu, &Silent::NoHandler), None);
        assert_eq!(queue_full(&Protocol::teamtalk(), &pdu), None);
        assert_eq!(of(&on(), &pdu, &Silent::Done), None);
        assert!(queue_full(&on(), &pdu).is_some());
    }

    #[test]
    fn a_login_without_room_has_its_own_reply() {
        let asked = ImValidateReq {
            user_name: "bob".into(),
            password: "x".into(),
            attach_data: Some(Attach::handle(3).encode()),
        };
        let asked = Pdu::new(command::OTHER_VALIDATE_REQ, 9, &asked);
        assert_eq!(queue_full(&Protocol::teamtalk(), &asked), None);
        let reply = queue_full(&on(), &asked).expect("a reply");
        assert_eq!(reply.command(), command::OTHER_VALIDATE_RSP);
        let said: ImValidateRsp = reply.view().unwrap();
        assert_eq!((said.result_code, said.user_info.is_none()), (1, true));
        assert_eq!(
            (&*said.user_name, said.attach_data),
            (&b"bob"[..], Some(Attach::handle(3).encode()))
        );
    }

    #[test]
    fn what_no_client_waits_for_is_not_refused() {
        let group = Attach { kind: attach::kind::GROUP, ..Attach::handle(3) };
        for attach in [None, Some(Bytes::new()), Some(group.encode())] {
            assert_eq!(of(&on(), &request(attach), &Silent::NoHandler), None);
        }
        let broken = Pdu::raw(command::MSG_UNREAD_CNT_REQUEST, 9, Bytes::from_static(&[0x08]));
        assert_eq!(of(&on(), &broken, &Silent::NoHandler), None);
    }
}
