//! pushes: a phone is pushed what concerns its user, once, and is shown what it is to be shown.
//!
//! It follows each msg_server from what it is told to what it does (docs/SYSTEM.md section 4, "Push"):
//!
//! - of a message that was stored, which a db_proxy answers with, it asks for the tokens of the receiver;
//!   of a group's for who has muted it, and then for the tokens of those who have not;
//! - nobody asks more often than db_proxies have answered: one answer, one push;
//! - each token that a db_proxy names is pushed to, but not the sender's; nothing else is;
//! - the push shows sender and text, as far as they may be known, and is silent while a PC of the
//!   user is online.
//!
//! Who has which token, how much is unread and whether it is night is `answers`' affair. A push is best
//! effort: what is owed within the time in which all is paid after a fault is forgiven.

mod shown;
#[cfg(test)]
mod tests;

use super::{
    Class, Known, Property, Seen, Sort, Subject, Tally, Violation,
    clients::Served,
    wire::{At, content, is_audio, is_group},
};
use crate::{
    lookup::Lookup,
    plan::{Host, Role},
    record::{End, Frame, Kind},
};
use bytes::Bytes;
use shown::{Here, Shown};
use std::collections::BTreeSet;
use teamtalk::{
    catalogue::id as cmd,
    msg_server::{DEFAULT_TEXT_KEY, decrypt_text},
    wire::{
        attach::{Attach, kind},
        check,
        im::{
            base_define::UserTokenInfo,
            buddy::ImUsersStatReq,
            group::ImGroupInfoListRsp,
            message::ImMsgData,
            server::{
                ImGetDeviceTokenReq, ImGetDeviceTokenRsp, ImGroupGetShieldReq, ImGroupGetShieldRsp,
                ImPushToUserReq,
            },
        },
    },
};

/// A message by sender, receiver, type and msg_id.
type Key = (u32, u32, i32, u32);

fn key(msg: &ImMsgData) -> Key {
    (msg.from_user_id, msg.to_session_id, msg.msg_type, msg.msg_id)
}

/// Users whom a msg_server is to ask about, with the command.
#[derive(Debug)]
struct Ask {
    host: Host,
    command: u16,
    message: Key,
    users: BTreeSet<u32>,
    content: String,
    /// Since when it is owed, in simulated microseconds; `None`: something goes wrong, or went shortly
    /// before.
    since_us: Option<u64>,
}

/// A push that a msg_server is to make.
#[derive(Debug)]
struct Push {
    host: Host,
    /// The line at which a db_proxy told of it, and perhaps of others.
    told: u64,
    to: UserTokenInfo,
    shown: Shown,
    content: String,
    /// When its token was told, in simulated microseconds.
    told_us: u64,
    /// Whether its user was there then: of who was not the msg_server asked a route_server, and pushes when that has
    /// answered, to others maybe.
    was_here: bool,
    /// As in [`Ask`].
    since_us: Option<u64>,
}

/// A push that was made in the moment in which it was told of, and shows what it is not to show: its
/// sender may have come or gone in that moment.
#[derive(Debug)]
struct Doubt {
    push: Push,
    flash: Bytes,
    wrong: Violation,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Pushes {
    here: Here,
    doubts: Vec<Doubt>,
    /// How often db_proxies answered with a message, and msg_servers asked for its tokens.
    answers: Lookup<Key, u32>,
    asks: Lookup<Key, u32>,
    to_ask: Vec<Ask>,
    to_push: Vec<Push>,
    /// What was left out of a push for users of that msg_server, unless it asks route about them in the
    /// same simulated microsecond.
    left_out: Vec<(u64, Host, u32, Violation)>,
    /// What something that went wrong is no reason for.
    lost: Option<Violation>,
    tally: Tally,
}

#[cold]
fn violation(kind: &'static str, sentence: String, user: u32, content: &str) -> Violation {
    let about = [Subject::Content(content.into()), Subject::User(user)].into();
    Violation { property: "pushes", kind, role: Role::Msg, sentence, about }
}

fn message(attach: Option<&Bytes>) -> Option<ImMsgData> {
    check::decode_shared(attach?).ok()
}

/// Whether a user is connected to the msg_server of a line, and stays.
fn is_here(seen: &Seen<'_>, user: u32) -> bool {
    let is_gone = |of: &Served| !of.open || of.kicked || of.leaves;
    let mut served = seen.known.clients.all_served();
    served.any(|of| !is_gone(of) && of.host == seen.line.host && of.user == Some(user))
}

fn text_of(msg: &ImMsgData) -> String {
    content(msg.msg_type, &msg.msg_data).into_owned()
}

impl Pushes {
    /// A msg_server reads what another server wrote.
    fn told(&mut self, seen: &Seen<'_>, pdu: &Frame) -> Option<()> {
        let protocol = seen.protocol();
        match (pdu.command(), seen.known.links.get(pdu.conn, pdu.end)?.peer) {
            (cmd::MSG_DATA, Role::Db) => {
                let msg = &seen.data.as_ref()?.body;
                if msg.msg_id != 0 && !is_group(msg.msg_type) {
                    let to = [msg.to_session_id].into();
                    self.ask(seen, cmd::OTHER_GET_DEVICE_TOKEN_REQ, msg, to);
                }
            }
            (cmd::GROUP_INFO_RESPONSE, Role::Db) => {
                let rsp = pdu.view::<ImGroupInfoListRsp>().ok()?;
                let attach = Attach::decode(rsp.attach_data.as_deref()?)?;
                if attach.kind != kind::GROUP {
                    return None;
                }
                let msg = message(attach.pdu.as_ref())?;
                let of = |group: &&_| group_id(group) == msg.to_session_id;
                let members = &rsp.group_info_list.iter().find(of)?.group_member_list;
                let is_served = protocol.members_from_store || members.contains(&msg.from_user_id);
                let is_origin = attach.handle != 0 || !protocol.one_push;
                if is_served && is_origin {
                    let members = members.iter().copied().collect();
                    self.ask(seen, cmd::OTHER_GET_SHIELD_REQ, &msg, members);
                }
            }
            (cmd::OTHER_GET_SHIELD_RSP, Role::Db) => {
                let rsp = pdu.view::<ImGroupGetShieldRsp>().ok()?;
                let msg = message(rsp.attach_data.as_ref())?;
                let open = rsp.shield_status_list.iter().filter(|of| of.shield_status == 0);
                let open = open.map(|of| of.user_id).collect();
                self.ask(seen, cmd::OTHER_GET_DEVICE_TOKEN_REQ, &msg, open);
            }
            (cmd::OTHER_GET_DEVICE_TOKEN_RSP, Role::Db) => self.tokens(seen, pdu)?,
            _ => {}
        }
        Some(())
    }

    fn ask(&mut self, seen: &Seen<'_>, command: u16, msg: &ImMsgData, users: BTreeSet<u32>) {
        let (host, since_us) = (seen.line.host.clone(), since_us(seen));
        let (message, content) = (key(msg), text_of(msg));
        self.to_ask.push(Ask { host, command, message, users, content, since_us });
    }

    /// A db_proxy names tokens.
    fn tokens(&mut self, seen: &Seen<'_>, pdu: &Frame) -> Option<()> {
        let rsp = pdu.view::<ImGetDeviceTokenRsp>().ok()?;
        // Most have no phone.
        if rsp.user_token_info.is_empty() {
            return None;
        }
        let msg = message(rsp.attach_data.as_ref())?;
        let text = match is_audio(msg.msg_type) {
            true => None,
            false => Some(decrypt_text(&DEFAULT_TEXT_KEY, &msg.msg_data)?),
        };
        let host = &seen.line.host;
        let shown = Shown::of(seen, &self.here, &msg, text.as_deref());
        for to in rsp.user_token_info.iter().filter(|to| to.user_id != msg.from_user_id) {
            self.to_push.push(Push {
                host: host.clone(),
                told: seen.line.n,
                to: to.clone(),
                shown: shown.clone(),
                content: text_of(&msg),
                told_us: seen.line.sim_us,
                was_here: is_here(seen, to.user_id),
                since_us: since_us(seen),
            });
        }
        Some(())
    }

    /// A msg_server asks a db_proxy about users.
    fn asks(&mut self, seen: &Seen<'_>, pdu: &Frame) -> Option<Violation> {
        let (users, msg) = match pdu.command() {
            cmd::OTHER_GET_SHIELD_REQ => {
                let req = pdu.view::<ImGroupGetShieldReq>().ok()?;
                (req.user_id.clone(), message(req.attach_data.as_ref())?)
            }
            _ => {
                let req = pdu.view::<ImGetDeviceTokenReq>().ok()?;
                (req.user_id.clone(), message(req.attach_data.as_ref())?)
            }
        };
        let users: BTreeSet<u32> = users.into_iter().collect();
        let (host, command, message) = (&seen.line.host, pdu.command(), key(&msg));
        let is_it =
            |ask: &&mut Ask| (&ask.host, ask.command, ask.message) == (host, command, message);
        let content = text_of(&msg);
        let mut wrong = None;
        let owed = self.to_ask.iter_mut().find(is_it).map(|ask| ask.users.clone());
        if let Some(owed) = owed {
            let at = self.to_ask.iter().position(|ask| {
                (&ask.host, ask.command, ask.message) == (host, command, message)
            })?;
            self.to_ask.remove(at);
            self.tally.judge();
            if owed != users {
                let user = *owed.symmetric_difference(&users).next()?;
                let sentence = format!(
                    "{host} asks for the tokens of users {users:?} for \"{content}\", which is to be \
                     pushed to {owed:?}"
                );
                wrong = Some(violation("asked-for", sentence, user, &content));
            }
        }
        if command == cmd::OTHER_GET_DEVICE_TOKEN_REQ {
            let asks = self.asks.entry(message).or_default();
            *asks += 1;
            let answers = self.answers.get(&message).copied().unwrap_or(0);
            if *asks > answers {
                let sentence = format!(
                    "tokens were asked for {asks} times for \"{content}\", which was stored or found \
                     {answers} times: it is pushed more than once"
                );
                let user = message.0;
                return wrong.or(Some(violation("twice", sentence, user, &content)));
            }
        }
        wrong
    }

    /// A msg_server pushes.
    fn pushes(&mut self, seen: &Seen<'_>, pdu: &Frame) -> Option<Violation> {
        let (host, known) = (&seen.line.host, seen.known);
        let push = pdu.view::<ImPushToUserReq>().ok()?;
        let data = String::from_utf8_lossy(&push.data).into_owned();
        let mut told = BTreeSet::new();
        let push_text = push.flash.clone();
        for to in &push.user_token_list {
            let user = to.user_id;
            let to_it = |owed: &Push| {
                let told = (&owed.host, owed.to.user_id, &owed.to.token, owed.to.user_type);
                told == (host, user, &to.token, to.user_type)
                    && owed.to.push_count == to.push_count
                    && *owed.shown.data == *data
            };
            let candidates: Vec<_> =
                (0..self.to_push.len()).filter(|&at| to_it(&self.to_push[at])).collect();
            self.tally.judge();
            let Some(&first) = candidates.first() else {
                let why = format!(
                    "{host} pushes {data:?} to the phone of user {user}, of which no db_proxy told it, \
                     or their own"
                );
                return Some(violation("unfounded", why, user, ""));
            };
            let shows = |at: &&usize| self.to_push[**at].shown.may_show(&push.flash);
            let Some(&at) = candidates.iter().find(shows) else {
                let Push { shown, content, .. } = &self.to_push[first];
                let why = format!(
                    "{host} shows user {user} {:?} of \"{content}\", and is to show {shown}",
                    String::from_utf8_lossy(&push.flash)
                );
                let wrong = violation("text", why, user, content);
                if self.to_push[first].told_us != seen.line.sim_us {
                    return Some(wrong);
                }
                let push = self.to_push.remove(first);
                self.doubts.push(Doubt { push, flash: push_text.clone(), wrong });
                continue;
            };
            let owed = self.to_push.remove(at);
            told.insert(owed.told);
            let is_quiet = known.trouble.is_quiet(seen.line.sim_us, known.settles_within_us);
            if let Some(silent) =
                self.here.pc_online(host, user, seen.line.sim_us).filter(|_| is_quiet)
                && silent != shown::is_silent(to.push_type)
            {
                let is = if silent { "is" } else { "is not" };
                let why = format!(
                    "{host} pushes \"{}\" to user {user} with type {}, and a PC of theirs {is} online",
                    owed.content, to.push_type
                );
                return Some(violation("type", why, user, &owed.content));
            }
        }
        self.all_at_once(seen, &told);
        None
    }

    /// One push is for all users who are connected to that msg_server.
    fn all_at_once(&mut self, seen: &Seen<'_>, told: &BTreeSet<u64>) {
        let host = &seen.line.host;
        for push in self.to_push.iter().filter(|push| push.was_here && told.contains(&push.told)) {
            let user = push.to.user_id;
            if is_here(seen, user) {
                let why = format!(
                    "{host} pushes \"{}\" to others, and not to user {user}, who is there",
                    push.content
                );
                let lost = violation("lost", why, user, &push.content);
                self.left_out.push((seen.line.sim_us, host.clone(), user, lost));
            }
        }
    }

    /// A msg_server asks a route_server whether users are online, to whom it is to push.
    fn asks_route(&mut self, host: &Host, pdu: &Frame) {
        let Ok(asked) = pdu.view::<ImUsersStatReq>() else { return };
        self.left_out.retain(|(_, of, user, _)| of != host || !asked.user_id_list.contains(user));
    }

    /// What was left out for good.
    fn left_out(&mut self, now_us: u64) -> Option<Violation> {
        let at = self.left_out.iter().position(|(since_us, ..)| *since_us < now_us)?;
        Some(self.left_out.swap_remove(at).3)
    }

    /// What a line breaks by itself.
    fn line(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        let line = seen.line;
        match &line.kind {
            Kind::PduSent(pdu) if seen.db.is_some() && pdu.command() == cmd::MSG_DATA => {
                let msg = &seen.data.as_ref()?.body;
                if msg.msg_id != 0 {
                    *self.answers.entry(key(msg)).or_default() += 1;
                }
                None
            }
            Kind::PduReceived(pdu) if line.host.role() == Role::Msg && pdu.end == End::Dialler => {
                self.told(seen, pdu).and(None)
            }
            Kind::PduSent(pdu) if line.host.role() == Role::Msg && pdu.end == End::Dialler => {
                match pdu.command() {
                    cmd::OTHER_GET_SHIELD_REQ | cmd::OTHER_GET_DEVICE_TOKEN_REQ => {
                        self.asks(seen, pdu)
                    }
                    cmd::OTHER_PUSH_TO_USER_REQ => self.pushes(seen, pdu),
                    cmd::BUDDY_LIST_USERS_STATUS_REQUEST => {
                        self.asks_route(&line.host, pdu);
                        None
                    }
                    _ => None,
                }
                .map(|found| found.and(Subject::Connection(pdu.conn)))
            }
            Kind::FaultStart { .. }
            | Kind::HostDown
            | Kind::StreamReset { .. }
            | Kind::StoreLost { .. } => {
                self.trouble(seen);
                None
            }
            _ => None,
        }
    }

    /// A sender who comes or goes in the moment in which a token is told may be known then or not.
    fn moment(&mut self, seen: &Seen<'_>) {
        let told_now = self.to_push.iter_mut().rev();
        for push in told_now.take_while(|push| push.told_us == seen.line.sim_us) {
            push.shown.may_change(seen, &self.here, &push.host);
        }
    }

    /// What is wrong when its moment is over: the end of a connection is seen after what follows from it.
    fn doubted(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        let over = |doubt: &Doubt| doubt.push.told_us != seen.line.sim_us;
        if let Some(at) = self.doubts.iter().position(over) {
            return Some(self.doubts.remove(at).wrong);
        }
        let here = &self.here;
        self.doubts.retain(|Doubt { push, flash, .. }| {
            !push.shown.now(seen, here, &push.host).may_show(flash)
        });
        None
    }

    /// Something goes wrong: what had its time is lost, and what had none may be for that.
    fn trouble(&mut self, seen: &Seen<'_>) {
        let (now_us, within_us) = (seen.line.sim_us, seen.known.answer_within_us);
        if let Some(lost) = self.owed(|since_us| since_us + within_us < now_us) {
            self.lost.get_or_insert(lost);
        }
        let asks = self.to_ask.iter_mut().map(|ask| &mut ask.since_us);
        let pushes = self.to_push.iter_mut().map(|push| &mut push.since_us);
        let forgiven = asks.chain(pushes).filter_map(Option::take).count();
        (0..forgiven).for_each(|_| self.tally.excuse("a fault shortly after"));
    }

    fn owed(&self, is_due: impl Fn(u64) -> bool) -> Option<Violation> {
        let ask = self.to_ask.iter().find(|ask| ask.since_us.is_some_and(&is_due)).map(|ask| {
            let Ask { host, users, content, .. } = ask;
            let why =
                format!("{host} does not ask for the tokens of users {users:?} for \"{content}\"");
            violation("not-asked-for", why, ask.message.0, content)
        });
        ask.or_else(|| {
            let push = self.to_push.iter().find(|push| push.since_us.is_some_and(&is_due))?;
            let Push { host, to, content, .. } = push;
            let why = format!(
                "{host} was told the token of user {}, and does not push \"{content}\" to it",
                to.user_id
            );
            Some(violation("lost", why, to.user_id, content))
        })
    }
}

/// Since when something is owed that follows from this line.
fn since_us(seen: &Seen<'_>) -> Option<u64> {
    let now_us = seen.line.sim_us;
    seen.known.trouble.is_quiet(now_us, seen.known.settles_within_us).then_some(now_us)
}

fn group_id(group: &&teamtalk::wire::im::base_define::GroupInfo) -> u32 {
    group.group_id
}

impl Property for Pushes {
    fn name(&self) -> &'static str {
        "pushes"
    }

    fn says(&self) -> &'static str {
        "a phone is pushed what concerns its user, once, and is shown what it is to be shown"
    }

    fn sort(&self) -> Sort {
        Sort::Safety
    }

    fn looks_at(&self) -> &'static [Class] {
        &[Class::ServerReads, Class::ServerWrites, Class::DbPdu, Class::LinkPdu, Class::Event]
    }

    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        self.here.observe(seen);
        self.moment(seen);
        let left_out = self.left_out(seen.line.sim_us);
        if left_out.is_some() {
            return left_out;
        }
        let doubted = self.doubted(seen);
        let found = self.line(seen);
        doubted.or(found)
    }

    fn pending(&self, _: &Known) -> Option<Violation> {
        self.lost.clone().or_else(|| self.owed(|_| true))
    }

    fn overdue(&self, known: &Known, now_us: u64) -> Option<Violation> {
        let within_us = known.answer_within_us;
        self.lost.clone().or_else(|| self.owed(|since_us| since_us + within_us < now_us))
    }

    fn tally(&self, _: &Known) -> Option<Tally> {
        Some(self.tally.clone())
    }
}
