//! The audit: what the servers say at rest, asked for by the rig over the servers' own ports.
//!
//! A task on the host `outside` asks a db_proxy for the unread counts of every user (0307) and
//! every route_server for who is online (020a). The PDUs are in the trace like all others;
//! the properties `unread` and `presence` judge the answers.

use super::{SimEnv, env::port};
use crate::plan::{Plan, Role};
use bytes::BytesMut;
use std::{
    collections::BTreeSet,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use teamtalk::{
    catalogue::id as command,
    env::{Endpoint, Env},
    timing::Timing,
    wire::{
        Pdu,
        frame::Codec,
        im::{buddy::ImUsersStatReq, message::ImUnreadMsgCntReq},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
    time::timeout,
};
use tokio_util::codec::Decoder;

/// The way from the driver to the task.
#[derive(Debug, Clone, Default)]
pub struct Auditor(Arc<Mutex<Desk>>);

#[derive(Debug, Default)]
struct Desk {
    orders: Option<mpsc::UnboundedSender<()>>,
    busy: bool,
}

/// Whom an audit asks about what.
struct Audit {
    users: BTreeSet<u32>,
    db: Vec<String>,
    route: Vec<String>,
    timing: Timing,
}

impl Auditor {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts an audit; false if one is under way, or the task's host is not up.
    pub fn start(&self) -> bool {
        let mut desk = self.desk();
        if desk.busy {
            return false;
        }
        desk.busy = desk.orders.as_ref().is_some_and(|orders| orders.send(()).is_ok());
        desk.busy
    }

    /// Whether an audit is under way.
    pub fn is_busy(&self) -> bool {
        self.desk().busy
    }

    /// Carries out what is ordered, for ever.
    pub async fn serve(self, env: SimEnv, plan: Arc<Plan>) {
        let (orders, mut ordered) = mpsc::unbounded_channel();
        *self.desk() = Desk { orders: Some(orders), busy: false };
        let names = |role| plan.hosts(role).into_iter().map(|host| host.to_string()).collect();
        let audit = Audit {
            users: plan.users(),
            db: names(Role::Db),
            route: names(Role::Route),
            timing: plan.pace.timing(),
        };
        while ordered.recv().await.is_some() {
            audit.carry_out(&env).await;
            self.desk().busy = false;
        }
    }
}

impl Audit {
    async fn carry_out(&self, env: &SimEnv) {
        let unread = |(n, &user_id): (usize, &u32)| {
            let request = ImUnreadMsgCntReq { user_id, attach_data: None };
            Pdu::new(command::MSG_UNREAD_CNT_REQUEST, n as u16 + 1, &request)
        };
        let requests: Vec<_> = self.users.iter().enumerate().map(unread).collect();
        for db in &self.db {
            let reply = command::MSG_UNREAD_CNT_RESPONSE;
            if self.ask(env, Endpoint::new(db, port::DB), &requests, reply).await {
                break;
            }
        }
        let user_id_list = self.users.iter().copied().collect();
        let request = ImUsersStatReq { user_id: 0, user_id_list, attach_data: None };
        let request = Pdu::new(command::BUDDY_LIST_USERS_STATUS_REQUEST, 1, &request);
        for route in &self.route {
            let reply = command::BUDDY_LIST_USERS_STATUS_RESPONSE;
            let requests = std::slice::from_ref(&request);
            self.ask(env, Endpoint::new(route, port::ROUTE), requests, reply).await;
        }
    }

    /// Asks on a connection of its own, which is closed afterwards; whether each request got the
    /// reply in time.
    async fn ask(&self, env: &SimEnv, to: Endpoint, requests: &[Pdu], reply: u16) -> bool {
        let limit = self.timing.connect_timeout();
        let Ok(Ok(mut stream)) = timeout(limit, env.connect(&to)).await else { return false };
        let limit = self.timing.client_answer_timeout();
        let asked = timeout(limit, converse(&mut stream, requests, reply)).await;
        let _ = timeout(limit, stream.shutdown()).await;
        asked.is_ok_and(|answered| answered.is_ok())
    }
}

/// Writes all requests, then reads until the last one is replied to.
async fn converse(
    stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin),
    requests: &[Pdu],
    reply: u16,
) -> io::Result<()> {
    let mut owed: BTreeSet<u16> = requests.iter().map(|pdu| pdu.header.seq_num).collect();
    for request in requests {
        stream.write_all(&request.encode()).await?;
    }
    let mut buffer = BytesMut::new();
    while !owed.is_empty() {
        while let Some(pdu) = Codec.decode(&mut buffer).map_err(io::Error::other)? {
            // What a server sends of its own accord is not looked at.
            if pdu.command() == reply {
                owed.remove(&pdu.header.seq_num);
            }
        }
        if !owed.is_empty() && stream.read_buf(&mut buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::{
        explore::{case_of, run_case},
        plan::{Role, case::ProtocolSpec, generate::Profile},
        record::{End, Kind},
    };
    use std::collections::BTreeSet;
    use teamtalk::{catalogue::id as command, wire::im::message::ImUnreadMsgCntRsp};

    #[test]
    fn a_run_ends_with_an_audit_that_everyone_answers_and_that_leaves_nothing_open() {
        let case = case_of(10, &ProtocolSpec::preset("teamtalk"), Profile::Default);
        let outcome = run_case(&case).expect("a preset resolves");
        let lines = &outcome.trace.lines;
        let last = lines.iter().rposition(|l| l.kind == Kind::Phase { phase: "audit" });
        let (mut users, mut routes) = (BTreeSet::new(), 0);
        for line in &lines[last.expect("an audit")..] {
            let Kind::PduReceived(frame) = &line.kind else { continue };
            match frame.pdu.command() {
                _ if line.host.role() != Role::Outside => {}
                command::MSG_UNREAD_CNT_RESPONSE => {
                    let answer: ImUnreadMsgCntRsp = frame.pdu.view().expect("well formed");
                    users.insert(answer.user_id);
                }
                command::BUDDY_LIST_USERS_STATUS_RESPONSE => routes += 1,
                _ => {}
            }
        }
        assert_eq!(users, case.plan.users());
        assert_eq!(routes, case.plan.hosts(Role::Route).len());
        let closed = |conn| {
            lines.iter().any(|l| {
            matches!(&l.kind, Kind::Disconnected { conn: c, end: End::Dialler } if *c == conn)
        })
        };
        let dialled = lines.iter().filter_map(|l| match &l.kind {
            Kind::Connected { conn, end: End::Dialler, .. } if l.host.role() == Role::Outside => {
                Some(*conn)
            }
            _ => None,
        });
        // The run ends with the last answer: its connection closes in the same step.
        assert_eq!(dialled.filter(|&conn| !closed(conn)).count(), 0);
    }
}
