//! Traces written by hand, for the tests of the properties.

pub use super::pdus::*;
use super::{Known, Property, Protocols, Violation, is_shown};
use crate::{
    plan::Host,
    record::{End, Frame, Kind, Line},
};
use std::collections::BTreeMap;
use teamtalk::{
    catalogue::{id as command, limits::Limits},
    conversation::Conversation,
    env::ConnId,
    fact::{Fact, Via},
    protocol::Protocol,
    wire::{
        Pdu,
        im::{
            base_define::{ClientType, UserInfo},
            login::{ImKickUser, ImLoginReq, ImLoginRes},
        },
    },
};

/// A property under test, and what it has found so far.
pub struct Tape<P> {
    /// The property.
    pub property: P,
    /// What is known of the run so far.
    pub known: Known,
    n: u64,
    later_us: u64,
    /// Signatures of what was found, in order.
    pub found: Vec<String>,
}

impl<P: Property> Tape<P> {
    /// A tape without a line.
    pub fn new(property: P) -> Self {
        Self { property, known: Known::default(), n: 0, later_us: 0, found: Vec::new() }
    }

    /// The same, under a protocol.
    pub fn under(mut self, protocol: Protocol) -> Self {
        self.known.protocols = Protocols::all(protocol);
        self
    }

    /// The same, with some limits that are not the default ones.
    pub fn limited(mut self, limits: &BTreeMap<String, u32>) -> Self {
        let limits = || Limits::with(limits).expect("limits");
        let protocols = std::mem::take(&mut self.known.protocols);
        self.known.protocols = protocols.limited(limits(), limits());
        self
    }

    /// Adds a line.
    pub fn line(&mut self, host: &str, kind: Kind) -> &mut Self {
        let sim_us = self.n + self.later_us;
        let line = Line { n: self.n, sim_us, host: Host::of(host), incarnation: 1, kind };
        self.n += 1;
        let seen = self.known.observe(&line);
        let looks = is_shown(&self.property, seen.class, seen.command());
        if looks && let Some(found) = self.property.observe(&seen) {
            // A card has the line that broke it in any case; others like it must touch it too, but for
            // heartbeats, which only show that something else is late.
            let is_heartbeat = match &line.kind {
                Kind::PduSent(pdu) | Kind::PduReceived(pdu) => {
                    pdu.command() == command::OTHER_HEARTBEAT
                }
                _ => false,
            };
            let is_told = matches!(line.kind, Kind::Store(_)) || is_heartbeat;
            let is_told = is_told || found.about.touches(&line);
            assert!(is_told, "{found:?} is not about {line:?}");
            self.found.push(found.signature());
        }
        self
    }

    /// Lets simulated seconds pass; otherwise lines are a microsecond apart.
    pub fn later(&mut self, seconds: u64) -> &mut Self {
        self.later_us += seconds * 1_000_000;
        self
    }

    /// The next line is of this simulated microsecond, which is not over.
    pub fn at(&mut self, sim_us: u64) -> &mut Self {
        self.later_us = sim_us - self.n;
        self
    }

    /// What is owed when its time is up, at a simulated microsecond.
    pub fn overdue(&self, now_us: u64) -> Option<Violation> {
        self.property.overdue(&self.known, now_us)
    }

    /// The signature of what is owed.
    pub fn pending(&self) -> Option<String> {
        let owed = self.property.pending(&self.known)?;
        assert!(!owed.about.is_empty(), "{owed:?} is about nothing");
        Some(owed.signature())
    }

    /// A fact of a host.
    pub fn fact(&mut self, host: &str, fact: Fact) -> &mut Self {
        self.line(host, Kind::Fact(fact))
    }

    /// A frame seen at one end of a connection.
    pub fn frame(&mut self, host: &str, end: End, sent: bool, conn: ConnId, pdu: Pdu) -> &mut Self {
        let frame = Frame::new(conn, end, 1, pdu);
        self.line(host, if sent { Kind::PduSent(frame) } else { Kind::PduReceived(frame) })
    }

    /// A device writes, and msg1 reads.
    pub fn asks(&mut self, conn: ConnId, pdu: Pdu) -> &mut Self {
        self.frame("client1", End::Dialler, true, conn, pdu.clone());
        self.frame("msg1", End::Acceptor, false, conn, pdu)
    }

    /// msg1 writes, and a device reads.
    pub fn tells(&mut self, conn: ConnId, pdu: Pdu) -> &mut Self {
        self.frame("msg1", End::Acceptor, true, conn, pdu.clone());
        self.frame("client1", End::Dialler, false, conn, pdu)
    }

    /// A device connects to msg1.
    pub fn connect(&mut self, device: u32, conn: ConnId) -> &mut Self {
        let made = |end, peer: &str, device| Kind::Connected {
            conn,
            end,
            peer: Host::of(peer),
            port: 8000,
            device,
        };
        self.line("client1", made(End::Dialler, "msg1", Some(device)));
        self.line("msg1", made(End::Acceptor, "client1", None))
    }

    /// A device connects to msg1 and logs in as a PC.
    pub fn login(&mut self, device: u32, conn: ConnId, user: u32) -> &mut Self {
        let client_type = ClientType::Windows as i32;
        self.connect(device, conn).login_here(device, conn, user, client_type)
    }

    /// A connected device logs in.
    pub fn login_here(
        &mut self,
        device: u32,
        conn: ConnId,
        user: u32,
        client_type: i32,
    ) -> &mut Self {
        let request = ImLoginReq { client_type, online_status: 1, ..Default::default() };
        self.asks(conn, Pdu::new(command::LOGIN_REQ_USERLOGIN, 1, &request));
        self.fact("msg1", Fact::LoggedIn { conn, user, client_type: client_type as u32 });
        let info = UserInfo { user_id: user, ..Default::default() };
        let server_time = self.known.clocks.right(self.n + self.later_us);
        let online_status = Some(request.online_status);
        let user_info = Some(info);
        let answer = ImLoginRes { server_time, online_status, user_info, ..Default::default() };
        self.tells(conn, Pdu::new(command::LOGIN_RES_USERLOGIN, 1, &answer));
        self.fact("client1", Fact::DeviceOnline { device, conn, user })
    }

    /// A device drops its connection.
    pub fn hang_up(&mut self, device: u32, conn: ConnId) -> &mut Self {
        self.fact("client1", Fact::DeviceOffline { device, conn, reason: "test".into() });
        self.line("client1", Kind::Disconnected { conn, end: End::Dialler });
        self.line("msg1", Kind::Disconnected { conn, end: End::Acceptor })
    }

    /// msg1 kicks a connection.
    pub fn kick(&mut self, conn: ConnId) -> &mut Self {
        let kick = ImKickUser { user_id: 1, kick_reason: 1 };
        self.tells(conn, Pdu::new(command::LOGIN_KICK_USER, 0, &kick))
    }

    /// A device holds a message of conversation 1-2.
    pub fn holds(&mut self, device: u32, msg_id: u32, (from, content): (u32, &str)) -> &mut Self {
        let (conversation, via) = (Conversation::single(1, 2), Via::Push);
        let content = content.to_string();
        self.fact("client1", Fact::Held { device, conversation, msg_id, from, content, via })
    }

    /// A message row of conversation 1-2 is committed.
    pub fn row(&mut self, msg_id: u32, message: (u32, &str)) -> &mut Self {
        self.row_in(Conversation::single(1, 2), msg_id, message)
    }

    /// A message row of group [`G`] is committed.
    pub fn group_row(&mut self, msg_id: u32, message: (u32, &str)) -> &mut Self {
        self.row_in(Conversation::Group(G), msg_id, message)
    }

    fn row_in(
        &mut self,
        conversation: Conversation,
        msg_id: u32,
        (from, content): (u32, &str),
    ) -> &mut Self {
        self.line("sql", Kind::Row { conversation, msg_id, from, content: content.into() })
    }

    /// A device holds a message of group [`G`].
    pub fn holds_of_group(
        &mut self,
        device: u32,
        msg_id: u32,
        (from, content): (u32, &str),
    ) -> &mut Self {
        let (conversation, via) = (Conversation::Group(G), Via::Push);
        let content = content.to_string();
        self.fact("client1", Fact::Held { device, conversation, msg_id, from, content, via })
    }

    /// Group [`G`] is there from the start, of these users.
    pub fn group(&mut self, users: &[u32]) -> &mut Self {
        for &user in users {
            self.line("world", Kind::MemberRow { group: G, user, live: true });
        }
        self
    }

    /// A user becomes a member of group [`G`] in the store, or ceases to be one.
    pub fn member(&mut self, user: u32, live: bool) -> &mut Self {
        self.line("sql", Kind::MemberRow { group: G, user, live })
    }

    /// db1 reads a PDU on connection 70.
    pub fn db_reads(&mut self, pdu: Pdu) -> &mut Self {
        self.frame("db1", End::Acceptor, false, 70, pdu)
    }

    /// db1 writes a PDU on connection 70.
    pub fn db_writes(&mut self, pdu: Pdu) -> &mut Self {
        self.frame("db1", End::Acceptor, true, 70, pdu)
    }

    /// User 1 adds a user to group [`G`] or removes one, and db1 says that it is done.
    pub fn changes(&mut self, seq: u16, user: u32, adds: bool) -> &mut Self {
        self.db_reads(change_members(seq, 1, G, adds, &[user]));
        self.member(user, adds).db_writes(group_changed(seq, 1, G, &[user]))
    }

    /// User 1 asks to remove users from group [`G`], and db1 says that it is not allowed.
    pub fn denied(&mut self, seq: u16, users: &[u32]) -> &mut Self {
        self.db_reads(change_members(seq, 1, G, false, users));
        self.db_writes(group_changed(seq, 1, G, &[]))
    }
}
