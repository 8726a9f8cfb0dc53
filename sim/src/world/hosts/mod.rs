//! The hosts of a world: what of them outlives a process, and how a process starts.

mod devices;
mod roles;
mod stores;
#[cfg(test)]
mod tests;

pub use devices::Devices;
pub use stores::Stores;

use super::{Deployed, audit::Auditor, population, process::Process, shared::Shared, watch::Watch};
use crate::{
    plan::{self, Host, Plan, Side, TICK_MS, rollout},
    record::Kind,
};
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};
use teamtalk::store::migrations::TooOld;

/// What outlives the hosts.
#[derive(Clone)]
pub struct Hosts {
    plan: Arc<Plan>,
    sides: Sides,
    /// What hosts were installed on: the next process of each is on this side.
    installed: Arc<Mutex<BTreeMap<Host, Side>>>,
    shared: Shared,
    /// What the stores hold.
    pub stores: Stores,
    /// The devices.
    pub devices: Devices,
    /// Starts audits.
    pub auditor: Auditor,
    /// Where the processes say that they run.
    pub watch: Watch,
    processes: BTreeMap<Host, Process>,
}

/// What each side runs.
#[derive(Debug, Clone)]
struct Sides {
    base: Deployed,
    candidate: Deployed,
}

impl Sides {
    fn of(&self, side: Side) -> &Deployed {
        match side {
            Side::Base => &self.base,
            Side::Candidate => &self.candidate,
        }
    }
}

impl Hosts {
    /// Stores with their users, and devices with empty stores.
    pub fn new(
        plan: Plan,
        base: Deployed,
        candidate: Deployed,
        shared: Shared,
        watch: Watch,
    ) -> Self {
        let stores = Stores::new(&plan);
        for held in stores.held() {
            shared.record_world(held);
        }
        population::record(&shared, &plan);
        plan.nodes.iter().for_each(|node| _ = shared.host(&node.host));
        let wrong = plan.nodes.iter().filter(|node| !node.clock.is_right());
        let clocks = wrong.map(|node| (shared.host(&node.host), node.clock)).collect();
        (shared.lock().clocks, shared.lock().epoch) = (clocks, plan.epoch);
        let process = |n: &plan::Node| (n.host.clone(), Process::default());
        let processes = plan.nodes.iter().map(process).collect();
        let installed = Arc::new(Mutex::new(rollout::at_start(&plan)));
        let (plan, sides) = (Arc::new(plan), Sides { base, candidate });
        let devices = Devices::new(plan.clone(), sides.clone(), shared.clone());
        let auditor = Auditor::default();
        Self { plan, sides, installed, shared, stores, devices, auditor, watch, processes }
    }

    /// Registers every host with turmoil, in the plan's order.
    pub fn register(&self, sim: &mut turmoil::Sim<'_>) {
        for node in &self.plan.nodes {
            let (hosts, host) = (self.clone(), node.host.clone());
            sim.host(&*node.host, move || {
                let (hosts, host) = (hosts.clone(), host.clone());
                async move {
                    hosts.start(&host).await;
                    hosts.serve(&host).await?;
                    hosts.process(&host).end();
                    std::future::pending::<()>().await;
                    Ok(())
                }
            });
        }
        let latencies = self.plan.latencies();
        for (i, a) in self.plan.nodes.iter().enumerate() {
            for b in &self.plan.nodes[i + 1..] {
                let ticks = latencies.between(a.host.role(), b.host.role());
                let latency = Duration::from_millis(ticks * TICK_MS);
                sim.set_link_latency(&*a.host, &*b.host, latency);
            }
        }
    }

    /// Waits while the process is meant to be down, then counts the incarnation.
    async fn start(&self, host: &Host) {
        self.process(host).started().await;
        self.watch.started(host);
        let side = self.installed(host);
        let mut shared = self.shared.lock();
        let id = shared.roster.id(host);
        shared.roster.started(id);
        if shared.roster.goes_to(id, side) {
            shared.record_at(id, Kind::OnSide { side });
        }
        shared.record_at(id, Kind::HostUp);
    }

    /// The next process of a host is on this side.
    pub fn install(&self, host: &Host, side: Side) {
        self.installed.lock().expect("no panic under it").insert(host.clone(), side);
    }

    /// The side of a host's next process.
    fn installed(&self, host: &Host) -> Side {
        self.installed.lock().expect("no panic under it").get(host).copied().unwrap_or_default()
    }

    /// Runs what a host runs. One that does not serve because the database lacks what it needs ends of
    /// itself, and is started again a tick of the roles later, as whoever watches over processes does:
    /// until it serves, or is told to stop.
    async fn serve(&self, host: &Host) -> io::Result<()> {
        let pause = self.plan.pace.timing().tick();
        loop {
            let ended = self.main(host).await;
            let lacks = |error: &io::Error| error.get_ref().is_some_and(|of| of.is::<TooOld>());
            if !ended.as_ref().is_err_and(lacks) {
                return ended;
            }
            let process = self.process(host);
            process.set_between(true);
            self.shared.record(host, Kind::HostDown);
            let stopped = tokio::time::timeout(pause, process.clone().told_to_stop()).await.is_ok();
            if stopped {
                return Ok(());
            }
            process.set_between(false);
            self.start(host).await;
        }
    }

    /// The process of a host of the plan.
    pub fn process(&self, host: &Host) -> &Process {
        &self.processes[host]
    }
}
