//! Whether a device that was told to ask for what it missed does.

use super::{AT_ONCE_US, broken, us};
use crate::{
    lookup::LookupSet,
    plan::{Host, Role},
    properties::{Seen, Subject, Violation, wire::At},
    record::{End, Kind},
};
use std::collections::BTreeMap;
use teamtalk::{
    catalogue::id, env::ConnId, fact::Fact, timing::Timing, wire::tt::extension::CatchUpHint,
};

/// A device that was told and has not asked since.
#[derive(Debug)]
struct Told {
    host: Host,
    device: u32,
    /// By when it asks.
    due_us: u64,
    /// When it wrote a heartbeat after that.
    beat_us: Option<u64>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Asks {
    told: BTreeMap<ConnId, Told>,
    /// What a person asked, by connection and seq_num.
    attempts: LookupSet<(ConnId, u16)>,
}

impl Asks {
    /// Takes the next line.
    pub fn observe(&mut self, seen: &Seen<'_>, timing: &Timing) -> Option<Violation> {
        let line = seen.line;
        match &line.kind {
            Kind::Fact(Fact::Attempt { conn, seq_num, .. }) => {
                self.attempts.insert((*conn, *seq_num));
            }
            Kind::Fact(Fact::DeviceOffline { conn, .. })
            | Kind::Disconnected { conn, end: End::Dialler } => drop(self.told.remove(conn)),
            Kind::HostDown => self.told.retain(|_, told| told.host != line.host),
            _ => {}
        }
        let (at, conn, pdu) = seen.client?;
        match (at, pdu.command()) {
            (At::DeviceReads, id::OTHER_CATCH_UP_HINT) => {
                let device = seen.known.clients.listens(conn)?;
                let protocol = seen.protocol();
                let follows = protocol.catch_up_hint && protocol.catch_up_on_gap;
                if !follows || !seen.known.orderly.contains(&device) {
                    return None;
                }
                let users = &pdu.view::<CatchUpHint>().ok()?.user_id_list;
                let user = seen.known.clients.user_of_device(device)?;
                if users.is_empty() || users.contains(&user) {
                    // It may be waiting for an answer to the same question, or pause after one.
                    let due_us = line.sim_us
                        + us(timing.client_answer_timeout() + timing.tick())
                        + AT_ONCE_US;
                    let told = Told { host: line.host.clone(), device, due_us, beat_us: None };
                    self.told.entry(conn).or_insert(told);
                }
            }
            (At::DeviceWrites, id::BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST)
                if !self.attempts.contains(&(conn, pdu.header.seq_num)) =>
            {
                self.told.remove(&conn);
            }
            // What it wrote before waits in front of this one, but for what it wrote a while before
            // the second.
            (At::DeviceWrites, id::OTHER_HEARTBEAT) => {
                let told = self.told.get_mut(&conn)?;
                if told.due_us >= line.sim_us {
                    return None;
                }
                let first_us = *told.beat_us.get_or_insert(line.sim_us);
                if first_us + us(timing.tick()) > line.sim_us {
                    return None;
                }
                let told = self.told.remove(&conn)?;
                let what = format!(
                    "device {} was told on connection {conn} to ask for what it missed, and does not",
                    told.device
                );
                let about = [Subject::Device(told.device), Subject::Connection(conn)].into();
                return Some(broken("not-asked", Role::Client, what, about));
            }
            _ => {}
        }
        None
    }
}
