//! What a switch needs of other hosts, as data: which hosts must all have it before it keeps its promise, beside
//! whom it breaks something, and what it is nothing without.

use super::{Protocol, SWITCHES};
use std::fmt;

/// A kind of host whose behaviour a switch may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// Clients.
    Client,
    /// msg_servers.
    Msg,
    /// route_servers.
    Route,
    /// db_proxies.
    Db,
}

/// Hosts with a switch beside hosts without it break something that is whole where nobody has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mix {
    /// All of the hosts of these kinds, or some, have the switch.
    pub new: &'static [Party],
    /// All of the hosts of these kinds, or some, do not have it.
    pub old: &'static [Party],
    /// The property that breaks.
    pub breaks: &'static str,
    /// What is left of it when all hosts have the switch.
    pub leaves: &'static str,
}

/// What a switch needs of other hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peers {
    /// Its property holds once all hosts of these kinds have it, whatever the others have.
    pub until: &'static [Party],
    /// Switches that must be on where it is on: it does nothing without them.
    pub needs: &'static [&'static str],
    /// What is unsafe beside what. Any other mix is safe.
    pub mixes: &'static [Mix],
    /// How hosts with it and hosts without it get on, where there is something to say.
    pub says: &'static str,
}

impl Peers {
    /// It holds once all hosts of these kinds have it.
    pub const fn until(until: &'static [Party]) -> Self {
        Self { until, needs: &[], mixes: &[], says: "" }
    }

    /// And is nothing without these switches.
    pub const fn needs(self, needs: &'static [&'static str]) -> Self {
        Self { needs, ..self }
    }

    /// And these mixes are unsafe.
    pub const fn mixes(self, mixes: &'static [Mix]) -> Self {
        Self { mixes, ..self }
    }

    /// And so hosts with it and hosts without it get on.
    pub const fn says(self, says: &'static str) -> Self {
        Self { says, ..self }
    }
}

/// A switch is on without another one that it is nothing without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{switch} is on and {needs} is off, without which it does nothing: turn both on, or both off"
)]
pub struct Senseless {
    /// The one that is on.
    pub switch: &'static str,
    /// The one that is off.
    pub needs: &'static str,
}

impl Protocol {
    /// Looks for switches that do nothing as the others are.
    ///
    /// # Errors
    /// The first of them, and what it needs.
    pub fn check(&self) -> Result<(), Senseless> {
        let on = |name: &str| self.get(name) == Some(true);
        for switch in SWITCHES.iter().filter(|switch| on(switch.name)) {
            if let Some(needs) = switch.peers.needs.iter().copied().find(|needs| !on(needs)) {
                return Err(Senseless { switch: switch.name, needs });
            }
        }
        Ok(())
    }
}

/// The switches that are nothing without this one, themselves or by another one of them.
pub fn dependents(name: &str) -> Vec<&'static str> {
    let mut all = Vec::new();
    for switch in SWITCHES.iter().filter(|switch| switch.peers.needs.contains(&name)) {
        all.push(switch.name);
        all.extend(dependents(switch.name));
    }
    all
}

/// The switches without which this one is nothing, themselves or by another one of them.
pub fn needed_by(name: &str) -> Vec<&'static str> {
    let of = SWITCHES.iter().find(|switch| switch.name == name);
    let needs = of.map_or(&[][..], |switch| switch.peers.needs).iter();
    needs.flat_map(|needs| [vec![*needs], needed_by(needs)].concat()).collect()
}

impl Party {
    /// As a sentence has them.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Client => "clients",
            Self::Msg => "msg_servers",
            Self::Route => "route_servers",
            Self::Db => "db_proxies",
        }
    }
}

fn named(parties: &[Party]) -> String {
    let names: Vec<_> = parties.iter().map(|party| party.plural()).collect();
    names.join(" and ")
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { new, old, breaks, leaves } = self;
        write!(f, "{} with it beside {} without it break {breaks}", named(new), named(old))?;
        if leaves.is_empty() { Ok(()) } else { write!(f, " and leave {leaves}") }
    }
}

impl fmt::Display for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { until, needs, mixes, says } = self;
        let mut said = vec![format!("it holds once all {} have it", named(until))];
        said.extend(needs.iter().map(|needs| format!("it needs {needs}")));
        said.extend(mixes.iter().map(Mix::to_string));
        if !says.is_empty() {
            said.push((*says).to_string());
        }
        f.write_str(&said.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::{Party, Peers, dependents, needed_by};
    use crate::protocol::{Protocol, SWITCHES};

    #[test]
    fn a_switch_without_what_it_needs_is_refused_by_name() {
        for switch in SWITCHES {
            for needs in switch.peers.needs {
                let mut protocol = Protocol::hardened();
                assert!(protocol.set(needs, false), "{} needs a switch", switch.name);
                let error = protocol.check().expect_err("senseless").to_string();
                assert!(error.starts_with(&format!("{} is on and {needs} is off", switch.name)));
                dependents(needs).iter().for_each(|of| _ = protocol.set(of, false));
                assert_eq!(protocol.check(), Ok(()));
                assert!(needed_by(switch.name).contains(needs));
            }
        }
        assert_eq!(Protocol::hardened().check(), Ok(()));
        assert_eq!(Protocol::teamtalk().check(), Ok(()));
        assert_eq!(dependents("single-relation"), ["id-floor-from-store"]);
    }

    #[test]
    fn who_must_have_a_switch_is_whom_it_changes() {
        let short = |party: &Party| match party {
            Party::Client => "client",
            Party::Msg => "msg",
            Party::Route => "route",
            Party::Db => "db",
        };
        for switch in SWITCHES {
            let scope: Vec<_> = switch.scope.split(", ").collect();
            let Peers { until, mixes, .. } = switch.peers;
            assert!(!until.is_empty(), "{}", switch.name);
            let in_mixes = mixes.iter().flat_map(|mix| mix.new.iter().chain(mix.old));
            for party in until.iter().chain(in_mixes) {
                assert!(scope.contains(&short(party)), "{}: {party:?}", switch.name);
            }
        }
    }
}
