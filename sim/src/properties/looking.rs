//! Which properties look at a line: by its class, and if it is a PDU by its command. Each is shown thousands of
//! lines, and what it would only turn away costs more than it seems: its code takes the place of others' in the
//! processor's caches.

use super::{Class, Property};
use crate::lookup::Lookup;

/// Whether a property is shown a line of a class, and of a command if it is a PDU.
pub fn is_shown(property: &dyn Property, class: Class, command: Option<u16>) -> bool {
    let is_wanted = |command| property.commands(class).is_none_or(|all| all.contains(&command));
    property.looks_at().contains(&class) && command.is_none_or(is_wanted)
}

/// The places of the properties that look at lines.
pub struct Looking {
    /// The commands that some property names, with their places below.
    named: Lookup<u16, usize>,
    /// For each class, by its number: of lines that are no PDUs, or of commands that nobody names, and then of
    /// each command in `named`.
    places: Vec<Vec<Vec<usize>>>,
}

impl Looking {
    /// Of these properties.
    pub fn of(all: &[Box<dyn Property>]) -> Self {
        let classes = || Class::ALL.iter().copied();
        let named = |class: Class| all.iter().filter_map(move |property| property.commands(class));
        let mut commands: Vec<u16> = classes().flat_map(named).flatten().copied().collect();
        commands.sort_unstable();
        commands.dedup();
        let shown = |class, command| {
            let looks = |at: &usize| is_shown(&*all[*at], class, command);
            (0..all.len()).filter(looks).collect()
        };
        let places = classes().map(|class| {
            // No command has this number.
            let unnamed = if class.is_of_pdus() { Some(u16::MAX) } else { None };
            let commands = commands.iter().copied().map(Some);
            [unnamed].into_iter().chain(commands).map(|command| shown(class, command)).collect()
        });
        let places = places.collect();
        let named = commands.iter().enumerate().map(|(at, command)| (*command, at + 1)).collect();
        Self { named, places }
    }

    /// Those that look at a line.
    pub fn at(&self, class: Class, command: Option<u16>) -> &[usize] {
        let named = command.and_then(|command| self.named.get(&command));
        &self.places[class as usize][named.copied().unwrap_or(0)]
    }
}
