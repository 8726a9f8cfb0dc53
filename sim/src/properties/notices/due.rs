//! What is still to be written, where, and how often.

use crate::{
    plan::Host,
    record::{Frame, fields::without},
};
use bytes::Bytes;
use std::collections::BTreeMap;
use teamtalk::{env::ConnId, wire::attach};

/// To whom a notice is to be written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
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

/// All that is owed.
#[derive(Debug, Default)]
pub struct Due(BTreeMap<Notice, Owed>);

impl Due {
    /// A notice is owed, once more.
    pub fn add(&mut self, notice: Notice, since_us: u64) {
        let owed = self.0.entry(notice).or_insert(Owed { since_us, times: 0 });
        owed.times += 1;
    }

    /// A notice was written: whether it was owed.
    pub fn paid(&mut self, notice: &Notice) -> bool {
        let Some(owed) = self.0.get_mut(notice) else { return false };
        owed.times -= 1;
        if owed.times == 0 {
            self.0.remove(notice);
        }
        true
    }

    /// A notice is owed to nobody any more if it is so since this moment. Whether it was to anybody.
    pub fn forget_since(&mut self, (command, body): &(u16, Bytes), since_us: u64) -> bool {
        let before = self.0.len();
        self.0.retain(|(_, of, what), owed| {
            of != command || what != body || owed.since_us != since_us
        });
        self.0.len() < before
    }

    /// Nothing is owed any more to whom this says so.
    pub fn forget(&mut self, is_gone: impl Fn(&To) -> bool) {
        self.0.retain(|(to, ..), _| !is_gone(to));
    }

    /// Something that is owed for longer than this, if anything is.
    pub fn overdue(&self, now_us: u64, within_us: u64) -> Option<&Notice> {
        let late = self.0.iter().find(|(_, owed)| owed.since_us + within_us < now_us);
        late.map(|(notice, _)| notice)
    }

    /// Something that is owed, if anything is.
    pub fn any(&self) -> Option<&Notice> {
        self.0.keys().next()
    }
}

/// A body without its attach data.
pub fn bare(frame: &Frame) -> Bytes {
    without(&frame.pdu.body, &[attach::FIELD])
}

#[cfg(test)]
mod tests {
    use super::{Due, To};
    use bytes::Bytes;

    #[test]
    fn what_is_owed_twice_is_paid_twice() {
        let mut due = Due::default();
        let notice = (To::Conn(7), 0x0304, Bytes::from_static(b"x"));
        due.add(notice.clone(), 10);
        due.add(notice.clone(), 20);
        assert_eq!(due.overdue(50, 39), Some(&notice));
        assert_eq!(due.overdue(50, 40), None, "its time is not over");
        assert!(due.paid(&notice) && due.any().is_some());
        assert!(due.paid(&notice) && due.any().is_none());
        assert!(!due.paid(&notice), "nobody owed a third one");
        due.add(notice, 10);
        due.forget(|to| *to == To::Conn(7));
        assert_eq!(due.any(), None);
    }
}
