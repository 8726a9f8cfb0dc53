//! What was said before the run: in a share of the plans the stores are a database of the original.

use super::extras::Draws;
use crate::plan::{Chat, GroupRef, Past, PastGroup, PastMessage, PastPair, PastSession, Plan};
use std::collections::BTreeSet;

/// In how many plans, one of so many.
const ONCE_IN: u64 = 4;
/// Which draws.
const STREAM: u8 = 5;
/// All groups were made an hour ago, and all of the past is younger: in seconds.
const OLDEST_S: u64 = 3_000;
/// At most so many messages of a conversation.
const MANY: u64 = 8;

/// Gives the stores a past, or not.
pub(super) fn add(plan: &mut Plan, seed: u64) {
    let mut draws = Draws::of(seed, STREAM);
    if !draws.once_in(ONCE_IN) {
        return;
    }
    let mut past = Past::default();
    let users: BTreeSet<u32> = plan.devices.iter().map(|device| device.user).collect();
    // Of many users each knows a few: as many as in a small world.
    let known = (users.len() as u64 / 2).max(2);
    for &low in &users {
        for &high in users.range(low + 1..) {
            if draws.once_in(known) {
                pair(&mut past, [low, high], &mut draws);
            }
        }
    }
    for group in plan.groups.iter().filter(|group| !group.members.is_empty()) {
        if draws.once_in(2) {
            let (messages, counter) = said(&past, &group.members, &mut draws);
            past.groups.push(PastGroup { group: group.id, counter, messages });
            let chat = Chat::group(GroupRef::Known(group.id));
            for &user in &group.members {
                session(&mut past, user, chat, &mut draws);
            }
        }
    }
    plan.past = past;
}

/// Two users who know each other. Some have a relation more, which nobody uses: that of a first message
/// which met another one.
fn pair(past: &mut Past, users: [u32; 2], draws: &mut Draws) {
    if draws.once_in(3) {
        past.pairs.push(PastPair { users, counter: 0, messages: Vec::new() });
    }
    let (messages, counter) = said(past, &users, draws);
    past.pairs.push(PastPair { users, counter, messages });
    let [low, high] = users;
    session(past, low, Chat::User(high), draws);
    session(past, high, Chat::User(low), draws);
}

/// What some users said to each other, with holes where an insert failed; and the counter of msg_ids, which
/// Redis may have lost, or be ahead with.
fn said(past: &Past, users: &[u32], draws: &mut Draws) -> (Vec<PastMessage>, u32) {
    let first = past.messages().map(|message| message.id).max().unwrap_or(0) + 1;
    let mut ago_s = OLDEST_S + draws.below(500);
    let (mut messages, mut msg_id) = (Vec::new(), 0);
    for n in 0..1 + draws.below(MANY) as u32 {
        msg_id += if draws.once_in(6) { 2 } else { 1 };
        ago_s = ago_s.saturating_sub(draws.below(OLDEST_S / MANY));
        let from = draws.pick(users);
        messages.push(PastMessage { id: first + n, from, msg_id, ago_s: ago_s as u32 });
    }
    let counter = match draws.below(4) {
        0 => msg_id + draws.below(4) as u32,
        1 => draws.below(u64::from(msg_id)) as u32,
        _ => msg_id,
    };
    (messages, counter)
}

/// A session; some users have a second one, which met the first when it was made.
fn session(past: &mut Past, user: u32, chat: Chat, draws: &mut Draws) {
    for _ in 0..if draws.once_in(8) { 2 } else { 1 } {
        let removed = draws.once_in(6);
        let ago_s = draws.below(OLDEST_S) as u32;
        past.sessions.push(PastSession { user, chat, removed, ago_s });
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::generate::{Clients, Profile, generate};
    use std::collections::BTreeSet;

    #[test]
    fn some_plans_have_a_past_and_second_relations() {
        let (mut with, mut second) = (0, 0);
        for seed in 0..200 {
            let past = generate(seed, Clients::Ours, Profile::Default).past;
            with += u32::from(!past.is_empty());
            let pairs: BTreeSet<_> = past.pairs.iter().map(|pair| pair.users).collect();
            second += u32::from(pairs.len() < past.pairs.len());
            let ids: BTreeSet<_> = past.messages().map(|message| message.id).collect();
            assert_eq!(ids.len(), past.messages().count());
        }
        assert!((30..80).contains(&with) && second > 10, "{with} {second}");
        assert!(generate(1, Clients::Ours, Profile::Calm).past.is_empty());
    }
}
