//! Setting and removing top-level fields in raw bytes. All other fields stay byte for byte, unknown
//! ones too.
//!
//! An occurrence is found by its number alone, whatever its wire type: a peer that reads more
//! leniently than we do must not find an old value beside the new one (our own decision).

use bytes::Bytes;

/// Edits of one body, applied in order.
#[derive(Debug)]
pub struct Edit {
    body: Vec<u8>,
}

impl Edit {
    /// Starts from a body. A body that is no protobuf is kept as it is by every edit; callers
    /// check it first.
    pub fn of(body: &[u8]) -> Self {
        Self { body: body.to_vec() }
    }

    /// Sets a varint field: in place of its last occurrence, or at the end.
    pub fn uint(self, field: u32, value: u64) -> Self {
        let mut encoded = Vec::new();
        prost::encoding::uint64::encode(field, &value, &mut encoded);
        self.replace(field, Some(encoded))
    }

    /// Sets a length-delimited field: in place of its last occurrence, or at the end.
    pub fn bytes(self, field: u32, value: &[u8]) -> Self {
        let mut encoded = Vec::new();
        prost::encoding::bytes::encode(field, &value.to_vec(), &mut encoded);
        self.replace(field, Some(encoded))
    }

    /// Removes every occurrence of a field.
    pub fn clear(self, field: u32) -> Self {
        self.replace(field, None)
    }

    /// The edited body.
    pub fn done(self) -> Bytes {
        self.body.into()
    }

    fn replace(mut self, field: u32, with: Option<Vec<u8>>) -> Self {
        let Some(spans) = spans_of(&self.body, field) else { return self };
        let last = spans.last().cloned();
        for span in spans.into_iter().rev() {
            let is_last = Some(&span) == last.as_ref();
            let new = if is_last { with.clone().unwrap_or_default() } else { Vec::new() };
            self.body.splice(span, new);
        }
        if last.is_none() {
            self.body.extend(with.unwrap_or_default());
        }
        self
    }
}

/// Where a field stands in a body, in order; `None` if the body is no protobuf.
fn spans_of(body: &[u8], field: u32) -> Option<Vec<std::ops::Range<usize>>> {
    use prost::encoding::{DecodeContext, decode_key, skip_field};
    let mut rest = body;
    let mut spans = Vec::new();
    while !rest.is_empty() {
        let start = body.len() - rest.len();
        let (tag, wire_type) = decode_key(&mut rest).ok()?;
        skip_field(wire_type, tag, &mut rest, DecodeContext::default()).ok()?;
        if tag == field {
            spans.push(start..body.len() - rest.len());
        }
    }
    Some(spans)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// from_user_id 1, an unknown field 99 ("x"), msg_id 300 in an overlong varint, and an
    /// unknown fixed32 field 30.
    const BODY: [u8; 17] = [
        0x08, 0x01, // 1: 1
        0x9a, 0x06, 0x01, b'x', // 99: "x"
        0x18, 0xac, 0x82, 0x80, 0x00, // 3: 300
        0xf5, 0x01, 1, 2, 3, 4, // 30: fixed32
    ];

    #[test]
    fn setting_replaces_in_place_and_keeps_the_rest() {
        let edited = Edit::of(&BODY).uint(3, 5).done();
        assert_eq!(edited, [&BODY[..6], &[0x18, 5], &BODY[11..]].concat());
    }

    #[test]
    fn setting_an_absent_field_appends_it() {
        let edited = Edit::of(&BODY).bytes(20, b"hi").done();
        assert_eq!(edited, [&BODY[..], &[0xa2, 0x01, 2, b'h', b'i']].concat());
        assert_eq!(Edit::of(&[]).uint(1, 300).done(), [0x08, 0xac, 0x02][..]);
    }

    #[test]
    fn of_several_occurrences_one_stays_when_set_and_none_when_cleared() {
        let twice = [&BODY[..], &[0x08, 7], &BODY[2..6]].concat();
        let set = Edit::of(&twice).uint(1, 9).done();
        assert_eq!(set, [&BODY[2..], &[0x08, 9], &BODY[2..6]].concat());
        let cleared = Edit::of(&twice).clear(1).done();
        assert_eq!(cleared, [&BODY[2..], &BODY[2..6]].concat());
    }

    #[test]
    fn an_empty_value_is_still_set() {
        assert_eq!(Edit::of(&[0x08, 1]).uint(1, 0).done(), [0x08, 0][..]);
        assert_eq!(Edit::of(&[]).bytes(20, b"").done(), [0xa2, 0x01, 0][..]);
    }

    #[test]
    fn a_field_inside_a_nested_message_or_group_is_not_touched() {
        // 5: a message that holds 1: 1; 6: a group that holds 1: 1.
        let body = [0x2a, 2, 0x08, 1, 0x33, 0x08, 1, 0x34];
        assert_eq!(Edit::of(&body).clear(1).done(), body[..]);
    }

    #[test]
    fn what_is_no_protobuf_is_kept() {
        for body in [&[0x08][..], &[0x0a, 5, 1], &[0x00, 1], &[0x0c], &[0xff; 11]] {
            assert_eq!(Edit::of(body).uint(1, 2).bytes(20, b"a").clear(3).done(), body);
        }
    }
}
