//! The shell around every role: accept, dial, reconnect, heartbeat, frame, back pressure.
//!
//! A role without I/O is a [`Role`]: events in, actions out. [`Link`] turns sockets into events
//! and carries actions out; [`run`] joins the two.

use crate::{
    env::{ConnId, Draw, Endpoint, Env},
    fact::Fact,
    protocol::Protocol,
    timing::Timing,
    wire::{Pdu, frame::MAX_LEN},
};
use std::{fmt::Debug, time::Duration};

pub(crate) mod conn;
mod sockets;
#[cfg(test)]
pub(crate) mod test_env;
#[cfg(test)]
mod tests;

pub use sockets::Link;

/// The most bytes that may wait to be written to one connection; past it the connection is
/// closed with a logged reason (SYSTEM.md section 3).
pub const UNSENT_BOUND: usize = 4 << 20;

/// What one connection may make this process hold. Past either bound it is closed with a logged
/// reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The longest PDU that is read of it, in bytes, header included. No more than that is kept of
    /// a PDU that has not come whole.
    pub pdu: u32,
    /// Bytes that wait to be written to it.
    pub unsent: usize,
    /// Bytes that wait to be written to it, with a request that is to join them: past it the request
    /// is given back ([`Action::Ask`]). One that nothing waits before always fits.
    pub asked: usize,
    /// Connections that one address may have open at the same listener; past it a new one is closed
    /// at once and never shown to the role. Of what is dialled it means nothing.
    pub of_source: usize,
}

impl Bounds {
    /// The bounds of every preset (SYSTEM.md sections 1 and 3).
    pub const ORIGINAL: Self =
        Self { pdu: MAX_LEN, unsent: UNSENT_BOUND, asked: usize::MAX, of_source: usize::MAX };
}

/// What a connection is for, as a role names it.
pub trait Kind: Copy + Debug + PartialEq + Send + 'static {
    /// True for links between servers: [`Link`] sends their heartbeats and closes them after 30 s
    /// without a byte (SYSTEM.md section 2). Timeouts of clients are left to the role.
    fn is_server_link(self) -> bool;
}

/// When an event happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Since the role started, monotonic.
    pub up: Duration,
    /// This host's wall clock since the Unix epoch.
    pub unix: Duration,
}

/// What happened on the sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<K> {
    /// A connection was accepted or dialled.
    Opened {
        /// Its number.
        conn: ConnId,
        /// What it is for.
        kind: K,
    },
    /// A PDU came. Heartbeats of server links are not shown.
    Pdu {
        /// The connection that it came on.
        conn: ConnId,
        /// What that connection is for.
        kind: K,
        /// Header and body as they came.
        pdu: Pdu,
    },
    /// A connection is gone: closed by the peer, by an error, a timeout, or by an action.
    /// Comes exactly once for each `Opened`.
    Closed {
        /// Its number.
        conn: ConnId,
        /// What it was for.
        kind: K,
        /// Why, in a few words.
        reason: String,
    },
    /// A request that was to be written was not: [`Action::Ask`] found no room for it.
    NotAsked {
        /// The connection.
        conn: ConnId,
        /// What the role calls the request.
        of: u64,
    },
    /// `Timing::tick` has passed.
    Tick,
}

/// What a role wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Write a PDU.
    Send {
        /// The connection to write it to.
        conn: ConnId,
        /// Header and body as they are to travel.
        pdu: Pdu,
    },
    /// Write a request if there is room for it ([`Bounds::asked`]), and for [`SPARE`](crate::catalogue::limits::SPARE) bytes after it;
    /// else say so by [`Event::NotAsked`]. So what waits for a slow server is no reason to close its link.
    Ask {
        /// The connection to write it to.
        conn: ConnId,
        /// Header and body as they are to travel.
        pdu: Pdu,
        /// What the role calls the request.
        of: u64,
    },
    /// Write what is queued, then close.
    Close {
        /// The connection to close.
        conn: ConnId,
        /// Why, in a few words.
        reason: String,
    },
    /// A connection may write PDUs of so many bytes from now on, header included.
    Admit {
        /// Its number.
        conn: ConnId,
        /// The longest PDU that is read of it, in bytes.
        pdu: u32,
    },
    /// Report what the role did.
    Fact(Fact),
}

/// A role without I/O.
pub trait Role: Send + 'static {
    /// Its kinds of connections.
    type Kind: Kind;
    /// The switches of its node, for the link around it.
    fn protocol(&self) -> Protocol {
        Protocol::default()
    }
    /// Takes one event and appends what is to be done, in order.
    fn handle(
        &mut self,
        now: Now,
        draw: &dyn Draw,
        event: Event<Self::Kind>,
        out: &mut Vec<Action>,
    );
}

/// A port to listen on.
#[derive(Debug, Clone)]
pub struct Listen<K> {
    /// The port.
    pub port: u16,
    /// What its connections are for.
    pub kind: K,
    /// What each of them may hold.
    pub bounds: Bounds,
}

impl<K> Listen<K> {
    /// With the bounds of every preset.
    pub fn new(port: u16, kind: K) -> Self {
        Self { port, kind, bounds: Bounds::ORIGINAL }
    }

    /// With other bounds.
    pub fn bounded(self, bounds: Bounds) -> Self {
        Self { bounds, ..self }
    }
}

/// A link to keep open.
#[derive(Debug, Clone)]
pub struct Dial<K> {
    /// Where to.
    pub to: Endpoint,
    /// What it is for.
    pub kind: K,
    /// What it may hold.
    pub bounds: Bounds,
    /// After a 0702 it is closed for its silence like any other, and dialled again (switch
    /// `hear-silence`). Without this a server that announces its stop and loses its power before it
    /// ends is never dialled again.
    pub hears_silence: bool,
}

impl<K> Dial<K> {
    /// With the bounds of every preset; after a 0702 it is not timed out.
    pub fn new(to: Endpoint, kind: K) -> Self {
        Self { to, kind, bounds: Bounds::ORIGINAL, hears_silence: false }
    }

    /// Whether it is closed for its silence after a 0702, too.
    pub fn hearing_silence(self, hears_silence: bool) -> Self {
        Self { hears_silence, ..self }
    }

    /// With other bounds.
    pub fn bounded(self, bounds: Bounds) -> Self {
        Self { bounds, ..self }
    }
}

/// Runs a role for ever.
pub async fn run<E: Env, R: Role>(
    env: E,
    timing: Timing,
    mut role: R,
    listens: Vec<Listen<R::Kind>>,
    dials: Vec<Dial<R::Kind>>,
) -> std::io::Result<std::convert::Infallible> {
    let link = Link::open(env.clone(), timing, listens, dials).await?;
    let mut link = link.under(role.protocol());
    let mut actions = Vec::new();
    loop {
        let event = link.next().await;
        role.handle(link.now(), &env, event, &mut actions);
        for action in actions.drain(..) {
            match action {
                Action::Send { conn, pdu } => link.send(conn, pdu),
                Action::Ask { conn, pdu, of } => link.ask(conn, pdu, of),
                Action::Close { conn, reason } => link.close(conn, &reason),
                Action::Admit { conn, pdu } => link.admit(conn, pdu),
                Action::Fact(fact) => env.fact(fact),
            }
        }
    }
}
