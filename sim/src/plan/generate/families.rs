//! What users do besides sending, in families that a plan has or has not.

use super::groups::some_of;
use crate::plan::{Action, Ask, Chat, GroupRef, Odd, Rogue, Size};
use std::{collections::BTreeMap, sync::OnceLock};
use teamtalk::catalogue::{Args, Question, id as command, limits::Limits, probe, question};

/// A user who does not exist.
const NOBODY: u32 = 999;
/// In seconds since 1970: within the time of a run.
const DURING_THE_RUN: u32 = 1_700_000_003;

/// What the draws of one operation come to.
#[derive(Debug, Clone)]
pub(super) struct Draw {
    pub user: u32,
    pub peer: u32,
    pub users: u32,
    /// The chat that it is about: with the peer, or in a group.
    pub chat: Chat,
    /// A group, if there is any.
    pub group: Option<GroupRef>,
    /// Decides what the family leaves open.
    pub more: u32,
}

impl Draw {
    fn pick<T: Copy>(&self, of: &[T]) -> T {
        of[self.more as usize % of.len()]
    }

    fn one_user(&self) -> Vec<u32> {
        vec![1 + self.more % self.users]
    }

    fn some_users(&self) -> Vec<u32> {
        some_of(self.users, self.more, 1)
    }
}

/// Actions with their delays in simulated milliseconds.
pub(super) type Actions = Vec<(u64, Action)>;

/// What is done if it is nothing else.
pub(super) const SEND: &str = "send";
/// Sends beside what else is done, where a deployment has weights and none for these: as many as without one
/// in a plan that has half of the families.
const SENDS: u32 = 600;

/// One thing that users do besides sending.
#[derive(Clone, Copy)]
struct Family {
    /// Its name, which is that of an action or begins those of its actions.
    name: &'static str,
    /// Out of a thousand operations, in a plan that has it.
    weight: u32,
    /// A client in order does it.
    proper: bool,
    /// What it does.
    make: Make,
}

#[derive(Clone, Copy)]
enum Make {
    /// These actions; none if there is nothing to do it with.
    Actions(fn(&Draw) -> Actions),
    /// This question of the catalogue.
    Ask(Question),
}

const fn proper(name: &'static str, weight: u32, make: fn(&Draw) -> Actions) -> Row {
    Row::Own(Family { name, weight, proper: true, make: Make::Actions(make) })
}

const fn improper(name: &'static str, weight: u32, make: fn(&Draw) -> Actions) -> Row {
    Row::Own(Family { name, weight, proper: false, make: Make::Actions(make) })
}

/// A row of [`ORDER`].
enum Row {
    Own(Family),
    /// A question, by its name.
    Asked(&'static str),
}

const fn asked(name: &'static str) -> Row {
    Row::Asked(name)
}

fn now(action: Action) -> Actions {
    vec![(0, action)]
}

/// What is done with a group.
fn with_group(draw: &Draw, make: impl FnOnce(GroupRef) -> Action) -> Actions {
    draw.group.map(|group| now(make(group))).unwrap_or_default()
}

/// What breaks off: requests of every way to an answer, answers, and commands that do not exist.
const MALFORMED: [u16; 12] = [
    command::MSG_DATA,
    command::MSG_LIST_REQUEST,
    command::MSG_READ_ACK,
    command::MSG_UNREAD_CNT_REQUEST,
    command::BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST,
    command::BUDDY_LIST_REMOVE_SESSION_REQ,
    command::BUDDY_LIST_USERS_STATUS_REQUEST,
    command::GROUP_CREATE_REQUEST,
    command::GROUP_CHANGE_MEMBER_REQUEST,
    command::FILE_REQUEST,
    command::MSG_LIST_RESPONSE,
    0x0399,
];

/// The first is in every plan: what is owed has to be read some time. Questions of the catalogue that
/// are not named here follow in the catalogue's order; the order is which bit of a swarm each has.
const ORDER: [Row; 34] = [
    proper("read", 80, |d| now(Action::Read { chat: d.chat })),
    proper("pull", 40, |d| now(Action::Pull { chat: d.chat, count: 1 + d.more % 20 })),
    proper("reconnect", 45, |_| now(Action::Reconnect)),
    asked("latest"),
    asked("by_id"),
    asked("sessions"),
    asked("remove_session"),
    asked("time"),
    asked("kick_pc"),
    asked("status"),
    proper("p2p", 15, |d| now(Action::P2p { to: d.peer })),
    proper("resend", 40, |_| now(Action::Resend { of: None })),
    proper("logout", 25, |d| {
        let back = 300 + u64::from(d.more % 1_200);
        // Some are gone for good.
        let login = (!d.more.is_multiple_of(3)).then_some((back, Action::Login));
        [(0, Action::Logout)].into_iter().chain(login).collect()
    }),
    proper("add_members", 25, |d| {
        with_group(d, |group| Action::AddMembers { group, users: d.some_users() })
    }),
    proper("remove_members", 30, |d| {
        with_group(d, |group| Action::RemoveMembers { group, users: d.one_user() })
    }),
    asked("group_list"),
    asked("group_info"),
    asked("shield_group"),
    asked("user_info"),
    asked("all_users"),
    asked("departments"),
    proper("avatar", 6, |_| now(Action::Avatar)),
    asked("sign"),
    asked("set_push_shield"),
    asked("ask_push_shield"),
    asked("device_token"),
    asked("send_file"),
    asked("offline_files"),
    proper("add_offline_file", 8, |d| now(Action::AddOfflineFile { to: d.peer })),
    proper("del_offline_file", 3, |d| now(Action::DelOfflineFile { from: d.peer, of: 0 })),
    improper("send_odd", 25, |d| {
        let odd = |odd| Action::SendOdd { to: d.chat, odd };
        now(match d.more % 5 {
            0 => Action::Send { to: Chat::User(d.user) },
            1 => Action::Send { to: Chat::User(NOBODY) },
            2 => odd(Odd::TooLong),
            3 => odd(Odd::NotUtf8),
            _ => odd(Odd::Empty),
        })
    }),
    improper("malformed", 25, |d| now(Action::Malformed { command: d.pick(&MALFORMED) })),
    improper("rogue", 25, |d| {
        let what = match d.more % 3 {
            0 => Rogue::Garbage,
            1 => Rogue::Unread { of: d.peer },
            _ => Rogue::Text { to: d.peer },
        };
        now(Action::Rogue { what })
    }),
    improper("probe", 10, |d| now(Action::Probe { limit: limit(d.more), size: Size::Over })),
];

/// The name of a limit; every one is drawn as often as any other.
fn limit(draw: u32) -> String {
    static NAMES: OnceLock<Vec<String>> = OnceLock::new();
    let names = NAMES.get_or_init(|| {
        let probes = probe::all(&Limits::default()).into_iter().chain(probe::claims());
        // What a stranger may send is a second login here.
        let is_login = |probe: &probe::Probe| probe.command == command::LOGIN_REQ_USERLOGIN;
        probes.filter(|probe| !is_login(probe)).map(|probe| probe.name()).collect()
    });
    names[draw as usize % names.len()].clone()
}

/// All families: those of [`ORDER`], then the questions that it does not name.
fn families() -> &'static [Family] {
    static FAMILIES: OnceLock<Vec<Family>> = OnceLock::new();
    FAMILIES.get_or_init(|| {
        let ask = |question: Question| Family {
            name: question.name,
            weight: question.weight,
            proper: true,
            make: Make::Ask(question),
        };
        let in_order = ORDER.iter().filter_map(|row| match row {
            Row::Own(family) => Some(*family),
            Row::Asked(name) => question::of(name).map(|(_, question)| ask(question)),
        });
        let is_named = |question: &Question| {
            ORDER.iter().any(|row| matches!(row, Row::Asked(name) if *name == question.name))
        };
        let rest = question::all().map(|(_, question)| question);
        in_order.chain(rest.filter(|question| !is_named(question)).map(ask)).collect()
    })
}

/// The names of all that users do, sends first.
pub(super) fn names() -> Vec<&'static str> {
    [SEND].into_iter().chain(families().iter().map(|family| family.name)).collect()
}

/// The weights of what users do: those that a deployment gives, by name.
pub(super) type Weights = BTreeMap<String, u32>;

/// Out of how many a pick is.
pub(super) fn picks(given: &Weights) -> u32 {
    if given.is_empty() { 1_000 } else { 1_000_000 }
}

/// The operation of a draw: that of the family under `pick` among those whose bit is in `swarm`, or a send. A
/// family that has a weight given is there, whatever its bit.
pub(super) fn actions(
    draw: &Draw,
    pick: u32,
    swarm: u64,
    only_proper: bool,
    given: &Weights,
) -> Actions {
    let weight = |(bit, family): (usize, &Family)| match given.get(family.name) {
        _ if only_proper && !family.proper => 0,
        Some(given) => *given,
        None if swarm >> bit & 1 == 1 => family.weight,
        None => 0,
    };
    let weights: Vec<u32> = families().iter().enumerate().map(weight).collect();
    let pick = if given.is_empty() { pick } else { scaled(pick, &weights, given) };
    let mut under = 0;
    for (family, weight) in families().iter().zip(weights) {
        under += weight;
        if pick < under {
            let made = match family.make {
                Make::Actions(make) => make(draw),
                Make::Ask(question) => ask(draw, &question),
            };
            return if made.is_empty() { send(draw) } else { made };
        }
    }
    send(draw)
}

/// A pick out of what all weights are together, with that of sends.
fn scaled(pick: u32, weights: &[u32], given: &Weights) -> u32 {
    let sends = given.get(SEND).copied().unwrap_or(SENDS);
    let all = weights.iter().sum::<u32>() + sends;
    (u64::from(pick) * u64::from(all) / u64::from(picks(given))) as u32
}

/// A question with the arguments that it has; none if it is about a group and there is none.
fn ask(draw: &Draw, question: &Question) -> Actions {
    let mut args = Args::default();
    for name in question.arguments() {
        match name {
            "chat" => args.chat = Some(draw.chat),
            "group" if draw.group.is_none() => return Vec::new(),
            "group" => args.group = draw.group,
            "users" => args.users = draw.some_users(),
            // Ids that are held, that exist, that never will.
            "ids" if !draw.more.is_multiple_of(3) => {
                args.ids = vec![1 + draw.more % 7, 1 + draw.more % 11, 1 + draw.more % 1_000];
            }
            "since" => args.since = Some(draw.pick(&[0, DURING_THE_RUN])),
            "on" => args.on = Some(!draw.more.is_multiple_of(3)),
            "to" => args.to = Some(draw.peer),
            "offline" => args.offline = Some(draw.more.is_multiple_of(2)),
            _ => {}
        }
    }
    now(Action::Ask(Ask::named(question.name, args)))
}

/// Mostly plain texts, which a card shows as they are.
fn send(draw: &Draw) -> Actions {
    let to = draw.chat;
    now(match draw.more % 16 {
        0 => Action::SendCipher { to },
        1 | 2 => Action::SendAudio { to },
        _ => Action::Send { to },
    })
}

#[cfg(test)]
mod tests {
    use super::{families, question};

    /// A swarm is 64 bits, and a pick is out of a thousand.
    #[test]
    fn every_question_has_a_bit_of_a_swarm_and_all_weights_leave_room_for_sends() {
        let all = families();
        assert!(all.len() <= 64, "{} families", all.len());
        let asked = question::all().count();
        let own = super::ORDER.iter().filter(|row| matches!(row, super::Row::Own(_))).count();
        assert_eq!(all.len(), own + asked);
        assert!(all.iter().map(|family| family.weight).sum::<u32>() < 900);
    }
}
