//! unread: at rest the unread counts equal what was sent and not read.
//!
//! An audit asks a db_proxy for the counts of every user. A message is surely read if its msg_id
//! is not above a read ack that a device which is online at the end wrote, or that a db_proxy has
//! confirmed (without `confirmed-read-acks`: has received); maybe, if any device wrote such a
//! read ack. Removing a session reads what was committed before.

use super::{
    Property, Sort, Violation,
    clients::Clients,
    role_of,
    wire::{At, client_pdu, db_pdu},
};
use crate::record::{End, Frame, Kind, Line};
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{
    conversation::Conversation,
    protocol::Protocol,
    wire::{
        command,
        im::{
            base_define::SessionType,
            buddy::{ImRemoveSessionReq, ImRemoveSessionRsp},
            message::{ImMsgDataReadAck, ImMsgDataReadNotify, ImUnreadMsgCntRsp},
        },
    },
};

const SINGLE: i32 = SessionType::Single as i32;

/// The user who reads, and the peer who wrote.
type Pair = (u32, u32);

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
    /// The msg_ids of what a peer sent, with the lines of the commits.
    rows: BTreeMap<Pair, Vec<(u32, u64)>>,
    /// The highest read ack that each device wrote.
    written: BTreeMap<(Pair, u32), u32>,
    /// The highest read ack that a db_proxy has.
    arrived: BTreeMap<Pair, u32>,
    removals: BTreeMap<Pair, Vec<Removal>>,
    /// What the last audit was answered: the counts by peer of each user.
    answers: BTreeMap<u32, BTreeMap<u32, u32>>,
}

impl Unread {
    /// For a deployment under this protocol.
    pub fn new(protocol: &Protocol) -> Self {
        Self {
            confirmed_read_acks: protocol.confirmed_read_acks,
            clients: Clients::default(),
            rows: BTreeMap::new(),
            written: BTreeMap::new(),
            arrived: BTreeMap::new(),
            removals: BTreeMap::new(),
            answers: BTreeMap::new(),
        }
    }

    fn at_db(&mut self, n: u64, pdu: &Frame, sent: bool) {
        match (pdu.command(), sent) {
            (command::MSG_READ_ACK, false) if !self.confirmed_read_acks => {
                if let Ok(read) = pdu.view::<ImMsgDataReadAck>()
                    && read.session_type == SINGLE
                {
                    self.arrive((read.user_id, read.session_id), read.msg_id);
                }
            }
            (command::MSG_READ_NOTIFY, true) => {
                if let Ok(read) = pdu.view::<ImMsgDataReadNotify>()
                    && read.session_type == SINGLE
                {
                    self.arrive((read.user_id, read.session_id), read.msg_id);
                }
            }
            (command::BUDDY_LIST_REMOVE_SESSION_REQ, false) => {
                if let Ok(asked) = pdu.view::<ImRemoveSessionReq>()
                    && asked.session_type == SINGLE
                {
                    let removals =
                        self.removals.entry((asked.user_id, asked.session_id)).or_default();
                    removals.push(Removal { from: n, done: None, sure: false });
                }
            }
            (command::BUDDY_LIST_REMOVE_SESSION_RES, true) => {
                if let Ok(answer) = pdu.view::<ImRemoveSessionRsp>()
                    && let Some(removals) =
                        self.removals.get_mut(&(answer.user_id, answer.session_id))
                    && let Some(removal) = removals.iter_mut().find(|r| r.done.is_none())
                {
                    (removal.done, removal.sure) = (Some(n), answer.result_code == 0);
                }
            }
            _ => {}
        }
    }

    fn arrive(&mut self, pair: Pair, msg_id: u32) {
        let arrived = self.arrived.entry(pair).or_default();
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
        if read.session_type == SINGLE {
            let written = self.written.entry(((user, read.session_id), device)).or_default();
            *written = read.msg_id.max(*written);
        }
        Some(())
    }

    fn audited_answer(&mut self, line: &Line) -> Option<()> {
        let Kind::PduReceived(frame) = &line.kind else { return None };
        let ours = line.host == "outside" && frame.end == End::Dialler;
        if !ours || frame.pdu.command() != command::MSG_UNREAD_CNT_RESPONSE {
            return None;
        }
        let answer: ImUnreadMsgCntRsp = frame.pdu.view().ok()?;
        let single = answer.unreadinfo_list.iter().filter(|info| info.session_type == SINGLE);
        let counts = single.map(|info| (info.session_id, info.unread_cnt)).collect();
        self.answers.insert(answer.user_id, counts);
        Some(())
    }

    /// The lowest and the highest count that are true of what a user has of a peer.
    fn bounds(&self, pair: Pair) -> (u32, u32) {
        let of_pair = self.written.range((pair, 0)..=(pair, u32::MAX));
        let (mut sure, mut maybe) = (self.arrived.get(&pair).copied().unwrap_or(0), 0);
        for (&(_, device), &msg_id) in of_pair {
            maybe = msg_id.max(maybe);
            if self.clients.online().contains_key(&device) {
                sure = msg_id.max(sure);
            }
        }
        let maybe = sure.max(maybe);
        let removals = || self.removals.get(&pair).into_iter().flatten();
        let (mut low, mut high) = (0, 0);
        for &(msg_id, at) in self.rows.get(&pair).into_iter().flatten() {
            let removed = removals().any(|r| r.sure && at < r.from);
            let maybe_removed = removals().any(|r| r.done.is_none_or(|done| at < done));
            high += u32::from(msg_id > sure && !removed);
            low += u32::from(msg_id > maybe && !maybe_removed);
        }
        (low, high)
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
        self.clients.observe(line);
        match &line.kind {
            Kind::Row { conversation, msg_id, from, .. } => {
                if let Some(to) = conversation.peer_of(*from) {
                    self.rows.entry((to, *from)).or_default().push((*msg_id, line.n));
                }
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
            let sent = self.rows.keys().filter(|(to, _)| *to == user).map(|(_, from)| *from);
            for peer in counts.keys().copied().chain(sent).collect::<BTreeSet<_>>() {
                let (low, high) = self.bounds((user, peer));
                let count = counts.get(&peer).copied().unwrap_or(0);
                if (low..=high).contains(&count) {
                    continue;
                }
                let truth = if low == high { low.to_string() } else { format!("{low} to {high}") };
                let why = format!(
                    "user {user} is said to have {count} unread messages from user {peer}; it is \
                     {truth}"
                );
                let kind = if count > high { "too-many" } else { "too-few" };
                return violation(kind, why, about(user, peer));
            }
        }
        None
    }
}

fn about(user: u32, peer: u32) -> Vec<String> {
    vec![format!("\"{}\"", Conversation::single(user, peer))]
}

#[cfg(test)]
mod tests {
    use super::{SINGLE, Unread};
    use crate::{
        properties::tape::Tape,
        record::{End, Kind},
    };
    use teamtalk::{
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
        let (user_id, session_id) = (2, 1);
        let read = ImMsgDataReadAck {
            user_id,
            session_id,
            msg_id,
            session_type: SINGLE,
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
}
