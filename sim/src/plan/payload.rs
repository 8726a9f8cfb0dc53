//! Texts that are more than the name of their operation.

use serde::{Deserialize, Serialize};

/// What follows the operation's own text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Payload {
    /// So much that a push cannot show it (over 37 bytes).
    Long,
    /// Up to 255 bytes, one short of what a byte can count.
    Bytes255,
    /// Up to 256 bytes.
    Bytes256,
    /// Up to 1 KiB.
    Kilobyte,
    /// Up to 4000 bytes; 4096 characters can be stored.
    Bytes4000,
    /// Characters beyond the first plane of Unicode.
    Emoji,
    /// What SQL, JSON and formats quote.
    Quotes,
    /// A NUL, and text behind it.
    Nul,
}

impl Payload {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Long,
        Self::Bytes255,
        Self::Bytes256,
        Self::Kilobyte,
        Self::Bytes4000,
        Self::Emoji,
        Self::Quotes,
        Self::Nul,
    ];

    /// The text with what follows it.
    pub fn behind(self, text: &str) -> String {
        let padded = |to: usize| format!("{text} {}", ".".repeat(to - text.len() - 1));
        match self {
            Self::Long => padded(60),
            Self::Bytes255 => padded(255),
            Self::Bytes256 => padded(256),
            Self::Kilobyte => padded(1_024),
            Self::Bytes4000 => padded(4_000),
            Self::Emoji => format!("{text} 😀👩‍👩‍👧 𝄞"),
            Self::Quotes => format!("{text} ' \" \\ ` % ; -- {{}} \\' '' %s"),
            Self::Nul => format!("{text} \0 and more"),
        }
    }

    /// What it is, for a sentence.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Long => "and more than a push shows",
            Self::Bytes255 => "in 255 bytes",
            Self::Bytes256 => "in 256 bytes",
            Self::Kilobyte => "in a KiB",
            Self::Bytes4000 => "in 4000 bytes",
            Self::Emoji => "and emoji",
            Self::Quotes => "and quotes",
            Self::Nul => "and a NUL",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Payload;

    #[test]
    fn payloads_are_as_long_as_they_say_and_can_be_stored() {
        let length = |payload: Payload| payload.behind("op-12345").len();
        assert_eq!(length(Payload::Bytes255), 255);
        assert_eq!(length(Payload::Bytes256), 256);
        assert_eq!(length(Payload::Kilobyte), 1_024);
        for payload in Payload::ALL {
            let text = payload.behind("op-12345");
            assert!(text.starts_with("op-12345 ") && text.chars().count() <= 4_096, "{payload:?}");
            assert_eq!(text.contains('\0'), payload == Payload::Nul);
        }
        assert!(length(Payload::Long) > 37);
    }
}
