//! SQL on the simulated network. One connection is one session.

use super::{
    engine::{Done, Engine, SessionId, Step},
    frame::{Asked, Response, Wire, decode_request, encode_response},
};
use crate::{
    fakes::{Hooks, TICK, lock, pause},
    noise::Drawn,
    record::{Applied, Did, Effect, What, kept_value},
};
use bytes::Bytes;
use std::{
    io,
    pin::pin,
    sync::{Arc, Mutex},
};
use teamtalk::{
    env::draw_id,
    store::sql::{Outcome, SqlError, Value},
};
use tokio::io::{AsyncRead, AsyncWrite};
use turmoil::net::TcpListener;

/// Serves until the host ends. A statement applies atomically after a drawn delay, those of a batch
/// one after the other with mostly none between them, and the reply follows another one: a
/// connection that closes during the first one may have no effect, during the last one it has no reply. While a statement waits for a lock
/// nobody looks for its client: it is done when it has the lock, or gives it up. A connection's end, by whichever side,
/// undoes what its session has not committed; but a batch that has begun may run on to its end, and to its COMMIT, as on a
/// server that does not look for its client between two statements.
///
/// The primary and the replica are two calls with two listeners. For now they share one engine;
/// a replica that lags will be an engine of its own, fed by the primary's commits.
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

/// A session that ends with its task: also when the host crashes.
struct Guard {
    engine: Arc<Mutex<Engine>>,
    id: SessionId,
}

impl Drop for Guard {
    fn drop(&mut self) {
        lock(&self.engine).close(self.id);
    }
}

/// Serves one connection to its end; see [`serve`].
///
/// # Errors
/// Those of the stream, and bytes that are no requests.
pub async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    engine: Arc<Mutex<Engine>>,
    hooks: Arc<dyn Hooks>,
) -> io::Result<()> {
    let mut wire = Wire::new(stream);
    let id = lock(&engine).open();
    let session = Guard { engine, id };
    let ended = talk(&mut wire, &session, &hooks).await;
    // A crash of the host does not get here: then the trace has the crash.
    if lock(&session.engine).in_transaction(id) {
        drop(session);
        let effect = Effect::Sql { transaction: Some(id), did: Did::ConnectionLost };
        let what = What::new("ROLLBACK");
        let (params, changed) = (Vec::new(), Vec::new());
        hooks.applied(Applied {
            store: "sql",
            what,
            params,
            effect,
            committed: false,
            replica: false,
            changed,
        });
    }
    ended
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<S>,
    session: &Guard,
    hooks: &Arc<dyn Hooks>,
) -> io::Result<()> {
    wire.send(encode_response(&Response::default())).await?;
    while let Some(body) = next(wire, session).await? {
        let mut response = Response::default();
        let batch = decode_request(&body)?;
        // The statements and their parameters, whole: what precedes or follows one of them in other
        // transactions has nothing to do with it.
        let from = batch.first().map_or(0, |asked| asked.at.start);
        let draw = draw_id(&[&body[from..]]);
        let mut line = 0;
        let mut client = Client { wire, hooks, draw, done: None, is_gone: false, arrived: None };
        for (n, Asked { at, text, params }) in batch.into_iter().enumerate() {
            let ticks = match n {
                0 => hooks.delay("sql before", draw),
                _ => hooks.delay("sql between", draw_id(&[&body[at.clone()]])),
            };
            let drawn = hooks.drawn();
            if ticks > 0 && client.waits(tokio::time::sleep(TICK * ticks)).await?.is_none() {
                return Ok(());
            }
            let id = || draw_id(&[&body[at.clone()]]);
            let failed = hooks.fails(&id, &|error| lock(&session.engine).meets(&text, error));
            let done = match failed {
                Some(error) => lock(&session.engine).refuse(session.id, error),
                None => finish(&mut client, session, &text, &params).await,
            };
            let (what, effect) = (lock(&session.engine).what(&text), effect(&done));
            let (params, committed) = (params.iter().map(kept_value).collect(), done.committed);
            let changed = done.changed;
            let replica = false;
            let store = "sql";
            let applied = Applied { store, what, params, effect, committed, replica, changed };
            line = hooks.applied(applied);
            hooks.led_to(drawn, line);
            if let Some(arrived) = client.arrived.take() {
                hooks.led_to(arrived, line);
            }
            client.done = Some(line);
            if hooks.loses_reply(&id) && !client.is_gone && !client.goes() {
                return Ok(());
            }
            match done.result {
                Ok(outcome) => response.outcomes.push(outcome),
                Err(error) => {
                    response.error = Some(error);
                    break;
                }
            }
        }
        if client.is_gone {
            return Ok(());
        }
        pause(hooks, "sql after", draw, line).await;
        wire.send(encode_response(&response)).await?;
    }
    Ok(())
}

/// Who waits for a response.
struct Client<'a, S> {
    wire: &'a mut Wire<S>,
    hooks: &'a Arc<dyn Hooks>,
    /// What the draws of its request are about.
    draw: u64,
    /// The line of its last statement that is done.
    done: Option<u64>,
    is_gone: bool,
    /// The draw by which its first statement is done without it.
    arrived: Option<Drawn>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<'_, S> {
    /// It has gone: whether what it asked for is done to its end all the same. What has arrived may be, unless its end
    /// came as a reset, and a batch that has begun, between two statements.
    fn goes(&mut self) -> bool {
        self.is_gone = true;
        let purpose = if self.done.is_some() { "sql alone" } else { "sql arrived" };
        let runs_on = self.hooks.delay(purpose, self.draw).is_multiple_of(2);
        match self.done {
            Some(line) => self.hooks.led_to(self.hooks.drawn(), line),
            None => self.arrived = Some(self.hooks.drawn()),
        }
        runs_on
    }

    /// Waits for what ends by itself: nobody looks for the client meanwhile, who may be gone then.
    async fn sees_out<T>(&mut self, what: impl Future<Output = T>) -> T {
        let mut what = pin!(what);
        if !self.is_gone {
            tokio::select! {
                biased;
                _ = self.wire.gone() => self.is_gone = true,
                came = &mut what => return came,
            }
        }
        what.await
    }

    /// Waits for something; `None` if the client is gone before and nothing more is done for it.
    async fn waits<T>(&mut self, what: impl Future<Output = T>) -> io::Result<Option<T>> {
        let mut what = pin!(what);
        if !self.is_gone {
            tokio::select! {
                biased;
                gone = self.wire.gone() => {
                    if !self.goes() {
                        return gone.map(|()| None);
                    }
                }
                came = &mut what => return Ok(Some(came)),
            }
        }
        Ok(Some(what.await))
    }
}

/// The next request; `None` at the end of the stream, or when the session's transaction has
/// idled for too long.
async fn next<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<S>,
    session: &Guard,
) -> io::Result<Option<Bytes>> {
    let limit = lock(&session.engine).idle_limit(session.id);
    match limit {
        Some(limit) => tokio::time::timeout(limit, wire.next()).await.unwrap_or(Ok(None)),
        None => wire.next().await,
    }
}

/// Runs a statement, waiting for locks. Nothing else runs between its end and the return.
async fn finish<S: AsyncRead + AsyncWrite + Unpin>(
    client: &mut Client<'_, S>,
    session: &Guard,
    text: &str,
    params: &[Value],
) -> Done {
    let Guard { engine, id } = session;
    let mut step = lock(engine).submit(*id, text, params);
    loop {
        if let Step::Done(done) = step {
            return done;
        }
        let (wake, limit) = {
            let engine = lock(engine);
            (engine.wake(*id), engine.lock_wait())
        };
        let woken = client.sees_out(tokio::time::timeout(limit, wake.notified())).await;
        step = match woken {
            Ok(()) => lock(engine).resume(*id),
            Err(_) => lock(engine).time_out(*id),
        };
    }
}

/// What a statement did, for a trace.
fn effect(done: &Done) -> Effect {
    let did = match &done.result {
        Ok(outcome) if !outcome.columns.is_empty() => Did::Rows(outcome.rows.len()),
        Ok(Outcome { affected, last_insert_id, .. }) => {
            Did::Changed { rows: *affected, id: *last_insert_id }
        }
        Err(SqlError::Server { code, message }) => {
            Did::Failed { code: *code, message: message.clone() }
        }
        Err(SqlError::Lost(_)) => Did::ConnectionLost,
    };
    Effect::Sql { transaction: done.transaction, did }
}
