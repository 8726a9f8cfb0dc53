//! Switch `unread-from-store`: the rows of `TTRead` of who has said nothing yet, so that nobody asks Redis for what the
//! original counted there (`first_marks`).

use crate::{
    db_proxy::{
        data::{pair::Pair, session_key::Key},
        plumbing::context::{Context, World},
    },
    store::sql::Value,
};

/// In a transaction: the rows of two users who have said nothing to each other yet.
pub fn add_pair<W: World>(cx: &mut Context<W>, pair: Pair) {
    const TEXT: &str = "insert ignore into TTRead (`userId`,`peerId`,`type`,`msgId`) \
        values(?,?,1,0),(?,?,1,0)";
    if cx.protocol().unread_from_store {
        let [low, high] = pair.params();
        cx.defer(TEXT, &[low.clone(), high.clone(), high, low]);
    }
}

/// In a transaction: the row of a group in which nothing has been said yet.
pub fn add_group<W: World>(cx: &mut Context<W>, group: u32) {
    if cx.protocol().unread_from_store {
        cx.defer(INSERT_OF_GROUP, &of_group(group));
    }
}

/// Inserts the row of a group itself ([`of_group`]).
pub const INSERT_OF_GROUP: &str =
    "insert ignore into TTRead (`userId`,`peerId`,`type`,`msgId`) values(?,?,?,?)";

/// The row of a group itself, which is no user's: it says that its members have theirs.
pub fn of_group(group: u32) -> [Value; 4] {
    [0, group, Key::GROUP, 0].map(Value::from)
}
