//! Where the keys are kept.

use sqlx::Row;
use sqlx::sqlite::SqliteConnection;
use time::OffsetDateTime;

use super::{Claim, LOT, Made, Request};
use crate::infra::database::{self, Database};

const FIND: &str = "
    SELECT request_hash, item_id, created_at
      FROM idempotency_keys
     WHERE scope = ?1 AND idempotency_key = ?2 AND created_at >= ?3";

/// Takes the place of one that is too old to be found.
const INSERT: &str = "
    INSERT OR REPLACE INTO idempotency_keys
        (scope, idempotency_key, request_hash, item_id, created_at)
    VALUES (?1, ?2, ?3, ?4, ?5)";

const DELETE_OLD: &str = "
    DELETE FROM idempotency_keys WHERE (scope, idempotency_key) IN (
        SELECT scope, idempotency_key
          FROM idempotency_keys WHERE created_at < ?1
         ORDER BY created_at LIMIT ?2)";

/// Takes the key for this request, or tells what it stands for. To be called in the
/// transaction that does the request: there is never one without the other.
///
/// # Errors
///
/// The database's.
pub async fn claim(
    connection: &mut SqliteConnection,
    request: &Request<'_>,
) -> Result<Claim, sqlx::Error> {
    let query = sqlx::query(FIND)
        .bind(request.scope)
        .bind(request.key.as_str())
        .bind(database::micros(request.oldest()));
    if let Some(row) = query.fetch_optional(&mut *connection).await? {
        let made = Made { id: row.try_get("item_id")?, time: database::time(&row, "created_at")? };
        return Ok(request.compare(row.try_get("request_hash")?, made));
    }
    sqlx::query(INSERT)
        .bind(request.scope)
        .bind(request.key.as_str())
        .bind(&request.hash[..])
        .bind(request.made.id)
        .bind(database::micros(request.made.time))
        .execute(connection)
        .await?;
    Ok(Claim::New)
}

/// Deletes a lot of those that are older; tells how many there were.
pub async fn delete(database: &Database, oldest: OffsetDateTime) -> Result<u64, sqlx::Error> {
    let mut transaction = database.begin().await?;
    let query = sqlx::query(DELETE_OLD).bind(database::micros(oldest)).bind(LOT);
    let deleted = query.execute(&mut *transaction).await;
    transaction.end(deleted.map(|deleted| deleted.rows_affected())).await
}
