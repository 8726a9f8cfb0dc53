//! [`Link`]: all sockets of one role behind one ordered stream of events.

use super::{
    Bounds, Dial, Event, Kind, Listen, Now,
    conn::{Conn, FromConn, size},
};
use crate::{
    catalogue::{id as command, limits::SPARE},
    env::{ConnId, Endpoint, Env, Listener, Stream},
    fact::Fact,
    mutants::Mutant,
    protocol::Protocol,
    timing::Timing,
    wire::Pdu,
};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, VecDeque},
    future::poll_fn,
    io,
    net::IpAddr,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, Interval, MissedTickBehavior, interval_at, sleep, sleep_until, timeout},
};

/// The most events that may wait for the role. Past it the tasks that read sockets wait, and so do
/// the peers that write to them.
const EVENTS_BOUND: usize = 1024;

/// The first queue length, in bytes, that is worth a [`Fact::HighWater`].
const FIRST_HIGH_WATER: u64 = 64 << 10;

/// What the tasks of a link report to it.
enum Raw<S, K> {
    /// A stream was accepted, or dialled for the dial of this index.
    Stream { stream: S, kind: K, bounds: Bounds, dial: Option<usize> },
    /// Something about a connection.
    Conn(ConnId, FromConn),
}

struct Open<S, K> {
    conn: Conn<S>,
    kind: K,
    dial: Option<usize>,
    /// Who dialled it, if it was accepted.
    source: Option<IpAddr>,
    /// See [`Bounds::unsent`].
    unsent: usize,
    /// See [`Bounds::asked`].
    asked: usize,
    /// When the role or a heartbeat last sent, since start.
    sent: Duration,
    /// A 0702 came: no heartbeats and no timeout any more (SYSTEM.md section 2).
    stopped: bool,
    /// See [`Dial::hears_silence`].
    hears_silence: bool,
    /// The connection is in [`Link::queued`] already.
    queued: bool,
}

impl<S: Stream, K> Open<S, K> {
    /// Bytes that wait to be written. If so many more would be over a bound, what waits is first
    /// offered to the socket once more.
    fn waiting_beside(&self, more: usize, bound: usize) -> usize {
        let waiting = self.conn.unsent();
        if waiting + more <= bound {
            return waiting;
        }
        // Perhaps the socket has room and nothing was written to it since.
        self.conn.flush();
        self.conn.unsent()
    }
}

/// The sockets of one role. Dropping this ends all its tasks and connections.
pub struct Link<E: Env, K: Kind> {
    env: E,
    timing: Timing,
    start: Instant,
    ticks: Interval,
    dials: Vec<Dial<K>>,
    conns: BTreeMap<ConnId, Open<E::Stream, K>>,
    /// How many connections of each address are open, of those that were accepted.
    sources: BTreeMap<IpAddr, usize>,
    /// Connections with something to write, in the order in which they got their first byte.
    queued: Vec<ConnId>,
    raw: mpsc::Receiver<Raw<E::Stream, K>>,
    raw_in: mpsc::Sender<Raw<E::Stream, K>>,
    /// Events that are due before anything else is read.
    due: VecDeque<Event<K>>,
    /// The longest unsent queue reported so far, in bytes.
    high_water: u64,
    /// The same with a request that was let in, where [`Bounds::asked`] is near.
    asked_high: usize,
    tasks: JoinSet<()>,
    /// Of the node; only its mutants make a difference here.
    protocol: Protocol,
}

impl<E: Env, K: Kind> Link<E, K> {
    /// Binds all ports, then starts to dial: all at once, in order.
    pub async fn open(
        env: E,
        timing: Timing,
        listens: Vec<Listen<K>>,
        dials: Vec<Dial<K>>,
    ) -> io::Result<Self> {
        let mut listeners = Vec::new();
        for listen in listens {
            listeners.push((env.bind(listen.port).await?, listen));
        }
        let start = Instant::now();
        let mut ticks = interval_at(start + timing.tick(), timing.tick());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let (raw_in, raw) = mpsc::channel(EVENTS_BOUND);
        let mut link = Self {
            env,
            timing,
            start,
            ticks,
            dials,
            conns: BTreeMap::new(),
            sources: BTreeMap::new(),
            queued: Vec::new(),
            raw,
            raw_in,
            due: VecDeque::new(),
            high_water: 0,
            asked_high: 0,
            tasks: JoinSet::new(),
            protocol: Protocol::default(),
        };
        for (listener, listen) in listeners {
            link.tasks.spawn(accept(listener, listen, timing, link.raw_in.clone()));
        }
        for index in 0..link.dials.len() {
            link.dial(index, 0, 0);
        }
        Ok(link)
    }

    /// The same link of a node under a protocol, which may have a mutant.
    pub fn under(self, protocol: Protocol) -> Self {
        Self { protocol, ..self }
    }

    /// Waits for what happens next, and writes what is queued before it waits: what several events
    /// caused goes out in one write. Cancel-safe.
    pub async fn next(&mut self) -> Event<K> {
        loop {
            if let Some(event) = self.due.pop_front() {
                return event;
            }
            match poll_fn(|cx| self.poll_raw(cx)).await {
                Some(raw) => self.take(raw),
                None => self.tick(),
            }
        }
    }

    /// What a task reports; `None` for a tick. Ticks first: a flood of PDUs must not keep timeouts
    /// from being noticed.
    fn poll_raw(&mut self, cx: &mut Context<'_>) -> Poll<Option<Raw<E::Stream, K>>> {
        if self.ticks.poll_tick(cx).is_ready() {
            return Poll::Ready(None);
        }
        match self.raw.poll_recv(cx) {
            Poll::Ready(Some(raw)) => Poll::Ready(Some(raw)),
            Poll::Ready(None) => unreachable!("the link holds a sender itself"),
            Poll::Pending => {
                for conn in self.queued.drain(..) {
                    if let Some(open) = self.conns.get_mut(&conn) {
                        open.queued = false;
                        open.conn.flush();
                    }
                }
                Poll::Pending
            }
        }
    }

    /// Queues a PDU; one for an unknown connection is dropped. Counts as a send for heartbeats.
    /// One that would pass its [`Bounds::unsent`] closes the connection instead.
    pub fn send(&mut self, conn: ConnId, pdu: Pdu) {
        let up = self.start.elapsed();
        let Some(open) = self.conns.get_mut(&conn) else { return };
        let (before, bound) = (open.waiting_beside(size(&pdu), open.unsent), open.unsent);
        let after = before + size(&pdu);
        if after > bound {
            self.report_high_water(before, bound, true);
            self.end(conn, "too many unsent bytes", End::Now);
            return;
        }
        open.sent = up;
        open.conn.send(&pdu);
        if !std::mem::replace(&mut open.queued, true) {
            self.queued.push(conn);
        }
        self.report_high_water(after, bound, false);
    }

    /// Whether a PDU can be queued, and `spare` bytes after it, without closing the connection; true
    /// for an unknown connection.
    pub fn has_room(&self, conn: ConnId, pdu: &Pdu, spare: usize) -> bool {
        let open = self.conns.get(&conn);
        open.is_none_or(|open| {
            let wanted = size(pdu) + spare;
            open.waiting_beside(wanted, open.unsent) + wanted <= open.unsent
        })
    }

    /// Queues a request if there is room for it; else the role is told that there was none.
    pub fn ask(&mut self, conn: ConnId, pdu: Pdu, of: u64) {
        if self.may_be_asked(conn, &pdu) && self.has_room(conn, &pdu, SPARE) {
            self.send(conn, pdu);
        } else {
            self.due.push_back(Event::NotAsked { conn, of });
        }
    }

    /// Whether a request may join what waits: see [`Bounds::asked`].
    fn may_be_asked(&mut self, conn: ConnId, pdu: &Pdu) -> bool {
        let Some(open) = self.conns.get(&conn) else { return true };
        let most = open.asked;
        let waiting = open.waiting_beside(size(pdu), most);
        let length = waiting + size(pdu);
        if waiting == 0 {
            return true;
        }
        if length > most && !self.protocol.mutated(Mutant::AsksPastRoom) {
            return false;
        }
        // Worth a report from half of the bound on.
        if length > self.asked_high.max(most / 2) {
            self.asked_high = length;
            let (length, bound) = (length as u64, most as u64);
            self.env.fact(Fact::HighWater { queue: "unsent_requests".into(), length, bound });
        }
        true
    }

    /// A connection may write PDUs of so many bytes from now on.
    pub fn admit(&mut self, conn: ConnId, pdu: u32) {
        if let Some(open) = self.conns.get(&conn) {
            open.conn.admit(pdu);
        }
    }

    /// Writes what is queued (for at most a second), then closes. The connection is unknown from
    /// now on: nothing more of it is shown but its `Event::Closed`, which comes next.
    pub fn close(&mut self, conn: ConnId, reason: &str) {
        self.end(conn, reason, End::Linger);
    }

    /// The time as roles see it.
    pub fn now(&self) -> Now {
        Now { up: self.start.elapsed(), unix: self.env.unix_time() }
    }

    fn take(&mut self, raw: Raw<E::Stream, K>) {
        match raw {
            Raw::Stream { stream, kind, bounds, dial } => {
                let id = stream.id();
                let source = stream.source().filter(|_| dial.is_none());
                if let Some(source) = source
                    && !self.count_source(source, bounds.of_source)
                {
                    let reason = "too many connections of its address".into();
                    self.env.fact(Fact::Closed { conn: id, reason });
                    return;
                }
                let (start, tasks) = (self.start, &mut self.tasks);
                let conn = Conn::start(stream, bounds.pdu, start, tasks, &self.raw_in, Raw::Conn);
                let (sent, Bounds { unsent, asked, .. }) = (start.elapsed(), bounds);
                let hears_silence = dial.is_some_and(|index| self.dials[index].hears_silence);
                let (stopped, queued) = (false, false);
                let open = Open {
                    conn,
                    kind,
                    dial,
                    source,
                    unsent,
                    asked,
                    sent,
                    stopped,
                    hears_silence,
                    queued,
                };
                self.conns.insert(id, open);
                self.due.push_back(Event::Opened { conn: id, kind });
            }
            Raw::Conn(conn, FromConn::Pdu(pdu)) => {
                let Some(open) = self.conns.get_mut(&conn) else { return };
                let kind = open.kind;
                if kind.is_server_link() {
                    match pdu.command() {
                        command::OTHER_HEARTBEAT => return,
                        command::OTHER_STOP_RECV_PACKET => open.stopped = true,
                        _ => {}
                    }
                }
                self.due.push_back(Event::Pdu { conn, kind, pdu });
            }
            Raw::Conn(conn, FromConn::Ended(reason)) => self.end(conn, &reason, End::Peer),
            Raw::Conn(conn, FromConn::Broken(reason)) => self.end(conn, &reason, End::Linger),
        }
    }

    /// Counts a connection of an address; false, and not counted, if that is one too many.
    fn count_source(&mut self, source: IpAddr, most: usize) -> bool {
        let open = self.sources.entry(source).or_default();
        let fits = *open < most || self.protocol.mutated(Mutant::SourcesUncounted);
        *open += usize::from(fits);
        fits
    }

    /// Timeouts and heartbeats of server links, then the role's tick.
    fn tick(&mut self) {
        while self.tasks.try_join_next().is_some() {}
        let up = self.start.elapsed();
        let links: Vec<ConnId> = self
            .conns
            .iter()
            .filter(|(_, open)| open.kind.is_server_link())
            .filter(|(_, open)| !open.stopped || open.hears_silence)
            .map(|(&conn, _)| conn)
            .collect();
        for conn in links {
            let Some(open) = self.conns.get(&conn) else { continue };
            if up.saturating_sub(open.conn.heard()) > self.timing.server_timeout()
                && !self.protocol.mutated(Mutant::SilentLinkStays)
            {
                self.end(conn, "silent for too long", End::Now);
            } else if !open.stopped
                && up.saturating_sub(open.sent) > self.timing.server_heartbeat()
                && !self.protocol.mutated(Mutant::NoLinkHeartbeats)
            {
                self.send(conn, Pdu::raw(command::OTHER_HEARTBEAT, 0, Bytes::new()));
            }
        }
        self.due.push_back(Event::Tick);
    }

    fn end(&mut self, conn: ConnId, reason: &str, how: End) {
        let Some(open) = self.conns.remove(&conn) else { return };
        if let Some(source) = open.source
            && let Some(others) = self.sources.get_mut(&source)
        {
            *others -= 1;
            if *others == 0 {
                self.sources.remove(&source);
            }
        }
        match how {
            End::Now => open.conn.abort(),
            End::Linger | End::Peer => open.conn.close(&mut self.tasks),
        }
        if how != End::Peer {
            self.env.fact(Fact::Closed { conn, reason: reason.into() });
        }
        let event = Event::Closed { conn, kind: open.kind, reason: reason.into() };
        self.due.push_back(event);
        if let Some(index) = open.dial
            && !self.protocol.mutated(Mutant::LostLinkStaysLost)
        {
            self.dial(index, Timing::server_reconnect_ticks(0), 1);
        }
    }

    /// Dials until a connection is made, at first after so many ticks. `tries` counts the waits since
    /// the last success.
    fn dial(&mut self, index: usize, ticks: u32, tries: u32) {
        let dial = &self.dials[index];
        let Dial { to, kind, bounds, .. } = dial.clone();
        let clock = Clock { start: self.start, timing: self.timing };
        let (env, raw) = (self.env.clone(), self.raw_in.clone());
        self.tasks.spawn(async move {
            let stream = connect(env, to, clock, ticks, tries).await;
            let _ = raw.send(Raw::Stream { stream, kind, bounds, dial: Some(index) }).await;
        });
    }

    /// Reports a new maximum: always if `always` is set, else only when it reaches a power of two
    /// for the first time.
    fn report_high_water(&mut self, length: usize, bound: usize, always: bool) {
        let length = length as u64;
        let next = (self.high_water + 1).next_power_of_two().max(FIRST_HIGH_WATER);
        if length >= next || (always && length > self.high_water) {
            self.high_water = length;
            self.env.fact(Fact::HighWater {
                queue: "unsent_bytes".into(),
                length,
                bound: bound as u64,
            });
        }
    }
}

/// How a connection ends.
#[derive(Clone, Copy, PartialEq)]
enum End {
    /// By us, and what is queued is lost.
    Now,
    /// By us, after what is queued was written.
    Linger,
    /// It ended by itself.
    Peer,
}

/// The ticks of a role: they run on, whatever it waits for (SYSTEM.md section 2).
#[derive(Clone, Copy)]
struct Clock {
    start: Instant,
    timing: Timing,
}

impl Clock {
    /// Waits for so many ticks: the first of them may be near.
    async fn ticks(self, count: u32) {
        let tick = self.timing.tick();
        let passed = self.start.elapsed().as_nanos() / tick.as_nanos();
        let passed = u32::try_from(passed).unwrap_or(u32::MAX);
        sleep_until(self.start + tick * passed.saturating_add(count)).await;
    }
}

async fn connect<E: Env>(
    env: E,
    to: Endpoint,
    clock: Clock,
    mut ticks: u32,
    mut tries: u32,
) -> E::Stream {
    loop {
        if ticks > 0 {
            clock.ticks(ticks).await;
        }
        match timeout(clock.timing.connect_timeout(), env.connect(&to)).await {
            Ok(Ok(stream)) => return stream,
            Ok(Err(error)) => tracing::debug!(?to, %error, "connect failed"),
            Err(_) => tracing::debug!(?to, "connect timed out"),
        }
        ticks = Timing::server_reconnect_ticks(tries);
        tries += 1;
    }
}

async fn accept<L: Listener, K: Kind>(
    mut listener: L,
    listen: Listen<K>,
    timing: Timing,
    raw: mpsc::Sender<Raw<L::Stream, K>>,
) {
    loop {
        match listener.accept().await {
            Ok(stream) => {
                let Listen { kind, bounds, .. } = listen;
                if raw.send(Raw::Stream { stream, kind, bounds, dial: None }).await.is_err() {
                    return;
                }
            }
            // For example, no file descriptors are left. That may pass, and trying again at once
            // would not help.
            Err(error) => {
                tracing::warn!(%error, "accept failed");
                sleep(timing.tick()).await;
            }
        }
    }
}
