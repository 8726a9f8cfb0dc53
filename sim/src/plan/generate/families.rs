//! What users do besides sending, in families that a plan has or has not.

use super::groups::some_of;
use crate::plan::{Action, Chat, GroupRef, Odd, Rogue};
use teamtalk::wire::command;

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

/// One thing that users do besides sending.
struct Family {
    /// Out of a thousand operations, in a plan that has it.
    weight: u32,
    /// A client in order does it.
    proper: bool,
    /// The actions; none if there is nothing to do it with.
    make: fn(&Draw) -> Actions,
}

const fn proper(weight: u32, make: fn(&Draw) -> Actions) -> Family {
    Family { weight, proper: true, make }
}

const fn improper(weight: u32, make: fn(&Draw) -> Actions) -> Family {
    Family { weight, proper: false, make }
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

/// The first is in every plan: what is owed has to be read some time.
const FAMILIES: [Family; 33] = [
    proper(80, |d| now(Action::Read { chat: d.chat })),
    proper(40, |d| now(Action::Pull { chat: d.chat, count: 1 + d.more % 20 })),
    proper(45, |_| now(Action::Reconnect)),
    proper(20, |d| now(Action::Latest { chat: d.chat })),
    proper(20, |d| {
        // Ids that are held, that exist, that never will.
        let ids = match d.more % 3 {
            0 => Vec::new(),
            _ => vec![1 + d.more % 7, 1 + d.more % 11, 1 + d.more % 1_000],
        };
        now(Action::ById { chat: d.chat, ids })
    }),
    proper(15, |_| now(Action::Sessions)),
    proper(20, |d| now(Action::RemoveSession { chat: d.chat })),
    proper(10, |_| now(Action::Time)),
    proper(20, |_| now(Action::KickPc)),
    proper(10, |d| now(Action::Status { users: (1..=d.users).collect() })),
    proper(15, |d| now(Action::P2p { to: d.peer })),
    proper(40, |_| now(Action::Resend { of: None })),
    proper(25, |d| {
        let back = 300 + u64::from(d.more % 1_200);
        // Some are gone for good.
        let login = (!d.more.is_multiple_of(3)).then_some((back, Action::Login));
        [(0, Action::Logout)].into_iter().chain(login).collect()
    }),
    proper(25, |d| with_group(d, |group| Action::AddMembers { group, users: d.some_users() })),
    proper(30, |d| with_group(d, |group| Action::RemoveMembers { group, users: d.one_user() })),
    proper(8, |_| now(Action::GroupList)),
    proper(10, |d| with_group(d, |group| Action::GroupInfo { group })),
    proper(10, |d| with_group(d, |group| Action::ShieldGroup { group, on: d.more % 3 != 0 })),
    proper(6, |d| now(Action::UserInfo { users: d.some_users() })),
    proper(6, |d| now(Action::AllUsers { since: d.pick(&[0, DURING_THE_RUN]) })),
    proper(6, |_| now(Action::Departments)),
    proper(6, |_| now(Action::Avatar)),
    proper(8, |_| now(Action::Sign)),
    proper(6, |d| now(Action::SetPushShield { on: d.more % 2 == 0 })),
    proper(6, |_| now(Action::AskPushShield)),
    proper(10, |_| now(Action::DeviceToken)),
    proper(10, |d| now(Action::SendFile { to: d.peer, offline: d.more % 2 == 0 })),
    proper(6, |_| now(Action::OfflineFiles)),
    proper(8, |d| now(Action::AddOfflineFile { to: d.peer })),
    proper(3, |d| now(Action::DelOfflineFile { from: d.peer, of: 0 })),
    improper(25, |d| {
        let odd = |odd| Action::SendOdd { to: d.chat, odd };
        now(match d.more % 5 {
            0 => Action::Send { to: Chat::User(d.user) },
            1 => Action::Send { to: Chat::User(NOBODY) },
            2 => odd(Odd::TooLong),
            3 => odd(Odd::NotUtf8),
            _ => odd(Odd::Empty),
        })
    }),
    improper(25, |d| now(Action::Malformed { command: d.pick(&MALFORMED) })),
    improper(25, |d| {
        let what = match d.more % 3 {
            0 => Rogue::Garbage,
            1 => Rogue::Unread { of: d.peer },
            _ => Rogue::Text { to: d.peer },
        };
        now(Action::Rogue { what })
    }),
];

/// The operation of a draw: that of the family under `pick` (out of a thousand) among those
/// whose bit is in `swarm`, or a send.
pub(super) fn actions(draw: &Draw, pick: u32, swarm: u64, only_proper: bool) -> Actions {
    let mut under = 0;
    for (bit, family) in FAMILIES.iter().enumerate() {
        let here = swarm >> bit & 1 == 1 && (family.proper || !only_proper);
        under += if here { family.weight } else { 0 };
        if pick < under {
            let made = (family.make)(draw);
            return if made.is_empty() { send(draw) } else { made };
        }
    }
    send(draw)
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
