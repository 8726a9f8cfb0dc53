//! Messages as the stores hold them: relations, the order of a conversation, its latest message, who
//! may read a group (docs/SYSTEM.md section 6, "Building blocks").

use super::{
    number,
    stores::{Row, View},
};
use bytes::{BufMut, Bytes, BytesMut};
use std::{cmp::Reverse, collections::BTreeMap};
use teamtalk::{
    protocol::Protocol,
    wire::im::base_define::{MsgInfo, MsgType},
};

/// `type` of a session with a user.
pub const SINGLE: u32 = 1;
/// `type` of a session with a group.
pub const GROUP: u32 = 2;

/// What stands for a voice message where only the latest message is shown.
const AUDIO_AS_LATEST: &[u8] = b"QhGXlpFjvMFUNrtl1aaPzA==";

/// Bytes of the duration in front of a voice message.
const DURATION_LEN: usize = 4;

/// The latest message of a conversation, as 0202 and 0308 show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latest {
    /// Its msg_id.
    pub msg_id: u32,
    /// Its type.
    pub msg_type: i32,
    /// Its content, of a voice message a constant.
    pub content: Bytes,
    /// Who is said to have sent it.
    pub from: u32,
}

/// From where on a member may read a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// From a second on (`created` of the messages).
    Second(u32),
    /// After a msg_id (`members-from-store`).
    Message(u32),
}

impl Since {
    /// Whether a message may be read.
    pub fn shows(self, message: &Row<'_>) -> bool {
        match self {
            Self::Second(time) => message.uint("created") >= time,
            Self::Message(id) => message.uint("msgId") > id,
        }
    }

    /// The last msg_id that is hidden, as far as that is known by ids.
    pub fn hidden(self) -> u32 {
        match self {
            Self::Second(_) => 0,
            Self::Message(id) => id,
        }
    }
}

/// A user's membership of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// The group.
    pub group: u32,
    /// When they joined, in seconds.
    pub joined: u32,
    /// From where on they may read.
    pub since: Since,
}

/// The relation of two users; 0 if they have none.
pub fn relation(view: View<'_>, protocol: &Protocol, a: u32, b: u32) -> u32 {
    let pair = [("smallId", a.min(b)), ("bigId", a.max(b))];
    if a == 0 || b == 0 {
        return 0;
    }
    if protocol.single_relation
        && let Some(row) = view.rows_with("TTRelation", pair).next()
        && row.uint("relateId") != 0
    {
        return row.uint("relateId");
    }
    let [small, big] = pair;
    let live = view.rows_with("IMRelationShip", [small, big, ("status", 0)]);
    live.last().map_or(0, |row| row.uint("id"))
}

/// The live messages of a relation, in the order of their ids.
pub fn of_relation(view: View<'_>, relation: u32) -> impl Iterator<Item = Row<'_>> {
    let table = format!("IMMessage_{}", relation % 8);
    view.rows_with(&table, [("relateId", relation), ("status", 0)])
}

/// The live messages of a group, in the order of their ids.
pub fn of_group(view: View<'_>, group: u32) -> impl Iterator<Item = Row<'_>> {
    let table = format!("IMGroupMessage_{}", group % 8);
    view.rows_with(&table, [("groupId", group), ("status", 0)])
}

/// Messages, newest first.
pub fn newest_first<'a>(
    protocol: &Protocol,
    messages: impl Iterator<Item = Row<'a>>,
) -> Vec<Row<'a>> {
    let mut messages: Vec<_> = messages.collect();
    let Some(age) = messages.first().map(|row| Age::of(protocol, row)) else { return messages };
    messages.sort_by_cached_key(|row| Reverse(age.at(row)));
    messages
}

/// What is greater of a newer message: the places of two columns of its table.
#[derive(Clone, Copy)]
struct Age([Option<usize>; 2]);

impl Age {
    /// In the table of a row.
    fn of(protocol: &Protocol, row: &Row<'_>) -> Self {
        let order = if protocol.history_by_msg_id { "msgId" } else { "created" };
        Self([order, "id"].map(|column| row.place(column)))
    }

    fn at(self, row: &Row<'_>) -> [u32; 2] {
        self.0.map(|place| row.uint_at(place))
    }
}

/// The latest message of two users.
pub fn latest_single(view: View<'_>, protocol: &Protocol, user: u32, peer: u32) -> Option<Latest> {
    match relation(view, protocol, user, peer) {
        0 => None,
        relation => {
            let sender = protocol.true_latest_sender.then_some("fromId");
            latest(protocol, of_relation(view, relation), sender, peer)
        }
    }
}

/// The latest message of a group.
pub fn latest_group(view: View<'_>, protocol: &Protocol, group: u32) -> Option<Latest> {
    latest(protocol, of_group(view, group), Some("userId"), 0)
}

fn latest<'a>(
    protocol: &Protocol,
    messages: impl Iterator<Item = Row<'a>>,
    sender: Option<&str>,
    peer: u32,
) -> Option<Latest> {
    let mut messages = messages.peekable();
    let age = Age::of(protocol, messages.peek()?);
    let row = messages.max_by_key(|row| age.at(row))?;
    let msg_type = row.uint("type") as i32;
    let content = match MsgType::try_from(msg_type).ok()? {
        MsgType::SingleAudio | MsgType::GroupAudio => Bytes::from_static(AUDIO_AS_LATEST),
        MsgType::SingleText | MsgType::GroupText => row.bytes("content"),
    };
    let from = sender.map_or(peer, |column| row.uint(column));
    Some(Latest { msg_id: row.uint("msgId"), msg_type, content, from })
}

/// Rows as a list of messages says them; `sender` is the column of who sent them.
pub fn infos(view: View<'_>, protocol: &Protocol, rows: &[Row<'_>], sender: &str) -> Vec<MsgInfo> {
    let known = rows.iter().filter(|row| MsgType::try_from(row.uint("type") as i32).is_ok());
    let info = |row: &Row<'_>| MsgInfo {
        msg_id: row.uint("msgId"),
        from_session_id: row.uint(sender),
        create_time: row.uint("created"),
        msg_type: row.uint("type") as i32,
        msg_data: content(view, protocol, row),
    };
    known.map(info).collect()
}

/// What is read of a message: of a voice message its duration, 0 without `whole-audio`, and the
/// recording; the content as it is, if its row or its recording is not there.
fn content(view: View<'_>, protocol: &Protocol, row: &Row<'_>) -> Bytes {
    let content = row.bytes("content");
    let is_audio = [MsgType::SingleAudio, MsgType::GroupAudio].iter();
    if !{ is_audio }.any(|kind| *kind as u32 == row.uint("type")) {
        return content;
    }
    let id = number(&content);
    let Some(audio) = view.rows_with("IMAudio", [("id", id)]).next() else { return content };
    let path = String::from_utf8_lossy(&audio.bytes("path")).into_owned();
    let Some(recording) = view.blob(&path) else { return content };
    let mut whole = BytesMut::with_capacity(DURATION_LEN + recording.len());
    whole.put_u32(if protocol.whole_audio { audio.uint("duration") } else { 0 });
    whole.put_slice(recording);
    whole.freeze()
}

/// The groups that a user is in, by the last change of the membership, newest first.
pub fn memberships(view: View<'_>, protocol: &Protocol, user: u32) -> Vec<Member> {
    let live = view.rows_with("IMGroupMember", [("userId", user), ("status", 0)]);
    let mut rows: Vec<_> = live.collect();
    rows.sort_by_cached_key(|row| Reverse((row.uint("updated"), row.uint("id"))));
    let since: BTreeMap<u32, u32> = match protocol.members_from_store {
        true => {
            let own = view.rows_with("TTMember", [("userId", user)]);
            own.map(|row| (row.uint("groupId"), row.uint("sinceId"))).collect()
        }
        false => BTreeMap::new(),
    };
    let member = |row: &Row<'_>| {
        let (group, joined) = (row.uint("groupId"), row.uint("updated"));
        let since = since.get(&group).copied().map_or(Since::Second(joined), Since::Message);
        Member { group, joined, since }
    };
    rows.iter().map(member).collect()
}

/// From where on a user may read a group; `None` if they are not in it.
pub fn since(view: View<'_>, protocol: &Protocol, group: u32, user: u32) -> Option<Since> {
    if !protocol.members_from_store {
        let time = view.field(&format!("group_member_{group}"), &user.to_string())?;
        return (!time.is_empty()).then(|| Since::Second(number(time)));
    }
    let [of_group, own] = [("groupId", group), ("userId", user)];
    let mut live = view.rows_with("IMGroupMember", [of_group, own, ("status", 0)]);
    let joined = live.next()?.uint("updated");
    let after = view.rows_with("TTMember", [of_group, own]).next().map(|row| row.uint("sinceId"));
    Some(after.map_or(Since::Second(joined), Since::Message))
}

/// The members of a group: ascending with `members-from-store`, else in text order.
pub fn members(view: View<'_>, protocol: &Protocol, group: u32) -> Vec<u32> {
    if !protocol.members_from_store {
        let key = format!("group_member_{group}");
        return view.hash(&key).map(|(user, _)| number(user)).collect();
    }
    let live = view.rows_with("IMGroupMember", [("groupId", group), ("status", 0)]);
    let mut members: Vec<u32> = live.map(|row| row.uint("userId")).collect();
    members.sort_unstable();
    members
}

/// Whether a group is known.
pub fn exists(view: View<'_>, protocol: &Protocol, group: u32) -> bool {
    if !protocol.members_from_store {
        return view.hash(&format!("group_member_{group}")).next().is_some();
    }
    view.rows_with("IMGroup", [("id", group), ("status", 0)]).next().is_some()
}
