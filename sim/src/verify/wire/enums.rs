//! Enums of one full name.

use super::{
    Danger, Found,
    tree::{Enum, Tree},
};

/// All of them.
pub(super) fn compare(old: &Tree, new: &Tree, found: &mut Found) {
    for (name, was) in &old.enums {
        match new.enums.get(name) {
            Some(is) => values(name, (old, was), (new, is), found),
            None => found.add(
                name,
                "enum removed",
                Danger::Neither,
                "The fields that held it are listed by themselves.",
            ),
        }
    }
    for name in new.enums.keys().filter(|name| !old.enums.contains_key(*name)) {
        let why = "No field that old nodes know is of it, unless it is listed by itself.";
        found.add(name, "enum added", Danger::Neither, why);
    }
}

fn values(name: &str, (old, was): (&Tree, &Enum), (new, is): (&Tree, &Enum), found: &mut Found) {
    let (old_numbers, new_numbers) = (was.numbers(), is.numbers());
    for (value, number) in &was.values {
        let full = format!("{name}.{value}");
        match is.values.get(value) {
            Some(now) if now == number => {}
            Some(now) => found.add(
                full,
                format!("value renumbered from {number} to {now}"),
                Danger::Both,
                "What one side means by the name is another number to the other, also where it is the id of \
                 a command.",
            ),
            None if new_numbers.contains(number) => {
                let others = is.values.iter().filter(|(_, of)| *of == number);
                let others: Vec<_> = others.map(|(name, _)| name.as_str()).collect();
                let what = format!("value {number} renamed to {}", others.join(", "));
                let why = "Names do not travel; if the meaning changed with the name, the wire does not show it.";
                found.add(full, what, Danger::Neither, why);
            }
            None => {
                let (danger, why) = unknown(new, name, "new", Danger::NewReadsOld);
                found.add(full, format!("value {number} removed"), danger, why);
            }
        }
    }
    for (value, number) in is.values.iter().filter(|(value, _)| !was.values.contains_key(*value)) {
        let full = format!("{name}.{value}");
        if old_numbers.contains(number) {
            // With the name that it had, or by that one.
            if was
                .values
                .iter()
                .any(|(name, of)| of == number && is.values.get(name) == Some(number))
            {
                let why = "It is one more name of a number that both sides know.";
                found.add(full, format!("name of value {number} added"), Danger::Neither, why);
            }
        } else if was.reserves(*number) {
            found.add(
                full,
                format!("value {number} added, which base reserves"),
                Danger::Both,
                "The number meant something else to builds before base, and they may still be there.",
            );
        } else {
            let (danger, why) = unknown(old, name, "old", Danger::OldReadsNew);
            found.add(full, format!("value {number} added"), danger, why);
        }
    }
}

/// What a value that its enum does not have does to a reader, whose tree this is.
fn unknown(reader: &Tree, name: &str, who: &str, danger: Danger) -> (Danger, String) {
    let fields = reader.fields_of(name);
    let names = |required: bool| {
        let of = fields.iter().filter(move |(_, is)| *is == required);
        of.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
    };
    let (required, others) = (names(true), names(false));
    let refuses = format!("refuses every message whose required {required} has it");
    let loses = format!("takes {others} for absent where it has it");
    let does = match (required.is_empty(), others.is_empty()) {
        (true, true) => {
            let why = "No field of a reader who lacks it is of this enum, so it travels nowhere as a value.";
            return (Danger::Neither, why.into());
        }
        (false, true) => refuses,
        (true, false) => loses,
        (false, false) => format!("{refuses}, and {loses}"),
    };
    (danger, format!("Its enum is closed: a reader of the {who} side {does}."))
}
