//! What is said of recent sessions.

use super::{
    Exchange, Judged, Reads, Says, Wrong,
    conversations::{GROUP, Latest, Member, SINGLE, latest_group, latest_single, memberships},
    right,
    stores::View,
};
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{
    catalogue::id::BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST,
    protocol::Protocol,
    wire::im::{
        base_define::{ContactSessionInfo, SessionStatusType, SessionType},
        buddy::{ImRecentContactSessionReq, ImRecentContactSessionRsp},
    },
};

pub(super) const ANSWERS: &[(u16, &str, Says)] =
    &[(BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST, "sessions", sessions)];

/// The most rows of sessions that one answer is made from.
const MOST: usize = 100;

/// A row of IMRecentSession: whose (type, peer or group), and what is said of it.
type Session = ((u32, u32), Shown);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shown {
    removed: bool,
    updated: u32,
}

/// What one question is about.
struct Asked<'a> {
    protocol: &'a Protocol,
    user: u32,
    since: u32,
    /// The device wants removed sessions too, and every group (`catch-up-on-gap`).
    catch_up: bool,
}

/// 0202: the sessions that changed since a time, newest first, each with its latest message; those
/// without one are left out. With `members-from-store` a group is shown to its members only, and
/// nothing from before they joined.
fn sessions(exchange: &Exchange<'_>, reads: &mut Reads<'_>) -> Judged {
    let both = exchange.both::<ImRecentContactSessionReq, ImRecentContactSessionRsp>();
    let Some((question, answer)) = both else { return Ok(()) };
    let protocol = exchange.protocol;
    let asked = Asked {
        protocol,
        user: question.user_id,
        since: question.latest_update_time,
        catch_up: protocol.catch_up_on_gap && question.with_removed == Some(1),
    };
    let said = &answer.contact_session_list;
    reads.choose(
        |view| asked.rows(view),
        |rows, rest| {
            if !asked.catch_up && !protocol.members_from_store {
                return asked.judge(said, rows, None, rest);
            }
            rest.choose(
                |view| memberships(view, protocol, asked.user),
                |own, rest| asked.judge(said, rows, Some(own), rest),
            )
        },
    )
}

impl Asked<'_> {
    /// The rows, newest first. With `single-session` a session is its first row: the one that changed last, of
    /// those of one second a live one.
    fn rows(&self, view: View<'_>) -> Vec<Session> {
        let wanted = view.rows("IMRecentSession").filter(|row| {
            row.uint("userId") == self.user
                && row.uint("updated") > self.since
                && (self.catch_up || row.uint("status") == 0)
        });
        let mut rows: Vec<Session> = wanted
            .map(|row| {
                let of = (row.uint("type"), row.uint("peerId"));
                let removed = row.uint("status") != 0;
                (of, Shown { removed, updated: row.uint("updated") })
            })
            .collect();
        rows.sort_by_key(|(_, shown)| (std::cmp::Reverse(shown.updated), shown.removed));
        rows
    }

    /// Judges what is said by the rows that were read, and the groups that the user was in.
    fn judge(
        &self,
        said: &[ContactSessionInfo],
        rows: &[Session],
        own: Option<&Vec<Member>>,
        rest: &mut Reads<'_>,
    ) -> Judged {
        let mut listed = BTreeSet::new();
        for of in said.iter().map(key) {
            right(listed.insert(of) || !self.protocol.single_session, || {
                format!("the session with {} twice", name(of))
            })?;
        }
        let row = |info: &ContactSessionInfo| {
            let (of, said) = (key(info), shown_as(info));
            let mut own = rows.iter().filter(|row| row.0 == of);
            match self.protocol.single_session {
                true => own.next().filter(|row| row.1 == said),
                false => own.find(|row| row.1 == said),
            }
        };
        // With catch-up, groups without a row among those come last.
        let (first, others) =
            said.split_at(said.iter().position(|info| row(info).is_none()).unwrap_or(said.len()));
        let (start, mut before) = (*rest, u32::MAX);
        for info in first {
            let updated = shown_as(info).updated;
            right(updated <= before, || {
                format!("the session with {} after older ones", name(key(info)))
            })?;
            before = updated;
            self.judge_latest(info, own, rest)?;
        }
        if !others.is_empty() {
            // The rows of all of them are read at once, before the first latest message.
            rest.choose(
                |view| self.with_groups(view),
                |sessions, rest| {
                    others.iter().try_for_each(|info| {
                        self.judge_other(info, rows, sessions, own)?;
                        self.judge_latest(info, own, rest)
                    })
                },
            )?;
        }
        self.left_out(rows, own, &listed, start)
    }

    fn judge_latest(
        &self,
        info: &ContactSessionInfo,
        own: Option<&Vec<Member>>,
        rest: &mut Reads<'_>,
    ) -> Judged {
        let of = key(info);
        rest.equals(&format!("of {} the latest", name(of)), &Some(latest_in(info)), |view| {
            self.latest(view, of, own)
        })
    }

    /// The rows of all sessions with groups: of several the one that changed last, as [`Self::rows`] has it.
    fn with_groups(&self, view: View<'_>) -> BTreeMap<u32, Shown> {
        let own = view.rows("IMRecentSession");
        let own = own.filter(|row| row.has([("userId", self.user), ("type", GROUP)]));
        let shown = |row: super::stores::Row<'_>| Shown {
            removed: row.uint("status") != 0,
            updated: row.uint("updated"),
        };
        let mut own: Vec<_> = own.map(|row| (row.uint("peerId"), shown(row))).collect();
        own.sort_by_key(|(_, shown)| (shown.updated, std::cmp::Reverse(shown.removed)));
        own.into_iter().collect()
    }

    /// A group that is listed though it has no row that changed.
    fn judge_other(
        &self,
        info: &ContactSessionInfo,
        rows: &[Session],
        sessions: &BTreeMap<u32, Shown>,
        own: Option<&Vec<Member>>,
    ) -> Judged {
        let (of, said) = (key(info), shown_as(info));
        if self.protocol.single_session && rows.len() <= MOST {
            let own = rows.iter().find(|row| row.0 == of);
            right(own.is_none(), || {
                format!("the session with {} as {said:?}, where it is {own:?}", name(of))
            })?;
        }
        let wrong = |stored: Option<&Shown>| {
            format!("the session with {} as {said:?}, where the stores have {stored:?}", name(of))
        };
        let member = own.and_then(|own| own.iter().find(|member| member.group == of.1));
        let Some(member) = member.filter(|_| self.catch_up && of.0 == GROUP) else {
            let stored: BTreeMap<_, _> = rows.iter().copied().collect();
            return Err(Wrong(wrong(stored.get(&of))));
        };
        let fresh = Shown { removed: false, updated: member.joined };
        let stored = sessions.get(&of.1).unwrap_or(&fresh);
        right(*stored == said, || wrong(Some(stored)))
    }

    /// What is not listed had no message to show, or was past the bound.
    fn left_out(
        &self,
        rows: &[Session],
        own: Option<&Vec<Member>>,
        listed: &BTreeSet<(u32, u32)>,
        start: Reads<'_>,
    ) -> Judged {
        // Of rows of the second that the bound falls in, any may be those that are read.
        let bound = rows.get(MOST).map_or(0, |(_, shown)| shown.updated + 1);
        let of_rows = rows.iter().filter(|(_, shown)| shown.updated >= bound).map(|(of, _)| *of);
        let of_groups = own.filter(|_| self.catch_up).into_iter().flatten();
        let all = of_rows.chain(of_groups.map(|member| (GROUP, member.group)));
        for of in all.filter(|of| !listed.contains(of) && [SINGLE, GROUP].contains(&of.0)) {
            start.clone().equals(&format!("of {} the latest", name(of)), &None, |view| {
                self.latest(view, of, own)
            })?;
        }
        Ok(())
    }

    fn latest(
        &self,
        view: View<'_>,
        (kind, id): (u32, u32),
        own: Option<&Vec<Member>>,
    ) -> Option<Latest> {
        if kind == SINGLE {
            return latest_single(view, self.protocol, self.user, id);
        }
        let mut hidden = 0;
        if let Some(own) = own {
            hidden = own.iter().find(|member| member.group == id)?.since.hidden();
        }
        latest_group(view, self.protocol, id).filter(|latest| latest.msg_id > hidden)
    }
}

fn key(info: &ContactSessionInfo) -> (u32, u32) {
    let is_group = info.session_type == SessionType::Group as i32;
    (if is_group { GROUP } else { SINGLE }, info.session_id)
}

fn shown_as(info: &ContactSessionInfo) -> Shown {
    let removed = info.session_status == SessionStatusType::SessionStatusDelete as i32;
    Shown { removed, updated: info.updated_time }
}

fn latest_in(info: &ContactSessionInfo) -> Latest {
    Latest {
        msg_id: info.latest_msg_id,
        msg_type: info.latest_msg_type,
        content: info.latest_msg_data.clone(),
        from: info.latest_msg_from_user_id,
    }
}

fn name((kind, id): (u32, u32)) -> String {
    format!("{} {id}", if kind == GROUP { "group" } else { "user" })
}

#[cfg(test)]
mod tests {
    use super::{Asked, ContactSessionInfo, GROUP, Member, Reads, SessionStatusType};
    use crate::{
        model::{Stores, conversations::Since},
        plan::Host,
        record::{Changed, Columns, Kind, Line},
    };
    use std::sync::Arc;
    use teamtalk::{protocol::Protocol, store::sql::Value, wire::im::base_define::MsgType};

    const TEXT: i64 = MsgType::GroupText as i64;

    /// A row whose first column is its key.
    fn row(table: &str, columns: &[(&str, i64)]) -> Changed {
        let names = columns.iter().map(|(name, _)| name.to_string()).collect();
        let of = Arc::new(Columns { table: table.into(), names });
        let values: Vec<_> = columns.iter().map(|(_, number)| Value::Int(*number)).collect();
        Changed::row(&of, &[values[0].clone()].into(), None, Some(&values))
    }

    fn message(group: i64, msg_id: i64) -> Changed {
        let of = [("groupId", group), ("userId", 9), ("type", TEXT), ("status", 0)];
        let all: Vec<_> = [("id", msg_id), ("msgId", msg_id)].into_iter().chain(of).collect();
        row(&format!("IMGroupMessage_{group}"), &all)
    }

    /// A session that was removed and made live again in one second, with all rows that the original left of it.
    #[test]
    fn of_rows_of_one_second_a_live_one_is_the_session() {
        let mut stores = Stores::default();
        let of = [("userId", 1), ("peerId", 2), ("type", i64::from(GROUP)), ("updated", 9)];
        let session = |id, status| {
            let all: Vec<_> = [("id", id), ("status", status)].into_iter().chain(of).collect();
            row("IMRecentSession", &all)
        };
        let changed = vec![message(2, 1), session(1, 1), session(2, 0), session(3, 1)];
        let kind = Kind::Holds { store: "sql", changed };
        stores.observe(&Line { n: 1, sim_us: 1, host: Host::of("world"), incarnation: 0, kind });
        let protocol = Protocol::hardened();
        let asked = Asked { protocol: &protocol, user: 1, since: 0, catch_up: true };
        let own = vec![Member { group: 2, joined: 5, since: Since::Message(0) }];
        let says = |session_status: SessionStatusType| {
            let said = ContactSessionInfo {
                session_id: 2,
                session_type: GROUP as i32,
                session_status: session_status as i32,
                updated_time: 9,
                latest_msg_id: 1,
                latest_msg_type: TEXT as i32,
                latest_msg_from_user_id: 9,
                ..Default::default()
            };
            let mut reads = Reads::between(&stores, 2, 3);
            let rows = asked.rows(reads.views()[0]);
            asked.judge(&[said], &rows, Some(&own), &mut reads).is_ok()
        };
        assert!(says(SessionStatusType::SessionStatusOk));
        assert!(!says(SessionStatusType::SessionStatusDelete));
    }

    /// Seed 7374 of `hardened`: the rows of all sessions with groups are read at once, before the first latest
    /// message, and one is made meanwhile.
    #[test]
    fn sessions_with_groups_are_of_one_moment_before_their_latest_messages() {
        let mut stores = Stores::default();
        let session = [("id", 1), ("userId", 1), ("peerId", 2), ("status", 0), ("updated", 9)];
        let session: Vec<_> = session.into_iter().chain([("type", i64::from(GROUP))]).collect();
        let lines = [
            (10, vec![message(1, 1), message(2, 1)]),
            (20, vec![message(1, 2), row("IMRecentSession", &session)]),
        ];
        for (n, changed) in lines {
            let kind = Kind::Holds { store: "sql", changed };
            stores.observe(&Line { n, sim_us: n, host: Host::of("world"), incarnation: 0, kind });
        }
        let protocol = Protocol::hardened();
        let asked = Asked { protocol: &protocol, user: 1, since: 0, catch_up: true };
        let member = |group| Member { group, joined: 5, since: Since::Message(0) };
        let own = vec![member(1), member(2)];
        let info = |group: u32, updated_time, latest_msg_id| ContactSessionInfo {
            session_id: group,
            session_type: GROUP as i32,
            updated_time,
            latest_msg_id,
            latest_msg_type: TEXT as i32,
            latest_msg_from_user_id: 9,
            ..Default::default()
        };
        let says = |latest_of_1, updated_of_2| {
            let said = [info(1, 5, latest_of_1), info(2, updated_of_2, 1)];
            asked.judge(&said, &[], Some(&own), &mut Reads::between(&stores, 12, 25)).is_ok()
        };
        assert!(says(1, 5) && says(2, 5), "the rows from before, and any latest message since");
        assert!(says(2, 9) && !says(1, 9), "the rows from after");
        assert!(!says(2, 7));
    }
}
