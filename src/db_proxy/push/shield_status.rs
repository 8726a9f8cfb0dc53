//! Whether a user wants no pushes at night.

use crate::{
    db_proxy::plumbing::{
        context::{Context, World},
        error::{OnFailure, StoreError},
    },
    store::sql::Server,
};

/// What a user has set: 1 for no pushes at night; `None` if there is no such user.
pub async fn shield_status<W: World>(
    cx: &mut Context<W>,
    on_failure: OnFailure,
    user: u32,
) -> Result<Option<u32>, StoreError> {
    const TEXT: &str = "select push_shield_status from IMUser where id=?";
    let found = cx.select(on_failure, Server::Replica, TEXT, &[user.into()]).await?;
    Ok((!found.rows.is_empty()).then(|| found.get(0, "push_shield_status").uint()))
}
