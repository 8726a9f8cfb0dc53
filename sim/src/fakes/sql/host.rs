//! SQL on the simulated network. One connection is one session.

use super::{
    engine::{Done, Engine, SessionId, Step},
    frame::{Response, Wire, decode_request, encode_response},
};
use crate::fakes::{Hooks, lock, pause, readable};
use bytes::Bytes;
use std::{
    fmt::Write,
    io,
    sync::{Arc, Mutex},
};
use teamtalk::{
    env::draw_id,
    store::sql::{SqlError, Value},
};
use tokio::io::{AsyncRead, AsyncWrite};
use turmoil::net::TcpListener;

/// Serves until the host ends. Each statement applies atomically after a drawn delay, those of a
/// batch one after the other, and the reply follows another one: a connection that closes during
/// the first one, or while the statement waits for a lock, has no effect, during the second one no
/// reply. A connection's end, by whichever side, undoes what its session has not committed.
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
        let effect = format!("tx {id}: connection lost");
        hooks.applied("sql", "ROLLBACK".into(), Vec::new(), effect, false);
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
        let mut draw = 0;
        for (bytes, text, params) in decode_request(body)? {
            // The bytes are the statement and its parameters.
            draw = draw_id(&[&bytes]);
            tokio::select! {
                biased;
                gone = wire.gone() => return gone,
                () = pause(hooks, "sql before", draw) => {}
            }
            let Some(done) = finish(wire, session, &text, &params).await? else { return Ok(()) };
            let params = params.iter().map(show).collect();
            hooks.applied("sql", text, params, effect(&done), done.committed);
            match done.result {
                Ok(outcome) => response.outcomes.push(outcome),
                Err(error) => {
                    response.error = Some(error);
                    break;
                }
            }
        }
        pause(hooks, "sql after", draw).await;
        wire.send(encode_response(&response)).await?;
    }
    Ok(())
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

/// Runs a statement, waiting for locks; `None` if the connection ends meanwhile. Nothing else
/// runs between its end and the return.
async fn finish<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<S>,
    session: &Guard,
    text: &str,
    params: &[Value],
) -> io::Result<Option<Done>> {
    let Guard { engine, id } = session;
    let mut step = lock(engine).submit(*id, text, params);
    loop {
        if let Step::Done(done) = step {
            return Ok(Some(done));
        }
        let (wake, limit) = {
            let engine = lock(engine);
            (engine.wake(*id), engine.lock_wait())
        };
        step = tokio::select! {
            biased;
            gone = wire.gone() => return gone.map(|()| None),
            () = wake.notified() => lock(engine).resume(*id),
            () = tokio::time::sleep(limit) => lock(engine).time_out(*id),
        };
    }
}

fn show(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_string(),
        Value::Int(n) => n.to_string(),
        Value::Bytes(bytes) => readable(bytes),
    }
}

/// What a statement did, for a trace.
fn effect(done: &Done) -> String {
    let mut what = match done.transaction {
        Some(session) => format!("tx {session}: "),
        None => String::new(),
    };
    let written = match &done.result {
        Ok(outcome) if !outcome.columns.is_empty() => write!(what, "rows {}", outcome.rows.len()),
        Ok(outcome) if outcome.last_insert_id > 0 => {
            write!(what, "affected {}, id {}", outcome.affected, outcome.last_insert_id)
        }
        Ok(outcome) => write!(what, "affected {}", outcome.affected),
        Err(SqlError::Server { code, message }) => write!(what, "error {code}: {message}"),
        Err(lost) => write!(what, "{lost}"),
    };
    written.expect("writing to a string");
    what
}
