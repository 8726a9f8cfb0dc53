//! Compiles proto/ without protoc: prost's structs, and beside them a table of fields for
//! `wire::check` (proto2's rules, which prost does not enforce).
use heck::{ToSnakeCase, ToUpperCamelCase};
use prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorSet,
    field_descriptor_proto::{Label, Type},
};
use std::{collections::BTreeMap, error::Error, fmt::Write, path::PathBuf};

const PACKAGES: [&str; 10] = [
    "IM.BaseDefine",
    "IM.Buddy",
    "IM.File",
    "IM.Group",
    "IM.Login",
    "IM.Message",
    "IM.Other",
    "IM.Server",
    "IM.SwitchService",
    "TT.Extension",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let mut set = protox::compile(PACKAGES.map(|p| format!("proto/{p}.proto")), ["proto"])?;
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("no OUT_DIR")?);
    std::fs::write(out.join("tables.rs"), tables(&set)?)?;
    strings_are_bytes(&mut set);
    prost_build::Config::new()
        .bytes(["."])
        .btree_map(["."])
        .include_file("im.rs")
        .compile_fds(set)?;
    Ok(())
}

/// Strings are not checked for UTF-8 (SYSTEM.md section 1), and prost's `String` would be; on
/// the wire the two types are one.
fn strings_are_bytes(set: &mut FileDescriptorSet) {
    let messages = set.file.iter_mut().flat_map(|f| &mut f.message_type);
    for field in messages.flat_map(|m| &mut m.field) {
        if field.r#type() == Type::String {
            field.set_type(Type::Bytes);
        }
    }
}

/// The source of the tables: a static and an `impl Checked` a message, and a list of all.
fn tables(set: &FileDescriptorSet) -> Result<String, Box<dyn Error>> {
    let mut enums = BTreeMap::new();
    for file in &set.file {
        for e in &file.enum_type {
            let mut values: Vec<i32> = e.value.iter().map(|v| v.number()).collect();
            values.sort_unstable();
            enums.insert(format!(".{}.{}", file.package(), e.name()), values);
        }
    }
    let mut out = String::new();
    let mut all = Vec::new();
    for file in &set.file {
        for message in &file.message_type {
            let name = format!("{}.{}", file.package(), message.name());
            all.push(constant(&name));
            table(&mut out, &enums, &name, message)
                .map_err(|why| format!("{name}: {why}: wire::check must learn it first"))?;
        }
    }
    writeln!(out, "/// Every message.\npub static ALL: &[&Table] = &[")?;
    for name in all {
        writeln!(out, "    &{name},")?;
    }
    writeln!(out, "];")?;
    Ok(out)
}

fn table(
    out: &mut String,
    enums: &BTreeMap<String, Vec<i32>>,
    name: &str,
    message: &DescriptorProto,
) -> Result<(), Box<dyn Error>> {
    if !message.nested_type.is_empty() || !message.enum_type.is_empty() {
        return Err("a type inside a message".into());
    }
    if message.field.len() > 64 {
        return Err("more than 64 fields".into());
    }
    let constant = constant(name);
    writeln!(out, "static {constant}: Table = Table {{\n    name: {name:?},\n    fields: &[")?;
    for field in &message.field {
        let label = field.label();
        let kind = kind(enums, field, label)?;
        writeln!(
            out,
            "        Field {{ number: {}, name: {:?}, label: Label::{label:?}, kind: {kind} }},",
            field.number(),
            field.name(),
        )?;
    }
    writeln!(out, "    ],\n}};")?;
    let path = rust_path(name);
    writeln!(
        out,
        "impl Checked for {path} {{\n    const TABLE: &'static Table = &{constant};\n}}\n"
    )?;
    Ok(())
}

fn kind(
    enums: &BTreeMap<String, Vec<i32>>,
    field: &FieldDescriptorProto,
    label: Label,
) -> Result<String, Box<dyn Error>> {
    Ok(match field.r#type() {
        Type::Uint32 => "Kind::Uint32".into(),
        Type::String | Type::Bytes => "Kind::Bytes".into(),
        // Packed and out of range would have to be taken apart.
        Type::Enum if label == Label::Repeated => return Err("a repeated enum".into()),
        Type::Enum => {
            let values = enums.get(field.type_name()).ok_or("an enum from elsewhere")?;
            format!("Kind::Enum(&{values:?})")
        }
        Type::Message => {
            format!("Kind::Message(&{})", constant(field.type_name().trim_start_matches('.')))
        }
        other => return Err(format!("a field of {other:?}").into()),
    })
}

/// `IM.Message.IMMsgData` as a constant's name.
fn constant(name: &str) -> String {
    name.replace('.', "_").to_uppercase()
}

/// `IM.Message.IMMsgData` as prost names its struct: prost-build has its names from heck too.
fn rust_path(name: &str) -> String {
    let mut parts: Vec<String> = name.split('.').map(|p| p.to_snake_case()).collect();
    let last = name.rsplit('.').next().unwrap_or(name).to_upper_camel_case();
    parts.pop();
    format!("super::super::im_generated::{}::{last}", parts.join("::"))
}
