//! What may differ between a capture and our run, as long as it differs in one way: handles by
//! a bijection per server, times by at most a second's rounding (docs/CAPTURES.md).

use super::decode::{Field, Value};
use std::collections::BTreeMap;

/// How far two of our times that stand for one captured second may be apart.
const TIME_SLACK: u64 = 1;

/// What has been seen to stand for what, captured to ours, from the run's start.
#[derive(Debug, Clone, Default)]
pub struct Agreement {
    /// By msg_server.
    handles: BTreeMap<String, Bijection>,
    /// Our first time for each captured second.
    times: BTreeMap<u64, u64>,
}

#[derive(Debug, Clone, Default)]
struct Bijection {
    ours: BTreeMap<u32, u32>,
    captured: BTreeMap<u32, u32>,
}

impl Bijection {
    fn knows(&self, captured: u32, ours: u32) -> bool {
        self.ours.get(&captured) == Some(&ours) && self.captured.get(&ours) == Some(&captured)
    }

    fn knows_neither(&self, captured: u32, ours: u32) -> bool {
        !self.ours.contains_key(&captured) && !self.captured.contains_key(&ours)
    }

    /// From now on these two stand for each other: handles are used again.
    fn bind(&mut self, captured: u32, ours: u32) {
        if let Some(old) = self.ours.insert(captured, ours) {
            self.captured.remove(&old);
        }
        if let Some(old) = self.captured.insert(ours, captured) {
            self.ours.remove(&old);
        }
        self.ours.insert(captured, ours);
    }
}

impl Agreement {
    /// Compares two PDUs' fields on a link of `server`: the first difference, readable.
    ///
    /// # Errors
    /// That difference.
    pub fn fields(
        &mut self,
        server: &str,
        captured: &[Field],
        ours: &[Field],
    ) -> Result<(), String> {
        let login = is_login_relay(captured);
        for at in 0..captured.len().max(ours.len()) {
            let agrees = match (captured.get(at), ours.get(at)) {
                (Some(c), Some(o)) => c.path == o.path && self.value(server, login, c, o),
                _ => false,
            };
            if !agrees {
                let show =
                    |field: Option<&Field>| field.map_or("(the end)".to_string(), Field::to_string);
                return Err(format!(
                    "expected {}, got {}",
                    show(captured.get(at)),
                    show(ours.get(at))
                ));
            }
        }
        Ok(())
    }

    fn value(&mut self, server: &str, login: bool, captured: &Field, ours: &Field) -> bool {
        match (&captured.value, &ours.value) {
            (Value::Time(c), Value::Time(o)) => self.time(*c, *o),
            (Value::Handle { handle: c, relayed }, Value::Handle { handle: o, .. }) => {
                self.handle(server, *relayed, login, *c, *o)
            }
            (c, o) => c == o,
        }
    }

    /// Whether our time may stand for the captured one: it is that of before, or keeps the order
    /// of the times seen so far.
    pub fn time(&mut self, captured: u64, ours: u64) -> bool {
        let before = self.times.range(..=captured).next_back().map(|(_, time)| *time);
        let after = self.times.range(captured..).next().map(|(_, time)| *time);
        let agrees = before.is_none_or(|time| ours + TIME_SLACK >= time)
            && after.is_none_or(|time| ours <= time + TIME_SLACK);
        if agrees {
            self.times.entry(captured).or_insert(ours);
        }
        agrees
    }

    /// Handle 0 is none. A login makes a new connection's handle known.
    fn handle(&mut self, own: &str, relayed: bool, login: bool, captured: u32, ours: u32) -> bool {
        if captured == 0 || ours == 0 {
            return captured == ours;
        }
        if relayed && self.handles.values().any(|server| server.knows(captured, ours)) {
            return true;
        }
        let server = self.handles.entry(own.into()).or_default();
        if login || server.knows_neither(captured, ours) && !relayed {
            server.bind(captured, ours);
        }
        server.knows(captured, ours)
    }
}

/// 0703: the first PDU in which a connection's handle shows.
fn is_login_relay(fields: &[Field]) -> bool {
    let command = fields.iter().find(|field| field.path == "header.command_id");
    command.is_some_and(|field| field.value == Value::Number(0x0703))
}

#[test]
fn handles_agree_by_a_bijection_per_server_and_logins_bind_anew() {
    let mut agreement = Agreement::default();
    let mut own = |server, login, c, o| agreement.handle(server, false, login, c, o);
    assert!(own("msg1", true, 7, 3));
    assert!(!own("msg1", false, 7, 4), "7 is 3");
    assert!(!own("msg1", false, 8, 3), "3 is 7");
    assert!(own("msg2", false, 7, 9), "another server");
    assert!(own("msg1", true, 7, 5), "7 is used again");
    assert!(!own("msg1", false, 7, 3));
    assert!(!own("msg1", false, 0, 3), "0 is none");
    assert!(agreement.handle("msg1", true, false, 7, 9), "relayed: msg2's");
    assert!(!agreement.handle("msg1", true, false, 6, 6), "relayed, but never seen");
}

#[test]
fn times_agree_within_a_second_and_keep_their_order() {
    let mut agreement = Agreement::default();
    assert!(agreement.time(100, 500));
    assert!(agreement.time(100, 501));
    assert!(!agreement.time(100, 502));
    assert!(agreement.time(101, 501));
    assert!(agreement.time(110, 540));
    assert!(!agreement.time(105, 542), "105 is before 110");
    assert!(!agreement.time(120, 538), "120 is after 110");
}
