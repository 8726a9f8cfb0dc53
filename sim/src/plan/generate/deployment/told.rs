//! What is said of a deployment.

use super::{Deployment, Hosts, Users};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

impl Deployment {
    /// What it fixes, in a line.
    pub fn label(&self) -> String {
        let Self { hosts: Hosts { msg, route, db, client }, .. } = self;
        let Users { count, devices, operations } = &self.users;
        let counted = [
            (msg, "msg_server", "msg_servers"),
            (route, "route_server", "route_servers"),
            (db, "db_proxy", "db_proxies"),
            (client, "machine of devices", "machines of devices"),
            (count, "user", "users"),
            (devices, "device", "devices"),
            (operations, "operation", "operations"),
        ];
        let counted = counted.into_iter().filter_map(|(count, one, many)| {
            let count = (*count)?;
            Some(format!("{count} {}", if count == 1 { one } else { many }))
        });
        let shown = ["hosts", "users"];
        let fields = self.fields().into_iter();
        let rest = fields.filter(|(name, _)| !shown.iter().any(|of| name.starts_with(of)));
        let rest = rest.map(|(name, value)| format!("{name} = {value}"));
        let all: Vec<_> = counted.chain(rest).collect();
        if all.is_empty() { "nothing is fixed".into() } else { all.join(", ") }
    }

    /// A name for files: eight digits that depend on all that it fixes.
    pub fn fingerprint(&self) -> String {
        let text = serde_json::to_string(self).expect("plain data");
        let hash = Sha256::digest(text);
        hash[..4].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Where it differs from another one, in words; `None` if it does not.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let (ours, theirs) = (self.fields(), other.fields());
        let mut names = ours.keys().chain(theirs.keys());
        let differs = names.find(|name| ours.get(*name) != theirs.get(*name))?;
        let said = |of: &BTreeMap<String, String>| {
            of.get(differs).map_or("not fixed".into(), |value| format!("`{value}`"))
        };
        Some(format!("`{differs}` is {} there, and {} here", said(&theirs), said(&ours)))
    }

    /// Each field that is fixed, by its place.
    fn fields(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        flatten("", &serde_json::to_value(self).expect("plain data"), &mut found);
        found
    }
}

fn flatten(place: &str, value: &Value, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let place = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
                flatten(&place, value, found);
            }
        }
        Value::String(text) => drop(found.insert(place.into(), text.clone())),
        value => drop(found.insert(place.into(), value.to_string())),
    }
}
