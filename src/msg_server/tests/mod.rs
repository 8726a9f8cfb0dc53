//! The state machine, driven by hand. Bytes are those of the captures in tests/golden where a
//! capture's number is named.

mod buddy;
mod edge;
mod file;
mod group;
mod hints;
mod links;
mod login;
mod message;
mod ordered;
mod push;
mod refusals;
mod relay;
mod switches;

use super::{Config, Kind, MsgServer};
use crate::{
    catalogue::{id as cmd, limits::Limits},
    env::{ConnId, Draw},
    fact::Fact,
    link::{Action, Event, Now, Role},
    protocol::Protocol,
    timing::Timing,
    wire::{
        Header, Pdu,
        tt::extension::{Refused, RefusedCode},
    },
};
use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

pub const DB_LOGIN: ConnId = 1;
pub const DB_OTHER: ConnId = 2;
pub const LOGIN: ConnId = 3;
pub const ROUTE: ConnId = 4;
/// The first client's number in golden 01: handle 7.
pub const ALICE: ConnId = 7;
pub const BOB: ConnId = 8;

/// A draw that counts and always gives the same.
#[derive(Default)]
pub struct FixedDraw {
    pub value: u64,
    pub asked: Cell<u32>,
}

impl Draw for FixedDraw {
    fn random(&self, purpose: &'static str, _: &dyn Fn() -> u64) -> u64 {
        assert_eq!(purpose, "db-link");
        self.asked.set(self.asked.get() + 1);
        self.value
    }
}

pub struct Rig {
    role: MsgServer,
    pub now: Now,
    pub draw: FixedDraw,
    kinds: BTreeMap<ConnId, Kind>,
    /// Links that have no room for a request.
    pub full: BTreeSet<ConnId>,
}

/// What one event brought.
#[derive(Debug, Default)]
pub struct Done {
    /// (connection, whole PDU as hex)
    pub sent: Vec<(ConnId, String)>,
    pub closed: Vec<ConnId>,
    pub facts: Vec<Fact>,
    /// (connection, bytes of a PDU)
    pub admitted: Vec<(ConnId, u32)>,
}

impl Done {
    pub fn to(&self, conn: ConnId) -> Vec<&str> {
        self.sent.iter().filter(|(to, _)| *to == conn).map(|(_, hex)| hex.as_str()).collect()
    }

    pub fn order(&self) -> Vec<(ConnId, String)> {
        self.sent.iter().map(|(to, hex)| (*to, hex[20..24].to_string())).collect()
    }

    /// What 07e1 says to a connection: (command, seq_num, code).
    pub fn told(&self, conn: ConnId) -> Vec<(u16, u16, RefusedCode)> {
        let told = |hex: &str| {
            let pdu = parse(hex);
            (pdu.command() == cmd::OTHER_REFUSED).then(|| {
                let refused: Refused = pdu.view().unwrap();
                assert!(!refused.reason().is_empty() && refused.attach_data.is_none());
                (refused.command_id as u16, pdu.header.seq_num, refused.code())
            })
        };
        self.to(conn).into_iter().filter_map(told).collect()
    }

    pub fn refusal(&self) -> &str {
        let refusal = |fact: &'_ Fact| matches!(fact, Fact::Refused { .. });
        match self.facts.iter().find(|fact| refusal(fact)) {
            Some(Fact::Refused { reason, .. }) => reason,
            _ => panic!("no refusal in {self:?}"),
        }
    }
}

/// Two db_proxies with a connection each.
pub fn config(protocol: Protocol) -> Config {
    Config {
        protocol,
        timing: Timing::original(),
        ip: "127.0.0.1".into(),
        port: 8000,
        limits: Limits::default(),
        max_conn_cnt: 100_000,
        host_name: "vm".into(),
        db_entries: 2,
        conns_per_entry: 1,
        text_key: crate::msg_server::DEFAULT_TEXT_KEY,
    }
}

impl Rig {
    /// A server without links.
    pub fn bare(protocol: Protocol) -> Self {
        Self::bare_of(config(protocol))
    }

    fn bare_of(config: Config) -> Self {
        let now = Now { up: Duration::ZERO, unix: Duration::from_secs(1_795_404_613) };
        let (draw, kinds, full) = (FixedDraw::default(), BTreeMap::new(), BTreeSet::new());
        Self { role: MsgServer::new(config), now, draw, kinds, full }
    }

    /// A server with all links open, whose next client has handle 7 as in the captures.
    pub fn with(protocol: Protocol) -> Self {
        Self::of(config(protocol))
    }

    /// The same, configured otherwise.
    pub fn of(config: Config) -> Self {
        let mut rig = Self::bare_of(config);
        rig.open(DB_LOGIN, Kind::Db { index: 0 });
        rig.open(DB_OTHER, Kind::Db { index: 1 });
        rig.open(LOGIN, Kind::Login { index: 0 });
        rig.open(ROUTE, Kind::Route { index: 0 });
        for conn in [5, 6] {
            rig.open(conn, Kind::Client);
            rig.gone(conn);
        }
        rig
    }

    pub fn teamtalk() -> Self {
        Self::with(Protocol::teamtalk())
    }

    /// The original but for these switches.
    pub fn only(names: &[&str]) -> Self {
        let mut protocol = Protocol::teamtalk();
        for name in names {
            assert!(protocol.set(name, true), "{name}");
        }
        Self::with(protocol)
    }

    pub fn event(&mut self, event: Event<Kind>) -> Done {
        let mut out = Vec::new();
        self.role.handle(self.now, &self.draw, event, &mut out);
        let mut done = Done::default();
        for action in out {
            match action {
                Action::Send { conn, pdu } => done.sent.push((conn, hex(&pdu.encode()))),
                Action::Ask { conn, of, .. } if self.full.contains(&conn) => {
                    let told = self.event(Event::NotAsked { conn, of });
                    done.sent.extend(told.sent);
                    done.closed.extend(told.closed);
                    done.facts.extend(told.facts);
                }
                Action::Ask { conn, pdu, .. } => done.sent.push((conn, hex(&pdu.encode()))),
                Action::Close { conn, .. } => done.closed.push(conn),
                Action::Admit { conn, pdu } => done.admitted.push((conn, pdu)),
                Action::Fact(fact) => done.facts.push(fact),
            }
        }
        done
    }

    pub fn open(&mut self, conn: ConnId, kind: Kind) -> Done {
        self.kinds.insert(conn, kind);
        self.event(Event::Opened { conn, kind })
    }

    pub fn gone(&mut self, conn: ConnId) -> Done {
        let kind = self.kinds[&conn];
        self.event(Event::Closed { conn, kind, reason: "by peer".into() })
    }

    pub fn tick_at(&mut self, seconds: f64) -> Done {
        self.at(seconds);
        self.event(Event::Tick)
    }

    pub fn at(&mut self, seconds: f64) {
        self.now.up = Duration::from_secs_f64(seconds);
    }

    /// A whole PDU in hex.
    pub fn hex(&mut self, conn: ConnId, text: &str) -> Done {
        let pdu = parse(text);
        let kind = self.kinds[&conn];
        self.event(Event::Pdu { conn, kind, pdu })
    }

    pub fn pdu(&mut self, conn: ConnId, command: u16, seq: u16, body: &str) -> Done {
        let pdu = Pdu::raw(command, seq, unhex(body).into());
        self.hex(conn, &hex(&pdu.encode()))
    }

    /// Logs a user in on a new connection; the name is `u<user>`.
    pub fn login(&mut self, conn: ConnId, user: u8, client_type: u8) -> Done {
        let attach = self.asks_login(conn, user, client_type);
        self.is_validated(user, &attach, "")
    }

    /// A new connection asks for a login of that name; the attach data of the 0703, in hex.
    pub fn asks_login(&mut self, conn: ConnId, user: u8, client_type: u8) -> String {
        self.open(conn, Kind::Client);
        let req = format!("{}120170180120{client_type:02x}", name(user));
        let asked = self.pdu(conn, cmd::LOGIN_REQ_USERLOGIN, 1, &req);
        let attach = &asked.to(DB_LOGIN)[0];
        attach[attach.len() - 24..].to_string()
    }

    /// db_proxy lets a login in; `tail` is more fields.
    pub fn is_validated(&mut self, user: u8, attach: &str, tail: &str) -> Done {
        let name = name(user);
        let info = format!(
            "08{user:02x}10011a00220028013200\
                            3a0042004a005000"
        );
        let info = format!("22{:02x}{info}", info.len() / 2);
        self.pdu(DB_LOGIN, 0x0704, 1, &format!("{name}10001a0161{info}a2010c{attach}{tail}"))
    }
}

/// The field `user_name` of a login of `u<user>`, in hex.
fn name(user: u8) -> String {
    format!("0a0275{:02x}", b'0' + user)
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

pub fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

fn parse(text: &str) -> Pdu {
    let bytes = unhex(text);
    let word = |i: usize| u16::from_be_bytes([bytes[i], bytes[i + 1]]);
    let header = Header {
        version: word(4),
        flag: word(6),
        service_id: word(8),
        command_id: word(10),
        seq_num: word(12),
        reserved: word(14),
    };
    Pdu { header, body: bytes[16..].to_vec().into() }
}

/// The body of a message in hex; `tail` is more fields.
pub fn message(from: u8, to: u8, msg_id: u8, kind: u8, tail: &str) -> String {
    format!("08{from:02x}10{to:02x}18{msg_id:02x}200528{kind:02x}32027531{tail}")
}

/// Attach data of a handle, as a field.
pub fn attach(handle: u32) -> String {
    format!("a2010c00000001{handle:08x}00000000")
}
