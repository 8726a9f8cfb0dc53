//! docs/CHANGING.md shows a read command as a diff, which is what stands in the code.

use crate::read;

/// A file of the diff, with what each of its hunks leaves there.
struct Changed<'a> {
    path: &'a str,
    hunks: Vec<String>,
}

/// The files of a diff in git's form.
fn changed(diff: &str) -> Vec<Changed<'_>> {
    let mut files: Vec<Changed<'_>> = Vec::new();
    for line in diff.lines() {
        if let Some(path) = line.strip_prefix("+++ b/") {
            files.push(Changed { path, hunks: Vec::new() });
            continue;
        }
        let Some(file) = files.last_mut() else { continue };
        if line.starts_with("diff --git ") || line.starts_with("--- ") {
            continue;
        } else if line.starts_with("@@ ") {
            file.hunks.push(String::new());
        } else if let Some(kept) = line.strip_prefix(['+', ' '])
            && let Some(hunk) = file.hunks.last_mut()
        {
            *hunk += &format!("{kept}\n");
        }
    }
    files
}

#[test]
fn a_read_command_is_a_diff_of_four_files() {
    let diff = read("examples/read-command.diff");
    let files = changed(&diff);
    let paths: Vec<_> = files.iter().map(|file| file.path).collect();
    let expected = [
        "sim/src/model/user.rs",
        "src/catalogue/buddy.rs",
        "src/db_proxy/user/departments.rs",
        "src/db_proxy/user/mod.rs",
    ];
    assert_eq!(paths, expected);
    for Changed { path, hunks } in &files {
        let text = read(path);
        assert!(!hunks.is_empty(), "{path}");
        for hunk in hunks {
            assert!(text.contains(hunk), "{path} has no longer, as one piece:\n{hunk}");
        }
    }
}
