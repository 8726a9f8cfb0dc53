//! The roles' side of the framed protocol.

use super::frame::{Response, Wire, decode_response, encode_request};
use std::{future::Future, io, time::Duration};
use teamtalk::{
    env::{Endpoint, Env},
    store::sql::{self, BatchError, Outcome, Server, SqlError, Statement, Value},
    timing::Timing,
};

/// The port of `teamtalk_master`.
pub const PRIMARY_PORT: u16 = 3306;
/// The port of `teamtalk_slave`.
pub const REPLICA_PORT: u16 = 3307;

/// Opens sessions with the fake on one host.
#[derive(Debug, Clone)]
pub struct Connector<E> {
    env: E,
    host: String,
    timing: Timing,
}

impl<E: Env> Connector<E> {
    /// For the fake on `host`; `timing` gives the deadline of connects and statements.
    pub fn new(env: E, host: impl Into<String>, timing: Timing) -> Self {
        Self { env, host: host.into(), timing }
    }
}

impl<E: Env> sql::Connector for Connector<E> {
    type Connection = Connection<E::Stream>;

    async fn connect(&self, server: Server) -> Result<Self::Connection, SqlError> {
        let port = match server {
            Server::Primary => PRIMARY_PORT,
            Server::Replica => REPLICA_PORT,
        };
        let limit = self.timing.sql_timeout();
        // The greeting is part of the deadline: a connect may succeed with the way back cut.
        let greeted = before(limit, async {
            let stream = self.env.connect(&Endpoint::new(self.host.as_str(), port)).await?;
            let mut wire = Wire::new(stream);
            let greeting = answer(&mut wire).await?;
            Ok((wire, greeting))
        });
        let (wire, greeting) = greeted.await?;
        greeting.whole().map_err(|refused| refused.error)?;
        Ok(Connection { wire: Some(wire), limit })
    }
}

/// One session. After an error of the network, a deadline, or a call that was dropped half-way
/// its socket is closed, and it answers every statement with [`SqlError::Lost`].
pub struct Connection<S> {
    wire: Option<Wire<S>>,
    limit: Duration,
}

impl<S: teamtalk::env::Stream> sql::Connection for Connection<S> {
    fn is_open(&mut self) -> bool {
        self.wire.as_mut().is_some_and(Wire::is_open)
    }

    async fn execute(&mut self, text: &str, params: &[Value]) -> Result<Outcome, SqlError> {
        let mut outcomes =
            self.batch(&[Statement { text, params }]).await.map_err(|failed| failed.error)?;
        outcomes.pop().ok_or_else(|| SqlError::Lost("an answer without an outcome".to_string()))
    }

    async fn batch(&mut self, statements: &[Statement<'_>]) -> Result<Vec<Outcome>, BatchError> {
        let answer = self.ask(statements).await;
        answer.map_err(|error| BatchError { at: 0, error })?.whole()
    }
}

impl<S: teamtalk::env::Stream> Connection<S> {
    async fn ask(&mut self, statements: &[Statement<'_>]) -> Result<Response, SqlError> {
        let lost = || SqlError::Lost("the connection failed before".to_string());
        let mut wire = self.wire.take().ok_or_else(lost)?;
        let answer = before(self.limit, async {
            wire.send(encode_request(statements)).await?;
            answer(&mut wire).await
        });
        let answer = answer.await?;
        self.wire = Some(wire);
        Ok(answer)
    }
}

async fn answer<S: teamtalk::env::Stream>(wire: &mut Wire<S>) -> io::Result<Response> {
    let body = wire.next().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
    decode_response(body)
}

async fn before<T>(
    limit: Duration,
    work: impl Future<Output = io::Result<T>>,
) -> Result<T, SqlError> {
    match tokio::time::timeout(limit, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(e)) => Err(SqlError::Lost(e.to_string())),
        Err(_) => Err(SqlError::Lost(format!("no answer within {limit:?}"))),
    }
}
