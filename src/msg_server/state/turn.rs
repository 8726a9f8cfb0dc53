//! What every handler needs to act.

use crate::{
    env::{ConnId, Draw},
    fact::Fact,
    link::{Action, Now},
    wire::Pdu,
};

/// The event that is being handled: its time, the draws for it, and the actions so far.
pub struct Turn<'a> {
    pub now: Now,
    pub draw: &'a dyn Draw,
    pub out: &'a mut Vec<Action>,
}

impl Turn<'_> {
    pub fn send(&mut self, conn: ConnId, pdu: Pdu) {
        self.out.push(Action::Send { conn, pdu });
    }

    /// Sends a request of a client on, if there is room; `of` comes back in [`Event::NotAsked`] if
    /// there is none.
    ///
    /// [`Event::NotAsked`]: crate::link::Event::NotAsked
    pub fn ask(&mut self, conn: ConnId, pdu: Pdu, of: u64) {
        self.out.push(Action::Ask { conn, pdu, of });
    }

    pub fn send_all(&mut self, conns: &[ConnId], pdu: &Pdu) {
        for &conn in conns {
            self.send(conn, pdu.clone());
        }
    }

    pub fn fact(&mut self, fact: Fact) {
        self.out.push(Action::Fact(fact));
    }

    pub fn refused(&mut self, conn: ConnId, command: u16, reason: impl Into<String>) {
        self.fact(Fact::Refused { conn, command, reason: reason.into() });
    }

    /// Closes a connection on purpose, and says so.
    pub fn close(&mut self, conn: ConnId, reason: impl Into<String>) {
        let reason = reason.into();
        self.fact(Fact::Closed { conn, reason: reason.clone() });
        self.out.push(Action::Close { conn, reason });
    }

    /// Lets a connection write longer PDUs from now on.
    pub fn admit(&mut self, conn: ConnId, pdu: u32) {
        self.out.push(Action::Admit { conn, pdu });
    }

    /// The wall clock in seconds, as PDUs carry it.
    pub fn unix_seconds(&self) -> u32 {
        self.now.unix.as_secs() as u32
    }

    /// Reports how long a queue is when it reaches a new maximum.
    pub fn high_water(&mut self, queue: &str, high: &mut usize, length: usize, bound: usize) {
        if length > *high {
            *high = length;
            let (length, bound) = (length as u64, bound as u64);
            self.fact(Fact::HighWater { queue: queue.to_string(), length, bound });
        }
    }
}
