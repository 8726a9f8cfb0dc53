use super::{GRAIN_US, Membership, Moment};
use crate::{
    plan::Host,
    properties::tape::{self, create_group, group_changed, group_created, refused},
    record::{End, Kind, Line},
};
use bytes::Bytes;
use teamtalk::{
    catalogue::id as command,
    wire::{Pdu, im::group::ImGroupCreateRsp, tt::extension::RefusedCode},
};

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
        let line = Line { n, sim_us, host: Host::of(host), incarnation: 1, kind };
        self.membership.passes(&line);
        self.membership.observe(&line);
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
    reader.writes(group_changed(6, 1, 7, &[2, 3])); // 4, of another request
    reader.writes(group_changed(5, 1, 7, &[2, 3])); // 5
    assert_eq!(reader.levels(2, 1..8), [2, 1, 1, 1, 1, 0, 0]);
    assert_eq!(reader.levels(3, 1..8), [0, 1, 1, 1, 1, 0, 0]);
    assert_eq!(reader.levels(1, 1..8), [2; 7]);
    let m = &reader.membership;
    assert!(m.is_ever(7, 2, 4, 9) && !m.is_ever(7, 2, 6, 9));
    assert!(m.is_always(7, 2, 1, 1) && !m.is_always(7, 2, 1, 2));
}

#[test]
fn without_an_answer_it_is_under_way_until_nothing_can_come_of_it() {
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
    assert!(
        !open.is_before(at(99, 14_900_000))
            && open.is_before(at(99, 15_000_000))
            && open.is_after(at(1, 2_000_000), GRAIN_US)
    );
    reader.writes(group_changed(5, 1, 7, &[2])); // 5
    let join = reader.membership.join(7, 2).expect("a member");
    assert!(!join.is_before(at(6, 5_900_000)) && join.is_before(at(6, 6_000_000)));
    assert!(
        join.is_after(at(2, 2_000_000), GRAIN_US) && !join.is_after(at(2, 2_100_000), GRAIN_US)
    );
    let m = &reader.membership;
    assert!(m.sees(7, 2, at(7, 7_000_000), 9) && !m.sees(7, 2, at(5, 5_500_000), 9));
    assert!(!m.sees(7, 3, at(7, 7_000_000), 9));
}

#[test]
fn an_answer_takes_back_whom_the_change_did_not_touch() {
    let denied =
        || refused(5, 1, command::GROUP_CHANGE_MEMBER_REQUEST, RefusedCode::RefusedNotAllowed);
    for answer in [group_changed(5, 1, 7, &[]), denied()] {
        let mut reader = Reader::new();
        reader.reads(removal(5, &[1, 2, 3])); // 2
        reader.row("sql", 2, false); // 3
        assert_eq!((reader.level(1, 3), reader.level(3, 3)), (1, 1), "under way");
        reader.writes(answer); // 4
        assert_eq!(reader.levels(1, 0..7), [2; 7], "denied");
        assert_eq!(reader.levels(3, 1..7), [0; 6], "denied");
        assert_eq!(reader.levels(2, 1..7), [2, 1, 1, 1, 0, 0], "there is a row");
    }
    let mut reader = Reader::new();
    reader.reads(removal(5, &[1, 2])); // 2
    reader.row("sql", 2, false); // 3
    reader.writes(group_changed(5, 1, 7, &[2])); // 4
    assert_eq!(reader.levels(1, 1..7), [2; 6], "not among the changed");
    assert_eq!(reader.levels(2, 1..7), [2, 1, 1, 1, 0, 0]);
    let mut reader = Reader::new();
    reader.reads(create_group(5, 1, &[2])); // 2
    let failed = ImGroupCreateRsp {
        user_id: 1,
        result_code: 1,
        attach_data: Some(Bytes::new()),
        ..Default::default()
    };
    reader.line("sql", Kind::MemberRow { group: 8, user: 1, live: true }); // 3
    reader.writes(Pdu::new(command::GROUP_CREATE_RESPONSE, 5, &failed)); // 4
    assert!(!reader.membership.is_ever(8, 2, 0, 9), "not made");
}

#[test]
fn a_question_is_answered_to_who_he_was_when_it_came_or_became_since() {
    let mut reader = Reader::new();
    reader.row("sql", 2, false); // 2
    reader.reads(tape::change_members(5, 1, 7, true, &[2])); // 3
    reader.row("sql", 2, true); // 4
    reader.writes(group_changed(5, 1, 7, &[2])); // 5
    let from = |n| reader.membership.join_at(7, 2, n).expect("a member").from.n;
    assert_eq!([1, 2, 3, 4, 5, 6, 9].map(from), [1, 3, 3, 3, 3, 3, 3]);
    assert_eq!(reader.membership.join_at(7, 3, 5), None);
    let mut reader = Reader::new();
    reader.reads(removal(5, &[2])); // 2
    reader.row("sql", 2, false); // 3
    assert_eq!(reader.membership.join_at(7, 2, 9).expect("maybe").from.n, 1);
    reader.writes(group_changed(5, 1, 7, &[2])); // 4
    assert_eq!(reader.membership.join_at(7, 2, 9), None);
}

#[test]
fn what_is_not_answered_is_over_some_time_after_the_faults_are() {
    let mut reader = Reader::new();
    reader.reads(removal(5, &[2])); // 2
    reader.line("world", Kind::Phase { phase: "safety" });
    (4..20).for_each(|_| _ = reader.line("world", Kind::HostUp));
    reader.line("world", Kind::Phase { phase: "liveness" }); // 20
    (21..25).for_each(|_| _ = reader.line("world", Kind::HostUp));
    reader.reads(removal(6, &[1])); // 25
    (26..40).for_each(|_| _ = reader.line("world", Kind::HostUp));
    assert_eq!([1, 2, 30, 31, 39].map(|n| reader.level(2, n)), [2, 1, 1, 2, 2]);
    assert_eq!([24, 25, 35, 36].map(|n| reader.level(1, n)), [2, 1, 1, 2]);
}

#[test]
fn a_group_that_is_made_without_an_answer_is_known_by_its_first_members() {
    let made = |users: &[u32]| {
        let mut reader = Reader { membership: Membership::default(), n: 0 };
        reader.reads(create_group(5, 1, &[2, 3, 4])); // 0
        users.iter().for_each(|&user| _ = reader.row("sql", user, true));
        reader
    };
    assert_eq!(made(&[2, 3]).level(4, 9), 1, "maybe");
    assert_eq!(made(&[2, 9]).level(4, 9), 0, "another group");
    assert_eq!(made(&[2, 9]).level(2, 9), 2, "another group");
    let mut reader = made(&[2, 3]);
    reader.reads(tape::change_members(6, 1, 7, true, &[9]));
    reader.row("sql", 9, true);
    assert_eq!(reader.level(4, 5), 1, "who joined is no first member");
}
