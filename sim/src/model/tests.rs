//! Wrong answers are seen: every answer of a run is altered in each way that its fields allow, and the
//! property `answers` must see each of them, and none in the run as it was.

use super::all;
use crate::{
    explore::case_of,
    plan::{Role, case::ProtocolSpec, generate::Profile},
    properties::{Judge, Violation},
    record::{
        Frame, Kind, Line, Trace,
        altered::{Altered, altered},
    },
    run::run_case,
};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use teamtalk::{
    catalogue::{self, Peer, Serve},
    protocol::Protocol,
    wire::Pdu,
};

/// Fields of answers that say nothing of what the stores hold.
const UNJUDGED: &[(&str, &str)] = &[
    // Words for people beside a code.
    ("IM.Server.IMValidateRsp", "result_string"),
];

/// Commands of a db_proxy without a model here, and the property that sees a wrong answer or effect.
const ELSEWHERE: &[(u16, &str)] = &[
    (catalogue::id::MSG_DATA, "acked-is-stored, no-duplicate, integrity, unique-msg-id"),
    (catalogue::id::LOGIN_REQ_DEVICETOKEN, "answers/tokens, by the pushes that follow"),
    (catalogue::id::FILE_ADD_OFFLINE_REQ, "answers/offline-files, by what is listed"),
    (catalogue::id::FILE_DEL_OFFLINE_REQ, "answers/offline-files, by what is listed"),
];

#[test]
fn each_command_that_a_db_proxy_serves_has_a_model_or_another_judge() {
    let models: BTreeSet<u16> = all().map(|model| model.command).collect();
    let elsewhere: BTreeSet<u16> = ELSEWHERE.iter().map(|(command, _)| *command).collect();
    let served = catalogue::ALL.iter().filter(|command| {
        command.served(Peer::Msg, Peer::Db) == Some(Serve::Handler) && !is_a_links_own(command.id)
    });
    for command in served {
        let (here, there) = (models.contains(&command.id), elsewhere.contains(&command.id));
        assert!(here != there, "{}: a model: {here}, another judge: {there}", command.name);
    }
}

/// Heartbeats, which carry nothing.
fn is_a_links_own(command: u16) -> bool {
    command == catalogue::id::OTHER_HEARTBEAT
}

/// All that a run of a calm plan said, under a preset: no store fails.
fn runs(preset: &str, seeds: std::ops::RangeInclusive<u64>) -> Vec<Trace> {
    let run = |seed| {
        let case = case_of(seed, &ProtocolSpec::preset(preset), Profile::Calm);
        run_case(&case).expect("a verdict").trace
    };
    seeds.map(run).collect()
}

/// What `answers` finds in a trace up to a line, with another line in its place.
fn judged(preset: &str, trace: &Trace, n: usize, line: &Line) -> Vec<Violation> {
    let protocol = Protocol::preset(preset).expect("a preset");
    let mut judge = Judge::of("answers", &protocol);
    trace.lines[..n].iter().for_each(|line| assert_eq!(judge.observe(line), None));
    judge.observe(line).into_iter().collect()
}

/// The answers of db_proxies, the longest first, by command.
fn answers(traces: &[Trace]) -> BTreeMap<u16, Vec<(usize, usize)>> {
    let models: BTreeSet<u16> = all().map(|model| model.command).collect();
    let mut found: BTreeMap<u16, Vec<(usize, usize)>> = BTreeMap::new();
    for (of, trace) in traces.iter().enumerate() {
        for (n, line) in trace.lines.iter().enumerate() {
            let Kind::PduSent(pdu) = &line.kind else { continue };
            let asked = catalogue::request_of(pdu.command()).map(|asked| asked.id);
            if line.host.role() == Role::Db && asked.is_some_and(|asked| models.contains(&asked)) {
                found.entry(pdu.command()).or_default().push((of, n));
            }
        }
    }
    for of in found.values_mut() {
        // Where nothing was committed meanwhile, nothing but one answer is right.
        let quiet: Vec<_> = of.iter().copied().filter(|&(t, n)| is_quiet(&traces[t], n)).collect();
        if !quiet.is_empty() {
            *of = quiet;
        }
    }
    let length = |&(of, n): &(usize, usize)| match &traces[of].lines[n].kind {
        Kind::PduSent(pdu) => pdu.pdu.body.len(),
        _ => 0,
    };
    found.values_mut().for_each(|of| of.sort_by_key(|at| std::cmp::Reverse(length(at))));
    found
}

/// Whether nothing was committed between a db_proxy's answer and the question before it.
fn is_quiet(trace: &Trace, n: usize) -> bool {
    let Kind::PduSent(answer) = &trace.lines[n].kind else { return false };
    let asked = catalogue::request_of(answer.command()).map(|asked| asked.id);
    for line in trace.lines[..n].iter().rev() {
        match &line.kind {
            Kind::Store(applied) if !applied.changed.is_empty() => return false,
            Kind::PduReceived(pdu)
                if pdu.conn == answer.conn
                    && Some(pdu.command()) == asked
                    && pdu.header.seq_num == answer.header.seq_num
                    && pdu.attach() == answer.attach() =>
            {
                return true;
            }
            _ => {}
        }
    }
    false
}

/// A line with another body.
fn saying(line: &Line, body: Vec<u8>) -> Line {
    let Kind::PduSent(frame) = &line.kind else { panic!("no PDU") };
    let pdu = Pdu { header: frame.pdu.header, body: Bytes::from(body) };
    Line { kind: Kind::PduSent(Frame::new(frame.conn, frame.end, frame.k, pdu)), ..line.clone() }
}

/// What of the altered answers of a preset nobody sees. Where something was committed between question
/// and answer two answers may be right, as of changes that are asked for twice at once: then one answer
/// that is seen will do.
fn unseen(preset: &str, traces: &[Trace], each: usize) -> Vec<String> {
    let found = answers(traces);
    let (mut unseen, mut tried) = (Vec::new(), BTreeMap::<u16, usize>::new());
    let (mut doubtful, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for (command, places) in &found {
        for &(of, n) in places.iter().take(each) {
            let line = &traces[of].lines[n];
            assert_eq!(judged(preset, &traces[of], n, line), [], "as it was");
            let Kind::PduSent(pdu) = &line.kind else { panic!("no PDU") };
            let table = catalogue::of(*command).expect("a command").body;
            for Altered { field, how, body } in altered(table, &pdu.pdu.body) {
                if UNJUDGED.contains(&field) {
                    continue;
                }
                *tried.entry(*command).or_default() += 1;
                let said = format!("{command:#06x} {}.{}: {how}", field.0, field.1);
                if !judged(preset, &traces[of], n, &saying(line, body)).is_empty() {
                    seen.insert(said);
                } else if is_quiet(&traces[of], n) {
                    unseen.push(said);
                } else {
                    doubtful.insert(said);
                }
            }
        }
    }
    unseen.extend(doubtful.difference(&seen).cloned());
    for model in all() {
        let entry = catalogue::of(model.command).expect("a command");
        let reply = entry.reply.expect("it is answered");
        let tried = tried.get(&reply).copied().unwrap_or(0);
        assert!(tried > 0, "{} was never answered in these runs", entry.name);
    }
    unseen
}

#[test]
fn every_altered_answer_is_seen() {
    let traces = runs("hardened", 1..=40);
    let unseen = unseen("hardened", &traces, 8);
    assert!(unseen.is_empty(), "{} unseen:\n{}", unseen.len(), unseen.join("\n"));
}
