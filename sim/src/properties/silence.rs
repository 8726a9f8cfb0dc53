//! silence: a connection on which nothing comes, or nobody logs in, is closed in time, and not before.
//!
//! A msg_server closes a PC that is silent for 120 s, a phone that is silent for 300 s, and whoever has
//! not finished a login after 15 s (docs/SYSTEM.md section 2; a fifth of it at a brisk pace). It looks
//! once a tick.

use super::{
    Class, Property, Seen, Sort, Subject, Tally, Violation,
    wire::{At, is_phone},
};
use crate::{
    plan::{Host, Role},
    record::{End, Kind},
};
use std::collections::BTreeMap;
use teamtalk::{env::ConnId, fact::Fact};

/// How much later than in time is in time, in simulated microseconds: a tick, and its way.
const GRACE_US: u64 = 1_500_000;
/// How often all connections are looked at, in simulated microseconds.
const LOOKS_EVERY_US: u64 = 1_000_000;

/// A msg_server's end of a device's connection; times in simulated microseconds.
#[derive(Debug)]
struct Conn {
    host: Host,
    opened_us: u64,
    heard_us: u64,
}

/// For how long a msg_server waits, in simulated microseconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Patience {
    /// For a login to be finished.
    pub login_us: u64,
    /// For something of a PC.
    pub pc_us: u64,
    /// For something of a phone.
    pub phone_us: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Silence {
    open: BTreeMap<ConnId, Conn>,
    looked_us: u64,
    tally: Tally,
}

fn violation(kind: &'static str, sentence: String, conn: ConnId) -> Option<Violation> {
    let about = [Subject::Connection(conn)].into();
    Some(Violation { property: "silence", kind, role: Role::Msg, sentence, about })
}

impl Silence {
    /// A connection that is to be closed by now.
    fn overdue(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        let (known, now_us) = (seen.known, seen.line.sim_us);
        if now_us < self.looked_us + LOOKS_EVERY_US {
            return None;
        }
        self.looked_us = now_us;
        if !known.trouble.is_quiet(now_us, known.settles_within_us) {
            return None;
        }
        for (&id, conn) in &self.open {
            let Some(served) = known.clients.served(id) else { continue };
            let is_phone = is_phone(served.client_type);
            let patience = known.patience;
            let limit_us = if is_phone { patience.phone_us } else { patience.pc_us };
            let (silent_us, age_us) = (now_us - conn.heard_us, now_us - conn.opened_us);
            if silent_us > limit_us + GRACE_US {
                let why = format!(
                    "{} keeps connection {id} open, on which nothing has come for {} s",
                    conn.host,
                    silent_us / 1_000_000
                );
                return violation("stays", why, id);
            }
            if served.user.is_none() && age_us > patience.login_us + GRACE_US {
                let why = format!(
                    "{} keeps connection {id} open, on which nobody has logged in for {} s",
                    conn.host,
                    age_us / 1_000_000
                );
                return violation("stranger-stays", why, id);
            }
        }
        None
    }

    /// A msg_server says why it closes.
    fn closes(&mut self, seen: &Seen<'_>, id: ConnId, reason: &str) -> Option<Violation> {
        let (known, now_us) = (seen.known, seen.line.sim_us);
        let (conn, served) = (self.open.get(&id)?, known.clients.served(id)?);
        let waited_us = match reason {
            "no finished login in time" => now_us - conn.opened_us,
            "a silent mobile client" | "a silent PC client" => now_us - conn.heard_us,
            _ => return None,
        };
        let limit_us = match (served.user, is_phone(served.client_type)) {
            (None, _) => known.patience.login_us,
            (Some(_), true) => known.patience.phone_us,
            (Some(_), false) => known.patience.pc_us,
        };
        self.tally.judge();
        if waited_us >= limit_us {
            return None;
        }
        let why = format!(
            "{} closes connection {id} after {} s as {reason}, and is to wait {} s",
            conn.host,
            waited_us / 1_000_000,
            limit_us / 1_000_000
        );
        violation("too-early", why, id)
    }
}

impl Property for Silence {
    fn name(&self) -> &'static str {
        "silence"
    }

    fn says(&self) -> &'static str {
        "a connection on which nothing comes, or nobody logs in, is closed in time, and not before"
    }

    fn sort(&self) -> Sort {
        Sort::Safety
    }

    fn looks_at(&self) -> &'static [Class] {
        &[Class::ClientPdu, Class::Fact, Class::Event]
    }

    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        let (line, now_us) = (seen.line, seen.line.sim_us);
        match &line.kind {
            Kind::Connected { conn, end: End::Acceptor, .. } if line.host.role() == Role::Msg => {
                let host = line.host.clone();
                self.open.insert(*conn, Conn { host, opened_us: now_us, heard_us: now_us });
            }
            Kind::Disconnected { conn, end: End::Acceptor } | Kind::StreamReset { conn } => {
                self.open.remove(conn);
            }
            Kind::HostDown => self.open.retain(|_, conn| conn.host != line.host),
            Kind::Fact(Fact::Closed { conn, reason }) => {
                return self.closes(seen, *conn, reason);
            }
            _ => {}
        }
        if let Some((At::ServerReads, conn, _)) = seen.client
            && let Some(conn) = self.open.get_mut(&conn)
        {
            conn.heard_us = now_us;
        }
        self.overdue(seen)
    }

    fn tally(&self, _: &super::Known) -> Option<Tally> {
        Some(self.tally.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::{Patience, Silence};
    use crate::{properties::tape::Tape, record::End};
    use bytes::Bytes;
    use teamtalk::{
        catalogue::id as cmd,
        env::ConnId,
        fact::Fact,
        wire::{Pdu, im::base_define::ClientType},
    };

    fn tape() -> Tape<Silence> {
        let mut tape = Tape::new(Silence::default());
        let us = 1_000_000;
        tape.known.patience = Patience { login_us: 3 * us, pc_us: 24 * us, phone_us: 60 * us };
        tape
    }

    /// Something is written on a connection, and does not arrive.
    fn later(tape: &mut Tape<Silence>, conn: ConnId, seconds: u64) -> Vec<String> {
        let lost = Pdu::raw(cmd::MSG_TIME_REQUEST, 1, Bytes::new());
        tape.later(seconds).frame("client1", End::Dialler, true, conn, lost);
        std::mem::take(&mut tape.found)
    }

    const STAYS: &str = "silence/stays/msg";

    #[test]
    fn who_says_nothing_is_closed_in_time() {
        let mut pc = tape();
        pc.login(1, 10, 1);
        assert_eq!(later(&mut pc, 10, 25), [""; 0]);
        pc.asks(10, Pdu::raw(cmd::OTHER_HEARTBEAT, 1, Bytes::new()));
        assert_eq!(later(&mut pc, 10, 25), [""; 0]);
        assert_eq!(later(&mut pc, 10, 2), [STAYS]);
        let mut phone = tape();
        phone.connect(2, 20).login_here(2, 20, 1, ClientType::Android as i32);
        assert_eq!(later(&mut phone, 20, 61), [""; 0]);
        assert_eq!(later(&mut phone, 20, 2), [STAYS]);
        let mut nobody = tape();
        nobody.connect(1, 10);
        assert_eq!(later(&mut nobody, 10, 4), [""; 0]);
        assert_eq!(later(&mut nobody, 10, 2), ["silence/stranger-stays/msg"]);
    }

    #[test]
    fn nobody_is_closed_for_a_silence_that_is_short() {
        let closes = |kind: ClientType, after| {
            let mut tape = tape();
            tape.connect(1, 10).login_here(1, 10, 1, kind as i32);
            let reason = "a silent PC client".into();
            tape.later(after).fact("msg1", Fact::Closed { conn: 10, reason });
            tape.found
        };
        assert_eq!(closes(ClientType::Windows, 24), [""; 0]);
        assert_eq!(closes(ClientType::Windows, 20), ["silence/too-early/msg"]);
        assert_eq!(closes(ClientType::Ios, 30), ["silence/too-early/msg"]);
    }
}
