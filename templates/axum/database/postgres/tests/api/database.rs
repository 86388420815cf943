//! The database that a test has to itself, behind a network of its own.
//!
//! The server is that of `TEST_POSTGRES_URL`, where the role may create databases.

mod address;
mod client;
mod faults;
mod index;
mod plans;
mod pooler;
mod protocol;
mod proxy;
mod states;
mod wire;
mod wire_sweep;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::thread;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use tokio::sync::Mutex;
use uuid::Uuid;

use self::proxy::Proxy;
use crate::TABLE;

/// The server of `compose.yaml`.
const SERVER: &str = "postgres://postgres:postgres@127.0.0.1:5432/postgres";

/// The most allocations of a request that reads one row, without what counting adds.
pub const READ_ALLOCATIONS: u64 = 68;

/// The server has to prove who it is.
const STRICT_TLS: PgSslMode = PgSslMode::VerifyFull;

/// The parameters of a URL that name files: of authorities, of a certificate and of
/// its key.
const FILES: [&str; 3] = ["sslrootcert", "sslcert", "sslkey"];

/// Lets nobody read which migrations were applied.
const LOCK_MIGRATIONS: &str = "BEGIN; LOCK TABLE _sqlx_migrations";

/// Connections to the database that asks, besides the one it asks on.
const CONNECTIONS: &str = "
    SELECT coalesce(state, '') FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid()";

/// Transactions that are open on them.
const TRANSACTIONS: &str = "
    SELECT coalesce(state, '') FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL";

/// What looks for a text in a column, for each column of each table.
const SEARCHES: &str = "
    SELECT format('SELECT %L FROM %I WHERE position($1 IN %I::text) > 0',
                  table_name || '.' || column_name, table_name, column_name)
      FROM information_schema.columns WHERE table_schema = 'public'";

/// A database of its own behind a network of its own; both end with it.
pub struct TestDatabase {
    name: String,
    pub network: Proxy,
    /// What keeps everybody else from writing.
    lock: Mutex<Option<PgConnection>>,
    /// What looks at it, past that network.
    view: Mutex<Option<PgConnection>>,
}

/// The server, by way of the database that is always there.
fn server() -> PgConnectOptions {
    let url = std::env::var("TEST_POSTGRES_URL").unwrap_or_else(|_| SERVER.to_owned());
    url.parse().expect("TEST_POSTGRES_URL is the URL of a PostgreSQL server")
}

/// Where it listens.
fn addr() -> String {
    format!("{}:{}", server().get_host(), server().get_port())
}

async fn on_server(sql: String) {
    let mut connection = server().connect().await.expect("TEST_POSTGRES_URL names a server");
    connection.execute(AssertSqlSafe(sql)).await.expect("the role may do so");
}

impl TestDatabase {
    pub async fn create() -> TestDatabase {
        let name = format!("test_{}", Uuid::now_v7().simple());
        on_server(format!("CREATE DATABASE {name}")).await;
        let network = Proxy::start(addr()).await;
        TestDatabase { name, network, lock: Mutex::default(), view: Mutex::default() }
    }

    /// The variables that lead a service to it. The server has a hundred
    /// connections for all tests that run at the same time.
    pub fn variables(&self) -> [(&'static str, String); 3] {
        [
            ("DATABASE_URL", self.url().to_url_lossy().into()),
            ("DATABASE_MAX_CONNECTIONS", "4".to_owned()),
            ("DATABASE_MIGRATE", "true".to_owned()),
        ]
    }

    /// It, by way of the network that can fail.
    fn url(&self) -> PgConnectOptions {
        self.at(self.network.addr)
    }

    /// It, by way of a network that has to read what is sent.
    fn url_by_way_of(&self, addr: SocketAddr) -> String {
        self.at(addr).ssl_mode(PgSslMode::Disable).to_url_lossy().into()
    }

    fn at(&self, addr: SocketAddr) -> PgConnectOptions {
        server().host(&addr.ip().to_string()).port(addr.port()).database(&self.name)
    }

    /// It, past that network.
    pub async fn connect(&self) -> PgConnection {
        server().database(&self.name).connect().await.expect("it is there")
    }

    pub async fn execute(&self, sql: impl Into<String>) {
        let sql = AssertSqlSafe(sql.into());
        self.connect().await.execute(sql).await.expect("it works");
    }

    /// The first column of each row.
    pub async fn texts(&self, sql: &'static str) -> Vec<String> {
        let mut view = self.view.lock().await;
        let connection = match &mut *view {
            Some(connection) => connection,
            view => view.insert(self.connect().await),
        };
        sqlx::query_scalar(sql).fetch_all(connection).await.expect("it works")
    }

    /// The columns that have this text in one of their rows, as `table.column`.
    pub async fn columns_with(&self, text: &str) -> Vec<String> {
        let mut connection = self.connect().await;
        let searches = sqlx::query_scalar(SEARCHES).fetch_all(&mut connection).await;
        let searches: Vec<String> = searches.expect("it works");
        let mut columns = BTreeSet::new();
        for search in searches {
            let search = sqlx::query_scalar(AssertSqlSafe(search)).bind(text);
            let found: Vec<String> = search.fetch_all(&mut connection).await.expect("it works");
            columns.extend(found);
        }
        columns.into_iter().collect()
    }

    /// Whether no transaction is open, and the server has no more connections to it
    /// than these: none that only finishes what it was told before.
    pub async fn is_at_rest(&self, connections: usize) -> bool {
        let open = self.texts(CONNECTIONS).await.len();
        open <= connections && self.texts(TRANSACTIONS).await.is_empty()
    }

    /// Takes it away from everybody who wants to write: somebody else holds a
    /// lock and does not let go.
    pub async fn cut(&self) {
        let mut connection = self.connect().await;
        let sql = format!("BEGIN; LOCK TABLE {TABLE} IN EXCLUSIVE MODE");
        connection.execute(AssertSqlSafe(sql)).await.expect("the lock");
        *self.lock.lock().await = Some(connection);
    }

    /// Gives it back.
    pub async fn restore(&self) {
        let connection = self.lock.lock().await.take().expect("it was cut");
        connection.close().await.expect("it was open");
    }

    /// From now on, there is no `table`.
    pub async fn lose(&self, table: &str) {
        self.execute(format!("ALTER TABLE {table} RENAME TO lost")).await;
    }

    /// From now on, to read `table` takes some tenths of a second.
    pub async fn slow_reads(&self, table: &str) {
        self.sleep_before_reads(table, 0.3).await;
    }

    /// From now on, to read `table` takes longer than any statement may.
    pub async fn endless_reads(&self, table: &str) {
        self.sleep_before_reads(table, 600.0).await;
    }

    async fn sleep_before_reads(&self, table: &str, seconds: f64) {
        self.execute(format!(
            "ALTER TABLE {table} RENAME TO stored;
             CREATE VIEW {table} AS
             SELECT stored.* FROM stored WHERE (SELECT pg_sleep({seconds})) IS NOT NULL;"
        ))
        .await;
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        // The runtime of the test cannot wait here. One that stays does no harm.
        let _ = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(on_server(sql));
        })
        .join();
    }
}
