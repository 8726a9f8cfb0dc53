//! The compiled .proto files against the schema of the deployed system (tests/golden/schema.json):
//! the same messages, fields, numbers, labels, types, names and enum values, and nothing more
//! but the extensions listed here.

use prost_types::{
    FieldDescriptorProto, FileDescriptorProto,
    field_descriptor_proto::{Label, Type},
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Fields of our own: (message, field number, name). They must be optional, so that old peers
/// neither miss them nor refuse them. Each needs a switch in `Protocol` that says what it is for.
const EXTENSIONS: &[(&str, i32, &str)] = &[
    ("IM.Message.IMMsgData", 101, "send_token"),
    ("IM.Message.IMMsgDataAck", 101, "held_up_to"),
    ("IM.Message.IMMsgDataReadAck", 20, "attach_data"),
    ("IM.Message.IMMsgDataReadNotify", 20, "attach_data"),
    ("IM.Buddy.IMRecentContactSessionReq", 101, "with_removed"),
    ("IM.Server.IMValidateRsp", 101, "login_number"),
    ("IM.Server.IMServerKickUser", 101, "login_number"),
];

/// A package of our own: PDUs that an old peer ignores as unknown commands.
const OUR_PACKAGE: &str = "TT.Extension";

/// One line an item: a message, a field, an enum or one of its values.
type Items = BTreeSet<String>;

fn field_item(message: &str, number: i64, label: &str, ty: &str, name: &str) -> String {
    format!("field {message} {number} {label} {ty} {name}")
}

fn is_extension(message: &str, field: &FieldDescriptorProto) -> bool {
    EXTENSIONS.contains(&(message, field.number(), field.name()))
}

fn golden() -> Items {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/schema.json");
    let text = std::fs::read_to_string(path).expect("golden schema");
    let root: Value = serde_json::from_str(&text).expect("JSON");
    let packages = root["packages"].as_object().expect("packages");
    let named: BTreeSet<String> = packages
        .iter()
        .flat_map(|(package, p)| {
            let names = p["messages"].as_object().into_iter().chain(p["enums"].as_object());
            names.flat_map(|o| o.keys()).map(move |name| format!("{package}.{name}"))
        })
        .collect();
    let mut items = Items::new();
    for (package, p) in packages {
        items.insert(format!("package {package}"));
        for (name, values) in p["enums"].as_object().expect("enums") {
            items.insert(format!("enum {package}.{name}"));
            for (value, number) in values.as_object().expect("values") {
                items.insert(format!("value {package}.{name} {number} {value}"));
            }
        }
        for (name, fields) in p["messages"].as_object().expect("messages") {
            let message = format!("{package}.{name}");
            items.insert(format!("message {message}"));
            for field in fields.as_array().expect("fields") {
                let text = |key: &str| field[key].as_str().expect("text").to_owned();
                // Unqualified names are of the same package or of IM.BaseDefine
                // (tests/golden/README.md).
                let raw = text("type");
                let ty = [raw.clone(), format!("{package}.{raw}"), format!("IM.BaseDefine.{raw}")]
                    .into_iter()
                    .find(|t| named.contains(t))
                    .unwrap_or(raw);
                let number = field["number"].as_i64().expect("number");
                items.insert(field_item(&message, number, &text("label"), &ty, &text("name")));
            }
        }
    }
    items
}

fn descriptors() -> Vec<FileDescriptorProto> {
    let proto = concat!(env!("CARGO_MANIFEST_DIR"), "/proto");
    let mut files: Vec<String> = std::fs::read_dir(proto)
        .expect("proto/")
        .map(|e| e.expect("entry").file_name().into_string().expect("a name"))
        .filter(|name| name.ends_with(".proto"))
        .collect();
    files.sort();
    protox::compile(files, [proto]).expect("compiles").file
}

fn label(field: &FieldDescriptorProto) -> &'static str {
    match field.label() {
        Label::Optional => "optional",
        Label::Required => "required",
        Label::Repeated => "repeated",
    }
}

fn ours() -> Items {
    let mut items = Items::new();
    for file in descriptors() {
        assert!(matches!(file.syntax(), "" | "proto2"), "{} is not proto2", file.name());
        let package = file.package();
        if package == OUR_PACKAGE {
            continue;
        }
        items.insert(format!("package {package}"));
        for e in &file.enum_type {
            items.insert(format!("enum {package}.{}", e.name()));
            for value in &e.value {
                let (number, value) = (value.number(), value.name());
                items.insert(format!("value {package}.{} {number} {value}", e.name()));
            }
        }
        for m in &file.message_type {
            let message = format!("{package}.{}", m.name());
            items.insert(format!("message {message}"));
            for field in m.field.iter().filter(|f| !is_extension(&message, f)) {
                let ty = match field.r#type() {
                    Type::Enum | Type::Message => {
                        field.type_name().trim_start_matches('.').to_owned()
                    }
                    scalar => format!("{scalar:?}").to_lowercase(),
                };
                let number = field.number().into();
                items.insert(field_item(&message, number, label(field), &ty, field.name()));
            }
        }
    }
    items
}

#[test]
fn the_proto_files_are_the_deployed_schema() {
    let (golden, ours) = (golden(), ours());
    let missing: Vec<_> = golden.difference(&ours).collect();
    let extra: Vec<_> = ours.difference(&golden).collect();
    assert!(missing.is_empty() && extra.is_empty(), "missing: {missing:#?}\nextra: {extra:#?}");
    // The reader of the golden file would also agree with itself if it read nothing.
    let count = |what: &str| golden.iter().filter(|i| i.starts_with(what)).count();
    assert_eq!(
        ["package ", "enum ", "message ", "field "].map(count),
        EXPECTED_COUNTS,
        "packages, enums, messages, fields"
    );
}

/// Packages, enums, messages and fields of the deployed system.
const EXPECTED_COUNTS: [usize; 4] = [9, 23, 110, 388];

#[test]
fn extensions_are_optional_and_exist() {
    let mut found = BTreeMap::new();
    for file in descriptors() {
        for m in &file.message_type {
            let message = format!("{}.{}", file.package(), m.name());
            for field in m.field.iter().filter(|f| is_extension(&message, f)) {
                assert_eq!(field.label(), Label::Optional, "{message}.{}", field.name());
                found.insert((message.clone(), field.number()), field.name().to_owned());
            }
        }
    }
    assert_eq!(found.len(), EXTENSIONS.len(), "listed, but in no message: {EXTENSIONS:?}");
}

#[test]
fn the_tables_of_wire_check_are_the_same_schema() {
    use teamtalk::wire::check::{ALL, Kind, Label as Checked};
    let mut messages = BTreeMap::new();
    let mut enums = BTreeMap::new();
    for file in descriptors() {
        for e in &file.enum_type {
            let mut values: Vec<i32> = e.value.iter().map(|v| v.number()).collect();
            values.sort_unstable();
            enums.insert(format!(".{}.{}", file.package(), e.name()), values);
        }
        for m in &file.message_type {
            messages.insert(format!("{}.{}", file.package(), m.name()), m.clone());
        }
    }
    assert_eq!(ALL.len(), messages.len());
    for table in ALL {
        let m = &messages[table.name];
        assert_eq!(table.fields.len(), m.field.len(), "{}", table.name);
        for (ours, field) in table.fields.iter().zip(&m.field) {
            let at = format!("{}.{}", table.name, ours.name);
            assert_eq!((ours.number as i32, ours.name), (field.number(), field.name()), "{at}");
            let label = match ours.label {
                Checked::Optional => Label::Optional,
                Checked::Required => Label::Required,
                Checked::Repeated => Label::Repeated,
            };
            assert_eq!(label, field.label(), "{at}");
            match &ours.kind {
                Kind::Uint32 => assert_eq!(field.r#type(), Type::Uint32, "{at}"),
                Kind::Bytes => {
                    assert!(matches!(field.r#type(), Type::Bytes | Type::String), "{at}")
                }
                Kind::Enum(values) => assert_eq!(*values, enums[field.type_name()], "{at}"),
                Kind::Message(nested) => {
                    assert_eq!(format!(".{}", nested.name), field.type_name(), "{at}")
                }
            }
        }
    }
}
