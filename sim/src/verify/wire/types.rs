//! Which types read each other.

use super::{
    Danger,
    tree::{Field, Tree},
};
use prost_types::field_descriptor_proto::Type;

/// What becomes of a value that one type writes and another one reads.
pub(super) struct Reading {
    pub(super) danger: Danger,
    pub(super) why: String,
}

/// How a value travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    Varint,
    Fixed32,
    Fixed64,
    Length,
    Group,
}

fn wire(ty: Type) -> Wire {
    match ty {
        Type::Int32
        | Type::Int64
        | Type::Uint32
        | Type::Uint64
        | Type::Bool
        | Type::Enum
        | Type::Sint32
        | Type::Sint64 => Wire::Varint,
        Type::Fixed32 | Type::Sfixed32 | Type::Float => Wire::Fixed32,
        Type::Fixed64 | Type::Sfixed64 | Type::Double => Wire::Fixed64,
        Type::String | Type::Bytes | Type::Message => Wire::Length,
        Type::Group => Wire::Group,
    }
}

/// Types that travel alike, and what a reader makes of a value that its own type can't have.
const TOGETHER: [(&[Type], &str); 6] = [
    (
        &[Type::Int32, Type::Uint32, Type::Int64, Type::Uint64, Type::Bool],
        "The numbers travel alike, and one that does not fit its reader's type is cut to it.",
    ),
    (
        &[Type::Sint32, Type::Sint64],
        "The numbers travel alike, and a longer one is cut to 32 bits.",
    ),
    (&[Type::String, Type::Bytes], "They travel alike, and the roles take texts as bytes."),
    (
        &[Type::Fixed32, Type::Sfixed32],
        "The 32 bits travel alike, and what one side means by the highest of them is a sign to the other one.",
    ),
    (
        &[Type::Fixed64, Type::Sfixed64],
        "The 64 bits travel alike, and what one side means by the highest of them is a sign to the other one.",
    ),
    (
        &[Type::Message, Type::Bytes],
        "They travel alike, as long as the bytes are an encoded message: others are refused with all that \
         they are in.",
    ),
];

/// The numbers that an enum reads.
const NUMBERS: [Type; 4] = [Type::Int32, Type::Uint32, Type::Int64, Type::Uint64];

/// The least and the largest number of a type; `None` of what is no whole number.
fn range(ty: Type) -> Option<(i128, i128)> {
    let signed = |bits: u32| (-(1_i128 << (bits - 1)), (1_i128 << (bits - 1)) - 1);
    let unsigned = |bits: u32| (0, (1_i128 << bits) - 1);
    Some(match ty {
        Type::Bool => (0, 1),
        Type::Int32 | Type::Sint32 | Type::Sfixed32 => signed(32),
        Type::Int64 | Type::Sint64 | Type::Sfixed64 => signed(64),
        Type::Uint32 | Type::Fixed32 => unsigned(32),
        Type::Uint64 | Type::Fixed64 => unsigned(64),
        _ => return None,
    })
}

/// Whether a reader of one type can have every value that another one, which travels alike, may write.
fn holds(reader: Type, writer: Type) -> bool {
    match (range(reader), range(writer)) {
        (Some((least, most)), Some((from, to))) => least <= from && to <= most,
        // Any bytes may be written, and not all are a message. Texts are bytes to the roles.
        _ => (reader, writer) != (Type::Message, Type::Bytes),
    }
}

/// What the two sides make of each other's values, if the field's type changed.
pub(super) fn changed(old: (&Tree, &Field), new: (&Tree, &Field)) -> Option<Reading> {
    let ((old_tree, was), (new_tree, is)) = (old, new);
    if was.ty == is.ty && was.type_name == is.type_name {
        return None;
    }
    let required = |reader: &Field| reader.is_required();
    let lost = match (required(was), required(is)) {
        (false, false) => "",
        _ => ", and where it is required the whole message is refused",
    };
    let reading = |danger, why: String| Some(Reading { danger, why });
    let pair = [was.ty, is.ty];
    if pair == [Type::Message; 2] {
        return match same_message(old_tree, &was.type_name, new_tree, &is.type_name) {
            true => reading(
                Danger::Neither,
                "Both messages have the same fields, and names do not travel.".into(),
            ),
            false => {
                reading(Danger::Both, "The reader takes the bytes for another message.".into())
            }
        };
    }
    if pair == [Type::Enum; 2] {
        let numbers =
            |tree: &Tree, name| tree.enums.get(name).map(|of| of.numbers()).unwrap_or_default();
        let (old, new) = (numbers(old_tree, &was.type_name), numbers(new_tree, &is.type_name));
        let danger = Danger::of(!new.is_subset(&old), !old.is_subset(&new));
        let why = match danger {
            Danger::Neither => {
                "Both enums have the same numbers, though perhaps for something else.".into()
            }
            _ => format!("A number that the reader's enum does not have counts as absent{lost}."),
        };
        return reading(danger, why);
    }
    for (types, why) in TOGETHER {
        if pair.iter().all(|ty| types.contains(ty)) {
            let danger = Danger::of(!holds(was.ty, is.ty), !holds(is.ty, was.ty));
            return reading(danger, why.into());
        }
    }
    if pair.contains(&Type::Enum) && pair.iter().any(|ty| NUMBERS.contains(ty)) {
        let why = format!(
            "The numbers travel alike, as long as each is a value of the enum: another one counts as absent \
             to whoever reads the enum{lost}."
        );
        // A field of a number type can hold any number of its range, and no enum has names for all of them. The numbers of
        // an enum are those that it names; of these only negative ones can be outside of a number type's range.
        let fits = |reader: &Field, writer: &Field, tree: &Tree| match range(reader.ty) {
            None => false,
            Some((least, _)) => {
                let numbers = tree.enums.get(&writer.type_name).map(|of| of.numbers());
                numbers.unwrap_or_default().iter().all(|number| i128::from(*number) >= least)
            }
        };
        let danger = Danger::of(!fits(was, is, new_tree), !fits(is, was, old_tree));
        return reading(danger, why);
    }
    if wire(was.ty) != wire(is.ty) {
        let why =
            format!("It has another wire type, so to the reader the field is not there{lost}.");
        return reading(Danger::Both, why);
    }
    reading(
        Danger::Both,
        "It has the same wire type, so the reader takes the value for another one.".into(),
    )
}

/// Whether two messages have the same fields, but for their names.
fn same_message(old: &Tree, was: &str, new: &Tree, is: &str) -> bool {
    let (Some(was), Some(is)) = (old.messages.get(was), new.messages.get(is)) else { return false };
    was.fields.len() == is.fields.len()
        && was.fields.iter().zip(&is.fields).all(|((n, was), (m, is))| {
            let of = |field: &Field| (field.label, field.ty, field.type_name.clone());
            n == m && of(was) == of(is)
        })
}
