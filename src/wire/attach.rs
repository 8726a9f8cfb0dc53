//! `attach_data` as msg_server writes it (SYSTEM.md section 1): big-endian, opaque to others.

use bytes::{BufMut, Bytes, BytesMut};

/// Field number of `attach_data` in every message that has it.
pub const FIELD: u32 = 20;

/// The types of attach data.
pub mod kind {
    /// The handle of the requesting connection.
    pub const HANDLE: u32 = 1;
    /// A group fan-out: the PDU is the IMMsgData body.
    pub const GROUP: u32 = 3;
    /// A push: the PDU is an IMPushToUserReq body.
    pub const PUSH: u32 = 4;
    /// A file: the PDU is a 0731 body.
    pub const FILE: u32 = 5;
}

/// Attach data of either shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attach {
    /// One of [`kind`].
    pub kind: u32,
    /// The connection's number in its msg_server.
    pub handle: u32,
    /// Always 0 in what msg_server writes.
    pub service_type: u32,
    /// The second shape's PDU (a protobuf body); `None` for the 12-byte shape.
    pub pdu: Option<Bytes>,
}

impl Attach {
    /// The 12-byte shape.
    pub fn handle(handle: u32) -> Self {
        Self { kind: kind::HANDLE, handle, service_type: 0, pdu: None }
    }

    /// Its bytes.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(16);
        for word in [self.kind, self.handle, self.service_type] {
            out.put_u32(word);
        }
        if let Some(pdu) = &self.pdu {
            out.put_u32(pdu.len() as u32);
            out.put_slice(pdu);
        }
        out.freeze()
    }

    /// Reads either shape; `None` if it is too short for the first one. A PDU that is cut short
    /// counts as absent; bytes after the PDU are ignored.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let word =
            |i: usize| Some(u32::from_be_bytes(bytes.get(i * 4..i * 4 + 4)?.try_into().ok()?));
        let (kind, handle, service_type) = (word(0)?, word(1)?, word(2)?);
        let pdu = word(3).and_then(|n| bytes.get(16..16 + n as usize)).map(Bytes::copy_from_slice);
        Some(Self { kind, handle, service_type, pdu })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_shape_is_that_of_the_original() {
        // Capture 03: msg1 to db_proxy.
        let bytes = [0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 0];
        assert_eq!(Attach::handle(7).encode(), bytes[..]);
        assert_eq!(Attach::decode(&bytes), Some(Attach::handle(7)));
    }

    #[test]
    fn an_empty_pdu_is_not_the_first_shape() {
        let empty = Attach { pdu: Some(Bytes::new()), ..Attach::handle(7) };
        assert_eq!(empty.encode().len(), 16);
        assert_eq!(Attach::decode(&empty.encode()), Some(empty));
    }

    #[test]
    fn too_short_is_nothing_and_a_cut_pdu_is_no_pdu() {
        let whole =
            Attach { kind: kind::GROUP, handle: 1, service_type: 0, pdu: Some("abc".into()) };
        let bytes = whole.encode();
        for len in 0..12 {
            assert_eq!(Attach::decode(&bytes[..len]), None, "{len}");
        }
        for len in 12..bytes.len() {
            let cut = Attach { pdu: None, ..whole.clone() };
            assert_eq!(Attach::decode(&bytes[..len]), Some(cut), "{len}");
        }
        assert_eq!(Attach::decode(&[&bytes[..], b"more"].concat()), Some(whole));
    }
}
