//! The page and the XML of a verdict that is made by hand: one regression of each kind.

use super::{
    Shown, Told,
    graph::{Graph, graph},
    page,
};
use crate::{
    explore::case_of,
    plan::{
        Role::{self, Client, Db, Msg, Route, Sql},
        case::ProtocolSpec,
        generate::{Profile, rollout::Leg},
    },
    report::{verify_junit::junit, verify_order::rule},
    verify::{
        Cause, Constraint, Count, Lost, Order, Pair, Proven, ROLLING, Regression, Row, Stage,
        Verdict,
        wire::{Danger, Difference},
    },
};
use roxmltree::Document;
use std::collections::BTreeSet;

/// What HTML and XML take for their own.
pub(super) const ODD: &str = "<b>&\"'</script>";

pub(super) fn of(hits: u64, of: u64) -> Count {
    Count { hits, of }
}

fn roles(all: &[Role]) -> BTreeSet<Role> {
    all.iter().copied().collect()
}

fn causes() -> Vec<Cause> {
    let mix = |new: &[Role], old: &[Role]| Cause::Mix { new: roles(new), old: roles(old) };
    let change = |new: &[Role], old: &[Role]| Cause::Change { new: roles(new), old: roles(old) };
    vec![
        mix(&[Client], &[Db]),
        mix(&[Route], &[Route]),
        Cause::Back(roles(&[Msg])),
        change(&[Msg], &[Sql]),
        mix(&[Client, Msg], &[Route, Db]),
    ]
}

pub(super) fn pair() -> Pair {
    let mut base = ProtocolSpec::preset("hardened");
    for switch in ["single-relation", "id-floor-from-store"] {
        base.overrides.insert(switch.into(), false);
    }
    Pair { base, candidate: ProtocolSpec::preset("hardened") }
}

/// With an order that avoids all of it.
pub fn verdict() -> Verdict {
    let case = case_of(1, &ProtocolSpec::preset("hardened"), Profile::Calm);
    let legs = Leg::ALL.map(Stage::Rolling);
    let mut verdict = Verdict::default();
    for stage in [Stage::Base, Stage::Candidate].into_iter().chain(legs) {
        verdict.runs.insert(stage, 40);
        verdict
            .measures
            .insert(stage, crate::verify::Measure { sends: 3, acked: 2, ..Default::default() });
    }
    for (cause, n) in causes().into_iter().zip(1..) {
        let signature = format!("kind-{n}/{ODD}/db");
        let stage = legs[n % legs.len()];
        verdict.rows.insert(signature.clone(), Row { counts: [(stage, of(1, 40))].into() });
        verdict.regressions.push(Regression {
            is_explained: true,
            signature: signature.clone(),
            sentence: format!("sentence {n}: {ODD}\u{1}"),
            stage,
            seed: 70 + n as u64,
            on_base: of(0, 20),
            on_candidate: of(0, 20),
            as_it_was: of(9, 20),
            case: case.clone(),
        });
        let (aimed, aimed_on_base) = (of(20 + n as u64, 50), of(0, 50));
        verdict.constraints.push(Constraint {
            cause,
            breaks: [signature.clone()].into(),
            signature,
            aimed,
            aimed_on_base,
            case: case.clone(),
        });
    }
    verdict.unconfirmed.push(Constraint {
        cause: Cause::Back(roles(&[Db])),
        signature: "hardly/ever/db".into(),
        breaks: ["hardly/ever/db".to_string()].into(),
        aimed: of(1, 50),
        aimed_on_base: of(0, 50),
        case,
    });
    let counts = [(Stage::Base, of(4, 40)), (Stage::Candidate, of(0, 40))].into();
    verdict.rows.insert("old/of-the-base/db".into(), Row { counts });
    verdict.mended = vec!["old/of-the-base/db".into()];
    verdict.not_yet = vec!["promised/not-yet/msg".into()];
    verdict.unclear = vec!["unclear/it-is/msg".into()];
    let order =
        Order { roles: vec![Sql, Db, Route, Msg, Client], at_once: roles(&[Route]), returns: 3 };
    verdict.proven = Some(Proven {
        order,
        forward: of(0, 30),
        back: of(0, 31),
        unsure_forward: 0,
        unsure_back: 0,
        lost: Vec::new(),
        seen: Vec::new(),
    });
    verdict
}

pub(super) fn told<T>(verdict: &Verdict, with: impl FnOnce(&Told<'_>) -> T) -> T {
    let shown = |name: &str| Shown {
        replay: format!("sim replay '{ODD}-{name}'"),
        card: Some(format!("card of {name}: {ODD}")),
    };
    let (pair, rolling, profile) = (pair(), true, Profile::Default);
    with(&Told { pair: &pair, verdict, rolling, from: 7, seeds: 40, profile, shown: &shown })
}

/// What a reader sees: texts and attributes, with nothing left of the tags.
pub(super) fn seen(page: &str) -> String {
    let (_, body) = page.split_once("<body>").expect("a body");
    let texts = body.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text));
    let text: String = texts.collect::<Vec<_>>().join(" ");
    let named = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&amp;", "&")];
    let text = named.into_iter().fold(text, |text, (from, to)| text.replace(from, to));
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn everything_that_is_known_is_on_the_page() {
    let verdict = verdict();
    let text = told(&verdict, page);
    assert_eq!(text, told(&verdict, page), "the same bytes");
    let seen = seen(&text);
    let says = |what: &str| assert!(seen.contains(what), "{what}: {seen}");
    says("SAFE in that order");
    says(
        "First the schema, then db_proxies, then route_servers, then msg_servers, then clients: nothing",
    );
    for (at, known) in verdict.constraints.iter().enumerate() {
        let name = known.file_name();
        says(&format!("Again: sim replay '{ODD}-{name}' Card card of {name}: {ODD}"));
        says(&format!("{} UNSAFE {} So: {}.", at + 1, known.cause, rule(&known.cause)));
        says(&format!("It breaks {}", known.signature));
        says(&format!("{} of 50 seeds aimed at it break that, 0 under the base", known.aimed.hits));
    }
    says("Seen, and not confirmed db_proxies that go back to the base");
    for (regression, n) in verdict.regressions.iter().zip(1..) {
        says(&regression.signature);
        says(&format!("sentence {n}: {ODD}\\u{{1}}"));
        let name = regression.file_name();
        says(&format!("Again: sim replay '{ODD}-{name}' Card card of {name}: {ODD}"));
        says(&format!("while hosts change side ({}), seed {}", regression.stage.name(), 70 + n));
    }
    says(
        "all on the base 0 of 20 fail: it holds all on the candidate 0 of 20 fail: it holds as it was 9 of 20 fail",
    );
    says("single-relation off → on");
    says(
        "base hardened with id-floor-from-store = false, single-relation = false candidate hardened",
    );
    says("⇄ route_servers all at once");
    says("The schema stays as it is then");
    says("In the runs of the order above nothing was lost.");
    says("last safe point of return → msg_servers one after the other");
    says("in the order above, also stopped on the way 30 0 a fault in 9.5 % of such runs");
    says("in the order above, and back from as far as may be 31 0 a fault in 9.2 % of such runs");
    says("kind-1/<b>&\"'</script>/db regression – – – 2.5 % 1/40");
    says("1 signature of the base that is no regression");
    says("acked, % of sends 66.7 66.7 66.7");
    for list in ["Mended: 1", "Promised by the candidate alone: 1", "Not told from the base: 1"] {
        says(list);
    }
    for signature in ["old/of-the-base/db", "promised/not-yet/msg", "unclear/it-is/msg"] {
        says(signature);
    }
}

#[test]
fn a_page_needs_nothing_from_elsewhere_and_no_text_is_read_as_a_part_of_it() {
    let text = told(&verdict(), page);
    for elsewhere in ["http:", "https:", "src=", "@import", "url(", "<script", "<b>&", "href=\"/"] {
        assert!(!text.contains(elsewhere), "{elsewhere}");
    }
    // All that is opened is closed: read as XML, but for what HTML alone has.
    let (_, body) = text.split_once("<body>").expect("a body");
    let (body, _) = body.split_once("</body>").expect("its end");
    let document = format!("<body>{body}</body>");
    let document = Document::parse(&document).unwrap_or_else(|e| panic!("{e}"));
    let kinds = document.descendants().filter(|node| node.has_tag_name("article")).count();
    assert_eq!(kinds, verdict().regressions.len());
}

#[test]
fn a_drawing_has_an_arrow_for_what_comes_before_and_a_mark_for_what_is_of_one_kind_alone() {
    let causes = causes();
    let causes: Vec<_> = causes.iter().collect();
    let drawn = Graph::of(&causes, &[Sql, Db, Route, Msg, Client]);
    let arrows = [
        ((Sql, Msg, false), vec![4]),
        ((Db, Client, false), vec![1]),
        ((Db, Client, true), vec![5]),
        ((Db, Msg, true), vec![5]),
        ((Route, Client, true), vec![5]),
        ((Route, Msg, true), vec![5]),
    ];
    assert_eq!(drawn.arrows, arrows.into());
    let marks =
        [(Route, [("all at once", vec![2])].into()), (Msg, [("does not go back", vec![3])].into())];
    assert_eq!(drawn.marks, marks.into());
    let text = graph(&drawn);
    assert_eq!(text.matches("class=\"node\"").count(), 5);
    assert_eq!(text.matches("<polygon").count(), 6);
    let both = Cause::Mix { new: roles(&[Db, Msg]), old: roles(&[Db]) };
    let never = Cause::Change { new: roles(&[Db]), old: roles(&[]) };
    let drawn = Graph::of(&[&both, &never], &[Msg]);
    assert_eq!(drawn.nodes, [Msg, Db], "who is named is drawn");
    let of_db = [("may not change", vec![2]), ("or all at once", vec![1])];
    assert_eq!(drawn.marks, [(Db, of_db.into())].into());
}

/// Each case's name, and the types of its failures.
pub(super) fn failures(text: &str) -> Vec<(String, Vec<String>)> {
    let document = Document::parse(text).unwrap_or_else(|e| panic!("{e}: {text}"));
    let cases = document.descendants().filter(|node| node.has_tag_name("testcase"));
    let told = cases.map(|case| {
        let failures = case.children().filter(|node| node.has_tag_name("failure"));
        let kinds = failures.filter_map(|node| node.attribute("type").map(String::from));
        (case.attribute("name").expect("a name").to_string(), kinds.collect())
    });
    told.collect()
}

/// Verdicts, each with what its headline says and the failures that it has.
fn verdicts() -> Vec<(Verdict, &'static str, Vec<&'static str>)> {
    let proof = |forward: Count, back: Count| {
        let mut verdict = verdict();
        verdict.proven = verdict.proven.map(|proven| Proven { forward, back, ..proven });
        verdict
    };
    let order = vec![
        "nothing lost: forward",
        "nothing lost: stopped",
        "nothing lost: back",
        "nothing lost: again",
        "order",
    ];
    let none = Verdict { proven: None, ..verdict() };
    let mut alone = verdict();
    alone.regressions[0].stage = Stage::Candidate;
    let mut wire = verdict();
    wire.on_the_wire.push(Difference {
        name: "T.M.b".into(),
        what: "is required now".into(),
        danger: Danger::NewReadsOld,
        why: ODD.into(),
    });
    let lost = Lost { runs: 2, seed: 9, why: "it hung".into() };
    let not_run = Verdict { interrupted: true, ..proof(of(0, 0), of(0, 0)) };
    let mut unexplained = verdict();
    unexplained.regressions[1].is_explained = false;
    let unjudged = Verdict { unjudged: vec![("pushed".into(), ROLLING)], ..verdict() };
    let stopped_then = [&order[..], &["all was run"]].concat();
    vec![
        (not_run, "So it was inferred; it has not been run.", stopped_then),
        (verdict(), "SAFE in that order First", vec![]),
        (
            proof(of(2, 30), of(0, 30)),
            "Of the 60 runs in the order that was inferred 2 lose what the base holds.",
            order.clone(),
        ),
        (
            proof(of(0, 30), of(1, 30)),
            "Of the 60 runs in the order that was inferred 1 lose what the base holds.",
            order.clone(),
        ),
        (none, "No order of the hosts avoids", order.clone()),
        (
            alone,
            "With everybody on the candidate something that the base holds is lost (1 signature)",
            vec!["nothing lost: candidate"],
        ),
        (wire, "UNSAFE on the wire", vec!["each side reads what the other writes"]),
        (Verdict { interrupted: true, ..verdict() }, "INTERRUPTED", vec!["all was run"]),
        (
            Verdict { came_to_nothing: 3, ..verdict() },
            "NO VERDICT 3 of the runs that look for causes came to nothing",
            vec!["all was run"],
        ),
        (
            Verdict { lost: [(Stage::Base, lost)].into(), ..verdict() },
            "NO VERDICT base: 2 runs came to nothing; the first one, of seed 9: it hung",
            vec!["all was run"],
        ),
        (proof(of(0, 0), of(0, 0)), "NO VERDICT", vec!["all was run"]),
        (
            unexplained,
            "Not known: kind-2/<b>&\"'</script>/db is worse than under the base while hosts change, and no cause",
            vec!["nothing lost: back", "all was run"],
        ),
        (
            unjudged,
            "Not known: the contract wants `pushed` to hold while hosts change, and nothing was judged of it there.",
            vec!["all was run"],
        ),
    ]
}

#[test]
fn a_test_case_fails_if_and_only_if_it_is_not_safe_and_the_headline_says_why() {
    for (verdict, headline, failing) in verdicts() {
        let seen = seen(&told(&verdict, page));
        assert!(seen.contains(headline), "{headline}: {seen}");
        let text = told(&verdict, junit);
        assert_eq!(text, told(&verdict, junit), "the same bytes");
        let all = failures(&text);
        let failed: Vec<_> = all.iter().filter(|(_, of)| !of.is_empty()).collect();
        let names: Vec<_> = failed.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, failing);
        assert_eq!(names.is_empty(), verdict.is_safe(true), "{headline}");
        assert!(seen.contains("1 UNSAFE clients of"), "what is avoided is said in any case");
        for stage in ["base", "candidate", "forward", "stopped", "back", "again"] {
            assert!(
                all.iter().any(|(name, _)| *name == format!("nothing lost: {stage}")),
                "{stage}"
            );
        }
    }
}

#[test]
fn a_regression_is_a_failure_with_its_signature_sentence_and_replay() {
    let none = Verdict { proven: None, ..verdict() };
    let text = told(&none, junit);
    let document = Document::parse(&text).unwrap_or_else(|e| panic!("{e}"));
    for of in &none.regressions {
        let mut failures = document.descendants().filter(|node| node.has_tag_name("failure"));
        let failure = failures.find(|node| node.attribute("type") == Some(&of.signature));
        let failure = failure.unwrap_or_else(|| panic!("{}: {text}", of.signature));
        let message = failure.attribute("message").expect("a message");
        assert!(message.ends_with(&format!("{ODD}\\u{{1}}")), "{message}");
        let said = failure.text().expect("a text");
        assert!(said.contains(&format!("(seed {})", of.seed)), "{said}");
        let replay = format!("replay:  sim replay '{ODD}-{}'", of.file_name());
        assert!(said.contains(&replay), "{said}");
    }
    let order = document.descendants().find(|node| node.attribute("type") == Some("no-order"));
    let said = order.and_then(|node| node.text()).expect("the order fails");
    assert!(causes().iter().all(|cause| said.contains(&format!("UNSAFE {cause}: "))), "{said}");
}

/// A stop before the first run leaves a verdict that knows nothing.
#[test]
fn a_verdict_that_knows_nothing_yet_has_a_page() {
    let verdict = Verdict { interrupted: true, ..Verdict::default() };
    let seen = seen(&told(&verdict, page));
    assert!(seen.contains("INTERRUPTED"), "{seen}");
    assert!(!seen.contains("SAFE") && !seen.contains("held in every run"), "{seen}");
}

#[test]
fn a_contract_that_is_broken_is_told_and_fails_a_test_case() {
    let mut verdict = verdict();
    verdict.regressions.clear();
    verdict.allowed = vec![("allowed/loss/db".into(), Stage::Candidate)];
    let seen_of = |verdict: &Verdict| seen(&told(verdict, page));
    assert!(
        seen_of(&verdict).contains("Allowed: 1 worse than under the base, as the contract allows")
    );
    assert!(seen_of(&verdict).contains("allowed/loss/db"));
    let failed = |verdict: &Verdict| {
        let all = failures(&told(verdict, junit));
        all.into_iter().filter(|(_, types)| !types.is_empty()).collect::<Vec<_>>()
    };
    assert!(verdict.is_safe(true) && failed(&verdict).is_empty());
    verdict.broken = vec![("one-row/two-relations/db".into(), Stage::Candidate)];
    let page = seen_of(&verdict);
    assert!(page.contains("UNSAFE"), "{page}");
    let why = "The contract is broken: one-row/two-relations/db must hold with everybody on the candidate";
    assert!(page.contains(why), "{page}");
    let of = ("the contract".to_string(), vec!["one-row/two-relations/db".to_string()]);
    assert_eq!(failed(&verdict), [of]);
}
