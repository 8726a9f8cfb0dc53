//! Faults of reads and writes, and the back pressure that shows by them.

use super::{count, lines, received, slowest, with};
use crate::{
    plan::Trouble,
    record::{Kind, Line, sizes::Measure},
};

/// What a PDU takes on the wire.
fn bytes(line: &Line) -> usize {
    let Kind::PduReceived(frame) = &line.kind else { return 0 };
    frame.pdu.encode().len()
}

#[test]
fn tiny_io_passes_pieces() {
    let (outcome, hit) = with(2_000, 1_000, Trouble::TinyIo { host: "msg1".into(), bytes: 3 });
    // Each PDU has a header of 16 bytes.
    let pdus = count(&outcome, 2_000, 3_000, |l| received("msg1")(l) || super::sent("msg1")(l));
    assert!(pdus > 0 && hit as usize >= 5 * pdus, "{hit} pieces of {pdus} PDUs");
    // All but the last bytes of a PDU.
    assert!(outcome.sizes.largest(&Measure::Unfinished) > 16);
    assert_eq!(outcome.found(), "holds");
    let (outcome, hit) = with(2_000, 1_000, Trouble::TinyIo { host: "redis".into(), bytes: 1 });
    assert!(hit > 100);
    assert_eq!(outcome.found(), "holds");
}

#[test]
fn a_slow_reader_receives_late() {
    let slow = |peer: Option<&str>, bytes| Trouble::SlowReader {
        host: "client2".into(),
        peer: peer.map(String::from),
        bytes,
    };
    let (outcome, hit) = with(2_000, 1_000, slow(None, 1));
    assert!(hit > 0);
    assert!(slowest(&outcome, "client2", 2_000, 3_000) > 200, "a push of 100 bytes takes 500 ms");
    assert!(slowest(&outcome, "client2", 3_500, 4_500) <= 10, "it catches up");
    let (_, hit) = with(2_000, 1_000, slow(Some("route1"), 1));
    assert_eq!(hit, 0, "it has no stream with that host");
    let (outcome, hit) = with(2_000, 1_000, slow(Some("msg1"), 0));
    assert!(hit > 0);
    assert_eq!(count(&outcome, 2_000, 3_000, received("client2")), 0, "it stands still");
    let late = lines(&outcome, 3_000, 3_010, received("client2"));
    assert!(late.len() > 5, "and reads all that was sent when it goes on");
    let sent: usize = late.iter().map(|line| bytes(line)).sum();
    assert!(outcome.sizes.largest(&Measure::Unread) as usize >= sent);
    let closed = |l: &Line| matches!(l.kind, Kind::Disconnected { .. });
    assert_eq!(count(&outcome, 2_000, 4_500, closed), 0);
}
