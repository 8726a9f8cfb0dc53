//! How much each device or user has sent of late (switch `edge-limits`).

use super::conn::Conn;
use crate::env::ConnId;
use std::collections::BTreeMap;

/// Who pays for a PDU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Payer {
    /// A user, with all their devices.
    User(u32),
    /// A connection that is not logged in.
    Stranger(ConnId),
}

impl Payer {
    /// Who pays for what comes on a connection.
    pub fn of(conn: &Conn) -> Self {
        if conn.open { Self::User(conn.user) } else { Self::Stranger(conn.id) }
    }
}

/// What each payer has sent since the last tick: a window of `Timing::rate_window`, as the
/// original's for 0301. An entry costs its payer a PDU, and none outlives a tick.
#[derive(Debug, Default)]
pub struct Rates {
    /// PDUs of each command.
    pub sent: BTreeMap<(Payer, u16), u32>,
    /// Requests of all kinds.
    pub requests: BTreeMap<Payer, u32>,
}

impl Rates {
    /// A new window begins.
    pub fn tick(&mut self) {
        self.sent.clear();
        self.requests.clear();
    }
}
