//! Plain questions of a plan (`teamtalk::catalogue::question`).

use super::group::{Chat, GroupRef};
use serde_json::{Map, Value};
use teamtalk::catalogue::{self, Args, Question, question};

/// The fields of an operation that are no arguments.
const BESIDE: [&str; 4] = ["id", "at_ms", "device", "do"];

/// A plain question, as an operation asks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The command that asks it; in a file the question's name.
    pub command: u16,
    /// Its arguments.
    pub args: Args<Chat, GroupRef>,
}

impl Ask {
    /// The question of this name.
    ///
    /// # Panics
    /// If there is none, or these are not its arguments.
    pub fn named(name: &str, args: Args<Chat, GroupRef>) -> Self {
        let (command, question) =
            question::of(name).unwrap_or_else(|| panic!("no question is called `{name}`"));
        question.check(&args).unwrap_or_else(|why| panic!("{why}"));
        Self { command: command.id, args }
    }

    /// Whether only phones ask it.
    pub fn is_for_phones(&self) -> bool {
        self.question().is_some_and(|question| question.phones_only)
    }

    /// What the catalogue says of it.
    pub fn question(&self) -> Option<Question> {
        catalogue::of(self.command)?.question
    }

    /// Reads one from what a file says beside `id`, `at_ms`, `device` and `do`.
    pub(super) fn read(
        command: u16,
        question: &Question,
        arguments: Map<String, Value>,
    ) -> Result<Self, String> {
        let own = question.in_plans();
        let is_own = |name: &str| own.contains(&name) || name == "peer" && own.contains(&"chat");
        if let Some(other) = arguments.keys().find(|name| !is_own(name)) {
            let known: Vec<_> = BESIDE.iter().chain(&own).map(|name| format!("`{name}`")).collect();
            return Err(format!("unknown field `{other}`, known here are {}", known.join(", ")));
        }
        let args = serde_json::from_value(arguments.into()).map_err(|e| e.to_string())?;
        question.check(&args)?;
        Ok(Self { command, args })
    }

    /// As a sentence without its subject; `text` is the operation's own.
    pub(super) fn describe(&self, text: &str) -> String {
        let args = Args { text: text.to_string().into(), ..self.args.clone() };
        self.question().map_or("?".into(), |question| question.describe(&args))
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::{Action, Operation};

    fn read(text: &str) -> Result<Operation, String> {
        serde_json::from_str(text).map_err(|e| e.to_string())
    }

    #[test]
    fn a_question_is_written_as_it_is_read() {
        for text in [
            r#"{"at_ms":5,"chat":3,"device":2,"do":"latest","id":1}"#,
            r#"{"at_ms":5,"chat":{"group":{"created_by":4}},"device":2,"do":"by_id","id":1,"ids":[7]}"#,
            r#"{"at_ms":5,"device":2,"do":"time","id":1}"#,
            r#"{"at_ms":5,"device":2,"do":"send_file","id":1,"offline":false,"to":9}"#,
        ] {
            let op = read(text).expect("reads");
            assert!(matches!(op.action, Action::Ask(_)), "{op:?}");
            let value = serde_json::to_value(&op).expect("writes");
            assert_eq!(value.to_string(), text);
        }
    }

    #[test]
    fn what_a_question_lacks_or_does_not_have_is_said_with_the_operation() {
        for (text, says) in [
            (
                r#"{"id":7,"at_ms":5,"device":2,"do":"latest"}"#,
                "operation 7: `latest` needs `chat`",
            ),
            (
                r#"{"id":7,"at_ms":5,"device":2,"do":"time","on":true}"#,
                "operation 7: unknown field `on`, known here are `id`, `at_ms`, `device`, `do`",
            ),
            (r#"{"id":7,"at_ms":5,"device":2,"do":"time","uesrs":[]}"#, "unknown field `uesrs`"),
            (r#"{"id":7,"at_ms":5,"device":2,"do":"tmie"}"#, "unknown variant `tmie`"),
        ] {
            let why = read(text).expect_err(text);
            assert!(why.contains(says), "{why}");
        }
    }
}
