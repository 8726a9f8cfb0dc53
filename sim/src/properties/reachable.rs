//! reachable: who wants to be online is.
//!
//! A device *wants* to be online from the operation that logs it in to the one that logs it out. A kick
//! ends that if it is *explained*: by a login of another device of the same user and class that
//! succeeded after the kicked connection had asked for its own, and that has not been kicked itself;
//! or by a phone of the user that put their PCs off line (010a). A device that is kicked without
//! such a reason wants to be online still, whatever its program makes of it: of two logins that kick
//! each other, the one that is kicked last has none.

use super::{
    Class, Known, Property, Seen, Sort, Subject, Tally, Violation,
    wire::{At, is_phone},
};
use crate::{
    plan::Role,
    record::{Frame, Kind},
};
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{
    catalogue::id as command,
    env::ConnId,
    fact::Fact,
    wire::im::login::{ImKickUser, ImLoginRes},
};

/// The reason of a kick by the user's phone (enum KickReasonType).
const BY_MOBILE: i32 = 2;

/// A login that succeeded.
#[derive(Debug)]
struct Login {
    conn: ConnId,
    device: u32,
    user: u32,
    is_mobile: bool,
    /// The line at which its msg_server said so.
    at: u64,
}

/// Why a device that wants to be online is not.
#[derive(Debug, Clone, Default)]
struct Away {
    /// Since when, in simulated microseconds.
    since_us: u64,
    /// A kick that nothing explains.
    kicked: bool,
    /// A msg_server refused its last login.
    refused: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Reachable {
    /// Devices whose users want them online, and were not kicked for a reason.
    wanted: BTreeSet<u32>,
    away: BTreeMap<u32, Away>,
    /// The line at which a device first asked for a login on a connection.
    asked: BTreeMap<ConnId, u64>,
    logins: Vec<Login>,
    /// Connections on which a device read a kick.
    kicked: BTreeSet<ConnId>,
    /// Users a phone of whom has put their PCs off line.
    put_off_by_phone: BTreeSet<u32>,
    /// How often a device was put off line for a reason.
    explained: u64,
}

impl Reachable {
    fn wants(&mut self, device: u32, online: bool, now_us: u64) {
        self.away.remove(&device);
        if online {
            self.wanted.insert(device);
            self.away.insert(device, Away { since_us: now_us, ..Away::default() });
        } else {
            self.wanted.remove(&device);
        }
    }

    fn pdu(&mut self, seen: &Seen<'_>, at: At, conn: ConnId, pdu: &Frame) -> Option<()> {
        let (clients, n) = (&seen.known.clients, seen.line.n);
        match (at, pdu.command()) {
            (At::DeviceWrites, command::LOGIN_REQ_USERLOGIN) => {
                self.asked.entry(conn).or_insert(n);
            }
            (At::DeviceWrites, command::LOGIN_REQ_KICKPCCLIENT) => {
                self.put_off_by_phone.insert(clients.user_of_device_on(conn)?);
            }
            (At::DeviceReads, command::LOGIN_RES_USERLOGIN) => {
                let refused = pdu.view::<ImLoginRes>().ok()?.result_code != 0;
                self.away.get_mut(&clients.device(conn)?)?.refused = refused;
            }
            (At::DeviceReads, command::LOGIN_KICK_USER) => {
                let reason = pdu.view::<ImKickUser>().ok()?.kick_reason;
                self.is_kicked(seen, conn, reason);
            }
            _ => {}
        }
        Some(())
    }

    /// A device reads a kick.
    fn is_kicked(&mut self, seen: &Seen<'_>, conn: ConnId, reason: i32) -> Option<()> {
        let device = seen.known.clients.device(conn)?;
        let is_explained = self.explains(conn, device, reason);
        // Who was put off by the phone has kicked others all the same.
        if reason != BY_MOBILE {
            self.kicked.insert(conn);
        }
        if is_explained {
            self.explained += u64::from(self.wanted.remove(&device));
        } else {
            let since_us = seen.line.sim_us;
            self.away.insert(device, Away { since_us, kicked: true, refused: false });
        }
        Some(())
    }

    /// Whether a newer login, or a phone, is why a connection is kicked.
    fn explains(&self, conn: ConnId, device: u32, reason: i32) -> bool {
        let asked = self.asked.get(&conn).copied().unwrap_or_default();
        // Of a connection that is kicked before it was told of its login, nothing is known.
        let Some(own) = self.logins.iter().find(|login| login.conn == conn) else { return true };
        if reason == BY_MOBILE {
            return !own.is_mobile && self.put_off_by_phone.contains(&own.user);
        }
        let newer = self.logins.iter().filter(|login| {
            login.device != device && login.at > asked && !self.kicked.contains(&login.conn)
        });
        let same = |login: &Login| (login.user, login.is_mobile) == (own.user, own.is_mobile);
        newer.into_iter().any(same)
    }

    fn broken(&self, known: &Known, is_due: impl Fn(&Away) -> bool) -> Option<Violation> {
        let online = known.clients.online();
        let (device, away) = self.away.iter().find(|(device, away)| {
            self.wanted.contains(device) && !online.contains_key(device) && is_due(away)
        })?;
        let user = known.clients.user_of_device(*device);
        let of_user = user.map_or(String::new(), |user| format!(" of user {user}"));
        let others = online.values().any(|other| Some(other.user) == user);
        let nobody = if others { "" } else { ", and the user has no other one" };
        let (kind, role, why) = match away {
            Away { kicked: true, .. } => {
                ("kicked", Role::Msg, "was kicked, and no newer login of its class is why")
            }
            Away { refused: true, .. } => ("offline", Role::Msg, "is refused"),
            Away { .. } => ("offline", Role::Client, "is not online"),
        };
        let sentence = format!("device {device}{of_user} wants to be online and {why}{nobody}");
        let users = user.map(Subject::User);
        let about = [Subject::Device(*device)].into_iter().chain(users).collect();
        Some(Violation { property: "reachable", kind, role, sentence, about })
    }
}

impl Property for Reachable {
    fn name(&self) -> &'static str {
        "reachable"
    }

    fn says(&self) -> &'static str {
        "a device that wants to be online is at rest; only a newer login of its class, or the \
         user's phone, puts it off line"
    }

    fn sort(&self) -> Sort {
        Sort::Liveness
    }

    fn looks_at(&self) -> &'static [Class] {
        &[Class::DeviceWrites, Class::DeviceReads, Class::Fact, Class::Event]
    }

    fn commands(&self, class: Class) -> Option<&'static [u16]> {
        match class {
            Class::DeviceWrites => {
                Some(&[command::LOGIN_REQ_USERLOGIN, command::LOGIN_REQ_KICKPCCLIENT])
            }
            Class::DeviceReads => Some(&[command::LOGIN_RES_USERLOGIN, command::LOGIN_KICK_USER]),
            _ => None,
        }
    }

    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        let (line, clients) = (seen.line, &seen.known.clients);
        match &line.kind {
            Kind::Op { device, delivered: true, online: Some(online), .. } => {
                self.wants(*device, *online, line.sim_us);
            }
            Kind::Fact(Fact::LoggedIn { conn, user, client_type }) => {
                if let Some(device) = clients.device(*conn) {
                    let (conn, user, at) = (*conn, *user, line.n);
                    let is_mobile = is_phone(*client_type);
                    self.logins.push(Login { conn, device, user, is_mobile, at });
                }
            }
            Kind::Fact(Fact::DeviceOnline { device, .. }) => {
                self.away.remove(device);
            }
            Kind::Fact(Fact::DeviceOffline { device, .. }) => {
                let away = Away { since_us: line.sim_us, ..Away::default() };
                self.away.entry(*device).or_insert(away);
            }
            Kind::HostDown => {
                let online = clients.online();
                for device in self.wanted.iter().filter(|device| !online.contains_key(device)) {
                    let away = Away { since_us: line.sim_us, ..Away::default() };
                    self.away.entry(*device).or_insert(away);
                }
            }
            _ => {
                let (at, conn, pdu) = seen.client?;
                self.pdu(seen, at, conn, pdu);
            }
        }
        None
    }

    fn pending(&self, known: &Known) -> Option<Violation> {
        self.broken(known, |_| true)
    }

    fn overdue(&self, known: &Known, now_us: u64) -> Option<Violation> {
        // Who lost their connection just now has had no time to come back; a kick is for good.
        self.broken(known, |away| away.kicked || away.since_us + known.back_within_us < now_us)
    }

    fn tally(&self, _: &Known) -> Option<Tally> {
        let excused = [("kicked by a newer login, or the user's phone", self.explained)].into();
        Some(Tally { judged: self.wanted.len() as u64, excused })
    }
}

#[cfg(test)]
mod tests {
    use super::Reachable;
    use crate::{properties::tape::Tape, record::Kind};
    use bytes::Bytes;
    use teamtalk::{
        catalogue::id as command,
        wire::{
            Pdu,
            im::{
                base_define::ClientType,
                login::{ImKickUser, ImLoginRes},
            },
        },
    };

    const KICKED: Option<&str> = Some("reachable/kicked/msg");
    const OFFLINE: Option<&str> = Some("reachable/offline/client");

    fn wants(tape: &mut Tape<Reachable>, device: u32, online: bool) {
        let (online, what) = (Some(online), String::new());
        tape.line("world", Kind::Op { op: device, device, what, delivered: true, online });
    }

    /// These devices of user 1 log in as PCs, one after the other; device n on connection 10 n.
    fn logged_in(devices: &[u32]) -> Tape<Reachable> {
        let mut tape = Tape::new(Reachable::default());
        for device in devices {
            wants(&mut tape, *device, true);
            tape.login(*device, (*device * 10).into(), 1);
        }
        tape
    }

    /// A device reads a kick, and hangs up.
    fn kicked(tape: &mut Tape<Reachable>, device: u32) {
        let conn = (device * 10).into();
        tape.kick(conn).hang_up(device, conn);
    }

    #[test]
    fn a_device_wants_to_be_online_from_its_login_to_its_logout() {
        let mut tape = logged_in(&[]);
        assert_eq!(tape.pending(), None, "nobody wants anything");
        wants(&mut tape, 1, true);
        assert_eq!(tape.pending().as_deref(), OFFLINE);
        assert_eq!(tape.login(1, 10, 1).pending(), None);
        assert_eq!(tape.hang_up(1, 10).pending().as_deref(), OFFLINE);
        assert_eq!(
            tape.login(1, 11, 1).line("client1", Kind::HostDown).pending().as_deref(),
            OFFLINE
        );
        wants(&mut tape, 1, false);
        assert_eq!(tape.pending(), None);
    }

    #[test]
    fn a_newer_login_of_the_class_explains_a_kick() {
        let mut tape = logged_in(&[1, 3]);
        kicked(&mut tape, 1);
        assert_eq!(tape.pending(), None);
        wants(&mut tape, 3, false);
        assert_eq!(tape.hang_up(3, 30).pending(), None, "the user has logged both out");
        wants(&mut tape, 1, true);
        assert_eq!(tape.pending().as_deref(), OFFLINE, "taken up again");
    }

    #[test]
    fn of_two_logins_that_kick_each_other_one_has_no_reason() {
        let mut tape = logged_in(&[1, 3]);
        kicked(&mut tape, 1);
        kicked(&mut tape, 3);
        assert_eq!(tape.pending().as_deref(), KICKED);
        assert!(tape.overdue(0).is_some(), "nothing will bring it back");
    }

    #[test]
    fn neither_an_own_login_nor_one_of_another_class_or_user_explains_a_kick() {
        let mut tape = logged_in(&[1]);
        kicked(&mut tape, 1);
        assert_eq!(tape.pending().as_deref(), KICKED);
        let mut tape = logged_in(&[1]);
        tape.connect(2, 20).login_here(2, 20, 1, ClientType::Android as i32).login(5, 50, 2);
        kicked(&mut tape, 1);
        assert_eq!(tape.pending().as_deref(), KICKED);
        let mut tape = logged_in(&[3, 1]);
        kicked(&mut tape, 1);
        assert_eq!(tape.pending().as_deref(), KICKED, "the other one is older");
        assert_eq!(tape.login(1, 11, 1).pending(), None, "it comes back by itself");
    }

    #[test]
    fn a_phone_may_put_the_users_pcs_off_line() {
        let kick = || {
            let kick = ImKickUser { user_id: 1, kick_reason: 2 };
            Pdu::new(command::LOGIN_KICK_USER, 0, &kick)
        };
        let mut tape = logged_in(&[1]);
        assert_eq!(tape.tells(10, kick()).hang_up(1, 10).pending().as_deref(), KICKED);
        let mut tape = logged_in(&[1]);
        tape.connect(2, 20).login_here(2, 20, 1, ClientType::Android as i32);
        tape.asks(20, Pdu::raw(command::LOGIN_REQ_KICKPCCLIENT, 5, Bytes::new()));
        assert_eq!(tape.tells(10, kick()).hang_up(1, 10).pending(), None);
    }

    #[test]
    fn who_lost_the_connection_just_now_had_no_time_and_who_is_refused_is_the_servers() {
        let mut tape = logged_in(&[1]);
        tape.known.back_within_us = 5_000;
        tape.at(100_000).hang_up(1, 10);
        let late = |tape: &Tape<Reachable>, now| tape.overdue(now).map(|found| found.signature());
        assert_eq!(late(&tape, 105_000), None);
        assert_eq!(late(&tape, 105_001).as_deref(), OFFLINE);
        let refused = ImLoginRes { result_code: 3, ..Default::default() };
        tape.connect(1, 11).tells(11, Pdu::new(command::LOGIN_RES_USERLOGIN, 1, &refused));
        assert_eq!(late(&tape, 105_100).as_deref(), Some("reachable/offline/msg"));
    }
}
