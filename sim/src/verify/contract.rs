//! What must hold where, if not simply all that the base holds.

use super::Stage;
use crate::{
    files,
    plan::{Role, words},
    properties,
};
use serde::{Deserialize, Serialize};
use std::path::Path;
use teamtalk::protocol::Protocol;

/// Bytes of the largest file that is read.
const LARGEST_FILE: u64 = 64 * 1024;

/// What the verdict is against. The default: nothing that the base holds is lost, at no stage.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Contract {
    /// With everybody on the candidate.
    pub candidate: Terms,
    /// While hosts change.
    pub mixed: Terms,
}

/// What differs from the default at a stage. Each is a property, or a signature of one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Terms {
    /// May be lost.
    pub may_lose: Vec<String>,
    /// Must hold, also what the base breaks.
    pub must_hold: Vec<String>,
}

impl Contract {
    /// Reads one from a TOML file.
    ///
    /// # Errors
    /// A sentence about a file that can't be read, is none, or names a property that this build does not have.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = files::read(path, LARGEST_FILE, "contract")?;
        Self::parse(&text).map_err(|e| format!("{}: {e}", path.display()))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let contract: Self = toml::from_str(text).map_err(|e| words::plain(&e.to_string()))?;
        let known: Vec<_> =
            properties::all(&Protocol::hardened()).iter().map(|of| of.name()).collect();
        for Terms { may_lose, must_hold } in [&contract.candidate, &contract.mixed] {
            for name in may_lose.iter().chain(must_hold) {
                if !known.iter().any(|known| is_of(name, known)) {
                    let known = known.join(", ");
                    return Err(format!(
                        "unknown property `{name}`: expected a signature, or one of {known}"
                    ));
                }
                check_shape(name)?;
            }
            if let Some(name) = may_lose.iter().find(|name| must_hold.contains(name)) {
                return Err(format!(
                    "`{name}` may be lost and must hold at one stage: say one of both"
                ));
            }
        }
        Ok(contract)
    }

    /// Whether it makes sense for what is run: `rolling` if hosts change side.
    ///
    /// # Errors
    /// A sentence if it says something of hosts that change, and none does.
    pub fn check(&self, rolling: bool) -> Result<(), String> {
        match rolling || self.mixed == Terms::default() {
            true => Ok(()),
            false => {
                Err("[mixed] is for hosts that change side, and none does without --rolling".into())
            }
        }
    }

    /// The terms of a stage; `None` for the base, of which nothing is asked.
    fn terms(&self, stage: Stage) -> Option<&Terms> {
        match stage {
            Stage::Base => None,
            Stage::Candidate => Some(&self.candidate),
            Stage::Rolling(_) => Some(&self.mixed),
        }
    }

    /// Whether a signature may be lost at a stage.
    pub fn may_lose(&self, stage: Stage, signature: &str) -> bool {
        let names = |terms: &Terms| terms.may_lose.iter().any(|name| is_of(signature, name));
        self.terms(stage).is_some_and(names)
    }

    /// Whether a signature must not be violated at a stage, whatever the base does.
    pub fn must_hold(&self, stage: Stage, signature: &str) -> bool {
        let names = |terms: &Terms| terms.must_hold.iter().any(|name| is_of(signature, name));
        self.terms(stage).is_some_and(names)
    }
}

/// Roles that a violation may be of.
const ROLES: [Role; 8] = [
    Role::Redis,
    Role::Sql,
    Role::Outside,
    Role::Route,
    Role::Db,
    Role::Msg,
    Role::Client,
    Role::World,
];

/// Whether something is named as signatures are: `property/kind/role`, or the first or the first two of that.
///
/// # Errors
/// A sentence that says what is expected, if the name has more parts, other characters, or no role at its end.
fn check_shape(name: &str) -> Result<(), String> {
    let parts: Vec<_> = name.split('/').collect();
    let is_of_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let are_words = parts.iter().all(|part| !part.is_empty() && part.chars().all(is_of_word));
    let roles = ROLES.map(Role::name);
    let is_role = parts.get(2).is_none_or(|role| roles.contains(role));
    match parts.len() <= 3 && are_words && is_role {
        true => Ok(()),
        false => Err(format!(
            "`{name}` is no signature: expected property/kind/role, with a role of {}",
            roles.join(", ")
        )),
    }
}

/// Whether a signature is named: by itself, or by its property.
pub(super) fn is_of(signature: &str, name: &str) -> bool {
    signature.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::Contract;
    use crate::{plan::generate::rollout::Leg, verify::Stage};

    #[test]
    fn a_property_or_a_signature_is_named_at_a_stage() {
        let contract = Contract::parse(
            "[candidate]\nmust_hold = [\"one-row\"]\n[mixed]\nmay_lose = [\"order/gap/db\", \"pushed\"]\n",
        )
        .expect("a contract");
        let mixed = Stage::Rolling(Leg::Back);
        assert!(contract.must_hold(Stage::Candidate, "one-row/two-relations/db"));
        assert!(!contract.must_hold(mixed, "one-row/two-relations/db"));
        assert!(!contract.must_hold(Stage::Base, "one-row/two-relations/db"));
        assert!(
            contract.may_lose(mixed, "order/gap/db") && contract.may_lose(mixed, "pushed/never/db")
        );
        assert!(
            !contract.may_lose(mixed, "order/gap/dbx")
                && !contract.may_lose(mixed, "pushes/twice/msg")
        );
        assert_eq!(Contract::parse("").expect("the default"), Contract::default());
        let error = contract.check(false).expect_err("nobody changes");
        assert!(contract.check(true).is_ok() && error.contains("without --rolling"), "{error}");
        let alone = Contract::parse("[candidate]\nmay_lose = [\"order\"]").expect("a contract");
        assert!(alone.check(false).is_ok());
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        for (text, sentence) in [
            (
                "[mixed]\nmay_lose = [\"no-such\"]",
                "unknown property `no-such`: expected a signature, or one of ",
            ),
            (
                "[mixed]\nmay_lose = [\"order/gap/dbx\"]",
                "`order/gap/dbx` is no signature: expected prop",
            ),
            ("[mixed]\nmay_lose = [\"order/gap/db/x\"]", "`order/gap/db/x` is no signature"),
            ("[candidate]\nmust_hold = [\"order/\"]", "`order/` is no signature"),
            ("[mixed]\nmay = []", "unknown field `may`"),
            ("[rolling]", "unknown field `rolling`"),
            (
                "[candidate]\nmay_lose = [\"order\"]\nmust_hold = [\"order\"]",
                "`order` may be lost and must hold at one stage",
            ),
        ] {
            let error = Contract::parse(text).expect_err(text);
            assert!(error.contains(sentence), "{error}");
        }
    }
}
