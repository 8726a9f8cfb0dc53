//! What whoever is not logged in may send: a login.

use super::raw::{Raw, STRANGER, on_seed};
use teamtalk::{
    catalogue::{
        id as command,
        limits::Limits,
        probe::{self, Which},
    },
    wire::{Pdu, tt::extension::RefusedCode},
};

/// A login of any size, with a wrong password, is answered. The longest one is the longest PDU that a stranger may
/// write: one byte over costs the connection.
#[test]
fn a_login_is_answered_up_to_its_limits_and_one_over_is_refused() {
    let all = probe::all(&Limits::default()).into_iter();
    let probes: Vec<_> = all.filter(|of| of.command == command::LOGIN_REQ_USERLOGIN).collect();
    assert_eq!(probes.len(), 4);
    for probe in probes {
        for size in [probe.most - 1, probe.most, probe.most + 1] {
            let seen = on_seed(|| {
                let mut raw = Raw::online(&[]);
                raw.connect(STRANGER);
                raw.take();
                raw.send(STRANGER, &[Pdu::raw(probe.command, 1, probe.body(size))]);
                raw.take()
            });
            let what = format!("{} {size}: {seen:?}", probe.name());
            let is_over = size > probe.most;
            let answers = seen.of(STRANGER, command::LOGIN_RES_USERLOGIN).count();
            assert_eq!(answers, usize::from(!is_over), "{what}");
            let is_closed = is_over && probe.limit == Which::Body;
            let refused = (probe.command, RefusedCode::RefusedMalformed);
            let refused = if is_over && !is_closed { vec![refused] } else { Vec::new() };
            assert_eq!(seen.refusals(STRANGER), refused, "{what}");
            let limits = seen.refused.iter().filter(|(_, why)| why.contains("at most"));
            assert_eq!(limits.count(), refused.len(), "a reason: {what}");
            let closed = seen.closed.iter().filter(|(_, why)| why.contains("a PDU length of"));
            assert_eq!(closed.count(), usize::from(is_closed), "a reason: {what}");
            assert_eq!((seen.by_others(), &seen.links[..]), (0, &[][..]), "{what}");
        }
    }
}
