//! The page's data; what a browser makes of it is tried in tests/picture.rs.

use super::{expected, kept, run, small};
use crate::{
    causality::{Explained, Inevitable, Mended, Moment, Without},
    picture::{MOST_PDUS, page},
    record::Kind,
    shrink::Part,
};
use serde_json::Value;
use teamtalk::catalogue::id as command;

/// What a page has to draw.
fn data(page: &str) -> Value {
    let (_, data) = page.split_once("id=\"data\">").expect("an element");
    let (data, _) = data.split_once("</script>").expect("its end");
    serde_json::from_str(data).expect("JSON")
}

#[test]
fn a_page_has_each_pdu_once_and_needs_nothing_from_elsewhere() {
    for name in ["met", "cut"] {
        let case = small(name);
        let outcome = run(&case);
        let violation = expected(&case, &outcome);
        let draw =
            || page(&case, &outcome, Some(violation), None, "cargo sim replay x").expect("small");
        let text = draw();
        assert_eq!(text, draw(), "the same bytes");
        let data = data(&text);
        let mut sent = 0;
        for line in &outcome.trace.lines {
            if let Kind::PduSent(frame) = &line.kind {
                sent += usize::from(frame.command() != command::OTHER_HEARTBEAT);
            }
        }
        let pdus = data["pdus"].as_array().expect("a list");
        assert_eq!(pdus.len(), sent);
        assert_eq!(data["faults"].as_array().map(Vec::len), Some(case.plan.faults.len()));
        let lanes = data["lanes"].as_array().expect("a list").len() as u64;
        let at = |pdu: &Value, end: &str| pdu[end]["lane"].as_u64();
        assert!(pdus.iter().all(|pdu| at(pdu, "sent").is_some_and(|lane| lane < lanes)));
        assert!(pdus.iter().all(|pdu| at(pdu, "received").is_none_or(|lane| lane < lanes)));
        assert_eq!(data["violation"]["signature"], case.expect);
        assert_eq!(data["violation"]["n"].as_u64(), outcome.broken_by.get(&case.expect).copied());
        let broke = pdus.iter().chain(data["marks"].as_array().expect("a list"));
        assert!(broke.filter(|item| item["broke"] == true).count() <= 1);
        // The names of namespaces are no addresses.
        let text = text.replace("http://www.w3.org/2000/svg", "");
        for elsewhere in ["http:", "https:", "src=", "@import", "url("] {
            assert!(!text.contains(elsewhere), "{elsewhere}");
        }
    }
}

/// Known of a case: inevitable from a moment on, in which SQL was to apply a statement, and the first
/// operation is needed.
fn known(first: u32, from_ms: Option<u64>) -> Explained {
    let moment = |(at_ms, failing)| Moment { at_ms, runs: 10, failing };
    Explained {
        moments: [(0, 5), (500, 5), (1_300, 10)].map(moment).into(),
        inevitable: from_ms.map(|from_ms| Inevitable {
            from_ms,
            draws: [("sql before", 2)].into(),
            about: vec![0],
            lines: Vec::new(),
        }),
        without: vec![Without { part: Part::Operation(first), runs: 20, failing: 0 }],
        mended: Mended { failing: 9, off: 20, by: vec!["single-relation"] },
    }
}

#[test]
fn the_moment_from_which_it_is_inevitable_is_marked_in_the_words_of_the_card() {
    let case = small("met");
    let outcome = run(&case);
    let violation = expected(&case, &outcome);
    let first = case.plan.operations.iter().min_by_key(|op| op.at_ms).expect("it has some").id;
    let drawn = |explained: Option<Explained>| {
        let page = page(&case, &outcome, Some(violation), explained.as_ref(), "").expect("small");
        data(&page)
    };
    let plain = drawn(None);
    assert!(plain["inevitable"].is_null() && plain["case"]["mended"].is_null());
    let marked = drawn(Some(known(first, Some(1_185))));
    let mark = &marked["inevitable"];
    assert_eq!(mark["us"], 1_185_000);
    assert_eq!(mark["title"], "inevitable from 1,185 ms on");
    let drawn_then = "when SQL applies a statement (2 times)";
    assert_eq!(mark["words"], format!("decided in the tick before: {drawn_then}"));
    let says: Vec<(String, String)> = serde_json::from_value(mark["says"].clone()).expect("pairs");
    assert!(says.contains(&("drawn in the tick before it".into(), drawn_then.into())));
    assert!(says.contains(&("fails, draws being new from 0 to 1,300 ms on".into(), "▄▄█".into())));
    assert!(says.iter().any(|(name, _)| name == "it was about this"), "its line: {says:?}");
    let mended = marked["case"]["mended"].as_str().expect("a sentence");
    assert!(mended.starts_with("mended by: single-relation"), "{mended}");
    let plan = marked["plan"].as_array().expect("a list");
    let needed = plan.iter().filter(|line| {
        line["what"].as_str().is_some_and(|what| what.ends_with("[without it: holds]"))
    });
    assert_eq!(needed.count(), 1, "{plan:?}");
    let from_the_start = drawn(Some(known(first, Some(0))));
    assert_eq!(from_the_start["inevitable"]["us"], 0);
    assert_eq!(from_the_start["inevitable"]["title"], "inevitable from the start");
    let nowhere = drawn(Some(known(first, None)));
    assert!(nowhere["inevitable"]["us"].is_null(), "there is no such moment");
    assert_eq!(nowhere["inevitable"]["title"], "nowhere inevitable before it fails");
}

#[test]
fn no_text_of_a_run_is_read_as_a_part_of_the_page() {
    let case = small("met");
    let outcome = run(&case);
    let replay = "cargo sim replay '</script><b>{{script}}.json'";
    let text = page(&case, &outcome, None, None, replay).expect("small");
    assert_eq!(data(&text)["case"]["replay"], replay);
    assert_eq!(text.matches("</script>").count(), 2);
}

#[test]
fn a_run_that_is_too_large_is_refused_in_a_sentence() {
    let cases = kept();
    let large = cases.iter().find(|case| case.plan.operations.len() > 60);
    let mut case = large.cloned().unwrap_or_else(|| {
        let seeded = crate::plan::case::ProtocolSpec::preset("teamtalk");
        crate::explore::case_of(1, &seeded, crate::plan::generate::Profile::Default)
    });
    let outcome = run(&case);
    let too_large = page(&case, &outcome, None, None, "").expect_err("hundreds of PDUs");
    assert!(too_large.pdus > MOST_PDUS);
    let said = too_large.to_string();
    for word in [&too_large.pdus.to_string(), "500", "--perfetto", "cargo sim shrink"] {
        assert!(said.contains(word), "{said}");
    }
    case.plan.operations.clear();
    case.plan.faults.clear();
    assert!(page(&case, &run(&case), None, None, "").is_ok(), "nothing but links");
}
