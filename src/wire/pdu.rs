//! One PDU: header and raw body. The body is kept as it came, so a relay never re-encodes it.

use super::check;
use bytes::{BufMut, Bytes, BytesMut};

/// Bytes of a header.
pub const HEADER_LEN: usize = 16;

/// See [`Pdu::marked`].
const MARK: u16 = 1;

/// The service of a command: its high byte (SYSTEM.md section 1, "Services").
pub const fn service(command_id: u16) -> u16 {
    command_id >> 8
}

/// The header without its length, which follows from the body (SYSTEM.md section 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// 1 in everything that is built here; never checked.
    pub version: u16,
    /// 0 in everything that is built here; never checked.
    pub flag: u16,
    /// The service; never checked, dispatch is on `command_id` alone.
    pub service_id: u16,
    /// What the PDU is.
    pub command_id: u16,
    /// Chosen by the requester, echoed in the reply; 0 in PDUs built unasked.
    pub seq_num: u16,
    /// 0 in everything that is built here; never checked.
    pub reserved: u16,
}

/// A body that is not what its command says; the PDU is ignored and the connection stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed {message}: {reason}")]
pub struct Malformed {
    /// The message that was expected.
    pub message: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

/// A header and a raw body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pdu {
    /// Its header.
    pub header: Header,
    /// Its body, untouched.
    pub body: Bytes,
}

impl Pdu {
    /// A PDU built here: version 1, flag and reserved 0, the service of the command.
    pub fn new(command_id: u16, seq_num: u16, message: &impl prost::Message) -> Self {
        Self::raw(command_id, seq_num, message.encode_to_vec().into())
    }

    /// Like [`Pdu::new`] from an encoded body.
    pub fn raw(command_id: u16, seq_num: u16, body: Bytes) -> Self {
        let service_id = service(command_id);
        let header = Header { version: 1, flag: 0, service_id, command_id, seq_num, reserved: 0 };
        Self { header, body }
    }

    /// Its command.
    pub fn command(&self) -> u16 {
        self.header.command_id
    }

    /// The same header over another body.
    pub fn with_body(&self, body: Bytes) -> Self {
        Self { header: self.header, body }
    }

    /// The same with a mark in a field of the header that nobody uses, for mutants that want one.
    pub fn marked(mut self) -> Self {
        self.header.reserved = MARK;
        self
    }

    /// Whether it is [`marked`](Self::marked).
    pub fn is_marked(&self) -> bool {
        self.header.reserved == MARK
    }

    /// Checks the body against proto2's rules (required fields, enum values), then decodes it. What
    /// holds bytes shares the body's.
    pub fn view<M: check::Checked>(&self) -> Result<M, Malformed> {
        check::decode_shared(&self.body)
    }

    /// Header and body as they travel.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(HEADER_LEN + self.body.len());
        self.write_to(&mut out);
        out.freeze()
    }

    /// Appends header and body.
    pub fn write_to(&self, out: &mut BytesMut) {
        let h = &self.header;
        out.put_u32((HEADER_LEN + self.body.len()) as u32);
        for field in [h.version, h.flag, h.service_id, h.command_id, h.seq_num, h.reserved] {
            out.put_u16(field);
        }
        out.put_slice(&self.body);
    }
}
