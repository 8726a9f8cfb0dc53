//! Traces written by hand, for the tests of the properties.

use super::{Property, Violation};
use crate::record::{End, Frame, Kind, Line};
use bytes::Bytes;
use teamtalk::{
    conversation::Conversation,
    env::ConnId,
    fact::{Fact, Via},
    wire::{
        Pdu, command,
        im::{
            base_define::{ClientType, MsgInfo, MsgType, SessionType, UserInfo},
            login::{ImKickUser, ImLoginReq, ImLoginRes},
            message::{ImGetMsgListReq, ImGetMsgListRsp, ImMsgData, ImMsgDataAck},
        },
    },
};

/// The single session type.
pub const SINGLE: i32 = SessionType::Single as i32;

/// A property, and what it said so far.
pub struct Tape<P> {
    /// Under test.
    pub property: P,
    n: u64,
    /// Signatures of what was found, in order.
    pub found: Vec<String>,
}

impl<P: Property> Tape<P> {
    /// Nothing has happened yet.
    pub fn new(property: P) -> Self {
        Self { property, n: 0, found: Vec::new() }
    }

    /// The next line.
    pub fn line(&mut self, host: &str, kind: Kind) -> &mut Self {
        let line = Line { n: self.n, sim_us: self.n, host: host.into(), incarnation: 1, kind };
        self.n += 1;
        self.found.extend(self.property.observe(&line).as_ref().map(Violation::signature));
        self
    }

    /// The signature of what is owed.
    pub fn pending(&self) -> Option<String> {
        self.property.pending().as_ref().map(Violation::signature)
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
            peer: peer.into(),
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
        let answer = ImLoginRes { user_info: Some(info), ..Default::default() };
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
    pub fn row(&mut self, msg_id: u32, (from, content): (u32, &str)) -> &mut Self {
        let conversation = Conversation::single(1, 2);
        self.line("sql", Kind::Row { conversation, msg_id, from, content: content.into() })
    }
}

/// 0301 of a single text.
pub fn message(seq: u16, msg_id: u32, from: u32, to: u32, content: &str) -> Pdu {
    let data = ImMsgData {
        from_user_id: from,
        to_session_id: to,
        msg_id,
        create_time: 0,
        msg_type: MsgType::SingleText as i32,
        msg_data: Bytes::copy_from_slice(content.as_bytes()),
        attach_data: None,
        send_token: None,
    };
    Pdu::new(command::MSG_DATA, seq, &data)
}

/// 0302 of a single text.
pub fn ack(seq: u16, msg_id: u32, user_id: u32, session_id: u32) -> Pdu {
    let ack = ImMsgDataAck { user_id, session_id, msg_id, session_type: SINGLE };
    Pdu::new(command::MSG_DATA_ACK, seq, &ack)
}

/// 0309.
pub fn list_request(seq: u16, user_id: u32, session_id: u32) -> Pdu {
    let request = ImGetMsgListReq {
        user_id,
        session_type: SINGLE,
        session_id,
        msg_id_begin: 0,
        msg_cnt: 100,
        attach_data: None,
    };
    Pdu::new(command::MSG_LIST_REQUEST, seq, &request)
}

/// 030a of (msg_id, from, content).
pub fn list(seq: u16, user_id: u32, session_id: u32, rows: &[(u32, u32, &str)]) -> Pdu {
    let row = |&(msg_id, from, content): &(u32, u32, &str)| MsgInfo {
        msg_id,
        from_session_id: from,
        create_time: 0,
        msg_type: MsgType::SingleText as i32,
        msg_data: Bytes::copy_from_slice(content.as_bytes()),
    };
    let answer = ImGetMsgListRsp {
        user_id,
        session_type: SINGLE,
        session_id,
        msg_id_begin: 0,
        msg_list: rows.iter().map(row).collect(),
        attach_data: None,
    };
    Pdu::new(command::MSG_LIST_RESPONSE, seq, &answer)
}
