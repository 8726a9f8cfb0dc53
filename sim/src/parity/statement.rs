//! Statements and commands as tokens, so that blanks, quotes and bound parameters do not matter.

use super::{agreement::Agreement, capture::Server, decode::TIMES};
use std::fmt;

/// A statement of SQL or a command of Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Where it goes: `redis`, `primary`, `replica`.
    pub store: &'static str,
    /// What it says.
    pub tokens: Vec<Token>,
}

/// A word, a literal or a sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// Anything else.
    Text(String),
    /// Seconds since the epoch.
    Time(u64),
}

impl Token {
    fn of(text: &str) -> Self {
        match text.parse() {
            Ok(n) if TIMES.contains(&n) => Self::Time(n),
            _ => Self::Text(text.into()),
        }
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.store)?;
        for token in &self.tokens {
            match token {
                Token::Text(text) => write!(f, " {text}")?,
                Token::Time(seconds) => write!(f, " {seconds}")?,
            }
        }
        Ok(())
    }
}

impl Statement {
    /// A statement with its parameters in place of each `?`, in order.
    pub fn sql(server: Server, text: &str, params: &[String]) -> Self {
        let store = match server {
            Server::Primary => "primary",
            Server::Replica => "replica",
        };
        Self { store, tokens: without_hint(tokens(text, params)) }
    }

    /// A command, its name first.
    pub fn redis<'a>(words: impl IntoIterator<Item = &'a String>) -> Self {
        Self { store: "redis", tokens: words.into_iter().map(|word| Token::of(word)).collect() }
    }

    /// The same but for times.
    pub fn resembles(&self, other: &Self) -> bool {
        let alike = |(a, b): (&Token, &Token)| match (a, b) {
            (Token::Time(_), Token::Time(_)) => true,
            (a, b) => a == b,
        };
        self.store == other.store
            && self.tokens.len() == other.tokens.len()
            && self.tokens.iter().zip(&other.tokens).all(alike)
    }

    /// Whether the times of ours may stand for those of the capture; they resemble each other.
    pub fn times_agree(&self, ours: &Self, agreement: &mut Agreement) -> bool {
        self.tokens.iter().zip(&ours.tokens).all(|pair| match pair {
            (Token::Time(c), Token::Time(o)) => agreement.time(*c, *o),
            _ => true,
        })
    }

    /// Whether it starts with these words.
    pub fn starts_with(&self, words: &str) -> bool {
        let words: Vec<_> = words.split(' ').map(|word| Token::Text(word.into())).collect();
        self.tokens.starts_with(&words)
    }
}

/// Words, literals without their quotes, and signs.
fn tokens(text: &str, params: &[String]) -> Vec<Token> {
    let mut params = params.iter();
    let mut out = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            ' ' | '`' | '\n' | '\t' => {}
            '?' => out.push(params.next().map_or(Token::Text("?".into()), |p| Token::of(p))),
            '\'' => {
                let mut literal = String::new();
                while let Some(c) = rest.next().filter(|c| *c != '\'') {
                    literal.push(if c == '\\' { rest.next().unwrap_or(c) } else { c });
                }
                out.push(Token::of(&literal));
            }
            c if is_word(c) => {
                let mut word = c.to_string();
                while let Some(c) = rest.next_if(|c| is_word(*c)) {
                    word.push(c);
                }
                out.push(Token::of(&word));
            }
            sign => out.push(Token::Text(sign.into())),
        }
    }
    out
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Without `force index (…)`, which changes no result.
fn without_hint(mut tokens: Vec<Token>) -> Vec<Token> {
    let word = |text: &str| Token::Text(text.into());
    let hint = [word("force"), word("index"), word("(")];
    if let Some(at) = tokens.windows(3).position(|three| three == hint) {
        let close = tokens[at..].iter().position(|token| *token == word(")"));
        tokens.drain(at..=at + close.expect("the hint is closed"));
    }
    tokens
}

#[test]
fn blanks_quotes_hints_and_bound_values_do_not_matter() {
    let bound = Statement::sql(
        Server::Primary,
        "insert into T (a, b,c) values (?, ?, ?)",
        &["1".into(), "it's".into(), "1795404617".into()],
    );
    let pasted = Statement::sql(
        Server::Primary,
        "insert into T(`a`, `b`, `c`)  values    (1,'it\\'s',1795404618)",
        &[],
    );
    assert!(bound.resembles(&pasted), "{bound} / {pasted}");
    let hinted = Statement::sql(Server::Replica, "select a from T force index (i) where b=2", &[]);
    let plain = Statement::sql(Server::Replica, "select a from T where b = ?", &["2".into()]);
    assert!(hinted.resembles(&plain));
    let other = Statement::sql(Server::Replica, "select a from T where b = ?", &["3".into()]);
    assert!(!hinted.resembles(&other));
    assert!(!hinted.resembles(&Statement { store: "primary", ..plain }));
}
