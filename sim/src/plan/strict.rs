//! Reading a case without passing over anything: a field that means nothing is refused with its
//! place. Serde alone lets such fields pass wherever a type is flattened into
//! another one or is an enum's unit variant.

use super::{
    Device, Fault, Group, Migration, Node, Operation, Step as RolloutStep,
    case::{Case, Story},
    words,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// The case in a document.
///
/// # Errors
/// A sentence with the place (`operation 12: field `to`: …`) and what was expected there.
pub fn case(mut document: Value) -> Result<Case, String> {
    let story = story(&mut document)?;
    let plan = document.get_mut("plan").and_then(Value::as_object_mut);
    // Element by element: then what is wrong has a place, and looking for it takes no longer in
    // a long case than in a short one.
    let mut empty = Map::new();
    let plan = plan.unwrap_or(&mut empty);
    let migrations = elements::<Migration>(plan, "migrations", "migration", "id")?;
    let nodes = elements::<Node>(plan, "nodes", "node", "host")?;
    let devices = elements::<Device>(plan, "devices", "device", "slot")?;
    let groups = elements::<Group>(plan, "groups", "group", "id")?;
    let operations = elements::<Operation>(plan, "operations", "operation", "id")?;
    let faults = elements::<Fault>(plan, "faults", "fault", "id")?;
    let rollout = elements::<RolloutStep>(plan, "rollout", "step", "id")?;
    let mut case: Case = whole(&mut document)?;
    case.story = story;
    case.plan.migrations = migrations;
    case.plan.nodes = nodes;
    case.plan.devices = devices;
    case.plan.groups = groups;
    case.plan.operations = operations;
    case.plan.faults = faults;
    case.plan.rollout = rollout;
    Ok(case)
}

/// Takes the story out of the document, if it has one.
fn story(document: &mut Value) -> Result<Option<Story>, String> {
    let story = document.as_object_mut().and_then(|fields| fields.remove("story"));
    let story = story.filter(|story| !story.is_null());
    let read = |mut story| whole(&mut story).map_err(|e| format!("story: {e}"));
    story.map(read).transpose()
}

/// Takes the elements of one of the plan's lists out of it. One that is absent or no list stays:
/// it is the plan's own affair.
fn elements<T: DeserializeOwned + Serialize>(
    plan: &mut Map<String, Value>,
    list: &str,
    noun: &str,
    id: &str,
) -> Result<Vec<T>, String> {
    let Some(Value::Array(elements)) = plan.get_mut(list) else { return Ok(Vec::new()) };
    let read = |(n, mut element): (usize, Value)| {
        let name = match &element[id] {
            Value::String(name) => format!("{noun} `{name}`"),
            Value::Number(id) => format!("{noun} {id}"),
            _ => format!("plan.{list}[{n}]"),
        };
        whole(&mut element).map_err(|e| format!("{name}: {e}"))
    };
    std::mem::take(elements).into_iter().enumerate().map(read).collect()
}

/// Reads a value of which nothing may be left over.
fn whole<T: DeserializeOwned + Serialize>(value: &mut Value) -> Result<T, String> {
    let read = T::deserialize(&*value).map_err(|e| at_its_field(value, &e.to_string()))?;
    let kept = serde_json::to_value(&read).map_err(|e| e.to_string())?;
    let mut doubtful = Vec::new();
    not_kept(value, &kept, &mut Vec::new(), &mut doubtful);
    for Doubt { path, known } in doubtful {
        if is_ignored::<T>(value, &path) {
            let known: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
            let known = known.join(", ");
            let (path, field) = (shown(&path), last(&path));
            return Err(format!("field `{path}`: unknown field `{field}`, known here are {known}"));
        }
    }
    Ok(read)
}

/// A way through objects and lists.
type Path = Vec<Step>;

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Field(String),
    Element(usize),
}

fn shown(path: &[Step]) -> String {
    let mut out = String::new();
    for step in path {
        match step {
            Step::Field(name) if out.is_empty() => out += name,
            Step::Field(name) => out += &format!(".{name}"),
            Step::Element(n) => out += &format!("[{n}]"),
        }
    }
    out
}

fn last(path: &[Step]) -> &str {
    match path.last() {
        Some(Step::Field(name)) => name,
        _ => "",
    }
}

/// A field that is not there when what was read is written again: unknown, or another name of one
/// that is known, or one that is left out where it says nothing new.
struct Doubt {
    path: Path,
    /// The fields beside it that are written again.
    known: Vec<String>,
}

fn not_kept(read: &Value, kept: &Value, at: &mut Path, found: &mut Vec<Doubt>) {
    match read {
        Value::Object(fields) => {
            for (name, value) in fields {
                at.push(Step::Field(name.clone()));
                let again = kept.get(name);
                if again.is_none() {
                    let known = kept.as_object().into_iter().flat_map(Map::keys).cloned().collect();
                    found.push(Doubt { path: at.clone(), known });
                }
                not_kept(value, again.unwrap_or(&Value::Null), at, found);
                at.pop();
            }
        }
        Value::Array(elements) => {
            for (n, value) in elements.iter().enumerate() {
                at.push(Step::Element(n));
                not_kept(value, kept.get(n).unwrap_or(&Value::Null), at, found);
                at.pop();
            }
        }
        _ => {}
    }
}

/// Whether nothing reads what is at a place: then it may as well be what no field takes.
fn is_ignored<T: DeserializeOwned>(value: &mut Value, path: &[Step]) -> bool {
    /// No field of a case is a fraction.
    const NEVER_TAKEN: f64 = 0.5;
    let place = path.iter().try_fold(&mut *value, |value, step| match step {
        Step::Field(name) => value.get_mut(name),
        Step::Element(n) => value.get_mut(n),
    });
    let Some(place) = place else { return false };
    let given = std::mem::replace(place, NEVER_TAKEN.into());
    let ignored = T::deserialize(&*value).is_ok();
    if let Some(place) = path.iter().try_fold(value, |value, step| match step {
        Step::Field(name) => value.get_mut(name),
        Step::Element(n) => value.get_mut(n),
    }) {
        *place = given;
    }
    ignored
}

/// An error of serde's with the field it is about, if what it complains of stands in one only.
fn at_its_field(value: &Value, error: &str) -> String {
    // An operation says itself which one it is.
    let error = error.strip_prefix(&format!("operation {}: ", value["id"])).unwrap_or(error);
    let (error, told) = (error, words::plain(error));
    let mut found = Vec::new();
    complained_of(value, error, &mut Vec::new(), &mut found);
    match found.as_slice() {
        [path] => format!("field `{}`: {told}", shown(path)),
        _ => told,
    }
}

/// The places of what an error mentions, in serde's words.
fn complained_of(value: &Value, error: &str, at: &mut Path, found: &mut Vec<Path>) {
    let (what, variant) = match value {
        Value::Null => ("null".into(), None),
        Value::Bool(is) => (format!("boolean `{is}`"), None),
        Value::Number(n) if n.is_f64() => (format!("floating point `{n}`"), None),
        Value::Number(n) => (format!("integer `{n}`"), None),
        Value::String(text) => {
            (format!("string {text:?}"), Some(format!("unknown variant `{text}`")))
        }
        Value::Array(_) => ("sequence".into(), None),
        Value::Object(_) => ("map".into(), None),
    };
    let types = ["invalid type", "invalid value"].map(|kind| format!("{kind}: {what},"));
    if types.into_iter().chain(variant).any(|start| error.starts_with(&start)) {
        found.push(at.clone());
    }
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                at.push(Step::Field(name.clone()));
                if error.starts_with(&format!("unknown field `{name}`,")) {
                    found.push(at.clone());
                }
                complained_of(value, error, at, found);
                at.pop();
            }
        }
        Value::Array(elements) => {
            for (n, value) in elements.iter().enumerate() {
                at.push(Step::Element(n));
                complained_of(value, error, at, found);
                at.pop();
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::whole;
    use crate::plan::{Device, Fault, Group, Operation, json::json};
    use serde::{Serialize, de::DeserializeOwned};

    fn refused<T: DeserializeOwned + Serialize>(text: &str) -> String {
        whole::<T>(&mut json(text).expect("JSON")).map(|_| ()).expect_err(text)
    }

    fn reads<T: DeserializeOwned + Serialize>(text: &str) {
        let read = whole::<T>(&mut json(text).expect("JSON"));
        assert_eq!(read.map(|_| ()), Ok(()), "{text}");
    }

    #[test]
    fn a_field_that_nothing_reads_is_named_wherever_it_is() {
        for (text, path) in [
            (r#"{"id":1,"at_ms":5,"device":2,"do":"login","x":1}"#, "x"),
            (r#"{"id":1,"at_ms":5,"device":2,"do":"send","to":3,"x":1}"#, "x"),
            (r#"{"id":1,"at_ms":5,"device":2,"do":"send","to":{"group":3,"x":1}}"#, "to.x"),
            (r#"{"id":1,"at_ms":5,"device":2,"do":"read","peer":{"group":3,"x":1}}"#, "peer.x"),
            (
                r#"{"id":1,"at_ms":5,"device":2,"do":"send","to":{"group":{"created_by":4,"x":1}}}"#,
                "to.group.x",
            ),
            (
                r#"{"id":1,"at_ms":5,"device":2,"do":"rogue","what":{"text":{"to":4,"x":1}}}"#,
                "what.text.x",
            ),
        ] {
            let error = refused::<Operation>(text);
            assert!(
                error.starts_with(&format!("field `{path}`: unknown field `x`, known here are ")),
                "{error}"
            );
        }
        let fault = r#"{"id":1,"at_ms":5,"for_ms":10,"fault":"drop","a":"msg1","b":"db1","fate":"#;
        for (rest, path) in [
            (r#""reset","x":1}"#, "x"),
            (r#"{"reset_within":{"ms":5,"x":1}}}"#, "fate.reset_within.x"),
        ] {
            let error = refused::<Fault>(&format!("{fault}{rest}"));
            assert!(error.starts_with(&format!("field `{path}`: unknown field `x`, ")), "{error}");
        }
        let device =
            r#"{"slot":1,"user":1,"client":"ours_pc","host":"client1","home":"msg1","conduct":"#;
        let error = refused::<Device>(&format!(
            r#"{device}{{"acks":"prompt","ignores_kick":false,"x":1}}}}"#
        ));
        assert!(error.starts_with("field `conduct.x`: unknown field `x`, expected"), "{error}");
    }

    #[test]
    fn what_says_nothing_new_and_old_names_read() {
        reads::<Operation>(r#"{"id":1,"at_ms":5,"device":2,"do":"resend","of":null}"#);
        reads::<Operation>(r#"{"id":1,"at_ms":5,"device":2,"do":"by_id","peer":3,"ids":[]}"#);
        reads::<Operation>(
            r#"{"id":1,"at_ms":5,"device":2,"do":"pull","peer":{"group":3},"count":1}"#,
        );
        reads::<Fault>(
            r#"{"id":1,"at_ms":5,"for_ms":5,"fault":"slow_reader","host":"msg1","peer":null,"bytes":3}"#,
        );
        reads::<Device>(
            r#"{"slot":1,"user":1,"client":"ours_pc","host":"client1","home":"msg1","side":"base",
                "conduct":{"acks":"prompt","ignores_kick":false}}"#,
        );
    }

    #[test]
    fn a_wrong_value_has_the_name_of_its_field() {
        let error = refused::<Operation>(r#"{"id":1,"at_ms":-5,"device":2,"do":"login"}"#);
        assert!(
            error.starts_with("field `at_ms`: invalid value: integer `-5`, expected"),
            "{error}"
        );
        let error = refused::<Operation>(r#"{"id":1,"at_ms":5,"device":2,"do":"logn"}"#);
        assert!(
            error.starts_with("field `do`: unknown variant `logn`, expected one of"),
            "{error}"
        );
        // What can be asked is listed, too.
        let error =
            refused::<Operation>(r#"{"id":1,"at_ms":5,"device":2,"do":"user_infos","users":[1]}"#);
        assert!(error.starts_with("field `do`: unknown variant `user_infos`, expected"), "{error}");
        for (_, question) in teamtalk::catalogue::question::all() {
            assert!(error.contains(&format!(", `{}`", question.name)), "{error}");
        }
        let wrong =
            |of: &str| refused::<Operation>(&format!(r#"{{"id":1,"at_ms":5,"device":2,{of}}}"#));
        assert_eq!(
            wrong(r#""do":"user_info","user":[1]"#),
            "field `user`: unknown field `user`, known here are `id`, `at_ms`, `device`, `do`, `users`"
        );
        assert_eq!(wrong(r#""do":"user_info""#), "`user_info` needs `users`");
        assert_eq!(
            wrong(r#""do":"time","chat":1"#),
            "field `chat`: unknown field `chat`, known here are `id`, `at_ms`, `device`, `do`"
        );
        // An own operation's word is not taken for its name.
        let error = wrong(r#""do":"send_odd","to":1,"odd":"send_odd""#);
        assert!(
            error.ends_with("expected one of `too_long`, `not_utf8`, `empty`, `short_audio`"),
            "{error}"
        );
        let error = refused::<Operation>(r#"{"id":1,"at_ms":5,"device":2,"do":"send","to":"3"}"#);
        assert!(error.contains("a user's id, or {\"group\": …}"), "{error}");
        let error = refused::<Operation>(r#"{"id":1,"at_ms":5,"device":2,"do":"send"}"#);
        assert_eq!(error, "missing field `to`");
        let text = r#"{"id":1,"kind":"normal","creator":1,"members":[1,2,true]}"#;
        let error = refused::<Group>(text);
        assert!(error.starts_with("field `members[2]`: invalid type: boolean `true`"), "{error}");
    }
}
