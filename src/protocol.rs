//! The switches by which deployments differ, and the two presets.

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
    /// What it needs of peers, and how it behaves with old ones.
    pub peers: &'static str,
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
        pub struct Protocol { $(#[doc = concat!("See the entry of this name in [`SWITCHES`].")] pub $field: bool,)* }

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
        peers: "none; an old client sees a 0302 with msg_id 0 for a message that was not stored",
        cost: "one 0302 for each message that could not be stored",
        property: "unique-msg-id",
    };
    single_relation: Switch {
        name: "single-relation",
        scope: "db, schema",
        instead_of: "select-then-insert of the relation, and a reset of its counter after it",
        peers: "every db_proxy must use it: an old one beside it still inserts second relations",
        cost: "one table more; one transaction for each new pair",
        property: "unique-msg-id",
    };
    honest_reads: Switch {
        name: "honest-reads",
        scope: "db",
        instead_of: "answering a list or count as empty, or a login as a wrong password, when the read failed",
        peers: "none; a client that asks again after its timeout gets the true answer",
        cost: "no reply while the store can't be read",
        property: "send-list-acked",
    };
    resend_until_acked: Switch {
        name: "resend-until-acked",
        scope: "msg",
        instead_of: "dropping a send-list entry at 15 s",
        peers: "none; a client that never acks is disconnected after three resends",
        cost: "the PDU is kept in memory until it is acked; resends when acks are late",
        property: "send-list-acked",
    };
    conversation_keyed_acks: Switch {
        name: "conversation-keyed-acks",
        scope: "client, msg",
        instead_of: "matching an ack by (msg_id, from), which no ack of an own copy meets",
        peers: "a client acks with the peer's id, as Windows and iOS do",
        cost: "none",
        property: "send-list-acked",
    };
    catch_up_on_gap: Switch {
        name: "catch-up-on-gap",
        scope: "client",
        instead_of: "never asking for what a push or a lost connection skipped",
        peers: "none",
        cost: "a message list for each conversation that is behind after a login or a gap",
        property: "send-list-acked",
    };
    history_by_msg_id: Switch {
        name: "history-by-msg-id",
        scope: "db",
        instead_of: "ordering lists and choosing the latest message by the clock of a msg_server",
        peers: "none; a db_proxy without it may answer the same pull in another order",
        cost: "none with a key on (relateId, status, msgId)",
        property: "send-list-acked",
    };
}

impl Protocol {
    /// SYSTEM.md to the letter.
    pub fn teamtalk() -> Self {
        Self::default()
    }

    /// Ours: every property holds with our clients.
    pub fn hardened() -> Self {
        let mut protocol = Self::default();
        for switch in SWITCHES {
            protocol.set(switch.name, true);
        }
        protocol
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
