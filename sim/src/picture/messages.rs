//! Which message a line is about: filters and labels go by it.

use super::decode::{Fields, shortened};
use crate::{
    properties::Named,
    record::{Kind, Line, Trace},
};
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::conversation::Conversation;

/// What the messages of a run say, by their places. A place may have several, which is a violation
/// of its own.
#[derive(Debug, Default)]
pub struct Messages(BTreeMap<(Conversation, u32), BTreeSet<String>>);

impl Messages {
    /// Reads a trace.
    pub fn read(trace: &Trace) -> Self {
        let mut known = Self::default();
        let has_message = |line: &&Line| {
            matches!(
                line.kind,
                Kind::PduSent(_) | Kind::PduReceived(_) | Kind::Row { .. } | Kind::Fact(_)
            )
        };
        for line in trace.lines.iter().filter(has_message) {
            let named = Named::by(line);
            if let (Some(conversation), Some(msg_id @ 1..), Some(content)) =
                (named.conversation, named.msg_id, &named.content)
            {
                let at = known.0.entry((conversation, msg_id)).or_default();
                at.insert(shortened(content));
            }
        }
        known
    }

    /// The messages that a line is about: their texts, or the place of one whose text nobody saw.
    pub fn of(&self, named: &Named<'_>) -> BTreeSet<String> {
        if let Some(content) = &named.content {
            return [shortened(content)].into();
        }
        let (Some(conversation), Some(msg_id @ 1..)) = (named.conversation, named.msg_id) else {
            return BTreeSet::new();
        };
        let place = || [format!("{conversation} #{msg_id}")].into();
        self.0.get(&(conversation, msg_id)).cloned().unwrap_or_else(place)
    }

    /// The same, of a PDU: a page has many.
    pub fn of_pdu(&self, named: &Named<'_>, read: &Fields) -> BTreeSet<String> {
        let mut found = self.of(named);
        let known: BTreeSet<&String> = self.0.values().flatten().collect();
        found.extend(read.texts("msg_data").into_iter().filter(|text| known.contains(text)));
        found
    }

    /// What a label says beside the command: the message, or what the PDU is about.
    pub fn ids(&self, named: &Named<'_>, read: &Fields) -> String {
        let mut words = Vec::new();
        words.extend(named.content.as_ref().map(|content| shortened(content)));
        match (named.conversation, named.msg_id) {
            (Some(conversation), Some(msg_id @ 1..)) => {
                words.push(format!("#{msg_id}"));
                words.push(format!("in {conversation}"));
            }
            (Some(conversation), _) => words.push(format!("in {conversation}")),
            (None, _) => {
                let listed = read.numbers("msg_id");
                if !listed.is_empty() {
                    let listed: Vec<_> = listed.iter().take(6).map(|id| format!("#{id}")).collect();
                    words.push(listed.join(" "));
                }
                let users: Vec<_> = read.users().iter().take(3).map(u32::to_string).collect();
                if !users.is_empty() {
                    words.push(format!("u{}", users.join(" u")));
                }
            }
        }
        words.join(" ")
    }
}
