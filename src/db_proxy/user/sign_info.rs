//! 0213: a user changes their signature.

use crate::{
    catalogue::id as command,
    db_proxy::{
        data::text::raw,
        plumbing::{
            context::{Context, World},
            reply::{carried, reply},
            silent::Silent,
        },
        user::user_change,
    },
    mutants::Mutant,
    store::sql::Value,
    wire::{
        Pdu,
        im::buddy::{ImChangeSignInfoReq, ImChangeSignInfoRsp},
    },
};

/// The longest signature, in bytes.
const LONGEST: usize = 128;

/// Result 1: too long, not stored, or no such user.
pub async fn handle<W: World>(cx: &mut Context<W>, request: &Pdu) -> Result<Pdu, Silent> {
    const TEXT: &str = "update IMUser set `sign_info`=?, `updated`=? where id=?";
    let asked: ImChangeSignInfoReq = request.view()?;
    let sign_info = raw(&asked.sign_info);
    let mut done = false;
    if sign_info.len() <= LONGEST {
        let params = [Value::from(sign_info), cx.now.into(), asked.user_id.into()];
        done = cx.protocol().mutated(Mutant::SignatureNotStored) || cx.write(TEXT, &params).await?;
    }
    if done && !cx.protocol().mutated(Mutant::UserChangeUnmarked) {
        user_change::mark(cx).await;
    }
    let response = ImChangeSignInfoRsp {
        user_id: asked.user_id,
        result_code: u32::from(!done),
        sign_info: done.then_some(asked.sign_info),
        attach_data: carried(asked.attach_data),
    };
    Ok(reply(request, command::BUDDY_LIST_CHANGE_SIGN_INFO_RESPONSE, &response))
}
