//! What a msg_server asks other servers for its devices: each question is one that a device asked, but
//! for the fields that msg_server sets.

use super::{attach_kind, broken, on, peer};
use crate::{
    lookup::{Lookup, LookupSet},
    plan::{Host, Role},
    properties::{Seen, Violation},
    record::{
        End, Frame, Kind,
        fields::{fields, without},
    },
};
use bytes::Bytes;
use prost::Message;
use teamtalk::{
    catalogue::{self, Peer, id},
    env::ConnId,
    wire::{
        attach::{self, Attach, kind},
        check, fields as numbers,
        im::{
            base_define::TransferFileType,
            buddy::ImUsersStatReq,
            file::ImFileReq,
            login::{ImDeviceTokenReq, ImLoginReq},
            server::{ImFileTransferReq, ImValidateReq},
        },
    },
};

/// A question on its way: its seq_num and command, who asks, what is left of its body ([`left_of`]), and
/// the msg_server.
type Question = (u16, u16, Option<u32>, Bytes, Host);

/// What was asked on a connection under a seq_num: as it may go on, and its body.
type AskedThere = (Option<Question>, Bytes);

/// See the module. Sets grow with a run, and what is of a connection ends with it.
#[derive(Debug, Default)]
pub struct Asked {
    /// What devices asked, as it may go on.
    questions: LookupSet<Question>,
    /// What went on to a db_proxy.
    passed: LookupSet<Question>,
    /// The offers of which route was asked whether their receiver is online, by seq_num and sender.
    about_files: LookupSet<(u16, u32, Host)>,
    /// What was asked on a connection, by command and seq_num.
    on: Lookup<ConnId, Lookup<(u16, u16), AskedThere>>,
}

impl Asked {
    /// Takes a line of connections.
    pub fn event(&mut self, event: &Kind) {
        if let Kind::Disconnected { conn, end: End::Acceptor } = event {
            self.on.remove(conn);
        }
    }

    /// A msg_server reads what a device wrote.
    pub fn device_asks(&mut self, seen: &Seen<'_>, conn: ConnId, pdu: &Frame) {
        let (seq, host) = (pdu.header.seq_num, &seen.line.host);
        let user = seen.stood.and_then(|stood| stood.user);
        let question = becomes(seen, conn, pdu).map(|(command, body)| {
            let user = user.filter(|_| names_asker(command));
            (seq, command, user, body, host.clone())
        });
        self.questions.extend(question.clone());
        let asked = (question, pdu.pdu.body.clone());
        self.on.entry(conn).or_default().insert((pdu.command(), seq), asked);
    }

    /// Whether a command was asked under this seq_num on a connection.
    pub fn is_asked(&self, conn: ConnId, command: u16, seq: u16) -> bool {
        self.on.get(&conn).is_some_and(|asked| asked.contains_key(&(command, seq)))
    }

    /// Whether what was asked on a connection went on to a db_proxy.
    pub fn is_passed(&self, conn: ConnId, command: u16, seq: u16) -> bool {
        let asked = self.on.get(&conn).and_then(|asked| asked.get(&(command, seq)));
        let question = asked.and_then(|(question, _)| question.as_ref());
        question.is_some_and(|question| self.passed.contains(question))
    }

    /// Whether what was asked on a connection is for its msg_server to refuse as malformed: it breaks off, or
    /// has attach data of its own, which may be over its limit. What is left of its body may be that of
    /// another device's question, which went on.
    pub fn is_malformed(&self, conn: ConnId, command: u16, seq: u16) -> bool {
        let asked = self.on.get(&conn).and_then(|asked| asked.get(&(command, seq)));
        let table = catalogue::of(command).map(|entry| entry.body);
        asked.zip(table).is_some_and(|((_, body), table)| {
            let has_attach = || fields(body).any(|field| field.number == attach::FIELD);
            check::conform(table, body).is_err() || has_attach()
        })
    }

    /// A msg_server writes to another server.
    pub fn server_is_asked(&mut self, seen: &Seen<'_>, pdu: &Frame) -> Option<Violation> {
        let command = pdu.command();
        let to = peer(seen, pdu)?;
        let is_for_device = match (command, to) {
            (id::OTHER_FILE_TRANSFER_REQ, Role::Outside) => {
                return self.file_server_is_asked(seen, pdu);
            }
            (id::OTHER_VALIDATE_REQ, Role::Db) => true,
            (id::BUDDY_LIST_USERS_STATUS_REQUEST, Role::Route) => {
                if attach_kind(pdu) == Some(kind::FILE) {
                    return self.about_a_file(seen, pdu);
                }
                attach_kind(pdu) == Some(kind::HANDLE)
            }
            // What it asks for itself has other attach data.
            (_, Role::Db) => {
                goes_on(command) && attach_kind(pdu).is_none_or(|of| of == kind::HANDLE)
            }
            _ => false,
        };
        if !is_for_device {
            return None;
        }
        let user = number(&pdu.pdu.body, numbers::USER_ID).filter(|_| names_asker(command));
        let type_said = match command {
            id::LOGIN_REQ_DEVICETOKEN => number(&pdu.pdu.body, numbers::CLIENT_TYPE),
            _ => None,
        };
        let body = left_of(command, &pdu.pdu.body, type_said);
        let question = (pdu.header.seq_num, command, user, body, seen.line.host.clone());
        let broken = self.is_known(question.clone()).err().map(|()| altered(seen, pdu, user));
        self.passed.insert(question);
        broken.flatten()
    }

    /// 020a about who is offered a file: that is asked by the sender of an offer.
    fn about_a_file(&mut self, seen: &Seen<'_>, pdu: &Frame) -> Option<Violation> {
        let asked = pdu.view::<ImUsersStatReq>().ok()?;
        let attach = Attach::decode(asked.attach_data.as_deref()?)?.pdu?;
        let file: ImFileTransferReq = check::decode_shared(&attach).ok()?;
        let (seq, command) = (pdu.header.seq_num, id::OTHER_FILE_TRANSFER_REQ);
        let user = Some(file.from_user_id);
        self.about_files.insert((seq, file.from_user_id, seen.line.host.clone()));
        let question =
            (seq, command, user, left_of(command, &attach, None), seen.line.host.clone());
        let is_right = (asked.user_id, &asked.user_id_list[..])
            == (file.from_user_id, &[file.to_user_id])
            && file.trans_mode == TransferFileType::FileTypeOnline as i32
            && self.is_known(question).is_ok();
        if is_right { None } else { altered(seen, pdu, user) }
    }

    /// 0731: an offer as it was made, but that its mode may be route's word (`offers` judges that).
    fn file_server_is_asked(&self, seen: &Seen<'_>, pdu: &Frame) -> Option<Violation> {
        let (seq, command, host) = (pdu.header.seq_num, pdu.command(), &seen.line.host);
        let mut file = pdu.view::<ImFileTransferReq>().ok()?.into_owned();
        let user = file.from_user_id;
        if self.about_files.contains(&(seq, user, host.clone())) {
            file.trans_mode = TransferFileType::FileTypeOnline as i32;
        }
        let body = left_of(command, &file.encode_to_vec().into(), None);
        let question = (seq, command, Some(user), body, host.clone());
        if self.is_known(question).is_ok() { None } else { altered(seen, pdu, Some(user)) }
    }

    /// Whether a device asked this; who is not logged in asks as nobody, where they are served at all.
    fn is_known(&self, question: Question) -> Result<(), ()> {
        if self.questions.contains(&question) {
            return Ok(());
        }
        let (seq, command, _, body, host) = question;
        match self.questions.contains(&(seq, command, None, body, host)) {
            true => Ok(()),
            false => Err(()),
        }
    }
}

#[cold]
fn altered(seen: &Seen<'_>, pdu: &Frame, user: Option<u32>) -> Option<Violation> {
    let sentence = format!(
        "{} passed on {} with seq_num {} for user {user:?}, which that user did not ask",
        seen.line.host,
        catalogue::name(pdu.command()).unwrap_or("a question"),
        pdu.header.seq_num,
    );
    broken(seen, "question-altered", sentence, on(pdu.conn))
}

/// What a device's PDU becomes on its way to another server: the command, and what is left of the body.
fn becomes(seen: &Seen<'_>, conn: ConnId, pdu: &Frame) -> Option<(u16, Bytes)> {
    let encoded = |command, message: &dyn Fn() -> Vec<u8>| {
        (command, left_of(command, &message().into(), None))
    };
    match pdu.command() {
        id::LOGIN_REQ_USERLOGIN => {
            let login = pdu.view::<ImLoginReq>().ok()?;
            let (user_name, password) = (login.user_name.clone(), login.password.clone());
            let asks = ImValidateReq { user_name, password, attach_data: None };
            Some(encoded(id::OTHER_VALIDATE_REQ, &|| asks.encode_to_vec()))
        }
        id::LOGIN_REQ_LOGINOUT => {
            let empties = ImDeviceTokenReq::default();
            Some(encoded(id::LOGIN_REQ_DEVICETOKEN, &|| empties.encode_to_vec()))
        }
        id::LOGIN_REQ_DEVICETOKEN => {
            let kind = seen.known.clients.served(conn)?.client_type;
            let body = left_of(pdu.command(), &pdu.pdu.body, Some(kind as u32));
            Some((pdu.command(), body))
        }
        id::FILE_REQUEST => {
            let file = pdu.view::<ImFileReq>().ok()?;
            let transfer = ImFileTransferReq {
                from_user_id: file.from_user_id,
                to_user_id: file.to_user_id,
                file_name: file.file_name.clone(),
                file_size: file.file_size,
                trans_mode: file.trans_mode,
                attach_data: None,
            };
            Some(encoded(id::OTHER_FILE_TRANSFER_REQ, &|| transfer.encode_to_vec()))
        }
        command if goes_on(command) || command == id::BUDDY_LIST_USERS_STATUS_REQUEST => {
            Some((command, left_of(command, &pdu.pdu.body, None)))
        }
        _ => None,
    }
}

/// Whether msg_server passes this command of a device on to db_proxy.
fn goes_on(command: u16) -> bool {
    let to_db = |entry: &catalogue::Command| {
        // db_proxy knows no 020c, and gets it.
        entry.served(Peer::Msg, Peer::Db).is_some()
            || command == id::BUDDY_LIST_CHANGE_AVATAR_REQUEST
    };
    catalogue::of(command).is_some_and(|entry| entry.is_from_device() && to_db(entry))
}

/// Whether field 1 is who asks, as msg_server knows it: 0703 has a name there, and 050c goes on as it is.
fn names_asker(command: u16) -> bool {
    ![id::OTHER_VALIDATE_REQ, id::FILE_DEL_OFFLINE_REQ].contains(&command)
}

/// A body without the fields that msg_server sets; of a 0108 with the type of the client that it is of.
fn left_of(command: u16, body: &Bytes, client_type: Option<u32>) -> Bytes {
    let set: &[u32] = match command {
        id::OTHER_VALIDATE_REQ | id::FILE_DEL_OFFLINE_REQ => &[attach::FIELD],
        id::MSG_DATA => &[numbers::USER_ID, numbers::CREATE_TIME, attach::FIELD],
        id::LOGIN_REQ_DEVICETOKEN => &[numbers::USER_ID, numbers::CLIENT_TYPE, attach::FIELD],
        _ => &[numbers::USER_ID, attach::FIELD],
    };
    let left = without(body, set);
    match client_type.filter(|_| command == id::LOGIN_REQ_DEVICETOKEN) {
        Some(client_type) => [&left[..], &client_type.to_be_bytes()].concat().into(),
        None => left,
    }
}

fn number(body: &Bytes, field: u32) -> Option<u32> {
    fields(body).filter(|f| f.number == field).last().map(|field| field.value as u32)
}
