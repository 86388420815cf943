//! The same connections in a pool that asks nothing of one that comes back. It takes its word for it: what a service has
//! to do so that it may is no part of the floor.

use deadpool::managed::{self, PoolError, RecycleResult};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};
use uuid::Uuid;

use crate::{Account, FIND, MAX_CONNECTIONS};

#[derive(Clone)]
pub struct Pool(managed::Pool<Server>);

struct Server(PgConnectOptions);

impl Pool {
    pub async fn open(url: &str) -> Result<Pool, sqlx::Error> {
        let builder = managed::Pool::builder(Server(url.parse()?));
        let pool = builder
            .max_size(MAX_CONNECTIONS as usize)
            .build()
            .map_err(|error| sqlx::Error::Configuration(error.into()))?;
        // As with the other one, a database that is not there shows at the start.
        drop(pool.get().await.map_err(into_sqlx)?);
        Ok(Pool(pool))
    }

    pub async fn find(&self, id: Uuid) -> Result<Option<Account>, sqlx::Error> {
        let mut connection = self.0.get().await.map_err(into_sqlx)?;
        sqlx::query_as(FIND)
            .bind(id)
            .fetch_optional(&mut *connection)
            .await
    }
}

impl managed::Manager for Server {
    type Type = PgConnection;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<PgConnection, sqlx::Error> {
        self.0.connect().await
    }

    async fn recycle(
        &self,
        _: &mut PgConnection,
        _: &managed::Metrics,
    ) -> RecycleResult<sqlx::Error> {
        Ok(())
    }
}

fn into_sqlx(error: PoolError<sqlx::Error>) -> sqlx::Error {
    match error {
        PoolError::Backend(error) => error,
        _ => sqlx::Error::PoolTimedOut,
    }
}
