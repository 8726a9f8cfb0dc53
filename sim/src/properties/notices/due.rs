//! What is still to be written, where, and how often.

use crate::{lookup::Lookup, plan::Host, record::Frame};
use bytes::Bytes;
use teamtalk::env::ConnId;

/// To whom a notice is to be written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum To {
    /// On a connection: of a device at its msg_server, of a msg_server at its route_server.
    Conn(ConnId),
    /// By a msg_server, on one of its links to route_servers.
    Route(Host),
}

/// A notice: to whom, the command, and the body without its attach data.
pub type Notice = (To, u16, Bytes);

/// A notice that is owed, since when (a simulated microsecond) and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owed {
    /// Since when.
    pub since_us: u64,
    /// How often.
    pub times: u32,
}

/// All that is owed: to whom and by which command, then by body. Few are owed anything at a time, so
/// bodies of other PDUs are not looked at.
#[derive(Debug, Default)]
pub struct Due(Lookup<(To, u16), Vec<(Bytes, Owed)>>);

impl Due {
    /// A notice is owed, once more.
    pub fn add(&mut self, (to, command, body): Notice, since_us: u64) {
        let bodies = self.0.entry((to, command)).or_default();
        match bodies.iter_mut().find(|(of, _)| *of == body) {
            Some((_, owed)) => owed.times += 1,
            None => bodies.push((body, Owed { since_us, times: 1 })),
        }
    }

    /// A PDU was written there: whether it was owed.
    pub fn paid(&mut self, to: &To, pdu: &Frame) -> bool {
        self.take((to.clone(), pdu.command()), || pdu.bare())
    }

    /// A notice is owed once less: whether it was owed.
    pub fn take(&mut self, key: (To, u16), body: impl FnOnce() -> Bytes) -> bool {
        let Some(bodies) = self.0.get_mut(&key) else { return false };
        let body = body();
        let Some(at) = bodies.iter().position(|(of, _)| *of == body) else { return false };
        bodies[at].1.times -= 1;
        if bodies[at].1.times == 0 {
            bodies.swap_remove(at);
        }
        if bodies.is_empty() {
            self.0.remove(&key);
        }
        true
    }

    /// A notice is owed to nobody any more if it is so since this moment. Whether it was to anybody.
    pub fn forget_since(&mut self, (command, body): &(u16, Bytes), since_us: u64) -> bool {
        let mut forgot = false;
        self.0.retain(|(_, of), bodies| {
            let is_it = |(of, owed): &(Bytes, Owed)| of == body && owed.since_us == since_us;
            if of == command
                && let Some(at) = bodies.iter().position(is_it)
            {
                bodies.swap_remove(at);
                forgot = true;
            }
            !bodies.is_empty()
        });
        forgot
    }

    /// Nothing is owed any more to whom this says so.
    pub fn forget(&mut self, is_gone: impl Fn(&To) -> bool) {
        self.0.retain(|(to, _), _| !is_gone(to));
    }

    /// To whom something is owed for longer than this, and by which command, if anything is.
    pub fn overdue(&self, now_us: u64, within_us: u64) -> Option<&(To, u16)> {
        let is_late = |owed: &Owed| owed.since_us + within_us < now_us;
        let late = self.0.least(|_, bodies| bodies.iter().any(|(_, owed)| is_late(owed)));
        late.map(|(key, _)| key)
    }

    /// To whom something is owed, and by which command, if anything is.
    pub fn any(&self) -> Option<&(To, u16)> {
        self.0.least(|_, _| true).map(|(key, _)| key)
    }
}

#[cfg(test)]
mod tests {
    use super::{Due, Frame, To};
    use crate::record::End;
    use bytes::Bytes;
    use teamtalk::wire::Pdu;

    #[test]
    fn what_is_owed_twice_is_paid_twice() {
        let mut due = Due::default();
        let (to, command) = (To::Conn(7), 0x0304);
        let owed = || (to.clone(), command, Bytes::from_static(b"\x08\x01"));
        let attached = Bytes::from_static(b"\x08\x01\xa2\x01\x01x");
        let written = Frame::new(7, End::Acceptor, 1, Pdu::raw(command, 0, attached));
        due.add(owed(), 10);
        due.add(owed(), 20);
        assert_eq!(due.overdue(50, 39), Some(&(to.clone(), command)));
        assert_eq!(due.overdue(50, 40), None, "its time is not over");
        assert!(due.paid(&to, &written) && due.any().is_some());
        assert!(due.paid(&to, &written) && due.any().is_none());
        assert!(!due.paid(&to, &written), "nobody owed a third one");
        due.add(owed(), 10);
        assert!(!due.forget_since(&(command, owed().2), 11));
        assert!(due.any().is_some());
        assert!(due.forget_since(&(command, owed().2), 10));
        assert_eq!(due.any(), None);
        due.add(owed(), 10);
        due.forget(|to| *to == To::Conn(7));
        assert_eq!(due.any(), None);
    }
}
