//! 0509, 050b, 050c: files that wait for a user. The files themselves are at the file server.

use crate::{
    catalogue::id as command,
    db_proxy::{
        data::text::{raw, text},
        plumbing::{
            context::{Context, World},
            handlers::handlers,
            reply::{carried, reply},
            silent::Silent,
        },
    },
    mutants::Mutant,
    store::sql::{Server, Value},
    wire::{
        Pdu,
        im::{
            base_define::OfflineFileInfo,
            file::{
                ImFileAddOfflineReq, ImFileDelOfflineReq, ImFileHasOfflineReq, ImFileHasOfflineRsp,
            },
        },
    },
};

handlers! {
    FILE_HAS_OFFLINE_REQ => list;
    FILE_ADD_OFFLINE_REQ => add;
    FILE_DEL_OFFLINE_REQ => remove;
}

/// 0509. Lists them, oldest first.
pub async fn list<W: World>(cx: &mut Context<W>, request: &Pdu) -> Result<Pdu, Silent> {
    const TEXT: &str = "select * from IMTransmitFile where toId=? and status=0 order by created";
    const ALL: &str = "select * from IMTransmitFile where status=0 order by created";
    const SENT: &str = "select * from IMTransmitFile where fromId=? and status=0 order by created";
    let asked: ImFileHasOfflineReq = request.view()?;
    let params = [asked.user_id.into()];
    let (statement, params) = match *cx.protocol() {
        of if of.mutated(Mutant::FilesOfEveryone) => (ALL, &params[..0]),
        of if of.mutated(Mutant::FilesBySender) => (SENT, &params[..]),
        _ => (TEXT, &params[..]),
    };
    let found = cx.select(cx.on_failed_query(), Server::Replica, statement, params).await?;
    let info = |row| OfflineFileInfo {
        from_user_id: found.get(row, "fromId").uint(),
        task_id: text(found.get(row, "taskId").bytes()),
        file_name: text(found.get(row, "fileName").bytes()),
        file_size: found.get(row, "size").uint(),
    };
    let response = ImFileHasOfflineRsp {
        user_id: asked.user_id,
        offline_file_list: (0..found.rows.len()).map(info).collect(),
        ip_addr_list: Vec::new(),
        attach_data: carried(asked.attach_data),
    };
    Ok(reply(request, command::FILE_HAS_OFFLINE_RES, &response))
}

/// 050b. Not answered.
pub async fn add<W: World>(cx: &mut Context<W>, request: &Pdu) -> Result<Pdu, Silent> {
    const TEXT: &str = "insert into IMTransmitFile \
        (`fromId`,`toId`,`fileName`,`size`,`taskId`,`status`,`created`,`updated`) \
        values(?,?,?,?,?,0,?,?)";
    let file: ImFileAddOfflineReq = request.view()?;
    let (mut from, mut to) = (file.from_user_id, file.to_user_id);
    if cx.protocol().mutated(Mutant::FileKeptForSender) {
        (from, to) = (to, from);
    }
    let params = [
        from.into(),
        to.into(),
        Value::from(raw(&file.file_name)),
        file.file_size.into(),
        Value::from(raw(&file.task_id)),
        cx.now.into(),
        cx.now.into(),
    ];
    cx.write(TEXT, &params).await?;
    Err(Silent::Done)
}

/// 050c. Not answered.
pub async fn remove<W: World>(cx: &mut Context<W>, request: &Pdu) -> Result<Pdu, Silent> {
    const TEXT: &str = "delete from IMTransmitFile where fromId=? and toId=? and taskId=?";
    const ALL: &str = "delete from IMTransmitFile where fromId=? and toId=?";
    let file: ImFileDelOfflineReq = request.view()?;
    if cx.protocol().mutated(Mutant::FetchedFileStays) {
        return Err(Silent::Done);
    }
    if cx.protocol().mutated(Mutant::FetchedFileTakesAll) {
        cx.write(ALL, &[file.from_user_id.into(), file.to_user_id.into()]).await?;
        return Err(Silent::Done);
    }
    let task = Value::from(raw(&file.task_id));
    cx.write(TEXT, &[file.from_user_id.into(), file.to_user_id.into(), task]).await?;
    Err(Silent::Done)
}
