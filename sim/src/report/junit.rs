//! The verdicts of a campaign as JUnit XML, which what runs and shows tests reads.

use super::{headline_of, printable};
use crate::{
    campaign::{Find, Results},
    properties,
};
use std::{collections::BTreeMap, fmt::Write};

/// What is told of a campaign.
pub struct Suite<'a> {
    /// What it came to.
    pub results: &'a Results,
    /// The command that does a find of a signature again.
    pub replay: &'a dyn Fn(&str, &Find) -> String,
    /// What is to be said of its acks and of what it forgave, if anything.
    pub too_little: Vec<String>,
    /// What differed from a process to the next, if anything did.
    pub different: Option<String>,
    /// Why it is not whole, if it is not.
    pub unfinished: Option<String>,
}

/// A test case: each failure as its type, message and text.
pub(super) type Failures = Vec<(String, String, String)>;

/// A test case for each property, and one each for the campaign as a whole.
///
/// # Errors
/// If the protocol can't be resolved.
pub fn junit(suite: &Suite<'_>) -> Result<String, String> {
    let Suite { results, too_little, different, unfinished, .. } = suite;
    let protocol = results.protocol.resolve()?;
    let mut cases: Vec<(&str, Failures)> = Vec::new();
    for property in properties::all(&protocol) {
        let of_it =
            |(signature, _): &(&String, _)| signature.split('/').next() == Some(property.name());
        let finds = results.finds.iter().filter(of_it);
        cases.push((property.name(), finds.map(|found| failure(suite, found)).collect()));
    }
    let said = |what: &str, why: &str| (what.to_string(), why.to_string(), why.to_string());
    let little = too_little.iter().map(|why| said("too-little", why)).collect();
    cases.push(("floor-and-ceilings", little));
    let different = different.iter().map(|why| said("not-deterministic", why)).collect();
    cases.push(("determinism", different));
    let lost = results.lost.iter().map(|seed| format!("seed {seed} came to nothing"));
    let lost = lost.chain(unfinished.clone()).map(|why| said("no-verdict", &why)).collect();
    cases.push(("every-seed-has-a-verdict", lost));
    let of = format!("{}, {}", results.protocol.label(), results.profile.name());
    let name = format!("{of}: {} seeds from {} on", results.reports.len(), results.from);
    let class = format!("sim.{}.{}", results.protocol.file_name(), results.profile.name());
    Ok(written("sim explore", &name, &class, results.seconds, &cases, ""))
}

/// One suite of such test cases, and what is said beside them, if anything.
pub(super) fn written(
    tool: &str,
    name: &str,
    class: &str,
    seconds: f64,
    cases: &[(&str, Failures)],
    beside: &str,
) -> String {
    let (tool, name, class) = (attribute(tool), attribute(name), attribute(class));
    let failed = cases.iter().filter(|(_, failures)| !failures.is_empty()).count();
    let numbers = format!(
        "tests=\"{}\" failures=\"{failed}\" errors=\"0\" time=\"{seconds:.3}\"",
        cases.len()
    );
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(out, "<testsuites name=\"{tool}\" {numbers}>");
    let _ = writeln!(out, "  <testsuite name=\"{name}\" skipped=\"0\" {numbers}>");
    for (name, failures) in cases {
        let _ = write!(
            out,
            "    <testcase classname=\"{class}\" name=\"{}\" time=\"0\"",
            attribute(name)
        );
        if failures.is_empty() {
            out += "/>\n";
            continue;
        }
        out += ">\n";
        for (kind, message, text) in failures {
            let (kind, message) = (attribute(kind), attribute(message));
            let text = escaped(text, "\n\t");
            let _ = writeln!(
                out,
                "      <failure type=\"{kind}\" message=\"{message}\">{text}</failure>"
            );
        }
        out += "    </testcase>\n";
    }
    if !beside.is_empty() {
        let _ = writeln!(out, "    <system-out>{}</system-out>", escaped(beside, "\n\t"));
    }
    out += "  </testsuite>\n</testsuites>\n";
    out
}

/// A signature, with the headline of its lowest seed and by how many mechanisms it comes about.
fn failure(
    suite: &Suite<'_>,
    (signature, mechanisms): (&String, &BTreeMap<String, Find>),
) -> (String, String, String) {
    let first = mechanisms.values().min_by_key(|find| find.seed);
    let sentence = first.map_or("", |find| &find.sentence);
    let replay = first.map_or_else(String::new, |find| (suite.replay)(signature, find));
    let seed = first.map(|find| find.seed);
    let mut text = headline_of(seed, signature, sentence, &replay);
    let is_plain = |(of, _): &(&String, &Find)| suite.results.is_plain(signature, of);
    for (mechanism, find) in mechanisms.iter().filter(is_plain) {
        let _ = writeln!(text, "mechanism: {mechanism}, first seed {}", find.seed);
    }
    (signature.clone(), printable(sentence), text)
}

/// A text in quotes: all of it is in one line, and no reader makes spaces of its line breaks.
fn attribute(text: &str) -> String {
    escaped(text, "")
}

/// A text with nothing in it that XML takes for its own, or does not allow at all; of what is white the
/// characters in `plain` stay as they are.
pub(super) fn escaped(text: &str, plain: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\n' | '\t' if plain.contains(c) => out.push(c),
            '\n' | '\t' | '\r' => drop(write!(out, "&#{};", c as u32)),
            // XML 1.0 has no way to write these.
            '\0'..' ' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Suite, attribute, escaped, junit};
    use crate::{
        campaign::{Find, Results},
        explore::{Campaign, Long, SeedReport},
        plan::{
            case::ProtocolSpec,
            generate::{Deployment, Profile},
        },
    };
    use proptest::prelude::*;
    use roxmltree::{Document, Node};

    fn results() -> Results {
        let campaign = Campaign {
            from: 1,
            seeds: 2,
            jobs: 1,
            protocol: ProtocolSpec::preset("teamtalk"),
            profile: Profile::Calm,
            deployment: Deployment::default(),
            keep_going: true,
            long: Long::default(),
        };
        let mut results = Results::new(&campaign, Some(2));
        let report = |seed| (seed, SeedReport { seed, ..SeedReport::default() });
        results.reports = [report(1), report(2)].into();
        results
    }

    fn suite<'a>(results: &'a Results, replay: &'a dyn Fn(&str, &Find) -> String) -> Suite<'a> {
        let (too_little, different, unfinished) = Default::default();
        Suite { results, replay, too_little, different, unfinished }
    }

    fn failing<'a>(document: &'a Document<'_>) -> Vec<(&'a str, Vec<Node<'a, 'a>>)> {
        let cases = document.descendants().filter(|node| node.has_tag_name("testcase"));
        let failures = |case: Node<'a, 'a>| case.children().filter(|n| n.has_tag_name("failure"));
        let all =
            cases.map(|case| (case.attribute("name").expect("a name"), failures(case).collect()));
        all.filter(|(_, failures): &(_, Vec<_>)| !failures.is_empty()).collect()
    }

    #[test]
    fn what_held_passes_and_each_signature_is_a_failure_of_its_property() {
        let mut results = results();
        let replay = |signature: &str, find: &Find| format!("again {signature} {}", find.seed);
        let text = junit(&suite(&results, &replay)).expect("a known protocol");
        let document = Document::parse(&text).expect("XML");
        assert!(failing(&document).is_empty());
        let cases = document.descendants().filter(|node| node.has_tag_name("testcase")).count();
        assert_eq!(document.root_element().attribute("tests"), Some(cases.to_string().as_str()));
        for (signature, mechanism, seed) in [
            ("order/gap/db", "race", 2),
            ("order/gap/db", "db down", 1),
            ("order/missing/db", "race", 2),
        ] {
            let find = Find { seed, sentence: "<a> & \"b\"\n\u{1}]]>".into(), small: None };
            results.found(signature, mechanism, find);
        }
        results.lost.insert(9);
        let mut all = suite(&results, &replay);
        all.too_little = vec!["TOO FEW ACKS: …".into()];
        all.different = Some("seed 200 differs".into());
        let text = junit(&all).expect("a known protocol");
        let document = Document::parse(&text).expect("XML");
        assert_eq!(document.root_element().attribute("failures"), Some("4"));
        let failing = failing(&document);
        let names: Vec<_> = failing.iter().map(|(name, of)| (*name, of.len())).collect();
        let expected = [
            ("order", 2),
            ("floor-and-ceilings", 1),
            ("determinism", 1),
            ("every-seed-has-a-verdict", 1),
        ];
        assert_eq!(names, expected);
        let gap = failing[0].1[0];
        assert_eq!(gap.attribute("type"), Some("order/gap/db"));
        assert_eq!(gap.attribute("message"), Some(r#"<a> & "b"\n\u{1}]]>"#));
        let told = gap.text().expect("a text");
        assert!(told.starts_with("VIOLATED order/gap/db (seed 1)\n  <a> & \"b\""), "{told}");
        assert!(told.contains("replay:  again order/gap/db 1\n"), "{told}");
        assert!(told.contains("mechanism: race, first seed 2\n"), "{told}");
    }

    /// Characters, many of them such as XML has trouble with.
    fn texts() -> impl Strategy<Value = String> {
        let odd =
            prop_oneof![Just('\u{fffe}'), Just('\u{ffff}'), Just('\r'), Just('\n'), Just(']')];
        let one = prop_oneof![any::<char>(), prop::char::range('\0', '@'), odd];
        prop::collection::vec(one, 0..40).prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn whatever_is_in_a_text_it_is_valid_and_says_the_same(text in texts()) {
            let (inner, value) = (escaped(&text, "\n\t"), attribute(&text));
            let xml = format!("<a b=\"{value}\">{inner}</a>");
            let document = Document::parse(&xml).expect("XML");
            let shown = |c| match c {
                '\n' | '\t' | '\r' => c,
                '\0'..' ' | '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
                _ => c,
            };
            let shown: String = text.chars().map(shown).collect();
            prop_assert_eq!(document.root_element().attribute("b"), Some(shown.as_str()));
            prop_assert_eq!(document.root_element().text().unwrap_or_default(), shown);
        }
    }
}
