//! Audio messages and offline files against scripted stores.

use crate::{
    catalogue::id as command,
    db_proxy::testing::{Fake, answer, id, lost, refused, rows, serve, text},
    protocol::Protocol,
    wire::{
        Pdu,
        im::{
            base_define::{MsgType, SessionType},
            file::*,
            message::*,
        },
        tt::extension::{Refused, RefusedCode},
    },
};
use bytes::Bytes;

fn request(data: &'static [u8]) -> Pdu {
    let (msg_type, msg_data) = (MsgType::SingleAudio as i32, Bytes::from_static(data));
    let message = ImMsgData { msg_type, msg_data, ..text() };
    Pdu::new(command::MSG_DATA, 7, &message)
}

fn known_pair() -> Fake {
    let world = Fake::default();
    world.on("userId=1 and peerId=2 and type=1 and status=0", id(11));
    world.on("userId=2 and peerId=1 and type=1 and status=0", id(12));
    world.on("from IMRelationShip", id(9));
    world
}

fn acked(world: &Fake, protocol: Protocol, data: &'static [u8]) -> u32 {
    let reply = answer(&mut world.context(protocol), &request(data)).unwrap();
    let message: ImMsgData = reply.view().unwrap();
    assert_eq!(message.msg_data, data, "the reply has the audio itself");
    message.msg_id
}

#[test]
fn audio_goes_to_the_blob_store_and_its_row_is_the_content() {
    let world = known_pair();
    assert_eq!(acked(&world, Protocol::teamtalk(), b"\0\0\x01\x02sound"), 1);
    assert_eq!(
        world.log()[3..7],
        [
            "INCRBY msg_id_9 1",
            "PUT 5 bytes",
            "M insert into IMAudio (`fromId`, `toId`, `path`, `size`, `duration`, `created`) values(1, 2, 'blob/0', 5, 258, 990)",
            "M insert into IMMessage_1 (`relateId`, `fromId`, `toId`, `msgId`, `content`, `status`, `type`, `created`, `updated`) values(9, 1, 2, 1, '1', 0, 2, 990, 990)",
        ]
    );
}

#[test]
fn audio_that_is_not_kept_is_acked_by_the_original_only() {
    let strict = Protocol { ack_after_store: true, ..Protocol::teamtalk() };
    let refusing = Protocol { answered_refusals: true, ..strict };
    let short: &[u8] = b"\0\0\0\x01";
    for (data, code) in
        [(short, RefusedCode::RefusedNotStored), (b"\0\0\0\x01x", RefusedCode::RefusedUnavailable)]
    {
        for (protocol, expected) in [(Protocol::teamtalk(), 1), (strict, 0)] {
            let world = known_pair();
            world.lose_blobs();
            assert_eq!(acked(&world, protocol, data), expected);
            assert!(!world.log().iter().any(|l| l.contains("into IM")), "nothing is stored");
        }
        let world = known_pair();
        world.lose_blobs();
        let pdu = answer(&mut world.context(refusing), &request(data)).unwrap();
        assert_eq!(pdu.view::<Refused>().unwrap().code(), code);
    }
    let world = known_pair();
    world.on("into IMAudio", refused(1205));
    assert_eq!(acked(&world, Protocol::teamtalk(), b"\0\0\0\x01x"), 1);
    assert!(!world.log().iter().any(|l| l.contains("into IMMessage")));
}

fn pulled(world: &Fake, protocol: Protocol) -> Option<Bytes> {
    let pull = ImGetMsgListReq {
        user_id: 2,
        session_type: SessionType::Single as i32,
        session_id: 1,
        msg_id_begin: 0,
        msg_cnt: 10,
        attach_data: None,
    };
    world.on("from IMRelationShip", id(9));
    let row = [1.into(), 1.into(), 990.into(), 2.into(), "17".into()];
    world.on("from IMMessage_1", rows(["msgId", "fromId", "created", "type", "content"], &[row]));
    let request = Pdu::new(command::MSG_LIST_REQUEST, 9, &pull);
    let reply = serve(&mut world.context(protocol), &request).ok()?;
    Some(reply.view::<ImGetMsgListRsp>().unwrap().msg_list[0].msg_data.clone())
}

#[test]
fn audio_is_read_back_with_a_duration_of_0_or_its_own() {
    let honest = Protocol { honest_reads: true, ..Protocol::teamtalk() };
    let world = Fake::default();
    let stored = known_pair();
    acked(&stored, Protocol::teamtalk(), b"\0\0\0\x01sound");
    let audio = || {
        rows(
            ["id", "path", "size", "duration"],
            &[[17.into(), "blob/0".into(), 5.into(), 1.into()]],
        )
    };
    stored.on("from IMAudio", audio());
    stored.log();
    assert_eq!(pulled(&stored, Protocol::teamtalk()).unwrap(), b"\0\0\0\0sound"[..]);
    let log = stored.log();
    assert_eq!(log[2..], ["S select * from IMAudio where id=17", "GET blob/0"]);
    let whole = Protocol { whole_audio: true, ..Protocol::teamtalk() };
    stored.on("from IMAudio", audio());
    assert_eq!(pulled(&stored, whole).unwrap(), b"\0\0\0\x01sound"[..]);
    // No row: the id stays.
    assert_eq!(pulled(&world, Protocol::teamtalk()).unwrap(), b"17"[..]);
    // A row without its blob.
    stored.lose_blobs();
    stored.on("from IMAudio", audio()).on("from IMAudio", audio());
    assert_eq!(pulled(&stored, Protocol::teamtalk()).unwrap(), b"17"[..]);
    assert_eq!(pulled(&stored, honest), None);
}

#[test]
fn offline_files_are_listed_noted_and_forgotten() {
    let world = Fake::default();
    let list = ImFileHasOfflineReq { user_id: 2, attach_data: None };
    let row = [1.into(), "a.txt".into(), 12.into(), "task".into()];
    world.on("from IMTransmitFile", rows(["fromId", "fileName", "size", "taskId"], &[row]));
    let mut cx = world.context(Protocol::teamtalk());
    let reply = serve(&mut cx, &Pdu::new(command::FILE_HAS_OFFLINE_REQ, 9, &list)).unwrap();
    assert_eq!(reply.command(), command::FILE_HAS_OFFLINE_RES);
    let reply: ImFileHasOfflineRsp = reply.view().unwrap();
    let file = &reply.offline_file_list[0];
    assert_eq!((file.from_user_id, file.file_size, &file.task_id[..]), (1, 12, &b"task"[..]));
    let add = ImFileAddOfflineReq {
        from_user_id: 1,
        to_user_id: 2,
        task_id: "task".into(),
        file_name: "a.txt".into(),
        file_size: 12,
    };
    let remove = ImFileDelOfflineReq { from_user_id: 1, to_user_id: 2, task_id: "task".into() };
    world.on("into IMTransmitFile", lost());
    assert_eq!(answer(&mut cx, &Pdu::new(command::FILE_ADD_OFFLINE_REQ, 9, &add)), None);
    assert_eq!(answer(&mut cx, &Pdu::new(command::FILE_DEL_OFFLINE_REQ, 9, &remove)), None);
    assert_eq!(
        world.log(),
        [
            "S select * from IMTransmitFile where toId=2 and status=0 order by created",
            "M insert into IMTransmitFile (`fromId`,`toId`,`fileName`,`size`,`taskId`,`status`,`created`,`updated`) values(1,2,'a.txt',12,'task',0,1000,1000)",
            "M delete from IMTransmitFile where fromId=1 and toId=2 and taskId='task'",
        ]
    );
}
