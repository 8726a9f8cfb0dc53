//! Whether a past can have been.

use super::{LARGEST_ID, MOST_ITEMS, at_most, unique, within};
use crate::plan::{Chat, GroupRef, PastMessage, Plan};
use std::collections::BTreeSet;

/// No past goes back further, in seconds: that is ten years.
const OLDEST_S: u32 = 10 * 366 * 24 * 3_600;

/// Checks all of it.
pub(super) fn check(plan: &Plan) -> Result<(), String> {
    let past = &plan.past;
    for (list, length) in [
        ("pairs", past.pairs.len()),
        ("groups", past.groups.len()),
        ("sessions", past.sessions.len()),
    ] {
        at_most("past", list, length, MOST_ITEMS)?;
    }
    let mut ids = BTreeSet::new();
    for pair in &past.pairs {
        let [low, high] = pair.users;
        let place = format!("past: pair {low}, {high}");
        for user in pair.users {
            within(&place, "users", user, 1, LARGEST_ID)?;
        }
        if low >= high {
            let wrong = "field `users`: a pair is of two users, the lower one first";
            return Err(format!("{place}: {wrong}"));
        }
        messages(&place, &pair.messages, &pair.users, &mut ids)?;
    }
    let mut groups = BTreeSet::new();
    for of in &past.groups {
        let place = format!("past: group {}", of.group);
        unique(&mut groups, of.group, || place.clone())?;
        is_group(plan, &place, of.group)?;
        messages(&place, &of.messages, &[], &mut ids)?;
    }
    for session in &past.sessions {
        let place = format!("past: session of user {}", session.user);
        within(&place, "user", session.user, 1, LARGEST_ID)?;
        within(&place, "ago_s", session.ago_s, 0, OLDEST_S)?;
        match session.chat {
            Chat::User(user) => within(&place, "chat", user, 1, LARGEST_ID)?,
            Chat::Group { group: GroupRef::Known(group) } => is_group(plan, &place, group)?,
            Chat::Group { .. } => {
                return Err(format!("{place}: field `chat`: no operation came before the run"));
            }
        }
    }
    Ok(())
}

fn is_group(plan: &Plan, place: &str, group: u32) -> Result<(), String> {
    match plan.groups.iter().any(|known| known.id == group) {
        true => Ok(()),
        false => Err(format!("{place}: group {group} is not among the plan's groups")),
    }
}

/// The messages of a conversation of these users; of anyone, if there are none.
fn messages(
    place: &str,
    messages: &[PastMessage],
    users: &[u32],
    ids: &mut BTreeSet<u32>,
) -> Result<(), String> {
    at_most(place, "messages", messages.len(), MOST_ITEMS)?;
    let mut msg_ids = BTreeSet::new();
    for message in messages {
        let place = format!("{place}: message {}", message.id);
        within(&place, "id", message.id, 1, LARGEST_ID)?;
        unique(ids, message.id, || place.clone())?;
        within(&place, "from", message.from, 1, LARGEST_ID)?;
        if !users.is_empty() && !users.contains(&message.from) {
            return Err(format!("{place}: field `from`: user {} is neither", message.from));
        }
        within(&place, "msg_id", message.msg_id, 1, LARGEST_ID)?;
        unique(&mut msg_ids, message.msg_id, || format!("{place}: msg_id {}", message.msg_id))?;
        within(&place, "ago_s", message.ago_s, 0, OLDEST_S)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::plan::{
        PastMessage, PastPair, PastSession,
        generate::{Clients, Profile, generate},
    };

    #[test]
    fn what_can_not_have_been_is_refused_with_its_place() {
        let mut plan = generate(3, Clients::Ours, Profile::Calm);
        let message = |id, from, msg_id| PastMessage { id, from, msg_id, ago_s: 60 };
        let pair = |users, messages| PastPair { users, counter: 0, messages };
        for (pairs, wrong) in [
            (vec![pair([1, 2], vec![message(1, 2, 1)]), pair([1, 2], vec![])], ""),
            (
                vec![pair([2, 1], vec![])],
                "past: pair 2, 1: field `users`: a pair is of two users, the lower one first",
            ),
            (vec![pair([1, 1], vec![])], "past: pair 1, 1: field `users`: a pair is of two users"),
            (vec![pair([0, 1], vec![])], "past: pair 0, 1: field `users`: 0 is not within"),
            (vec![pair([1, 2], vec![message(1, 3, 1)])], "message 1: field `from`"),
            (vec![pair([1, 2], vec![message(1, 1, 1), message(1, 1, 2)])], "duplicate id"),
            (vec![pair([1, 2], vec![message(1, 1, 1), message(2, 1, 1)])], "msg_id 1"),
        ] {
            plan.past.pairs = pairs;
            let error = super::check(&plan).err().unwrap_or_default();
            assert_eq!(error.is_empty(), wrong.is_empty(), "{error}");
            assert!(error.contains(wrong), "{error}");
        }
        plan.past.pairs.clear();
        let chat = crate::plan::Chat::group(crate::plan::GroupRef::Known(999));
        plan.past.sessions = vec![PastSession { user: 1, chat, removed: false, ago_s: 5 }];
        assert!(super::check(&plan).is_err());
    }
}
