//! Limits that are no command's: how many may be connected, and how much may wait.

use super::Limit;

/// A limit that is no command's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct General {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub limit: Limit,
    /// What it limits, with its unit.
    pub says: &'static str,
}

/// All of them, in the order in which they are listed.
pub(super) const GENERAL: [General; 12] = [
    DEVICE_UNSENT,
    LINK_UNSENT,
    CONNECTIONS,
    OF_SOURCE,
    REQUESTS,
    LINK_REQUESTS,
    SEND_LIST,
    IN_FLIGHT,
    WORKER_QUEUE,
    MESSAGES,
    UNSERVED,
    ABUSE,
];

/// Messages a second and connection of the original (SYSTEM.md section 3, step 1).
pub const MESSAGES_OF_ORIGINAL: u32 = 20;

pub(super) const DEVICE_UNSENT: General = General {
    name: "device.unsent",
    limit: Limit { default: 20 << 20, ceiling: 64 << 20 },
    says: "bytes that wait to be written to one device; past it the device is disconnected",
};
pub(super) const LINK_UNSENT: General = General {
    name: "link.unsent",
    limit: Limit { default: 64 << 20, ceiling: 1 << 30 },
    says: "bytes that wait to be written to one server; past it the link is closed",
};
pub(super) const CONNECTIONS: General = General {
    name: "connections",
    limit: Limit { default: 100_000, ceiling: 1_000_000 },
    says: "connections of devices to one msg_server; past it a new one is closed",
};
pub(super) const OF_SOURCE: General = General {
    name: "connections.source",
    limit: Limit { default: 5_000, ceiling: 1_000_000 },
    says: "connections of devices of one address to one msg_server; past it a new one is closed",
};
pub(super) const REQUESTS: General = General {
    name: "requests.rate",
    limit: Limit { default: 300, ceiling: 20_000 },
    says: "requests of all kinds (what has an answer) a second, user and msg_server",
};
pub(super) const LINK_REQUESTS: General = General {
    name: "link.requests",
    limit: Limit { default: 63 << 20, ceiling: (1 << 30) - (1 << 20) },
    says: "bytes that wait to be written to one server, with a request that is to join them; past \
           it the request is refused",
};
pub(super) const SEND_LIST: General = General {
    name: "send-list",
    limit: Limit { default: 4_096, ceiling: 65_536 },
    says: "messages that one device has not acked; past it the device is disconnected",
};
pub(super) const IN_FLIGHT: General = General {
    name: "in-flight",
    limit: Limit { default: 1_024, ceiling: 65_536 },
    says: "requests of one device that wait for a server; past it one is refused",
};
pub(super) const WORKER_QUEUE: General = General {
    name: "worker.queue",
    limit: Limit { default: 4_096, ceiling: 65_536 },
    says: "requests that wait at a db_proxy, for each of its workers; past it one is refused",
};
pub(super) const MESSAGES: General = General {
    name: "messages.rate",
    limit: Limit { default: MESSAGES_OF_ORIGINAL, ceiling: 4_000 },
    says: "messages (CID_MSG_DATA) a second and connection; past it one is refused. Without \
           `edge-limits` always the original's 20",
};
pub(super) const UNSERVED: General = General {
    name: "unserved.rate",
    limit: Limit { default: 20, ceiling: 1_000 },
    says: "PDUs a second, user and msg_server, that are served to no device, or not before its login",
};
pub(super) const ABUSE: General = General {
    name: "abuse",
    limit: Limit { default: 10, ceiling: 100 },
    says: "how many times a rate (each NNNN.rate, requests.rate, unserved.rate) one connection may \
           send in a second; past it the connection is closed",
};
