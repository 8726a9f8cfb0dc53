//! tokens: a phone's token for pushes is kept from its registration to its logout.
//!
//! What Redis holds is judged: after a registration (0108) that was answered the user's key has that
//! token, after the logout of a phone no phone's. Each may be overtaken by another one of the same user or
//! token, which is owed in its place. What is kept then stays, unless another token of the user is said, or this one by
//! another user. A registration is answered before a store was asked, and goes
//! with the link that it goes on; so what is owed when something goes wrong is forgiven, unless it had
//! the time of a request until then.

use super::{
    Class, Known, Property, Seen, Sort, Subject, Tally, Violation, room,
    wire::{At, is_phone},
};
use crate::{
    model::View,
    plan::Role,
    record::{Frame, Kind},
};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{
    catalogue::id as cmd,
    env::ConnId,
    fact::Fact,
    wire::im::login::{ImDeviceTokenReq, ImDeviceTokenRsp},
};

/// Client type of an iPhone; all others of the mobile class are Androids.
const IPHONE: i32 = 0x11;

/// What a user's key is to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Held {
    /// `ios:` or `android:` and the token.
    Token(Bytes),
    /// No phone's token.
    Nothing,
}

#[derive(Debug)]
struct Owed {
    held: Held,
    conn: ConnId,
    since_us: u64,
    /// The msg_server has answered.
    answered: bool,
    /// The store was seen as it is to be.
    paid: bool,
    /// No db_proxy was told anything else of this user since, nor of this token by another one.
    is_last: bool,
}

impl Held {
    /// The token alone.
    fn token(&self) -> &[u8] {
        match self {
            Self::Token(said) => said.splitn(2, |byte| *byte == b':').nth(1).unwrap_or_default(),
            Self::Nothing => &[],
        }
    }

    /// Whether a user who says a token says something else than this, which a user is to have.
    fn is_against(&self, user: u32, (by, token): (u32, &[u8])) -> bool {
        (by == user) != (token == self.token())
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Tokens {
    /// The last registration or logout of a user.
    owed: BTreeMap<u32, Owed>,
    /// How many registrations and logouts of a user db_proxies have under way, and whether that is known since there
    /// were none.
    under_way: BTreeMap<u32, (u32, bool)>,
    /// The users and tokens of those that a db_proxy has read and not answered; of one that has no answer, for good.
    at_db: Vec<(u32, Bytes)>,
    /// Former tokens of users, left where that was forgiven: nobody can find them any more.
    left: BTreeSet<(u32, Bytes)>,
    /// Whose registrations and logouts a db_proxy read last: the link, and when.
    read: Vec<(ConnId, u64, u32)>,
    /// What something that went wrong is no reason for.
    broken: Option<Violation>,
    tally: Tally,
}

fn key(user: u32) -> String {
    format!("device_{user}")
}

fn is_so(view: View<'_>, user: u32, held: &Held) -> bool {
    let value = view.text(&key(user));
    match held {
        Held::Token(token) => value == Some(token),
        Held::Nothing => {
            let is_phones =
                |value: &Bytes| value.starts_with(b"ios:") || value.starts_with(b"android:");
            !value.is_some_and(is_phones)
        }
    }
}

impl Tokens {
    fn owes(&mut self, seen: &Seen<'_>, user: u32, conn: ConnId, held: Held) {
        // A token that is taken over leaves the user who had it before without one.
        if let Held::Token(token) = &held {
            let same = |owed: &Owed| owed.held == Held::Token(token.clone());
            self.owed.retain(|of, owed| *of == user || !same(owed));
        }
        let since_us = seen.line.sim_us;
        if !seen.known.trouble.is_quiet(since_us, seen.known.settles_within_us) {
            self.owed.remove(&user);
            return;
        }
        let paid = is_so(seen.known.stores.after(seen.line.n), user, &held);
        let is_against = |(by, token): &(u32, Bytes)| held.is_against(user, (*by, token));
        let is_last = !self.at_db.iter().any(is_against);
        self.owed.insert(user, Owed { held, conn, since_us, answered: false, paid, is_last });
    }

    fn client(&mut self, seen: &Seen<'_>, (at, conn, pdu): (At, ConnId, &Frame)) -> Option<()> {
        let served = seen.known.clients.served(conn)?;
        let (user, kind) = (served.user?, served.client_type);
        let is_phone = is_phone(kind);
        match (at, pdu.command()) {
            (At::ServerReads, cmd::LOGIN_REQ_DEVICETOKEN) if is_phone && !served.kicked => {
                let request = pdu.view::<ImDeviceTokenReq>().ok()?;
                let vendor = if kind == IPHONE { &b"ios:"[..] } else { b"android:" };
                let token = [vendor, &request.device_token[..]].concat();
                self.owes(seen, user, conn, Held::Token(token.into()));
            }
            (At::ServerWrites, cmd::LOGIN_RES_DEVICETOKEN) => {
                let owed = self.owed.get_mut(&user).filter(|owed| owed.conn == conn)?;
                owed.answered = true;
            }
            // It is refused: nothing is owed for it.
            (At::ServerWrites, cmd::OTHER_REFUSED) => {
                let is_it = |owed: &Owed| owed.conn == conn && !owed.answered;
                self.owed.retain(|of, owed| *of != user || !is_it(owed));
            }
            (At::ServerReads, cmd::LOGIN_REQ_LOGINOUT) if is_phone && !served.kicked => {
                self.owes(seen, user, conn, Held::Nothing);
            }
            (At::ServerWrites, cmd::LOGIN_RES_LOGINOUT) => {
                let owed = self.owed.get_mut(&user).filter(|owed| owed.conn == conn)?;
                owed.answered = true;
            }
            // In the original a PC's logout takes the token along.
            (At::ServerReads, cmd::LOGIN_REQ_LOGINOUT) if !seen.protocol().kept_tokens => {
                self.owed.remove(&user);
            }
            _ => {}
        }
        Some(())
    }

    /// No worker of a db_proxy had room for a registration or a logout (`room` judges whether that is so). Which
    /// one it was of several that came at once can't be told.
    fn turned_away(&mut self, link: ConnId, now_us: u64) {
        for (of, at_us, user) in std::mem::take(&mut self.read) {
            if (of, at_us) != (link, now_us) {
                continue;
            }
            self.under_way.insert(user, (1, true));
            if self.owed.get(&user).is_some_and(|owed| !owed.paid) {
                self.owed.remove(&user);
                self.tally.excuse("a worker without room");
            }
        }
    }

    /// A db_proxy is told a token of a user.
    fn said(&mut self, user: u32, token: Bytes) {
        for (of, owed) in &mut self.owed {
            owed.is_last &= !owed.held.is_against(*of, (user, &token));
        }
        self.at_db.push((user, token));
    }

    /// Redis holds something else than before.
    fn stored(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        let view = seen.known.stores.after(seen.line.n);
        let mut paid = 0;
        for (&user, owed) in self.owed.iter_mut().filter(|(_, owed)| !owed.paid) {
            owed.paid = is_so(view, user, &owed.held);
            paid += u64::from(owed.paid);
        }
        (0..paid).for_each(|_| self.tally.judge());
        let is_lost = |(user, owed): &(&u32, &mut Owed)| {
            owed.answered && owed.paid && owed.is_last && !is_so(view, **user, &owed.held)
        };
        let (&user, owed) = self.owed.iter_mut().find(is_lost)?;
        let Held::Token(token) = &owed.held else { return None };
        // Once is enough.
        owed.is_last = false;
        let token = String::from_utf8_lossy(token).into_owned();
        let sentence =
            format!("user {user} has registered {token}, and that was kept, and is no more");
        let about = [Subject::User(user), Subject::Connection(owed.conn)].into();
        Some(Violation { property: "tokens", kind: "lost", role: Role::Db, sentence, about })
    }

    /// Something goes wrong: what had its time is not kept, and what had none may be for that.
    fn trouble(&mut self, seen: &Seen<'_>) {
        let (now_us, within_us) = (seen.line.sim_us, seen.known.answer_within_us);
        if let Some(broken) = self.late(|owed| owed.since_us + within_us < now_us) {
            self.broken.get_or_insert(broken);
        }
        let unpaid = self.owed.values().filter(|owed| !owed.paid).count();
        (0..unpaid).for_each(|_| self.tally.excuse("a fault shortly after"));
        self.owed.clear();
        // Who has gone answers none of them.
        self.under_way.clear();
    }

    fn late(&self, is_due: impl Fn(&Owed) -> bool) -> Option<Violation> {
        let due = |(_, owed): &(&u32, &Owed)| owed.answered && !owed.paid && is_due(owed);
        let (&user, owed) = self.owed.iter().find(due)?;
        let (kind, sentence) = match &owed.held {
            Held::Token(token) => {
                let token = String::from_utf8_lossy(token);
                ("dropped", format!("user {user} registered {token}, and that is not kept"))
            }
            Held::Nothing => {
                ("stays", format!("the phone of user {user} has logged out, and its token stays"))
            }
        };
        let about = [Subject::User(user), Subject::Connection(owed.conn)].into();
        Some(Violation { property: "tokens", kind, role: Role::Msg, sentence, about })
    }

    /// A db_proxy says that a token is kept: no other token names its user (with `edge-limits`), unless
    /// another one is under way: the last of them takes away what the others left.
    fn kept(&mut self, seen: &Seen<'_>, pdu: &Frame) -> Option<Violation> {
        let protocol = seen.protocol();
        if !protocol.edge_limits || !protocol.kept_tokens {
            return None;
        }
        let user = pdu.view::<ImDeviceTokenRsp>().ok()?.user_id;
        let view = seen.known.stores.after(seen.line.n);
        let (count, unclear) = self.under_way.remove(&user).unwrap_or((1, true));
        if count > 1 {
            self.under_way.insert(user, (count - 1, unclear));
            return None;
        }
        let own = view.text(&key(user)).cloned().unwrap_or_default();
        let own = own.splitn(2, |byte| *byte == b':').nth(1).unwrap_or_default();
        let named = |(token, owner): &(&[u8], &Bytes)| {
            **owner == *user.to_string().as_bytes() && *token != own
        };
        let named = view.keys("token_").filter(named);
        let former = named.map(|(token, _)| (user, Bytes::copy_from_slice(token)));
        let former: Vec<_> = former.filter(|former| !self.left.contains(former)).collect();
        let (_, token) = former.first()?;
        if !seen.known.trouble.is_quiet(seen.line.sim_us, seen.known.settles_within_us) || unclear {
            self.tally.excuse("a fault shortly before, or a worker without room");
            self.left.extend(former);
            return None;
        }
        self.tally.judge();
        let token = String::from_utf8_lossy(token).into_owned();
        let own = String::from_utf8_lossy(own).into_owned();
        Some(Violation {
            property: "tokens",
            kind: "former",
            role: Role::Db,
            sentence: format!("token {token} still names user {user}, whose token is {own:?}"),
            about: [Subject::User(user), Subject::Connection(pdu.conn)].into(),
        })
    }
}

impl Property for Tokens {
    fn name(&self) -> &'static str {
        "tokens"
    }

    fn says(&self) -> &'static str {
        "a phone's token for pushes is kept from its registration to its logout"
    }

    fn sort(&self) -> Sort {
        Sort::Liveness
    }

    fn looks_at(&self) -> &'static [Class] {
        &[
            Class::ServerReads,
            Class::ServerWrites,
            Class::DbPdu,
            Class::Store,
            Class::Fact,
            Class::Event,
        ]
    }

    fn commands(&self, class: Class) -> Option<&'static [u16]> {
        match class {
            Class::ServerReads => Some(&[cmd::LOGIN_REQ_DEVICETOKEN, cmd::LOGIN_REQ_LOGINOUT]),
            Class::ServerWrites => {
                Some(&[cmd::LOGIN_RES_DEVICETOKEN, cmd::LOGIN_RES_LOGINOUT, cmd::OTHER_REFUSED])
            }
            Class::DbPdu => Some(&[cmd::LOGIN_REQ_DEVICETOKEN, cmd::LOGIN_RES_DEVICETOKEN]),
            _ => None,
        }
    }

    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        match &seen.line.kind {
            Kind::Store(_) => return self.stored(seen),
            Kind::PduReceived(frame)
                if seen.db.is_some() && frame.command() == cmd::LOGIN_REQ_DEVICETOKEN =>
            {
                let asked = frame.view::<ImDeviceTokenReq>().ok()?;
                let user = asked.user_id;
                self.said(user, asked.device_token.clone());
                self.left.remove(&(user, asked.device_token.clone()));
                let under_way = self.under_way.entry(user).or_default();
                under_way.0 += 1;
                let now_us = seen.line.sim_us;
                self.read.retain(|(_, at_us, _)| *at_us == now_us);
                self.read.push((frame.conn, now_us, user));
            }
            Kind::Fact(Fact::Refused { conn, command: cmd::LOGIN_REQ_DEVICETOKEN, reason })
                if seen.line.host.role() == Role::Db && room::is_full(reason.as_bytes()) =>
            {
                self.turned_away(*conn, seen.line.sim_us);
            }
            Kind::PduSent(frame)
                if seen.db.is_some() && frame.command() == cmd::LOGIN_RES_DEVICETOKEN =>
            {
                let user = frame.view::<ImDeviceTokenRsp>().ok()?.user_id;
                if let Some(at) = self.at_db.iter().position(|(of, _)| *of == user) {
                    self.at_db.remove(at);
                }
                return self.kept(seen, frame);
            }
            Kind::FaultStart { .. }
            | Kind::HostDown
            | Kind::StreamReset { .. }
            | Kind::StoreLost { .. } => self.trouble(seen),
            _ => drop(seen.client.and_then(|client| self.client(seen, client))),
        }
        None
    }

    fn pending(&self, _: &Known) -> Option<Violation> {
        self.broken.clone().or_else(|| self.late(|_| true))
    }

    fn overdue(&self, known: &Known, now_us: u64) -> Option<Violation> {
        let within_us = known.answer_within_us;
        self.broken.clone().or_else(|| self.late(|owed| owed.since_us + within_us < now_us))
    }

    fn tally(&self, _: &Known) -> Option<Tally> {
        Some(self.tally.clone())
    }
}

#[cfg(test)]
mod tests;
