//! Databases and Redis of a test, on the servers that the script started.

use mysql_async::{Conn, Opts, OptsBuilder, prelude::Queryable as _};
use std::collections::BTreeMap;
use teamtalk::{
    env::Endpoint,
    server::config::endpoint,
    store::{
        migrations,
        mysql::Connector,
        sql::{Connector as _, Server, Value},
    },
    timing::Timing,
};
use teamtalk_sim::record::Changed;
use tokio::sync::{Mutex, MutexGuard};

/// Database 1 of Redis has one user at a time: the tests of this process take turns.
static REDIS: Mutex<()> = Mutex::const_new(());

/// A database of its own with the tables of docs/schema.sql, and Redis without a key.
pub struct Database {
    /// The address of SQL with the database in it.
    pub url: String,
    /// Where Redis is.
    pub redis: Endpoint,
    _redis: MutexGuard<'static, ()>,
}

impl Database {
    /// A new one of this name; `migrated`: with our side tables. `None` if it is not known where the stores are.
    pub async fn fresh(name: &str, migrated: bool) -> Option<Self> {
        let (redis, url) = crate::stores()?;
        let guard = REDIS.lock().await;
        let name = format!("teamtalk_test_{name}");
        let mut conn =
            Conn::new(Opts::from_url(&url).expect("an address")).await.expect("SQL is there");
        let remade = format!(
            "drop database if exists {name}; create database {name} \
            character set utf8mb4 collate utf8mb4_bin; use {name}; {}",
            include_str!("../../docs/schema.sql")
        );
        conn.query_drop(remade).await.expect("the tables of the original");
        conn.disconnect().await.expect("it ends");
        let (server, _) = url.rsplit_once('/').expect("a database in the address");
        let url = format!("{server}/{name}");
        let redis = endpoint(&redis).expect("HOST:PORT");
        let database = Self { url, redis, _redis: guard };
        if migrated {
            let mut connection =
                database.connector().connect(Server::Primary).await.expect("SQL is there");
            migrations::run(&mut connection).await.expect("they run");
        }
        let mut keys = database.keys_connection().await;
        redis::cmd("FLUSHALL").exec_async(&mut keys).await.expect("Redis is there");
        Some(database)
    }

    /// What db_proxies open their sessions with.
    pub fn connector(&self) -> Connector {
        Connector::new(&self.url, &self.url, Timing::original()).expect("an address")
    }

    /// A connection for the test itself.
    pub async fn conn(&self) -> Conn {
        let opts = OptsBuilder::from_opts(Opts::from_url(&self.url).expect("an address"));
        Conn::new(opts).await.expect("SQL is there")
    }

    pub async fn keys_connection(&self) -> redis::aio::MultiplexedConnection {
        let url = format!("redis://{}:{}/1", self.redis.host, self.redis.port);
        let client = redis::Client::open(url).expect("an address");
        client.get_multiplexed_async_connection().await.expect("Redis is there")
    }

    /// Puts rows of a simulation into it, in the place of those with their keys.
    pub async fn fill(&self, rows: &[Changed]) {
        use teamtalk::store::sql::Connection as _;
        let mut connection = self.connector().connect(Server::Primary).await.expect("SQL is there");
        for changed in rows {
            let Changed::Row { columns, after: Some(row), .. } = changed else {
                panic!("{changed:?}")
            };
            let (marks, names) = (vec!["?"; row.len()].join(","), columns.names.join(","));
            let text = format!("replace into {} ({names}) values ({marks})", columns.table);
            connection.execute(&text, row).await.expect("a row that fits");
        }
    }

    /// All rows of a table, in the order of its primary key, which are the first `keys` columns.
    pub async fn rows(&self, table: &str, keys: usize) -> Vec<Vec<Value>> {
        use teamtalk::store::sql::Connection as _;
        let mut connection = self.connector().connect(Server::Primary).await.expect("SQL is there");
        let order = (1..=keys).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
        let text = format!("select * from {table} order by {order}");
        connection.execute(&text, &[]).await.expect("a table").rows
    }

    /// All keys of database 1: strings, and the fields of hashes.
    pub async fn keys(&self) -> BTreeMap<(Vec<u8>, Option<Vec<u8>>), Vec<u8>> {
        let mut connection = self.keys_connection().await;
        let keys: Vec<Vec<u8>> =
            redis::cmd("KEYS").arg("*").query_async(&mut connection).await.expect("all keys");
        let mut all = BTreeMap::new();
        for key in keys {
            let of: String =
                redis::cmd("TYPE").arg(&key).query_async(&mut connection).await.expect("its type");
            if of == "hash" {
                let fields: BTreeMap<Vec<u8>, Vec<u8>> = redis::cmd("HGETALL")
                    .arg(&key)
                    .query_async(&mut connection)
                    .await
                    .expect("its fields");
                let fields =
                    fields.into_iter().map(|(field, value)| ((key.clone(), Some(field)), value));
                all.extend(fields);
            } else {
                let value = redis::cmd("GET")
                    .arg(&key)
                    .query_async(&mut connection)
                    .await
                    .expect("its value");
                all.insert((key, None), value);
            }
        }
        all
    }
}
