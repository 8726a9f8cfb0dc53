//! What the profile `idle` makes of a plan: a day is done in two halves, with more than a minute between
//! them in which nobody does anything. Devices keep their connections by heartbeats; others say nothing
//! any more, and are closed after 24 s as a PC and after 60 s as a phone (brisk).

use super::{LOGINS_END_MS, extras::append};
use crate::plan::{Action, Plan, Rogue};

/// What comes after this is done after the pause, in simulated milliseconds.
const MORNING_MS: u64 = 4_500;
/// More than a phone may be silent, in simulated milliseconds.
const PAUSE_MS: u64 = 66_000;
/// Users who have no device: each says nothing after a login.
const SILENT: u32 = 910;

/// Puts the pause into it.
pub(super) fn stretch(plan: &mut Plan) {
    for op in plan.operations.iter_mut().filter(|op| op.at_ms > MORNING_MS) {
        op.at_ms += PAUSE_MS;
    }
    plan.horizon_ms += PAUSE_MS;
    let Some(slot) = plan.devices.first().map(|device| device.slot) else { return };
    let logged_in = [(SILENT, false), (SILENT + 1, true)];
    let logged_in = logged_in.map(|(user, phone)| Rogue::Silent { of: Some(user), phone });
    let nobody = Rogue::Silent { of: None, phone: false };
    let all = logged_in.into_iter().chain([nobody]);
    let all = all.map(|what| (LOGINS_END_MS, slot, Action::Rogue { what }));
    append(plan, all.collect());
}

#[cfg(test)]
mod tests {
    use super::{MORNING_MS, PAUSE_MS};
    use crate::plan::{
        Pace,
        generate::{Clients, Profile, generate},
    };

    #[test]
    fn nobody_does_anything_for_longer_than_a_phone_may_be_silent() {
        assert!(u128::from(PAUSE_MS) > Pace::Brisk.timing().mobile_timeout().as_millis());
        for seed in 0..50 {
            let plan = generate(seed, Clients::Ours, Profile::Idle);
            assert_eq!(plan.faults, []);
            let in_it = MORNING_MS + 1..MORNING_MS + PAUSE_MS;
            assert!(plan.operations.iter().all(|op| !in_it.contains(&op.at_ms)));
            assert!(plan.operations.iter().any(|op| op.at_ms >= in_it.end));
        }
    }
}
