//! Where the keys are kept.

use sqlx::Row;
use sqlx::postgres::PgConnection;
use time::OffsetDateTime;

use super::{Claim, LOT, Made, Request};
use crate::infra::database::Database;

const FIND: &str = "
    SELECT request_hash, item_id, created_at
      FROM idempotency_keys WHERE scope = $1 AND idempotency_key = $2";

/// A key that is too old is taken as if it were not there.
const INSERT: &str = "
    INSERT INTO idempotency_keys AS known
        (scope, idempotency_key, request_hash, item_id, created_at)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (scope, idempotency_key) DO UPDATE
       SET request_hash = excluded.request_hash, item_id = excluded.item_id,
           created_at = excluded.created_at
     WHERE known.created_at < $6";

/// Leaves those that another replica is deleting at the moment. Finds a lot by where
/// its rows lie: joined by their keys, the whole table would be read for each lot.
const DELETE_OLD: &str = "
    DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM idempotency_keys WHERE created_at < $1
         ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED))";

/// Takes the key for this request, or tells what it stands for. While the first
/// request under it is under way, this waits for its end. To be called in the
/// transaction that does the request: there is never one without the other.
///
/// # Errors
///
/// The database's.
pub async fn claim(
    connection: &mut PgConnection,
    request: &Request<'_>,
) -> Result<Claim, sqlx::Error> {
    let claimed = sqlx::query(INSERT)
        .bind(request.scope)
        .bind(request.key.as_str())
        .bind(&request.hash[..])
        .bind(request.made.id)
        .bind(request.made.time)
        .bind(request.oldest())
        .execute(&mut *connection)
        .await?;
    if claimed.rows_affected() == 1 {
        return Ok(Claim::New);
    }
    let query = sqlx::query(FIND).bind(request.scope).bind(request.key.as_str());
    let row = query.fetch_one(connection).await?;
    let made = Made { id: row.try_get("item_id")?, time: row.try_get("created_at")? };
    Ok(request.compare(row.try_get("request_hash")?, made))
}

/// Deletes a lot of those that are older; tells how many there were.
pub async fn delete(database: &Database, oldest: OffsetDateTime) -> Result<u64, sqlx::Error> {
    let mut connection = database.connection().await?;
    let query = sqlx::query(DELETE_OLD).bind(oldest).bind(i64::from(LOT));
    let deleted = query.execute(&mut *connection).await;
    connection.end(deleted.map(|deleted| deleted.rows_affected()))
}
