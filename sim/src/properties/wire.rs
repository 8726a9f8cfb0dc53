//! What the properties read off PDUs: where they were seen, and which message they carry.

use crate::{
    plan::Role,
    record::{End, Frame, Kind, Line},
};
use std::{borrow::Cow, sync::Arc};
use teamtalk::{
    conversation::Conversation,
    env::ConnId,
    wire::im::base_define::{MsgType, SessionType},
};

/// A message, told apart from others by its sender and content: the rig gives every send a text of
/// its own. The content is text, so that it can be compared with rows and facts, and shared, since
/// every property that follows messages keeps it.
pub type Message = (u32, Arc<str>);

/// Where a PDU between a device and a msg_server was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// The device wrote it.
    DeviceWrites,
    /// The msg_server read it.
    ServerReads,
    /// The msg_server wrote it.
    ServerWrites,
    /// The device read it.
    DeviceReads,
}

impl At {
    /// Whether it was seen at the device.
    pub fn is_at_device(self) -> bool {
        matches!(self, Self::DeviceWrites | Self::DeviceReads)
    }
}

/// A PDU between a device and a msg_server.
pub fn client_pdu(line: &Line) -> Option<(At, ConnId, &Frame)> {
    let (frame, sent) = match &line.kind {
        Kind::PduSent(frame) => (frame, true),
        Kind::PduReceived(frame) => (frame, false),
        _ => return None,
    };
    // A msg_server accepts from devices only, a client host dials msg_servers only.
    let at = match (line.host.role(), frame.end, sent) {
        (Role::Client, End::Dialler, true) => At::DeviceWrites,
        (Role::Client, End::Dialler, false) => At::DeviceReads,
        (Role::Msg, End::Acceptor, true) => At::ServerWrites,
        (Role::Msg, End::Acceptor, false) => At::ServerReads,
        _ => return None,
    };
    Some((at, frame.conn, frame))
}

/// A PDU at a db_proxy, and whether it was written there.
pub fn db_pdu(line: &Line) -> Option<(ConnId, &Frame, bool)> {
    let (frame, sent) = match &line.kind {
        Kind::PduSent(frame) => (frame, true),
        Kind::PduReceived(frame) => (frame, false),
        _ => return None,
    };
    let here = frame.end == End::Acceptor && line.host.role() == Role::Db;
    here.then_some((frame.conn, frame, sent))
}

/// The conversation of a message of this type.
pub fn conversation_of(from: u32, to: u32, msg_type: i32) -> Conversation {
    if is_group(msg_type) { Conversation::Group(to) } else { Conversation::single(from, to) }
}

/// The conversation that a user's session_type and session_id name.
pub fn conversation_with(user: u32, session_type: i32, session_id: u32) -> Conversation {
    if session_type == SessionType::Group as i32 {
        Conversation::Group(session_id)
    } else {
        Conversation::single(user, session_id)
    }
}

/// Whether a client of this type is of the mobile class (SYSTEM.md section 2).
pub fn is_phone(client_type: impl Into<i64>) -> bool {
    client_type.into() & 0x10 != 0
}

/// Whether a message of this type goes to a group.
pub fn is_group(msg_type: i32) -> bool {
    [MsgType::GroupText, MsgType::GroupAudio].iter().any(|&t| t as i32 == msg_type)
}

/// Whether a message of this type is audio.
pub fn is_audio(msg_type: i32) -> bool {
    [MsgType::SingleAudio, MsgType::GroupAudio].iter().any(|&t| t as i32 == msg_type)
}

/// Bytes of the duration in front of the audio: history gives them back as 0 (SYSTEM.md
/// section 6, "Audio").
const DURATION_LEN: usize = 4;

/// The content by which a message is known, as text: of audio, what follows the duration.
pub fn content(msg_type: i32, data: &[u8]) -> Cow<'_, str> {
    match data.split_at_checked(DURATION_LEN) {
        Some((_, audio)) if is_audio(msg_type) && !audio.is_empty() => text(audio),
        _ => text(data),
    }
}

/// [`content`], of a content as a device reports it. The rig's texts never start with a NUL, and
/// its audio always does: no recording is 16 million units long.
pub fn held_content(content: &str) -> Cow<'_, str> {
    if !content.starts_with('\0') {
        return content.into();
    }
    let behind: String = content.chars().skip(DURATION_LEN).collect();
    if behind.is_empty() { content.into() } else { behind.into() }
}

/// Bytes as text; what is not UTF-8 becomes U+FFFD.
pub fn text(content: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(content)
}

#[cfg(test)]
mod tests {
    use super::{content, held_content};
    use teamtalk::wire::im::base_define::MsgType;

    #[test]
    fn audio_is_known_by_what_is_behind_the_duration() {
        let (text, audio) = (MsgType::GroupText as i32, MsgType::GroupAudio as i32);
        for duration in [b"\0\0\0\x05", b"\0\0\0\0"] {
            let whole = [&duration[..], b"op-3"].concat();
            assert_eq!(content(audio, &whole), "op-3");
            let reported = String::from_utf8_lossy(&whole).into_owned();
            assert_eq!(held_content(&reported), "op-3");
        }
        assert_eq!(content(text, b"text"), "text");
        assert_eq!(held_content("text"), "text");
        assert_eq!(content(audio, b"\0\0\0\x05"), "\0\0\0\x05", "nothing behind it");
        assert_eq!(held_content("\0\0\0\x05"), "\0\0\0\x05");
    }
}
