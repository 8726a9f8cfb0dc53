//! Whether a folder and its `parity.toml` are about the same captures, and whether these can be played.

use super::{
    capture::{ENDS, Flow, What},
    settings::{FILE, Run, Settings, Step},
    state::{self, Base},
};
use crate::plan::case::ProtocolSpec;
use std::{collections::BTreeSet, fs, path::Path, time::Duration};

/// Every file of captures is of a flow. (That each flow has its file is seen when it is read.)
///
/// # Errors
/// A sentence with the file.
pub fn files(folder: &Path, settings: &Settings) -> Result<(), String> {
    let failed = |e| format!("{}: {e}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    let known: BTreeSet<_> = settings.flows().map(String::as_str).collect();
    for name in names.iter().filter(|name| name.ends_with(".jsonl")) {
        let path = folder.join(name);
        let Some(flow) = ENDS.iter().find_map(|end| name.strip_suffix(end)) else {
            let [pdus, sql, redis] = ENDS;
            return Err(format!(
                "{}: expected a name that ends in {pdus}, {sql} or {redis}",
                path.display()
            ));
        };
        if !known.contains(flow) {
            return Err(format!("{}: no run of {FILE} has a flow `{flow}`", path.display()));
        }
    }
    Ok(())
}

/// The stores take what they are to hold before a run.
///
/// # Errors
/// A sentence with what they refuse.
pub fn stores(settings: &Settings, run: &Run) -> Result<(), String> {
    // What the stores hold depends on no switch.
    let base = Base::of(&ProtocolSpec::preset("teamtalk"))?;
    state::setup(settings, run, &base).stores().map(|_| ())
}

/// The longest run: a simulated network lasts an hour.
const LONGEST: Duration = Duration::from_secs(3_000);

/// A run is no longer than what is simulated.
///
/// # Errors
/// A sentence with how long it is.
pub fn length<'a>(flows: impl Iterator<Item = &'a Flow>) -> Result<(), String> {
    let lasts = |flow: &Flow| flow.events.iter().map(|event| event.at).max().unwrap_or_default();
    let (all, most) = (flows.map(lasts).sum::<Duration>().as_secs(), LONGEST.as_secs());
    if all > most {
        return Err(format!("its flows last {all} s together, at most {most} can be played"));
    }
    Ok(())
}

/// Every client has connected before it writes, closes or is closed.
///
/// # Errors
/// A sentence with the flow and the client.
pub fn clients<'a>(run: &Run, flows: impl Iterator<Item = &'a Flow>) -> Result<(), String> {
    let before = run.before.iter().map(|step| match step {
        Step::Login { client, .. } | Step::Text { client, .. } => client.as_str(),
    });
    let mut connected: BTreeSet<&str> = before.collect();
    for flow in flows {
        let name = &flow.name;
        for event in flow.events.iter().filter(|event| event.way.is_from_client()) {
            let client = event.way.client().unwrap_or_default();
            if matches!(event.what, What::Connect) {
                connected.insert(client);
            } else if !connected.contains(client) {
                return Err(format!(
                    "flow `{name}`: client `{client}` writes and has not connected: \
                     expected its `TCP connect`, or a login in `before`"
                ));
            }
        }
        for closed in run.closed.iter().filter(|closed| closed.after == *name) {
            let client = &closed.client;
            if !connected.contains(client.as_str()) {
                return Err(format!(
                    "`closed`: client `{client}` has not connected by the end of `{name}`"
                ));
            }
        }
    }
    Ok(())
}
