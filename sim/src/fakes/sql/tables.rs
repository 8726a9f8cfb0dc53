//! The tables of the original (docs/schema.sql) and our side tables (src/store/migrations/): a test
//! holds them to those files.
//!
//! Every column but those of a message's or relation's identity may be left out of an INSERT.

use super::schema::{Column, TableDef, Type};
use bytes::Bytes;
use teamtalk::store::sql::Value;

const INT: Type = Type::UNSIGNED;
const TINY: Type = Type::TINY;

const fn text(chars: usize) -> Type {
    Type::Text { chars }
}

/// All tables that an engine may have, each with the version of the schema that brings it: those of
/// the original are always there.
pub(super) fn all() -> Vec<(u32, TableDef)> {
    let tables = original().into_iter().map(|def| (0, def)).chain(side());
    tables.map(|(since, def)| (since, indexed(def))).collect()
}

/// The indexes that are no unique keys.
const INDEXES: [(&str, &[&[&str]]); 12] = [
    (
        "IMMessage_",
        &[
            &["relateId", "status", "created"],
            &["relateId", "status", "msgId", "created"],
            &["fromId", "toId", "status"],
        ],
    ),
    (
        "IMGroupMessage_",
        &[&["groupId", "status", "created"], &["groupId", "msgId", "status", "created"]],
    ),
    (
        "IMRecentSession",
        &[&["userId", "peerId", "status", "updated"], &["userId", "peerId", "type"]],
    ),
    ("IMRelationShip", &[&["smallId", "bigId", "status", "updated"]]),
    (
        "IMGroupMember",
        &[
            &["groupId", "userId", "status"],
            &["userId", "status", "updated"],
            &["groupId", "updated"],
        ],
    ),
    ("IMGroup", &[&["name"], &["creator"]]),
    ("IMUser", &[&["domain"], &["name"], &["phone"]]),
    ("IMAudio", &[&["fromId", "toId"]]),
    ("IMDepart", &[&["departName"], &["priority", "status"]]),
    ("TTRelation", &[&["bigId"]]),
    ("TTSend", &[&["created"]]),
    ("TTMember", &[&["groupId", "sinceId"]]),
];

fn indexed(mut def: TableDef) -> TableDef {
    let stem = def.name.trim_end_matches(|c: char| c.is_ascii_digit());
    if let Some((_, indexes)) = INDEXES.iter().find(|(of, _)| *of == stem) {
        let place = |name: &&str| def.column(name).expect("a column of the table");
        def.indexes = indexes.iter().map(|index| index.iter().map(place).collect()).collect();
    }
    def
}

fn original() -> Vec<TableDef> {
    let mut tables = Vec::new();
    for n in 0..8 {
        tables.push(with_id(
            &format!("IMMessage_{n}"),
            &["relateId", "fromId", "toId", "msgId"],
            &[("content", text(4096)), ("type", TINY), ("status", TINY)],
        ));
        tables.push(with_id(
            &format!("IMGroupMessage_{n}"),
            &["groupId", "userId", "msgId"],
            &[("content", text(4096)), ("type", TINY), ("status", TINY)],
        ));
    }
    tables.push(with_id(
        "IMRecentSession",
        &["userId", "peerId"],
        &[("type", TINY), ("status", TINY)],
    ));
    tables.push(with_id("IMRelationShip", &["smallId", "bigId"], &[("status", TINY)]));
    tables.push(with_id(
        "IMGroup",
        &[],
        &[
            ("name", text(256)),
            ("avatar", text(256)),
            ("creator", INT),
            ("type", TINY),
            ("userCnt", INT),
            ("status", TINY),
            ("version", INT),
            ("lastChated", INT),
        ],
    ));
    tables.push(with_id("IMGroupMember", &["groupId", "userId"], &[("status", TINY)]));
    tables.push(with_id(
        "IMUser",
        &[],
        &[
            ("sex", TINY),
            ("name", text(32)),
            ("domain", text(32)),
            ("nick", text(32)),
            ("password", text(32)),
            ("salt", text(4)),
            ("phone", text(32)),
            ("email", text(64)),
            ("avatar", text(255)),
            ("departId", INT),
            ("status", TINY),
            ("push_shield_status", TINY),
            ("sign_info", text(128)),
        ],
    ));
    let mut audio = with_id(
        "IMAudio",
        &["fromId", "toId"],
        &[("path", text(255)), ("size", INT), ("duration", INT)],
    );
    audio.columns.retain(|c| c.name != "updated");
    tables.push(audio);
    tables.push(with_id(
        "IMDepart",
        &[],
        &[("departName", text(64)), ("priority", INT), ("parentId", INT), ("status", TINY)],
    ));
    tables.push(with_id(
        "IMTransmitFile",
        &["fromId", "toId"],
        &[("fileName", text(256)), ("size", INT), ("taskId", text(64)), ("status", TINY)],
    ));
    tables
}

/// Our side tables by the migrations that bring them: all they have is their keys and what those name.
fn side() -> [(u32, TableDef); 7] {
    let keyed = |name: &str, key: Vec<Column>, others: Vec<Column>| TableDef {
        name: name.into(),
        uniques: vec![(0..key.len()).collect()],
        columns: key.into_iter().chain(others).collect(),
        auto: None,
        indexes: Vec::new(),
    };
    let token = Column { ty: Type::Binary { bytes: 16 }, ..required("token") };
    let kind = || Column { ty: TINY, ..required("type") };
    [
        (
            1,
            keyed(
                "TTSchema",
                vec![required("version")],
                vec![Column { ty: text(64), ..required("name") }, required("applied")],
            ),
        ),
        (
            1,
            keyed(
                "TTRelation",
                ["smallId", "bigId"].map(required).into(),
                vec![required("relateId"), optional("lastId", INT)],
            ),
        ),
        (
            2,
            keyed(
                "TTSession",
                vec![required("userId"), required("peerId"), kind()],
                vec![required("sessionId")],
            ),
        ),
        (
            3,
            keyed(
                "TTSend",
                vec![required("fromId"), token],
                vec![kind(), required("relateId"), required("msgId"), required("created")],
            ),
        ),
        (
            4,
            keyed(
                "TTRead",
                vec![required("userId"), required("peerId"), kind()],
                vec![required("msgId")],
            ),
        ),
        (
            5,
            keyed(
                "TTMember",
                ["userId", "groupId"].map(required).into(),
                vec![required("sinceId")],
            ),
        ),
        (6, keyed("TTLogin", vec![required("userId")], vec![required("lastLogin")])),
    ]
}

/// A table of the original: `id` first, `created` and `updated` last, no unique key but `id`.
fn with_id(name: &str, needed: &[&str], others: &[(&str, Type)]) -> TableDef {
    let id = Column { name: "id".to_string(), ty: Type::INT, default: None };
    let mut columns = vec![id];
    columns.extend(needed.iter().map(|name| required(name)));
    columns.extend(others.iter().map(|&(name, ty)| optional(name, ty)));
    columns.extend(["created", "updated"].map(|name| optional(name, INT)));
    let uniques = vec![vec![0]];
    TableDef { name: name.into(), columns, auto: Some(0), uniques, indexes: Vec::new() }
}

fn required(name: &str) -> Column {
    Column { name: name.to_string(), ty: INT, default: None }
}

fn optional(name: &str, ty: Type) -> Column {
    let default = match ty {
        Type::Int { .. } => Value::Int(0),
        Type::Text { .. } | Type::Binary { .. } => Value::Bytes(Bytes::new()),
    };
    Column { name: name.to_string(), ty, default: Some(default) }
}
