//! no-panic: no role panics.

use super::{Class, Property, Seen, Sort, Subject, Violation};
use crate::record::Kind;

/// See the module.
#[derive(Debug)]
pub struct NoPanic;

impl Property for NoPanic {
    fn name(&self) -> &'static str {
        "no-panic"
    }

    fn says(&self) -> &'static str {
        "no role panics"
    }

    fn sort(&self) -> Sort {
        Sort::Safety
    }

    fn looks_at(&self) -> &'static [Class] {
        &[Class::Event]
    }

    fn observe(&mut self, Seen { line, .. }: &Seen<'_>) -> Option<Violation> {
        let Kind::Panic { message } = &line.kind else { return None };
        Some(Violation {
            property: self.name(),
            kind: "panic",
            role: line.host.role(),
            sentence: format!("{} panicked: {message}", line.host),
            about: [Subject::Host(line.host.clone())].into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::NoPanic;
    use crate::{properties::tape::Tape, record::Kind};

    #[test]
    fn a_panic_is_found_and_nothing_else() {
        let mut tape = Tape::new(NoPanic);
        assert!(tape.line("db1", Kind::HostUp).found.is_empty());
        tape.line("db1", Kind::Panic { message: "x".into() });
        assert_eq!(tape.found, ["no-panic/panic/db"]);
    }
}
