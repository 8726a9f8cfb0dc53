//! answers: an answer equals what the stores held at some moment between its question and it.
//!
//! At a db_proxy: each answer is judged by the model of its command ([`crate::model`]), by what was
//! committed from the line at which the question was read there to the line at which the answer was
//! written. At a msg_server: what it passes on between a device and a db_proxy is what it was given,
//! but for the fields that it sets itself, and a login succeeds only if a db_proxy said so.

use super::{
    Class, Known, Property, Seen, Sort, Subject, Tally, Violation,
    file_effects::{self, Told, unasked},
    relayed::Relayed,
    room,
};
use crate::{
    lookup::Lookup,
    model::{self, Echoes, Exchange, Model, Reads},
    plan::{Host, Role},
    record::{Applied, Did, Effect, End, Frame, Kind, fields::fields},
};
use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
};
use teamtalk::{
    catalogue::{self, id},
    env::ConnId,
    fact::Fact,
    protocol::Protocol,
    store::migrations,
    wire::{
        attach::{Attach, kind},
        tt::extension::Refused,
    },
};

/// A db_proxy whose store did not answer is forgiven what it leaves out of a push for so long, in
/// simulated microseconds: its pools reconnect one after the other.
const TROUBLED_US: u64 = 30_000_000;

/// Tables whose reads go to the primary with `catch-up-on-gap`, as they are named in a statement.
const NEWEST: [&str; 4] =
    ["from IMMessage_", "from IMGroupMessage_", "from TTRead", "from IMAudio"];

/// The table of the tokens of sends, as its reads name it: they go to the primary with `idempotent-send`, or a
/// send that comes again is none that is known.
const TOKENS: &str = "from TTSend";

/// Why what a db_proxy refused in silence is forgiven.
const NO_ROOM: &str = "a worker without room";

/// See the module.
#[derive(Debug)]
pub struct Answers {
    models: Lookup<u16, Model>,
    /// Questions that db_proxies read and did not answer yet, the oldest first.
    open: BTreeMap<Key, Vec<Question>>,
    /// When a user's last question of a command was answered, by its line.
    closed: Lookup<(u16, Option<u64>), u64>,
    /// The connections of db_proxies to stores.
    stores: BTreeMap<ConnId, Host>,
    /// When a store last failed a db_proxy, in simulated microseconds.
    troubled: BTreeMap<Host, u64>,
    /// The line at which a store last refused what it would do at another time.
    refused: u64,
    /// The db_proxies that have started and not dialled SQL yet.
    starting: BTreeSet<Host>,
    relayed: Relayed,
    /// Changes that nobody answers, and that are not done as far as is known.
    told: Vec<Told>,
    /// Those that may be done.
    may_be_done: Vec<Told>,
    echoes: Echoes,
    tally: Tally,
}

/// A question at a db_proxy: the connection, the command and the seq_num, which its answer has too, as it
/// has its [`Asker`].
type Key = (ConnId, u16, u16);

/// Of whom a PDU at a db_proxy is, by its attach data; if it has none, or they are empty (0108, 0109), by its
/// user: two users may ask the same with one seq_num.
#[derive(Debug, PartialEq, Eq)]
enum Asker<'a> {
    Attach(&'a [u8]),
    User(u64),
}

#[derive(Debug)]
struct Question {
    pdu: Frame,
    /// The db_proxy.
    host: Host,
    /// The line at which it was read.
    n: u64,
    sim_us: u64,
    /// It may be one that no worker had room for, and that nobody is told of.
    turned_away: bool,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            models: model::all().map(|model| (model.command, model)).collect(),
            open: BTreeMap::new(),
            closed: Lookup::default(),
            stores: BTreeMap::new(),
            troubled: BTreeMap::new(),
            refused: 0,
            starting: BTreeSet::new(),
            relayed: Relayed::default(),
            told: Vec::new(),
            may_be_done: Vec::new(),
            echoes: Echoes::default(),
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
                // On the first one it asks for the version of the schema, if it needs one, and closes it
                // then: that is no store that fails.
                let is_first = peer.role() == Role::Sql && self.starting.remove(&line.host);
                if !is_first || migrations::required(seen.protocol()) == 0 {
                    self.stores.insert(*conn, line.host.clone());
                }
            }
            Kind::HostUp if line.host.role() == Role::Db => {
                self.starting.insert(line.host.clone());
            }
            Kind::ConnectFailed { .. } if line.host.role() == Role::Db => {
                self.forgive(&line.host);
                self.troubled.insert(line.host.clone(), line.sim_us);
            }
            Kind::Disconnected { conn, .. } | Kind::StreamReset { conn } => {
                if let Some(host) = self.stores.get(conn).cloned() {
                    self.forgive(&host);
                    self.troubled.insert(host, line.sim_us);
                }
                // After a reset a db_proxy may still read and answer what came before.
                if line.host.role() == Role::Db {
                    self.open.retain(|key, _| key.0 != *conn);
                }
            }
            Kind::HostDown if line.host.role() == Role::Db => self.forgive(&line.host),
            _ => {}
        }
    }

    /// A db_proxy that a store failed, or that died, may not have done what it was told.
    fn forgive(&mut self, host: &Host) {
        self.forgive_those(|told| told.host() == host);
    }

    /// These changes may not be done; how many they are.
    fn forgive_those(&mut self, is_one: impl FnMut(&Told) -> bool) -> usize {
        let (forgiven, told): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.told).into_iter().partition(is_one);
        let many = forgiven.len();
        self.told = told;
        self.may_be_done.extend(forgiven);
        many
    }

    /// No worker of a db_proxy had room for this (`room` judges whether that is so): what no client waits for is
    /// refused in silence. Which one it was of several that came at once can't be told.
    fn turned_away(&mut self, seen: &Seen<'_>, conn: ConnId, command: u16) {
        let (host, now_us) = (&seen.line.host, seen.line.sim_us);
        let many = self.forgive_those(|told| told.is(host, command, now_us));
        (0..many).for_each(|_| self.tally.excuse(NO_ROOM));
        let these = self.open.range_mut((conn, command, 0)..=(conn, command, u16::MAX));
        for asked in these.flat_map(|(_, open)| open) {
            let of_a_client = asked.pdu.attach().and_then(Attach::decode);
            if asked.sim_us == now_us && of_a_client.is_none_or(|of| of.kind != kind::HANDLE) {
                asked.turned_away = true;
                self.tally.excuse(NO_ROOM);
            }
        }
    }

    /// What a store did: a file comes and goes only if a db_proxy was told so, and with `catch-up-on-gap` sessions, lists and
    /// counts are read from the primary, with `idempotent-send` the tokens of sends.
    fn stored(&mut self, seen: &Seen<'_>, applied: &Applied) -> Option<Violation> {
        let host = &seen.line.host;
        let broken = |kind, sentence| {
            let about = [Subject::Host(host.clone())].into();
            Some(Violation { property: "answers", kind, role: Role::Db, sentence, about })
        };
        if applied.effect.is_refusal() {
            self.refused = seen.line.n;
            if applied.what.contains(file_effects::TABLE) {
                // Who was told to make a change of files may not have made it.
                self.forgive_those(|told| !is_done(told, seen.known));
            }
        }
        for changed in &applied.changed {
            if let Some((kind, what)) = unasked(&[&self.told, &self.may_be_done], changed) {
                return broken(kind, what.to_string());
            }
        }
        let is_read = matches!(applied.effect, Effect::Sql { did: Did::Rows(_), .. });
        if !applied.replica || !is_read {
            return None;
        }
        let every = |has: fn(&Protocol) -> bool| seen.known.protocols.all_of(Role::Db, has);
        let newest = NEWEST.iter().filter(|_| every(|of| of.catch_up_on_gap));
        let tokens = [&TOKENS].into_iter().filter(|_| every(|of| of.idempotent_send));
        let table = newest.chain(tokens).find(|table| applied.what.contains(**table))?;
        broken("replica", format!("{table} was read from a replica: {}", &*applied.what))
    }

    fn asked(&mut self, seen: &Seen<'_>, conn: ConnId, pdu: &Frame) {
        self.told.extend(Told::of(seen, pdu));
        if !is_answered(pdu.command()) {
            return;
        }
        let key = (conn, pdu.command(), pdu.header.seq_num);
        let question = Question {
            pdu: pdu.clone(),
            host: seen.line.host.clone(),
            n: seen.line.n,
            sim_us: seen.line.sim_us,
            turned_away: false,
        };
        self.open.entry(key).or_default().push(question);
    }

    fn answered(&mut self, seen: &Seen<'_>, conn: ConnId, pdu: &Frame) -> Option<Violation> {
        let seq = pdu.header.seq_num;
        let (line, name) = (seen.line, catalogue::name(pdu.command()).unwrap_or("an answer"));
        let command = match pdu.command() {
            id::OTHER_REFUSED => pdu.view::<Refused>().ok()?.command_id as u16,
            id::MSG_DATA => id::MSG_DATA,
            answer => catalogue::request_of(answer)?.id,
        };
        let broken = |kind, sentence| {
            let (role, host, answer) = (line.host.role(), line.host.clone(), pdu.command());
            let about = [Subject::Request { host, conn, seq, asked: command, answer }].into();
            Some(Violation { property: "answers", kind, role, sentence, about })
        };
        let Some(asked) = self.take((conn, command, seq), &Asker::of(pdu)) else {
            let sentence = format!("{} wrote {name} that nobody asked for", line.host);
            return broken("unasked", sentence);
        };
        if pdu.command() == id::OTHER_REFUSED {
            let of = u64::from(pdu.view::<Refused>().ok()?.user_id);
            let is_theirs = command == id::OTHER_VALIDATE_REQ || user(&asked.pdu) == Some(of);
            let sentence = || format!("{} refused user {of} what others asked", line.host);
            return if is_theirs { None } else { broken("unasked", sentence()) };
        }
        let Some(&model) = self.models.get(&command) else {
            let wrong = self.echoes.judge(&asked.pdu, pdu).err()?;
            return broken("unasked", format!("{} wrote {name}: {}", line.host, wrong.0));
        };
        let troubled =
            self.troubled.get(&line.host).is_some_and(|at| at + TROUBLED_US > line.sim_us);
        let slow = line.sim_us - asked.sim_us >= seen.known.store_timeout_us;
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
            clock: seen.known.clocks.readings(&line.host, asked.sim_us, line.sim_us),
            stores_failed: troubled || slow || self.refused > asked.n,
            excused: Cell::new(None),
        };
        let mut reads = Reads::between(&seen.known.stores, asked.n, line.n);
        let echoed = self.echoes.judge(&asked.pdu, pdu);
        let judged = echoed.and_then(|()| (model.says)(&exchange, &mut reads));
        if let Some(excuse) = exchange.excused.get().filter(|_| judged.is_ok()) {
            self.tally.excuse(excuse);
            return None;
        }
        self.tally.judge();
        let wrong = judged.err()?;
        broken(model.kind, format!("{} wrote {name} with seq_num {seq}: {}", line.host, wrong.0))
    }

    /// A change that nobody answers, and that is not done.
    fn undone(&self, known: &Known) -> Option<Violation> {
        self.told.iter().find(|told| !is_done(told, known)).map(Told::violation)
    }

    /// A question that a db_proxy has not answered, though its link is there and no store has failed it.
    fn kept(&self, known: &Known, is_due: impl Fn(&Question) -> bool) -> Option<Violation> {
        let is_kept = |((conn, command, _), asked): &(&Key, &Question)| {
            let protocol = known.protocols.of(&asked.host);
            // Without them what fails is answered by silence, and a read ack by nothing; so is what the original does
            // not answer where nothing is to be given back, as of a msg_server that does not wait.
            let is_awaited = asked.pdu.attach().is_some();
            let is_owed = protocol.answered_refusals
                && match *command {
                    id::MSG_READ_ACK => protocol.confirmed_read_acks && is_awaited,
                    id::BUDDY_LIST_CHANGE_AVATAR_REQUEST => is_awaited,
                    _ => true,
                };
            let is_well =
                self.troubled.get(&asked.host).is_none_or(|at| at + TROUBLED_US < asked.sim_us);
            is_owed
                && is_well
                && !asked.turned_away
                && known.links.get(*conn, End::Acceptor).is_some()
                && is_due(asked)
        };
        let mut open =
            self.open.iter().flat_map(|(key, open)| open.iter().map(move |asked| (key, asked)));
        let ((conn, command, seq), asked) = open.find(is_kept)?;
        let name = catalogue::name(*command).unwrap_or("a question");
        let sentence = format!("{} never answered {name} with seq_num {seq}", asked.host);
        let about = [Subject::Connection(*conn)].into();
        let (property, kind, role) = ("answers", "kept", Role::Db);
        Some(Violation { property, kind, role, sentence, about })
    }

    /// The oldest question of this key and asker.
    fn take(&mut self, key: Key, asker: &Asker<'_>) -> Option<Question> {
        let open = self.open.get_mut(&key)?;
        let is_theirs = |question: &Question| Asker::of(&question.pdu) == *asker;
        // One that may have been turned away is answered only if no other one is there.
        let is_sure = |question: &Question| is_theirs(question) && !question.turned_away;
        let at = open.iter().position(is_sure).or_else(|| open.iter().position(is_theirs))?;
        let question = open.remove(at);
        // Which of two is answered first can't be told: each is given the older one's time.
        if let Some(next) = open.iter_mut().find(|question| is_theirs(question)) {
            (next.n, next.sim_us) = (question.n, question.sim_us);
        }
        if open.is_empty() {
            self.open.remove(&key);
        }
        Some(question)
    }
}

/// Whether a change that nobody answers is done by now.
fn is_done(told: &Told, known: &Known) -> bool {
    told.is_done(Reads::between(&known.stores, told.since(), known.now + 1).views())
}

/// Whether a db_proxy answers this, or refuses it as it does 020c, of which it knows nothing.
fn is_answered(command: u16) -> bool {
    let asks = catalogue::of(command).is_some_and(|entry| entry.reply.is_some());
    asks || command == id::BUDDY_LIST_CHANGE_AVATAR_REQUEST
}

/// Field 1 of a question at a db_proxy: the user, where there is one.
fn user(pdu: &Frame) -> Option<u64> {
    fields(&pdu.pdu.body).find(|field| field.number == 1).map(|field| field.value)
}

impl<'a> Asker<'a> {
    fn of(pdu: &'a Frame) -> Self {
        match pdu.attach().filter(|attach| !attach.is_empty()) {
            Some(attach) => Self::Attach(attach),
            None => Self::User(user(pdu).unwrap_or(0)),
        }
    }
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
        &[
            Class::ServerReads,
            Class::ServerWrites,
            Class::DbPdu,
            Class::LinkPdu,
            Class::Store,
            Class::Fact,
            Class::Event,
        ]
    }

    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        if seen.class == Class::Event {
            self.event(seen);
        }
        if let Kind::Fact(Fact::Refused { conn, command, reason }) = &seen.line.kind
            && seen.line.host.role() == Role::Db
            && room::is_full(reason.as_bytes())
        {
            self.turned_away(seen, *conn, *command);
        }
        if let Kind::Store(applied) = &seen.line.kind {
            return self.stored(seen, applied);
        }
        if let Some((conn, pdu, is_written)) = seen.db {
            if is_written {
                return self.answered(seen, conn, pdu);
            }
            self.asked(seen, conn, pdu);
        }
        self.relayed.observe(seen)
    }

    fn pending(&self, known: &Known) -> Option<Violation> {
        self.undone(known).or_else(|| self.kept(known, |_| true))
    }

    fn overdue(&self, known: &Known, now_us: u64) -> Option<Violation> {
        let had_its_time = |asked: &Question| asked.sim_us + known.answer_within_us < now_us;
        self.undone(known).or_else(|| self.kept(known, had_its_time))
    }

    fn tally(&self, _: &Known) -> Option<Tally> {
        Some(self.tally.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::Answers;
    use crate::{
        properties::tape::Tape,
        record::{Kind, sql_applied},
    };
    use teamtalk::protocol::Protocol;

    /// What is found if a statement is asked of a replica, or of the primary.
    fn asked(protocol: Protocol, what: &str, effect: &str, replica: bool) -> Vec<String> {
        let mut tape = Tape::new(Answers::default()).under(protocol);
        let mut applied = sql_applied(what, &["1"], effect, true);
        applied.replica = replica;
        tape.line("sql", Kind::Store(applied));
        tape.found
    }

    #[test]
    fn what_must_be_new_is_no_replicas() {
        const TOKEN: &str = "select type,relateId,msgId from TTSend where fromId=? and token=?";
        const MARK: &str = "select msgId from TTRead where userId=?";
        const FOUND: [&str; 1] = ["answers/replica/db"];
        let hardened = Protocol::hardened();
        for text in [TOKEN, MARK] {
            assert_eq!(asked(hardened, text, "rows 1", true), FOUND);
            assert_eq!(asked(hardened, text, "rows 1", false), [""; 0]);
            assert_eq!(asked(Protocol::teamtalk(), text, "rows 1", true), [""; 0]);
        }
        assert_eq!(asked(hardened, "select name from IMUser", "rows 1", true), [""; 0]);
        let (mut no_tokens, mut no_gaps) = (hardened, hardened);
        (no_tokens.idempotent_send, no_gaps.catch_up_on_gap) = (false, false);
        assert_eq!(asked(no_tokens, TOKEN, "rows 0", true), [""; 0]);
        assert_eq!(asked(no_tokens, MARK, "rows 0", true), FOUND);
        assert_eq!(asked(no_gaps, TOKEN, "rows 0", true), FOUND);
        assert_eq!(asked(no_gaps, MARK, "rows 0", true), [""; 0]);
    }
}
