//! What an INSERT stores, read off its columns and not off a role's word.

use super::{Kind, commits::Durable};
use teamtalk::{conversation::Conversation, wire::im::base_define::MsgType};

/// The values of a row with their columns, whose names are compared without case.
#[derive(Debug)]
pub struct Values<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Values<'a> {
    /// The value of a column.
    pub fn get(&self, column: &str) -> Option<&'a str> {
        // Of a column that is named twice the last one counts.
        let mut all = self.0.iter().rev();
        all.find(|(name, _)| name.eq_ignore_ascii_case(column)).map(|(_, value)| *value)
    }
}

/// Whether a statement may be worth a line: told without a copy of its text.
pub fn may_be_row(statement: &str) -> bool {
    const TABLES: [&str; 4] =
        ["imrecentsession", "imrelationship", "immessage_", "imgroupmessage_"];
    let is_insert = statement.get(..6).is_some_and(|verb| verb.eq_ignore_ascii_case("insert"));
    is_insert && TABLES.iter().any(|table| names(statement, table))
}

/// Whether a statement contains a word, which is given in lower case.
pub fn names(statement: &str, word: &str) -> bool {
    let (statement, word) = (statement.as_bytes(), word.as_bytes());
    statement.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word))
}

/// The line that a durable statement is worth: a message, session or relation row. `recording`
/// gives, as text, what is kept of the row of IMAudio with that id: it is the content of audio
/// whose recording is found, else the id is.
pub fn row(statement: &Durable, recording: impl FnOnce(&str) -> Option<String>) -> Option<Kind> {
    let (table, rows) = values(&statement.what, &statement.params)?;
    let values = rows.first()?;
    let number = |column: &str| values.get(column)?.parse::<u32>().ok();
    let content = || {
        let content = values.get("content")?;
        let types = [MsgType::SingleAudio, MsgType::GroupAudio].map(|t| t as u32);
        let is_audio = number("type").is_some_and(|t| types.contains(&t));
        let recording = if is_audio { recording(content) } else { None };
        Some(recording.unwrap_or_else(|| content.into()))
    };
    match table.to_ascii_lowercase().as_str() {
        "imrecentsession" => Some(Kind::SessionRow {
            user: number("userid")?,
            peer: number("peerid")?,
            session_type: number("type")?,
            id: statement.id,
        }),
        "imrelationship" => Some(Kind::RelationRow {
            conversation: Conversation::single(number("smallid")?, number("bigid")?),
            id: statement.id,
        }),
        table if table.starts_with("immessage_") => Some(Kind::Row {
            conversation: Conversation::single(number("fromid")?, number("toid")?),
            msg_id: number("msgid")?,
            from: number("fromid")?,
            content: content()?,
        }),
        table if table.starts_with("imgroupmessage_") => Some(Kind::Row {
            conversation: Conversation::Group(number("groupid")?),
            msg_id: number("msgid")?,
            from: number("userid")?,
            content: content()?,
        }),
        _ => None,
    }
}

/// The path that a row of IMAudio keeps: from the INSERT, if it is one.
pub fn audio_path(statement: &str, params: &[String]) -> Option<String> {
    if !names(statement, "imaudio") {
        return None;
    }
    let (table, rows) = values(statement, params)?;
    let is_audio = table.eq_ignore_ascii_case("imaudio");
    is_audio.then(|| rows.first()?.get("path").map(String::from))?
}

/// The table and the rows of `insert [ignore] into table (columns) values (values), …`; `None`
/// for anything else.
pub fn values<'a>(statement: &'a str, params: &'a [String]) -> Option<(&'a str, Vec<Values<'a>>)> {
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
    let mut params = params.iter().map(String::as_str);
    let mut value = |text: &'a str| match text {
        "?" => params.next(),
        text => {
            // An expression uses up its parameters.
            params.by_ref().take(text.matches('?').count()).for_each(drop);
            Some(text.trim_matches('\''))
        }
    };
    let mut rows = Vec::new();
    while let Some((items, behind)) = list(rest) {
        let items: Option<Vec<_>> = items.into_iter().map(&mut value).collect();
        rows.push(Values(columns.iter().map(|column| name(column)).zip(items?).collect()));
        rest = behind.trim_start().trim_start_matches(',').trim_start();
    }
    Some((table, rows))
}

fn name(text: &str) -> &str {
    text.trim_matches('`')
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
    use crate::record::{Kind, commits::Durable};
    use teamtalk::conversation::Conversation;

    fn of(what: &str, params: &[&str]) -> Option<Kind> {
        let params = params.iter().map(|p| p.to_string()).collect();
        let kept = |id: &str| (id == "12").then(|| "op-3".to_string());
        row(&Durable { what: what.into(), params, id: 6 }, kept)
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
