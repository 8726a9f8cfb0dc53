//! How a room of handlers says which command each of them serves.

/// From command (a name in `catalogue::id`) to handler. Makes two functions of the room:
/// `serves`, whether it has a handler for a command, and `handle`, which serves one request.
macro_rules! handlers {
    ($($command:ident => $handler:path;)*) => {
        /// Whether a handler of this room serves a command.
        pub fn serves(command: u16) -> bool {
            matches!(command, $(crate::catalogue::id::$command)|*)
        }

        /// Serves one request: its reply, or why there is none.
        pub async fn handle<W: crate::db_proxy::plumbing::context::World>(
            cx: &mut crate::db_proxy::plumbing::context::Context<W>,
            request: &crate::wire::Pdu,
        ) -> Result<crate::wire::Pdu, crate::db_proxy::plumbing::silent::Silent> {
            match request.command() {
                $(crate::catalogue::id::$command => $handler(cx, request).await,)*
                _ => Err(crate::db_proxy::plumbing::silent::Silent::NoHandler),
            }
        }
    };
}
pub(crate) use handlers;
