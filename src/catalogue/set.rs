//! The limits that a deployment sets by name, as they are taken one after the other.

use super::{Limit, general::General};
use std::collections::BTreeMap;

/// What is set and was not taken yet.
#[derive(Debug)]
pub(super) struct Set {
    left: BTreeMap<String, u32>,
}

/// A limit that another one may not pass: where it does, the other one never takes effect.
#[derive(Debug, Clone, Copy)]
pub(super) struct Within<'a> {
    /// Its name.
    pub name: &'a str,
    /// The most that the other one may be: its value, or what it leaves to the other one.
    pub most: u32,
}

impl Set {
    pub(super) fn new(set: &BTreeMap<String, u32>) -> Self {
        Self { left: set.clone() }
    }

    /// Takes the value of a limit: what is set, or its default.
    ///
    /// # Errors
    /// A sentence if it is 0, or over its ceiling.
    pub(super) fn value(&mut self, name: &str, limit: Limit) -> Result<u32, String> {
        match self.left.remove(name) {
            None => Ok(limit.default),
            Some(set) if set == 0 || set > limit.ceiling => {
                Err(format!("limit `{name}` = {set}: expected 1 to {}", limit.ceiling))
            }
            Some(set) => Ok(set),
        }
    }

    /// The same of a limit that is no command's.
    ///
    /// # Errors
    /// As [`Self::value`].
    pub(super) fn general(&mut self, of: &General) -> Result<u32, String> {
        self.value(of.name, of.limit)
    }

    /// The same of a limit that has to stay within another one: its default follows that one down.
    ///
    /// # Errors
    /// As [`Self::value`], and a sentence if what is set is more than the other one leaves.
    pub(super) fn within(
        &mut self,
        name: &str,
        limit: Limit,
        of: Within<'_>,
    ) -> Result<u32, String> {
        let is_set = self.left.contains_key(name);
        let value = self.value(name, limit)?;
        if is_set && value > of.most {
            return Err(format!(
                "limits do not fit: {name} = {value} has to be at most {}, for {}",
                of.most, of.name
            ));
        }
        Ok(value.min(of.most))
    }

    /// What nothing has taken.
    ///
    /// # Errors
    /// A sentence that names a limit that does not exist.
    pub(super) fn done(self) -> Result<(), String> {
        match self.left.keys().next() {
            Some(name) => Err(format!("unknown limit `{name}`: `cargo sim limits` lists them")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        catalogue::{id, limits::Limits},
        wire::frame::MAX_LEN,
    };

    fn set(values: &[(&str, u32)]) -> Result<Limits, String> {
        Limits::with(&values.iter().map(|(name, value)| (name.to_string(), *value)).collect())
    }

    #[test]
    fn a_limit_that_could_never_take_effect_beside_another_one_is_refused() {
        let rate = id::BUDDY_LIST_DEPARTMENT_REQUEST;
        for (values, most, of) in [
            (&[("0210.rate", 301)][..], 300, "requests.rate"),
            (&[("requests.rate", 50), ("0210.rate", 51)], 50, "requests.rate"),
            (&[("connections", 10), ("connections.source", 11)], 10, "connections"),
            (&[("link.requests", 64 << 20)], 63 << 20, "link.unsent"),
            (&[("messages.rate", 41)], 40, "0301.rate"),
        ] {
            let refused = set(values).expect_err(of);
            let said = format!("has to be at most {most}, for {of}");
            assert!(refused.starts_with("limits do not fit: "), "{refused}");
            assert!(refused.ends_with(&said), "{refused}");
        }
        let fits = set(&[("requests.rate", 50), ("0210.rate", 50)]).expect("they fit");
        assert_eq!(fits.of(rate).map(|of| of.rate), Some(50));
    }

    #[test]
    fn a_default_follows_a_limit_that_is_set_lower() {
        let unsent = MAX_LEN + (1 << 20);
        let small = set(&[
            ("requests.rate", 5),
            ("connections", 3),
            ("device.unsent", MAX_LEN + 1),
            ("link.unsent", unsent),
        ])
        .expect("they fit");
        assert_eq!(small.of(id::MSG_LIST_REQUEST).map(|of| of.rate), Some(5));
        // What has no answer is no request.
        assert_eq!(small.of(id::MSG_DATA_ACK).map(|of| of.rate), Some(2_000));
        assert_eq!((small.of_source, small.messages), (3, 5));
        assert_eq!(small.link_requests, MAX_LEN as usize);
    }
}
