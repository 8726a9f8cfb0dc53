//! The texts of commands and statements. There are few of them, each on many lines of a trace, so
//! what readers want to know of a text is worked out once.

use super::{inserts::Insert, members};
use std::{fmt, ops::Deref, sync::Arc};

/// The text of a statement, or the name of a command, shared by all lines that have it.
#[derive(Debug, PartialEq, Eq)]
pub struct What {
    text: String,
    /// The part that a statement has in its transaction.
    pub verb: Verb,
    /// What it inserts, if it is an INSERT.
    pub insert: Option<Insert>,
    /// Whether it names the table of members.
    pub names_members: bool,
    /// `Some` if it changes or deletes rows of messages: true for those of groups.
    pub changes_messages: Option<bool>,
    /// What it is to its transaction by its words.
    pub words: Words,
}

/// What a statement is to its transaction by its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    /// It names IMGroup.
    pub groups: bool,
    /// It names IMGroupMember.
    pub members: bool,
    /// It names TTRelation.
    pub relations: bool,
    /// It names IMRecentSession.
    pub sessions: bool,
    /// It locks what it reads.
    pub holds: bool,
    /// It is an INSERT, as db_proxy writes one.
    pub inserts: bool,
    /// It draws the id of a message between two users.
    pub draws_id: bool,
    /// It touches sessions by their ids.
    pub touches_sessions: bool,
    /// It reads sessions to answer with.
    pub lists_sessions: bool,
}

/// The part that a statement has in its transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Begins a transaction, and commits the one before it.
    Begin,
    /// Commits it.
    Commit,
    /// Undoes it.
    Rollback,
    /// Is a statement within it.
    Other,
}

impl What {
    /// Reads a text.
    pub fn new(text: impl Into<String>) -> Arc<Self> {
        let text = text.into();
        Arc::new(Self {
            verb: Verb::of(&text),
            insert: Insert::parse(&text),
            names_members: members::may_be_rows(&text),
            changes_messages: changed_table(&text).and_then(is_of_groups),
            words: Words::of(&text),
            text,
        })
    }

    /// Whether it has this word, a table's name, in whatever case.
    pub fn names(&self, table: &str) -> bool {
        names(&self.text, table)
    }

    /// Whether the statement, once it is durable, may be worth lines of rows.
    pub fn may_be_rows(&self) -> bool {
        self.names_members || self.insert.as_ref().is_some_and(Insert::is_row)
    }
}

impl Words {
    fn of(text: &str) -> Self {
        let names = |table| names(text, table);
        let lists = ["select * from IMRecentSession", "select peerId from IMRecentSession"];
        Self {
            groups: names("IMGroup"),
            members: names("IMGroupMember"),
            relations: names("TTRelation"),
            sessions: names("IMRecentSession"),
            holds: text.contains("for update"),
            inserts: text.starts_with("insert"),
            draws_id: text.contains("set lastId=LAST_INSERT_ID("),
            touches_sessions: text.starts_with("update IMRecentSession")
                && text.contains("where id in"),
            lists_sessions: lists.iter().any(|of| text.starts_with(of)),
        }
    }
}

impl Deref for What {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Verb {
    fn of(text: &str) -> Self {
        let verb = text.split_whitespace().next().unwrap_or_default();
        let is = |word: &str| verb.eq_ignore_ascii_case(word);
        match () {
            () if is("BEGIN") || is("START") => Self::Begin,
            () if is("COMMIT") => Self::Commit,
            () if is("ROLLBACK") => Self::Rollback,
            () => Self::Other,
        }
    }
}

fn names(text: &str, table: &str) -> bool {
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.any(|word| word.eq_ignore_ascii_case(table))
}

/// The table that an UPDATE or DELETE changes.
fn changed_table(statement: &str) -> Option<&str> {
    let mut words = statement.split_whitespace();
    let table = match words.next()? {
        verb if verb.eq_ignore_ascii_case("update") => words.next()?,
        verb if verb.eq_ignore_ascii_case("delete") => words.nth(1)?,
        _ => return None,
    };
    Some(table.trim_matches('`'))
}

/// Whether a table of messages is one of groups; `None` for other tables.
fn is_of_groups(table: &str) -> Option<bool> {
    let begins =
        |with: &str| table.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with));
    match () {
        () if begins("IMGroupMessage_") => Some(true),
        () if begins("IMMessage_") => Some(false),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Verb, What};

    #[test]
    fn a_text_is_read_without_case() {
        let verb = |text: &str| What::new(text).verb;
        assert_eq!([verb("begin"), verb(" START transaction")], [Verb::Begin; 2]);
        assert_eq!([verb("commit"), verb("Rollback")], [Verb::Commit, Verb::Rollback]);
        assert_eq!([verb(""), verb("update begin set a=1")], [Verb::Other; 2]);
        let changes = |text: &str| What::new(text).changes_messages;
        assert_eq!(changes("UPDATE `immessage_3` set status=1"), Some(false));
        assert_eq!(changes("delete from IMGroupMessage_3"), Some(true));
        assert_eq!(changes("update IMGroup set status=1"), None);
        assert_eq!(changes("select * from IMMessage_3"), None);
    }

    #[test]
    fn a_table_is_named_by_a_whole_word() {
        let what = What::new("update `IMGroupMember` set status=? where groupId=?");
        assert!(what.names("imgroupmember") && !what.names("imgroup") && !what.names("member"));
        assert!(what.words.members && !what.words.groups);
    }

    #[test]
    fn statements_that_may_be_rows_are_told_from_others() {
        let may = |text: &str| What::new(text).may_be_rows();
        assert!(may("Insert into IMMessage_3 (id) values (?)"));
        assert!(may("insert ignore into `imgroupmessage_3` (id) values (?)"));
        assert!(may("insert into IMRelationShip (id) values (?)"));
        assert!(may("insert into IMRecentSession (id) values (?)"));
        assert!(may("update IMGroupMember set status=1"));
        assert!(!may("insert into TTSend (id) values (?)"));
        assert!(!may("update IMMessage_3 set status=1"));
    }
}
