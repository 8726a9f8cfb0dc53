//! Entries of send lists: they expire, or are written again, in their time.

use super::{GRAIN_US, late_us, ms, untimely, us};
use crate::{
    lookup::Lookup,
    plan::{Host, Role},
    properties::{Seen, Subject, Tally, Violation},
};
use teamtalk::{conversation::Conversation, env::ConnId, fact::Fact, timing::Timing};

/// (connection, conversation, msg_id)
type Entry = (ConnId, Conversation, u32);

/// Pushes of one message that wait for an ack.
#[derive(Debug)]
struct Written {
    host: Host,
    /// When each was last written, in simulated microseconds.
    at_us: Vec<u64>,
    /// There were several at once: which of them an ack ended is not known (two messages of the original
    /// may have one msg_id).
    several: bool,
}

impl Written {
    /// The one that was written longest ago, taken out.
    fn oldest(&mut self) -> Option<u64> {
        let (at, _) = self.at_us.iter().enumerate().min_by_key(|(_, at_us)| **at_us)?;
        Some(self.at_us.swap_remove(at))
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Entries(Lookup<Entry, Written>);

impl Entries {
    pub fn closed(&mut self, conn: ConnId) {
        self.0.retain(|entry, _| entry.0 != conn);
    }

    /// What a msg_server says of an entry: a violation if it is said before its time.
    pub fn fact(
        &mut self,
        fact: &Fact,
        seen: &Seen<'_>,
        timing: &Timing,
        tally: &mut Tally,
    ) -> Option<Violation> {
        let (host, now_us) = (&seen.line.host, seen.line.sim_us);
        match *fact {
            Fact::SendListAdded { conn, conversation, msg_id, .. } => {
                let fresh = || Written { host: host.clone(), at_us: Vec::new(), several: false };
                let entry = self.0.entry((conn, conversation, msg_id)).or_insert_with(fresh);
                entry.several |= !entry.at_us.is_empty();
                entry.at_us.push(now_us);
                None
            }
            Fact::SendListAcked { conn, conversation, msg_id }
            | Fact::SendListDropped { conn, conversation, msg_id } => {
                self.take((conn, conversation, msg_id));
                None
            }
            Fact::SendListExpired { conn, conversation, msg_id } => {
                let entry = (conn, conversation, msg_id);
                let lives = us(timing.send_list_expiry());
                let since_us = self.take(entry)?;
                tally.judge();
                early(entry, since_us, now_us, lives, "expired")
            }
            Fact::SendListResent { conn, conversation, msg_id } => {
                let entry = (conn, conversation, msg_id);
                let written = self.0.get_mut(&entry)?;
                let before = written.oldest()?;
                written.at_us.push(now_us);
                if written.several {
                    return None;
                }
                tally.judge();
                let pause = us(timing.resend_interval());
                early(entry, before, now_us, pause, "was written again")
            }
            _ => None,
        }
    }

    /// The oldest entry of a name is no more: when it was last written, if it was the only one.
    fn take(&mut self, entry: Entry) -> Option<u64> {
        let written = self.0.get_mut(&entry)?;
        let at_us = written.oldest().filter(|_| !written.several);
        if written.at_us.is_empty() {
            self.0.remove(&entry);
        }
        at_us
    }

    /// An entry that should have expired, or been written again, by now.
    pub fn late(&self, seen: &Seen<'_>, timing: &Timing) -> Option<Violation> {
        let (known, now_us) = (seen.known, seen.line.sim_us);
        let late = late_us(timing);
        let waits = |written: &Written| {
            let resent = known.protocols.of(&written.host).resend_until_acked;
            let wait = if resent { timing.resend_interval() } else { timing.send_list_expiry() };
            Some((*written.at_us.iter().min()?, us(wait)))
        };
        let is_late = |_: &Entry, written: &Written| {
            let is_over = |(at_us, wait): (u64, u64)| at_us + wait + late < now_us;
            !written.several && waits(written).is_some_and(is_over)
        };
        let (entry, written) = self.0.least(is_late)?;
        let (at_us, wait) = waits(written)?;
        let quiet = known.trouble.is_quiet(now_us, wait + 2 * late);
        quiet.then(|| {
            let what = format!(
                "the push of msg_id {} of {} on connection {} was last written at {} ms, and is \
                 neither acked nor expired nor written again",
                entry.2,
                entry.1,
                entry.0,
                ms(at_us)
            );
            untimely("entry-late", Role::Msg, what, [Subject::Message(entry.1, entry.2)].into())
        })
    }
}

fn early(
    (conn, conversation, msg_id): Entry,
    since_us: u64,
    now_us: u64,
    wait_us: u64,
    how: &str,
) -> Option<Violation> {
    (now_us + GRAIN_US < since_us + wait_us).then(|| {
        let (is, of) = (ms(now_us - since_us), ms(wait_us));
        let what = format!(
            "the push of msg_id {msg_id} of {conversation} on connection {conn} {how} after {is} of \
             {of} ms"
        );
        let about = [Subject::Message(conversation, msg_id)].into();
        untimely("entry-early", Role::Msg, what, about)
    })
}
