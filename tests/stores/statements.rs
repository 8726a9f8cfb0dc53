//! `store::mysql` beside a real server: what the trait promises.

use crate::database::Database;
use mysql_async::prelude::Queryable as _;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use teamtalk::store::{
    migrations::{self, MIGRATIONS},
    mysql::Connector,
    sql::{Connection as _, Connector as _, Server, SqlError, Statement, Value},
};
use teamtalk::timing::Timing;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

fn statement<'a>(text: &'a str, params: &'a [Value]) -> Statement<'a> {
    Statement { text, params }
}

/// Texts that would end a literal, begin a comment, or swallow the quote if the character set were another.
fn hostile() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = [
        &b"'"[..],
        b"''",
        b"\\",
        b"\\'",
        b"\\\\'",
        b"'; drop table IMUser; -- ",
        b"\" or 1=1 -- ",
        b"/* ",
        b"# ",
        b"-- ",
        b"`",
        b"?",
        b"%_",
        b"\0",
        b"a\0'b",
        b"\x1a",
        b"\n\r\t\x08",
        b";",
        b"{d '2026'}",
        // GBK and Shift JIS have characters whose second byte is a backslash or a quote.
        b"\xbf'",
        b"\xbf\\'",
        b"\x83\\",
        b"\xe4'",
        b"\xe4\xb8'",
        b"\xf0\x9f\x98'",
        b"\xc0\xa7",
        b"\xff\xfe'",
        "emoji 😀 ' und ß".as_bytes(),
        b"",
    ]
    .map(<[u8]>::to_vec)
    .to_vec();
    all.push((0..=255).collect());
    all
}

#[tokio::test]
async fn hostile_texts_are_stored_as_they_are_or_refused() {
    let Some(database) = Database::fresh("hostile", false).await else { return };
    let mut conn = database.conn().await;
    conn.query_drop(
        "create table Kept (id int primary key, raw varbinary(300), txt varchar(300)) \
        character set utf8mb4",
    )
    .await
    .expect("a table");
    let mut sql = database.connector().connect(Server::Primary).await.expect("a session");
    for (id, bytes) in (1..).zip(hostile()) {
        let (id, value) = (Value::Int(id), Value::from(&bytes[..]));
        let params = [id.clone(), value.clone()];
        let done = sql.execute("insert into Kept (id, raw) values (?, ?)", &params).await;
        assert_eq!(done.expect("any bytes").affected, 1);
        let params = [value.clone(), id.clone()];
        let kept = sql.execute("select raw, raw=? as same from Kept where id=?", &params).await;
        let kept = kept.expect("it is there");
        assert_eq!((kept.get(0, "raw"), kept.get(0, "same")), (value.clone(), Value::Int(1)));
        let text =
            sql.execute("update Kept set txt=? where id=?", &[value.clone(), id.clone()]).await;
        if std::str::from_utf8(&bytes).is_ok() {
            assert_eq!(text.expect("UTF-8").affected, 1);
            let kept =
                sql.execute("select txt from Kept where id=?", &[id]).await.expect("it is there");
            assert_eq!(kept.get(0, "txt"), value);
        } else {
            let refused = text.expect_err("no UTF-8");
            assert!(matches!(refused, SqlError::Server { code: 1366, .. }), "{bytes:?}: {refused}");
        }
    }
    let left =
        sql.execute("select count(*) as n from IMUser", &[]).await.expect("the table is there");
    assert_eq!(left.get(0, "n"), Value::Int(0));
}

/// As a server that is set up against us: what a session needs it sets itself.
#[tokio::test]
async fn no_setting_of_the_server_makes_a_parameter_a_part_of_the_statement() {
    let Some(database) = Database::fresh("modes", false).await else { return };
    let mut conn = database.conn().await;
    let before: (String, String) = conn
        .query_first("select @@global.sql_mode, @@global.character_set_client")
        .await
        .expect("modes")
        .expect("a row");
    conn.query_drop(
        "set global sql_mode='NO_BACKSLASH_ESCAPES,ANSI_QUOTES', global character_set_client=gbk, \
        global transaction_isolation='READ-COMMITTED', global autocommit=0",
    )
    .await
    .or_else(|_| Ok::<_, mysql_async::Error>(()))
    .expect("set");
    let outcome = async {
        let mut sql = database.connector().connect(Server::Primary).await?;
        let text = "select ? as back, @@sql_mode as mode, @@character_set_client as letters, @@autocommit as alone, \
            @@tx_isolation as isolation, @@innodb_lock_wait_timeout as wait";
        sql.execute(text, &["\\' or 1=1 -- ".into()]).await
    };
    let outcome = outcome.await;
    let restore = format!(
        "set global sql_mode='{}'; set global character_set_client={}; \
        set global autocommit=1; set global transaction_isolation='REPEATABLE-READ'",
        before.0, before.1
    );
    for one in restore.split(';') {
        let _ = conn.query_drop(one).await;
    }
    let outcome = outcome.expect("it is read");
    assert_eq!(outcome.get(0, "back"), "\\' or 1=1 -- ".into());
    assert_eq!(
        outcome.get(0, "mode"),
        "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION".into()
    );
    assert_eq!(outcome.get(0, "letters"), "utf8mb4".into());
    assert_eq!(outcome.get(0, "isolation"), "REPEATABLE-READ".into());
    // A second less than Timing::sql_timeout.
    assert_eq!((outcome.get(0, "alone"), outcome.get(0, "wait")), (Value::Int(1), Value::Int(4)));
}

#[tokio::test]
async fn a_batch_ends_at_the_statement_that_fails() {
    let Some(database) = Database::fresh("batch", true).await else { return };
    let mut sql = database.connector().connect(Server::Primary).await.expect("a session");
    let one = [Value::Int(1), Value::Int(7)];
    let insert = "insert into TTLogin (userId, lastLogin) values (?, ?)";
    let select = "select userId, lastLogin from TTLogin where userId=?";
    let done = sql
        .batch(&[
            statement("BEGIN", &[]),
            statement(insert, &one),
            statement(select, &one[..1]),
            statement("update TTLogin set lastLogin=8 where userId=? or userId=2", &one[..1]),
            statement(select, &[Value::Int(3)]),
            statement("insert into IMDepart (departName) values ('x')", &[]),
            statement("COMMIT", &[]),
        ])
        .await
        .expect("all of them");
    assert_eq!(done.len(), 7);
    assert_eq!((done[1].affected, done[2].rows.clone()), (1, vec![one.to_vec()]));
    assert_eq!(done[2].columns, ["userId", "lastLogin"]);
    assert_eq!((done[3].affected, done[4].rows.len(), done[4].columns.len()), (1, 0, 2));
    assert_eq!((done[5].affected, done[5].last_insert_id), (1, 1));
    for at in 0..4 {
        let mut batch = vec![statement("update TTLogin set lastLogin=lastLogin+1", &[]); 4];
        batch[at] = statement(insert, &one);
        let failed = sql.batch(&batch).await.expect_err("that key is there");
        assert!(matches!(failed.error, SqlError::Server { code: 1062, .. }), "{failed}");
        assert_eq!(failed.at, at);
    }
    // Those before it had their effect, those behind it none.
    let found = sql.execute(select, &one[..1]).await.expect("the session is of use");
    assert_eq!(found.get(0, "lastLogin"), Value::Int(8 + 1 + 2 + 3));
    // One that can't be sent ends a batch, too.
    let wrong = [
        statement("update TTLogin set lastLogin=0", &[]),
        statement("select ?", &[]),
        statement("rollback", &[]),
    ];
    let failed = sql.batch(&wrong).await.expect_err("a mark without a parameter");
    assert_eq!(failed.at, 1);
    assert!(matches!(failed.error, SqlError::Server { code: 1210, .. }), "{failed}");
    let found = sql.execute(select, &one[..1]).await.expect("the session is of use");
    assert_eq!(found.get(0, "lastLogin"), Value::Int(0));
}

/// A relay to the server that counts how often what the client writes follows what the server wrote.
async fn relay(to: String) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("its address").port();
    let trips = Arc::new(AtomicUsize::new(0));
    let counted = trips.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = TcpStream::connect(&to).await.expect("the server");
            let trips = counted.clone();
            tokio::spawn(async move {
                let (mut up, mut down) = (vec![0; 1 << 16], vec![0; 1 << 16]);
                let mut servers_turn = false;
                loop {
                    tokio::select! { biased;
                        n = server.read(&mut down) => match n {
                            Ok(n) if n > 0 && client.write_all(&down[..n]).await.is_ok() => servers_turn = false,
                            _ => return,
                        },
                        n = client.read(&mut up) => match n {
                            Ok(n) if n > 0 && server.write_all(&up[..n]).await.is_ok() => {
                                trips.fetch_add(usize::from(!servers_turn), Ordering::SeqCst);
                                servers_turn = true;
                            }
                            _ => return,
                        },
                    }
                }
            });
        }
    });
    (port, trips)
}

#[tokio::test]
async fn a_batch_is_one_round_trip() {
    let Some(database) = Database::fresh("trips", true).await else { return };
    let (server, name) = database.url.rsplit_once('/').expect("a database");
    let (user, address) = server.rsplit_once('@').expect("a user");
    let (port, trips) = relay(address.to_string()).await;
    let url = format!("{user}@127.0.0.1:{port}/{name}");
    let connector = Connector::new(&url, &url, Timing::original()).expect("an address");
    let mut sql = connector.connect(Server::Primary).await.expect("a session");
    let connect = trips.swap(0, Ordering::SeqCst);
    sql.execute("select ? as n", &[Value::Int(1)]).await.expect("a row");
    assert_eq!(trips.swap(0, Ordering::SeqCst), 1, "a statement");
    let long = "x".repeat(4_000);
    let params = [long.as_str().into()];
    let batch = vec![statement("select ? as x", &params); 64];
    assert_eq!(sql.batch(&batch).await.expect("64 rows").len(), 64);
    assert_eq!(trips.swap(0, Ordering::SeqCst), 1, "64 statements of 4 kB");
    println!("a connect takes {connect} round trips, a statement 1, a batch of 64 1");
    assert!(connect <= 3, "{connect} round trips to connect");
}

#[tokio::test]
async fn a_session_that_the_server_ends_is_seen_to_have_ended() {
    let Some(database) = Database::fresh("killed", false).await else { return };
    let mut sql = database.connector().connect(Server::Primary).await.expect("a session");
    let id = sql.execute("select connection_id() as id", &[]).await.expect("a row").get(0, "id");
    assert!(sql.is_open());
    let mut other = database.connector().connect(Server::Primary).await.expect("a session");
    other.execute("kill ?", &[id]).await.expect("it is killed");
    let began = Instant::now();
    while sql.is_open() {
        assert!(began.elapsed() < Duration::from_secs(4), "it is still taken for open");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let lost = sql.execute("select 1", &[]).await.expect_err("it has ended");
    assert!(matches!(lost, SqlError::Lost(_)), "{lost}");
}

#[tokio::test]
async fn a_transaction_that_idles_is_ended_though_its_session_is_watched() {
    let Some(database) = Database::fresh("idle", true).await else { return };
    let mut sql = database.connector().connect(Server::Primary).await.expect("a session");
    sql.execute("set session idle_transaction_timeout=2", &[]).await.expect("MariaDB");
    sql.batch(&[
        statement("BEGIN", &[]),
        statement("insert into TTLogin (userId, lastLogin) values (5, 1)", &[]),
    ])
    .await
    .expect("it is open");
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    let lost = sql.execute("COMMIT", &[]).await.expect_err("it has ended");
    assert!(matches!(lost, SqlError::Lost(_)), "{lost}");
    assert!(database.rows("TTLogin", 1).await.is_empty());
}

#[tokio::test]
async fn a_statement_that_waits_for_a_lock_gives_up_before_its_client_does() {
    let Some(database) = Database::fresh("locks", true).await else { return };
    let mut holder = database.connector().connect(Server::Primary).await.expect("a session");
    let mut waiter = database.connector().connect(Server::Primary).await.expect("a session");
    let insert = statement("insert into TTLogin (userId, lastLogin) values (1, 1)", &[]);
    holder.batch(&[statement("BEGIN", &[]), insert]).await.expect("it is held");
    let began = Instant::now();
    let failed = waiter.batch(&[statement("BEGIN", &[]), insert, statement("COMMIT", &[])]).await;
    let failed = failed.expect_err("the other one has it");
    assert_eq!(failed.at, 1);
    assert!(matches!(failed.error, SqlError::Server { code: 1205, .. }), "{failed}");
    assert!((3..5).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[tokio::test]
async fn what_is_not_there_is_an_error_in_time_and_a_sentence() {
    let Some(database) = Database::fresh("absent", false).await else { return };
    let shown = format!("{:?}", database.connector());
    assert!(shown.contains("127.0.0.1") && !shown.contains("teamtalk"), "{shown}");
    let (server, name) = database.url.rsplit_once('/').expect("a database");
    let (_, address) = server.rsplit_once('@').expect("a user");
    let wrong = format!("mysql://nobody:secret@{address}/{name}");
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let hangs = format!("mysql://u:p@{}/x", silent.local_addr().expect("its address"));
    let gone = "mysql://u:p@127.0.0.1:1/x".to_string();
    for (url, limit_s) in [(wrong, 4), (gone, 4), (hangs, 8)] {
        let connector = Connector::new(&url, &url, Timing::original()).expect("an address");
        let began = Instant::now();
        let failed = connector.connect(Server::Primary).await.err().expect("nobody is there");
        assert!(matches!(failed, SqlError::Lost(_)), "{failed}");
        assert!(!failed.to_string().contains("secret"), "{failed}");
        assert!(began.elapsed() < Duration::from_secs(limit_s), "{:?}", began.elapsed());
    }
    for (url, said) in
        [("x", "expected mysql://"), ("mysql://u:secret@h:3306", "no database is named")]
    {
        let wrong = Connector::new(url, url, Timing::original()).expect_err("no address");
        assert!(wrong.contains(said) && !wrong.contains("secret"), "{wrong}");
    }
}

#[tokio::test]
async fn migrations_run_once_and_go_on_where_they_stopped() {
    let Some(database) = Database::fresh("migrations", false).await else { return };
    let mut sql = database.connector().connect(Server::Primary).await.expect("a session");
    let all = |ran: Vec<&migrations::Migration>| ran.iter().map(|m| m.version).collect::<Vec<_>>();
    let ran = migrations::run(&mut sql).await.expect("they run");
    assert_eq!(all(ran), MIGRATIONS.iter().map(|m| m.version).collect::<Vec<_>>());
    assert!(migrations::run(&mut sql).await.expect("nothing is left").is_empty());
    sql.execute("delete from TTSchema where version>=5", &[]).await.expect("two are forgotten");
    assert_eq!(all(migrations::run(&mut sql).await.expect("they may run twice")), [5, 6]);
}
