//! `sim verify --html --junit`: what it writes, when, and what a browser makes of the page.

mod browser;
mod folder;

use browser::{browser, dom};
use folder::Folder;
use roxmltree::Document;
use serde_json::Value;
use std::{
    fs,
    process::{Command, Output, Stdio},
};
use teamtalk_sim::{
    explore::case_of,
    plan::{Role, case::ProtocolSpec, generate::Profile, rollout::UNITS},
    report::{
        verify_page::page,
        verify_told::{Shown, Told},
    },
    verify::{Cause, Constraint, Count, Pair, Verdict},
};

const FILES: [&str; 4] = ["--html", "v.html", "--junit", "v.xml"];

fn verify(folder: &Folder, args: &[&str]) -> Output {
    folder.sim(&[&["verify", "--jobs", "1"], args].concat()).output().expect("sim runs")
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Each test case with how many failures it has.
fn cases(xml: &str) -> Vec<(String, usize)> {
    let document = Document::parse(xml).unwrap_or_else(|e| panic!("{e}: {xml}"));
    let cases = document.descendants().filter(|node| node.has_tag_name("testcase"));
    let told = cases.map(|case| {
        let failures = case.children().filter(|node| node.has_tag_name("failure"));
        (case.attribute("name").expect("a name").to_string(), failures.count())
    });
    told.collect()
}

/// Says how much of a page is cut off, or drawn over something else, in the attribute `data-cut`.
const CUT: &str = r#"<script>
const cut = [];
const name = (e) => `${e.tagName} ${e.className.baseVal ?? e.className} ${e.textContent.trim().slice(0, 40)}`;
if (document.documentElement.scrollWidth > innerWidth) cut.push("the page is wider than the window");
for (const e of document.querySelectorAll("body *:not(svg *)"))
  if (e.scrollWidth > e.clientWidth + 1 && e.clientWidth && getComputedStyle(e).display !== "inline") cut.push(name(e));
const meets = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
for (const svg of document.querySelectorAll("svg")) {
  const all = svg.getBoundingClientRect(), texts = [...svg.querySelectorAll("text")];
  const boxes = texts.map((e) => e.getBoundingClientRect());
  boxes.forEach((box, i) => {
    if (box.left < all.left || box.right > all.right || box.top < all.top || box.bottom > all.bottom) cut.push(name(texts[i]));
    boxes.slice(i + 1).forEach((other, k) => meets(box, other) && cut.push(`${name(texts[i])} on ${name(texts[i + 1 + k])}`));
  });
}
document.body.dataset.cut = cut.length ? cut.join("; ") : "nothing";
</script>"#;

/// Tries a page in a browser, if there is one.
fn is_shown_whole(folder: &Folder, name: &str) {
    let Some(browser) = browser() else { return };
    let text = folder.read(name).replace("</body>", &format!("{CUT}</body>"));
    let path = folder.0.join("tried.html");
    fs::write(&path, text).expect("writes");
    let address = format!("file://{}", path.display().to_string().replace(' ', "%20"));
    let (dom, err) = dom(&browser, folder, &address);
    let (_, cut) = dom.split_once("data-cut=\"").unwrap_or_else(|| panic!("no script ran: {err}"));
    assert_eq!(cut.split('"').next(), Some("nothing"));
}

#[test]
fn a_safe_pair_has_a_page_and_test_cases_that_pass() {
    let folder = Folder::new("safe");
    let args = ["--base", "hardened", "--candidate", "hardened", "--rolling", "--seeds", "3"];
    let output = verify(&folder, &[&args[..], &FILES].concat());
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let (page, xml) = (folder.read("v.html"), folder.read("v.xml"));
    for sentence in [
        "<span class=\"badge holds\">SAFE</span>",
        "Nothing changes: base and candidate are the same.",
        "<b>db_proxies</b><span>one after the other</span>",
        "All of it can be taken back",
        "All properties held in every run.",
        "Nothing was found to be unsafe beside anything else.",
    ] {
        assert!(page.contains(sentence), "{sentence}: {page}");
    }
    let cases = cases(&xml);
    assert!(cases.iter().all(|(_, failures)| *failures == 0), "{cases:?}");
    for name in ["nothing lost: base", "nothing lost: candidate", "order", "all was run"] {
        assert!(cases.iter().any(|(of, _)| of == name), "{name}: {cases:?}");
    }
    is_shown_whole(&folder, "v.html");
    // Another process writes the same bytes.
    verify(&folder, &[&args[..], &["--html", "again.html", "--junit", "again.xml"]].concat());
    assert!(page == folder.read("again.html") && xml == folder.read("again.xml"));
}

#[test]
fn what_the_candidate_loses_is_on_the_page_and_fails_a_test_case() {
    let folder = Folder::new("worse");
    // Every run shows it.
    let worse = "preset = \"hardened\"\n[overrides]\ntrue-latest-sender = false\n";
    fs::write(folder.0.join("worse.toml"), worse).expect("a file");
    let args = ["--base", "hardened", "--candidate", "worse.toml", "--profile", "calm"];
    let args = [&args[..], &["--seeds", "1", "--out", "kept", "--json", "v.json"]].concat();
    let output = verify(&folder, &[&args[..], &FILES].concat());
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    let (page, xml) = (folder.read("v.html"), folder.read("v.xml"));
    for sentence in [
        "<span class=\"badge\">UNSAFE</span>",
        "<code>true-latest-sender</code> <span>on → <b>off</b></span> <small>db</small>",
        "With everybody on the candidate something that the base holds is lost",
    ] {
        assert!(page.contains(sentence), "{sentence}: {page}");
    }
    let verdict: Value = serde_json::from_str(&folder.read("v.json")).expect("JSON");
    let regressions = verdict["regressions"].as_array().expect("a list");
    assert!(!regressions.is_empty());
    for regression in regressions {
        let signature = regression["signature"].as_str().expect("a signature");
        assert!(page.contains(&format!("<h3><code>{signature}</code></h3>")), "{page}");
        let case = format!("kept/{}-1.json", signature.replace('/', "-"));
        assert!(folder.0.join(&case).is_file(), "{case}");
        assert!(page.contains(&format!("<code>cargo sim replay {case}</code>")), "{page}");
        let failure = format!("<failure type=\"{signature}\" ");
        assert_eq!(xml.matches(&failure).count(), 1, "{xml}");
    }
    let failing: Vec<_> = cases(&xml).into_iter().filter(|(_, failures)| *failures > 0).collect();
    assert_eq!(failing, [("nothing lost: candidate".to_string(), regressions.len())]);
    is_shown_whole(&folder, "v.html");
}

/// Of each pair of roles one before the other, what is of one role alone, and a choice.
fn constraints() -> Vec<Constraint> {
    let set = |roles: &[Role]| roles.iter().copied().collect();
    let mut causes = Vec::new();
    for (at, first) in UNITS.iter().enumerate() {
        for then in &UNITS[at + 1..] {
            causes.push(Cause::Mix { new: set(&[*then]), old: set(&[*first]) });
        }
        causes.push(Cause::Back(set(&[*first])));
        causes.push(Cause::Mix { new: set(&[*first]), old: set(&[*first]) });
        causes.push(Cause::Change { new: set(&[*first]), old: set(&[]) });
    }
    causes.push(Cause::Change { new: set(&UNITS[..1]), old: set(&UNITS[1..]) });
    let case = case_of(1, &ProtocolSpec::preset("hardened"), Profile::Calm);
    let (aimed, aimed_on_base) = (Count { hits: 9, of: 50 }, Count { hits: 0, of: 50 });
    let constraint = |cause: Cause| {
        let signature = format!("property/{}/msg", "long-".repeat(30));
        let breaks = [signature.clone()].into();
        Constraint { cause, signature, breaks, aimed, aimed_on_base, case: case.clone() }
    };
    causes.into_iter().map(constraint).collect()
}

/// A drawing in which there is as much as there can be.
#[test]
fn nothing_of_a_drawing_is_cut_off_or_over_something_else() {
    let folder = Folder::new("drawing");
    let pair = Pair {
        base: ProtocolSpec::preset("teamtalk"),
        candidate: ProtocolSpec::preset("hardened"),
    };
    let verdict = Verdict { constraints: constraints(), ..Verdict::default() };
    let told = Told {
        pair: &pair,
        verdict: &verdict,
        rolling: true,
        from: 1,
        seeds: 9,
        profile: Profile::Calm,
        shown: &|name| Shown { replay: name.into(), card: None },
    };
    fs::write(folder.0.join("v.html"), page(&told)).expect("writes");
    is_shown_whole(&folder, "v.html");
}

#[test]
fn a_path_that_can_not_be_written_is_refused_before_the_first_seed() {
    let folder = Folder::new("wrong");
    for option in ["--html", "--junit"] {
        let args = ["--base", "hardened", "--candidate", "hardened", option, "no folder/x"];
        let output = verify(&folder, &args);
        assert_eq!(output.status.code(), Some(2), "{}", err(&output));
        assert!(err(&output).starts_with("error: no folder/x: "), "{}", err(&output));
        assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

#[cfg(unix)]
#[test]
fn what_was_stopped_has_a_page_of_what_is_known() {
    let folder = Folder::new("stopped");
    let args =
        ["verify", "--base", "hardened", "--candidate", "hardened", "--rolling", "--jobs", "1"];
    let args = [&args[..], &["--out", "kept"], &FILES].concat();
    let child = folder.sim(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.expect("it starts");
    #[expect(clippy::disallowed_methods, reason = "no simulation runs in this process")]
    while !folder.0.join("v.xml").exists() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    // Since the file is there, it listens.
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(killed.expect("kill").success());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130), "{}", err(&output));
    let page = folder.read("v.html");
    assert!(page.contains("<span class=\"badge unknown\">INTERRUPTED</span>"), "{page}");
    let cases = cases(&folder.read("v.xml"));
    assert!(cases.contains(&("all was run".to_string(), 1)), "{cases:?}");
    is_shown_whole(&folder, "v.html");
}
