//! Who is a member of a group, and for how long: for sure, maybe or not. Properties ask; it
//! judges nothing.
//!
//! What is committed to `IMGroupMember` is the truth. While a change that names a user is under
//! way, from the line at which a db_proxy received the 0405 or 0407 to the line at which it wrote
//! the answer, he may be a member or not; if there is no answer, for ever after. Before anything
//! is known of a group nobody is a member.

use super::wire::db_pdu;
use crate::record::{Kind, Line};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{
    env::ConnId,
    wire::{
        Malformed, Pdu, command,
        im::group::{
            ImGroupChangeMemberReq, ImGroupChangeMemberRsp, ImGroupCreateReq, ImGroupCreateRsp,
        },
        tt::extension::{Refused, RefusedCode},
    },
};

/// Simulated microseconds of the grain of `created` and of the time of joining.
const GRAIN_US: u64 = 1_000_000;

/// When something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// The number of its line.
    pub n: u64,
    /// In simulated microseconds.
    pub us: u64,
}

impl Moment {
    /// Of a line.
    pub fn of(line: &Line) -> Self {
        Self { n: line.n, us: line.sim_us }
    }
}

/// How a user who is a member now became one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Join {
    /// Not before this.
    from: Moment,
    /// Surely done by this; `None` if that is not known.
    until: Option<Moment>,
    /// He was one when the run started.
    from_start: bool,
}

impl Join {
    /// Whether something that happened then surely came after it, in seconds of any clock.
    pub fn is_before(&self, at: Moment) -> bool {
        let after = |until: Moment| until.n < at.n && until.us + GRAIN_US <= at.us;
        self.from_start || self.until.is_some_and(after)
    }

    /// Whether something that happened then surely came before it, in seconds of any clock.
    pub fn is_after(&self, at: Moment) -> bool {
        at.n < self.from.n && at.us + GRAIN_US <= self.from.us
    }
}

/// A row of `IMGroupMember` got this status.
#[derive(Debug, Clone, Copy)]
struct Row {
    at: Moment,
    live: bool,
    /// It is there from the start.
    from_start: bool,
}

/// A request for a change at a db_proxy: its answer carries the same connection, seq_num and
/// attachment, and names the same user.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Request {
    conn: ConnId,
    seq: u16,
    command: u16,
    user: u32,
    attach: Bytes,
}

/// A change of members.
#[derive(Debug)]
struct Change {
    request: Request,
    /// `None` if it is to be made.
    group: Option<u32>,
    users: BTreeSet<u32>,
    from: Moment,
    /// When the answer was written.
    done: Option<Moment>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Membership {
    rows: BTreeMap<(u32, u32), Vec<Row>>,
    /// The line at which a group was first heard of.
    known: BTreeMap<u32, u64>,
    changes: Vec<Change>,
}

impl Membership {
    /// Takes the next line.
    pub fn observe(&mut self, line: &Line) {
        let at = Moment::of(line);
        if let Kind::MemberRow { group, user, live } = line.kind {
            let row = Row { at, live, from_start: line.host == "world" };
            self.rows.entry((group, user)).or_default().push(row);
            self.known.entry(group).or_insert(line.n);
        } else if let Some((conn, pdu, sent)) = db_pdu(line) {
            // A malformed one changes nothing.
            let _ = if sent { self.answer(at, conn, pdu) } else { self.request(at, conn, pdu) };
        }
    }

    fn request(&mut self, from: Moment, conn: ConnId, pdu: &Pdu) -> Result<(), Malformed> {
        let (user, group, users, attach) = match pdu.command() {
            command::GROUP_CREATE_REQUEST => {
                let asked: ImGroupCreateReq = pdu.view()?;
                (asked.user_id, None, asked.member_id_list, asked.attach_data)
            }
            command::GROUP_CHANGE_MEMBER_REQUEST => {
                let asked: ImGroupChangeMemberReq = pdu.view()?;
                (asked.user_id, Some(asked.group_id), asked.member_id_list, asked.attach_data)
            }
            _ => return Ok(()),
        };
        let (seq, command) = (pdu.header.seq_num, pdu.command());
        let request = Request { conn, seq, command, user, attach: attach.unwrap_or_default() };
        let users = users.into_iter().collect();
        self.changes.push(Change { request, group, users, from, done: None });
        Ok(())
    }

    fn answer(&mut self, at: Moment, conn: ConnId, pdu: &Pdu) -> Result<(), Malformed> {
        let (command, user, group, attach) = match pdu.command() {
            command::GROUP_CREATE_RESPONSE => {
                let answer: ImGroupCreateRsp = pdu.view()?;
                let command = command::GROUP_CREATE_REQUEST;
                (command, answer.user_id, answer.group_id, answer.attach_data)
            }
            command::GROUP_CHANGE_MEMBER_RESPONSE => {
                let answer: ImGroupChangeMemberRsp = pdu.view()?;
                let command = command::GROUP_CHANGE_MEMBER_REQUEST;
                (command, answer.user_id, Some(answer.group_id), answer.attach_data)
            }
            command::OTHER_REFUSED => {
                let refused: Refused = pdu.view()?;
                if refused.code == RefusedCode::RefusedUnavailable as i32 {
                    return Ok(()); // it may happen yet
                }
                (refused.command_id as u16, refused.user_id, None, refused.attach_data)
            }
            _ => return Ok(()),
        };
        let (seq, attach) = (pdu.header.seq_num, attach.unwrap_or_default());
        let request = Request { conn, seq, command, user, attach };
        let mut open = self.changes.iter_mut().filter(|change| change.done.is_none());
        if let Some(change) = open.find(|change| change.request == request) {
            change.done = Some(at);
            change.group = change.group.or(group);
        }
        Ok(())
    }

    /// The changes that name a user and may be of this group.
    fn changes(&self, group: u32, user: u32) -> impl Iterator<Item = &Change> {
        let known = self.known.get(&group).copied();
        self.changes.iter().filter(move |change| {
            let of_group = match change.group {
                Some(of) => of == group,
                // A group that is made is heard of while it is made.
                None => known.is_some_and(|n| {
                    change.from.n < n && change.done.is_none_or(|done| n < done.n)
                }),
            };
            of_group && change.users.contains(&user)
        })
    }

    fn rows(&self, group: u32, user: u32) -> &[Row] {
        self.rows.get(&(group, user)).map_or(&[], Vec::as_slice)
    }

    /// Whether the store has him as a member at a line.
    fn stored(&self, group: u32, user: u32, n: u64) -> bool {
        self.rows(group, user).iter().rev().find(|row| row.at.n <= n).is_some_and(|row| row.live)
    }

    /// Whether a change that names him is under way at any line from `from` to `to`.
    pub fn is_changing(&self, group: u32, user: u32, from: u64, to: u64) -> bool {
        self.changes(group, user)
            .any(|change| change.from.n <= to && change.done.is_none_or(|done| done.n >= from))
    }

    /// Whether a change that names him has no answer so far.
    pub fn is_open(&self, group: u32, user: u32) -> bool {
        self.changes(group, user).any(|change| change.done.is_none())
    }

    /// Whether a user may be a member at any line from `from` to `to`.
    pub fn is_ever(&self, group: u32, user: u32, from: u64, to: u64) -> bool {
        let joins = |row: &Row| row.live && (from..=to).contains(&row.at.n);
        self.stored(group, user, from)
            || self.rows(group, user).iter().any(joins)
            || self.is_changing(group, user, from, to)
    }

    /// Whether the store has him as a member at all lines from `from` to `to`.
    pub fn stays(&self, group: u32, user: u32, from: u64, to: u64) -> bool {
        let leaves = |row: &Row| !row.live && (from..=to).contains(&row.at.n);
        self.stored(group, user, from) && !self.rows(group, user).iter().any(leaves)
    }

    /// Whether a user is surely a member at all lines from `from` to `to`.
    pub fn is_always(&self, group: u32, user: u32, from: u64, to: u64) -> bool {
        self.stays(group, user, from, to) && !self.is_changing(group, user, from, to)
    }

    /// How a user who is a member in the store became one the last time.
    pub fn join(&self, group: u32, user: u32) -> Option<Join> {
        let rows = self.rows(group, user);
        let out = rows.iter().rposition(|row| !row.live).map_or(0, |at| at + 1);
        let Row { at, from_start, .. } = *rows.get(out)?;
        let (mut from, mut until) = (at, Some(at));
        for change in self.changes(group, user) {
            if change.from.n <= at.n && change.done.is_none_or(|done| done.n >= at.n) {
                from = from.min(change.from);
                until = until.zip(change.done).map(|(until, done)| until.max(done));
            }
        }
        Some(Join { from, until, from_start })
    }

    /// Whether a member sees a message in the history: he surely joined before it was sent, and is
    /// surely a member since. Sent at `sent`, looked at in line `to`.
    pub fn sees(&self, group: u32, user: u32, sent: Moment, to: u64) -> bool {
        self.join(group, user).is_some_and(|join| join.is_before(sent))
            && self.is_always(group, user, sent.n, to)
    }
}

#[cfg(test)]
mod tests {
    use super::{Membership, Moment};
    use crate::{
        properties::tape::{self, create_group, group_changed, group_created, refused},
        record::{End, Kind, Line},
    };
    use teamtalk::wire::{Pdu, command, tt::extension::RefusedCode};

    /// Group 7 of users 1 and 2 is there from the start; a line a second.
    struct Reader {
        membership: Membership,
        n: u64,
    }

    impl Reader {
        fn new() -> Self {
            let mut reader = Self { membership: Membership::default(), n: 0 };
            reader.row("world", 1, true);
            reader.row("world", 2, true);
            reader
        }

        /// Returns the line's number.
        fn line(&mut self, host: &str, kind: Kind) -> u64 {
            let (n, sim_us) = (self.n, self.n * 1_000_000);
            self.membership.observe(&Line { n, sim_us, host: host.into(), incarnation: 1, kind });
            self.n += 1;
            n
        }

        fn row(&mut self, host: &str, user: u32, live: bool) -> u64 {
            self.line(host, Kind::MemberRow { group: 7, user, live })
        }

        fn reads(&mut self, pdu: Pdu) -> u64 {
            let frame = crate::record::Frame::new(70, End::Acceptor, 1, pdu);
            self.line("db1", Kind::PduReceived(frame))
        }

        fn writes(&mut self, pdu: Pdu) -> u64 {
            let frame = crate::record::Frame::new(70, End::Acceptor, 1, pdu);
            self.line("db1", Kind::PduSent(frame))
        }

        /// What is known of a user at a line: 2 surely a member, 1 maybe, 0 surely none.
        fn level(&self, user: u32, n: u64) -> u8 {
            let m = &self.membership;
            u8::from(m.is_ever(7, user, n, n)) + u8::from(m.is_always(7, user, n, n))
        }

        fn levels(&self, user: u32, lines: std::ops::Range<u64>) -> Vec<u8> {
            lines.map(|n| self.level(user, n)).collect()
        }
    }

    fn removal(seq: u16, users: &[u32]) -> Pdu {
        tape::change_members(seq, 1, 7, false, users)
    }

    #[test]
    fn members_of_the_start_are_sure_and_others_are_none() {
        let reader = Reader::new();
        assert_eq!((reader.level(1, 5), reader.level(2, 5), reader.level(3, 5)), (2, 2, 0));
        assert!(!reader.membership.is_ever(8, 1, 0, 9), "another group");
    }

    #[test]
    fn he_may_be_one_while_a_change_that_names_him_is_under_way() {
        let mut reader = Reader::new();
        reader.reads(removal(5, &[2, 3])); // 2
        reader.row("sql", 2, false); // 3
        reader.writes(group_changed(6, 1, 7, 0)); // 4, of another request
        reader.writes(group_changed(5, 1, 7, 0)); // 5
        assert_eq!(reader.levels(2, 1..8), [2, 1, 1, 1, 1, 0, 0]);
        assert_eq!(reader.levels(3, 1..8), [0, 1, 1, 1, 1, 0, 0]);
        assert_eq!(reader.levels(1, 1..8), [2; 7]);
        let m = &reader.membership;
        assert!(m.is_ever(7, 2, 4, 9) && !m.is_ever(7, 2, 6, 9));
        assert!(m.is_always(7, 2, 1, 1) && !m.is_always(7, 2, 1, 2));
    }

    #[test]
    fn without_an_answer_it_is_under_way_for_ever() {
        for code in [RefusedCode::RefusedUnavailable, RefusedCode::RefusedNotAllowed] {
            let mut reader = Reader::new();
            reader.reads(removal(5, &[2]));
            assert_eq!(reader.level(2, 99), 1);
            reader.writes(refused(5, 1, command::GROUP_CHANGE_MEMBER_REQUEST, code));
            let known = code == RefusedCode::RefusedNotAllowed;
            assert_eq!(reader.level(2, 99), if known { 2 } else { 1 });
        }
    }

    #[test]
    fn a_commit_without_a_change_counts_by_itself() {
        let mut reader = Reader::new();
        reader.row("sql", 2, false); // 2
        reader.row("sql", 3, true); // 3
        assert_eq!(reader.levels(2, 0..4), [0, 2, 0, 0]);
        assert_eq!(reader.levels(3, 1..5), [0, 0, 2, 2]);
        assert!(!reader.membership.stays(7, 2, 1, 3) && reader.membership.stays(7, 1, 1, 3));
    }

    #[test]
    fn a_group_that_is_made_has_its_members_when_that_is_answered() {
        let mut reader = Reader { membership: Membership::default(), n: 0 };
        reader.reads(create_group(5, 1, &[2])); // 0
        reader.row("sql", 2, true); // 1
        assert_eq!(reader.level(2, 1), 1);
        reader.writes(group_created(5, 1, 7, &[2])); // 2
        assert_eq!(reader.levels(2, 0..4), [1, 1, 1, 2]);
        assert!(!reader.membership.is_ever(8, 2, 0, 9), "another group");
        // One that came later, or failed, made another one.
        reader.reads(create_group(6, 1, &[2]));
        assert_eq!(reader.level(2, 9), 2);
    }

    #[test]
    fn a_join_has_the_grain_of_a_second() {
        let mut reader = Reader::new();
        let at = |n, us| Moment { n, us };
        let start = reader.membership.join(7, 1).expect("a member");
        assert!(start.is_before(at(2, 0)), "of the start");
        reader.row("sql", 2, false); // 2
        reader.reads(tape::change_members(5, 1, 7, true, &[2])); // 3
        reader.row("sql", 2, true); // 4
        let open = reader.membership.join(7, 2).expect("a member");
        assert!(!open.is_before(at(99, 99_000_000)) && open.is_after(at(1, 2_000_000)));
        reader.writes(group_changed(5, 1, 7, 0)); // 5
        let join = reader.membership.join(7, 2).expect("a member");
        assert!(!join.is_before(at(6, 5_900_000)) && join.is_before(at(6, 6_000_000)));
        assert!(join.is_after(at(2, 2_000_000)) && !join.is_after(at(2, 2_100_000)));
        let m = &reader.membership;
        assert!(m.sees(7, 2, at(7, 7_000_000), 9) && !m.sees(7, 2, at(5, 5_500_000), 9));
        assert!(!m.sees(7, 3, at(7, 7_000_000), 9));
    }
}
