//! What there is: properties, profiles, switches.

use super::{Failure, output::Output};
use teamtalk::{
    catalogue::{
        Limit,
        limits::{self, Limits, Named},
    },
    protocol::{Protocol, SWITCHES},
};
use teamtalk_sim::{
    plan::{case::PROTOCOL_FILE, generate::PROFILES},
    properties::{self, Sort},
};

pub fn properties(out: &mut Output) -> Result<u8, Failure> {
    for property in properties::all(&Protocol::hardened()) {
        let sort = match property.sort() {
            Sort::Safety => "safety",
            Sort::Liveness => "liveness",
        };
        out.line(format_args!("{:<18} {sort:<9} {}", property.name(), property.says()));
    }
    Ok(0)
}

pub fn profiles(out: &mut Output) -> Result<u8, Failure> {
    for (_, name, says) in PROFILES {
        out.line(format_args!("{name:<9} {says}"));
    }
    Ok(0)
}

pub fn protocols(out: &mut Output) -> Result<u8, Failure> {
    out.line("presets: teamtalk (every switch off), hardened (those marked with *)\n");
    let hardened = Protocol::hardened();
    for s in SWITCHES {
        let mark = if hardened.get(s.name) == Some(true) { " *" } else { "" };
        out.line(format_args!("{}{mark}  [{}]", s.name, s.scope));
        out.line(format_args!("    instead of {}", s.instead_of));
        out.line(format_args!(
            "    peers: {}\n    cost: {}\n    property: {}",
            s.peers, s.cost, s.property
        ));
    }
    out.line("A TOML file names a preset and what differs:");
    out.line(format_args!("  {}", PROTOCOL_FILE.join("\n  ")));
    Ok(0)
}

pub fn limits(out: &mut Output) -> Result<u8, Failure> {
    out.line("limits with `edge-limits` (default, ceiling):\n");
    for Named { name, limit, says } in limits::names() {
        let Limit { default, ceiling } = limit;
        out.line(format_args!("{name:<24} {default:>10} {ceiling:>11}  {says}"));
    }
    let values = Limits::default();
    out.line(format_args!(
        "\nfrom these follow: a PDU of {} bytes before the login, of {} bytes after it",
        values.stranger_pdu, values.device_pdu
    ));
    out.line("A TOML file may set each up to the most it may be:");
    out.line("  preset = \"hardened\"\n  [limits]\n  \"0204.user_id_list\" = 50");
    Ok(0)
}
