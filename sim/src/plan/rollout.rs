//! Changes of side in a run: an upgrade, step by step, and the way back.

use super::{Fault, Host, LONGEST_MS, Plan, Role, Side, Trouble};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// In a run the steps of a rollout are faults, with their ids from here on.
pub const FAULTS_FROM: u32 = 1 << 31;

/// How the process ends whose host comes back on another side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ends {
    /// It is told to stop, as [`Trouble::Stop`] does.
    #[default]
    Stop,
    /// It is killed, as [`Trouble::Crash`] does; connects are refused.
    Kill,
    /// Its machine loses its power, as [`Trouble::PowerCut`] does.
    PowerCut,
}

/// A host leaves its side: its process ends, and comes back on another one. The devices of a host go
/// with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Stable id.
    pub id: u32,
    /// When its process ends, or is told to, in simulated milliseconds.
    pub at_ms: u64,
    /// How long until the host is up again, in simulated milliseconds.
    pub for_ms: u64,
    /// The host: of a route_server, db_proxy or msg_server, or of devices.
    pub host: String,
    /// The side on which it comes back.
    pub to: Side,
    /// How its process ends.
    #[serde(default)]
    pub by: Ends,
}

impl Step {
    /// What happens to the host's process, as a fault of a number that no fault of a plan has.
    pub fn fault(&self) -> Fault {
        let host = self.host.clone();
        let trouble = match self.by {
            Ends::Stop => Trouble::Stop { host },
            Ends::Kill => Trouble::Crash { host, refuses: true },
            Ends::PowerCut => Trouble::PowerCut { host },
        };
        Fault { id: FAULTS_FROM + self.id, at_ms: self.at_ms, for_ms: self.for_ms, trouble }
    }

    /// In words: `stop msg1, which comes back as candidate`.
    pub fn describe(&self) -> String {
        let Self { host, to, by, for_ms, .. } = self;
        let how = match by {
            Ends::Stop => "tell",
            Ends::Kill => "kill",
            Ends::PowerCut => "cut the power of",
        };
        let stop = if *by == Ends::Stop { " to stop" } else { "" };
        format!("{how} {host}{stop}; after {for_ms} ms it comes back as {}", to.name())
    }

    /// Whether it can be applied to a world at all.
    ///
    /// # Errors
    /// A sentence that names the step.
    pub fn check(&self, plan: &Plan) -> Result<(), String> {
        let place = format!("step {}", self.id);
        let Some(node) = plan.node(&self.host) else {
            return Err(format!("{place}: `{}` is not among the plan's nodes", self.host));
        };
        if node.host.role().is_of_the_rig() {
            return Err(format!(
                "{place}: field `host`: `{}` is of the rig and has no side: expected a host of one of \
                 route, db, msg and client",
                self.host
            ));
        }
        if self.for_ms == 0 || self.for_ms > LONGEST_MS {
            return Err(format!(
                "{place}: field `for_ms`: {} is not within 1 to {LONGEST_MS}",
                self.for_ms
            ));
        }
        Ok(())
    }
}

/// What a line says with which a fault or a step begins; `what`: its own words.
pub fn begins(fault: u32, what: &str) -> String {
    let word = if fault >= FAULTS_FROM { "STEP" } else { "FAULT" };
    format!("{word} {what}")
}

/// What a line says with which a fault or a step ends that hit so much.
pub fn ends(fault: u32, hit: u64) -> String {
    match fault.checked_sub(FAULTS_FROM) {
        Some(step) => format!("step {step} is done"),
        None => format!("fault {fault} ends, hit {hit}"),
    }
}

impl Side {
    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::Base => Self::Candidate,
            Self::Candidate => Self::Base,
        }
    }

    /// Its name in files and on cards.
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Candidate => "candidate",
        }
    }
}

/// The sides of the hosts that have one, at the start of a plan.
pub fn at_start(plan: &Plan) -> BTreeMap<Host, Side> {
    let of_roles = plan.nodes.iter().filter(|node| !node.host.role().is_of_the_rig());
    of_roles.map(|node| (node.host.clone(), node.side)).collect()
}

/// The roles whose hosts may change side, in the order of the way of a message.
pub const ROLES: [Role; 4] = [Role::Db, Role::Route, Role::Msg, Role::Client];

/// What changes with a deployment: the schema, which stands for the host of SQL, and the roles.
pub const UNITS: [Role; 5] = [Role::Sql, Role::Db, Role::Route, Role::Msg, Role::Client];

#[cfg(test)]
mod tests {
    use super::{Ends, Step};
    use crate::{
        plan::{
            Side, Trouble,
            generate::{Clients, Profile, generate},
        },
        shrink::{Part, without},
    };

    fn step(host: &str, for_ms: u64) -> Step {
        let (host, to, by) = (host.into(), Side::Candidate, Ends::Stop);
        Step { id: 7, at_ms: 1_000, for_ms, host, to, by }
    }

    #[test]
    fn what_no_world_can_do_is_refused_with_the_steps_id() {
        let plan = generate(1, Clients::Ours, Profile::Calm);
        assert_eq!(step("msg1", 5).check(&plan), Ok(()));
        assert_eq!(step("client1", 5).check(&plan), Ok(()));
        for (step, sentence) in [
            (step("msg9", 5), "step 7: `msg9` is not among the plan's nodes"),
            (step("redis", 5), "step 7: field `host`: `redis` is of the rig and has no side"),
            (step("msg1", 0), "step 7: field `for_ms`: 0 is not within 1 to 1000000"),
        ] {
            let refused = step.check(&plan).expect_err("no world can do that");
            assert!(refused.starts_with(sentence), "{refused}");
        }
    }

    #[test]
    fn a_step_is_a_fault_that_no_fault_of_a_plan_is() {
        let fault = step("msg1", 5).fault();
        assert!(
            fault.id > i32::MAX as u32 && fault.trouble == Trouble::Stop { host: "msg1".into() }
        );
        let words = step("msg1", 5).describe();
        assert_eq!(words, "tell msg1 to stop; after 5 ms it comes back as candidate");
        assert_eq!(Trouble::told_to_stop(&words), Some("msg1"));
    }

    #[test]
    fn a_step_is_left_out_alone_and_with_its_host() {
        let mut plan = generate(1, Clients::Ours, Profile::Calm);
        plan.rollout = vec![step("msg1", 5), Step { id: 8, ..step("msg2", 5) }];
        let left = |part: Part| without(&plan, &[part]).rollout;
        assert_eq!(left(Part::Step(7)), plan.rollout[1..]);
        let msg2 = plan.nodes.iter().find(|node| node.host == *"msg2").expect("two of them");
        assert_eq!(left(Part::Node(msg2.host.clone())), plan.rollout[..1]);
    }
}
