//! msg_server: the server that clients talk to (SYSTEM.md sections 2 to 4).
//!
//! A state machine without I/O: [`MsgServer`] takes events and appends actions. Each subject has
//! its file; `from_*` hold the tables from command to handler, one for each kind of link.

mod buddy;
mod config;
mod deliver;
mod dispatch;
mod edge;
mod fan_out;
mod file;
mod from_client;
mod from_db;
mod from_route;
mod group;
mod hint;
mod kind;
mod links;
mod login;
mod message;
mod push;
mod read;
mod refusal;
mod relay;
mod state;
#[cfg(test)]
mod tests;
mod text_cipher;
mod timers;

pub use config::Config;
pub use kind::Kind;
pub use state::{in_flight::IN_FLIGHT_BOUND, send_list::SEND_LIST_BOUND};
pub use text_cipher::{DEFAULT_TEXT_KEY, decrypt as decrypt_text, encrypt as encrypt_text};

use crate::{
    catalogue::id as command,
    env::{ConnId, Draw},
    link::{Action, Event, Now, Role},
    mutants::Mutant,
    protocol::Protocol,
    wire::{Pdu, tt::extension::RefusedCode},
};
use state::{State, in_flight::Asked, turn::Turn};

/// The role without I/O.
#[derive(Debug)]
pub struct MsgServer {
    state: State,
}

impl MsgServer {
    /// A msg_server without connections.
    pub fn new(config: Config) -> Self {
        Self { state: State::new(config) }
    }
}

impl Role for MsgServer {
    type Kind = Kind;

    fn protocol(&self) -> Protocol {
        self.state.config.protocol
    }

    fn handle(&mut self, now: Now, draw: &dyn Draw, event: Event<Kind>, out: &mut Vec<Action>) {
        let state = &mut self.state;
        let turn = &mut Turn { now, draw, out };
        match event {
            Event::Opened { conn, kind } => opened(state, turn, conn, kind),
            Event::Pdu { conn, kind, pdu } => {
                let served = match kind {
                    _ if is_unmarked(&state.config.protocol, kind, &pdu) => Ok(()),
                    Kind::Client => from_client::dispatch(state, turn, conn, &pdu),
                    Kind::Db { .. } => from_db::dispatch(state, turn, conn, &pdu),
                    Kind::Route { .. } => from_route::dispatch(state, turn, conn, &pdu),
                    Kind::File => file::dispatch(state, turn, conn, &pdu),
                    // A login_server asks nothing of msg_server; what became of a push (0710)
                    // nobody waits for.
                    Kind::Login { .. } | Kind::Push => Ok(()),
                };
                if let Err(malformed) = served {
                    let (asked, code) = (Asked::of(&pdu), RefusedCode::RefusedMalformed);
                    state.refuse(turn, conn, asked, code, &malformed.to_string());
                }
            }
            Event::Closed { conn, kind, .. } => match kind {
                Kind::Client => state.forget_client(turn, conn),
                Kind::Db { .. } => state.db_closed(turn, conn),
                Kind::Route { .. } => state.route_closed(turn, conn),
                Kind::Login { .. } => state.logins_up.retain(|&link| link != conn),
                Kind::Push => state.push_servers.retain(|&link| link != conn),
                Kind::File => file::closed(state, turn, conn),
            },
            Event::NotAsked { conn, of } => state.not_asked(turn, conn, of),
            Event::Tick => timers::tick(state, turn),
        }
    }
}

/// Whether a mutant passes over a PDU that has no mark.
fn is_unmarked(protocol: &Protocol, kind: Kind, pdu: &Pdu) -> bool {
    match kind {
        Kind::Route { .. } => !pdu.is_marked() && protocol.mutated(Mutant::MsgWantsMark),
        Kind::Client => {
            let is_send = pdu.command() == command::MSG_DATA;
            is_send && !pdu.is_marked() && protocol.mutated(Mutant::SendsWantMark)
        }
        _ => false,
    }
}

fn opened(state: &mut State, turn: &mut Turn<'_>, conn: ConnId, kind: Kind) {
    let handle = state.next_handle();
    match kind {
        Kind::Client if state.is_full() => {
            turn.close(conn, "too many connections");
        }
        Kind::Client => state.client_opened(turn, conn, handle),
        Kind::Db { index } => state.db.opened(index, conn),
        Kind::Route { .. } => state.route_opened(turn, conn),
        Kind::Login { .. } => state.login_opened(turn, conn),
        Kind::Push => state.push_servers.push(conn),
        Kind::File => file::opened(state, turn, conn),
    }
}
