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
pub fn fields(body: &[u8]) -> impl Iterator<Item = Field<'_>> {
    let mut rest = body;
    std::iter::from_fn(move || {
        let start = rest;
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
        let whole = &start[..start.len() - rest.len()];
        Some(Field { number: (tag >> 3) as u32, value, payload, whole })
    })
}

/// A body without some fields, by their numbers.
pub fn without(body: &[u8], numbers: &[u32]) -> Bytes {
    let rest = fields(body).filter(|field| !numbers.contains(&field.number));
    rest.flat_map(|field| field.whole).copied().collect::<Vec<_>>().into()
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
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

    #[test]
    fn fields_are_read_in_order_until_one_is_cut() {
        let body = [0x08, 0x96, 0x01, 0x12, 0x02, b'h', b'i', 0x1a, 0x09];
        let read: Vec<_> = fields(&body).map(|f| (f.number, f.value, f.payload)).collect();
        assert_eq!(read, [(1, 150, &b""[..]), (2, 0, b"hi")]);
        assert_eq!(fields(&body).map(|f| f.whole.len()).collect::<Vec<_>>(), [3, 4]);
        assert_eq!(without(&body, &[1]), [0x12, 0x02, b'h', b'i'][..]);
    }
}
