//! The bounds of what the world measures by itself: a part of `bounded`.
//!
//! They are no limits of a deployment (those are `catalogue::limits`, held at the edge), but what
//! they must come to: a size that passes its bound grew without one.

use super::{Subject, Violation};
use crate::{
    plan::{Host, Role, WINDOW},
    record::sizes::{Measure, Sizes},
};
use std::collections::BTreeMap;
use teamtalk::wire::frame::MAX_LEN;

/// The most that each measure may come to.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Those that are not the default, by the role of the host.
    set: BTreeMap<(Role, Measure), u64>,
}

/// Bytes of one write that may stand before a full window: a PDU, or a request to a store.
const WRITE: u64 = MAX_LEN as u64;
/// Connections of a server, unless it has a limit: what a msg_server of the original announces.
const CONNECTIONS: u64 = 100_000;
/// Keys, fields, rows and files of which no less is promised (`kept`): no plan asks for a thousandth of it, so that a
/// store which comes to it is filled by something else than what users do.
const ENTRIES: u64 = 1_000_000;

impl Bounds {
    /// With so many connections at a msg_server at most.
    pub fn new(connections: usize) -> Self {
        // One that is too much is accepted before it is closed, and may linger.
        let connections = 2 * connections as u64;
        Self { set: BTreeMap::new() }.set(Role::Msg, Measure::Accepted, connections)
    }

    /// Sets the bound of a measure on the hosts of a role.
    pub fn set(mut self, role: Role, measure: Measure, most: u64) -> Self {
        self.set.insert((role, measure), most);
        self
    }

    /// The bound of a measure on the hosts of a role.
    fn of(&self, role: Role, measure: &Measure) -> u64 {
        let set = self.set.get(&(role, measure.clone()));
        set.copied().unwrap_or(match measure {
            Measure::Unread => WINDOW + WRITE,
            // The longest PDU (SYSTEM.md section 1); what is longer is closed at its header.
            Measure::Unfinished => u64::from(MAX_LEN),
            Measure::Accepted => CONNECTIONS,
            // It came in one PDU.
            Measure::Value(_) => u64::from(MAX_LEN),
            Measure::Keys(_) | Measure::Fields(_) | Measure::Rows(_) | Measure::Blobs => ENTRIES,
            Measure::Oldest(_) => u64::MAX,
        })
    }

    /// The first size that is over its bound.
    pub fn judge(&self, sizes: &Sizes) -> Option<Violation> {
        let is_over =
            |(host, measure, size): &(&Host, &Measure, u64)| *size > self.of(host.role(), measure);
        let (host, measure, size) = sizes.iter().find(is_over)?;
        let most = self.of(host.role(), measure);
        Some(Violation {
            property: "bounded",
            kind: kind(measure),
            role: host.role(),
            sentence: format!("{host} had {size} {measure}: at most {most}"),
            about: [Subject::Host(host.clone())].into(),
        })
    }
}

fn kind(measure: &Measure) -> &'static str {
    match measure {
        Measure::Unread => "unread-bytes",
        Measure::Unfinished => "unfinished-pdu",
        Measure::Accepted => "connections",
        Measure::Keys(_) => "keys",
        Measure::Value(_) => "value",
        Measure::Fields(_) => "fields",
        Measure::Rows(_) => "rows",
        Measure::Oldest(_) => "age",
        Measure::Blobs => "blobs",
    }
}

#[cfg(test)]
mod tests {
    use super::{Bounds, CONNECTIONS, ENTRIES, MAX_LEN, WINDOW, WRITE};
    use crate::{
        plan::{Host, Role},
        record::sizes::{Measure, Sizes},
    };
    use teamtalk::catalogue::limits::Limits;

    fn found(bounds: &Bounds, host: Host, measure: Measure, size: u64) -> Option<String> {
        let mut sizes = Sizes::default();
        // What is within its bound hides nothing.
        sizes.note(&Role::Client.numbered(1), Measure::Accepted, 1);
        sizes.note(&host, measure, size);
        bounds.judge(&sizes).map(|found| found.signature())
    }

    fn bounds() -> Bounds {
        Bounds::new(Limits::default().connections)
    }

    #[test]
    fn what_is_over_its_bound_is_found_and_what_reaches_it_is_not() {
        let connections = 2 * Limits::default().connections as u64;
        let (msg, route) = (Role::Msg.numbered(1), Role::Route.numbered(1));
        let (redis, sql) = (Role::Redis.host(), Role::Sql.host());
        for (host, measure, most, signature) in [
            (&msg, Measure::Unread, WINDOW + WRITE, "bounded/unread-bytes/msg"),
            (&msg, Measure::Unfinished, MAX_LEN.into(), "bounded/unfinished-pdu/msg"),
            (&msg, Measure::Accepted, connections, "bounded/connections/msg"),
            (&route, Measure::Accepted, CONNECTIONS, "bounded/connections/route"),
            (&redis, Measure::Keys("device_"), ENTRIES, "bounded/keys/redis"),
            (&redis, Measure::Value("device_"), MAX_LEN.into(), "bounded/value/redis"),
            (&redis, Measure::Fields("unread_"), ENTRIES, "bounded/fields/redis"),
            (&sql, Measure::Rows("TTSend".into()), ENTRIES, "bounded/rows/sql"),
            (&Role::Outside.host(), Measure::Blobs, ENTRIES, "bounded/blobs/outside"),
        ] {
            let found = |size| found(&bounds(), host.clone(), measure.clone(), size);
            assert_eq!(found(most), None, "{measure}");
            assert_eq!(found(most + 1).as_deref(), Some(signature), "{measure}");
        }
    }

    #[test]
    fn a_bound_that_is_set_is_of_its_role_and_measure_only() {
        let sends = || Measure::Rows("TTSend".into());
        let bounds = bounds().set(Role::Sql, sends(), 10);
        let found = |role: Role, measure, size| found(&bounds, role.host(), measure, size);
        assert_eq!(found(Role::Sql, sends(), 10), None);
        assert_eq!(found(Role::Sql, sends(), 11).as_deref(), Some("bounded/rows/sql"));
        assert_eq!(found(Role::Redis, sends(), 11), None);
        assert_eq!(found(Role::Sql, Measure::Rows("TTRead".into()), 11), None);
    }

    #[test]
    fn a_limit_of_connections_is_a_bound() {
        let bounds = Bounds::new(2);
        let found = |host: Host, size| found(&bounds, host, Measure::Accepted, size);
        assert_eq!(found(Role::Msg.numbered(2), 4), None);
        assert!(found(Role::Msg.numbered(2), 5).is_some());
        assert_eq!(found(Role::Db.numbered(1), 5), None, "links between servers");
    }
}
