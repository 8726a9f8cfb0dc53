//! `catch-up-on-gap`: asking for messages that were not pushed, or pushed to a lost connection
//! (ours).
//!
//! A sweep asks for the messages of a conversation from the newest one that is missing downwards, a
//! page at a time, past those that are held. An id that the pages did not have is a hole: the next
//! sweep asks for it again, in a group only once (`DeviceStore::swept`). A page that is not
//! answered is asked for again, as long as the device is online.

use super::{
    device::{Device, Turn},
    requests::{Asked, PAGE},
};
use crate::conversation::Chat;
use crate::mutants::Mutant;
use std::time::Duration;

/// A conversation that is being caught up.
#[derive(Debug)]
pub(super) struct Sweep {
    /// The sweep asks only for ids above this.
    floor: u32,
    /// The sweep asks only for ids up to this.
    top: u32,
    /// The pages for all ids above this have come.
    cursor: u32,
    /// When to start; `None` while a page is awaited.
    pub due: Option<Duration>,
}

/// What hints (07e2) led to. A login forgets it: the device compares then anyway.
#[derive(Debug, Default)]
pub(super) struct Hints {
    /// When a hint last made the device ask.
    asked: Option<Duration>,
    /// When it asks because of a hint next.
    pub due: Option<Duration>,
    /// A hint came while the answer was awaited.
    again: bool,
}

impl Device {
    /// 07e2 (`catch-up-hint`): pushes to these users, or to all, may have been lost.
    pub(super) fn hinted(&mut self, turn: &mut Turn<'_>, users: &[u32]) {
        let to_me = users.is_empty() || users.contains(&self.config.user);
        if to_me && self.catches_up() && self.config.protocol.catch_up_hint {
            self.compare_soon(turn);
        }
    }

    /// Asks for the sessions. If they are being asked for already, it asks once more after that
    /// answer, which may be older than what the hint is about. A store in trouble causes many
    /// hints: they make the device ask once within an answer timeout.
    fn compare_soon(&mut self, turn: &mut Turn<'_>) {
        if self.requests.values().any(|request| request.asked == Asked::Sessions) {
            self.hints.again = !self.config.protocol.mutated(Mutant::HintWhileAskingForgotten);
            return;
        }
        let pause = self.config.timing.client_answer_timeout();
        let due = self.hints.asked.map_or(turn.now, |asked| asked + pause);
        self.hints.due = Some(due.max(turn.now));
        self.hints_due(turn);
    }

    /// Asks for the sessions, if the time for it has come.
    pub(super) fn hints_due(&mut self, turn: &mut Turn<'_>) {
        if self.hints.due.is_some_and(|due| due <= turn.now) {
            self.hints = Hints { asked: Some(turn.now), due: None, again: false };
            self.ask_sessions(turn, Asked::Sessions);
        }
    }

    /// The answer to a comparison came.
    pub(super) fn compared(&mut self, turn: &mut Turn<'_>) {
        if std::mem::take(&mut self.hints.again) {
            self.compare_soon(turn);
        }
    }

    /// After a login or a hint: compares what the server has with what is held.
    pub(super) fn compare_sessions(
        &mut self,
        turn: &mut Turn<'_>,
        sessions: impl Iterator<Item = (Chat, u32)>,
    ) {
        for (chat, latest) in sessions {
            self.belongs_to(turn, chat);
            turn.store.heard_of(self.conversation(chat), latest);
        }
        let user = self.config.user;
        let chats = turn.store.progress.keys().filter_map(|c| c.chat_of(user));
        for chat in chats.filter(|&chat| !turn.store.has_left(chat)).collect::<Vec<_>>() {
            match self.sweeps.get_mut(&chat) {
                // It has not begun: it begins now, and asks for all that is missing by then.
                Some(sweep) if sweep.due.is_some() => sweep.due = Some(turn.now),
                Some(_) => {}
                None => self.start_sweep(turn, chat, turn.now),
            }
        }
        self.sweep_due(turn);
    }

    /// A message of this id exists. If that shows a gap, the device asks for it a tick later:
    /// answers of db_proxy's workers, and so pushes and acks, may overtake each other.
    pub(super) fn heard_of(&mut self, turn: &mut Turn<'_>, chat: Chat, msg_id: u32) {
        turn.store.heard_of(self.conversation(chat), msg_id);
        self.follow(turn, chat);
    }

    /// Asks soon for what is missing of a chat, unless that is under way.
    pub(super) fn follow(&mut self, turn: &mut Turn<'_>, chat: Chat) {
        let conversation = self.conversation(chat);
        let behind =
            turn.store.progress.get(&conversation).is_some_and(|p| p.latest > p.contiguous);
        let follows = self.catches_up() && !turn.store.has_left(chat);
        if behind
            && follows
            && !self.sweeps.contains_key(&chat)
            && !self.config.protocol.mutated(Mutant::GapsUnseen)
        {
            self.start_sweep(turn, chat, turn.now + self.config.timing.tick());
        }
    }

    fn start_sweep(&mut self, turn: &mut Turn<'_>, chat: Chat, due: Duration) {
        if let Some((floor, top)) = turn.store.behind(self.conversation(chat)) {
            self.sweeps.insert(chat, Sweep { floor, top, cursor: top, due: Some(due) });
        }
    }

    /// Starts the sweeps whose time has come.
    pub(super) fn sweep_due(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now;
        let due = |sweep: &Sweep| sweep.due.is_some_and(|due| due <= now);
        let chats: Vec<Chat> =
            self.sweeps.iter().filter(|(_, s)| due(s)).map(|(&chat, _)| chat).collect();
        for chat in chats {
            // Messages that came meanwhile may have closed the gap, or widened it.
            let latest = turn.store.behind(self.conversation(chat));
            match (latest, self.sweeps.get_mut(&chat)) {
                (Some((floor, top)), Some(sweep)) => {
                    *sweep = Sweep { floor, top, cursor: top, due: None };
                    self.next_page(turn, chat);
                }
                _ => {
                    self.sweeps.remove(&chat);
                }
            }
        }
    }

    fn next_page(&mut self, turn: &mut Turn<'_>, chat: Chat) {
        let conversation = self.conversation(chat);
        let Some(sweep) = self.sweeps.get_mut(&chat) else { return };
        if let Some(begin) = turn.store.top_missing(conversation, sweep.floor, sweep.cursor) {
            sweep.cursor = begin;
            return self.pull(turn, Asked::CatchUp { chat }, chat, begin, PAGE);
        }
        turn.store.swept(conversation, sweep.floor, sweep.top);
        self.claims.pulled(chat);
        let top = sweep.top;
        self.sweeps.remove(&chat);
        // Only ids that this sweep did not ask for: its holes wait for a later one.
        if turn.store.progress.get(&conversation).is_some_and(|p| p.latest > p.contiguous.max(top))
        {
            self.start_sweep(turn, chat, turn.now + self.config.timing.tick());
        }
    }

    /// A page came; its messages are stored.
    pub(super) fn swept_page(
        &mut self,
        turn: &mut Turn<'_>,
        chat: Chat,
        ids: impl ExactSizeIterator<Item = u32>,
    ) {
        let Some(sweep) = self.sweeps.get_mut(&chat) else { return };
        let full =
            ids.len() >= PAGE as usize && !self.config.protocol.mutated(Mutant::FullPageIsTheLast);
        // A page that is not full was the last one. After a full one the sweep goes on below its
        // lowest id, and in any case below the id that it began with.
        let below = ids.min().map_or(0, |id| id.saturating_sub(1));
        sweep.cursor = if full { below.min(sweep.cursor.saturating_sub(1)) } else { 0 };
        self.next_page(turn, chat);
    }
}
