//! The fake's side.

use super::{Ask, Came, Moment, Session};
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::store::sql::Value;
use teamtalk_sim::fakes::sql::{Engine, SessionId, Step};

pub struct Fake {
    engine: Engine,
    ids: BTreeMap<Session, SessionId>,
    /// Those that wait, as long as they do, with their statements.
    waiting: Vec<(Session, String)>,
    /// Those whose client went while they waited.
    orphans: BTreeSet<Session>,
}

impl Fake {
    pub fn new() -> Self {
        Self {
            engine: Engine::new(),
            ids: BTreeMap::new(),
            waiting: Vec::new(),
            orphans: BTreeSet::new(),
        }
    }

    pub fn ask(&mut self, ask: &Ask) -> Moment {
        let mut ended = BTreeMap::new();
        match ask {
            Ask::Drop { session } => {
                if self.waiting.iter().any(|(waits, _)| waits == session) {
                    self.orphans.insert(*session);
                } else if let Some(id) = self.ids.remove(session) {
                    self.engine.close(id);
                }
            }
            Ask::Say { session, text, params } => {
                let id = *self.ids.entry(*session).or_insert_with(|| self.engine.open());
                match self.engine.submit(id, text, params) {
                    Step::Done(done) => {
                        ended.insert(*session, Came::of(text, done.result));
                    }
                    Step::Blocked => self.waiting.push((*session, text.clone())),
                }
            }
        }
        self.settle(&mut ended);
        Moment { ended, waiting: self.waiting.iter().map(|(session, _)| *session).collect() }
    }

    /// Goes on with those that wait, until none can.
    fn settle(&mut self, ended: &mut BTreeMap<Session, Came>) {
        let mut at = 0;
        while let Some((session, text)) = self.waiting.get(at).cloned() {
            let id = self.ids[&session];
            let Step::Done(done) = self.engine.resume(id) else {
                at += 1;
                continue;
            };
            self.waiting.remove(at);
            if self.orphans.remove(&session) {
                self.ids.remove(&session);
                self.engine.close(id);
            } else {
                ended.insert(session, Came::of(&text, done.result));
            }
            at = 0;
        }
    }

    /// All clients go.
    pub fn end(&mut self) {
        while !self.ids.is_empty() {
            let idle = |session: &Session| self.waiting.iter().all(|(waits, _)| waits != session);
            let sessions: Vec<_> = self.ids.keys().copied().filter(idle).collect();
            assert!(!sessions.is_empty(), "all wait for each other");
            for session in sessions {
                self.ask(&Ask::Drop { session });
            }
        }
    }

    pub fn rows(&mut self, table: &str) -> Vec<Vec<Value>> {
        let id = self.engine.open();
        let Step::Done(done) = self.engine.submit(id, &format!("select * from {table}"), &[])
        else {
            panic!("a plain read waits")
        };
        let mut rows = done.result.expect("a table").rows;
        rows.sort_unstable();
        rows
    }
}
