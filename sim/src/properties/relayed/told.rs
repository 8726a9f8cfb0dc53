//! What a msg_server tells devices for other servers: each answer is one that such a server gave, but for
//! what msg_server adds, and each has its question.

use super::{asked::Asked, attach_kind, broken, on, peer};
use crate::{
    lookup::{Lookup, LookupSet},
    plan::{Host, Role},
    properties::{Seen, Subject, Violation},
    record::{
        End, Frame, Kind,
        fields::{fields, without},
    },
};
use bytes::Bytes;
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{
    catalogue::{self, Peer, Serve, id},
    env::ConnId,
    wire::{
        attach::{self, kind},
        fields::IP_ADDR_LIST,
        im::{
            base_define::{ResultType, TransferFileType},
            file::ImFileRsp,
            group::{ImGroupChangeMemberRsp, ImGroupCreateRsp, ImGroupShieldRsp},
            login::{ImLoginReq, ImLoginRes},
            server::{ImFileServerIpRsp, ImFileTransferRsp, ImValidateRsp},
        },
        tt::extension::{Refused, RefusedCode},
    },
};

/// `ip_addr_list` of IMFileRsp.
const ADDRESSES: u32 = 6;

/// What db_proxy says that a handler of msg_server passes on.
const HANDED_ON: [u16; 7] = [
    id::BUDDY_LIST_CHANGE_SIGN_INFO_RESPONSE,
    id::BUDDY_LIST_REMOVE_SESSION_RES,
    id::GROUP_INFO_RESPONSE,
    id::GROUP_CHANGE_MEMBER_RESPONSE,
    id::FILE_HAS_OFFLINE_RES,
    id::MSG_READ_NOTIFY,
    id::OTHER_REFUSED,
];

/// An answer: its seq_num and command, what is left of its body ([`left_of`]), and the msg_server.
type Answer = (u16, u16, Bytes, Host);

/// With what a device asked for a login.
#[derive(Debug, Default, Clone)]
struct Login {
    name: Bytes,
    online_status: i32,
}

/// See the module. Sets grow with a run and end with it.
#[derive(Debug, Default)]
pub struct Told {
    /// What servers answered, by the msg_server that read it.
    answered: LookupSet<Answer>,
    /// Of logins by name, what db_proxies said at last, by the msg_server that read it.
    said_of_logins: Lookup<(Host, Bytes), Vec<ImValidateRsp>>,
    /// With what a connection last asked for a login.
    logins: Lookup<ConnId, Login>,
    /// The links to db_proxies over which msg_servers may ask.
    dbs: BTreeSet<(Host, ConnId)>,
    /// Where msg_servers were told that devices reach a file server, one field after the other.
    addresses: BTreeMap<Host, BTreeSet<Vec<u8>>>,
}

impl Told {
    /// Takes a line that is no PDU.
    pub fn event(&mut self, seen: &Seen<'_>, event: &Kind) {
        let host = &seen.line.host;
        match event {
            Kind::Connected { conn, end: End::Dialler, peer, .. } if peer.role() == Role::Db => {
                self.dbs.insert((host.clone(), *conn));
            }
            Kind::Disconnected { conn, end: End::Dialler } => {
                self.dbs.remove(&(host.clone(), *conn));
            }
            Kind::HostDown => self.dbs.retain(|(of, _)| of != host),
            _ => {}
        }
    }

    /// A msg_server reads what a device wrote.
    pub fn device_asks(&mut self, conn: ConnId, pdu: &Frame) {
        if pdu.command() == id::LOGIN_REQ_USERLOGIN
            && let Ok(login) = pdu.view::<ImLoginReq>()
        {
            let (name, online_status) = (login.user_name.clone(), login.online_status);
            self.logins.insert(conn, Login { name, online_status });
        }
    }

    /// A msg_server reads what another server wrote.
    pub fn server_says(&mut self, seen: &Seen<'_>, pdu: &Frame) -> Option<()> {
        let (host, command) = (&seen.line.host, pdu.command());
        let answer = match command {
            id::OTHER_STOP_RECV_PACKET => {
                self.dbs.remove(&(host.clone(), pdu.conn));
                return None;
            }
            id::OTHER_VALIDATE_RSP => {
                let said = pdu.view::<ImValidateRsp>().ok()?.into_owned();
                let of = (host.clone(), said.user_name.clone());
                self.said_of_logins.entry(of).or_default().push(said);
                return None;
            }
            id::OTHER_FILE_SERVER_IP_RSP => {
                let said = pdu.view::<ImFileServerIpRsp>().ok()?;
                let list =
                    said.ip_addr_list.iter().flat_map(Message::encode_length_delimited_to_vec);
                self.addresses.entry(host.clone()).or_default().insert(list.collect());
                return None;
            }
            id::OTHER_FILE_TRANSFER_RSP => {
                let said = pdu.view::<ImFileTransferRsp>().ok()?.into_owned();
                let body = without(&offered(said).encode_to_vec().into(), &[ADDRESSES]);
                (pdu.header.seq_num, id::FILE_RESPONSE, body, host.clone())
            }
            _ if is_passed_on(command) || self.is_handed_on(seen, pdu) => {
                (pdu.header.seq_num, command, left_of(pdu), host.clone())
            }
            _ => return None,
        };
        self.answered.insert(answer);
        None
    }

    /// Whether a handler of msg_server passes this answer on to a device.
    fn is_handed_on(&self, seen: &Seen<'_>, pdu: &Frame) -> bool {
        let from = match pdu.command() {
            id::BUDDY_LIST_USERS_STATUS_RESPONSE => Role::Route,
            command if HANDED_ON.contains(&command) => Role::Db,
            _ => return false,
        };
        attach_kind(pdu) == Some(kind::HANDLE) && peer(seen, pdu) == Some(from)
    }

    /// A msg_server writes to a device.
    pub fn device_is_told(
        &self,
        seen: &Seen<'_>,
        asked: &Asked,
        conn: ConnId,
        pdu: &Frame,
    ) -> Option<Violation> {
        let (command, seq) = (pdu.command(), pdu.header.seq_num);
        // A notice is no answer.
        if command == id::MSG_READ_NOTIFY && seq == 0 {
            return None;
        }
        let answers = match command {
            id::OTHER_REFUSED => pdu.view::<Refused>().ok()?.command_id as u16,
            _ => catalogue::request_of(command)?.id,
        };
        let name = catalogue::name(command).unwrap_or("an answer");
        let host = &seen.line.host;
        if !asked.is_asked(conn, answers, seq) {
            let sentence = format!(
                "{host} wrote {name} with seq_num {seq} on connection {conn}, which asked nothing so"
            );
            return broken(seen, "unasked", sentence, on(conn));
        }
        let is_said = match command {
            id::LOGIN_RES_USERLOGIN => return self.login(seen, conn, pdu),
            id::OTHER_REFUSED => {
                let code = pdu.view::<Refused>().ok()?.code();
                // Of what it has passed on it says itself only that no answer came, or what it says of a
                // second try.
                let is_own = [
                    RefusedCode::RefusedUnavailable,
                    RefusedCode::RefusedTooMany,
                    RefusedCode::RefusedNotLoggedIn,
                ];
                is_own.contains(&code)
                    || (code == RefusedCode::RefusedMalformed
                        && asked.is_malformed(conn, answers, seq))
                    || !asked.is_passed(conn, answers, seq)
                    || self.is_answer(host, pdu)
            }
            id::FILE_RESPONSE | id::FILE_HAS_OFFLINE_RES => {
                let is_said = self.is_answer(host, pdu) || self.fails_alone(seen, pdu);
                is_said && self.is_reached(seen, pdu)
            }
            id::BUDDY_LIST_USERS_STATUS_RESPONSE => self.is_answer(host, pdu),
            _ if is_passed_on(command) || HANDED_ON.contains(&command) => {
                self.is_answer(host, pdu) || self.fails_alone(seen, pdu)
            }
            _ => true,
        };
        if is_said {
            return None;
        }
        let sentence = format!(
            "{host} wrote {name} with seq_num {seq} on connection {conn}, which no server said"
        );
        let question = Subject::Question { conn, seq, answer: command };
        broken(seen, "answer-altered", sentence, [question])
    }

    fn is_answer(&self, host: &Host, pdu: &Frame) -> bool {
        let (seq, command) = (pdu.header.seq_num, pdu.command());
        let answer = (seq, command, left_of(pdu), host.clone());
        self.answered.contains(&answer)
    }

    /// A msg_server that can ask no db_proxy says that a change failed, and one without a file server that
    /// an offer did (docs/SYSTEM.md section 4, "Relayed" and "Files").
    fn fails_alone(&self, seen: &Seen<'_>, pdu: &Frame) -> bool {
        let code = match pdu.command() {
            id::GROUP_SHIELD_GROUP_RESPONSE => {
                pdu.view::<ImGroupShieldRsp>().map(|said| said.result_code)
            }
            id::GROUP_CREATE_RESPONSE => {
                pdu.view::<ImGroupCreateRsp>().map(|said| said.result_code)
            }
            id::GROUP_CHANGE_MEMBER_RESPONSE => {
                pdu.view::<ImGroupChangeMemberRsp>().map(|said| said.result_code)
            }
            // Which link is whose can't be told: one is missing at the start, or after a fault.
            id::FILE_RESPONSE => {
                let fails = pdu.view::<ImFileRsp>().is_ok_and(|said| said.result_code != 0);
                return fails && !self.has_file_server(seen);
            }
            _ => return false,
        };
        let host = &seen.line.host;
        code.is_ok_and(|code| code != 0) && self.dbs.iter().all(|(of, _)| of != host)
    }

    /// Whether a file server has told where it is, and nothing has gone wrong for a while.
    fn has_file_server(&self, seen: &Seen<'_>) -> bool {
        let known = seen.known;
        self.addresses.contains_key(&seen.line.host)
            && known.trouble.is_quiet(seen.line.sim_us, known.settles_within_us)
    }

    /// The addresses that msg_server adds are those that a file server told it; without one there are none.
    fn is_reached(&self, seen: &Seen<'_>, pdu: &Frame) -> bool {
        let number = match pdu.command() {
            id::FILE_RESPONSE => ADDRESSES,
            _ => IP_ADDR_LIST,
        };
        let list = fields(&pdu.pdu.body).filter(|field| field.number == number);
        // Behind the field's number, which takes one byte, there is its length.
        let list: Vec<u8> = list.flat_map(|field| field.whole[1..].to_vec()).collect();
        let told = self.addresses.get(&seen.line.host);
        told.is_some_and(|told| told.contains(&list))
            || (list.is_empty() && !self.has_file_server(seen))
    }

    /// A login succeeds only as the user whose password a db_proxy has found right, and fails for a wrong
    /// one only if one has said so.
    fn login(&self, seen: &Seen<'_>, conn: ConnId, pdu: &Frame) -> Option<Violation> {
        let said = pdu.view::<ImLoginRes>().ok()?;
        let asked = self.logins.get(&conn).cloned().unwrap_or_default();
        let mut founded =
            self.said_of_logins.get(&(seen.line.host.clone(), asked.name)).into_iter().flatten();
        let is_founded = match &said.user_info {
            Some(user) => {
                said.online_status == Some(asked.online_status)
                    && founded.any(|ok| {
                        ok.result_code == 0
                            && ok.user_info.as_ref() == Some(user)
                            && ok.result_string == said.result_string
                    })
            }
            None if said.result_code == ResultType::RefuseReasonDbValidateFailed as i32 => {
                founded.any(|ok| ok.result_code != 0 && ok.result_string == said.result_string)
            }
            // It has asked nobody, or had no answer.
            None => true,
        };
        if is_founded {
            return None;
        }
        let host = &seen.line.host;
        let sentence = match &said.user_info {
            Some(user) => format!(
                "{host} logged user {} in on connection {conn}, whose password no db_proxy has found \
                 right, or said what none did",
                user.user_id
            ),
            None => format!(
                "{host} wrote on connection {conn} that its password is wrong, as no db_proxy said"
            ),
        };
        broken(seen, "login-altered", sentence, on(conn))
    }
}

/// 0507 as it follows from a 0732, without addresses.
fn offered(said: ImFileTransferRsp) -> ImFileRsp {
    let online = TransferFileType::FileTypeOnline as i32;
    ImFileRsp {
        result_code: said.result_code,
        from_user_id: said.from_user_id,
        to_user_id: said.to_user_id,
        file_name: said.file_name.unwrap_or_default(),
        task_id: said.task_id.unwrap_or_default(),
        ip_addr_list: Vec::new(),
        trans_mode: said.trans_mode.unwrap_or(online),
    }
}

/// Whether msg_server passes this answer of db_proxy on as it is.
fn is_passed_on(command: u16) -> bool {
    catalogue::served(command, Peer::Db, Peer::Msg) == Some(Serve::PassedOn)
}

/// A body without the attach data, and without what msg_server adds.
fn left_of(pdu: &Frame) -> Bytes {
    match pdu.command() {
        id::FILE_RESPONSE => without(&pdu.pdu.body, &[ADDRESSES]),
        id::FILE_HAS_OFFLINE_RES => without(&pdu.pdu.body, &[IP_ADDR_LIST, attach::FIELD]),
        _ => pdu.bare(),
    }
}

#[cfg(test)]
mod tests {
    use super::HANDED_ON;
    use crate::properties::listed::assert_all;
    use teamtalk::catalogue::{Command, Peer, Serve, id};

    /// What a handler of msg_server takes from a db_proxy and passes on to nobody as it is, and what it is for.
    const NOT_HANDED_ON: [(u16, &str); 5] = [
        (id::MSG_DATA, "acked with 0302 and pushed as a message"),
        (id::OTHER_STOP_RECV_PACKET, "nothing more is asked over that link"),
        (id::OTHER_VALIDATE_RSP, "the device is answered 0104: `said_of_logins`"),
        (id::OTHER_GET_DEVICE_TOKEN_RSP, "asks the push server"),
        (id::OTHER_GET_SHIELD_RSP, "asks for tokens"),
    ];

    #[test]
    fn each_answer_that_a_handler_takes_is_handed_on_or_it_is_said_what_it_is_for() {
        let is_of_db = |of: &Command| of.served(Peer::Db, Peer::Msg) == Some(Serve::Handler);
        assert_all(is_of_db, HANDED_ON, &NOT_HANDED_ON);
    }
}
