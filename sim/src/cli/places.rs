//! The files that a command reads and those that it writes: none of these may be another one of them.

use std::{
    fs,
    path::{Path, PathBuf},
};
use teamtalk_sim::plan::case::ProtocolSpec;

/// The files of a command, each with the word of its usage.
#[derive(Default)]
pub struct Places<'a> {
    read: Vec<(&'static str, &'a Path)>,
    written: Vec<(&'static str, &'a Path)>,
}

impl<'a> Places<'a> {
    /// It reads these.
    pub fn reads<P: AsRef<Path> + 'a>(
        mut self,
        word: &'static str,
        paths: impl IntoIterator<Item = &'a P>,
    ) -> Self {
        self.read.extend(paths.into_iter().map(|path| (word, path.as_ref())));
        self
    }

    /// It reads this protocol, if it is a file.
    pub fn reads_protocol(mut self, word: &'static str, protocol: &'a str) -> Self {
        self.read.extend(ProtocolSpec::file(protocol).map(|path| (word, path)));
        self
    }

    /// It writes these.
    pub fn writes<P: AsRef<Path> + 'a>(
        mut self,
        word: &'static str,
        paths: impl IntoIterator<Item = &'a P>,
    ) -> Self {
        self.written.extend(paths.into_iter().map(|path| (word, path.as_ref())));
        self
    }

    /// Refuses a file that would be written over another one of them.
    ///
    /// # Errors
    /// A sentence that names both by their words, and the file.
    pub fn differ(&self) -> Result<(), String> {
        for (n, (word, path)) in self.written.iter().enumerate() {
            let mut others = self.read.iter().chain(&self.written[..n]);
            if let Some((other, _)) = others.find(|(_, other)| is_same(other, path)) {
                let path = path.display();
                return Err(format!("{other} and {word} are the same file: {path}"));
            }
        }
        Ok(())
    }
}

/// Whether what is written to one is written to the other. What is there and is no file (a terminal, a pipe,
/// `/dev/null`) takes what both write.
fn is_same(a: &Path, b: &Path) -> bool {
    match (fs::metadata(a), fs::metadata(b)) {
        (Ok(of_a), Ok(of_b)) => {
            let are_files = of_a.is_file() && of_b.is_file();
            are_files && (is_one(&of_a, &of_b) || place(a) == place(b))
        }
        (Err(_), Err(_)) => place(a) == place(b),
        _ => false,
    }
}

/// Whether two names are those of one file, as hard links are.
#[cfg(unix)]
fn is_one(a: &fs::Metadata, b: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn is_one(_: &fs::Metadata, _: &fs::Metadata) -> bool {
    false
}

/// A path without links and dots, as far as it is there.
fn place(path: &Path) -> PathBuf {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let in_folder = || Some(fs::canonicalize(folder).ok()?.join(path.file_name()?));
    fs::canonicalize(path).ok().or_else(in_folder).unwrap_or_else(|| path.into())
}
