//! The links that a capture may have: those of the topology that the harness builds.

use std::fmt;

/// A link in one direction.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Way {
    /// `client:<label>`, `msgN-db[0]` …
    pub link: String,
    /// `c2s`, `s2c`, `msg1->db` …
    pub dir: String,
}

impl Way {
    /// The client of a client's link, as `alice-PC-msg1`.
    pub fn client(&self) -> Option<&str> {
        self.link.strip_prefix("client:")
    }

    /// Whether a client writes on it.
    pub fn is_from_client(&self) -> bool {
        self.dir == "c2s"
    }

    /// The msg_server that it belongs to.
    pub fn server(&self) -> &str {
        match self.client() {
            Some(label) => label.rsplit('-').next().unwrap_or(label),
            None => self.link.split('-').next().unwrap_or(&self.link),
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.link, self.dir)
    }
}

/// What stands behind a msg_server's links, and the name of each.
const BEHIND: &[(&str, &str)] =
    &[("db[0]", "db"), ("db[1]", "db"), ("route", "route"), ("login", "login")];

/// Whether a label ends in one of so many msg_servers.
///
/// # Errors
/// What was expected.
pub fn check_client(label: &str, msg_servers: u32) -> Result<(), String> {
    match label.rsplit_once('-') {
        Some((_, server)) if is_msg_server(server, msg_servers) => Ok(()),
        _ => Err(format!("expected a label that ends in {}", servers("-", msg_servers))),
    }
}

/// Whether the topology has a link, in this direction.
///
/// # Errors
/// What was expected.
pub fn check(way: &Way, msg_servers: u32) -> Result<(), String> {
    let Way { link, dir } = way;
    if let Some(label) = way.client() {
        check_client(label, msg_servers).map_err(|e| format!("link `{link}`: {e}"))?;
        return direction(way, "c2s", "s2c");
    }
    let behind = link.split_once('-').and_then(|(server, rest)| {
        let (_, other) = BEHIND.iter().find(|(name, _)| *name == rest)?;
        is_msg_server(server, msg_servers).then_some((server, other))
    });
    let Some((server, other)) = behind else {
        let names: Vec<_> = BEHIND.iter().map(|(name, _)| format!("`-{name}`")).collect();
        return Err(format!(
            "link `{link}`, dir `{dir}`: expected `client:` and a label, or {} and one of {}",
            servers("", msg_servers),
            names.join(", ")
        ));
    };
    direction(way, &format!("{server}->{other}"), &format!("{other}->{server}"))
}

fn direction(way: &Way, one: &str, other: &str) -> Result<(), String> {
    let Way { link, dir } = way;
    let is_one = dir == one || dir == other;
    let wrong = || format!("link `{link}`: dir `{dir}`, expected `{one}` or `{other}`");
    is_one.then_some(()).ok_or_else(wrong)
}

fn is_msg_server(name: &str, msg_servers: u32) -> bool {
    (1..=msg_servers).any(|n| name == format!("msg{n}"))
}

fn servers(before: &str, msg_servers: u32) -> String {
    match msg_servers {
        1 => format!("`{before}msg1`"),
        n => format!("`{before}msg1` to `{before}msg{n}`"),
    }
}

#[test]
fn links_are_those_of_the_topology() {
    let of = |link: &str, dir: &str| check(&Way { link: link.into(), dir: dir.into() }, 2);
    for (link, dir) in [
        ("client:alice-PC-msg1", "c2s"),
        ("client:alice-PC-msg2", "s2c"),
        ("msg2-db[1]", "msg2->db"),
        ("msg1-route", "route->msg1"),
        ("msg1-login", "msg1->login"),
    ] {
        assert_eq!(of(link, dir), Ok(()), "{link}");
    }
    for (link, dir, expected) in [
        ("client:alice-PC-msg3", "c2s", "ends in `-msg1` to `-msg2`"),
        ("client:alice", "c2s", "ends in `-msg1` to `-msg2`"),
        ("client:alice-PC-msg1", "msg1->db", "expected `c2s` or `s2c`"),
        ("msg1-db[2]", "msg1->db", "one of `-db[0]`, `-db[1]`, `-route`, `-login`"),
        ("msg01-route", "msg01->route", "`msg1` to `msg2` and one of"),
        ("msg1-route", "msg2->route", "expected `msg1->route` or `route->msg1`"),
    ] {
        let error = of(link, dir).expect_err(link);
        assert!(error.contains(expected), "{error}");
    }
}
