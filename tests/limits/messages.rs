//! Bodies that are served only if they are right in more than their size: messages, and changes of groups. One over
//! each of these limits is tried in `plans`.

use super::raw::{ALICE, BOB, Raw, on_seed};
use prost::encoding;
use teamtalk::{
    catalogue::{
        id as command,
        limits::Limits,
        probe::{self, Probe, Which},
    },
    wire::{
        Pdu, fields,
        im::{
            base_define::{GroupModifyType, GroupType, MsgType},
            group::{
                ImGroupChangeMemberReq, ImGroupChangeMemberRsp, ImGroupCreateReq, ImGroupCreateRsp,
            },
        },
    },
};

/// `group_type` of IMGroupCreateReq.
const GROUP_TYPE: u32 = 2;
/// `member_id_list` of it.
const MEMBER_ID_LIST: u32 = 5;
/// Hundreds of members take their time.
const LONG_MS: u64 = 60_000;

fn of(id: u16) -> Vec<Probe> {
    probe::all(&Limits::default()).into_iter().filter(|probe| probe.command == id).collect()
}

/// A probe's body with these fields in the place of the least values: the last one of a field counts.
fn body(probe: &Probe, size: u32, values: &[(u32, u32)]) -> Pdu {
    let mut after = Vec::new();
    values.iter().for_each(|(field, value)| encoding::uint32::encode(*field, value, &mut after));
    let size = if probe.limit == Which::Body { size - after.len() as u32 } else { size };
    Pdu::raw(probe.command, 1, [&probe.body(size)[..], &after].concat().into())
}

/// A message from user 1 to user 2: a recording, which may be longer than a text.
#[test]
fn a_message_at_each_of_its_limits_is_stored_and_pushed() {
    for probe in of(command::MSG_DATA) {
        for size in [probe.most - 1, probe.most] {
            // A token has just so many bytes.
            if probe.name() == "0301.send_token" && size != probe.most {
                continue;
            }
            let kind = match probe.name() == "0301.msg_data" {
                true => MsgType::SingleAudio,
                false => MsgType::SingleText,
            };
            let values = [(fields::TO_SESSION_ID, 2), (fields::MSG_TYPE, kind as u32)];
            let seen = on_seed(|| {
                let mut raw = Raw::online(&[]);
                raw.take();
                raw.send(ALICE, &[body(&probe, size, &values)]);
                raw.take()
            });
            let what = format!("{} {size}: {:?}", probe.name(), seen.refused);
            assert_eq!(seen.of(ALICE, command::MSG_DATA_ACK).count(), 1, "{what}");
            assert_eq!(seen.of(BOB, command::MSG_DATA).count(), 1, "{what}");
            assert_eq!(
                (seen.by_others(), seen.refused.len(), seen.links.len()),
                (1, 0, 0),
                "{what}"
            );
        }
    }
}

#[test]
fn a_group_at_each_of_its_limits_is_created() {
    for probe in of(command::GROUP_CREATE_REQUEST) {
        for size in [probe.most - 1, probe.most] {
            // Nobody makes a group without members.
            let mut values = vec![(GROUP_TYPE, GroupType::Tmp as u32)];
            if probe.name() != "0405.member_id_list" {
                values.extend([(MEMBER_ID_LIST, 1), (MEMBER_ID_LIST, 2)]);
            }
            let seen = on_seed(|| {
                let mut raw = Raw::online(&[]);
                raw.take();
                raw.send(ALICE, &[body(&probe, size, &values)]);
                raw.pass(std::time::Duration::from_millis(LONG_MS));
                raw.take()
            });
            let what = format!("{} {size}: {:?}", probe.name(), seen.refused);
            let answer = seen.of(ALICE, command::GROUP_CREATE_RESPONSE).next().expect(&what);
            let created: ImGroupCreateRsp = answer.view().expect("a 0406");
            assert_eq!(created.result_code, 0, "{what}");
            if probe.name() == "0405.member_id_list" {
                assert_eq!(created.user_id_list.len(), size as usize, "{what}");
            }
            assert_eq!((seen.refused.len(), seen.links.len()), (0, 0), "{what}");
        }
    }
}

/// Two hundred join a group at once.
#[test]
fn as_many_as_may_join_a_group_at_once_do() {
    let most = of(command::GROUP_CHANGE_MEMBER_REQUEST).into_iter();
    let most = most.filter(|probe| probe.name() == "0407.member_id_list").map(|probe| probe.most);
    let most = most.sum::<u32>();
    assert_eq!(most, 200);
    for size in [most - 1, most] {
        on_seed(|| {
            let mut raw = Raw::online(&[]);
            let group = ImGroupCreateReq {
                user_id: 1,
                group_type: GroupType::Tmp.into(),
                group_name: "g".into(),
                group_avatar: "".into(),
                member_id_list: vec![1, 2],
                attach_data: None,
            };
            raw.send(ALICE, &[Pdu::new(command::GROUP_CREATE_REQUEST, 1, &group)]);
            let seen = raw.take();
            let created = seen.of(ALICE, command::GROUP_CREATE_RESPONSE).next().expect("a 0406");
            let created: ImGroupCreateRsp = created.view().expect("a 0406");
            let asked = ImGroupChangeMemberReq {
                user_id: 1,
                change_type: GroupModifyType::Add.into(),
                group_id: created.group_id.expect("a group"),
                member_id_list: (1_000..1_000 + size).collect(),
                attach_data: None,
            };
            raw.send(ALICE, &[Pdu::new(command::GROUP_CHANGE_MEMBER_REQUEST, 1, &asked)]);
            raw.pass(std::time::Duration::from_millis(LONG_MS));
            let seen = raw.take();
            let answer = seen.of(ALICE, command::GROUP_CHANGE_MEMBER_RESPONSE).next();
            let changed: ImGroupChangeMemberRsp = answer.expect("a 0408").view().expect("a 0408");
            assert_eq!(changed.result_code, 0);
            assert_eq!(changed.chg_user_id_list.len(), size as usize);
            assert_eq!(changed.cur_user_id_list.len(), size as usize + 2);
            assert_eq!((seen.refused.len(), seen.links.len()), (0, 0), "{:?}", seen.refused);
        });
    }
}
