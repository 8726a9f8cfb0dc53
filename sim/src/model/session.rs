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
    /// The rows, newest first.
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
        rows.sort_by_key(|(_, shown)| std::cmp::Reverse(shown.updated));
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
        let mut before = u32::MAX;
        let (mut listed, mut beyond) = (BTreeSet::new(), false);
        let start = *rest;
        for info in said {
            let of = key(info);
            let known = rows.iter().find(|(row, shown)| *row == of && *shown == shown_as(info));
            match known {
                Some((_, shown)) if !beyond => {
                    right(shown.updated <= before, || {
                        format!("the session with {} after older ones", name(of))
                    })?;
                    before = shown.updated;
                }
                _ => {
                    // With catch-up, groups without a row among those come last.
                    beyond = true;
                    self.judge_rest(info, rows, own, rest)?;
                }
            }
            right(listed.insert(of) || !self.protocol.single_session, || {
                format!("the session with {} twice", name(of))
            })?;
            rest.equals(&format!("of {} the latest", name(of)), &Some(latest_in(info)), |view| {
                self.latest(view, of, own)
            })?;
        }
        self.left_out(rows, own, &listed, start)
    }

    /// A group that is listed though it has no row that changed.
    fn judge_rest(
        &self,
        info: &ContactSessionInfo,
        rows: &[Session],
        own: Option<&Vec<Member>>,
        rest: &mut Reads<'_>,
    ) -> Judged {
        let of = key(info);
        let stored: BTreeMap<_, _> = rows.iter().copied().collect();
        let wrong = || {
            let (said, stored) = (shown_as(info), stored.get(&of));
            Wrong(format!(
                "the session with {} as {said:?}, where the stores have {stored:?}",
                name(of)
            ))
        };
        let member = own.and_then(|own| own.iter().find(|member| member.group == of.1));
        let Some(member) = member.filter(|_| self.catch_up && of.0 == GROUP) else {
            return Err(wrong());
        };
        let fresh = Shown { removed: false, updated: member.joined };
        rest.equals(&format!("the session with {}", name(of)), &shown_as(info), |view| {
            let is_own = [("userId", self.user), ("peerId", of.1), ("type", GROUP)];
            let row = view.rows_with("IMRecentSession", is_own).last();
            row.map_or(fresh, |row| Shown {
                removed: row.uint("status") != 0,
                updated: row.uint("updated"),
            })
        })
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
