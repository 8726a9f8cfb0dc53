//! Bodies that say something else, for tests that ask who notices.

use super::fields::fields;
use prost::encoding::{bytes, uint64};
use teamtalk::wire::{
    attach,
    check::{Kind, Label, Table},
};

/// A body of which one field is another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Altered {
    /// The message that the field is of, and its name.
    pub field: (&'static str, &'static str),
    /// What was done to it, in a few words.
    pub how: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

/// A body in each way in which one of its fields can be another: numbers one more, texts longer, of
/// lists an item less and an item twice, nested messages too. Attach data stays.
pub fn altered(table: &'static Table, body: &[u8]) -> Vec<Altered> {
    let (mut found, mut before) = (Vec::new(), Vec::new());
    let all: Vec<_> = fields(body).collect();
    for (at, occurrence) in all.iter().enumerate() {
        let after: Vec<u8> = all[at + 1..].iter().flat_map(|field| field.whole).copied().collect();
        let field = table.fields.iter().find(|field| field.number == occurrence.number);
        if let Some(field) = field.filter(|field| field.number != attach::FIELD) {
            let whole = |with: &[u8]| [&before[..], with, &after[..]].concat();
            let name = (table.name, field.name);
            let mut add = |how, with: &[u8]| {
                found.push(Altered { field: name, how, body: whole(with) });
            };
            if field.label == Label::Repeated {
                add("left out", &[]);
                add("twice", &[occurrence.whole, occurrence.whole].concat());
            }
            match &field.kind {
                Kind::Uint32 => add("another number", &number(field.number, occurrence.value + 1)),
                Kind::Enum(values) => {
                    let other = values.iter().find(|value| **value as u64 != occurrence.value);
                    if let Some(other) = other {
                        add("another value", &number(field.number, *other as u64));
                    }
                }
                Kind::Bytes => {
                    add("another text", &text(field.number, &[occurrence.payload, b"x"].concat()));
                }
                Kind::Message(nested) => {
                    for inner in altered(nested, occurrence.payload) {
                        let body = whole(&text(field.number, &inner.body));
                        found.push(Altered { body, ..inner });
                    }
                }
            }
        }
        before.extend_from_slice(occurrence.whole);
    }
    found
}

fn number(field: u32, value: u64) -> Vec<u8> {
    let mut encoded = Vec::new();
    uint64::encode(field, &value, &mut encoded);
    encoded
}

fn text(field: u32, value: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::new();
    bytes::encode(field, &value.to_vec(), &mut encoded);
    encoded
}
