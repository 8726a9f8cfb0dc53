//! Redis on the simulated network: RESP in, RESP out.

use super::{connection::Session, engine::Engine, reply::Reply};
use crate::{
    fakes::{Hooks, TICK, lock},
    noise::Drawn,
    record::{Applied, Changed, What, kept, readable},
};
use bytes::{Bytes, BytesMut};
use redis_protocol::{codec::Resp2, resp2::types::BytesFrame};
use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex},
};
use teamtalk::{env::draw_id, store::sql::Value};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{Instant, sleep_until},
};
use tokio_util::codec::Decoder;
use turmoil::net::TcpListener;

/// Serves until the host ends; see [`converse`].
///
/// # Errors
/// Those of `accept`.
pub async fn serve(
    listener: TcpListener,
    engine: Arc<Mutex<Engine>>,
    hooks: Arc<dyn Hooks>,
) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let (engine, hooks) = (engine.clone(), hooks.clone());
        tokio::spawn(async move {
            // A broken connection is the client's affair: it sees it too.
            let _ = converse(stream, engine, hooks).await;
        });
    }
}

/// Serves one connection to its end.
///
/// Its commands apply in their order, each atomically between two drawn delays: a connection
/// that closes during the first one has no effect, during the second one no reply. The delays of
/// commands that were sent side by side pass side by side, as a real Redis serves a pipeline.
///
/// # Errors
/// Those of the stream, and bytes that are no commands.
pub async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    engine: Arc<Mutex<Engine>>,
    hooks: Arc<dyn Hooks>,
) -> io::Result<()> {
    let mut pipeline = Pipeline::new(hooks);
    let mut session = Session::default();
    let mut read = BytesMut::new();
    let mut codec = Resp2::default();
    loop {
        tokio::select! {
            biased;
            n = stream.read_buf(&mut read) => {
                if n? == 0 {
                    return Ok(());
                }
                while let Some(frame) = codec.decode(&mut read).map_err(io::Error::other)? {
                    pipeline.arrived(command(frame)?);
                }
            }
            (command, drawn) = due(&mut pipeline.waiting) => {
                let refused = pipeline.refused(&command);
                let (reply, changed) = match refused {
                    Some(reply) => (reply, Vec::new()),
                    None => lock(&engine).run(&mut session, &command),
                };
                pipeline.applied((&command, drawn), reply, changed, session.resp3);
                if pipeline.is_broken_after(&command) {
                    return Ok(());
                }
            }
            (reply, resp3) = due(&mut pipeline.answers) => {
                let mut out = BytesMut::new();
                reply.encode(resp3, &mut out).map_err(io::Error::other)?;
                stream.write_all(&out).await?;
            }
        }
    }
}

/// Things in their order, each with the time at which it is due.
type Due<T> = VecDeque<(Instant, T)>;

/// Waits for the first one's time and takes it; for ever if there is none. Cancel-safe.
async fn due<T>(queue: &mut Due<T>) -> T {
    match queue.front() {
        // Timers of a real clock round up to whole milliseconds: no delay must be none there too.
        Some((at, _)) if *at <= Instant::now() => {}
        Some((at, _)) => sleep_until(*at).await,
        None => std::future::pending().await,
    }
    queue.pop_front().expect("just seen").1
}

/// The names of the commands so far: a few.
#[derive(Default)]
struct Names(Vec<Arc<What>>);

impl Names {
    /// A name as the lines of a trace share it.
    fn what(&mut self, name: &[u8]) -> Arc<What> {
        if let Some(known) = self.0.iter().find(|known| known.as_bytes() == name) {
            return known.clone();
        }
        let what = What::new(readable(name));
        self.0.push(what.clone());
        what
    }
}

/// Commands before their effect, replies after it.
struct Pipeline {
    hooks: Arc<dyn Hooks>,
    /// With the draw of the delay.
    waiting: Due<(Vec<Bytes>, Drawn)>,
    /// With whether RESP3 was chosen at the time of the effect: a HELLO may run before it is sent.
    answers: Due<(Reply, bool)>,
    names: Names,
}

impl Pipeline {
    fn new(hooks: Arc<dyn Hooks>) -> Self {
        Self { hooks, waiting: Due::new(), answers: Due::new(), names: Names::default() }
    }

    fn arrived(&mut self, command: Vec<Bytes>) {
        let at = self.after_delay("redis before", &command, self.waiting.back().map(|(at, _)| *at));
        self.waiting.push_back((at, (command, self.hooks.drawn())));
    }

    /// The error that a fault has a command answered with.
    fn refused(&self, command: &[Bytes]) -> Option<Reply> {
        let meets = |error| Engine::meets(command, error);
        self.hooks.fails(&|| id_of(command), &meets).map(Engine::refusal)
    }

    /// Whether a fault breaks the connection after a command.
    fn is_broken_after(&self, command: &[Bytes]) -> bool {
        let name = command.first().map_or(&b""[..], |name| name);
        !Engine::is_connection_command(name) && self.hooks.loses_reply(&|| id_of(command))
    }

    fn applied(
        &mut self,
        (command, drawn): (&[Bytes], Drawn),
        reply: Reply,
        changed: Vec<Changed>,
        resp3: bool,
    ) {
        let mut line = None;
        if let Some((name, args)) =
            command.split_first().filter(|(name, _)| !Engine::is_connection_command(name))
        {
            let what = self.names.what(name);
            let params = args.iter().map(|arg| Value::Bytes(kept(arg))).collect();
            let effect = reply.effect();
            let committed = true;
            let (store, replica) = ("redis", false);
            let applied = Applied { store, what, params, effect, committed, replica, changed };
            line = Some(self.hooks.applied(applied));
        }
        let at = self.after_delay("redis after", command, self.answers.back().map(|(at, _)| *at));
        if let Some(line) = line {
            self.hooks.led_to(drawn, line);
            self.hooks.led_to(self.hooks.drawn(), line);
        }
        self.answers.push_back((at, (reply, resp3)));
    }

    /// When a drawn delay from now is over, but not before what is ahead in the queue.
    fn after_delay(
        &self,
        purpose: &'static str,
        command: &[Bytes],
        ahead: Option<Instant>,
    ) -> Instant {
        let at = Instant::now() + TICK * self.hooks.delay(purpose, id_of(command));
        ahead.map_or(at, |ahead| at.max(ahead))
    }
}

/// What the draws about a command are keyed with.
fn id_of(command: &[Bytes]) -> u64 {
    let parts: Vec<&[u8]> = command.iter().map(AsRef::as_ref).collect();
    draw_id(&parts)
}

fn command(frame: BytesFrame) -> io::Result<Vec<Bytes>> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "a command is a list of strings");
    let BytesFrame::Array(parts) = frame else { return Err(wrong()) };
    parts
        .into_iter()
        .map(|part| match part {
            BytesFrame::BulkString(bytes) => Ok(bytes),
            _ => Err(wrong()),
        })
        .collect()
}
