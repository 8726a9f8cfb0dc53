//! What the db_proxy of a run was asked and what came of it, in order: so that another db_proxy, on real
//! stores, can be asked the same.

use super::{
    Parity, Played, Run,
    state::{Base, setup},
};
use crate::{
    fakes,
    plan::Role,
    record::{Applied, Changed, Kind, Line},
};
use std::time::Duration;
use teamtalk::{env::ConnId, store::sql::Value, wire::Pdu};

/// A run as its db_proxy saw it.
#[derive(Debug, Clone)]
pub struct AtDb {
    /// The wall clock at the start, in seconds since 1970.
    pub epoch: u64,
    /// What became of its flows beside the captures.
    pub played: Vec<Played>,
    /// What the stores held before.
    pub before: Held,
    /// What happened, each with the simulated time since the start.
    pub events: Vec<(Duration, Event)>,
    /// What the stores held behind the last event.
    pub after: Held,
}

/// What both stores hold, each row and key as one that was not there before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The rows of SQL.
    pub rows: Vec<Changed>,
    /// The keys of Redis.
    pub keys: Vec<Changed>,
}

impl Held {
    fn of(redis: &fakes::redis::Engine, sql: &fakes::sql::Engine) -> Self {
        Self { rows: sql.held(), keys: fakes::redis::Engine::new().changed_to(redis) }
    }
}

/// One thing that happened at the db_proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A PDU of a msg_server came.
    Asked {
        /// The connection.
        conn: ConnId,
        /// Header and body.
        pdu: Pdu,
    },
    /// It wrote a PDU.
    Answered {
        /// The connection.
        conn: ConnId,
        /// Header and body.
        pdu: Pdu,
    },
    /// SQL ran a statement of it.
    Sql {
        /// The statement, with `?` for its parameters.
        text: String,
        /// Its parameters.
        params: Vec<Value>,
    },
    /// Redis ran a command of it.
    Redis {
        /// Its name and its words.
        words: Vec<Value>,
    },
}

impl Parity {
    /// Plays the flows of a run, and says what its db_proxy did.
    ///
    /// # Panics
    /// If a role or the rig panics, or a store refuses what it is to hold.
    pub fn at_db(&self, run: &Run, base: &Base) -> AtDb {
        let epoch = self.settings.epoch;
        let setup = setup(&self.settings, run, base);
        let (redis, sql) = setup.stores().unwrap_or_else(|e| panic!("{e}"));
        let before = Held::of(&redis, &sql);
        self.play_on(run, base, |played, stage| {
            let script = stage.script();
            let events = script.shared().trace.lines.iter().filter_map(event).collect();
            let after = Held::of(&script.redis(), &script.sql());
            AtDb { epoch, played, before, events, after }
        })
    }
}

fn event(line: &Line) -> Option<(Duration, Event)> {
    let event = match &line.kind {
        Kind::PduReceived(frame) if line.host.role() == Role::Db => {
            Event::Asked { conn: frame.conn, pdu: frame.pdu.clone() }
        }
        Kind::PduSent(frame) if line.host.role() == Role::Db => {
            Event::Answered { conn: frame.conn, pdu: frame.pdu.clone() }
        }
        Kind::Store(Applied { what, params, .. }) => match line.host.role() {
            Role::Sql => Event::Sql { text: what.to_string(), params: params.clone() },
            _ => {
                let words = std::iter::once(Value::from(&***what)).chain(params.iter().cloned());
                Event::Redis { words: words.collect() }
            }
        },
        _ => return None,
    };
    Some((Duration::from_micros(line.sim_us), event))
}
