//! The wire format: a 16-byte big-endian header and a protobuf (proto2) body
//! (SYSTEM.md section 1).

pub mod attach;
pub mod check;
pub mod edit;
pub mod fields;
pub mod frame;
pub mod msg_type;
pub mod pdu;
mod plain;

pub use pdu::{Header, Malformed, Pdu};

/// The generated messages: `wire::im::message::ImMsgData` and so on.
#[allow(missing_docs, clippy::all)]
pub mod im_generated {
    include!(concat!(env!("OUT_DIR"), "/im.rs"));
}
pub use im_generated::{im, tt};
