//! What an INSERT stores, read off its columns and not off a role's word.

use super::{Kind, commits::Durable};
use std::collections::BTreeMap;
use teamtalk::{conversation::Conversation, wire::im::base_define::MsgType};

/// The values of a row, by column in lower case.
pub type Values = BTreeMap<String, String>;

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
        Some(recording.unwrap_or_else(|| content.clone()))
    };
    match table.as_str() {
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
    if !statement.to_ascii_lowercase().contains("imaudio") {
        return None;
    }
    let (table, rows) = values(statement, params)?;
    (table == "imaudio").then(|| rows.first()?.get("path").cloned())?
}

/// The table, in lower case, and the rows of `insert [ignore] into table (columns) values
/// (values), …`; `None` for anything else.
pub fn values(statement: &str, params: &[String]) -> Option<(String, Vec<Values>)> {
    // Lower case in ASCII keeps every byte's place.
    let lower = statement.to_ascii_lowercase();
    let open = lower.find('(')?;
    let mut words = lower[..open].split_whitespace().filter(|word| *word != "ignore");
    if (words.next(), words.next()) != (Some("insert"), Some("into")) {
        return None;
    }
    let table = name(words.next()?);
    let (columns, rest) = list(&lower[open..])?;
    let columns: Vec<_> = columns.into_iter().map(name).collect();
    let rest = rest.trim_start().strip_prefix("values")?.trim_start();
    let mut rest = &statement[statement.len() - rest.len()..];
    let mut params = params.iter();
    let mut value = |text: &str| match text {
        "?" => params.next().cloned(),
        text => {
            // An expression uses up its parameters.
            params.by_ref().take(text.matches('?').count()).for_each(drop);
            Some(text.trim_matches('\'').to_string())
        }
    };
    let mut rows = Vec::new();
    while let Some((items, behind)) = list(rest) {
        let items: Option<Vec<_>> = items.into_iter().map(&mut value).collect();
        rows.push(columns.iter().cloned().zip(items?).collect());
        rest = behind.trim_start().trim_start_matches(',').trim_start();
    }
    Some((table, rows))
}

fn name(text: &str) -> String {
    text.trim_matches('`').to_string()
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
