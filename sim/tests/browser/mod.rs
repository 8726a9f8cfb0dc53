//! What a browser makes of a page: a headless Chromium or Chrome on PATH, or `PICTURE_BROWSER`.

use crate::folder::Folder;
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The browser; `None` if there is none, which is said.
pub fn browser() -> Option<PathBuf> {
    let left_out = |why: &str| {
        // Past the capture of tests: nobody takes this for a pass.
        let _ = writeln!(io::stderr(), "{why}: the page was NOT tried in a browser");
    };
    match std::env::var("PICTURE_BROWSER").as_deref() {
        Ok("skip") => {
            left_out("PICTURE_BROWSER=skip");
            return None;
        }
        Ok(path) => return Some(path.into()),
        Err(_) => {}
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let found = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    let found = found.into_iter().find(|path| path.is_file());
    if found.is_none() {
        left_out("no chromium on PATH (`apt-get install chromium`, or PICTURE_BROWSER=its path)");
    }
    found
}

/// What is in a page after its scripts have run, and what the browser said.
///
/// # Panics
/// If the page says anything on its console.
pub fn dom(browser: &Path, folder: &Folder, address: &str) -> (String, String) {
    let profile = format!("--user-data-dir={}", folder.0.join("profile").display());
    let mut command = Command::new(browser);
    // In a container there is no sandbox to be had, and the page is ours.
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--window-size=1400,1000"]);
    command.args(["--enable-logging=stderr", "--v=0", "--virtual-time-budget=10000", &profile]);
    let output = command.args(["--dump-dom", address]).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|e| panic!("{}: {e}", browser.display()));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (dom, err) = (text(&output.stdout), text(&output.stderr));
    let said: Vec<_> = err.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(said.is_empty(), "on the console: {said:?}");
    (dom, err)
}
