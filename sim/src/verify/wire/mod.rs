//! Two trees of .proto files, compared by the rules of the wire: what do nodes of the one make of what
//! nodes of the other write? Nothing is run for it.
//!
//! The rules are protobuf's, as `teamtalk::wire::check` keeps them for the roles: a message without one of
//! its required fields is refused whole, a value outside its enum counts as absent, and so does a field of
//! another wire type than its own; a number that its reader's type can't have is cut to it, which is a danger for that
//! reader; what a reader does not know it passes on as it came; texts are bytes. A rule looks at one thing at a time
//! and judges what every writer may write, not what these write.
//! Names do not travel: messages and enums are matched by their full names, fields by their numbers.

mod enums;
mod fields;
#[cfg(test)]
mod tests;
mod tree;
mod types;

use serde::Serialize;
use std::{fmt, path::Path};
use tree::Tree;

/// Who can't read what the other side writes. *Old* is base, *new* the candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Danger {
    /// Both read each other: the difference is safe on the wire.
    Neither,
    /// An old reader of what a new node writes.
    OldReadsNew,
    /// A new reader of what an old node writes.
    NewReadsOld,
    /// Either reader.
    Both,
}

impl Danger {
    /// Whether an old reader is in danger, and a new one.
    fn of(old_reads_new: bool, new_reads_old: bool) -> Self {
        match (old_reads_new, new_reads_old) {
            (false, false) => Self::Neither,
            (true, false) => Self::OldReadsNew,
            (false, true) => Self::NewReadsOld,
            (true, true) => Self::Both,
        }
    }
}

impl fmt::Display for Danger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Neither => "safe",
            Self::OldReadsNew => "unsafe when old reads new",
            Self::NewReadsOld => "unsafe when new reads old",
            Self::Both => "unsafe both ways",
        })
    }
}

/// One thing in which the trees differ.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Difference {
    /// Of what: `IM.Message.IMMsgData`, `IM.Message.IMMsgData.from_user_id`, `IM.BaseDefine.UserStatType`
    /// or one of its values.
    pub name: String,
    /// What changed, in words.
    pub what: String,
    /// For whom.
    pub danger: Danger,
    /// Why, in one sentence.
    pub why: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, what, danger, why } = self;
        write!(f, "{name}: {what}: {danger}. {why}")
    }
}

/// In what two trees differ, in the order of the names.
///
/// # Errors
/// A sentence, if one of them is no folder, has no .proto file, or does not compile.
pub fn compare(base: &Path, candidate: &Path) -> Result<Vec<Difference>, String> {
    let (old, new) = (Tree::read(base)?, Tree::read(candidate)?);
    let mut found = Found::default();
    messages(&old, &new, &mut found);
    enums::compare(&old, &new, &mut found);
    found.0.sort();
    Ok(found.0)
}

/// What was found so far.
#[derive(Default)]
struct Found(Vec<Difference>);

impl Found {
    fn add(
        &mut self,
        name: impl Into<String>,
        what: impl Into<String>,
        danger: Danger,
        why: impl Into<String>,
    ) {
        let (name, what, why) = (name.into(), what.into(), why.into());
        self.0.push(Difference { name, what, danger, why });
    }
}

fn messages(old: &Tree, new: &Tree, found: &mut Found) {
    for (name, was) in &old.messages {
        match new.messages.get(name) {
            Some(is) => fields::compare(name, (old, was), (new, is), found),
            None if was.is_part => found.add(
                name,
                "message removed",
                Danger::Neither,
                "It is part of other messages only, and the fields that held it are listed by themselves.",
            ),
            None => found.add(
                name,
                "message removed",
                Danger::NewReadsOld,
                "A new node serves no PDU of it that an old one writes, unless it only has another name now.",
            ),
        }
    }
    for name in new.messages.keys().filter(|name| !old.messages.contains_key(*name)) {
        found.add(
            name,
            "message added",
            Danger::Neither,
            "No message that old nodes know changes by it; a PDU of a command that they do not know, they do \
             not serve.",
        );
    }
}
