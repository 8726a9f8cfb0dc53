//! hints: who may have missed a message is told to ask for it (07e2), and asks (`catch-up-hint`).
//!
//! Read off what each msg_server reads and writes. A message may be stored and not pushed when no answer
//! comes to a 0301 that was written to a db_proxy: its link was lost, the db_proxy says that it can't
//! tell (07e1, "unavailable"), or all patience is over. The same is so of a message of a group whose
//! members were asked for (0403) in vain, or not at all. What came while a msg_server had no link to a
//! route_server, or while its link was away, it never saw. Each is a *reason* (`reasons.rs`) for which
//! those whom it concerns are owed a hint, here and through route, within the pause between two of them
//! (`owed.rs`); nobody is told without one. A device of ours that was told asks for its sessions after
//! it, also if it is just waiting for an answer to the same question, which may be older (`asks.rs`).
//!
//! That something is late is judged by what was written after it on the same connection, which keeps the
//! order: the echo of a heartbeat that was read when the time was up. So no fault is an excuse.

mod asks;
mod owed;
mod reasons;
#[cfg(test)]
mod tests;

use super::{
    About, Class, Property, Seen, Sort, Subject, Tally, Violation, us,
    wire::{At, is_group},
};
use crate::{
    plan::{Host, Role},
    record::{End, Frame, Kind},
};
use asks::Asks;
use owed::Owed;
use reasons::{Reason, Reasons, Whom};
use std::collections::BTreeMap;
use teamtalk::{
    catalogue::id,
    env::ConnId,
    fact::Fact,
    timing::Timing,
    wire::{
        attach::{Attach, kind},
        check,
        im::{group::ImGroupInfoListRsp, message::ImMsgData},
        tt::extension::{CatchUpHint, Refused, RefusedCode},
    },
};

/// What is done at once may take so many simulated microseconds.
const AT_ONCE_US: u64 = 50_000;

/// See the module.
#[derive(Debug, Default)]
pub struct Hints {
    /// The links that msg_servers have dialled, with what is at their other end.
    links: BTreeMap<ConnId, (Host, Role)>,
    reasons: Reasons,
    owed: Owed,
    asks: Asks,
    tally: Tally,
    /// Until when a msg_server may pause, by what it told and should have told.
    busy: BTreeMap<Host, u64>,
    next_look_us: u64,
}

fn broken(kind: &'static str, role: Role, sentence: String, about: About) -> Violation {
    Violation { property: "hints", kind, role, sentence, about }
}

impl Hints {
    /// Those whom a reason concerns are owed a hint: at once, or after the pause since the last one.
    fn because(&mut self, host: &Host, reason: Reason, now_us: u64, timing: &Timing) {
        let due_us = self.due_us(host, now_us, timing);
        self.owe(host, Reason { due_us, ..reason });
    }

    /// When a hint is due for which there is a reason now.
    fn due_us(&mut self, host: &Host, now_us: u64, timing: &Timing) -> u64 {
        let busy_us = self.busy.get(host).copied().unwrap_or(0);
        let told_by_us = match now_us >= busy_us {
            true => now_us,
            false => busy_us + us(2 * timing.tick()),
        };
        self.is_busy(host, told_by_us, timing);
        told_by_us + AT_ONCE_US
    }

    /// A msg_server may have told somebody: it pauses, and does not tell others before that is over.
    fn is_busy(&mut self, host: &Host, told_us: u64, timing: &Timing) {
        let busy_us = self.busy.entry(host.clone()).or_default();
        *busy_us = (*busy_us).max(told_us + us(timing.request_timeout()) + AT_ONCE_US);
    }

    fn owe(&mut self, host: &Host, reason: Reason) {
        let has_route = self.links.values().any(|(of, peer)| of == host && *peer == Role::Route);
        if reason.whom.goes_through_route() && !has_route {
            // A new master of the route_servers is told that everyone may have missed something.
            self.tally.excuse("no link to a route_server");
        }
        self.owed.because(host, &reason, has_route);
    }

    /// Who misses anything by the loss of a link is told of all of it at once.
    fn lost(&mut self, conn: ConnId, host: &Host, now_us: u64, timing: &Timing) {
        let reasons = self.reasons.link_lost(conn, now_us);
        if reasons.is_empty() {
            return;
        }
        let due_us = self.due_us(host, now_us, timing);
        for reason in reasons {
            self.owe(host, Reason { due_us, ..reason });
        }
    }

    /// A PDU between a msg_server and the server at the other end of a link of its own.
    fn between_servers(
        &mut self,
        seen: &Seen<'_>,
        pdu: &Frame,
        is_sent: bool,
        timing: &Timing,
    ) -> Option<Violation> {
        let (host, peer) = self.links.get(&pdu.conn)?.clone();
        let now_us = seen.line.sim_us;
        match (peer, is_sent, pdu.command()) {
            (Role::Db, true, id::MSG_DATA) => {
                let attach = Attach::decode(pdu.attach()?)?;
                let data = &seen.data.as_ref()?.body;
                let (from, to) = (data.from_user_id, data.to_session_id);
                let whom = match is_group(data.msg_type) {
                    true => Whom::Everyone,
                    false => Whom::Users([from, to]),
                };
                self.reasons.asks(&host, pdu, attach.handle, whom, now_us);
            }
            (Role::Db, true, id::GROUP_INFO_REQUEST) => {
                let message = message_of(pdu)?;
                self.reasons.asks_for_members(&host, pdu.conn, &message, now_us);
            }
            (Role::Db, false, id::MSG_DATA) => {
                let attach = Attach::decode(pdu.attach()?)?;
                self.reasons.answered(pdu, attach.handle);
                self.tally.judge();
                self.fans_out(seen, &host);
            }
            (Role::Db, false, id::OTHER_REFUSED) => {
                let refused = pdu.view::<Refused>().ok()?;
                let attach = Attach::decode(pdu.attach()?)?;
                // One without the switch knows nothing of refusals: the send has no answer there.
                let is_read = seen.protocol().answered_refusals;
                if refused.command_id != u32::from(id::MSG_DATA) || !is_read {
                    return None;
                }
                let whom = self.reasons.answered(pdu, attach.handle)?;
                if refused.code == RefusedCode::RefusedUnavailable as i32 {
                    let why = "the db_proxy can't tell whether a send is stored";
                    self.because(&host, Reason::new(whom, now_us, why), now_us, timing);
                }
            }
            (Role::Db, false, id::GROUP_INFO_RESPONSE) => {
                let message = message_of(pdu)?;
                let group = message.to_session_id;
                self.reasons.members_known(pdu.conn, group, message.msg_id);
                let answer = pdu.view::<ImGroupInfoListRsp>().ok()?;
                let is_there = answer.group_info_list.iter().any(|info| info.group_id == group);
                if !is_there && seen.protocol().members_from_store {
                    let why = "the db_proxy knows no members of the group of a message";
                    let whom = Whom::EveryoneHere;
                    self.because(&host, Reason::new(whom, now_us, why), now_us, timing);
                }
            }
            (Role::Route, false, id::MSG_DATA) => self.fans_out(seen, &host),
            (Role::Route, true, _) => return self.route_is_told(seen, &host, pdu, timing),
            _ => {}
        }
        None
    }

    /// A message of a group is to be pushed here: its members are asked for at once.
    fn fans_out(&mut self, seen: &Seen<'_>, host: &Host) {
        let Some(data) = seen.data.as_ref().map(|data| &data.body) else { return };
        if data.msg_id != 0 && is_group(data.msg_type) {
            let why = "the members of a group were not asked for";
            let reason = Reason::new(Whom::EveryoneHere, seen.line.sim_us, why);
            self.reasons.fans_out(host, (data.to_session_id, data.msg_id), reason);
        }
    }

    fn route_is_told(
        &mut self,
        seen: &Seen<'_>,
        host: &Host,
        pdu: &Frame,
        timing: &Timing,
    ) -> Option<Violation> {
        let now_us = seen.line.sim_us;
        match pdu.command() {
            id::OTHER_CATCH_UP_HINT => {
                let hint = pdu.view::<CatchUpHint>().ok()?;
                self.owed.told_route(host, &hint.user_id_list, now_us);
                self.is_busy(host, now_us, timing);
                self.tally.judge();
                None
            }
            id::OTHER_ROLE_SET => {
                let (whom, why) = (Whom::ElsewhereOnly, "it had no master of the route_servers");
                let due_us = now_us + AT_ONCE_US;
                self.owe(host, Reason { due_us, ..Reason::new(whom, now_us, why) });
                None
            }
            id::OTHER_ONLINE_USER_INFO => {
                let (whom, why) = (Whom::EveryoneHere, "a link to a route_server was made");
                let due_us = now_us + AT_ONCE_US;
                self.owe(host, Reason { due_us, ..Reason::new(whom, now_us, why) });
                None
            }
            // What was written to it meanwhile comes before what is written now.
            _ => {
                let by_us = now_us.saturating_sub(us(timing.server_heartbeat()));
                let (whom, why) = self.owed.route_is_late(host, by_us)?;
                let what = format!("{host} did not tell {whom} through route to ask: {why}");
                let about = [Subject::Host(host.clone()), Subject::Connection(pdu.conn)].into();
                Some(broken("unrelayed", Role::Msg, what, about))
            }
        }
    }

    /// What a msg_server writes to a device.
    fn device_is_told(
        &mut self,
        seen: &Seen<'_>,
        conn: ConnId,
        pdu: &Frame,
        timing: &Timing,
    ) -> Option<Violation> {
        let now_us = seen.line.sim_us;
        match pdu.command() {
            id::OTHER_CATCH_UP_HINT => {
                self.tally.judge();
                self.owed.told(conn, now_us);
                self.is_busy(&seen.line.host, now_us, timing);
                None
            }
            id::OTHER_HEARTBEAT => {
                let why = self.owed.echoed(conn)?;
                let what = format!(
                    "{} did not tell connection {conn} to ask for what it missed: {why}",
                    seen.line.host
                );
                Some(broken("untold", Role::Msg, what, [Subject::Connection(conn)].into()))
            }
            id::LOGIN_KICK_USER | id::LOGIN_RES_LOGINOUT => {
                self.owed.gone(conn);
                None
            }
            _ => None,
        }
    }

    fn event(&mut self, seen: &Seen<'_>, timing: &Timing) {
        let (line, now_us) = (seen.line, seen.line.sim_us);
        match &line.kind {
            Kind::Connected { conn, end: End::Dialler, peer, .. }
                if line.host.role() == Role::Msg =>
            {
                self.links.insert(*conn, (line.host.clone(), peer.role()));
            }
            Kind::Fact(Fact::LoggedIn { conn, user, .. }) => {
                self.owed.logged_in(*conn, &line.host, *user);
            }
            Kind::Fact(Fact::Closed { conn, .. }) => {
                self.owed.gone(*conn);
                match self.links.get(conn).cloned() {
                    Some((host, _)) if host == line.host => {
                        self.lost(*conn, &host, now_us, timing);
                    }
                    // The server at the other end has closed it: its msg_server does not know yet.
                    Some(_) => self.reasons.may_be_lost(*conn, now_us),
                    None => {}
                }
            }
            Kind::Disconnected { conn, end } => {
                self.owed.gone(*conn);
                let is_link = *end == End::Dialler && line.host.role() == Role::Msg;
                if is_link && let Some((host, peer)) = self.links.remove(conn) {
                    self.lost(*conn, &host, now_us, timing);
                    let mut links = self.links.values();
                    if peer == Role::Route && !links.any(|link| *link == (host.clone(), peer)) {
                        self.owed.no_route(&host);
                    }
                } else {
                    self.reasons.may_be_lost(*conn, now_us);
                }
            }
            Kind::StreamReset { conn } => {
                self.owed.gone(*conn);
                self.reasons.may_be_lost(*conn, now_us);
            }
            Kind::HostDown => {
                let own = self.links.iter().filter(|(_, (host, _))| *host == line.host);
                for conn in own.map(|(conn, _)| *conn).collect::<Vec<_>>() {
                    self.links.remove(&conn);
                    self.reasons.forget(conn);
                }
                self.reasons.host_down(&line.host);
                self.busy.remove(&line.host);
                self.owed.host_down(&line.host);
            }
            _ => {}
        }
    }
}

/// The message of a group whose members are asked for, or known.
fn message_of(pdu: &Frame) -> Option<ImMsgData> {
    let attach = Attach::decode(pdu.attach()?).filter(|attach| attach.kind == kind::GROUP)?;
    check::decode(&attach.pdu?).ok()
}

impl Property for Hints {
    fn name(&self) -> &'static str {
        "hints"
    }

    fn says(&self) -> &'static str {
        "who may have missed a message is told to ask for it, here and elsewhere, and a device that \
         was told asks"
    }

    fn sort(&self) -> Sort {
        Sort::Safety
    }

    fn looks_at(&self) -> &'static [Class] {
        &[
            Class::DeviceWrites,
            Class::ServerReads,
            Class::ServerWrites,
            Class::DeviceReads,
            Class::LinkPdu,
            Class::Sending,
            Class::Fact,
            Class::Event,
        ]
    }

    fn commands(&self, class: Class) -> Option<&'static [u16]> {
        match class {
            Class::DeviceWrites => {
                Some(&[id::BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST, id::OTHER_HEARTBEAT])
            }
            Class::DeviceReads => Some(&[id::OTHER_CATCH_UP_HINT]),
            _ => None,
        }
    }

    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        let timing = seen.known.timing.as_ref()?;
        let late = self.asks.observe(seen, timing);
        if late.is_some() {
            return late;
        }
        let (line, now_us) = (seen.line, seen.line.sim_us);
        let (frame, is_sent) = match &line.kind {
            Kind::PduSent(frame) => (frame, true),
            Kind::PduReceived(frame) => (frame, false),
            _ => {
                self.event(seen, timing);
                return None;
            }
        };
        if line.host.role() != Role::Msg || !seen.protocol().catch_up_hint {
            return None;
        }
        if now_us >= self.next_look_us {
            self.next_look_us = now_us + AT_ONCE_US;
            let limit_us = us(timing.request_timeout() * GIVE_UP + timing.tick()) + AT_ONCE_US;
            for (host, reason) in self.reasons.given_up(now_us, limit_us) {
                self.because(&host, reason, now_us, timing);
            }
        }
        match seen.client {
            Some((At::ServerReads, conn, pdu)) => {
                if pdu.command() == id::OTHER_HEARTBEAT {
                    self.owed.beat(conn, now_us);
                }
                None
            }
            Some((At::ServerWrites, conn, pdu)) => self.device_is_told(seen, conn, pdu, timing),
            _ => self.between_servers(seen, frame, is_sent, timing),
        }
    }

    fn tally(&self, _: &super::Known) -> Option<Tally> {
        Some(self.tally.clone())
    }
}

/// After so many times of the patience with one request no answer to a send is waited for any more.
pub(super) const GIVE_UP: u32 = 3;
