//! The fields of a message of one full name.

use super::{
    Danger, Found,
    tree::{Field, Message, Tree},
    types,
};
use prost_types::field_descriptor_proto::Label;
use std::collections::{BTreeMap, BTreeSet};

/// One side of the comparison.
type SideOf<'a> = (&'a Tree, &'a Message);

/// All of them.
pub(super) fn compare(name: &str, old: SideOf<'_>, new: SideOf<'_>, found: &mut Found) {
    let ((_, was), (_, is)) = (old, new);
    let renumbered = renumbered(was, is);
    for (field, (from, to)) in &renumbered {
        found.add(
            format!("{name}.{field}"),
            format!("renumbered from {from} to {to}"),
            Danger::Both,
            "The number is all that travels: the reader finds no such field under its own number, or another \
             one.",
        );
    }
    let numbers: BTreeSet<i32> = was.fields.keys().chain(is.fields.keys()).copied().collect();
    for number in numbers {
        let stays = |of: &&Field| !renumbered.contains_key(of.name.as_str());
        let (had, has) = (was.fields.get(&number), is.fields.get(&number));
        match (had.filter(stays), has.filter(stays)) {
            (Some(was), Some(is)) => {
                same_number(&format!("{name}.{}", was.name), (old.0, was), (new.0, is), found);
            }
            (Some(was), None) => removed(name, number, was, (has, is), found),
            (None, Some(is)) => added(name, number, is, (had, was), found),
            (None, None) => {}
        }
    }
}

/// The fields that have another number under their old name.
fn renumbered<'a>(was: &'a Message, is: &Message) -> BTreeMap<&'a str, (i32, i32)> {
    let number = |message: &Message, name: &str| {
        message.fields.iter().find(|(_, field)| field.name == name).map(|(number, _)| *number)
    };
    let both = was.fields.iter().filter_map(|(from, field)| {
        let to = number(is, &field.name)?;
        (to != *from).then_some((field.name.as_str(), (*from, to)))
    });
    both.collect()
}

fn removed(
    name: &str,
    number: i32,
    was: &Field,
    (taken, is): (Option<&Field>, &Message),
    found: &mut Found,
) {
    let full = format!("{name}.{}", was.name);
    let what = format!("{} field {number} removed", label(was));
    if let Some(taken) = taken {
        let why = format!(
            "Its number is {}'s now, and each side takes the one for the other.",
            taken.name
        );
        return found.add(full, what, Danger::Both, why);
    }
    if was.is_required() {
        let why = "New nodes do not write it, and an old reader refuses every message without it.";
        return found.add(full, what, Danger::OldReadsNew, why);
    }
    let free = match is.reserves(number) {
        true => "",
        false => {
            "; its number should be reserved, so that no later field means something else to old nodes"
        }
    };
    let why = format!(
        "To an old reader it is absent, and a new one does not know it and passes it on as it came{free}."
    );
    found.add(full, what, Danger::Neither, why);
}

fn added(
    name: &str,
    number: i32,
    is: &Field,
    (taken, was): (Option<&Field>, &Message),
    found: &mut Found,
) {
    let full = format!("{name}.{}", is.name);
    let what = format!("{} field {number} added", label(is));
    if let Some(taken) = taken {
        let why =
            format!("Its number was {}'s, and each side takes the one for the other.", taken.name);
        found.add(full, what, Danger::Both, why);
    } else if was.reserves(number) {
        let what = format!("{what}, which base reserves");
        let why =
            "The number meant something else to builds before base, and they may still be there.";
        found.add(full, what, Danger::Both, why);
    } else if is.is_required() {
        let why = "Old nodes do not write it, and a new reader refuses every message without it.";
        found.add(full, what, Danger::NewReadsOld, why);
    } else {
        let why = "An old reader does not know it and passes it on as it came, and to a new one it is \
                   absent in what old nodes write.";
        found.add(full, what, Danger::Neither, why);
    }
}

fn same_number(full: &str, old: (&Tree, &Field), new: (&Tree, &Field), found: &mut Found) {
    let ((old_tree, was), (new_tree, is)) = (old, new);
    if was.name != is.name {
        let why =
            "Names do not travel; if the meaning changed with the name, the wire does not show it.";
        found.add(full, format!("renamed to {}", is.name), Danger::Neither, why);
    }
    if let Some(types::Reading { danger, why }) = types::changed(old, new) {
        found.add(
            full,
            format!("type changed from {} to {}", was.shown(), is.shown()),
            danger,
            why,
        );
    }
    if was.label != is.label {
        let what = format!("{} field became {}", label(was), label(is));
        let (danger, why) = labels(was.label, is.label);
        found.add(full, what, danger, why);
    } else if was.packed != is.packed {
        let what = if is.packed { "packed" } else { "packed no more" };
        found.add(full, what, Danger::Neither, "Readers take both forms of a repeated number.");
    }
    let (before, after) = (old_tree.default_of(was), new_tree.default_of(is));
    let has_one = |field: &Field| field.label == Label::Optional;
    if was.ty == is.ty && before != after && has_one(was) && has_one(is) {
        let what = format!("default changed from {:?} to {:?}", was.default, is.default);
        let why =
            "A sender who leaves it out means its own default, and the reader takes another one.";
        found.add(full, what, Danger::Both, why);
    }
    let [from, to] = [was, is].map(|field| field.oneof.as_ref());
    let same_fields = from.map(|(_, fields)| fields) == to.map(|(_, fields)| fields);
    if from.map(|(name, _)| name) != to.map(|(name, _)| name) && !same_fields {
        let shown = |of: Option<&(String, _)>| {
            of.map_or("no oneof".to_string(), |(name, _)| format!("oneof {name}"))
        };
        let danger = Danger::of(from.is_some(), to.is_some());
        let why = "A writer for whom it is not in that oneof may write several of its fields, of which the \
                   reader keeps the last.";
        found.add(full, format!("moved from {} to {}", shown(from), shown(to)), danger, why);
    }
}

/// What another label does to the two readers.
fn labels(was: Label, is: Label) -> (Danger, &'static str) {
    use Label::{Optional, Repeated, Required};
    match (was, is) {
        (Optional, Required) => (
            Danger::NewReadsOld,
            "An old node may leave it out, and a new reader refuses the whole message then.",
        ),
        (Required, Optional) => (
            Danger::OldReadsNew,
            "A new node may leave it out, and an old reader refuses the whole message then.",
        ),
        (Optional, Repeated) => (
            Danger::OldReadsNew,
            "A new node may write several, of which an old reader keeps the last (of messages all merged into \
             one, of packed numbers none).",
        ),
        (Repeated, Optional) => (
            Danger::NewReadsOld,
            "An old node may write several, of which a new reader keeps the last (of messages all merged into \
             one, of packed numbers none).",
        ),
        (Required, Repeated) => (
            Danger::OldReadsNew,
            "A new node may write none, and an old reader refuses the whole message then; of several it keeps \
             the last.",
        ),
        (Repeated, Required) => (
            Danger::NewReadsOld,
            "An old node may write none, and a new reader refuses the whole message then; of several it keeps \
             the last.",
        ),
        _ => (Danger::Neither, "It is as it was."),
    }
}

fn label(field: &Field) -> &'static str {
    match field.label {
        Label::Optional => "optional",
        Label::Required => "required",
        Label::Repeated => "repeated",
    }
}
