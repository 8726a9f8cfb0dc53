//! Which roles serve a command, as the catalogue says; tests of the roles hold them to it.

use teamtalk::catalogue::{self, Peer, Serve};

fn name(peer: Peer) -> &'static str {
    match peer {
        Peer::Device => "device",
        Peer::Msg => "msg",
        Peer::Db => "db",
        Peer::Route => "route",
        Peer::Login => "login server",
        Peer::Push => "push server",
        Peer::File => "file server",
    }
}

/// The roles, each with the peer that it serves the command for. Which of them devices read, the
/// workload shows.
pub fn by(command: u16) -> Vec<String> {
    let ways = catalogue::of(command).into_iter().flat_map(|command| command.ways);
    let mut by: Vec<String> = ways
        .map(|way| {
            let how = match way.serve {
                Serve::Handler | Serve::PassedOn | Serve::Outside => "",
                Serve::Relayed => ", relayed",
                Serve::ToOtherLinks | Serve::ToAllLinks => ", to the others",
                Serve::Ignored => ", nothing follows",
            };
            format!("{} ({}{how})", name(way.to), name(way.from))
        })
        .collect();
    if command == catalogue::id::OTHER_HEARTBEAT {
        by.push("every server link".into());
    }
    by
}
