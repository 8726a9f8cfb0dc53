//! Whose wish it was that a session is removed: a request for that (0206) is under way at a db_proxy, or the
//! session is one with a group, and the transaction that removes it ends the membership.

use super::GROUP;
use crate::{
    model::stores::Row,
    plan::Role,
    properties::Seen,
    record::{Changed, Frame},
};
use std::collections::BTreeMap;
use teamtalk::{
    catalogue::id as command,
    env::ConnId,
    wire::{
        im::buddy::{ImRemoveSessionReq, ImRemoveSessionRsp},
        tt::extension::{Refused, RefusedCode},
    },
};

/// A user's session with a peer, of a type.
type Session = (u32, u32, u32);

/// See the module.
#[derive(Debug, Default)]
pub struct Removed {
    /// The sessions that db_proxies were asked to remove and may not have removed yet, by the connection, the
    /// seq_num and the user of the request.
    asked: BTreeMap<(ConnId, u16, u32), Vec<Session>>,
}

impl Removed {
    /// A db_proxy reads or writes a PDU.
    pub fn pdu(&mut self, conn: ConnId, pdu: &Frame, is_written: bool) {
        let seq = pdu.header.seq_num;
        match (is_written, pdu.command()) {
            (false, command::BUDDY_LIST_REMOVE_SESSION_REQ) => {
                let Ok(asked) = pdu.view::<ImRemoveSessionReq>() else { return };
                let session = (asked.user_id, asked.session_id, asked.session_type as u32);
                self.asked.entry((conn, seq, asked.user_id)).or_default().push(session);
            }
            (true, command::BUDDY_LIST_REMOVE_SESSION_RES) => {
                if let Ok(done) = pdu.view::<ImRemoveSessionRsp>() {
                    let session = (done.user_id, done.session_id, done.session_type as u32);
                    self.ends((conn, seq, done.user_id), |of| *of == session);
                }
            }
            (true, command::OTHER_REFUSED) => {
                if let Ok(refused) = pdu.view::<Refused>()
                    && refused.command_id as u16 == command::BUDDY_LIST_REMOVE_SESSION_REQ
                    // What failed may have been done.
                    && refused.code() != RefusedCode::RefusedUnavailable
                {
                    self.ends((conn, seq, refused.user_id), |_| true);
                }
            }
            _ => {}
        }
    }

    fn ends(&mut self, asked: (ConnId, u16, u32), is_it: impl Fn(&Session) -> bool) {
        let Some(of) = self.asked.get_mut(&asked) else { return };
        if let Some(place) = of.iter().position(is_it) {
            of.remove(place);
        }
        if of.is_empty() {
            self.asked.remove(&asked);
        }
    }

    /// The session that a commit takes from a user who did not want that.
    pub fn taken(&self, seen: &Seen<'_>, changed: &[Changed]) -> Option<Session> {
        changed.iter().find_map(|change| {
            let [user, peer, kind] = ends(change, "IMRecentSession", ["userId", "peerId", "type"])?;
            let session = (user, peer, kind);
            let is_left = || kind == GROUP && is_left(seen, changed, (peer, user));
            let is_asked = || self.asked.values().flatten().any(|of| *of == session);
            (!is_left() && !is_asked()).then_some(session)
        })
    }
}

/// Columns of a row of a table whose status a commit changes from 0 to another one.
fn ends<const N: usize>(change: &Changed, table: &str, names: [&str; N]) -> Option<[u32; N]> {
    let Changed::Row { columns, before: Some(before), after: Some(after), .. } = change else {
        return None;
    };
    if *columns.table != *table {
        return None;
    }
    let [before, after] = [before, after].map(|values| Row::of(columns, values));
    let ends = before.uint("status") == 0 && after.uint("status") != 0;
    ends.then(|| names.map(|name| after.uint(name)))
}

/// Whether a commit ends a membership. Without `members-from-store` the session goes by a statement of its own:
/// whoever may be out of the group may lose it.
fn is_left(seen: &Seen<'_>, changed: &[Changed], (group, user): (u32, u32)) -> bool {
    let member = |change| ends(change, "IMGroupMember", ["groupId", "userId"]);
    let is_one = changed.iter().filter_map(member).any(|of| of == [group, user]);
    is_one
        || !seen.known.protocols.all_of(Role::Db, |of| of.members_from_store)
            && !seen.known.membership.is_always(group, user, seen.line.n, seen.line.n)
}
