//! What msg_servers take for a login_server: without a link to one they let nobody log in (docs/SYSTEM.md
//! section 4). It keeps the links and their heartbeats; it tells no client where a msg_server is.

use crate::{
    env::Draw,
    link::{Action, Event, Kind, Now, Role},
};

/// A msg_server's link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MsgServer;

impl Kind for MsgServer {
    fn is_server_link(self) -> bool {
        true
    }
}

/// Takes note of nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct LoginServer;

impl Role for LoginServer {
    type Kind = MsgServer;

    fn handle(&mut self, _: Now, _: &dyn Draw, _: Event<MsgServer>, _: &mut Vec<Action>) {}
}
