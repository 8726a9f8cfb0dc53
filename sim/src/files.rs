//! Files as a whole: none is read without end, and none is left half written.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

/// The text of a file of at most so many bytes; `what` it would be otherwise.
///
/// # Errors
/// A sentence that names it.
pub fn read(path: &Path, most: u64, what: &str) -> Result<String, String> {
    let at = path.display();
    let failed = |e: io::Error| format!("{at}: {e}");
    let mut text = String::new();
    let file = fs::File::open(path).map_err(failed)?;
    file.take(most.saturating_add(1)).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > most {
        return Err(format!("{at}: larger than {most} bytes: no {what}"));
    }
    Ok(text)
}

/// Writes a file beside its place, then moves it there; nothing is left beside it.
///
/// # Errors
/// A sentence that names it.
pub fn write(path: &Path, text: &str) -> Result<(), String> {
    let aside = path.with_extension(format!("{}.part", std::process::id()));
    let folder = path.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&aside, text))
        .and_then(|()| fs::rename(&aside, path))
        .map_err(|e| {
            let _ = fs::remove_file(&aside);
            format!("{}: {e}", path.display())
        })
}
