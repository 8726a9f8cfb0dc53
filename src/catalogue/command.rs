//! What the catalogue says of a command: plain data.

use super::question::Question;
use crate::wire::check::Table;

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// A device, logged in or not: [`Command::before_login`] says which.
    Device,
    /// A msg_server.
    Msg,
    /// A db_proxy.
    Db,
    /// A route_server.
    Route,
    /// A login_server; no role here.
    Login,
    /// A push server; no role here.
    Push,
    /// A file server; no role here.
    File,
}

/// Which half of the db_proxy links serves a request; each falls back on the other (SYSTEM.md
/// section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// Login business: validate, recent sessions, message lists, unread counts, user info.
    Login,
    /// The rest.
    Other,
}

/// The attach data that msg_server gives a request it relays (SYSTEM.md section 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachForm {
    /// The handle alone: 12 bytes.
    Handle,
    /// The handle and an empty PDU: 16 bytes.
    HandleAndEmptyPdu,
}

/// How msg_server relays a device's request to db_proxy: with `user_id` set to the caller and
/// attach data that names the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relay {
    /// Over which links.
    pub half: Half,
    /// With which attach data.
    pub attach: AttachForm,
}

/// What a server does with a command of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serve {
    /// A handler of the role serves it.
    Handler,
    /// msg_server relays it to db_proxy as [`Command::relay`] says.
    Relayed,
    /// msg_server passes db_proxy's answer on to the connection that its attach data names,
    /// without the attach data.
    PassedOn,
    /// route_server writes it unparsed to every link but the one that it came from.
    ToOtherLinks,
    /// route_server writes it unparsed to every link.
    ToAllLinks,
    /// It is taken, and nothing follows.
    Ignored,
    /// A server that is no role here takes it.
    Outside,
}

/// One way that a command goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// Who sends it.
    pub from: Peer,
    /// Who reads it.
    pub to: Peer,
    /// What is done with it there.
    pub serve: Serve,
}

/// A limit's value where a deployment says nothing, and the most that it may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// What holds by default.
    pub default: u32,
    /// What no deployment may pass: limits fit each other up to here.
    pub ceiling: u32,
}

/// The limit of one field. Its unit is the field's: items of a repeated field, bytes of a string,
/// the greatest value of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldLimit {
    /// The field's name in the schema; a top-level field of the body.
    pub field: &'static str,
    /// Its limit.
    pub limit: Limit,
}

/// The limits of a command that a device may send (switch `edge-limits`). How long its body may be
/// follows from its fields ([`super::limits::Limits`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandLimits {
    /// PDUs a second, user and msg_server; of a connection that is not logged in, a second and
    /// connection.
    pub rate: Limit,
    /// Of each string and each list of the body, and of numbers that choose how much is read.
    pub fields: &'static [FieldLimit],
}

/// One command.
#[derive(Debug, Clone, Copy)]
pub struct Command {
    /// Its id.
    pub id: u16,
    /// Its name in the schema: `CID_` and the name of its constant here.
    pub name: &'static str,
    /// The fields of its body.
    pub body: &'static Table,
    /// Who sends it to whom.
    pub ways: &'static [Way],
    /// A connection that is not logged in may send it (switch `login-gate`).
    pub before_login: bool,
    /// How it is relayed to db_proxy, if it is.
    pub relay: Option<Relay>,
    /// What answers it; `None` for what nobody answers.
    pub reply: Option<u16>,
    /// The field in which a device says who it is, where the original believes it: with
    /// `edge-limits` one that names another user is refused. Other fields that name the caller are
    /// overwritten in every preset.
    pub claim: Option<&'static str>,
    /// Its limits; `None` if no device may send it.
    pub limits: Option<CommandLimits>,
    /// What a person asks with it, if it is a question that needs nothing but its arguments.
    pub question: Option<Question>,
}

impl Command {
    /// A command that nobody sends yet.
    pub(super) const fn new(id: u16, name: &'static str, body: &'static Table) -> Self {
        Self {
            id,
            name,
            body,
            ways: &[],
            before_login: false,
            relay: None,
            reply: None,
            claim: None,
            limits: None,
            question: None,
        }
    }

    /// What db_proxy answers a relayed request with.
    pub(super) const fn passed_on(self) -> Self {
        self.ways(const { &[Way { from: Peer::Db, to: Peer::Msg, serve: Serve::PassedOn }] })
    }

    /// A device's request that msg_server relays to db_proxy without looking further.
    pub(super) const fn relayed(self, half: Half, attach: AttachForm) -> Self {
        self.relay(half, attach).ways(const { &[RELAYED, TO_DB] })
    }

    /// A device's request that msg_server looks at first and then relays to db_proxy.
    pub(super) const fn seen_and_relayed(self, half: Half, attach: AttachForm) -> Self {
        self.relay(half, attach).ways(const { &[FROM_DEVICE, TO_DB] })
    }

    const fn relay(mut self, half: Half, attach: AttachForm) -> Self {
        self.relay = Some(Relay { half, attach });
        self
    }

    pub(super) const fn ways(mut self, ways: &'static [Way]) -> Self {
        self.ways = ways;
        self
    }

    pub(super) const fn before_login(mut self) -> Self {
        self.before_login = true;
        self
    }

    pub(super) const fn answered_by(mut self, reply: u16) -> Self {
        self.reply = Some(reply);
        self
    }

    pub(super) const fn claims(mut self, field: &'static str) -> Self {
        self.claim = Some(field);
        self
    }

    pub(super) const fn limited(mut self, limits: CommandLimits) -> Self {
        self.limits = Some(limits);
        self
    }

    pub(super) const fn asked(
        mut self,
        name: &'static str,
        weight: u32,
        says: &'static str,
    ) -> Self {
        self.question = Some(Question { name, says, weight, phones_only: false });
        self
    }

    pub(super) const fn asked_by_phones(
        mut self,
        name: &'static str,
        weight: u32,
        says: &'static str,
    ) -> Self {
        self.question = Some(Question { name, says, weight, phones_only: true });
        self
    }

    /// Whether a device may send it.
    pub fn is_from_device(&self) -> bool {
        self.limits.is_some()
    }

    /// The name of its constant in [`super::id`].
    pub fn constant(&self) -> &'static str {
        self.name.trim_start_matches("CID_")
    }

    /// What a server does with it when this peer sends it; `None`: the server does not know it.
    pub fn served(&self, from: Peer, by: Peer) -> Option<Serve> {
        let way = self.ways.iter().find(|way| way.from == from && way.to == by);
        way.map(|way| way.serve)
    }
}

const RELAYED: Way = Way { from: Peer::Device, to: Peer::Msg, serve: Serve::Relayed };
/// A device's PDU that a handler of msg_server serves.
pub(super) const FROM_DEVICE: Way =
    Way { from: Peer::Device, to: Peer::Msg, serve: Serve::Handler };
/// What msg_server sends to db_proxy.
pub(super) const TO_DB: Way = Way { from: Peer::Msg, to: Peer::Db, serve: Serve::Handler };
/// What db_proxy sends to a handler of msg_server.
pub(super) const FROM_DB: Way = Way { from: Peer::Db, to: Peer::Msg, serve: Serve::Handler };
/// What msg_server sends to route_server.
pub(super) const TO_ROUTE: Way = Way { from: Peer::Msg, to: Peer::Route, serve: Serve::Handler };
/// What route_server passes from one msg_server to the others.
pub(super) const THROUGH_ROUTE: Way =
    Way { from: Peer::Msg, to: Peer::Route, serve: Serve::ToOtherLinks };
/// What route_server sends to msg_server.
pub(super) const FROM_ROUTE: Way = Way { from: Peer::Route, to: Peer::Msg, serve: Serve::Handler };

/// A limit.
pub(super) const fn limit(default: u32, ceiling: u32) -> Limit {
    Limit { default, ceiling }
}

/// The limit of a field.
pub(super) const fn field(field: &'static str, default: u32, ceiling: u32) -> FieldLimit {
    FieldLimit { field, limit: limit(default, ceiling) }
}

/// Bytes of attach data that a device may send: with `edge-limits` msg_server takes it off.
pub(super) const ATTACH: FieldLimit = field("attach_data", 64, 1024);

/// Limits of a body of a few numbers, by its rate.
pub(super) const fn small(rate: u32) -> CommandLimits {
    CommandLimits { rate: limit(rate, 100 * rate), fields: &[ATTACH] }
}
