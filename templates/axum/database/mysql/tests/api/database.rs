//! The database that a test has to itself, behind a network of its own.
//!
//! The server is that of `TEST_MYSQL_URL`, where the user may create databases.

mod address;
mod defaults;
mod faults;
mod protocol;
mod proxy;
mod states;
mod wire;
mod wire_sweep;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::thread;

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use tokio::sync::Mutex;
use uuid::Uuid;

use self::proxy::Proxy;
use crate::TABLE;

/// The server of `compose.yaml`.
const SERVER: &str = "mysql://root@127.0.0.1:3306/mysql";

/// The most allocations of a request that reads one row, without what counting adds.
pub const READ_ALLOCATIONS: u64 = 120;

/// The server has to prove who it is.
const STRICT_TLS: MySqlSslMode = MySqlSslMode::VerifyIdentity;

/// The parameters of a URL that name files: of authorities, of a certificate and of
/// its key.
const FILES: [&str; 3] = ["ssl-ca", "ssl-cert", "ssl-key"];

/// Lets nobody read which migrations were applied.
const LOCK_MIGRATIONS: &str = "LOCK TABLES _sqlx_migrations WRITE";

/// Connections to the database that asks, besides the one it asks on.
const CONNECTIONS: &str = "
    SELECT command FROM information_schema.processlist
     WHERE db = database() AND id <> connection_id()";

/// What looks for a text in a column, for each column of each table.
const SEARCHES: &str = "
    SELECT concat('SELECT ''', table_name, '.', column_name,
                  ''' FROM `', table_name, '` WHERE instr(`', column_name, '`, ?) > 0')
      FROM information_schema.columns WHERE table_schema = database()";

/// A database of its own behind a network of its own; both end with it.
pub struct TestDatabase {
    name: String,
    pub network: Proxy,
    /// What keeps everybody else from writing.
    lock: Mutex<Option<MySqlConnection>>,
    /// What looks at it, past that network.
    view: Mutex<Option<MySqlConnection>>,
}

/// The server, by way of the database that is always there.
fn server() -> MySqlConnectOptions {
    let url = std::env::var("TEST_MYSQL_URL").unwrap_or_else(|_| SERVER.to_owned());
    url.parse().expect("TEST_MYSQL_URL is the URL of a MySQL server")
}

/// Where it listens.
fn addr() -> String {
    format!("{}:{}", server().get_host(), server().get_port())
}

async fn on_server(sql: String) {
    let mut connection = server().connect().await.expect("TEST_MYSQL_URL names a server");
    connection.execute(AssertSqlSafe(sql)).await.expect("the user may do so");
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
    fn url(&self) -> MySqlConnectOptions {
        self.at(self.network.addr)
    }

    /// It, by way of a network that has to read what is sent.
    fn url_by_way_of(&self, addr: SocketAddr) -> String {
        self.at(addr).ssl_mode(MySqlSslMode::Disabled).to_url_lossy().into()
    }

    fn at(&self, addr: SocketAddr) -> MySqlConnectOptions {
        server().host(&addr.ip().to_string()).port(addr.port()).database(&self.name)
    }

    /// It, past that network.
    pub async fn connect(&self) -> MySqlConnection {
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

    /// Whether the server has no more connections to it than these: none that only
    /// finishes what it was told before. The server's list of transactions is no
    /// help: it stays as it is while it is read more often than every 100 ms.
    pub async fn is_at_rest(&self, connections: usize) -> bool {
        self.texts(CONNECTIONS).await.len() <= connections
    }

    /// Takes it away from everybody who wants to write: somebody else holds a
    /// lock and does not let go.
    pub async fn cut(&self) {
        let mut connection = self.connect().await;
        let sql = format!("LOCK TABLES {TABLE} READ");
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
             SELECT stored.* FROM stored WHERE (SELECT sleep({seconds})) = 0;"
        ))
        .await;
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        drop(self.lock.get_mut().take());
        let name = self.name.clone();
        // The runtime of the test cannot wait here. One that stays does no harm.
        let _ = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(drop_database(&name));
        })
        .join();
    }
}

/// Whoever still uses it would be waited for.
async fn drop_database(name: &str) {
    let mut connection = server().connect().await.expect("TEST_MYSQL_URL names a server");
    let users = "SELECT CAST(id AS SIGNED) FROM information_schema.processlist WHERE db = ?";
    let users = sqlx::query_scalar(users).bind(name).fetch_all(&mut connection).await;
    let users: Vec<i64> = users.expect("the user may see them");
    for user in users {
        // It may have left in the meantime.
        let _ = connection.execute(AssertSqlSafe(format!("KILL {user}"))).await;
    }
    on_server(format!("DROP DATABASE {name}")).await;
}
