//! Requests that go to db_proxy and come back (SYSTEM.md section 4, "Relayed to db_proxy").

use super::state::{
    State,
    in_flight::{Asked, Request, number_of, of_number},
    turn::Turn,
};
use crate::{
    catalogue::{self, AttachForm, id as cmd},
    conversation::Conversation,
    env::{ConnId, draw_id},
    mutants::Mutant,
    wire::{
        Malformed, Pdu,
        attach::{self, Attach},
        check,
        edit::Edit,
        fields, im,
        tt::extension::RefusedCode,
    },
};
use bytes::Bytes;

/// Where a request that is sent on comes from.
pub(super) struct Source {
    pub(super) conn: ConnId,
    pub(super) asked: Asked,
    /// See [`Request::body`].
    pub(super) body: u64,
    /// The conversation whose members miss a push if no answer comes.
    pub(super) missed: Option<Conversation>,
}

impl Source {
    /// A request whose answer is for its client only.
    pub(super) fn client(conn: ConnId, pdu: &Pdu) -> Self {
        Self { conn, asked: Asked::of(pdu), body: draw_id(&[&pdu.body]), missed: None }
    }
}

impl State {
    /// Sends a client's request on to another server and remembers it until it is answered. False
    /// if it was refused, because too many of this client wait already.
    pub(super) fn ask(
        &mut self,
        turn: &mut Turn<'_>,
        link: ConnId,
        pdu: Pdu,
        source: Source,
    ) -> bool {
        let Source { conn, asked, body, missed } = source;
        let protocol = &self.config.protocol;
        let pdu = if protocol.mutated(Mutant::DbWantsMark) { pdu.marked() } else { pdu };
        let missed = missed.filter(|_| !protocol.mutated(Mutant::LostSendHintsNobody));
        let recorded = protocol.answered_refusals || (protocol.catch_up_hint && missed.is_some());
        if let Some(client) = self.conns.get(&conn).filter(|_| recorded) {
            let since = turn.now.up;
            let request = Request { conn, asked, body, link, since, missed, late: false };
            let most = self.config.in_flight_bound();
            if self.in_flight.waiting(client.handle) >= most
                && !protocol.mutated(Mutant::InFlightOverBound)
            {
                let reason = format!("over {most} requests without an answer");
                self.refuse(turn, conn, asked, RefusedCode::RefusedTooMany, &reason);
                return false;
            }
            let length = self.in_flight.add(client.handle, request);
            let in_room = protocol.edge_limits.then(|| number_of(client.handle, asked));
            if let Some(of) = in_room {
                turn.ask(link, pdu, of);
                self.note_in_flight(turn, length);
                return true;
            }
            self.note_in_flight(turn, length);
        }
        turn.send(link, pdu);
        true
    }

    /// A request of a connection here is answered on a link. The request, if it was still waiting, and
    /// whether its client is still owed the answer: with `answered-refusals` one that was told that no
    /// answer came in time is not told another one.
    pub(super) fn settled(
        &mut self,
        link: ConnId,
        handle: u32,
        asked: Asked,
    ) -> (Option<Request>, bool) {
        let request = self.in_flight.answered(link, handle, asked);
        let waits = request.as_ref().is_some_and(|request| !request.late);
        (request, waits || !self.config.protocol.answered_refusals)
    }

    /// The same for an answer that says what is so: one that is late answers what the client has written
    /// again since.
    pub(super) fn settled_by(&mut self, link: ConnId, handle: u32, asked: Asked) -> bool {
        let (request, is_owed) = self.settled(link, handle, asked);
        let late = request.filter(|request| request.late);
        is_owed || late.is_some_and(|late| self.in_flight.answers_another(handle, &late))
    }

    /// A request found no room on its link (switch `edge-limits`): its server takes what is written to
    /// it more slowly than its clients ask. It is refused; it had no effect, and nobody missed a push.
    pub(super) fn not_asked(&mut self, turn: &mut Turn<'_>, link: ConnId, of: u64) {
        let (handle, asked) = of_number(of);
        let Some(request) = self.in_flight.answered(link, handle, asked) else { return };
        let request = Request { missed: None, ..request };
        self.unanswered(turn, vec![request], "overloaded: too much waits for the server behind");
    }
}

/// Why a request is refused when no db_proxy is open.
pub(super) const NO_DB: &str = "no db_proxy";

/// Relays a client's request with its user and handle set, or refuses it. False if it was not sent.
pub(super) fn request(
    state: &mut State,
    turn: &mut Turn<'_>,
    conn: ConnId,
    pdu: &Pdu,
) -> Result<bool, Malformed> {
    let entry = catalogue::of(pdu.command());
    let Some((entry, relay)) = entry.and_then(|entry| entry.relay.map(|relay| (entry, relay)))
    else {
        state.unknown(turn, conn, pdu);
        return Ok(false);
    };
    check::conform(entry.body, &pdu.body)?;
    let Some(client) = state.conns.get(&conn) else { return Ok(false) };
    let (mut user, handle) = (client.user, client.handle);
    if let Some(claimed) = fields::uint(&pdu.body, fields::USER_ID)
        && claimed != user
        && state.config.protocol.mutated(Mutant::SenderAsClaimed)
    {
        user = claimed;
    }
    let Some(link) = state.db.pick(turn, relay.half, user, pdu) else {
        let own = without_db(pdu, user)?;
        let honest = state.config.protocol.honest_reads;
        match own.filter(|own| !honest || !own.is_list) {
            Some(OwnReply { reply, .. }) => {
                turn.refused(conn, pdu.command(), NO_DB);
                turn.send(conn, reply);
            }
            None => {
                let code = RefusedCode::RefusedUnavailable;
                state.refuse(turn, conn, Asked::of(pdu), code, NO_DB);
            }
        }
        return Ok(false);
    };
    let pdu_of_attach = match relay.attach {
        AttachForm::Handle => None,
        AttachForm::HandleAndEmptyPdu => Some(Bytes::new()),
    };
    let attach = Attach { pdu: pdu_of_attach, ..Attach::handle(handle) };
    let body = Edit::of(&pdu.body)
        .uint(fields::USER_ID, u64::from(user))
        .bytes(attach::FIELD, &attach.encode())
        .done();
    Ok(state.ask(turn, link, pdu.with_body(body), Source::client(conn, pdu)))
}

/// An answer of msg_server's own.
struct OwnReply {
    reply: Pdu,
    /// It says that there is nothing, where msg_server does not know (`honest-reads` refuses instead).
    is_list: bool,
}

/// The answer of msg_server itself when no db_proxy is open; for most requests there is none.
fn without_db(pdu: &Pdu, user: u32) -> Result<Option<OwnReply>, Malformed> {
    if let Some(reply) = empty_list(pdu, user) {
        return Ok(Some(OwnReply { reply, is_list: true }));
    }
    Ok(failure(pdu, user)?.map(|reply| OwnReply { reply, is_list: false }))
}

fn empty_list(pdu: &Pdu, user: u32) -> Option<Pdu> {
    let seq = pdu.header.seq_num;
    match pdu.command() {
        cmd::GROUP_NORMAL_LIST_REQUEST => {
            Some(Pdu::raw(cmd::GROUP_NORMAL_LIST_RESPONSE, seq, Bytes::new()))
        }
        cmd::GROUP_INFO_REQUEST => {
            let rsp = im::group::ImGroupInfoListRsp { user_id: user, ..Default::default() };
            Some(Pdu::new(cmd::GROUP_INFO_RESPONSE, seq, &rsp))
        }
        cmd::FILE_HAS_OFFLINE_REQ => {
            let rsp = im::file::ImFileHasOfflineRsp { user_id: user, ..Default::default() };
            Some(Pdu::new(cmd::FILE_HAS_OFFLINE_RES, seq, &rsp))
        }
        _ => None,
    }
}

/// What was to be changed is not.
fn failure(pdu: &Pdu, user: u32) -> Result<Option<Pdu>, Malformed> {
    let seq = pdu.header.seq_num;
    Ok(match pdu.command() {
        cmd::GROUP_CREATE_REQUEST => {
            let req: im::group::ImGroupCreateReq = pdu.view()?;
            let rsp = im::group::ImGroupCreateRsp {
                user_id: user,
                result_code: 1,
                group_name: req.group_name,
                user_id_list: req.member_id_list,
                ..Default::default()
            };
            Some(Pdu::new(cmd::GROUP_CREATE_RESPONSE, seq, &rsp))
        }
        cmd::GROUP_CHANGE_MEMBER_REQUEST => {
            let req: im::group::ImGroupChangeMemberReq = pdu.view()?;
            let rsp = im::group::ImGroupChangeMemberRsp {
                user_id: user,
                change_type: req.change_type,
                result_code: 1,
                group_id: req.group_id,
                ..Default::default()
            };
            Some(Pdu::new(cmd::GROUP_CHANGE_MEMBER_RESPONSE, seq, &rsp))
        }
        cmd::GROUP_SHIELD_GROUP_REQUEST => {
            let req: im::group::ImGroupShieldReq = pdu.view()?;
            let rsp = im::group::ImGroupShieldRsp {
                user_id: user,
                group_id: req.group_id,
                result_code: 1,
                attach_data: None,
            };
            Some(Pdu::new(cmd::GROUP_SHIELD_GROUP_RESPONSE, seq, &rsp))
        }
        _ => None,
    })
}

/// What became of a db_proxy's reply.
pub(super) struct Replied {
    /// The connection that it was passed on to.
    pub(super) to: Option<ConnId>,
}

/// Passes db_proxy's reply on, without its attach data, to the connection that asked, if it is
/// still there and owed it. `None` if it is not such a reply.
pub(super) fn reply(
    state: &mut State,
    turn: &mut Turn<'_>,
    link: ConnId,
    pdu: &Pdu,
) -> Result<Option<Replied>, Malformed> {
    let request = catalogue::request_of(pdu.command()).filter(|asked| asked.relay.is_some());
    let (Some(entry), Some(request)) = (catalogue::of(pdu.command()), request) else {
        turn.refused(link, pdu.command(), "unknown command");
        return Ok(None);
    };
    let body = check::conform(entry.body, &pdu.body)?;
    // Every answer of db_proxy has its user in field 1 (a test of the catalogue).
    let user = fields::uint(&body, fields::USER_ID).unwrap_or_default();
    let attach = fields::bytes(&body, attach::FIELD);
    let Some(attach) = state.db.attach_of(turn, link, attach) else {
        return Ok(None);
    };
    let asked = Asked { command: request.id, seq: pdu.header.seq_num };
    let waits_on = state.config.protocol.mutated(Mutant::AnsweredRequestWaits);
    // What a client asks again: a change that failed may succeed at the second try.
    let is_read = [
        cmd::MSG_LIST_REQUEST,
        cmd::MSG_UNREAD_CNT_REQUEST,
        cmd::BUDDY_LIST_RECENT_CONTACT_SESSION_REQUEST,
        cmd::GROUP_NORMAL_LIST_REQUEST,
    ]
    .contains(&asked.command);
    let is_owed = waits_on
        || match is_read {
            true => state.settled_by(link, attach.handle, asked),
            false => state.settled(link, attach.handle, asked).1,
        };
    let to = state.find(user, attach.handle).filter(|_| is_owed);
    if let Some(conn) = to {
        let body = Edit::of(&pdu.body).clear(attach::FIELD).done();
        turn.send(conn, pdu.with_body(body));
    }
    Ok(Some(Replied { to }))
}
