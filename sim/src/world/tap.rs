//! The PDUs in the bytes that pass through a socket.

use bytes::BytesMut;
use teamtalk::wire::{
    Pdu,
    frame::{Codec, whole},
};
use tokio_util::codec::Decoder;

/// Cuts one direction's bytes into frames for the trace.
#[derive(Debug, Default)]
pub struct Tap {
    buffer: BytesMut,
    frames: u64,
    broken: bool,
}

impl Tap {
    /// The next PDU that is whole with these bytes more, with its number, from 1.
    pub fn next(&mut self, bytes: &[u8]) -> Option<(u64, Pdu)> {
        let pdu = self.cut(bytes)?;
        self.frames += 1;
        Some((self.frames, pdu))
    }

    fn cut(&mut self, bytes: &[u8]) -> Option<Pdu> {
        if self.broken {
            return None;
        }
        // What most reads and writes are: the copy is as long as the trace needs it.
        if self.buffer.is_empty()
            && let Some(pdu) = whole(bytes)
        {
            return Some(pdu);
        }
        self.buffer.extend_from_slice(bytes);
        let decoded = Codec.decode(&mut self.buffer);
        self.broken = decoded.is_err();
        decoded.ok().flatten()
    }

    /// Bytes of a PDU that is not whole.
    pub fn unfinished(&self) -> usize {
        self.buffer.len()
    }
}
