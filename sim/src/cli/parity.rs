//! The base, held to captures.

use super::{Failure, VIOLATED, output::Output};
use clap::Args;
use std::path::PathBuf;
use teamtalk_sim::{
    parity::{self, Base, Played},
    plan::case::ProtocolSpec,
};

/// Is the base what really runs? Hold it to captures of a system: PDUs, SQL statements, Redis commands.
///
/// The client PDUs of the captures go into the roles on the simulated network, and every PDU on every link,
/// every SQL statement and every Redis command that follows is compared with what was captured. How captures
/// are taken, and what may differ: docs/CAPTURES.md; what DIR/parity.toml says: docs/FORMATS.md, "Parity".
/// A line is printed for each flow, then what differs. Status 1: something does. Status 2: a file that can't
/// be read or played; its place is named, and what was expected there.
#[derive(Args)]
pub struct Parity {
    /// The folder of captures; tests/golden has those of the original.
    #[arg(value_name = "DIR")]
    captures: PathBuf,
    /// What is held to them: `teamtalk`, `hardened` or a TOML file.
    #[arg(long, default_value = "teamtalk")]
    protocol: String,
}

pub fn parity(args: &Parity, out: &mut Output) -> Result<u8, Failure> {
    let protocol = ProtocolSpec::parse(&args.protocol)?;
    let base = Base::of(&protocol)?;
    let parity = parity::Parity::read(&args.captures)?;
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
