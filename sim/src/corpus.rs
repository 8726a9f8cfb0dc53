//! Kept cases: a folder of cases that once failed, each of which is run again by `cargo test`.

use crate::plan::{
    Plan,
    case::{Case, ProtocolSpec},
};
use std::{
    fs,
    path::{Path, PathBuf},
};
use teamtalk::env::draw_id;

/// Where they are, in the repository.
pub const FOLDER: &str = "traces";

/// The case files of a folder, by name; none if it is not there.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let mut paths: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    paths.sort();
    paths
}

/// What a case is kept as: protocol, signature, mechanism, and a hash of its plan.
pub fn name_of(case: &Case) -> String {
    let protocol = case.protocols.base.file_name();
    let signature = case.expect.replace('/', "-");
    let mechanism = case.story.as_ref().map_or(String::new(), |story| {
        format!("-{}", story.mechanism.replace(" + ", "-").replace(' ', "-"))
    });
    format!("{protocol}-{signature}{mechanism}-{:08x}.json", hash(&case.plan))
}

/// The low half of a hash of a plan: enough for a name.
fn hash(plan: &Plan) -> u32 {
    draw_id(&[&serde_json::to_vec(plan).expect("plain data")]) as u32
}

/// The kept cases that can be read, to find again what is known.
#[derive(Debug, Default)]
pub struct Corpus(Vec<(PathBuf, Case)>);

impl Corpus {
    /// Those of a folder.
    pub fn of(folder: &Path) -> Self {
        let read = |path: PathBuf| Case::read(&path).ok().map(|case| (path, case));
        Self(files(folder).into_iter().filter_map(read).collect())
    }

    /// The kept case of which a failure is an instance: the same protocol, signature and mechanism.
    pub fn instance(&self, protocol: &ProtocolSpec, signature: &str, by: &str) -> Option<&Path> {
        let is_it = |case: &Case| {
            let told = case.story.as_ref().is_some_and(|story| story.mechanism == by);
            told && case.expect == signature && case.protocols.base == *protocol
        };
        self.0.iter().find(|(_, case)| is_it(case)).map(|(path, _)| path.as_path())
    }
}

#[cfg(test)]
mod tests {
    use super::{Corpus, name_of};
    use crate::{
        explore::case_of,
        plan::{
            case::{ProtocolSpec, Story},
            generate::Profile,
        },
    };
    use std::{fs, path::Path};

    #[test]
    fn a_failure_is_an_instance_of_the_kept_case_with_its_mechanism() {
        let folder = std::env::temp_dir().join(format!("sim-corpus-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder for temporary files");
        let protocol = ProtocolSpec::preset("teamtalk");
        let mut case = case_of(1, &protocol, Profile::Calm);
        case.expect = "order/gap/db".into();
        let mechanism = "push dropped + store failed".to_string();
        case.story = Some(Story { mechanism: mechanism.clone(), events: Vec::new() });
        let name = name_of(&case);
        let start = "teamtalk-order-gap-db-push-dropped-store-failed-";
        assert!(name.starts_with(start) && name.ends_with(".json"), "{name}");
        case.write(&folder.join(&name)).expect("writes");
        fs::write(folder.join("no-case.json"), "{}").expect("writes");
        let corpus = Corpus::of(&folder);
        let path = corpus.instance(&protocol, "order/gap/db", &mechanism);
        assert_eq!(path, Some(folder.join(name).as_path()));
        assert_eq!(corpus.instance(&protocol, "order/gap/db", "race"), None);
        assert_eq!(corpus.instance(&protocol, "order/gap/msg", &mechanism), None);
        let hardened = ProtocolSpec::preset("hardened");
        assert_eq!(corpus.instance(&hardened, "order/gap/db", &mechanism), None);
        assert!(Corpus::of(Path::new("no such folder")).0.is_empty());
        fs::remove_dir_all(&folder).expect("gone");
    }
}
