//! Generated sequences of every command that the fake knows, right and wrong.

use proptest::{collection::vec, prelude::*, sample::select, strategy::Union};
use std::fmt;
use teamtalk_sim::fakes::redis::COMMANDS;

/// A command's name or argument.
pub type Word = Vec<u8>;

/// A command on one of the two connections.
#[derive(Clone)]
pub struct Step {
    /// Which one: that which began with RESP3, or with RESP2.
    pub resp3: bool,
    /// The command, its name first.
    pub command: Vec<Word>,
}

/// The keys of all commands: few, so that commands meet.
pub const KEYS: &[&[u8]] = &[b"a", b"b", b"c", b"", b"k y", b"\xff\0\r\n"];
/// The databases that commands can select.
pub const DATABASES: &[&[u8]] = &[b"0", b"1", b"15"];

const FIELDS: &[&[u8]] = &[b"f", b"g", b"", b"\0\xfe\n"];
const INTEGERS: &[&[u8]] = &[
    b"1",
    b"0",
    b"-1",
    b"7",
    b"-300",
    b"9223372036854775800",
    b"9223372036854775807",
    b"-9223372036854775807",
    b"-9223372036854775808",
];
const NO_INTEGERS: &[&[u8]] = &[
    b"",
    b"abc",
    b"007",
    b"-0",
    b"-",
    b"+1",
    b" 1",
    b"1 ",
    b"1.5",
    b"1e3",
    b"0x1",
    b"1\0",
    b"\xff\xfe",
    "\u{661}".as_bytes(),
    b"9223372036854775808",
    b"-9223372036854775809",
    b"99999999999999999999999",
];
/// The client reads an error's text as UTF-8 only (it closes the connection otherwise), so what
/// the server repeats in an error is ASCII here: cut at 128 bytes it is so still.
const REPEATED: &[&[u8]] =
    &[b"x", b"", b"get", b"it's", b"%s", b"a\0b", b"a\r\nb", b"\n", NEARLY, LONG];
const NEARLY: &[u8] = &[b'z'; 120];
const LONG: &[u8] = &[b'y'; 150];

/// Sequences of 1 to 40 commands.
pub fn sequence() -> impl Strategy<Value = Vec<Step>> {
    let step =
        (any::<bool>(), command()).prop_map(|(resp3, command)| Step { resp3, command }).boxed();
    vec(step, 1..=40)
}

fn command() -> impl Strategy<Value = Vec<Word>> {
    let key = || one(KEYS);
    let field = || one(FIELDS);
    let number = || prop_oneof![6 => one(INTEGERS), 1 => one(NO_INTEGERS)].boxed();
    let set_option = || one(&[b"NX", b"XX", b"GET", b"KEEPTTL", b"get", b"nx", b"BAD"]);
    let repeated = || one(REPEATED);
    let name = prop_oneof![4 => one(CLIENT_NAMES), 1 => one(&[b"\xff"])].boxed();
    prop_oneof![
        4 => call("GET", vec![key()], none()),
        4 => call("SET", vec![key(), value()], none()),
        3 => call("SET", vec![key(), value()], vec(set_option(), 1..4).boxed()),
        1 => set_with_a_bad_expiry(key(), set_option()),
        3 => call("GETSET", vec![key(), value()], none()),
        2 => call("GETDEL", vec![key()], none()),
        3 => call("MGET", vec![key()], vec(key(), 0..6).boxed()),
        3 => call("DEL", vec![key()], vec(key(), 0..4).boxed()),
        2 => call("EXISTS", vec![key()], vec(key(), 0..5).boxed()),
        3 => call("INCR", vec![key()], none()),
        4 => call("INCRBY", vec![key(), number()], none()),
        4 => call("HSET", vec![key(), field(), value()], pairs(field(), value())),
        2 => call("HMSET", vec![key(), field(), value()], pairs(field(), value())),
        3 => call("HGET", vec![key(), field()], none()),
        3 => call("HGETALL", vec![key()], none()),
        3 => call("HDEL", vec![key(), field()], vec(field(), 0..4).boxed()),
        4 => call("HINCRBY", vec![key(), field(), number()], none()),
        3 => call("SELECT", vec![database()], none()),
        1 => call("PING", vec![], vec(value(), 0..2).boxed()),
        1 => call("AUTH", vec![one(&[b"default", b"x", b""])], vec(repeated(), 0..3).boxed()),
        2 => hello(repeated()),
        1 => call("CLIENT", vec![one(&[b"SETNAME", b"setname"]), name], none()),
        3 => wrong_arguments(value()),
        1 => call("CLIENT", vec![], vec(repeated(), 0..4).boxed()),
        2 => unknown(repeated()),
    ]
}

/// `count` pairs at most, and seldom a word that has no partner.
fn pairs(field: BoxedStrategy<Word>, value: BoxedStrategy<Word>) -> BoxedStrategy<Vec<Word>> {
    let odd = prop_oneof![9 => vec(field.clone(), 0), 1 => vec(field.clone(), 1)];
    (vec((field, value), 0..3), odd)
        .prop_map(|(pairs, odd)| pairs.into_iter().flat_map(|(f, v)| [f, v]).chain(odd).collect())
        .boxed()
}

fn value() -> BoxedStrategy<Word> {
    prop_oneof![
        6 => one(INTEGERS),
        3 => one(NO_INTEGERS),
        2 => vec(any::<u8>(), 0..60),
        // More than a read brings at once.
        1 => (60_000..70_000_usize).prop_map(|n| vec![b'v'; n]),
    ]
    .boxed()
}

fn database() -> BoxedStrategy<Word> {
    let bad =
        one(&[b"16", b"-1", b"01", b"2147483647", b"2147483648", b"-2147483649", b"4294967296"]);
    prop_oneof![8 => one(DATABASES), 3 => bad, 1 => one(NO_INTEGERS)].boxed()
}

const CLIENT_NAMES: &[&[u8]] =
    &[b"teamtalk", b"", b"a b", b"a\nb", b"~", b"\x7f", b"!", b" ", b"a\0", b"AUTH"];

/// Times of expiry that are good are left out: the fake has no clock and says so.
fn set_with_a_bad_expiry(
    key: BoxedStrategy<Word>,
    option: BoxedStrategy<Word>,
) -> BoxedStrategy<Vec<Word>> {
    let unit = one(&[b"EX", b"PX", b"EXAT", b"PXAT", b"px"]);
    let bad = prop_oneof![one(&[b"0", b"-1", b"-9223372036854775808"]), one(NO_INTEGERS)];
    let time = (unit.clone(), vec(bad, 0..=1))
        .prop_map(|(unit, time)| std::iter::once(unit).chain(time).collect::<Vec<_>>());
    // More milliseconds than there are, in seconds.
    let too_far = Just(vec![b"EX".to_vec(), b"9223372036854775807".to_vec()]);
    let twice =
        unit.clone().prop_map(|unit| vec![b"EX".to_vec(), b"0".to_vec(), unit, b"0".to_vec()]);
    let before = vec(option.clone(), 0..2);
    let after = vec(option, 0..2);
    let tail = (before, prop_oneof![4 => time, 1 => too_far, 1 => twice], after)
        .prop_map(|(before, time, after)| [before, time, after].concat());
    call("SET", vec![key, value()], tail.boxed())
}

fn hello(repeated: BoxedStrategy<Word>) -> BoxedStrategy<Vec<Word>> {
    let version = prop_oneof![
        5 => one(&[b"2", b"3"]),
        1 => one(&[b"4", b"1", b"-1", b"0", b"3.0", b"9223372036854775807"]),
        1 => one(NO_INTEGERS),
    ];
    let words = |words: &[&[u8]]| Just(words.iter().map(|w| w.to_vec()).collect::<Vec<_>>());
    let option = prop_oneof![
        3 => (one(&[b"default", b"x"]), repeated.clone())
            .prop_map(|(user, password)| vec![b"AUTH".to_vec(), user, password]),
        3 => one(CLIENT_NAMES).prop_map(|name| vec![b"setname".to_vec(), name]),
        1 => words(&[b"AUTH", b"default"]),
        1 => words(&[b"AUTH"]),
        1 => words(&[b"SETNAME"]),
        1 => vec(repeated, 1),
    ];
    let tail = (vec(version, 0..=1), vec(option, 0..3))
        .prop_map(|(version, options)| [version, options.concat()].concat());
    prop_oneof![
        1 => call("HELLO", vec![], none()),
        2 => call("HELLO", vec![one(&[b"2", b"3"])], none()),
        2 => call("HELLO", vec![], tail.boxed()),
    ]
    .boxed()
}

/// Any number of any arguments. CLIENT and HELLO repeat theirs in errors: they have their own.
fn wrong_arguments(value: BoxedStrategy<Word>) -> BoxedStrategy<Vec<Word>> {
    let calls = COMMANDS
        .iter()
        .filter(|name| !["client", "hello"].contains(name))
        .map(|name| call(name, vec![], vec(prop_oneof![one(KEYS), value.clone()], 0..6).boxed()));
    Union::new(calls).boxed()
}

fn unknown(repeated: BoxedStrategy<Word>) -> BoxedStrategy<Vec<Word>> {
    let name = one(&[b"NOSUCH", b"gett", b"get ", b"", b"it's", b"%s", b"get\0", b"a\r\nb", LONG]);
    (name, vec(repeated, 0..8))
        .prop_map(|(name, args)| std::iter::once(name).chain(args).collect())
        .boxed()
}

/// A command: its name in some mix of cases, what comes first, what follows.
fn call(
    name: &'static str,
    first: Vec<BoxedStrategy<Word>>,
    rest: BoxedStrategy<Vec<Word>>,
) -> BoxedStrategy<Vec<Word>> {
    let (upper, lower) = (name.to_ascii_uppercase(), name.to_ascii_lowercase());
    let mixed = format!("{}{}", &upper[..1], &lower[1..]);
    (select(vec![upper, lower, mixed]), first, rest)
        .prop_map(|(name, first, rest)| [vec![name.into_bytes()], first, rest].concat())
        .boxed()
}

fn none() -> BoxedStrategy<Vec<Word>> {
    Just(Vec::new()).boxed()
}

fn one(words: &'static [&'static [u8]]) -> BoxedStrategy<Word> {
    select(words).prop_map(<[u8]>::to_vec).boxed()
}

/// As one would type it, long words cut.
impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.resp3 { "resp3>" } else { "resp2>" })?;
        for (i, word) in self.command.iter().enumerate() {
            let plain = !word.is_empty() && word.iter().all(u8::is_ascii_alphanumeric);
            match word.len() {
                200.. => write!(f, " \"{}…\" ({} bytes)", word[..20].escape_ascii(), word.len())?,
                _ if plain && i == 0 => write!(f, " {}", word.escape_ascii())?,
                _ => write!(f, " \"{}\"", word.escape_ascii())?,
            }
        }
        Ok(())
    }
}
