//! The files of `migrations/`, embedded by `build.rs`, and what the database must
//! have of them.

use sqlx::SqlStr;
use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};

/// What the service is called.
const NAME: &str = env!("CARGO_PKG_NAME");

/// Where the migrations that were applied are listed.
const APPLIED: &str = "_sqlx_migrations";

/// Version, the rest of the file's name, and SQL, in order.
const EMBEDDED: &[(i64, &str, &str)] = include!(concat!(env!("OUT_DIR"), "/migrations.rs"));

/// What is wrong with the schema.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    #[error("migration {0} is missing: `{NAME} migrate` applies it")]
    Missing(i64),
    #[error("migration {0} is not finished: it is being applied, or has failed halfway")]
    Unfinished(i64),
    #[error("migration {0} has been modified since it was applied: restore it and add another one")]
    Modified(i64),
    #[error("cannot read which migrations were applied")]
    Unread(#[from] MigrateError),
}

/// All migrations that this build knows. To others that were applied it has no
/// objection, see [`check`].
pub fn migrator() -> Migrator {
    let embedded = EMBEDDED.iter();
    let migrations =
        embedded.map(|(version, name, sql)| migration(*version, name, SqlStr::from_static(sql)));
    let mut migrator = Migrator::with_migrations(migrations.collect());
    migrator.set_ignore_missing(true);
    migrator
}

/// What sqlx makes of a file.
pub fn migration(version: i64, name: &str, sql: SqlStr) -> Migration {
    let kind = MigrationType::from_filename(name);
    let description = name.trim_end_matches(kind.suffix()).replace('_', " ");
    let no_transaction = sql.as_str().starts_with("-- no-transaction");
    Migration::new(version, description.into(), kind, sql, no_transaction)
}

/// The versions of this build that are not listed, however others ended. Where there
/// is none, none is to be applied, and sqlx is not to be asked to: it would refuse to
/// because of one of another version that is not finished.
pub async fn missing(connection: &mut impl Migrate) -> Vec<i64> {
    let applied = connection.list_applied_migrations(APPLIED).await.unwrap_or_default();
    let is_listed = |version| applied.iter().any(|applied| applied.version == version);
    let migrator = migrator();
    let up = migrator.iter().filter(|known| known.migration_type.is_up_migration());
    up.map(|known| known.version).filter(|version| !is_listed(*version)).collect()
}

/// Whether all migrations of this build have been applied as they are.
///
/// Others, whatever their number, are no more than a warning: a version must be
/// able to start after a newer one has migrated, or a rollout could not be undone.
///
/// # Errors
///
/// A migration is missing, unfinished or modified, or the database does not say.
pub async fn check(
    connection: &mut impl Migrate,
    is_missing_table: impl Fn(&sqlx::Error) -> bool,
) -> Result<(), SchemaError> {
    let migrator = migrator();
    let (applied, unfinished) = match connection.list_applied_migrations(APPLIED).await {
        Err(MigrateError::Execute(error)) if is_missing_table(&error) => (Vec::new(), None),
        applied => (applied?, connection.dirty_version(APPLIED).await?),
    };
    if let Some(version) = unfinished.filter(|version| migrator.version_exists(*version)) {
        return Err(SchemaError::Unfinished(version));
    }
    for migration in migrator.iter().filter(|known| known.migration_type.is_up_migration()) {
        match applied.iter().find(|applied| applied.version == migration.version) {
            None => return Err(SchemaError::Missing(migration.version)),
            Some(applied) if applied.checksum != migration.checksum => {
                return Err(SchemaError::Modified(migration.version));
            }
            Some(_) => {}
        }
    }
    let versions = applied.iter().map(|applied| applied.version);
    let unknown: Vec<_> = versions.filter(|version| !migrator.version_exists(*version)).collect();
    if !unknown.is_empty() {
        tracing::warn!(versions = ?unknown, "the database has migrations of another version");
    }
    Ok(())
}
