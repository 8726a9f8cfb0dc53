//! bounded: queues, send lists and unsent output stay under their bounds.
//!
//! It compares what roles report (`Fact::HighWater`). Memory is not measured.

use super::{Class, Property, Seen, Sort, Subject, Violation};
use crate::record::Kind;
use teamtalk::fact::Fact;

/// See the module.
#[derive(Debug)]
pub struct Bounded;

impl Property for Bounded {
    fn name(&self) -> &'static str {
        "bounded"
    }

    fn says(&self) -> &'static str {
        "queues, send lists and unsent output stay under their bounds"
    }

    fn sort(&self) -> Sort {
        Sort::Safety
    }

    fn looks_at(&self) -> &'static [Class] {
        &[Class::Fact]
    }

    fn observe(&mut self, Seen { line, .. }: &Seen<'_>) -> Option<Violation> {
        let Kind::Fact(Fact::HighWater { queue, length, bound }) = &line.kind else { return None };
        (length > bound).then(|| Violation {
            property: self.name(),
            kind: "over",
            role: line.host.role(),
            sentence: format!("{}'s {queue} holds {length}, over its bound of {bound}", line.host),
            about: [Subject::Queue(line.host.clone(), queue.clone())].into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Bounded;
    use crate::properties::tape::Tape;
    use teamtalk::fact::Fact;

    #[test]
    fn only_what_is_over_its_bound_is_found() {
        let high_water = |length| Fact::HighWater { queue: "send_list".into(), length, bound: 10 };
        let mut tape = Tape::new(Bounded);
        assert!(tape.fact("msg1", high_water(10)).found.is_empty());
        assert_eq!(tape.fact("msg1", high_water(11)).found, ["bounded/over/msg"]);
    }
}
