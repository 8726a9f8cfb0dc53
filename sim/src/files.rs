//! Files as a whole: none is read without end, none is left half written, and what is no file is not replaced
//! by one.

use std::{
    fs,
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
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

/// Writes a file beside its place, then moves it there; nothing is left beside it. Its folder is made if it is
/// missing. What a link leads to is replaced, and not the link.
///
/// # Errors
/// A sentence that names it: also if what is there is no regular file, which stays as it is.
pub fn write(path: &Path, text: &str) -> Result<(), String> {
    let place = place(path)?;
    let aside = aside(&place);
    let folder = place.parent().unwrap_or(Path::new(""));
    let written = fs::create_dir_all(folder)
        .and_then(|()| fs::write(&aside, text))
        .and_then(|()| fs::rename(&aside, &place));
    written.map_err(|e| failed(path, &aside, &e))
}

/// Whether [`write`] will be able to write there, for a file that is written after long work. No folder is made.
///
/// # Errors
/// A sentence that names it.
pub fn tried(path: &Path) -> Result<(), String> {
    let aside = aside(&place(path)?);
    let written = fs::write(&aside, "tried").and_then(|()| fs::remove_file(&aside));
    written.map_err(|e| failed(path, &aside, &e))
}

fn failed(path: &Path, aside: &Path, error: &io::Error) -> String {
    let _ = fs::remove_file(aside);
    format!("{}: {error}", path.display())
}

/// Where a file is written before it is moved to its place.
fn aside(place: &Path) -> PathBuf {
    place.with_extension(format!("{}.part", std::process::id()))
}

/// The place of a file that may be replaced, or is free: where links lead. A file that is moved to the place of a
/// device or a pipe would be there in its stead.
fn place(path: &Path) -> Result<PathBuf, String> {
    let at = path.display();
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(path.into()),
        Err(e) => return Err(format!("{at}: {e}")),
        Ok(_) => {}
    }
    let place = fs::canonicalize(path).map_err(|e| format!("{at}: a link to nothing: {e}"))?;
    match fs::metadata(&place) {
        Ok(there) if there.is_file() => Ok(place),
        Ok(_) => {
            Err(format!("{at}: it is there and is no regular file: it is not replaced by one"))
        }
        Err(e) => Err(format!("{at}: {e}")),
    }
}

#[cfg(test)]
mod tests {
    use super::{tried, write};
    use std::fs;

    #[test]
    fn only_a_file_is_replaced_by_one() {
        let folder = std::env::temp_dir().join(format!("sim-files-{}", std::process::id()));
        fs::create_dir_all(folder.join("folder")).expect("a folder for temporary files");
        let (file, missing) = (folder.join("file"), folder.join("missing/file"));
        for text in ["one", "two"] {
            assert_eq!((tried(&file), write(&file, text)), (Ok(()), Ok(())));
            assert_eq!(fs::read_to_string(&file).ok().as_deref(), Some(text));
        }
        let refused = "folder: it is there and is no regular file: it is not replaced by one";
        for refusal in [tried(&folder.join("folder")), write(&folder.join("folder"), "text")] {
            assert!(refusal.expect_err("refused").ends_with(refused));
        }
        assert!(tried(&missing).is_err_and(|e| e.contains("missing/file: ")), "no folder is made");
        assert!(!folder.join("missing").exists());
        assert_eq!(write(&missing, "text"), Ok(()));
        assert!(tried(&file.join("x")).is_err() && write(&file.join("x"), "text").is_err());
        fs::remove_dir_all(&folder).expect("gone");
    }
}
