//! Who became a member of a group or ceased to be one, by what is committed to `IMGroupMember`
//! rather than by what a role reports.

use super::{Kind, applied::shown, commits::Durable, inserts::Values};
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::store::sql::Value;

/// The table, in lower case.
const TABLE: &str = "imgroupmember";
/// `status` of a row that counts (SYSTEM.md section 6).
const LIVE: u32 = 0;

/// An UPDATE or DELETE of members' rows.
#[derive(Debug, PartialEq, Eq)]
struct Change {
    group: u32,
    /// Whose rows; `None` for all of the group.
    users: Option<BTreeSet<u32>>,
    /// Whether they are members afterwards.
    live: bool,
}

/// Whether a statement may change members: it names the table.
pub fn may_be_rows(statement: &str) -> bool {
    statement
        .as_bytes()
        .windows(TABLE.len())
        .any(|part| part.eq_ignore_ascii_case(TABLE.as_bytes()))
}

/// The lines of the trace for a durable statement: one for each row that it inserted, and for each
/// user whose row has another status now. `known` gives the users of whom a group has rows, and
/// whether they are members.
pub fn rows(statement: &Durable, known: impl FnOnce(u32) -> BTreeMap<u32, bool>) -> Vec<Kind> {
    // Most statements are about something else.
    if !statement.what.names_members {
        return Vec::new();
    }
    if let Some(insert) = &statement.what.insert {
        return if insert.table == TABLE {
            insert.rows(&statement.params).filter_map(inserted).collect()
        } else {
            Vec::new()
        };
    }
    let Some(Change { group, users, live }) = Change::parse(&statement.what, &statement.params)
    else {
        return Vec::new();
    };
    let named = |user: &u32| users.as_ref().is_none_or(|users| users.contains(user));
    let changed = known(group).into_iter().filter(|(user, was)| named(user) && *was != live);
    changed.map(|(user, _)| Kind::MemberRow { group, user, live }).collect()
}

fn inserted(values: Values<'_>) -> Option<Kind> {
    let live = values.number("status").is_none_or(|status| status == LIVE);
    let (group, user) = (values.number("groupid")?, values.number("userid")?);
    Some(Kind::MemberRow { group, user, live })
}

impl Change {
    /// `update … set …status=S… where …groupId=G… [and userId=U | and userId in (U, …)]`, or
    /// `delete from …` likewise; `None` for anything else, and for a change of something else.
    fn parse(statement: &str, params: &[Value]) -> Option<Self> {
        let tokens = tokens(statement, params);
        let mut tokens = tokens.iter().map(String::as_str);
        let verb = tokens.next()?;
        let rest: Vec<&str> = tokens.collect();
        let at = rest.iter().position(|token| *token == "where")?;
        let (head, conditions) = (&rest[..at], &rest[at + 1..]);
        let live = match (verb, head) {
            ("update", [TABLE, "set", set @ ..]) => after(set, "status", "=")? == LIVE,
            ("delete", ["from", TABLE]) => false,
            _ => return None,
        };
        let group = after(conditions, "groupid", "=")?;
        let users = match (after(conditions, "userid", "="), listed(conditions, "userid")) {
            (Some(user), _) => Some(BTreeSet::from([user])),
            (None, Some(users)) => Some(users),
            // The condition is one that is not understood here.
            (None, None) if conditions.contains(&"userid") || conditions.contains(&"id") => {
                return None;
            }
            (None, None) => None,
        };
        Some(Self { group, users, live })
    }
}

/// The number behind a column and an operator.
fn after(tokens: &[&str], column: &str, operator: &str) -> Option<u32> {
    let found = tokens.windows(3).find(|three| three[..2] == [column, operator])?;
    found[2].parse().ok()
}

/// The numbers of `column in (…)`.
fn listed(tokens: &[&str], column: &str) -> Option<BTreeSet<u32>> {
    let at = tokens.windows(3).position(|three| *three == [column, "in", "("])?;
    let items = tokens[at + 3..].iter().take_while(|token| **token != ")");
    items.filter(|token| **token != ",").map(|token| token.parse().ok()).collect()
}

/// Words in lower case, signs, and values for the placeholders; quoted texts are left out.
fn tokens(statement: &str, params: &[Value]) -> Vec<String> {
    let mut params = params.iter();
    let (mut tokens, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for c in statement.chars().chain([' ']) {
        if !quoted && (c.is_ascii_alphanumeric() || c == '_') {
            word.push(c.to_ascii_lowercase());
            continue;
        }
        if !word.is_empty() {
            tokens.push(std::mem::take(&mut word));
        }
        match c {
            '\'' => quoted = !quoted,
            '?' if !quoted => tokens.extend(params.next().map(|param| shown(param).into())),
            '=' | '(' | ')' | ',' if !quoted => tokens.push(c.into()),
            _ => {}
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::rows;
    use crate::record::{Kind, commits::Durable, what::What};
    use std::collections::BTreeMap;

    /// (Group, user, whether the user is a member now). Before, users 1 and 2 are members, 3 was
    /// one.
    fn of(what: &str, params: &[u32]) -> Vec<(u32, u32, bool)> {
        let params = params.iter().map(|param| (*param).into()).collect();
        let known = |group| {
            assert_eq!(group, 7);
            BTreeMap::from([(1, true), (2, true), (3, false)])
        };
        let row = |kind| match kind {
            Kind::MemberRow { group, user, live } => (group, user, live),
            other => panic!("{other:?}"),
        };
        let rows = rows(&Durable { what: What::new(what), params, id: 6 }, known);
        rows.into_iter().map(row).collect()
    }

    #[test]
    fn an_inserted_row_is_a_member_if_it_is_live() {
        let text = "insert into IMGroupMember(`groupId`, `userId`, `status`, `created`, \
                    `updated`) values (?,?,0,?,?)";
        assert_eq!(of(text, &[7, 4, 9, 9]), [(7, 4, true)]);
        let two = "insert into IMGroupMember (groupId, userId, status) values (?,?,?), (?, ?, ?)";
        assert_eq!(of(two, &[7, 4, 0, 7, 5, 1]), [(7, 4, true), (7, 5, false)]);
        assert_eq!(of(text, &[7, 1, 9, 9]), [(7, 1, true)], "a second row");
    }

    #[test]
    fn an_update_changes_the_users_who_have_another_status() {
        let text = "update IMGroupMember set status=1 where groupId=? and userId in (?, ?, ?)";
        assert_eq!(of(text, &[7, 2, 3, 4]), [(7, 2, false)]);
        let text = "update IMGroupMember set status=0, updated=? where groupId=? and userId in \
                    (?,?)";
        assert_eq!(of(text, &[7, 7, 2, 3]), [(7, 3, true)]);
        let text = "update `IMGroupMember` set updated=?, status=? where userId = ? and \
                    groupId = 7 and status=0";
        assert_eq!(of(text, &[9, 1, 1]), [(7, 1, false)]);
    }

    #[test]
    fn a_delete_takes_the_live_ones() {
        let text = "delete from IMGroupMember where groupId=?";
        assert_eq!(of(text, &[7]), [(7, 1, false), (7, 2, false)]);
        let text = "DELETE FROM IMGroupMember WHERE groupId=? AND userId=?";
        assert_eq!(of(text, &[7, 2]), [(7, 2, false)]);
    }

    #[test]
    fn other_statements_change_no_member() {
        for text in [
            "update IMGroupMember set updated=? where groupId=? and userId in (?)",
            "update IMGroupMember set status=1 where id=?",
            "update IMGroupMember set status=1 where groupId=? and userId > ?",
            "update IMGroup set userCnt=userCnt+? where id=?",
            "select userId from IMGroupMember where groupId=? and userId in (?)",
            "insert into IMRecentSession (groupId, userId) values (?, ?)",
        ] {
            assert!(of(text, &[7, 7, 1]).is_empty(), "{text}");
        }
    }
}
