//! What our run did, read off its trace: PDUs by link, statements by request.

use super::{
    capture::Server,
    shuffle::{Request, begins_job},
    statement::Statement,
    way::Way,
};
use crate::{
    plan::Role,
    record::{Applied, End, Frame, Kind, Line, shown},
    world::port,
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};
use teamtalk::{
    catalogue::{self, Command, Peer, id},
    env::ConnId,
    wire::Pdu,
};

/// Whether db_proxy leaves a request without an answer: what has none, and a read ack, which only
/// `confirmed-read-acks` answers.
fn is_unanswered(command: u16) -> bool {
    let has_none = |of: &Command| of.served(Peer::Msg, Peer::Db).is_some() && of.reply.is_none();
    command == id::MSG_READ_ACK || catalogue::of(command).is_some_and(has_none)
}

/// What happened in one window of time.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// PDUs in order, without the heartbeats of server links.
    pub pdus: BTreeMap<Way, Vec<Pdu>>,
    /// When each side of a server link sent its heartbeats.
    pub heartbeats: BTreeMap<Way, Vec<Duration>>,
    /// Links on which a connection was made.
    pub connects: BTreeSet<String>,
    /// Clients that their server cut off.
    pub cut_off: BTreeSet<String>,
    /// PDUs that each client has read.
    pub received: BTreeMap<String, usize>,
    /// The SQL statements of each request to db_proxy, in the order of the requests.
    pub sql: Vec<Request>,
    /// The Redis commands likewise.
    pub redis: Vec<Request>,
    /// What the harness could not make sense of.
    pub problems: Vec<String>,
}

/// Follows the trace.
#[derive(Debug, Default)]
pub struct Observer {
    /// Labels of clients by their slot.
    pub labels: BTreeMap<u32, String>,
    /// Clients that the script has closed.
    pub left: BTreeSet<String>,
    links: BTreeMap<ConnId, String>,
    /// Links of a msg_server to db_proxy so far.
    db_links: BTreeMap<String, usize>,
    /// Requests that db_proxy has and has not answered.
    asked: VecDeque<Asked>,
    /// When the group job last left its mark.
    pub job_at: Option<Duration>,
    /// db_proxy starts, or its group job runs: statements need no request.
    unasked: bool,
    seen: usize,
    window: Observed,
}

#[derive(Debug)]
struct Asked {
    command: u16,
    sql: Request,
    redis: Request,
}

impl Observer {
    /// Nothing has happened yet.
    pub fn new() -> Self {
        Self { unasked: true, ..Self::default() }
    }

    /// Takes in the lines that are new.
    pub fn observe(&mut self, lines: &[Line]) {
        for line in &lines[self.seen..] {
            self.line(line);
        }
        self.seen = lines.len();
    }

    /// The window so far.
    pub fn window(&self) -> &Observed {
        &self.window
    }

    /// Ends the window and begins the next one.
    pub fn take(&mut self) -> Observed {
        while !self.asked.is_empty() {
            self.done();
        }
        std::mem::take(&mut self.window)
    }

    fn line(&mut self, line: &Line) {
        let at = Duration::from_micros(line.sim_us);
        match &line.kind {
            Kind::Connected { conn, end: End::Dialler, port, device, .. } => {
                self.connected(line, *conn, *port, *device);
            }
            Kind::Disconnected { conn, end: End::Dialler } => {
                let way = self.way(*conn, End::Dialler);
                if let Some(label) = way.as_ref().and_then(Way::client)
                    && !self.left.contains(label)
                {
                    self.window.cut_off.insert(label.into());
                }
            }
            Kind::PduSent(frame) => {
                let Some(way) = self.way(frame.conn, frame.end) else { return };
                if frame.pdu.command() == id::OTHER_HEARTBEAT && way.client().is_none() {
                    self.window.heartbeats.entry(way).or_default().push(at);
                    return;
                }
                self.window.pdus.entry(way).or_default().push(frame.pdu.clone());
                if line.host.role() == Role::Db {
                    self.done();
                }
            }
            Kind::PduReceived(frame) => self.received(line, frame),
            Kind::Store(Applied { what, params, .. }) => {
                let params: Vec<_> = params.iter().map(|param| shown(param).into()).collect();
                let statement = match line.host.role() {
                    Role::Redis => Statement::redis([&what.to_string()].into_iter().chain(&params)),
                    _ if line.host == "sql" => Statement::sql(Server::Primary, what, &params),
                    _ => Statement::sql(Server::Replica, what, &params),
                };
                self.statement(at, statement);
            }
            Kind::Panic { message, .. } | Kind::Endless { message } => {
                self.window.problems.push(message.clone())
            }
            _ => {}
        }
    }

    fn connected(&mut self, line: &Line, conn: ConnId, to: u16, device: Option<u32>) {
        let host = &line.host;
        let link = match (device, to) {
            (Some(slot), _) => {
                let label = &self.labels[&slot];
                self.left.remove(label);
                format!("client:{label}")
            }
            (None, port::DB) => {
                let n = self.db_links.entry(host.to_string()).or_default();
                *n += 1;
                format!("{host}-db[{}]", *n - 1)
            }
            (None, port::LOGIN) => format!("{host}-login"),
            (None, port::ROUTE) => format!("{host}-route"),
            _ => return,
        };
        self.window.connects.insert(link.clone());
        self.links.insert(conn, link);
    }

    /// The way that an end writes on.
    fn way(&self, conn: ConnId, end: End) -> Option<Way> {
        let link = self.links.get(&conn)?.clone();
        let dir = match (link.starts_with("client:"), end) {
            (true, End::Dialler) => "c2s".into(),
            (true, End::Acceptor) => "s2c".into(),
            (false, end) => {
                let (msg, other) = link.split_once('-').expect("a link has two ends");
                let other = other.split('[').next().unwrap_or(other);
                match end {
                    End::Dialler => format!("{msg}->{other}"),
                    End::Acceptor => format!("{other}->{msg}"),
                }
            }
        };
        Some(Way { link, dir })
    }

    fn received(&mut self, line: &Line, frame: &Frame) {
        let command = frame.pdu.command();
        if line.host.role() == Role::Client {
            let way = self.way(frame.conn, End::Dialler).expect("a client's link has a name");
            let label = way.client().expect("a client's link").to_string();
            *self.window.received.entry(label).or_default() += 1;
        } else if line.host.role() == Role::Db && command != id::OTHER_HEARTBEAT {
            self.end_unanswered();
            let name = format!("{command:#06x} seq {}", frame.pdu.header.seq_num);
            let request = Request { name, statements: Vec::new() };
            self.asked.push_back(Asked { command, sql: request.clone(), redis: request });
            self.unasked = false;
        }
    }

    fn statement(&mut self, at: Duration, statement: Statement) {
        if begins_job(&statement) {
            self.job_at = Some(at);
            self.end_unanswered();
            self.unasked = true;
            if let Some(asked) = self.asked.front() {
                let name = &asked.sql.name;
                self.window.problems.push(format!("the group job ran into request {name}"));
            }
            return;
        }
        match self.asked.front_mut() {
            Some(asked) if statement.store == "redis" => asked.redis.statements.push(statement),
            Some(asked) => asked.sql.statements.push(statement),
            None if self.unasked => {}
            None => self.window.problems.push(format!("statement of no request: {statement}")),
        }
    }

    /// A request without a reply is over when the next one comes, or the job.
    fn end_unanswered(&mut self) {
        if self.asked.front().is_some_and(|asked| is_unanswered(asked.command)) {
            self.done();
        }
    }

    /// The oldest request is over.
    fn done(&mut self) {
        if let Some(asked) = self.asked.pop_front() {
            self.window.sql.push(asked.sql);
            self.window.redis.push(asked.redis);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_unanswered;
    use teamtalk::catalogue::{self, id};

    /// SYSTEM.md sections 5 and 6: a read ack, and the two notes of files.
    #[test]
    fn what_has_no_answer_follows_from_the_catalogue() {
        let all = catalogue::ALL.iter().map(|command| command.id);
        let unanswered: Vec<_> = all.filter(|id| is_unanswered(*id)).collect();
        let known = [id::MSG_READ_ACK, id::FILE_ADD_OFFLINE_REQ, id::FILE_DEL_OFFLINE_REQ];
        assert_eq!(unanswered, known);
    }
}
