//! lockout: a name is kept out after more than 10 failed logins in 30 minutes, and not before; a login
//! that succeeds clears them.
//!
//! Each db_proxy process counts by itself, by what it is asked (0703) and answers (0704). It serves
//! several at a time: between the question and the answer it counted somewhere. So a failure counts for
//! sure before a question that was read after its answer was written, and may count from its own question
//! on; a success clears alike.

use super::{Class, Property, Seen, Sort, Subject, Tally, Violation};
use crate::{
    plan::{Host, Role},
    record::{Frame, Kind},
};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{
    catalogue::id as cmd,
    env::ConnId,
    wire::im::server::{ImValidateReq, ImValidateRsp},
};

/// More failures than this keep a name out (SYSTEM.md section 6, 0703).
const ALLOWED: usize = 10;
/// The result of a login of a name that is kept out.
const LOCKED: u32 = 6;
/// What a db_proxy says that could not check a password, or found no place for the login.
const UNAVAILABLE: &[u8] = "服务暂不可用".as_bytes();

/// A db_proxy process and the name of a login.
type Counter = (Host, u32, Bytes);

/// A login that was asked for and is not answered: by connection, seq_num and attach data.
type Open = (ConnId, u16, Bytes);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Came {
    Failed,
    Succeeded,
    /// The password may have been right.
    Unsure,
}

/// A login that was answered.
#[derive(Debug)]
struct Login {
    came: Came,
    /// The lines between which it was served.
    asked: u64,
    answered: u64,
    /// When it was asked for, in simulated microseconds.
    asked_us: u64,
}

/// A login that was served though too many had failed, while others of its name were open: if one of those
/// succeeds, it may have cleared the failures before its answer was written.
#[derive(Debug)]
struct Suspect {
    wrong: Violation,
    beside: BTreeSet<Open>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Lockout {
    open: BTreeMap<Open, (Counter, u64, u64)>,
    suspects: Vec<Suspect>,
    logins: BTreeMap<Counter, Vec<Login>>,
    tally: Tally,
}

impl Lockout {
    fn asked(&mut self, seen: &Seen<'_>, conn: ConnId, pdu: &Frame) -> Option<()> {
        let line = seen.line;
        let login = pdu.view::<ImValidateReq>().ok()?;
        let counter = (line.host.clone(), line.incarnation, login.user_name.clone());
        let attach = login.attach_data.clone().unwrap_or_default();
        let key = (conn, pdu.header.seq_num, attach);
        // Of two that cannot be told apart the older one counts: it may have been served since then.
        self.open.entry(key).or_insert((counter, line.n, line.sim_us));
        Some(())
    }

    fn answered(&mut self, seen: &Seen<'_>, conn: ConnId, pdu: &Frame) -> Option<Violation> {
        let (line, known) = (seen.line, seen.known);
        let said = pdu.view::<ImValidateRsp>().ok()?;
        let attach = said.attach_data.clone().unwrap_or_default();
        let key = (conn, pdu.header.seq_num, attach);
        let (counter, asked, asked_us) = self.open.remove(&key)?;
        let words = said.result_string.clone().unwrap_or_default();
        let is_locked = said.result_code == LOCKED;
        let beside = self.open.iter().filter(|(_, (of, ..))| *of == counter);
        let beside: BTreeSet<Open> = beside.map(|(open, _)| open.clone()).collect();
        let others = beside.len();
        let proven = self.proven(&key, said.result_code == 0 || *words == *UNAVAILABLE);
        let logins = self.logins.entry(counter).or_default();
        // It was counted somewhere between the question and the answer.
        let sure = sure(logins, asked, |us| us + known.lockout_us > line.sim_us);
        let most = possible(logins, asked, |us| us + known.lockout_us >= asked_us) + others;
        self.tally.judge();
        let broken = |kind, sentence| {
            let about = [Subject::Connection(conn)].into();
            Violation { property: "lockout", kind, role: Role::Db, sentence, about }
        };
        let name = String::from_utf8_lossy(&said.user_name).into_owned();
        if is_locked {
            // What is not looked at counts as no failure.
            return match most > ALLOWED {
                true => proven,
                false => Some(broken(
                    "kept-out",
                    format!(
                        "{} keeps {name} out, whose logins there have failed {most} times at most \
                         since one succeeded",
                        line.host
                    ),
                )),
            };
        }
        let came = match said.result_code {
            0 => Came::Succeeded,
            _ if *words == *UNAVAILABLE => Came::Unsure,
            _ => Came::Failed,
        };
        logins.push(Login { came, asked, answered: line.n, asked_us });
        if sure <= ALLOWED {
            return proven;
        }
        let wrong = broken(
            "let-in",
            format!(
                "{} looks at the password of {name}, whose logins there have failed {sure} times",
                line.host
            ),
        );
        if beside.is_empty() {
            return Some(wrong);
        }
        self.suspects.push(Suspect { wrong, beside });
        proven
    }

    /// A login is answered that may have cleared what failed, or has not: what is wrong by that.
    fn proven(&mut self, answered: &Open, may_clear: bool) -> Option<Violation> {
        self.suspects.retain(|suspect| !(may_clear && suspect.beside.contains(answered)));
        for suspect in &mut self.suspects {
            suspect.beside.remove(answered);
        }
        let at = self.suspects.iter().position(|suspect| suspect.beside.is_empty())?;
        Some(self.suspects.remove(at).wrong)
    }
}

/// How many failures count for sure for a login that was asked for at a line: those that were
/// answered before, are young enough, and that no success can have cleared.
fn sure(logins: &[Login], asked: u64, is_young: impl Fn(u64) -> bool) -> usize {
    let clears = logins.iter().filter(|login| login.came != Came::Failed);
    let cleared = clears.map(|login| login.answered).max();
    let counts = |login: &&Login| {
        login.came == Came::Failed
            && login.answered < asked
            && cleared.is_none_or(|cleared| login.asked > cleared)
            && is_young(login.asked_us)
    };
    logins.iter().filter(counts).count()
}

/// How many may count: all but those that a success has cleared for sure, or that are too old.
fn possible(logins: &[Login], asked: u64, is_young: impl Fn(u64) -> bool) -> usize {
    let clears = logins.iter().filter(|l| l.came == Came::Succeeded && l.answered < asked);
    let cleared = clears.map(|login| login.asked).max();
    let counts = |login: &&Login| {
        login.came == Came::Failed
            && cleared.is_none_or(|cleared| login.answered > cleared)
            && is_young(login.asked_us)
    };
    logins.iter().filter(counts).count()
}

impl Property for Lockout {
    fn name(&self) -> &'static str {
        "lockout"
    }

    fn says(&self) -> &'static str {
        "a name is kept out after more than 10 failed logins in 30 minutes, and not before"
    }

    fn sort(&self) -> Sort {
        Sort::Safety
    }

    fn looks_at(&self) -> &'static [Class] {
        &[Class::DbPdu, Class::Event]
    }

    fn commands(&self, class: Class) -> Option<&'static [u16]> {
        match class {
            Class::DbPdu => Some(&[cmd::OTHER_VALIDATE_REQ, cmd::OTHER_VALIDATE_RSP]),
            _ => None,
        }
    }

    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        if let Kind::HostDown = seen.line.kind {
            self.open.retain(|_, (counter, ..)| counter.0 != seen.line.host);
            // What was open there is never answered.
            let open = &self.open;
            self.suspects
                .retain(|suspect| suspect.beside.iter().all(|beside| open.contains_key(beside)));
        }
        let (conn, pdu, is_written) = seen.db?;
        match (pdu.command(), is_written) {
            (cmd::OTHER_VALIDATE_REQ, false) => self.asked(seen, conn, pdu).and(None),
            (cmd::OTHER_VALIDATE_RSP, true) => self.answered(seen, conn, pdu),
            _ => None,
        }
    }

    fn tally(&self, _: &super::Known) -> Option<Tally> {
        Some(self.tally.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::{Lockout, UNAVAILABLE};
    use crate::properties::tape::Tape;
    use teamtalk::{
        catalogue::id as cmd,
        wire::{
            Pdu,
            im::server::{ImValidateReq, ImValidateRsp},
        },
    };

    const WRONG: (u32, &str) = (1, "用户名/密码错误");
    const RIGHT: (u32, &str) = (0, "成功");
    const LOCKED: (u32, &str) = (6, "用户名/密码错误次数太多");

    fn tape() -> Tape<Lockout> {
        let mut tape = Tape::new(Lockout::default());
        tape.known.lockout_us = 360_000_000;
        tape
    }

    fn asks(tape: &mut Tape<Lockout>, seq: u16) {
        let request =
            ImValidateReq { user_name: "bob".into(), password: "x".into(), attach_data: None };
        tape.db_reads(Pdu::new(cmd::OTHER_VALIDATE_REQ, seq, &request));
    }

    fn says(tape: &mut Tape<Lockout>, seq: u16, (result_code, words): (u32, &str)) {
        let answer = ImValidateRsp {
            user_name: "bob".into(),
            result_code,
            result_string: Some(words.to_string().into()),
            ..Default::default()
        };
        tape.db_writes(Pdu::new(cmd::OTHER_VALIDATE_RSP, seq, &answer));
    }

    fn comes(tape: &mut Tape<Lockout>, answers: &[(u32, &str)]) {
        for answer in answers {
            asks(tape, 1);
            says(tape, 1, *answer);
        }
    }

    fn found(answers: &[(u32, &str)]) -> Vec<String> {
        let mut tape = tape();
        comes(&mut tape, answers);
        tape.found
    }

    const OUT: &str = "lockout/kept-out/db";
    const IN: &str = "lockout/let-in/db";

    #[test]
    fn eleven_failures_keep_a_name_out_and_ten_do_not() {
        let failed = |n| vec![WRONG; n];
        assert_eq!(found(&[failed(11), vec![LOCKED; 3]].concat()), [""; 0]);
        assert_eq!(found(&[failed(10), vec![RIGHT]].concat()), [""; 0]);
        assert_eq!(found(&[failed(10), vec![LOCKED]].concat()), [OUT]);
        assert_eq!(found(&[failed(11), vec![RIGHT]].concat()), [IN]);
        assert_eq!(found(&[failed(12)].concat()), [IN], "it was not looked at");
    }

    #[test]
    fn a_success_clears_what_failed() {
        let twice = |n| [vec![WRONG; 9], vec![RIGHT], vec![WRONG; n]].concat();
        assert_eq!(found(&[twice(9), vec![RIGHT]].concat()), [""; 0]);
        assert_eq!(found(&[twice(9), vec![LOCKED]].concat()), [OUT]);
        assert_eq!(found(&[twice(11), vec![LOCKED]].concat()), [""; 0]);
        let words = std::str::from_utf8(UNAVAILABLE).expect("text");
        let unsure = |then| [vec![WRONG; 11], vec![(1, words)], vec![then]].concat();
        assert_eq!(found(&unsure(LOCKED)), [IN], "it was looked at");
    }

    #[test]
    fn what_is_served_side_by_side_may_count_or_not() {
        let mut tape = tape();
        comes(&mut tape, &[WRONG; 10]);
        asks(&mut tape, 2);
        asks(&mut tape, 3);
        says(&mut tape, 3, LOCKED);
        says(&mut tape, 2, WRONG);
        assert_eq!(tape.found, [""; 0], "the other one had failed");
        let mut tape = self::tape();
        comes(&mut tape, &[WRONG; 10]);
        asks(&mut tape, 2);
        asks(&mut tape, 3);
        says(&mut tape, 2, WRONG);
        says(&mut tape, 3, RIGHT);
        assert_eq!(tape.found, [""; 0], "the other one may have been looked at before");
    }

    /// Seed 10930 of `hardened`: ten have failed, and a right password and two wrong ones are served at once.
    #[test]
    fn a_success_that_is_answered_later_may_have_cleared_what_failed() {
        let served = |last| {
            let mut tape = tape();
            comes(&mut tape, &[WRONG; 10]);
            (2..=3).for_each(|seq| asks(&mut tape, seq));
            says(&mut tape, 3, WRONG);
            asks(&mut tape, 4);
            says(&mut tape, 4, WRONG);
            assert_eq!(tape.found, [""; 0], "the right one may have been before it");
            says(&mut tape, 2, last);
            tape.found
        };
        assert_eq!(served(RIGHT), [""; 0]);
        assert_eq!(served(LOCKED), [IN]);
    }

    #[test]
    fn old_failures_and_those_of_another_process_do_not_count() {
        let mut tape = tape();
        comes(&mut tape, &[WRONG; 11]);
        tape.later(361);
        comes(&mut tape, &[RIGHT]);
        assert_eq!(tape.found, [""; 0]);
        let mut tape = self::tape();
        comes(&mut tape, &[WRONG; 11]);
        tape.later(361);
        comes(&mut tape, &[LOCKED]);
        assert_eq!(tape.found, [OUT]);
    }
}
