//! Connections of devices that are silent, or do not log in.

use super::{GRAIN_US, late_us, untimely, us};
use crate::{
    plan::{Host, Role},
    properties::{About, Known, Seen, Subject, Tally, Violation, wire::is_phone},
};
use std::collections::BTreeMap;
use teamtalk::{env::ConnId, fact::Fact, timing::Timing};

/// How the reasons of msg_servers begin that close a silent connection, and one without a login.
const SILENT: &str = "a silent ";
const STRANGER: &str = "no finished login in time";

/// A msg_server's end of a connection, in simulated microseconds.
#[derive(Debug)]
struct Heard {
    host: Host,
    opened_us: u64,
    last_us: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Silence(BTreeMap<ConnId, Heard>);

impl Silence {
    pub fn opened(&mut self, conn: ConnId, host: Host, now_us: u64) {
        self.0.insert(conn, Heard { host, opened_us: now_us, last_us: now_us });
    }

    pub fn heard(&mut self, conn: ConnId, now_us: u64) {
        if let Some(heard) = self.0.get_mut(&conn) {
            heard.last_us = now_us;
        }
    }

    pub fn closed(&mut self, conn: ConnId) {
        self.0.remove(&conn);
    }

    /// Forgets the connections of a host that is down, and says which those were.
    pub fn host_down(&mut self, host: &Host) -> Vec<ConnId> {
        let here = self.0.iter().filter(|(_, heard)| heard.host == *host);
        let conns: Vec<_> = here.map(|(conn, _)| *conn).collect();
        self.0.retain(|_, heard| heard.host != *host);
        conns
    }

    /// A connection that is closed for its silence before its time.
    pub fn fact(
        &self,
        fact: &Fact,
        seen: &Seen<'_>,
        timing: &Timing,
        tally: &mut Tally,
    ) -> Option<Violation> {
        let Fact::Closed { conn, reason } = fact else { return None };
        let (heard, now_us) = (self.0.get(conn)?, seen.line.sim_us);
        let silence_us = || silence_us(seen.known, timing, *conn);
        let is_stranger = seen.known.clients.user(*conn).is_none();
        let (since, limit) = match () {
            () if reason.starts_with(SILENT) => (heard.last_us, silence_us()),
            () if reason.starts_with(STRANGER) && is_stranger => {
                (heard.opened_us, us(timing.login_timeout()))
            }
            () if reason.starts_with(STRANGER) => (heard.opened_us, silence_us()),
            () => return None,
        };
        tally.judge();
        (now_us + GRAIN_US < since + limit).then(|| {
            let (is, of) = ((now_us - since) / 1_000, limit / 1_000);
            let what = format!("connection {conn} is closed ({reason}) after {is} of {of} ms");
            untimely("closed-early", Role::Msg, what, about(*conn))
        })
    }

    /// A connection that should be closed by now.
    pub fn late(&self, known: &Known, timing: &Timing, now_us: u64) -> Option<Violation> {
        let late = late_us(timing);
        let is_over = |since_us: u64, limit: u64| {
            let over = since_us + limit + late < now_us;
            over && known.trouble.is_quiet(now_us, limit + 2 * late)
        };
        let login_us = us(timing.login_timeout());
        // Nobody is silent for long before that.
        let old = self.0.iter().filter(|(_, heard)| heard.opened_us + login_us < now_us);
        for (conn, heard) in old {
            let stranger = known.clients.user(*conn).is_none();
            let what = if is_over(heard.last_us, silence_us(known, timing, *conn)) {
                "is silent"
            } else if stranger && is_over(heard.opened_us, login_us) {
                "has not logged in"
            } else {
                continue;
            };
            let (heard, opened) = (heard.last_us / 1_000, heard.opened_us / 1_000);
            let what = format!(
                "connection {conn}, opened at {opened} ms and last heard at {heard} ms, {what} and \
                 is not closed"
            );
            return Some(untimely("closed-late", Role::Msg, what, about(*conn)));
        }
        None
    }
}

/// For how long the device of a connection may be silent.
fn silence_us(known: &Known, timing: &Timing, conn: ConnId) -> u64 {
    let client_type = known.clients.served(conn).map_or(0, |served| served.client_type);
    us(if is_phone(client_type) { timing.mobile_timeout() } else { timing.pc_timeout() })
}

fn about(conn: ConnId) -> About {
    [Subject::Ends(conn)].into()
}
