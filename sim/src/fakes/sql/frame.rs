//! The framed protocol between client and host: a length, then a body. All numbers big-endian.
//!
//! The host greets with an empty response. A request is a batch of statements with their
//! parameters, often of one; the response their outcomes, and the error that ended the batch. One
//! request at a time.

use bytes::{Buf, BufMut, Bytes, BytesMut, TryGetError};
use std::{
    io,
    ops::Range,
    pin::Pin,
    task::{Context, Waker},
};
use teamtalk::store::sql::{BatchError, Outcome, SqlError, Statement, Value};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

/// No frame is longer, in bytes (max_allowed_packet's default).
const LONGEST: usize = 16 << 20;

/// Bytes of a frame's length.
const LENGTH: usize = 4;

/// What most frames fit in, in bytes.
const USUAL: usize = 512;

/// A frame to be sent: room for its length, and its body.
pub(super) struct Outgoing(BytesMut);

impl Outgoing {
    fn new() -> Self {
        let mut frame = BytesMut::with_capacity(USUAL);
        frame.put_bytes(0, LENGTH);
        Self(frame)
    }

    #[cfg(test)]
    fn body(self) -> Bytes {
        self.0.freeze().slice(LENGTH..)
    }
}

/// A statement of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// Where it is in the request's bytes.
    pub(super) at: Range<usize>,
    pub(super) text: String,
    pub(super) params: Vec<Value>,
}

/// What came of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Response {
    /// Of the statements that ran, in order.
    pub(super) outcomes: Vec<Outcome>,
    /// Of the one after them.
    pub(super) error: Option<SqlError>,
}

impl Response {
    /// The outcomes, if no statement failed.
    pub(super) fn whole(self) -> Result<Vec<Outcome>, BatchError> {
        match self.error {
            None => Ok(self.outcomes),
            Some(error) => Err(BatchError { at: self.outcomes.len(), error }),
        }
    }
}

/// A connection with what was read ahead of it.
pub(super) struct Wire<S> {
    stream: S,
    read: BytesMut,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, read: BytesMut::new() }
    }

    /// The next frame; `None` at the end of the stream. Cancel-safe.
    pub(super) async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if let Some(header) = self.read.first_chunk::<4>() {
                let length = usize::try_from(u32::from_be_bytes(*header)).unwrap_or(usize::MAX);
                if length > LONGEST {
                    return Err(invalid("frame too long"));
                }
                if self.read.len() >= 4 + length {
                    self.read.advance(4);
                    return Ok(Some(self.read.split_to(length).freeze()));
                }
            }
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Whether the other end is not known to have closed it. Asked while no frame is under way: one that
    /// nobody asked for ends it too.
    pub(super) fn is_open(&mut self) -> bool {
        let mut space = [0; 1];
        let mut read = ReadBuf::new(&mut space);
        let stream = Pin::new(&mut self.stream);
        self.read.is_empty()
            && stream.poll_read(&mut Context::from_waker(Waker::noop()), &mut read).is_pending()
    }

    /// Reads ahead until the connection ends.
    pub(super) async fn gone(&mut self) -> io::Result<()> {
        while self.stream.read_buf(&mut self.read).await? > 0 {}
        Ok(())
    }

    pub(super) async fn send(&mut self, mut frame: Outgoing) -> io::Result<()> {
        let length = frame.0.len() - LENGTH;
        let length = u32::try_from(length).map_err(|_| invalid("frame too long"))?;
        frame.0[..LENGTH].copy_from_slice(&length.to_be_bytes());
        self.stream.write_all(&frame.0).await
    }
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_string())
}

pub(super) fn encode_request(statements: &[Statement<'_>]) -> Outgoing {
    let mut frame = Outgoing::new();
    put_count(&mut frame.0, statements.len());
    for Statement { text, params } in statements {
        put_bytes(&mut frame.0, text.as_bytes());
        put_values(&mut frame.0, params);
    }
    frame
}

/// The statements of a request.
pub(super) fn decode_request(body: &Bytes) -> io::Result<Vec<Asked>> {
    let mut rest = body.clone();
    let count = get(rest.try_get_u32())?;
    let statement = |_| {
        let start = body.len() - rest.len();
        let (text, params) = (get_text(&mut rest)?, get_values(&mut rest)?);
        Ok(Asked { at: start..body.len() - rest.len(), text, params })
    };
    (0..count).map(statement).collect()
}

pub(super) fn encode_response(response: &Response) -> Outgoing {
    let mut frame = Outgoing::new();
    let body = &mut frame.0;
    put_count(body, response.outcomes.len());
    for outcome in &response.outcomes {
        put_outcome(body, outcome);
    }
    match &response.error {
        None => body.put_u8(0),
        Some(SqlError::Server { code, message }) => {
            body.put_u8(1);
            body.put_u16(*code);
            put_bytes(body, message.as_bytes());
        }
        Some(SqlError::Lost(why)) => {
            // An engine has no connection to lose; ER_UNKNOWN_ERROR if it ever says so.
            body.put_u8(1);
            body.put_u16(1105);
            put_bytes(body, why.as_bytes());
        }
    }
    frame
}

fn put_outcome(body: &mut BytesMut, outcome: &Outcome) {
    body.put_u64(outcome.affected);
    body.put_u64(outcome.last_insert_id);
    put_count(body, outcome.columns.len());
    for column in &outcome.columns {
        put_bytes(body, column.as_bytes());
    }
    put_count(body, outcome.rows.len());
    for row in &outcome.rows {
        put_values(body, row);
    }
}

pub(super) fn decode_response(mut body: Bytes) -> io::Result<Response> {
    let body = &mut body;
    let outcomes =
        (0..get(body.try_get_u32())?).map(|_| get_outcome(body)).collect::<io::Result<_>>()?;
    let error = match get(body.try_get_u8())? {
        0 => None,
        _ => {
            let code = get(body.try_get_u16())?;
            Some(SqlError::Server { code, message: get_text(body)? })
        }
    };
    Ok(Response { outcomes, error })
}

fn get_outcome(body: &mut Bytes) -> io::Result<Outcome> {
    let (affected, last_insert_id) = (get(body.try_get_u64())?, get(body.try_get_u64())?);
    let columns =
        (0..get(body.try_get_u32())?).map(|_| get_text(body)).collect::<io::Result<_>>()?;
    let rows =
        (0..get(body.try_get_u32())?).map(|_| get_values(body)).collect::<io::Result<_>>()?;
    Ok(Outcome { columns, rows, affected, last_insert_id })
}

fn put_count(to: &mut BytesMut, n: usize) {
    // A longer list could not be sent: its frame would pass LONGEST.
    to.put_u32(u32::try_from(n).unwrap_or(u32::MAX));
}

fn put_bytes(to: &mut BytesMut, bytes: &[u8]) {
    put_count(to, bytes.len());
    to.put_slice(bytes);
}

fn put_values(to: &mut BytesMut, values: &[Value]) {
    put_count(to, values.len());
    for value in values {
        match value {
            Value::Null => to.put_u8(0),
            Value::Int(n) => {
                to.put_u8(1);
                to.put_i64(*n);
            }
            Value::Bytes(bytes) => {
                to.put_u8(2);
                put_bytes(to, bytes);
            }
        }
    }
}

fn get<T>(got: Result<T, TryGetError>) -> io::Result<T> {
    got.map_err(|_| invalid("frame too short"))
}

/// A length that the rest of the frame has room for.
fn get_length(from: &mut Bytes) -> io::Result<usize> {
    let length = usize::try_from(get(from.try_get_u32())?).unwrap_or(usize::MAX);
    if length > from.len() { Err(invalid("frame too short")) } else { Ok(length) }
}

fn get_bytes(from: &mut Bytes) -> io::Result<Bytes> {
    let length = get_length(from)?;
    Ok(from.split_to(length))
}

fn get_text(from: &mut Bytes) -> io::Result<String> {
    let length = get_length(from)?;
    // A part of its own would be one more thing to allocate.
    let text = std::str::from_utf8(&from[..length]).map(str::to_string);
    from.advance(length);
    text.map_err(|_| invalid("text is not UTF-8"))
}

fn get_values(from: &mut Bytes) -> io::Result<Vec<Value>> {
    let count = usize::try_from(get(from.try_get_u32())?).unwrap_or(usize::MAX);
    // Each has a byte at least: a count that is wrong costs nothing before its values are there.
    let mut values = Vec::with_capacity(count.min(from.len()));
    for _ in 0..count {
        values.push(match get(from.try_get_u8())? {
            0 => Value::Null,
            1 => get(from.try_get_i64()).map(Value::Int)?,
            2 => get_bytes(from).map(Value::Bytes)?,
            _ => return Err(invalid("no such value")),
        });
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_round_trip_and_refuse_to_be_cut() {
        let params = [Value::Null, Value::Int(-3), Value::Bytes(Bytes::from_static(b"\xff"))];
        let statements = [("select ?, ?, ?", &params[..]), ("COMMIT", &[])];
        let statements = statements.map(|(text, params)| Statement { text, params });
        let request = encode_request(&statements).body();
        let back = decode_request(&request).unwrap();
        let shown: Vec<_> = back.iter().map(|asked| (&*asked.text, &*asked.params)).collect();
        assert_eq!(shown, statements.map(|s| (s.text, s.params)));
        let places: Vec<_> = back.iter().map(|asked| (asked.at.start, asked.at.end)).collect();
        assert_eq!((places[0].0, places[0].1, places[1].1), (4, places[1].0, request.len()));
        let outcome = Outcome {
            columns: vec!["a".into()],
            rows: vec![vec![Value::Int(1)], vec![Value::Null]],
            affected: 7,
            last_insert_id: 9,
        };
        let error = SqlError::Server { code: 1062, message: "Duplicate".into() };
        for (outcomes, error) in [(vec![outcome; 2], None), (vec![], Some(error))] {
            let response = Response { outcomes, error };
            let body = encode_response(&response).body();
            assert_eq!(decode_response(body.clone()).unwrap(), response);
            assert!((0..body.len()).all(|end| decode_response(body.slice(..end)).is_err()));
        }
        assert!((0..request.len()).all(|end| decode_request(&request.slice(..end)).is_err()));
    }
}
