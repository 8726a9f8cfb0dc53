//! 0201: a user's recent sessions.

use crate::{
    catalogue::id as command,
    db_proxy::{
        data::session_key::Key,
        group::{
            groups,
            membership::{self, Membership},
        },
        message::{
            messages::{self, Latest},
            relation,
        },
        plumbing::{
            context::{Context, Select, World},
            error::{OnFailure, StoreError},
            reply::{carried, reply},
            silent::Silent,
        },
    },
    mutants::Mutant,
    store::sql::Server,
    wire::{
        Pdu,
        im::{
            base_define::{ContactSessionInfo, SessionStatusType, SessionType},
            buddy::{ImRecentContactSessionReq, ImRecentContactSessionRsp},
        },
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// A row of a session, without its id.
#[derive(Debug, Clone, Copy, Default)]
struct Session {
    removed: bool,
    updated: u32,
}

/// Lists at most 100 sessions that changed after the time asked for, each with its latest message;
/// a session without a message is left out. If the request asks for it (switch `catch-up-on-gap`),
/// removed sessions are listed too, and then every group that the user is in, with or without a
/// session, whenever that changed: other devices of the user may hold less, and sessions with a
/// group are updated only every few seconds.
pub async fn handle<W: World>(cx: &mut Context<W>, request: &Pdu) -> Result<Pdu, Silent> {
    const LIVE: &str = "select * from IMRecentSession where userId = ? and status = 0 \
        and updated >? order by updated desc limit 100";
    // Of several rows of one session that changed in one second the live one comes first: it was made live after
    // all were removed.
    const ALL: &str = "select * from IMRecentSession where userId = ? \
        and updated >? order by updated desc, status limit 100";
    let asked: ImRecentContactSessionReq = request.view()?;
    let (user, on_failure) = (asked.user_id, cx.on_failed_query());
    let catch_up = cx.protocol().catch_up_on_gap && asked.with_removed == Some(1);
    let all = catch_up && !cx.protocol().mutated(Mutant::SessionsLackRemoved);
    let text = if all { ALL } else { LIVE };
    let params = [user.into(), asked.latest_update_time.into()];
    let server = match cx.protocol().mutated(Mutant::SessionsFromReplica) {
        true => Server::Replica,
        false => cx.reader(),
    };
    let found = cx.select(on_failure, server, text, &params).await?;
    let mut own = Groups::none();
    if catch_up || cx.protocol().members_from_store {
        own = Groups::of(cx, on_failure, user).await?;
    }
    // The original looks for them one by one, and reads what is the latest of each.
    let together = cx.protocol().catch_up_on_gap;
    let peers = (0..found.rows.len()).filter(|_| together).filter_map(|row| {
        let is_single = found.get(row, "type").uint() == Key::SINGLE;
        is_single.then(|| found.get(row, "peerId").uint())
    });
    let known = relation::find_all(cx, on_failure, user, peers.collect::<Vec<_>>()).await?;
    let (mut list, mut seen) = (Vec::new(), BTreeSet::new());
    let mut latest = LatestOf::default();
    for row in 0..found.rows.len() {
        let id = found.get(row, "peerId").uint();
        // A live database may hold several rows of one session already: the one that changed last counts.
        if cx.protocol().single_session && !seen.insert((found.get(row, "type").uint(), id)) {
            continue;
        }
        let removed = found.get(row, "status").uint() != 0;
        let session = Session { removed, updated: found.get(row, "updated").uint() };
        match found.get(row, "type").uint() {
            Key::SINGLE => {
                let relation = match together {
                    true => known.get(&id).copied().unwrap_or(0),
                    false => relation::find(cx, on_failure, user, id).await?,
                };
                if relation == 0 {
                    continue;
                }
                latest.with_peer(cx, id, session, relation);
            }
            Key::GROUP => match own.list(id) {
                Some(hidden) => latest.in_group(cx, id, session, hidden),
                None => continue,
            },
            _ => continue,
        }
        if !together {
            latest.read(cx, on_failure, &mut list).await?;
        }
    }
    latest.read(cx, on_failure, &mut list).await?;
    if !list.is_empty() && cx.protocol().mutated(Mutant::SessionsLackOldest) {
        list.pop();
    }
    if catch_up && !own.is_done() && !cx.protocol().mutated(Mutant::SessionsLackOtherGroups) {
        let sessions = sessions_with_groups(cx, on_failure, user).await?;
        for Membership { group, joined, since, .. } in own.rest() {
            let unknown = Session { removed: false, updated: joined };
            let session = sessions.get(&group).copied().unwrap_or(unknown);
            latest.in_group(cx, group, session, since.hidden());
        }
        latest.read(cx, on_failure, &mut list).await?;
    }
    let response = ImRecentContactSessionRsp {
        user_id: user,
        contact_session_list: list,
        attach_data: carried(asked.attach_data),
    };
    Ok(reply(request, command::BUDDY_LIST_RECENT_CONTACT_SESSION_RESPONSE, &response))
}

/// Sessions whose latest messages are to be read, in one round trip.
#[derive(Default)]
struct LatestOf {
    sessions: Vec<Listed>,
    selects: Vec<Select>,
}

/// A session that is listed if it has a message that its user may see.
struct Listed {
    id: u32,
    kind: SessionType,
    session: Session,
    /// Up to this msg_id the user may read nothing of a group.
    hidden: u32,
}

impl LatestOf {
    fn with_peer<W: World>(&mut self, cx: &Context<W>, id: u32, session: Session, relation: u32) {
        self.sessions.push(Listed { id, kind: SessionType::Single, session, hidden: 0 });
        self.selects.push(messages::latest_select(cx, relation));
    }

    fn in_group<W: World>(&mut self, cx: &Context<W>, id: u32, session: Session, hidden: u32) {
        self.sessions.push(Listed { id, kind: SessionType::Group, session, hidden });
        self.selects.push(groups::latest_select(cx, id));
    }

    /// Reads them, and lists what has a message.
    async fn read<W: World>(
        &mut self,
        cx: &mut Context<W>,
        on_failure: OnFailure,
        list: &mut Vec<ContactSessionInfo>,
    ) -> Result<(), StoreError> {
        let Self { sessions, selects } = std::mem::take(self);
        let found = cx.select_all(on_failure, cx.reader(), &selects).await?;
        for (Listed { id, kind, session, hidden }, found) in sessions.into_iter().zip(&found) {
            let latest = match kind {
                SessionType::Single => messages::latest_from(cx, found, id),
                SessionType::Group => {
                    groups::latest_from(found).filter(|latest| latest.msg_id > hidden)
                }
            };
            list.extend(latest.map(|latest| info(id, kind, session, latest)));
        }
        Ok(())
    }
}

fn info(
    session_id: u32,
    session_type: SessionType,
    session: Session,
    latest: Latest,
) -> ContactSessionInfo {
    ContactSessionInfo {
        session_id,
        session_type: session_type as i32,
        session_status: match session.removed {
            false => SessionStatusType::SessionStatusOk as i32,
            true => SessionStatusType::SessionStatusDelete as i32,
        },
        updated_time: session.updated,
        latest_msg_id: latest.msg_id,
        latest_msg_data: latest.content,
        latest_msg_type: latest.msg_type,
        latest_msg_from_user_id: latest.from,
    }
}

/// The groups that a user is in, each with whether it was listed; `None` if membership does not
/// matter.
struct Groups(Option<BTreeMap<u32, (Membership, bool)>>);

impl Groups {
    /// The original shows every group that the user has a session with.
    fn none() -> Self {
        Self(None)
    }

    async fn of<W: World>(
        cx: &mut Context<W>,
        on_failure: OnFailure,
        user: u32,
    ) -> Result<Self, StoreError> {
        let groups = membership::of(cx, on_failure, user).await?;
        Ok(Self(Some(groups.into_iter().map(|of| (of.group, (of, false))).collect())))
    }

    /// A group is listed: up to which msg_id the user may read nothing of it. `None` for a user who has
    /// left it.
    fn list(&mut self, group: u32) -> Option<u32> {
        let Some(own) = &mut self.0 else { return Some(0) };
        let (of, done) = own.get_mut(&group)?;
        *done = true;
        Some(of.since.hidden())
    }

    fn rest(&self) -> Vec<Membership> {
        let own = self.0.iter().flat_map(BTreeMap::values);
        own.filter(|(_, done)| !done).map(|(of, _)| *of).collect()
    }

    fn is_done(&self) -> bool {
        self.rest().is_empty()
    }
}

async fn sessions_with_groups<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    user: u32,
) -> Result<BTreeMap<u32, Session>, StoreError> {
    // Of several rows of one session the last one counts here.
    const TEXT: &str = "select peerId,status,updated from IMRecentSession \
        where userId=? and type=? order by updated, status desc";
    let params = [user.into(), Key::GROUP.into()];
    let found = cx.select(on_failure, cx.reader(), TEXT, &params).await?;
    let session = |row| {
        let removed = found.get(row, "status").uint() != 0;
        (
            found.get(row, "peerId").uint(),
            Session { removed, updated: found.get(row, "updated").uint() },
        )
    };
    Ok((0..found.rows.len()).map(session).collect())
}
