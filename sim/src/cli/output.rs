//! What is printed, and the files that a command writes.

use indicatif::{ProgressBar, ProgressStyle};
use std::{
    ffi::OsStr,
    fmt::Display,
    fs::{self, File},
    io::{self, ErrorKind, Seek, Write},
    path::{Path, PathBuf},
};

/// Standard output. Once it can't be written nothing more is: the command ends as it would have
/// without it, and its status says so.
#[derive(Default)]
pub struct Output {
    failed: Option<io::Error>,
}

impl Output {
    /// Prints text as it is.
    pub fn print(&mut self, text: impl Display) {
        if self.failed.is_none() {
            self.failed = write!(io::stdout(), "{text}").and_then(|()| io::stdout().flush()).err();
        }
    }

    /// Prints help or a version, in the colours that the terminal has.
    pub fn usage(&mut self, said: &clap::Error) {
        if self.failed.is_none() {
            self.failed = said.print().and_then(|()| io::stdout().flush()).err();
        }
    }

    /// Prints a line.
    pub fn line(&mut self, text: impl Display) {
        self.print(format_args!("{text}\n"));
    }

    /// Whether nobody sees what is printed any more.
    pub fn is_gone(&self) -> bool {
        self.failed.is_some()
    }

    /// What went wrong. That the reader has gone (`| head`) is its own affair and needs no word.
    pub fn failed(&self) -> Option<&io::Error> {
        if let Some(error) = &self.failed
            && error.kind() != ErrorKind::BrokenPipe
        {
            complain(format_args!("error: standard output: {error}"));
        }
        self.failed.as_ref()
    }
}

/// A progress bar of so many steps, if their number is known.
pub fn bar(style: &str, length: Option<u64>) -> ProgressBar {
    let bar = length.map_or_else(ProgressBar::no_length, ProgressBar::new);
    bar.with_style(style_of(style))
}

/// How a bar looks.
pub fn style_of(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("a template of ours")
}

/// The command that replays a case.
pub fn replay_of(path: &Path) -> String {
    format!("cargo sim replay {}", quoted_path(path))
}

/// The commands with which another build runs a case, and this one judges it.
pub fn replay_elsewhere(program: &Path, path: &Path) -> String {
    let (program, trace) = (quoted_path(program), path.with_extension("jsonl"));
    let (case, trace) = (quoted_path(path), quoted_path(&trace));
    format!("{program} replay {case} --trace {trace}; cargo sim judge {trace}")
}

/// A line on standard error, if there is one.
pub fn complain(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// A file that is written at the end of a long command and is tried at its beginning. One that
/// was not there is not left behind empty or half written.
pub struct OutFile {
    path: PathBuf,
    file: File,
    is_new: bool,
}

impl OutFile {
    /// Opens it; what is in it stays until [`Self::write`].
    ///
    /// # Errors
    /// A sentence that names it.
    pub fn tried(path: &Path) -> Result<Self, String> {
        let is_new = !path.exists();
        // Kept open: a pipe can be opened only once.
        let file = File::options().write(true).create(true).truncate(false).open(path);
        let file = file.map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Self { path: path.into(), file, is_new })
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// A sentence that names it.
    pub fn write(&mut self, text: &str) -> Result<(), String> {
        // Neither is possible in a pipe, nor needed.
        let _ = self.file.set_len(0);
        let _ = self.file.rewind();
        let written = self.file.write_all(text.as_bytes());
        self.is_new &= written.is_err();
        written.map_err(|e| format!("{}: {e}", self.path.display()))
    }
}

impl Drop for OutFile {
    fn drop(&mut self) {
        if self.is_new {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Makes a folder if it is missing, and a file in it that is gone again.
///
/// # Errors
/// A sentence that names the folder.
pub fn try_folder(folder: &Path) -> Result<(), String> {
    let probe = folder.join(format!(".{}.part", std::process::id()));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&probe, "tried"))
        .and_then(|()| fs::remove_file(&probe))
        .map_err(|e| {
            let _ = fs::remove_file(&probe);
            format!("{}: {e}", folder.display())
        })
}

/// A folder for what nobody needs afterwards.
pub struct Scratch(pub PathBuf);

impl Scratch {
    /// A new one of this process.
    ///
    /// # Errors
    /// A sentence that names it.
    pub fn new(name: &str) -> Result<Self, String> {
        let folder = std::env::temp_dir().join(format!("sim-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A word as a shell reads it again: as it is, or in quotes.
pub fn quoted(word: &OsStr) -> String {
    let bytes = word.as_encoded_bytes();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-./+=:,@%".contains(byte);
    match word.to_str() {
        Some(text) if !text.is_empty() && bytes.iter().all(plain) => text.into(),
        Some(text) if !text.chars().any(char::is_control) => {
            format!("'{}'", text.replace('\'', r"'\''"))
        }
        // What is no text, or would leave its line: bash, zsh and ksh know this form.
        _ => {
            let escaped = |byte: &u8| match byte {
                b'\'' | b'\\' => format!("\\{}", *byte as char),
                0x20..0x7f => (*byte as char).to_string(),
                _ => format!("\\x{byte:02x}"),
            };
            format!("$'{}'", bytes.iter().map(escaped).collect::<String>())
        }
    }
}

/// A path as a shell and a command line read it again: none looks like an option.
pub fn quoted_path(path: &Path) -> String {
    if path.as_os_str().as_encoded_bytes().starts_with(b"-") {
        return quoted(Path::new(".").join(path).as_os_str());
    }
    quoted(path.as_os_str())
}

#[cfg(test)]
mod tests {
    use super::{OutFile, quoted, quoted_path, try_folder};
    use std::{ffi::OsStr, fs, path::Path};

    #[test]
    fn words_are_quoted_where_a_shell_would_take_them_apart() {
        for (word, shown) in [
            ("cases/a-1.json", "cases/a-1.json"),
            ("my cases/a.json", "'my cases/a.json'"),
            ("it's", r"'it'\''s'"),
            ("$(rm x);*", "'$(rm x);*'"),
            ("", "''"),
            ("ü.json", "'ü.json'"),
            ("a\nb", r"$'a\x0ab'"),
        ] {
            assert_eq!(quoted(OsStr::new(word)), shown);
        }
        assert_eq!(quoted_path(Path::new("-x.json")), "./-x.json");
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_text_is_quoted_byte_by_byte() {
        use std::os::unix::ffi::OsStrExt;
        assert_eq!(quoted(OsStr::from_bytes(b"a\xff'")), r"$'a\xff\''");
    }

    #[test]
    fn a_file_that_was_only_tried_is_as_it_was() {
        let folder = std::env::temp_dir().join(format!("sim-output-{}", std::process::id()));
        try_folder(&folder).expect("a folder for temporary files");
        let (old, new) = (folder.join("old"), folder.join("new"));
        fs::write(&old, "before, and longer").expect("writes");
        drop((OutFile::tried(&old).expect("opens"), OutFile::tried(&new).expect("opens")));
        assert_eq!(fs::read_to_string(&old).ok().as_deref(), Some("before, and longer"));
        assert!(!new.exists());
        for path in [&old, &new] {
            OutFile::tried(path).expect("opens").write("after").expect("writes");
            assert_eq!(fs::read_to_string(path).ok().as_deref(), Some("after"));
        }
        assert!(try_folder(&old).is_err_and(|e| e.contains("old: ")), "it is no folder");
        fs::remove_dir_all(&folder).expect("gone");
    }
}
