//! What a PDU says, field by field, by the catalogue's table of its command.

use crate::{
    record::{
        Frame,
        fields::{Field, fields},
        readable,
    },
    report::printable,
};
use prost::encoding::decode_varint;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use teamtalk::{
    catalogue,
    wire::{
        attach::{self, Attach},
        check::{Kind, Label, Table, conform},
    },
};

/// A text is shown up to here.
const LONGEST_TEXT: usize = 160;
/// A PDU is listed up to so many values.
const MOST_VALUES: usize = 60;

/// What a field holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    /// A number, or a value of an enum.
    Number(u64),
    /// A text, as it can be shown.
    Text(String),
    /// A nested message.
    Message(Fields),
    /// All occurrences of a field that may be repeated.
    List(Vec<Decoded>),
}

/// The fields of a message by their names, in the order in which they came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(Vec<(&'static str, Decoded)>);

/// Reads a PDU's body. What is malformed is read as far as it goes, and says so in a field of that name.
pub fn decode(frame: &Frame) -> Fields {
    let Some(command) = catalogue::of(frame.command()) else { return Fields::default() };
    let mut read = Fields::of(command.body, &frame.pdu.body);
    if let Err(malformed) = conform(command.body, &frame.pdu.body) {
        read.0.push(("malformed", Decoded::Text(malformed.reason)));
    }
    read
}

impl Fields {
    fn of(table: &'static Table, body: &[u8]) -> Self {
        let mut read = Self::default();
        for occurrence in fields(body) {
            let Some(field) = table.fields.iter().find(|f| f.number == occurrence.number) else {
                continue;
            };
            let values = values(&field.kind, &occurrence);
            let known = read.0.iter_mut().find(|(name, _)| *name == field.name);
            match (known, field.label) {
                (Some((_, Decoded::List(list))), Label::Repeated) => list.extend(values),
                (None, Label::Repeated) => read.0.push((field.name, Decoded::List(values))),
                // The last one counts.
                (Some((_, known)), _) => {
                    *known = values.into_iter().next_back().unwrap_or(known.clone())
                }
                (None, _) => read.0.extend(values.into_iter().next_back().map(|v| (field.name, v))),
            }
        }
        read
    }

    /// The numbers under this name, at whatever depth.
    pub fn numbers(&self, name: &str) -> Vec<u64> {
        let mut found = Vec::new();
        self.each(&mut |of, n| {
            if of == name {
                found.push(n);
            }
        });
        found
    }

    /// The texts under this name, at whatever depth.
    pub fn texts(&self, name: &str) -> Vec<String> {
        let mut found = Vec::new();
        for (of, value) in &self.0 {
            value.texts(of, name, &mut found);
        }
        found
    }

    /// The users that it names: the schema calls them all something with `user_id`.
    pub fn users(&self) -> BTreeSet<u32> {
        let mut found = BTreeSet::new();
        self.each(&mut |name, n| {
            if name.contains("user_id") && n != 0 {
                found.insert(n as u32);
            }
        });
        found
    }

    fn each(&self, see: &mut impl FnMut(&'static str, u64)) {
        for (name, value) in &self.0 {
            value.each(name, see);
        }
    }

    /// As JSON; texts and lists are as long as they are shown.
    pub fn to_json(&self) -> Value {
        let named = self.0.iter().map(|(name, value)| ((*name).to_string(), value.to_json()));
        Value::Object(named.collect::<Map<_, _>>())
    }

    /// A line for each value: where it is, such as `user_stat_list[0].user_id`, and what it is.
    pub fn lines(&self) -> Vec<(String, String)> {
        let mut lines = Vec::new();
        for (name, value) in &self.0 {
            value.lines((*name).to_string(), &mut lines);
        }
        let more = lines.len().saturating_sub(MOST_VALUES);
        if more > 0 {
            lines.truncate(MOST_VALUES);
            lines.push(("…".into(), format!("{more} values more")));
        }
        lines
    }
}

impl Decoded {
    fn each(&self, name: &'static str, see: &mut impl FnMut(&'static str, u64)) {
        match self {
            Self::Number(n) => see(name, *n),
            Self::Text(_) => {}
            Self::Message(fields) => fields.each(see),
            Self::List(items) => items.iter().for_each(|item| item.each(name, see)),
        }
    }

    fn texts(&self, of: &str, name: &str, found: &mut Vec<String>) {
        match self {
            Self::Text(text) if of == name => found.push(text.clone()),
            Self::Number(_) | Self::Text(_) => {}
            Self::Message(fields) => found.extend(fields.texts(name)),
            Self::List(items) => items.iter().for_each(|item| item.texts(of, name, found)),
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Number(n) => json!(n),
            Self::Text(text) => json!(text),
            Self::Message(fields) => fields.to_json(),
            Self::List(items) => items.iter().take(MOST_VALUES).map(Self::to_json).collect(),
        }
    }

    fn lines(&self, at: String, lines: &mut Vec<(String, String)>) {
        match self {
            Self::Number(n) => lines.push((at, n.to_string())),
            Self::Text(text) => lines.push((at, text.clone())),
            Self::Message(fields) => {
                for (name, value) in &fields.0 {
                    value.lines(format!("{at}.{name}"), lines);
                }
            }
            Self::List(items) if items.is_empty() => lines.push((at, "none".into())),
            Self::List(items) => {
                for (n, item) in items.iter().enumerate() {
                    item.lines(format!("{at}[{n}]"), lines);
                }
            }
        }
    }
}

/// What an occurrence of a field holds: several values if they are packed.
fn values(kind: &Kind, occurrence: &Field<'_>) -> Vec<Decoded> {
    // The wire type is in the low bits of the key: 2 is what has a length.
    let has_length = occurrence.whole.first().is_some_and(|key| key & 7 == 2);
    match kind {
        Kind::Uint32 | Kind::Enum(_) if has_length => {
            let mut rest = occurrence.payload;
            let next = || decode_varint(&mut rest).ok();
            std::iter::from_fn(next).map(Decoded::Number).collect()
        }
        Kind::Uint32 | Kind::Enum(_) => vec![Decoded::Number(occurrence.value)],
        Kind::Bytes if occurrence.number == attach::FIELD => vec![attached(occurrence.payload)],
        Kind::Bytes => vec![Decoded::Text(shortened(&readable(occurrence.payload)))],
        Kind::Message(table) => vec![Decoded::Message(Fields::of(table, occurrence.payload))],
    }
}

fn attached(bytes: &[u8]) -> Decoded {
    let Some(attach) = Attach::decode(bytes) else {
        return Decoded::Text(shortened(&readable(bytes)));
    };
    let number = |n: u32| Decoded::Number(n.into());
    let mut fields = vec![("kind", number(attach.kind)), ("handle", number(attach.handle))];
    if let Some(pdu) = attach.pdu {
        fields.push(("pdu_bytes", Decoded::Number(pdu.len() as u64)));
    }
    Decoded::Message(Fields(fields))
}

/// A text as it can be shown, and no longer than is read.
pub fn shortened(text: &str) -> String {
    let text = printable(text);
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((at, _)) => format!("{}… [{} characters]", &text[..at], text.chars().count()),
        None => text,
    }
}

/// A command's name without what all of them begin with.
pub fn name_of(frame: &Frame) -> String {
    match catalogue::name(frame.command()) {
        Some(name) => name.trim_start_matches("CID_").into(),
        None => format!("{:#06x}", frame.command()),
    }
}

#[cfg(test)]
mod tests {
    use super::{decode, shortened};
    use crate::record::{End, Frame};
    use bytes::Bytes;
    use serde_json::json;
    use teamtalk::{
        catalogue::id as command,
        wire::{
            Pdu,
            attach::Attach,
            im::{buddy::ImUsersStatReq, message::ImMsgData},
        },
    };

    fn frame(pdu: Pdu) -> Frame {
        Frame::new(1, End::Dialler, 1, pdu)
    }

    #[test]
    fn fields_are_named_lists_are_whole_and_attach_data_is_read() {
        let asked = ImUsersStatReq {
            user_id: 4,
            user_id_list: vec![7, 0, 9],
            attach_data: Some(Attach::handle(12).encode()),
        };
        let id = command::BUDDY_LIST_USERS_STATUS_REQUEST;
        let read = decode(&frame(Pdu::new(id, 1, &asked)));
        assert_eq!(
            read.to_json(),
            json!({"user_id": 4, "user_id_list": [7, 0, 9],
                "attach_data": {"kind": 1, "handle": 12}})
        );
        assert_eq!(read.users().into_iter().collect::<Vec<_>>(), [4, 7, 9]);
        let lines = read.lines();
        assert_eq!(lines[0], ("user_id".into(), "4".into()));
        assert!(lines.contains(&("user_id_list[2]".into(), "9".into())), "{lines:?}");
        assert!(lines.contains(&("attach_data.handle".into(), "12".into())), "{lines:?}");
        // Packed, as other encoders write it.
        let packed = Bytes::from_static(&[0x08, 4, 0x12, 2, 7, 9]);
        let read = decode(&frame(Pdu::raw(id, 1, packed)));
        assert_eq!(read.to_json(), json!({"user_id": 4, "user_id_list": [7, 9]}));
    }

    #[test]
    fn what_is_malformed_is_read_as_far_as_it_goes_and_says_so() {
        let data = ImMsgData {
            from_user_id: 1,
            to_session_id: 2,
            msg_id: 0,
            create_time: 5,
            msg_type: 1,
            msg_data: Bytes::from_static(b"\0op-1"),
            ..ImMsgData::default()
        };
        let whole = Pdu::new(command::MSG_DATA, 1, &data);
        assert_eq!(decode(&frame(whole.clone())).to_json()["msg_data"], json!("\\u{0}op-1"));
        let cut = Pdu::raw(command::MSG_DATA, 1, whole.body.slice(..4));
        let read = decode(&frame(cut)).to_json();
        assert_eq!((&read["from_user_id"], &read["to_session_id"]), (&json!(1), &json!(2)));
        assert!(read["malformed"].is_string(), "{read}");
        assert_eq!(decode(&frame(Pdu::raw(0x7fff, 1, Bytes::new()))).to_json(), json!({}));
    }

    #[test]
    fn long_texts_are_cut() {
        let text: String = (0..400).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
        assert!(shortened(&text).ends_with("… [400 characters]"));
        assert_eq!(shortened("short"), "short");
    }
}
