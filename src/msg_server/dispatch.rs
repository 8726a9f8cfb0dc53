//! What the tables from command to handler have in common.

use super::state::{State, turn::Turn};
use crate::{
    env::ConnId,
    wire::{Malformed, Pdu},
};

/// Serves one PDU of one connection.
pub(super) type Handler = fn(&mut State, &mut Turn<'_>, ConnId, &Pdu) -> Result<(), Malformed>;

/// Serves one PDU of a server link, or reports that nobody does.
pub(super) fn of_link(
    handler: Option<Handler>,
    state: &mut State,
    turn: &mut Turn<'_>,
    link: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    let Some(handler) = handler else {
        turn.refused(link, pdu.command(), "unknown command");
        return Ok(());
    };
    handler(state, turn, link, pdu)
}

#[cfg(test)]
mod tests {
    use super::super::{file, from_client, from_db, from_route};
    use crate::catalogue::{ALL, Peer, Serve};

    #[test]
    fn a_command_has_a_handler_where_the_catalogue_says_so_and_nowhere_else() {
        type Has = fn(u16) -> bool;
        let tables: [(Peer, Has); 4] = [
            (Peer::Device, |command| from_client::handler(command).is_some()),
            (Peer::Db, |command| from_db::handler(command).is_some()),
            (Peer::Route, |command| from_route::handler(command).is_some()),
            (Peer::File, |command| file::handler(command).is_some()),
        ];
        for (peer, has_handler) in tables {
            for command in &ALL {
                let says = command.served(peer, Peer::Msg) == Some(Serve::Handler);
                assert_eq!(has_handler(command.id), says, "{} from {peer:?}", command.name);
            }
        }
    }
}
