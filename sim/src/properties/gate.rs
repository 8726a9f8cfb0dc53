//! gate: what comes on a connection that is not logged in goes no further than its msg_server.
//!
//! A msg_server says of what it passes on whose it is: of a connection without a login it is nobody's,
//! user 0. `isolation` judges what is written to such a connection, and what is stored of its texts; a
//! question whose answer finds no connection, or a change, is seen here only.

use super::{Class, Property, Seen, Sort, Subject, Tally, Violation};
use crate::{
    plan::Role,
    record::{End, Kind, fields::fields},
};
use teamtalk::{
    catalogue::{self, Peer},
    wire::attach::{self, Attach},
};

/// See the module.
#[derive(Debug, Default)]
pub struct Gate {
    tally: Tally,
}

impl Property for Gate {
    fn name(&self) -> &'static str {
        "gate"
    }

    fn says(&self) -> &'static str {
        "what comes on a connection that is not logged in goes no further than its msg_server"
    }

    fn sort(&self) -> Sort {
        Sort::Safety
    }

    fn looks_at(&self) -> &'static [Class] {
        &[Class::LinkPdu]
    }

    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        let line = seen.line;
        let Kind::PduSent(pdu) = &line.kind else { return None };
        if line.host.role() != Role::Msg || pdu.end != End::Dialler {
            return None;
        }
        let entry = catalogue::of(pdu.command())?;
        // What a device may send only once it is logged in, and says in whose name.
        if !entry.is_from_device() || entry.before_login {
            return None;
        }
        entry.served(Peer::Msg, Peer::Db)?;
        let who = entry.body.field("user_id").or(entry.body.field("from_user_id"))?.number;
        self.tally.judge();
        let body = &pdu.pdu.body;
        if fields(body).filter(|field| field.number == who).last()?.value != 0 {
            return None;
        }
        // What a msg_server asks for itself carries something else.
        let attach = pdu.attach().and_then(Attach::decode);
        let is_a_devices = attach.is_none_or(|attach| attach.kind == attach::kind::HANDLE);
        if !is_a_devices {
            return None;
        }
        Some(Violation {
            property: "gate",
            kind: "let-through",
            role: Role::Msg,
            sentence: format!(
                "{} passed {:#06x} ({}) on for nobody",
                line.host,
                pdu.command(),
                entry.name
            ),
            about: [Subject::Connection(pdu.conn)].into(),
        })
    }

    fn tally(&self, _: &super::Known) -> Option<Tally> {
        Some(self.tally.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::Gate;
    use crate::{
        properties::tape::Tape,
        record::{End, Kind},
    };
    use teamtalk::{
        catalogue::id as cmd,
        wire::{
            Pdu,
            attach::{Attach, kind},
            im::{group::ImGroupInfoListReq, message::ImUnreadMsgCntReq},
        },
    };

    #[test]
    fn what_is_nobodys_is_not_passed_on() {
        let unread = |user_id| {
            let attach_data = Some(Attach::handle(3).encode());
            Pdu::new(cmd::MSG_UNREAD_CNT_REQUEST, 1, &ImUnreadMsgCntReq { user_id, attach_data })
        };
        let mut tape = Tape::new(Gate::default());
        let mut sends = |pdu| {
            tape.frame("msg1", End::Dialler, true, 70, pdu);
            std::mem::take(&mut tape.found)
        };
        assert_eq!(sends(unread(1)), [""; 0]);
        assert_eq!(sends(unread(0)), ["gate/let-through/msg"]);
        let attach = Attach { kind: kind::GROUP, handle: 0, service_type: 0, pdu: None };
        let own = ImGroupInfoListReq { attach_data: Some(attach.encode()), ..Default::default() };
        assert_eq!(sends(Pdu::new(cmd::GROUP_INFO_REQUEST, 0, &own)), [""; 0]);
        tape.line("msg1", Kind::HostUp);
    }
}
