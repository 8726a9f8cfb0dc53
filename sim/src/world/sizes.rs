//! Measuring a run: what the streams went through, and what the stores hold.

use super::{
    roster::{HostId, Roster},
    streams::Streams,
};
use crate::{
    fakes::{redis, sql},
    plan::{Host, Role},
    record::sizes::{Measure, Sizes},
};
use std::collections::BTreeMap;

/// The families of db_proxy's keys (SYSTEM.md section 6, and `token_` of `kept-tokens`); a number or a text stands in front of
/// those with a leading underscore and behind those with one at the end.
const FAMILIES: [&str; 11] = [
    "msg_id_",
    "group_msg_id_",
    "unread_",
    "group_member_",
    "group_set_",
    "_im_user_group",
    "_im_group_msg",
    "device_",
    "token_",
    "total_user_update",
    "last_update_group",
];
/// Any other key.
const OTHER: &str = "others";

fn family(key: &[u8]) -> &'static str {
    let is = |family: &&&str| match family.as_bytes() {
        [b'_', ..] => key.ends_with(family.as_bytes()),
        [.., b'_'] => key.starts_with(family.as_bytes()),
        whole => key == whole,
    };
    FAMILIES.iter().find(is).copied().unwrap_or(OTHER)
}

/// The name of a table without its number.
fn table(name: &str) -> String {
    name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_').to_string()
}

/// What Redis holds of one family.
#[derive(Debug, Default)]
struct Held {
    keys: u64,
    /// Bytes of the longest value.
    value: u64,
    /// Fields of the largest hash, if there is one.
    fields: Option<u64>,
}

/// Notes what Redis holds.
pub fn of_redis(sizes: &mut Sizes, engine: &redis::Engine) {
    let mut families: BTreeMap<&'static str, Held> = BTreeMap::new();
    for (key, stored) in engine.all() {
        let held = families.entry(family(key)).or_default();
        held.keys += 1;
        let bytes = match stored {
            redis::Stored::Text(text) => text.len(),
            redis::Stored::Hash(hash) => {
                held.fields = held.fields.max(Some(hash.len() as u64));
                hash.iter().map(|(field, value)| field.len() + value.len()).sum()
            }
        };
        held.value = held.value.max(bytes as u64);
    }
    let host = Role::Redis.host();
    for (family, Held { keys, value, fields }) in families {
        sizes.note(&host, Measure::Keys(family), keys);
        sizes.note(&host, Measure::Value(family), value);
        if let Some(fields) = fields {
            sizes.note(&host, Measure::Fields(family), fields);
        }
    }
}

/// Tables whose rows are forgotten once they are old, and the column that says when each came, in seconds since 1970.
const FORGOTTEN: [(&str, &str); 1] = [("TTSend", "created")];

/// Notes what SQL holds at a time of the wall clock, in seconds since 1970.
pub fn of_sql(sizes: &mut Sizes, engine: &sql::Engine, unix_s: u64) {
    let mut rows: BTreeMap<String, u64> = BTreeMap::new();
    for (name, count) in engine.row_counts() {
        *rows.entry(table(name)).or_default() += count as u64;
    }
    for (table, count) in rows {
        sizes.note(&Role::Sql.host(), Measure::Rows(table), count);
    }
    for (table, column) in FORGOTTEN {
        if let Some(first) = engine.least(table, column) {
            sizes.note(&Role::Sql.host(), Measure::Oldest(table), unix_s.saturating_sub(first));
        }
    }
}

/// Notes what went through the streams of a run.
pub fn of_streams(sizes: &mut Sizes, roster: &Roster, streams: &Streams) {
    for (_, stream) in streams.iter() {
        for (host, end) in [(stream.from, &stream.dialler), (stream.to, &stream.acceptor)] {
            let host: &Host = roster.host(host);
            sizes.note(host, Measure::Unread, end.most_unread);
            sizes.note(host, Measure::Unfinished, end.most_unfinished);
        }
    }
    for (host, count) in streams.most_accepted() {
        sizes.note(roster.host(host), Measure::Accepted, count);
    }
}

/// How many connections that hosts have accepted are open, now and at most.
#[derive(Debug, Default)]
pub struct Accepted(BTreeMap<HostId, (u64, u64)>);

impl Accepted {
    /// One more.
    pub fn opened(&mut self, host: HostId) {
        let (now, most) = self.0.entry(host).or_default();
        *now += 1;
        *most = (*now).max(*most);
    }

    /// One less.
    pub fn closed(&mut self, host: HostId) {
        if let Some((now, _)) = self.0.get_mut(&host) {
            *now -= 1;
        }
    }

    /// The most at once.
    pub fn most(&self) -> impl Iterator<Item = (HostId, u64)> {
        self.0.iter().map(|(host, (_, most))| (*host, *most))
    }
}

#[cfg(test)]
mod tests {
    use super::{Accepted, FAMILIES, OTHER, family, of_redis, of_sql, table};
    use crate::{
        explore::{case_of, run_case},
        fakes::{redis, sql},
        plan::{case::ProtocolSpec, generate::Profile},
        record::{
            End, Kind,
            sizes::{Measure, Sizes},
        },
        world::roster::WORLD,
    };
    use bytes::Bytes;
    use std::collections::BTreeMap;
    use teamtalk::conversation::Conversation;

    #[test]
    fn keys_are_of_the_family_that_db_proxy_made_them_for() {
        for (key, of) in [
            ("msg_id_12", "msg_id_"),
            ("group_msg_id_1", "group_msg_id_"),
            ("unread_7", "unread_"),
            ("group_member_3", "group_member_"),
            ("group_set_3", "group_set_"),
            ("4_3_im_user_group", "_im_user_group"),
            ("3_im_group_msg", "_im_group_msg"),
            ("device_7", "device_"),
            ("device_any_text_", "device_"),
            ("total_user_update", "total_user_update"),
            ("last_update_group", "last_update_group"),
            ("total_user_updates", OTHER),
            ("", OTHER),
        ] {
            assert_eq!(family(key.as_bytes()), of, "{key}");
        }
        assert_eq!(FAMILIES.map(|of| family(of.as_bytes())), FAMILIES);
    }

    #[test]
    fn what_stores_hold_is_counted_by_family_and_table() {
        let mut engine = redis::Engine::new();
        let mut session = redis::Session::default();
        for words in [
            "SELECT 1",
            "HSET unread_1 2 5",
            "HSET unread_1 3 10",
            "HSET unread_2 1 1",
            "SET msg_id_1 17",
            "SELECT 0",
            "SET device_1 ios:abc",
        ] {
            let words: Vec<_> =
                words.split(' ').map(|w| Bytes::copy_from_slice(w.as_bytes())).collect();
            engine.run(&mut session, &words);
        }
        let mut sizes = Sizes::default();
        of_redis(&mut sizes, &engine);
        for (measure, size) in [
            (Measure::Keys("unread_"), 2),
            (Measure::Fields("unread_"), 2),
            // `2` and `5`, `3` and `10`.
            (Measure::Value("unread_"), 5),
            (Measure::Keys("msg_id_"), 1),
            (Measure::Value("msg_id_"), 2),
            (Measure::Keys("device_"), 1),
            (Measure::Value("device_"), 7),
            (Measure::Fields("device_"), 0),
        ] {
            assert_eq!(sizes.largest(&measure), size, "{measure}");
        }
        let user = |id: u32| sql::User { id, name: format!("user{id}"), password: "x".into() };
        let mut engine = sql::Engine::new();
        engine.seed_users(&[user(1), user(2)]).expect("rows that fit");
        let session = engine.open();
        let insert = |n: u32| {
            format!(
                "insert into IMMessage_{n} (relateId, fromId, toId, msgId) values (1, 1, 2, {n})"
            )
        };
        for n in [1, 2, 2] {
            engine.submit(session, &insert(n), &[]);
        }
        engine.submit(session, "begin", &[]);
        engine.submit(session, &insert(3), &[]);
        of_sql(&mut sizes, &engine, 0);
        let rows = |table: &str| sizes.largest(&Measure::Rows(table.into()));
        assert_eq!((rows("IMUser"), rows("IMMessage"), rows("IMGroup")), (2, 3, 0));
        assert_eq!(sizes.largest(&Measure::Oldest("TTSend")), 0, "there is none");
        for (token, created) in [("a", 70), ("b", 30), ("c", 90)] {
            let sent = format!(
                "insert into TTSend (fromId, token, type, relateId, msgId, created) \
                 values (1, '{token}', 1, 1, 1, {created})"
            );
            let session = engine.open();
            assert!(matches!(engine.submit(session, &sent, &[]), sql::Step::Done(_)));
        }
        of_sql(&mut sizes, &engine, 100);
        assert_eq!(sizes.largest(&Measure::Oldest("TTSend")), 70, "of the oldest");
        assert_eq!((table("IMMessage_7"), table("TTRead")), ("IMMessage".into(), "TTRead".into()));
    }

    /// The same, reckoned from the trace of a calm run; and the trace does not know of it.
    #[test]
    fn a_run_is_measured_from_outside() {
        let case = case_of(3, &ProtocolSpec::preset("hardened"), Profile::Calm);
        let outcome = run_case(&case).expect("a preset resolves");
        let (mut rows, mut open) = (BTreeMap::new(), BTreeMap::new());
        let mut most: BTreeMap<&str, u64> = BTreeMap::new();
        for line in &outcome.trace.lines {
            match &line.kind {
                Kind::Row { conversation, .. } => {
                    let is_of_group = matches!(conversation, Conversation::Group(_));
                    *rows
                        .entry(if is_of_group { "IMGroupMessage" } else { "IMMessage" })
                        .or_default() += 1;
                }
                Kind::Connected { end: End::Acceptor, .. } => {
                    let now: &mut u64 = open.entry(&*line.host).or_default();
                    *now += 1;
                    let most = most.entry(&*line.host).or_default();
                    *most = (*now).max(*most);
                }
                Kind::Disconnected { end: End::Acceptor, .. } => {
                    *open.entry(&*line.host).or_default() -= 1;
                }
                _ => {}
            }
        }
        let measured = |host: &str, measure: &Measure| {
            let mut all = outcome.sizes.iter();
            all.find(|(at, of, _)| **at == *host && *of == measure).map(|(.., size)| size)
        };
        assert!(!rows.is_empty());
        for (table, count) in rows {
            assert_eq!(measured("sql", &Measure::Rows(table.into())), Some(count), "{table}");
        }
        assert!(most.len() > 5, "{most:?}");
        for (host, most) in most {
            assert_eq!(measured(host, &Measure::Accepted), Some(most), "{host}");
        }
        assert!(outcome.sizes.largest(&Measure::Unread) > 0);
    }

    #[test]
    fn the_most_connections_at_once_stay() {
        let mut accepted = Accepted::default();
        accepted.closed(WORLD);
        for opens in [true, true, false, true, false, false] {
            if opens { accepted.opened(WORLD) } else { accepted.closed(WORLD) }
        }
        assert_eq!(accepted.most().collect::<Vec<_>>(), [(WORLD, 2)]);
    }
}
