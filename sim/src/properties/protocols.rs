//! Which host runs which protocol, under which limits: properties ask for those of the host that they judge, at the
//! line that they judge.

use crate::plan::{Host, Plan, Role, Side, rollout};
use std::collections::BTreeMap;
use teamtalk::{
    catalogue::limits::Limits,
    protocol::{Party, Protocol, SWITCHES},
};

/// The protocols of a deployment. Hosts that are not named run that of the base.
#[derive(Debug, Clone, Default)]
pub struct Protocols {
    base: Protocol,
    candidate: Protocol,
    /// The hosts that have a side, with the one that they are on now.
    sides: BTreeMap<Host, Side>,
    /// Whether a host of a role is ever on a side, base first.
    used: BTreeMap<Role, [bool; 2]>,
    /// What is promised all the time.
    promised: Protocol,
    /// The limits of the sides, base first.
    limits: [Limits; 2],
}

impl Protocols {
    /// All hosts run the same.
    pub fn all(base: Protocol) -> Self {
        let (sides, used) = (BTreeMap::new(), BTreeMap::new());
        let limits = Default::default();
        Self { base, candidate: base, sides, used, promised: base, limits }
    }

    /// As a plan has them at its start.
    pub fn of_plan(plan: &Plan, base: Protocol, candidate: Protocol) -> Self {
        let sides = rollout::at_start(plan);
        let of_steps = plan.rollout.iter().filter_map(|step| {
            let host = Host::parse(&step.host).ok()?;
            Some((host.role(), step.to))
        });
        let at_start = sides.iter().map(|(host, side)| (host.role(), *side));
        let mut used: BTreeMap<Role, [bool; 2]> = BTreeMap::new();
        for (role, side) in at_start.chain(of_steps) {
            used.entry(role).or_default()[usize::from(side == Side::Candidate)] = true;
        }
        let limits = Default::default();
        let mut all = Self { base, candidate, sides, used, promised: base, limits };
        all.promised = all.common();
        all
    }

    /// The same with other limits than the default ones.
    pub fn limited(self, base: Limits, candidate: Limits) -> Self {
        Self { limits: [base, candidate], ..self }
    }

    /// A host is on a side from here on.
    pub fn goes_to(&mut self, host: &Host, side: Side) {
        self.sides.insert(host.clone(), side);
    }

    /// Whether every host of a role has a switch, had it before and will have it.
    pub fn all_of(&self, role: Role, has: impl Fn(&Protocol) -> bool) -> bool {
        self.all_under(role, |protocol, _| has(protocol))
    }

    /// The same of a switch and its limits.
    pub fn all_under(&self, role: Role, has: impl Fn(&Protocol, &Limits) -> bool) -> bool {
        let used = self.used.get(&role).copied().unwrap_or([true, false]);
        let sides = [&self.base, &self.candidate].into_iter().zip(&self.limits).zip(used);
        sides.filter(|(_, used)| *used).all(|((protocol, limits), _)| has(protocol, limits))
    }

    /// What is promised at any time of the run: a switch is on if all hosts that must have it before it
    /// keeps its promise ([`teamtalk::protocol::Peers::until`]) have it all the time.
    pub fn promised(&self) -> &Protocol {
        &self.promised
    }

    fn common(&self) -> Protocol {
        let is_new = |role| self.all_of(role, |protocol| *protocol == self.candidate);
        let mut common = match rollout::ROLES.iter().all(|role| is_new(*role)) {
            true => self.candidate,
            false => self.base,
        };
        for switch in SWITCHES {
            let is_on = |protocol: &Protocol| protocol.get(switch.name) == Some(true);
            let all = |party: &Party| self.all_of(role(*party), is_on);
            common.set(switch.name, switch.peers.until.iter().all(all));
        }
        common
    }

    /// What a host runs.
    pub fn of(&self, host: &Host) -> &Protocol {
        match self.side(host) {
            Side::Candidate => &self.candidate,
            Side::Base => &self.base,
        }
    }

    /// Under which limits it runs.
    pub fn limits_of(&self, host: &Host) -> &Limits {
        &self.limits[usize::from(self.side(host) == Side::Candidate)]
    }

    /// The limits of both sides.
    pub fn limits(&self) -> &[Limits; 2] {
        &self.limits
    }

    fn side(&self, host: &Host) -> Side {
        self.sides.get(host).copied().unwrap_or_default()
    }
}

/// The role of the hosts that a switch names so.
pub fn role(party: Party) -> Role {
    match party {
        Party::Client => Role::Client,
        Party::Msg => Role::Msg,
        Party::Route => Role::Route,
        Party::Db => Role::Db,
    }
}

#[cfg(test)]
mod tests {
    use super::Protocols;
    use crate::plan::{
        Ends, Host, Role, Side, Step,
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
        assert!(!protocols.all_of(Role::Msg, catches_up));
        protocols.goes_to(&msg1, Side::Candidate);
        assert_eq!((*protocols.of(&msg1), *protocols.of(&msg2)), (candidate, base));
        let is_client = |host: &str| Host::of(host).role() == Role::Client;
        let servers = plan.nodes.iter_mut().filter(|node| !is_client(&node.host));
        servers.for_each(|node| node.side = Side::Candidate);
        assert!(
            of(&plan).all_of(Role::Msg, catches_up),
            "no msg_server is ever on the base's side"
        );
        let common = *of(&plan).promised();
        assert!(
            common.single_relation && common.login_gate,
            "its db_proxies and msg_servers have it"
        );
        assert!(!common.hear_silence, "its clients do not");
        plan.nodes.iter_mut().for_each(|node| node.side = Side::Candidate);
        plan.devices.iter_mut().for_each(|device| device.side = Side::Candidate);
        assert_eq!(*of(&plan).promised(), candidate);
        plan.rollout[0].to = Side::Base;
        assert!(!of(&plan).all_of(Role::Msg, catches_up), "one goes back");
        let common = *of(&plan).promised();
        assert!(common.single_relation && !common.login_gate);
    }
}
