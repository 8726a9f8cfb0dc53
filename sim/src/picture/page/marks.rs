//! What a host did at a moment, other than writing and reading PDUs: a mark on its lane.

use super::Drawer;
use crate::{
    chain,
    picture::{
        decode::shortened,
        words::{self, Sort, stored},
    },
    properties::Named,
    record::{Applied, Changed, End, Kind, Line, readable, shown},
};
use serde_json::{Value, json};
use teamtalk::fact::Fact;

struct Mark {
    sort: Sort,
    text: String,
    /// The device that it is about.
    device: Option<u32>,
    /// What hovering shows.
    says: Vec<(String, String)>,
}

/// The marks of a run, as data.
pub fn of(drawer: &Drawer<'_>) -> Vec<Value> {
    let lines = &drawer.outcome.trace.lines;
    let mut drawn: Vec<Value> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        // A row has a line of its own after the statement that committed it.
        let is_told_next = lines.get(at + 1).is_some_and(chain::is_row) && is_of_sql(line);
        let Some(mark) = mark(drawer, line).filter(|_| !is_told_next) else { continue };
        let lane = match mark.device {
            Some(device) => drawer.lanes.of_device(device),
            None => drawer.lanes.at(line, None),
        };
        let Some(lane) = lane else { continue };
        let named = Named::by(line);
        let mut users = drawer.users_of(&named);
        users.extend(mark.device.and_then(|device| drawer.lanes.user(device)));
        drawn.push(json!({
            "us": line.sim_us,
            "n": line.n,
            "lane": lane,
            "sort": format!("{:?}", mark.sort).to_lowercase(),
            "text": mark.text,
            "users": users,
            "messages": drawer.messages.of(&named),
            "touches": drawer.touches(line),
            "background": is_background(drawer, line),
            "broke": Some(line.n) == drawer.broken_by,
            "says": mark.says,
        }));
    }
    drawn
}

/// Whether it goes on whatever users do: the auditor's connections, and what a db_proxy notes in Redis
/// again and again (SYSTEM.md section 6, "Job of each db_proxy").
fn is_background(drawer: &Drawer<'_>, line: &Line) -> bool {
    match &line.kind {
        Kind::Disconnected { conn, .. } => drawer.scene.is_audit(*conn),
        Kind::Store(applied) if !applied.changed.is_empty() => {
            applied.changed.iter().all(|changed| {
                let keys = [&b"total_user_update"[..], b"last_update_group"];
                matches!(changed, Changed::Key { key, .. } if keys.contains(&&**key))
            })
        }
        _ => false,
    }
}

fn is_of_sql(line: &Line) -> bool {
    matches!(line.kind, Kind::Store(Applied { store: "sql", .. }))
}

fn mark(drawer: &Drawer<'_>, line: &Line) -> Option<Mark> {
    let mark = |sort, text: String| Mark { sort, text, device: None, says: Vec::new() };
    match &line.kind {
        Kind::Fact(fact) => word(drawer, fact),
        Kind::Op { device, what, delivered, .. } => {
            let (sort, how) =
                if *delivered { (Sort::Asked, "") } else { (Sort::Bad, " (its device was down)") };
            Some(Mark { device: Some(*device), ..mark(sort, format!("{}{how}", shortened(what))) })
        }
        Kind::Store(applied) if !applied.changed.is_empty() => {
            Some(Mark { says: said(applied), ..mark(Sort::Commit, changed(applied)) })
        }
        // What led to it is shown though it only looked.
        Kind::Store(applied) if drawer.touches(line) => {
            Some(Mark { says: said(applied), ..mark(Sort::Word, words::command(applied)) })
        }
        Kind::Row { from, .. } => {
            let says = vec![("from user".into(), from.to_string())];
            Some(Mark { says, ..mark(Sort::Commit, words::row(line)?) })
        }
        Kind::StoreLost { commands, .. } => {
            Some(mark(Sort::Bad, format!("what {commands} commands had changed is lost")))
        }
        Kind::Migrated { version, .. } => {
            Some(mark(Sort::Commit, format!("its schema has version {version} now")))
        }
        Kind::Connected { conn, end: End::Dialler, peer, device: Some(device), .. } => {
            let text = format!("connects to {peer} (connection {conn})");
            Some(Mark { device: Some(*device), ..mark(Sort::Word, text) })
        }
        Kind::Disconnected { conn, .. } => {
            let text = format!("connection {conn} is closed");
            let device = drawer.scene.device(*conn).filter(|_| is_client(line));
            Some(Mark { device, ..mark(Sort::Word, text) })
        }
        Kind::ConnectFailed { peer, device, why, .. } => Some(Mark {
            device: *device,
            ..mark(Sort::Bad, format!("no connection to {peer}: {why}"))
        }),
        Kind::OnSide { side } => {
            Some(mark(Sort::Word, format!("is on the side of {} from here on", side.name())))
        }
        Kind::HostUp if line.sim_us > 0 => Some(mark(Sort::Word, "its process starts".into())),
        Kind::HostDown => Some(mark(Sort::Bad, "its process is gone".into())),
        Kind::Panic { message, at } => {
            Some(mark(Sort::Bad, shortened(&format!("panics at {at}: {message}"))))
        }
        Kind::Endless { message } => {
            Some(mark(Sort::Bad, shortened(&format!("runs without end: {message}"))))
        }
        _ => Some(mark(Sort::Commit, words::row(line)?)),
    }
}

fn is_client(line: &Line) -> bool {
    line.host.role() == crate::plan::Role::Client
}

fn word(drawer: &Drawer<'_>, fact: &Fact) -> Option<Mark> {
    let (sort, text) = words::fact(fact)?;
    let device = match fact {
        Fact::Attempt { op, .. }
        | Fact::AttemptTimedOut { op, .. }
        | Fact::OpOk { op, .. }
        | Fact::OpFailed { op, .. } => drawer.lanes.device_of(*op),
        Fact::DeviceOnline { device, .. }
        | Fact::DeviceOffline { device, .. }
        | Fact::Held { device, .. }
        | Fact::UnreadShown { device, .. } => Some(*device),
        _ => None,
    };
    // On its own lane a device needs no name.
    let prefix = device.map(|device| format!("device {device} ")).unwrap_or_default();
    let text = text.strip_prefix(&prefix).unwrap_or(&text).to_string();
    Some(Mark { sort, device, text, says: Vec::new() })
}

/// What a command changed, in a few words.
fn changed(applied: &Applied) -> String {
    let Some(Changed::Key { key, field, after, .. }) = applied.changed.first() else {
        return stored(applied);
    };
    let field = field.as_ref().map_or(String::new(), |field| format!(".{}", readable(field)));
    let after = match after {
        None => "gone".into(),
        Some(after) if after.is_empty() => "nothing".into(),
        Some(after) => readable(after),
    };
    let more = applied.changed.len() - 1;
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    shortened(&format!("{}{field} = {after}{more}", readable(key)))
}

fn said(applied: &Applied) -> Vec<(String, String)> {
    let params: Vec<_> = applied.params.iter().map(|param| shortened(&shown(param))).collect();
    let mut says = vec![
        (applied.store.to_string(), shortened(&applied.what)),
        ("with".into(), params.join(", ")),
        ("did".into(), shortened(&applied.effect.to_string())),
    ];
    says.extend(
        applied
            .changed
            .iter()
            .take(8)
            .map(|changed| ("changed".to_string(), shortened(&changed.to_json().to_string()))),
    );
    says
}
