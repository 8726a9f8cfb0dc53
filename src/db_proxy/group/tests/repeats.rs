//! `members-from-store`: changes and new groups whose answer was lost, at the store or on the way
//! to the client, against scripted stores.

use super::switches::{CHANGE, CREATE, ask, change, creation, group_1, refused_as, try_ask};
use crate::{
    db_proxy::testing::{Fake, lost, refused, rows},
    protocol::Protocol,
    wire::{
        im::{base_define::GroupModifyType, group::*},
        tt::extension::RefusedCode,
    },
};
use GroupModifyType::{Add, Del};

/// Group 1 whose next change gets no answer to its COMMIT; these are its members afterwards.
fn commit_lost(then: &[u32]) -> Fake {
    let world = group_1();
    let members: Vec<_> = then.iter().map(|&user| [user.into()]).collect();
    world.on("COMMIT", lost());
    world.on("select userId from IMGroupMember", rows(["userId"], &members));
    world
}

#[test]
fn a_change_whose_commit_had_no_answer_is_done_if_all_are_as_asked() {
    let world = commit_lost(&[1, 2, 3, 5, 6]);
    let reply: ImGroupChangeMemberRsp = ask(&world, CHANGE, &change(1, Add, &[2, 5, 6]));
    assert_eq!((reply.result_code, reply.chg_user_id_list), (0, vec![5, 6]));
    assert_eq!(reply.cur_user_id_list, [1, 2, 3, 5, 6]);
    let log = world.log();
    assert_eq!(
        log[log.len() - 4..],
        [
            "M COMMIT",
            "M select userId from IMGroupMember where groupId=1 and status=0 order by userId",
            "HSET group_member_1 5 1000",
            "HSET group_member_1 6 1000",
        ]
    );
    let world = commit_lost(&[1]);
    let reply: ImGroupChangeMemberRsp = ask(&world, CHANGE, &change(1, Del, &[2, 3]));
    assert_eq!((reply.result_code, reply.chg_user_id_list), (0, vec![2, 3]));
    assert!(world.log().contains(&"HDEL group_member_1 3".to_string()));
}

#[test]
fn a_change_whose_commit_had_no_answer_is_unavailable_if_it_is_not_seen() {
    let not_seen = [
        (Add, [5, 6], commit_lost(&[1, 2, 3])),
        (Add, [5, 6], commit_lost(&[1, 2, 3, 5])),
        (Del, [2, 3], commit_lost(&[1, 2, 3])),
        (Del, [2, 3], commit_lost(&[1, 3])),
    ];
    let unread = [(Add, [5, 6]), (Del, [2, 3])].map(|(kind, ids)| {
        let world = group_1();
        world.on("COMMIT", lost()).on("select userId from IMGroupMember", lost());
        (kind, ids, world)
    });
    for (kind, ids, world) in not_seen.into_iter().chain(unread) {
        let code = refused_as(&world, CHANGE, &change(1, kind, &ids));
        assert_eq!(code, RefusedCode::RefusedUnavailable);
        let log = world.log();
        assert!(!log.iter().any(|l| l.starts_with('H')), "{log:#?}");
    }
}

/// The first one's process may have gone before it came to Redis, which then is as SQL says.
#[test]
fn a_repeated_change_succeeds_and_changes_nothing() {
    for protocol in
        [Protocol::hardened(), Protocol { members_from_store: true, ..Protocol::teamtalk() }]
    {
        for (kind, ids, redis) in [
            (Add, [3, 2], ["HSET group_member_1 2 500", "HSET group_member_1 3 500"]),
            (Del, [9, 5], ["HDEL group_member_1 5", "HDEL group_member_1 9"]),
        ] {
            let world = group_1();
            let reply = try_ask(&world, protocol, CHANGE, &change(1, kind, &ids));
            let reply: ImGroupChangeMemberRsp = reply.view().unwrap();
            assert_eq!(reply.result_code, 0, "{kind:?}");
            let mut asked = ids.to_vec();
            asked.sort_unstable();
            assert_eq!(reply.chg_user_id_list, asked);
            assert_eq!(reply.cur_user_id_list, [1, 2, 3]);
            let log = world.log();
            assert!(
                !log.iter().any(|l| l.contains("update ") || l.contains("insert ")),
                "{log:#?}"
            );
            assert_eq!(log[log.len() - 2..], redis);
        }
    }
}

#[test]
fn who_may_not_or_names_nobody_has_result_1() {
    for (user, kind, ids) in [(2, Del, &[9][..]), (1, Add, &[]), (1, Del, &[])] {
        let world = group_1();
        let reply: ImGroupChangeMemberRsp = ask(&world, CHANGE, &change(user, kind, ids));
        assert_eq!((reply.result_code, reply.chg_user_id_list.len()), (1, 0), "{user} {kind:?}");
    }
}

#[test]
fn a_group_whose_commit_had_no_answer_is_made_if_it_is_there() {
    let row = |creator: u32, created: u32| {
        rows(["creator", "created"], &[[creator.into(), created.into()]])
    };
    let world = Fake::default();
    world.on("COMMIT", lost()).on("from IMGroup where id=1", row(1, 1000));
    let reply: ImGroupCreateRsp = ask(&world, CREATE, &creation());
    assert_eq!((reply.result_code, reply.group_id), (0, Some(1)));
    assert_eq!(reply.user_id_list, [1, 2]);
    let log = world.log();
    let commit = log.iter().position(|l| l == "M COMMIT").unwrap();
    assert_eq!(
        log[commit..],
        [
            "M COMMIT",
            "M select creator,created from IMGroup where id=1",
            "SET group_msg_id_1 0",
            "HSET group_member_1 1 1000",
            "HSET group_member_1 2 1000",
        ]
    );
    // Another group got the id of one that was not made; or nobody can tell.
    for answer in [row(2, 1000), row(1, 999), lost(), refused(1205)] {
        let world = Fake::default();
        world.on("COMMIT", lost()).on("from IMGroup where id=1", answer);
        assert_eq!(refused_as(&world, CREATE, &creation()), RefusedCode::RefusedUnavailable);
        assert!(!world.log().iter().any(|l| l.starts_with("SET") || l.starts_with("HSET")));
    }
}
