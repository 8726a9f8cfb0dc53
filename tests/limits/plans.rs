//! What a device of a plan can try: each limit of a body, one under it, at it and one over it.

use std::collections::BTreeMap;
use teamtalk::{
    catalogue::{
        self, id as command,
        limits::Limits,
        probe::{self, Probe},
    },
    fact::Fact,
};
use teamtalk_sim::{
    explore::{case_of, run_case},
    plan::{
        Action, Client, Device, Group, GroupKind, Operation, Plan, Size,
        case::{Case, ProtocolSpec},
        generate::Profile,
    },
    record::{End, Kind, Line, history::Outcome as Came},
    world::Outcome,
};

/// So long before the next limit is tried: more than a window of the rates, and time for an answer.
const APART_MS: u64 = 300;
/// When the first one is.
const FIRST_MS: u64 = 1_000;

/// Every limit of a body that a device that is logged in can try. A login is one too many there, whatever its size:
/// `strangers` has it.
pub fn limits() -> Vec<Probe> {
    let all = probe::all(&Limits::default()).into_iter();
    all.filter(|probe| probe.command != command::LOGIN_REQ_USERLOGIN).collect()
}

/// Three users in one group, two of them on one msg_server. The first one, on a phone, does all this, one after the
/// other; whoever logs out comes back.
fn case(tried: &[(&Probe, Size)]) -> (Case, Vec<u32>) {
    let mut case = case_of(1, &ProtocolSpec::preset("hardened"), Profile::Calm);
    let device = |(slot, home)| {
        let client = if slot == 1 { Client::OursPhone } else { Client::OursPc };
        Device::by_hand(slot, client, home)
    };
    let login = |id, at_ms, device| Operation { id, at_ms, device, action: Action::Login };
    let mut operations: Vec<_> = (1..=3).map(|slot| login(slot, 200, slot)).collect();
    let mut at_ms = FIRST_MS;
    let mut ids = Vec::new();
    for (probe, size) in tried {
        let id = operations.len() as u32 + 1;
        let action = Action::Probe { limit: probe.name(), size: *size };
        operations.push(Operation { id, at_ms, device: 1, action });
        ids.push(id);
        at_ms += APART_MS;
        if probe.command == command::LOGIN_REQ_LOGINOUT && *size != Size::Over {
            operations.push(login(id + 1, at_ms, 1));
            at_ms += APART_MS;
        }
    }
    let group = Group { id: 1, kind: GroupKind::Normal, creator: 1, members: vec![1, 2, 3] };
    case.plan = Plan {
        devices: [(1, "msg1"), (2, "msg1"), (3, "msg2")].map(device).into(),
        groups: vec![group],
        operations,
        horizon_ms: at_ms + 500,
        ..case.plan
    };
    (case, ids)
}

fn ran(case: &Case) -> Outcome {
    run_case(case).unwrap_or_else(|failed| panic!("{failed}"))
}

/// The lines until the users are done: what comes then, and when, is the auditor's affair, too.
fn done(outcome: &Outcome) -> impl Iterator<Item = &Line> {
    outcome.trace.lines.iter().take_while(|line| line.kind != Kind::Phase { phase: "liveness" })
}

/// Connections that a server dialled to another one, and that ended.
fn closed_links(outcome: &Outcome) -> Vec<String> {
    let mut links = BTreeMap::new();
    let mut closed = Vec::new();
    for line in done(outcome) {
        match &line.kind {
            Kind::Connected { conn, end: End::Dialler, peer, device: None, .. } => {
                let is_server =
                    |host: &str| ["msg", "route", "db"].iter().any(|of| host.starts_with(of));
                if is_server(&line.host) && is_server(peer) {
                    links.insert(*conn, format!("{} to {peer}", line.host));
                }
            }
            Kind::Disconnected { conn, .. } | Kind::StreamReset { conn } => {
                closed.extend(links.remove(conn));
            }
            _ => {}
        }
    }
    closed
}

/// What the devices of the other users read, and when.
fn read_by_others(outcome: &Outcome) -> Vec<(u64, u32, u16)> {
    let mut of = BTreeMap::new();
    let mut read = Vec::new();
    for line in done(outcome) {
        match &line.kind {
            Kind::Connected { conn, device: Some(device), .. } => {
                of.insert(*conn, *device);
            }
            Kind::PduReceived(frame) if frame.end == End::Dialler => {
                let device = of.get(&frame.conn).copied().unwrap_or(1);
                if device != 1 {
                    read.push((line.sim_us, device, frame.command()));
                }
            }
            _ => {}
        }
    }
    read
}

/// What msg_servers and db_proxies refused, and why.
fn refused(outcome: &Outcome) -> Vec<(u16, String)> {
    let of = |line: &Line| match &line.kind {
        Kind::Fact(Fact::Refused { command, reason, .. }) => Some((*command, reason.clone())),
        _ => None,
    };
    done(outcome).filter_map(of).collect()
}

#[test]
fn what_is_one_over_a_limit_is_refused_with_a_reason_and_nobody_else_notices() {
    let limits = limits();
    assert!(limits.len() > 70, "{} limits", limits.len());
    let tried: Vec<_> = limits.iter().map(|probe| (probe, Size::Over)).collect();
    let (case, ids) = case(&tried);
    let outcome = ran(&case);
    for (probe, id) in limits.iter().zip(&ids) {
        let came = &outcome.history.entries[id].outcome;
        assert_eq!(*came, Came::Failed("refused: malformed".into()), "{}", probe.name());
    }
    let refused = refused(&outcome);
    assert_eq!(refused.len(), limits.len(), "a reason each: {refused:?}");
    assert!(refused.iter().all(|(_, reason)| reason.contains("at most")), "{refused:?}");
    assert_eq!(outcome.found(), "holds");
    assert_eq!(closed_links(&outcome), [""; 0]);
    let mut without = case.clone();
    without.plan.operations.retain(|op| !ids.contains(&op.id));
    assert_eq!(read_by_others(&outcome), read_by_others(&ran(&without)));
    assert!(!read_by_others(&outcome).is_empty(), "heartbeats at least");
}

/// Why a body of the least values is refused whatever its size (but messages that say something, `says`): under these limits and at them nobody says that it is
/// over, and `messages` has bodies that are served.
fn refused_anyway(id: u16) -> Option<&'static str> {
    match id {
        command::MSG_DATA => Some("a message to oneself"),
        command::GROUP_CREATE_REQUEST => Some("a group of type NORMAL"),
        // Nobody serves it, as in the original.
        command::BUDDY_LIST_CHANGE_AVATAR_REQUEST => Some("no handler"),
        _ => None,
    }
}

/// Whether a plan's probe is a message with a text of its own, from user 1 to user 2.
fn says(probe: &Probe) -> bool {
    ["0301.body", "0301.attach_data"].contains(&&*probe.name())
}

/// Whether whoever serves the command did; what has no answer is never known to have happened.
fn is_served(probe: &Probe, came: &Came) -> bool {
    let has_answer = catalogue::of(probe.command).is_some_and(|command| command.reply.is_some());
    let is_refused = refused_anyway(probe.command).is_some() && !says(probe);
    match came {
        Came::Ok(_) => !is_refused,
        Came::Unknown => !has_answer,
        Came::Failed(_) => is_refused,
        Came::NotDone(_) => false,
    }
}

/// Runs these, one after the other, and wants each served.
fn serves(tried: &[(&Probe, Size)]) {
    let (case, ids) = case(tried);
    let outcome = ran(&case);
    for ((probe, size), id) in tried.iter().zip(&ids) {
        let came = &outcome.history.entries[id].outcome;
        assert!(is_served(probe, came), "{} {size:?}: {came:?}", probe.name());
    }
    for (command, reason) in refused(&outcome) {
        assert_eq!(refused_anyway(command), Some(&*reason), "{command:04x}");
    }
    assert_eq!(closed_links(&outcome), [""; 0]);
    assert_eq!(outcome.found(), "holds", "{:?}", outcome.violations.first());
}

#[test]
fn what_is_one_under_a_limit_or_at_it_is_served() {
    let limits = limits();
    for size in [Size::Under, Size::At] {
        serves(&limits.iter().map(|probe| (probe, size)).collect::<Vec<_>>());
    }
}
