//! Lines of a trace, read back from what [`Line::to_json`] writes.

use super::{
    Applied, Changed, Columns, Frame, Kind, Line, What,
    values::{of_bytes, of_effect, of_hex, of_value},
};
use crate::{
    fakes::sql::Layouts,
    plan::{Host, Role, json::json},
};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};
use std::{collections::BTreeMap, sync::Arc};
use teamtalk::{
    fact::Fact,
    store::sql::Value,
    wire::{Header, Pdu},
};

/// Words that stand for themselves in a line.
const STORES: [&str; 3] = ["redis", "sql", "blob"];
const WHYS: [&str; 2] = ["refused", "given up"];
const PHASES: [&str; 3] = ["safety", "liveness", "audit"];

/// Reads lines, and shares between them what they have in common.
#[derive(Debug, Default)]
pub struct Reader {
    layouts: Layouts,
    whats: BTreeMap<String, Arc<What>>,
    hosts: BTreeMap<String, Host>,
}

impl Reader {
    /// Reads a line. Each of its fields means something, and it could have been written by this build.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn line(&mut self, text: &str) -> Result<Line, String> {
        let Json::Object(fields) = json(text)? else { return Err("no JSON object".into()) };
        let mut fields = Fields(fields);
        let (n, sim_us) = (fields.take("n")?, fields.take("sim_us")?);
        let (host, incarnation) = (self.host(&mut fields, "host")?, fields.take("incarnation")?);
        let name: String = fields.take("kind")?;
        let kind = self.kind(&name, &mut fields).map_err(|e| format!("kind `{name}`: {e}"))?;
        match fields.0.keys().next() {
            None => Ok(Line { n, sim_us, host, incarnation, kind }),
            Some(field) => Err(format!("kind `{name}`: unknown field `{field}`")),
        }
    }

    fn kind(&mut self, name: &str, f: &mut Fields) -> Result<Kind, String> {
        Ok(match name {
            "pdu_sent" => Kind::PduSent(frame(f)?),
            "pdu_received" => Kind::PduReceived(frame(f)?),
            "connected" => Kind::Connected {
                conn: f.take("conn")?,
                end: f.take("end")?,
                peer: self.host(f, "peer")?,
                port: f.take("port")?,
                device: f.take("device")?,
            },
            "disconnected" => Kind::Disconnected { conn: f.take("conn")?, end: f.take("end")? },
            "connect_failed" => Kind::ConnectFailed {
                peer: self.host(f, "peer")?,
                port: f.take("port")?,
                device: f.take("device")?,
                why: f.word("why", &WHYS)?,
            },
            "fact" => Kind::Fact(fact(std::mem::take(&mut f.0))?),
            "store" => Kind::Store(self.applied(f)?),
            "holds" => Kind::Holds { store: f.word("store", &STORES)?, changed: self.changes(f)? },
            "row" => Kind::Row {
                conversation: f.take("conversation")?,
                msg_id: f.take("msg_id")?,
                from: f.take("from")?,
                content: f.take("content")?,
            },
            "session_row" => Kind::SessionRow {
                user: f.take("user")?,
                peer: f.take("peer")?,
                session_type: f.take("session_type")?,
                id: f.take("id")?,
            },
            "relation_row" => {
                Kind::RelationRow { conversation: f.take("conversation")?, id: f.take("id")? }
            }
            "member_row" => Kind::MemberRow {
                group: f.take("group")?,
                user: f.take("user")?,
                live: f.take("live")?,
            },
            "op" => Kind::Op {
                op: f.take("op")?,
                device: f.take("device")?,
                what: f.take("what")?,
                delivered: f.take("delivered")?,
                online: f.take("online")?,
            },
            "fault_start" => Kind::FaultStart { fault: f.take("fault")?, what: f.take("what")? },
            "fault_end" => Kind::FaultEnd { fault: f.take("fault")?, hit: f.take("hit")? },
            "store_lost" => Kind::StoreLost {
                store: f.word("store", &STORES)?,
                commands: f.take("commands")?,
                changed: self.changes(f)?,
            },
            "migrated" => Kind::Migrated { version: f.take("version")?, changed: self.changes(f)? },
            "stream_reset" => Kind::StreamReset { conn: f.take("conn")? },
            "host_up" => Kind::HostUp,
            "on_side" => Kind::OnSide { side: f.take("side")? },
            "host_down" => Kind::HostDown,
            "panic" => Kind::Panic { message: f.take("message")?, at: f.take("at")? },
            "endless" => Kind::Endless { message: f.take("message")? },
            "phase" => Kind::Phase { phase: f.word("phase", &PHASES)? },
            _ => return Err("there is no such kind of line".into()),
        })
    }

    fn host(&mut self, fields: &mut Fields, field: &str) -> Result<Host, String> {
        let name: String = fields.take(field)?;
        if let Some(host) = self.hosts.get(&name) {
            return Ok(host.clone());
        }
        let world = Role::World.host();
        let host = if world == *name { world } else { Host::parse(&name).map_err(of(field))? };
        self.hosts.insert(name, host.clone());
        Ok(host)
    }

    fn applied(&mut self, f: &mut Fields) -> Result<Applied, String> {
        let store = f.word("store", &STORES)?;
        let what = self.what(f.take("what")?);
        let params = f.list("params")?;
        let params = params.iter().map(of_value).collect::<Result<_, _>>().map_err(of("params"))?;
        Ok(Applied {
            store,
            what,
            params,
            effect: of_effect(store, &f.any("effect")?).map_err(of("effect"))?,
            committed: f.take("committed")?,
            replica: f.take("replica")?,
            changed: self.changes(f)?,
        })
    }

    fn what(&mut self, text: String) -> Arc<What> {
        self.whats.entry(text).or_insert_with_key(|text| What::new(text.clone())).clone()
    }

    fn changes(&self, fields: &mut Fields) -> Result<Vec<Changed>, String> {
        let changes = fields.list("changed")?.into_iter().enumerate();
        let read = |(n, change)| self.changed(change).map_err(|e| format!("changed[{n}]: {e}"));
        changes.map(read).collect()
    }

    fn changed(&self, change: Json) -> Result<Changed, String> {
        let Json::Object(fields) = change else { return Err("expected an object".into()) };
        let mut f = Fields(fields);
        let changed = match f.0.contains_key("table") {
            true => self.row(&mut f)?,
            false => Changed::Key {
                db: f.take("db")?,
                key: of_bytes(&f.any("key")?).map_err(of("key"))?,
                field: f.bytes("field")?,
                before: f.bytes("before")?,
                after: f.bytes("after")?,
            },
        };
        match f.0.keys().next() {
            None => Ok(changed),
            Some(field) => Err(format!("unknown field `{field}`")),
        }
    }

    /// A row; its key, and the order of its columns, are those of its table.
    fn row(&self, f: &mut Fields) -> Result<Changed, String> {
        let table: String = f.take("table")?;
        let columns = self.layouts.columns(&table);
        let columns = columns.ok_or_else(|| format!("there is no table `{table}`"))?;
        let mut version = |field: &str| match f.any(field)? {
            Json::Null => Ok(None),
            Json::Object(values) => values_of(columns, values).map(Some).map_err(of(field)),
            _ => Err(format!("field `{field}`: expected a row or null")),
        };
        let (before, after) = (version("before")?, version("after")?);
        let row = after.as_ref().or(before.as_ref());
        let row = row.ok_or("a row that was not there and is not there")?;
        let key = self.layouts.key(&table, row).ok_or("a row without its key")?;
        Ok(Changed::Row { columns: columns.clone(), key, before, after })
    }
}

/// The values of a row, by its columns.
fn values_of(columns: &Columns, mut row: Map<String, Json>) -> Result<Arc<[Value]>, String> {
    let value = |name: &String| {
        let value = row.remove(name).ok_or_else(|| format!("column `{name}` is missing"))?;
        of_value(&value).map_err(of(name))
    };
    let values = columns.names.iter().map(value).collect::<Result<_, _>>()?;
    match row.keys().next() {
        None => Ok(values),
        Some(name) => Err(format!("table `{}` has no column `{name}`", columns.table)),
    }
}

fn frame(f: &mut Fields) -> Result<Frame, String> {
    let command: String = f.take("command")?;
    let digits = command.strip_prefix("0x").filter(|digits| digits.len() == 4);
    let command = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
    let command = command.ok_or("field `command`: expected a number such as \"0x0301\"")?;
    // It follows from the command; another build may know another name.
    let _: Option<String> = f.take("name")?;
    let body = of_hex(&f.take::<String>("body")?).map_err(of("body"))?;
    let mut pdu = Pdu::raw(command, f.take("seq")?, body);
    if f.0.contains_key("header") {
        let [version, flag, service_id, reserved] = f.take("header")?;
        pdu.header = Header { version, flag, service_id, reserved, ..pdu.header };
    }
    Ok(Frame::new(f.take("conn")?, f.take("end")?, f.take("k")?, pdu))
}

/// A fact, of fields of which all belong to it.
fn fact(fields: Map<String, Json>) -> Result<Fact, String> {
    let json = Json::Object(fields);
    let fact: Fact = serde_json::from_value(json.clone()).map_err(|e| e.to_string())?;
    match serde_json::to_value(&fact) {
        Ok(again) if again == json => Ok(fact),
        _ => Err(format!("it would be written otherwise: {fact:?}")),
    }
}

/// An error with its field.
fn of<E: std::fmt::Display>(field: &str) -> impl FnOnce(E) -> String {
    move |error| format!("field `{field}`: {error}")
}

/// The fields of an object that have not been read.
struct Fields(Map<String, Json>);

impl Fields {
    fn any(&mut self, field: &str) -> Result<Json, String> {
        self.0.remove(field).ok_or_else(|| format!("field `{field}` is missing"))
    }

    fn take<T: DeserializeOwned>(&mut self, field: &str) -> Result<T, String> {
        serde_json::from_value(self.any(field)?).map_err(of(field))
    }

    fn list(&mut self, field: &str) -> Result<Vec<Json>, String> {
        self.take(field)
    }

    fn word(&mut self, field: &str, known: &[&'static str]) -> Result<&'static str, String> {
        let found: String = self.take(field)?;
        let word = known.iter().find(|word| **word == found);
        word.copied()
            .ok_or_else(|| format!("field `{field}`: expected one of {}", known.join(", ")))
    }

    fn bytes(&mut self, field: &str) -> Result<Option<Bytes>, String> {
        match self.any(field)? {
            Json::Null => Ok(None),
            json => of_bytes(&json).map(Some).map_err(of(field)),
        }
    }
}
