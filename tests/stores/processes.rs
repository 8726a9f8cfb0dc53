//! The server program, started as a user starts it.

use crate::database::Database;
use std::{
    io::Read as _,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

/// How long a program may take to listen, or to end.
const LIMIT: Duration = Duration::from_secs(20);

/// A folder for settings and logs, deleted at the end unless the test fails.
pub struct Place(PathBuf);

impl Place {
    pub fn new(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    /// Writes a file of settings.
    pub fn settings(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(format!("{name}.toml"));
        std::fs::write(&path, text).expect("a file");
        path
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// The program with these arguments and the stores of a database.
pub fn teamtalk(database: Option<&Database>, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_teamtalk"));
    command.args(arguments).stdin(Stdio::null());
    for name in ["TEAMTALK_REDIS", "TEAMTALK_SQL", "TEAMTALK_LOG"] {
        command.env_remove(name);
    }
    if let Some(Database { url, redis, .. }) = database {
        command.env("TEAMTALK_REDIS", format!("{}:{}", redis.host, redis.port));
        command.env("TEAMTALK_SQL", url);
    }
    command
}

/// A running server, killed on drop.
pub struct Server {
    process: Child,
    name: String,
    log: PathBuf,
}

impl Server {
    /// Starts a role and waits until its port takes connections.
    pub fn start(
        place: &Place,
        database: &Database,
        role: &str,
        settings: &Path,
        port: u16,
    ) -> Self {
        let name = format!("{role}-{port}");
        let log = place.path().join(format!("{name}.log"));
        let file = std::fs::File::options().create(true).append(true).open(&log).expect("a log");
        let mut command = teamtalk(Some(database), &[role, "--config"]);
        command.arg(settings).env("TEAMTALK_LOG", "info,teamtalk::fact=debug");
        let process = command.stdout(Stdio::null()).stderr(file).spawn().expect("the program");
        let mut server = Self { process, name, log };
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            let ended = server.process.try_wait().expect("its status");
            assert!(
                ended.is_none() && began.elapsed() < LIMIT,
                "{} does not listen: {}",
                server.name,
                server.told()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// What it logged.
    pub fn told(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn signal(&self, signal: &str) {
        let id = self.process.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill {signal} {id}");
    }

    /// Tells it to stop: its status, and how long it took.
    pub fn stop(mut self) -> (ExitStatus, Duration) {
        let began = Instant::now();
        self.signal("-TERM");
        loop {
            if let Some(status) = self.process.try_wait().expect("its status") {
                return (status, began.elapsed());
            }
            assert!(began.elapsed() < LIMIT, "{} does not stop: {}", self.name, self.told());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// It dies without a word.
    pub fn kill(mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("its status");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs the program to its end: status and what it wrote to standard error.
fn ends(mut command: Command) -> (Option<i32>, String) {
    let mut process =
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program");
    let began = Instant::now();
    let status = loop {
        if let Some(status) = process.try_wait().expect("its status") {
            break status.code();
        }
        if began.elapsed() > LIMIT {
            process.kill().expect("it runs");
            panic!("it does not end");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let mut said = String::new();
    process.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
    (status, said)
}

#[test]
fn wrong_usage_and_settings_are_a_sentence_and_status_2() {
    let place = Place::new("usage");
    let settings = place.settings("wrong", "[msg]\nprot = 1\n");
    let settings = settings.to_str().expect("a path");
    let no_sql = place.settings("none", "[stores]\nredis = \"127.0.0.1:1\"\n");
    let no_sql = no_sql.to_str().expect("a path");
    for (arguments, said) in [
        (vec!["msg", "--config", settings], "unknown field `prot`"),
        (vec!["msg", "--config", "/no/such/file"], "/no/such/file: No such file"),
        (vec!["db-proxy"], "no SQL: set `stores.sql` in the file or TEAMTALK_SQL"),
        (vec!["db-proxy", "--config", no_sql], "no SQL"),
        (vec!["migrate"], "no SQL"),
        (vec!["nothing"], "unrecognized subcommand"),
        (vec![], "Usage:"),
    ] {
        let (status, sentence) = ends(teamtalk(None, &arguments));
        assert_eq!(status, Some(2), "{arguments:?}: {sentence}");
        assert!(sentence.contains(said), "{arguments:?}: {sentence}");
    }
}

#[test]
fn what_fails_when_it_runs_is_a_sentence_and_status_1() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = taken.local_addr().expect("its address").port();
    let place = Place::new("fails");
    let text = format!("[route]\naddress = \"127.0.0.1\"\nport = {port}\n");
    let settings = place.settings("taken", &text);
    let (status, sentence) =
        ends(teamtalk(None, &["route", "--config", settings.to_str().expect("a path")]));
    assert_eq!(status, Some(1), "{sentence}");
    assert!(
        sentence.contains(&format!("127.0.0.1:{port}")) && sentence.contains("in use"),
        "{sentence}"
    );
    let mut migrate = teamtalk(None, &["migrate"]);
    migrate.env("TEAMTALK_SQL", "mysql://u:secret@127.0.0.1:1/x");
    let (status, sentence) = ends(migrate);
    assert_eq!(status, Some(1), "{sentence}");
    assert!(sentence.contains("the primary: ") && !sentence.contains("secret"), "{sentence}");
}

#[tokio::test]
async fn a_db_proxy_on_a_database_that_is_too_old_says_what_to_run() {
    let Some(database) = Database::fresh("old", false).await else { return };
    let place = Place::new("old");
    let recordings = place.path().join("recordings");
    let port = free_port();
    let text = format!("[stores]\nrecordings = {recordings:?}\n[db-proxy]\nport = {port}\n");
    let settings = place.settings("db", &text);
    let settings = settings.to_str().expect("a path");
    let (status, said) = ends(teamtalk(Some(&database), &["db-proxy", "--config", settings]));
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("version 0 of the schema and version 6 is needed"), "{said}");
    for expected in ["version 6: logins", "nothing to do"] {
        let migrated = teamtalk(Some(&database), &["migrate"]).output().expect("the program");
        assert!(migrated.status.success());
        assert!(String::from_utf8_lossy(&migrated.stdout).contains(expected));
    }
}
