//! What a connection has chosen, and the commands about it.

use super::{
    engine::{Answer, NO_INTEGER, REPEATED, SYNTAX, integer, repeated, wrong_count},
    reply::Reply,
};
use bytes::Bytes;

/// How many databases there are (the default of redis.conf).
pub const DATABASES: u32 = 16;

/// What a connection has chosen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Session {
    /// The database of its commands, 0 at first.
    pub db: u32,
    /// Whether it said `HELLO 3`.
    pub resp3: bool,
}

/// `None` if the command is not one of these.
pub(super) fn connection_command(
    session: &mut Session,
    name: &str,
    args: &[Bytes],
) -> Option<Answer> {
    Some(match (name, args) {
        ("ping", []) => Ok(Reply::Status("PONG")),
        ("ping", [text]) => Ok(Reply::Bulk(text.clone())),
        ("select", [db]) => match integer(db) {
            None => Err(NO_INTEGER.to_string()),
            Some(db) => match u32::try_from(db).ok().filter(|db| *db < DATABASES) {
                None if i32::try_from(db).is_err() => Err(format!(
                    "ERR value is out of range, value must between {} and {}",
                    i32::MIN,
                    i32::MAX
                )),
                None => Err("ERR DB index is out of range".to_string()),
                Some(db) => {
                    session.db = db;
                    Ok(Reply::Status("OK"))
                }
            },
        },
        ("auth", [_]) => Err("ERR AUTH <password> called without any password configured for \
                              the default user. Are you sure your configuration is correct?"
            .to_string()),
        ("auth", [user, _]) => authenticate(user).map(|()| Reply::Status("OK")),
        ("auth", [_, _, _, ..]) => Err(SYNTAX.to_string()),
        ("hello", _) => hello(session, args),
        ("client", [sub, rest @ ..]) => {
            match (String::from_utf8_lossy(sub).to_ascii_lowercase().as_str(), rest) {
                ("setname", [name]) => check_name(name).map(|()| Reply::Status("OK")),
                ("setname", _) => Err(wrong_count("client|setname")),
                _ => Err(format!(
                    "ERR unknown subcommand '{}'. Try CLIENT HELP.",
                    repeated(sub, REPEATED)
                )),
            }
        }
        _ => Err(wrong_count(name)),
    })
}

/// The only user is `default`, whom any password lets in.
fn authenticate(user: &[u8]) -> Result<(), String> {
    if user == b"default" {
        Ok(())
    } else {
        Err("WRONGPASS invalid username-password pair or user is disabled.".to_string())
    }
}

/// A name is printable ASCII without spaces, or empty: then it is taken away.
fn check_name(name: &[u8]) -> Result<(), String> {
    if name.iter().all(u8::is_ascii_graphic) {
        Ok(())
    } else {
        Err("ERR Client names cannot contain spaces, newlines or special characters.".to_string())
    }
}

fn hello(session: &mut Session, args: &[Bytes]) -> Answer {
    let mut resp3 = session.resp3;
    let mut options = args;
    if let [version, rest @ ..] = args {
        options = rest;
        resp3 = match integer(version) {
            Some(2) => false,
            Some(3) => true,
            Some(_) => return Err("NOPROTO unsupported protocol version".to_string()),
            None => {
                return Err("ERR Protocol version is not an integer or out of range".to_string());
            }
        };
    }
    while let [option, rest @ ..] = options {
        options = match (option.to_ascii_lowercase().as_slice(), rest) {
            (b"auth", [user, _, rest @ ..]) => {
                authenticate(user)?;
                rest
            }
            (b"setname", [name, rest @ ..]) => {
                check_name(name)?;
                rest
            }
            _ => {
                return Err(format!(
                    "ERR Syntax error in HELLO option '{}'",
                    repeated(option, usize::MAX)
                ));
            }
        };
    }
    session.resp3 = resp3;
    let word = |word: &'static str| Reply::Bulk(Bytes::from_static(word.as_bytes()));
    let pairs = [
        ("server", word("redis")),
        ("version", word("7.0.15")),
        ("proto", Reply::Int(if resp3 { 3 } else { 2 })),
        ("id", Reply::Int(1)),
        ("mode", word("standalone")),
        ("role", word("master")),
        ("modules", Reply::Array(Vec::new())),
    ];
    Ok(Reply::Map(pairs.map(|(k, v)| (Bytes::from_static(k.as_bytes()), v)).into()))
}
