//! What serde expects of a type, asked by its errors: so that no list of fields is kept twice.

use crate::quoted;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// An object with one field.
pub fn object(key: &str, value: &str) -> Map<String, Value> {
    Map::from_iter([(key.to_string(), value.into())])
}

fn error<T: DeserializeOwned>(value: Value) -> Option<String> {
    serde_json::from_value::<T>(value).err().map(|error| error.to_string())
}

/// The names that a type takes in the place of a wrong one: the fields of a struct that denies
/// unknown ones, or the variants of an enum.
pub fn expected<T: DeserializeOwned>(wrong: Value) -> BTreeSet<String> {
    let error = error::<T>(wrong).expect("it is wrong");
    let (_, names) = error.split_once("expected ").unwrap_or_else(|| panic!("{error}"));
    quoted(names).map(String::from).collect()
}

/// Values of every type that a field may have.
fn candidates() -> Vec<Value> {
    let enums = ["both", "reset", "empty", "garbage", "push", "panics", "windows", "deadlock"]
        .map(Value::from);
    let others = [json!(0), json!("1-2"), json!(false), json!([]), json!({"user": 1})];
    others.into_iter().chain(enums).collect()
}

/// The fields that a type wants beside those of `object`, which is filled up with them.
pub fn required<T: DeserializeOwned>(object: &mut Map<String, Value>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    // The field that was added last, and the values that it may have if not this one.
    let mut last: Option<(String, std::vec::IntoIter<Value>)> = None;
    while let Some(error) = error::<T>(Value::Object(object.clone())) {
        if let Some(name) = error.strip_prefix("missing field `") {
            let name = name.split('`').next().expect("a name").to_string();
            found.insert(name.clone());
            last = Some((name, candidates().into_iter()));
        }
        let Some((name, values)) = &mut last else { panic!("{error}") };
        let value = values.next().unwrap_or_else(|| panic!("no value for {name}: {error}"));
        object.insert(name.clone(), value);
    }
    found
}

/// Whether a type keeps a field beside those of `object`.
pub fn keeps<T: DeserializeOwned + Serialize>(object: &Map<String, Value>, field: &str) -> bool {
    let more = [json!([1]), json!(1), json!("a")];
    candidates().into_iter().chain(more).any(|value| {
        let mut object = object.clone();
        object.insert(field.to_string(), value.clone());
        let read = serde_json::from_value::<T>(Value::Object(object));
        let written = read.ok().and_then(|read| serde_json::to_value(read).ok());
        written.is_some_and(|written| written.get(field) == Some(&value))
    })
}

#[cfg(test)]
mod tests {
    use super::{expected, keeps, object, required};
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    #[derive(Serialize, Deserialize)]
    #[serde(tag = "do", rename_all = "snake_case")]
    enum Tagged {
        Some {
            list: Vec<u32>,
            text: String,
            #[serde(default)]
            more: u32,
        },
        None,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        here: u32,
        there: u32,
    }

    #[test]
    fn fields_and_variants_are_found() {
        assert_eq!(expected::<Strict>(json!({"?": 0})), ["here", "there"].map(String::from).into());
        let variants = ["none", "some"].map(String::from).into();
        assert_eq!(expected::<Tagged>(json!({"do": "?"})), variants);
        let mut some = object("do", "some");
        assert_eq!(required::<Tagged>(&mut some), ["list", "text"].map(String::from).into());
        assert!(required::<Tagged>(&mut object("do", "none")).is_empty());
        assert!(keeps::<Tagged>(&some, "more") && !keeps::<Tagged>(&some, "less"));
    }
}
