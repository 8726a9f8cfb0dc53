//! Folders of captures that are refused, each with its place, and a flow that is known to differ.

use super::{Parity, Played, Settings};
use std::{fs, path::Path};

/// A folder with one small flow.
struct Folder(tempfile::TempDir);

const PARITY: &str = r#"
msg_servers = 1
[sql]
primary = [7]
[[users]]
id = 1
name = "ann"
[[runs]]
flows = ["a"]
before = [{ do = "login", client = "ann-msg1", user = 1, software = "mac" }]
"#;

const PDU: &str = r#"{"t": 0.5, "link": "client:ann-msg1", "dir": "c2s", "header_hex": "00000010000100000007000100000000", "body_hex": ""}"#;

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder for temporary files"));
        folder.write("parity.toml", PARITY);
        folder.write("a.pdus.jsonl", PDU);
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).expect("writes");
    }

    /// Why it is refused with this in the place of a file.
    fn refused(&self, name: &str, text: &str) -> String {
        let path = self.path().join(name);
        let before = fs::read(&path).ok();
        self.write(name, text);
        let error = Parity::read(self.path()).expect_err(text);
        match before {
            Some(before) => fs::write(path, before).expect("writes"),
            None => fs::remove_file(path).expect("removes"),
        }
        error
    }
}

#[test]
fn a_folder_is_refused_with_the_place_and_what_was_expected() {
    let folder = Folder::new();
    Parity::read(folder.path()).expect("as it is");
    let changed = |from: &str, to: &str| {
        assert!(PARITY.contains(from), "{from}");
        folder.refused("parity.toml", &PARITY.replace(from, to))
    };
    let says = |error: &str, parts: &[&str]| {
        for part in parts {
            assert!(error.contains(part), "no `{part}` in {error}");
        }
    };
    says(
        &changed("flows =", "flwos ="),
        &["parity.toml", "unknown field `flwos`, expected one of `flows`"],
    );
    says(&changed("= 1\n[sql]", "= 17\n[sql]"), &["`msg_servers`: 17 is not within 1 to 16"]);
    says(&changed("[\"a\"]", "[\"a\", \"b\"]"), &["b.pdus.jsonl: it is not there"]);
    says(&changed("[\"a\"]", "[\"a\", \"a\"]"), &["flow `a` is there twice"]);
    says(&changed("user = 1,", "user = 2,"), &["run 1", "client `ann-msg1`", "`users` has no 2"]);
    says(
        &changed("ann-msg1", "ann-msg2"),
        &["client `ann-msg2`", "expected a label that ends in `-msg1`"],
    );
    says(&changed("\"mac\"", "\"maac\""), &["unknown variant `maac`, expected one of `windows`"]);
    says(
        &changed("name = \"ann\"", "name = \"ann\"\nrow = { nik = \"x\" }"),
        &["parity.toml: run 1: update IMUser set nik"],
    );
    says(
        &changed("flows = [\"a\"]", "flows = [\"a\"]\nredis = [[\"SET\", \"a\"]]"),
        &["run 1: SET a: ERR wrong number"],
    );
    says(
        &changed("before = [", "closed = [{ after = \"a\", client = \"bo-msg1\" }]\nbefore = ["),
        &["`closed`: client `bo-msg1` has not connected by the end of `a`"],
    );
    says(
        &changed(
            "before = [{ do = \"login\", client = \"ann-msg1\", user = 1, software = \"mac\" }]",
            "",
        ),
        &["run 1: flow `a`: client `ann-msg1` writes and has not connected"],
    );
    says(
        &changed("[[runs]]", "[[differs]]\nflow = \"b\"\nwhy = \"x\"\n[[runs]]"),
        &["`differs`: no run has a flow `b`"],
    );

    says(
        &folder.refused("b.pdus.jsonl", PDU),
        &["b.pdus.jsonl: no run of parity.toml has a flow `b`"],
    );
    says(
        &folder.refused("a.sqls.jsonl", ""),
        &["a.sqls.jsonl: expected a name that ends in .pdus.jsonl"],
    );
    let pdus = |from: &str, to: &str| {
        assert!(PDU.contains(from), "{from}");
        folder.refused("a.pdus.jsonl", &format!("{PDU}\n{}", PDU.replace(from, to)))
    };
    says(&pdus("ann-msg1", "ann-msg2"), &["a.pdus.jsonl: line 2: link `client:ann-msg2`"]);
    says(&pdus("0.5", "-1"), &["line 2: `t` is -1, expected 0 to 600 seconds"]);
    says(&pdus("00000010", "00000011"), &["line 2: the header says more than the 16 bytes"]);
    says(&pdus("00000010", "0000001x"), &["line 2: `header_hex`: expected two hexadecimal digits"]);
    says(&pdus("\"body_hex\"", "\"body\""), &["line 2: expected `event`, or `header_hex`"]);
    says(
        &folder.refused("a.sql.jsonl", r#"{"conn": 8, "sql": "select 1"}"#),
        &["a.sql.jsonl: line 1: SQL connection 8, expected one of `sql.primary`"],
    );
    says(
        &folder.refused("a.redis.jsonl", r#"{"db": 2, "command": ["GET", "a"]}"#),
        &["a.redis.jsonl: line 1: database 2, expected one of `redis.databases`: 1"],
    );
}

#[test]
fn a_run_that_is_too_long_is_refused() {
    let folder = Folder::new();
    let names: Vec<_> = (0..6).map(|n| format!("\"a{n}\"")).collect();
    let last = format!("{PDU}\n{}", PDU.replace("0.5", "600"));
    for name in &names {
        folder.write(&format!("{}.pdus.jsonl", name.trim_matches('"')), &last);
    }
    let flows = |n: usize| PARITY.replace("\"a\"", &format!("\"a\", {}", names[..n].join(", ")));
    let error = folder.refused("parity.toml", &flows(6));
    let place = "run 1: its flows last 3600 s together, at most 3000 can be played";
    assert!(error.ends_with(place), "{error}");
    // With five of them the sixth's file is what is wrong.
    let error = folder.refused("parity.toml", &flows(5));
    assert!(error.contains("a5.pdus.jsonl: no run"), "{error}");
}

#[test]
fn what_the_file_says_of_stores_and_servers_is_so() {
    let key = "an own key that has 32 characters";
    let text = PARITY
        .replace("[sql]", &format!("epoch = 1600000000\ntext_key = \"{}\"\n[sql]", &key[..32]))
        .replace("name = \"ann\"", "name = \"ann\"\nrow = { nick = \"A\", departId = 3 }")
        .replace("flows = [\"a\"]", "flows = [\"a\"]\nredis = [[\"SET\", \"msg_id_4\", \"9\"]]");
    let settings = Settings::parse(&text).unwrap_or_else(|e| panic!("{e}"));
    let base = super::Base::of(&crate::plan::case::ProtocolSpec::preset("teamtalk"));
    let setup = super::state::setup(&settings, &settings.runs[0], &base.expect("a preset"));
    assert_eq!((&setup.text_key[..], setup.epoch), (&key.as_bytes()[..32], 1_600_000_000));
    let (redis, sql) = setup.stores().unwrap_or_else(|e| panic!("{e}"));
    assert!(redis.get(1, b"msg_id_4").is_some());
    let rows = sql.rows("IMUser");
    assert_eq!((&rows[0]["nick"], &rows[0]["departId"]), (&"A".into(), &3.into()));
}

#[test]
fn a_flow_that_is_known_to_differ_must_and_any_other_must_not() {
    let played = |differences: &[&str], known: Option<&str>| Played {
        flow: "a".into(),
        differences: differences.iter().map(ToString::to_string).collect(),
        known: known.map(String::from),
    };
    assert_eq!(played(&[], None).wrong(), [""; 0]);
    assert_eq!(played(&["a: x"], None).wrong(), ["a: x"]);
    assert_eq!(played(&["a: x"], Some("why")).wrong(), [""; 0]);
    assert_eq!(played(&[], Some("why")).wrong(), ["a: listed in `differs`, and does not differ"]);
}
