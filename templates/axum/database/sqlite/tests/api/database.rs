//! The database that a test has to itself, and what can happen to it. What
//! happens to SQLite alone is tested here.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection, Executor};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::app::{TestApp, causes, eventually};
use crate::process::Process;
use crate::signals::POOL_CONNECTIONS;
use crate::{ITEMS, TABLE};

/// What looks for a text in a column, for each column of each table.
const SEARCHES: &str = r#"
    SELECT format('SELECT ''%w.%w'' FROM "%w" WHERE instr(CAST("%w" AS TEXT), ?1) > 0',
                  tables.name, columns.name, tables.name, columns.name)
      FROM sqlite_schema AS tables, pragma_table_info(tables.name) AS columns
     WHERE tables.type = 'table'"#;

/// The most allocations of a request that reads one row, without what counting adds.
pub const READ_ALLOCATIONS: u64 = 64;

/// A file in a directory of its own, which is removed with it.
pub struct TestDatabase {
    directory: PathBuf,
    /// What keeps everybody else from writing.
    lock: Mutex<Option<SqliteConnection>>,
}

impl TestDatabase {
    pub async fn create() -> TestDatabase {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(Uuid::now_v7().to_string());
        std::fs::create_dir_all(&directory).expect("a directory");
        TestDatabase { directory, lock: Mutex::default() }
    }

    /// The variables that lead a service to it.
    pub fn variables(&self) -> [(&'static str, String); 1] {
        [("DATABASE_URL", format!("sqlite://{}", self.file().display()))]
    }

    fn file(&self) -> PathBuf {
        self.directory.join("test.db")
    }

    pub async fn connect(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.file()).create_if_missing(true);
        SqliteConnection::connect_with(&options).await.expect("it is there")
    }

    pub async fn execute(&self, sql: impl Into<String>) {
        let sql = AssertSqlSafe(sql.into());
        self.connect().await.execute(sql).await.expect("it works");
    }

    /// The first column of each row.
    pub async fn texts(&self, sql: &'static str) -> Vec<String> {
        let texts = sqlx::query_scalar(sql).fetch_all(&mut self.connect().await).await;
        texts.expect("it works")
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

    /// Whether no transaction is open that writes: the lock can be had. SQLite
    /// does not count its connections.
    pub async fn is_at_rest(&self, _connections: usize) -> bool {
        let mut connection = self.connect().await;
        connection.execute("PRAGMA busy_timeout = 0; BEGIN IMMEDIATE; ROLLBACK").await.is_ok()
    }

    /// Takes it away from everybody who wants to write: somebody else holds the
    /// write lock and does not let go.
    pub async fn cut(&self) {
        let mut connection = self.connect().await;
        connection.execute("BEGIN IMMEDIATE").await.expect("the lock");
        *self.lock.lock().await = Some(connection);
    }

    /// Gives it back.
    pub async fn restore(&self) {
        let connection = self.lock.lock().await.take().expect("it was cut");
        connection.close().await.expect("it was open");
    }

    /// From now on, there is no `table`.
    pub async fn lose(&self, table: &str) {
        let sql = AssertSqlSafe(format!("ALTER TABLE {table} RENAME TO lost"));
        self.connect().await.execute(sql).await.expect("the table is there");
    }

    /// From now on, to read `table` takes some tenths of a second.
    pub async fn slow_reads(&self, table: &str) {
        self.count_before_reads(table, "LIMIT 1000000").await;
    }

    /// From now on, to read `table` takes longer than any statement may.
    pub async fn endless_reads(&self, table: &str) {
        self.count_before_reads(table, "").await;
    }

    async fn count_before_reads(&self, table: &str, limit: &str) {
        self.execute(format!(
            "ALTER TABLE {table} RENAME TO stored;
             CREATE VIEW {table} AS
             WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted {limit})
             SELECT stored.* FROM stored WHERE (SELECT count(*) FROM counted) > 0;"
        ))
        .await;
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        // One that stays costs a few kilobytes under `target`.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

impl TestApp {
    /// Waits until a write waits for the lock of `cut`.
    pub async fn until_a_write_waits(&self) {
        let writer = ("db_client_connection_pool_name", "writer");
        let used = [writer, ("db_client_connection_state", "used")];
        self.until_metric(POOL_CONNECTIONS, &used, 1.0).await;
    }
}

#[tokio::test]
async fn reads_go_on_while_somebody_else_holds_the_write_lock() {
    let app = TestApp::with(&[("DATABASE_STATEMENT_TIMEOUT_MS", "200")]).await;
    let id = app.create(ITEMS, "ada@example.org").await.json(201)["id"].clone();
    app.database.cut().await;
    app.create(ITEMS, "bob@example.org").await.problem(503);
    let item = app.read(ITEMS, id.as_str().expect("text")).await.json(200);
    assert_eq!(app.list(ITEMS, "").await.json(200)["items"], json!([item]));
}

#[tokio::test]
async fn a_lock_that_another_process_holds_counts_as_a_timeout() {
    let app = TestApp::with(&[("DATABASE_STATEMENT_TIMEOUT_MS", "200")]).await;
    app.database.cut().await;
    app.create(ITEMS, "ada@example.org").await.problem(503);
    let metrics = app.metrics().await;
    let waited = [("db_operation_name", "INSERT"), ("error_type", "lock_timeout")];
    assert_eq!(metrics.sum("db_client_operation_duration_seconds_count", &waited), 1.0);
    assert_eq!(metrics.sum("dependency_requests_total", &[("outcome", "timeout")]), 1.0);
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_interrupted_and_its_connection_freed() {
    let variables = [("DATABASE_MAX_CONNECTIONS", "1"), ("DATABASE_STATEMENT_TIMEOUT_MS", "100")];
    let app = TestApp::with(&variables).await;
    app.create(ITEMS, "ada@example.org").await.json(201);
    app.database.endless_reads(TABLE).await;
    for _ in 0..2 {
        let answer = app.list(ITEMS, "").await;
        answer.problem(503);
        assert_eq!(answer.header("retry-after"), "1");
    }
    let metrics = app.metrics().await;
    let interrupted = [("db_operation_name", "SELECT"), ("error_type", "statement_timeout")];
    assert_eq!(metrics.sum("db_client_operation_duration_seconds_count", &interrupted), 2.0);
    // Nobody repeats what is already too slow.
    assert_eq!(metrics.sum("dependency_retries_total", &[]), 0.0);
}

#[tokio::test]
async fn a_write_that_took_too_long_leaves_the_writer_as_good_as_before() {
    let app = TestApp::with(&[("DATABASE_STATEMENT_TIMEOUT_MS", "100")]).await;
    // SQLite rolls back by itself what it interrupts.
    let endless = format!(
        "CREATE VIEW counted AS
         WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted)
         SELECT n FROM counted;
         CREATE TRIGGER endless BEFORE INSERT ON {TABLE} BEGIN SELECT count(*) FROM counted; END"
    );
    app.database.execute(endless).await;
    for _ in 0..2 {
        app.create(ITEMS, "ada@example.org").await.problem(503);
    }
    app.database.execute("DROP TRIGGER endless").await;
    app.create(ITEMS, "ada@example.org").await.json(201);
    assert_eq!(app.metric("dependency_up", &[("dependency", "database")]).await, 1.0);
}

#[tokio::test]
async fn nothing_is_acknowledged_in_a_file_that_is_gone() {
    let app = TestApp::start().await;
    let id = app.create(ITEMS, "ada@example.org").await.json(201)["id"].clone();
    let file = app.database.file();
    let aside = file.with_extension("aside");
    std::fs::rename(&file, &aside).expect("it is there");
    std::fs::write(&file, "").expect("another one takes its place");
    let down = async || {
        app.create(ITEMS, "bob@example.org").await.problem(503);
        // The second one needs a connection that is not there yet.
        for answer in join_all([app.list(ITEMS, ""), app.list(ITEMS, "")]).await {
            answer.problem(503);
        }
        (app.metric("dependency_up", &[("dependency", "database")]).await == 0.0).then_some(())
    };
    eventually("the database is down", down).await;

    std::fs::rename(&aside, &file).expect("it is there");
    app.create(ITEMS, "eve@example.org").await.json(201);
    app.read(ITEMS, id.as_str().expect("text")).await.json(200);
}

#[tokio::test]
async fn nothing_is_acknowledged_in_a_log_that_is_gone() {
    let app = TestApp::start().await;
    app.create(ITEMS, "ada@example.org").await.json(201);
    let mut log = app.database.file().into_os_string();
    log.push("-wal");
    std::fs::remove_file(log).expect("it is there");
    app.create(ITEMS, "bob@example.org").await.problem(503);
    app.list(ITEMS, "").await.problem(503);
}

#[tokio::test]
async fn a_database_in_memory_is_refused() {
    let database = TestDatabase::create().await;
    for url in ["sqlite::memory:", "sqlite://test.db?mode=memory"] {
        let end = Process::start("serve", &database, &[("DATABASE_URL", url)]).end().await;
        assert_eq!(end.code, Some(1));
        assert!(end.errors.contains("DATABASE_URL: a database in memory"), "{}", end.errors);
    }
}

#[tokio::test]
async fn a_url_of_no_file_or_of_one_that_is_not_written_is_refused() {
    let database = TestDatabase::create().await;
    for rest in [
        "",
        "//",
        "//?mode=rwc",
        "//data/",
        "//src",
        "%3Amemory%3A",
        "file:test.db",
        "//a%00b.db",
        "//test.db?mode=ro",
        "//test.db?immutable=1",
        "//test.db?cache=shared",
        "//test.db?mode=%6Demory",
    ] {
        let url = format!("sqlite:{rest}");
        let end = Process::start("serve", &database, &[("DATABASE_URL", &url)]).end().await;
        assert_eq!(end.code, Some(1), "{url}");
        assert!(end.errors.contains("\n  DATABASE_URL: "), "{url}: {}", end.errors);
    }
}

#[tokio::test]
async fn what_a_url_sets_twice_is_refused() {
    let database = TestDatabase::create().await;
    for (parameters, name) in [
        ("mode=rw&mode=rwc", "mode"),
        ("mode=rwc&cache=private&mode=rwc", "mode"),
        ("cache=private&cache=private", "cache"),
    ] {
        let url = format!("sqlite://src?{parameters}");
        let end = Process::start("serve", &database, &[("DATABASE_URL", &url)]).end().await;
        assert_eq!(end.code, Some(1));
        let twice = format!("`{name}`: it is set twice; leave out one of them\n");
        // With all other mistakes.
        for told in [twice.as_str(), "it names no file"] {
            let told = format!("\n  DATABASE_URL: {told}");
            assert!(end.errors.contains(&told), "{parameters}: {}", end.errors);
        }
    }
}

#[tokio::test]
async fn a_request_that_finds_no_free_connection_does_not_wait_for_long() {
    let variables = [("DATABASE_MAX_CONNECTIONS", "1"), ("DATABASE_ACQUIRE_TIMEOUT_MS", "500")];
    let app = TestApp::with(&variables).await;
    app.create(ITEMS, "ada@example.org").await.json(201);
    app.database.endless_reads(TABLE).await;
    let mut first = app.connect().await;
    first.send(&format!("GET {ITEMS} HTTP/1.1\r\nHost: test\r\n\r\n")).await;
    let readers = ("db_client_connection_pool_name", "readers");
    let used = [readers, ("db_client_connection_state", "used")];
    app.until_metric(POOL_CONNECTIONS, &used, 1.0).await;

    let answer = app.list(ITEMS, "").await;
    answer.problem(503);
    assert_eq!(answer.header("retry-after"), "1");
    let metrics = app.metrics().await;
    assert_eq!(metrics.sum("db_client_connection_timeouts_total", &[readers]), 1.0);
    assert_eq!(metrics.sum("db_client_connection_max", &[readers]), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_services_that_write_to_one_file_take_turns() {
    let one = TestApp::start().await;
    let two = TestApp::on(Arc::clone(&one.database), &[]).await.expect("the service starts");
    // Under a key, a write begins with a read.
    let create = async |n: usize| {
        let app = [&one, &two][n % 2];
        let email = format!("{n}@example.org");
        app.create_with_key(ITEMS, &email, &n.to_string()).await.json(201)
    };
    join_all((0..20).map(create)).await;
    let items = one.list(ITEMS, "limit=100").await.json(200)["items"].clone();
    assert_eq!(items.as_array().expect("items").len(), 20);
}

#[tokio::test]
async fn a_database_that_cannot_be_made_is_named() {
    let database = TestDatabase::create().await;
    let file = database.directory.join("file");
    std::fs::write(&file, "not a directory").expect("a file");
    let url = format!("sqlite://{}/test.db", file.display());
    let started = TestApp::on(database.into(), &[("DATABASE_URL", &url)]).await;
    let error = causes(&started.err().expect("it cannot start"));
    assert!(error.contains("DATABASE_URL"), "{error}");
    assert!(error.contains(&file.display().to_string()), "{error}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named() {
    let database = TestDatabase::create().await;
    std::fs::write(database.file(), "no database").expect("a file");
    let started = TestApp::on(database.into(), &[]).await;
    let error = causes(&started.err().expect("it cannot start"));
    assert!(error.contains("DATABASE_URL") && error.contains("test.db"), "{error}");
    assert!(error.contains("file is not a database"), "{error}");
}

#[tokio::test]
async fn a_url_that_cannot_be_used_is_refused_without_its_password() {
    let database = TestDatabase::create().await;
    let odd = [("DATABASE_URL", "ftp://user:secret@host/name")];
    let end = Process::start("serve", &database, &odd).end().await;
    assert_eq!(end.code, Some(1));
    assert!(end.errors.contains("DATABASE_URL: "), "{}", end.errors);
    assert!(!end.errors.contains("secret"), "{}", end.errors);
}
