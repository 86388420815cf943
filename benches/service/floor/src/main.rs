//! The floor: what one writes by hand in an evening with axum and sqlx, without anything that production asks for. No
//! middleware, no timeouts, no metrics, no log. What a service takes beyond this is the price of what it has beyond this.
//!
//! `DATABASE_URL` leads to a database that has the table already, `HTTP_ADDR` says where to listen.

use std::env;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use moka::sync::Cache;
use serde::Serialize;
use sqlx::FromRow;
use time::OffsetDateTime;
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::pool::Pool;

#[cfg_attr(feature = "deadpool", path = "deadpool.rs")]
#[cfg_attr(not(feature = "deadpool"), path = "sqlx.rs")]
mod pool;

/// As many as the generated service has.
const MAX_CONNECTIONS: u32 = 10;

const FIND: &str =
    "SELECT id, email, name, version, created_at, updated_at FROM accounts WHERE id = $1";

#[derive(FromRow, Serialize)]
struct Account {
    id: Uuid,
    email: String,
    name: String,
    version: i64,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

#[derive(Clone)]
struct App {
    pool: Pool,
    accounts: Cache<Uuid, Arc<Account>>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let app = App {
        pool: Pool::open(&env::var("DATABASE_URL")?).await?,
        accounts: Cache::builder()
            .max_capacity(10_000)
            .time_to_live(Duration::from_secs(60))
            .build(),
    };
    let routes = Router::new()
        .route("/health", get(async || "ok"))
        .route("/v1/accounts/{id}", get(read))
        .route("/v1/cached-accounts/{id}", get(read_cached))
        .with_state(app);
    let listener = TcpListener::bind(env::var("HTTP_ADDR")?).await?;
    Ok(axum::serve(listener, routes).await?)
}

async fn read(State(app): State<App>, Path(id): Path<Uuid>) -> Result<Json<Account>, StatusCode> {
    Ok(Json(find(&app.pool, id).await?))
}

async fn read_cached(
    State(app): State<App>,
    Path(id): Path<Uuid>,
) -> Result<Json<Arc<Account>>, StatusCode> {
    if let Some(account) = app.accounts.get(&id) {
        return Ok(Json(account));
    }
    let account = Arc::new(find(&app.pool, id).await?);
    app.accounts.insert(id, Arc::clone(&account));
    Ok(Json(account))
}

async fn find(pool: &Pool, id: Uuid) -> Result<Account, StatusCode> {
    let found = pool.find(id).await;
    let found = found.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    found.ok_or(StatusCode::NOT_FOUND)
}
