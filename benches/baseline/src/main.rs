use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use sqlx::SqlitePool;
use tokio::net::TcpListener;
use tokio::signal;

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS accounts (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE)";

#[derive(Serialize, sqlx::FromRow)]
struct Account {
    id: i64,
    email: String,
}

#[derive(Deserialize)]
struct NewAccount {
    email: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt::init();
    let pool = SqlitePool::connect("sqlite://accounts.db?mode=rwc").await?;
    sqlx::query(SCHEMA).execute(&pool).await?;
    let routes = Router::new()
        .route("/accounts", get(list).post(create))
        .route("/accounts/{id}", get(fetch))
        .with_state(pool);
    let listener = TcpListener::bind("0.0.0.0:8080").await?;
    tracing::info!("listening on {}", listener.local_addr()?);
    let stop = async { signal::ctrl_c().await.unwrap_or_default() };
    axum::serve(listener, routes).with_graceful_shutdown(stop).await?;
    Ok(())
}

async fn list(State(pool): State<SqlitePool>) -> Result<Json<Vec<Account>>, StatusCode> {
    let accounts = sqlx::query_as("SELECT id, email FROM accounts ORDER BY id").fetch_all(&pool).await;
    accounts.map(Json).map_err(internal)
}

async fn create(
    State(pool): State<SqlitePool>,
    Json(new): Json<NewAccount>,
) -> Result<(StatusCode, Json<Account>), StatusCode> {
    let account = sqlx::query_as("INSERT INTO accounts (email) VALUES (?) RETURNING id, email").bind(new.email);
    let account = account.fetch_one(&pool).await.map_err(internal)?;
    Ok((StatusCode::CREATED, Json(account)))
}

async fn fetch(State(pool): State<SqlitePool>, Path(id): Path<i64>) -> Result<Json<Account>, StatusCode> {
    let account = sqlx::query_as("SELECT id, email FROM accounts WHERE id = ?").bind(id);
    match account.fetch_optional(&pool).await.map_err(internal)? {
        Some(account) => Ok(Json(account)),
        None => Err(StatusCode::NOT_FOUND),
    }
}

fn internal(error: sqlx::Error) -> StatusCode {
    tracing::error!(%error, "the database failed");
    StatusCode::INTERNAL_SERVER_ERROR
}
