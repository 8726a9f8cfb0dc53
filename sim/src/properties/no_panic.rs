//! no-panic: no role panics, and none runs without end within one tick of simulated time.
//!
//! A panic in a host of the rig's own, a store or the servers around the cluster, is the rig's: the
//! run has failed, and nothing is said of the roles ([`crate::run`]).

use super::{Class, Property, Seen, Sort, Subject, Tally, Violation};
use crate::record::Kind;

/// See the module.
#[derive(Debug, Default)]
pub struct NoPanic {
    tally: Tally,
}

impl Property for NoPanic {
    fn name(&self) -> &'static str {
        "no-panic"
    }

    fn says(&self) -> &'static str {
        "no role panics or runs without end"
    }

    fn sort(&self) -> Sort {
        Sort::Safety
    }

    fn looks_at(&self) -> &'static [Class] {
        &[Class::Event]
    }

    fn observe(&mut self, Seen { line, .. }: &Seen<'_>) -> Option<Violation> {
        let host = &line.host;
        let (kind, sentence) = match &line.kind {
            _ if host.role().is_of_the_rig() => return None,
            // What a process does until it ends is one judgement.
            Kind::HostUp => {
                self.tally.judge();
                return None;
            }
            Kind::Panic { message, at } => ("panic", format!("{host} panicked at {at}: {message}")),
            Kind::Endless { message } => ("endless", format!("{host} ran without end: {message}")),
            _ => return None,
        };
        let about = [Subject::Host(host.clone())].into();
        Some(Violation { property: self.name(), kind, role: host.role(), sentence, about })
    }

    fn tally(&self, _: &super::Known) -> Option<Tally> {
        Some(self.tally.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::NoPanic;
    use crate::{properties::tape::Tape, record::Kind};

    #[test]
    fn a_panic_is_found_and_nothing_else() {
        let mut tape = Tape::new(NoPanic::default());
        assert!(tape.line("db1", Kind::HostUp).found.is_empty());
        let panic = || Kind::Panic { message: "x".into(), at: "src/link/mod.rs:1:1".into() };
        tape.line("db1", panic());
        tape.line("msg2", Kind::Endless { message: "x".into() });
        assert_eq!(tape.found, ["no-panic/panic/db", "no-panic/endless/msg"]);
        for host in ["sql", "redis", "outside", "world"] {
            tape.line(host, panic());
        }
        assert_eq!(tape.found.len(), 2, "{:?}", tape.found);
    }
}
