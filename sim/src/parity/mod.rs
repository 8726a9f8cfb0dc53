//! `parity`: is the base what really runs? The client PDUs of captures go into our roles on the simulated
//! network, and every PDU on every link, every SQL statement and every Redis command is compared
//! (docs/CAPTURES.md).

mod agreement;
mod at_db;
mod capture;
mod check;
mod compare;
mod decode;
mod observe;
mod settings;
mod shuffle;
mod stage;
mod state;
mod statement;
mod way;

#[cfg(test)]
mod folder_test;
#[cfg(test)]
mod self_test;

pub use at_db::{AtDb, Event, Held};
pub use settings::{
    Cell, Closed, Differs, RedisCommands, Run, Settings, Software, SqlServers, Step, User,
};
pub use state::Base;

use crate::seeded::on_seeded_thread;
use agreement::Agreement;
use capture::Flow;
use stage::Stage;
use std::{collections::BTreeMap, path::Path, time::Duration};

/// How long nothing happens between two flows of a run.
const BETWEEN: Duration = Duration::from_secs(1);

/// A folder of captures that can be played.
#[derive(Debug, Clone)]
pub struct Parity {
    settings: Settings,
    flows: BTreeMap<String, Flow>,
}

/// What became of a flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Played {
    /// Its name.
    pub flow: String,
    /// What differs, a text each, which begins with the flow's name.
    pub differences: Vec<String>,
    /// Why it is known to differ, if it is.
    pub known: Option<String>,
}

impl Parity {
    /// Reads `parity.toml` of a folder and the captures that it names.
    ///
    /// # Errors
    /// A sentence with the file, the place in it and what was expected there.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let settings = Settings::read(folder)?;
        check::files(folder, &settings)?;
        let read =
            |name: &String| Flow::read(folder, name, &settings).map(|flow| (name.clone(), flow));
        let flows = settings.flows().map(read).collect::<Result<BTreeMap<_, _>, _>>()?;
        for (n, run) in settings.runs.iter().enumerate() {
            let of_run = || run.flows.iter().map(|name| &flows[name]);
            let checked = check::stores(&settings, run)
                .and_then(|()| check::clients(run, of_run()))
                .and_then(|()| check::length(of_run()));
            let file = folder.join(settings::FILE);
            checked.map_err(|e| format!("{}: run {}: {e}", file.display(), n + 1))?;
        }
        Ok(Self { settings, flows })
    }

    /// The runs, in the order of the file.
    pub fn runs(&self) -> &[Run] {
        &self.settings.runs
    }

    /// Plays the flows of a run: what became of each.
    ///
    /// # Panics
    /// If a role or the rig panics.
    pub fn play(&self, run: &Run, base: &Base) -> Vec<Played> {
        self.play_on(run, base, |played, _| played)
    }

    /// Plays the flows of a run, and takes from the stage behind the last one what is wanted of it.
    fn play_on<T: Send>(
        &self,
        run: &Run,
        base: &Base,
        take: impl FnOnce(Vec<Played>, &Stage) -> T + Send,
    ) -> T {
        on_seeded_thread(0, || {
            let starts_servers = self.flows[&run.flows[0]].starts_servers();
            let mut stage = state::before(&self.settings, run, base, starts_servers);
            let mut agreement = Agreement::default();
            let mut all = Vec::new();
            for name in &run.flows {
                let flow = &self.flows[name];
                let observed = stage.play(flow);
                all.push(Played {
                    flow: name.clone(),
                    differences: compare::compare(flow, &observed, &mut agreement),
                    known: self.known(name),
                });
                for closed in run.closed.iter().filter(|closed| closed.after == *name) {
                    stage.close(&closed.client);
                }
                stage.pass(BETWEEN);
            }
            take(all, &stage)
        })
    }

    fn known(&self, flow: &str) -> Option<String> {
        let known = self.settings.differs.iter().find(|differs| differs.flow == flow);
        known.map(|differs| differs.why.clone())
    }
}

impl Played {
    /// What is wrong with it, a text each: its differences, or that it has none although it is known to
    /// differ. Empty if all is as captured, or as known.
    pub fn wrong(&self) -> Vec<String> {
        match (&self.known, self.differences.is_empty()) {
            (None, _) => self.differences.clone(),
            (Some(_), true) => {
                vec![format!("{}: listed in `differs`, and does not differ", self.flow)]
            }
            (Some(_), false) => Vec::new(),
        }
    }
}
