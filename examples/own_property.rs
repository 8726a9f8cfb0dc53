//! A property of one's own, over runs: a send is acked within a simulated second.
//!
//!     cargo run --example own_property
//!
//! A property sees the trace line by line and knows nothing else. This one remembers when a device
//! first wrote a 0301 and looks for the 0302 that comes back on the same connection under the same
//! seq_num. It judges the plan of a kept case without its faults, and the same with a slow link: there
//! it breaks.

use std::collections::BTreeMap;
use teamtalk::{catalogue::id as command, env::ConnId};
use teamtalk_sim::{
    explore::{case_of, run_case},
    plan::{
        Fault, Role, Trouble,
        case::{Case, ProtocolSpec},
        generate::Profile,
    },
    properties::{At, Class, Property, Seen, Sort, Subject, Violation, judge},
};

/// Simulated microseconds that an ack may take.
const LIMIT_US: u64 = 1_000_000;

/// See the file.
#[derive(Debug, Default)]
struct PromptAck {
    /// When a device first wrote a send, by its connection and seq_num.
    written: BTreeMap<(ConnId, u16), u64>,
    /// Sends that were acked, and how long the slowest ack took, in simulated microseconds.
    acked: u64,
    slowest_us: u64,
}

impl Property for PromptAck {
    fn name(&self) -> &'static str {
        "prompt-ack"
    }

    fn says(&self) -> &'static str {
        "a send is acked within a simulated second"
    }

    fn sort(&self) -> Sort {
        Sort::Safety
    }

    /// It is shown no other lines than these.
    fn looks_at(&self) -> &'static [Class] {
        &[Class::DeviceWrites, Class::DeviceReads]
    }

    fn observe(&mut self, seen: &Seen<'_>) -> Option<Violation> {
        let (at, conn, pdu) = seen.client?;
        let key = (conn, pdu.header.seq_num);
        match (at, pdu.command()) {
            (At::DeviceWrites, command::MSG_DATA) => {
                self.written.entry(key).or_insert(seen.line.sim_us);
                None
            }
            (At::DeviceReads, command::MSG_DATA_ACK) => {
                let took_us = seen.line.sim_us - self.written.remove(&key)?;
                self.acked += 1;
                self.slowest_us = self.slowest_us.max(took_us);
                (took_us > LIMIT_US).then(|| Violation {
                    property: self.name(),
                    kind: "late",
                    role: Role::Msg,
                    sentence: format!(
                        "the ack of seq_num {} on connection {conn} took {} ms",
                        key.1,
                        took_us / 1_000
                    ),
                    about: [Subject::Connection(conn)].into(),
                })
            }
            _ => None,
        }
    }
}

/// A plan of a seed, in which nothing goes wrong.
fn calm() -> Case {
    case_of(3, &ProtocolSpec::preset("hardened"), Profile::Calm)
}

/// The same plan; what goes between msg1 and db2 takes 600 ms each way for three seconds.
fn slow() -> Case {
    let mut case = calm();
    let trouble = Trouble::SlowLink { a: "msg1".into(), b: "db2".into(), ticks: 120 };
    case.plan.faults.push(Fault { id: 1, at_ms: 3_000, for_ms: 3_000, trouble });
    case
}

/// Runs a case and judges its trace; a property starts afresh with each run.
fn broken(case: &Case) -> (PromptAck, Vec<Violation>) {
    let outcome = run_case(case).expect("its protocol is built in");
    let mut property = PromptAck::default();
    let violations = judge(&mut property, &outcome.trace);
    (property, violations)
}

fn main() {
    for (name, case) in [("without faults", calm()), ("with a slow link", slow())] {
        let (property, violations) = broken(&case);
        let (acked, slowest) = (property.acked, property.slowest_us / 1_000);
        println!("{name}: {acked} sends acked, the slowest ack took {slowest} simulated ms");
        match violations.first() {
            None => println!("  {} holds: {}", property.name(), property.says()),
            Some(first) => {
                println!("  VIOLATED {} ({} times)", first.signature(), violations.len());
                println!("  {}", first.sentence);
            }
        }
    }
}

#[test]
fn it_holds_without_faults_and_breaks_on_a_slow_link() {
    let (property, violations) = broken(&calm());
    assert!(violations.is_empty(), "{violations:?}");
    assert!(property.acked > 20, "only {} sends were acked", property.acked);
    let (_, violations) = broken(&slow());
    assert!(violations.iter().all(|v| v.signature() == "prompt-ack/late/msg"));
    assert!(!violations.is_empty());
}
