//! Bodies at a limit: what a rogue writes to try each one, and tests to hold the roles to it.

use super::{
    ALL, Command,
    limits::{Limits, OfField, Unit},
};
use crate::wire::check::{Field, Kind, Label, Table};
use bytes::Bytes;
use prost::encoding::{self, WireType, encode_key, encode_varint};

/// The field that pads a body to its length: no message has it.
const PADDING: u32 = 1_000;

/// One limit of one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// The command.
    pub command: u16,
    /// Which limit of it.
    pub limit: Which,
    /// Its value.
    pub most: u32,
}

/// Which limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Bytes of the body.
    Body,
    /// A field.
    Field(OfField),
    /// The field in which a device says who it is; its size is the user whom it names.
    Claim(OfField),
}

/// The limit of this name (`0204.user_id_list`, `0204.body`, or `0601.from_user_id` for a claim), as
/// it is in one deployment; `None` if there is none.
pub fn named(limits: &Limits, name: &str) -> Option<Probe> {
    all(limits).into_iter().chain(claims()).find(|probe| probe.name() == name)
}

/// The claims of all commands.
pub fn claims() -> Vec<Probe> {
    let of = |command: &Command| {
        let field = command.body.field(command.claim?)?;
        let (name, number, unit) = (field.name, field.number, Unit::Value);
        let claim = OfField { name, number, unit, packs: false, most: u32::MAX };
        Some(Probe { command: command.id, limit: Which::Claim(claim), most: u32::MAX })
    };
    ALL.iter().filter_map(of).collect()
}

/// Every limit of a PDU in one deployment; rates aside.
pub fn all(limits: &Limits) -> Vec<Probe> {
    let of = |command: &Command| {
        let id = command.id;
        let values = limits.of(id)?;
        let body = Probe { command: id, limit: Which::Body, most: values.body };
        let fields = values.fields.iter().map(move |&field| Probe {
            command: id,
            limit: Which::Field(field),
            most: field.most,
        });
        Some(fields.chain([body]))
    };
    ALL.iter().filter_map(of).flatten().collect()
}

impl Probe {
    /// Its name.
    pub fn name(&self) -> String {
        let limit = match self.limit {
            Which::Body => "body",
            Which::Field(field) | Which::Claim(field) => field.name,
        };
        format!("{:04x}.{limit}", self.command)
    }

    /// A body that has just so much of what the limit counts, and is in order otherwise: every
    /// required field is there, with the smallest value.
    pub fn body(&self, size: u32) -> Bytes {
        let mut body = Vec::new();
        let Some(command) = super::of(self.command) else { return Bytes::new() };
        match self.limit {
            Which::Field(field) | Which::Claim(field) => {
                fill(command.body, Some((&field, size)), &mut body);
            }
            Which::Body => {
                fill(command.body, None, &mut body);
                pad(&mut body, size as usize);
            }
        }
        body.into()
    }
}

/// Appends the fields of a message: what is required, and `wanted` in its size.
fn fill(table: &Table, wanted: Option<(&OfField, u32)>, body: &mut Vec<u8>) {
    for field in table.fields {
        match wanted.filter(|(of, _)| of.number == field.number) {
            Some((of, size)) => match of.unit {
                Unit::Items => (0..size).for_each(|n| one(field, n + 1, body)),
                Unit::Value => one(field, size, body),
                Unit::Bytes => {
                    encoding::bytes::encode(field.number, &vec![b'x'; size as usize], body);
                }
            },
            None if field.label == Label::Required => one(field, 1, body),
            None => {}
        }
    }
}

/// Appends one occurrence of a field.
fn one(field: &Field, value: u32, body: &mut Vec<u8>) {
    match &field.kind {
        Kind::Uint32 => encoding::uint32::encode(field.number, &value, body),
        Kind::Enum(values) => {
            let value = values.first().copied().unwrap_or_default();
            encoding::int32::encode(field.number, &value, body);
        }
        Kind::Bytes => encoding::bytes::encode(field.number, &vec![b'x'], body),
        Kind::Message(nested) => {
            let mut inner = Vec::new();
            fill(nested, None, &mut inner);
            encode_key(field.number, WireType::LengthDelimited, body);
            encode_varint(inner.len() as u64, body);
            body.extend(inner);
        }
    }
}

/// Pads a body to a length with an unknown field; one that is longer already, or shorter by less
/// than the field's own bytes, stays as it is.
fn pad(body: &mut Vec<u8>, length: usize) {
    let mut head = Vec::new();
    encode_key(PADDING, WireType::LengthDelimited, &mut head);
    // The length of the padding takes bytes itself: five are enough for any, written overlong.
    let Some(rest) = length.checked_sub(body.len() + head.len() + 5) else { return };
    let mut varint: Vec<u8> = (0..5).map(|n| (rest >> (7 * n)) as u8 & 0x7f | 0x80).collect();
    varint[4] &= 0x7f;
    body.extend(head);
    body.extend(varint);
    body.resize(length, 0);
}

#[cfg(test)]
mod tests {
    use super::{Which, all};
    use crate::{
        catalogue::{self, limits::Limits},
        wire::check::conform,
    };

    #[test]
    fn a_body_under_at_and_over_each_limit_is_what_it_says() {
        let limits = Limits::default();
        let probes = all(&limits);
        assert!(probes.len() > 70, "{} limits", probes.len());
        for probe in probes {
            let command = catalogue::of(probe.command).expect("a command");
            for (size, is_let_through) in
                [(probe.most - 1, true), (probe.most, true), (probe.most + 1, false)]
            {
                let body = probe.body(size);
                let what = format!("{} {:?} {size}", command.name, probe.limit);
                conform(command.body, &body).unwrap_or_else(|e| panic!("{what}: {e}"));
                let checked = limits.check(probe.command, &body);
                assert_eq!(checked.is_ok(), is_let_through, "{what}: {checked:?}");
                if probe.limit == Which::Body {
                    assert_eq!(body.len(), size as usize, "{what}");
                }
            }
        }
    }
}
