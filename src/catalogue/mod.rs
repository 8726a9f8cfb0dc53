//! Every command once: its id and body, who sends it to whom, who serves it, what answers it, what
//! limits it has, what a person asks with it.
//!
//! Plain data. From it derive the dispatch of the roles, what msg_server relays, the checks at its
//! edge, which answer belongs to which question, the devices' plain questions, what generated
//! plans ask, the rogues that try each limit, and docs/COVERAGE.md. What is left to write for a
//! command is its handler, named after it, and its test (docs/CHANGING.md).

mod buddy;
mod command;
mod file;
mod general;
mod group;
pub mod limits;
mod login;
mod message;
mod other;
pub mod probe;
pub mod question;
mod set;
mod switch;
#[cfg(test)]
mod tests;

pub use command::{
    AttachForm, Command, CommandLimits, FieldLimit, Half, Limit, Peer, Relay, Serve, Way,
};
pub use general::MESSAGES_OF_ORIGINAL;
pub use question::{Args, Question};

/// The ids of all commands, under the schema's names.
pub mod id {
    pub use super::{buddy::*, file::*, group::*, login::*, message::*, other::*, switch::*};
}

/// The services, in the order of their numbers from 1.
const SERVICES: [&[Command]; 7] = [
    login::COMMANDS,
    buddy::COMMANDS,
    message::COMMANDS,
    group::COMMANDS,
    file::COMMANDS,
    switch::COMMANDS,
    other::COMMANDS,
];

/// How many commands there are.
pub const COUNT: usize = {
    let (mut count, mut service) = (0, 0);
    while service < SERVICES.len() {
        count += SERVICES[service].len();
        service += 1;
    }
    count
};

/// All commands, by id.
pub static ALL: [Command; COUNT] = {
    let mut all = [SERVICES[0][0]; COUNT];
    let (mut at, mut service) = (0, 0);
    while service < SERVICES.len() {
        let (of, mut n) = (SERVICES[service], 0);
        while n < of.len() {
            all[at] = of[n];
            (at, n) = (at + 1, n + 1);
        }
        service += 1;
    }
    all
};

/// Ids are below this.
const IDS: usize = 0x800;

/// The place of each id in [`ALL`]; [`COUNT`] for what is no command.
static PLACES: [u8; IDS] = {
    let mut places = [COUNT as u8; IDS];
    let mut at = 0;
    while at < COUNT {
        places[ALL[at].id as usize] = at as u8;
        at += 1;
    }
    places
};

/// The place of a command in [`ALL`]; `None` for what is no command.
pub fn place(command: u16) -> Option<usize> {
    let place = usize::from(*PLACES.get(usize::from(command))?);
    (place < COUNT).then_some(place)
}

/// The entry of a command; `None` for what is no command.
pub fn of(command: u16) -> Option<&'static Command> {
    place(command).map(|place| &ALL[place])
}

/// The request that a command answers; `None` for what answers none.
pub fn request_of(reply: u16) -> Option<&'static Command> {
    let asks = REQUESTS[place(reply)?];
    ALL.get(usize::from(asks))
}

/// The place in [`ALL`] of the request that each command answers; [`COUNT`] for what answers none.
static REQUESTS: [u8; COUNT] = {
    let mut requests = [COUNT as u8; COUNT];
    let mut at = 0;
    while at < COUNT {
        if let Some(reply) = ALL[at].reply {
            requests[PLACES[reply as usize] as usize] = at as u8;
        }
        at += 1;
    }
    requests
};

/// What a server does with a command when this peer sends it; `None`: it does not know it.
pub fn served(command: u16, from: Peer, by: Peer) -> Option<Serve> {
    of(command)?.served(from, by)
}

/// What the schema calls a command; `None` for what is no command.
pub fn name(command: u16) -> Option<&'static str> {
    of(command).map(|command| command.name)
}
