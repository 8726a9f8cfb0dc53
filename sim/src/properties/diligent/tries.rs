//! What a device sends is first written in the order in which its person sent it, chat by chat; and a try
//! that has no answer is given its time before the next one: the wait doubles twice (`idempotent-send`,
//! under which a send is written again on its connection), and after a refusal for the time being it is
//! that of one answer.

use crate::{
    lookup::Lookup,
    properties::{Seen, us, wire::conversation_of},
};
use teamtalk::{conversation::Conversation, env::ConnId, timing::Timing};

/// The wait for an answer doubles so often at most (ours, src/client/outbox.rs).
const LONGEST_WAIT: u32 = 2;

/// A connection and a seq_num.
type Asked = (ConnId, u16);

/// An operation, and the line at which its person asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Issued {
    op: u32,
    n: u64,
}

/// What is written under one seq_num.
#[derive(Debug)]
struct Asking {
    /// The operation that is told of each try: the first of those that wait for the same answer.
    op: u32,
    /// Of those, the one that was asked for first: to send something again is asked for later.
    first: Option<Issued>,
    /// It is a send, and was written.
    is_send: bool,
    /// How many tries there were.
    many: u32,
    /// When the next one may come, in simulated microseconds.
    due_us: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Tries {
    /// Whose each operation is, and the line at which it was asked for.
    issued: Lookup<u32, (u32, u64)>,
    asking: Lookup<Asked, Asking>,
    /// Of what a device has written to a chat, the one that was asked for last.
    newest: Lookup<(u32, Conversation), Issued>,
}

impl Tries {
    /// A device is given something to do.
    pub fn issued(&mut self, op: u32, device: u32, n: u64) {
        self.issued.insert(op, (device, n));
    }

    /// Another program, which may send nothing of what this one left, or do so later.
    pub fn forgets(&mut self, device: u32) {
        self.issued.retain(|_, (of, _)| *of != device);
        self.newest.retain(|(of, _), _| *of != device);
        self.asking.update(|_, asking| asking.first = None);
    }

    /// A try begins: how many simulated microseconds too early, if it is a send's.
    pub fn attempt(&mut self, op: u32, asked: Asked, now_us: u64, timing: &Timing) -> Option<u64> {
        let first = self.issued.get(&op).map(|(_, n)| Issued { op, n: *n });
        let asking = self.asking.entry(asked).or_insert(Asking {
            op,
            first,
            is_send: false,
            many: 0,
            due_us: 0,
        });
        if asking.op != op {
            asking.first = [asking.first, first].into_iter().flatten().min_by_key(|of| of.n);
            return None;
        }
        let early_us = asking.due_us.saturating_sub(now_us);
        let wait_us = us(timing.client_answer_timeout()) << asking.many.min(LONGEST_WAIT);
        (asking.many, asking.due_us) = (asking.many + 1, now_us + wait_us);
        (asking.is_send && early_us > 0).then_some(early_us)
    }

    /// A device reads that what it wrote under a seq_num is refused.
    pub fn refused(&mut self, asked: Asked, now_us: u64, timing: &Timing) {
        if let Some(asking) = self.asking.get_mut(&asked) {
            asking.due_us = now_us + us(timing.client_answer_timeout());
        }
    }

    /// A device writes a message: the operation that asked for it, and one of the same chat that was asked for
    /// later and written earlier.
    pub fn written(&mut self, seen: &Seen<'_>, device: u32, asked: Asked) -> Option<(u32, u32)> {
        let asking = self.asking.get_mut(&asked)?;
        asking.is_send = true;
        let own = asking.first?;
        let written = seen.known.sends.written(seen.message.as_ref()?)?;
        if written.n != seen.line.n {
            return None;
        }
        let body = &seen.data.as_ref()?.body;
        let chat = conversation_of(body.from_user_id, body.to_session_id, body.msg_type);
        let newest = self.newest.entry((device, chat)).or_insert(own);
        if newest.n > own.n {
            return Some((own.op, newest.op));
        }
        *newest = own;
        None
    }
}
