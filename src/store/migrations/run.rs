//! Which migrations a database has, and running those that it lacks.

use super::{ASK, MIGRATIONS, Migration};
use crate::store::sql::{Connection, SqlError, code};

/// The versions of the migrations that a database has.
///
/// # Errors
/// If it does not say.
pub async fn there<C: Connection>(connection: &mut C) -> Result<Vec<u32>, SqlError> {
    match connection.execute(ASK, &[]).await {
        Ok(found) => {
            Ok((0..found.rows.len()).map(|row| found.get(row, "version").uint()).collect())
        }
        // Nothing was ever migrated.
        Err(SqlError::Server { code: code::NO_TABLE, .. }) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Runs the migrations that a database does not have, in order; which those are. Each may be run beside
/// db_proxies, twice, and by two at once: it only adds tables and then its row in `TTSchema`.
///
/// # Errors
/// Of the first statement that failed: migrations before it are there, and the next run goes on.
pub async fn run<C: Connection>(connection: &mut C) -> Result<Vec<&'static Migration>, SqlError> {
    let versions = there(connection).await?;
    let mut ran = Vec::new();
    for migration in MIGRATIONS.iter().filter(|m| !versions.contains(&m.version)) {
        for statement in migration.statements() {
            connection.execute(&statement, &[]).await?;
        }
        ran.push(migration);
    }
    Ok(ran)
}
