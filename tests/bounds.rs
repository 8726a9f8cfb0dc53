//! The profile `bounds` reaches what it is there for, under `hardened`, and all properties hold there: a full
//! queue of a worker, a full send list, too many requests of one device in flight, too many connections of one
//! address, a link without room, a user with more sessions than one answer lists.

use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{catalogue::id, fact::Fact, wire::im::buddy::ImRecentContactSessionRsp};
use teamtalk_sim::{
    explore::{case_of, run_case},
    plan::{
        case::{Case, ProtocolSpec},
        generate::Profile,
    },
    record::Kind,
    world::Outcome,
};

/// So many seeds are looked at for the first ones that make each bound small.
const SEEDS: u64 = 60;
/// So many of them are run of each.
const OF_EACH: usize = 2;

/// What is small in a case, and what its run shows when it is reached.
type Reached = (&'static str, fn(&Outcome) -> bool);

/// Of a case.
fn reaches(case: &Case) -> Option<Reached> {
    let limits = &case.protocols.base.limits;
    let is = |name: &str| limits.contains_key(name);
    let of: Reached = match () {
        () if is("worker.queue") => ("worker.queue", |of| refused(of, "worker queue full")),
        () if is("send-list") => ("send-list", |of| closed(of, "messages without an ack")),
        () if is("in-flight") => ("in-flight", |of| refused(of, "requests without an answer")),
        () if is("connections.source") => {
            ("connections.source", |of| closed(of, "too many connections of its address"))
        }
        () if is("link.requests") => ("link.requests", |of| refused(of, "overloaded")),
        () if case.plan.past.pairs.len() > 100 => ("sessions", lists_a_hundred),
        () => return None,
    };
    Some(of)
}

fn facts(outcome: &Outcome) -> impl Iterator<Item = &Fact> {
    outcome.trace.lines.iter().filter_map(|line| match &line.kind {
        Kind::Fact(fact) => Some(fact),
        _ => None,
    })
}

fn refused(outcome: &Outcome, why: &str) -> bool {
    facts(outcome).any(|fact| matches!(fact, Fact::Refused { reason, .. } if reason.contains(why)))
}

fn closed(outcome: &Outcome, why: &str) -> bool {
    facts(outcome).any(|fact| matches!(fact, Fact::Closed { reason, .. } if reason.contains(why)))
}

fn lists_a_hundred(outcome: &Outcome) -> bool {
    outcome.trace.lines.iter().any(|line| match &line.kind {
        Kind::PduReceived(pdu)
            if pdu.command() == id::BUDDY_LIST_RECENT_CONTACT_SESSION_RESPONSE =>
        {
            let list = pdu.view::<ImRecentContactSessionRsp>();
            list.is_ok_and(|list| list.contact_session_list.len() >= 100)
        }
        _ => false,
    })
}

#[test]
fn each_bound_is_reached_and_all_holds_there() {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut reached = BTreeSet::new();
    for seed in 0..SEEDS {
        let case = case_of(seed, &ProtocolSpec::preset("hardened"), Profile::Bounds);
        let Some((bound, is_reached)) = reaches(&case) else { continue };
        let of_it = seen.entry(bound).or_default();
        if *of_it == OF_EACH {
            continue;
        }
        *of_it += 1;
        let outcome = run_case(&case).unwrap_or_else(|failed| panic!("seed {seed}: {failed}"));
        assert_eq!(outcome.found(), "holds", "seed {seed}, {bound}");
        if is_reached(&outcome) {
            reached.insert(bound);
        }
    }
    let all = [
        "connections.source",
        "in-flight",
        "link.requests",
        "send-list",
        "sessions",
        "worker.queue",
    ];
    assert_eq!(reached, BTreeSet::from(all));
}
