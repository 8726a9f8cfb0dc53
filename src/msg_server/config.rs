//! How a msg_server is deployed.

use super::{
    kind::Kind,
    state::{in_flight::IN_FLIGHT_BOUND, send_list::SEND_LIST_BOUND},
};
use crate::{catalogue::limits::Limits, link::Bounds, protocol::Protocol, timing::Timing};

/// How a msg_server is deployed.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its switches.
    pub protocol: Protocol,
    /// Its durations.
    pub timing: Timing,
    /// What a device may send (switch `edge-limits`).
    pub limits: Limits,
    /// The address that login_server hands to clients.
    pub ip: String,
    /// The port that clients dial.
    pub port: u16,
    /// What it announces to login_server as its capacity (100000 in the original); with
    /// `edge-limits` it announces the limit of connections, and keeps to it.
    pub max_conn_cnt: u32,
    /// The host name that it announces to login_server.
    pub host_name: String,
    /// E: how many db_proxy entries are configured; at least 2 in the original.
    pub db_entries: usize,
    /// C: connections to each entry.
    pub conns_per_entry: usize,
    /// The AES-256 key under which clients encrypt texts; only pushes need it.
    pub text_key: [u8; 32],
}

impl Config {
    /// What a connection of this kind may hold. With `edge-limits` a stranger writes no more than a
    /// login takes, and what waits for a server is more than any answer.
    pub fn bounds(&self, kind: Kind) -> Bounds {
        let limits = &self.limits;
        match kind {
            _ if !self.protocol.edge_limits => Bounds::ORIGINAL,
            Kind::Client => Bounds {
                pdu: limits.stranger_pdu,
                unsent: limits.device_unsent,
                of_source: limits.of_source,
                ..Bounds::ORIGINAL
            },
            _ => Bounds {
                unsent: limits.link_unsent,
                asked: limits.link_requests,
                ..Bounds::ORIGINAL
            },
        }
    }

    /// The most entries of one send list.
    pub(super) fn send_list_bound(&self) -> usize {
        if self.protocol.edge_limits { self.limits.send_list } else { SEND_LIST_BOUND }
    }

    /// The most requests of one connection that may wait at once.
    pub(super) fn in_flight_bound(&self) -> usize {
        if self.protocol.edge_limits { self.limits.in_flight } else { IN_FLIGHT_BOUND }
    }
}
