//! Values, bytes and effects as JSON, and back: nothing is lost on the way, and what is text reads as
//! text.

use super::{Effect, applied::WORDS};
use bytes::Bytes;
use serde_json::{Value as Json, json};
use std::fmt::Write;
use teamtalk::store::sql::Value;

/// Bytes that are no text stand under this name.
const HEX: &str = "hex";
/// A string that Redis answered stands under this name: a word such as `OK` is something else.
const TEXT: &str = "text";

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(out, "{byte:02x}").expect("writing to a string");
    }
    out
}

/// The bytes of [`hex`].
///
/// # Errors
/// If it is none.
pub fn of_hex(text: &str) -> Result<Bytes, String> {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Ok(c - b'0'),
        b'a'..=b'f' => Ok(c - b'a' + 10),
        _ => Err("expected bytes in hexadecimal, in lower case".to_string()),
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return Err("a digit is missing at the end of bytes in hexadecimal".into());
    }
    pairs.iter().map(|[high, low]| Ok(digit(*high)? << 4 | digit(*low)?)).collect()
}

/// Bytes: as a string if they are text, else `{"hex": …}`.
pub fn bytes(bytes: &[u8]) -> Json {
    std::str::from_utf8(bytes).map_or_else(|_| json!({HEX: hex(bytes)}), Json::from)
}

/// The bytes of [`bytes`].
///
/// # Errors
/// What was expected.
pub fn of_bytes(json: &Json) -> Result<Bytes, String> {
    match json {
        Json::String(text) => Ok(Bytes::copy_from_slice(text.as_bytes())),
        Json::Object(fields) if fields.len() == 1 => match fields.get(HEX) {
            Some(Json::String(text)) => of_hex(text),
            _ => Err(expected("a string or {\"hex\": …}", json)),
        },
        _ => Err(expected("a string or {\"hex\": …}", json)),
    }
}

/// A parameter or a column of a row: null, a number, or as [`bytes`].
pub fn value(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Int(n) => json!(n),
        Value::Bytes(of) => bytes(of),
    }
}

/// The value of [`value`].
///
/// # Errors
/// What was expected.
pub fn of_value(json: &Json) -> Result<Value, String> {
    match json {
        Json::Null => Ok(Value::Null),
        Json::Number(n) => {
            n.as_i64().map(Value::Int).ok_or_else(|| expected("a whole number", json))
        }
        other => of_bytes(other).map(Value::Bytes),
    }
}

/// An effect: of SQL, a word and what else is shown as a string; a number; a string that was answered
/// as `{"text": …}` or `{"hex": …}`; a list.
pub fn effect(effect: &Effect) -> Json {
    match effect {
        Effect::Sql { .. } | Effect::Word(_) | Effect::Text(_) => effect.to_string().into(),
        Effect::Int(n) => json!(n),
        Effect::Bytes(of) => match bytes(of) {
            text @ Json::String(_) => json!({TEXT: text}),
            hex => hex,
        },
        Effect::List(items) => items.iter().map(self::effect).collect(),
    }
}

/// The effect of [`effect`], of a store.
///
/// # Errors
/// What was expected.
pub fn of_effect(store: &str, json: &Json) -> Result<Effect, String> {
    match json {
        Json::String(shown) if store == "sql" => {
            Effect::of_sql(shown).ok_or_else(|| expected("what a statement did", json))
        }
        _ if store == "sql" => Err(expected("what a statement did", json)),
        Json::String(shown) => Ok(match WORDS.into_iter().find(|word| word == shown) {
            Some(word) => Effect::Word(word),
            None => Effect::Text(shown.clone()),
        }),
        Json::Number(n) => {
            n.as_i64().map(Effect::Int).ok_or_else(|| expected("a whole number", json))
        }
        Json::Array(items) => {
            let items = items.iter().map(|item| of_effect(store, item));
            items.collect::<Result<_, _>>().map(Effect::List)
        }
        Json::Object(fields) => match fields.get(TEXT) {
            Some(text @ Json::String(_)) if fields.len() == 1 => of_bytes(text).map(Effect::Bytes),
            _ => of_bytes(json).map(Effect::Bytes),
        },
        _ => Err(expected("what a command did", json)),
    }
}

/// What was expected in the place of something.
fn expected(what: &str, found: &Json) -> String {
    let mut found = found.to_string();
    if let Some((at, _)) = found.char_indices().nth(40) {
        found.truncate(at);
        found += "…";
    }
    format!("expected {what}, found {found}")
}

#[cfg(test)]
mod tests {
    use super::{effect, of_effect, of_hex, of_value, value};
    use crate::record::{Did, Effect};
    use bytes::Bytes;
    use serde_json::json;
    use teamtalk::store::sql::Value;

    #[test]
    fn values_are_read_as_they_were_written() {
        for (of, shown) in [
            (Value::Null, json!(null)),
            (Value::Int(i64::MIN), json!(i64::MIN)),
            ("7".into(), json!("7")),
            ("".into(), json!("")),
            ("NULL".into(), json!("NULL")),
            ((&b"a\xff"[..]).into(), json!({"hex": "61ff"})),
        ] {
            assert_eq!(value(&of), shown);
            assert_eq!(of_value(&shown), Ok(of));
        }
        for wrong in
            [json!(0.5), json!(u64::MAX), json!({"hex": "6"}), json!({"hex": "FF"}), json!([])]
        {
            assert!(of_value(&wrong).is_err(), "{wrong}");
        }
        assert_eq!(of_hex(""), Ok(Bytes::new()));
    }

    #[test]
    fn effects_are_read_as_they_were_written() {
        let bytes = |of: &'static [u8]| Effect::Bytes(Bytes::from_static(of));
        let list =
            Effect::List(vec![Effect::Word("nil"), Effect::Int(-2), bytes(b"5"), bytes(b"nil")]);
        for (of, shown) in [
            (Effect::Word("OK"), json!("OK")),
            (Effect::Text("error ERR no".into()), json!("error ERR no")),
            (Effect::Int(5), json!(5)),
            (bytes(b"5"), json!({"text": "5"})),
            (bytes(b"\xff"), json!({"hex": "ff"})),
            (list, json!(["nil", -2, {"text": "5"}, {"text": "nil"}])),
        ] {
            assert_eq!(effect(&of), shown);
            assert_eq!(of_effect("redis", &shown), Ok(of));
        }
        let rows = Effect::Sql { transaction: Some(3), did: Did::Rows(2) };
        assert_eq!(effect(&rows), json!("tx 3: rows 2"));
        assert_eq!(of_effect("sql", &effect(&rows)), Ok(rows));
        assert!(of_effect("sql", &json!("rows 02")).is_err());
        assert!(of_effect("sql", &json!(2)).is_err());
    }
}
