//! A case: a plan, the protocols it runs under and what is expected, in one file.

use super::{Plan, check, json, strict, words};
use crate::files;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::Path};
use teamtalk::{
    catalogue::limits::Limits,
    protocol::{Protocol, SWITCHES, dependents, needed_by},
};

/// The version of the file format that this build reads and writes.
pub const FORMAT: u32 = 1;

/// No case file is larger, in bytes.
pub const LARGEST_FILE: u64 = 64 << 20;

/// A protocol file, to show what one is like.
pub const PROTOCOL_FILE: [&str; 3] =
    ["preset = \"hardened\"", "[overrides]", "unread-from-store = false"];

/// A preset and the switches that differ from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProtocolSpec {
    /// `teamtalk` or `hardened`.
    pub preset: String,
    /// Switches by name that differ from the preset.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub overrides: BTreeMap<String, bool>,
    /// Limits by name that differ from the catalogue's defaults (switch `edge-limits`).
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "words::limits"
    )]
    pub limits: BTreeMap<String, u32>,
    /// The name of the bug that is planted there (docs/MUTANTS.md); only a build with the feature
    /// `mutants` takes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mutant: Option<String>,
}

impl ProtocolSpec {
    /// A preset as it is.
    pub fn preset(name: &str) -> Self {
        let (overrides, limits) = Default::default();
        Self { preset: name.into(), overrides, limits, mutant: None }
    }

    /// `hardened` with a planted bug.
    pub fn with_mutant(name: &str) -> Self {
        Self { mutant: Some(name.into()), ..Self::preset("hardened") }
    }

    /// A preset's name, or a TOML file such as [`PROTOCOL_FILE`].
    ///
    /// # Errors
    /// A sentence that names the file, if it is one, and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some(path) = Self::file(text) else { return Ok(Self::preset(text)) };
        if !path.is_file() {
            return Err(format!(
                "unknown protocol `{text}`: expected `teamtalk`, `hardened`, or a TOML file \
                 such as\n  {}",
                PROTOCOL_FILE.join("\n  ")
            ));
        }
        let file = files::read(path, LARGEST_FILE, "protocol")?;
        Self::from_toml(&file).map_err(|e| format!("{text}: {e}"))
    }

    /// The path that a `--protocol` names; `None` if it is a preset's name.
    pub fn file(text: &str) -> Option<&Path> {
        Protocol::preset(text).is_none().then(|| Path::new(text))
    }

    /// The text of a protocol file.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        let spec: Self = toml::from_str(text).map_err(|e| {
            let no_preset = "missing field `preset`";
            let expected =
                format!("{no_preset}: expected `{}` or `preset = \"teamtalk\"`", PROTOCOL_FILE[0]);
            words::plain(&e.to_string()).replace(no_preset, &expected)
        })?;
        spec.resolve_limits()?;
        let protocol = spec.resolve()?;
        match spec.limits.keys().next() {
            Some(name) if !protocol.edge_limits => Err(format!(
                "limit `{name}` has no effect, because the switch `edge-limits` is off: turn it on in \
                 [overrides], or leave [limits] out"
            )),
            _ => Ok(spec),
        }
    }

    /// Its name on a card: `hardened`, or `hardened with single-relation = false, mutant x`.
    pub fn label(&self) -> String {
        let switches: Vec<_> =
            self.overrides.iter().map(|(name, on)| format!("{name} = {on}")).collect();
        let limits = self.limits.iter().map(|(name, most)| format!("{name} = {most}"));
        let mutant = self.mutant.iter().map(|name| format!("mutant {name}"));
        let switches: Vec<_> = switches.into_iter().chain(limits).chain(mutant).collect();
        match switches.as_slice() {
            [] => self.preset.clone(),
            some => format!("{} with {}", self.preset, some.join(", ")),
        }
    }

    /// Its name in the name of a file: `hardened`, or `hardened-no-single-relation-mutant-x`.
    pub fn file_name(&self) -> String {
        let switches = self.overrides.iter();
        let named = switches.map(|(name, on)| format!("-{}{name}", if *on { "" } else { "no-" }));
        let mutant = self.mutant.iter().map(|name| format!("-mutant-{name}"));
        self.preset.clone() + &named.chain(mutant).collect::<String>()
    }

    /// The values of all limits.
    ///
    /// # Errors
    /// A sentence about a limit that does not exist, or about its value.
    pub fn resolve_limits(&self) -> Result<Limits, String> {
        Limits::with(&self.limits)
    }

    /// The switches themselves, and the bug that is planted.
    ///
    /// # Errors
    /// A sentence about a preset, a switch or a mutant that this build does not have.
    pub fn resolve(&self) -> Result<Protocol, String> {
        let mut protocol = Protocol::preset(&self.preset).ok_or_else(|| {
            format!("unknown preset `{}`: expected `teamtalk` or `hardened`", self.preset)
        })?;
        for (name, on) in &self.overrides {
            if !protocol.set(name, *on) {
                let known: Vec<_> = SWITCHES.iter().map(|s| s.name).collect();
                return Err(format!(
                    "unknown switch `{name}`: expected one of {}",
                    known.join(", ")
                ));
            }
        }
        if let Some(name) = &self.mutant {
            protocol.plant(name)?;
        }
        protocol.check().map_err(|e| e.to_string())?;
        Ok(protocol)
    }

    /// The same with a switch on or off: on with what it needs, off with what is nothing without it.
    pub fn with(mut self, switch: &str, on: bool) -> Self {
        let others = if on { needed_by(switch) } else { dependents(switch) };
        for name in others.into_iter().chain([switch]) {
            self.overrides.insert(name.into(), on);
        }
        self
    }
}

/// The protocols of a run's two sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Protocols {
    /// Of nodes and devices on side `base`.
    pub base: ProtocolSpec,
    /// Of those on side `candidate`.
    pub candidate: ProtocolSpec,
}

/// A case file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// [`FORMAT`].
    pub format: u32,
    /// The protocols.
    pub protocols: Protocols,
    /// The seed it was generated from: for people, nothing depends on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// What happens.
    pub plan: Plan,
    /// `holds`, or a failure signature.
    pub expect: String,
    /// How it fails: for people, and to say what is different when it no longer does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub story: Option<Story>,
}

/// How a case fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Story {
    /// In a few words, what was unusual on the way to it (`mechanism`).
    pub mechanism: String,
    /// The last events that touched it, a line of text each; a card has more, in other words.
    pub events: Vec<String>,
}

impl Case {
    /// Reads a case file: every field of it means something, and it can be run.
    ///
    /// # Errors
    /// A sentence that names the file, the place in it and what was expected.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = files::read(path, LARGEST_FILE, "case")?;
        Self::parse(&text).map_err(|e| format!("{}: {e}", path.display()))
    }

    /// Like [`Self::read`], from the text of a file.
    fn parse(text: &str) -> Result<Self, String> {
        Self::of(json::json(text)?)
    }

    /// The case in a document, which may be part of another one: every field of it means something, and it can
    /// be run.
    ///
    /// # Errors
    /// A sentence that names the place in it and what was expected.
    pub fn of(document: serde_json::Value) -> Result<Self, String> {
        json::is_of_format(&document, "case", FORMAT)?;
        let case = strict::case(document)?;
        let Protocols { base, candidate } = &case.protocols;
        for (side, spec) in [("base", base), ("candidate", candidate)] {
            let resolved = spec.resolve().and_then(|_| spec.resolve_limits());
            resolved.map_err(|e| format!("protocols.{side}: {e}"))?;
        }
        check::check(&case)?;
        Ok(case)
    }

    /// The same under the n-th noise seed behind its own.
    pub fn under_noise(&self, n: u64) -> Self {
        let mut case = self.clone();
        case.plan.noise = case.plan.noise.wrapping_add(n);
        case
    }

    /// Writes it beside its place, then moves it there: a case is never half written, and nothing
    /// is left beside it.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub fn write(&self, path: &Path) -> Result<(), String> {
        let text = serde_json::to_string_pretty(self).map_err(|e| e.to_string())? + "\n";
        files::write(path, &text)
    }
}

#[cfg(test)]
mod tests;
