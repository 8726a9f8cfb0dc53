//! What is named of the tick that decided it, by hand-made draws and lines.

use crate::{
    causality::Inevitable,
    chain::Chain,
    noise::Draw,
    plan::Host,
    record::{End, Frame, Kind, Line, sql_applied},
};
use bytes::Bytes;
use teamtalk::{catalogue::id as command, wire::Pdu};

/// The moment: the tick before it begins at 100 ms.
const FROM_MS: u64 = 105;
const TICK_US: u64 = 100_000;

fn line(n: u64, sim_us: u64, host: &str, kind: Kind) -> Line {
    Line { n, sim_us, host: Host::of(host), incarnation: 1, kind }
}

fn looks(n: u64, sim_us: u64) -> Line {
    line(n, sim_us, "sql", Kind::Store(sql_applied("select 1", &[], "rows 0", true)))
}

fn pdu() -> Frame {
    Frame::new(9, End::Dialler, 1, Pdu::raw(command::MSG_DATA, 0, Bytes::new()))
}

fn draw(at_us: u64, purpose: &'static str, led_to: Option<u64>) -> Draw {
    Draw { at_us, purpose, by: None, led_to }
}

#[test]
fn it_is_the_draws_of_the_tick_before_and_what_they_delayed_to_a_later_one() {
    let lines = [0, 95_000, TICK_US, 115_000, 120_000].map(|at| looks(at / 5_000, at));
    let lines: Vec<Line> = (0..).zip(lines).map(|(n, line)| Line { n, ..line }).collect();
    let draws = [
        draw(95_000, "redis before", Some(2)),
        draw(TICK_US, "sql before", Some(3)),
        draw(105_000, "redis after", Some(4)),
    ];
    let chain = Chain::with(&[1, 2, 3, 4]);
    let known = Inevitable::from(FROM_MS, &draws, &lines, &chain);
    assert_eq!(known.from_ms, FROM_MS);
    assert_eq!(known.draws, [("sql before", 1)].into());
    assert_eq!(known.about, [3], "it took effect three ticks later");
    assert!(known.lines.is_empty(), "what it was about says it");
}

#[test]
fn draws_about_something_else_are_named_only_if_there_are_no_others() {
    let lines = [TICK_US, TICK_US, 110_000, 115_000].map(|at| looks(0, at));
    let lines: Vec<Line> = (0..).zip(lines).map(|(n, line)| Line { n, ..line }).collect();
    let draws = [
        draw(TICK_US, "sql before", Some(2)),
        draw(TICK_US, "sql before", Some(3)),
        draw(TICK_US, "redis before", Some(2)),
        draw(TICK_US, "jitter", None),
    ];
    let of = |chain: &[u64]| Inevitable::from(FROM_MS, &draws, &lines, &Chain::with(chain));
    let known = of(&[1, 3]);
    assert_eq!((known.draws, known.about), ([("sql before", 1)].into(), vec![3]));
    let known = of(&[1]);
    let all = [("sql before", 2), ("redis before", 1), ("jitter", 1)].into();
    assert_eq!((known.draws, known.about), (all, vec![2, 3]));
    assert!(known.lines.is_empty());
    let known = of(&[2, 3]);
    assert_eq!(known.draws, [("sql before", 2), ("redis before", 1)].into());
    assert_eq!(known.about, [2, 3], "each once");
}

#[test]
fn what_led_to_it_in_that_tick_is_named_if_nobody_knows_what_a_draw_was_about() {
    let lines = [95_000, TICK_US, TICK_US, 105_000].map(|at| looks(0, at));
    let lines: Vec<Line> = (0..).zip(lines).map(|(n, line)| Line { n, ..line }).collect();
    let draws = [draw(TICK_US, "jitter", None)];
    let known = Inevitable::from(FROM_MS, &draws, &lines, &Chain::with(&[0, 2, 3]));
    assert_eq!((known.about, known.lines), (vec![], vec![2]));
}

#[test]
fn a_link_is_drawn_for_the_next_pdu_of_its_host_and_a_worker_for_the_last_one_it_read() {
    let lines = [
        line(0, TICK_US, "db1", Kind::PduReceived(pdu())),
        line(1, TICK_US, "db1", Kind::PduReceived(pdu())),
        line(2, TICK_US, "msg2", Kind::PduSent(pdu())),
        line(3, TICK_US, "msg1", Kind::PduReceived(pdu())),
        line(4, TICK_US, "msg1", Kind::PduSent(pdu())),
        line(5, 105_000, "msg1", Kind::PduSent(pdu())),
        line(6, TICK_US, "db1", Kind::PduReceived(pdu())),
    ];
    let about = |purpose, host: &str, n| {
        let draw = Draw { by: Some((Host::of(host), n)), ..draw(TICK_US, purpose, None) };
        Inevitable::from(FROM_MS, &[draw], &lines, &Chain::with(&[0, 1, 2, 3, 4, 5, 6])).about
    };
    assert_eq!(about("db-link", "msg1", 2), [4]);
    assert!(about("db-link", "msg1", 5).is_empty(), "the next one is of another tick");
    assert_eq!(about("db-worker", "db1", 2), [1]);
    assert!(about("db-worker", "db2", 2).is_empty());
    assert!(about("cache-connection", "db1", 2).is_empty(), "which command it is for is not known");
}
