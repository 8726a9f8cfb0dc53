//! `Env` on turmoil.

use super::{roster::HostId, shared::Shared, socket::Socket};
use crate::{
    plan::Host,
    record::{End, Kind},
};
use std::{io, net::SocketAddr, time::Duration};
use teamtalk::{
    env::{Endpoint, Env, Listener},
    fact::Fact,
};
use turmoil::net::{TcpListener, TcpStream};

/// Ports of the simulated hosts, after the original's configuration files.
pub mod port {
    /// msg_server, for clients.
    pub const MSG: u16 = 8000;
    /// login_server (on `outside`), for msg_servers.
    pub const LOGIN: u16 = 8100;
    /// push server (on `outside`), for msg_servers.
    pub const PUSH: u16 = 8500;
    /// file server (on `outside`), for msg_servers.
    pub const FILE: u16 = 8600;
    /// route_server, for msg_servers.
    pub const ROUTE: u16 = 8200;
    /// db_proxy, for msg_servers.
    pub const DB: u16 = 10600;
    /// Redis.
    pub const REDIS: u16 = 6379;
    /// The SQL primary.
    pub const SQL: u16 = 3306;
    /// The SQL replica.
    pub const SQL_REPLICA: u16 = 3307;
}

/// The seam of one host, or of one device on a client host.
#[derive(Debug, Clone)]
pub struct SimEnv {
    shared: Shared,
    host: Host,
    id: HostId,
    device: Option<u32>,
}

impl SimEnv {
    /// The seam of a host.
    pub fn new(shared: Shared, host: &Host, device: Option<u32>) -> Self {
        Self { host: host.clone(), id: shared.host(host), shared, device }
    }

    fn wrap(&self, inner: TcpStream, end: End) -> io::Result<Socket> {
        let (local, there): (SocketAddr, SocketAddr) = (inner.local_addr()?, inner.peer_addr()?);
        let name = turmoil::reverse_lookup(there.ip()).unwrap_or_default();
        let mut shared = self.shared.lock();
        let other = shared.roster.named(&name);
        let peer = shared.roster.host(other).clone();
        // The acceptor knows itself by the address it bound; only its port tells streams apart.
        let acceptor =
            |host: &Host, addr: SocketAddr| SocketAddr::new(turmoil::lookup(&**host), addr.port());
        let (from, to) = match end {
            End::Dialler => ((self.id, local), (other, acceptor(&peer, there))),
            End::Acceptor => ((other, there), (self.id, acceptor(&self.host, local))),
        };
        let (port, device) = (to.1.port(), self.device);
        let id = shared.streams.between(from, to);
        shared.record_at(self.id, Kind::Connected { conn: id, end, peer, port, device });
        drop(shared);
        let pdus = !matches!(port, port::REDIS | port::SQL | port::SQL_REPLICA);
        Ok(Socket::new(inner, self.shared.clone(), (self.id, other), id, end, pdus))
    }
}

/// A dial under way. Dropped before its end, it was given up.
struct Dial<'a> {
    env: &'a SimEnv,
    to: &'a Endpoint,
    under_way: bool,
}

impl<'a> Dial<'a> {
    fn start(env: &'a SimEnv, to: &'a Endpoint) -> Self {
        let mut shared = env.shared.lock();
        if !shared.network.is_calm() {
            let to = shared.roster.named(&to.host);
            shared.network.sent(env.id, to, None);
        }
        drop(shared);
        Self { env, to, under_way: true }
    }

    fn end(mut self, failed: Option<&'static str>) {
        self.under_way = false;
        if let Some(why) = failed {
            self.fail(why);
        }
    }

    fn fail(&self, why: &'static str) {
        let (port, device) = (self.to.port, self.env.device);
        let mut shared = self.env.shared.lock();
        let peer = shared.roster.named(&self.to.host);
        let peer = shared.roster.host(peer).clone();
        shared.record_at(self.env.id, Kind::ConnectFailed { peer, port, device, why });
    }
}

impl Drop for Dial<'_> {
    fn drop(&mut self) {
        // What a killed host had begun is no news.
        if self.under_way && self.env.shared.lock().killing.is_none() {
            self.fail("given up");
        }
    }
}

/// A listener of a simulated host.
pub struct SimListener {
    inner: TcpListener,
    env: SimEnv,
}

impl Listener for SimListener {
    type Stream = Socket;

    async fn accept(&mut self) -> io::Result<Socket> {
        let (stream, _) = self.inner.accept().await?;
        self.env.wrap(stream, End::Acceptor)
    }
}

impl Env for SimEnv {
    type Stream = Socket;
    type Listener = SimListener;

    async fn connect(&self, to: &Endpoint) -> io::Result<Socket> {
        let dial = Dial::start(self, to);
        match TcpStream::connect((to.host.as_str(), to.port)).await {
            Ok(stream) => {
                dial.end(None);
                self.wrap(stream, End::Dialler)
            }
            Err(error) => {
                dial.end(Some("refused"));
                Err(error)
            }
        }
    }

    async fn bind(&self, port: u16) -> io::Result<SimListener> {
        let inner = TcpListener::bind(("0.0.0.0", port)).await?;
        Ok(SimListener { inner, env: self.clone() })
    }

    fn unix_time(&self) -> Duration {
        self.shared.lock().unix_time(self.id)
    }

    fn random(&self, purpose: &'static str, id: impl Fn() -> u64) -> u64 {
        let id = id();
        self.shared.lock().draw(self.id, purpose, id)
    }

    fn fact(&self, fact: Fact) {
        self.shared.lock().record_at(self.id, Kind::Fact(fact));
    }
}
