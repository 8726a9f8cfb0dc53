//! Plain questions: what a person asks with one request that needs nothing but its arguments.
//!
//! A question is said once, in the entry of its command. From it derive the operation in a plan
//! (its name and its arguments), the sentence on a card, the request that a device writes, and
//! what generated plans ask.

use super::{ALL, Command};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::fmt::Display;

/// The arguments of a question; each has those that its sentence names. `C` is a chat and `G` a
/// group, as whoever asks names them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Args<C, G> {
    /// `{chat}`: which chat.
    #[serde(alias = "peer", skip_serializing_if = "Option::is_none")]
    pub chat: Option<C>,
    /// `{group}`: which group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<G>,
    /// `{users}`: which users.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<u32>,
    /// `{ids}`: which messages; none: the newest ones that the device holds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<u32>,
    /// `{since}`: in seconds since 1970; 0: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<u32>,
    /// `{on}`: on or off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<bool>,
    /// `{to}`: which user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<u32>,
    /// `{offline}`: leave it with the file server even if the receiver is online.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offline: Option<bool>,
    /// `{text}`: a name, a signature or a token. It is no part of a plan: it derives from the
    /// operation.
    #[serde(skip)]
    pub text: Bytes,
}

impl<C, G> Default for Args<C, G> {
    fn default() -> Self {
        Self {
            chat: None,
            group: None,
            users: Vec::new(),
            ids: Vec::new(),
            since: None,
            on: None,
            to: None,
            offline: None,
            text: Bytes::new(),
        }
    }
}

impl<C, G> Args<C, G> {
    /// The same with chats and groups named otherwise, or the first error in that.
    pub fn renamed<D, H, E>(
        self,
        chat: impl FnOnce(C) -> Result<D, E>,
        group: impl FnOnce(G) -> Result<H, E>,
    ) -> Result<Args<D, H>, E> {
        let Self { users, ids, since, on, to, offline, text, .. } = self;
        let chat = self.chat.map(chat).transpose()?;
        let group = self.group.map(group).transpose()?;
        Ok(Args { chat, group, users, ids, since, on, to, offline, text })
    }

    /// The names of the arguments that are there.
    fn given(&self) -> Vec<&'static str> {
        let given = [
            ("chat", self.chat.is_some()),
            ("group", self.group.is_some()),
            ("users", !self.users.is_empty()),
            ("ids", !self.ids.is_empty()),
            ("since", self.since.is_some()),
            ("on", self.on.is_some()),
            ("to", self.to.is_some()),
            ("offline", self.offline.is_some()),
        ];
        given.into_iter().filter(|(_, is_given)| *is_given).map(|(name, _)| name).collect()
    }
}

/// What a person asks with a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// The operation's name in a plan (`"do"`).
    pub name: &'static str,
    /// What the person does, as a sentence without its subject: `{users}` stands for an argument,
    /// `{on?mutes:unmutes}` for one word or another.
    pub says: &'static str,
    /// Its weight among what people do besides sending, out of a thousand operations.
    pub weight: u32,
    /// Only phones do it.
    pub phones_only: bool,
}

/// Arguments that may be left out: without them the device chooses.
const OPTIONAL: [&str; 1] = ["ids"];
/// What is no argument of a plan.
const DERIVED: &str = "text";

/// A part of a sentence.
enum Part {
    Text(&'static str),
    Argument(&'static str),
    Either(&'static str, &'static str, &'static str),
}

impl Question {
    /// The names of its arguments.
    pub fn arguments(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = parts(self.says)
            .filter_map(|part| match part {
                Part::Text(_) => None,
                Part::Argument(name) | Part::Either(name, ..) => Some(name),
            })
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Those of them that an operation of a plan has.
    pub fn in_plans(&self) -> Vec<&'static str> {
        self.arguments().into_iter().filter(|name| *name != DERIVED).collect()
    }

    /// Whether arguments are those of this question.
    ///
    /// # Errors
    /// The first one that is missing, or that it does not have.
    pub fn check<C, G>(&self, args: &Args<C, G>) -> Result<(), String> {
        let (name, has, given) = (self.name, self.arguments(), args.given());
        let needed = |of: &&&str| !OPTIONAL.contains(*of) && **of != DERIVED;
        if let Some(missing) = has.iter().filter(needed).find(|of| !given.contains(of)) {
            return Err(format!("`{name}` needs `{missing}`"));
        }
        match given.iter().find(|of| !has.contains(of)) {
            Some(unknown) => Err(format!("`{name}` has no `{unknown}`")),
            None => Ok(()),
        }
    }

    /// The sentence with its arguments.
    pub fn describe<C: Display, G: Display>(&self, args: &Args<C, G>) -> String {
        let number = |value: Option<u32>| value.map_or("?".into(), |value| value.to_string());
        let value = |name: &str| match name {
            "chat" => args.chat.as_ref().map_or("?".into(), C::to_string),
            "group" => args.group.as_ref().map_or("?".into(), G::to_string),
            "users" => format!("{:?}", args.users),
            "ids" if args.ids.is_empty() => "that it holds".into(),
            "ids" => format!("{:?}", args.ids),
            "since" => number(args.since),
            "to" => number(args.to),
            _ => String::from_utf8_lossy(&args.text).into_owned(),
        };
        let is_on = |name: &str| match name {
            "offline" => args.offline,
            _ => args.on,
        };
        parts(self.says)
            .map(|part| match part {
                Part::Text(text) => text.to_string(),
                Part::Argument(name) => value(name),
                Part::Either(name, yes, no) => {
                    if is_on(name) == Some(true) { yes } else { no }.to_string()
                }
            })
            .collect()
    }
}

fn parts(says: &'static str) -> impl Iterator<Item = Part> {
    // Every second piece is within braces.
    says.split(['{', '}']).enumerate().map(|(n, piece)| {
        let either =
            piece.split_once('?').and_then(|(name, words)| Some((name, words.split_once(':')?)));
        match (n % 2, either) {
            (0, _) => Part::Text(piece),
            (_, Some((name, (yes, no)))) => Part::Either(name, yes, no),
            (_, None) => Part::Argument(piece),
        }
    })
}

/// The command of the question of this name; `None` if there is none.
pub fn of(name: &str) -> Option<(&'static Command, Question)> {
    all().find(|(_, question)| question.name == name)
}

/// All questions, by command.
pub fn all() -> impl Iterator<Item = (&'static Command, Question)> {
    ALL.iter().filter_map(|command| Some((command, command.question?)))
}

#[cfg(test)]
mod tests {
    use super::{Args, all, of};

    type Plain = Args<u32, u32>;

    #[test]
    fn a_sentence_has_its_arguments() {
        let (_, file) = of("send_file").expect("it exists");
        let args =
            Plain { to: Some(7), offline: Some(true), text: "op-3".into(), ..Args::default() };
        assert_eq!(file.describe(&args), "leaves file op-3 for user 7");
        assert_eq!(file.arguments(), ["offline", "text", "to"]);
        let online = Plain { offline: Some(false), ..args };
        assert_eq!(file.describe(&online), "offers file op-3 to user 7");
        let (_, ids) = of("by_id").expect("it exists");
        let args = Plain { chat: Some(5), ..Args::default() };
        assert_eq!(ids.describe(&args), "gets messages that it holds with 5");
    }

    #[test]
    fn arguments_are_those_of_the_question() {
        let (_, users) = of("user_info").expect("it exists");
        let args = Plain { users: vec![1], ..Args::default() };
        assert_eq!(users.check(&args), Ok(()));
        assert_eq!(users.check(&Plain::default()), Err("`user_info` needs `users`".into()));
        let more = Plain { on: Some(true), ..args };
        assert_eq!(users.check(&more), Err("`user_info` has no `on`".into()));
        let (_, ids) = of("by_id").expect("it exists");
        assert_eq!(ids.check(&Plain { chat: Some(1), ..Args::default() }), Ok(()));
        assert!(of("no_such_question").is_none());
    }

    #[test]
    fn every_sentence_names_arguments_that_there_are() {
        const KNOWN: [&str; 9] =
            ["chat", "group", "ids", "offline", "on", "since", "text", "to", "users"];
        for (command, question) in all() {
            for name in question.arguments() {
                assert!(KNOWN.contains(&name), "{}: {{{name}}}", command.name);
            }
        }
    }
}
