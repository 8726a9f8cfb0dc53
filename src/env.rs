//! The seam between a role and the world: sockets, wall clock, draws, facts.
//!
//! Timers and tasks are tokio's own; turmoil runs them on simulated time. Everything else that
//! could differ between two runs passes through [`Env`].

#[cfg(feature = "server")]
pub mod sockets;

use crate::fact::Fact;
use std::{future::Future, io, net::IpAddr, time::Duration};
use tokio::io::{AsyncRead, AsyncWrite};

/// A connection's number: unique within a process, and in the simulation unique in the whole
/// run and the same at both ends, so that a fact can be matched with the frames on the wire.
pub type ConnId = u64;

/// Where to dial: a host name (or address) and a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl Endpoint {
    /// An endpoint from its parts.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }
}

/// A byte stream that knows its number.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// This connection's number; see [`ConnId`].
    fn id(&self) -> ConnId;

    /// The address of the other end; `None` if it has none. Of what was accepted it says who dialled:
    /// one address may stand for many devices (NAT).
    fn source(&self) -> Option<IpAddr>;
}

/// Accepts connections.
pub trait Listener: Send + 'static {
    /// What it accepts.
    type Stream: Stream;
    /// Waits for the next connection.
    fn accept(&mut self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// The only way out of a role.
pub trait Env: Clone + Send + Sync + 'static {
    /// Its streams.
    type Stream: Stream;
    /// Its listeners.
    type Listener: Listener<Stream = Self::Stream>;

    /// Opens a connection. May hang: the caller puts a deadline on it.
    fn connect(&self, to: &Endpoint) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Listens on a port of this host.
    fn bind(&self, port: u16) -> impl Future<Output = io::Result<Self::Listener>> + Send;

    /// This host's wall clock since the Unix epoch (may be skewed, may step).
    fn unix_time(&self) -> Duration;

    /// A draw, keyed by what it decides (`purpose`) and what it is about (`id`, often a hash of a
    /// whole body: asked for only by a world that keys its draws). Never keyed by a node or a
    /// shared stream, so that removing one operation leaves all other draws alone.
    fn random(&self, purpose: &'static str, id: impl Fn() -> u64) -> u64;

    /// Reports what the role did.
    fn fact(&self, fact: Fact);
}

/// The draw as the roles without I/O receive it: `Env::random` behind an object.
pub trait Draw {
    /// See [`Env::random`].
    fn random(&self, purpose: &'static str, id: &dyn Fn() -> u64) -> u64;
}

impl<E: Env> Draw for E {
    fn random(&self, purpose: &'static str, id: &dyn Fn() -> u64) -> u64 {
        Env::random(self, purpose, id)
    }
}

/// FNV-1a over the parts of what a draw is about: stable across builds, and not for security.
pub fn draw_id(parts: &[&[u8]]) -> u64 {
    draw_id_on(0xcbf2_9ce4_8422_2325, parts)
}

fn fnv(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
}

/// Goes on with the [`draw_id`] of the parts before.
pub fn draw_id_on(mut hash: u64, parts: &[&[u8]]) -> u64 {
    for part in parts {
        for byte in *part {
            hash = fnv(hash, *byte);
        }
        hash = fnv(hash, 0xff);
    }
    hash
}
