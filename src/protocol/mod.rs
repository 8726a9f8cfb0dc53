//! The switches by which deployments differ, and the two presets.

mod peers;

pub use peers::{Mix, Party, Peers, Senseless, dependents, needed_by};

use Party::{Client, Db, Msg, Route};
use serde::{Deserialize, Serialize};

/// One documented switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switch {
    /// Its name on the command line and in files.
    pub name: &'static str,
    /// Which roles and clients it changes.
    pub scope: &'static str,
    /// What the original does instead.
    pub instead_of: &'static str,
    /// What it needs of other hosts, and how it gets on with those without it.
    pub peers: Peers,
    /// What it costs.
    pub cost: &'static str,
    /// The property that fails when only this switch of `hardened` is off.
    pub property: &'static str,
}

macro_rules! switches {
    ($($field:ident: $switch:expr;)*) => {
        /// How a node or client behaves: one flag a switch; all off is the original.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
        pub struct Protocol {
            $(#[doc = concat!("See the entry of this name in [`SWITCHES`].")] pub $field: bool,)*
            /// The bug that is planted in it ([`crate::mutants`]).
            #[cfg(feature = "mutants")]
            #[serde(skip)]
            pub mutant: Option<crate::mutants::Mutant>,
        }

        /// All switches, in the order of the fields.
        pub const SWITCHES: &[Switch] = &[$($switch),*];

        impl Protocol {
            /// The value of a switch by its name.
            pub fn get(&self, name: &str) -> Option<bool> {
                let values = [$(self.$field),*];
                SWITCHES.iter().position(|s| s.name == name).map(|i| values[i])
            }

            /// Sets a switch by its name; false if there is none of this name.
            pub fn set(&mut self, name: &str, on: bool) -> bool {
                let Some(i) = SWITCHES.iter().position(|s| s.name == name) else { return false };
                let values = [$(&mut self.$field),*];
                *values[i] = on;
                true
            }
        }
    };
}

switches! {
    ack_after_store: Switch {
        name: "ack-after-store",
        scope: "db, msg",
        instead_of: "acking whatever the insert returned, and msg_id 4294967295 while Redis is away",
        peers: Peers::until(&[Db]).says("an old client sees a 0302 with msg_id 0 for a message that was not stored"),
        cost: "one 0302 for each message that could not be stored",
        property: "acked-is-stored",
    };
    single_relation: Switch {
        name: "single-relation",
        scope: "db, schema",
        instead_of: "select-then-insert of the relation, and a reset of its counter after it",
        peers: Peers::until(&[Db]),
        cost: "one table more; one transaction for each new pair",
        property: "one-row",
    };
    single_session: Switch {
        name: "single-session",
        scope: "db, schema",
        instead_of: "select-then-insert of a recent session, whose id ends up at the wrong user",
        peers: Peers::until(&[Db]),
        cost: "one table more; one transaction for each new session; a message and its sessions are one",
        property: "one-row",
    };
    id_floor_from_store: Switch {
        name: "id-floor-from-store",
        scope: "db, schema",
        instead_of: "trusting Redis alone for the next msg_id, also after it lost writes",
        peers: Peers::until(&[Db]).needs(&["single-relation"]),
        cost: "one statement a message, which takes turns in a conversation",
        property: "unique-msg-id",
    };
    idempotent_send: Switch {
        name: "idempotent-send",
        scope: "client, msg, db, schema",
        instead_of: "a second message for a repeated send",
        peers: Peers::until(&[Client, Db]).mixes(&[Mix {
            new: &[Client],
            old: &[Db],
            breaks: "no-duplicate",
            leaves: "messages that are there twice",
        }]),
        cost: "one row and one transaction a message",
        property: "no-duplicate",
    };
    honest_reads: Switch {
        name: "honest-reads",
        scope: "msg, db",
        instead_of: "answering a list or count as empty, or a login as a wrong password, when the read failed \
                     or no db_proxy is there; and a job that passes over groups that it could not read, or \
                     whose last message was committed late",
        peers: Peers::until(&[Msg, Db]).says("a client that asks again after its timeout gets the true answer"),
        cost: "no reply (or a refusal) while the store can't be read; the job of each db_proxy looks a minute back",
        property: "order",
    };
    resend_until_acked: Switch {
        name: "resend-until-acked",
        scope: "msg",
        instead_of: "dropping a send-list entry at 15 s",
        peers: Peers::until(&[Msg]).says("a client that never acks is disconnected after three resends; group messages are resent \
                only with conversation-keyed-acks, since Windows and Mac do not ack them"),
        cost: "the PDU is kept in memory until it is acked; resends when acks are late",
        property: "send-list-acked",
    };
    conversation_keyed_acks: Switch {
        name: "conversation-keyed-acks",
        scope: "client, msg",
        instead_of: "matching an ack by (msg_id, from), which no ack of an own copy meets",
        peers: Peers::until(&[Msg]).says("a client acks with the peer's id, as Windows and iOS do"),
        cost: "a group push is in the send list of each connection that it goes to until its ack: \
               for 15 s with a client that acks none (Windows, Mac)",
        property: "acks-settle",
    };
    cumulative_acks: Switch {
        name: "cumulative-acks",
        scope: "client",
        instead_of: "an ack of what was pushed, on the connection that it came on, and of nothing else: what came \
                     by a pull, or whose ack went with its connection, is never acked",
        peers: Peers::until(&[Client]).says("a msg_server takes it as an ack of the message that it names, and keeps no more of it"),
        cost: "one 0302 for each conversation of which a pull brought something, and after a lost connection \
               for each whose last ack was not followed by the echo of a heartbeat",
        property: "send-list-acked",
    };
    catch_up_on_gap: Switch {
        name: "catch-up-on-gap",
        scope: "client, db",
        instead_of: "never asking for what a push or a lost connection skipped",
        peers: Peers::until(&[Client, Db]).says("an old db_proxy leaves out removed sessions, and reads a list of hundreds one by one, which takes it seconds"),
        cost: "a message list for each conversation that is behind after a login or a gap; \
               sessions, lists and counts are read from the primary",
        property: "delivered",
    };
    hear_silence: Switch {
        name: "hear-silence",
        scope: "client, msg",
        instead_of: "staying on a connection that no echo of a heartbeat comes back on, until TCP gives it up; \
                     and on a link that announced its stop (0702), whose machine then died, for ever",
        peers: Peers::until(&[Client]).says("an old msg_server echoes heartbeats too"),
        cost: "a reconnect after 15 s without a byte",
        property: "send-list-acked",
    };
    catch_up_hint: Switch {
        name: "catch-up-hint",
        scope: "client, msg",
        instead_of: "telling nobody that pushes were lost with a link to route_server or db_proxy",
        peers: Peers::until(&[Client, Msg]).needs(&["catch-up-on-gap"]).says("an old client or msg_server ignores the hint"),
        cost: "after a lost link: recent sessions for each client that is told",
        property: "delivered",
    };
    login_gate: Switch {
        name: "login-gate",
        scope: "msg",
        instead_of: "serving connections that are not logged in, or were kicked",
        peers: Peers::until(&[Msg]).says("a kicked client is disconnected"),
        cost: "none",
        property: "isolation",
    };
    ordered_logins: Switch {
        name: "ordered-logins",
        scope: "db, msg, schema",
        instead_of: "a login that kicks whoever it meets when its kick arrives, also who logged in later, \
                     and the close of an old connection that forgets a login of its user",
        peers: Peers::until(&[Db, Msg]).says("a login through an old db_proxy has no number and counts as older than any; an old \
                msg_server kicks newer ones still"),
        cost: "one statement a login, on the primary: while that is away nobody logs in; a second \
               070d where two logins meet. A device that moves to another msg_server while a slow \
               db_proxy still has its old login may be put off by it",
        property: "reachable",
    };
    kept_tokens: Switch {
        name: "kept-tokens",
        scope: "msg, db",
        instead_of: "a PC's logout that ends the pushes of its user's phone, and one kind of key in Redis \
                     for users and for tokens",
        peers: Peers::until(&[Msg, Db]).says("a token that an old db_proxy kept has its owner under the old key, which nobody reads"),
        cost: "none",
        property: "pushed",
    };
    answered_refusals: Switch {
        name: "answered-refusals",
        scope: "msg, db",
        instead_of: "silence for a request that is not served, or whose server went away",
        peers: Peers::until(&[Msg, Db]).says("an old client ignores 07e1"),
        cost: "one 07e1 for each request that is not served; a table of requests in flight; an answer that \
               comes after its 07e1 goes to a try of the same request that waits, or is dropped",
        property: "answered",
    };
    history_by_msg_id: Switch {
        name: "history-by-msg-id",
        scope: "db",
        instead_of: "ordering lists and choosing the latest message by the clock of a msg_server",
        peers: Peers::until(&[Db]).says("a db_proxy without it may answer the same pull in another order"),
        cost: "none with a key on (relateId, status, msgId)",
        property: "order",
    };
    true_latest_sender: Switch {
        name: "true-latest-sender",
        scope: "db",
        instead_of: "naming the peer as the sender of the latest message, whoever sent it",
        peers: Peers::until(&[Db]),
        cost: "none",
        property: "integrity",
    };
    whole_audio: Switch {
        name: "whole-audio",
        scope: "db",
        instead_of: "giving a voice message back with a length of 0 seconds",
        peers: Peers::until(&[Db]),
        cost: "none",
        property: "integrity",
    };
    members_from_store: Switch {
        name: "members-from-store",
        scope: "db, msg, schema",
        instead_of: "taking a hash in Redis for who is in a group, which a power cut or a change that \
                     failed half way leaves different from SQL",
        peers: Peers::until(&[Db, Msg]).mixes(&[Mix { new: &[Db], old: &[Db], breaks: "unread", leaves: "marks of who joined that are behind" }]).says("an old db_proxy goes by Redis, which is still written, and changes members without \
                a transaction"),
        cost: "membership is read from the primary, twice for a send, and who joined late once for \
               each msg_server that pushes it; one transaction for each \
               change. A change that finds all as asked is answered with result 0 and all who were \
               asked for (the original: 1 for an ADD of members), so that a client whose answer was \
               lost may ask again. A creation has nothing to be known by: one that is repeated after \
               a lost answer makes a second group",
        property: "isolation",
    };
    unread_from_store: Switch {
        name: "unread-from-store",
        scope: "db, schema",
        instead_of: "a counter in Redis that a read ack clears whatever came meanwhile",
        peers: Peers::until(&[Db]).mixes(&[Mix { new: &[Db], old: &[Db], breaks: "unread", leaves: "counts that are wrong until the chat is read" }]).says("an old db_proxy keeps the other count, which those with the switch take over one conversation \
                at a time"),
        cost: "one count for each session with something unread; no Redis command a message",
        property: "unread",
    };
    confirmed_read_acks: Switch {
        name: "confirmed-read-acks",
        scope: "client, msg, db",
        instead_of: "a read ack that nobody answers, and notices that a chat was read, or its session removed, \
                     before anything was stored",
        peers: Peers::until(&[Client, Msg, Db]).mixes(&[Mix {
            new: &[Msg, Db],
            old: &[Client],
            breaks: "shown",
            leaves: "counts that are too low until the chat is opened again",
        }]).says("an old db_proxy does not answer: the client gives up after three tries"),
        cost: "one 0304 a read ack; read acks written again when it is late",
        property: "unread",
    };
    edge_limits: Switch {
        name: "edge-limits",
        scope: "msg, db, route",
        instead_of: "taking PDUs of up to 16 MiB of anybody, lists and pages as long as a client \
                     chooses, as often as it sends them, and closing a server link for it; and a request that waits \
                     behind a slow one while other workers of its db_proxy are idle, or behind all \
                     that another user asks",
        peers: Peers::until(&[Msg]).says(
            "a client that keeps to what real clients send notices nothing; db_proxies and route_servers with it \
             refuse what an old msg_server lets through",
        ),
        cost: "one look at the body of each device's PDU; at each db_proxy no more messages of one conversation \
               at once than a quarter of its workers (two, of 3 to 11)",
        property: "bounded",
    };
    user_changes_from_store: Switch {
        name: "user-changes-from-store",
        scope: "db",
        instead_of: "saying that no user changed while this db_proxy knows of no change, whatever \
                     another one has changed; and the ids of those who did, then their rows, where one \
                     statement reads them",
        peers: Peers::until(&[Db]),
        cost: "one statement for each 0208",
        property: "answers",
    };
    one_push: Switch {
        name: "one-push",
        scope: "msg",
        instead_of: "a push of each msg_server to every phone of a group's members, so that a phone \
                     rings for one message as often as there are msg_servers",
        peers: Peers::until(&[Msg]).says("an old msg_server beside it still pushes what others have pushed"),
        cost: "none; pushes of a group go with the msg_server of the sender, if that dies",
        property: "pushes",
    };
    presence_by_link: Switch {
        name: "presence-by-link",
        scope: "route",
        instead_of: "counts of connections that a closed link leaves behind and a new one doubles",
        peers: Peers::until(&[Route]),
        cost: "counts for each link; notices for those who were only behind a link that closed",
        property: "presence",
    };
}

impl Protocol {
    /// SYSTEM.md to the letter.
    pub fn teamtalk() -> Self {
        Self::default()
    }

    /// Ours: every property holds with our clients. Every switch but `resend-until-acked`: a
    /// lost push means a lost connection, and a client that hears silence and then catches up
    /// has the message without it; with it on, no property would miss `hear-silence`, and with
    /// `hear-silence` on, none misses it. It is for clients that do not hear silence.
    pub fn hardened() -> Self {
        let mut protocol = Self::default();
        for switch in SWITCHES {
            protocol.set(switch.name, true);
        }
        Self { resend_until_acked: false, ..protocol }
    }

    /// Whether the store raises msg_ids: `id-floor-from-store` needs the table of
    /// `single-relation`.
    pub fn has_floor(&self) -> bool {
        self.id_floor_from_store && self.single_relation
    }

    /// A preset by its name.
    pub fn preset(name: &str) -> Option<Self> {
        match name {
            "teamtalk" => Some(Self::teamtalk()),
            "hardened" => Some(Self::hardened()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Protocol, SWITCHES};

    #[test]
    fn each_switch_sets_its_own_field_only() {
        for switch in SWITCHES {
            let mut protocol = Protocol::teamtalk();
            assert!(protocol.set(switch.name, true));
            let on: Vec<_> =
                SWITCHES.iter().filter(|s| protocol.get(s.name) == Some(true)).collect();
            assert_eq!(on, [switch]);
        }
        assert!(!Protocol::default().set("no-such-switch", true));
    }
}
