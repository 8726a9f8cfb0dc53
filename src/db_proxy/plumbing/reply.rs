//! What every reply has in common.

use crate::wire::Pdu;
use bytes::Bytes;

/// A reply to a request: version 1, flag and reserved 0, the request's seq_num.
pub fn reply(request: &Pdu, command: u16, message: &impl prost::Message) -> Pdu {
    Pdu::new(command, request.header.seq_num, message)
}

/// The attach data of a reply: the request's, empty if it had none, but always there.
pub fn carried(attach: Option<Bytes>) -> Option<Bytes> {
    Some(attach.unwrap_or_default())
}
