//! `sim verify` as a person runs it.

use folder::Folder;
use std::{fs, process::Output};

mod folder;

fn verify(folder: &Folder, args: &[&str]) -> Output {
    folder.sim(&[&["verify"], args].concat()).output().expect("sim runs")
}

fn text(output: &Output) -> String {
    let (out, error) = (&output.stdout, &output.stderr);
    String::from_utf8_lossy(out).into_owned() + &String::from_utf8_lossy(error)
}

fn protocol(folder: &Folder, name: &str, toml: &str) {
    fs::write(folder.0.join(name), toml).expect("a file");
}

/// Where nothing changes nothing differs, whatever the order, and all of it can be taken back.
#[test]
fn a_candidate_that_is_the_base_is_safe_in_any_order() {
    let folder = Folder::new("verify-same");
    let args = ["--base", "hardened", "--candidate", "hardened", "--rolling", "--seeds", "8"];
    let output = verify(&folder, &args);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    for sentence in [
        "nothing: they are the same",
        "all properties held in every run",
        "ORDER db_proxies, then route_servers, then msg_servers, then clients",
        "to the end: all of it can be taken back",
        "SAFE: nothing changes",
    ] {
        assert!(said.contains(sentence), "{sentence}: {said}");
    }
    assert!(!said.contains("REGRESSION") && !said.contains("UNSAFE"), "{said}");
}

/// A client that repeats its sends beside a db_proxy that does not know their tokens stores them twice: the
/// smallest mix is found, and its order follows.
#[test]
fn who_is_needed_goes_first() {
    let folder = Folder::new("verify-order");
    let base = "preset = \"hardened\"\n[overrides]\nidempotent-send = false\n";
    protocol(&folder, "base.toml", base);
    let args = ["--base", "base.toml", "--candidate", "hardened", "--rolling", "--seeds", "12"];
    let output = verify(&folder, &args);
    let said = text(&output);
    let sentence = "UNSAFE clients of the candidate beside db_proxies of the base";
    assert!(said.contains(sentence), "{said}");
    assert!(said.contains("every one of the db_proxies before any of the clients"), "{said}");
    let order = said.lines().find(|line| line.starts_with("ORDER")).expect("an order");
    let place = |role: &str| order.find(role).unwrap_or_else(|| panic!("{order}"));
    assert!(place("db_proxies") < place("clients"), "{order}");
}

#[test]
fn wrong_input_is_refused_with_a_sentence() {
    let folder = Folder::new("verify-wrong");
    protocol(&folder, "wrong.toml", "preset = \"hardened\"\n[overrides]\nno-such = true\n");
    for (args, sentence) in [
        (vec!["--base", "hardend", "--candidate", "hardened"], "--base: unknown protocol `hardend`"),
        (vec!["--base", "hardened", "--candidate", "wrong.toml"], "unknown switch `no-such`"),
        (vec!["--base", "hardened"], "--candidate <CANDIDATE>"),
    ] {
        let output = verify(&folder, &args);
        let said = text(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(sentence), "{sentence}: {said}");
    }
}
