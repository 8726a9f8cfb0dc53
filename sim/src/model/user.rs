//! What is said of users, their passwords and departments.

use super::{
    Exchange, Judged, Reads, Says, Wrong,
    reads::listed,
    right,
    stores::{Row, View},
};
use bytes::Bytes;
use md5::{Digest, Md5};
use std::collections::BTreeSet;
use teamtalk::{
    catalogue::id::{
        BUDDY_LIST_ALL_USER_REQUEST, BUDDY_LIST_DEPARTMENT_REQUEST, BUDDY_LIST_USER_INFO_REQUEST,
        OTHER_VALIDATE_REQ,
    },
    wire::im::{
        base_define::{DepartInfo, DepartmentStatusType, UserInfo},
        buddy::{
            ImAllUserReq, ImAllUserRsp, ImDepartmentReq, ImDepartmentRsp, ImUsersInfoReq,
            ImUsersInfoRsp,
        },
        server::{ImValidateReq, ImValidateRsp},
    },
};

pub(super) const ANSWERS: &[(u16, &str, Says)] = &[
    (BUDDY_LIST_USER_INFO_REQUEST, "user-info", by_id),
    (BUDDY_LIST_ALL_USER_REQUEST, "all-users", all_users),
    (BUDDY_LIST_DEPARTMENT_REQUEST, "departments", departments),
    (OTHER_VALIDATE_REQ, "password", password),
];

/// `status` of a user who has left.
const LEFT: u32 = 3;

/// 0204: those of these users who exist, in any order.
fn by_id(exchange: &Exchange<'_>, reads: &mut Reads<'_>) -> Judged {
    let both = exchange.both::<ImUsersInfoReq, ImUsersInfoRsp>();
    let Some((asked, answer)) = both else { return Ok(()) };
    let ids: BTreeSet<u32> = asked.user_id_list.iter().copied().collect();
    let users = |view| users(view, |row| ids.contains(&row.uint("id")));
    reads.holds(users, |found| unordered("users", &answer.user_info_list, found))
}

/// 0209: for time 0 all who have not left, else who changed since then, and the time of the latest
/// change.
fn all_users(exchange: &Exchange<'_>, reads: &mut Reads<'_>) -> Judged {
    let both = exchange.both::<ImAllUserReq, ImAllUserRsp>();
    let Some((asked, answer)) = both else { return Ok(()) };
    let since = asked.latest_update_time;
    let wanted = move |row: &Row<'_>| match since {
        0 => row.uint("status") != LEFT,
        _ => row.uint("updated") >= since,
    };
    let said = (answer.latest_update_time, &answer.user_list[..]);
    if exchange.protocol.user_changes_from_store {
        let found = |view| changed(view, "IMUser", since, wanted, info);
        reads.holds(found, |found| of_time("users", said, found))
    } else {
        reads.choose(
            |view| ids(view, "IMUser", wanted),
            |ids, reads| {
                let wanted = |row: &Row<'_>| ids.contains(&row.uint("id"));
                let found = |view| changed(view, "IMUser", since, wanted, info);
                reads.holds(found, |found| of_time("users", said, found))
            },
        )
    }
}

/// 0211: the departments that changed since a time, in any order, and the time of the latest change.
fn departments(exchange: &Exchange<'_>, reads: &mut Reads<'_>) -> Judged {
    let both = exchange.both::<ImDepartmentReq, ImDepartmentRsp>();
    let Some((asked, answer)) = both else { return Ok(()) };
    let since = asked.latest_update_time;
    let info = |row: &Row<'_>| DepartInfo {
        dept_id: row.uint("id"),
        priority: row.uint("priority"),
        dept_name: row.bytes("departName"),
        parent_dept_id: row.uint("parentId"),
        dept_status: row.uint("status") as i32,
    };
    let known = |info: &DepartInfo| DepartmentStatusType::try_from(info.dept_status).is_ok();
    let said = (answer.latest_update_time, &answer.dept_list[..]);
    let since_then = |row: &Row<'_>| row.uint("updated") > since;
    reads.choose(
        |view| ids(view, "IMDepart", since_then),
        |ids, reads| {
            let wanted = |row: &Row<'_>| ids.contains(&row.uint("id"));
            let found = |view| {
                let (latest, rows) = changed(view, "IMDepart", since, wanted, info);
                (latest, rows.into_iter().filter(known).collect())
            };
            reads.holds(found, |found| of_time("departments", said, found))
        },
    )
}

/// The ids of rows: what a first statement finds, whose rows a second one reads.
fn ids(view: View<'_>, table: &str, wanted: impl Fn(&Row<'_>) -> bool) -> BTreeSet<u32> {
    view.rows(table).filter(wanted).map(|row| row.uint("id")).collect()
}

/// The time of the latest change among rows, and the rows.
fn changed<T>(
    view: View<'_>,
    table: &str,
    since: u32,
    wanted: impl Fn(&Row<'_>) -> bool,
    info: impl Fn(&Row<'_>) -> T,
) -> (u32, Vec<T>) {
    let rows: Vec<_> = view.rows(table).filter(wanted).collect();
    let latest = rows.iter().map(|row| row.uint("updated")).fold(since, u32::max);
    (latest, rows.iter().map(info).collect())
}

/// Judges a time and the rows that changed up to it.
fn of_time<T: PartialEq + std::fmt::Debug + Clone>(
    what: &str,
    (said_latest, said): (u32, &[T]),
    (latest, found): &(u32, Vec<T>),
) -> Judged {
    right(said_latest == *latest, || {
        format!("the latest change at {said_latest}, where it was at {latest}")
    })?;
    unordered(what, said, found)
}

/// 0704: whether a password is the user's. What keeps a name out for a while (code 6) is remembered
/// by the db_proxy, and a failed read (`honest-reads`) has its own words; both say of the password
/// nothing. With `ordered-logins` a login has a number, which is the user's last one.
fn password(exchange: &Exchange<'_>, reads: &mut Reads<'_>) -> Judged {
    let both = exchange.both::<ImValidateReq, ImValidateRsp>();
    let Some((asked, answer)) = both else { return Ok(()) };
    const LOCKED: u32 = 6;
    const UNAVAILABLE: &str = "服务暂不可用";
    let words = answer.result_string.clone().unwrap_or_default();
    let is_unavailable = answer.result_code == 1 && words == UNAVAILABLE.as_bytes();
    if answer.result_code == LOCKED || (is_unavailable && exchange.protocol.honest_reads) {
        return right(answer.user_info.is_none(), || "who a user is, without a login".to_string());
    }
    let name = |bytes: &Bytes| bytes.trim_ascii_end().to_vec();
    let wanted = name(&asked.user_name);
    let matching = |view: View<'_>| {
        let live = |row: &Row<'_>| row.uint("status") == 0 && name(&row.bytes("name")) == wanted;
        let row = view.rows("IMUser").filter(live).last()?;
        let salted = [&asked.password[..], &row.bytes("salt")].concat();
        let hex: String = Md5::digest(salted).iter().map(|byte| format!("{byte:02x}")).collect();
        (row.bytes("password") == hex.as_bytes()).then(|| UserInfo { status: 0, ..info(&row) })
    };
    reads.holds(matching, |user| {
        let said = (answer.result_code, answer.user_info.as_ref());
        let stored = (u32::from(user.is_none()), user.as_ref());
        right(said == stored, || {
            format!("(result, user) {said:?} to a login, where the stores have {stored:?}")
        })
    })?;
    let Some(user) = answer.user_info.as_ref().filter(|_| exchange.protocol.ordered_logins) else {
        return Ok(());
    };
    reads.equals("the number of a login", &answer.login_number, |view| {
        let mut row = view.rows_with("TTLogin", [("userId", user.user_id)]);
        row.next().map(|row| row.uint("lastLogin"))
    })
}

fn users(view: View<'_>, wanted: impl Fn(&Row<'_>) -> bool) -> Vec<UserInfo> {
    view.rows("IMUser").filter(wanted).map(|row| info(&row)).collect()
}

fn info(row: &Row<'_>) -> UserInfo {
    UserInfo {
        user_id: row.uint("id"),
        user_gender: row.uint("sex"),
        user_nick_name: row.bytes("nick"),
        avatar_url: row.bytes("avatar"),
        department_id: row.uint("departId"),
        email: row.bytes("email"),
        user_real_name: row.bytes("name"),
        user_tel: row.bytes("phone"),
        user_domain: row.bytes("domain"),
        status: row.uint("status"),
        sign_info: Some(row.bytes("sign_info")),
    }
}

/// Judges a list without an order.
fn unordered<T: PartialEq + std::fmt::Debug + Clone>(
    what: &str,
    said: &[T],
    found: &[T],
) -> Result<(), Wrong> {
    listed(what, said, found.iter().map(|row| (0, row.clone())).collect(), usize::MAX)
}
