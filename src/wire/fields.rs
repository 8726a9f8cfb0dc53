//! Fields of a body by their number: those that a server sets in raw bytes, and reading single ones
//! without decoding the rest.

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// The user in every relayed request, and the sender in IMMsgData.
pub const USER_ID: u32 = 1;

/// `to_session_id` of IMMsgData.
pub const TO_SESSION_ID: u32 = 2;

/// `msg_id` of IMMsgData.
pub const MSG_ID: u32 = 3;

/// `create_time` of IMMsgData.
pub const CREATE_TIME: u32 = 4;

/// `msg_type` of IMMsgData.
pub const MSG_TYPE: u32 = 5;

/// `client_type` of IMDeviceTokenReq.
pub const CLIENT_TYPE: u32 = 3;

/// `ip_addr_list` of IMFileHasOfflineRsp.
pub const IP_ADDR_LIST: u32 = 3;

/// The last varint of this field, cut to 32 bits as proto2 does; `None` if there is none. A body
/// that is no protobuf is read up to where it breaks.
pub fn uint(body: &[u8], field: u32) -> Option<u32> {
    let mut found = None;
    each(body, |number, value| {
        if let (true, Value::Varint(value)) = (number == field, value) {
            found = Some(value as u32);
        }
    });
    found
}

/// The last bytes of this field; `None` if there are none.
pub fn bytes(body: &[u8], field: u32) -> Option<&[u8]> {
    let mut found = None;
    each(body, |number, value| {
        if let (true, Value::Bytes(value)) = (number == field, value) {
            found = Some(value);
        }
    });
    found
}

/// What an occurrence of a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// A varint.
    Varint(u64),
    /// What is length-delimited.
    Bytes(&'a [u8]),
    /// A fixed number or a group: no message of the schema has one.
    Other,
}

/// Shows every top-level occurrence in order, up to where the body is no protobuf.
pub fn each<'a>(body: &'a [u8], mut see: impl FnMut(u32, Value<'a>)) {
    let mut rest = body;
    while !rest.is_empty() {
        let Ok((number, wire_type)) = decode_key(&mut rest) else { return };
        let before = rest;
        if skip_field(wire_type, number, &mut rest, DecodeContext::default()).is_err() {
            return;
        }
        let mut payload = &before[..before.len() - rest.len()];
        let value = match wire_type {
            WireType::Varint => decode_varint(&mut payload).map_or(Value::Other, Value::Varint),
            WireType::LengthDelimited => match decode_varint(&mut payload) {
                Ok(_) => Value::Bytes(payload),
                Err(_) => return,
            },
            _ => Value::Other,
        };
        see(number, value);
    }
}

#[cfg(test)]
mod tests {
    use super::{Value, bytes, each, uint};

    /// 1: 7; 2: "ab"; 1: 2^32 + 5; 3: fixed32; 2: "".
    const BODY: &[u8] = &[
        0x08, 7, 0x12, 2, b'a', b'b', 0x08, 0x85, 0x80, 0x80, 0x80, 0x10, 0x1d, 1, 2, 3, 4, 0x12, 0,
    ];

    #[test]
    fn the_last_occurrence_counts_and_numbers_are_cut_to_32_bits() {
        assert_eq!(uint(BODY, 1), Some(5));
        assert_eq!(bytes(BODY, 2), Some(&b""[..]));
        assert_eq!((uint(BODY, 2), bytes(BODY, 1)), (None, None), "another wire type");
        assert_eq!((uint(BODY, 9), uint(BODY, 3)), (None, None));
    }

    #[test]
    fn a_body_is_read_up_to_where_it_breaks() {
        let mut seen = Vec::new();
        each(&[0x08, 7, 0x12, 5, 1], |number, value| seen.push((number, value)));
        assert_eq!(seen, [(1, Value::Varint(7))]);
    }
}
