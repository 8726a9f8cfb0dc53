//! The flags of .cargo/config.toml are in effect beside those that people have in a configuration
//! of their own, such as those for another linker.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

#[test]
fn flags_of_ones_own_are_added_to_ours() {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cargo/config.toml");
    // Not in the repository: cargo reads the configuration of every folder above, too.
    let above = std::env::temp_dir().join(format!("sim-cargo-{}", std::process::id()));
    let package = above.join("package");
    for folder in [above.join(".cargo"), package.join(".cargo"), package.join("src")] {
        fs::create_dir_all(folder).expect("a folder for temporary files");
    }
    let target = rustc_host();
    let own = format!("[target.{target}]\nrustflags = [\"--cfg\", \"ones_own\"]\n");
    fs::write(above.join(".cargo/config.toml"), own).expect("writes");
    fs::copy(ours, package.join(".cargo/config.toml")).expect("copies");
    let manifest = "[package]\nname = \"x\"\nedition = \"2024\"\n[workspace]\n";
    fs::write(package.join("Cargo.toml"), manifest).expect("writes");
    fs::write(package.join("src/lib.rs"), "").expect("writes");
    let output = Command::new(env!("CARGO"))
        .args(["rustc", "--quiet", "--offline", "--", "--print", "cfg"])
        .current_dir(&package)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_TARGET_DIR")
        .stdin(Stdio::null())
        .output()
        .expect("cargo starts");
    fs::remove_dir_all(&above).expect("gone");
    let text = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    for flag in ["tokio_unstable", "ones_own"] {
        assert!(text.lines().any(|line| line == flag), "no {flag}: {text}{error}");
    }
}

/// The target that cargo builds for unless it is told another one.
fn rustc_host() -> String {
    let rustc = std::env::var("RUSTC").unwrap_or("rustc".into());
    let output = Command::new(rustc).arg("-vV").output().expect("rustc starts");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("rustc names its host").into()
}
