//! Proto2's rules, which prost does not enforce (SYSTEM.md section 1).
//!
//! - A missing required field makes a message malformed, at any depth.
//! - A value outside its enum counts as absent.
//! - A known field of another wire type than its own counts as unknown.
//! - Several occurrences of a message field are merged before they are judged.
//! - Strings are bytes.
//!
//! The rules are read off tables that build.rs emits from the descriptors. What counts as
//! absent is left out of the copy that prost decodes; the PDU itself is never changed.

use super::{Malformed, plain};
use bytes::Bytes;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use std::{borrow::Cow, collections::BTreeMap, ops::Range};

/// How deep messages may nest. Our own bound; the schema itself needs 2.
pub(super) const MAX_DEPTH: u32 = 16;

/// A message whose fields the generated table knows.
pub trait Checked: prost::Message + Default {
    /// Its fields.
    const TABLE: &'static Table;
    /// Its name, as `IM.Message.IMMsgData`.
    const NAME: &'static str = Self::TABLE.name;
}

/// The fields of one message.
#[derive(Debug)]
pub struct Table {
    /// Its name, as `IM.Message.IMMsgData`.
    pub name: &'static str,
    /// Its fields, in the schema's order; at most 64.
    pub fields: &'static [Field],
}

impl Table {
    /// The field of this name; `None` if there is none.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// One field.
#[derive(Debug)]
pub struct Field {
    /// Its number.
    pub number: u32,
    /// Its name.
    pub name: &'static str,
    /// How often it may, or must, occur.
    pub label: Label,
    /// What it holds.
    pub kind: Kind,
}

/// How often a field occurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// At most once; the last occurrence counts.
    Optional,
    /// Like optional, and malformed without it.
    Required,
    /// Any number of times, packed or not.
    Repeated,
}

/// What a field holds.
#[derive(Debug)]
pub enum Kind {
    /// A varint, cut to 32 bits.
    Uint32,
    /// A varint that must be one of these, which are sorted.
    Enum(&'static [i32]),
    /// Strings too.
    Bytes,
    /// A nested message.
    Message(&'static Table),
}

/// The tables of all messages, emitted by build.rs.
mod tables {
    use super::{Checked, Field, Kind, Label, Table};
    include!(concat!(env!("OUT_DIR"), "/tables.rs"));
}
pub use tables::ALL;

/// Checks required fields and enum values, nested messages too, then decodes.
pub fn decode<M: Checked>(body: &[u8]) -> Result<M, Malformed> {
    let body = conform(M::TABLE, body)?;
    M::decode(&*body).map_err(|e| Malformed { message: M::NAME, reason: e.to_string() })
}

/// [`decode`] of a shared body, of which the bytes of the message are parts and no copies.
///
/// # Errors
/// Those of [`decode`].
pub fn decode_shared<M: Checked>(body: &Bytes) -> Result<M, Malformed> {
    let body = match conform(M::TABLE, body)? {
        Cow::Borrowed(_) => body.clone(),
        Cow::Owned(clean) => clean.into(),
    };
    M::decode(body).map_err(|e| Malformed { message: M::NAME, reason: e.to_string() })
}

/// The body as proto2 reads it: without the occurrences that count as absent, and with every
/// required field. Borrowed when there was nothing to leave out.
pub fn conform<'a>(table: &'static Table, body: &'a [u8]) -> Result<Cow<'a, [u8]>, Malformed> {
    if plain::is_plain(table, body, 0) {
        return Ok(Cow::Borrowed(body));
    }
    let malformed = |reason| Malformed { message: table.name, reason };
    let clean = match clean(table, body, 0).map_err(malformed)? {
        Some(clean) => Cow::Owned(clean),
        None => Cow::Borrowed(body),
    };
    require(table, &clean).map_err(malformed)?;
    Ok(clean)
}

/// One occurrence of a field.
struct Occurrence<'a> {
    number: u32,
    wire_type: WireType,
    /// Where it stands, key included.
    span: Range<usize>,
    /// What follows the key; for length-delimited fields, what follows the length.
    payload: &'a [u8],
}

/// Cuts a body into the occurrences of its fields; ends after the first error.
struct Occurrences<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Occurrences<'a> {
    fn of(body: &'a [u8]) -> Self {
        Self { body, at: 0 }
    }

    fn cut(&mut self) -> Result<Occurrence<'a>, prost::DecodeError> {
        let start = self.at;
        let mut rest = &self.body[start..];
        let (number, wire_type) = decode_key(&mut rest)?;
        let mut payload = rest;
        skip_field(wire_type, number, &mut rest, DecodeContext::default())?;
        payload = &payload[..payload.len() - rest.len()];
        if wire_type == WireType::LengthDelimited {
            decode_varint(&mut payload)?;
        }
        self.at = self.body.len() - rest.len();
        Ok(Occurrence { number, wire_type, span: start..self.at, payload })
    }
}

impl<'a> Iterator for Occurrences<'a> {
    type Item = Result<Occurrence<'a>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.body.len() {
            return None;
        }
        let next = self.cut().map_err(|e| e.to_string());
        if next.is_err() {
            self.at = self.body.len();
        }
        Some(next)
    }
}

/// What becomes of an occurrence.
enum Fate {
    Keep,
    Drop,
    /// A nested message that had something to leave out.
    Replace(Vec<u8>),
}

/// Leaves out what counts as absent; `None` if there is nothing.
pub(super) fn clean(table: &Table, body: &[u8], depth: u32) -> Result<Option<Vec<u8>>, String> {
    let mut out: Option<Vec<u8>> = None;
    for occurrence in Occurrences::of(body) {
        let occurrence = occurrence?;
        let fate = match table.fields.iter().find(|f| f.number == occurrence.number) {
            Some(field) => fate(field, &occurrence, depth)?,
            None => Fate::Keep,
        };
        if let Fate::Keep = fate {
            if let Some(out) = &mut out {
                out.extend_from_slice(&body[occurrence.span]);
            }
            continue;
        }
        let out = out.get_or_insert_with(|| body[..occurrence.span.start].to_vec());
        if let Fate::Replace(nested) = fate {
            prost::encoding::bytes::encode(occurrence.number, &nested, out);
        }
    }
    Ok(out)
}

fn fate(field: &Field, occurrence: &Occurrence, depth: u32) -> Result<Fate, String> {
    let mut payload = occurrence.payload;
    let keep = |keep| if keep { Fate::Keep } else { Fate::Drop };
    match (&field.kind, occurrence.wire_type) {
        (Kind::Uint32, WireType::Varint) | (Kind::Bytes, WireType::LengthDelimited) => {
            Ok(Fate::Keep)
        }
        (Kind::Uint32, WireType::LengthDelimited) if field.label == Label::Repeated => {
            while !payload.is_empty() {
                decode_varint(&mut payload).map_err(|e| format!("{}: {e}", field.name))?;
            }
            Ok(Fate::Keep)
        }
        (Kind::Enum(values), WireType::Varint) => {
            // Cut to 32 bits, as proto2 does: what comes out of it may be in the enum again.
            let value = decode_varint(&mut payload).map_err(|e| e.to_string())? as i32;
            Ok(keep(values.binary_search(&value).is_ok()))
        }
        (Kind::Message(_), WireType::LengthDelimited) if depth + 1 >= MAX_DEPTH => {
            Err(format!("{}: nested deeper than {MAX_DEPTH}", field.name))
        }
        (Kind::Message(table), WireType::LengthDelimited) => {
            let nested = clean(table, payload, depth + 1);
            let nested = nested.map_err(|e| format!("{}: {e}", field.name))?;
            Ok(nested.map_or(Fate::Keep, Fate::Replace))
        }
        _ => Ok(Fate::Drop),
    }
}

/// Looks for required fields in a body that went through [`clean`], whose depth is bounded.
pub(super) fn require(table: &Table, body: &[u8]) -> Result<(), String> {
    let mut seen = 0_u64;
    let mut singular: BTreeMap<usize, Cow<[u8]>> = BTreeMap::new();
    for occurrence in Occurrences::of(body) {
        let occurrence = occurrence?;
        let Some(i) = table.fields.iter().position(|f| f.number == occurrence.number) else {
            continue;
        };
        seen |= 1 << i;
        let Kind::Message(nested) = table.fields[i].kind else { continue };
        if table.fields[i].label == Label::Repeated {
            require(nested, occurrence.payload).map_err(|e| at(table, i, e))?;
        } else {
            // Two encodings one after the other are the encoding of the merged message.
            let merged = singular.entry(i).or_default();
            match merged.is_empty() {
                true => *merged = Cow::Borrowed(occurrence.payload),
                false => merged.to_mut().extend_from_slice(occurrence.payload),
            }
        }
    }
    for (i, field) in table.fields.iter().enumerate() {
        if field.label == Label::Required && seen & (1 << i) == 0 {
            return Err(format!("{} is missing", field.name));
        }
        if let (Kind::Message(nested), Some(body)) = (&field.kind, singular.get(&i)) {
            require(nested, body).map_err(|e| at(table, i, e))?;
        }
    }
    Ok(())
}

fn at(table: &Table, field: usize, reason: String) -> String {
    format!("{}: {reason}", table.fields[field].name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::im::{
        base_define::{GroupVersionInfo, SessionType, UserInfo, UserStat},
        buddy::ImUserStatNotify,
        group::ImGroupInfoListReq,
        login::{ImDeviceTokenReq, ImLoginRes, ImLogoutReq},
        message::{ImGetMsgByIdReq, ImMsgDataAck},
    };
    use prost::Message;

    const ACK: [u8; 8] = [0x08, 1, 0x10, 2, 0x18, 3, 0x20, 1];

    fn reason<M: Checked>(body: &[u8]) -> String {
        decode::<M>(body).map(|_| ()).unwrap_err().to_string()
    }

    fn user(user_id: u32) -> UserInfo {
        UserInfo { user_id, user_nick_name: "Bob".into(), status: 1, ..Default::default() }
    }

    #[test]
    fn each_required_field_is_missed() {
        let ack = decode::<ImMsgDataAck>(&ACK).unwrap();
        assert_eq!((ack.user_id, ack.session_id, ack.msg_id), (1, 2, 3));
        for (i, name) in ["user_id", "session_id", "msg_id", "session_type"].iter().enumerate() {
            let without = [&ACK[..i * 2], &ACK[i * 2 + 2..]].concat();
            assert_eq!(
                reason::<ImMsgDataAck>(&without),
                format!("malformed IM.Message.IMMsgDataAck: {name} is missing")
            );
        }
        assert_eq!(decode::<ImLogoutReq>(&[]), Ok(ImLogoutReq {}));
    }

    #[test]
    fn a_required_enum_out_of_range_is_missing_unless_another_occurrence_is_in_range() {
        let out = [&ACK[..6], &[0x20, 3]].concat();
        assert!(reason::<ImMsgDataAck>(&out).ends_with("session_type is missing"));
        let zero = [&ACK[..6], &[0x20, 0]].concat();
        assert!(reason::<ImMsgDataAck>(&zero).ends_with("session_type is missing"));
        let then_out = [&ACK[..], &[0x20, 9]].concat();
        let ack = decode::<ImMsgDataAck>(&then_out).unwrap();
        assert_eq!(ack.session_type(), SessionType::Single, "the last one in range counts");
    }

    #[test]
    fn an_enum_is_cut_to_32_bits() {
        // 2^32 + 2
        let body = [&ACK[..6], &[0x20, 0x82, 0x80, 0x80, 0x80, 0x10]].concat();
        assert_eq!(decode::<ImMsgDataAck>(&body).unwrap().session_type(), SessionType::Group);
    }

    #[test]
    fn an_optional_enum_out_of_range_is_none() {
        let body = |client_type| {
            let device_token = "t".into();
            ImDeviceTokenReq { user_id: 1, device_token, client_type, attach_data: None }
        };
        let decoded = |client_type| {
            decode::<ImDeviceTokenReq>(&body(Some(client_type)).encode_to_vec()).unwrap()
        };
        assert_eq!(decoded(0x11), body(Some(0x11)));
        assert_eq!(decoded(0x13), body(None));
        assert_eq!(decoded(-1), body(None));
    }

    #[test]
    fn another_wire_type_is_an_unknown_field() {
        // msg_id as two bytes, then as it should be; attach_data as a varint.
        let twice = [&ACK[..4], &[0x1a, 2, 9, 9], &ACK[4..]].concat();
        assert_eq!(decode::<ImMsgDataAck>(&twice), decode::<ImMsgDataAck>(&ACK));
        let only = [&ACK[..4], &[0x1d, 1, 0, 0, 0], &ACK[6..]].concat();
        assert!(reason::<ImMsgDataAck>(&only).ends_with("msg_id is missing"));
        let list = decode::<ImGroupInfoListReq>(&[0x08, 1, 0xa0, 0x01, 5]).unwrap();
        assert_eq!(list.attach_data, None);
    }

    #[test]
    fn nested_messages_are_checked() {
        let stat = UserStat { user_id: 1, status: 2 };
        let good = ImUserStatNotify { user_stat: stat }.encode_to_vec();
        assert_eq!(decode::<ImUserStatNotify>(&good).unwrap().user_stat, stat);
        let bad = ImUserStatNotify { user_stat: UserStat { status: 4, ..stat } }.encode_to_vec();
        assert_eq!(
            reason::<ImUserStatNotify>(&bad),
            "malformed IM.Buddy.IMUserStatNotify: user_stat: status is missing"
        );
        assert!(reason::<ImUserStatNotify>(&[]).ends_with("user_stat is missing"));

        // A repeated one: each for itself, the second lacks its version.
        let version = GroupVersionInfo { group_id: 1, version: 2 };
        let list = ImGroupInfoListReq {
            user_id: 1,
            group_version_list: vec![version; 2],
            attach_data: None,
        };
        assert_eq!(decode::<ImGroupInfoListReq>(&list.encode_to_vec()), Ok(list));
        let short = [0x08, 1, 0x12, 4, 0x08, 1, 0x10, 2, 0x12, 2, 0x08, 1];
        assert!(
            reason::<ImGroupInfoListReq>(&short)
                .ends_with("group_version_list: version is missing")
        );
    }

    #[test]
    fn occurrences_of_one_nested_message_are_merged() {
        let whole = ImLoginRes {
            server_time: 1,
            result_code: 0,
            user_info: Some(user(7)),
            ..Default::default()
        };
        let info = user(7).encode_to_vec();
        let mut halves = vec![0x08, 1, 0x10, 0];
        for half in [&info[..2], &info[2..]] {
            prost::encoding::bytes::encode(5, &half.to_vec(), &mut halves);
        }
        assert_eq!(decode::<ImLoginRes>(&halves), Ok(whole));
        let mut first = vec![0x08, 1, 0x10, 0];
        prost::encoding::bytes::encode(5, &info[..2].to_vec(), &mut first);
        assert!(reason::<ImLoginRes>(&first).contains("user_info: user_gender is missing"));
    }

    #[test]
    fn what_is_left_out_inside_a_nested_message_leaves_its_neighbours() {
        // user_stat: user_id 1, status 9, status 2, and an unknown field 15; then field 16.
        let body = [0x0a, 8, 0x08, 1, 0x10, 9, 0x10, 2, 0x78, 5, 0x80, 0x01, 6];
        let clean = conform(ImUserStatNotify::TABLE, &body).unwrap();
        assert_eq!(*clean, [0x0a, 6, 0x08, 1, 0x10, 2, 0x78, 5, 0x80, 0x01, 6]);
        assert_eq!(decode::<ImUserStatNotify>(&body).unwrap().user_stat.status, 2);
    }

    #[test]
    fn lists_may_be_packed_and_strings_need_not_be_utf8() {
        let head = [0x08, 1, 0x10, 1, 0x18, 2];
        let unpacked = [&head[..], &[0x20, 5, 0x20, 6]].concat();
        let packed = [&head[..], &[0x22, 2, 5, 6]].concat();
        assert_eq!(decode::<ImGetMsgByIdReq>(&packed).unwrap().msg_id_list, [5, 6]);
        assert_eq!(decode::<ImGetMsgByIdReq>(&unpacked), decode::<ImGetMsgByIdReq>(&packed));
        let cut = [&head[..], &[0x22, 1, 0x80]].concat();
        assert!(reason::<ImGetMsgByIdReq>(&cut).contains("msg_id_list"));

        let token = decode::<ImDeviceTokenReq>(&[0x08, 1, 0x12, 2, 0xff, 0xfe]).unwrap();
        assert_eq!(token.device_token, [0xff, 0xfe][..]);
    }

    #[test]
    fn what_is_no_protobuf_is_malformed() {
        for tail in [&[0x08][..], &[0xa2, 0x01, 9, 0], &[0x00, 0], &[0x0c], &[0x0f, 0], &[0x0b]] {
            let body = [&ACK[..], tail].concat();
            assert!(decode::<ImMsgDataAck>(&body).is_err(), "{tail:?}");
        }
        let deep_groups = [&ACK[..], &[0x7b; 1000]].concat();
        assert!(decode::<ImMsgDataAck>(&deep_groups).is_err());
    }

    #[test]
    fn nesting_is_bounded() {
        static LOOP: Table = Table {
            name: "Loop",
            fields: &[Field {
                number: 1,
                name: "inner",
                label: Label::Optional,
                kind: Kind::Message(&LOOP),
            }],
        };
        let nested = |levels: u32| {
            (0..levels).fold(Vec::new(), |inner: Vec<u8>, _| {
                let mut outer = Vec::new();
                prost::encoding::bytes::encode(1, &inner, &mut outer);
                outer
            })
        };
        assert!(conform(&LOOP, &nested(MAX_DEPTH - 1)).is_ok());
        assert!(conform(&LOOP, &nested(MAX_DEPTH)).is_err());
        assert!(conform(&LOOP, &nested(2000)).is_err());
    }
}
