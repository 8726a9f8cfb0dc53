//! The job that brings sessions with groups up to date, against scripted stores.

use crate::{
    db_proxy::{
        group::job::{Progress, round},
        testing::{Fake, lost, ready, rows},
    },
    protocol::Protocol,
};

const LOOK: &str = "from IMGroup where status=0";
const MEMBERS: &str = "select userId from IMGroupMember";
const FIND: &str = "select id from IMRecentSession";

/// The statements of one round in which group 1, of user 2, was chatted in at 990.
fn round_of(world: &Fake, honest: bool, progress: &mut Progress) -> Vec<String> {
    let protocol =
        Protocol { honest_reads: honest, members_from_store: true, ..Protocol::default() };
    world.log();
    let mut cx = world.context(protocol);
    ready(async {
        cx.start_request();
        round(&mut cx, progress).await;
    });
    world.log()
}

fn chatted() -> Fake {
    let world = Fake::default();
    for _ in 0..3 {
        world.on(LOOK, rows(["id", "lastChated"], &[[1.into(), 990.into()]]));
        world.on(MEMBERS, rows(["userId"], &[[2.into()]]));
        world.on(FIND, rows(["id"], &[[7.into()]]));
    }
    world
}

const TOUCHES: &str = "M update IMRecentSession set `updated`=990 where id=7";
const LOOKS_BACK: &str = "S select id, lastChated from IMGroup where status=0 and lastChated >=940";

fn has(log: &[String], text: &str) -> bool {
    log.iter().any(|line| line == text)
}

#[test]
fn what_is_committed_late_is_carried_once() {
    let (world, mut progress) = (chatted(), Progress::default());
    assert!(has(&round_of(&world, true, &mut progress), TOUCHES));
    let second = round_of(&world, true, &mut progress);
    assert!(has(&second, LOOKS_BACK) && !has(&second, TOUCHES), "{second:?}");
    let mut progress = Progress::default();
    let world = chatted();
    round_of(&world, false, &mut progress);
    let second = round_of(&world, false, &mut progress);
    assert!(!has(&second, LOOKS_BACK) && has(&second, TOUCHES), "as the original: {second:?}");
}

/// The fake's clock says 1000.
#[test]
fn a_session_that_is_made_is_as_new_as_what_was_said_by_a_clock_that_is_ahead() {
    let told = |honest, chatted: u32| {
        let world = Fake::default();
        world.on(LOOK, rows(["id", "lastChated"], &[[1.into(), chatted.into()]]));
        world.on(MEMBERS, rows(["userId"], &[[2.into()]]));
        round_of(&world, honest, &mut Progress::default())
    };
    let touches = "M update IMRecentSession set `updated`=1090 where id=1";
    let made =
        |log: &[String]| log.iter().any(|line| line.starts_with("M insert into IMRecentSession"));
    let ahead = told(true, 1_090);
    assert!(made(&ahead) && has(&ahead, touches), "{ahead:?}");
    let original = told(false, 1_090);
    assert!(made(&original) && !has(&original, touches), "as the original: {original:?}");
    let behind = told(true, 990);
    assert!(!behind.iter().any(|line| line.contains("update IMRecentSession")), "{behind:?}");
}

#[test]
fn what_could_not_be_read_or_carried_is_looked_for_again() {
    for fails in [LOOK, MEMBERS, FIND, "update IMRecentSession"] {
        for (honest, again) in [(true, true), (false, false)] {
            let (world, mut progress) = (Fake::default(), Progress::default());
            world.on(fails, lost());
            for (text, answer) in [
                (LOOK, rows(["id", "lastChated"], &[[1.into(), 990.into()]])),
                (MEMBERS, rows(["userId"], &[[2.into()]])),
                (FIND, rows(["id"], &[[7.into()]])),
            ] {
                world.on(text, answer);
            }
            round_of(&world, honest, &mut progress);
            let second = round_of(&world, honest, &mut progress);
            let first_look =
                "S select id, lastChated from IMGroup where status=0 and lastChated >=0";
            assert_eq!(has(&second, first_look), again, "{fails}: {second:?}");
        }
    }
}
