//! What the type of a message says (enum MsgType). A value outside the enum is neither.

use super::im::base_define::MsgType;

/// Whether it is between two users, text or audio.
pub fn is_single(msg_type: i32) -> bool {
    [MsgType::SingleText, MsgType::SingleAudio].iter().any(|&kind| msg_type == kind as i32)
}

/// Whether it is audio, to a user or to a group.
pub fn is_audio(msg_type: i32) -> bool {
    [MsgType::SingleAudio, MsgType::GroupAudio].iter().any(|&kind| msg_type == kind as i32)
}
