//! Setting and removing top-level fields in raw bytes: what is not named stays, byte for byte,
//! unknown fields too.

use bytes::Bytes;

/// Edits of one body, applied in order.
#[derive(Debug)]
pub struct Edit {
    body: Vec<u8>,
}

impl Edit {
    /// Starts from a body. A body that is no protobuf is kept as it is by every edit; callers
    /// check it first.
    pub fn of(body: &[u8]) -> Self {
        Self { body: body.to_vec() }
    }

    /// Sets a varint field: in place of its last occurrence, or at the end.
    pub fn uint(self, field: u32, value: u64) -> Self {
        let mut encoded = Vec::new();
        prost::encoding::uint64::encode(field, &value, &mut encoded);
        self.replace(field, Some(encoded))
    }

    /// Sets a length-delimited field: in place of its last occurrence, or at the end.
    pub fn bytes(self, field: u32, value: &[u8]) -> Self {
        let mut encoded = Vec::new();
        prost::encoding::bytes::encode(field, &value.to_vec(), &mut encoded);
        self.replace(field, Some(encoded))
    }

    /// Removes every occurrence of a field.
    pub fn clear(self, field: u32) -> Self {
        self.replace(field, None)
    }

    /// The edited body.
    pub fn done(self) -> Bytes {
        self.body.into()
    }

    fn replace(mut self, field: u32, with: Option<Vec<u8>>) -> Self {
        let Some(spans) = spans_of(&self.body, field) else { return self };
        let last = spans.last().cloned();
        for span in spans.into_iter().rev() {
            let is_last = Some(&span) == last.as_ref();
            let new = if is_last { with.clone().unwrap_or_default() } else { Vec::new() };
            self.body.splice(span, new);
        }
        if last.is_none() {
            self.body.extend(with.unwrap_or_default());
        }
        self
    }
}

/// Where a field stands in a body, in order; `None` if the body is no protobuf.
fn spans_of(body: &[u8], field: u32) -> Option<Vec<std::ops::Range<usize>>> {
    use prost::encoding::{DecodeContext, decode_key, skip_field};
    let mut rest = body;
    let mut spans = Vec::new();
    while !rest.is_empty() {
        let start = body.len() - rest.len();
        let (tag, wire_type) = decode_key(&mut rest).ok()?;
        skip_field(wire_type, tag, &mut rest, DecodeContext::default()).ok()?;
        if tag == field {
            spans.push(start..body.len() - rest.len());
        }
    }
    Some(spans)
}
