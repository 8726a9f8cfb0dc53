//! What roles report: typed facts. In the simulation they are lines of the trace.
//!
//! The rig checks a fact that has a counterpart on the wire or in a store against it, so a role
//! that reports wrongly is found out.

use crate::{
    conversation::{Chat, Conversation},
    env::ConnId,
};
use serde::{Deserialize, Serialize};

/// Why a message came to be in a device's store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// It was pushed (0301).
    Push,
    /// It was pulled (030a).
    Pull,
    /// The device sent it itself and it was acked.
    Sent,
}

/// One thing a role did or decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum Fact {
    // --- msg_server -----------------------------------------------------------------------
    /// A connection finished its login.
    LoggedIn {
        /// The connection.
        conn: ConnId,
        /// Its user.
        user: u32,
        /// Its client type (0x01 Windows, 0x02 Mac, 0x11 iOS, 0x12 Android).
        client_type: u32,
    },
    /// A push was written to a connection and entered in its send list.
    SendListAdded {
        /// The connection the push went to.
        conn: ConnId,
        /// That connection's user.
        user: u32,
        /// The conversation of the message.
        conversation: Conversation,
        /// The message's id.
        msg_id: u32,
        /// Who sent the message.
        from: u32,
    },
    /// The push of an entry was written again.
    SendListResent {
        /// The connection.
        conn: ConnId,
        /// The conversation of the message.
        conversation: Conversation,
        /// The message's id.
        msg_id: u32,
    },
    /// An ack or read ack removed an entry.
    SendListAcked {
        /// The connection.
        conn: ConnId,
        /// The conversation of the message.
        conversation: Conversation,
        /// The message's id.
        msg_id: u32,
    },
    /// An entry grew too old and was dropped (SYSTEM.md section 3, step 7).
    SendListExpired {
        /// The connection.
        conn: ConnId,
        /// The conversation of the message.
        conversation: Conversation,
        /// The message's id.
        msg_id: u32,
    },
    /// An entry was dropped because its connection ended.
    SendListDropped {
        /// The connection.
        conn: ConnId,
        /// The conversation of the message.
        conversation: Conversation,
        /// The message's id.
        msg_id: u32,
    },
    /// How long a role's queues are; reported when a new maximum is reached.
    HighWater {
        /// Which queue: `send_list`, `unsent_bytes`, `unsent_requests`, `worker_queue`, `logins_in_flight`,
        /// `in_flight` (requests of one connection that wait for another server).
        queue: String,
        /// Its length, in entries or bytes.
        length: u64,
        /// The bound that it must not pass.
        bound: u64,
    },
    /// A request was not served.
    Refused {
        /// The connection it came from.
        conn: ConnId,
        /// Its command.
        command: u16,
        /// Why, in a few words.
        reason: String,
    },
    /// A role closed a connection on purpose.
    Closed {
        /// The connection.
        conn: ConnId,
        /// Why, in a few words.
        reason: String,
    },
    // --- db_proxy -------------------------------------------------------------------------
    /// A msg_id was drawn from Redis.
    MsgIdIssued {
        /// For which conversation.
        conversation: Conversation,
        /// From which relation's counter (the group id for groups).
        relation: u32,
        /// The id.
        msg_id: u32,
    },
    /// A message row was inserted.
    Stored {
        /// Of which conversation.
        conversation: Conversation,
        /// Under which relation.
        relation: u32,
        /// Under which id.
        msg_id: u32,
        /// Who sent it.
        from: u32,
    },
    /// An insert of a message failed, or its outcome is unknown.
    StoreFailed {
        /// Of which conversation.
        conversation: Conversation,
        /// Under which id.
        msg_id: u32,
        /// The error.
        reason: String,
    },
    /// The store knew a higher msg_id than the one drawn from Redis, and set this one instead
    /// (switch `id-floor-from-store`).
    IdFloorRaised {
        /// Of which conversation.
        conversation: Conversation,
        /// Of which relation.
        relation: u32,
        /// The id that the message has.
        msg_id: u32,
    },
    /// A send that was stored before came again and was answered with its msg_id (switch
    /// `idempotent-send`).
    RepeatAnswered {
        /// Of which conversation.
        conversation: Conversation,
        /// Under which relation.
        relation: u32,
        /// Its id.
        msg_id: u32,
        /// Who sent it.
        from: u32,
    },
    /// The process ends because the database lacks tables that its switches need.
    NotServing {
        /// What is there, what is needed, and what to do.
        reason: String,
    },
    // --- client ---------------------------------------------------------------------------
    /// A device was told that its login succeeded.
    DeviceOnline {
        /// The device's slot.
        device: u32,
        /// Its connection.
        conn: ConnId,
        /// Its user.
        user: u32,
    },
    /// A device lost or closed its connection.
    DeviceOffline {
        /// The device's slot.
        device: u32,
        /// The connection it had.
        conn: ConnId,
        /// Why, in a few words.
        reason: String,
    },
    /// An operation's PDU was written (again).
    Attempt {
        /// The operation's id.
        op: u32,
        /// 1 for the first.
        attempt: u32,
        /// The connection.
        conn: ConnId,
        /// The PDU's seq_num.
        seq_num: u16,
    },
    /// An attempt was not answered within the client's ack timeout, or its connection was lost
    /// before it was and the client goes on trying.
    AttemptTimedOut {
        /// The operation's id.
        op: u32,
        /// Which attempt.
        attempt: u32,
    },
    /// An operation was answered.
    OpOk {
        /// The operation's id.
        op: u32,
        /// The msg_id of an acked send, the id of a group that was created, else 0.
        msg_id: u32,
    },
    /// An operation ended, and its client knows of no effect of it.
    OpFailed {
        /// The operation's id.
        op: u32,
        /// Why, in a few words.
        reason: String,
    },
    /// A device stored a message: a new one, or one that took the place of another under the same
    /// id (SYSTEM.md section 7, "stores under").
    Held {
        /// The device's slot.
        device: u32,
        /// The message's conversation.
        conversation: Conversation,
        /// The message's id.
        msg_id: u32,
        /// Who sent it.
        from: u32,
        /// The text, as it travelled (base64 of the cipher in real clients).
        content: String,
        /// How it came.
        via: Via,
    },
    /// What a device shows as unread after an unread-count answer.
    UnreadShown {
        /// The device's slot.
        device: u32,
        /// The chat.
        chat: Chat,
        /// How many messages.
        count: u32,
    },
}
