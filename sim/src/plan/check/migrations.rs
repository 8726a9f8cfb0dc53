//! The versions of the schema that a plan names.

use super::{LARGEST_ID, timed, within};
use crate::plan::Plan;
use std::collections::BTreeSet;
use teamtalk::store::migrations::LATEST;

/// Checks all of it.
pub(super) fn check(plan: &Plan) -> Result<(), String> {
    if let Some(version) = plan.schema {
        within("plan", "schema", version, 0, LATEST)?;
    }
    let mut ids = BTreeSet::new();
    for migration in &plan.migrations {
        let (id, at_ms) = (migration.id, migration.at_ms);
        let place = timed(plan, ("migration", LARGEST_ID), &mut ids, id, at_ms)?;
        within(&place, "to", migration.to, 1, LATEST)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{LATEST, check};
    use crate::plan::{
        Migration,
        generate::{Clients, Profile, generate},
    };

    #[test]
    fn a_version_is_one_that_there_is_and_each_migration_is_its_own_and_before_the_end() {
        let mut plan = generate(1, Clients::Ours, Profile::Calm);
        let (end, last) = (plan.horizon_ms, LATEST);
        let migration = |id, at_ms, to| Migration { id, at_ms, to };
        plan.schema = Some(0);
        plan.migrations = vec![migration(1, 0, 1), migration(2, end - 1, last)];
        assert_eq!(check(&plan), Ok(()));
        for (schema, migrations, place) in [
            (last + 1, vec![], "plan: field `schema`: "),
            (0, vec![migration(0, 0, 1)], "migration 0: field `id`: "),
            (0, vec![migration(3, 0, 1), migration(3, 5, 2)], "migration 3: duplicate id"),
            (0, vec![migration(3, end, 1)], "migration 3: field `at_ms`: "),
            (0, vec![migration(3, 0, 0)], "migration 3: field `to`: "),
            (0, vec![migration(3, 0, last + 1)], "migration 3: field `to`: "),
        ] {
            (plan.schema, plan.migrations) = (Some(schema), migrations);
            let refused = check(&plan).expect_err(place);
            assert!(refused.starts_with(place), "{refused}");
        }
    }
}
