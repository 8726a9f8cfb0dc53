//! The real server's side.

use super::{Ask, Came, Moment, Session};
use crate::database::Database;
use mysql_async::{Conn, prelude::Queryable as _};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use teamtalk::store::{
    mysql,
    sql::{Connection as _, Connector as _, Server, Value},
};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{sleep, timeout},
};

/// How long a statement has before it is asked whether it waits.
const AT_ONCE: Duration = Duration::from_millis(3);

/// How long until it is asked again whether all have come to rest.
const LOOK: Duration = Duration::from_micros(300);

/// A statement's text, and its parameters.
type Statement = (String, Vec<Value>);

struct Client {
    /// As the server numbers its connections.
    id: u64,
    asks: mpsc::UnboundedSender<Statement>,
    came: mpsc::UnboundedReceiver<Came>,
    task: JoinHandle<()>,
    is_busy: bool,
}

/// A database, and those who talk to it.
pub struct Real {
    connector: mysql::Connector,
    monitor: Conn,
    clients: BTreeMap<Session, Client>,
    /// The connections of those that went, as long as the server still knows them.
    gone: BTreeMap<u64, Session>,
}

impl Real {
    pub async fn new(database: &Database) -> Self {
        let (connector, monitor) = (database.connector(), database.conn().await);
        Self { connector, monitor, clients: BTreeMap::new(), gone: BTreeMap::new() }
    }

    /// Empties tables.
    pub async fn begin(&mut self, tables: &BTreeSet<String>) {
        for table in tables {
            self.monitor.query_drop(format!("truncate {table}")).await.expect("a table");
        }
    }

    pub async fn ask(&mut self, ask: &Ask) -> Moment {
        let mut ended = BTreeMap::new();
        match ask {
            Ask::Drop { session } => self.drop_client(*session),
            Ask::Say { session, text, params } => {
                if !self.clients.contains_key(session) {
                    let client = self.connect().await;
                    self.clients.insert(*session, client);
                }
                let client = self.clients.get_mut(session).expect("it is there");
                client.asks.send((text.clone(), params.clone())).expect("its task lives");
                client.is_busy = true;
                // Most end at once, and then nobody has to be asked who waits.
                if let Ok(Some(came)) = timeout(AT_ONCE, client.came.recv()).await {
                    client.is_busy = false;
                    ended.insert(*session, came);
                }
            }
        }
        self.settle(ended).await
    }

    async fn connect(&self) -> Client {
        let mut connection = self.connector.connect(Server::Primary).await.expect("a session");
        let id = connection.execute("select connection_id() as id", &[]).await.expect("its id");
        let Value::Int(id) = id.get(0, "id") else { panic!("no number") };
        let (asks, mut asked) = mpsc::unbounded_channel::<Statement>();
        let (ends, came) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            while let Some((text, params)) = asked.recv().await {
                let result = connection.execute(&text, &params).await;
                let _ = ends.send(Came::of(&text, result));
            }
        });
        Client { id: id.unsigned_abs(), asks, came, task, is_busy: false }
    }

    fn drop_client(&mut self, session: Session) {
        if let Some(client) = self.clients.remove(&session) {
            client.task.abort();
            self.gone.insert(client.id, session);
        }
    }

    /// Waits until each statement has ended or waits for a lock.
    async fn settle(&mut self, mut ended: BTreeMap<Session, Came>) -> Moment {
        loop {
            if self.take(&mut ended) == 0 && self.gone.is_empty() {
                return Moment { ended, waiting: BTreeSet::new() };
            }
            sleep(LOOK).await;
            let mut waiting = self.waits().await;
            if !self.gone.is_empty() {
                let there = self.connections().await;
                self.gone.retain(|id, _| there.contains(id));
            }
            // What was seen to wait before an answer came has perhaps gone on since.
            let busy = self.take(&mut ended);
            let again = self.waits().await;
            waiting.retain(|id| again.contains(id));
            let waits = |id: &u64| waiting.contains(id);
            let is_still = self.clients.values().all(|c| !c.is_busy || waits(&c.id));
            if is_still && busy == self.take(&mut ended) && self.gone.keys().all(waits) {
                let clients = self.clients.iter().filter(|(_, c)| c.is_busy).map(|(n, _)| *n);
                let waiting = clients.chain(self.gone.values().copied()).collect();
                return Moment { ended, waiting };
            }
        }
    }

    /// Takes the answers that are there; how many are still awaited.
    fn take(&mut self, ended: &mut BTreeMap<Session, Came>) -> usize {
        for (session, client) in &mut self.clients {
            if let Ok(came) = client.came.try_recv() {
                client.is_busy = false;
                ended.insert(*session, came);
            }
        }
        self.clients.values().filter(|client| client.is_busy).count()
    }

    /// The connections whose statement waits for a lock.
    async fn waits(&mut self) -> BTreeSet<u64> {
        let status: Option<(String, String, String)> =
            self.monitor.query_first("show engine innodb status").await.expect("a status");
        let (_, _, status) = status.expect("a row");
        let blocks = status.split("---TRANSACTION").filter(|block| block.contains("LOCK WAIT"));
        let number = |block: &str| {
            let (_, rest) = block.split_once("thread id ")?;
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        };
        blocks.filter_map(number).collect()
    }

    async fn connections(&mut self) -> BTreeSet<u64> {
        let ids: Vec<u64> = self
            .monitor
            .query("select id from information_schema.processlist")
            .await
            .expect("a list");
        ids.into_iter().collect()
    }

    /// All clients go, and the server knows it.
    pub async fn end(&mut self) {
        let sessions: Vec<_> = self.clients.keys().copied().collect();
        for session in sessions {
            self.drop_client(session);
        }
        while !self.gone.is_empty() {
            sleep(LOOK).await;
            let there = self.connections().await;
            self.gone.retain(|id, _| there.contains(id));
        }
    }

    pub async fn rows(&self, table: &str) -> Vec<Vec<Value>> {
        let mut connection = self.connector.connect(Server::Primary).await.expect("a session");
        let text = format!("select * from {table}");
        let mut rows = connection.execute(&text, &[]).await.expect("a table").rows;
        rows.sort_unstable();
        rows
    }
}
