//! What is in the tables, for whoever asks without a connection: the users that a run begins with, and committed rows.

use super::{
    Column,
    engine::{Done, Engine, Step},
};
use std::collections::BTreeMap;
use teamtalk::store::sql::{SqlError, Value};

/// A user to seed: the rest of the IMUser row follows the users of tests/golden/README.md and the
/// captured logins: the domain is the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// IMUser.id.
    pub id: u32,
    /// The login name; the nick is this with a capital.
    pub name: String,
    /// md5hex(sent + salt), where the client sends md5hex of the clear password.
    pub password: String,
}

impl User {
    /// The salt of this user's password: the id in four digits (its last four).
    pub fn salt(id: u32) -> String {
        format!("{:04}", id % 10_000)
    }
}

impl Engine {
    /// Inserts rows into IMUser.
    ///
    /// # Errors
    /// Those of an INSERT.
    pub fn seed_users(&mut self, users: &[User]) -> Result<(), SqlError> {
        let session = self.open();
        let mut result = Ok(());
        for user in users {
            let mut nick = user.name.clone();
            if let Some(first) = nick.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            let params = [
                user.id.into(),
                user.name.as_str().into(),
                user.name.as_str().into(),
                nick.as_str().into(),
                user.password.as_str().into(),
                User::salt(user.id).as_str().into(),
                format!("138{:08}", user.id).as_str().into(),
                format!("{}@example.com", user.name).as_str().into(),
            ];
            let text = "insert into IMUser (id, name, domain, nick, password, salt, phone, email, \
                        sex, departId) values (?, ?, ?, ?, ?, ?, ?, ?, 1, 1)";
            if let Step::Done(Done { result: Err(e), .. }) = self.submit(session, text, &params) {
                result = Err(e);
                break;
            }
        }
        self.close(session);
        result
    }

    /// The committed rows of a table by primary key, each as column → value; empty if there is
    /// no such table.
    pub fn rows(&self, table: &str) -> Vec<BTreeMap<String, Value>> {
        let Some(table) = self.table(table) else { return Vec::new() };
        let table = &self.tables[table];
        let names = || table.def.columns.iter().map(|c| c.name.clone());
        let rows = table.keys().filter_map(|key| table.committed(key));
        rows.map(|row| names().zip(row.iter().cloned()).collect()).collect()
    }

    /// How many committed rows each table has.
    pub fn row_counts(&self) -> impl Iterator<Item = (&str, usize)> {
        self.tables().map(|table| (&*table.def.name, table.committed_rows()))
    }

    /// The least value of a column of numbers in the committed rows of a table; `None` without rows, and without the
    /// table or the column.
    pub fn least(&self, table: &str, column: &str) -> Option<u64> {
        let table = &self.tables[self.table(table)?];
        let is_it = |known: &Column| known.name.eq_ignore_ascii_case(column);
        let at = table.def.columns.iter().position(is_it)?;
        let rows = table.keys().filter_map(|key| table.committed(key));
        let numbers = rows.filter_map(|row| match row.get(at)? {
            Value::Int(number) => u64::try_from(*number).ok(),
            _ => None,
        });
        numbers.min()
    }

    /// The names of all tables.
    pub fn table_names(&self) -> impl Iterator<Item = &str> {
        self.tables().map(|table| &*table.def.name)
    }
}
