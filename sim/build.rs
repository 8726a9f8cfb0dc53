//! Names the build: its version and a hash of all that decides what a seed does, so that campaign files of
//! two builds are not mixed up. A commit would not do: there may be changes on top of it, or no git at all.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

const INPUTS: [&str; 9] = [
    "build.rs",
    "Cargo.toml",
    "src",
    "../build.rs",
    "../Cargo.toml",
    "../Cargo.lock",
    "../.cargo/config.toml",
    "../proto",
    "../src",
];

fn main() -> io::Result<()> {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    for input in INPUTS {
        println!("cargo::rerun-if-changed={input}");
        let mut files = Vec::new();
        collect(Path::new(input), &mut files)?;
        files.sort();
        for file in files {
            hash = fnv(hash, file.to_string_lossy().as_bytes());
            hash = fnv(hash, &fs::read(&file)?);
        }
    }
    let mutants = if env::var_os("CARGO_FEATURE_MUTANTS").is_some() { "-mutants" } else { "" };
    println!("cargo::rustc-env=SIM_BUILD={}-{hash:016x}{mutants}", env!("CARGO_PKG_VERSION"));
    Ok(())
}

/// The files at a path, if there is one.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            collect(&entry?.path(), files)?;
        }
    } else if path.exists() {
        files.push(path.into());
    }
    Ok(())
}

/// FNV-1a, with the length so that nothing moves from one input to the next unseen.
fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    let length = (bytes.len() as u64).to_le_bytes();
    let all = length.iter().chain(bytes);
    all.fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
