//! Wall clocks of a plan of the profile `clocks`: they are ahead or behind, fast or slow, and are set while the
//! plan runs.

use super::{
    HORIZON_MS,
    extras::{Draws, STRANGER, TRIES_EVERY_MS, append},
};
use crate::plan::{Action, Clock, Fault, Plan, Rogue, Role, TICK_MS, Trouble};

/// The stream of its draws ([`Draws::of`]).
const STREAM: u8 = 42;
/// Who goes by the wall clock.
const ROLES: [Role; 2] = [Role::Msg, Role::Db];
/// How far a clock is ahead or behind, or is set: less than one of these, in milliseconds. A few seconds are a clock
/// that nobody has set for days, minutes one that nobody ever sets, hours a wrong time zone.
const AHEAD: [u64; 3] = [2_000, 120_000, 7_200_000];
/// So far behind is no clock of this role at most, or set back, in milliseconds; together they come to what is not mended beyond
/// it (docs/DESIGN.md, "Not built yet"). Of msg_servers: who was in a group before the run joined an hour before it, and reads
/// from that second on. Of db_proxies: the job that carries what was said in groups into sessions looks a minute back.
const BEHIND_MS: [(Role, i64); 2] = [(Role::Msg, 600_000), (Role::Db, 8_000)];
/// How much a clock gains or loses, less than one of these, in microseconds a second. Real ones do some hundred; in
/// seconds of a run more is needed to be seen.
const DRIFT: [u64; 2] = [500, 200_000];
/// How many faults set clocks, at most, beside the one that is aimed.
const MOST: u64 = 3;
/// Faults start between these, in simulated milliseconds.
const STARTS: std::ops::Range<u64> = 300..HORIZON_MS - 1_500;
/// How long a fault lasts, in simulated milliseconds: at least, and less than so much more.
const LASTS: (u64, u64) = (100, 2_400);
/// Wrong passwords of one name, of which more than ten keep it out; then a right one.
const TRIES: (u64, u64) = (11, 4);
/// The user whose name that is: nobody else logs in as them.
const GUESSED: u32 = STRANGER + 8;
/// Lays them over a plan, of which two in three lose the faults that they have: what is found is the clocks' alone.
pub(super) fn lay(plan: &mut Plan, seed: u64) {
    let mut draws = Draws::of(seed, STREAM);
    if !draws.once_in(3) {
        plan.faults.clear();
    }
    for node in plan.nodes.iter_mut().filter(|node| ROLES.contains(&node.host.role())) {
        let role = node.host.role();
        let ahead_ms = if draws.once_in(2) { ahead(role, &mut draws) } else { 0 };
        let drift_ppm = if draws.once_in(3) { signed(&mut draws, &DRIFT) } else { 0 };
        node.clock = Clock { ahead_ms, drift_ppm };
    }
    let mut steps = Vec::new();
    for _ in 0..1 + draws.below(MOST) {
        let role = draws.pick(&ROLES);
        let host = draws.pick(&plan.hosts(role)).to_string();
        let at_ms = STARTS.start + draws.below(STARTS.end - STARTS.start);
        let for_ms = LASTS.0 + draws.below(LASTS.1);
        let ahead_ms = ahead(role, &mut draws);
        steps.push((at_ms, for_ms, Trouble::ClockStep { host, ahead_ms }));
    }
    if draws.once_in(3) {
        steps.push(amid_passwords(plan, &mut draws));
    }
    let first = plan.faults.iter().map(|fault| fault.id).max().unwrap_or_default() + 1;
    let in_ticks = |ms: u64| ms / TICK_MS * TICK_MS;
    plan.faults.extend((first..).zip(steps).map(|(id, (at_ms, for_ms, trouble))| {
        let (at_ms, for_ms) = (in_ticks(at_ms), in_ticks(for_ms));
        Fault { id, at_ms, for_ms, trouble }
    }));
    plan.faults.sort_by_key(|fault| (fault.at_ms, fault.id));
}

/// Less than one of these over or under 0, and not 0.
fn signed(draws: &mut Draws, of: &[u64]) -> i64 {
    let most = draws.pick(of);
    let by = 1 + draws.below(most - 1) as i64;
    if draws.once_in(2) { by } else { -by }
}

fn ahead(role: Role, draws: &mut Draws) -> i64 {
    let ahead = signed(draws, &AHEAD);
    match BEHIND_MS.iter().find(|(of, _)| *of == role) {
        Some((_, most)) if ahead < 0 => -1 - (-ahead) % most,
        _ => ahead,
    }
}

/// Somebody guesses a password until the name is kept out, and the clock of the db_proxy that counts is set ahead
/// meanwhile.
fn amid_passwords(plan: &mut Plan, draws: &mut Draws) -> (u64, u64, Trouble) {
    let device = draws.device(plan);
    let wrong = TRIES.0 + draws.below(TRIES.1);
    let begins = draws.when((wrong + 1) * TRIES_EVERY_MS);
    let login = |n| {
        let what = Rogue::Login { of: GUESSED, wrong: n < wrong };
        (begins + n * TRIES_EVERY_MS, device.slot, Action::Rogue { what })
    };
    append(plan, (0..=wrong).map(login).collect());
    let at_ms = begins + draws.below((wrong + 1) * TRIES_EVERY_MS);
    let for_ms = LASTS.0 + draws.below(LASTS.1);
    // By more than the time for which a failed login counts.
    let window = plan.pace.timing().login_failure_window();
    let ahead_ms = window.as_millis() as i64 + draws.below(AHEAD[2]) as i64;
    // Logins are the affair of the first half of the db_proxies.
    let host = plan.hosts(Role::Db)[0].to_string();
    (at_ms, for_ms, Trouble::ClockStep { host, ahead_ms })
}

#[cfg(test)]
mod tests {
    use crate::plan::{
        Clock, Host, Role, Trouble,
        generate::{Clients, Profile, generate},
    };

    #[test]
    fn clocks_are_wrong_in_both_ways_and_are_set_in_both() {
        let (mut ahead, mut behind, mut fast, mut slow) = (0, 0, 0, 0);
        let (mut set_ahead, mut set_back, mut alone) = (0, 0, 0);
        for seed in 0..300 {
            let plan = generate(seed, Clients::Ours, Profile::Clocks);
            for node in &plan.nodes {
                let Clock { ahead_ms, drift_ppm } = node.clock;
                assert!(node.clock.is_right() || [Role::Msg, Role::Db].contains(&node.host.role()));
                assert_eq!(node.clock.check(), Ok(()));
                ahead += u32::from(ahead_ms > 0);
                behind += u32::from(ahead_ms < 0);
                fast += u32::from(drift_ppm > 0);
                slow += u32::from(drift_ppm < 0);
            }
            let mut steps = 0;
            for fault in &plan.faults {
                assert_eq!(fault.check(), Ok(()));
                if let Trouble::ClockStep { host, ahead_ms } = &fault.trouble {
                    let role = Host::of(host).role();
                    assert!([Role::Msg, Role::Db].contains(&role), "{host}");
                    steps += 1;
                    set_ahead += u32::from(*ahead_ms > 0);
                    set_back += u32::from(*ahead_ms < 0);
                }
            }
            assert!((1..=4).contains(&steps), "seed {seed}");
            for node in &plan.nodes {
                let steps = plan.faults.iter().filter_map(|fault| match &fault.trouble {
                    Trouble::ClockStep { host, ahead_ms } if *host == *node.host => Some(*ahead_ms),
                    _ => None,
                });
                let behind = steps.chain([node.clock.ahead_ms]).filter(|ms| *ms < 0).sum::<i64>();
                let most = if node.host.role() == Role::Db { 32_000 } else { 2_400_000 };
                assert!(-behind <= most, "seed {seed}: {} is {behind} ms ahead", node.host);
            }
            alone += u32::from(steps == plan.faults.len());
        }
        for (n, what) in [(ahead, "ahead"), (behind, "behind"), (fast, "fast"), (slow, "slow")] {
            assert!(n > 150, "{n} are {what}");
        }
        assert!(set_ahead > 200 && set_back > 200, "{set_ahead} {set_back}");
        assert!((150..250).contains(&alone), "{alone} have nothing else");
    }
}
