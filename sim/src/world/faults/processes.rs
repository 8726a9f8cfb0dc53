//! The processes of hosts: killed, told to stop, started again.

use super::Stage;
use crate::{
    plan::Host,
    record::Kind,
    world::{hosts::Hosts, shared::Kill},
};
use std::collections::BTreeMap;
use turmoil::Sim;

/// Which processes are not running as usual.
#[derive(Debug, Default)]
pub struct Processes {
    /// Processes that are not there; true: turmoil runs their hosts (so that connects are
    /// refused), and they wait before they bind.
    down: BTreeMap<Host, bool>,
    /// Processes that were told to stop, and until which simulated millisecond they may go on.
    stopping: BTreeMap<Host, u64>,
}

impl Processes {
    /// Kills a process, unless it is down. `refuses`: connects are refused while it is down, else
    /// they hang.
    pub fn kill(&mut self, stage: &mut Stage<'_, '_>, host: &Host, how: Kill, refuses: bool) {
        if self.down.contains_key(host) {
            return;
        }
        self.stopping.remove(host);
        let is_there = !stage.hosts.process(host).is_between();
        stage.hosts.process(host).down();
        {
            let mut shared = stage.shared.lock();
            if is_there {
                shared.record(host, Kind::HostDown);
            }
            shared.killing = Some(how);
        }
        stage.sim.crash(&**host);
        stage.shared.lock().killing = None;
        if refuses {
            stage.sim.bounce(&**host);
        }
        self.down.insert(host.clone(), refuses);
    }

    /// Starts a process that is down.
    pub fn revive(&mut self, sim: &mut Sim<'_>, hosts: &Hosts, host: &Host) {
        let Some(bounced) = self.down.remove(host) else { return };
        hosts.process(host).up();
        if !bounced {
            sim.bounce(&**host);
        }
    }

    /// Tells a process to stop; until `deadline` it may. False if it is down, or was told before.
    pub fn stop(&mut self, hosts: &Hosts, host: &Host, deadline: u64) -> bool {
        if self.down.contains_key(host) || self.stopping.contains_key(host) {
            return false;
        }
        hosts.process(host).stop();
        self.stopping.insert(host.clone(), deadline);
        true
    }

    /// Whether a process was told to stop and has not ended yet.
    pub fn is_stopping(&self, host: &Host) -> bool {
        self.stopping.contains_key(host)
    }

    /// The processes that were told to stop and have ended, or whose time is up.
    pub fn stopped(&self, hosts: &Hosts, now_ms: u64) -> Vec<Host> {
        let over = |(host, deadline): &(&Host, &u64)| {
            hosts.process(host).has_ended() || now_ms >= **deadline
        };
        self.stopping.iter().filter(over).map(|(host, _)| host.clone()).collect()
    }
}
