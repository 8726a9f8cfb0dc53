//! One connection's two tasks: a reader that cuts PDUs, a writer fed by a counted queue.

use crate::{
    env::{ConnId, Stream},
    wire::{Pdu, frame::Codec, pdu::HEADER_LEN},
};
use bytes::BytesMut;
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::mpsc,
    task::{AbortHandle, JoinSet},
    time::Instant,
};
use tokio_util::codec::Decoder;

/// How long a closed connection may still write what was queued, and read so that the peer's
/// unread bytes do not turn the close into a reset that destroys what was written (ours).
pub(crate) const LINGER: Duration = Duration::from_secs(1);

/// The writer gathers queued PDUs up to about this many bytes a write.
const BATCH: usize = 64 << 10;

/// What the tasks of a connection report.
#[derive(Debug)]
pub(crate) enum FromConn {
    /// A PDU came.
    Pdu(Pdu),
    /// It ended by itself: nothing more will come.
    Ended(String),
    /// Its bytes are no PDUs: it must be closed from this side.
    Broken(String),
}

/// The owner's side of a connection.
#[derive(Debug)]
pub(crate) struct Conn {
    queue: mpsc::UnboundedSender<Pdu>,
    unsent: Arc<AtomicUsize>,
    heard: Arc<AtomicU64>,
    reader: AbortHandle,
    writer: AbortHandle,
}

impl Conn {
    /// Starts both tasks. `wrap` makes the owner's event of what they report; a full `events`
    /// holds the reader back, and so the peer.
    pub fn start<S: Stream, T: Send + 'static>(
        stream: S,
        start: Instant,
        tasks: &mut JoinSet<()>,
        events: &mpsc::Sender<T>,
        wrap: impl Fn(ConnId, FromConn) -> T + Clone + Send + Sync + 'static,
    ) -> Self {
        let conn = stream.id();
        let (read, write) = tokio::io::split(stream);
        let (queue, queued) = mpsc::unbounded_channel();
        let unsent = Arc::new(AtomicUsize::new(0));
        let heard = Arc::new(AtomicU64::new(start.elapsed().as_micros() as u64));
        let reader = tasks.spawn({
            let (events, wrap, heard) = (events.clone(), wrap.clone(), heard.clone());
            async move {
                let mut reader = Reader { read, buf: BytesMut::new(), start, heard };
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
            let (events, unsent) = (events.clone(), unsent.clone());
            async move {
                if let Err(error) = write_all(write, queued, unsent).await {
                    let ended = FromConn::Ended(format!("write failed: {error}"));
                    let _ = events.send(wrap(conn, ended)).await;
                }
            }
        });
        Self { queue, unsent, heard, reader, writer }
    }

    /// Bytes queued and not yet taken by the socket.
    pub fn unsent(&self) -> usize {
        self.unsent.load(Relaxed)
    }

    /// When the last byte came, since the owner's start.
    pub fn heard(&self) -> Duration {
        Duration::from_micros(self.heard.load(Relaxed))
    }

    /// Queues a PDU; the caller has checked the bound.
    pub fn send(&self, pdu: Pdu) {
        self.unsent.fetch_add(size(&pdu), Relaxed);
        // A writer that has failed has reported it: what is queued after that is lost anyway.
        let _ = self.queue.send(pdu);
    }

    /// Writes what is queued, then closes, within [`LINGER`].
    pub fn close(self, tasks: &mut JoinSet<()>) {
        let Self { queue, reader, writer, .. } = self;
        drop(queue);
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

/// What a PDU takes on the wire, in bytes.
pub(crate) fn size(pdu: &Pdu) -> usize {
    HEADER_LEN + pdu.body.len()
}

struct Reader<R> {
    read: R,
    buf: BytesMut,
    start: Instant,
    heard: Arc<AtomicU64>,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    /// The next PDU, or why there is none.
    async fn next(&mut self) -> Result<Pdu, FromConn> {
        let ended = |reason: String| Err(FromConn::Ended(reason));
        loop {
            match Codec.decode(&mut self.buf) {
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

async fn write_all(
    mut write: impl AsyncWrite + Unpin,
    mut queued: mpsc::UnboundedReceiver<Pdu>,
    unsent: Arc<AtomicUsize>,
) -> io::Result<()> {
    let mut buf = BytesMut::new();
    while let Some(pdu) = queued.recv().await {
        pdu.write_to(&mut buf);
        while buf.len() < BATCH
            && let Ok(pdu) = queued.try_recv()
        {
            pdu.write_to(&mut buf);
        }
        while !buf.is_empty() {
            let written = write.write_buf(&mut buf).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            unsent.fetch_sub(written, Relaxed);
        }
        write.flush().await?;
    }
    write.shutdown().await
}
