//! The quick half of [`super::check`]: most bodies conform as they are, and one pass shows it.

use super::check::{Field, Kind, Label, MAX_DEPTH, Table};
use prost::encoding::{WireType, decode_varint};

/// Whether a body surely conforms as it is, seen in one pass: nothing of it counts as absent,
/// every required field is there, no singular message comes twice. That is what peers write;
/// any other body is left to `clean` and `require`, which are thorough.
pub(super) fn is_plain(table: &Table, body: &[u8], depth: u32) -> bool {
    plain_fields(table, body, depth).is_some_and(|seen| {
        let mut fields = table.fields.iter().enumerate();
        fields.all(|(i, field)| field.label != Label::Required || seen & (1 << i) != 0)
    })
}

/// The fields of a body, a bit for each place in the table; `None` if it may not be plain.
fn plain_fields(table: &Table, mut body: &[u8], depth: u32) -> Option<u64> {
    let (mut seen, mut next) = (0_u64, 0);
    while !body.is_empty() {
        let key = u32::try_from(varint(&mut body)?).ok()?;
        let (number, wire_type) = (key >> 3, WireType::try_from(u64::from(key & 7)).ok()?);
        let (value, payload) = match wire_type {
            WireType::Varint => (varint(&mut body)?, &[][..]),
            WireType::LengthDelimited => {
                let length = usize::try_from(varint(&mut body)?).ok()?;
                (0, body.split_off(..length)?)
            }
            _ => return None,
        };
        let Some(i) = place(table, number, next) else {
            // Number 0 is no field at all.
            if number == 0 {
                return None;
            }
            continue;
        };
        let field = &table.fields[i];
        let plain = match (&field.kind, wire_type) {
            (Kind::Uint32, WireType::Varint) | (Kind::Bytes, WireType::LengthDelimited) => true,
            (Kind::Enum(values), WireType::Varint) => values.binary_search(&(value as i32)).is_ok(),
            (Kind::Message(nested), WireType::LengthDelimited) => {
                let again = field.label != Label::Repeated && seen & (1 << i) != 0;
                !again && depth + 1 < MAX_DEPTH && is_plain(nested, payload, depth + 1)
            }
            _ => false,
        };
        if !plain {
            return None;
        }
        seen |= 1 << i;
        next = i + 1;
    }
    Some(seen)
}

/// The place of a field in a table: peers write fields in its order, so that is looked at first
/// which is the next one.
#[inline]
fn place(table: &Table, number: u32, next: usize) -> Option<usize> {
    let is_it = |field: &Field| field.number == number;
    if table.fields.get(next).is_some_and(is_it) {
        return Some(next);
    }
    table.fields.iter().position(is_it)
}

/// Most varints are one byte.
#[inline]
fn varint(body: &mut &[u8]) -> Option<u64> {
    match **body {
        [byte, ref rest @ ..] if byte < 0x80 => {
            *body = rest;
            Some(byte.into())
        }
        _ => decode_varint(body).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::is_plain;
    use crate::wire::{
        check::{Checked, Table, clean, require},
        im::{base_define::UserInfo, login::ImLoginRes, message::ImMsgDataAck},
    };
    use prost::Message;

    /// Whether the one pass lets a body through that the thorough ones would not leave alone.
    fn is_let_through(table: &'static Table, body: &[u8]) -> bool {
        is_plain(table, body, 0)
            && (!matches!(clean(table, body, 0), Ok(None)) || require(table, body).is_err())
    }

    #[test]
    fn the_one_pass_takes_what_peers_write_and_nothing_that_is_not_whole() {
        let login = ImLoginRes {
            server_time: 300,
            user_info: Some(UserInfo { user_id: 7, status: 1, ..Default::default() }),
            ..Default::default()
        };
        let ack = ImMsgDataAck {
            user_id: 1,
            session_id: 2,
            msg_id: 300,
            session_type: 1,
            held_up_to: None,
        };
        let ack = ack.encode_to_vec();
        assert!(is_plain(ImMsgDataAck::TABLE, &ack, 0));
        let login = login.encode_to_vec();
        assert!(is_plain(ImLoginRes::TABLE, &login, 0));
        // Every byte of both takes every value, and each of their ends comes too early.
        for (table, body) in [(ImMsgDataAck::TABLE, &ack), (ImLoginRes::TABLE, &login)] {
            for at in 0..body.len() {
                assert!(!is_let_through(table, &body[..at]), "{at} bytes");
                let mut other = body.to_vec();
                for byte in 0..=u8::MAX {
                    other[at] = byte;
                    assert!(!is_let_through(table, &other), "{other:?}");
                }
            }
            let twice = [&body[..], &body[..]].concat();
            assert!(!is_let_through(table, &twice), "{}", table.name);
        }
    }
}
