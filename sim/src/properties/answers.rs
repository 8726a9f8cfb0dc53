//! answers: an answer equals what the stores held at some moment between its question and it.
//!
//! At a db_proxy: each answer is judged by the model of its command ([`crate::model`]), by what was
//! committed from the line at which the question was read there to the line at which the answer was
//! written. At a msg_server: what it passes on between a device and a db_proxy is what it was given,
//! but for the fields that it sets itself, and a login succeeds only if a db_proxy said so.

use super::{Class, Property, Seen, Sort, Subject, Tally, Violation, relayed::Relayed};
use crate::{
    model::{self, Exchange, Model, Reads},
    plan::{Host, Role},
    record::{Frame, Kind, fields::fields},
};
use bytes::Bytes;
use prost::Message;
use std::{cell::Cell, collections::BTreeMap};
use teamtalk::{
    catalogue::{self, id},
    env::ConnId,
    wire::tt::extension::Refused,
};

/// A db_proxy whose store did not answer is forgiven what it leaves out of a push for so long, in
/// simulated microseconds: its pools reconnect one after the other.
const TROUBLED_US: u64 = 30_000_000;

/// See the module.
#[derive(Debug)]
pub struct Answers {
    models: BTreeMap<u16, Model>,
    /// Questions that db_proxies read and did not answer yet, the oldest first.
    open: BTreeMap<Key, Vec<Question>>,
    /// When a user's last question of a command was answered, by its line.
    closed: BTreeMap<(u16, Option<u64>), u64>,
    /// The connections of db_proxies to stores.
    stores: BTreeMap<ConnId, Host>,
    /// When a store last failed a db_proxy, in simulated microseconds.
    troubled: BTreeMap<Host, u64>,
    relayed: Relayed,
    tally: Tally,
}

/// A question at a db_proxy: the connection, the command, the seq_num and the attach data, all of
/// which its answer has too.
type Key = (ConnId, u16, u16, Bytes);

#[derive(Debug)]
struct Question {
    pdu: Frame,
    /// The line at which it was read.
    n: u64,
    sim_us: u64,
}

/// The attach data of any PDU that a db_proxy reads or writes.
#[derive(Clone, PartialEq, Message)]
struct Envelope {
    #[prost(bytes = "bytes", optional, tag = "20")]
    attach_data: Option<Bytes>,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            models: model::all().map(|model| (model.command, model)).collect(),
            open: BTreeMap::new(),
            closed: BTreeMap::new(),
            stores: BTreeMap::new(),
            troubled: BTreeMap::new(),
            relayed: Relayed::default(),
            tally: Tally::default(),
        }
    }
}

impl Answers {
    fn event(&mut self, seen: &Seen<'_>) {
        let line = seen.line;
        match &line.kind {
            Kind::Connected { conn, peer, .. }
                if line.host.role() == Role::Db
                    && [Role::Sql, Role::Redis].contains(&peer.role()) =>
            {
                self.stores.insert(*conn, line.host.clone());
            }
            Kind::ConnectFailed { .. } if line.host.role() == Role::Db => {
                self.troubled.insert(line.host.clone(), line.sim_us);
            }
            Kind::Disconnected { conn, .. } | Kind::StreamReset { conn } => {
                if let Some(host) = self.stores.get(conn) {
                    self.troubled.insert(host.clone(), line.sim_us);
                }
                // After a reset a db_proxy may still read and answer what came before.
                if line.host.role() == Role::Db {
                    self.open.retain(|key, _| key.0 != *conn);
                }
            }
            _ => {}
        }
    }

    fn asked(&mut self, seen: &Seen<'_>, conn: ConnId, pdu: &Frame) {
        if !self.models.contains_key(&pdu.command()) {
            return;
        }
        let key = (conn, pdu.command(), pdu.header.seq_num, attach(pdu));
        let question = Question { pdu: pdu.clone(), n: seen.line.n, sim_us: seen.line.sim_us };
        self.open.entry(key).or_default().push(question);
    }

    fn answered(&mut self, seen: &Seen<'_>, conn: ConnId, pdu: &Frame) -> Option<Violation> {
        let (seq, attach) = (pdu.header.seq_num, attach(pdu));
        if pdu.command() == id::OTHER_REFUSED {
            let command = pdu.view::<Refused>().ok()?.command_id as u16;
            self.take(&(conn, command, seq, attach));
            return None;
        }
        let command = catalogue::request_of(pdu.command())?.id;
        let model = *self.models.get(&command)?;
        let line = seen.line;
        let about =
            [Subject::Question { conn, seq, answer: pdu.command() }, Subject::Connection(conn)];
        let broken = |kind, sentence| {
            let role = line.host.role();
            let about = about.into();
            Some(Violation { property: "answers", kind, role, sentence, about })
        };
        let Some(asked) = self.take(&(conn, command, seq, attach)) else {
            let name = catalogue::name(pdu.command()).unwrap_or("an answer");
            return broken("unasked", format!("{} wrote {name} that nobody asked for", line.host));
        };
        let troubled =
            self.troubled.get(&line.host).is_some_and(|at| at + TROUBLED_US > line.sim_us);
        let slow = line.sim_us - asked.sim_us >= seen.known.store_timeout_us;
        let unix = |sim_us: u64| seen.known.unix(sim_us);
        let user = user(&asked.pdu);
        let closed = self.closed.insert((command, user), line.n);
        let beside = closed.is_some_and(|n| n > asked.n)
            || self.open.iter().any(|(key, open)| {
                key.1 == command && open.iter().any(|open| self::user(&open.pdu) == user)
            });
        let exchange = Exchange {
            beside,
            asked: &asked.pdu,
            answer: pdu,
            protocol: seen.known.protocols.of(&line.host),
            clock: (unix(asked.sim_us), unix(line.sim_us)),
            stores_failed: troubled || slow,
            excused: Cell::new(None),
        };
        let mut reads = Reads::between(&seen.known.stores, asked.n, line.n);
        let judged =
            model::echoed(&asked.pdu, pdu).and_then(|()| (model.says)(&exchange, &mut reads));
        if let Some(excuse) = exchange.excused.get().filter(|_| judged.is_ok()) {
            self.tally.excuse(excuse);
            return None;
        }
        self.tally.judge();
        let wrong = judged.err()?;
        let name = catalogue::name(pdu.command()).unwrap_or("an answer");
        broken(model.kind, format!("{} wrote {name} with seq_num {seq}: {}", line.host, wrong.0))
    }

    /// The oldest question of this key.
    fn take(&mut self, key: &Key) -> Option<Question> {
        let open = self.open.get_mut(key)?;
        let question = open.remove(0);
        match open.first_mut() {
            // Which of two is answered first can't be told: each is given the older one's time.
            Some(next) => (next.n, next.sim_us) = (question.n, question.sim_us),
            None => drop(self.open.remove(key)),
        }
        Some(question)
    }
}

/// Field 1 of a question at a db_proxy: the user, where there is one.
fn user(pdu: &Frame) -> Option<u64> {
    fields(&pdu.pdu.body).find(|field| field.number == 1).map(|field| field.value)
}

fn attach(pdu: &Frame) -> Bytes {
    let envelope = Envelope::decode(pdu.pdu.body.clone()).unwrap_or_default();
    envelope.attach_data.unwrap_or_default()
}

impl Property for Answers {
    fn name(&self) -> &'static str {
        "answers"
    }

    fn says(&self) -> &'static str {
        "an answer equals what the stores held at some moment between its question and it"
    }

    fn sort(&self) -> Sort {
        Sort::Safety
    }

    fn looks_at(&self) -> &'static [Class] {
        &[Class::ClientPdu, Class::DbPdu, Class::OtherPdu, Class::Event]
    }

    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        if seen.class == Class::Event {
            self.event(seen);
        }
        if let Some((conn, pdu, is_written)) = seen.db {
            if is_written {
                return self.answered(seen, conn, pdu);
            }
            self.asked(seen, conn, pdu);
        }
        self.relayed.observe(seen)
    }

    fn tally(&self) -> Option<Tally> {
        Some(self.tally.clone())
    }
}
