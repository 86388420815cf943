//! What can happen to the database and to the network before it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use sqlx::{ConnectOptions, Executor};

use super::{CONNECTIONS, LOCK_MIGRATIONS, SERVER, STRICT_TLS, TestDatabase};
use crate::app::{TestApp, causes, eventually};
use crate::process::Process;
use crate::signals::POOL_CONNECTIONS;
use crate::{ITEMS, TABLE};

/// Times that run out while a test waits.
const SHORT: [(&str, &str); 2] =
    [("DATABASE_ACQUIRE_TIMEOUT_MS", "500"), ("DATABASE_STATEMENT_TIMEOUT_MS", "500")];

/// With them a call ends, and a server that is back is found, within a second or
/// two. A machine that has other things to do may take longer.
const SOON: Duration = Duration::from_secs(10);

const CALLS: &str = "db_client_operation_duration_seconds_count";

const RETRIES: &str = "dependency_retries_total";

const UP: [(&str, &str); 1] = [("dependency", "database")];

/// The connections that somebody has.
const USED: (&str, &[(&str, &str)]) = (POOL_CONNECTIONS, &[("db_client_connection_state", "used")]);

/// Two of the service on one database, started at the same time.
async fn replicas() -> [TestApp; 2] {
    let database = Arc::new(TestDatabase::create().await);
    let start = || TestApp::on(Arc::clone(&database), &[]);
    let (one, two) = tokio::join!(start(), start());
    [one.expect("the service starts"), two.expect("the service starts")]
}

/// What a service that cannot start on this database says.
async fn error(database: &Arc<TestDatabase>, variables: &[(&str, &str)]) -> String {
    let started = TestApp::on(Arc::clone(database), variables).await;
    let error = causes(&started.err().expect("it cannot start"));
    assert!(error.contains("DATABASE_URL"), "{error}");
    error
}

impl TestApp {
    /// Waits until a write waits for the lock of `cut`.
    pub async fn until_a_write_waits(&self) {
        let (used, labels) = USED;
        self.until_metric(used, labels, 1.0).await;
    }

    /// How often a call of the database ended like this.
    async fn failed(&self, error_type: &str) -> f64 {
        self.metric(CALLS, &[("error_type", error_type)]).await
    }

    /// Sends a read and a write that have to be refused, soon and politely.
    async fn is_refused(&self, email: &str) {
        let started = Instant::now();
        let (read, write) = tokio::join!(self.list(ITEMS, ""), self.create(ITEMS, email));
        assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
        for answer in [read, write] {
            let problem = answer.problem(503);
            assert_eq!(answer.header("retry-after"), "1");
            assert_eq!(problem["detail"], json!(null), "what failed is for the log");
        }
        // Calls that were answered may still outweigh those that failed.
        let down = async || {
            let down = self.metric("dependency_up", &UP).await == 0.0;
            if !down {
                self.list(ITEMS, "").await.problem(503);
            }
            down.then_some(())
        };
        eventually("the database is down", down).await;
    }

    /// Waits until reads and writes work again, which must be soon.
    async fn is_back(&self, email: &str) {
        let started = Instant::now();
        let back = async || (self.list(ITEMS, "").await.status == 200).then_some(());
        eventually("the database is back", back).await;
        self.create(ITEMS, email).await.json(201);
        assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
        // It is up when ten times as many calls are answered as have failed.
        let up = async || {
            for _ in 0..10 {
                self.list(ITEMS, "").await.json(200);
            }
            (self.metric("dependency_up", &UP).await == 1.0).then_some(())
        };
        eventually("the database is up", up).await;
    }
}

#[tokio::test]
async fn a_server_that_refuses_connections_is_missed_at_once_and_found_again() {
    let app = TestApp::with(&SHORT).await;
    app.create(ITEMS, "ada@example.org").await.json(201);
    app.database.network.refuse().await;
    for _ in 0..3 {
        app.is_refused("bob@example.org").await;
    }
    assert!(app.failed("connection").await >= 4.0);
    // No pool is too small for a server that is not there.
    assert_eq!(app.metric("db_client_connection_timeouts_total", &[]).await, 0.0);
    app.database.network.pass().await;
    app.is_back("bob@example.org").await;
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_and_keeps_no_connection() {
    let app = TestApp::with(&SHORT).await;
    app.create(ITEMS, "ada@example.org").await.json(201);
    app.database.network.silence().await;
    // More than there are connections.
    let emails = ["1", "2", "3", "4"].map(|name| format!("{name}@example.org"));
    join_all(emails.iter().map(|email| app.is_refused(email))).await;
    assert!(app.failed("timeout").await >= 1.0);
    assert_eq!(app.metric(RETRIES, &[]).await, 0.0, "what took its time is not repeated");

    let (used, labels) = USED;
    app.until_metric(used, labels, 0.0).await;
    app.database.network.pass().await;
    app.is_back("bob@example.org").await;
}

#[tokio::test]
async fn a_server_that_is_slow_is_waited_for_and_one_that_is_too_slow_is_not() {
    let times =
        [("DATABASE_ACQUIRE_TIMEOUT_MS", "1000"), ("DATABASE_STATEMENT_TIMEOUT_MS", "1000")];
    let app = TestApp::with(&times).await;
    app.create(ITEMS, "ada@example.org").await.json(201);
    app.database.network.slow(Duration::from_millis(20)).await;
    app.list(ITEMS, "").await.json(200);
    app.create(ITEMS, "bob@example.org").await.json(201);
    app.database.network.slow(Duration::from_secs(30)).await;
    app.is_refused("eve@example.org").await;
    app.database.network.pass().await;
    app.is_back("eve@example.org").await;
}

#[tokio::test]
async fn a_restart_of_the_server_costs_no_read() {
    let app = TestApp::with(&[("DATABASE_MIN_CONNECTIONS", "4")]).await;
    app.create(ITEMS, "ada@example.org").await.json(201);
    app.database.network.cut().await;
    for _ in 0..4 {
        app.list(ITEMS, "").await.json(200);
    }
    // The first dead connection gives the others away.
    assert_eq!(app.metric(RETRIES, &[]).await, 1.0);
    assert_eq!(app.failed("connection").await, 1.0);
    app.create(ITEMS, "bob@example.org").await.json(201);
}

#[tokio::test]
async fn a_write_that_broke_off_is_not_repeated() {
    let app = TestApp::start().await;
    app.create(ITEMS, "ada@example.org").await.json(201);
    app.database.cut().await;
    let write = app.create(ITEMS, "bob@example.org");
    let cut = async {
        app.until_a_write_waits().await;
        app.database.network.cut().await;
    };
    let (answer, ()) = tokio::join!(write, cut);
    answer.problem(503);
    assert_eq!(app.metric(RETRIES, &[]).await, 0.0);
    app.database.restore().await;
    app.create(ITEMS, "eve@example.org").await.json(201);
}

#[tokio::test]
async fn reads_go_on_while_somebody_else_holds_a_lock_that_keeps_writes_waiting() {
    // A lock is waited for half of it, at least a second.
    let app = TestApp::with(&[("DATABASE_STATEMENT_TIMEOUT_MS", "3000")]).await;
    let created = app.create(ITEMS, "ada@example.org").await.json(201);
    app.database.cut().await;
    app.create(ITEMS, "bob@example.org").await.problem(503);
    assert_eq!(app.list(ITEMS, "").await.json(200)["items"], json!([created]));
    let metrics = app.metrics().await;
    let waited = [("db_operation_name", "INSERT"), ("error_type", "lock_timeout")];
    assert_eq!(metrics.sum(CALLS, &waited), 1.0);
    assert_eq!(metrics.sum("dependency_requests_total", &[("outcome", "timeout")]), 1.0);
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_ended_by_the_server() {
    let [acquire, statement] = SHORT;
    let app = TestApp::with(&[acquire, statement, ("DATABASE_MAX_CONNECTIONS", "1")]).await;
    app.create(ITEMS, "ada@example.org").await.json(201);
    app.database.endless_reads(TABLE).await;
    for _ in 0..2 {
        let answer = app.list(ITEMS, "").await;
        answer.problem(503);
        assert_eq!(answer.header("retry-after"), "1");
    }
    let metrics = app.metrics().await;
    let cancelled = [("db_operation_name", "SELECT"), ("error_type", "statement_timeout")];
    assert_eq!(metrics.sum(CALLS, &cancelled), 2.0);
    // Nobody repeats what is already too slow.
    assert_eq!(metrics.sum(RETRIES, &[]), 0.0);
    // The connection is as good as before.
    app.create(ITEMS, "bob@example.org").await.json(201);
}

#[tokio::test]
async fn a_request_that_finds_no_free_connection_does_not_wait_for_long() {
    let variables = [("DATABASE_MAX_CONNECTIONS", "1"), ("DATABASE_ACQUIRE_TIMEOUT_MS", "500")];
    let app = TestApp::with(&variables).await;
    app.create(ITEMS, "ada@example.org").await.json(201);
    app.database.endless_reads(TABLE).await;
    let mut first = app.connect().await;
    first.send(&format!("GET {ITEMS} HTTP/1.1\r\nHost: test\r\n\r\n")).await;
    let (used, labels) = USED;
    app.until_metric(used, labels, 1.0).await;

    let answer = app.list(ITEMS, "").await;
    answer.problem(503);
    assert_eq!(answer.header("retry-after"), "1");
    let metrics = app.metrics().await;
    assert!(metrics.sum("db_client_connection_timeouts_total", &[]) >= 1.0);
    assert_eq!(metrics.sum("db_client_connection_max", &[]), 1.0);
}

#[tokio::test]
async fn what_a_client_has_left_is_told_of_and_keeps_its_connection_until_the_server_is_done() {
    let app = TestApp::with(&[("DATABASE_MAX_CONNECTIONS", "1")]).await;
    app.create(ITEMS, "ada@example.org").await.json(201);
    app.database.endless_reads(TABLE).await;
    let mut client = app.connect().await;
    let head = format!("GET {ITEMS} HTTP/1.1\r\nHost: test\r\nX-Request-Id: left\r\n\r\n");
    client.send(&head).await;
    let (used, labels) = USED;
    app.until_metric(used, labels, 1.0).await;
    drop(client);

    let cancelled = [("outcome", "cancelled")];
    app.until_metric("dependency_requests_total", &cancelled, 1.0).await;
    assert_eq!(app.failed("cancelled").await, 1.0);
    assert_eq!(app.metric(used, labels).await, 1.0);
    let line = app.log.request("left").await;
    assert_eq!((&line["status"], &line["database_calls"]), (&json!(499), &json!(1)));
    app.until_metric(used, labels, 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_replicas_that_change_a_version_one_does_and_nothing_is_lost() {
    let apps = replicas().await;
    let created = apps[0].create(ITEMS, "ada@example.org").await.json(201);
    let id = created["id"].as_str().expect("text");
    let change = async |n: usize| {
        let app = &apps[n % 2];
        let changes = json!({ "name": format!("Ada {n}") });
        loop {
            let read = app.read(ITEMS, id).await;
            let updated = app.update(ITEMS, id, read.header("etag"), &changes).await;
            if updated.status == 200 {
                return updated.json(200)["version"].as_i64().expect("a number");
            }
            updated.problem(412);
        }
    };
    let mut versions = join_all((0..20).map(change)).await;
    versions.sort();
    assert_eq!(versions, (2..22).collect::<Vec<_>>());
    let items = apps[1].list(ITEMS, "").await.json(200)["items"].clone();
    assert_eq!(items[0]["version"], 21);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_comes_to_two_replicas_under_one_key_is_done_once() {
    let apps = replicas().await;
    let create = async |n: usize| {
        apps[n % 2].create_with_key(ITEMS, "ada@example.org", "once").await.json(201)
    };
    let told = join_all((0..10).map(create)).await;
    let items = apps[0].list(ITEMS, "").await.json(200)["items"].clone();
    assert_eq!(items, json!([told[0]]));
    assert!(told.iter().all(|item| *item == told[0]), "{told:?}");
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_named_when_the_time_is_over() {
    let database = TestDatabase::create().await;
    let at = format!("{}/{}", database.network.addr, database.name);
    let budget = [("DATABASE_START_TIMEOUT_MS", "500")];
    database.network.refuse().await;
    let refused = Process::start("serve", &database, &budget).end().await;
    database.network.silence().await;
    let silent = Process::start("migrate", &database, &budget).end().await;
    for end in [refused, silent] {
        assert_eq!(end.code, Some(1));
        let errors = end.errors;
        assert!(errors.contains("cannot reach") && errors.contains("DATABASE_URL"), "{errors}");
        assert!(errors.contains(&at) && errors.contains("500ms"), "{errors}");
    }
}

#[tokio::test]
async fn a_migration_that_waits_ends_at_a_signal() {
    for command in ["migrate", "serve"] {
        let database = TestDatabase::create().await;
        let end = Process::start("migrate", &database, &[]).end().await;
        assert_eq!(end.code, Some(0), "{}", end.errors);
        let mut other = database.connect().await;
        other.execute(LOCK_MIGRATIONS).await.expect("the lock");
        let process = Process::start(command, &database, &[]);
        // Its own connection, and that of the lock.
        let connected = async || (database.texts(CONNECTIONS).await.len() >= 2).then_some(());
        eventually("it is connected", connected).await;
        process.terminate().await;
        let end = process.end().await;
        assert_eq!(end.code, Some(1), "{command}");
        assert!(end.errors.contains("a signal ended it"), "{command}: {}", end.errors);
    }
}

#[tokio::test]
async fn a_server_that_falls_silent_after_the_login_is_named_when_the_time_is_over() {
    let database = Arc::new(TestDatabase::create().await);
    let migrated = TestApp::on(Arc::clone(&database), &[]).await;
    migrated.expect("the service starts").stop().await;
    let mut silent = database.connect().await;
    silent.execute(LOCK_MIGRATIONS).await.expect("the lock");
    let error = error(&database, &[("DATABASE_START_TIMEOUT_MS", "1000")]).await;
    assert!(error.contains("within 1s"), "{error}");
}

#[tokio::test]
async fn a_server_that_comes_late_is_waited_for() {
    let database = TestDatabase::create().await;
    database.network.refuse().await;
    let mut process = Process::start("serve", &database, &[]);
    process.logged("waiting for the database").await;
    database.network.pass().await;
    process.serving().await;
}

#[tokio::test]
async fn a_database_that_cannot_be_used_is_named_without_the_password() {
    let database = Arc::new(TestDatabase::create().await);
    let url = || database.url().password("secret");
    for (url, causes) in [
        (url().database("no_such_database"), ["no_such_database"; 2]),
        (url().username("nobody"), ["nobody"; 2]),
        // No public authority vouches for a test server, if it speaks TLS at all.
        (url().ssl_mode(STRICT_TLS), ["certificate", "TLS"]),
    ] {
        let url: String = url.to_url_lossy().into();
        let error = error(&database, &[("DATABASE_URL", &url)]).await;
        assert!(causes.iter().any(|cause| error.contains(cause)), "{error}");
        assert!(error.contains("cannot open") && !error.contains("secret"), "{error}");
    }
    let (scheme, _) = SERVER.split_once(':').expect("a URL");
    for scheme in [scheme, "ftp"] {
        let odd = format!("{scheme}://user:secret@host:port/name");
        let end = Process::start("serve", &database, &[("DATABASE_URL", &odd)]).end().await;
        assert_eq!(end.code, Some(1));
        assert!(end.errors.contains("DATABASE_URL: "), "{}", end.errors);
        assert!(!end.errors.contains("secret"), "{}", end.errors);
    }
}

#[tokio::test]
async fn more_connections_kept_ready_than_there_may_be_is_a_mistake() {
    let database = TestDatabase::create().await;
    let variables = [("DATABASE_MIN_CONNECTIONS", "5")];
    let end = Process::start("serve", &database, &variables).end().await;
    assert_eq!(end.code, Some(1));
    assert!(end.errors.contains("DATABASE_MIN_CONNECTIONS: "), "{}", end.errors);
}
