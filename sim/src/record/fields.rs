//! The fields of a protobuf body, without its schema.

use bytes::Bytes;

/// A field of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its number.
    pub number: u32,
    /// Of a varint its value.
    pub value: u64,
    /// Of a field with a length what follows it.
    pub payload: &'a [u8],
    /// All its bytes.
    pub whole: &'a [u8],
}

/// The fields of a body in their order, as far as they can be read.
pub fn fields(body: &[u8]) -> Fields<'_> {
    Fields { rest: body }
}

/// See [`fields`].
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    // A reader wants little of each field: what it does not look at is not worked out.
    #[inline]
    fn next(&mut self) -> Option<Field<'a>> {
        let (start, mut rest) = (self.rest, self.rest);
        let tag = varint(&mut rest)?;
        let (mut value, mut payload) = (0, &rest[..0]);
        match tag & 7 {
            0 => value = varint(&mut rest)?,
            1 => (payload, rest) = rest.split_at_checked(8)?,
            2 => {
                let length = varint(&mut rest)? as usize;
                (payload, rest) = rest.split_at_checked(length)?;
            }
            5 => (payload, rest) = rest.split_at_checked(4)?,
            _ => return None,
        }
        self.rest = rest;
        let whole = &start[..start.len() - rest.len()];
        Some(Field { number: (tag >> 3) as u32, value, payload, whole })
    }
}

/// A body without some fields, by their numbers: a part of it, if what is left is in one piece.
pub fn without(body: &Bytes, numbers: &[u32]) -> Bytes {
    let (mut at, mut piece, mut before) = (0, 0..0, Vec::new());
    for field in fields(body) {
        let from = at;
        at += field.whole.len();
        if numbers.contains(&field.number) {
            continue;
        }
        if piece.end != from {
            before.extend_from_slice(&body[piece]);
            piece = from..from;
        }
        piece.end = at;
    }
    if before.is_empty() {
        return body.slice(piece);
    }
    before.extend_from_slice(&body[piece]);
    before.into()
}

/// Most are of one byte.
#[inline]
fn varint(rest: &mut &[u8]) -> Option<u64> {
    match **rest {
        [byte, ref after @ ..] if byte < 0x80 => {
            *rest = after;
            Some(byte.into())
        }
        _ => long_varint(rest),
    }
}

fn long_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{fields, without};
    use bytes::Bytes;

    #[test]
    fn fields_are_read_in_order_until_one_is_cut() {
        let body = [0x08, 0x96, 0x01, 0x12, 0x02, b'h', b'i', 0x1a, 0x09];
        let read: Vec<_> = fields(&body).map(|f| (f.number, f.value, f.payload)).collect();
        assert_eq!(read, [(1, 150, &b""[..]), (2, 0, b"hi")]);
        assert_eq!(fields(&body).map(|f| f.whole.len()).collect::<Vec<_>>(), [3, 4]);
    }

    #[test]
    fn what_is_left_of_a_body_is_in_its_order() {
        let body = Bytes::from_static(&[0x08, 0x01, 0x12, 0x01, b'h', 0x18, 0x03, 0x20, 0x04]);
        let left = |numbers: &[u32]| without(&body, numbers).to_vec();
        assert_eq!(left(&[]), body);
        assert_eq!(left(&[4]), body[..7]);
        assert_eq!(left(&[1]), body[2..]);
        assert_eq!(left(&[1, 4]), body[2..7]);
        assert_eq!(left(&[2]), [0x08, 0x01, 0x18, 0x03, 0x20, 0x04]);
        assert_eq!(left(&[1, 3]), [0x12, 0x01, b'h', 0x20, 0x04]);
        assert_eq!(left(&[1, 2, 3, 4]), [0_u8; 0]);
        let cut = Bytes::from_static(&[0x08, 0x01, 0x12, 0x09]);
        assert_eq!(without(&cut, &[3]), [0x08, 0x01][..], "what can't be read is left out");
    }
}
