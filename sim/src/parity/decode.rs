//! A PDU as a flat list of fields, in the order in which they stand in the body: what a
//! comparison needs, and what a reader of a failure needs.

use prost::{
    bytes::Buf,
    encoding::{WireType, decode_key, decode_varint},
};
use std::fmt;
use teamtalk::{
    catalogue::{self, id},
    wire::{
        Pdu,
        attach::{Attach, FIELD, kind},
        check::{ALL, Kind, Table},
    },
};

/// Numbers between these are seconds since the epoch (2017 to 2049): no id of a capture is as
/// large.
pub const TIMES: std::ops::Range<u64> = 1_500_000_000..2_500_000_000;

/// A field of a header or a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// `body.user_info.user_id`.
    pub path: String,
    /// What it holds.
    pub value: Value,
}

/// A field's value as far as it matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A number.
    Number(u64),
    /// A text, or bytes in hexadecimal.
    Text(String),
    /// Seconds since the epoch.
    Time(u64),
    /// A connection's number in its msg_server.
    Handle {
        /// It came with a message that another msg_server may have sent.
        relayed: bool,
        /// The number.
        handle: u32,
    },
    /// Differs from deployment to deployment.
    Any,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = ", self.path)?;
        match &self.value {
            Value::Number(n) => write!(f, "{n}"),
            Value::Text(text) => write!(f, "{text:?}"),
            Value::Time(seconds) => write!(f, "time {seconds}"),
            Value::Handle { handle, .. } => write!(f, "handle {handle}"),
            Value::Any => write!(f, "(any)"),
        }
    }
}

/// The fields of header and body; `relayed` says that the PDU reached a msg_server or client
/// through route_server.
pub fn fields(pdu: &Pdu, relayed: bool) -> Vec<Field> {
    let h = &pdu.header;
    let header = [
        // First, so that a PDU too many or too few reads as what it is.
        ("command_id", h.command_id),
        ("version", h.version),
        ("flag", h.flag),
        ("service_id", h.service_id),
        ("seq_num", h.seq_num),
        ("reserved", h.reserved),
    ];
    let mut out: Vec<_> = header
        .map(|(name, n)| Field { path: format!("header.{name}"), value: Value::Number(n.into()) })
        .into();
    let mut body = Body { command: h.command_id, relayed, out: &mut out };
    body.walk("body", catalogue::of(h.command_id).map(|command| command.body), &pdu.body);
    out
}

fn table(message: &str) -> &'static Table {
    ALL.iter().find(|table| table.name == message).expect("a message of the schema")
}

/// Walks one body.
struct Body<'a> {
    command: u16,
    relayed: bool,
    out: &'a mut Vec<Field>,
}

impl Body<'_> {
    fn push(&mut self, path: String, value: Value) {
        self.out.push(Field { path, value });
    }

    /// Appends the fields of a message; without a table, or where a body is no protobuf, its bytes.
    fn walk(&mut self, path: &str, table: Option<&'static Table>, mut body: &[u8]) {
        let Some(table) = table else {
            return self.push(path.into(), Value::Text(hex(body)));
        };
        while !body.is_empty() {
            let rest = body;
            if self.one(path, table, &mut body).is_none() {
                return self.push(format!("{path} (no protobuf)"), Value::Text(hex(rest)));
            }
        }
    }

    fn one(&mut self, path: &str, table: &'static Table, body: &mut &[u8]) -> Option<()> {
        let (number, wire) = decode_key(body).ok()?;
        let known = table.fields.iter().find(|field| field.number == number);
        let name = match known {
            Some(field) => format!("{path}.{}", field.name),
            None => format!("{path}.#{number}"),
        };
        match wire {
            WireType::Varint => {
                let n = decode_varint(body).ok()?;
                let value = match DEPLOYED.contains(&(table.name, number)) {
                    true => Value::Any,
                    false if TIMES.contains(&n) => Value::Time(n),
                    false => Value::Number(n),
                };
                self.push(name, value);
            }
            WireType::LengthDelimited => {
                let len = usize::try_from(decode_varint(body).ok()?).ok()?;
                let bytes = body.get(..len)?;
                body.advance(len);
                self.bytes(name, table, number, known.map(|field| &field.kind), bytes);
            }
            _ => return None,
        }
        Some(())
    }

    fn bytes(
        &mut self,
        path: String,
        table: &'static Table,
        number: u32,
        kind: Option<&Kind>,
        bytes: &[u8],
    ) {
        if DEPLOYED.contains(&(table.name, number)) {
            return self.push(path, Value::Any);
        }
        match kind {
            Some(Kind::Message(inner)) => {
                // So that an empty one shows as well.
                self.push(format!("{path} {{"), Value::Any);
                self.walk(&path, Some(*inner), bytes);
            }
            Some(Kind::Bytes) if number == FIELD => {
                let nested = table.name == "IM.Message.IMMsgData" && self.command != id::MSG_DATA;
                self.attach(path, nested, bytes);
            }
            Some(Kind::Bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => self.push(path, Value::Text(text.into())),
                Err(_) => self.push(path, Value::Text(hex(bytes))),
            },
            _ => self.push(path, Value::Text(hex(bytes))),
        }
    }

    /// Attach data (SYSTEM.md section 1); `nested`: it is that of a message in attach data.
    fn attach(&mut self, path: String, nested: bool, bytes: &[u8]) {
        let bare = matches!(
            self.command,
            id::OTHER_GET_DEVICE_TOKEN_REQ
                | id::OTHER_GET_DEVICE_TOKEN_RSP
                | id::OTHER_GET_SHIELD_REQ
                | id::OTHER_GET_SHIELD_RSP
        );
        if bare && !nested {
            self.push(format!("{path} {{"), Value::Any);
            return self.walk(&path, Some(table("IM.Message.IMMsgData")), bytes);
        }
        let Some(attach) = Attach::decode(bytes) else {
            return self.push(path, Value::Text(hex(bytes)));
        };
        let relayed = self.relayed || nested;
        self.push(format!("{path}.type"), Value::Number(attach.kind.into()));
        self.push(format!("{path}.handle"), Value::Handle { relayed, handle: attach.handle });
        self.push(format!("{path}.service_type"), Value::Number(attach.service_type.into()));
        let pdu = match (bytes.len(), &attach.pdu) {
            (12, None) => return,
            (len, Some(pdu)) if len == 16 + pdu.len() => pdu,
            _ => return self.push(format!("{path}.rest"), Value::Text(hex(&bytes[12..]))),
        };
        self.push(format!("{path}.pdu {{"), Value::Any);
        let inner = match attach.kind {
            kind::GROUP => Some("IM.Message.IMMsgData"),
            kind::PUSH => Some("IM.Server.IMPushToUserReq"),
            _ => None,
        };
        if !pdu.is_empty() {
            self.walk(&format!("{path}.pdu"), inner.map(table), pdu);
        }
    }
}

/// Fields that docs/CAPTURES.md leaves out of the comparison: ip, port, max_conn_cnt, host_name.
const DEPLOYED: &[(&str, u32)] = &[
    ("IM.Server.IMMsgServInfo", 1),
    ("IM.Server.IMMsgServInfo", 2),
    ("IM.Server.IMMsgServInfo", 3),
    ("IM.Server.IMMsgServInfo", 4),
    ("IM.Server.IMMsgServInfo", 6),
];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
