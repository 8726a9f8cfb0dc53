//! What the type of a message says (enum MsgType); one outside the enum says nothing.

use super::im::base_define::MsgType;

/// Whether it is of two users: a text or audio between them.
pub fn is_single(msg_type: i32) -> bool {
    [MsgType::SingleText, MsgType::SingleAudio].iter().any(|&kind| msg_type == kind as i32)
}

/// Whether it is audio, to a user or to a group.
pub fn is_audio(msg_type: i32) -> bool {
    [MsgType::SingleAudio, MsgType::GroupAudio].iter().any(|&kind| msg_type == kind as i32)
}
