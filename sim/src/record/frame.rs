//! A frame of the trace. It is decoded once, however many properties look at it.

use super::{End, fields::fields};
use std::{any::Any, borrow::Cow, cell::OnceCell, fmt, ops::Deref};
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
    decoded: Decoded,
}

/// The body, decoded as the type for which it was first asked. It follows from the PDU, so it is
/// left out of comparisons and copies.
#[derive(Default)]
struct Decoded(OnceCell<Box<dyn Any + Send>>);

impl Frame {
    /// From its parts; see the fields.
    pub fn new(conn: ConnId, end: End, k: u64, pdu: Pdu) -> Self {
        Self { conn, end, k, pdu, decoded: Decoded::default() }
    }

    /// [`Pdu::view`], of which only the first call decodes.
    ///
    /// # Errors
    /// Those of [`Pdu::view`].
    pub fn view<M: Checked + Clone + Send + 'static>(&self) -> Result<Cow<'_, M>, Malformed> {
        let decoded = self.decoded.0.get_or_init(|| Box::new(self.pdu.view::<M>()));
        match decoded.downcast_ref::<Result<M, Malformed>>() {
            Some(Ok(view)) => Ok(Cow::Borrowed(view)),
            Some(Err(malformed)) => Err(malformed.clone()),
            // It was first asked for as another type.
            None => self.pdu.view().map(Cow::Owned),
        }
    }

    /// Its attach data, whatever else the body holds; `None` if it has none.
    pub fn attach(&self) -> Option<&[u8]> {
        let attach = fields(&self.pdu.body).filter(|field| field.number == attach::FIELD).last();
        attach.map(|field| field.payload)
    }

    /// Frees what [`Frame::view`] keeps, once nobody will ask again.
    pub fn forget(&mut self) {
        self.decoded = Decoded::default();
    }
}

impl Deref for Frame {
    type Target = Pdu;

    fn deref(&self) -> &Pdu {
        &self.pdu
    }
}

impl fmt::Debug for Decoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

impl Clone for Decoded {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Decoded {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Decoded {}

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
