//! The lists of statements in tests/stores/scenarios/: `N: statement` is one of session N, `N! drop` the end of
//! its client, and `== name` begins the next list.

use super::{Ask, Real, Tally, run, told};
use crate::database::Database;
use std::{fs, path::Path};

fn read(text: &str) -> Vec<(String, Vec<Ask>)> {
    let mut all: Vec<(String, Vec<Ask>)> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix("== ") {
            all.push((name.to_string(), Vec::new()));
            continue;
        }
        let ask = match (line.split_once(": "), line.split_once("! ")) {
            (Some((session, text)), _) => Ask::Say {
                session: session.parse().expect(line),
                text: text.to_string(),
                params: Vec::new(),
            },
            (None, Some((session, "drop"))) => Ask::Drop { session: session.parse().expect(line) },
            _ => panic!("{line}: expected `N: statement`, `N! drop` or `== name`"),
        };
        all.last_mut().expect("a name first").1.push(ask);
    }
    all
}

#[tokio::test]
async fn each_list_of_statements_comes_out_as_on_the_real_server() {
    let Some(database) = Database::fresh("scenarios", true).await else { return };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stores/scenarios");
    let mut files: Vec<_> =
        fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file").path()).collect();
    files.sort();
    let mut real = Real::new(&database).await;
    let (mut ran, mut wrong) = (0, Vec::new());
    for file in files {
        for (name, asked) in read(&fs::read_to_string(&file).expect("a file")) {
            ran += 1;
            if let Some(parted) = run(&mut real, &asked, &mut Tally::default()).await {
                wrong.push(format!("{name}\n{}", told(&asked, &parted)));
            }
        }
    }
    assert!(ran > 20, "{ran} lists");
    assert!(wrong.is_empty(), "{} of {ran}:\n{}", wrong.len(), wrong.join("\n"));
}
