//! How many connections one address has at a msg_server: a part of `bounded`.
//!
//! A connection past the limit `connections.source` is closed at once, and none is closed for it that is not
//! past it. Whether a connection is still open is known from outside with a doubt: its msg_server may not have
//! noticed its end yet. What is in doubt counts for the msg_server.

use super::{Seen, Subject, Violation};
use crate::{
    plan::{Host, Role},
    record::{End, Kind},
};
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{env::ConnId, fact::Fact};

/// Simulated microseconds in which a msg_server closes a connection that is one too many.
const AT_ONCE_US: u64 = 100_000;
/// Why it does.
pub const TOO_MANY: &str = "too many connections of its address";

/// A msg_server, and who dials it.
type Pair = (Host, Host);

/// See the module.
#[derive(Debug, Default)]
pub struct Sources {
    /// Whose connection it is, of those that a msg_server accepted and has not closed.
    of: BTreeMap<ConnId, Pair>,
    /// Those of `of` that no end has closed, as far as can be seen.
    open: BTreeMap<Pair, BTreeSet<ConnId>>,
    /// Those that were one too many when they were accepted, and by when they are to be closed.
    over: BTreeMap<ConnId, u64>,
    /// How many were one too many.
    pub judged: u64,
}

impl Sources {
    /// Takes the next line.
    pub fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        let line = seen.line;
        match &line.kind {
            Kind::Connected { conn, end: End::Acceptor, peer, .. }
                if line.host.role() == Role::Msg =>
            {
                self.accepted(seen, *conn, (line.host.clone(), peer.clone()));
            }
            Kind::Disconnected { conn, end } => {
                self.ends(*conn);
                if *end == End::Acceptor {
                    self.of.remove(conn);
                }
            }
            Kind::StreamReset { conn } => self.ends(*conn),
            Kind::HostDown => {
                let host = &line.host;
                let of = |(conn, pair): (&ConnId, &Pair)| {
                    (pair.0 == *host || pair.1 == *host).then_some(*conn)
                };
                let gone: Vec<_> = self.of.iter().filter_map(of).collect();
                gone.into_iter().for_each(|conn| self.ends(conn));
                self.of.retain(|_, pair| pair.0 != *host);
            }
            Kind::Fact(Fact::Closed { conn, reason }) => {
                let turned_away =
                    (reason == TOO_MANY).then(|| self.turned_away(seen, *conn)).flatten();
                if self.over.remove(conn).is_some() {
                    self.judged += 1;
                }
                self.ends(*conn);
                return turned_away;
            }
            _ => {}
        }
        let (&conn, _) = self.over.iter().find(|(_, due_us)| **due_us < line.sim_us)?;
        self.over.remove(&conn);
        let (msg, peer) = self.of.get(&conn)?;
        let most = seen.known.protocols.limits_of(msg).of_source;
        Some(violation(
            "let-in",
            conn,
            format!(
                "{msg} keeps connection {conn} of {peer}, which has {most} there already: as many as one address may"
            ),
        ))
    }

    fn accepted(&mut self, seen: &Seen<'_>, conn: ConnId, pair: Pair) {
        let open = self.open.entry(pair.clone()).or_default();
        if open.len() >= seen.limits().of_source {
            self.over.insert(conn, seen.line.sim_us + AT_ONCE_US);
        }
        open.insert(conn);
        self.of.insert(conn, pair);
    }

    /// An end of a connection is closed. Which of those that were too many had room by then can't be told.
    fn ends(&mut self, conn: ConnId) {
        let Some(pair) = self.of.get(&conn) else { return };
        let Some(open) = self.open.get_mut(pair) else { return };
        let was_over = self.over.remove(&conn).is_some();
        if open.remove(&conn) && !was_over {
            let of = &self.of;
            self.over.retain(|conn, _| of.get(conn) != Some(pair));
        }
    }

    /// A connection was closed for the limit: was there room?
    fn turned_away(&self, seen: &Seen<'_>, conn: ConnId) -> Option<Violation> {
        let pair = self.of.get(&conn)?;
        let others = self.of.iter().filter(|(other, of)| **other != conn && *of == pair).count();
        let (most, (msg, peer)) = (seen.limits().of_source, pair);
        (others < most).then(|| {
            violation("turned-away", conn, format!("{msg} closes connection {conn} of {peer}, which has {others} others there: {most} are allowed"))
        })
    }
}

#[cold]
fn violation(kind: &'static str, conn: ConnId, sentence: String) -> Violation {
    let about = [Subject::Connection(conn)].into();
    Violation { property: "bounded", kind, role: Role::Msg, sentence, about }
}

#[cfg(test)]
mod tests {
    use super::{super::bounded::Bounded, TOO_MANY};
    use crate::{
        plan::{Host, Side},
        properties::{Protocols, tape::Tape},
        record::{End, Kind},
    };
    use bytes::Bytes;
    use std::collections::BTreeMap;
    use teamtalk::{
        catalogue::{id, limits::Limits},
        env::ConnId,
        fact::Fact,
        wire::Pdu,
    };

    fn tape() -> Tape<Bounded> {
        let two = BTreeMap::from([("connections.source".to_string(), 2)]);
        Tape::new(Bounded::default()).limited(&two)
    }

    fn accepts(tape: &mut Tape<Bounded>, conns: &[ConnId]) {
        for &conn in conns {
            let peer = Host::of("client1");
            let made = Kind::Connected { conn, end: End::Acceptor, peer, port: 1, device: None };
            tape.line("msg1", made);
        }
    }

    fn heartbeat() -> Pdu {
        Pdu::raw(id::OTHER_HEARTBEAT, 0, Bytes::new())
    }

    fn closes(tape: &mut Tape<Bounded>, conn: ConnId) {
        let reason = TOO_MANY.to_string();
        tape.fact("msg1", Fact::Closed { conn, reason });
        tape.line("msg1", Kind::Disconnected { conn, end: End::Acceptor });
    }

    #[test]
    fn one_too_many_is_closed_at_once() {
        let mut closed = tape();
        accepts(&mut closed, &[1, 2, 3]);
        closes(&mut closed, 3);
        closed.later(1).asks(1, heartbeat());
        assert!(closed.found.is_empty(), "{:?}", closed.found);
        let mut kept = tape();
        accepts(&mut kept, &[1, 2, 3]);
        kept.later(1).asks(1, heartbeat());
        assert_eq!(kept.found, ["bounded/let-in/msg"]);
    }

    /// Both sides have a limit of their own: two on the base, three on the candidate.
    #[test]
    fn a_host_is_judged_by_the_limits_of_its_side() {
        for (side, found) in [(Side::Candidate, &[][..]), (Side::Base, &["bounded/let-in/msg"])] {
            let limits = |most| BTreeMap::from([("connections.source".to_string(), most)]);
            let limits = |most| Limits::with(&limits(most)).expect("a limit");
            let mut tape = tape();
            tape.known.protocols = Protocols::default().limited(limits(2), limits(3));
            tape.line("msg1", Kind::OnSide { side });
            accepts(&mut tape, &[1, 2, 3]);
            tape.later(1).asks(1, heartbeat());
            assert_eq!(tape.found, found, "{side:?}");
        }
    }

    #[test]
    fn where_another_one_goes_meanwhile_there_may_be_room() {
        let mut tape = tape();
        accepts(&mut tape, &[1, 2, 3]);
        tape.line("client1", Kind::Disconnected { conn: 1, end: End::Dialler });
        tape.later(1).asks(1, heartbeat());
        assert!(tape.found.is_empty(), "{:?}", tape.found);
        // Its server may not know yet.
        accepts(&mut tape, &[4]);
        closes(&mut tape, 4);
        assert!(tape.found.is_empty(), "{:?}", tape.found);
    }

    #[test]
    fn who_is_not_too_many_is_not_turned_away() {
        let mut tape = tape();
        accepts(&mut tape, &[1, 2]);
        closes(&mut tape, 2);
        assert_eq!(tape.found, ["bounded/turned-away/msg"]);
    }
}
