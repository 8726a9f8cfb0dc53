//! no-duplicate: one send, however often repeated, is one message.

use super::{Class, Property, Seen, Sort, Subject, Tally, Violation, wire::Message};
use crate::lookup::Lookup;
use crate::{plan::Role, record::Kind};
use teamtalk::conversation::Conversation;

/// See the module.
#[derive(Debug, Default)]
pub struct NoDuplicate {
    rows: Lookup<Message, (Conversation, u32)>,
    tally: Tally,
}

impl Property for NoDuplicate {
    fn name(&self) -> &'static str {
        "no-duplicate"
    }

    fn says(&self) -> &'static str {
        "one send, however often repeated, is one message"
    }

    fn sort(&self) -> Sort {
        Sort::Safety
    }

    fn looks_at(&self) -> &'static [Class] {
        &[Class::Row]
    }

    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        let Kind::Row { conversation, msg_id, from, content } = &seen.line.kind else {
            return None;
        };
        let message = seen.message.clone()?;
        let text = message.1.clone();
        self.tally.judge();
        let first = self.rows.insert(message, (*conversation, *msg_id))?;
        Some(Violation {
            property: self.name(),
            kind: "two-rows",
            role: Role::Db,
            sentence: format!(
                "\"{content}\" from user {from} is stored under msg_id {} of {}, and again under \
                 msg_id {msg_id} of {conversation}",
                first.1, first.0
            ),
            about: [
                Subject::Content(text),
                Subject::Message(first.0, first.1),
                Subject::Message(*conversation, *msg_id),
            ]
            .into(),
        })
    }

    fn tally(&self, _: &super::Known) -> Option<Tally> {
        Some(self.tally.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::NoDuplicate;
    use crate::properties::tape::Tape;

    #[test]
    fn a_second_row_of_a_send_is_found_under_any_id() {
        let mut tape = Tape::new(NoDuplicate::default());
        tape.row(7, (1, "a")).row(8, (1, "b")).row(9, (2, "a"));
        assert!(tape.found.is_empty());
        tape.row(10, (1, "a"));
        assert_eq!(tape.found, ["no-duplicate/two-rows/db"]);
        tape.row(10, (1, "b")).row(9, (2, "a"));
        assert_eq!(tape.found.len(), 3);
    }

    #[test]
    fn a_second_row_of_a_send_to_a_group_is_found() {
        let mut tape = Tape::new(NoDuplicate::default());
        tape.group_row(7, (1, "a")).group_row(8, (1, "b")).group_row(8, (2, "a"));
        assert!(tape.found.is_empty());
        tape.group_row(9, (1, "a")).row(1, (1, "b"));
        assert_eq!(tape.found, ["no-duplicate/two-rows/db"; 2]);
    }
}
