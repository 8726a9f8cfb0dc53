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

/// All of them, in the order of [`super::limits::Limits`].
pub const GENERAL: [General; 9] = [
    General {
        name: DEVICE_UNSENT,
        limit: Limit { default: 20 << 20, ceiling: 64 << 20 },
        says: "bytes that wait to be written to one device; past it the device is disconnected",
    },
    General {
        name: LINK_UNSENT,
        limit: Limit { default: 64 << 20, ceiling: 1 << 30 },
        says: "bytes that wait to be written to one server; past it the link is closed",
    },
    General {
        name: CONNECTIONS,
        limit: Limit { default: 100_000, ceiling: 1_000_000 },
        says: "connections of devices to one msg_server; past it a new one is closed",
    },
    General {
        name: OF_SOURCE,
        limit: Limit { default: 5_000, ceiling: 1_000_000 },
        says: "connections of devices of one address to one msg_server; past it a new one is closed",
    },
    General {
        name: REQUESTS,
        limit: Limit { default: 300, ceiling: 10_000 },
        says: "requests of all kinds (what has an answer) a second, user and msg_server",
    },
    General {
        name: LINK_REQUESTS,
        limit: Limit { default: 63 << 20, ceiling: 1 << 30 },
        says: "bytes that wait to be written to one server, with a request that is to join them; past \
               it the request is refused",
    },
    General {
        name: SEND_LIST,
        limit: Limit { default: 4_096, ceiling: 65_536 },
        says: "messages that one device has not acked; past it the device is disconnected",
    },
    General {
        name: IN_FLIGHT,
        limit: Limit { default: 1_024, ceiling: 65_536 },
        says: "requests of one device that wait for a server; past it one is refused",
    },
    General {
        name: WORKER_QUEUE,
        limit: Limit { default: 4_096, ceiling: 65_536 },
        says: "requests that wait at a db_proxy, for each of its workers; past it one is refused",
    },
];

pub(super) const DEVICE_UNSENT: &str = "device.unsent";
pub(super) const LINK_UNSENT: &str = "link.unsent";
const CONNECTIONS: &str = "connections";
const OF_SOURCE: &str = "connections.source";
const REQUESTS: &str = "requests.rate";
const LINK_REQUESTS: &str = "link.requests";
const SEND_LIST: &str = "send-list";
const IN_FLIGHT: &str = "in-flight";
const WORKER_QUEUE: &str = "worker.queue";
