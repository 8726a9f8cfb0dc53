//! An [`Env`] in memory for unit tests: hosts joined by `tokio::io::duplex`, no latency.

use crate::{
    env::{ConnId, Endpoint, Env, Listener, Stream},
    fact::Fact,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf},
    sync::mpsc,
};

/// Bytes that a stream takes before its writer waits.
const WINDOW: usize = 64 << 10;

#[derive(Debug, Default)]
struct Net {
    listeners: BTreeMap<Endpoint, mpsc::UnboundedSender<MemoryStream>>,
    hanging: BTreeSet<Endpoint>,
    /// When each connect was tried, since the test's start.
    tried: Vec<(Endpoint, Duration)>,
    last_id: ConnId,
    facts: Vec<Fact>,
}

/// One host of a little network.
#[derive(Debug, Clone)]
pub(crate) struct MemoryEnv {
    net: Arc<Mutex<Net>>,
    host: String,
    start: tokio::time::Instant,
}

impl MemoryEnv {
    /// A network's first host.
    pub fn new(host: &str) -> Self {
        Self { net: Arc::default(), host: host.into(), start: tokio::time::Instant::now() }
    }

    /// Another host of the same network.
    pub fn host(&self, host: &str) -> Self {
        Self { host: host.into(), ..self.clone() }
    }

    /// Connects to this endpoint hang from now on, or no more.
    pub fn hang(&self, to: &Endpoint, on: bool) {
        let mut net = self.net();
        if on {
            net.hanging.insert(to.clone())
        } else {
            net.hanging.remove(to)
        };
    }

    /// When connects to an endpoint were tried.
    pub fn tried(&self, to: &Endpoint) -> Vec<Duration> {
        self.net().tried.iter().filter(|(t, _)| t == to).map(|(_, at)| *at).collect()
    }

    /// All facts so far, of every host.
    pub fn facts(&self) -> Vec<Fact> {
        self.net().facts.clone()
    }

    fn net(&self) -> MutexGuard<'_, Net> {
        self.net.lock().expect("no test panics while it holds this")
    }
}

impl Env for MemoryEnv {
    type Stream = MemoryStream;
    type Listener = MemoryListener;

    async fn connect(&self, to: &Endpoint) -> io::Result<MemoryStream> {
        let hangs = {
            let mut net = self.net();
            net.tried.push((to.clone(), self.start.elapsed()));
            net.hanging.contains(to)
        };
        if hangs {
            std::future::pending::<()>().await;
        }
        let mut net = self.net();
        net.last_id += 1;
        let id = net.last_id;
        let (ours, theirs) = tokio::io::duplex(WINDOW);
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let listener = net.listeners.get(to).ok_or_else(refused)?;
        listener
            .send(MemoryStream { id, source: address(&self.host), io: theirs })
            .map_err(|_| refused())?;
        Ok(MemoryStream { id, source: address(&to.host), io: ours })
    }

    async fn bind(&self, port: u16) -> io::Result<MemoryListener> {
        let (tx, rx) = mpsc::unbounded_channel();
        self.net().listeners.insert(Endpoint::new(&self.host, port), tx);
        Ok(MemoryListener(rx))
    }

    fn unix_time(&self) -> Duration {
        Duration::from_secs(1_800_000_000) + self.start.elapsed()
    }

    fn random(&self, _purpose: &'static str, id: impl Fn() -> u64) -> u64 {
        id()
    }

    fn fact(&self, fact: Fact) {
        self.net().facts.push(fact);
    }
}

/// An address of a host: by its name's first letter.
fn address(host: &str) -> IpAddr {
    [10, 0, 0, host.bytes().next().unwrap_or_default()].into()
}

/// Accepts what other hosts connect.
pub(crate) struct MemoryListener(mpsc::UnboundedReceiver<MemoryStream>);

impl Listener for MemoryListener {
    type Stream = MemoryStream;

    async fn accept(&mut self) -> io::Result<MemoryStream> {
        match self.0.recv().await {
            Some(stream) => Ok(stream),
            None => std::future::pending().await,
        }
    }
}

/// One end of a stream; both ends have the same number.
#[derive(Debug)]
pub(crate) struct MemoryStream {
    id: ConnId,
    source: IpAddr,
    io: DuplexStream,
}

impl Stream for MemoryStream {
    fn id(&self) -> ConnId {
        self.id
    }

    fn source(&self) -> Option<IpAddr> {
        Some(self.source)
    }
}

impl AsyncRead for MemoryStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for MemoryStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
