//! Diagrams are what Mermaid reads, by a grammar of the few lines that we write.

use super::{expected, kept, run, small};
use crate::picture::mermaid;
use std::collections::BTreeSet;

/// Reads a diagram: its participants, how many arrows it has, its notes.
///
/// # Panics
/// If a line is none that we write.
fn read(text: &str) -> (Vec<&str>, usize, Vec<&str>) {
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("sequenceDiagram"));
    let (mut participants, mut arrows, mut notes) = (Vec::new(), 0, Vec::new());
    for line in lines {
        let line = line.strip_prefix("    ").expect("indented");
        if let Some(name) = line.strip_prefix("participant ") {
            participants.push(name);
            continue;
        }
        let (head, said) = line.split_once(": ").unwrap_or_else(|| panic!("no text: {line}"));
        let hosts: Vec<&str> = match head.strip_prefix("Note over ") {
            Some(over) => {
                notes.push(said);
                over.split(',').collect()
            }
            None => {
                arrows += 1;
                let (from, to) =
                    head.split_once("->>").or_else(|| head.split_once("-x")).expect("an arrow");
                vec![from, to]
            }
        };
        assert!(hosts.iter().all(|host| participants.contains(host)), "{line}");
        // What is no text has been escaped: an entity is `#`, a number and `;`.
        let mut rest = said.replace("<br/>", " ");
        while let Some((before, after)) = rest.split_once('#') {
            let (number, after) = after.split_once(';').expect("an entity");
            assert!(number.parse::<u32>().is_ok(), "{line}");
            rest = format!("{before} {after}");
        }
        assert!(!rest.contains([';', '"', '<', '>', '{', '}', '%', '`']), "{line}");
        let words = rest.split(|c: char| !c.is_alphanumeric());
        assert!(!words.into_iter().any(|word| word.eq_ignore_ascii_case("end")), "{line}");
    }
    (participants, arrows, notes)
}

#[test]
fn a_diagram_shows_how_two_messages_met() {
    let case = small("met");
    let outcome = run(&case);
    let violation = expected(&case, &outcome);
    let text = mermaid(&case, &outcome, violation);
    assert_eq!(text, mermaid(&case, &outcome, violation));
    let (participants, arrows, notes) = read(&text);
    assert!(
        participants.starts_with(&["client1", "msg1"]) && participants.contains(&"sql"),
        "{text}"
    );
    assert!((2..=40).contains(&arrows), "{text}");
    let last = notes.last().expect("a note");
    assert!(last.starts_with("VIOLATED unique-msg-id/two-messages/db<br/>"), "{last}");
    assert!(notes.iter().any(|note| note.starts_with("row op-")), "{text}");
    assert!(notes.iter().any(|note| note.contains("draws #35;1 in ")), "{text}");
}

#[test]
fn faults_are_notes_and_what_was_lost_has_no_head() {
    let case = small("cut");
    let outcome = run(&case);
    let text = mermaid(&case, &outcome, expected(&case, &outcome));
    let (_, _, notes) = read(&text);
    let is_fault = |note: &&&str| note.starts_with("FAULT partition msg1 ");
    assert_eq!(notes.iter().filter(is_fault).count(), 1, "{notes:?}");
    assert!(notes.iter().any(|note| note.starts_with("fault 2 ")), "{notes:?}");
}

#[test]
fn every_kept_case_has_a_diagram_of_at_most_forty_arrows() {
    let (mut cut, mut seen) = (0, BTreeSet::new());
    for case in kept().iter().filter(|case| case.plan.noise % 3 == 1) {
        let outcome = run(case);
        for violation in &outcome.violations {
            let text = mermaid(case, &outcome, violation);
            let (_, arrows, notes) = read(&text);
            assert!(arrows <= 40 && notes.len() <= 82, "{} is too long:\n{text}", case.expect);
            cut += usize::from(notes.iter().any(|note| note.ends_with("are left out …")));
            seen.insert(violation.property);
        }
    }
    assert!(seen.len() > 5, "{seen:?}, {cut} of them cut");
}
