//! What a push shows (docs/SYSTEM.md section 4, "Push"), and what a msg_server may know for it.

use super::{At, is_audio, is_group};
use crate::{
    plan::Host,
    properties::{Seen, clients::Served, wire::is_phone},
    record::Kind,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};
use teamtalk::{
    catalogue::id as cmd,
    env::ConnId,
    wire::im::{login::ImLoginRes, message::ImMsgData},
};

/// "You have a message."
const SOME_MESSAGE: &str = "您收到了一条消息";
/// After the nick: "sent you a voice message", and "sent a voice message in a group".
const VOICE: &str = "给您发送了一条语音消息";
const GROUP_VOICE: &str = "在群聊中发送了一条语音消息";
/// What stands around the address of an image in a text.
const IMAGE: (&str, &str) = ("&$#@~^@[{:", ":}]&$~@#@");
/// The most bytes that are shown of a nick and a text, and what stands for the rest.
const MOST: usize = 37;
const CUT: &[u8] = b"...";
/// So long after a PC came or went, in simulated microseconds, every msg_server knows it; and so long after a user came to it a
/// msg_server knows of their PCs elsewhere.
const KNOWN_US: u64 = 1_000_000;

/// Whether a phone is to make no noise.
pub fn is_silent(push_type: u32) -> bool {
    push_type == 2
}

/// What a push says.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Its data.
    pub data: String,
    /// What the phone shows if the msg_server knows the sender.
    named: Vec<u8>,
    from: u32,
    /// Whether it knows them; `None`: one of their connections there is just coming or going.
    knows: Option<bool>,
}

impl Shown {
    /// Of a message, as its msg_server stands.
    pub fn of(seen: &Seen<'_>, here: &Here, msg: &ImMsgData, text: Option<&[u8]>) -> Self {
        let (from, kind) = (msg.from_user_id, msg.msg_type);
        let group = match is_group(kind) {
            true => format!("\t\"group_id\": {},\n", msg.to_session_id),
            false => String::new(),
        };
        let data = format!("{{\n\t\"from_id\": {from},\n{group}\t\"msg_type\": {kind} \n}} \n");
        let view = seen.known.stores.after(seen.line.n);
        let mut sender = view.rows_with("IMUser", [("id", from)]);
        let nick = sender.next().map(|row| row.bytes("nick")).unwrap_or_default();
        let named = match text {
            None if is_audio(kind) && is_group(kind) => [&nick, GROUP_VOICE.as_bytes()].concat(),
            None => [&nick, VOICE.as_bytes()].concat(),
            Some(text) if has_image(text) => SOME_MESSAGE.into(),
            Some(text) => {
                let mut whole = [&nick[..], b":", text].concat();
                if whole.len() > MOST {
                    whole.truncate(MOST);
                    whole.extend(CUT);
                }
                whole
            }
        };
        Self { data, named, from, knows: here.knows(seen, &seen.line.host, from) }
    }

    /// The same, as its msg_server stands now.
    pub fn now(&self, seen: &Seen<'_>, here: &Here, host: &Host) -> Self {
        Self { knows: here.knows(seen, host, self.from), ..self.clone() }
    }

    /// If its msg_server stands otherwise now, in the same moment, either may be.
    pub fn may_change(&mut self, seen: &Seen<'_>, here: &Here, host: &Host) {
        if self.now(seen, here, host).knows != self.knows {
            self.knows = None;
        }
    }

    /// Whether a phone may be shown this.
    pub fn may_show(&self, flash: &[u8]) -> bool {
        let (named, nameless) = (flash == self.named, flash == SOME_MESSAGE.as_bytes());
        match self.knows {
            Some(true) => named,
            Some(false) => nameless,
            None => named || nameless,
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.knows {
            Some(false) => write!(f, "{SOME_MESSAGE:?}"),
            _ => write!(f, "{:?}", String::from_utf8_lossy(&self.named)),
        }
    }
}

fn has_image(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    text.split_once(IMAGE.0).is_some_and(|(_, rest)| rest.contains(IMAGE.1))
}

/// Who is online with a PC.
#[derive(Debug, Default)]
pub struct Here {
    /// Connections whose end their msg_server has announced (0106, 0107).
    going: BTreeSet<ConnId>,
    /// PCs that are logged in, with their users.
    pcs: BTreeMap<ConnId, u32>,
    /// When a user's PC last came or went, in simulated microseconds.
    changed_us: BTreeMap<u32, u64>,
    /// When a user logged in at a msg_server at which they had not been, in simulated microseconds: route tells it then whether
    /// they have a PC online elsewhere.
    came_us: BTreeMap<(Host, u32), u64>,
}

impl Here {
    /// Takes the next line.
    pub fn observe(&mut self, seen: &Seen<'_>) {
        let (line, now_us) = (seen.line, seen.line.sim_us);
        match &line.kind {
            Kind::Disconnected { conn, .. } | Kind::StreamReset { conn } => {
                // Its msg_server may know before the line that says so of its own end.
                self.going.insert(*conn);
                if let Some(user) = self.pcs.remove(conn) {
                    self.changed_us.insert(user, now_us);
                }
            }
            Kind::HostDown => {
                let open = |conn: &ConnId| seen.known.clients.served(*conn).is_some_and(|s| s.open);
                let changed = &mut self.changed_us;
                self.pcs.retain(|conn, user| {
                    changed.insert(*user, now_us);
                    open(conn)
                });
            }
            _ => {}
        }
        // From the line on at which a logout is read, its user may be gone.
        if let Some((At::ServerReads, conn, pdu)) = seen.client
            && pdu.command() == cmd::LOGIN_REQ_LOGINOUT
        {
            self.going.insert(conn);
        }
        let Some((At::ServerWrites, conn, pdu)) = seen.client else { return };
        match pdu.command() {
            cmd::LOGIN_RES_USERLOGIN => {
                let login = pdu.view::<ImLoginRes>().ok();
                let user = login.and_then(|login| Some(login.user_info.as_ref()?.user_id));
                let served = seen.known.clients.served(conn);
                let (Some(user), Some(served)) = (user, served) else { return };
                if !is_phone(served.client_type) {
                    self.pcs.insert(conn, user);
                    self.changed_us.insert(user, now_us);
                }
                let is_other = |of: &ConnId| {
                    let served = seen.known.clients.served(*of);
                    let is_theirs = |of: &Served| of.user == Some(user) && of.host == line.host;
                    *of != conn && served.is_some_and(|of| of.open && is_theirs(of))
                };
                if !seen.known.clients.conns().any(|of| is_other(&of)) {
                    self.came_us.insert((line.host.clone(), user), now_us);
                }
            }
            cmd::LOGIN_RES_LOGINOUT | cmd::LOGIN_KICK_USER => {
                self.going.insert(conn);
                if let Some(user) = self.pcs.get(&conn) {
                    self.changed_us.insert(*user, now_us);
                }
            }
            _ => {}
        }
    }

    /// Whether a user has a PC online, if that is so for long enough to be known at this msg_server.
    pub fn pc_online(&self, host: &Host, user: u32, now_us: u64) -> Option<bool> {
        let pcs = self.pcs.iter().filter(|(_, of)| **of == user).map(|(conn, _)| conn);
        let pcs: Vec<_> = pcs.collect();
        let is_known = |at: Option<&u64>| at.is_none_or(|at| at + KNOWN_US < now_us);
        let is_settled = is_known(self.changed_us.get(&user))
            && is_known(self.came_us.get(&(host.clone(), user)));
        let is_going = pcs.iter().any(|conn| self.going.contains(conn));
        (is_settled && !is_going).then_some(!pcs.is_empty())
    }

    /// Whether a msg_server has a user logged in; `None`: one who is going.
    fn knows(&self, seen: &Seen<'_>, host: &Host, user: u32) -> Option<bool> {
        let of = |conn: &ConnId| {
            let served = seen.known.clients.served(*conn)?;
            (served.open && served.host == *host && served.user == Some(user)).then_some(())
        };
        let conns = seen.known.clients.conns().filter(|conn| of(conn).is_some());
        let conns: Vec<_> = conns.collect();
        // While one of them goes, another may be a ghost that its server has given up already. A device
        // has hung up before its end of the connection is closed.
        let listens = |conn: ConnId| seen.known.clients.listens(conn).is_some();
        let is_going = conns.iter().any(|conn| self.going.contains(conn) || !listens(*conn));
        (!is_going).then_some(!conns.is_empty())
    }
}
