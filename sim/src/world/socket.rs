//! The rig's socket: turmoil's stream, which counts bytes, records PDUs and can be reset.

use super::shared::Shared;
use crate::record::{End, Frame, Kind};
use bytes::BytesMut;
use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};
use teamtalk::{env::ConnId, wire::frame::Codec};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::codec::Decoder;

/// Cuts one direction's bytes into frames for the trace.
#[derive(Debug, Default)]
struct Tap {
    buffer: BytesMut,
    frames: u64,
    broken: bool,
}

/// One end of a stream.
#[derive(Debug)]
pub struct Socket {
    inner: turmoil::net::TcpStream,
    shared: Shared,
    host: String,
    id: ConnId,
    end: End,
    taps: Option<(Tap, Tap)>,
    finished: bool,
}

impl Socket {
    /// Wraps an end; `pdus` says whether its bytes are PDUs (else a store's protocol).
    pub fn new(
        inner: turmoil::net::TcpStream,
        shared: Shared,
        host: String,
        id: ConnId,
        end: End,
        pdus: bool,
    ) -> Self {
        if let Some(stream) = shared.lock().streams.get_mut(&id) {
            stream.end(end).open = true;
        }
        let taps = pdus.then(Default::default);
        Self { inner, shared, host, id, end, taps, finished: false }
    }

    /// `Err` once the stream has been reset; else remembers who to wake when it is.
    fn check(&self, cx: &Context<'_>) -> io::Result<()> {
        let mut shared = self.shared.lock();
        let Some(stream) = shared.streams.get_mut(&self.id) else { return Ok(()) };
        if stream.reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let wakers = &mut stream.end(self.end).wakers;
        if !wakers.iter().any(|w| w.will_wake(cx.waker())) {
            wakers.push(cx.waker().clone());
        }
        Ok(())
    }

    /// Notes bytes that were read or written, and the frames that they complete.
    fn tap(&mut self, bytes: &[u8], sent: bool) {
        let mut shared = self.shared.lock();
        let Some(stream) = shared.streams.get_mut(&self.id) else { return };
        let (from, to) = match self.end {
            End::Dialler => (stream.from.clone(), stream.to.clone()),
            End::Acceptor => (stream.to.clone(), stream.from.clone()),
        };
        if sent {
            stream.end(self.end).written += bytes.len() as u64;
            if shared.cuts.contains(&(from, to)) {
                shared.streams.get_mut(&self.id).expect("just seen").lost_data = true;
            }
        } else {
            stream.end(self.end).read += bytes.len() as u64;
        }
        let Some((reading, writing)) = &mut self.taps else { return };
        let tap = if sent { writing } else { reading };
        if tap.broken {
            return;
        }
        tap.buffer.extend_from_slice(bytes);
        loop {
            match Codec.decode(&mut tap.buffer) {
                Ok(Some(pdu)) => {
                    tap.frames += 1;
                    let frame = Frame { conn: self.id, end: self.end, k: tap.frames, pdu };
                    let kind = if sent { Kind::PduSent(frame) } else { Kind::PduReceived(frame) };
                    shared.record(&self.host, kind);
                }
                Ok(None) => return,
                Err(_) => {
                    tap.broken = true;
                    return;
                }
            }
        }
    }
}

impl teamtalk::env::Stream for Socket {
    fn id(&self) -> ConnId {
        self.id
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        let before = buf.filled().len();
        let ready = Pin::new(&mut self.inner).poll_read(cx, buf);
        if let Poll::Ready(Ok(())) = &ready {
            let read = buf.filled()[before..].to_vec();
            self.tap(&read, false);
        }
        ready
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        let ready = Pin::new(&mut self.inner).poll_write(cx, buf);
        if let Poll::Ready(Ok(n)) = ready {
            self.tap(&buf[..n], true);
        }
        ready
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.finished = true;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let mut shared = self.shared.lock();
        let (id, end) = (self.id, self.end);
        let Some(stream) = shared.streams.get_mut(&id) else { return };
        stream.end(end).open = false;
        stream.end(end).wakers.clear();
        // The peer's next segment to a closed socket is answered with a reset: real TCP heals a
        // half-dead stream in this way, turmoil does not.
        let (from, to) = (stream.from.clone(), stream.to.clone());
        let cut = [(from.clone(), to.clone()), (to, from)].iter().any(|p| shared.cuts.contains(p));
        let stream = shared.streams.get_mut(&id).expect("just seen");
        stream.lost_data |= cut;
        if stream.lost_data && !stream.reset {
            shared.orphaned.insert(id);
        }
        shared.record(&self.host, Kind::Disconnected { conn: id, end });
    }
}
