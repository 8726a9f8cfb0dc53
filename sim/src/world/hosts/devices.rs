//! The devices of a world: what they keep, and the ways to them and to the rogues beside them.

use super::Sides;
use crate::{
    plan::{Host, Operation, Plan, Role, Side},
    record::Kind,
    world::{
        Shared, SimEnv, actions,
        env::port,
        population::{password, user_name},
        rogue,
    },
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};
use teamtalk::{
    client::{self, Command, DeviceStore},
    conversation::Chat,
    env::Endpoint,
    fact::Fact,
    timing::Timing,
};
use tokio::sync::mpsc;

/// The ways to the devices, by slot.
type Queues = Arc<Mutex<BTreeMap<u32, mpsc::UnboundedSender<Command>>>>;
/// The ways to the rogues, by client host.
type Rogues = Arc<Mutex<BTreeMap<Host, mpsc::UnboundedSender<Operation>>>>;

/// All devices of a plan. Clones share them.
#[derive(Clone)]
pub struct Devices {
    plan: Arc<Plan>,
    sides: Sides,
    shared: Shared,
    stores: BTreeMap<u32, Arc<Mutex<DeviceStore>>>,
    queues: Queues,
    rogues: Rogues,
}

impl Devices {
    /// With empty stores.
    pub(super) fn new(plan: Arc<Plan>, sides: Sides, shared: Shared) -> Self {
        let store = |slot| (slot, Arc::new(Mutex::new(DeviceStore::default())));
        let stores = plan.devices.iter().map(|d| store(d.slot)).collect();
        let (queues, rogues) = Default::default();
        Self { plan, sides, shared, stores, queues, rogues }
    }

    /// Those of a host run from now on, on a side, and its rogue: as tasks of the host.
    pub(super) fn start(&self, host: &Host, side: Side, timing: Timing) {
        let servers = self.plan.hosts(Role::Msg);
        for device in self.plan.devices.iter().filter(|d| *host == *d.host) {
            let env = SimEnv::new(self.shared.clone(), host, Some(device.slot));
            let (sender, receiver) = mpsc::unbounded_channel();
            self.queues.lock().expect("no panic under it").insert(device.slot, sender);
            let home = servers.iter().position(|s| **s == *device.home).unwrap_or(0);
            let mut order = servers.clone();
            order.rotate_left(home);
            let config = client::Config {
                device: device.slot,
                install: device.slot.into(),
                conduct: device.conduct,
                user: device.user,
                user_name: user_name(device.user),
                password: password(device.user),
                client_type: device.client.client_type(),
                habits: device.client.habits(),
                servers: order.iter().map(|s| Endpoint::new(&***s, port::MSG)).collect(),
                protocol: self.sides.of(side).protocol,
                timing,
            };
            let store = self.stores[&device.slot].clone();
            tokio::spawn(async move { client::run(env, config, receiver, store).await });
        }
        let (sender, receiver) = mpsc::unbounded_channel();
        self.rogues.lock().expect("no panic under it").insert(host.clone(), sender);
        tokio::spawn(rogue::run(self.shared.clone(), host.clone(), self.plan.clone(), receiver));
    }

    /// Hands an operation to its device, or to the host's rogue. `created`: the groups that
    /// operations have created.
    pub fn perform(&self, op: &Operation, created: &BTreeMap<u32, u32>) {
        let device = self.plan.devices.iter().find(|device| device.slot == op.device);
        match actions::of(op, device, created, &self.sides.base.limits) {
            Ok(Some(action)) => {
                let mut queues = self.queues.lock().expect("no panic under it");
                let command = Command { op: op.id, action };
                self.hand_over(op, queues.get_mut(&op.device), command);
            }
            Ok(None) => self.let_loose(op),
            Err(why) => {
                let (id, device, what) = (op.id, op.device, op.describe());
                let online = op.action.wants_online();
                let line = Kind::Op { op: id, device, what, delivered: true, online };
                self.shared.record_world(line);
                let reason = why.to_string();
                self.shared.record_world(Kind::Fact(Fact::OpFailed { op: id, reason }));
            }
        }
    }

    /// Has the device's host do what needs no login.
    fn let_loose(&self, op: &Operation) {
        let host = self.plan.devices.iter().find(|d| d.slot == op.device).map(|d| d.host.as_str());
        let mut rogues = self.rogues.lock().expect("no panic under it");
        self.hand_over(op, host.and_then(|host| rogues.get_mut(host)), op.clone());
    }

    fn hand_over<T>(&self, op: &Operation, to: Option<&mut mpsc::UnboundedSender<T>>, what: T) {
        let open = to.filter(|queue| !queue.is_closed());
        let (id, device, delivered) = (op.id, op.device, open.is_some());
        let online = op.action.wants_online();
        let line = Kind::Op { op: id, device, what: op.describe(), delivered, online };
        self.shared.record_world(line);
        if let Some(queue) = open {
            // The receiver was open just now, and nothing else runs meanwhile.
            let _ = queue.send(what);
        }
    }

    /// Every chat that a device shows as unread.
    pub fn unread_chats(&self, device: u32) -> Vec<Chat> {
        let store = self.stores[&device].lock().expect("no panic under it");
        store.unread.keys().copied().collect()
    }

    /// Whether a device stays or goes online by itself: its user logged in, and was neither
    /// kicked nor logged out since.
    pub fn wants_online(&self, device: u32) -> bool {
        self.stores[&device].lock().expect("no panic under it").logged_in
    }
}
