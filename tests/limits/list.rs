//! Where each limit is tried: every one that `cargo sim limits` lists is in one of these places, once.

use super::{plans, rates};
use std::collections::BTreeMap;
use teamtalk::catalogue::{id as command, limits, limits::Limits, probe};

/// Those of `waiting` and `rates` that are no command's.
const WAITING: [&str; 9] = [
    "connections",
    "connections.source",
    "requests.rate",
    "send-list",
    "in-flight",
    "worker.queue",
    "messages.rate",
    "unserved.rate",
    "abuse",
];

/// Those of which a world can't show just one more, and what holds them.
const NO_WORLD: [(&str, &str); 2] = [
    (
        "link.unsent",
        "more than device.unsent, of servers; nobody but a server fills it. Unit tests of link: \
         over_the_bound_the_connection_is_closed_and_maxima_are_powers_of_two; of db_proxy: \
         an_answer_for_which_its_link_has_no_room_is_refused",
    ),
    (
        "link.requests",
        "how much of what is written still waits depends on the network, so nobody can say which request is one \
         too many. tests/bounds.rs fills it in worlds, `bounded/has-room` judges that; unit test of link: \
         a_request_joins_only_so_much_that_waits",
    ),
];

#[test]
fn every_limit_is_tried_in_a_world_or_says_why_not() {
    let mut places: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut tried = |name: String, place| places.entry(name).or_default().push(place);
    // `plans` and `messages` between them try each of these, with the longest body, which follows from the fields.
    plans::limits().iter().for_each(|of| tried(of.name(), "plans"));
    let logins = probe::all(&Limits::default()).into_iter();
    let logins = logins.filter(|of| of.command == command::LOGIN_REQ_USERLOGIN);
    logins.for_each(|of| tried(of.name(), "strangers"));
    rates::commands().iter().for_each(|(id, _)| tried(format!("{id:04x}.rate"), "rates"));
    for id in rates::OF_LOGINS {
        tried(format!("{id:04x}.rate"), "rates");
    }
    tried("device.unsent".into(), "devices");
    WAITING.iter().for_each(|name| tried(name.to_string(), "waiting"));
    NO_WORLD.iter().for_each(|(name, _)| tried(name.to_string(), "nowhere"));
    for named in limits::names() {
        let places = places.remove(&named.name).unwrap_or_default();
        assert_eq!(places.len(), 1, "{} is tried in {places:?}", named.name);
    }
    let bodies = |name: &String| name.ends_with(".body") || name.ends_with(".attach_data");
    let left: Vec<_> = places.keys().filter(|name| !bodies(name)).collect();
    assert!(left.is_empty(), "no limits: {left:?}");
}
