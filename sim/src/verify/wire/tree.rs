//! A tree of .proto files, as far as the wire goes.

use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    field_descriptor_proto::{Label, Type},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Messages and enums by their full names, without a point in front.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) messages: BTreeMap<String, Message>,
    pub(super) enums: BTreeMap<String, Enum>,
}

/// A message.
#[derive(Debug, Default)]
pub(super) struct Message {
    /// By number.
    pub(super) fields: BTreeMap<i32, Field>,
    /// Numbers that no field may have: from one to another, which is not among them.
    reserved: Vec<(i32, i32)>,
    /// Some field holds it.
    pub(super) is_part: bool,
}

/// A field.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) label: Label,
    pub(super) ty: Type,
    /// Of a message or an enum its full name.
    pub(super) type_name: String,
    /// What a reader takes when it is not there, as it is written; an enum's first value if nothing is.
    pub(super) default: String,
    pub(super) packed: bool,
    /// The oneof that it is in, and the numbers of all fields of that.
    pub(super) oneof: Option<(String, Vec<i32>)>,
}

/// An enum.
#[derive(Debug, Default)]
pub(super) struct Enum {
    /// Numbers by name; several names may have one.
    pub(super) values: BTreeMap<String, i32>,
    /// The one that is written first.
    first: String,
    /// Numbers that no value may have: from one to another, which is among them.
    reserved: Vec<(i32, i32)>,
}

impl Message {
    pub(super) fn reserves(&self, number: i32) -> bool {
        self.reserved.iter().any(|(from, end)| (*from..*end).contains(&number))
    }
}

impl Enum {
    pub(super) fn reserves(&self, number: i32) -> bool {
        self.reserved.iter().any(|(from, to)| (*from..=*to).contains(&number))
    }

    pub(super) fn numbers(&self) -> BTreeSet<i32> {
        self.values.values().copied().collect()
    }
}

impl Field {
    /// Its type in words.
    pub(super) fn shown(&self) -> String {
        match self.ty {
            Type::Message | Type::Enum | Type::Group => self.type_name.clone(),
            other => other.as_str_name().trim_start_matches("TYPE_").to_lowercase(),
        }
    }

    pub(super) fn is_required(&self) -> bool {
        self.label == Label::Required
    }
}

impl Tree {
    /// Compiles every .proto file at and below a folder.
    ///
    /// # Errors
    /// A sentence that names the folder, and the file and line if one does not compile.
    pub(super) fn read(root: &Path) -> Result<Self, String> {
        let at = root.display();
        if !root.is_dir() {
            return Err(format!("{at}: there is no such folder of .proto files"));
        }
        let mut files = Vec::new();
        proto_files(root, &mut files)?;
        if files.is_empty() {
            return Err(format!("{at}: there is no .proto file in it"));
        }
        files.sort();
        let compiled = protox::compile(&files, [root]);
        let set = compiled.map_err(|e| format!("{at}: it does not compile: {}", place_of(&e)))?;
        let mut tree = Self::default();
        for file in &set.file {
            tree.add(file).map_err(|why| format!("{at}: {}: {why}", file.name()))?;
        }
        tree.link();
        Ok(tree)
    }

    fn add(&mut self, file: &FileDescriptorProto) -> Result<(), String> {
        if !matches!(file.syntax(), "" | "proto2") {
            return Err(format!("it is {}, and the roles read proto2", file.syntax()));
        }
        let scope = file.package();
        file.message_type.iter().for_each(|message| self.message(scope, message));
        file.enum_type.iter().for_each(|of| self.an_enum(scope, of));
        file.extension.iter().for_each(|field| self.extension(scope, field));
        Ok(())
    }

    fn message(&mut self, scope: &str, described: &DescriptorProto) {
        let name = within(scope, described.name());
        let message = self.messages.entry(name.clone()).or_default();
        let fields = &described.field;
        for described in fields {
            message.fields.insert(described.number(), field(described));
        }
        let oneofs: Vec<_> = described.oneof_decl.iter().map(|of| of.name().to_string()).collect();
        for described in fields {
            let Some(at) = described.oneof_index else { continue };
            let of = fields.iter().filter(|field| field.oneof_index == Some(at));
            let members = of.map(FieldDescriptorProto::number).collect();
            let oneof = oneofs.get(at as usize).map(|name| (name.clone(), members));
            if let Some(field) = message.fields.get_mut(&described.number()) {
                field.oneof = oneof;
            }
        }
        let reserved = described.reserved_range.iter().map(|range| (range.start(), range.end()));
        message.reserved.extend(reserved);
        described.nested_type.iter().for_each(|message| self.message(&name, message));
        described.enum_type.iter().for_each(|of| self.an_enum(&name, of));
        described.extension.iter().for_each(|field| self.extension(&name, field));
    }

    /// A field that is written elsewhere than in its message: its name is its own, in brackets.
    fn extension(&mut self, scope: &str, described: &FieldDescriptorProto) {
        let name = format!("[{}]", within(scope, described.name()));
        let extended = described.extendee().trim_start_matches('.').to_string();
        let fields = &mut self.messages.entry(extended).or_default().fields;
        fields.insert(described.number(), Field { name, ..field(described) });
    }

    fn an_enum(&mut self, scope: &str, described: &EnumDescriptorProto) {
        let values = described.value.iter().map(|of| (of.name().to_string(), of.number()));
        let reserved = described.reserved_range.iter().map(|range| (range.start(), range.end()));
        let first = described.value.first().map(|of| of.name().to_string()).unwrap_or_default();
        let of = Enum { values: values.collect(), first, reserved: reserved.collect() };
        self.enums.insert(within(scope, described.name()), of);
    }

    /// Fills in what takes the whole tree to know.
    fn link(&mut self) {
        let mut held = BTreeSet::new();
        for field in self.messages.values_mut().flat_map(|message| message.fields.values_mut()) {
            match field.ty {
                Type::Message | Type::Group => drop(held.insert(field.type_name.clone())),
                Type::Enum if field.default.is_empty() => {
                    let of = self.enums.get(&field.type_name);
                    field.default = of.map(|of| of.first.clone()).unwrap_or_default();
                }
                _ => {}
            }
        }
        for (name, message) in &mut self.messages {
            message.is_part = held.contains(name);
        }
    }

    /// The number that a default stands for, of an enum; of other types the default itself.
    pub(super) fn default_of(&self, field: &Field) -> String {
        let of = self.enums.get(&field.type_name).filter(|_| field.ty == Type::Enum);
        let number = of.and_then(|of| of.values.get(&field.default));
        number.map_or_else(|| field.default.clone(), i32::to_string)
    }

    /// The fields of an enum, by their full names, and whether they are required.
    pub(super) fn fields_of(&self, of: &str) -> Vec<(String, bool)> {
        let fields = self.messages.iter().flat_map(|(message, described)| {
            described.fields.values().map(move |field| (message, field))
        });
        let of = fields.filter(|(_, field)| field.ty == Type::Enum && field.type_name == of);
        of.map(|(message, field)| (format!("{message}.{}", field.name), field.is_required()))
            .collect()
    }
}

fn within(scope: &str, name: &str) -> String {
    if scope.is_empty() { name.to_string() } else { format!("{scope}.{name}") }
}

fn field(described: &FieldDescriptorProto) -> Field {
    let zero = match described.r#type() {
        Type::Bool => "false",
        Type::String | Type::Bytes | Type::Message | Type::Group | Type::Enum => "",
        _ => "0",
    };
    Field {
        name: described.name().to_string(),
        label: described.label(),
        ty: described.r#type(),
        type_name: described.type_name().trim_start_matches('.').to_string(),
        default: described.default_value.clone().unwrap_or_else(|| zero.to_string()),
        packed: described.options.as_ref().is_some_and(|options| options.packed()),
        oneof: None,
    }
}

/// The files at and below a folder. Links to folders are not followed: they may lead back.
fn proto_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("{}: {e}", folder.display());
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        if entry.file_type().map_err(failed)?.is_dir() {
            proto_files(&path, files)?;
        } else if path.extension().is_some_and(|ext| ext == "proto") {
            files.push(path);
        }
    }
    Ok(())
}

/// What is wrong, with its place if it has one.
fn place_of(error: &protox::Error) -> String {
    // Its `{:?}` is several lines with the source; its `{}` is the reason alone.
    match error.file() {
        Some(file) if !error.to_string().contains(file) => format!("{file}: {error}"),
        _ => error.to_string(),
    }
}
