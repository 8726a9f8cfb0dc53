//! Changes that nobody answers, for [`super::answers`]: a file that waits (050b) and one that was fetched
//! (050c). What a db_proxy was told is in the store in the end, and nothing else is gone.

use super::{Seen, Violation};
use crate::{
    model::{View, stores::Row},
    plan::Host,
    record::{Changed, Frame},
};
use teamtalk::{
    catalogue::id,
    wire::im::file::{ImFileAddOfflineReq, ImFileDelOfflineReq},
};

/// The table of files that wait.
pub const TABLE: &str = "IMTransmitFile";

/// A change that a db_proxy was told of.
#[derive(Debug)]
pub struct Told {
    host: Host,
    /// The line at which it was read, and when.
    n: u64,
    at_us: u64,
    change: Change,
}

#[derive(Debug)]
enum Change {
    Waits(ImFileAddOfflineReq),
    Fetched(ImFileDelOfflineReq),
}

impl Told {
    /// The change that a PDU at a db_proxy asks for, if it is one of these.
    pub fn of(seen: &Seen<'_>, pdu: &Frame) -> Option<Self> {
        let change = match pdu.command() {
            id::FILE_ADD_OFFLINE_REQ => {
                let file = pdu.view::<ImFileAddOfflineReq>().ok()?.into_owned();
                // What does not fit the table is not kept, and nobody is told.
                (fits(&file.file_name, 256) && fits(&file.task_id, 64))
                    .then_some(Change::Waits(file))?
            }
            id::FILE_DEL_OFFLINE_REQ => {
                Change::Fetched(pdu.view::<ImFileDelOfflineReq>().ok()?.into_owned())
            }
            _ => return None,
        };
        let line = seen.line;
        Some(Self { host: line.host.clone(), n: line.n, at_us: line.sim_us, change })
    }

    /// Whether it may be this command that a db_proxy read now.
    pub fn is(&self, host: &Host, command: u16, now_us: u64) -> bool {
        let own = match self.change {
            Change::Waits(_) => id::FILE_ADD_OFFLINE_REQ,
            Change::Fetched(_) => id::FILE_DEL_OFFLINE_REQ,
        };
        (&self.host, own, self.at_us) == (host, command, now_us)
    }

    /// Which db_proxy was told.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Whether it is done in one of these views, the first of which is from when it was told.
    pub fn is_done<'a>(&self, views: impl IntoIterator<Item = View<'a>>) -> bool {
        views.into_iter().any(|view| match &self.change {
            Change::Waits(file) => view.rows(TABLE).any(|row| is_of(file, &row)),
            Change::Fetched(file) => !view.rows(TABLE).any(|row| is_fetched(file, &row)),
        })
    }

    /// The line at which it was told.
    pub fn since(&self) -> u64 {
        self.n
    }

    /// That it was never done.
    pub fn violation(&self) -> Violation {
        let (kind, what) = match &self.change {
            Change::Waits(file) => {
                ("file-kept", format!("for user {}, waits nowhere", file.to_user_id))
            }
            Change::Fetched(file) => {
                ("file-fetched", format!("that user {} has fetched, still waits", file.to_user_id))
            }
        };
        let sentence = format!("a file {what}, though {} was told", self.host);
        let about = [super::Subject::Host(self.host.clone())].into();
        let role = self.host.role();
        Violation { property: "answers", kind, role, sentence, about }
    }
}

fn is_of(file: &ImFileAddOfflineReq, row: &Row<'_>) -> bool {
    row.has([
        ("fromId", file.from_user_id),
        ("toId", file.to_user_id),
        ("size", file.file_size),
        ("status", 0),
    ]) && row.bytes("fileName") == file.file_name
        && row.bytes("taskId") == file.task_id
}

fn is_fetched(file: &ImFileDelOfflineReq, row: &Row<'_>) -> bool {
    row.has([("fromId", file.from_user_id), ("toId", file.to_user_id)])
        && row.bytes("taskId") == file.task_id
}

/// Whether a text fits a column of so many characters.
fn fits(text: &[u8], chars: usize) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| text.chars().count() <= chars)
}

/// A file that waits, or is gone, though no db_proxy was ever told so: the kind, and what it is.
pub fn unasked(told: &[&[Told]], changed: &Changed) -> Option<(&'static str, &'static str)> {
    let Changed::Row { columns, before, after, .. } = changed else { return None };
    if &*columns.table != TABLE {
        return None;
    }
    let mut told = told.iter().copied().flatten().map(|told| &told.change);
    match (before, after) {
        (Some(before), None) => {
            let gone = Row::of(columns, before);
            let is_it = |change: &Change| matches!(change, Change::Fetched(file) if is_fetched(file, &gone));
            (!told.any(is_it)).then_some(("file-lost", "a file is gone that nobody has fetched"))
        }
        (None, Some(after)) => {
            let new = Row::of(columns, after);
            let is_it =
                |change: &Change| matches!(change, Change::Waits(file) if is_of(file, &new));
            (!told.any(is_it)).then_some(("file-unasked", "a file waits that nobody has left"))
        }
        _ => None,
    }
}
