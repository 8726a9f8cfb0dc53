//! Pushes to phones through the push server (SYSTEM.md section 4, "Push").

use super::{
    state::{State, turn::Turn},
    text_cipher,
};
use crate::{
    catalogue::id as cmd,
    env::ConnId,
    mutants::Mutant,
    wire::{
        Malformed, Pdu,
        attach::{Attach, kind},
        check,
        im::{
            base_define::{UserStatType, UserTokenInfo},
            buddy::{ImUsersStatReq, ImUsersStatRsp},
            message::ImMsgData,
            server::{ImGetDeviceTokenRsp, ImPushToUserReq},
        },
        msg_type::{is_audio, is_single},
    },
};

/// "You have a message."
const SOME_MESSAGE: &str = "您收到了一条消息";
/// After the nick: "sent you a voice message", and "sent a voice message in a group".
const AUDIO: &str = "给您发送了一条语音消息";
const GROUP_AUDIO: &str = "在群聊中发送了一条语音消息";

/// What stands around the address of an image in a text.
const IMAGE_BEGIN: &[u8] = b"&$#@~^@[{:";
const IMAGE_END: &[u8] = b":}]&$~@#@";

/// The most bytes of a text that are shown.
const FLASH_BYTES: usize = 37;

/// How a phone shows a push: with an alert, or silently because a PC is online.
const PUSH_ALERT: u32 = 1;
const PUSH_SILENT: u32 = 2;

fn push_type(pc_on: bool) -> u32 {
    if pc_on { PUSH_SILENT } else { PUSH_ALERT }
}

/// 0706: one 070f for the devices of users who are connected here. For each of the others route is
/// asked whether they have a PC online.
pub(super) fn tokens(
    state: &mut State,
    turn: &mut Turn<'_>,
    link: ConnId,
    pdu: &Pdu,
) -> Result<(), Malformed> {
    let rsp: ImGetDeviceTokenRsp = pdu.view()?;
    let msg: ImMsgData = check::decode(&rsp.attach_data.unwrap_or_default())?;
    let protocol = state.config.protocol;
    let of_others = |info: &UserTokenInfo| {
        info.user_id != msg.from_user_id || protocol.mutated(Mutant::SenderIsPushed)
    };
    let tokens: Vec<_> = rsp.user_token_info.into_iter().filter(of_others).collect();
    if tokens.is_empty() {
        return Ok(());
    }
    let Some(flash) = flash(state, &msg) else {
        turn.refused(link, pdu.command(), "a text that cannot be decrypted");
        return Ok(());
    };
    let data = data(&msg);
    let push = |user_token_list| ImPushToUserReq {
        flash: flash.clone().into(),
        data: data.clone().into(),
        user_token_list,
    };
    let mut here = Vec::new();
    for mut token in tokens {
        match state.users.get(&token.user_id) {
            Some(user) => {
                let pc_on = user.pc_on && !protocol.mutated(Mutant::PushAlwaysLoud);
                token.push_type = push_type(pc_on);
                here.push(token);
            }
            None if protocol.mutated(Mutant::PushedHereOnly) => {}
            None => ask_route(state, turn, token.user_id, &push(vec![token])),
        }
    }
    if here.len() > 1 && protocol.mutated(Mutant::OnePushOfMany) {
        here.truncate(1);
    }
    if !here.is_empty() {
        to_push_server(state, turn, &push(here));
    }
    Ok(())
}

/// 020a with the push attached.
fn ask_route(state: &State, turn: &mut Turn<'_>, user: u32, push: &ImPushToUserReq) {
    let pdu = Some(prost::Message::encode_to_vec(push).into());
    let attach = Attach { kind: kind::PUSH, handle: 0, service_type: 0, pdu };
    let req =
        ImUsersStatReq { user_id: 0, user_id_list: vec![user], attach_data: Some(attach.encode()) };
    state.to_route(turn, Pdu::new(cmd::BUDDY_LIST_USERS_STATUS_REQUEST, 0, &req));
}

/// 020b with a push attached.
pub(super) fn status(
    state: &State,
    turn: &mut Turn<'_>,
    rsp: &ImUsersStatRsp,
    attach: &Attach,
) -> Result<(), Malformed> {
    let mut push: ImPushToUserReq = check::decode(attach.pdu.as_deref().unwrap_or_default())?;
    let online = UserStatType::UserStatusOnline as i32;
    let pc_on = rsp.user_stat_list.first().is_some_and(|user| user.status == online);
    for token in &mut push.user_token_list {
        token.push_type = push_type(pc_on);
    }
    to_push_server(state, turn, &push);
    Ok(())
}

/// 070f; dropped without a push server.
fn to_push_server(state: &State, turn: &mut Turn<'_>, push: &ImPushToUserReq) {
    if let Some(&server) = state.push_servers.first() {
        turn.send(server, Pdu::new(cmd::OTHER_PUSH_TO_USER_REQ, 0, push));
    }
}

/// What a phone shows; `None` for a text that cannot be read.
fn flash(state: &State, msg: &ImMsgData) -> Option<Vec<u8>> {
    let text = match is_audio(msg.msg_type) {
        true => None,
        false => Some(text_cipher::decrypt(&state.config.text_key, &msg.msg_data)?),
    };
    let Some(sender) = state.users.get(&msg.from_user_id) else {
        return Some(SOME_MESSAGE.into());
    };
    let nick = &sender.nick[..];
    Some(match text {
        None => {
            let says = if is_single(msg.msg_type) { AUDIO } else { GROUP_AUDIO };
            [nick, says.as_bytes()].concat()
        }
        Some(text) if has_image(&text) => SOME_MESSAGE.into(),
        Some(text) => {
            let mut flash = [nick, b":", &text].concat();
            // The cut is by bytes, and may split a character.
            if flash.len() > FLASH_BYTES && !state.config.protocol.mutated(Mutant::PushTextUncut) {
                flash.truncate(FLASH_BYTES);
                flash.extend(b"...");
            }
            flash
        }
    })
}

fn has_image(text: &[u8]) -> bool {
    let find = |text: &[u8], mark: &[u8]| text.windows(mark.len()).position(|w| w == mark);
    find(text, IMAGE_BEGIN)
        .is_some_and(|at| find(&text[at + IMAGE_BEGIN.len()..], IMAGE_END).is_some())
}

/// JSON with the blanks of the original (golden 43).
fn data(msg: &ImMsgData) -> String {
    let (from, kind) = (msg.from_user_id, msg.msg_type);
    let group = match is_single(msg.msg_type) {
        true => String::new(),
        false => format!("\t\"group_id\": {},\n", msg.to_session_id),
    };
    format!("{{\n\t\"from_id\": {from},\n{group}\t\"msg_type\": {kind} \n}} \n")
}
