//! Requests of clients that a db_proxy or route_server has not answered yet (switches
//! `answered-refusals` and `catch-up-hint`; the original keeps no such table).

use crate::{conversation::Conversation, env::ConnId, wire::Pdu};
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

/// The most requests of one connection that may wait at once (ours), where the limit `in-flight` does
/// not hold.
pub const IN_FLIGHT_BOUND: usize = 1024;

/// After so many `Timing::request_timeout`s no answer is waited for any more, and others are told
/// that they may have missed a message (ours). Sooner would be worse: a hint makes every client
/// ask, which does not help a slow store, while a message whose answer comes late is still pushed.
pub const GIVE_UP: u32 = 3;

/// What tells a client which of its requests is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    pub command: u16,
    pub seq: u16,
}

impl Asked {
    pub fn of(pdu: &Pdu) -> Self {
        Self { command: pdu.command(), seq: pdu.header.seq_num }
    }
}

/// A request as one number: what a link that has no room for it calls it.
pub fn number_of(handle: u32, asked: Asked) -> u64 {
    u64::from(handle) << 32 | u64::from(asked.command) << 16 | u64::from(asked.seq)
}

/// What [`number_of`] made of it.
pub fn of_number(number: u64) -> (u32, Asked) {
    let asked = Asked { command: (number >> 16) as u16, seq: number as u16 };
    ((number >> 32) as u32, asked)
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub conn: ConnId,
    pub asked: Asked,
    /// What tells its body from others: a client may use a seq_num twice.
    pub body: u64,
    /// Which link it went on: its answer comes on the same.
    pub link: ConnId,
    pub since: Duration,
    /// The conversation whose members miss a push if no answer comes.
    pub missed: Option<Conversation>,
    /// Whether its client was told that no answer came in time.
    pub late: bool,
}

/// All of them, by the handle of the connection: attach data carries that back.
#[derive(Debug, Default)]
pub struct InFlight {
    requests: BTreeMap<u32, VecDeque<Request>>,
}

impl InFlight {
    /// How many requests of a connection wait.
    pub fn waiting(&self, handle: u32) -> usize {
        self.requests.get(&handle).map_or(0, VecDeque::len)
    }

    /// Remembers a request; tells how many of its connection wait now.
    pub fn add(&mut self, handle: u32, request: Request) -> usize {
        let waiting = self.requests.entry(handle).or_default();
        waiting.push_back(request);
        waiting.len()
    }

    /// A request was answered on this link: the oldest one of its name (a client may use a
    /// seq_num twice).
    pub fn answered(&mut self, link: ConnId, handle: u32, asked: Asked) -> Option<Request> {
        let waiting = self.requests.get_mut(&handle)?;
        let at = waiting.iter().position(|r| r.link == link && r.asked == asked)?;
        let request = waiting.remove(at);
        if waiting.is_empty() {
            self.requests.remove(&handle);
        }
        request
    }

    /// Forgets the requests of a client that is gone, except those whose answer others wait for.
    pub fn forget(&mut self, handle: u32) {
        if let Some(waiting) = self.requests.get_mut(&handle) {
            waiting.retain(|request| request.missed.is_some());
            if waiting.is_empty() {
                self.requests.remove(&handle);
            }
        }
    }

    /// Takes out the requests that went on a link that closed.
    pub fn of_link(&mut self, link: ConnId) -> Vec<Request> {
        self.take(|request| request.link == link)
    }

    /// A request was answered after its client was told that no answer came in time. If the client has
    /// written it again meanwhile and waits, that is its answer, and another one will not be told. Where
    /// a store is slower than clients wait, each try would be answered too late otherwise.
    pub fn answers_another(&mut self, handle: u32, answered: &Request) -> bool {
        let waiting = self.requests.get_mut(&handle).into_iter().flatten();
        let alike = |r: &&mut Request| {
            !r.late && (r.conn, r.asked, r.body) == (answered.conn, answered.asked, answered.body)
        };
        let again = waiting.into_iter().find(alike);
        again.map(|again| again.late = true).is_some()
    }

    /// What has waited for longer than `limit` is late, and returned once. It stays: its answer may still
    /// come, a message is pushed then, and a client that asks again is told it.
    pub fn late(&mut self, now: Duration, limit: Duration) -> Vec<Request> {
        let all = self.requests.values_mut().flatten();
        let late = all.filter(|r| !r.late && now.saturating_sub(r.since) > limit);
        let told = |request: &mut Request| {
            request.late = true;
            Request { missed: None, late: false, ..request.clone() }
        };
        late.map(told).collect()
    }

    /// Takes out the requests that have waited for longer than `limit`, sends too.
    pub fn given_up(&mut self, now: Duration, limit: Duration) -> Vec<Request> {
        self.take(|request| now.saturating_sub(request.since) > limit)
    }

    fn take(&mut self, lost: impl Fn(&Request) -> bool) -> Vec<Request> {
        let mut taken = Vec::new();
        self.requests.retain(|_, waiting| {
            taken.extend(waiting.iter().filter(|request| lost(request)).cloned());
            waiting.retain(|request| !lost(request));
            !waiting.is_empty()
        });
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(link: ConnId, seq: u16, since: u64) -> Request {
        let asked = Asked { command: 0x0309, seq };
        Request {
            conn: 9,
            asked,
            body: 1,
            link,
            since: Duration::from_secs(since),
            missed: None,
            late: false,
        }
    }

    #[test]
    fn an_answer_ends_the_oldest_of_its_name_on_its_link() {
        let mut table = InFlight::default();
        for (n, of) in [request(1, 5, 0), request(2, 5, 1), request(1, 5, 2)].iter().enumerate() {
            assert_eq!(table.add(7, of.clone()), n + 1);
        }
        let asked = request(1, 5, 0).asked;
        assert_eq!(table.answered(1, 8, asked), None, "another connection's");
        assert_eq!(table.answered(1, 7, Asked { seq: 6, ..asked }), None);
        assert_eq!(table.answered(1, 7, asked), Some(request(1, 5, 0)));
        assert_eq!(table.of_link(1), [request(1, 5, 2)]);
        assert_eq!(table.late(Duration::from_secs(4), Duration::from_secs(3)), []);
        assert_eq!(table.late(Duration::from_secs(5), Duration::from_secs(3)).len(), 1);
        assert!(table.answered(2, 7, asked).is_some_and(|request| request.late));
        assert!(table.requests.is_empty());
    }

    #[test]
    fn a_late_answer_is_for_who_wrote_the_same_again() {
        let mut table = InFlight::default();
        for of in [request(1, 5, 0), request(2, 5, 4), Request { body: 2, ..request(2, 5, 4) }] {
            table.add(7, of);
        }
        assert_eq!(table.late(Duration::from_secs(5), Duration::from_secs(3)).len(), 1);
        let late = table.answered(1, 7, request(1, 5, 0).asked).expect("it stays");
        assert!(late.late && table.answers_another(7, &late));
        assert!(!table.answers_another(7, &late), "the third is another request");
        assert!(table.answered(2, 7, late.asked).is_some_and(|second| second.late));
    }

    #[test]
    fn a_late_send_is_late_once_and_stays() {
        let mut table = InFlight::default();
        let send = Request { missed: Some(Conversation::single(1, 2)), ..request(1, 6, 0) };
        table.add(7, send.clone());
        let (limit, second) = (Duration::from_secs(3), Duration::from_secs);
        assert_eq!(table.late(second(4), limit), [Request { missed: None, ..send.clone() }]);
        assert_eq!(table.late(second(5), limit), []);
        assert_eq!(table.given_up(second(9), limit * 3), []);
        assert_eq!(table.given_up(second(10), limit * 3), [Request { late: true, ..send }]);
        assert!(table.requests.is_empty());
    }

    #[test]
    fn of_a_client_that_is_gone_only_pushes_are_remembered() {
        let mut table = InFlight::default();
        let send = Request { missed: Some(Conversation::single(1, 2)), ..request(1, 6, 0) };
        for of in [request(1, 5, 0), send.clone()] {
            table.add(7, of);
        }
        table.add(8, request(1, 5, 0));
        table.forget(7);
        table.forget(8);
        assert_eq!(table.of_link(1), [send]);
    }
}
