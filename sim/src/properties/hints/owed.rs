//! Who is owed a hint, and by when.

use super::reasons::{Reason, Whom};
use crate::plan::Host;
use std::collections::{BTreeMap, VecDeque};
use teamtalk::env::ConnId;

/// A connection that is logged in.
#[derive(Debug)]
struct Device {
    host: Host,
    user: u32,
    /// When each heartbeat was read that is not echoed yet.
    beats: VecDeque<u64>,
    /// When it was told to ask last.
    told_us: Option<u64>,
    /// By when it is owed a hint, and why.
    owed: Option<(u64, &'static str)>,
}

/// What a msg_server told others through route, and owes them.
#[derive(Debug, Default)]
struct Route {
    /// When everyone was told last.
    everyone_us: Option<u64>,
    /// When a user was told last.
    users_us: BTreeMap<u32, u64>,
    /// By when everyone is owed a hint, and why.
    everyone: Option<(u64, &'static str)>,
    /// The same, of users.
    users: BTreeMap<u32, (u64, &'static str)>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Owed {
    devices: BTreeMap<ConnId, Device>,
    routes: BTreeMap<Host, Route>,
}

fn earlier(owed: &mut Option<(u64, &'static str)>, reason: &Reason) {
    if owed.is_none_or(|(due_us, _)| reason.due_us < due_us) {
        *owed = Some((reason.due_us, reason.why));
    }
}

impl Owed {
    /// A connection is logged in.
    pub fn logged_in(&mut self, conn: ConnId, host: &Host, user: u32) {
        let (host, beats) = (host.clone(), VecDeque::new());
        let device = Device { host, user, beats, told_us: None, owed: None };
        self.devices.insert(conn, device);
    }

    /// A connection is owed nothing any more.
    pub fn gone(&mut self, conn: ConnId) {
        self.devices.remove(&conn);
    }

    /// A msg_server is no more.
    pub fn host_down(&mut self, host: &Host) {
        self.devices.retain(|_, device| device.host != *host);
        self.routes.remove(host);
    }

    /// A msg_server has no link to a route_server any more.
    pub fn no_route(&mut self, host: &Host) {
        self.routes.remove(host);
    }

    /// Those whom a reason of a msg_server concerns are owed a hint, unless they had one since.
    pub fn because(&mut self, host: &Host, reason: &Reason, has_route: bool) {
        let since = |told: Option<u64>| told.is_some_and(|us| us >= reason.since_us);
        let here = self.devices.values_mut().filter(|device| device.host == *host);
        for device in here.filter(|device| reason.whom.is_here(device.user)) {
            if !since(device.told_us) {
                earlier(&mut device.owed, reason);
            }
        }
        if !has_route {
            return;
        }
        let route = self.routes.entry(host.clone()).or_default();
        if since(route.everyone_us) {
            return;
        }
        match reason.whom {
            Whom::EveryoneHere => {}
            Whom::Everyone | Whom::ElsewhereOnly => earlier(&mut route.everyone, reason),
            Whom::Users(users) => {
                for user in users {
                    if !since(route.users_us.get(&user).copied()) {
                        route.users.entry(user).or_insert((reason.due_us, reason.why));
                    }
                }
            }
        }
    }

    /// A connection was told to ask.
    pub fn told(&mut self, conn: ConnId, now_us: u64) {
        if let Some(device) = self.devices.get_mut(&conn) {
            (device.told_us, device.owed) = (Some(now_us), None);
        }
    }

    /// A heartbeat was read.
    pub fn beat(&mut self, conn: ConnId, now_us: u64) {
        if let Some(device) = self.devices.get_mut(&conn) {
            device.beats.push_back(now_us);
        }
    }

    /// A heartbeat is echoed: if it was read when something owed was overdue, why that was owed.
    pub fn echoed(&mut self, conn: ConnId) -> Option<&'static str> {
        let device = self.devices.get_mut(&conn)?;
        let read_us = device.beats.pop_front()?;
        let (_, why) = device.owed.take_if(|(due_us, _)| *due_us < read_us)?;
        Some(why)
    }

    /// A msg_server told users, or everyone if there are none, through route.
    pub fn told_route(&mut self, host: &Host, users: &[u32], now_us: u64) {
        let route = self.routes.entry(host.clone()).or_default();
        if users.is_empty() {
            *route = Route { everyone_us: Some(now_us), ..Route::default() };
        }
        for user in users {
            route.users.remove(user);
            route.users_us.insert(*user, now_us);
        }
    }

    /// Something that a msg_server should have told others through route by a moment: whom, and why.
    pub fn route_is_late(&mut self, host: &Host, by_us: u64) -> Option<(String, &'static str)> {
        let route = self.routes.get_mut(host)?;
        let is_late = |due_us: &u64| *due_us < by_us;
        if let Some((_, why)) = route.everyone.take_if(|(due_us, _)| is_late(due_us)) {
            return Some(("everyone".into(), why));
        }
        let mut users = route.users.iter();
        let (user, (_, why)) = users.find(|(_, (due_us, _))| is_late(due_us))?;
        let late = (format!("user {user}"), *why);
        route.users.clear();
        Some(late)
    }
}
