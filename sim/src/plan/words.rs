//! What a reader of TOML or JSON says is wrong, in words of people who do not know Rust.

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;
use std::collections::BTreeMap;
use teamtalk::catalogue::limits;

/// Types of whole numbers as serde names them, and the largest of each.
const NUMBERS: [(&str, u64); 5] = [
    ("expected u8", u8::MAX as u64),
    ("expected u16", u16::MAX as u64),
    ("expected u32", u32::MAX as u64),
    ("expected u64", u64::MAX),
    ("expected usize", u64::MAX),
];

/// An error of serde's, with the bounds of the number that was expected in the place of its Rust type.
pub fn plain(error: &str) -> String {
    NUMBERS.iter().fold(error.to_string(), |error, (of, most)| {
        let at_its_end = |rest: &str| !rest.starts_with(|next: char| next.is_ascii_alphanumeric());
        match error.split_once(of) {
            Some((before, rest)) if at_its_end(rest) => {
                format!("{before}expected a whole number from 0 to {most}{rest}")
            }
            _ => error,
        }
    })
}

/// Reads limits by name.
///
/// # Errors
/// A sentence about one that does not exist, or whose value is no number that it can have.
pub fn limits<'de, D: Deserializer<'de>>(file: D) -> Result<BTreeMap<String, u32>, D::Error> {
    let given = BTreeMap::<String, Value>::deserialize(file)?;
    let number = |(name, value): (String, Value)| {
        let number = value.as_u64().and_then(|value| u32::try_from(value).ok());
        match number {
            Some(number) => Ok((name, number)),
            None => {
                let known = limits::names().into_iter().find(|of| of.name == name);
                Err(D::Error::custom(match known {
                    Some(of) => {
                        format!("limit `{name}` = {value}: expected 1 to {}", of.limit.ceiling)
                    }
                    None => format!("unknown limit `{name}`: `cargo sim limits` lists them"),
                }))
            }
        }
    };
    given.into_iter().map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::plain;
    use crate::plan::{case::ProtocolSpec, generate::Deployment};

    #[test]
    fn a_number_is_told_by_its_bounds() {
        let said = plain("invalid value: integer `-1`, expected u16 at line 3");
        assert_eq!(
            said,
            "invalid value: integer `-1`, expected a whole number from 0 to 65535 at line 3"
        );
        assert_eq!(plain("expected u8ful words"), "expected u8ful words");
    }

    #[test]
    fn a_limit_that_is_no_number_is_told_what_it_may_be() {
        for value in ["-3", "1.5", "\"50\"", "5_000_000_000"] {
            let of = format!("[limits]\n\"0204.user_id_list\" = {value}");
            let protocol = format!("preset = \"hardened\"\n{of}");
            let refused = ProtocolSpec::from_toml(&protocol).expect_err(value);
            assert!(refused.contains("limit `0204.user_id_list` = "), "{refused}");
            assert!(refused.contains(": expected 1 to 5000"), "{refused}");
            let refused = Deployment::parse(&of).expect_err(value);
            assert!(refused.contains(": expected 1 to 5000"), "{refused}");
        }
        let refused = Deployment::parse("[limits]\nx = -1").expect_err("unknown");
        assert!(refused.contains("unknown limit `x`"), "{refused}");
    }
}
