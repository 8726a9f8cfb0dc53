//! What is said of files that wait.

use super::{
    Exchange, Judged, Reads, Says,
    reads::listed,
    stores::{Row, View},
};
use teamtalk::{
    catalogue::id::FILE_HAS_OFFLINE_REQ,
    wire::im::{
        base_define::OfflineFileInfo,
        file::{ImFileHasOfflineReq, ImFileHasOfflineRsp},
    },
};

pub(super) const ANSWERS: &[(u16, &str, Says)] =
    &[(FILE_HAS_OFFLINE_REQ, "offline-files", offline_files)];

/// 050a: the files that wait for a user, oldest first.
fn offline_files(exchange: &Exchange<'_>, reads: &mut Reads<'_>) -> Judged {
    let both = exchange.both::<ImFileHasOfflineReq, ImFileHasOfflineRsp>();
    let Some((asked, answer)) = both else { return Ok(()) };
    let waiting = |view: View<'_>| -> Vec<(u32, OfflineFileInfo)> {
        let own = view.rows_with("IMTransmitFile", [("toId", asked.user_id), ("status", 0)]);
        let info = |row: Row<'_>| OfflineFileInfo {
            from_user_id: row.uint("fromId"),
            task_id: row.bytes("taskId"),
            file_name: row.bytes("fileName"),
            file_size: row.uint("size"),
        };
        // Oldest first: the greatest of the complements.
        own.map(|row| (u32::MAX - row.uint("created"), info(row))).collect()
    };
    reads.holds(waiting, |found| {
        listed("files", &answer.offline_file_list, found.clone(), usize::MAX)
    })
}
