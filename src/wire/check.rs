//! Proto2's rules, which prost does not enforce (SYSTEM.md section 1).
//!
//! - A missing required field makes a message malformed, at any depth.
//! - A value outside its enum counts as absent.
//! - A known field of another wire type than its own counts as unknown.
//! - Several occurrences of a message field are merged before they are judged.
//! - Strings are bytes.
//!
//! The rules are read off tables that build.rs emits from the descriptors. What counts as
//! absent is left out of the copy that prost decodes; the PDU itself is never changed.

use super::Malformed;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use std::{borrow::Cow, collections::BTreeMap, ops::Range};

/// How deep messages may nest. Our own bound; the schema itself needs 2.
const MAX_DEPTH: u32 = 16;

/// A message whose fields the generated table knows.
pub trait Checked: prost::Message + Default {
    /// Its fields.
    const TABLE: &'static Table;
    /// Its name, as `IM.Message.IMMsgData`.
    const NAME: &'static str = Self::TABLE.name;
}

/// The fields of one message.
#[derive(Debug)]
pub struct Table {
    /// Its name, as `IM.Message.IMMsgData`.
    pub name: &'static str,
    /// Its fields, in the schema's order; at most 64.
    pub fields: &'static [Field],
}

/// One field.
#[derive(Debug)]
pub struct Field {
    /// Its number.
    pub number: u32,
    /// Its name.
    pub name: &'static str,
    /// How often it may, or must, occur.
    pub label: Label,
    /// What it holds.
    pub kind: Kind,
}

/// How often a field occurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// At most once; the last occurrence counts.
    Optional,
    /// Like optional, and malformed without it.
    Required,
    /// Any number of times, packed or not.
    Repeated,
}

/// What a field holds.
#[derive(Debug)]
pub enum Kind {
    /// A varint, cut to 32 bits.
    Uint32,
    /// A varint that must be one of these, which are sorted.
    Enum(&'static [i32]),
    /// Strings too.
    Bytes,
    /// A nested message.
    Message(&'static Table),
}

/// The tables of all messages, emitted by build.rs.
mod tables {
    use super::{Checked, Field, Kind, Label, Table};
    include!(concat!(env!("OUT_DIR"), "/tables.rs"));
}
pub use tables::ALL;

/// Checks required fields and enum values, nested messages too, then decodes.
pub fn decode<M: Checked>(body: &[u8]) -> Result<M, Malformed> {
    let body = conform(M::TABLE, body)?;
    M::decode(&*body).map_err(|e| Malformed { message: M::NAME, reason: e.to_string() })
}

/// The body as proto2 reads it: without the occurrences that count as absent, and with every
/// required field. Borrowed when there was nothing to leave out.
pub fn conform<'a>(table: &'static Table, body: &'a [u8]) -> Result<Cow<'a, [u8]>, Malformed> {
    let malformed = |reason| Malformed { message: table.name, reason };
    let clean = match clean(table, body, 0).map_err(malformed)? {
        Some(clean) => Cow::Owned(clean),
        None => Cow::Borrowed(body),
    };
    require(table, &clean).map_err(malformed)?;
    Ok(clean)
}

/// One occurrence of a field.
struct Occurrence<'a> {
    number: u32,
    wire_type: WireType,
    /// Where it stands, key included.
    span: Range<usize>,
    /// What follows the key; for length-delimited fields, what follows the length.
    payload: &'a [u8],
}

/// Cuts a body into the occurrences of its fields; ends after the first error.
struct Occurrences<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Occurrences<'a> {
    fn of(body: &'a [u8]) -> Self {
        Self { body, at: 0 }
    }

    fn cut(&mut self) -> Result<Occurrence<'a>, prost::DecodeError> {
        let start = self.at;
        let mut rest = &self.body[start..];
        let (number, wire_type) = decode_key(&mut rest)?;
        let mut payload = rest;
        skip_field(wire_type, number, &mut rest, DecodeContext::default())?;
        payload = &payload[..payload.len() - rest.len()];
        if wire_type == WireType::LengthDelimited {
            decode_varint(&mut payload)?;
        }
        self.at = self.body.len() - rest.len();
        Ok(Occurrence { number, wire_type, span: start..self.at, payload })
    }
}

impl<'a> Iterator for Occurrences<'a> {
    type Item = Result<Occurrence<'a>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.body.len() {
            return None;
        }
        let next = self.cut().map_err(|e| e.to_string());
        if next.is_err() {
            self.at = self.body.len();
        }
        Some(next)
    }
}

/// What becomes of an occurrence.
enum Fate {
    Keep,
    Drop,
    /// A nested message that had something to leave out.
    Replace(Vec<u8>),
}

/// Leaves out what counts as absent; `None` if there is nothing.
fn clean(table: &Table, body: &[u8], depth: u32) -> Result<Option<Vec<u8>>, String> {
    let mut out: Option<Vec<u8>> = None;
    for occurrence in Occurrences::of(body) {
        let occurrence = occurrence?;
        let fate = match table.fields.iter().find(|f| f.number == occurrence.number) {
            Some(field) => fate(field, &occurrence, depth)?,
            None => Fate::Keep,
        };
        if let Fate::Keep = fate {
            if let Some(out) = &mut out {
                out.extend_from_slice(&body[occurrence.span]);
            }
            continue;
        }
        let out = out.get_or_insert_with(|| body[..occurrence.span.start].to_vec());
        if let Fate::Replace(nested) = fate {
            prost::encoding::bytes::encode(occurrence.number, &nested, out);
        }
    }
    Ok(out)
}

fn fate(field: &Field, occurrence: &Occurrence, depth: u32) -> Result<Fate, String> {
    let mut payload = occurrence.payload;
    let keep = |keep| if keep { Fate::Keep } else { Fate::Drop };
    match (&field.kind, occurrence.wire_type) {
        (Kind::Uint32, WireType::Varint) | (Kind::Bytes, WireType::LengthDelimited) => {
            Ok(Fate::Keep)
        }
        (Kind::Uint32, WireType::LengthDelimited) if field.label == Label::Repeated => {
            while !payload.is_empty() {
                decode_varint(&mut payload).map_err(|e| format!("{}: {e}", field.name))?;
            }
            Ok(Fate::Keep)
        }
        (Kind::Enum(values), WireType::Varint) => {
            // Cut to 32 bits, as proto2 does: what comes out of it may be in the enum again.
            let value = decode_varint(&mut payload).map_err(|e| e.to_string())? as i32;
            Ok(keep(values.binary_search(&value).is_ok()))
        }
        (Kind::Message(_), WireType::LengthDelimited) if depth + 1 >= MAX_DEPTH => {
            Err(format!("{}: nested deeper than {MAX_DEPTH}", field.name))
        }
        (Kind::Message(table), WireType::LengthDelimited) => {
            let nested = clean(table, payload, depth + 1);
            let nested = nested.map_err(|e| format!("{}: {e}", field.name))?;
            Ok(nested.map_or(Fate::Keep, Fate::Replace))
        }
        _ => Ok(Fate::Drop),
    }
}

/// Looks for required fields in a body that went through [`clean`], whose depth is bounded.
fn require(table: &Table, body: &[u8]) -> Result<(), String> {
    let mut seen = 0_u64;
    let mut singular: BTreeMap<usize, Cow<[u8]>> = BTreeMap::new();
    for occurrence in Occurrences::of(body) {
        let occurrence = occurrence?;
        let Some(i) = table.fields.iter().position(|f| f.number == occurrence.number) else {
            continue;
        };
        seen |= 1 << i;
        let Kind::Message(nested) = table.fields[i].kind else { continue };
        if table.fields[i].label == Label::Repeated {
            require(nested, occurrence.payload).map_err(|e| at(table, i, e))?;
        } else {
            // Two encodings one after the other are the encoding of the merged message.
            let merged = singular.entry(i).or_default();
            match merged.is_empty() {
                true => *merged = Cow::Borrowed(occurrence.payload),
                false => merged.to_mut().extend_from_slice(occurrence.payload),
            }
        }
    }
    for (i, field) in table.fields.iter().enumerate() {
        if field.label == Label::Required && seen & (1 << i) == 0 {
            return Err(format!("{} is missing", field.name));
        }
        if let (Kind::Message(nested), Some(body)) = (&field.kind, singular.get(&i)) {
            require(nested, body).map_err(|e| at(table, i, e))?;
        }
    }
    Ok(())
}

fn at(table: &Table, field: usize, reason: String) -> String {
    format!("{}: {reason}", table.fields[field].name)
}
