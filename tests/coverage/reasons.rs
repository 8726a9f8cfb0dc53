//! What is left out on purpose, and why.

use teamtalk::catalogue::id as cmd;

/// Commands that are not in the workload, with the reason that is shared by them.
const NO_WORKLOAD: &[(&[u16], &str)] = &[
    (
        &[cmd::LOGIN_REQ_MSGSERVER, cmd::LOGIN_RES_MSGSERVER],
        "between a client and login_server, which is no role here: devices know their msg_servers",
    ),
    (
        &[
            cmd::FILE_LOGIN_REQ,
            cmd::FILE_LOGIN_RES,
            cmd::FILE_STATE,
            cmd::FILE_PULL_DATA_REQ,
            cmd::FILE_PULL_DATA_RSP,
        ],
        "between a client and the file server, which is no role here",
    ),
    (
        &[cmd::BUDDY_LIST_CHANGE_AVATAR_RESPONSE, cmd::BUDDY_LIST_AVATAR_CHANGED_NOTIFY],
        "nobody sends it: 020c has no handler in db_proxy (SYSTEM.md section 6)",
    ),
];

/// The reason for a command that is not in the workload.
pub fn of(command: u16) -> Option<&'static str> {
    NO_WORKLOAD.iter().find(|(commands, _)| commands.contains(&command)).map(|(_, why)| *why)
}
