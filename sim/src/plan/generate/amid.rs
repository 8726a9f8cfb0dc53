//! Faults that come when something is in their way: a db_proxy that is told to stop while everybody sends,
//! a device that crashes while it reads, a db_proxy so slow that what waits for it is given up, a session that is
//! removed while messages of it come, first messages while SQL is reset, db_proxies that crash while people read for the
//! last time. Each has draws of its own, so that no other part of a plan moves with it.

use super::{
    LOGINS_END_MS,
    extras::{Draws, Timed},
    operations::LAST_MS,
};
use crate::plan::{Action, Chat, Device, Fault, Plan, Role, TICK_MS, Trouble};
use std::collections::BTreeSet;
use teamtalk::catalogue::Args;

/// In how many plans, one of so many; and which draws.
struct Family {
    once_in: u64,
    stream: u8,
    add: fn(&mut Plan, &mut Draws) -> Timed,
}

const FAMILIES: [Family; 6] = [
    Family { once_in: 6, stream: 2, add: stops },
    Family { once_in: 6, stream: 3, add: crashes },
    Family { once_in: 16, stream: 4, add: slow_readers },
    Family { once_in: 6, stream: 6, add: removals },
    Family { once_in: 12, stream: 7, add: first_words },
    Family { once_in: 10, stream: 9, add: last_reads },
];

/// Lays them over a plan. Returns what is done in them.
pub(super) fn add(plan: &mut Plan, seed: u64) -> Timed {
    let mut all = Timed::new();
    for Family { once_in, stream, add } in FAMILIES {
        let mut draws = Draws::of(seed, stream);
        if draws.once_in(once_in) {
            all.extend(add(plan, &mut draws));
        }
    }
    all
}

fn begins(plan: &mut Plan, at_ms: u64, for_ms: u64, trouble: Trouble) {
    let id = plan.faults.iter().map(|fault| fault.id).max().unwrap_or(0) + 1;
    let [at_ms, for_ms] = [at_ms, for_ms].map(|ms| ms / TICK_MS * TICK_MS);
    plan.faults.push(Fault { id, at_ms, for_ms, trouble });
    plan.faults.sort_by_key(|fault| fault.at_ms);
}

/// A device of another user, if there is one.
fn other(plan: &Plan, user: u32, draws: &mut Draws) -> Option<Device> {
    let others = plan.devices.iter().filter(|device| device.user != user);
    let others: Vec<_> = others.cloned().collect();
    (!others.is_empty()).then(|| draws.pick(&others))
}

/// A db_proxy is told to stop, for less than it may go on, or for more. Everybody sends: before, while it
/// goes on, and when it is gone.
fn stops(plan: &mut Plan, draws: &mut Draws) -> Timed {
    /// Each device sends so many, one every so many simulated milliseconds.
    const SENT: (u64, u64) = (12, 60);
    /// The first is sent so long before.
    const BEFORE_MS: u64 = 200;
    /// So many devices at most.
    const MOST_SENDERS: usize = 8;
    let proxies: Vec<String> = plan.hosts(Role::Db).iter().map(|host| host.to_string()).collect();
    let (host, for_ms) = (draws.pick(&proxies), 500 + draws.below(1_500));
    let at_ms = draws.when(for_ms);
    begins(plan, at_ms, for_ms, Trouble::Stop { host });
    let (many, every) = SENT;
    let first = at_ms.saturating_sub(BEFORE_MS);
    let mut all = Timed::new();
    // More at once are more than a cluster takes for a while, whoever stops.
    let mut senders: Vec<&Device> = plan.devices.iter().collect();
    while senders.len() > MOST_SENDERS {
        senders.remove(draws.below(senders.len() as u64) as usize);
    }
    for device in senders {
        let to = Chat::User(draws.peer(plan, device.user));
        let first = first + draws.below(every);
        all.extend((0..many).map(|n| (first + n * every, device.slot, Action::Send { to })));
    }
    all
}

/// A machine with devices crashes while each of them has a chat open in which messages come: some read
/// acks are not confirmed.
fn crashes(plan: &mut Plan, draws: &mut Draws) -> Timed {
    /// So many messages come, one every so many simulated milliseconds.
    const SENT: (u64, u64) = (5, 30);
    /// Chats are opened at most so long before the crash.
    const OPENED_MS: u64 = 60;
    let hosts: Vec<String> = plan.devices.iter().map(|device| device.host.to_string()).collect();
    let (host, for_ms) = (draws.pick(&hosts), 100 + draws.below(900));
    let at_ms = draws.when(for_ms);
    let trouble = match draws.once_in(3) {
        true => Trouble::PowerCut { host: host.clone() },
        false => Trouble::Crash { host: host.clone(), refuses: draws.once_in(2) },
    };
    begins(plan, at_ms, for_ms, trouble);
    let (many, every) = SENT;
    let mut all = Timed::new();
    for device in plan.devices.iter().filter(|device| *device.host == *host) {
        let Some(sender) = other(plan, device.user, draws) else { continue };
        let (to, chat) = (Chat::User(device.user), Chat::User(sender.user));
        let first = at_ms.saturating_sub(many * every + draws.below(2 * every));
        all.extend((0..many).map(|n| (first + n * every, sender.slot, Action::Send { to })));
        let opened = at_ms.saturating_sub(5 + draws.below(OPENED_MS));
        all.push((opened, device.slot, Action::Read { chat }));
    }
    all
}

/// A db_proxy reads next to nothing for nearly the whole run, and its links live: what waits there is waited
/// for longer than anybody has patience.
fn slow_readers(plan: &mut Plan, draws: &mut Draws) -> Timed {
    const LASTS_MS: u64 = 9_000;
    let proxies: Vec<String> = plan.hosts(Role::Db).iter().map(|host| host.to_string()).collect();
    let (host, bytes) = (draws.pick(&proxies), 1 + draws.below(3) as usize);
    begins(plan, LOGINS_END_MS, LASTS_MS, Trouble::SlowReader { host, peer: None, bytes });
    Timed::new()
}

/// A user removes a session while messages of it come, and says something there: what is stored between the
/// two steps of the removal is unread in a session that is removed.
fn removals(plan: &mut Plan, draws: &mut Draws) -> Timed {
    /// So many messages come, one every so many simulated milliseconds.
    const SENT: (u64, u64) = (3, 15);
    /// The session is removed up to so long after the last one.
    const AFTER_MS: u64 = 60;
    let (many, every) = SENT;
    let mut all = Timed::new();
    for _ in 0..1 + draws.below(4) {
        let device = draws.device(plan);
        let Some(peer) = other(plan, device.user, draws) else { continue };
        let first = draws.when(many * every + AFTER_MS);
        let to = Chat::User(device.user);
        all.extend((0..many).map(|n| (first + n * every, peer.slot, Action::Send { to })));
        let chat = Chat::User(peer.user);
        let removed = first + (many - 1) * every + draws.below(AFTER_MS);
        let args = Args { chat: Some(chat), ..Args::default() };
        all.push((removed, device.slot, Action::asking("remove_session", args)));
        if draws.once_in(2) {
            all.push((removed + draws.below(AFTER_MS), device.slot, Action::Send { to: chat }));
        }
    }
    all
}

/// Users write to people to whom they never wrote, while the way to SQL is reset again and again.
fn first_words(plan: &mut Plan, draws: &mut Draws) -> Timed {
    /// The first of those to whom nobody has written; they have no devices.
    const STRANGER: u32 = 700;
    /// So many people are written to, one every so many simulated milliseconds.
    const SENT: (u64, u64) = (40, 25);
    let (many, every) = SENT;
    let at_ms = draws.when(many * every);
    let b = Role::Sql.host().to_string();
    let proxies: Vec<String> = plan.hosts(Role::Db).iter().map(|host| host.to_string()).collect();
    for n in 1..=3 {
        for a in &proxies {
            let at_ms = at_ms + n * many * every / 4 + draws.below(every);
            begins(plan, at_ms, TICK_MS, Trouble::Reset { a: a.clone(), b: b.clone() });
        }
    }
    let sends = |n: u64| {
        let to = Chat::User(STRANGER + n as u32);
        (at_ms + n * every, draws.device(plan).slot, Action::Send { to })
    };
    (0..many).map(sends).collect()
}

/// Late in the day people open a chat on one of their devices and log out there, and the db_proxies crash meanwhile: a
/// read ack that is lost is not written again, and the user's other device may have heard of it.
fn last_reads(plan: &mut Plan, draws: &mut Draws) -> Timed {
    /// So many messages come, one every so many simulated milliseconds.
    const SENT: (u64, u64) = (3, 30);
    /// The chat is opened so long after the last one.
    const OPENED_AFTER_MS: u64 = 150;
    /// The crash comes at least so long after that, and up to so much later: about as long as it takes from
    /// there to the read ack.
    const CRASH_AFTER_MS: (u64, u64) = (20, 100);
    /// So long after it was opened nobody is there any more.
    const GONE_AFTER_MS: u64 = 160;
    /// Of so much of the end of the day.
    const LATE_MS: u64 = 1_500;
    let at_ms = LAST_MS - LATE_MS + draws.below(LATE_MS / 2);
    let for_ms = 300 + draws.below(600);
    let proxies: Vec<String> = plan.hosts(Role::Db).iter().map(|host| host.to_string()).collect();
    for host in proxies {
        begins(plan, at_ms, for_ms, Trouble::Crash { host, refuses: true });
    }
    let (many, every) = SENT;
    let mut all = Timed::new();
    let users: BTreeSet<u32> = plan.devices.iter().map(|device| device.user).collect();
    for user in users {
        let is_phone = draws.once_in(2);
        let of = |is_phone: bool| {
            let is_it = |d: &&Device| d.user == user && d.client.is_phone() == is_phone;
            plan.devices.iter().find(is_it)
        };
        let (Some(reads), Some(_)) = (of(is_phone), of(!is_phone)) else { continue };
        let Some(peer) = other(plan, user, draws) else { continue };
        let (least, more) = CRASH_AFTER_MS;
        let opened = at_ms - least - draws.below(more);
        let first = opened - OPENED_AFTER_MS - (many - 1) * every;
        let to = Chat::User(user);
        all.extend((0..many).map(|n| (first + n * every, peer.slot, Action::Send { to })));
        all.push((opened, reads.slot, Action::Read { chat: Chat::User(peer.user) }));
        all.push((opened + GONE_AFTER_MS, reads.slot, Action::Logout));
    }
    all
}

#[cfg(test)]
mod tests {
    use crate::plan::{
        Action, Operation, Role, Trouble,
        generate::{Clients, Profile, generate},
    };
    use std::collections::BTreeSet;

    #[test]
    fn each_is_in_some_plans() {
        let (mut stops, mut crashes, mut slow, mut last) = (0, 0, 0, 0);
        for seed in 0..200 {
            let plan = generate(seed, Clients::Ours, Profile::Default);
            let proxies: Vec<_> =
                plan.hosts(Role::Db).iter().map(|host| host.to_string()).collect();
            // All db_proxies at once, and somebody who has read a chat just before is gone.
            let crash_at = |host: &String| {
                let is_it = |trouble: &Trouble| matches!(trouble, Trouble::Crash { host: of, .. } if of == host);
                let crashes = plan.faults.iter().filter(|fault| is_it(&fault.trouble));
                crashes.map(|fault| fault.at_ms).collect::<BTreeSet<_>>()
            };
            let all: Vec<_> = proxies.iter().map(crash_at).collect();
            let at_once = |at_ms: &u64| all.iter().all(|of| of.contains(at_ms));
            let reads = |at_ms: &u64| {
                let is_it = |op: &&Operation| {
                    matches!(op.action, Action::Read { .. })
                        && (at_ms - 120..*at_ms).contains(&op.at_ms)
                };
                let reads: Vec<_> = plan.operations.iter().filter(is_it).collect();
                let gone = |op: &&&Operation| {
                    let logs_out = |of: &Operation| {
                        of.action == Action::Logout && of.device == op.device && of.at_ms > op.at_ms
                    };
                    plan.operations.iter().any(logs_out)
                };
                reads.iter().any(|op| gone(&op))
            };
            last += u32::from(all[0].iter().any(|at_ms| at_once(at_ms) && reads(at_ms)));
            for fault in &plan.faults {
                match &fault.trouble {
                    Trouble::Stop { host } if proxies.contains(host) => stops += 1,
                    Trouble::Crash { host, .. } if host.starts_with("client") => crashes += 1,
                    Trouble::SlowReader { .. } if fault.for_ms > 5_000 => slow += 1,
                    _ => {}
                }
            }
        }
        assert!(stops > 20 && crashes > 20 && slow > 5, "{stops} {crashes} {slow}");
        assert!(last > 5, "{last}");
        assert!(generate(1, Clients::Ours, Profile::Calm).faults.is_empty());
    }
}
