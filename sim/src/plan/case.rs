//! A case: a plan, the protocols it runs under and what is expected, in one file.

use super::Plan;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fs, path::Path};
use teamtalk::{
    catalogue::limits::Limits,
    protocol::{Protocol, SWITCHES},
};

/// The version of the file format that this build reads and writes.
pub const FORMAT: u32 = 1;

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
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, u32>,
}

impl ProtocolSpec {
    /// A preset as it is.
    pub fn preset(name: &str) -> Self {
        Self { preset: name.into(), overrides: BTreeMap::new(), limits: BTreeMap::new() }
    }

    /// A preset's name, or a TOML file `preset = "hardened"` with `[overrides]`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let spec = if Protocol::preset(text).is_some() {
            Self::preset(text)
        } else if Path::new(text).is_file() {
            let file = fs::read_to_string(text).map_err(|e| format!("{text}: {e}"))?;
            toml::from_str(&file).map_err(|e| format!("{text}: {e}"))?
        } else {
            return Err(format!(
                "unknown protocol `{text}`: expected `teamtalk`, `hardened`, or a TOML file \
                 such as\n  preset = \"hardened\"\n  [overrides]\n  single-relation = false"
            ));
        };
        spec.resolve_limits()?;
        spec.resolve().map(|_| spec)
    }

    /// Its name on a card: `hardened`, or `hardened with single-relation = false`.
    pub fn label(&self) -> String {
        let switches: Vec<_> =
            self.overrides.iter().map(|(name, on)| format!("{name} = {on}")).collect();
        let limits = self.limits.iter().map(|(name, most)| format!("{name} = {most}"));
        let switches: Vec<_> = switches.into_iter().chain(limits).collect();
        match switches.as_slice() {
            [] => self.preset.clone(),
            some => format!("{} with {}", self.preset, some.join(", ")),
        }
    }

    /// Its name in the name of a file: `hardened`, or `hardened-no-single-relation`.
    pub fn file_name(&self) -> String {
        let switches = self.overrides.iter();
        let named = switches.map(|(name, on)| format!("-{}{name}", if *on { "" } else { "no-" }));
        self.preset.clone() + &named.collect::<String>()
    }

    /// The values of all limits.
    ///
    /// # Errors
    /// A sentence about a limit that does not exist, or about its value.
    pub fn resolve_limits(&self) -> Result<Limits, String> {
        Limits::with(&self.limits)
    }

    /// The switches themselves.
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
        Ok(protocol)
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
}

impl Case {
    /// Reads a case file.
    ///
    /// # Errors
    /// A sentence that names the file and what was expected.
    pub fn read(path: &Path) -> Result<Self, String> {
        let at = path.display();
        let text = fs::read_to_string(path).map_err(|e| format!("{at}: {e}"))?;
        let value: serde_json::Value = serde_json::from_str(&text).map_err(|e| {
            format!("{at}: not a whole JSON document ({e}); is the file truncated?")
        })?;
        let format = value.get("format").and_then(serde_json::Value::as_u64);
        if format != Some(FORMAT.into()) {
            let found =
                format.map_or("no format version".into(), |f| format!("format version {f}"));
            return Err(format!("{at}: {found}, but this build reads format version {FORMAT}"));
        }
        let case: Self =
            serde_json::from_value(value).map_err(|e| format!("{at}: not a case: {e}"))?;
        for spec in [&case.protocols.base, &case.protocols.candidate] {
            spec.resolve().map_err(|e| format!("{at}: {e}"))?;
            spec.resolve_limits().map_err(|e| format!("{at}: {e}"))?;
        }
        case.check().map_err(|e| format!("{at}: {e}"))?;
        Ok(case)
    }

    /// Writes it beside its place, then moves it there: a case is never half written.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub fn write(&self, path: &Path) -> Result<(), String> {
        let text = serde_json::to_string_pretty(self).map_err(|e| e.to_string())? + "\n";
        let aside = path.with_extension("json.part");
        let failed = |e: std::io::Error| format!("{}: {e}", path.display());
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        fs::write(&aside, text).map_err(failed)?;
        fs::rename(&aside, path).map_err(failed)
    }

    /// That every name in the plan is one of its hosts or devices.
    fn check(&self) -> Result<(), String> {
        let plan = &self.plan;
        let host = |name: &str| {
            if plan.nodes.iter().any(|n| n.host == name) {
                Ok(())
            } else {
                Err(format!("the plan names host `{name}`, which is not among its nodes"))
            }
        };
        for device in &plan.devices {
            host(&device.host)?;
            host(&device.home)?;
        }
        for group in &plan.groups {
            if group.id == 0 || plan.groups.iter().filter(|g| g.id == group.id).count() > 1 {
                return Err(format!(
                    "group {}: ids of groups are from 1 and each its own",
                    group.id
                ));
            }
        }
        for op in &plan.operations {
            if !plan.devices.iter().any(|d| d.slot == op.device) {
                return Err(format!(
                    "operation {} is of device {}, which is not in the plan",
                    op.id, op.device
                ));
            }
        }
        for fault in &plan.faults {
            for name in fault.trouble.hosts() {
                host(name)?;
            }
            fault.check()?;
        }
        Ok(())
    }
}
