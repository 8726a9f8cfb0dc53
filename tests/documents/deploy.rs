//! docs/DEPLOY.md says of each stage of a rollout what is promised from then on.

use crate::{read, section, tables};
use std::collections::BTreeSet;
use teamtalk::protocol::{Party, SWITCHES, Switch};

/// The order in which `teamtalk` becomes `hardened`, after the schema.
const STAGES: [(&str, Party); 4] = [
    ("db_proxies", Party::Db),
    ("route_servers", Party::Route),
    ("msg_servers", Party::Msg),
    ("clients", Party::Client),
];

/// All hosts that must have a switch before it keeps its promise, and those it is nothing without.
fn until(switch: &Switch) -> BTreeSet<Party> {
    let needed = SWITCHES.iter().filter(|other| switch.peers.needs.contains(&other.name));
    let of_needed = needed.flat_map(until);
    switch.peers.until.iter().copied().chain(of_needed).collect()
}

#[test]
fn each_stage_promises_what_its_switches_need_no_later_one_for() {
    let text = read("docs/DEPLOY.md");
    let rows = tables(section(&text, "## `teamtalk` to `hardened`")).remove(0);
    let mut done = BTreeSet::new();
    let mut promised: BTreeSet<&str> = BTreeSet::new();
    for ((name, party), row) in STAGES.into_iter().zip(&rows) {
        done.insert(party);
        let is_on = |switch: &&Switch| switch.name != "resend-until-acked";
        let kept = SWITCHES.iter().filter(is_on).filter(|switch| until(switch).is_subset(&done));
        let new: Vec<_> = kept.map(|of| of.name).filter(|name| promised.insert(name)).collect();
        let new: Vec<_> = new.iter().map(|name| format!("`{name}`")).collect();
        let new = if new.is_empty() { "nothing more".into() } else { new.join(", ") };
        assert_eq!(row[..2], [name, &*new], "all {name}");
    }
    assert_eq!((rows.len(), promised.len() + 1), (STAGES.len(), SWITCHES.len()));
}
