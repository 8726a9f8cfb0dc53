//! The rig's socket: turmoil's stream, which counts bytes, records PDUs, has a window of bytes in
//! flight, and does what running faults want.

use super::{
    roster::HostId,
    shared::{Inner, Kill, Shared},
    streams::StreamState,
    tap::Tap,
};
use crate::record::{End, Frame, Kind};
use std::{
    io,
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker, ready},
};
use teamtalk::env::ConnId;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// turmoil's end of a stream; `None` once its host was killed.
pub type Wire = Arc<Mutex<Option<turmoil::net::TcpStream>>>;

/// One end of a stream.
#[derive(Debug)]
pub struct Socket {
    inner: Wire,
    shared: Shared,
    host: HostId,
    peer: HostId,
    id: ConnId,
    end: End,
    taps: Option<(Tap, Tap)>,
    /// Its FIN has been sent.
    finished: bool,
}

/// How much a read or write may pass just now.
enum Allowed {
    /// So many bytes; `tiny` if a fault makes each call that small.
    Bytes { most: usize, tiny: Option<usize> },
    /// Nothing; the task is woken when that may have changed.
    Wait,
    /// This tick's bytes have been read: only an end of the stream passes.
    SpentThisTick,
}

impl Socket {
    /// Wraps an end; `pdus` says whether its bytes are PDUs (else a store's protocol).
    pub fn new(
        inner: turmoil::net::TcpStream,
        shared: Shared,
        (host, peer): (HostId, HostId),
        id: ConnId,
        end: End,
        pdus: bool,
    ) -> Self {
        let inner = Arc::new(Mutex::new(Some(inner)));
        {
            let mut shared = shared.lock();
            shared.streams.attach(id, end);
            shared.sockets.insert((id, end), inner.clone());
        }
        let taps = pdus.then(Default::default);
        Self { inner, shared, host, peer, id, end, taps, finished: false }
    }

    /// How much a read may pass; `Err` once the stream has been reset. Remembers who to wake
    /// when that changes.
    fn readable(&self, cx: &Context<'_>) -> io::Result<Allowed> {
        let mut shared = self.shared.lock();
        let now = shared.now_us;
        let Inner { network, streams, .. } = &mut *shared;
        let all = Ok(Allowed::Bytes { most: usize::MAX, tiny: None });
        let Some(stream) = streams.get_mut(&self.id) else { return all };
        check(stream, self.end, cx)?;
        if network.is_calm() {
            return all;
        }
        let end = stream.end(self.end);
        if network.is_paused(self.host) {
            remember(&mut end.blocked, cx);
            return Ok(Allowed::Wait);
        }
        let tiny = network.io_limit(self.host);
        let mut most = tiny.unwrap_or(usize::MAX);
        if let Some(limit) = network.read_limit(self.host, self.peer) {
            let (tick, read) = end.read_in_tick;
            let left = if tick == now { limit.saturating_sub(read) } else { limit };
            if left == 0 {
                return Ok(Allowed::SpentThisTick);
            }
            most = most.min(left);
        }
        Ok(Allowed::Bytes { most, tiny })
    }

    /// How much of a write of so many bytes may pass; else as [`Self::readable`].
    fn writable(&self, cx: &Context<'_>, bytes: usize) -> io::Result<Allowed> {
        let mut shared = self.shared.lock();
        let Inner { network, streams, .. } = &mut *shared;
        let all = Ok(Allowed::Bytes { most: usize::MAX, tiny: None });
        let Some(stream) = streams.get_mut(&self.id) else { return all };
        check(stream, self.end, cx)?;
        let room = stream.room(self.end, bytes);
        let paused = network.is_paused(self.host);
        if paused || room == 0 {
            remember(&mut stream.end(self.end).blocked, cx);
            if paused {
                network.paused(self.host);
            }
            return Ok(Allowed::Wait);
        }
        let tiny = network.io_limit(self.host);
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        Ok(Allowed::Bytes { most: room.min(tiny.unwrap_or(usize::MAX)), tiny })
    }

    /// Uses turmoil's end.
    fn wire<T>(
        &self,
        poll: impl FnOnce(Pin<&mut turmoil::net::TcpStream>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match &mut *self.inner.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(stream) => poll(Pin::new(stream)),
            None => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
        }
    }

    /// A read when this tick's bytes have been read: the end of the stream is seen, bytes wait.
    fn peek(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut space = [0; 1];
        let mut buf = ReadBuf::new(&mut space);
        match ready!(self.wire(|s| s.get_mut().poll_peek(cx, &mut buf)))? {
            0 => Poll::Ready(Ok(())),
            _ => {
                let mut shared = self.shared.lock();
                shared.network.read_late(self.host, self.peer);
                remember(&mut shared.next_tick, cx);
                Poll::Pending
            }
        }
    }

    /// Notes bytes that were read or written, and the frames that they complete.
    fn tap(&mut self, mut bytes: &[u8], sent: bool) {
        let mut shared = self.shared.lock();
        let now = shared.now_us;
        let Inner { network, streams, .. } = &mut *shared;
        let Some(stream) = streams.get_mut(&self.id) else { return };
        if sent {
            stream.end(self.end).written += bytes.len() as u64;
            stream.lost_data |= network.sent(self.host, self.peer, Some(self.id));
        } else {
            let end = stream.end(self.end);
            end.read += bytes.len() as u64;
            let (tick, read) = &mut end.read_in_tick;
            (*tick, *read) = (now, if *tick == now { *read + bytes.len() } else { bytes.len() });
            stream.peer(self.end).blocked.drain(..).for_each(Waker::wake);
        }
        let Some((reading, writing)) = &mut self.taps else { return };
        let tap = if sent { writing } else { reading };
        while let Some((k, pdu)) = tap.next(bytes) {
            bytes = &[];
            let frame = Frame::new(self.id, self.end, k, pdu);
            let kind = if sent { Kind::PduSent(frame) } else { Kind::PduReceived(frame) };
            shared.record_at(self.host, kind);
        }
        let unfinished = tap.unfinished() as u64;
        if !sent && unfinished > 0 {
            shared.streams.unfinished(self.id, self.end, unfinished);
        }
    }
}

impl teamtalk::env::Stream for Socket {
    fn id(&self) -> ConnId {
        self.id
    }

    fn source(&self) -> Option<IpAddr> {
        let wire = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        wire.as_ref()?.peer_addr().ok().map(|peer| peer.ip())
    }
}

/// `Err` once the stream has been reset; else remembers who to wake when it is.
fn check(stream: &mut StreamState, end: End, cx: &Context<'_>) -> io::Result<()> {
    if stream.reset {
        return Err(io::ErrorKind::ConnectionReset.into());
    }
    remember(&mut stream.end(end).wakers, cx);
    Ok(())
}

/// Adds a task to those that are to be woken.
fn remember(wakers: &mut Vec<Waker>, cx: &Context<'_>) {
    if !wakers.iter().any(|w| w.will_wake(cx.waker())) {
        wakers.push(cx.waker().clone());
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (most, tiny) = match self.readable(cx)? {
            Allowed::Bytes { most, tiny } => (most, tiny),
            Allowed::Wait => return Poll::Pending,
            Allowed::SpentThisTick => return self.peek(cx),
        };
        if most < buf.remaining() {
            let mut space = vec![0; most];
            let mut part = ReadBuf::new(&mut space);
            ready!(self.wire(|s| s.poll_read(cx, &mut part)))?;
            buf.put_slice(part.filled());
            self.tap(part.filled(), false);
            if Some(part.filled().len()) == tiny {
                self.shared.lock().network.made_smaller(self.host);
            }
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let ready = self.wire(|s| s.poll_read(cx, buf));
        if let Poll::Ready(Ok(())) = &ready {
            self.tap(&buf.filled()[before..], false);
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
        let Allowed::Bytes { most, tiny } = self.writable(cx, buf.len())? else {
            return Poll::Pending;
        };
        let part = &buf[..buf.len().min(most)];
        let ready = self.wire(|s| s.poll_write(cx, part));
        if let Poll::Ready(Ok(n)) = ready {
            self.tap(&buf[..n], true);
            if n < buf.len() && Some(n) == tiny {
                self.shared.lock().network.made_smaller(self.host);
            }
        }
        ready
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire(|s| s.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        {
            let mut shared = self.shared.lock();
            let Inner { network, streams, .. } = &mut *shared;
            if let Some(stream) = streams.get_mut(&self.id) {
                if network.is_paused(self.host) {
                    remember(&mut stream.end(self.end).blocked, cx);
                    return Poll::Pending;
                }
                stream.lost_data |= network.sent(self.host, self.peer, Some(self.id));
            }
        }
        self.finished = true;
        self.wire(|s| s.poll_shutdown(cx))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let shared = self.shared.lock();
        if shared.killing.is_some() {
            // A runtime drops its tasks in an order that differs from run to run: the first socket
            // closes those of the whole host, in the order in which the streams came about.
            let all = shared.sockets_of(self.host);
            drop(shared);
            for (id, end) in all {
                close(&self.shared, id, end, self.finished && (id, end) == (self.id, self.end));
            }
        } else {
            drop(shared);
            close(&self.shared, self.id, self.end, self.finished);
        }
    }
}

/// Closes an end of a stream, unless it is closed. `finished`: its FIN was sent before.
fn close(shared: &Shared, id: ConnId, end: End, finished: bool) {
    let mut inner = shared.lock();
    let Some(wire) = inner.sockets.remove(&(id, end)) else { return };
    let Inner { network, streams, orphaned, killing, .. } = &mut *inner;
    let Some(stream) = streams.get_mut(&id) else { return };
    let (host, peer) = stream.hosts(end);
    // The FIN goes this way, and what answers the peer's next segment with a reset is the other
    // one.
    let fin_lost =
        if finished { network.cuts(host, peer) } else { network.sent(host, peer, Some(id)) };
    let cut = fin_lost || network.cuts(peer, host);
    stream.lost_data |= cut || *killing == Some(Kill::Power);
    if stream.lost_data && !stream.reset && *killing != Some(Kill::Power) {
        orphaned.insert(id);
    }
    streams.close(id, end);
    inner.record_at(host, Kind::Disconnected { conn: id, end });
    drop(inner);
    drop(wire.lock().unwrap_or_else(PoisonError::into_inner).take());
}
