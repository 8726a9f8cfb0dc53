//! isolation: nothing reaches or is taken from a connection that is not logged in, was kicked,
//! or is no member.
//!
//! Logged in and kicked are judged by what the msg_server had written on the connection. What is
//! of a group may be written to a user who may have been a member (`membership`) at some time
//! since: for a message that is pushed, or shown beside a session, since its row was committed;
//! for the answer to a question, since that arrived at the msg_server. A message to a group may
//! be stored if its sender may have been a member at some time since it arrived there.

use super::{
    Property, Sort, Violation,
    clients::Clients,
    membership::Membership,
    role_of,
    sends::Sends,
    wire::{At, Message, client_pdu, content, is_group},
};
use crate::record::{Frame, Kind, Line};
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{
    conversation::{Chat, Conversation},
    env::ConnId,
    wire::{
        command,
        im::{
            buddy::ImRecentContactSessionRsp,
            group::ImGroupInfoListRsp,
            message::{
                ImGetLatestMsgIdRsp, ImGetMsgByIdRsp, ImGetMsgListRsp, ImMsgData, ImUnreadMsgCntRsp,
            },
        },
    },
};

/// See the module.
#[derive(Debug, Default)]
pub struct Isolation {
    clients: Clients,
    membership: Membership,
    sends: Sends,
    /// The lines at which questions that are not answered were first read.
    asked: BTreeMap<(ConnId, u16), u64>,
    /// The lines at which rows of groups were first committed, by group and msg_id.
    rows: BTreeMap<(u32, u32), u64>,
    /// Contents that came on a connection that was logged in and not kicked.
    welcome: BTreeSet<String>,
    /// Contents that came on another one, which, and how it stood.
    intruding: BTreeMap<String, (ConnId, &'static str)>,
}

/// Something of a group that is written to a user, and the line since which he may have been a
/// member for that.
struct OfGroup {
    group: u32,
    since: u64,
}

fn violation(kind: &'static str, sentence: String, about: Vec<String>) -> Option<Violation> {
    Some(Violation { property: "isolation", kind, role: role_of("msg"), sentence, about })
}

fn is_question(command: u16) -> bool {
    [
        command::BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST,
        command::MSG_UNREAD_CNT_REQUEST,
        command::MSG_LIST_REQUEST,
        command::MSG_GET_LATEST_MSG_ID_REQ,
        command::MSG_GET_BY_MSG_ID_REQ,
        command::GROUP_INFO_REQUEST,
    ]
    .contains(&command)
}

impl Isolation {
    fn takes(&mut self, conn: ConnId, pdu: &Frame) {
        let Ok(data) = pdu.view::<ImMsgData>() else { return };
        let content = content(data.msg_type, &data.msg_data);
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
    fn tells(&mut self, line: &Line, conn: ConnId, pdu: &Frame) -> Option<Violation> {
        let asked = self.asked.remove(&(conn, pdu.header.seq_num));
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
        let stranger = self.whose(pdu, user).or_else(|| {
            let of_groups = self.of_groups(pdu, asked.unwrap_or(0)).unwrap_or_default();
            let foreign =
                |of: &&OfGroup| !self.membership.is_ever(of.group, user, of.since, line.n);
            let group = of_groups.iter().find(foreign)?.group;
            Some(format!("which tells of group {group}; he is no member, nor was he in time"))
        })?;
        let why = format!("connection {conn} is of user {user} and was sent {name}, {stranger}");
        violation("no-member", why, about())
    }

    /// What a PDU tells of groups, as the answer to a question that was read in line `asked`.
    fn of_groups(&self, pdu: &Frame, asked: u64) -> Option<Vec<OfGroup>> {
        let list = |session_type, id, empty: bool| match Chat::of(session_type, id) {
            Chat::Group(group) if !empty => vec![OfGroup { group, since: asked }],
            _ => Vec::new(),
        };
        Some(match pdu.command() {
            command::MSG_DATA => {
                let m: ImMsgData = pdu.view().ok()?;
                let message = (m.from_user_id, content(m.msg_type, &m.msg_data));
                let since = self.since(&message);
                let of = OfGroup { group: m.to_session_id, since };
                if is_group(m.msg_type) { vec![of] } else { Vec::new() }
            }
            command::MSG_LIST_RESPONSE => {
                let answer: ImGetMsgListRsp = pdu.view().ok()?;
                list(answer.session_type, answer.session_id, answer.msg_list.is_empty())
            }
            command::MSG_GET_BY_MSG_ID_RES => {
                let answer: ImGetMsgByIdRsp = pdu.view().ok()?;
                list(answer.session_type, answer.session_id, answer.msg_list.is_empty())
            }
            command::MSG_GET_LATEST_MSG_ID_RSP => {
                let answer: ImGetLatestMsgIdRsp = pdu.view().ok()?;
                list(answer.session_type, answer.session_id, answer.latest_msg_id == 0)
            }
            command::GROUP_INFO_RESPONSE => {
                let answer: ImGroupInfoListRsp = pdu.view().ok()?;
                let groups = answer.group_info_list.iter().map(|info| info.group_id);
                groups.map(|group| OfGroup { group, since: asked }).collect()
            }
            command::MSG_UNREAD_CNT_RESPONSE => {
                let answer: ImUnreadMsgCntRsp = pdu.view().ok()?;
                let infos = answer.unreadinfo_list.iter();
                infos.flat_map(|info| list(info.session_type, info.session_id, false)).collect()
            }
            // A session outlives the membership, what is shown beside it need not be older.
            command::BUDDY_LIST_RECENT_CONTACT_SESSION_RESPONSE => {
                let answer: ImRecentContactSessionRsp = pdu.view().ok()?;
                let of = |(group, msg_id): (u32, u32)| {
                    let since = self.rows.get(&(group, msg_id)).copied().unwrap_or(asked);
                    OfGroup { group, since: since.min(asked) }
                };
                let sessions = answer.contact_session_list.iter();
                let groups =
                    sessions.filter_map(|s| match Chat::of(s.session_type, s.session_id) {
                        Chat::Group(group) if s.latest_msg_id != 0 => {
                            Some((group, s.latest_msg_id))
                        }
                        _ => None,
                    });
                groups.map(of).collect()
            }
            _ => return None,
        })
    }

    /// The line since which whoever was a member may be sent a message.
    fn since(&self, message: &Message) -> u64 {
        let first = self.sends.stored(message).or_else(|| self.sends.arrived(message));
        first.map_or(0, |at| at.n)
    }

    /// A row of a message, as it is committed.
    fn stores(
        &self,
        line: &Line,
        (conversation, msg_id): (Conversation, u32),
        message: Message,
    ) -> Option<Violation> {
        let content = &message.1;
        if !self.welcome.contains(content)
            && let Some((conn, why)) = self.intruding.get(content)
        {
            let sentence = format!(
                "\"{content}\" is stored as msg_id {msg_id} of {conversation}; it came on \
                 connection {conn} only, which {why}"
            );
            return violation("taken", sentence, vec![content.clone()]);
        }
        let Conversation::Group(group) = conversation else { return None };
        let arrived = self.sends.arrived(&message).map_or(0, |at| at.n);
        if self.membership.is_ever(group, message.0, arrived, line.n) {
            return None;
        }
        let sentence = format!(
            "\"{content}\" is stored as msg_id {msg_id} of {conversation}; its sender, user {}, \
             was no member when it arrived, nor since",
            message.0
        );
        let about = vec![content.clone()];
        Some(Violation { role: role_of("db"), ..violation("no-member", sentence, about)? })
    }

    /// Says whose a PDU is, if it is not for this user.
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
        self.membership.observe(line);
        let found = match client_pdu(line) {
            Some((At::ServerWrites, conn, pdu)) => self.tells(line, conn, pdu),
            Some((At::ServerReads, conn, pdu)) if pdu.command() == command::MSG_DATA => {
                self.takes(conn, pdu);
                None
            }
            Some((At::ServerReads, conn, pdu)) if is_question(pdu.command()) => {
                self.asked.entry((conn, pdu.header.seq_num)).or_insert(line.n);
                None
            }
            _ => None,
        };
        self.clients.observe(line);
        self.sends.observe(line, &self.clients);
        if let Kind::Row { conversation, msg_id, from, content } = &line.kind {
            if let Conversation::Group(group) = conversation {
                self.rows.entry((*group, *msg_id)).or_insert(line.n);
            }
            return self.stores(line, (*conversation, *msg_id), (*from, content.clone()));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::Isolation;
    use crate::properties::tape::{G, GROUP, Tape, group_list, group_message, list, message};
    use bytes::Bytes;
    use teamtalk::wire::{
        Pdu, command,
        im::{
            base_define::{
                ContactSessionInfo, GroupInfo, GroupType, MsgType, SessionStatusType, UnreadInfo,
            },
            buddy::ImRecentContactSessionRsp,
            group::ImGroupInfoListRsp,
            message::{ImGetLatestMsgIdRsp, ImUnreadMsgCntRsp},
        },
    };

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

    /// Users 1 and 2 are members of the group, 3 is none; all are logged in.
    fn group() -> Tape<Isolation> {
        let mut tape = Tape::new(Isolation::default());
        tape.group(&[1, 2]).login(1, 10, 1).login(2, 20, 2).login(3, 30, 3);
        tape
    }

    const TO_NO_MEMBER: [&str; 1] = ["isolation/no-member/msg"];

    #[test]
    fn a_push_is_for_who_was_a_member_at_some_time_since_its_commit() {
        let push = || group_message(0, 4, 1, "a");
        let mut tape = group();
        tape.group_row(4, (1, "a")).tells(20, push());
        tape.changes(5, 2, false).changes(6, 3, true).tells(20, push()).tells(30, push());
        assert!(tape.found.is_empty(), "{:?}", tape.found);
        assert_eq!(group().group_row(4, (1, "a")).tells(30, push()).found, TO_NO_MEMBER);
        let mut tape = group();
        tape.changes(5, 2, false).group_row(4, (1, "a")).tells(20, push());
        assert_eq!(tape.found, TO_NO_MEMBER);
        // Not stored at all: since it arrived.
        let mut tape = group();
        tape.changes(5, 2, false).asks(10, group_message(9, 0, 1, "a")).tells(20, push());
        assert_eq!(tape.found, TO_NO_MEMBER);
        let mut tape = group();
        tape.asks(10, group_message(9, 0, 1, "a")).changes(5, 2, false).tells(20, push());
        assert!(tape.found.is_empty(), "{:?}", tape.found);
    }

    fn answers() -> [(u16, Pdu); 4] {
        let latest = ImGetLatestMsgIdRsp {
            user_id: 2,
            session_type: GROUP,
            session_id: G,
            latest_msg_id: 4,
            attach_data: None,
        };
        let info =
            GroupInfo { group_id: G, group_type: GroupType::Tmp as i32, ..Default::default() };
        let info =
            ImGroupInfoListRsp { user_id: 2, group_info_list: vec![info], attach_data: None };
        let unread = UnreadInfo {
            session_id: G,
            session_type: GROUP,
            latest_msg_type: MsgType::GroupText as i32,
            ..Default::default()
        };
        let unread =
            ImUnreadMsgCntRsp { user_id: 2, unreadinfo_list: vec![unread], ..Default::default() };
        [
            (command::MSG_LIST_REQUEST, group_list(5, 2, &[(4, 1, "a")])),
            (
                command::MSG_GET_LATEST_MSG_ID_REQ,
                Pdu::new(command::MSG_GET_LATEST_MSG_ID_RSP, 5, &latest),
            ),
            (command::GROUP_INFO_REQUEST, Pdu::new(command::GROUP_INFO_RESPONSE, 5, &info)),
            (
                command::MSG_UNREAD_CNT_REQUEST,
                Pdu::new(command::MSG_UNREAD_CNT_RESPONSE, 5, &unread),
            ),
        ]
    }

    #[test]
    fn an_answer_is_for_who_was_a_member_at_some_time_since_the_question() {
        for (question, answer) in answers() {
            let question = Pdu::raw(question, 5, Bytes::new());
            let mut tape = group();
            tape.asks(20, question.clone()).changes(6, 2, false).tells(20, answer.clone());
            assert!(tape.found.is_empty(), "{answer:?} {:?}", tape.found);
            tape.asks(20, question).tells(20, answer.clone());
            assert_eq!(tape.found, TO_NO_MEMBER, "{answer:?}");
        }
        let mut tape = group();
        tape.changes(6, 2, false).asks(20, Pdu::raw(command::MSG_LIST_REQUEST, 5, Bytes::new()));
        tape.tells(20, group_list(5, 2, &[]));
        assert!(tape.found.is_empty(), "nothing is told: {:?}", tape.found);
    }

    #[test]
    fn what_is_shown_beside_a_session_must_be_from_his_time() {
        let session = ContactSessionInfo {
            session_id: G,
            session_type: GROUP,
            session_status: SessionStatusType::SessionStatusOk as i32,
            latest_msg_type: MsgType::GroupText as i32,
            latest_msg_id: 4,
            ..Default::default()
        };
        let answer = ImRecentContactSessionRsp {
            user_id: 2,
            contact_session_list: vec![session],
            ..Default::default()
        };
        let answer = Pdu::new(command::BUDDY_LIST_RECENT_CONTACT_SESSION_RESPONSE, 5, &answer);
        let question = Pdu::raw(answer.command() - 1, 5, Bytes::new());
        let mut tape = group();
        tape.group_row(4, (1, "a")).changes(6, 2, false);
        tape.asks(20, question.clone()).tells(20, answer.clone());
        assert!(tape.found.is_empty(), "{:?}", tape.found);
        let mut tape = group();
        tape.changes(6, 2, false).group_row(4, (1, "a")).asks(20, question).tells(20, answer);
        assert_eq!(tape.found, TO_NO_MEMBER);
    }

    #[test]
    fn a_message_of_no_member_is_not_to_be_stored() {
        let send = || group_message(9, 0, 2, "a");
        let mut tape = group();
        tape.asks(20, send()).changes(5, 2, false).group_row(4, (2, "a"));
        assert!(tape.found.is_empty(), "{:?}", tape.found);
        let mut tape = group();
        tape.changes(5, 2, false).asks(20, send()).group_row(4, (2, "a"));
        assert_eq!(tape.found, ["isolation/no-member/db"]);
        let mut tape = group();
        tape.asks(30, group_message(9, 0, 3, "b")).group_row(4, (3, "b"));
        assert_eq!(tape.found, ["isolation/no-member/db"]);
    }
}
