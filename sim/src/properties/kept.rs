//! How much the stores may keep of a plan: a part of `bounded`.
//!
//! What a deployment promises to bound (docs/DESIGN.md, "Catalogue") has a bound that follows from what is done: a
//! token for each send, a mark for each user of a conversation in which something is said, a token of a phone for each
//! user who has one. What is over it was left behind, or came of something that should leave nothing.

use super::{bounds::Bounds, protocols::Protocols};
use crate::{
    plan::{Action, Chat, Plan, Role},
    record::sizes::Measure,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use teamtalk::{
    catalogue::{
        id as command,
        limits::{Limits, Unit},
        probe::{self, Which},
    },
    protocol::Protocol,
    timing::Timing,
};

/// For how long a token of a send is kept, in seconds (docs/DESIGN.md, "Catalogue").
const TOKENS_KEPT_S: u64 = 30 * 24 * 60 * 60;
/// A round of the job that forgets them takes no longer.
const ROUND: Duration = Duration::from_secs(60);

/// See the module. Counts what a plan may come to at most, whatever goes wrong in its run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kept {
    /// Messages that devices send, each once or more.
    sends: u64,
    /// Users of conversations between two in which something is said, and of groups, and one for each group.
    marks: u64,
    /// Users who have said a token of a phone.
    phones: u64,
    /// Tokens that may be left behind: where something goes wrong while two of a user are served side by side.
    left_behind: u64,
}

impl Kept {
    /// What a plan may come to, with the limits of its hosts.
    pub fn of(plan: &Plan, limits: &[Limits]) -> Self {
        let user_of = |slot: u32| {
            let device = plan.devices.iter().find(|device| device.slot == slot);
            device.map_or(0, |device| device.user)
        };
        let (mut pairs, mut phones) = (BTreeSet::new(), BTreeMap::new());
        let (mut sends, mut joins, mut marks) = (0, BTreeSet::new(), 0);
        // A probe's change of members names group 1, and users from 1 on.
        let mut into_first = BTreeSet::new();
        let pair = |a: u32, b: u32| (a.min(b), a.max(b));
        for op in &plan.operations {
            let user = user_of(op.device);
            sends += u64::from(op.content().is_some());
            let says_token =
                |phones: &mut BTreeMap<u32, u64>| *phones.entry(user).or_default() += 1;
            match &op.action {
                Action::Send { to: Chat::User(to) }
                | Action::SendCipher { to: Chat::User(to) }
                | Action::SendPayload { to: Chat::User(to), .. }
                | Action::SendAudio { to: Chat::User(to) }
                | Action::SendOdd { to: Chat::User(to), .. } => _ = pairs.insert(pair(user, *to)),
                Action::Claim { to, of } => pairs.extend([pair(user, *to), pair(*of, *to)]),
                Action::Rogue { what } => {
                    pairs.extend(what.says().map(|(of, to)| pair(of.unwrap_or(user), to)))
                }
                Action::CreateGroup { members } => marks += 1 + members.len() as u64,
                Action::AddMembers { users, .. } => joins.extend(users.iter().copied()),
                Action::Ask(ask) if ask.command == command::LOGIN_REQ_DEVICETOKEN => {
                    says_token(&mut phones)
                }
                Action::Probe { limit, .. } => match probed(limit) {
                    // It is to user 1 (`catalogue::probe`), or to user 2 if it says something.
                    command::MSG_DATA => {
                        sends += u64::from(op.content().is_none());
                        pairs.extend([pair(user, 1), pair(user, 2)]);
                    }
                    command::GROUP_CREATE_REQUEST => marks += 1,
                    command::GROUP_CHANGE_MEMBER_REQUEST => {
                        let probes = limits.iter().filter_map(|limits| probe::named(limits, limit));
                        let most =
                            probes.filter(|probe| is_list(probe.limit)).map(|probe| probe.most);
                        into_first.extend(1..=most.max().unwrap_or_default());
                    }
                    command::LOGIN_REQ_DEVICETOKEN => says_token(&mut phones),
                    _ => {}
                },
                _ => {}
            }
        }
        pairs.extend(plan.past.pairs.iter().map(|past| pair(past.users[0], past.users[1])));
        for group in &plan.groups {
            let members: BTreeSet<u32> = group.members.iter().copied().collect();
            let joins = match group.id {
                1 => &joins | &into_first,
                _ => joins.clone(),
            };
            marks += 1 + members.union(&joins).count() as u64;
        }
        marks += joins.len() as u64 * created(plan);
        let goes_wrong = !plan.faults.is_empty() || !plan.rollout.is_empty();
        let left_behind = phones.values().map(|said| said - 1).filter(|_| goes_wrong).sum();
        let marks = marks + 2 * pairs.len() as u64;
        Self { sends, marks, phones: phones.len() as u64, left_behind }
    }

    /// The bounds that follow, where all db_proxies of the run promise them.
    pub fn bounds(&self, bounds: Bounds, protocols: &Protocols, timing: &Timing) -> Bounds {
        let all = |has: fn(&Protocol) -> bool| protocols.all_of(Role::Db, has);
        let rows = |table: &str| Measure::Rows(table.into());
        let oldest = TOKENS_KEPT_S + (timing.token_job() + ROUND).as_secs();
        let mut bounds = bounds.set(Role::Sql, rows("TTSend"), self.sends).set(
            Role::Sql,
            Measure::Oldest("TTSend"),
            oldest,
        );
        if all(|protocol| protocol.edge_limits) {
            // Which token a user has, and whose it is: the original gives both the same kind of key.
            let of_users = match all(|protocol| protocol.kept_tokens) {
                true => self.phones,
                false => 2 * self.phones,
            };
            bounds = bounds
                .set(Role::Sql, rows("TTRead"), self.marks)
                .set(Role::Redis, Measure::Keys("device_"), of_users)
                .set(Role::Redis, Measure::Keys("token_"), self.phones + self.left_behind);
        }
        bounds
    }
}

/// Whether a limit is one of items.
fn is_list(limit: Which) -> bool {
    matches!(limit, Which::Field(field) if field.unit == Unit::Items)
}

/// How many groups the plan creates.
fn created(plan: &Plan) -> u64 {
    let creates = |action: &Action| matches!(action, Action::CreateGroup { .. });
    plan.operations.iter().filter(|op| creates(&op.action)).count() as u64
}

/// The command of a probe's limit: `0204.user_id_list`.
fn probed(limit: &str) -> u16 {
    let (command, _) = limit.split_once('.').unwrap_or_default();
    u16::from_str_radix(command, 16).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::Kept;
    use crate::{
        explore::case_of,
        plan::{
            Action, Chat, Client, Device, Fault, Group, GroupKind, GroupRef, Odd, Operation, Past,
            Plan, Rogue, Role, Size, Trouble, case::ProtocolSpec, generate::Profile,
        },
        properties::{bounds::Bounds, protocols::Protocols},
        record::sizes::{Measure, Sizes},
    };
    use teamtalk::{catalogue::limits::Limits, protocol::Protocol, timing::Timing};

    /// Users 1 to 3 do this, each with one device.
    fn plan(groups: Vec<Group>, done: Vec<(u32, Action)>) -> Plan {
        let device = |slot| Device::by_hand(slot, Client::OursPc, "msg1");
        let operation = |(id, (device, action))| Operation { id, at_ms: 1_000, device, action };
        let case = case_of(1, &ProtocolSpec::preset("hardened"), Profile::Calm);
        Plan {
            devices: (1..=3).map(device).collect(),
            groups,
            past: Past::default(),
            operations: (1..).zip(done).map(operation).collect(),
            ..case.plan
        }
    }

    fn kept(done: Vec<(u32, Action)>) -> Kept {
        Kept::of(&plan(Vec::new(), done), &[Limits::default()])
    }

    #[test]
    fn who_says_nothing_leaves_nothing() {
        let reads = Action::Read { chat: Chat::User(2) };
        assert_eq!(kept(vec![(1, Action::Login), (1, reads)]), Kept::default());
    }

    #[test]
    fn each_send_has_a_token_and_each_user_of_a_chat_a_mark() {
        let done = vec![
            (1, Action::Send { to: Chat::User(2) }),
            (2, Action::SendAudio { to: Chat::User(1) }),
            (2, Action::SendOdd { to: Chat::User(3), odd: Odd::TooLong }),
            (3, Action::Rogue { what: Rogue::Hasty { of: 1, to: 3 } }),
            (3, Action::Claim { to: 2, of: 1 }),
            (1, Action::Resend { of: None }),
        ];
        // 1 and 2, 2 and 3, 1 and 3.
        assert_eq!(kept(done), Kept { sends: 5, marks: 6, ..Kept::default() });
    }

    #[test]
    fn each_member_of_a_group_and_the_group_have_a_mark() {
        let kind = GroupKind::Temporary;
        let groups = vec![Group { id: 7, kind, creator: 1, members: vec![1, 2] }];
        let add = Action::AddMembers { group: GroupRef::Known(7), users: vec![2, 3] };
        let send = Action::Send { to: Chat::group(GroupRef::Known(7)) };
        let of = |done| Kept::of(&plan(groups.clone(), done), &[Limits::default()]);
        assert_eq!(of(vec![(1, send)]), Kept { sends: 1, marks: 3, ..Kept::default() });
        // User 3 comes to it.
        assert_eq!(of(vec![(1, add.clone())]).marks, 4);
        // A probe's change of members is of group 1.
        let probe = Action::Probe { limit: "0407.member_id_list".into(), size: Size::At };
        assert_eq!(of(vec![(1, probe.clone())]).marks, 3);
        let first = Group { id: 1, ..groups[0].clone() };
        let of_first = Kept::of(&plan(vec![first], vec![(1, probe)]), &[Limits::default()]);
        assert_eq!(of_first.marks, 201, "as many as may join at once, and the group");
        // A group of users 1 and 2 and itself, which 2 and 3 may join as well.
        let create = Action::CreateGroup { members: vec![1, 2] };
        assert_eq!(of(vec![(1, create), (1, add)]).marks, 4 + 3 + 2);
    }

    #[test]
    fn a_user_has_one_token_of_a_phone() {
        let token = || Action::ask("device_token");
        let probe = Action::Probe { limit: "0108.device_token".into(), size: Size::At };
        assert_eq!(kept(vec![(1, token()), (1, token()), (1, probe)]).phones, 1);
        assert_eq!(kept(vec![(1, token()), (3, token())]).phones, 2);
        // Seed 259 of the profile `bounds`: two side by side. Nothing is left, unless something goes wrong in between.
        let left_behind = |faults: Vec<Fault>| {
            let mut plan = plan(Vec::new(), vec![(1, token()), (1, token()), (3, token())]);
            plan.faults = faults;
            Kept::of(&plan, &[Limits::default()]).left_behind
        };
        let fault = Fault {
            id: 1,
            at_ms: 1_000,
            for_ms: 100,
            trouble: Trouble::Crash { host: "db1".into(), refuses: true },
        };
        assert_eq!((left_behind(Vec::new()), left_behind(vec![fault])), (0, 1));
    }

    /// What is found where a store holds so much.
    fn found(protocol: Protocol, role: Role, measure: Measure, size: u64) -> Option<String> {
        let kept = Kept { sends: 10, marks: 20, phones: 3, left_behind: 0 };
        let protocols = Protocols::all(protocol);
        let bounds = kept.bounds(Bounds::new(1), &protocols, &Timing::original());
        let mut sizes = Sizes::default();
        sizes.note(&role.host(), measure, size);
        bounds.judge(&sizes).map(|found| found.signature())
    }

    #[test]
    fn what_is_left_behind_is_found_where_it_is_promised_not_to_be() {
        let hardened = Protocol::hardened;
        let unlimited = || Protocol { edge_limits: false, ..hardened() };
        let one_kind = || Protocol { kept_tokens: false, ..hardened() };
        let rows = |table: &str| Measure::Rows(table.into());
        let month = 30 * 24 * 3_600;
        for (role, measure, most, signature, loose) in [
            (Role::Sql, rows("TTSend"), 10, "bounded/rows/sql", None),
            // The job comes each hour.
            (Role::Sql, Measure::Oldest("TTSend"), month + 3_660, "bounded/age/sql", None),
            (Role::Sql, rows("TTRead"), 20, "bounded/rows/sql", Some(unlimited())),
            (Role::Redis, Measure::Keys("device_"), 3, "bounded/keys/redis", Some(one_kind())),
            (Role::Redis, Measure::Keys("token_"), 3, "bounded/keys/redis", Some(unlimited())),
        ] {
            let of = |protocol, size| found(protocol, role, measure.clone(), size);
            assert_eq!(of(hardened(), most), None, "{measure}");
            assert_eq!(of(hardened(), most + 1).as_deref(), Some(signature), "{measure}");
            if let Some(loose) = loose {
                assert_eq!(of(loose, most + 1), None, "{measure}");
            }
        }
        assert!(found(one_kind(), Role::Redis, Measure::Keys("device_"), 7).is_some());
    }
}
