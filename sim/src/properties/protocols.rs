//! Which host runs which protocol: properties ask for that of the host that they judge, at the line
//! that they judge.

use crate::plan::{Host, Plan, Side, rollout};
use std::collections::BTreeMap;
use teamtalk::protocol::{Protocol, SWITCHES};

/// The protocols of a deployment. Hosts that are not named run that of the base.
#[derive(Debug, Clone, Default)]
pub struct Protocols {
    base: Protocol,
    candidate: Protocol,
    /// The hosts that have a side, with the one that they are on now.
    sides: BTreeMap<Host, Side>,
    /// Whether a host is ever on a side, base first.
    used: [bool; 2],
}

impl Protocols {
    /// All hosts run the same.
    pub fn all(base: Protocol) -> Self {
        Self { base, candidate: base, sides: BTreeMap::new(), used: [true, false] }
    }

    /// As a plan has them at its start.
    pub fn of_plan(plan: &Plan, base: Protocol, candidate: Protocol) -> Self {
        let sides = rollout::at_start(plan);
        let of_steps = plan.rollout.iter().map(|step| step.to);
        let all: Vec<_> = sides.values().copied().chain(of_steps).collect();
        let used = [Side::Base, Side::Candidate].map(|side| all.contains(&side));
        Self { base, candidate, sides, used }
    }

    /// A host is on a side from here on.
    pub fn goes_to(&mut self, host: &Host, side: Side) {
        self.sides.insert(host.clone(), side);
    }

    /// Whether every host has `catch-up-on-gap`.
    pub fn all_catch_up(&self) -> bool {
        self.all_have(|protocol| protocol.catch_up_on_gap)
    }

    /// Whether every host has a switch, had it before and will have it.
    pub fn all_have(&self, has: fn(&Protocol) -> bool) -> bool {
        let sides = [&self.base, &self.candidate].into_iter().zip(self.used);
        sides.filter(|(_, used)| *used).all(|(protocol, _)| has(protocol))
    }

    /// What every host has at any time of the run: a switch is on if it is on on each side that some
    /// host is ever on.
    pub fn common(&self) -> Protocol {
        let mut common = match self.used {
            [false, true] => self.candidate,
            _ => self.base,
        };
        for switch in SWITCHES {
            let is_on = |protocol: &Protocol| protocol.get(switch.name) == Some(true);
            let sides = [&self.base, &self.candidate].into_iter().zip(self.used);
            let on = sides.filter(|(_, used)| *used).all(|(protocol, _)| is_on(protocol));
            common.set(switch.name, on);
        }
        common
    }

    /// What a host runs.
    pub fn of(&self, host: &Host) -> &Protocol {
        match self.sides.get(host) {
            Some(Side::Candidate) => &self.candidate,
            Some(Side::Base) | None => &self.base,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Protocols;
    use crate::plan::{
        Ends, Host, Side, Step,
        generate::{Clients, Profile, generate},
    };
    use teamtalk::protocol::Protocol;

    #[test]
    fn a_host_runs_the_protocol_of_the_side_that_it_is_on() {
        let mut plan = generate(1, Clients::Ours, Profile::Calm);
        let (base, candidate) = (Protocol::teamtalk(), Protocol::hardened());
        let of = |plan: &_| Protocols::of_plan(plan, base, candidate);
        let catches_up = |protocol: &Protocol| protocol.catch_up_on_gap;
        let (msg1, msg2) = (Host::of("msg1"), Host::of("msg2"));
        assert_eq!(*of(&plan).of(&msg1), base);
        plan.rollout = vec![Step {
            id: 1,
            at_ms: 1_000,
            for_ms: 100,
            host: "msg1".into(),
            to: Side::Candidate,
            by: Ends::Stop,
        }];
        let mut protocols = of(&plan);
        assert_eq!(*protocols.of(&msg1), base, "not yet");
        assert!(!protocols.all_have(catches_up));
        protocols.goes_to(&msg1, Side::Candidate);
        assert_eq!((*protocols.of(&msg1), *protocols.of(&msg2)), (candidate, base));
        plan.nodes.iter_mut().for_each(|node| node.side = Side::Candidate);
        assert!(of(&plan).all_have(catches_up), "no host is ever on the base's side");
        assert_eq!(of(&plan).common(), candidate);
        plan.rollout[0].to = Side::Base;
        assert!(!of(&plan).all_have(catches_up), "one goes back");
        assert_eq!(of(&plan).common(), base, "every switch of the base is one of the candidate");
    }
}
