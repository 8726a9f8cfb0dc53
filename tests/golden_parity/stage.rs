//! Our cluster, played to with the client PDUs of a capture.

use super::{
    capture::{Flow, What},
    observe::{Observed, Observer},
};
use bytes::Bytes;
use md5::{Digest, Md5};
use std::{collections::BTreeMap, time::Duration};
use teamtalk::{protocol::Protocol, store::sql::Value, timing::Timing, wire::Pdu};
use teamtalk_sim::{
    fakes::{redis::DATABASES, sql::User},
    world::{Script, Setup},
};

/// The first second of 00–25, so that times read alike.
const EPOCH: u64 = 1_795_404_600;

/// How much later than captured a client PDU may be sent, waiting for what its client had read
/// before it in the capture. Longer than any request; then what is missing is missing.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a flow is heard after its last event: longer than any request.
const SETTLE: Duration = Duration::from_millis(500);

/// The group job runs this often; client PDUs keep away from it so that its statements and those
/// of a request do not mix.
const JOB_EVERY: Duration = Duration::from_secs(5);
const BEFORE_JOB: Duration = Duration::from_millis(700);
const AFTER_JOB: Duration = Duration::from_millis(300);

/// Two msg_servers, one route_server, one db_proxy, the login server and the stores.
pub struct Stage {
    script: Script,
    observer: Observer,
    slots: BTreeMap<String, u32>,
}

/// A user as tests/golden/README.md seeds it: `sent` is what its clients send as their password.
pub fn user(id: u32, name: &str, sent: &str) -> User {
    let digest = Md5::digest(format!("{sent}{}", User::salt(id)));
    let password = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    User { id, name: name.into(), password }
}

impl Stage {
    /// A cluster of preset `teamtalk` on stores with these users and rows, up for a second.
    pub fn new(users: Vec<User>, statements: Vec<(String, Vec<Value>)>) -> Self {
        let script = Script::new(&Setup {
            msg_servers: 2,
            protocol: Protocol::teamtalk(),
            timing: Timing::original(),
            epoch: EPOCH,
            users,
            statements,
        });
        Self { script, observer: Observer::new(), slots: BTreeMap::new() }
    }

    /// Plays a flow's client side at the capture's times, and later where a client has not yet
    /// read what it had read then; returns what happened.
    pub fn play(&mut self, flow: &Flow) -> Observed {
        self.observer.take();
        let start = self.script.now();
        let mut to_read = BTreeMap::new();
        for event in &flow.events {
            let Some(label) = event.way.client() else { continue };
            match (&event.what, event.way.is_from_client()) {
                (What::Pdu(_), false) => *to_read.entry(label.to_string()).or_default() += 1,
                (_, false) => {}
                (what, true) => {
                    self.wait(start + event.at, &to_read);
                    match what {
                        What::Connect => self.connect(label),
                        What::Fin => self.close(label),
                        What::Pdu(pdu) => self.send(label, pdu),
                    }
                }
            }
        }
        let last = flow.events.last().map_or(Duration::ZERO, |event| event.at);
        self.wait(start + last, &to_read);
        self.pass(SETTLE);
        self.only_database_1();
        self.observer.take()
    }

    /// The trace has no database numbers: all captured keys live in 1.
    fn only_database_1(&self) {
        let redis = self.script.redis();
        for db in (0..DATABASES).filter(|db| *db != 1) {
            assert_eq!(redis.entries(db).count(), 0, "there are keys in database {db}");
        }
    }

    /// Opens a client socket; its label ends in its msg_server's name.
    pub fn connect(&mut self, label: &str) {
        let slots = self.slots.len() as u32;
        let slot = *self.slots.entry(label.into()).or_insert(slots);
        self.observer.labels.insert(slot, label.into());
        let server = label.rsplit('-').next().expect("a label names its msg_server");
        self.script.connect(slot, server);
    }

    /// Writes a PDU to a client socket.
    pub fn send(&mut self, label: &str, pdu: &Pdu) {
        self.script.send(self.slots[label], pdu.encode());
    }

    /// Closes a client socket.
    pub fn close(&mut self, label: &str) {
        self.observer.left.insert(label.into());
        self.script.close(self.slots[label]);
    }

    /// Lets simulated time pass.
    pub fn pass(&mut self, time: Duration) {
        let end = self.script.now() + time;
        while self.script.now() < end {
            self.step();
        }
    }

    fn step(&mut self) {
        self.script.step();
        self.observer.observe(&self.script.shared().trace.lines);
    }

    /// Waits until `time`, until the clients have read as many PDUs, and while the job is near.
    fn wait(&mut self, time: Duration, to_read: &BTreeMap<String, usize>) {
        loop {
            let now = self.script.now();
            let received = &self.observer.window().received;
            let all_read = to_read.iter().all(|(label, n)| received.get(label) >= Some(n));
            let early = now < time || !all_read && now < time + PATIENCE;
            if !early && !self.job_is_near() {
                return;
            }
            self.step();
        }
    }

    fn job_is_near(&self) -> bool {
        let now = self.script.now();
        let near = |at: Duration| now < at + AFTER_JOB || now + BEFORE_JOB > at + JOB_EVERY;
        self.observer.job_at.is_some_and(near)
    }
}

/// A login of a client of this type.
pub fn login(name: &str, sent: &str, client_type: i32) -> Pdu {
    let message = teamtalk::wire::im::login::ImLoginReq {
        user_name: Bytes::copy_from_slice(name.as_bytes()),
        password: Bytes::copy_from_slice(sent.as_bytes()),
        online_status: 1,
        client_type,
        client_version: None,
    };
    Pdu::new(teamtalk::catalogue::id::LOGIN_REQ_USERLOGIN, 1, &message)
}

/// A text to a user, with sequence number 2.
pub fn text(from: u32, to: u32) -> Pdu {
    let message = teamtalk::wire::im::message::ImMsgData {
        from_user_id: from,
        to_session_id: to,
        msg_id: 0,
        create_time: 0,
        msg_type: 1,
        msg_data: Bytes::from_static(b"INqtQ+fevIKmn/jpkKaaVAr+GZ43+2mMfQMFqTsGBjY="),
        ..Default::default()
    };
    Pdu::new(teamtalk::catalogue::id::MSG_DATA, 2, &message)
}
