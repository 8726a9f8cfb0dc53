//! A real redis-server of our own.

use std::{
    fs, io,
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

const MISSING: &str = "redis-server is not on PATH, and the fake Redis is held to a real one: \
    install it (`apt-get install redis-server` on Debian), or leave this test out with \
    FAKE_REDIS=skip";
/// How often a server that starts is asked whether it is there, and the wait in between.
const ASKS: u32 = 500;
const BETWEEN_ASKS: Duration = Duration::from_millis(20);
/// Somebody else may take a port between our look and the server's bind: then take another.
const PORTS: u32 = 5;

/// A redis-server on a free port of loopback: empty, keeps nothing on disk, killed on drop.
pub struct RedisServer {
    process: Child,
    dir: PathBuf,
    port: u16,
    version: String,
}

impl RedisServer {
    /// Starts one and waits until it answers. An error is a sentence for the developer.
    pub async fn start() -> Result<Self, String> {
        let mut last = String::new();
        for _ in 0..PORTS {
            let mut server = Self::spawn()?;
            match server.until_ready().await {
                Ok(()) => return Ok(server),
                Err(why) => last = why,
            }
        }
        Err(last)
    }

    /// What `redis::Client::open` takes.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// What the server says of itself, such as `7.0.15`.
    pub fn version(&self) -> &str {
        &self.version
    }

    fn spawn() -> Result<Self, String> {
        let free = |e| format!("no free port on loopback: {e}");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(free)?;
        let port = listener.local_addr().map_err(free)?.port();
        drop(listener);
        let name = format!("redis-{}-{port}", std::process::id());
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        let process = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
            .args(["--save", "", "--appendonly", "no", "--logfile", "redis.log", "--dir"])
            .arg(&dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match process {
            Ok(process) => Ok(Self { process, dir, port, version: String::new() }),
            Err(e) => {
                let _ = fs::remove_dir_all(&dir);
                Err(match e.kind() {
                    io::ErrorKind::NotFound => MISSING.to_string(),
                    _ => format!("redis-server does not start: {e}"),
                })
            }
        }
    }

    async fn until_ready(&mut self) -> Result<(), String> {
        for _ in 0..ASKS {
            if let Ok(Some(status)) = self.process.try_wait() {
                return Err(self.told(&format!("ended at once ({status})")));
            }
            if let Ok(version) = self.ask().await {
                self.version = version;
                return Ok(());
            }
            tokio::time::sleep(BETWEEN_ASKS).await;
        }
        Err(self.told("does not answer"))
    }

    /// The version of the server, provided that the one behind the port is ours.
    async fn ask(&self) -> redis::RedisResult<String> {
        let mut conn = redis::Client::open(self.url())?.get_multiplexed_async_connection().await?;
        let info: redis::InfoDict = redis::cmd("INFO").arg("server").query_async(&mut conn).await?;
        let other = || io::Error::other("another redis-server has this port");
        if info.get("process_id") != Some(self.process.id()) {
            return Err(other().into());
        }
        Ok(info.get("redis_version").unwrap_or_default())
    }

    fn told(&self, what: &str) -> String {
        let log = fs::read_to_string(self.dir.join("redis.log")).unwrap_or_default();
        format!("redis-server on port {} {what}; its log:\n{log}", self.port)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}
