//! Why somebody may have missed a message: what a msg_server asked db_proxies and was not told.

use super::AT_ONCE_US;
use crate::{plan::Host, record::Frame};
use std::collections::BTreeMap;
use teamtalk::{env::ConnId, wire::im::message::ImMsgData};

/// Whom a message concerns that may be stored and was not pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    /// The two users of a conversation, wherever they are.
    Users([u32; 2]),
    /// Everyone: who is in a group no msg_server knows.
    Everyone,
    /// Everyone at that msg_server: others push the message themselves.
    EveryoneHere,
    /// Everyone at the other msg_servers.
    ElsewhereOnly,
}

impl Whom {
    /// Whether users at other msg_servers are among them.
    pub fn goes_through_route(self) -> bool {
        self != Self::EveryoneHere
    }

    /// Whether a user at that msg_server is one of them.
    pub fn is_here(self, user: u32) -> bool {
        match self {
            Self::Users(users) => users.contains(&user),
            Self::Everyone | Self::EveryoneHere => true,
            Self::ElsewhereOnly => false,
        }
    }
}

/// A reason to tell somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason {
    /// Who is to be told.
    pub whom: Whom,
    /// Since when the msg_server may know it, a simulated microsecond.
    pub since_us: u64,
    /// By when they are told; 0 while nobody has said it.
    pub due_us: u64,
    /// In words.
    pub why: &'static str,
}

impl Reason {
    /// A reason that a msg_server may know since a simulated microsecond.
    pub fn new(whom: Whom, since_us: u64, why: &'static str) -> Self {
        Self { whom, since_us, due_us: 0, why }
    }
}

/// What a msg_server waits for on a link to a db_proxy.
#[derive(Debug)]
struct Waiting {
    host: Host,
    what: What,
    whom: Whom,
    since_us: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum What {
    /// The answer to a send: the number of its connection, and its seq_num.
    Send(u32, u16),
    /// The members of a group, for a message of it.
    Members(u32, u32),
}

/// Simulated microseconds for which a connection that ended may be open: its owner goes on without it.
const LINGER_US: u64 = 1_100_000;

/// See the module.
#[derive(Debug, Default)]
pub struct Reasons {
    /// By link, the oldest first.
    waiting: BTreeMap<ConnId, Vec<Waiting>>,
    /// Messages, (group, msg_id), whose members a msg_server has yet to ask for.
    unasked: BTreeMap<(Host, (u32, u32)), Reason>,
    /// Since when a link may be lost, though its msg_server has not closed it.
    losing: BTreeMap<ConnId, u64>,
}

impl Reasons {
    /// A send was written to a db_proxy, for the connection of this number.
    pub fn asks(&mut self, host: &Host, pdu: &Frame, handle: u32, whom: Whom, now_us: u64) {
        self.wait(host, pdu.conn, What::Send(handle, pdu.header.seq_num), whom, now_us);
    }

    fn wait(&mut self, host: &Host, link: ConnId, what: What, whom: Whom, since_us: u64) {
        let waiting = Waiting { host: host.clone(), what, whom, since_us };
        self.waiting.entry(link).or_default().push(waiting);
    }

    /// A send is answered, in whatever way: whom it concerns, if it was waited for.
    pub fn answered(&mut self, pdu: &Frame, handle: u32) -> Option<Whom> {
        self.ends(pdu.conn, &What::Send(handle, pdu.header.seq_num))
    }

    fn ends(&mut self, link: ConnId, what: &What) -> Option<Whom> {
        let waiting = self.waiting.get_mut(&link)?;
        let at = waiting.iter().position(|waiting| waiting.what == *what)?;
        Some(waiting.remove(at).whom)
    }

    /// A message, (group, msg_id), is to be pushed: the reason to tell everyone here if nobody is
    /// asked for its members.
    pub fn fans_out(&mut self, host: &Host, message: (u32, u32), reason: Reason) {
        self.unasked.insert((host.clone(), message), reason);
    }

    /// The members of a group are asked for, for a message of it.
    pub fn asks_for_members(
        &mut self,
        host: &Host,
        link: ConnId,
        message: &ImMsgData,
        now_us: u64,
    ) {
        let message = (message.to_session_id, message.msg_id);
        self.unasked.remove(&(host.clone(), message));
        let what = What::Members(message.0, message.1);
        self.wait(host, link, what, Whom::EveryoneHere, now_us);
    }

    /// A db_proxy says who the members of a group are, for a message of it.
    pub fn members_known(&mut self, link: ConnId, group: u32, msg_id: u32) {
        self.ends(link, &What::Members(group, msg_id));
    }

    /// A link has a wound of which its msg_server may know.
    pub fn may_be_lost(&mut self, link: ConnId, now_us: u64) {
        self.losing.entry(link).or_insert(now_us);
    }

    /// A msg_server has closed a link: what waited on it is not answered.
    pub fn link_lost(&mut self, link: ConnId, now_us: u64) -> Vec<Reason> {
        let since_us = self.losing.remove(&link).unwrap_or(now_us);
        let since_us = since_us.max(now_us.saturating_sub(LINGER_US));
        let because = |waiting: Waiting| Reason {
            whom: waiting.whom,
            since_us,
            due_us: 0,
            why: match waiting.what {
                What::Send(..) => "the link on which a send waited for its answer is gone",
                What::Members(..) => {
                    "the link on which the members of a group were asked for is gone"
                }
            },
        };
        self.waiting.remove(&link).unwrap_or_default().into_iter().map(because).collect()
    }

    /// What is waited for no longer: an answer that took longer than `limit_us`, and members whom
    /// nobody asked for at once. What is written before that on the same link may take some ticks (seed 129 of the profile
    /// `bounds`: 66 KB).
    pub fn given_up(&mut self, now_us: u64, limit_us: u64) -> Vec<(Host, Reason)> {
        let mut given_up = Vec::new();
        let late: Vec<_> = self
            .unasked
            .extract_if(.., |_, reason| reason.since_us + AT_ONCE_US < now_us)
            .map(|((host, _), reason)| (host, reason))
            .collect();
        given_up.extend(late);
        for waiting in self.waiting.values_mut() {
            for late in waiting.extract_if(.., |of| of.since_us + limit_us < now_us) {
                let why = "no answer came at all";
                // The tick before this look may have told them.
                let since_us = late.since_us + limit_us / 2;
                given_up.push((late.host, Reason::new(late.whom, since_us, why)));
            }
        }
        given_up
    }

    /// A link is no more, and nobody waits for what it would have brought.
    pub fn forget(&mut self, link: ConnId) {
        self.waiting.remove(&link);
        self.losing.remove(&link);
    }

    /// A msg_server is no more.
    pub fn host_down(&mut self, host: &Host) {
        self.unasked.retain(|(of, _), _| of != host);
    }
}
