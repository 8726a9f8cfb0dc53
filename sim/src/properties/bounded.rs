//! bounded: queues, send lists and memory stay under their bounds.

use super::{Property, Sort, Violation, role_of};
use crate::record::{Kind, Line};
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

    fn observe(&mut self, line: &Line) -> Option<Violation> {
        let Kind::Fact(Fact::HighWater { queue, length, bound }) = &line.kind else { return None };
        (length > bound).then(|| Violation {
            property: self.name(),
            kind: "over",
            role: role_of(&line.host),
            sentence: format!("{}'s {queue} holds {length}, over its bound of {bound}", line.host),
            about: vec![queue.clone()],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Bounded;
    use crate::{
        properties::Property,
        record::{Kind, Line},
    };
    use teamtalk::fact::Fact;

    #[test]
    fn only_what_is_over_its_bound_is_found() {
        let line = |length| {
            let fact = Fact::HighWater { queue: "send_list".into(), length, bound: 10 };
            Line { n: 0, sim_us: 0, host: "msg1".into(), incarnation: 1, kind: Kind::Fact(fact) }
        };
        assert_eq!(Bounded.observe(&line(10)), None);
        assert_eq!(Bounded.observe(&line(11)).expect("found").signature(), "bounded/over/msg");
    }
}
