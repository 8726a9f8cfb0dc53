//! The page's data; what a browser makes of it is tried in tests/picture.rs.

use super::{expected, kept, run, small};
use crate::{
    picture::{MOST_PDUS, page},
    record::Kind,
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
        let draw = || page(&case, &outcome, Some(violation), "cargo sim replay x").expect("small");
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

#[test]
fn no_text_of_a_run_is_read_as_a_part_of_the_page() {
    let case = small("met");
    let outcome = run(&case);
    let replay = "cargo sim replay '</script><b>{{script}}.json'";
    let text = page(&case, &outcome, None, replay).expect("small");
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
    let too_large = page(&case, &outcome, None, "").expect_err("hundreds of PDUs");
    assert!(too_large.pdus > MOST_PDUS);
    let said = too_large.to_string();
    for word in [&too_large.pdus.to_string(), "500", "--perfetto", "cargo sim shrink"] {
        assert!(said.contains(word), "{said}");
    }
    case.plan.operations.clear();
    case.plan.faults.clear();
    assert!(page(&case, &run(&case), None, "").is_ok(), "nothing but links");
}
