//! What a msg_server passes on between devices and db_proxies, for [`super::answers`].

use super::{Seen, Subject, Violation, wire::At};
use crate::{
    plan::{Host, Role},
    record::{
        End, Frame, Kind,
        fields::{fields, without},
    },
};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{
    catalogue::{self, Peer, Serve, id},
    wire::{
        attach,
        im::{
            group::ImGroupShieldRsp,
            login::{ImLoginReq, ImLoginRes},
            server::ImValidateRsp,
        },
    },
};

/// A field of a PDU that msg_server sets: who asks.
const USER_ID: u32 = 1;

/// See the module. Sets grow with a run and end with it.
#[derive(Debug, Default)]
pub struct Relayed {
    /// What devices asked, without the fields that msg_server sets, by the msg_server that read it.
    asked: BTreeSet<(u16, u16, Option<u32>, Bytes, Host)>,
    /// What db_proxies answered, without the attach data, by the msg_server that read it.
    answered: BTreeSet<(u16, u16, Bytes, Host)>,
    /// Of logins by name, what db_proxies said at last, by the msg_server that read it.
    logins: BTreeMap<(Host, Bytes), Vec<ImValidateRsp>>,
    /// The name with which a connection last asked for a login.
    names: BTreeMap<u64, Bytes>,
    /// The links to db_proxies over which msg_servers may ask.
    links: BTreeSet<(Host, u64)>,
}

impl Relayed {
    /// Takes the next line.
    pub fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        let line = seen.line;
        if line.host.role() != Role::Msg {
            return None;
        }
        if let Some((at, conn, pdu)) = seen.client {
            return match at {
                At::ServerReads => {
                    self.device_asks(seen, conn, pdu);
                    None
                }
                At::ServerWrites => self.device_is_told(seen, conn, pdu),
                _ => None,
            };
        }
        match &line.kind {
            Kind::Connected { conn, end: End::Dialler, peer, .. } if peer.role() == Role::Db => {
                self.links.insert((line.host.clone(), *conn));
                None
            }
            Kind::Disconnected { conn, end: End::Dialler } => {
                self.links.remove(&(line.host.clone(), *conn));
                None
            }
            Kind::HostDown => {
                self.links.retain(|(host, _)| *host != line.host);
                None
            }
            Kind::PduReceived(pdu) if pdu.end == End::Dialler => {
                if pdu.command() == id::OTHER_STOP_RECV_PACKET {
                    self.links.remove(&(line.host.clone(), pdu.conn));
                }
                self.db_answers(&line.host, pdu);
                None
            }
            Kind::PduSent(pdu) if pdu.end == End::Dialler => self.db_is_asked(seen, pdu),
            _ => None,
        }
    }

    fn device_asks(&mut self, seen: &Seen<'_>, conn: u64, pdu: &Frame) {
        if pdu.command() == id::LOGIN_REQ_USERLOGIN
            && let Ok(login) = pdu.view::<ImLoginReq>()
        {
            self.names.insert(conn, login.user_name.clone());
        }
        if is_relayed(pdu.command()) {
            let user = seen.stood.and_then(|stood| stood.user);
            let (host, seq) = (seen.line.host.clone(), pdu.header.seq_num);
            self.asked.insert((seq, pdu.command(), user, bare(&pdu.pdu.body, true), host));
        }
    }

    fn db_is_asked(&mut self, seen: &Seen<'_>, pdu: &Frame) -> Option<Violation> {
        if !is_relayed(pdu.command()) || attach_kind(pdu) != Some(attach::kind::HANDLE) {
            return None;
        }
        let (host, seq) = (seen.line.host.clone(), pdu.header.seq_num);
        let user = number(&pdu.pdu.body, USER_ID);
        let asked = (seq, pdu.command(), user, bare(&pdu.pdu.body, true), host);
        if self.asked.contains(&asked) {
            return None;
        }
        // Who is not logged in asks as nobody, where they are served at all.
        let (seq, command, _, body, host) = asked;
        if self.asked.contains(&(seq, command, None, body, host)) {
            return None;
        }
        let sentence = format!(
            "{} passed on {} with seq_num {seq} for user {user:?}, which that user did not ask",
            seen.line.host,
            catalogue::name(command).unwrap_or("a question"),
        );
        broken(seen, "question-altered", sentence, [Subject::Connection(pdu.conn)])
    }

    fn db_answers(&mut self, host: &Host, pdu: &Frame) {
        if pdu.command() == id::OTHER_VALIDATE_RSP
            && let Ok(said) = pdu.view::<ImValidateRsp>()
        {
            let said = said.into_owned();
            self.logins.entry((host.clone(), said.user_name.clone())).or_default().push(said);
        }
        if is_passed_on(pdu.command()) {
            let (seq, body) = (pdu.header.seq_num, bare(&pdu.pdu.body, false));
            self.answered.insert((seq, pdu.command(), body, host.clone()));
        }
    }

    fn device_is_told(&mut self, seen: &Seen<'_>, conn: u64, pdu: &Frame) -> Option<Violation> {
        let (host, seq) = (seen.line.host.clone(), pdu.header.seq_num);
        if pdu.command() == id::LOGIN_RES_USERLOGIN {
            return self.login(seen, conn, pdu);
        }
        if !is_passed_on(pdu.command()) {
            return None;
        }
        let answer = (seq, pdu.command(), bare(&pdu.pdu.body, false), host);
        if self.answered.contains(&answer) || self.fails_alone(&seen.line.host, pdu) {
            return None;
        }
        let name = catalogue::name(pdu.command()).unwrap_or("an answer");
        let sentence = format!(
            "{} wrote {name} with seq_num {seq} on connection {conn}, which no db_proxy said",
            seen.line.host
        );
        let question = Subject::Question { conn, seq, answer: pdu.command() };
        broken(seen, "answer-altered", sentence, [question])
    }

    /// A msg_server that can ask no db_proxy says that a change failed (docs/SYSTEM.md section 4, "Relayed").
    fn fails_alone(&self, host: &Host, pdu: &Frame) -> bool {
        let fails = pdu.command() == id::GROUP_SHIELD_GROUP_RESPONSE
            && pdu.view::<ImGroupShieldRsp>().is_ok_and(|said| said.result_code != 0);
        fails && self.links.iter().all(|(of, _)| of != host)
    }

    /// A login succeeds only as the user whose password a db_proxy has found right.
    fn login(&self, seen: &Seen<'_>, conn: u64, pdu: &Frame) -> Option<Violation> {
        let said = pdu.view::<ImLoginRes>().ok()?;
        let user = said.user_info.as_ref()?;
        let name = self.names.get(&conn).cloned().unwrap_or_default();
        let host = seen.line.host.clone();
        let mut founded = self.logins.get(&(host, name)).into_iter().flatten();
        if founded.any(|ok| ok.result_code == 0 && ok.user_info.as_ref() == Some(user)) {
            return None;
        }
        let sentence = format!(
            "{} logged user {} in on connection {conn}, whose password no db_proxy has found right",
            seen.line.host, user.user_id
        );
        broken(seen, "login-altered", sentence, [Subject::Connection(conn)])
    }
}

#[cold]
fn broken<const N: usize>(
    seen: &Seen<'_>,
    kind: &'static str,
    sentence: String,
    about: [Subject; N],
) -> Option<Violation> {
    let (role, about) = (seen.line.host.role(), about.into());
    Some(Violation { property: "answers", kind, role, sentence, about })
}

/// Whether msg_server relays this question of a device to db_proxy.
fn is_relayed(command: u16) -> bool {
    catalogue::of(command).is_some_and(|entry| entry.relay.is_some())
}

/// Whether msg_server passes this answer of db_proxy on as it is.
fn is_passed_on(command: u16) -> bool {
    catalogue::served(command, Peer::Db, Peer::Msg) == Some(Serve::PassedOn)
}

fn attach_kind(pdu: &Frame) -> Option<u32> {
    Some(attach::Attach::decode(pdu.attach()?)?.kind)
}

/// A body without the attach data and, of a question, without who asks.
fn bare(body: &Bytes, is_question: bool) -> Bytes {
    match is_question {
        true => without(body, &[attach::FIELD, USER_ID]),
        false => without(body, &[attach::FIELD]),
    }
}

fn number(body: &Bytes, field: u32) -> Option<u32> {
    fields(body).filter(|f| f.number == field).last().map(|field| field.value as u32)
}

#[cfg(test)]
mod tests {
    use crate::{
        plan::Host,
        properties::{answers::Answers, tape::Tape},
        record::{End, Kind},
    };
    use teamtalk::{
        catalogue::id,
        wire::{
            Pdu,
            im::group::{ImGroupShieldReq, ImGroupShieldRsp},
        },
    };

    const LINK: u64 = 70;

    /// User 1 mutes group 7, and msg1 answers by itself.
    fn mutes(link_ends: bool, result_code: u32) -> Vec<String> {
        let mut tape = Tape::new(Answers::default());
        let (conn, end, peer) = (LINK, End::Dialler, Host::of("db1"));
        tape.line("msg1", Kind::Connected { conn, end, peer, port: 10600, device: None });
        tape.login(1, 10, 1);
        if link_ends {
            tape.line("msg1", Kind::Disconnected { conn, end });
        }
        let (user_id, group_id, attach_data) = (1, 7, None);
        let ask = ImGroupShieldReq { user_id, group_id, shield_status: 1, attach_data: None };
        tape.asks(10, Pdu::new(id::GROUP_SHIELD_GROUP_REQUEST, 5, &ask));
        let answer = ImGroupShieldRsp { user_id, group_id, result_code, attach_data };
        tape.tells(10, Pdu::new(id::GROUP_SHIELD_GROUP_RESPONSE, 5, &answer));
        tape.found.retain(|found| found.starts_with("answers/answer-altered"));
        tape.found
    }

    /// Seed 3928 of `hardened`.
    #[test]
    fn a_msg_server_without_a_db_proxy_may_say_that_a_change_failed() {
        let made_up = ["answers/answer-altered/msg"];
        assert_eq!(mutes(true, 1), [""; 0]);
        assert_eq!(mutes(true, 0), made_up, "nobody has muted it");
        assert_eq!(mutes(false, 1), made_up, "it could have asked");
    }
}
