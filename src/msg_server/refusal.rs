//! 07e1: what a client is told where the original is silent (switch `answered-refusals`).

use super::{
    hint, login,
    state::{
        State,
        in_flight::{Asked, Request},
        turn::Turn,
    },
};
use crate::{
    catalogue::id as cmd,
    env::ConnId,
    mutants::Mutant,
    wire::{
        Malformed, Pdu, attach,
        edit::Edit,
        tt::extension::{Refused, RefusedCode},
    },
};
use bytes::Bytes;

impl State {
    /// A client's request is not served. That is reported, and with `answered-refusals` the client
    /// is told which request it is, and why.
    pub(super) fn refuse(
        &self,
        turn: &mut Turn<'_>,
        conn: ConnId,
        asked: Asked,
        code: RefusedCode,
        reason: &str,
    ) {
        turn.refused(conn, asked.command, reason);
        let Some(client) = self.conns.get(&conn) else { return };
        if self.config.protocol.answered_refusals {
            let refused = Refused {
                user_id: client.user,
                command_id: asked.command.into(),
                code: code as i32,
                reason: Some(Bytes::copy_from_slice(reason.as_bytes())),
                attach_data: None,
            };
            let unnamed = self.config.protocol.mutated(Mutant::RefusalNamesNoRequest);
            let seq = if unnamed { 0 } else { asked.seq };
            turn.send(conn, Pdu::new(cmd::OTHER_REFUSED, seq, &refused));
        }
    }

    /// A client's command that nobody serves.
    pub(super) fn unknown(&self, turn: &mut Turn<'_>, conn: ConnId, pdu: &Pdu) {
        let code = RefusedCode::RefusedUnknownCommand;
        self.refuse(turn, conn, Asked::of(pdu), code, "unknown command");
    }

    /// These requests will not be answered, or not in time: their clients are told, and so is
    /// everyone who may have missed a push by it.
    pub(super) fn unanswered(&mut self, turn: &mut Turn<'_>, lost: Vec<Request>, reason: &str) {
        if self.config.protocol.answered_refusals {
            for Request { conn, asked, .. } in lost.iter().filter(|request| !request.late) {
                // A login has a reply of its own for failures.
                if asked.command == cmd::LOGIN_REQ_USERLOGIN {
                    login::unanswered(self, turn, *conn, asked.seq, reason);
                } else if self.conns.contains_key(conn) {
                    self.refuse(turn, *conn, *asked, RefusedCode::RefusedUnavailable, reason);
                }
            }
        }
        hint::missed(self, turn, lost.into_iter().filter_map(|request| request.missed));
    }
}

/// 07e1 of a db_proxy: passed on like any reply.
pub(super) fn from_db(
    state: &mut State,
    turn: &mut Turn<'_>,
    link: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    if !state.config.protocol.answered_refusals {
        turn.refused(link, pdu.command(), "unknown command");
        return Ok(());
    }
    let refused: Refused = pdu.view()?;
    let Some(attach) = state.db.attach_of(turn, link, refused.attach_data.as_deref()) else {
        return Ok(());
    };
    let asked = Asked { command: refused.command_id as u16, seq: pdu.header.seq_num };
    let (request, is_owed) = state.settled(link, attach.handle, asked);
    if let Some(conn) = state.find(refused.user_id, attach.handle) {
        let body = Edit::of(&pdu.body).clear(attach::FIELD).done();
        turn.refused(conn, asked.command, String::from_utf8_lossy(refused.reason()));
        if is_owed && !state.config.protocol.mutated(Mutant::RefusalOfDbKept) {
            turn.send(conn, pdu.with_body(body));
        }
    }
    // The message may be stored nevertheless, and then is not pushed, also if its sender is gone.
    if refused.code() == RefusedCode::RefusedUnavailable {
        hint::missed(state, turn, request.into_iter().filter_map(|request| request.missed));
    }
    Ok(())
}
