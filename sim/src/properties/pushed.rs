//! pushed: a user whose phone has registered for pushes is pushed what others send to them.
//!
//! A push is best effort: a link that is lost takes it along. So a message between two users is judged
//! that is committed while the stores are up, and whose push was there before the next trouble or had its
//! time until then. A push names its sender and its receiver, and no message: each push pays for the
//! oldest message of that pair that waits for one.

use super::{
    Class, Known, Property, Seen, Sort, Subject, Tally, Violation, room,
    wire::{At, Message, is_audio, is_group, is_phone},
};
use crate::{
    lookup::Lookup,
    plan::Role,
    record::{Frame, Kind, Line},
};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{
    catalogue::id as cmd,
    env::ConnId,
    fact::Fact,
    wire::im::{
        login::{ImDeviceTokenReq, ImDeviceTokenRsp},
        server::ImPushToUserReq,
    },
};

/// Characters of a cipher are a multiple of this, and at least one block of AES is more than this.
const BASE64_GROUP: usize = 4;
const SHORTEST_CIPHER: usize = 24;

/// A message that is to be pushed.
#[derive(Debug)]
struct Owed {
    message: Message,
    to: u32,
    since_us: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Pushed {
    /// What a user's phone registers under a seq_num.
    asked: Lookup<(u32, u16), Bytes>,
    /// The token that was registered last for a user, and by no phone's logout taken back.
    tokens: BTreeMap<u32, Bytes>,
    /// Users who have set that they want no pushes at night.
    shielded: BTreeSet<u32>,
    /// Messages between users that a push can show, with their receivers.
    shown: Lookup<Message, u32>,
    /// In the order of their commits.
    owed: Vec<Owed>,
    /// One whose push never came, and not for a fault.
    lost: Option<(Message, u32)>,
    tally: Tally,
}

/// Whether the rig's own push can show a message: its texts are in clear but for the ciphers, and what
/// cannot be decrypted is not pushed (SYSTEM.md section 4, "Push").
fn can_be_shown(msg_type: i32, data: &[u8]) -> bool {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    let is_cipher = data.len() >= SHORTEST_CIPHER
        && data.len().is_multiple_of(BASE64_GROUP)
        && data.iter().all(is_base64);
    is_audio(msg_type) || is_cipher
}

impl Pushed {
    fn client(&mut self, seen: &Seen<'_>, (at, conn, pdu): (At, ConnId, &Frame)) -> Option<()> {
        let clients = &seen.known.clients;
        match (at, pdu.command()) {
            (At::ServerReads, cmd::MSG_DATA) => {
                let (message, body) = (seen.message.clone()?, &seen.data.as_ref()?.body);
                let to = body.to_session_id;
                let is_single = !is_group(body.msg_type) && to != message.0;
                if is_single && can_be_shown(body.msg_type, &body.msg_data) {
                    self.shown.insert(message, to);
                }
            }
            (At::DeviceWrites, cmd::LOGIN_REQ_DEVICETOKEN) => {
                let user = clients.user_of_device_on(conn)?;
                let token = pdu.view::<ImDeviceTokenReq>().ok()?.device_token.clone();
                // Until it is kept either may count.
                self.tokens.remove(&user);
                self.asked.insert((user, pdu.header.seq_num), token);
            }
            (At::DeviceWrites, cmd::LOGIN_REQ_LOGINOUT) => {
                let is_phone = is_phone(clients.served(conn)?.client_type);
                if is_phone {
                    let user = clients.user_of_device_on(conn)?;
                    self.tokens.remove(&user);
                    // Which of the two is kept at last can't be told: they go on links of their own.
                    self.asked.retain(|(of, _), _| *of != user);
                    // What was not pushed so far finds no token.
                    self.owed.retain(|owed| owed.to != user);
                }
            }
            (At::DeviceWrites, cmd::LOGIN_REQ_PUSH_SHIELD) => {
                let user = clients.user_of_device_on(conn)?;
                self.shielded.insert(user);
                self.owed.retain(|owed| owed.to != user);
            }
            _ => {}
        }
        Some(())
    }

    /// A db_proxy reads that a token is to be kept. With `edge-limits` it takes it from whoever had it before: a
    /// phone has one user. Of two that register one at once, each may be the last.
    fn taken_over(&mut self, seen: &Seen<'_>, pdu: &Frame) -> Option<()> {
        if !seen.protocol().edge_limits {
            return None;
        }
        let asked = pdu.view::<ImDeviceTokenReq>().ok()?;
        let (user, token) = (asked.user_id, &asked.device_token);
        let is_anothers = |of: u32, has: &Bytes| of != user && has == token;
        let had = self.tokens.iter().filter(|(of, has)| is_anothers(**of, has));
        let had: BTreeSet<u32> = had.map(|(of, _)| *of).collect();
        let mut want = BTreeSet::new();
        self.asked.update(|(of, _), wants| {
            if is_anothers(*of, wants) {
                want.insert(*of);
            }
        });
        if !want.is_empty() {
            self.asked.retain(|_, wants| wants != token);
        }
        self.tokens.retain(|of, _| !had.contains(of));
        // What was not pushed to them so far finds no token.
        self.owed.retain(|owed| !had.contains(&owed.to) && !want.contains(&owed.to));
        Some(())
    }

    /// A db_proxy says that a token is kept. The device is told before, by its msg_server.
    fn kept(&mut self, pdu: &Frame) -> Option<()> {
        let user = pdu.view::<ImDeviceTokenRsp>().ok()?.user_id;
        let token = self.asked.remove(&(user, pdu.header.seq_num))?;
        self.tokens.insert(user, token);
        Some(())
    }

    /// A row of a message is committed.
    fn committed(&mut self, seen: &Seen<'_>) -> Option<()> {
        let (line, known) = (seen.line, seen.known);
        let to = self.shown.remove(seen.message.as_ref()?)?;
        let has_token = self.tokens.get(&to).is_some_and(|token| !token.is_empty());
        let is_quiet = known.trouble.is_quiet(line.sim_us, known.settles_within_us);
        if has_token && self.shielded.contains(&to) {
            self.tally.excuse("one who wants no pushes at night");
        } else if has_token && !is_quiet {
            self.tally.excuse("a fault shortly before");
        } else if has_token {
            let (message, since_us) = (seen.message.clone()?, line.sim_us);
            self.owed.push(Owed { message, to, since_us });
        }
        Some(())
    }

    /// The push server reads a push.
    fn pushed(&mut self, frame: &Frame) -> Option<()> {
        let push = frame.pdu.view::<ImPushToUserReq>().ok()?;
        let data = String::from_utf8_lossy(&push.data).into_owned();
        let pushed = |owed: &Owed| {
            let is_from = data.contains(&format!("\"from_id\": {},", owed.message.0));
            is_from && push.user_token_list.iter().any(|token| token.user_id == owed.to)
        };
        let at = self.owed.iter().position(pushed)?;
        self.owed.remove(at);
        self.tally.judge();
        Some(())
    }

    /// Something goes wrong: what had its time is lost, and what had none may be for that.
    fn trouble(&mut self, line: &Line, within_us: u64, excuse: &'static str) {
        for owed in std::mem::take(&mut self.owed) {
            if owed.since_us + within_us < line.sim_us {
                self.lost.get_or_insert((owed.message, owed.to));
                self.tally.judge();
            } else {
                self.tally.excuse(excuse);
            }
        }
    }
}

impl Property for Pushed {
    fn name(&self) -> &'static str {
        "pushed"
    }

    fn says(&self) -> &'static str {
        "a user whose phone has registered for pushes is pushed what others send to them, until that \
         phone logs out"
    }

    fn sort(&self) -> Sort {
        Sort::Liveness
    }

    fn looks_at(&self) -> &'static [Class] {
        &[
            Class::DeviceWrites,
            Class::ServerReads,
            Class::DbPdu,
            Class::OtherPdu,
            Class::Row,
            Class::Fact,
            Class::Event,
        ]
    }

    fn commands(&self, class: Class) -> Option<&'static [u16]> {
        match class {
            Class::DeviceWrites => Some(&[
                cmd::LOGIN_REQ_DEVICETOKEN,
                cmd::LOGIN_REQ_LOGINOUT,
                cmd::LOGIN_REQ_PUSH_SHIELD,
            ]),
            Class::ServerReads => Some(&[cmd::MSG_DATA]),
            Class::DbPdu => Some(&[cmd::LOGIN_REQ_DEVICETOKEN, cmd::LOGIN_RES_DEVICETOKEN]),
            Class::OtherPdu => Some(&[cmd::OTHER_PUSH_TO_USER_REQ]),
            _ => None,
        }
    }

    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        let line = seen.line;
        match &line.kind {
            Kind::Row { .. } => drop(self.committed(seen)),
            Kind::PduReceived(frame)
                if seen.db.is_some() && frame.command() == cmd::LOGIN_REQ_DEVICETOKEN =>
            {
                self.taken_over(seen, frame);
            }
            Kind::PduSent(frame)
                if seen.db.is_some() && frame.command() == cmd::LOGIN_RES_DEVICETOKEN =>
            {
                self.kept(frame);
            }
            Kind::PduReceived(frame)
                if line.host.role() == Role::Outside
                    && frame.command() == cmd::OTHER_PUSH_TO_USER_REQ =>
            {
                self.pushed(frame);
            }
            Kind::FaultStart { .. } if seen.known.clocks.is_a_step(line) => {}
            Kind::FaultStart { .. } | Kind::HostDown | Kind::StreamReset { .. } => {
                self.trouble(line, seen.known.answer_within_us, "a fault shortly after");
            }
            // What a push needs to know was not told: `room` judges whether there was no room.
            Kind::Fact(Fact::Refused { command, reason, .. })
                if line.host.role() == Role::Db
                    && [cmd::OTHER_GET_DEVICE_TOKEN_REQ, cmd::OTHER_GET_SHIELD_REQ]
                        .contains(command)
                    && room::is_full(reason.as_bytes()) =>
            {
                self.trouble(line, seen.known.answer_within_us, "a worker without room");
            }
            _ => drop(seen.client.and_then(|client| self.client(seen, client))),
        }
        None
    }

    fn pending(&self, _: &Known) -> Option<Violation> {
        let owed = self.owed.first().map(|owed| (&owed.message, owed.to));
        let lost = self.lost.as_ref().map(|(message, to)| (message, *to));
        let (message, to) = lost.or(owed)?;
        Some(Violation {
            property: "pushed",
            kind: "lost",
            role: Role::Msg,
            sentence: format!(
                "the phone of user {to} has registered, and is not pushed \"{}\" from user {}",
                message.1, message.0
            ),
            about: [Subject::Content(message.1.clone()), Subject::User(to)].into(),
        })
    }

    fn tally(&self, _: &super::Known) -> Option<Tally> {
        Some(self.tally.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::Pushed;
    use crate::{
        properties::tape::{SINGLE, Tape, audio, data, message},
        record::{End, Kind},
    };
    use bytes::Bytes;
    use teamtalk::{
        catalogue::id as cmd,
        protocol::Protocol,
        wire::{
            Pdu,
            im::{
                base_define::{ClientType, MsgType, UserTokenInfo},
                login::{ImDeviceTokenReq, ImDeviceTokenRsp},
                server::ImPushToUserReq,
            },
        },
    };

    const LOST: Option<&str> = Some("pushed/lost/msg");

    /// User 1 on a PC (connection 10), user 2 on a PC (20) and on a phone (30) that has registered.
    fn registered() -> Tape<Pushed> {
        let mut tape = Tape::new(Pushed::default());
        tape.known.settles_within_us = 1_000_000;
        tape.known.answer_within_us = 1_000;
        tape.login(1, 10, 1).login(2, 20, 2).connect(3, 30);
        tape.login_here(3, 30, 2, ClientType::Ios as i32);
        let device_token = Bytes::from_static(b"tok");
        let request = ImDeviceTokenReq { user_id: 2, device_token, ..Default::default() };
        tape.asks(30, Pdu::new(cmd::LOGIN_REQ_DEVICETOKEN, 5, &request));
        let answer = ImDeviceTokenRsp { user_id: 2, attach_data: None };
        let answer = Pdu::new(cmd::LOGIN_RES_DEVICETOKEN, 5, &answer);
        says(tape.tells(30, answer.clone()), "too early");
        assert_eq!(tape.pending(), None, "its msg_server has said so, and no store");
        tape.db_writes(answer);
        tape
    }

    /// User 1 says something to user 2, and it is stored.
    fn says(tape: &mut Tape<Pushed>, text: &str) {
        tape.asks(10, data(7, 0, (1, 2), MsgType::SingleAudio, &audio(3, text)));
        tape.row(1, (1, text));
    }

    fn push(tape: &mut Tape<Pushed>, from: u32, to: u32) {
        let token = UserTokenInfo { user_id: to, token: "tok".into(), ..Default::default() };
        let data = format!("{{\n\t\"from_id\": {from},\n\t\"msg_type\": 2 \n}} \n").into();
        let request = ImPushToUserReq { data, user_token_list: vec![token], ..Default::default() };
        let pdu = Pdu::new(cmd::OTHER_PUSH_TO_USER_REQ, 0, &request);
        tape.frame("outside", End::Acceptor, false, 40, pdu);
    }

    #[test]
    fn what_is_committed_is_pushed_to_who_registered() {
        let mut tape = registered();
        says(&mut tape, "one");
        says(&mut tape, "two");
        assert_eq!(tape.pending().as_deref(), LOST);
        push(&mut tape, 2, 1);
        push(&mut tape, 1, 2);
        assert_eq!(tape.pending().as_deref(), LOST, "one of two");
        push(&mut tape, 1, 2);
        assert_eq!(tape.pending(), None);
        tape.asks(10, message(8, 0, 1, 2, "in clear")).row(2, (1, "in clear"));
        assert_eq!(tape.pending(), None, "no key opens it, so nothing is shown");
        assert_eq!(SINGLE, 1);
    }

    #[test]
    fn only_a_phones_logout_takes_the_token_back() {
        let logs_out = |conn| {
            let mut tape = registered();
            tape.asks(conn, Pdu::raw(cmd::LOGIN_REQ_LOGINOUT, 9, Bytes::new()));
            says(&mut tape, "text");
            tape.pending()
        };
        assert_eq!(logs_out(20).as_deref(), LOST);
        assert_eq!(logs_out(30), None);
        let mut tape = registered();
        says(&mut tape, "just before");
        tape.asks(30, Pdu::raw(cmd::LOGIN_REQ_LOGINOUT, 9, Bytes::new()));
        assert_eq!(tape.pending(), None, "its token may be gone by then");
        let mut tape = registered();
        let device_token = Bytes::from_static(b"tok");
        let request = ImDeviceTokenReq { user_id: 2, device_token, ..Default::default() };
        tape.asks(30, Pdu::new(cmd::LOGIN_REQ_DEVICETOKEN, 6, &request));
        tape.asks(30, Pdu::raw(cmd::LOGIN_REQ_LOGINOUT, 9, Bytes::new()));
        let answer = ImDeviceTokenRsp { user_id: 2, attach_data: None };
        tape.db_writes(Pdu::new(cmd::LOGIN_RES_DEVICETOKEN, 6, &answer));
        says(&mut tape, "text");
        assert_eq!(tape.pending(), None, "a logout overtakes a registration");
    }

    /// User 3 logs in on a phone, and asks a db_proxy to keep the token that user 2 registered.
    fn takes_over(tape: &mut Tape<Pushed>) {
        tape.connect(4, 40).login_here(4, 40, 3, ClientType::Android as i32);
        let device_token = Bytes::from_static(b"tok");
        let request = ImDeviceTokenReq { user_id: 3, device_token, ..Default::default() };
        let request = Pdu::new(cmd::LOGIN_REQ_DEVICETOKEN, 5, &request);
        tape.asks(40, request.clone()).db_reads(request);
    }

    #[test]
    fn a_token_that_another_user_registers_is_taken_over() {
        let told = |protocol: Protocol| {
            let mut tape = registered().under(protocol);
            says(&mut tape, "just before");
            takes_over(&mut tape);
            let before = tape.pending();
            says(&mut tape, "text");
            (before, tape.pending())
        };
        assert_eq!(told(Protocol::hardened()), (None, None));
        // In the original both users have it.
        let lost = || LOST.map(str::to_string);
        assert_eq!(told(Protocol::teamtalk()), (lost(), lost()));
    }

    #[test]
    fn of_two_that_register_one_token_at_once_neither_is_owed_a_push() {
        let mut tape = registered().under(Protocol::hardened());
        let device_token = Bytes::from_static(b"tok");
        let request = ImDeviceTokenReq { user_id: 2, device_token, ..Default::default() };
        let request = Pdu::new(cmd::LOGIN_REQ_DEVICETOKEN, 6, &request);
        tape.asks(30, request.clone()).db_reads(request);
        takes_over(&mut tape);
        for (user_id, seq) in [(3, 5), (2, 6)] {
            let answer = ImDeviceTokenRsp { user_id, attach_data: None };
            tape.db_writes(Pdu::new(cmd::LOGIN_RES_DEVICETOKEN, seq, &answer));
        }
        says(&mut tape, "text");
        assert_eq!(tape.pending(), None, "their steps mix");
    }

    #[test]
    fn a_fault_takes_a_push_along_unless_that_had_its_time() {
        let fault = || Kind::FaultStart { fault: 1, what: "stall".into() };
        let mut tape = registered();
        says(&mut tape, "text");
        assert_eq!(tape.line("world", fault()).pending(), None);
        says(&mut tape, "more");
        assert_eq!(tape.pending(), None, "not while it is under way");
        let mut tape = registered();
        says(&mut tape, "text");
        assert_eq!(tape.later(1).line("world", fault()).pending().as_deref(), LOST);
    }
}
