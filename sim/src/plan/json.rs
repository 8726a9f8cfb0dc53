//! JSON in which no field is given twice: serde_json alone takes the last one.

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};
use std::fmt;

/// A JSON document in which no object has a field twice.
///
/// # Errors
/// What is wrong with it, and the line and column.
pub fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map(|Unique(value)| value).map_err(|e| {
        let begins_otherwise = e.is_syntax() && (e.line(), e.column()) == (1, 1);
        let first = text.lines().next().and_then(|line| serde_json::from_str::<Value>(line).ok());
        let is_trace = e.is_syntax() && first.as_ref().is_some_and(is_header);
        match (e.is_data(), begins_otherwise) {
            (true, _) => e.to_string(),
            _ if is_trace => "it is a trace, which `judge` and `diff` read".into(),
            (_, true) => format!("no JSON document ({e})"),
            _ => format!("not a whole JSON document ({e}); is the file truncated?"),
        }
    })
}

/// Whether a document says that it is of this version of a format; `what` is the kind of file that was asked for.
///
/// # Errors
/// A sentence that says what it is instead, if that can be told.
pub fn is_of_format(document: &Value, what: &str, version: u32) -> Result<(), String> {
    if let Some(other) = what_it_is(document).filter(|other| !other.starts_with(what)) {
        return Err(format!("it is a {other}, and a {what} is expected"));
    }
    match document.get("format").and_then(Value::as_u64) {
        Some(found) if found == u64::from(version) => Ok(()),
        Some(found) => {
            Err(format!("format version {found}, but this build reads format version {version}"))
        }
        None => Err(format!(
            "no format version, but this build reads format version {version} of a {what}"
        )),
    }
}

/// Whether a document is the first line of a trace.
fn is_header(document: &Value) -> bool {
    ["kind", "case", "lines"].iter().all(|field| document.get(field).is_some())
}

/// What a document of the rig's is, by its fields, as words behind "a"; `None` for any other.
pub fn what_it_is(document: &Value) -> Option<&'static str> {
    let fields = document.as_object()?;
    let has = |names: &[&str]| names.iter().all(|name| fields.contains_key(*name));
    let is_seed = |name: &String| name.parse::<u64>().is_ok();
    if has(&["protocols", "plan"]) {
        Some("case")
    } else if has(&["reports", "finds"]) {
        Some("campaign file, as `explore --resume` keeps one")
    } else if is_header(document) {
        Some("trace, which `judge` and `diff` read")
    } else if !fields.is_empty() && fields.keys().all(is_seed) {
        Some("report, as `explore --json` writes one")
    } else {
        None
    }
}

/// A JSON value; a field that an object has twice is an error, and not the last one.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Self)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, is: bool) -> Result<Value, E> {
        Ok(is.into())
    }

    fn visit_u64<E>(self, n: u64) -> Result<Value, E> {
        Ok(n.into())
    }

    fn visit_i64<E>(self, n: i64) -> Result<Value, E> {
        Ok(n.into())
    }

    fn visit_f64<E>(self, n: f64) -> Result<Value, E> {
        Ok(n.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(Unique(value)) = all.next_element()? {
            elements.push(value);
        }
        Ok(Value::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut all: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some((name, Unique(value))) = all.next_entry::<String, _>()? {
            if fields.contains_key(&name) {
                return Err(A::Error::custom(format_args!("field `{name}` is given twice")));
            }
            fields.insert(name, value);
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::{is_of_format, json};

    #[test]
    fn a_field_twice_is_refused_with_its_line() {
        let error = json("{\"a\": 1,\n \"b\": [{\"a\": 2, \"a\": 3}]}").expect_err("twice");
        assert!(error.starts_with("field `a` is given twice at line 2"), "{error}");
        let text = r#"{"a":[1,-1,0.5,true,null,"x\ny",{"b":18446744073709551615}]}"#;
        assert_eq!(json(text).ok(), serde_json::from_str(text).ok());
    }

    #[test]
    fn a_file_of_another_kind_is_told_what_it_is() {
        let report = r#"{"1": {"seed": 1}, "2": {"seed": 2}}"#;
        let case = r#"{"format": 1, "protocols": {}, "plan": {}}"#;
        let trace = r#"{"kind": "header", "format": 1, "case": {}, "lines": 0}"#;
        for (text, what, said) in [
            (
                report,
                "campaign file",
                "it is a report, as `explore --json` writes one, and a campaign",
            ),
            (
                report,
                "case",
                "it is a report, as `explore --json` writes one, and a case is expected",
            ),
            (case, "campaign file", "it is a case, and a campaign file is expected"),
            (trace, "case", "it is a trace, which `judge` and `diff` read, and a case is expected"),
            ("{}", "case", "no format version, but this build reads format version 1 of a case"),
            (r#"{"format": 2}"#, "case", "format version 2, but this build reads format version 1"),
        ] {
            let refused = is_of_format(&json(text).expect("JSON"), what, 1).expect_err(text);
            assert!(refused.starts_with(said), "{refused}");
        }
        assert_eq!(is_of_format(&json(case).expect("JSON"), "case", 1), Ok(()));
        let lines = format!("{trace}\n{{}}\n");
        assert_eq!(json(&lines), Err("it is a trace, which `judge` and `diff` read".into()));
        assert!(json("preset = 1").expect_err("TOML").starts_with("no JSON document"));
    }
}
