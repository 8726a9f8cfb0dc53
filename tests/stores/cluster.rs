//! Two msg_servers, a route_server and two db_proxies as processes, on real stores, with our devices: what is
//! promised of the end of a run holds.

use crate::{
    database::Database,
    processes::{Place, Server, free_port, teamtalk},
};
use md5::{Digest, Md5};
use mysql_async::prelude::Queryable as _;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};
use teamtalk::{
    client::{self, Acks, Action, Command, Conduct, Habits},
    conversation::Chat,
    env::{Endpoint, sockets::Sockets},
    fact::Fact,
    protocol::Protocol,
    timing::Timing,
};
use tokio::{sync::mpsc, time::timeout};

const USERS: u32 = 8;
/// Two devices each: a PC and a phone, on different msg_servers.
const DEVICES: u32 = 2 * USERS;
/// Messages of each device in each part of the test.
const MESSAGES: u32 = 12;
/// One changes the members of a third group so often in each part, in which users 1 to 4 stay.
const CHANGES: u32 = 12;
/// In the second part a db_proxy is told to stop, in the third one dies.
const PARTS: u32 = 3;
/// How long an operation may take: with a db_proxy that died a try waits for it for 12 s.
const LONGEST: Duration = Duration::from_secs(60);

fn md5_hex(text: &str) -> String {
    Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What devices report.
#[derive(Default)]
struct Told {
    /// By operation: the msg_id or group, or why it failed.
    ended: BTreeMap<u32, Result<u32, String>>,
    /// By device: the texts that it holds.
    held: BTreeMap<u32, BTreeSet<String>>,
}

struct Devices {
    told: Arc<Mutex<Told>>,
    commands: BTreeMap<u32, mpsc::UnboundedSender<Command>>,
    last_op: u32,
}

/// One message, and who is to have it.
#[derive(Clone)]
struct Sent {
    op: u32,
    from: u32,
    to: Chat,
    text: String,
}

impl Devices {
    fn start(ports: [u16; 2]) -> Self {
        let told = Arc::new(Mutex::new(Told::default()));
        let mut commands = BTreeMap::new();
        for device in 1..=DEVICES {
            let (user, is_phone) = (user_of(device), device > USERS);
            let mut servers = ports.map(|port| Endpoint::new("127.0.0.1", port)).to_vec();
            servers.rotate_left((device % 2 + u32::from(is_phone)) as usize % 2);
            let config = client::Config {
                device,
                install: device.into(),
                user_name: format!("user{user}"),
                password: format!("password{user}"),
                user,
                client_type: if is_phone { 0x11 } else { 0x01 },
                habits: &Habits::OURS,
                conduct: Conduct { acks: Acks::Prompt, ignores_kick: false },
                servers,
                protocol: Protocol::hardened(),
                timing: Timing::original(),
            };
            let (sender, receiver) = mpsc::unbounded_channel();
            commands.insert(device, sender);
            let told = told.clone();
            let env = Sockets::new([127, 0, 0, 1].into()).telling(move |fact| {
                let mut told = told.lock().expect("no panic under it");
                match fact {
                    Fact::OpOk { op, msg_id } => drop(told.ended.insert(op, Ok(msg_id))),
                    Fact::OpFailed { op, reason } => drop(told.ended.insert(op, Err(reason))),
                    Fact::Held { device, content, .. } => {
                        told.held.entry(device).or_default().insert(content);
                    }
                    _ => {}
                }
            });
            tokio::spawn(client::run(env, config, receiver, Arc::default()));
        }
        Self { told, commands, last_op: 0 }
    }

    fn command(&mut self, device: u32, action: Action) -> u32 {
        self.last_op += 1;
        let command = Command { op: self.last_op, action };
        self.commands[&device].send(command).expect("it runs");
        self.last_op
    }

    /// Waits until an operation has ended.
    async fn end(told: &Mutex<Told>, op: u32) -> Result<u32, String> {
        let ended = async {
            loop {
                if let Some(how) = told.lock().expect("no panic under it").ended.get(&op) {
                    return how.clone();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LONGEST, ended).await.unwrap_or_else(|_| panic!("operation {op} does not end"))
    }

    async fn perform(&mut self, device: u32, action: Action) -> u32 {
        let op = self.command(device, action.clone());
        Self::end(&self.told, op).await.unwrap_or_else(|why| panic!("{action:?} failed: {why}"))
    }

    /// Every device writes its messages of a part, each when the last one is acked: all of them, and the ids under
    /// which they were acked.
    async fn write(&mut self, part: u32, groups: &[u32], churned: u32) -> Vec<(Sent, u32)> {
        let mut tasks = Vec::new();
        let changes = self.change_members(churned);
        for device in 1..=DEVICES {
            let (told, commands) = (self.told.clone(), self.commands[&device].clone());
            let from = user_of(device);
            let messages: Vec<_> = (0..MESSAGES)
                .map(|n| {
                    self.last_op += 1;
                    let to = match (device + n) % 3 {
                        1 if from <= 4 => Chat::Group(churned),
                        0 => Chat::Group(groups[(n as usize + device as usize) % groups.len()]),
                        // Each with each, so that first messages meet.
                        _ => Chat::User((from + part + n) % (USERS - 1) + 1),
                    };
                    let to = match to {
                        Chat::User(user) if user == from => Chat::User(USERS),
                        other => other,
                    };
                    Sent {
                        op: self.last_op,
                        from,
                        to,
                        text: format!("part {part} device {device} message {n}"),
                    }
                })
                .collect();
            tasks.push(tokio::spawn(async move {
                let mut acked = Vec::new();
                for sent in messages {
                    let text = sent.text.clone().into_bytes().into();
                    let action = Action::Send { to: sent.to, text };
                    commands.send(Command { op: sent.op, action }).expect("it runs");
                    let mut how = Self::end(&told, sent.op).await;
                    // A person presses "resend", as long as it takes.
                    let mut again = sent.op;
                    while how.is_err() {
                        again += 1_000_000;
                        let action = Action::Resend { of: Some(sent.op) };
                        commands.send(Command { op: again, action }).expect("it runs");
                        how = Self::end(&told, again).await;
                        tokio::time::sleep(Duration::from_millis(200)).await;
                    }
                    acked.push((sent, how.expect("it is acked")));
                }
                acked
            }));
        }
        let failed = changes.await.expect("no panic");
        println!("part {part}: {failed} of {CHANGES} changes of members failed");
        assert!(part > 1 || failed == 0, "with all servers up each change is served");
        let mut all = Vec::new();
        for task in tasks {
            all.extend(task.await.expect("no panic"));
        }
        all
    }
}

impl Devices {
    /// The creator of a group takes users in and out, one after the other; how many changes failed.
    fn change_members(&mut self, group: u32) -> tokio::task::JoinHandle<u32> {
        let (told, commands) = (self.told.clone(), self.commands[&3].clone());
        let first = self.last_op + 1;
        self.last_op += CHANGES;
        tokio::spawn(async move {
            let mut failed = 0;
            for n in 0..CHANGES {
                let users = vec![5 + n / 2 % 4];
                let action = Action::ChangeMembers { group, add: n % 2 == 0, users };
                let op = first + n;
                commands.send(Command { op, action }).expect("it runs");
                let ended = Self::end(&told, op).await;
                if let Err(why) = &ended {
                    println!("change {n} of members failed: {why}");
                }
                failed += u32::from(ended.is_err());
                // Under the rate of such requests.
                tokio::time::sleep(Duration::from_millis(150)).await;
            }
            failed
        })
    }
}

fn user_of(device: u32) -> u32 {
    (device - 1) % USERS + 1
}

/// What is the default from MariaDB 11.6.2 on, and harder (docs/FAKES.md, "Error 1020").
async fn set_isolation(database: &Database, on: bool) {
    let text = format!("set global innodb_snapshot_isolation={on}");
    database.conn().await.query_drop(text).await.expect("MariaDB has it from 10.6.18 on");
}

async fn add_users(database: &Database) {
    let mut conn = database.conn().await;
    conn.query_drop("insert into IMDepart (departName) values ('all')").await.expect("a row");
    for user in 1..=USERS {
        let (name, salt) = (format!("user{user}"), format!("{user:04}"));
        let password = md5_hex(&(md5_hex(&format!("password{user}")) + &salt));
        conn.exec_drop(
            "insert into IMUser (id, name, nick, password, salt, departId) values (?, ?, ?, ?, ?, 1)",
            (user, &name, &name, password, salt),
        )
        .await
        .expect("a row");
    }
}

/// Rows that break a promise: none may come.
const BROKEN: [(&str, &str); 9] = [
    (
        "two relations of a pair",
        "select smallId, bigId from IMRelationShip group by 1, 2 having count(*)>1",
    ),
    (
        "two sessions of a user and a chat",
        "select userId, peerId from IMRecentSession group by userId, peerId, type having count(*)>1",
    ),
    ("a member twice", "select groupId, userId from IMGroupMember group by 1, 2 having count(*)>1"),
    (
        "a wrong count of members",
        "select id, userCnt from IMGroup g where userCnt<>(select count(*) from IMGroupMember m where m.groupId=g.id and status=0)",
    ),
    (
        "a session of no row",
        "select t.userId, t.peerId from TTSession t left join IMRecentSession r on r.id=t.sessionId and r.userId=t.userId and r.peerId=t.peerId and r.type=t.type where r.id is null",
    ),
    (
        "a relation of no row",
        "select t.smallId, t.bigId from TTRelation t left join IMRelationShip r on r.id=t.relateId and r.smallId=t.smallId and r.bigId=t.bigId where t.smallId<>0 and r.id is null",
    ),
    ("a token of no message", "select fromId, type from TTSend where msgId=0"),
    (
        "a member without a mark",
        "select m.groupId, m.userId from IMGroupMember m left join TTMember t on t.groupId=m.groupId and t.userId=m.userId where m.status=0 and t.userId is null",
    ),
    (
        "a floor below a message",
        "select r.smallId, r.bigId from TTRelation r where r.lastId<(select coalesce(max(msgId),0) from (select relateId, msgId, 1 as single from IMMessage_0 union select relateId, msgId, 1 from IMMessage_1 union select relateId, msgId, 1 from IMMessage_2 union select relateId, msgId, 1 from IMMessage_3 union select relateId, msgId, 1 from IMMessage_4 union select relateId, msgId, 1 from IMMessage_5 union select relateId, msgId, 1 from IMMessage_6 union select relateId, msgId, 1 from IMMessage_7) m where m.relateId=r.relateId and r.smallId<>0)",
    ),
];

/// Where each message is: conversation and msg_id, by its text. Each must be there once.
async fn stored(database: &Database) -> BTreeMap<String, (bool, u32, u32)> {
    let mut conn = database.conn().await;
    let (mut all, mut ids) = (BTreeMap::new(), BTreeSet::new());
    for n in 0..8 {
        for (is_group, columns) in [
            (false, "relateId, msgId, content from IMMessage"),
            (true, "groupId, msgId, content from IMGroupMessage"),
        ] {
            let rows: Vec<(u32, u32, String)> =
                conn.query(format!("select {columns}_{n}")).await.expect("rows");
            for (of, msg_id, text) in rows {
                assert!(
                    ids.insert((is_group, of, msg_id)),
                    "two messages under msg_id {msg_id} of {of}"
                );
                let twice = all.insert(text.clone(), (is_group, of, msg_id));
                assert_eq!(twice, None, "`{text}` is stored twice");
            }
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_on_real_servers_get_what_is_promised() {
    let Some(database) = Database::fresh("cluster", false).await else { return };
    let migrated = teamtalk(Some(&database), &["migrate"]).status().expect("the program");
    assert!(migrated.success());
    add_users(&database).await;
    set_isolation(&database, true).await;
    let place = Place::new("cluster");
    let (route, login) = (free_port(), free_port());
    let (db, msg) = ([free_port(), free_port()], [free_port(), free_port()]);
    let recordings = place.path().join("recordings");
    let settings = |n: usize| {
        place.settings(
            &n.to_string(),
            &format!(
                "[stores]\nrecordings = {recordings:?}\n[route]\nport = {route}\n[login]\nport = {login}\n\
                 [db-proxy]\nport = {}\nworkers = 6\n\
                 [msg]\nport = {}\ndb = [\"127.0.0.1:{}\", \"127.0.0.1:{}\"]\nroute = [\"127.0.0.1:{route}\"]\n\
                 login = [\"127.0.0.1:{login}\"]\n",
                db[n], msg[n], db[0], db[1]
            ),
        )
    };
    let files = [settings(0), settings(1)];
    let start =
        |role: &str, n: usize, port| Server::start(&place, &database, role, &files[n], port);
    let route = start("route", 0, route);
    let login = start("login", 0, login);
    let mut db_proxies = vec![start("db-proxy", 0, db[0]), start("db-proxy", 1, db[1])];
    let msg_servers = [start("msg", 0, msg[0]), start("msg", 1, msg[1])];
    let mut devices = Devices::start(msg);
    for device in 1..=DEVICES {
        // A msg_server refuses a login until its links are up: then the device tries again by itself.
        let op = devices.command(device, Action::Login);
        let _ = Devices::end(&devices.told, op).await;
    }
    for device in 1..=DEVICES {
        let mut tries = 0;
        loop {
            let op = devices.command(
                device,
                Action::Pull { chat: Chat::User(user_of(device) % USERS + 1), count: 1 },
            );
            if Devices::end(&devices.told, op).await.is_ok() {
                break;
            }
            tries += 1;
            assert!(tries < 20, "device {device} does not come online");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
    let everybody: Vec<u32> = (1..=USERS).collect();
    let mut groups = Vec::new();
    for creator in [1, 2] {
        let create = Action::CreateGroup { name: "g".into(), members: everybody.clone() };
        groups.push(devices.perform(creator, create).await);
    }
    let create = Action::CreateGroup { name: "churned".into(), members: vec![1, 2, 3, 4] };
    let churned = devices.perform(3, create).await;
    let mut acked = Vec::new();
    for part in 1..=PARTS {
        let victim = (part > 1).then(|| db_proxies.remove(0));
        let ending = tokio::task::spawn_blocking(move || {
            std::thread::sleep(Duration::from_millis(100));
            match (victim, part) {
                (Some(victim), 2) => Some(victim.stop()),
                (Some(victim), _) => {
                    victim.kill();
                    None
                }
                (None, _) => None,
            }
        });
        acked.extend(devices.write(part, &groups, churned).await);
        if let Some((status, took)) = ending.await.expect("no panic") {
            assert!(status.success(), "{status}");
            // It goes on for a while after it was told (Timing::stop_grace).
            assert!((4..8).contains(&took.as_secs()), "it took {took:?} to stop");
            db_proxies.push(start("db-proxy", 0, db[0]));
        }
    }
    check(&database, &devices, &acked, &groups).await;
    let (mut facts, mut too_old) = (BTreeMap::new(), 0);
    for server in db_proxies.iter().chain(&msg_servers).chain([&route]) {
        for line in server
            .told()
            .lines()
            .filter(|line| line.contains("StoreFailed") || line.contains("WARN"))
        {
            too_old += u32::from(line.contains("SQL error 1020"));
            let what = line.split_once("WARN").map_or(line, |(_, what)| what);
            let what: String = what.chars().filter(|c| !c.is_ascii_digit()).take(90).collect();
            *facts.entry(what).or_insert(0) += 1;
        }
    }
    println!(
        "{} messages of {DEVICES} devices acked; {too_old} statements with error 1020",
        acked.len()
    );
    println!("warnings: {facts:#?}");
    set_isolation(&database, false).await;
    for server in db_proxies.into_iter().chain(msg_servers).chain([route, login]) {
        let (status, _) = server.stop();
        assert!(status.success(), "{status}");
    }
}

async fn check(database: &Database, devices: &Devices, acked: &[(Sent, u32)], groups: &[u32]) {
    assert_eq!(acked.len() as u32, DEVICES * MESSAGES * PARTS);
    let stored = stored(database).await;
    assert_eq!(stored.len(), acked.len(), "nothing else is stored");
    for (sent, msg_id) in acked {
        let row = stored
            .get(&sent.text)
            .unwrap_or_else(|| panic!("`{}` was acked and is not there", sent.text));
        assert_eq!(row.2, *msg_id, "`{}` was acked under another id", sent.text);
        if let Chat::Group(group) = sent.to {
            assert_eq!((row.0, row.1), (true, group));
        }
    }
    let mut conn = database.conn().await;
    for (what, query) in BROKEN {
        let rows: Vec<(u32, u32)> = conn.query(query).await.expect("a query");
        assert!(rows.is_empty(), "{what}: {rows:?}");
    }
    let sessions: Vec<(u32, u32)> = conn
        .query("select userId, peerId from IMRecentSession where type=2 and status=0")
        .await
        .expect("rows");
    let sessions: Vec<_> = sessions.into_iter().filter(|(_, peer)| groups.contains(peer)).collect();
    assert_eq!(
        sessions.len(),
        groups.len() * USERS as usize,
        "a session of each member in each group"
    );
    // Who is to have a message: both sides, or every member, on each device.
    for (sent, _) in acked {
        for device in 1..=DEVICES {
            let user = user_of(device);
            let is_for = match sent.to {
                Chat::User(peer) => user == peer || user == sent.from,
                Chat::Group(group) => groups.contains(&group) || user <= 4,
            };
            // Who is in and out of a group may have it or not.
            let may = matches!(sent.to, Chat::Group(_)) && !is_for;
            let held = || {
                devices
                    .told
                    .lock()
                    .expect("no panic under it")
                    .held
                    .get(&device)
                    .is_some_and(|held| held.contains(&sent.text))
            };
            let mut looks = 0;
            while is_for && !held() {
                looks += 1;
                assert!(looks < 400, "device {device} never gets `{}`", sent.text);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            assert!(
                is_for || may || !held(),
                "device {device} has `{}`, which is not for it",
                sent.text
            );
        }
    }
}
