//! [`Env`] in the real world: tokio's sockets, the system's clock and randomness, facts for the log.

use super::{ConnId, Endpoint, Env, Listener, Stream};
use crate::fact::Fact;
use std::{
    fmt, io,
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};

/// The number of the last connection of this process.
static LAST: AtomicU64 = AtomicU64::new(0);

/// The sockets of one role. Clones are the same.
#[derive(Clone)]
pub struct Sockets {
    /// Where its ports are bound.
    address: IpAddr,
    facts: Arc<dyn Fn(Fact) + Send + Sync>,
}

impl Sockets {
    /// Binds ports of one address of this host; facts go to `tracing` ([`log`]).
    pub fn new(address: IpAddr) -> Self {
        Self { address, facts: Arc::new(log) }
    }

    /// The same, with another place for facts.
    pub fn telling(self, facts: impl Fn(Fact) + Send + Sync + 'static) -> Self {
        Self { facts: Arc::new(facts), ..self }
    }
}

impl fmt::Debug for Sockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sockets").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Writes a fact to `tracing` with the target `teamtalk::fact`: as a warning what somebody should look at, as
/// debugging what happens all the time.
pub fn log(fact: Fact) {
    match &fact {
        Fact::StoreFailed { .. } | Fact::NotServing { .. } | Fact::Refused { .. } => {
            tracing::warn!(target: "teamtalk::fact", ?fact);
        }
        Fact::LoggedIn { .. } | Fact::Closed { .. } => {
            tracing::info!(target: "teamtalk::fact", ?fact);
        }
        _ => tracing::debug!(target: "teamtalk::fact", ?fact),
    }
}

/// A TCP connection.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    id: ConnId,
    source: Option<IpAddr>,
}

impl Socket {
    fn new(stream: TcpStream) -> io::Result<Self> {
        // PDUs are small and wait for an answer.
        stream.set_nodelay(true)?;
        let source = Some(stream.peer_addr()?.ip().to_canonical());
        Ok(Self { stream, id: LAST.fetch_add(1, Ordering::Relaxed) + 1, source })
    }
}

impl Stream for Socket {
    fn id(&self) -> ConnId {
        self.id
    }

    fn source(&self) -> Option<IpAddr> {
        self.source
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A bound port.
#[derive(Debug)]
pub struct Port(TcpListener);

impl Listener for Port {
    type Stream = Socket;

    async fn accept(&mut self) -> io::Result<Socket> {
        loop {
            let (stream, _) = self.0.accept().await?;
            // A connection that is gone again already is no failure of the port.
            match Socket::new(stream) {
                Ok(socket) => return Ok(socket),
                Err(error) => tracing::debug!(%error, "a connection was gone at once"),
            }
        }
    }
}

impl Env for Sockets {
    type Stream = Socket;
    type Listener = Port;

    async fn connect(&self, to: &Endpoint) -> io::Result<Socket> {
        Socket::new(TcpStream::connect((to.host.as_str(), to.port)).await?)
    }

    async fn bind(&self, port: u16) -> io::Result<Port> {
        let bound = TcpListener::bind((self.address, port)).await;
        let named =
            |e: io::Error| io::Error::new(e.kind(), format!("{}:{port}: {e}", self.address));
        Ok(Port(bound.map_err(named)?))
    }

    /// 0 if the clock is before 1970.
    fn unix_time(&self) -> Duration {
        // The one place where the system's clock is read.
        #[allow(clippy::disallowed_methods)]
        let now = SystemTime::now();
        now.duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    fn random(&self, _: &'static str, _: impl Fn() -> u64) -> u64 {
        // Nothing has to repeat itself here.
        #[allow(clippy::disallowed_methods)]
        rand::random()
    }

    fn fact(&self, fact: Fact) {
        (self.facts)(fact);
    }
}
