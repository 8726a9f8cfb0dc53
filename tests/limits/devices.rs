//! What one device may cost: the longest PDU that is read of it, and how much waits to be written to it.

use super::raw::{ALICE, BOB, Raw, Seen, on_seed};
use std::time::Duration;
use teamtalk::{
    catalogue::{
        id as command,
        limits::Limits,
        probe::{self, Which},
    },
    wire::{
        Pdu,
        frame::MAX_LEN,
        im::{buddy::ImRecentContactSessionReq, switch_service::Imp2pCmdMsg},
        pdu::HEADER_LEN,
        tt::extension::RefusedCode,
    },
};
use teamtalk_sim::plan::WINDOW;

fn sessions(user_id: u32) -> Pdu {
    let asked = ImRecentContactSessionReq { user_id, latest_update_time: 0, ..Default::default() };
    Pdu::new(command::BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST, 1, &asked)
}

/// Most of what is too long is refused; what is longer than any device has to write costs the connection.
#[test]
fn a_pdu_longer_than_the_longest_of_a_device_costs_its_connection() {
    let limits = Limits::default();
    let of_users = |probe: &probe::Probe| {
        (probe.command, probe.limit) == (command::BUDDY_LIST_USER_INFO_REQUEST, Which::Body)
    };
    let probe = probe::all(&limits).into_iter().find(of_users).expect("a limit");
    for (length, is_closed) in
        [(limits.device_pdu - 1, false), (limits.device_pdu, false), (limits.device_pdu + 1, true)]
    {
        let seen = on_seed(|| {
            let mut raw = Raw::online(&[]);
            raw.take();
            let body = probe.body(length - HEADER_LEN as u32);
            raw.send(ALICE, &[Pdu::raw(probe.command, 1, body), sessions(1)]);
            raw.take()
        });
        let what = format!("{length}: {seen:?}");
        let refused = (probe.command, RefusedCode::RefusedMalformed);
        let (refused, closed) = if is_closed { (vec![], 1) } else { (vec![refused], 0) };
        assert_eq!(seen.refusals(ALICE), refused, "{what}");
        let why = format!("a PDU length of {length}");
        assert_eq!(seen.closed.iter().filter(|(_, reason)| reason.contains(&why)).count(), closed);
        // What comes after it is served, or not read any more.
        let answer = command::BUDDY_LIST_RECENT_CONTACT_SESSION_RESPONSE;
        assert_eq!(seen.of(ALICE, answer).count(), 1 - closed, "{what}");
        assert_eq!((seen.by_others(), seen.links.len()), (0, 0), "{what}");
    }
}

/// Bytes that may wait to be written to one device: hardly more than the longest PDU, which has to fit.
const UNSENT: u32 = MAX_LEN + (1 << 20);
/// Bytes of one command to another device, as many as a deployment may allow.
const MOST: u32 = 262_144;
/// So many are written at once.
const AT_ONCE: usize = 10;
/// Simulated milliseconds until they have come to where they wait.
const ARRIVED_MS: u64 = 1_500;

fn command_of(bytes: usize) -> Pdu {
    let data = vec![b'x'; bytes].into();
    let said = Imp2pCmdMsg { from_user_id: 2, to_user_id: 1, cmd_msg_data: data };
    Pdu::new(command::SWITCH_P2P_CMD, 1, &said)
}

fn length(pdu: &Pdu) -> usize {
    HEADER_LEN + pdu.body.len()
}

/// Commands of together so many bytes.
fn commands(bytes: usize) -> Vec<Pdu> {
    let longest = command_of(MOST as usize);
    // Two of them at the end are shorter, and about as long: the length of either takes three bytes, too.
    let whole = bytes / length(&longest) - 1;
    let left = bytes - whole * length(&longest);
    let beside = length(&longest) - MOST as usize;
    let first = left / 2;
    let mut all = vec![longest; whole];
    all.extend([first, left - first].map(|length| command_of(length - beside)));
    assert_eq!(all.iter().map(length).sum::<usize>(), bytes);
    all
}

/// User 1 stops reading; what user 2 writes to them then leaves so many bytes waiting. Then user 1 reads again.
/// What happened before that, and after.
fn slow_reader(waiting: usize) -> [Seen; 2] {
    let limits = [("device.unsent", UNSENT), ("0601.cmd_msg_data", MOST), ("0601.rate", 100)];
    // The window of the connection takes the first of it.
    let all = commands(WINDOW as usize + waiting);
    on_seed(|| {
        let mut raw = Raw::online(&limits);
        raw.take();
        raw.reads(ALICE, false);
        for some in all.chunks(AT_ONCE) {
            raw.write(BOB, some);
            raw.pass(Duration::from_millis(ARRIVED_MS));
        }
        raw.write(BOB, &[sessions(2)]);
        raw.pass(Duration::from_millis(ARRIVED_MS));
        let before = raw.take();
        raw.reads(ALICE, true);
        raw.pass(Duration::from_secs(10));
        [before, raw.take()]
    })
}

/// A device that does not read is disconnected once one byte more waits for it than may; what waited up to there
/// it is given when it reads. Nobody else notices, and no link between servers.
#[test]
fn what_waits_for_a_slow_device_is_bounded() {
    let most = UNSENT as usize;
    for (waiting, is_closed) in [(most - 1, false), (most, false), (most + 1, true)] {
        let [before, after] = slow_reader(waiting);
        let told = |seen: &Seen| seen.of(ALICE, command::SWITCH_P2P_CMD).map(length).sum::<usize>();
        assert_eq!(told(&before), 0, "{waiting}: the user does not read");
        let closed: Vec<_> = before.closed.iter().map(|(slot, why)| (*slot, &**why)).collect();
        if is_closed {
            assert_eq!(closed, [(ALICE, "too many unsent bytes")]);
            assert!(told(&after) <= WINDOW as usize, "{} bytes", told(&after));
        } else {
            assert_eq!(closed, []);
            assert_eq!(told(&after), WINDOW as usize + waiting);
        }
        for seen in [&before, &after] {
            assert_eq!((seen.refused.len(), seen.links.len()), (0, 0), "{waiting}: {seen:?}");
        }
        let answer = command::BUDDY_LIST_RECENT_CONTACT_SESSION_RESPONSE;
        assert_eq!(before.of(BOB, answer).count(), 1, "{waiting}: the other user is served");
        assert_eq!(
            (before.by_others(), after.by_others()),
            (1, 0),
            "{waiting}: and told nothing else"
        );
    }
}
