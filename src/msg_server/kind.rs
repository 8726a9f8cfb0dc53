//! What msg_server's connections are for.

use crate::link;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A device.
    Client,
    /// A db_proxy.
    Db {
        /// The connection's place, entry by entry; the first ⌊E/2⌋·C are the login half.
        index: usize,
    },
    /// A route_server.
    Route {
        /// Its place in the configuration.
        index: usize,
    },
    /// A login_server.
    Login {
        /// Its place in the configuration.
        index: usize,
    },
    /// A push server.
    Push,
    /// A file server.
    File,
}

impl link::Kind for Kind {
    fn is_server_link(self) -> bool {
        self != Self::Client
    }
}
