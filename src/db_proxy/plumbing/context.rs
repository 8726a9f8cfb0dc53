//! What a handler works with: the stores, the clock, the switches.

use crate::{
    conversation::Conversation,
    db_proxy::{
        data::caches::Caches,
        plumbing::{
            error::{NotCommitted, OnFailure, StoreError, lost_a_lock, or_empty},
            tries::Tries,
        },
    },
    env::Env,
    fact::Fact,
    mutants::Mutant,
    protocol::Protocol,
    store::{
        blob::Blobs,
        cache::Cache,
        sql::{BatchError, Connection, Connector, Outcome, Server, SqlError, Statement, Value},
    },
    timing::Timing,
};
use std::{borrow::Cow, sync::Arc, time::Duration};

/// What a handler sees of the world besides the stores. Every [`Env`] is one.
pub trait Host: Clone + Send + Sync + 'static {
    /// This host's wall clock since the Unix epoch.
    fn unix_time(&self) -> Duration;
    /// Reports what the role did.
    fn fact(&self, fact: Fact);
}

impl<E: Env> Host for E {
    fn unix_time(&self) -> Duration {
        Env::unix_time(self)
    }

    fn fact(&self, fact: Fact) {
        Env::fact(self, fact);
    }
}

/// The world of one process, as a single type parameter of the handlers.
pub trait World: Send + Sync + 'static {
    /// Clock and facts.
    type Host: Host;
    /// Redis.
    type Cache: Cache;
    /// SQL.
    type Sql: Connector;
    /// The blob store.
    type Blobs: Blobs;
}

/// What all workers of one process share.
pub struct Shared<W: World> {
    /// Clock and facts.
    pub host: W::Host,
    /// Redis.
    pub cache: W::Cache,
    /// The blob store, for audio.
    pub blobs: W::Blobs,
    /// The switches.
    pub protocol: Protocol,
    /// The durations.
    pub timing: Timing,
    /// What the process remembers.
    pub caches: Caches,
}

const BEGIN: &str = "BEGIN";

/// The statement that limits idle transactions, up to the number of whole seconds.
pub const LIMIT_IDLE: &str = "set session idle_transaction_timeout=";

/// How many SELECTs go in one round trip, with one deadline for all of them.
const TOGETHER: usize = 64;

/// A SELECT, and its parameters.
pub type Select = (String, Vec<Value>);

/// One worker's context: its own pair of SQL connections, and what it shares with the others.
pub struct Context<W: World> {
    /// What all workers share.
    pub shared: Arc<Shared<W>>,
    /// The request's start by db_proxy's wall clock, in seconds: sessions and relations carry it.
    pub now: u32,
    connector: W::Sql,
    primary: Option<<W::Sql as Connector>::Connection>,
    /// The primary connection has its idle transactions limited.
    limited: bool,
    replica: Option<<W::Sql as Connector>::Connection>,
    /// BEGIN was deferred, and what it began has not ended.
    in_transaction: bool,
    /// Statements of the open transaction that go to the primary with the next one.
    deferred: Vec<Deferred>,
}

/// A statement that waits for the next one.
struct Deferred {
    text: Cow<'static, str>,
    params: Vec<Value>,
}

impl<W: World> Context<W> {
    /// A context that opens its connections when they are needed.
    pub fn new(shared: Arc<Shared<W>>, connector: W::Sql) -> Self {
        let (primary, replica, deferred) = (None, None, Vec::new());
        let (limited, in_transaction) = (false, false);
        let mut context =
            Self { shared, now: 0, connector, primary, limited, replica, in_transaction, deferred };
        context.start_request();
        context
    }

    /// Reads the clock for a new request. With `answered-refusals` connections that their server has
    /// closed since the last one are dropped, and new ones opened when they are needed: otherwise each
    /// worker would refuse a request after a failure that is long over.
    pub fn start_request(&mut self) {
        self.now = self.shared.host.unix_time().as_secs() as u32;
        if self.protocol().answered_refusals {
            for slot in [&mut self.primary, &mut self.replica] {
                slot.take_if(|connection| !connection.is_open());
            }
        }
    }

    /// Redis.
    pub fn cache(&self) -> &W::Cache {
        &self.shared.cache
    }

    /// The switches.
    pub fn protocol(&self) -> &Protocol {
        &self.shared.protocol
    }

    /// Reports what the role did.
    pub fn fact(&self, fact: Fact) {
        self.shared.host.fact(fact);
    }

    /// What a failed read of a query means (switch `honest-reads`).
    pub fn on_failed_query(&self) -> OnFailure {
        if self.protocol().honest_reads { OnFailure::Fail } else { OnFailure::Empty }
    }

    /// What a failed read means to a message that is to be stored (switch `ack-after-store`).
    pub fn on_failed_send_read(&self) -> OnFailure {
        if self.protocol().ack_after_store { OnFailure::Fail } else { OnFailure::Empty }
    }

    /// Where lists, counts and sessions are read for a client: from the replica, or, with
    /// `catch-up-on-gap`, from the primary. A client that asks once for what it missed would
    /// never learn what a lagging replica did not have yet.
    pub fn reader(&self) -> Server {
        if self.protocol().catch_up_on_gap { Server::Primary } else { Server::Replica }
    }

    /// Runs one statement on this worker's connection to a server, which is opened if there is none
    /// or the last one was lost. On the primary the deferred statements run before it, and the error may be of one of
    /// them. A statement is repeated only if it is alone, on the primary, and its error says that it has had no effect for
    /// somebody else's lock (with `answered-refusals`; [`Tries`]).
    pub async fn execute(
        &mut self,
        server: Server,
        text: &str,
        params: &[Value],
    ) -> Result<Outcome, SqlError> {
        let is_alone = server == Server::Primary && !self.in_transaction;
        let repeats = is_alone && self.protocol().answered_refusals;
        let mut tries = Tries::new(&self.shared.timing);
        loop {
            let (_, result) = self.execute_where(server, text, params).await;
            let lost = result.as_ref().err().is_some_and(lost_a_lock);
            if !(repeats && lost && tries.again().await) {
                return result;
            }
        }
    }

    /// [`Self::execute`], and whether this statement was reached: false if a deferred one failed.
    async fn execute_where(
        &mut self,
        server: Server,
        text: &str,
        params: &[Value],
    ) -> (bool, Result<Outcome, SqlError>) {
        let connection = match self.connection(server).await {
            Ok(connection) => connection,
            Err(error) => return (false, Err(error)),
        };
        let (reached, result) = match connection {
            (connection, deferred) if server == Server::Primary && !deferred.is_empty() => {
                let deferred = std::mem::take(deferred);
                flush(connection, &deferred, Statement { text, params }).await
            }
            (connection, _) => (true, connection.execute(text, params).await),
        };
        if let Err(error) = &result {
            self.failed(server, text, error);
        }
        (reached, result)
    }

    /// This worker's connection to a server, which is opened if there is none, and what is deferred.
    async fn connection(
        &mut self,
        server: Server,
    ) -> Result<(&mut <W::Sql as Connector>::Connection, &mut Vec<Deferred>), SqlError> {
        let slot = match server {
            Server::Primary => &mut self.primary,
            Server::Replica => &mut self.replica,
        };
        let connection = match slot {
            Some(open) => open,
            None => {
                let stays = self.limited
                    && server == Server::Primary
                    && self.shared.protocol.mutated(Mutant::IdleLimitSetOnce);
                self.limited &= server != Server::Primary || stays;
                slot.insert(self.connector.connect(server).await?)
            }
        };
        Ok((connection, &mut self.deferred))
    }

    /// A statement failed. A connection that is lost is of no more use.
    fn failed(&mut self, server: Server, text: &str, error: &SqlError) {
        tracing::warn!(%error, ?server, text, "statement failed");
        if matches!(error, SqlError::Lost(_)) {
            match server {
                Server::Primary => self.primary = None,
                Server::Replica => self.replica = None,
            }
        }
    }

    /// Inside a transaction: keeps a statement whose outcome is not needed, to be sent with the
    /// next one, or with COMMIT, in the same round trip. If it fails, that one does not run.
    pub fn defer(&mut self, text: impl Into<Cow<'static, str>>, params: &[Value]) {
        self.deferred.push(Deferred { text: text.into(), params: params.to_vec() });
    }

    /// Opens a transaction; BEGIN goes with the next statement.
    pub fn begin(&mut self) {
        self.deferred.clear();
        self.in_transaction = true;
        self.defer(BEGIN, &[]);
    }

    /// Runs what is deferred, then COMMIT.
    ///
    /// # Errors
    /// Which of them failed: a deferred statement, or COMMIT.
    pub async fn commit(&mut self) -> Result<(), NotCommitted> {
        match self.execute_where(Server::Primary, "COMMIT", &[]).await {
            (_, Ok(_)) => {
                self.in_transaction = false;
                Ok(())
            }
            (false, Err(error @ SqlError::Server { .. }))
                if !self.protocol().mutated(Mutant::FailedCommitIsUnknown) =>
            {
                Err(NotCommitted::Failed(error))
            }
            (_, Err(error)) => Err(NotCommitted::Unknown(error)),
        }
    }

    /// Before a BEGIN, once for each connection: has the server end a transaction that waits for
    /// its next statement for longer than a statement may take. Without this the locks of a process
    /// that lost its power stay until the server notices that its connection is dead (ours; MariaDB
    /// 10.3 and later).
    pub async fn limit_idle_transactions(&mut self) -> Result<(), StoreError> {
        if self.primary.is_some() && self.limited {
            return Ok(());
        }
        let seconds = self.shared.timing.sql_timeout().as_millis().div_ceil(1_000);
        self.primary(&format!("{LIMIT_IDLE}{seconds}"), &[]).await?;
        self.limited = true;
        Ok(())
    }

    /// Runs one SELECT.
    pub async fn select(
        &mut self,
        on_failure: OnFailure,
        server: Server,
        text: &str,
        params: &[Value],
    ) -> Result<Outcome, StoreError> {
        or_empty(on_failure, self.execute(server, text, params).await.map_err(StoreError::from))
    }

    /// Runs SELECTs outside a transaction, [`TOGETHER`] in one round trip. Returns the outcome of each; those
    /// that were not reached because one failed count as failed, too.
    pub async fn select_all(
        &mut self,
        on_failure: OnFailure,
        server: Server,
        selects: &[Select],
    ) -> Result<Vec<Outcome>, StoreError> {
        let mut outcomes = Vec::with_capacity(selects.len());
        for some in selects.chunks(TOGETHER) {
            let found = self.select_together(server, some).await.map_err(StoreError::from);
            let mut found = or_empty(on_failure, found)?;
            found.resize(some.len(), Outcome::default());
            outcomes.append(&mut found);
        }
        Ok(outcomes)
    }

    async fn select_together(
        &mut self,
        server: Server,
        selects: &[Select],
    ) -> Result<Vec<Outcome>, SqlError> {
        let statements: Vec<_> =
            selects.iter().map(|(text, params)| Statement { text, params }).collect();
        let (connection, _) = self.connection(server).await?;
        let BatchError { at, error } = match connection.batch(&statements).await {
            Ok(outcomes) => return Ok(outcomes),
            Err(failed) => failed,
        };
        self.failed(server, statements.get(at).map_or("", |failed| failed.text), &error);
        Err(error)
    }

    /// Runs one statement on the primary whose failure fails the request.
    pub async fn primary(&mut self, text: &str, params: &[Value]) -> Result<Outcome, StoreError> {
        Ok(self.execute(Server::Primary, text, params).await?)
    }

    /// Runs one INSERT, UPDATE or DELETE on the primary; whether it changed a row. A statement that
    /// failed counts as one that changed none, as in the original. With `answered-refusals` that is so only of values
    /// that can never be stored: what fails otherwise is an error, since nobody knows what the statement did, or it
    /// may be done at another time, and its transaction, if it is in one, may be undone already.
    pub async fn write(&mut self, text: &str, params: &[Value]) -> Result<bool, StoreError> {
        match self.primary(text, params).await {
            Ok(done) => Ok(done.affected != 0),
            Err(error)
                if self.protocol().answered_refusals
                    && !error.is_about_values()
                    && !self.protocol().mutated(Mutant::RefusedForNowIsNever) =>
            {
                Err(error)
            }
            Err(_) => Ok(false),
        }
    }

    /// Ends a transaction without effect. If its connection is gone it has ended already; if
    /// ROLLBACK fails, the connection is dropped here and the transaction ends with it; if BEGIN
    /// was not sent yet, there is nothing to end.
    pub async fn roll_back(&mut self) {
        self.in_transaction = false;
        let begun = self.deferred.first().is_none_or(|first| first.text != BEGIN);
        self.deferred.clear();
        if !begun {
            return;
        }
        if self.primary.is_some() && self.execute(Server::Primary, "ROLLBACK", &[]).await.is_err() {
            self.primary = None;
        }
    }

    /// Reports that a message was not stored.
    pub fn store_failed(&self, conversation: Conversation, msg_id: u32, reason: &StoreError) {
        self.fact(Fact::StoreFailed { conversation, msg_id, reason: reason.to_string() });
    }
}

/// Runs what was deferred and then a statement, as one batch. Returns whether the statement was
/// reached, and its outcome.
async fn flush<C: Connection>(
    connection: &mut C,
    deferred: &[Deferred],
    last: Statement<'_>,
) -> (bool, Result<Outcome, SqlError>) {
    let waiting = deferred.iter().map(|d| Statement { text: &d.text, params: &d.params });
    let batch: Vec<_> = waiting.chain([last]).collect();
    match connection.batch(&batch).await {
        Ok(mut outcomes) => (true, Ok(outcomes.pop().unwrap_or_default())),
        Err(BatchError { at, error }) => {
            if let Some(failed) = deferred.get(at) {
                tracing::warn!(%error, text = &*failed.text, "statement failed on the way");
            }
            (at == deferred.len(), Err(error))
        }
    }
}
