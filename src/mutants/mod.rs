//! Mutants: bugs that engineers commit, planted on purpose, each with a name (docs/MUTANTS.md). A
//! rig that judges the roles must see them; those that it does not see say where its judge is blind.
//!
//! Code asks [`Protocol::mutated`] beside the true decision. Without the feature `mutants`, which
//! no default build has, that is false to the compiler, and no mutant has a name.

mod list;

pub use list::Mutant;

use crate::protocol::Protocol;

/// Whether this build has mutants.
pub const BUILT: bool = cfg!(feature = "mutants");

impl Protocol {
    /// Whether this bug is planted in the node or client that the protocol is of. Asked last in a
    /// condition, where the answer makes a difference: each time that a planted one is asked for
    /// counts as its place having been reached.
    #[inline]
    pub fn mutated(&self, mutant: Mutant) -> bool {
        #[cfg(feature = "mutants")]
        return planted::is_on(self, mutant);
        #[cfg(not(feature = "mutants"))]
        {
            let _ = mutant;
            false
        }
    }

    /// Plants a mutant by its name.
    ///
    /// # Errors
    /// A sentence, if this build has none, or none of this name.
    pub fn plant(&mut self, name: &str) -> Result<(), String> {
        let Some(found) = all().iter().find(|entry| entry.name() == name) else {
            return Err(match all() {
                [] => format!("mutant `{name}`: {NOT_BUILT}"),
                some => {
                    let known: Vec<_> = some.iter().map(Entry::name).collect();
                    format!("unknown mutant `{name}`: expected one of {}", known.join(", "))
                }
            });
        };
        #[cfg(feature = "mutants")]
        {
            self.mutant = Some(found.mutant);
        }
        let _ = found;
        Ok(())
    }
}

/// Why a build refuses a mutant, and what to do.
pub const NOT_BUILT: &str = "this build has no mutants, as is right for all builds that are \
    deployed; `cargo sim-mutants` in the place of `cargo sim` has them (feature `mutants`)";

/// One mutant, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Which it is.
    pub mutant: Mutant,
    /// The name of the variant.
    pub variant: &'static str,
    /// What it belongs to: `login`, `groups`, `clients` …
    pub room: &'static str,
    /// What is broken, as a sentence without its full stop.
    pub broken: &'static str,
}

impl Entry {
    /// Its name in files and on the command line: `any-password` for `AnyPassword`.
    pub fn name(&self) -> String {
        name_of(self.variant)
    }
}

/// `kick-here-only` of `KickHereOnly`.
pub fn name_of(variant: &str) -> String {
    let mut name = String::new();
    for letter in variant.chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

/// All mutants that this build has.
pub fn all() -> &'static [Entry] {
    #[cfg(feature = "mutants")]
    return list::ALL;
    #[cfg(not(feature = "mutants"))]
    &[]
}

/// How often the places of planted mutants were reached on this thread since this was last asked,
/// all of them together. A run has a thread of its own.
pub fn take_reached() -> u64 {
    #[cfg(feature = "mutants")]
    return planted::REACHED.take();
    #[cfg(not(feature = "mutants"))]
    0
}

#[cfg(feature = "mutants")]
mod planted {
    use super::Mutant;
    use crate::protocol::Protocol;
    use std::cell::Cell;

    thread_local!(pub static REACHED: Cell<u64> = const { Cell::new(0) });

    pub fn is_on(protocol: &Protocol, mutant: Mutant) -> bool {
        let is_on = protocol.mutant == Some(mutant);
        if is_on {
            REACHED.set(REACHED.get() + 1);
        }
        is_on
    }
}

#[cfg(test)]
mod tests {
    use super::{BUILT, list::ALL};
    use crate::protocol::Protocol;
    use std::{
        collections::BTreeSet,
        fs,
        path::{Path, PathBuf},
    };

    /// The sources of `src/` but the list itself.
    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder of src") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|end| end == "rs")
                && !path.ends_with("mutants/list.rs")
            {
                found.push(path);
            }
        }
    }

    /// The names after `Mutant::` in a text.
    fn asked_for(text: &str) -> impl Iterator<Item = String> {
        let rest = text.split("Mutant::").skip(1);
        rest.map(|rest| rest.chars().take_while(|c| c.is_ascii_alphanumeric()).collect())
    }

    #[test]
    fn each_is_asked_for_somewhere_and_has_a_name_of_its_own() {
        let mut files = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
        let texts = files.iter().map(|path| fs::read_to_string(path).expect("UTF-8"));
        let asked: BTreeSet<String> =
            texts.flat_map(|t| asked_for(&t).collect::<Vec<_>>()).collect();
        let mut names = BTreeSet::new();
        for entry in ALL {
            assert!(asked.contains(entry.variant), "nothing asks for {}", entry.variant);
            assert!(names.insert(entry.name()), "two are called {}", entry.name());
            let ends = entry.broken.ends_with('.') || entry.broken.contains('|');
            assert!(!ends && !entry.broken.is_empty(), "{}: {}", entry.name(), entry.broken);
        }
    }

    #[test]
    fn only_a_build_with_the_feature_plants_one() {
        let name = ALL[0].name();
        let mut protocol = Protocol::hardened();
        match protocol.plant(&name) {
            Ok(()) => assert!(BUILT && protocol != Protocol::hardened()),
            Err(error) => assert!(!BUILT && error.contains("cargo sim-mutants"), "{error}"),
        }
        assert_eq!(protocol.mutated(ALL[0].mutant), BUILT);
        assert!(!protocol.mutated(ALL[1].mutant));
        assert_eq!(super::take_reached(), u64::from(BUILT));
        assert!(protocol.plant("no-such-mutant").is_err());
    }
}
