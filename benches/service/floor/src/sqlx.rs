//! sqlx's own pool, as it is unless one asks for something else.

use sqlx::postgres::{PgPool, PgPoolOptions};
use uuid::Uuid;

use crate::{Account, FIND, MAX_CONNECTIONS};

#[derive(Clone)]
pub struct Pool(PgPool);

impl Pool {
    pub async fn open(url: &str) -> Result<Pool, sqlx::Error> {
        let options = PgPoolOptions::new().max_connections(MAX_CONNECTIONS);
        Ok(Pool(options.connect(url).await?))
    }

    pub async fn find(&self, id: Uuid) -> Result<Option<Account>, sqlx::Error> {
        sqlx::query_as(FIND).bind(id).fetch_optional(&self.0).await
    }
}
