//! A small cluster under `hardened` to which raw connections write what they like.

use std::{collections::BTreeMap, time::Duration};
use teamtalk::{
    catalogue::{id as command, limits::Limits},
    env::ConnId,
    fact::Fact,
    protocol::Protocol,
    store::sql::Value,
    timing::Timing,
    wire::{
        Pdu,
        im::{
            base_define::{ClientType, ResultType, UserStatType},
            login::{ImLoginReq, ImLoginRes},
        },
        tt::extension::{Refused, RefusedCode},
    },
};
use teamtalk_sim::{
    fakes::sql::User,
    record::{End, Kind, Line},
    seeded::on_seeded_thread,
    world::{Script, Setup},
};

/// Connection 1 is of user 1, on a phone, at msg1; connection 2 of user 2 at msg2.
pub const ALICE: u32 = 1;
pub const BOB: u32 = 2;
/// A connection that does not log in.
pub const STRANGER: u32 = 3;
/// Links between servers are there, and the first window of the rates has begun.
const STARTED: Duration = Duration::from_millis(2_050);
/// Time for an answer: none takes as long.
pub const ANSWER_MS: u64 = 700;
/// The clock of the cluster at its start, in seconds since 1970.
const EPOCH: u64 = 1_795_404_600;
/// The names of users 1 and 2, what their programs send as the password (md5 in hex of a clear one), and what the
/// store holds: the md5 of that and the salt "0001" or "0002".
const USERS: [(&str, &str, &str); 2] = [
    ("alice", "df33881b4a7bedbf35be78e1418a3186", "220b84efa8d020e76ce3ba8ff7bd602a"),
    ("bob", "24d9e93676d96d3efd16926127d6d948", "4bd681f36fac13efc8ebbbb7ecfa9dc5"),
];

/// See the module.
pub struct Raw {
    script: Script,
    /// So many lines of the trace are taken.
    taken: usize,
    slots: BTreeMap<ConnId, u32>,
    links: BTreeMap<ConnId, String>,
}

/// What happened in some time.
#[derive(Debug, Default)]
pub struct Seen {
    /// What each raw connection read.
    pub told: Vec<(u32, Pdu)>,
    /// What servers refused, and why: a msg_server also what a db_proxy refused.
    pub refused: Vec<(u16, String)>,
    /// Connections that a server closed, and why.
    pub closed: Vec<(u32, String)>,
    /// Links between servers that ended.
    pub links: Vec<String>,
}

/// Runs a test where the simulation's randomness is seeded.
pub fn on_seed<T: Send>(test: impl FnOnce() -> T + Send) -> T {
    on_seeded_thread(1, test)
}

impl Raw {
    /// A cluster that runs, with these limits in the place of the defaults.
    pub fn new(limits: &[(&str, u32)]) -> Self {
        Self::on(Protocol::hardened(), limits, Vec::new())
    }

    /// The same under any protocol, after statements with their parameters.
    pub fn on(
        protocol: Protocol,
        limits: &[(&str, u32)],
        statements: Vec<(String, Vec<Value>)>,
    ) -> Self {
        let limits = limits.iter().map(|(name, most)| (name.to_string(), *most)).collect();
        let user = |(id, (name, _, password)): (u32, (&str, &str, &str))| User {
            id,
            name: name.into(),
            password: password.into(),
        };
        let script = Script::new(&Setup {
            msg_servers: 2,
            protocol,
            limits: Limits::with(&limits).expect("limits that fit"),
            timing: Timing::original(),
            text_key: [7; 32],
            epoch: EPOCH,
            users: (1..).zip(USERS).map(user).collect(),
            statements,
            commands: Vec::new(),
        });
        let (slots, links) = (BTreeMap::new(), BTreeMap::new());
        let mut raw = Self { script, taken: 0, slots, links };
        raw.pass(STARTED);
        raw
    }

    /// The same, in which users 1 and 2 are logged in.
    pub fn online(limits: &[(&str, u32)]) -> Self {
        let mut raw = Self::new(limits);
        for slot in [ALICE, BOB] {
            raw.connect(slot);
            raw.log_in(slot, slot);
        }
        raw.next_window();
        raw
    }

    /// Opens a connection.
    pub fn connect(&mut self, slot: u32) {
        self.script.connect(slot, if slot == BOB { "msg2" } else { "msg1" });
        self.pass(Duration::from_millis(50));
    }

    /// Logs a user in, and waits until that is done.
    pub fn log_in(&mut self, slot: u32, user: u32) {
        let (name, password, _) = USERS[user as usize - 1];
        let before = self.script.shared().trace.lines.len();
        self.write(slot, &[login(name, password)]);
        let is_done = |line: &Line| match &line.kind {
            Kind::PduReceived(pdu) if pdu.end == End::Dialler => {
                pdu.command() == command::LOGIN_RES_USERLOGIN
            }
            _ => false,
        };
        let end = self.now() + Duration::from_secs(1);
        while self.now() < end {
            self.script.step();
            let shared = self.script.shared();
            let answer = shared.trace.lines[before..].iter().find(|line| is_done(line));
            if let Some(Kind::PduReceived(pdu)) = answer.map(|line| &line.kind) {
                let result: ImLoginRes = pdu.pdu.view().expect("a 0104");
                assert_eq!(result.result_code(), ResultType::RefuseReasonNone);
                return;
            }
        }
        panic!("no login of user {user}");
    }

    /// Simulated time since the start.
    pub fn now(&self) -> Duration {
        self.script.now()
    }

    /// Writes PDUs at once, numbered from 1, and waits until nothing more comes of it.
    pub fn send(&mut self, slot: u32, pdus: &[Pdu]) {
        self.write(slot, pdus);
        let mut seen = 0;
        loop {
            let before = seen;
            self.pass(Duration::from_millis(ANSWER_MS));
            let shared = self.script.shared();
            let is_told = |line: &&Line| match &line.kind {
                Kind::PduReceived(pdu) => self.slots.contains_key(&pdu.conn),
                _ => false,
            };
            seen = shared.trace.lines.iter().filter(is_told).count();
            if seen == before {
                return;
            }
        }
    }

    /// Writes PDUs at once, numbered from 1.
    pub fn write(&mut self, slot: u32, pdus: &[Pdu]) {
        let numbered =
            (1..).zip(pdus).map(|(seq, pdu)| Pdu::raw(pdu.command(), seq, pdu.body.clone()));
        let bytes: Vec<u8> = numbered.flat_map(|pdu| pdu.encode()).collect();
        self.script.send(slot, bytes.into());
    }

    /// Whether a connection reads what comes.
    pub fn reads(&mut self, slot: u32, reads: bool) {
        self.script.read(slot, reads);
        self.pass(Duration::from_millis(50));
    }

    /// Lets time pass until shortly after the start of the next window of the rates.
    pub fn next_window(&mut self) {
        let into = self.script.now().subsec_millis();
        self.pass(Duration::from_millis(u64::from(1_050 - into.min(1_000))));
    }

    /// Lets time pass.
    pub fn pass(&mut self, time: Duration) {
        let end = self.script.now() + time;
        while self.script.now() < end {
            self.script.step();
        }
    }

    /// What happened since the last time.
    pub fn take(&mut self) -> Seen {
        let mut seen = Seen::default();
        let shared = self.script.shared();
        let lines = &shared.trace.lines;
        // One that is closed at once is so before its end of it is open.
        for line in &lines[self.taken..] {
            if let Kind::Connected { conn, device: Some(slot), .. } = line.kind {
                self.slots.insert(conn, slot);
            }
        }
        for line in &lines[self.taken..] {
            match &line.kind {
                Kind::Connected { device: Some(_), .. } => {}
                Kind::Connected { conn, end: End::Dialler, peer, .. } => {
                    self.links.insert(*conn, format!("{} to {peer}", line.host));
                }
                Kind::Disconnected { conn, .. } | Kind::StreamReset { conn } => {
                    seen.links.extend(self.links.remove(conn));
                }
                Kind::PduReceived(frame) if frame.end == End::Dialler => {
                    let slot = self.slots.get(&frame.conn);
                    seen.told.extend(slot.map(|slot| (*slot, frame.pdu.clone())));
                }
                Kind::Fact(Fact::Refused { command, reason, .. }) => {
                    seen.refused.push((*command, reason.clone()));
                }
                Kind::Fact(Fact::Closed { conn, reason }) => {
                    let slot = self.slots.get(conn);
                    // The role says it, and whoever closes the socket.
                    let closed = slot.map(|slot| (*slot, reason.clone()));
                    seen.closed.extend(closed.filter(|closed| !seen.closed.contains(closed)));
                }
                _ => {}
            }
        }
        self.taken = lines.len();
        seen
    }
}

impl Seen {
    /// What a connection read of a command.
    pub fn of(&self, slot: u32, command: u16) -> impl Iterator<Item = &Pdu> {
        let is_it = move |(to, pdu): &&(u32, Pdu)| (*to, pdu.command()) == (slot, command);
        self.told.iter().filter(is_it).map(|(_, pdu)| pdu)
    }

    /// What a connection was refused, with the code.
    pub fn refusals(&self, slot: u32) -> Vec<(u16, RefusedCode)> {
        let refused = |pdu: &Pdu| pdu.view::<Refused>().expect("a 07e1");
        let told = self.of(slot, command::OTHER_REFUSED).map(refused);
        told.map(|refused| (refused.command_id as u16, refused.code())).collect()
    }

    /// How many PDUs another user read.
    pub fn by_others(&self) -> usize {
        self.told.iter().filter(|(slot, _)| *slot == BOB).count()
    }
}

/// 0103.
pub fn login(name: &str, password: &str) -> Pdu {
    let asked = ImLoginReq {
        user_name: name.to_string().into(),
        password: password.to_string().into(),
        online_status: UserStatType::UserStatusOnline.into(),
        client_type: ClientType::Android.into(),
        client_version: None,
    };
    Pdu::new(command::LOGIN_REQ_USERLOGIN, 1, &asked)
}
