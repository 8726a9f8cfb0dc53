//! The I/O around a [`Device`].

use super::{Command, Config, Device, DeviceStore, Effect, Event};
use crate::{
    catalogue::id as command,
    env::{ConnId, Env, Stream},
    link::{
        Now, UNSENT_BOUND,
        conn::{Conn, FromConn, size},
    },
    mutants::Mutant,
    wire::frame::MAX_LEN,
};
use std::{
    collections::VecDeque,
    convert::Infallible,
    io,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep_until, timeout},
};

/// The most events that may wait for the device. Past it the task that reads the socket waits, and
/// so does the server.
const EVENTS_BOUND: usize = 1024;

enum Raw<S> {
    /// How the dial of this number ended.
    Dialled(u64, io::Result<S>),
    Conn(ConnId, FromConn),
}

struct Shell<E: Env> {
    env: E,
    config: Config,
    start: Instant,
    /// The number of the dial under way, or of the last one.
    dial: u64,
    dialling: Option<AbortHandle>,
    conn: Option<(ConnId, Conn<E::Stream>)>,
    raw: mpsc::Receiver<Raw<E::Stream>>,
    raw_in: mpsc::Sender<Raw<E::Stream>>,
    due: VecDeque<Event>,
    tasks: JoinSet<()>,
}

/// Runs a device for ever. It goes online by itself if the store says that it was; dropping the
/// future is a crash of the program.
pub async fn run<E: Env>(
    env: E,
    config: Config,
    mut commands: mpsc::UnboundedReceiver<Command>,
    store: Arc<Mutex<DeviceStore>>,
) -> Infallible {
    let mut device = Device::new(config.clone(), 0);
    let mut shell = Shell::new(env, config);
    let mut commands_open = true;
    let mut effects = Vec::new();
    loop {
        let event = match shell.due.pop_front().or_else(|| shell.reported()) {
            Some(event) => event,
            None => {
                shell.flush();
                let due = device.due().map(|due| shell.start + due);
                tokio::select! { biased;
                    raw = shell.raw.recv() => match raw.and_then(|raw| shell.take(raw)) {
                        Some(event) => event,
                        None => continue,
                    },
                    _ = sleep_until(due.unwrap_or(shell.start)), if due.is_some() => Event::Timer,
                    command = commands.recv(), if commands_open => match command {
                        Some(command) => Event::Command(command),
                        None => {
                            commands_open = false;
                            continue;
                        }
                    },
                }
            }
        };
        let now = Now { up: shell.start.elapsed(), unix: shell.env.unix_time() };
        // After a panic of another holder the store is as it was between two changes.
        let mut stored = store.lock().unwrap_or_else(PoisonError::into_inner);
        device.handle(now, &mut stored, event, &mut effects);
        drop(stored);
        for effect in effects.drain(..) {
            shell.carry_out(effect);
        }
    }
}

impl<E: Env> Shell<E> {
    fn new(env: E, config: Config) -> Self {
        let (raw_in, raw) = mpsc::channel(EVENTS_BOUND);
        Self {
            env,
            config,
            start: Instant::now(),
            dial: 0,
            dialling: None,
            conn: None,
            raw,
            raw_in,
            due: VecDeque::from([Event::Started]),
            tasks: JoinSet::new(),
        }
    }

    /// What a task has reported, if anything waits.
    fn reported(&mut self) -> Option<Event> {
        while let Ok(raw) = self.raw.try_recv() {
            if let Some(event) = self.take(raw) {
                return Some(event);
            }
        }
        None
    }

    /// Writes what is queued.
    fn flush(&self) {
        if let Some((_, conn)) = &self.conn {
            conn.flush();
        }
    }

    /// What a task reported, as the device sees it; `None` if it is about the past.
    fn take(&mut self, raw: Raw<E::Stream>) -> Option<Event> {
        match raw {
            Raw::Dialled(dial, _) if dial != self.dial || self.dialling.is_none() => None,
            Raw::Dialled(_, result) => {
                self.dialling = None;
                let stream = match result {
                    Ok(stream) => stream,
                    Err(error) => {
                        return Some(Event::ConnectFailed { reason: error.to_string() });
                    }
                };
                let id = stream.id();
                let conn = Conn::start(
                    stream,
                    MAX_LEN,
                    self.start,
                    &mut self.tasks,
                    &self.raw_in,
                    Raw::Conn,
                );
                self.conn = Some((id, conn));
                Some(Event::Connected { conn: id })
            }
            Raw::Conn(conn, _) if self.conn.as_ref().is_none_or(|(id, _)| *id != conn) => None,
            Raw::Conn(_, FromConn::Pdu(pdu)) => Some(Event::Pdu(pdu)),
            Raw::Conn(_, FromConn::Ended(reason) | FromConn::Broken(reason)) => {
                self.disconnect();
                Some(Event::Closed { reason })
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Connect { to } => {
                while self.tasks.try_join_next().is_some() {}
                self.disconnect();
                self.dial += 1;
                let (env, raw, dial) = (self.env.clone(), self.raw_in.clone(), self.dial);
                let limit = self.config.timing.connect_timeout();
                self.dialling = Some(self.tasks.spawn(async move {
                    let result = match timeout(limit, env.connect(&to)).await {
                        Ok(result) => result,
                        Err(_) => Err(io::ErrorKind::TimedOut.into()),
                    };
                    let _ = raw.send(Raw::Dialled(dial, result)).await;
                }));
            }
            Effect::Disconnect => self.disconnect(),
            Effect::Send(mut pdu) => {
                if pdu.command() == command::MSG_DATA && self.marks() {
                    pdu = pdu.marked();
                }
                let Some((_, conn)) = &self.conn else { return };
                if conn.unsent() + size(&pdu) > UNSENT_BOUND {
                    if let Some((_, conn)) = self.conn.take() {
                        conn.abort();
                    }
                    self.due.push_back(Event::Closed { reason: "too many unsent bytes".into() });
                    return;
                }
                conn.send(&pdu);
            }
            Effect::Fact(fact) => self.env.fact(fact),
        }
    }

    /// Whether a mutant marks what is sent.
    fn marks(&self) -> bool {
        let protocol = &self.config.protocol;
        protocol.mutated(Mutant::SendsWantMark) || protocol.mutated(Mutant::MarkForNothing)
    }

    fn disconnect(&mut self) {
        if let Some(dialling) = self.dialling.take() {
            dialling.abort();
        }
        if let Some((_, conn)) = self.conn.take() {
            conn.close(&mut self.tasks);
        }
    }
}
