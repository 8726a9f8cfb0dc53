//! Both servers, and a sequence run on both.

use crate::{
    commands::{DATABASES, KEYS, Step},
    server::RedisServer,
};
use redis::{Client, Cmd, ErrorKind, RedisResult, Value, aio::MultiplexedConnection};
use std::{
    fmt,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};
use teamtalk_sim::{
    fakes::{
        Hooks,
        redis::{Engine, converse},
    },
    record::Applied,
};
use tokio::net::TcpListener;

/// A real redis-server and the fake, both on loopback.
pub struct Pair {
    server: RedisServer,
    real_client: Client,
    fake_client: Client,
    engine: Arc<Mutex<Engine>>,
}

/// A step with what each side answered.
pub struct Answered {
    /// The step.
    pub step: Step,
    /// Whether it is one of ours, which read back what the sequence wrote.
    pub reads_back: bool,
    /// The real server's answer.
    pub real: Answer,
    /// The fake's.
    pub fake: Answer,
}

impl Answered {
    /// Whether both sides answered the same, and both did: no command ends a connection.
    pub fn equal(&self) -> bool {
        use ErrorKind::{Io, Parse};
        let broken = matches!(self.real, Answer::Error { kind: Io | Parse, .. });
        self.real == self.fake && !broken
    }
}

/// What the client makes of a reply.
#[derive(Clone, PartialEq)]
pub enum Answer {
    /// A reply.
    Value(Value),
    /// An error. `kind` is the client's, `code` the first word on the wire, `detail` the rest.
    Error { kind: ErrorKind, code: Option<String>, detail: Option<String> },
}

impl Pair {
    /// Starts both. An error is a sentence for the developer.
    pub async fn start() -> Result<Self, String> {
        let server = RedisServer::start().await?;
        let engine = Arc::new(Mutex::new(Engine::new()));
        let port = serve(engine.clone()).await.map_err(|e| format!("the fake on loopback: {e}"))?;
        let client = |url: String| Client::open(url).expect("a URL");
        let real_client = client(server.url());
        let fake_client = client(format!("redis://127.0.0.1:{port}/"));
        Ok(Self { server, real_client, fake_client, engine })
    }

    /// The version of the real server.
    pub fn version(&self) -> &str {
        self.server.version()
    }

    /// Runs the steps on both, from empty, until they differ; then reads all that the steps can
    /// have written. Only the last answer can differ.
    ///
    /// # Panics
    /// If a connection can't be made.
    pub async fn run(&self, steps: &[Step]) -> Vec<Answered> {
        let mut real = Connections::open(&self.real_client).await;
        let mut fake = Connections::open(&self.fake_client).await;
        let flushed = real.answer(&step(false, &[b"FLUSHALL"])).await;
        assert_eq!(flushed, Answer::Value(Value::Okay), "the real server is emptied");
        *self.engine.lock().expect("the fake has not panicked") = Engine::new();
        let mut answered = Vec::new();
        let steps = steps.iter().map(|step| (step.clone(), false));
        for (step, reads_back) in steps.chain(read_all().map(|step| (step, true))) {
            let (real, fake) = (real.answer(&step).await, fake.answer(&step).await);
            answered.push(Answered { step, reads_back, real, fake });
            if answered.last().is_some_and(|last| !last.equal()) {
                break;
            }
        }
        answered
    }
}

/// Serves the fake on a port of loopback for as long as the runtime lives.
async fn serve(engine: Arc<Mutex<Engine>>) -> std::io::Result<u16> {
    struct NoDelays;
    impl Hooks for NoDelays {
        fn delay(&self, _: &'static str, _: u64) -> u32 {
            0
        }
        fn applied(&self, _: Applied) -> u64 {
            0
        }
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            tokio::spawn(converse(stream, engine.clone(), Arc::new(NoDelays)));
        }
    });
    Ok(port)
}

/// Two connections to one server.
struct Connections {
    resp2: MultiplexedConnection,
    resp3: MultiplexedConnection,
}

impl Connections {
    async fn open(client: &Client) -> Self {
        let connect = || client.get_multiplexed_async_connection();
        let resp2 = connect().await.expect("it connects");
        let resp3 = connect().await.expect("it connects");
        let mut both = Self { resp2, resp3 };
        let hello = both.answer(&step(true, &[b"HELLO", b"3"])).await;
        assert!(matches!(hello, Answer::Value(Value::Map(_))), "{hello:?}");
        both
    }

    async fn answer(&mut self, step: &Step) -> Answer {
        let conn = if step.resp3 { &mut self.resp3 } else { &mut self.resp2 };
        let mut cmd = Cmd::new();
        for word in &step.command {
            cmd.arg(word);
        }
        normal(&step.command[0], to_answer(cmd.query_async(conn).await))
    }
}

fn to_answer(result: RedisResult<Value>) -> Answer {
    match result {
        Ok(value) => Answer::Value(value),
        Err(e) => Answer::Error {
            kind: e.kind(),
            code: e.code().map(str::to_string),
            detail: e.detail().map(str::to_string),
        },
    }
}

/// In one line, long ones cut.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => {
                let text = format!("{value:?}");
                match text.char_indices().nth(300) {
                    Some((end, _)) => write!(f, "{}… ({} bytes)", &text[..end], text.len()),
                    None => f.write_str(&text),
                }
            }
            Self::Error { kind, code, detail } => {
                let (code, detail) = (code.as_deref(), detail.as_deref());
                write!(
                    f,
                    "error {:?} {:?} ",
                    code.unwrap_or_default(),
                    detail.unwrap_or_default()
                )?;
                write!(f, "({kind:?})")
            }
        }
    }
}

/// Takes out of an answer what may differ, and nothing else.
fn normal(name: &[u8], answer: Answer) -> Answer {
    let Answer::Value(value) = answer else { return answer };
    Answer::Value(if name.eq_ignore_ascii_case(b"hgetall") {
        // A real hash keeps the order of insertion while it is small, and none when it is not;
        // the fake's is in order of its fields, so that a run is the same in every process.
        with_pairs(value, |pairs| pairs.sort_by_key(|(field, _)| format!("{field:?}")))
    } else if name.eq_ignore_ascii_case(b"hello") {
        // The number of the connection, and the version: a developer may have a newer server.
        with_pairs(value, |pairs| {
            for (field, value) in pairs {
                if [b"id".as_slice(), b"version"].iter().any(|f| *field == text(f)) {
                    *value = text(b"(any)");
                }
            }
        })
    } else {
        value
    })
}

/// Edits the pairs of a map, or of the flat list which is a map in RESP2.
fn with_pairs(value: Value, edit: impl FnOnce(&mut Vec<(Value, Value)>)) -> Value {
    match value {
        Value::Map(mut pairs) => {
            edit(&mut pairs);
            Value::Map(pairs)
        }
        Value::Array(items) if items.len().is_multiple_of(2) => {
            let mut pairs: Vec<_> =
                items.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
            edit(&mut pairs);
            Value::Array(pairs.into_iter().flat_map(|(k, v)| [k, v]).collect())
        }
        other => other,
    }
}

fn text(bytes: &[u8]) -> Value {
    Value::BulkString(bytes.to_vec())
}

/// Every key of every database that steps can select.
fn read_all() -> impl Iterator<Item = Step> {
    DATABASES.iter().flat_map(|db| {
        let keys = KEYS
            .iter()
            .flat_map(|key| [step(false, &[b"GET", key]), step(false, &[b"HGETALL", key])]);
        std::iter::once(step(false, &[b"SELECT", db])).chain(keys)
    })
}

fn step(resp3: bool, command: &[&[u8]]) -> Step {
    Step { resp3, command: command.iter().map(|word| word.to_vec()).collect() }
}
