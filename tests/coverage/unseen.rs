//! What of a PDU may be wrong though no property sees it, and why nothing wrong hides there.

use crate::planted::Way;

/// Alterations that nobody sees, for one reason.
#[derive(Debug)]
pub struct Unseen {
    /// On which ways; empty: on all.
    ways: &'static [&'static str],
    /// Of which commands; empty: of all.
    commands: &'static [u16],
    /// Which fields, `left out` for whole PDUs; empty: all.
    fields: &'static [&'static str],
    /// Only where the field is there twice.
    twice: bool,
    /// Why no property can see it.
    pub why: &'static str,
}

impl Unseen {
    const fn of(ways: &'static [&'static str], why: &'static str) -> Self {
        Self { ways, commands: &[], fields: &[], twice: false, why }
    }

    const fn commands(self, commands: &'static [u16]) -> Self {
        Self { commands, ..self }
    }

    const fn fields(self, fields: &'static [&'static str]) -> Self {
        Self { fields, ..self }
    }

    const fn twice(self) -> Self {
        Self { twice: true, ..self }
    }

    /// Whether it is the reason for an alteration.
    pub fn is_of(&self, (command, way): &Way, how: &str) -> bool {
        let field = || how.split(' ').next().unwrap_or_default();
        (self.ways.is_empty() || self.ways.contains(&&**way))
            && (self.commands.is_empty() || self.commands.contains(command))
            && (self.fields.is_empty()
                || self.fields.contains(&how)
                || self.fields.contains(&field()))
            && (!self.twice || how.ends_with(" twice"))
    }
}

/// The reasons.
pub const ALL: &[Unseen] = &[
    Unseen::of(
        &["device → msg"],
        "msg_server overwrites it with who is logged in, when it is and what client it is, or does not \
         read it; that it does, `answers` judges where it passes the question on",
    )
    .fields(&["user_id", "from_user_id", "create_time", "client_type"]),
    Unseen::of(&["device → msg"], "nobody reads it").commands(&[0x0103]).fields(&["client_version"]),
    Unseen::of(
        &["msg → db"],
        "who is asked for twice is answered as if once: the model reads the question as a set",
    )
    .commands(&[0x0403, 0x0705, 0x0711])
    .twice(),
    Unseen::of(
        &["outside → route", "route → outside"],
        "the rig's own audit at rest: what it asks for less or twice, it asks for again",
    )
    .commands(&[0x020a, 0x020b]),
    Unseen::of(&["outside → msg"], "a heartbeat of a server around the cluster, which is a fake")
        .commands(&[0x0701])
        .fields(&["left out"]),
    Unseen::of(&["outside → msg"], "msg_server ignores what a push server answers")
        .commands(&[0x0710]),
    Unseen::of(&["msg → outside"], "a number of the configuration").fields(&["max_conn_cnt"]),
    Unseen::of(
        &["route → msg"],
        "in calm runs a 07e2 goes through route only while links are new, and a server may not know \
         a link that is less than 20 ms old; of others `notices` owes it",
    )
    .commands(&[0x07e2])
    .fields(&["left out"]),
];

/// Commands of the workload of which nobody sees any wrong PDU, and why.
pub const COMMANDS: &[(u16, &str)] = &[
    (
        0x0702,
        "only a db_proxy that is stopped says it, and calm runs stop none; `stop-ignored` is a mutant",
    ),
    (0x0710, "msg_server ignores it"),
];
