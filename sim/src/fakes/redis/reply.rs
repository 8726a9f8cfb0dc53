//! Replies, and how they look on the wire.

use crate::record::{Effect, kept};
use bytes::{Bytes, BytesMut};
use redis_protocol::{
    error::RedisProtocolError,
    resp2::{encode::extend_encode as encode2, types::BytesFrame as Frame2},
    resp3::{encode::complete::extend_encode as encode3, types::BytesFrame as Frame3},
};

/// What a command answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A status such as `OK`.
    Status(&'static str),
    /// An error, its code word first.
    Error(String),
    /// An integer.
    Int(i64),
    /// A string.
    Bulk(Bytes),
    /// No value.
    Null,
    /// A list.
    Array(Vec<Reply>),
    /// Pairs in the order of their keys: a map in RESP3, a flat list in RESP2. Keys are unique.
    Map(Vec<(Bytes, Reply)>),
}

impl Reply {
    /// Appends the wire form.
    pub(super) fn encode(self, resp3: bool, to: &mut BytesMut) -> Result<(), RedisProtocolError> {
        if resp3 {
            encode3(to, &self.into_resp3(), false)?;
        } else {
            encode2(to, &self.into_resp2(), false)?;
        }
        Ok(())
    }

    /// For a trace.
    pub fn effect(&self) -> Effect {
        match self {
            Self::Status(text) => Effect::Word(text),
            Self::Error(text) => Effect::Text(format!("error {text}")),
            Self::Int(n) => Effect::Int(*n),
            Self::Bulk(bytes) => Effect::Bytes(kept(bytes)),
            Self::Null => Effect::Word("nil"),
            Self::Array(items) => Effect::List(items.iter().map(Self::effect).collect()),
            Self::Map(pairs) => {
                let pair = |(k, v): &(Bytes, Self)| {
                    format!("{}: {}", crate::record::readable(k), v.effect())
                };
                let pairs: Vec<_> = pairs.iter().map(pair).collect();
                Effect::Text(format!("{{{}}}", pairs.join(", ")))
            }
        }
    }

    fn into_resp2(self) -> Frame2 {
        match self {
            Self::Status(text) => Frame2::SimpleString(Bytes::from_static(text.as_bytes())),
            Self::Error(text) => Frame2::Error(text.into()),
            Self::Int(n) => Frame2::Integer(n),
            Self::Bulk(bytes) => Frame2::BulkString(bytes),
            Self::Null => Frame2::Null,
            Self::Array(items) => Frame2::Array(items.into_iter().map(Self::into_resp2).collect()),
            Self::Map(pairs) => Frame2::Array(
                pairs
                    .into_iter()
                    .flat_map(|(k, v)| [Frame2::BulkString(k), v.into_resp2()])
                    .collect(),
            ),
        }
    }

    fn into_resp3(self) -> Frame3 {
        let blob = |data| Frame3::BlobString { data, attributes: None };
        match self {
            Self::Status(text) => {
                Frame3::SimpleString { data: Bytes::from_static(text.as_bytes()), attributes: None }
            }
            Self::Error(text) => Frame3::SimpleError { data: text.into(), attributes: None },
            Self::Int(data) => Frame3::Number { data, attributes: None },
            Self::Bulk(data) => blob(data),
            Self::Null => Frame3::Null,
            Self::Array(items) => Frame3::Array {
                data: items.into_iter().map(Self::into_resp3).collect(),
                attributes: None,
            },
            Self::Map(pairs) => Frame3::Map {
                data: pairs.into_iter().map(|(k, v)| (blob(k), v.into_resp3())).collect(),
                attributes: None,
            },
        }
    }
}
