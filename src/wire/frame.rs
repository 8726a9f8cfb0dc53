//! Cutting a byte stream into PDUs.

use super::pdu::{HEADER_LEN, Header, Pdu};
use bytes::{Buf, Bytes, BytesMut};
use std::io;

/// The longest PDU, header included.
pub const MAX_LEN: u32 = 16 << 20;

/// Why no more PDUs can be cut from a byte stream. Its connection is closed.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// A length under 16 or over what is read of this peer.
    #[error("a PDU length of {length}: expected 16 to {longest}")]
    Length {
        /// As the header says.
        length: u32,
        /// The most that is read of this peer; [`MAX_LEN`] where nothing else is said.
        longest: u32,
    },
    /// The stream failed, or ended within a PDU.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// `tokio_util` codec of PDUs. Decoding never allocates: a header that announces 16 MiB costs
/// nothing before the bytes are there.
#[derive(Debug, Default, Clone, Copy)]
pub struct Codec;

impl tokio_util::codec::Decoder for Codec {
    type Item = Pdu;
    type Error = FrameError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Pdu>, FrameError> {
        cut(src, MAX_LEN)
    }
}

/// Cuts the first PDU of at most so many bytes off a buffer; `None` if it is not whole yet.
///
/// # Errors
/// A length that no PDU of this peer has, before anything else of it is read.
pub fn cut(src: &mut BytesMut, longest: u32) -> Result<Option<Pdu>, FrameError> {
    let Some(head) = src.get(..4) else { return Ok(None) };
    let length = u32::from_be_bytes(head.try_into().expect("four bytes"));
    if !(HEADER_LEN as u32..=longest).contains(&length) {
        return Err(FrameError::Length { length, longest });
    }
    if src.len() < length as usize {
        return Ok(None);
    }
    let mut frame = src.split_to(length as usize).freeze();
    frame.advance(4);
    Ok(Some(Pdu { header: header(&mut frame), body: frame }))
}

/// The PDU that the bytes consist of, with a copy of its body; `None` if they are not exactly one.
pub fn whole(bytes: &[u8]) -> Option<Pdu> {
    let (length, mut rest) = bytes.split_first_chunk()?;
    let length = u32::from_be_bytes(*length);
    if length as usize != bytes.len() || !(HEADER_LEN as u32..=MAX_LEN).contains(&length) {
        return None;
    }
    Some(Pdu { header: header(&mut rest), body: Bytes::copy_from_slice(rest) })
}

/// The fields behind the length.
fn header(from: &mut impl Buf) -> Header {
    Header {
        version: from.get_u16(),
        flag: from.get_u16(),
        service_id: from.get_u16(),
        command_id: from.get_u16(),
        seq_num: from.get_u16(),
        reserved: from.get_u16(),
    }
}

impl tokio_util::codec::Encoder<Pdu> for Codec {
    type Error = io::Error;

    /// Fails with `InvalidInput` for a PDU so long that the peer would close the connection.
    fn encode(&mut self, pdu: Pdu, dst: &mut BytesMut) -> io::Result<()> {
        if pdu.body.len() > MAX_LEN as usize - HEADER_LEN {
            let length = HEADER_LEN + pdu.body.len();
            let why = format!("a PDU of {length} bytes: expected up to {MAX_LEN}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        pdu.write_to(dst);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_util::codec::{Decoder, Encoder};

    fn buffer(length: u32, more: usize) -> BytesMut {
        let mut src = BytesMut::new();
        src.extend_from_slice(&length.to_be_bytes());
        src.resize(4 + more, 0);
        src
    }

    #[test]
    fn lengths_out_of_bounds_are_errors_before_the_rest_of_the_header_is_there() {
        for length in [0, 1, 15, MAX_LEN + 1, u32::MAX] {
            let error = Codec.decode(&mut buffer(length, 0));
            assert!(
                matches!(error, Err(FrameError::Length { length: l, .. }) if l == length),
                "{length}"
            );
        }
        for length in [16, 17, MAX_LEN] {
            assert!(matches!(Codec.decode(&mut buffer(length, 0)), Ok(None)), "{length}");
        }
    }

    #[test]
    fn bytes_that_are_one_pdu_are_that_pdu() {
        let pdu = Pdu::raw(0x0301, 7, Bytes::from_static(b"body"));
        let wire = pdu.encode();
        assert_eq!(whole(&wire), Some(pdu));
        assert!((0..wire.len()).all(|end| whole(&wire[..end]).is_none()));
        assert_eq!(whole(&[&wire[..], &[0]].concat()), None);
        assert_eq!(whole(&buffer(15, 11)), None);
    }

    #[test]
    fn the_longest_pdu_passes_both_ways_and_one_byte_more_does_not() {
        let body = |len: usize| Pdu::raw(0x0301, 7, Bytes::from(vec![0; len]));
        let longest = body(MAX_LEN as usize - HEADER_LEN);
        let mut wire = BytesMut::new();
        Codec.encode(longest.clone(), &mut wire).unwrap();
        assert_eq!(Codec.decode(&mut wire).unwrap(), Some(longest));
        assert!(wire.is_empty());

        let error = Codec.encode(body(MAX_LEN as usize - HEADER_LEN + 1), &mut wire).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(wire.is_empty(), "nothing of it is written");
    }

    #[test]
    fn a_stream_that_ends_within_a_pdu_is_an_error() {
        assert!(matches!(Codec.decode_eof(&mut buffer(20, 5)), Err(FrameError::Io(_))));
        assert!(matches!(Codec.decode_eof(&mut BytesMut::new()), Ok(None)));
    }

    #[test]
    fn every_header_field_stands_where_the_original_has_it() {
        // Each field different; one byte of the next PDU behind it.
        let mut wire = BytesMut::from(
            &[0, 0, 0, 18, 0, 1, 0, 2, 0, 3, 3, 1, 0, 5, 0, 6, 0xaa, 0xbb, 0xcc][..],
        );
        let pdu = Codec.decode(&mut wire).unwrap().unwrap();
        let header = Header {
            version: 1,
            flag: 2,
            service_id: 3,
            command_id: 0x0301,
            seq_num: 5,
            reserved: 6,
        };
        assert_eq!(pdu, Pdu { header, body: Bytes::from_static(&[0xaa, 0xbb]) });
        assert_eq!(&wire[..], [0xcc], "the next PDU's bytes stay");
        assert_eq!(&pdu.encode()[..6], [0, 0, 0, 18, 0, 1]);
    }
}
