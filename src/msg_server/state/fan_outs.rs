//! Group messages that wait for their members (recorded for `catch-up-hint` only).

use super::turn::Turn;
use crate::env::ConnId;
use std::{collections::VecDeque, time::Duration};

/// The most of them at once (ours): the oldest counts as lost then.
const FAN_OUTS_BOUND: usize = 65_536;

/// One group message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FanOut {
    /// Which link its members were asked for on.
    pub link: ConnId,
    /// Its group.
    pub group: u32,
    /// Its id.
    pub msg_id: u32,
    /// Since when it waits, from the start of the process.
    pub since: Duration,
}

/// All of them, oldest first.
#[derive(Debug, Default)]
pub struct FanOuts {
    waiting: VecDeque<FanOut>,
    high: usize,
}

impl FanOuts {
    /// Remembers one; true if the oldest was forgotten for it.
    pub fn add(&mut self, fan_out: FanOut) -> bool {
        self.waiting.push_back(fan_out);
        let full = self.waiting.len() > FAN_OUTS_BOUND;
        if full {
            self.waiting.pop_front();
        }
        full
    }

    /// Reports how many wait, if that is a new maximum.
    pub fn note(&mut self, turn: &mut Turn<'_>) {
        turn.high_water("fan_outs", &mut self.high, self.waiting.len(), FAN_OUTS_BOUND);
    }

    /// The members of one are known.
    pub fn answered(&mut self, link: ConnId, group: u32, msg_id: u32) {
        let is_it = |f: &FanOut| (f.link, f.group, f.msg_id) == (link, group, msg_id);
        if let Some(at) = self.waiting.iter().position(is_it) {
            self.waiting.remove(at);
        }
    }

    /// Forgets those that are lost; whether there were any.
    pub fn give_up(&mut self, lost: impl Fn(&FanOut) -> bool) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|waiting| !lost(waiting));
        self.waiting.len() < before
    }
}
