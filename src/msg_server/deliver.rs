//! Pushes to connections here, and the acks that settle them (SYSTEM.md section 3, steps 4 to 7).

use super::state::{
    State,
    send_list::{AckKey, Entry},
    turn::Turn,
};
use crate::{
    conversation::{Chat, Conversation},
    env::ConnId,
    fact::Fact,
    mutants::Mutant,
    wire::{Pdu, im::message::ImMsgData},
};

/// One message that is to be pushed to connections here.
pub(super) struct Push<'a> {
    pub(super) msg: &'a ImMsgData,
    pub(super) pdu: &'a Pdu,
    pub(super) conversation: Conversation,
    pub(super) targets: Vec<ConnId>,
    /// Whether each push is entered in the send list of its connection.
    pub(super) tracked: bool,
}

/// Pushes, in order.
pub(super) fn push(state: &mut State, turn: &mut Turn<'_>, push: Push<'_>) {
    let Push { msg, pdu, conversation, mut targets, tracked } = push;
    if targets.len() > 2 && state.config.protocol.mutated(Mutant::PushSkipsLast) {
        targets.pop();
    }
    let (from, msg_id) = (msg.from_user_id, msg.msg_id);
    if !tracked {
        turn.send_all(&targets, pdu);
        return;
    }
    let resend = state.config.protocol.resend_until_acked;
    let is_bounded = resend || state.config.protocol.edge_limits;
    let bound = state.config.send_list_bound();
    for conn in targets {
        let Some(client) = state.conns.get_mut(&conn) else { continue };
        if is_bounded
            && client.send_list.entries.len() >= bound
            && !state.config.protocol.mutated(Mutant::SendListOverBound)
        {
            let reason = format!("over {bound} messages without an ack");
            state.close_client(turn, conn, &reason);
            continue;
        }
        let entry = Entry {
            msg_id,
            from,
            conversation,
            written_at: turn.now.up,
            resends: 0,
            pdu: resend.then(|| pdu.clone()),
        };
        let user = client.user;
        client.send_list.entries.push_back(entry);
        let length = client.send_list.entries.len();
        turn.send(conn, pdu.clone());
        turn.fact(Fact::SendListAdded { conn, user, conversation, msg_id, from });
        state.note_send_list(turn, length);
    }
}

/// Removes the entry that an ack or read ack names. Messages of groups have entries only with
/// `conversation-keyed-acks`.
pub(super) fn settle(
    state: &mut State,
    turn: &mut Turn<'_>,
    conn: ConnId,
    session_type: i32,
    session_id: u32,
    msg_id: u32,
) {
    let keyed = state.config.protocol.conversation_keyed_acks;
    let Some(client) = state.conns.get_mut(&conn) else { return };
    let conversation = Chat::of(session_type, session_id).conversation(client.user);
    let key = match (keyed, conversation) {
        (true, _) => AckKey::Conversation(conversation),
        (false, Conversation::Single { .. }) => AckKey::Sender(session_id),
        (false, Conversation::Group(_)) => return,
    };
    let oldest = client.send_list.entries.front().map(|entry| entry.msg_id);
    let other = oldest.filter(|&oldest| oldest != msg_id);
    let other = other.filter(|_| state.config.protocol.mutated(Mutant::AckSettlesOldest));
    let msg_id = other.unwrap_or(msg_id);
    if let Some(Entry { conversation, .. }) = client.send_list.ack(key, msg_id) {
        turn.fact(Fact::SendListAcked { conn, conversation, msg_id });
    }
}
