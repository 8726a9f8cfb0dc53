//! one-row: one relation a pair, one recent session a user, peer and type, one live row of a
//! member of a group.

use super::{Class, Property, Rows, Seen, Sort, Subject, Tally, Violation};
use crate::{plan::Role, record::Kind};
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::conversation::Conversation;

/// See the module.
#[derive(Debug, Default)]
pub struct OneRow {
    relations: BTreeMap<Conversation, u64>,
    sessions: BTreeMap<(u32, u32, u32), u64>,
    /// Groups and their members.
    members: BTreeSet<(u32, u32)>,
    tally: Tally,
}

impl Property for OneRow {
    fn name(&self) -> &'static str {
        "one-row"
    }

    fn says(&self) -> &'static str {
        "one relation a pair, one recent session a user, peer and type, one live row of a member of \
         a group"
    }

    fn sort(&self) -> Sort {
        Sort::Safety
    }

    fn looks_at(&self) -> &'static [Class] {
        &[Class::Row]
    }

    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        if matches!(
            seen.line.kind,
            Kind::RelationRow { .. } | Kind::SessionRow { .. } | Kind::MemberRow { .. }
        ) {
            self.tally.judge();
        }
        let (kind, sentence, rows) = match &seen.line.kind {
            Kind::RelationRow { conversation, id } => {
                let first = self.relations.insert(*conversation, *id)?;
                let of = format!("users {conversation}");
                let rows = Rows::Relation(*conversation);
                ("two-relations", format!("{of} have row {first} and row {id}"), rows)
            }
            Kind::SessionRow { user, peer, session_type, id } => {
                let first = self.sessions.insert((*user, *peer, *session_type), *id)?;
                let of = format!("user {user} with peer {peer}, type {session_type},");
                let rows = Rows::Session { user: *user, peer: *peer };
                ("two-sessions", format!("{of} have row {first} and row {id}"), rows)
            }
            Kind::MemberRow { group, user, live } => {
                let member = (*group, *user);
                if !*live {
                    self.members.remove(&member);
                    return None;
                }
                if self.members.insert(member) {
                    return None;
                }
                let sentence =
                    format!("user {user} has two live rows as a member of group {group}");
                ("two-members", sentence, Rows::Member { group: *group, user: *user })
            }
            _ => return None,
        };
        let about = [Subject::Rows(rows)].into();
        Some(Violation { property: self.name(), kind, role: Role::Db, sentence, about })
    }

    fn tally(&self, _: &super::Known) -> Option<Tally> {
        Some(self.tally.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::OneRow;
    use crate::{properties::tape::Tape, record::Kind};
    use teamtalk::conversation::Conversation;

    #[test]
    fn second_rows_are_found() {
        let mut tape = Tape::new(OneRow::default());
        let relation =
            |a, b, id| Kind::RelationRow { conversation: Conversation::single(a, b), id };
        let session =
            |user, peer, session_type, id| Kind::SessionRow { user, peer, session_type, id };
        tape.line("sql", relation(1, 2, 1)).line("sql", relation(1, 3, 2));
        tape.line("sql", session(1, 2, 1, 1)).line("sql", session(2, 1, 1, 2));
        tape.line("sql", session(1, 2, 2, 3));
        assert!(tape.found.is_empty());
        tape.line("sql", relation(2, 1, 3)).line("sql", session(2, 1, 1, 4));
        assert_eq!(tape.found, ["one-row/two-relations/db", "one-row/two-sessions/db"]);
    }

    #[test]
    fn a_second_live_row_of_a_member_is_found() {
        let mut tape = Tape::new(OneRow::default());
        tape.group(&[1, 2]).member(2, false).member(2, true).member(3, true);
        assert!(tape.found.is_empty());
        tape.member(2, true).member(1, true);
        assert_eq!(tape.found, ["one-row/two-members/db"; 2]);
    }
}
