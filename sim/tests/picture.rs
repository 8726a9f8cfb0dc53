//! Pictures from the outside: what `replay` writes, and what a browser makes of the page.
//!
//! The browser is a headless Chromium or Chrome on PATH, or `PICTURE_BROWSER`; without one, and with
//! `PICTURE_BROWSER=skip`, these tests say that they were left out, and nothing else.

mod browser;
mod folder;

use browser::{browser, dom};
use folder::Folder;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};
use teamtalk::{catalogue::id as command, wire::im::message::ImMsgData};
use teamtalk_sim::{
    causality::{Explained, Inevitable, Mended},
    explore::{case_of, run_case},
    picture,
    plan::{
        case::{Case, ProtocolSpec},
        generate::Profile,
    },
    record::{End, Kind},
    world::Outcome,
};

impl Folder {
    fn run(&self, args: &[&str]) -> Output {
        self.sim(args).output().expect("it starts")
    }
}

fn status(output: &Output) -> Option<i32> {
    output.status.code()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The path of a small case.
fn small(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/picture/{name}.json"))
}

#[test]
fn replay_draws_a_case_in_three_ways() {
    let folder = Folder::new("three ways");
    fs::copy(small("cut"), folder.0.join("case.json")).expect("copies");
    let args = ["replay", "case.json", "--perfetto", "p.json", "--html", "p.html", "--mermaid"];
    let output = folder.run(&args);
    assert_eq!(status(&output), Some(1), "{}", text(&output.stderr));
    let out = text(&output.stdout);
    assert!(out.starts_with("sequenceDiagram\n") && !out.contains("replay:  "), "{out}");
    let mut comments = out.lines().filter(|line| line.starts_with("%% "));
    assert_eq!(comments.next_back(), Some("%% as expected"), "{out}");
    assert!(folder.read("p.html").contains("cargo sim replay case.json"));
    let perfetto = folder.read("p.json");
    assert!(perfetto.starts_with("{\"displayTimeUnit\":\"ms\","));
    // Another process writes the same bytes.
    folder.run(&["replay", "case.json", "--perfetto", "again.json"]);
    assert!(perfetto == folder.read("again.json"));
}

#[test]
fn a_run_that_is_too_large_for_a_page_is_status_2_and_leaves_no_file() {
    let folder = Folder::new("too large");
    let case = case_of(1, &ProtocolSpec::preset("teamtalk"), Profile::Default);
    case.write(&folder.0.join("case.json")).expect("writes");
    let output = folder.run(&["replay", "case.json", "--html", "p.html", "--perfetto", "p.json"]);
    assert_eq!(status(&output), Some(2));
    let err = text(&output.stderr);
    assert!(
        err.starts_with("error: case.json: the run has ") && err.contains("--perfetto"),
        "{err}"
    );
    assert!(!folder.0.join("p.html").exists());
    assert!(folder.read("p.json").ends_with("]}\n"), "the other one is there");
    let output = folder.run(&["replay", "case.json", "--html", "no such folder/p.html"]);
    assert_eq!((status(&output), text(&output.stdout)), (Some(2), String::new()), "tried first");
}

/// A page in a browser.
struct Page {
    folder: Folder,
    browser: PathBuf,
}

impl Page {
    /// The page of a case, in a folder of this name: tests run side by side.
    fn of(name: &str, browser: PathBuf, case: &Case, outcome: &Outcome) -> Self {
        Self::explained(name, browser, (case, outcome), None)
    }

    /// The same, with what is known of why it fails.
    fn explained(
        name: &str,
        browser: PathBuf,
        (case, outcome): (&Case, &Outcome),
        known: Option<&Explained>,
    ) -> Self {
        let folder = Folder::new(name);
        let violation = outcome.violation(&case.expect);
        let page = picture::page(case, outcome, violation, known, "cargo sim replay x");
        let page = page.expect("small");
        fs::write(folder.0.join("page.html"), page).expect("writes");
        Self { folder, browser }
    }

    /// What is in the page after its script has run.
    ///
    /// # Panics
    /// If it says anything on its console.
    fn dom(&self, hash: &str) -> String {
        let page = self.folder.0.join("page.html");
        let address = format!("file://{}{hash}", page.display().to_string().replace(' ', "%20"));
        let (dom, err) = dom(&self.browser, &self.folder, &address);
        assert!(dom.contains("data-ready="), "its script did not end:\n{err}");
        assert!(!dom.contains("data-errors="), "errors");
        dom
    }
}

/// How many arrows of a command are drawn.
fn arrows(dom: &str, command: &str) -> usize {
    dom.matches(&format!("data-command=\"{command}\"")).count()
}

/// How many messages were written, of all or of one text.
fn messages(outcome: &Outcome, is: impl Fn(&str) -> bool) -> usize {
    let written = outcome.trace.lines.iter().filter_map(|line| match &line.kind {
        Kind::PduSent(frame) if frame.command() == command::MSG_DATA => {
            frame.view::<ImMsgData>().ok()
        }
        _ => None,
    });
    written.filter(|message| is(&String::from_utf8_lossy(&message.msg_data))).count()
}

#[test]
fn a_browser_shows_the_page_without_errors_and_its_filters_work() {
    let Some(browser) = browser() else { return };
    for name in ["met", "cut"] {
        let case = Case::read(&small(name)).unwrap_or_else(|e| panic!("{e}"));
        let outcome = run_case(&case).unwrap_or_else(|e| panic!("{e}"));
        let page = Page::of(&format!("filters {name}"), browser.clone(), &case, &outcome);
        // The page tries every filter itself, and looks for what is cut off or hidden.
        let dom = page.dom("#check");
        let (_, checked) = dom.split_once("<pre id=\"check\">").expect("a verdict");
        let (checked, _) = checked.split_once("</pre>").expect("its end");
        assert!(checked.starts_with("right: "), "{name}: {checked}");
        // What it draws is what the trace has, by the rig's own count.
        let dom = page.dom("#background");
        let written = |is: &dyn Fn(u16) -> bool| {
            let lines = outcome.trace.lines.iter();
            lines.filter(|l| matches!(&l.kind, Kind::PduSent(f) if is(f.command()))).count()
        };
        let all = dom.matches("data-command=\"").count();
        assert_eq!(all, written(&|id| id != command::OTHER_HEARTBEAT), "{name}");
        assert_eq!(arrows(&dom, "MSG_DATA"), messages(&outcome, |_| true));
        assert!(dom.contains(&format!(">VIOLATED {}</text>", case.expect)), "{name}");
        let sends = case.plan.operations.iter().filter_map(|op| op.content());
        let sent = sends.map(|content| text(&content)).next().expect("a plan that sends");
        let dom = page.dom(&format!("#message={sent}&command=MSG_DATA"));
        assert_eq!(arrows(&dom, "MSG_DATA"), messages(&outcome, |content| content == sent));
        assert_eq!(dom.matches("data-command=\"").count(), arrows(&dom, "MSG_DATA"), "no others");
        assert!(dom.contains(&format!(">VIOLATED {}</text>", case.expect)), "{name}, filtered");
    }
}

/// Known of a case: from when on it was inevitable.
fn known(from_ms: Option<u64>) -> Explained {
    let draws = [("sql before", 1)].into();
    let (about, lines) = (vec![1], Vec::new());
    let inevitable = from_ms.map(|from_ms| Inevitable { from_ms, draws, about, lines });
    let mended = Mended { failing: 20, off: 30, by: Vec::new() };
    Explained { moments: Vec::new(), inevitable, without: Vec::new(), mended }
}

#[test]
fn the_moment_from_which_it_is_inevitable_is_a_line_across_the_lanes_in_a_browser() {
    let Some(browser) = browser() else { return };
    let case = Case::read(&small("met")).unwrap_or_else(|e| panic!("{e}"));
    let outcome = run_case(&case).unwrap_or_else(|e| panic!("{e}"));
    // At a moment in which nothing else happens, at one in which much does, and at the start.
    let busy = outcome.trace.lines.iter().rev().find(|line| matches!(line.kind, Kind::Row { .. }));
    let busy = busy.expect("a message is stored").sim_us / 1_000;
    for (name, from_ms) in [("quiet", 333), ("busy", busy), ("start", 0)] {
        let of = (&case, &outcome);
        let known = known(Some(from_ms));
        let page = Page::explained(&format!("mark {name}"), browser.clone(), of, Some(&known));
        // The page sees for itself, under each filter, what is above the line and what below.
        let dom = page.dom("#check");
        let (_, checked) = dom.split_once("<pre id=\"check\">").expect("a verdict");
        assert!(checked.starts_with("right: "), "{name}: {checked}");
        let (_, mark) = dom.split_once("<g id=\"inevitable\"").expect("a mark");
        let (mark, _) = mark.split_once("</g>").expect("its end");
        let words = if from_ms == 0 { ">inevitable from the start; " } else { ">inevitable from " };
        assert!(mark.contains(words) && mark.contains("class=\"rule\""), "{name}: {mark}");
        assert!(dom.contains("href=\"#inevitable\""), "{name}: the way to it");
    }
    let nowhere = known(None);
    let page = Page::explained("mark nowhere", browser, (&case, &outcome), Some(&nowhere));
    let dom = page.dom("");
    assert!(!dom.contains("id=\"inevitable\"") && !dom.contains("href=\"#inevitable\""));
    assert!(dom.contains(">nowhere inevitable before it fails; the last draws decide it<"));
}

#[test]
fn explain_writes_the_page_with_the_moment_that_its_card_names() {
    let folder = Folder::new("explain");
    fs::copy(small("met"), folder.0.join("case.json")).expect("copies");
    let output = folder.run(&["explain", "case.json", "--html", "p.html"]);
    assert_eq!(status(&output), Some(1), "{}", text(&output.stderr));
    let card = text(&output.stdout);
    let line = card.lines().find(|line| line.starts_with("inevitable from ")).expect("a moment");
    let (moment, _) = line.split_once(", given").expect("its condition");
    let page = folder.read("p.html");
    assert!(page.contains(&format!("\"title\":\"{moment}\"")), "{moment}");
    assert!(page.contains("[without it: holds]"), "beside what it needs");
    // Said before anything is explained.
    let large = case_of(1, &ProtocolSpec::preset("teamtalk"), Profile::Default);
    large.write(&folder.0.join("large.json")).expect("writes");
    let output = folder.run(&["explain", "large.json", "--html", "large.html"]);
    assert_eq!(status(&output), Some(2));
    assert!(text(&output.stderr).starts_with("error: large.json: the run has "));
    assert!(!folder.0.join("large.html").exists());
}

#[test]
fn audits_are_left_out_until_they_are_asked_for() {
    let Some(browser) = browser() else { return };
    let case = Case::read(&small("cut")).unwrap_or_else(|e| panic!("{e}"));
    let outcome = run_case(&case).unwrap_or_else(|e| panic!("{e}"));
    let page = Page::of("audits", browser, &case, &outcome);
    let asked = outcome.trace.lines.iter().filter_map(|line| match &line.kind {
        Kind::Connected { conn, end: End::Dialler, .. } if &*line.host == "outside" => Some(*conn),
        _ => None,
    });
    let asked: Vec<_> = asked.collect();
    let is_audit = |kind: &Kind| matches!(kind, Kind::PduSent(f) if asked.contains(&f.conn) && f.command() != command::OTHER_HEARTBEAT);
    let audits = outcome.trace.lines.iter().filter(|line| is_audit(&line.kind)).count();
    let drawn = |hash: &str| page.dom(hash).matches("data-command=\"").count();
    let (whole, part) = (drawn("#background"), drawn(""));
    assert!(audits > 0 && whole - part <= audits && part < whole, "{whole}, {part}, {audits}");
}
