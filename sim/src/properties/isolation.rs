//! isolation: nothing reaches or is taken from a connection that is not logged in, was kicked,
//! or is no member.
//!
//! Logged in and kicked are judged by what the msg_server had written on the connection.

use super::{
    Property, Sort, Violation,
    clients::Clients,
    role_of,
    wire::{At, client_pdu, is_group, text},
};
use crate::record::{Frame, Kind, Line};
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{
    env::ConnId,
    wire::{
        command,
        im::{
            buddy::ImRecentContactSessionRsp,
            message::{ImGetMsgByIdRsp, ImGetMsgListRsp, ImMsgData, ImUnreadMsgCntRsp},
        },
    },
};

/// See the module.
#[derive(Debug, Default)]
pub struct Isolation {
    clients: Clients,
    /// Contents that came on a connection that was logged in and not kicked.
    welcome: BTreeSet<String>,
    /// Contents that came on another one, which, and how it stood.
    intruding: BTreeMap<String, (ConnId, &'static str)>,
}

fn violation(kind: &'static str, sentence: String, about: Vec<String>) -> Option<Violation> {
    Some(Violation { property: "isolation", kind, role: role_of("msg"), sentence, about })
}

impl Isolation {
    fn takes(&mut self, conn: ConnId, pdu: &Frame) {
        let Ok(data) = pdu.view::<ImMsgData>() else { return };
        let content = text(&data.msg_data);
        match self.clients.served(conn).map(|s| (s.user, s.kicked)) {
            Some((Some(_), false)) => {
                self.welcome.insert(content);
            }
            Some((Some(_), true)) => {
                self.intruding.insert(content, (conn, "was kicked"));
            }
            _ => {
                self.intruding.insert(content, (conn, "is not logged in"));
            }
        }
    }

    /// What is written on a connection, before it is.
    fn tells(&self, conn: ConnId, pdu: &Frame) -> Option<Violation> {
        let served = self.clients.served(conn)?;
        let id = pdu.command();
        if [command::OTHER_HEARTBEAT, command::OTHER_REFUSED].contains(&id) {
            return None;
        }
        let name = command::name(id).unwrap_or("a PDU");
        let about = || vec![format!("\"conn\":{conn},")];
        let Some(user) = served.user else {
            let allowed = id == command::LOGIN_RES_USERLOGIN;
            let why = format!("connection {conn} is not logged in and was sent {id:#06x} ({name})");
            return if allowed { None } else { violation("not-logged-in", why, about()) };
        };
        if served.kicked {
            let why = format!(
                "connection {conn} of user {user} was kicked and then sent {id:#06x} ({name})"
            );
            return violation("kicked", why, about());
        }
        let stranger = self.whose(pdu, user)?;
        let why = format!("connection {conn} is of user {user} and was sent {name}, {stranger}");
        violation("no-member", why, about())
    }

    /// Says whose a PDU is, if it is not for this user. Members of groups are not known yet.
    fn whose(&self, pdu: &Frame, user: u32) -> Option<String> {
        let owner = match pdu.command() {
            command::MSG_DATA => {
                let m: ImMsgData = pdu.view().ok()?;
                let member = user == m.from_user_id || user == m.to_session_id;
                let pair = format!("a message from user {} to {}", m.from_user_id, m.to_session_id);
                return (!is_group(m.msg_type) && !member).then_some(pair);
            }
            command::MSG_LIST_RESPONSE => pdu.view::<ImGetMsgListRsp>().ok()?.user_id,
            command::MSG_GET_BY_MSG_ID_RES => pdu.view::<ImGetMsgByIdRsp>().ok()?.user_id,
            command::BUDDY_LIST_RECENT_CONTACT_SESSION_RESPONSE => {
                pdu.view::<ImRecentContactSessionRsp>().ok()?.user_id
            }
            command::MSG_UNREAD_CNT_RESPONSE => pdu.view::<ImUnreadMsgCntRsp>().ok()?.user_id,
            _ => return None,
        };
        (owner != user).then(|| format!("which is for user {owner}"))
    }
}

impl Property for Isolation {
    fn name(&self) -> &'static str {
        "isolation"
    }

    fn says(&self) -> &'static str {
        "nothing reaches or is taken from a connection that is not logged in, was kicked, or is \
         no member"
    }

    fn sort(&self) -> Sort {
        Sort::Safety
    }

    fn observe(&mut self, line: &Line) -> Option<Violation> {
        let found = match client_pdu(line) {
            Some((At::ServerWrites, conn, pdu)) => self.tells(conn, pdu),
            Some((At::ServerReads, conn, pdu)) if pdu.command() == command::MSG_DATA => {
                self.takes(conn, pdu);
                None
            }
            _ => None,
        };
        self.clients.observe(line);
        if let Kind::Row { conversation, msg_id, content, .. } = &line.kind
            && !self.welcome.contains(content)
            && let Some((conn, why)) = self.intruding.get(content)
        {
            let sentence = format!(
                "\"{content}\" is stored as msg_id {msg_id} of {conversation}; it came on \
                 connection {conn} only, which {why}"
            );
            return violation("taken", sentence, vec![content.clone()]);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::Isolation;
    use crate::properties::tape::{Tape, list, message};
    use bytes::Bytes;
    use teamtalk::wire::{Pdu, command};

    fn raw(command: u16) -> Pdu {
        Pdu::raw(command, 3, Bytes::new())
    }

    #[test]
    fn before_the_login_only_its_answer_heartbeats_and_refusals_are_sent() {
        let mut tape = Tape::new(Isolation::default());
        tape.connect(1, 10);
        for command in
            [command::OTHER_HEARTBEAT, command::OTHER_REFUSED, command::LOGIN_RES_USERLOGIN]
        {
            tape.tells(10, raw(command));
        }
        assert!(tape.found.is_empty(), "{:?}", tape.found);
        tape.tells(10, raw(command::MSG_TIME_RESPONSE));
        assert_eq!(tape.found, ["isolation/not-logged-in/msg"]);
    }

    #[test]
    fn after_a_kick_only_heartbeats_and_refusals_are_sent() {
        let mut tape = Tape::new(Isolation::default());
        tape.login(1, 10, 1).login(2, 20, 1).tells(10, raw(command::MSG_TIME_RESPONSE)).kick(10);
        tape.tells(10, raw(command::OTHER_HEARTBEAT)).tells(10, raw(command::OTHER_REFUSED));
        tape.tells(20, raw(command::MSG_TIME_RESPONSE));
        assert!(tape.found.is_empty(), "{:?}", tape.found);
        tape.tells(10, raw(command::MSG_TIME_RESPONSE));
        assert_eq!(tape.found, ["isolation/kicked/msg"]);
    }

    #[test]
    fn a_message_from_no_user_is_taken() {
        let mut tape = Tape::new(Isolation::default());
        tape.connect(1, 10).asks(10, message(5, 0, 1, 2, "early")).row(1, (1, "early"));
        assert_eq!(tape.found, ["isolation/taken/msg"]);
        let mut tape = Tape::new(Isolation::default());
        tape.login(1, 10, 1).kick(10).asks(10, message(5, 0, 1, 2, "late")).row(1, (1, "late"));
        assert_eq!(tape.found, ["isolation/taken/msg"]);
        // Sent again on a connection that may: that one was taken.
        let mut tape = Tape::new(Isolation::default());
        tape.connect(1, 10).asks(10, message(5, 0, 1, 2, "early"));
        tape.login(1, 11, 1).asks(11, message(5, 0, 1, 2, "early")).row(1, (1, "early"));
        assert!(tape.found.is_empty(), "{:?}", tape.found);
    }

    #[test]
    fn what_is_for_others_is_found() {
        let mut tape = Tape::new(Isolation::default());
        tape.login(1, 10, 1)
            .tells(10, message(0, 4, 1, 2, "a"))
            .tells(10, message(0, 4, 2, 1, "a"));
        tape.tells(10, list(5, 1, 2, &[]));
        assert!(tape.found.is_empty(), "{:?}", tape.found);
        tape.tells(10, message(0, 4, 3, 2, "a"));
        tape.tells(10, list(5, 3, 2, &[]));
        assert_eq!(tape.found, ["isolation/no-member/msg", "isolation/no-member/msg"]);
    }
}
