//! What a person is to be shown, as a function of the stores.

use super::{
    conversations::{GROUP, SINGLE, memberships},
    stores::View,
    unread::{Of, count, marks, peers},
};
use std::collections::BTreeMap;
use teamtalk::{conversation::Chat, protocol::Protocol};

/// How many messages a user has not read, by chat; those with none are left out.
pub fn unread(view: View<'_>, protocol: &Protocol, user: u32) -> BTreeMap<Chat, u32> {
    let of = Of { peers: peers(view, protocol, user), groups: memberships(view, protocol, user) };
    let marks = marks(view, protocol, user);
    let of_key = |key| count(view, protocol, user, key, &of, &marks);
    let peers = of.peers.iter().map(|&peer| (Chat::User(peer), (SINGLE, peer)));
    let groups = of.groups.iter().map(|of| (Chat::Group(of.group), (GROUP, of.group)));
    let all = peers.chain(groups);
    all.filter_map(|(chat, key)| Some((chat, of_key(key)?))).filter(|(_, n)| *n > 0).collect()
}
