//! What the answer to each read command may say, as a function of what the stores had committed
//! (docs/SYSTEM.md section 6, and the switches of the protocol). Nothing here calls a role.
//!
//! One file a room of db_proxy, in each of them a function a command, which judges an answer by its
//! parts ([`reads`]). What the stores held, and when, comes from the trace ([`stores`]).

mod conversations;
mod file;
mod groups;
mod message;
mod push;
pub mod reads;
mod session;
pub mod shown;
pub mod stores;
#[cfg(test)]
mod tests;
mod unread;
mod user;
mod writes;

pub use reads::{Judged, Reads, Wrong};
pub use stores::{Stores, View};

use crate::{
    lookup::Lookup,
    record::{Frame, fields::fields},
};
use std::{borrow::Cow, cell::Cell};
use teamtalk::{
    catalogue,
    protocol::Protocol,
    wire::check::{Checked, Label},
};

/// A question as db_proxy read it, and the answer that it wrote.
#[derive(Debug, Clone)]
pub struct Exchange<'a> {
    /// The question.
    pub asked: &'a Frame,
    /// The answer.
    pub answer: &'a Frame,
    /// The switches of the db_proxy.
    pub protocol: &'a Protocol,
    /// What the wall clock of the db_proxy said from the question to the answer, in seconds since 1970: the first and
    /// the last of each piece of that time in which nothing set it.
    pub clock: Vec<(u32, u32)>,
    /// The same user asked a db_proxy for the same meanwhile: the one may have had the effect of the
    /// other.
    pub beside: bool,
    /// A store did not answer the db_proxy at some time meanwhile, or shortly before.
    pub stores_failed: bool,
    /// The excuse without which the answer would be wrong, once one was needed.
    pub excused: Cell<Option<&'static str>>,
}

/// Judges the answer to one command.
pub type Says = fn(&Exchange<'_>, &mut Reads<'_>) -> Judged;

/// What the answers to one command are judged by.
#[derive(Debug, Clone, Copy)]
pub struct Model {
    /// The command that asks.
    pub command: u16,
    /// What it asks for, as the kind of a violation.
    pub kind: &'static str,
    /// Judges an answer.
    pub says: Says,
}

/// The models of all commands that ask a db_proxy.
pub fn all() -> impl Iterator<Item = Model> {
    let rooms = [
        session::ANSWERS,
        unread::ANSWERS,
        message::ANSWERS,
        groups::ANSWERS,
        user::ANSWERS,
        push::ANSWERS,
        file::ANSWERS,
        writes::ANSWERS,
    ];
    let rooms = rooms.into_iter().flatten();
    rooms.map(|&(command, kind, says)| Model { command, kind, says })
}

impl<'a> Exchange<'a> {
    /// Whether a store may have failed the db_proxy; asked only where nothing else makes the answer
    /// right.
    fn may_lack_a_store(&self) -> bool {
        if self.stores_failed {
            self.excused.set(Some("a store did not answer"));
        }
        self.stores_failed
    }

    /// Whether somebody else may have had the effect; asked only where nothing else makes the answer
    /// right.
    fn may_be_another(&self) -> bool {
        if self.beside {
            self.excused.set(Some("asked twice at once"));
        }
        self.beside
    }

    /// Question and answer, decoded; `None` if one of them can't be, which `integrity` judges.
    fn both<Q, A>(&self) -> Option<(Cow<'a, Q>, Cow<'a, A>)>
    where
        Q: Checked + Clone + Send + 'static,
        A: Checked + Clone + Send + 'static,
    {
        Some((self.asked.view::<Q>().ok()?, self.answer.view::<A>().ok()?))
    }
}

/// The fields that an answer repeats of its question.
const ECHOED: [&str; 6] =
    ["user_id", "user_name", "session_type", "session_id", "msg_id_begin", "group_id"];

/// Which fields an answer repeats of its question, by the commands of both.
#[derive(Debug, Default)]
pub struct Echoes(Lookup<(u16, u16), Vec<Echo>>);

/// A field that an answer repeats: its name, and its numbers in the question and in the answer.
type Echo = (&'static str, u32, u32);

impl Echoes {
    /// Judges that an answer is to its question: what both name is the same.
    ///
    /// # Errors
    /// If it names something else.
    pub fn judge(&mut self, asked: &Frame, answer: &Frame) -> Judged {
        let commands = (asked.command(), answer.command());
        for (name, of, is) in self.0.entry(commands).or_insert_with(|| echoed(commands)) {
            let read = |body, number| fields(body).filter(|field| field.number == number).last();
            let (of, is) = (read(&asked.pdu.body, *of), read(&answer.pdu.body, *is));
            let same =
                of.zip(is).is_none_or(|(of, is)| (of.value, of.payload) == (is.value, is.payload));
            right(same, || format!("another {name} than it was asked with"))?;
        }
        Ok(())
    }
}

fn echoed((asked, answer): (u16, u16)) -> Vec<Echo> {
    let table = |command| catalogue::of(command).map(|entry| entry.body);
    let (Some(question), Some(reply)) = (table(asked), table(answer)) else { return Vec::new() };
    let echo = |name: &'static str| {
        let (of, is) = (question.field(name)?, reply.field(name)?);
        let is_one = is.label != Label::Repeated && of.label != Label::Repeated;
        is_one.then_some((name, of.number, is.number))
    };
    ECHOED.into_iter().filter_map(echo).collect()
}

/// Judges by a condition.
fn right(is_right: bool, sentence: impl FnOnce() -> String) -> Judged {
    if is_right { Ok(()) } else { Err(Wrong(sentence())) }
}

/// The number that a value of Redis starts with, as C's `atoi` has it.
fn number(value: &[u8]) -> u32 {
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |n: u32, digit| n.saturating_mul(10).saturating_add(u32::from(digit - b'0')))
}
