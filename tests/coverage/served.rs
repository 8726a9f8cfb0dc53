//! Which roles have a handler for a command.

use teamtalk::{db_proxy, msg_server, route_server, wire::command as cmd};

/// What the servers around the cluster take from a msg_server; the rig has them (`world::outside`).
const OUTSIDE: [u16; 5] = [
    cmd::OTHER_MSG_SERV_INFO,
    cmd::OTHER_USER_CNT_UPDATE,
    cmd::OTHER_PUSH_TO_USER_REQ,
    cmd::OTHER_FILE_TRANSFER_REQ,
    cmd::OTHER_FILE_SERVER_IP_REQ,
];

/// The roles, each with the peer that it serves the command for. Which of them devices read, the
/// workload shows.
pub fn by(command: u16) -> Vec<String> {
    use msg_server::Kind;
    let peers = [
        (Kind::Client, "device"),
        (Kind::Db { index: 0 }, "db"),
        (Kind::Route { index: 0 }, "route"),
        (Kind::File, "file server"),
    ];
    let mut by = Vec::new();
    for (kind, peer) in peers {
        if msg_server::serves(kind, command) {
            by.push(format!("msg ({peer})"));
        }
    }
    if route_server::serves(command) {
        by.push("route (msg)".into());
    }
    if db_proxy::serves(command) {
        by.push("db (msg)".into());
    }
    if command == cmd::OTHER_HEARTBEAT {
        by.push("every server link".into());
    }
    if command == cmd::OTHER_PUSH_TO_USER_RSP {
        by.push("msg (push server; nobody waits for it)".into());
    }
    if OUTSIDE.contains(&command) {
        by.push("outside (msg)".into());
    }
    by
}
