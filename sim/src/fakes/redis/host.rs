//! Redis on the simulated network: RESP in, RESP out.

use super::engine::{Engine, Session};
use crate::fakes::{Hooks, lock, pause, readable};
use bytes::{Bytes, BytesMut};
use redis_protocol::{codec::Resp2, resp2::types::BytesFrame};
use std::{
    io,
    sync::{Arc, Mutex},
};
use teamtalk::env::draw_id;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::codec::Decoder;
use turmoil::net::{TcpListener, TcpStream};

/// Serves until the host ends. Each connection's commands run one after the other; each applies
/// atomically between two drawn delays: a connection that closes during the first one has no
/// effect, during the second one no reply.
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
            let _ = converse(Wire::new(stream), engine, hooks).await;
        });
    }
}

async fn converse(
    mut wire: Wire,
    engine: Arc<Mutex<Engine>>,
    hooks: Arc<dyn Hooks>,
) -> io::Result<()> {
    let mut session = Session::default();
    while let Some(command) = wire.next().await? {
        let parts: Vec<&[u8]> = command.iter().map(AsRef::as_ref).collect();
        let id = draw_id(&parts);
        tokio::select! {
            biased;
            gone = wire.gone() => return gone,
            () = pause(&hooks, "redis before", id) => {}
        }
        let reply = lock(&engine).run(&mut session, &command);
        if let Some((name, args)) =
            command.split_first().filter(|(name, _)| !Engine::is_connection_command(name))
        {
            let args: Vec<_> = args.iter().map(|arg| readable(arg)).collect();
            hooks.applied("redis", &readable(name), &args, &reply.readable(), true);
        }
        pause(&hooks, "redis after", id).await;
        let mut out = BytesMut::new();
        reply.encode(session.resp3, &mut out).map_err(io::Error::other)?;
        wire.stream.write_all(&out).await?;
    }
    Ok(())
}

/// A connection with what was read ahead of it.
struct Wire {
    stream: TcpStream,
    read: BytesMut,
    codec: Resp2,
}

impl Wire {
    fn new(stream: TcpStream) -> Self {
        Self { stream, read: BytesMut::new(), codec: Resp2::default() }
    }

    /// The next command; `None` at the end of the stream.
    async fn next(&mut self) -> io::Result<Option<Vec<Bytes>>> {
        loop {
            if let Some(frame) = self.codec.decode(&mut self.read).map_err(io::Error::other)? {
                return command(frame).map(Some);
            }
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Reads ahead until the connection ends.
    async fn gone(&mut self) -> io::Result<()> {
        while self.stream.read_buf(&mut self.read).await? > 0 {}
        Ok(())
    }
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
