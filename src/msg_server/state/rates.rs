//! How much each user has sent to this msg_server in this window (switch `edge-limits`).

use super::conn::Conn;
use crate::env::ConnId;
use std::collections::BTreeMap;

/// Who pays for a PDU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Payer {
    /// A user, with all their devices here.
    User(u32),
    /// One connection: of a stranger, and of each device for what is abuse.
    Conn(ConnId),
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// PDUs of one command.
    Command(u16),
    /// PDUs that no device may send, or not before its login.
    Unserved,
    /// Requests of all kinds.
    Requests,
}

/// So many came in this window, the last one included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Of the user, whatever device; of a stranger, on the connection.
    pub by_user: u32,
    /// On the connection.
    pub on_conn: u32,
}

/// What each payer has sent since the last tick: a window of `Timing::rate_window`, as the
/// original's for 0301. An entry costs its payer a PDU, and none outlives a tick.
#[derive(Debug, Default)]
pub struct Rates {
    sent: BTreeMap<(Payer, What), u32>,
}

impl Rates {
    /// A new window begins.
    pub fn tick(&mut self) {
        self.sent.clear();
    }

    /// Counts a PDU.
    pub fn count(&mut self, conn: &Conn, what: What) -> Sent {
        let on_conn = self.add(Payer::Conn(conn.id), what);
        let by_user = if conn.open { self.add(Payer::User(conn.user), what) } else { on_conn };
        Sent { by_user, on_conn }
    }

    fn add(&mut self, payer: Payer, what: What) -> u32 {
        let sent = self.sent.entry((payer, what)).or_default();
        *sent = sent.saturating_add(1);
        *sent
    }
}
