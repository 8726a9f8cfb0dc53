use crate::fakes::redis::{Engine, Reply, Session, Stored};
use bytes::Bytes;

struct Client(Engine, Session);

impl Client {
    fn new() -> Self {
        Self(Engine::new(), Session::default())
    }

    /// Runs a command given as words.
    fn run(&mut self, words: &str) -> Reply {
        let words: Vec<_> =
            words.split(' ').map(|w| Bytes::copy_from_slice(w.as_bytes())).collect();
        self.0.run(&mut self.1, &words).0
    }

    fn error(&mut self, words: &str) -> String {
        match self.run(words) {
            Reply::Error(text) => text,
            other => panic!("{words}: {other:?}"),
        }
    }
}

fn bulk(text: &'static str) -> Reply {
    Reply::Bulk(Bytes::from_static(text.as_bytes()))
}

const OK: Reply = Reply::Status("OK");

#[test]
fn strings_and_counters() {
    let mut c = Client::new();
    assert_eq!(c.run("GET a"), Reply::Null);
    assert_eq!(c.run("set a 5"), OK);
    assert_eq!(c.run("INCRBY a -7"), Reply::Int(-2));
    assert_eq!(c.run("INCR a"), Reply::Int(-1));
    assert_eq!(c.run("GET a"), bulk("-1"));
    assert_eq!(c.run("SET a 9 NX"), Reply::Null);
    assert_eq!(c.run("SET b 9 nx"), OK);
    assert_eq!(c.run("MGET a x b"), Reply::Array(vec![bulk("-1"), Reply::Null, bulk("9")]));
    assert_eq!(c.run("EXISTS a a x"), Reply::Int(2));
    assert_eq!(c.run("DEL a a x"), Reply::Int(1));
    assert_eq!(c.run("INCR a"), Reply::Int(1), "a missing counter starts at 0");
}

#[test]
fn hashes() {
    let mut c = Client::new();
    assert_eq!(c.run("HSET h b 1 a 2"), Reply::Int(2));
    assert_eq!(c.run("HSET h a 3"), Reply::Int(0));
    assert_eq!(c.run("HMSET h c 4"), OK);
    assert_eq!(c.run("HINCRBY h c 2"), Reply::Int(6));
    assert_eq!(c.run("HINCRBY new f 2"), Reply::Int(2));
    assert_eq!(c.run("HGET h x"), Reply::Null);
    let pairs = [("a", "3"), ("b", "1"), ("c", "6")];
    let pairs = pairs.map(|(k, v)| (Bytes::from_static(k.as_bytes()), bulk(v)));
    assert_eq!(c.run("HGETALL h"), Reply::Map(pairs.into()));
    assert_eq!(c.run("HGETALL none"), Reply::Map(vec![]));
    assert_eq!(c.run("HDEL h a b c c"), Reply::Int(3));
    assert_eq!(c.run("EXISTS h"), Reply::Int(0), "an empty hash is gone");
    assert_eq!(c.run("HDEL h a"), Reply::Int(0));
    assert_eq!(c.run("EXISTS h"), Reply::Int(0));
}

#[test]
fn error_texts() {
    let mut c = Client::new();
    c.run("SET s abc");
    c.run("SET big 9223372036854775807");
    c.run("HSET h f abc");
    let wrong_type = "WRONGTYPE Operation against a key holding the wrong kind of value";
    for command in ["GET h", "INCR h", "HGET s f", "HSET s f 1", "HINCRBY s f 1", "HDEL s f"] {
        assert_eq!(c.error(command), wrong_type, "{command}");
    }
    let no_integer = "ERR value is not an integer or out of range";
    for command in ["INCR s", "INCRBY n 1x", "INCRBY n 01", "INCRBY n +1", "HINCRBY h f x"] {
        assert_eq!(c.error(command), no_integer, "{command}");
    }
    assert_eq!(c.error("HINCRBY h f 1"), "ERR hash value is not an integer");
    assert_eq!(c.error("INCR big"), "ERR increment or decrement would overflow");
    assert_eq!(c.error("HSET h f"), "ERR wrong number of arguments for 'hset' command");
    assert_eq!(c.error("Get"), "ERR wrong number of arguments for 'get' command");
    assert_eq!(c.error("SET s 1 NX XX"), "ERR syntax error");
    assert_eq!(c.error("Foo a b"), "ERR unknown command 'Foo', with args beginning with: 'a' 'b' ");
    assert_eq!(c.run("MGET h"), Reply::Array(vec![Reply::Null]), "MGET never fails on a type");
    assert_eq!(c.0.get(0, b"s"), Some(&Stored::Text(Bytes::from_static(b"abc"))));
}

#[test]
fn set_options() {
    let mut c = Client::new();
    assert_eq!(c.run("SET a 1 KEEPTTL"), OK);
    assert_eq!(c.run("SET a 2 XX GET"), bulk("1"));
    for command in ["SET a 3 EX", "SET a 3 EX 0 KEEPTTL", "SET a 3 EX 0 PX 0", "SET a 3 XX NX"] {
        assert_eq!(c.error(command), "ERR syntax error", "{command}");
    }
    for command in ["SET a 3 EX 0", "SET a 3 px -1", "SET a 3 EX 1 EX 9223372036854775807"] {
        assert_eq!(c.error(command), "ERR invalid expire time in 'set' command", "{command}");
    }
    assert_eq!(c.error("SET a 3 EX x"), "ERR value is not an integer or out of range");
    assert_eq!(c.error("SET a 3 EX 5"), "ERR the fake keeps no expiry times");
    assert_eq!(c.run("GET a"), bulk("2"));
}

/// What an error repeats is cut as the real server cuts it.
#[test]
fn an_unknown_command_is_repeated_in_part() {
    let mut c = Client::new();
    let begin = |name: &str| format!("ERR unknown command '{name}', with args beginning with: ");
    assert_eq!(c.error("a\r\nb\0c d\0e"), begin("a  b") + "'d' ");
    let long = "y".repeat(150);
    let cut = &long[..128];
    assert_eq!(c.error(&format!("{long} {long} z")), begin(cut) + &format!("'{cut}' "));
    let (nearly, rest) = (&long[..120], "'z1234' ");
    assert_eq!(
        c.error(&format!("x {nearly} z12345 no")),
        begin("x") + &format!("'{nearly}' {rest}")
    );
}

#[test]
fn a_failed_increment_leaves_nothing_behind() {
    let mut c = Client::new();
    c.run("SET s abc");
    c.error("HINCRBY s f 1");
    c.error("HINCRBY none f x");
    assert_eq!(c.run("EXISTS none"), Reply::Int(0));
}

#[test]
fn connection_commands() {
    let mut c = Client::new();
    assert_eq!(c.run("PING"), Reply::Status("PONG"));
    assert_eq!(
        c.error("CLIENT SETINFO LIB-NAME x"),
        "ERR unknown subcommand 'SETINFO'. Try CLIENT HELP.",
        "SETINFO came with 7.2"
    );
    assert_eq!(c.run("client setname x"), OK);
    assert_eq!(
        c.error("CLIENT SETNAME"),
        "ERR wrong number of arguments for 'client|setname' command"
    );
    let name = "ERR Client names cannot contain spaces, newlines or special characters.";
    assert_eq!(c.error("CLIENT SETNAME a\tb"), name);
    assert_eq!(c.error("HELLO 2 SETNAME a\tb"), name);
    assert_eq!(c.error("HELLO 4"), "NOPROTO unsupported protocol version");
    assert!(!c.1.resp3);
    assert!(matches!(c.run("HELLO 3 AUTH default x SETNAME y"), Reply::Map(_)));
    assert!(c.1.resp3);
    assert!(c.error("AUTH someone x").starts_with("WRONGPASS "));
    assert!(c.error("AUTH x").starts_with("ERR AUTH <password> called without"));
    assert_eq!(c.error("AUTH x y z"), "ERR syntax error");
    assert_eq!(c.error("SELECT 16"), "ERR DB index is out of range");
    assert_eq!(
        c.error("SELECT 2147483648"),
        "ERR value is out of range, value must between -2147483648 and 2147483647"
    );
}

#[test]
fn databases_are_apart() {
    let mut c = Client::new();
    c.run("SET a 0");
    assert_eq!(c.run("SELECT 1"), OK);
    assert_eq!(c.run("GET a"), Reply::Null);
    c.run("SET a 1");
    assert_eq!(c.0.get(0, b"a"), Some(&Stored::Text(Bytes::from_static(b"0"))));
    assert_eq!(c.0.entries(1).count(), 1);
}
