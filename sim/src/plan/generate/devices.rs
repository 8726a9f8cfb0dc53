//! Who has which devices, and how they behave.

use super::{Clients, Profile, Shape};
use crate::plan::{Client, Device, Side};
use proptest::prelude::*;
use teamtalk::client::{Acks, Conduct};

/// The most devices of a plan.
const MOST: usize = 8;

/// A user's devices by the last digit of their slots: the slot is `(user - 1) * 4 + kind`.
pub(super) const PC: u32 = 1;
pub(super) const PHONE: u32 = 2;
/// Of the same class as the first: they kick each other.
pub(super) const SECOND_PC: u32 = 3;
pub(super) const SECOND_PHONE: u32 = 4;

/// Whether a device is of a class of which its user may have another one, which came first.
pub(super) fn is_second(slot: u32) -> bool {
    [SECOND_PC, SECOND_PHONE].contains(&kind_of(slot))
}

/// The other device of the same user and class.
pub(super) fn sibling(slot: u32) -> u32 {
    if is_second(slot) { slot - 2 } else { slot + 2 }
}

fn kind_of(slot: u32) -> u32 {
    (slot - 1) % 4 + 1
}

fn software(clients: Clients, kind: u32) -> BoxedStrategy<Client> {
    let pc = [PC, SECOND_PC].contains(&kind);
    match (clients, pc) {
        (Clients::Ours, true) => Just(Client::OursPc).boxed(),
        (Clients::Ours, false) => Just(Client::OursPhone).boxed(),
        (Clients::Mixed, true) => prop_oneof![
            3 => Just(Client::Windows),
            2 => Just(Client::Mac),
            2 => Just(Client::OursPc),
        ]
        .boxed(),
        (Clients::Mixed, false) => prop_oneof![
            2 => Just(Client::Android),
            2 => Just(Client::Ios),
            2 => Just(Client::OursPhone),
        ]
        .boxed(),
    }
}

/// A second device obeys its kick: two that do not would kick each other for ever, and never
/// come to rest.
pub(super) fn conduct(profile: Profile, kind: u32) -> BoxedStrategy<Conduct> {
    if profile.is_orderly() {
        return Just(Conduct::default()).boxed();
    }
    let acks = prop_oneof![
        20 => Just(Acks::Prompt),
        2 => (100..4_000_u64).prop_map(|ms| Acks::Late { ms }),
        1 => Just(Acks::Never),
    ];
    let second = is_second(kind);
    (acks, prop::bool::weighted(0.12))
        .prop_map(move |(acks, ignores)| Conduct { acks, ignores_kick: ignores && !second })
        .boxed()
}

/// One PC for each user, a phone for many, and for some a second device of a class.
pub(super) fn devices(
    shape: &Shape,
    clients: Clients,
    profile: Profile,
) -> impl Strategy<Value = Vec<Device>> + use<> {
    let (msg_servers, client_hosts) = (shape.msg_servers, shape.client_hosts);
    let one = move |(user, kind): (u32, u32)| {
        let here = match kind {
            PC => Just(true).boxed(),
            PHONE => prop::bool::weighted(0.5).boxed(),
            _ => prop::bool::weighted(0.15).boxed(),
        };
        let place = (1..=client_hosts, 1..=msg_servers);
        (here, software(clients, kind), conduct(profile, kind), place).prop_map(
            move |(here, client, conduct, (host, home))| {
                here.then(|| Device {
                    slot: (user - 1) * 4 + kind,
                    user,
                    client,
                    host: format!("client{host}"),
                    home: format!("msg{home}"),
                    side: Side::Base,
                    conduct,
                    token: None,
                })
            },
        )
    };
    // The first ones of all users come first: they stay when there are too many.
    let kinds = [PC, PHONE, SECOND_PC, SECOND_PHONE];
    let users = shape.users;
    let all = kinds.iter().flat_map(|&kind| (1..=users).map(move |user| (user, kind)));
    all.map(one).collect::<Vec<_>>().prop_map(|devices| {
        let mut devices: Vec<_> = devices.into_iter().flatten().take(MOST).collect();
        devices.sort_by_key(|device| device.slot);
        devices
    })
}
