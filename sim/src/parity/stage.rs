//! Our cluster, played to with the client PDUs of a capture.

use super::{
    capture::{Flow, What},
    observe::{Observed, Observer},
};
use crate::{
    fakes::redis::DATABASES,
    world::{Script, Setup},
};
use std::{collections::BTreeMap, time::Duration};
use teamtalk::wire::Pdu;

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

/// msg_servers, one route_server, one db_proxy, the login server and the stores.
pub struct Stage {
    script: Script,
    observer: Observer,
    slots: BTreeMap<String, u32>,
}

impl Stage {
    /// A cluster that has not started yet.
    ///
    /// # Panics
    /// If a store refuses what `setup` has it hold.
    pub fn new(setup: &Setup) -> Self {
        Self { script: Script::new(setup), observer: Observer::new(), slots: BTreeMap::new() }
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
        let mut observed = self.observer.take();
        observed.problems.extend(self.other_databases());
        observed
    }

    /// The trace has no database numbers: all our keys live in 1.
    fn other_databases(&self) -> Vec<String> {
        let redis = self.script.redis();
        let used = (0..DATABASES).filter(|db| *db != 1 && redis.entries(*db).count() > 0);
        used.map(|db| format!("there are keys in database {db}")).collect()
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

    /// The cluster.
    pub fn script(&self) -> &Script {
        &self.script
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
