//! Cutting a byte stream into PDUs.

use super::pdu::{HEADER_LEN, Header, Pdu};
use bytes::{Buf, BytesMut};
use std::io;

/// The longest PDU, header included.
pub const MAX_LEN: u32 = 16 << 20;

/// Why a byte stream can't be cut further; the connection is closed.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// A length under 16 or over 16 MiB.
    #[error("a PDU length of {0}: expected 16 to {MAX_LEN}")]
    Length(u32),
    /// The stream failed, or ended within a PDU.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// `tokio_util` codec of PDUs. Never allocates more than the PDU that it is reading.
#[derive(Debug, Default, Clone, Copy)]
pub struct Codec;

impl tokio_util::codec::Decoder for Codec {
    type Item = Pdu;
    type Error = FrameError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Pdu>, FrameError> {
        let Some(head) = src.get(..4) else { return Ok(None) };
        let length = u32::from_be_bytes(head.try_into().expect("four bytes"));
        if !(HEADER_LEN as u32..=MAX_LEN).contains(&length) {
            return Err(FrameError::Length(length));
        }
        if src.len() < length as usize {
            return Ok(None);
        }
        let mut frame = src.split_to(length as usize).freeze();
        frame.advance(4);
        let header = Header {
            version: frame.get_u16(),
            flag: frame.get_u16(),
            service_id: frame.get_u16(),
            command_id: frame.get_u16(),
            seq_num: frame.get_u16(),
            reserved: frame.get_u16(),
        };
        Ok(Some(Pdu { header, body: frame }))
    }
}

impl tokio_util::codec::Encoder<Pdu> for Codec {
    type Error = io::Error;

    fn encode(&mut self, pdu: Pdu, dst: &mut BytesMut) -> io::Result<()> {
        pdu.write_to(dst);
        Ok(())
    }
}
