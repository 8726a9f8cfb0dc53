//! no-panic: no role panics.

use super::{Property, Sort, Violation, role_of};
use crate::record::{Kind, Line};

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

    fn observe(&mut self, line: &Line) -> Option<Violation> {
        let Kind::Panic { message } = &line.kind else { return None };
        Some(Violation {
            property: self.name(),
            kind: "panic",
            role: role_of(&line.host),
            sentence: format!("{} panicked: {message}", line.host),
            about: vec!["panic".into()],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::NoPanic;
    use crate::{
        properties::Property,
        record::{Kind, Line},
    };

    #[test]
    fn a_panic_is_found_and_nothing_else() {
        let line = |kind| Line { n: 0, sim_us: 0, host: "db1".into(), incarnation: 1, kind };
        let found = NoPanic.observe(&line(Kind::Panic { message: "x".into() })).expect("found");
        assert_eq!(found.signature(), "no-panic/panic/db");
        assert_eq!(NoPanic.observe(&line(Kind::HostUp)), None);
    }
}
