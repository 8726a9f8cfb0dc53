//! A folder in which a test runs the binary `sim`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A folder of one test, empty at first, gone at the end.
pub struct Folder(pub PathBuf);

impl Folder {
    /// Of a test of this binary: no two of them have one name.
    pub fn new(name: &str) -> Self {
        let name = format!("{} {name}", env!("CARGO_CRATE_NAME"));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder for temporary files");
        Self(path)
    }

    /// `sim` in this folder.
    pub fn sim(&self, args: &[&str]) -> Command {
        let mut sim = Command::new(env!("CARGO_BIN_EXE_sim"));
        sim.args(args).current_dir(&self.0).stdin(Stdio::null());
        for name in ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR"] {
            sim.env_remove(name);
        }
        sim
    }

    /// The text of a file in it.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
