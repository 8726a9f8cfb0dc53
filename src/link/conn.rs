//! One connection: a task that cuts PDUs from what is read, and a buffer of what is to be written.
//! The owner writes the buffer itself when it has nothing else to do; what the socket does not take
//! at once is left to a second task.

use crate::{
    env::{ConnId, Stream},
    wire::{Pdu, frame, pdu::HEADER_LEN},
};
use bytes::{Buf, BytesMut};
use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, WriteHalf},
    sync::{Notify, mpsc},
    task::{AbortHandle, JoinSet},
    time::Instant,
};

/// How long a closed connection may still write what was queued, and read so that the peer's
/// unread bytes do not turn the close into a reset that destroys what was written (ours).
pub(crate) const LINGER: Duration = Duration::from_secs(1);

/// The most bytes of one write.
const BATCH: usize = 64 << 10;

/// What the tasks of a connection report.
#[derive(Debug)]
pub(crate) enum FromConn {
    /// A PDU came.
    Pdu(Pdu),
    /// The connection ended by itself: nothing more will come.
    Ended(String),
    /// What came is no PDU: the connection must be closed from this side.
    Broken(String),
}

/// The owner's side of a connection.
#[derive(Debug)]
pub(crate) struct Conn<S> {
    out: Arc<Out<S>>,
    heard: Arc<AtomicU64>,
    /// The longest PDU that is read, in bytes, header included.
    longest: Arc<AtomicU32>,
    reader: AbortHandle,
    writer: AbortHandle,
}

/// What goes to the peer.
#[derive(Debug)]
struct Out<S> {
    writing: Mutex<Writing<S>>,
    /// Wakes the writer's task: the owner has left it something to write.
    left: Notify,
}

#[derive(Debug)]
struct Writing<S> {
    socket: WriteHalf<S>,
    /// Bytes that the socket has not taken yet.
    unsent: BytesMut,
    /// The writer's task is writing, so the owner must not.
    is_left: bool,
    /// Nothing more is queued: close when all is written.
    closes: bool,
    /// The error of a write by the owner; the writer's task reports it.
    failed: Option<io::Error>,
    /// A write failed: nothing is written any more.
    dead: bool,
}

impl<S: Stream> Conn<S> {
    /// Starts both tasks. `wrap` makes the owner's event of what they report; a full `events`
    /// holds the reader back, and so the peer.
    pub fn start<T: Send + 'static>(
        stream: S,
        longest: u32,
        start: Instant,
        tasks: &mut JoinSet<()>,
        events: &mpsc::Sender<T>,
        wrap: impl Fn(ConnId, FromConn) -> T + Clone + Send + Sync + 'static,
    ) -> Self {
        let conn = stream.id();
        let (read, socket) = tokio::io::split(stream);
        let unsent = BytesMut::new();
        let (is_left, closes, failed, dead) = (false, false, None, false);
        let writing = Writing { socket, unsent, is_left, closes, failed, dead };
        let out = Arc::new(Out { writing: Mutex::new(writing), left: Notify::new() });
        let heard = Arc::new(AtomicU64::new(start.elapsed().as_micros() as u64));
        let longest = Arc::new(AtomicU32::new(longest));
        let reader = tasks.spawn({
            let (events, wrap, heard) = (events.clone(), wrap.clone(), heard.clone());
            let longest = longest.clone();
            async move {
                let mut reader = Reader { read, buf: BytesMut::new(), start, heard, longest };
                loop {
                    let next = match reader.next().await {
                        Ok(pdu) => FromConn::Pdu(pdu),
                        Err(ended) => ended,
                    };
                    let ended = !matches!(next, FromConn::Pdu(_));
                    if events.send(wrap(conn, next)).await.is_err() || ended {
                        return;
                    }
                }
            }
        });
        let writer = tasks.spawn({
            let (events, out) = (events.clone(), out.clone());
            async move {
                if let Err(error) = out.write_what_is_left().await {
                    let ended = FromConn::Ended(format!("write failed: {error}"));
                    let _ = events.send(wrap(conn, ended)).await;
                }
            }
        });
        Self { out, heard, longest, reader, writer }
    }

    /// PDUs of so many bytes are read from now on, header included.
    pub fn admit(&self, longest: u32) {
        self.longest.store(longest, Relaxed);
    }

    /// Bytes queued and not yet taken by the socket.
    pub fn unsent(&self) -> usize {
        self.out.writing().unsent.len()
    }

    /// When the last byte came, since the owner's start.
    pub fn heard(&self) -> Duration {
        Duration::from_micros(self.heard.load(Relaxed))
    }

    /// Queues a PDU; the caller has checked the bound. [`Self::flush`] writes it.
    pub fn send(&self, pdu: &Pdu) {
        let mut writing = self.out.writing();
        // A failed write is reported: what is queued after it is lost anyway.
        if !writing.dead {
            pdu.write_to(&mut writing.unsent);
        }
    }

    /// Writes what is queued, as far as the socket takes it now.
    pub fn flush(&self) {
        let mut writing = self.out.writing();
        if writing.is_left || writing.unsent.is_empty() {
            return;
        }
        let done = writing.poll_all(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(Ok(())) = done {
            return;
        }
        if let Poll::Ready(Err(error)) = done {
            writing.failed = Some(error);
        }
        writing.is_left = true;
        drop(writing);
        self.out.left.notify_one();
    }

    /// Writes what is queued, then closes, within [`LINGER`].
    pub fn close(self, tasks: &mut JoinSet<()>) {
        let Self { out, reader, writer, .. } = self;
        {
            let mut writing = out.writing();
            (writing.closes, writing.is_left) = (true, true);
        }
        out.left.notify_one();
        tasks.spawn(async move {
            tokio::time::sleep(LINGER).await;
            reader.abort();
            writer.abort();
        });
    }

    /// Closes at once; what is queued is lost.
    pub fn abort(self) {
        self.reader.abort();
        self.writer.abort();
    }
}

impl<S: AsyncRead + AsyncWrite> Out<S> {
    /// No code panics while it holds the lock, so it cannot be poisoned.
    fn writing(&self) -> MutexGuard<'_, Writing<S>> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The writer's task: writes what the owner could not, whenever there is something, until the
    /// connection ends.
    async fn write_what_is_left(&self) -> io::Result<()> {
        loop {
            self.left.notified().await;
            let written = |cx: &mut Context<'_>| {
                let mut writing = self.writing();
                if let Some(error) = writing.failed.take() {
                    return Poll::Ready(Err(error));
                }
                ready!(writing.poll_all(cx))?;
                writing.is_left = writing.closes;
                Poll::Ready(Ok(writing.closes))
            };
            if poll_fn(written).await? {
                return poll_fn(|cx| Pin::new(&mut self.writing().socket).poll_shutdown(cx)).await;
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite> Writing<S> {
    /// Writes all that is queued.
    fn poll_all(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let written = self.poll_write(cx);
        self.dead |= matches!(written, Poll::Ready(Err(_)));
        written
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            let part = &self.unsent[..self.unsent.len().min(BATCH)];
            let written = ready!(Pin::new(&mut self.socket).poll_write(cx, part))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unsent.advance(written);
        }
        if self.unsent.capacity() > BATCH {
            // The capacity that a slow peer once needed is given back.
            self.unsent = BytesMut::new();
        }
        Pin::new(&mut self.socket).poll_flush(cx)
    }
}

/// What a PDU takes on the wire, in bytes.
pub(crate) fn size(pdu: &Pdu) -> usize {
    HEADER_LEN + pdu.body.len()
}

struct Reader<R> {
    read: R,
    buf: BytesMut,
    start: Instant,
    heard: Arc<AtomicU64>,
    longest: Arc<AtomicU32>,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    /// The next PDU, or why there is none.
    async fn next(&mut self) -> Result<Pdu, FromConn> {
        let ended = |reason: String| Err(FromConn::Ended(reason));
        loop {
            match frame::cut(&mut self.buf, self.longest.load(Relaxed)) {
                Ok(Some(pdu)) => return Ok(pdu),
                Ok(None) => {}
                Err(error) => return Err(FromConn::Broken(error.to_string())),
            }
            match self.read.read_buf(&mut self.buf).await {
                Ok(0) if self.buf.is_empty() => return ended("closed by the peer".into()),
                Ok(0) => return ended("closed by the peer within a PDU".into()),
                Ok(_) => self.heard.store(self.start.elapsed().as_micros() as u64, Relaxed),
                Err(error) => return ended(format!("read failed: {error}")),
            }
        }
    }
}
