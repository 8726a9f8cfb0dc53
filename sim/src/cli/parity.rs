//! The base, held to captures.

use super::{Failure, Parity as Args, VIOLATED, output::Output};
use teamtalk_sim::{
    parity::{Base, Parity, Played},
    plan::case::ProtocolSpec,
};

pub fn parity(args: &Args, out: &mut Output) -> Result<u8, Failure> {
    let protocol = ProtocolSpec::parse(&args.protocol)?;
    let base = Base::of(&protocol)?;
    let parity = Parity::read(&args.captures)?;
    let mut all = Vec::new();
    for run in parity.runs() {
        let played = parity.play(run, &base);
        for flow in &played {
            out.line(said(flow));
        }
        all.extend(played);
    }
    let wrong: Vec<_> = all.iter().map(Played::wrong).filter(|wrong| !wrong.is_empty()).collect();
    for text in wrong.iter().flatten() {
        out.line(format_args!("\n{text}"));
    }
    let known = all.iter().filter(|flow| flow.known.is_some()).count();
    let known =
        if known == 0 { String::new() } else { format!(", {known} of them known to differ") };
    let (flows, label) = (all.len(), protocol.label());
    if wrong.is_empty() {
        out.line(format_args!("\n{flows} flows{known}: {label} does what was captured"));
        return Ok(0);
    }
    let n = wrong.len();
    out.line(format_args!("\n{n} of {flows} flows{known}: {label} does not do what was captured"));
    Ok(VIOLATED)
}

fn said(Played { flow, differences, known }: &Played) -> String {
    let differences = match differences.len() {
        0 => "same".to_string(),
        1 => "1 difference".to_string(),
        n => format!("{n} differences"),
    };
    let known = known.as_ref().map_or_else(String::new, |why| format!(" (known to differ: {why})"));
    format!("{flow}: {differences}{known}")
}
