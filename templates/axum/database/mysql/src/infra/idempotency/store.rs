//! Where the keys are kept.

use sqlx::Row;
use sqlx::mysql::MySqlConnection;
use time::OffsetDateTime;

use super::{Claim, LOT, Made, Request};
use crate::infra::database::Database;

const FIND: &str = "
    SELECT request_hash, item_id, created_at
      FROM idempotency_keys WHERE scope = ? AND idempotency_key = ?";

/// A key that is there stays as it is, unless it is too old; the next request
/// under it waits for the end of the one before. A plain `INSERT` would let all
/// that wait share a lock, and deadlock where the one before rolls back.
/// `created_at` comes last: the others compare with what it was.
const INSERT: &str = "
    INSERT INTO idempotency_keys
        (scope, idempotency_key, request_hash, item_id, created_at)
    VALUES (?, ?, ?, ?, ?)
    ON DUPLICATE KEY UPDATE
        request_hash = IF(created_at < ?, VALUES(request_hash), request_hash),
        item_id = IF(created_at < ?, VALUES(item_id), item_id),
        created_at = IF(created_at < ?, VALUES(created_at), created_at)";

const DELETE_OLD: &str = "
    DELETE FROM idempotency_keys WHERE created_at < ?
     ORDER BY created_at LIMIT ?";

/// Takes the key for this request, or tells what it stands for. While the first
/// request under it is under way, this waits for its end. To be called in the
/// transaction that does the request: there is never one without the other.
///
/// # Errors
///
/// The database's.
pub async fn claim(
    connection: &mut MySqlConnection,
    request: &Request<'_>,
) -> Result<Claim, sqlx::Error> {
    let oldest = request.oldest();
    sqlx::query(INSERT)
        .bind(request.scope)
        .bind(request.key.as_str())
        .bind(&request.hash[..])
        .bind(request.made.id)
        .bind(request.made.time)
        .bind(oldest)
        .bind(oldest)
        .bind(oldest)
        .execute(&mut *connection)
        .await?;
    let query = sqlx::query(FIND).bind(request.scope).bind(request.key.as_str());
    // To its end: `fetch_one` leaves that to the next statement to wait for.
    let rows = query.fetch_all(connection).await?;
    let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    let made = Made { id: row.try_get("item_id")?, time: row.try_get("created_at")? };
    if made.id == request.made.id {
        return Ok(Claim::New);
    }
    Ok(request.compare(row.try_get("request_hash")?, made))
}

/// Deletes a lot of those that are older; tells how many there were.
pub async fn delete(database: &Database, oldest: OffsetDateTime) -> Result<u64, sqlx::Error> {
    let mut connection = database.connection().await?;
    let query = sqlx::query(DELETE_OLD).bind(oldest).bind(LOT);
    let deleted = query.execute(&mut *connection).await;
    connection.end(deleted.map(|deleted| deleted.rows_affected()))
}
