//! From command to handler: each room says which commands its handlers serve.

use crate::{
    db_proxy::{
        file, group, message,
        plumbing::{
            context::{Context, World},
            silent::Silent,
        },
        push, session, user,
    },
    wire::Pdu,
};

/// Serves one request: its reply, or why there is none.
pub async fn handle<W: World>(cx: &mut Context<W>, request: &Pdu) -> Result<Pdu, Silent> {
    match request.command() {
        command if message::serves(command) => message::handle(cx, request).await,
        command if group::serves(command) => group::handle(cx, request).await,
        command if session::serves(command) => session::handle(cx, request).await,
        command if user::serves(command) => user::handle(cx, request).await,
        command if push::serves(command) => push::handle(cx, request).await,
        command if file::serves(command) => file::handle(cx, request).await,
        _ => Err(Silent::NoHandler),
    }
}

#[cfg(test)]
mod tests {
    use super::{file, group, message, push, session, user};
    use crate::catalogue::{ALL, Peer, Serve};

    #[test]
    fn a_command_has_one_handler_where_the_catalogue_says_so_and_none_elsewhere() {
        let rooms = [
            file::serves,
            group::serves,
            message::serves,
            push::serves,
            session::serves,
            user::serves,
        ];
        for command in &ALL {
            let handlers = rooms.iter().filter(|serves| serves(command.id)).count();
            let says = command.served(Peer::Msg, Peer::Db) == Some(Serve::Handler);
            assert_eq!(handlers, usize::from(says), "{}", command.name);
        }
    }
}
