//! The values of all limits in one deployment, and the check of a device's PDU against them
//! (switch `edge-limits`; the original has none of these: our decision).
//!
//! A limit has a name: `0204.user_id_list` for a field of a command, `0204.rate` for its PDUs a
//! second, and those of [`super::general`]. A deployment may set each up to its ceiling. What follows from
//! others is worked out and has no name: how long a body may be follows from its fields, how long a
//! stranger's or a device's PDU may be from the bodies of the commands that they may send.

use super::{
    ALL, COUNT, Command, Limit,
    general::{self, DEVICE_UNSENT, GENERAL, General, LINK_UNSENT, REQUESTS},
    id, place,
    set::{Set, Within},
};
use crate::wire::{
    check::{Field, Kind, Label, Table},
    fields::{self, Value},
    frame::MAX_LEN,
    pdu::HEADER_LEN,
};
use std::collections::BTreeMap;

/// Bytes of [`Limits::link_unsent`] that requests and answers leave free for refusals and heartbeats.
pub const SPARE: usize = 1 << 20;

/// Bytes of a body beyond its known fields: for fields of newer clients.
const ROOM: u32 = 1_024;

/// The values of one deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that wait to be written to one device.
    pub device_unsent: usize,
    /// Bytes that wait to be written to one server.
    pub link_unsent: usize,
    /// Connections of devices to one msg_server.
    pub connections: usize,
    /// Connections of devices of one address to one msg_server.
    pub of_source: usize,
    /// Requests of all kinds a second, user and msg_server.
    pub requests: u32,
    /// Bytes that wait to be written to one server, with a request that joins them.
    pub link_requests: usize,
    /// Messages that one device has not acked.
    pub send_list: usize,
    /// Requests of one device that wait for a server.
    pub in_flight: usize,
    /// Requests that wait at a db_proxy, for each of its workers.
    pub worker_queue: usize,
    /// Messages a second and connection.
    pub messages: u32,
    /// PDUs a second, user and msg_server, that are served to no device, or not before its login.
    pub unserved: u32,
    /// How many times a rate one connection may send in a second before it is closed.
    pub abuse: u32,
    /// Bytes of a PDU of a connection that is not logged in, header included.
    pub stranger_pdu: u32,
    /// Bytes of a PDU of a device, header included: twice its longest body, so that most of what is
    /// too long is refused and not worth the connection.
    pub device_pdu: u32,
    /// By their place in [`ALL`].
    commands: Vec<OfCommand>,
}

/// The values of one command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OfCommand {
    /// Bytes of the body; follows from the fields.
    pub body: u32,
    /// PDUs a second, user and msg_server.
    pub rate: u32,
    /// Those of fields.
    pub fields: Vec<OfField>,
}

/// The value of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OfField {
    /// Its name in the schema.
    pub name: &'static str,
    /// Its number.
    pub number: u32,
    /// What is counted.
    pub unit: Unit,
    /// A list of numbers, which may come packed.
    pub packs: bool,
    /// The most that is let through.
    pub most: u32,
}

/// What a field's limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Of a list.
    Items,
    /// Of a string.
    Bytes,
    /// A number, as it is.
    Value,
}

/// Why a PDU is not let through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Over {
    /// Its body is too long.
    #[error("a body of {found} bytes: at most {most}")]
    Body {
        /// Its bytes.
        found: usize,
        /// The limit.
        most: u32,
    },
    /// A field has too much.
    #[error("{name} of {found}{unit}: at most {most}", unit = unit.says())]
    Field {
        /// Its name.
        name: &'static str,
        /// What it has.
        found: u64,
        /// Of what.
        unit: Unit,
        /// The limit.
        most: u32,
    },
}

impl Unit {
    fn says(self) -> &'static str {
        match self {
            Self::Items => " items",
            Self::Bytes => " bytes",
            Self::Value => "",
        }
    }

    fn of(field: &Field) -> Self {
        match (field.label, &field.kind) {
            (Label::Repeated, _) => Self::Items,
            (_, Kind::Bytes | Kind::Message(_)) => Self::Bytes,
            (_, Kind::Uint32 | Kind::Enum(_)) => Self::Value,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::with(&BTreeMap::new()).unwrap_or_else(|why| unreachable!("no limit is set: {why}"))
    }
}

impl Limits {
    /// The defaults, with some limits set by name.
    ///
    /// # Errors
    /// A sentence that names a limit that does not exist, is 0, is over its ceiling, or would never take
    /// effect beside another one.
    pub fn with(set: &BTreeMap<String, u32>) -> Result<Self, String> {
        let mut set = Set::new(set);
        let device_unsent = set.general(&DEVICE_UNSENT)? as usize;
        let link_unsent = set.general(&LINK_UNSENT)?;
        let connections = set.general(&general::CONNECTIONS)?;
        let requests = set.general(&REQUESTS)?;
        let send_list = set.general(&general::SEND_LIST)? as usize;
        let in_flight = set.general(&general::IN_FLIGHT)? as usize;
        let worker_queue = set.general(&general::WORKER_QUEUE)? as usize;
        let (unserved, abuse) = (set.general(&general::UNSERVED)?, set.general(&general::ABUSE)?);
        let mut within = |of: &General, name: &str, most: u32| {
            set.within(of.name, of.limit, Within { name, most })
        };
        let of_source = within(&general::OF_SOURCE, general::CONNECTIONS.name, connections)?;
        let free = link_unsent.saturating_sub(SPARE as u32);
        let link_requests = within(&general::LINK_REQUESTS, LINK_UNSENT.name, free)? as usize;
        let mut commands = vec![OfCommand::default(); COUNT];
        for (of, command) in commands.iter_mut().zip(&ALL) {
            let Some(limits) = command.limits else { continue };
            let (name, rate) = (rate_name(command), limits.rate);
            of.rate = match command.reply {
                Some(_) => {
                    set.within(&name, rate, Within { name: REQUESTS.name, most: requests })?
                }
                None => set.value(&name, rate)?,
            };
            for field in limits.fields {
                let Some(known) = command.body.field(field.field) else { continue };
                let most = set.value(&field_name(command, field.field), field.limit)?;
                let (name, number, unit) = (known.name, known.number, Unit::of(known));
                let packs = matches!(known.kind, Kind::Uint32);
                of.fields.push(OfField { name, number, unit, packs, most });
            }
            of.body = ROOM + longest(command.body, &of.fields);
        }
        let of_user =
            place(id::MSG_DATA).map(|place| (rate_name(&ALL[place]), commands[place].rate));
        let messages = match of_user {
            Some((name, most)) => {
                let General { name: of, limit, .. } = general::MESSAGES;
                set.within(of, limit, Within { name: &name, most })?
            }
            None => set.general(&general::MESSAGES)?,
        };
        set.done()?;
        let longest_of = |stranger: bool| {
            let may = |command: &Command| command.before_login || !stranger;
            let of = commands.iter().zip(&ALL).filter(|(_, command)| may(command));
            of.map(|(of, _)| of.body).max().unwrap_or_default() + HEADER_LEN as u32
        };
        let limits = Self {
            device_unsent,
            link_unsent: link_unsent as usize,
            connections: connections as usize,
            of_source: of_source as usize,
            requests,
            link_requests,
            send_list,
            in_flight,
            worker_queue,
            messages,
            unserved,
            abuse,
            stranger_pdu: longest_of(true),
            device_pdu: (2 * longest_of(false)).min(MAX_LEN),
            commands,
        };
        limits.fit()?;
        Ok(limits)
    }

    /// Limits fit each other: a stranger < a device < a server link; and a link has room for any answer.
    fn fit(&self) -> Result<(), String> {
        let steps = [
            ("a stranger's PDU", self.stranger_pdu as usize, "a device's PDU"),
            ("a device's PDU", self.device_pdu as usize, "the longest PDU"),
            ("the longest PDU", MAX_LEN as usize, DEVICE_UNSENT.name),
            (DEVICE_UNSENT.name, self.device_unsent, LINK_UNSENT.name),
            (LINK_UNSENT.name, self.link_unsent, ""),
        ];
        for pair in steps.windows(2) {
            let [(small, under, _), (large, over, _)] = pair else { continue };
            if under >= over {
                return Err(format!(
                    "limits do not fit: {small} ({under} bytes) has to be under {large} ({over} bytes)"
                ));
            }
        }
        let wanted = MAX_LEN as usize + SPARE;
        if self.link_unsent < wanted {
            return Err(format!(
                "limits do not fit: {} ({} bytes) has to be at least {wanted} bytes: the longest PDU as an \
                 answer, and {SPARE} bytes beside it",
                LINK_UNSENT.name, self.link_unsent
            ));
        }
        Ok(())
    }

    /// The values of a command; `None` for what no device may send.
    pub fn of(&self, command: u16) -> Option<&OfCommand> {
        let place = place(command)?;
        ALL[place].limits.map(|_| &self.commands[place])
    }

    /// Whether a body of a device's command is let through. Reads it once, copies nothing, and
    /// stops at what is no protobuf: that is malformed, whoever serves it finds out.
    ///
    /// # Errors
    /// The first limit that it breaks.
    pub fn check(&self, command: u16, body: &[u8]) -> Result<(), Over> {
        let Some(limits) = self.of(command) else { return Ok(()) };
        if body.len() > limits.body as usize {
            return Err(Over::Body { found: body.len(), most: limits.body });
        }
        for field in &limits.fields {
            // A body shorter than the limit holds no more items or bytes than that.
            if field.unit != Unit::Value && body.len() <= field.most as usize {
                continue;
            }
            let found = field.measure(body);
            if found > u64::from(field.most) {
                let OfField { name, unit, most, .. } = *field;
                return Err(Over::Field { name, found, unit, most });
            }
        }
        Ok(())
    }
}

impl OfField {
    /// What a body has of the field: all its items, packed or not; its bytes and its value where
    /// they are most.
    fn measure(&self, body: &[u8]) -> u64 {
        let mut found = 0;
        fields::each(body, |number, value| {
            if number != self.number {
                return;
            }
            match (self.unit, value) {
                // Each number of a packed list ends in a byte without the upper bit.
                (Unit::Items, Value::Bytes(packed)) if self.packs => {
                    found += packed.iter().filter(|byte| **byte < 0x80).count() as u64;
                }
                (Unit::Items, _) => found += 1,
                (Unit::Bytes, Value::Bytes(bytes)) => found = found.max(bytes.len() as u64),
                (Unit::Value, Value::Varint(value)) => found = found.max(value & 0xffff_ffff),
                _ => {}
            }
        });
        found
    }
}

/// One limit as a deployment may set it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// Its default and its ceiling.
    pub limit: Limit,
    /// What it limits.
    pub says: String,
}

/// All limits that have a name.
pub fn names() -> Vec<Named> {
    let general = GENERAL.iter().map(|of| Named {
        name: of.name.into(),
        limit: of.limit,
        says: of.says.into(),
    });
    let of_commands = ALL.iter().flat_map(|command| {
        let limits = command.limits;
        let rate = limits.map(|limits| Named {
            name: rate_name(command),
            limit: limits.rate,
            says: format!("{} a second, user and msg_server", command.name),
        });
        let fields = limits.into_iter().flat_map(|limits| limits.fields);
        let fields = fields.filter_map(|field| {
            let known = command.body.field(field.field)?;
            let counts = match Unit::of(known) {
                Unit::Items => "items of a list",
                Unit::Bytes => "bytes of a string",
                Unit::Value => "maximum value",
            };
            let (name, says) = (field_name(command, field.field), counts.to_string());
            Some(Named { name, limit: field.limit, says })
        });
        rate.into_iter().chain(fields)
    });
    general.chain(of_commands).collect()
}

fn rate_name(command: &Command) -> String {
    format!("{:04x}.rate", command.id)
}

fn field_name(command: &Command, field: &str) -> String {
    format!("{:04x}.{field}", command.id)
}

/// The most bytes of a body whose fields are at their limits: a number takes up to ten bytes, the
/// key of a field two, the length of a string up to four.
fn longest(table: &Table, limits: &[OfField]) -> u32 {
    let of = |field: &Field| {
        let one = match &field.kind {
            Kind::Uint32 | Kind::Enum(_) => 10,
            Kind::Message(nested) => 1 + 11 * nested.fields.len() as u32,
            Kind::Bytes => 4,
        };
        let limit = limits.iter().find(|limit| limit.number == field.number);
        match limit.map(|limit| (limit.unit, limit.most)) {
            Some((Unit::Items, items)) => items * (2 + one),
            Some((Unit::Bytes, bytes)) => 2 + one + bytes,
            Some((Unit::Value, _)) | None => 2 + one,
        }
    };
    table.fields.iter().map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::{DEVICE_UNSENT, LINK_UNSENT, Limits, MAX_LEN, Over, SPARE, Unit, names};
    use crate::{
        catalogue::id,
        wire::im::{
            base_define::GroupVersionInfo,
            buddy::ImUsersInfoReq,
            group::ImGroupInfoListReq,
            message::{ImGetMsgListReq, ImMsgData},
        },
    };
    use prost::Message;
    use std::collections::BTreeMap;

    fn set(name: &str, value: u32) -> Result<Limits, String> {
        Limits::with(&BTreeMap::from([(name.to_string(), value)]))
    }

    fn users(count: u32) -> Vec<u8> {
        let user_id_list = (0..count).collect();
        ImUsersInfoReq { user_id: 1, user_id_list, attach_data: None }.encode_to_vec()
    }

    #[test]
    fn a_list_is_counted_packed_or_not() {
        let limits = Limits::default();
        let check = |body: &[u8]| limits.check(id::BUDDY_LIST_USER_INFO_REQUEST, body);
        assert_eq!(check(&users(200)), Ok(()));
        let over = Over::Field { name: "user_id_list", found: 201, unit: Unit::Items, most: 200 };
        assert_eq!(check(&users(201)), Err(over.clone()));
        // 1: 1; 2: packed, 201 items.
        let packed = [&[0x08, 1, 0x12, 0xc9, 0x01][..], &[7; 201]].concat();
        assert_eq!(check(&packed), Err(over));
        assert_eq!(check(&packed[..packed.len() - 1]), Ok(()), "malformed: not for here to say");
    }

    #[test]
    fn nested_messages_strings_and_numbers_are_counted() {
        let limits = Limits::default();
        let one = GroupVersionInfo { group_id: 1 << 30, version: 0 };
        let groups = |n| ImGroupInfoListReq {
            user_id: 1,
            group_version_list: vec![one; n],
            attach_data: None,
        };
        let check = |n| limits.check(id::GROUP_INFO_REQUEST, &groups(n).encode_to_vec());
        assert_eq!(check(100), Ok(()));
        assert!(check(101).is_err());
        let page = |msg_cnt| ImGetMsgListReq { msg_cnt, session_type: 1, ..Default::default() };
        let check = |cnt| limits.check(id::MSG_LIST_REQUEST, &page(cnt).encode_to_vec());
        assert_eq!((check(100).is_ok(), check(101).is_ok()), (true, false));
        let text = |n| ImMsgData { msg_type: 1, msg_data: vec![1; n].into(), ..Default::default() };
        let check = |n| limits.check(id::MSG_DATA, &text(n).encode_to_vec());
        assert_eq!((check(65_536).is_ok(), check(65_537).is_ok()), (true, false));
        let long = limits.check(id::MSG_DATA, &text(100_000).encode_to_vec());
        assert!(matches!(long, Err(Over::Body { .. })), "{long:?}");
    }

    #[test]
    fn a_deployment_may_set_a_limit_up_to_its_ceiling() {
        let limits = set("0204.user_id_list", 5).expect("it exists");
        assert!(limits.check(id::BUDDY_LIST_USER_INFO_REQUEST, &users(5)).is_ok());
        assert!(limits.check(id::BUDDY_LIST_USER_INFO_REQUEST, &users(6)).is_err());
        let default = Limits::default();
        let body = |limits: &Limits| limits.of(id::BUDDY_LIST_USER_INFO_REQUEST).map(|of| of.body);
        assert!(body(&limits) < body(&default), "a shorter list is a shorter body");
        for (name, value, says) in [
            ("0204.user_id_list", 0, "expected 1 to 5000"),
            ("0204.user_id_list", 5_001, "expected 1 to 5000"),
            ("0204.users", 5, "unknown limit `0204.users`"),
            ("device.unsent", 1 << 20, "the longest PDU"),
            ("link.unsent", 20 << 20, "limits do not fit"),
        ] {
            let why = set(name, value).expect_err(name);
            assert!(why.contains(says), "{why}");
        }
    }

    /// Less, and a db_proxy refuses an answer though nothing waits before it.
    #[test]
    fn a_link_has_room_for_the_longest_answer() {
        let with = |link_unsent: usize| {
            let set = [(DEVICE_UNSENT.name, MAX_LEN as usize + 1), (LINK_UNSENT.name, link_unsent)];
            Limits::with(&set.map(|(name, bytes)| (name.into(), bytes as u32)).into())
        };
        let wanted = MAX_LEN as usize + SPARE;
        assert!(with(wanted).is_ok());
        let why = with(wanted - 1).expect_err("a byte too few");
        assert!(why.contains("link.unsent (17825791 bytes) has to be at least 17825792"), "{why}");
    }

    #[test]
    fn limits_fit_at_their_ceilings_too() {
        let at_ceiling = names().into_iter().map(|named| (named.name, named.limit.ceiling));
        let limits = Limits::with(&at_ceiling.collect()).expect("they fit");
        assert!(limits.stranger_pdu < limits.device_pdu);
    }
}
