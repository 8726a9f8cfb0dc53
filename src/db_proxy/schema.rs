//! Whether the database has the tables that the switches need (`store::migrations`). A db_proxy
//! without such a switch asks for nothing.

use crate::{
    protocol::Protocol,
    store::{
        migrations::{TooOld, required, there, version_of},
        sql::{Connector, Server},
    },
    timing::Timing,
};
use std::{future::Future, pin::Pin};

type Asking = Pin<Box<dyn Future<Output = Option<u32>> + Send>>;

/// Asks the primary for its version, on a connection of its own, until it has answered once.
pub struct Check<C> {
    connector: C,
    protocol: Protocol,
    timing: Timing,
    /// The answer that is waited for; `None`: there is nothing to ask any more.
    asking: Option<Asking>,
}

impl<C: Connector> Check<C> {
    /// Of a db_proxy that starts.
    pub fn new(connector: C, protocol: Protocol, timing: Timing) -> Self {
        let needed = required(&protocol) > 0;
        let asking = needed.then(|| Box::pin(version(connector.clone())) as Asking);
        Self { connector, protocol, timing, asking }
    }

    /// Whether nothing is known yet, nor whether the database can be reached.
    pub fn is_asking(&self) -> bool {
        self.asking.is_some()
    }

    /// The next that is known: the database has what is needed, or it could not be asked and will be
    /// again in a tick; then requests find out by themselves that it is away. Waits for ever once there
    /// is nothing to ask. May be dropped and called again.
    ///
    /// # Errors
    /// What the database lacks.
    pub async fn next(&mut self) -> Result<(), TooOld> {
        let Some(asking) = &mut self.asking else { return std::future::pending().await };
        let found = asking.await;
        self.asking = None;
        if let Some(found) = found {
            return TooOld::of(&self.protocol, found).map_or(Ok(()), Err);
        }
        let (connector, pause) = (self.connector.clone(), self.timing.tick());
        self.asking = Some(Box::pin(async move {
            tokio::time::sleep(pause).await;
            version(connector).await
        }));
        Ok(())
    }
}

/// The version of the database; `None` if it does not say.
async fn version<C: Connector>(connector: C) -> Option<u32> {
    let asked = async { there(&mut connector.connect(Server::Primary).await?).await };
    match asked.await {
        Ok(versions) => Some(version_of(&versions)),
        Err(error) => {
            tracing::warn!(%error, "the version of the schema is not known");
            None
        }
    }
}
