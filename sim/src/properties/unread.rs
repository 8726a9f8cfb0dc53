//! unread: at rest the unread counts equal what was sent and not read.
//!
//! An audit asks a db_proxy for the counts of every user. A message is surely read if its msg_id
//! is not above a read ack that a device which is online at the end wrote, or that a db_proxy has
//! confirmed (without `confirmed-read-acks`: has received); maybe, if any device wrote such a
//! read ack. Removing a session reads what was committed before.
//!
//! In a group the messages of others count since the user became a member, the last time; one that
//! was sent or committed within a second of his joining may count or not. The store says who is a
//! member; who is none is told no count.

use super::{
    Property, Sort, Violation,
    clients::Clients,
    membership::{GRAIN_US, Membership, Moment},
    role_of,
    sends::Sends,
    wire::{At, client_pdu, db_pdu},
};
use crate::record::{End, Frame, Kind, Line};
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{
    conversation::{Chat, Conversation},
    protocol::Protocol,
    wire::{
        command,
        im::{
            base_define::UnreadInfo,
            buddy::{ImRemoveSessionReq, ImRemoveSessionRsp},
            message::{ImMsgDataReadAck, ImMsgDataReadNotify, ImUnreadMsgCntRsp},
        },
    },
};

/// The user who reads, and where.
type Reader = (u32, Chat);

/// A message that may count.
#[derive(Debug, Clone, Copy)]
struct Row {
    msg_id: u32,
    from: u32,
    /// When it first arrived at a msg_server.
    sent: Moment,
    committed: Moment,
}

/// A session being removed.
#[derive(Debug)]
struct Removal {
    /// The line at which a db_proxy received it.
    from: u64,
    /// The line at which it said that it is done.
    done: Option<u64>,
    /// It said so with success.
    sure: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Unread {
    confirmed_read_acks: bool,
    clients: Clients,
    membership: Membership,
    sends: Sends,
    rows: BTreeMap<Conversation, Vec<Row>>,
    /// The highest read ack that each device wrote.
    written: BTreeMap<(Reader, u32), u32>,
    /// The highest read ack that a db_proxy has.
    arrived: BTreeMap<Reader, u32>,
    removals: BTreeMap<Reader, Vec<Removal>>,
    /// What the last audit was answered: the counts by chat of each user.
    answers: BTreeMap<u32, BTreeMap<Chat, u32>>,
    /// The last line.
    now: u64,
}

impl Unread {
    /// For a deployment under this protocol.
    pub fn new(protocol: &Protocol) -> Self {
        Self {
            confirmed_read_acks: protocol.confirmed_read_acks,
            clients: Clients::default(),
            membership: Membership::default(),
            sends: Sends::default(),
            rows: BTreeMap::new(),
            written: BTreeMap::new(),
            arrived: BTreeMap::new(),
            removals: BTreeMap::new(),
            answers: BTreeMap::new(),
            now: 0,
        }
    }

    fn at_db(&mut self, n: u64, pdu: &Frame, sent: bool) {
        match (pdu.command(), sent) {
            (command::MSG_READ_ACK, false) if !self.confirmed_read_acks => {
                if let Ok(read) = pdu.view::<ImMsgDataReadAck>() {
                    let chat = Chat::of(read.session_type, read.session_id);
                    self.arrive((read.user_id, chat), read.msg_id);
                }
            }
            (command::MSG_READ_NOTIFY, true) => {
                if let Ok(read) = pdu.view::<ImMsgDataReadNotify>() {
                    let chat = Chat::of(read.session_type, read.session_id);
                    self.arrive((read.user_id, chat), read.msg_id);
                }
            }
            (command::BUDDY_LIST_REMOVE_SESSION_REQ, false) => {
                if let Ok(asked) = pdu.view::<ImRemoveSessionReq>() {
                    let chat = Chat::of(asked.session_type, asked.session_id);
                    let removals = self.removals.entry((asked.user_id, chat)).or_default();
                    removals.push(Removal { from: n, done: None, sure: false });
                }
            }
            (command::BUDDY_LIST_REMOVE_SESSION_RES, true) => {
                if let Ok(answer) = pdu.view::<ImRemoveSessionRsp>()
                    && let chat = Chat::of(answer.session_type, answer.session_id)
                    && let Some(removals) = self.removals.get_mut(&(answer.user_id, chat))
                    && let Some(removal) = removals.iter_mut().find(|r| r.done.is_none())
                {
                    (removal.done, removal.sure) = (Some(n), answer.result_code == 0);
                }
            }
            _ => {}
        }
    }

    fn arrive(&mut self, reader: Reader, msg_id: u32) {
        let arrived = self.arrived.entry(reader).or_default();
        *arrived = msg_id.max(*arrived);
    }

    fn at_device(&mut self, line: &Line) -> Option<()> {
        let (At::DeviceWrites, conn, pdu) = client_pdu(line)? else { return None };
        if pdu.command() != command::MSG_READ_ACK {
            return None;
        }
        let read: ImMsgDataReadAck = pdu.view().ok()?;
        let device = self.clients.device(conn)?;
        // What a device writes that is not logged in reads nothing.
        let user = self.clients.online().get(&device)?.user;
        let reader = (user, Chat::of(read.session_type, read.session_id));
        let written = self.written.entry((reader, device)).or_default();
        *written = read.msg_id.max(*written);
        Some(())
    }

    fn audited_answer(&mut self, line: &Line) -> Option<()> {
        let Kind::PduReceived(frame) = &line.kind else { return None };
        let ours = &*line.host == "outside" && frame.end == End::Dialler;
        if !ours || frame.pdu.command() != command::MSG_UNREAD_CNT_RESPONSE {
            return None;
        }
        let answer: ImUnreadMsgCntRsp = frame.pdu.view().ok()?;
        let count =
            |info: &UnreadInfo| (Chat::of(info.session_type, info.session_id), info.unread_cnt);
        let counts = answer.unreadinfo_list.iter().map(count).collect();
        self.answers.insert(answer.user_id, counts);
        Some(())
    }

    /// The lowest and the highest count that are true of what a user has not read.
    fn bounds(&self, reader: Reader) -> (u32, u32) {
        let (user, chat) = reader;
        let of_reader = self.written.range((reader, 0)..=(reader, u32::MAX));
        let (mut sure, mut maybe) = (self.arrived.get(&reader).copied().unwrap_or(0), 0);
        for (&(_, device), &msg_id) in of_reader {
            maybe = msg_id.max(maybe);
            if self.clients.online().contains_key(&device) {
                sure = msg_id.max(sure);
            }
        }
        let maybe = sure.max(maybe);
        let removals = || self.removals.get(&reader).into_iter().flatten();
        let (mut low, mut high) = (0, 0);
        for row in self.rows.get(&chat.conversation(user)).into_iter().flatten() {
            let at = row.committed.n;
            let removed = removals().any(|r| r.sure && at < r.from);
            let maybe_removed = removals().any(|r| r.done.is_none_or(|done| at < done));
            let (must, may) = self.counts_for(user, chat, row);
            high += u32::from(may && row.msg_id > sure && !removed);
            low += u32::from(must && row.msg_id > maybe && !maybe_removed);
        }
        (low, high)
    }

    /// Whether a message must, and whether it may, count as long as it is not read.
    fn counts_for(&self, user: u32, chat: Chat, row: &Row) -> (bool, bool) {
        if row.from == user {
            return (false, false);
        }
        let Chat::Group(group) = chat else { return (true, true) };
        // An audit that met a change is made again.
        match self.membership.join(group, user) {
            Some(join) => (join.is_before(row.sent), !join.is_after(row.committed, GRAIN_US)),
            None => (false, false),
        }
    }

    /// Where a user may have something to read.
    fn chats(&self, user: u32) -> BTreeSet<Chat> {
        let told = self.answers.get(&user).into_iter().flat_map(BTreeMap::keys);
        told.copied().chain(self.rows.keys().filter_map(|c| c.chat_of(user))).collect()
    }
}

impl Property for Unread {
    fn name(&self) -> &'static str {
        "unread"
    }

    fn says(&self) -> &'static str {
        "at rest the unread counts equal what was sent and not read"
    }

    fn sort(&self) -> Sort {
        Sort::Liveness
    }

    fn audited(&self) -> bool {
        true
    }

    fn observe(&mut self, line: &Line) -> Option<Violation> {
        self.now = line.n;
        self.clients.observe(line);
        self.membership.observe(line);
        self.sends.observe(line, &self.clients);
        match &line.kind {
            Kind::Row { conversation, msg_id, from, content } => {
                let committed = Moment::of(line);
                let sent = self.sends.arrived(&(*from, content.clone())).unwrap_or(committed);
                let row = Row { msg_id: *msg_id, from: *from, sent, committed };
                self.rows.entry(*conversation).or_default().push(row);
            }
            Kind::Phase { phase: "audit" } => self.answers.clear(),
            _ => {
                self.audited_answer(line);
                self.at_device(line);
                if let Some((_, pdu, sent)) = db_pdu(line) {
                    self.at_db(line.n, pdu, sent);
                }
            }
        }
        None
    }

    fn pending(&self) -> Option<Violation> {
        let violation = |kind, sentence, about| {
            Some(Violation { property: "unread", kind, role: role_of("db"), sentence, about })
        };
        // Whoever was told once that the login succeeded must be answered for.
        let users: BTreeSet<u32> = self.clients.all_served().filter_map(|s| s.user).collect();
        for user in users {
            let Some(counts) = self.answers.get(&user) else {
                let why = format!("no db_proxy says what user {user} has not read");
                return violation("no-answer", why, Vec::new());
            };
            for chat in self.chats(user) {
                let (low, high) = self.bounds((user, chat));
                let count = counts.get(&chat).copied().unwrap_or(0);
                if (low..=high).contains(&count) {
                    continue;
                }
                let truth = if low == high { low.to_string() } else { format!("{low} to {high}") };
                let why = format!(
                    "user {user} is said to have {count} unread messages of {chat}; it is {truth}"
                );
                let kind = if count > high { "too-many" } else { "too-few" };
                return violation(kind, why, vec![format!("\"{}\"", chat.conversation(user))]);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::Unread;
    use crate::{
        properties::tape::{G, GROUP, SINGLE, Tape, change_members, group_message},
        record::{End, Kind},
    };
    use teamtalk::{
        conversation::Chat,
        protocol::Protocol,
        wire::{
            Pdu, command,
            im::{
                base_define::UnreadInfo,
                buddy::{ImRemoveSessionReq, ImRemoveSessionRsp},
                message::{ImMsgDataReadAck, ImUnreadMsgCntRsp},
            },
        },
    };

    /// User 2 (device 2, connection 20) has 5 and 6 from user 1, who is user 2's only peer.
    fn sent(protocol: Protocol) -> Tape<Unread> {
        let mut tape = Tape::new(Unread::new(&protocol));
        tape.login(2, 20, 2).row(5, (1, "a")).row(6, (1, "b")).row(7, (2, "own"));
        tape
    }

    fn read(msg_id: u32) -> Pdu {
        read_of(Chat::User(1), msg_id)
    }

    fn read_of(chat: Chat, msg_id: u32) -> Pdu {
        let read = ImMsgDataReadAck {
            user_id: 2,
            session_id: chat.id(),
            msg_id,
            session_type: chat.session_type(),
            attach_data: None,
        };
        Pdu::new(command::MSG_READ_ACK, 5, &read)
    }

    fn audited(tape: &mut Tape<Unread>, counts: &[(u32, u32)]) -> Option<String> {
        let info = |&(session_id, unread_cnt): &(u32, u32)| UnreadInfo {
            session_id,
            unread_cnt,
            session_type: SINGLE,
            latest_msg_type: 1,
            ..Default::default()
        };
        let unreadinfo_list = counts.iter().map(info).collect();
        let answer = ImUnreadMsgCntRsp { user_id: 2, unreadinfo_list, ..Default::default() };
        tape.line("world", Kind::Phase { phase: "audit" });
        let answer = Pdu::new(command::MSG_UNREAD_CNT_RESPONSE, 1, &answer);
        tape.frame("outside", End::Dialler, false, 90, answer);
        tape.pending()
    }

    const MANY: Option<&str> = Some("unread/too-many/db");
    const FEW: Option<&str> = Some("unread/too-few/db");

    #[test]
    fn without_an_answer_of_the_last_audit_it_is_pending() {
        let mut tape = sent(Protocol::teamtalk());
        assert_eq!(tape.pending().as_deref(), Some("unread/no-answer/db"));
        assert_eq!(audited(&mut tape, &[(1, 2)]), None);
        tape.line("world", Kind::Phase { phase: "audit" });
        assert_eq!(tape.pending().as_deref(), Some("unread/no-answer/db"));
    }

    #[test]
    fn what_was_not_read_is_counted() {
        let mut tape = sent(Protocol::teamtalk());
        assert_eq!(audited(&mut tape, &[(1, 3)]).as_deref(), MANY);
        assert_eq!(audited(&mut tape, &[(1, 1)]).as_deref(), FEW);
        assert_eq!(audited(&mut tape, &[]).as_deref(), FEW);
        assert_eq!(audited(&mut tape, &[(1, 2), (9, 1)]).as_deref(), MANY, "from nobody");
        assert_eq!(audited(&mut tape, &[(1, 2), (9, 0)]), None);
    }

    #[test]
    fn a_read_ack_of_a_device_that_stays_is_sure_and_of_one_that_left_is_not() {
        let mut tape = sent(Protocol::hardened());
        tape.asks(20, read(5));
        assert_eq!(audited(&mut tape, &[(1, 1)]), None);
        assert_eq!(audited(&mut tape, &[(1, 2)]).as_deref(), MANY);
        assert_eq!(audited(&mut tape, &[]).as_deref(), FEW);
        tape.hang_up(2, 20);
        assert_eq!(audited(&mut tape, &[(1, 1)]), None);
        assert_eq!(audited(&mut tape, &[(1, 2)]), None);
        assert_eq!(audited(&mut tape, &[]).as_deref(), FEW);
    }

    #[test]
    fn what_a_db_proxy_has_is_sure() {
        let mut old = sent(Protocol::teamtalk());
        old.frame("db1", End::Acceptor, false, 70, read(6));
        assert_eq!(audited(&mut old, &[(1, 1)]).as_deref(), MANY);
        assert_eq!(audited(&mut old, &[]), None);
        let mut new = sent(Protocol::hardened());
        new.asks(20, read(6)).hang_up(2, 20).frame("db1", End::Acceptor, false, 70, read(6));
        assert_eq!(audited(&mut new, &[(1, 2)]), None, "received, not confirmed");
        let confirmed = Pdu::raw(command::MSG_READ_NOTIFY, 5, read(6).body);
        new.frame("db1", End::Acceptor, true, 70, confirmed);
        assert_eq!(audited(&mut new, &[(1, 2)]).as_deref(), MANY);
        assert_eq!(audited(&mut new, &[]), None);
    }

    #[test]
    fn a_removed_session_is_read_up_to_then() {
        let mut tape = sent(Protocol::teamtalk());
        let asked = ImRemoveSessionReq {
            user_id: 2,
            session_type: SINGLE,
            session_id: 1,
            attach_data: None,
        };
        let asked = Pdu::new(command::BUDDY_LIST_REMOVE_SESSION_REQ, 5, &asked);
        tape.frame("db1", End::Acceptor, false, 70, asked).row(8, (1, "c"));
        for count in 0..=3 {
            assert_eq!(audited(&mut tape, &[(1, count)]), None, "not answered: {count}");
        }
        let done = ImRemoveSessionRsp {
            user_id: 2,
            result_code: 0,
            session_type: SINGLE,
            session_id: 1,
            attach_data: None,
        };
        let done = Pdu::new(command::BUDDY_LIST_REMOVE_SESSION_RES, 5, &done);
        tape.frame("db1", End::Acceptor, true, 70, done).row(9, (1, "d"));
        assert_eq!(audited(&mut tape, &[(1, 0)]).as_deref(), FEW);
        assert_eq!(audited(&mut tape, &[(1, 1)]), None);
        assert_eq!(audited(&mut tape, &[(1, 2)]), None);
        assert_eq!(audited(&mut tape, &[(1, 3)]).as_deref(), MANY);
    }

    /// User 2 (device 2, connection 20) and user 1 are members of the group from the start: 5 and
    /// 6 are from user 1, 7 is from user 2 himself.
    fn group() -> Tape<Unread> {
        let mut tape = Tape::new(Unread::new(&Protocol::hardened()));
        tape.group(&[1, 2]).login(1, 10, 1).login(2, 20, 2).hang_up(1, 10);
        tape.group_row(5, (1, "a")).group_row(6, (1, "b")).group_row(7, (2, "own"));
        tape.later(5);
        tape
    }

    /// What is said if user 2 is told this count of the group, and user 1 the truth.
    fn told(tape: &mut Tape<Unread>, count: u32) -> Option<String> {
        tape.line("world", Kind::Phase { phase: "audit" });
        let info = |unread_cnt| UnreadInfo {
            session_id: G,
            unread_cnt,
            session_type: GROUP,
            latest_msg_type: 17,
            ..Default::default()
        };
        for (user_id, unread_cnt) in [(1, 1), (2, count)] {
            let unreadinfo_list = vec![info(unread_cnt)];
            let answer = ImUnreadMsgCntRsp { user_id, unreadinfo_list, ..Default::default() };
            let answer = Pdu::new(command::MSG_UNREAD_CNT_RESPONSE, 1, &answer);
            tape.frame("outside", End::Dialler, false, 90, answer);
        }
        tape.pending()
    }

    /// The counts up to 4 that nothing is said about.
    fn allowed(tape: &mut Tape<Unread>) -> Vec<u32> {
        (0..=4).filter(|&count| told(tape, count).is_none()).collect()
    }

    #[test]
    fn in_a_group_what_others_sent_counts() {
        let mut tape = group();
        assert_eq!(told(&mut tape, 1).as_deref(), FEW);
        assert_eq!(told(&mut tape, 3).as_deref(), MANY, "the own one");
        assert_eq!(allowed(&mut tape), [2]);
        assert_eq!(allowed(tape.asks(20, read_of(Chat::User(G), 6))), [2], "another chat");
        assert_eq!(allowed(tape.asks(20, read_of(Chat::Group(G), 5))), [1]);
        assert_eq!(allowed(tape.hang_up(2, 20)), [1, 2], "maybe");
        let confirmed = Pdu::raw(command::MSG_READ_NOTIFY, 5, read_of(Chat::Group(G), 5).body);
        assert_eq!(allowed(tape.db_writes(confirmed)), [1]);
    }

    #[test]
    fn what_was_before_the_join_does_not_count_nor_for_who_is_no_member() {
        let mut tape = group();
        assert_eq!(allowed(tape.changes(8, 2, false)), [0]);
        tape.later(5).changes(9, 2, true).group_row(8, (1, "in the same second"));
        assert_eq!(allowed(&mut tape), [0, 1]);
        assert_eq!(allowed(tape.later(5).group_row(9, (1, "d"))), [1, 2]);
        tape.later(5).db_reads(change_members(10, 1, G, false, &[2]));
        assert_eq!(allowed(&mut tape), [1, 2], "the store still has him");
        assert_eq!(allowed(tape.member(2, false)), [0]);
        tape.later(5).db_reads(change_members(11, 1, G, true, &[2])).member(2, true);
        assert_eq!(allowed(tape.later(9).group_row(10, (1, "e"))), [0, 1], "it is being done");
        assert_eq!(allowed(tape.later(9).group_row(11, (1, "f"))), [1, 2], "never answered");
    }

    #[test]
    fn a_message_that_arrived_before_the_join_and_was_committed_after_it_may_count() {
        let mut tape = group();
        tape.changes(8, 2, false).login(1, 11, 1).asks(11, group_message(9, 0, 1, "d"));
        tape.later(5).changes(9, 2, true).later(5).group_row(8, (1, "d")).hang_up(1, 11);
        assert_eq!(allowed(&mut tape), [0, 1]);
    }
}
