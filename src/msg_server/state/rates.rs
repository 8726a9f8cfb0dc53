//! How much each user has sent in this window (switch `edge-limits`).

use super::conn::Conn;
use crate::env::ConnId;
use std::collections::BTreeMap;

/// Who pays for a PDU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Payer {
    /// A user, with all their devices.
    User(u32),
    /// A connection that is not logged in.
    Stranger(ConnId),
}

impl Payer {
    fn of(conn: &Conn) -> Self {
        if conn.open { Self::User(conn.user) } else { Self::Stranger(conn.id) }
    }
}

/// What each payer has sent since the last tick: a window of `Timing::rate_window`, as the
/// original's for 0301. An entry costs its payer a PDU, and none outlives a tick.
#[derive(Debug, Default)]
pub struct Rates {
    /// PDUs of each command.
    sent: BTreeMap<(Payer, u16), u32>,
    /// Requests of all kinds.
    requests: BTreeMap<Payer, u32>,
}

impl Rates {
    /// A new window begins.
    pub fn tick(&mut self) {
        self.sent.clear();
        self.requests.clear();
    }

    /// Counts a PDU; how many of its command there are now.
    pub fn sent(&mut self, conn: &Conn, command: u16) -> u32 {
        count(self.sent.entry((Payer::of(conn), command)).or_default())
    }

    /// Counts a request; how many there are now.
    pub fn requests(&mut self, conn: &Conn) -> u32 {
        count(self.requests.entry(Payer::of(conn)).or_default())
    }
}

fn count(sent: &mut u32) -> u32 {
    *sent = sent.saturating_add(1);
    *sent
}
