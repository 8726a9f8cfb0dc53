//! A frame of the trace. It is decoded once, however many properties look at it.

use super::{
    End,
    fields::{fields, without},
};
use bytes::Bytes;
use std::{
    any::Any,
    borrow::Cow,
    cell::OnceCell,
    fmt,
    ops::{Deref, Range},
};
use teamtalk::{
    env::ConnId,
    wire::{Malformed, Pdu, attach, check::Checked},
};

/// A frame seen by the rig's socket wrapper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The connection.
    pub conn: ConnId,
    /// The end that saw it.
    pub end: End,
    /// The k-th frame in its direction of this connection, from 1.
    pub k: u64,
    /// The PDU.
    pub pdu: Pdu,
    read: Read,
}

/// What was read of the body so far. It follows from the PDU, so it is left out of comparisons and
/// copies.
#[derive(Default)]
struct Read {
    /// The body, decoded as the type for which it was first asked.
    decoded: OnceCell<Box<dyn Any + Send>>,
    attached: OnceCell<Attached>,
}

/// Where a body has its attach data.
struct Attached {
    /// Where its fields end, as far as they can be read.
    end: u32,
    /// How many fields of attach data there are.
    fields: u32,
    /// Where the last one begins, and its payload. It ends with that.
    begin: u32,
    payload: u32,
    payload_end: u32,
}

impl Attached {
    fn of(body: &[u8]) -> Self {
        let mut attached = Self { end: 0, fields: 0, begin: 0, payload: 0, payload_end: 0 };
        for field in fields(body) {
            let begin = attached.end;
            attached.end += field.whole.len() as u32;
            if field.number == attach::FIELD {
                attached.fields += 1;
                (attached.begin, attached.payload_end) = (begin, attached.end);
                attached.payload = attached.end - field.payload.len() as u32;
            }
        }
        attached
    }

    fn payload(&self) -> Option<Range<usize>> {
        let range = self.payload as usize..self.payload_end as usize;
        (self.fields > 0).then_some(range)
    }
}

impl Frame {
    /// From its parts; see the fields.
    pub fn new(conn: ConnId, end: End, k: u64, pdu: Pdu) -> Self {
        Self { conn, end, k, pdu, read: Read::default() }
    }

    /// [`Pdu::view`], of which only the first call decodes.
    ///
    /// # Errors
    /// Those of [`Pdu::view`].
    pub fn view<M: Checked + Clone + Send + 'static>(&self) -> Result<Cow<'_, M>, Malformed> {
        let decoded = self.read.decoded.get_or_init(|| Box::new(self.pdu.view::<M>()));
        match decoded.downcast_ref::<Result<M, Malformed>>() {
            Some(Ok(view)) => Ok(Cow::Borrowed(view)),
            Some(Err(malformed)) => Err(malformed.clone()),
            // It was first asked for as another type.
            None => self.pdu.view().map(Cow::Owned),
        }
    }

    /// Its attach data, whatever else the body holds; `None` if it has none.
    pub fn attach(&self) -> Option<&[u8]> {
        Some(&self.pdu.body[self.attached().payload()?])
    }

    /// Its body without its attach data, as far as it can be read.
    pub fn bare(&self) -> Bytes {
        let (body, attached) = (&self.pdu.body, self.attached());
        match attached.fields {
            0 => body.slice(..attached.end as usize),
            1 if attached.payload_end == attached.end => body.slice(..attached.begin as usize),
            _ => without(body, &[attach::FIELD]),
        }
    }

    fn attached(&self) -> &Attached {
        self.read.attached.get_or_init(|| Attached::of(&self.pdu.body))
    }

    /// Frees what [`Frame::view`] keeps, once nobody will ask again.
    pub fn forget(&mut self) {
        self.read = Read::default();
    }
}

impl Deref for Frame {
    type Target = Pdu;

    fn deref(&self) -> &Pdu {
        &self.pdu
    }
}

impl fmt::Debug for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

impl Clone for Read {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Read {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Read {}

#[cfg(test)]
mod tests {
    use super::{Cow, End, Frame};
    use teamtalk::{
        catalogue::id as command,
        wire::{
            Pdu,
            im::message::{ImMsgDataAck, ImMsgDataReadAck},
        },
    };

    #[test]
    fn a_frame_reads_as_its_pdu_whoever_asks_first() {
        let ack = ImMsgDataAck {
            user_id: 1,
            session_id: 2,
            msg_id: 3,
            session_type: 1,
            held_up_to: None,
        };
        let pdu = Pdu::new(command::MSG_DATA_ACK, 4, &ack);
        let mut frame = Frame::new(5, End::Dialler, 1, pdu.clone());
        let fresh = frame.clone();
        for _ in 0..2 {
            assert_eq!(frame.view(), Ok(Cow::Borrowed(&ack)));
            assert_eq!(frame.view::<ImMsgDataReadAck>(), pdu.view().map(Cow::Owned));
        }
        assert_eq!(frame, fresh);
        frame.forget();
        assert_eq!(frame.view::<ImMsgDataReadAck>(), pdu.view().map(Cow::Owned));
        assert_eq!(frame.view(), Ok(Cow::Borrowed(&ack)));
        let short =
            Frame::new(5, End::Dialler, 1, Pdu::raw(command::MSG_DATA_ACK, 4, vec![8, 1].into()));
        for _ in 0..2 {
            assert_eq!(short.view::<ImMsgDataAck>(), short.pdu.view().map(Cow::Owned));
        }
    }
}
