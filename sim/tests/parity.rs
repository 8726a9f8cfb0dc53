//! `sim parity DIR` from the outside: captures of the original, with what they are held to and what is said of them
//! changed.

mod folder;

use folder::Folder;
use std::{fs, path::Path};

impl Folder {
    /// The captures of the original, in `golden`.
    fn golden(name: &str) -> Self {
        let folder = Self::new(name);
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden");
        fs::create_dir(folder.0.join("golden")).expect("a new folder");
        for entry in fs::read_dir(from).expect("captures") {
            let entry = entry.expect("an entry");
            fs::copy(entry.path(), folder.0.join("golden").join(entry.file_name()))
                .expect("copies");
        }
        folder
    }

    /// Changes a file of the captures.
    fn change(&self, file: &str, from: &str, to: &str) {
        let path = format!("golden/{file}");
        let text = self.read(&path);
        assert!(text.contains(from), "{from}");
        fs::write(self.0.join(path), text.replacen(from, to, 1)).expect("writes");
    }

    /// Its status, and what it says on both streams.
    fn parity(&self, args: &[&str]) -> (i32, String, String) {
        let output = self.sim(&[&["parity"], args].concat()).output().expect("it starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().unwrap_or_else(|| panic!("{}", output.status));
        (code, text(&output.stdout), text(&output.stderr))
    }
}

#[test]
fn the_original_is_what_its_captures_say_and_hardened_is_not() {
    let folder = Folder::golden("original");
    let (status, out, err) = folder.parity(&["golden"]);
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    assert_eq!(out.lines().filter(|line| line.ends_with(": same")).count(), 31, "{out}");
    assert!(out.ends_with("\n31 flows: teamtalk does what was captured\n"), "{out}");

    let (status, out, err) = folder.parity(&["golden", "--protocol", "hardened"]);
    assert_eq!((status, err.as_str()), (1, ""), "{out}");
    assert!(out.contains("\n03_first_single_text_cross_server: 2 differences\n"), "{out}");
    assert!(out.contains("\n21_heartbeats: same\n"), "{out}");
    assert!(out.ends_with(" flows: hardened does not do what was captured\n"), "{out}");
}

#[test]
fn a_base_of_ones_own_is_held_to_captures() {
    let folder = Folder::golden("own base");
    // It puts a number into 0704, which the original has not.
    let base = "preset = \"teamtalk\"\n[overrides]\nordered-logins = true\n";
    fs::write(folder.0.join("base.toml"), base).expect("writes");
    let (status, out, err) = folder.parity(&["golden", "--protocol", "base.toml"]);
    assert_eq!((status, err.as_str()), (1, ""), "{out}");
    assert!(out.contains("\n01_login_pc: "), "{out}");
    assert!(out.contains("expected (the end), got body.login_number = 1\n"), "{out}");
    assert!(out.ends_with(": teamtalk with ordered-logins = true does not do what was captured\n"));
}

#[test]
fn a_changed_capture_is_a_difference_unless_it_is_known_to_differ() {
    let folder = Folder::golden("changed");
    let known =
        "[[differs]]\nflow = \"05_reply_other_direction\"\nwhy = \"changed by hand\"\n[[runs]]";
    folder.change("parity.toml", "[[runs]]", known);
    let (status, out, _) = folder.parity(&["golden"]);
    assert_eq!(status, 1, "{out}");
    assert!(out.contains("\n05_reply_other_direction: listed in `differs`, and does not differ\n"));
    assert!(out.contains("\n1 of 31 flows, 1 of them known to differ: "), "{out}");

    folder.change("05_reply_other_direction.redis.jsonl", "\"msg_id_1\"", "\"msg_id_2\"");
    let (status, out, _) = folder.parity(&["golden"]);
    assert_eq!(status, 0, "{out}");
    let line = "\n05_reply_other_direction: 1 difference (known to differ: changed by hand)\n";
    assert!(out.contains(line), "{out}");

    folder.change("parity.toml", known, "[[runs]]");
    let (status, out, _) = folder.parity(&["golden"]);
    assert_eq!(status, 1, "{out}");
    assert!(
        out.contains("expected redis: INCRBY msg_id_2 1\n  got redis: INCRBY msg_id_1 1"),
        "{out}"
    );
    assert!(out.ends_with("\n1 of 31 flows: teamtalk does not do what was captured\n"), "{out}");
}

#[test]
fn what_cannot_be_played_is_status_2_with_its_place() {
    let folder = Folder::golden("refused");
    let refused = |args: &[&str], place: &str| {
        let (status, out, err) = folder.parity(args);
        assert_eq!((status, out.as_str()), (2, ""), "{err}");
        assert!(err.starts_with("error: ") && err.contains(place), "{err}");
    };
    refused(&["golden", "--protocol", "none"], "unknown protocol `none`: expected `teamtalk`");
    refused(&["nowhere"], "nowhere/parity.toml: ");
    folder.change("parity.toml", "msg_servers = 2", "msg_servers = 1");
    let place = "client `u1160-mob-msg2`: expected a label that ends in `-msg1`";
    refused(&["golden"], place);
    folder.change("parity.toml", "msg_servers = 1", "msg_servres = 2");
    refused(&["golden"], "unknown field `msg_servres`, expected one of `msg_servers`");
}
