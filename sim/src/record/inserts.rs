//! What an INSERT stores, by its columns and values rather than by what a role reports.

use super::{Kind, applied::shown, commits::Durable};
use std::borrow::Cow;
use teamtalk::{conversation::Conversation, store::sql::Value, wire::im::base_define::MsgType};

/// An INSERT as its text has it.
#[derive(Debug, PartialEq, Eq)]
pub struct Insert {
    /// The table, in lower case.
    pub table: String,
    /// The rows, each as its columns (names in lower case) with their values.
    rows: Vec<Vec<(String, Cell)>>,
    /// How many parameters the statement takes.
    params: usize,
}

/// A value within the text of an INSERT.
#[derive(Debug, PartialEq, Eq)]
enum Cell {
    /// The parameter of this number, from 0.
    Param(usize),
    /// A number, a text without its quotes, or an expression.
    Literal(Value),
}

/// A row of an INSERT with its parameters.
#[derive(Debug, Clone, Copy)]
pub struct Values<'a> {
    cells: &'a [(String, Cell)],
    params: &'a [Value],
}

impl Insert {
    /// `insert [ignore] into table (columns) values (values), …`; `None` for anything else.
    pub fn parse(statement: &str) -> Option<Self> {
        let open = statement.find('(')?;
        let words = statement[..open].split_whitespace();
        let mut words = words.filter(|word| !word.eq_ignore_ascii_case("ignore"));
        for expected in ["insert", "into"] {
            if !words.next()?.eq_ignore_ascii_case(expected) {
                return None;
            }
        }
        let table = name(words.next()?);
        let (columns, rest) = list(&statement[open..])?;
        let (verb, rest) = rest.trim_start().split_at_checked("values".len())?;
        if !verb.eq_ignore_ascii_case("values") {
            return None;
        }
        let mut rest = rest.trim_start();
        let mut params = 0;
        let mut cell = |text: &str| {
            let at = params;
            // An expression uses up its parameters.
            params += text.matches('?').count();
            if text == "?" {
                Cell::Param(at)
            } else {
                Cell::Literal(text.trim_matches('\'').into())
            }
        };
        let mut rows = Vec::new();
        while let Some((items, behind)) = list(rest) {
            let cells = items.into_iter().map(&mut cell);
            rows.push(columns.iter().map(|column| name(column)).zip(cells).collect());
            rest = behind.trim_start().trim_start_matches(',').trim_start();
        }
        Some(Self { table, rows, params })
    }

    /// Whether it inserts a row that has a line of its own in the trace.
    pub fn is_row(&self) -> bool {
        let is_message = |of: &str| self.table.starts_with(of);
        matches!(self.table.as_str(), SESSIONS | RELATIONS)
            || is_message(MESSAGES)
            || is_message(GROUP_MESSAGES)
    }

    /// Its rows; none if parameters are missing.
    pub fn rows<'a>(&'a self, params: &'a [Value]) -> impl Iterator<Item = Values<'a>> {
        let rows: &[_] = if params.len() < self.params { &[] } else { &self.rows };
        rows.iter().map(move |cells| Values { cells, params })
    }

    /// The path in the blob store, if it inserts a row of IMAudio.
    pub fn audio_path<'a>(&'a self, params: &'a [Value]) -> Option<Cow<'a, str>> {
        let row = self.rows(params).next().filter(|_| self.table == AUDIO)?;
        row.get("path").map(shown)
    }
}

impl<'a> Values<'a> {
    /// The value of a column, which is named in lower case.
    pub fn get(&self, column: &str) -> Option<&'a Value> {
        // Of a column that is named twice the last one counts.
        let (_, cell) = self.cells.iter().rev().find(|(name, _)| name == column)?;
        match cell {
            Cell::Param(at) => self.params.get(*at),
            Cell::Literal(value) => Some(value),
        }
    }

    /// The value of a column as a number.
    pub fn number(&self, column: &str) -> Option<u32> {
        match self.get(column)? {
            Value::Int(n) => u32::try_from(*n).ok(),
            text => shown(text).parse().ok(),
        }
    }
}

const SESSIONS: &str = "imrecentsession";
const RELATIONS: &str = "imrelationship";
/// What the tables of messages begin with.
const MESSAGES: &str = "immessage_";
const GROUP_MESSAGES: &str = "imgroupmessage_";
const AUDIO: &str = "imaudio";

/// The line of the trace for a durable statement, if it inserts a message, session or relation.
/// `recording` finds the recording, as text, for the id of a row of IMAudio. It is the content of a
/// voice message; if it is not found, the id is.
pub fn row(statement: &Durable, recording: impl FnOnce(&str) -> Option<String>) -> Option<Kind> {
    let insert = statement.what.insert.as_ref()?;
    let values = insert.rows(&statement.params).next()?;
    let number = |column: &str| values.number(column);
    let content = || {
        let content = shown(values.get("content")?);
        let types = [MsgType::SingleAudio, MsgType::GroupAudio].map(|t| t as u32);
        let is_audio = number("type").is_some_and(|t| types.contains(&t));
        let recording = if is_audio { recording(&content) } else { None };
        Some(recording.unwrap_or_else(|| content.into()))
    };
    match insert.table.as_str() {
        SESSIONS => Some(Kind::SessionRow {
            user: number("userid")?,
            peer: number("peerid")?,
            session_type: number("type")?,
            id: statement.id,
        }),
        RELATIONS => Some(Kind::RelationRow {
            conversation: Conversation::single(number("smallid")?, number("bigid")?),
            id: statement.id,
        }),
        table if table.starts_with(MESSAGES) => Some(Kind::Row {
            conversation: Conversation::single(number("fromid")?, number("toid")?),
            msg_id: number("msgid")?,
            from: number("fromid")?,
            content: content()?,
        }),
        table if table.starts_with(GROUP_MESSAGES) => Some(Kind::Row {
            conversation: Conversation::Group(number("groupid")?),
            msg_id: number("msgid")?,
            from: number("userid")?,
            content: content()?,
        }),
        _ => None,
    }
}

/// A name without its quotes, in lower case.
fn name(text: &str) -> String {
    text.trim_matches('`').to_ascii_lowercase()
}

/// The items of a list in brackets, and what follows it.
fn list(text: &str) -> Option<(Vec<&str>, &str)> {
    let inner = text.strip_prefix('(')?;
    let (mut items, mut start, mut depth, mut quoted) = (Vec::new(), 0, 0, false);
    for (at, c) in inner.char_indices() {
        match c {
            '\'' => quoted = !quoted,
            _ if quoted => {}
            '(' => depth += 1,
            ')' if depth == 0 => {
                items.push(inner[start..at].trim());
                return Some((items, &inner[at + 1..]));
            }
            ')' => depth -= 1,
            ',' if depth == 0 => {
                items.push(inner[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::row;
    use crate::record::{Kind, commits::Durable, what::What};
    use teamtalk::conversation::Conversation;

    fn of(what: &str, params: &[&str]) -> Option<Kind> {
        let params = params.iter().map(|param| (*param).into()).collect();
        let kept = |id: &str| (id == "12").then(|| "op-3".to_string());
        row(&Durable { what: What::new(what), params, id: 6 }, kept)
    }

    #[test]
    fn a_message_is_read_off_its_columns() {
        let text = "insert into IMMessage_3 (`relateId`, `fromId`, `toId`, `msgId`, `content`, \
                    `status`) values(?, ?, ?, ?, ?, 0)";
        let row = Kind::Row {
            conversation: Conversation::single(1, 2),
            msg_id: 9,
            from: 2,
            content: "Text".into(),
        };
        assert_eq!(of(text, &["3", "2", "1", "9", "Text"]), Some(row));
        let text = "INSERT INTO IMGroupMessage_1 (groupId, userId, msgId, content) \
                    VALUES (?, ?, greatest(?, 4), 'It (is), so')";
        assert_eq!(of(text, &["8", "2", "1"]), None, "an expression is no number");
        let text = "insert into IMGroupMessage_1 (groupId, userId, msgId, content) \
                    values (?, ?, 5, 'It (is), so')";
        let row = Kind::Row {
            conversation: Conversation::Group(8),
            msg_id: 5,
            from: 2,
            content: "It (is), so".into(),
        };
        assert_eq!(of(text, &["8", "2"]), Some(row));
    }

    #[test]
    fn audio_has_its_recording_as_content() {
        let content = |kind: &str, id: &str| {
            let text = "insert into IMGroupMessage_1 (`groupId`, `userId`, `msgId`, `content`, \
                        `type`) values(?, ?, ?, ?, ?)";
            match of(text, &["8", "2", "5", id, kind]) {
                Some(Kind::Row { content, .. }) => content,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((content("18", "12"), content("2", "12")), ("op-3".into(), "op-3".into()));
        assert_eq!(content("18", "13"), "13", "nothing is kept");
        assert_eq!(content("17", "12"), "12", "a text");
    }

    #[test]
    fn sessions_and_relations_are_read_off_theirs() {
        let text = "insert into IMRecentSession \
                    (`userId`,`peerId`,`type`,`status`,`created`,`updated`) values(?,?,?,?,?,?)";
        let row = Kind::SessionRow { user: 4, peer: 5, session_type: 1, id: 6 };
        assert_eq!(of(text, &["4", "5", "1", "0", "7", "7"]), Some(row));
        let text = "insert into IMRelationShip (`smallId`,`bigId`,`status`) values(?,?,?)";
        let row = Kind::RelationRow { conversation: Conversation::single(4, 5), id: 6 };
        assert_eq!(of(text, &["4", "5", "0"]), Some(row));
    }

    #[test]
    fn other_statements_are_no_rows() {
        assert_eq!(of("update IMMessage_1 set status=1 where id=?", &["1"]), None);
        assert_eq!(of("insert into TTSend (`fromId`) values(?)", &["1"]), None);
        assert_eq!(of("select count(*) from IMMessage_1", &[]), None);
        assert_eq!(of("BEGIN", &[]), None);
    }
}
