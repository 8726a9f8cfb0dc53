//! Runs migrations on a database.

use super::{ASK, MIGRATIONS, Migration};
use crate::store::sql::{Connection, Outcome, SqlError, code};

/// Runs the migrations that a database does not have, in order; which those are. Each may be run beside
/// db_proxies, twice, and by two at once: it only adds tables and then its row in `TTSchema`.
///
/// # Errors
/// Of the first statement that failed: migrations before it are there, and the next run goes on.
pub async fn run<C: Connection>(connection: &mut C) -> Result<Vec<&'static Migration>, SqlError> {
    let there = match connection.execute(ASK, &[]).await {
        Ok(found) => found,
        // Nothing was ever migrated.
        Err(SqlError::Server { code: code::NO_TABLE, .. }) => Outcome::default(),
        Err(error) => return Err(error),
    };
    let versions: Vec<u32> =
        (0..there.rows.len()).map(|row| there.get(row, "version").uint()).collect();
    let mut ran = Vec::new();
    for migration in MIGRATIONS.iter().filter(|m| !versions.contains(&m.version)) {
        for statement in migration.statements() {
            connection.execute(&statement, &[]).await?;
        }
        ran.push(migration);
    }
    Ok(ran)
}
