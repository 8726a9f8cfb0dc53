//! How large things got in a run, measured from outside the roles: at sockets and in the stores.
//! No part of the trace: nothing in a run depends on it.

use crate::plan::Host;
use std::{collections::BTreeMap, fmt};

/// What was measured.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// Bytes of one connection that a host had written, or was about to write, and the other end
    /// had not read. What waits in a role behind one write (of a link: 64 KiB) is not to be seen
    /// from outside.
    Unread,
    /// Bytes of a PDU that a host had read on one connection, and that was not whole.
    Unfinished,
    /// Connections that a host had accepted and that were open at once.
    Accepted,
    /// Keys of Redis of one family.
    Keys(&'static str),
    /// Bytes of the longest value of one family of keys; of a hash all fields with their names.
    Value(&'static str),
    /// Fields of the largest hash of one family of keys.
    Fields(&'static str),
    /// Committed rows of a table; tables that differ by a number count as one.
    Rows(String),
    /// Seconds of the wall clock that the oldest committed row of a table has been there.
    Oldest(&'static str),
    /// Files in the blob store.
    Blobs,
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unread => f.write_str("bytes of one connection that nobody had read"),
            Self::Unfinished => f.write_str("bytes of a PDU that was not whole"),
            Self::Accepted => f.write_str("open connections that it had accepted"),
            Self::Keys(family) => write!(f, "keys `{family}`"),
            Self::Value(family) => write!(f, "bytes in one value of keys `{family}`"),
            Self::Fields(family) => write!(f, "fields in one hash of keys `{family}`"),
            Self::Rows(table) => write!(f, "rows of {table}"),
            Self::Oldest(table) => write!(f, "seconds of age in rows of {table}"),
            Self::Blobs => f.write_str("files of audio"),
        }
    }
}

/// The largest of each, by host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sizes(BTreeMap<(Host, Measure), u64>);

impl Sizes {
    /// Notes a size; the largest stays.
    pub fn note(&mut self, host: &Host, measure: Measure, size: u64) {
        let largest = self.0.entry((host.clone(), measure)).or_default();
        *largest = size.max(*largest);
    }

    /// All of them, by host and measure.
    pub fn iter(&self) -> impl Iterator<Item = (&Host, &Measure, u64)> {
        self.0.iter().map(|((host, measure), size)| (host, measure, *size))
    }

    /// The largest on any host; 0 if it was not measured.
    pub fn largest(&self, measure: &Measure) -> u64 {
        let of = self.iter().filter(|(_, of, _)| *of == measure);
        of.map(|(.., size)| size).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Measure, Sizes};
    use crate::plan::Role;

    #[test]
    fn the_largest_stays_by_host_and_measure() {
        let mut sizes = Sizes::default();
        let (one, two) = (Role::Msg.numbered(1), Role::Msg.numbered(2));
        for (host, measure, size) in [
            (&one, Measure::Accepted, 3),
            (&one, Measure::Accepted, 2),
            (&two, Measure::Accepted, 4),
            (&one, Measure::Unread, 9),
        ] {
            sizes.note(host, measure, size);
        }
        let all: Vec<_> = sizes.iter().map(|(host, _, size)| (host.to_string(), size)).collect();
        assert_eq!(all, [("msg1".into(), 9), ("msg1".into(), 3), ("msg2".into(), 4)]);
        assert_eq!(sizes.largest(&Measure::Accepted), 4);
        assert_eq!(sizes.largest(&Measure::Blobs), 0);
    }
}
