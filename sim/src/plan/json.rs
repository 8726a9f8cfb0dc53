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
    serde_json::from_str(text).map(|Unique(value)| value).map_err(|e| match e.is_data() {
        true => e.to_string(),
        false => format!("not a whole JSON document ({e}); is the file truncated?"),
    })
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
    use super::json;

    #[test]
    fn a_field_twice_is_refused_with_its_line() {
        let error = json("{\"a\": 1,\n \"b\": [{\"a\": 2, \"a\": 3}]}").expect_err("twice");
        assert!(error.starts_with("field `a` is given twice at line 2"), "{error}");
        let text = r#"{"a":[1,-1,0.5,true,null,"x\ny",{"b":18446744073709551615}]}"#;
        assert_eq!(json(text).ok(), serde_json::from_str(text).ok());
    }
}
