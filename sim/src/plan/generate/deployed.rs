//! Who has which devices in a deployment that says how many, or of which software.

use super::{
    Clients, Profile, Shape,
    devices::{PC, PHONE, SECOND_PC, SECOND_PHONE, conduct, is_second},
    extras::Draws,
};
use crate::plan::{Client, Device, Side};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// How likely the next device is the first of its class that its user has, and how likely the second.
const FIRST: u64 = 3;
const SECOND: u64 = 1;

/// Which software there is.
#[derive(Debug, Clone)]
pub(super) struct Mix {
    /// How likely, as weights.
    of: BTreeMap<Client, u32>,
    /// The file says it: then a user's first device may be a phone.
    is_given: bool,
}

impl Mix {
    /// What a file says, or else what there is without one.
    pub(super) fn new(given: &BTreeMap<Client, u32>, clients: Clients) -> Self {
        let ours = || [(Client::OursPc, 2), (Client::OursPhone, 1)].into();
        let mixed = || {
            let pcs = [(Client::Windows, 3), (Client::Mac, 2), (Client::OursPc, 2)];
            let phones = [(Client::Android, 2), (Client::Ios, 2), (Client::OursPhone, 2)];
            pcs.into_iter().chain(phones).collect()
        };
        let of = match clients {
            _ if !given.is_empty() => given.clone(),
            Clients::Ours => ours(),
            Clients::Mixed => mixed(),
        };
        Self { of, is_given: !given.is_empty() }
    }

    /// The software that devices of a kind may run, by weight.
    fn of_kind(&self, kind: u32) -> Vec<(Client, u64)> {
        let is_phone = [PHONE, SECOND_PHONE].contains(&kind);
        let of_it = self.of.iter().filter(|(client, _)| client.is_phone() == is_phone);
        of_it.map(|(client, weight)| (*client, u64::from(*weight))).collect()
    }

    fn weight(&self, kind: u32) -> u64 {
        self.of_kind(kind).iter().map(|(_, weight)| weight).sum()
    }
}

/// So many devices, of users of whom each has one.
pub(super) fn devices(
    shape: &Shape,
    count: u32,
    mix: Mix,
    profile: Profile,
) -> impl Strategy<Value = Vec<Device>> + use<> {
    let shape = shape.clone();
    let conducts = prop::collection::vec(conduct(profile, PC), count as usize);
    (any::<u64>(), conducts).prop_map(move |(draws, conducts)| {
        let mut draws = Draws::of(draws, 0);
        let taken = taken(shape.users, count, &mix, &mut draws);
        let mut devices = Vec::new();
        for (mut conduct, (user, kind)) in conducts.into_iter().zip(taken) {
            // As without a file: two that do not obey would kick each other for ever.
            conduct.ignores_kick &= !is_second(kind);
            let mut place = |count: u32| 1 + draws.below(count.into());
            let (host, home) = (place(shape.client_hosts), place(shape.msg_servers));
            let software = pick(&mix.of_kind(kind), &mut draws);
            devices.push(Device {
                slot: (user - 1) * 4 + kind,
                user,
                client: software.expect("only kinds with a weight are taken"),
                host: format!("client{host}"),
                home: format!("msg{home}"),
                side: Side::Base,
                conduct,
                token: None,
            });
        }
        devices
    })
}

/// Users and kinds of devices, in the order of their slots.
fn taken(users: u32, count: u32, mix: &Mix, draws: &mut Draws) -> BTreeSet<(u32, u32)> {
    let mut taken = BTreeSet::new();
    for user in 1..=users {
        let [pcs, phones] = [PC, PHONE].map(|kind| mix.weight(kind));
        let is_pc = !mix.is_given || draws.below(pcs + phones) < pcs;
        taken.insert((user, if is_pc { PC } else { PHONE }));
    }
    while (taken.len() as u32) < count {
        let kinds = [PC, PHONE, SECOND_PC, SECOND_PHONE];
        let all = (1..=users).flat_map(|user| kinds.map(|kind| (user, kind)));
        let may = |(user, kind): &(u32, u32)| {
            let has = |kind| taken.contains(&(*user, kind));
            !has(*kind) && (!is_second(*kind) || has(*kind - 2))
        };
        let turn = |kind| if is_second(kind) { SECOND } else { FIRST };
        let weighed = all.filter(may).map(|of| (of, turn(of.1) * mix.weight(of.1)));
        let Some(next) = pick(&weighed.collect::<Vec<_>>(), draws) else { break };
        taken.insert(next);
    }
    taken
}

/// One by weight; none if all weights are 0.
fn pick<T: Copy>(of: &[(T, u64)], draws: &mut Draws) -> Option<T> {
    let total = of.iter().map(|(_, weight)| weight).sum::<u64>();
    let mut left = if total == 0 { return None } else { draws.below(total) };
    for (one, weight) in of {
        if left < *weight {
            return Some(*one);
        }
        left -= weight;
    }
    None
}
