//! How the binary begins and how it ends: its commands, its exit codes, and what
//! it says when it cannot start.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::ITEMS;
use crate::app::{TestApp, causes};
use crate::client::Connection;
use crate::database::TestDatabase;
use crate::file::TestFile;
use crate::process::Process;

/// What no error and no log may show.
const SECRET: &str = "hunter2";

/// The URL that leads a service to `database`.
fn url(database: &TestDatabase) -> String {
    let url = database.variables().into_iter().find(|(name, _)| *name == "DATABASE_URL");
    url.expect("it is one of them").1
}

#[tokio::test]
async fn every_mistake_in_the_configuration_is_reported_at_once() {
    let database = TestDatabase::create().await;
    let mistakes = [
        ("HTTP_ADDR", "nowhere"),
        ("HTTP_MAX_IN_FLIGHT", "0"),
        ("DATABASE_URL", "somewhere"),
        ("LOG_FORMAT", "xml"),
        ("SHUTDOWN_TIMEOUT_MS", "soon"),
    ];
    let end = Process::start("serve", &database, &mistakes).end().await;
    assert_eq!(end.code, Some(1));
    for (name, _) in mistakes {
        assert!(end.errors.contains(&format!("\n  {name}: ")), "{name} in {}", end.errors);
    }
    assert_eq!(end.log, [""; 0]);
}

#[tokio::test]
async fn every_variable_that_is_not_text_is_told_by_its_name_alone() {
    let database = TestDatabase::create().await;
    let names = [
        "DATABASE_MIGRATE",
        "DATABASE_URL",
        "DATABASE_URL_FILE",
        "HTTP_ADDR",
        "HTTP_MAX_IN_FLIGHT",
        "LOG_FORMAT",
        "RUST_LOG",
        "TOKIO_WORKER_THREADS",
    ];
    let export = |name| format!("export {name}=\"$(printf '{SECRET}\\377')\"");
    let exports = names.map(export).join(" && ");
    let mistakes = [("SHUTDOWN_TIMEOUT_MS", "soon")];
    let end = Process::start_under(&exports, "serve", &database, &mistakes).end().await;
    assert_eq!(end.code, Some(1));
    for name in names {
        assert!(end.errors.contains(&format!("\n  {name}: it is not UTF-8\n")), "{}", end.errors);
    }
    assert!(end.errors.contains("\n  SHUTDOWN_TIMEOUT_MS: "), "{}", end.errors);
    assert!(!end.errors.contains(SECRET), "{}", end.errors);
}

#[tokio::test]
async fn a_number_of_threads_that_the_runtime_cannot_use_is_a_mistake_like_any_other() {
    let database = TestDatabase::create().await;
    for threads in ["0", "many", "1025", "100000000"] {
        let variables = [("TOKIO_WORKER_THREADS", threads)];
        let end = Process::start("serve", &database, &variables).end().await;
        assert_eq!(end.code, Some(1));
        assert!(end.errors.contains("\n  TOKIO_WORKER_THREADS: "), "{}", end.errors);
    }
    let mut process = Process::start("serve", &database, &[("TOKIO_WORKER_THREADS", "")]);
    process.serving().await;
}

#[tokio::test]
async fn a_secret_may_come_from_a_file() {
    let database = Arc::new(TestDatabase::create().await);
    for end in ["", "\n", "\r\n"] {
        let file = TestFile::new(url(&database) + end);
        let variables = [("DATABASE_URL", ""), ("DATABASE_URL_FILE", file.path())];
        let app = TestApp::on(Arc::clone(&database), &variables).await;
        app.expect("the service starts").list(ITEMS, "").await.json(200);
    }
    let app = TestApp::on(database, &[("DATABASE_URL_FILE", "")]).await;
    app.expect("an empty name is none").list(ITEMS, "").await.json(200);
}

#[tokio::test]
async fn a_url_with_white_space_around_it_is_refused() {
    let database = TestDatabase::create().await;
    let url = url(&database);
    for odd in [format!("{url} "), format!("{url}\t\n"), format!("{url}\n\n"), format!(" {url}")] {
        let file = TestFile::new(&odd);
        for variables in [
            [("DATABASE_URL", ""), ("DATABASE_URL_FILE", file.path())],
            [("DATABASE_URL", &odd), ("DATABASE_URL_FILE", "")],
        ] {
            let end = Process::start("serve", &database, &variables).end().await;
            assert_eq!(end.code, Some(1), "{odd:?}");
            let told = end.errors.contains("\n  DATABASE_URL: leave out the white space");
            assert!(told, "{odd:?}: {}", end.errors);
        }
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_read_as_a_secret_is_told_with_its_path_and_the_reason() {
    let database = TestDatabase::create().await;
    let missing = TestFile::missing();
    let empty = TestFile::new("\n");
    let binary = TestFile::new([SECRET.as_bytes(), &[0xff]].concat());
    let large = TestFile::new(SECRET.repeat(10_000));
    for (path, reason) in [
        (missing.path(), "os error 2"),
        (env!("CARGO_TARGET_TMPDIR"), "it is no regular file"),
        ("/dev/zero", "it is no regular file"),
        (empty.path(), "is empty"),
        (binary.path(), "is not UTF-8"),
        (large.path(), "more than 16384 bytes"),
    ] {
        let variables = [("DATABASE_URL", ""), ("DATABASE_URL_FILE", path), ("HTTP_ADDR", "here")];
        let end = Process::start("serve", &database, &variables).end().await;
        assert_eq!(end.code, Some(1));
        let told = end.errors.lines().find(|line| line.starts_with("  DATABASE_URL_FILE: "));
        let told = told.unwrap_or_else(|| panic!("{reason} in {}", end.errors));
        assert!(told.contains(path) && told.contains(reason), "{told}");
        assert!(end.errors.contains("\n  HTTP_ADDR: "), "{}", end.errors);
        assert!(!end.errors.contains(SECRET), "{}", end.errors);
    }
}

#[tokio::test]
async fn a_secret_in_place_of_the_path_of_its_file_is_not_shown() {
    let database = TestDatabase::create().await;
    let url = format!("other://user:{SECRET}@host/name");
    let variables = [("DATABASE_URL", ""), ("DATABASE_URL_FILE", &url)];
    let end = Process::start("serve", &database, &variables).end().await;
    assert_eq!(end.code, Some(1));
    assert!(end.errors.contains("\n  DATABASE_URL_FILE: "), "{}", end.errors);
    assert!(!end.errors.contains(SECRET), "{}", end.errors);
}

#[tokio::test]
async fn a_secret_that_is_set_twice_is_refused() {
    let database = TestDatabase::create().await;
    let file = TestFile::new(url(&database));
    let twice = [("DATABASE_URL_FILE", file.path())];
    let end = Process::start("serve", &database, &twice).end().await;
    assert_eq!(end.code, Some(1));
    assert!(end.errors.contains("\n  DATABASE_URL_FILE: DATABASE_URL is set"), "{}", end.errors);
}

#[tokio::test]
async fn timeouts_that_contradict_each_other_are_refused() {
    let database = TestDatabase::create().await;
    let contradictions = [
        ("HTTP_REQUEST_TIMEOUT_MS", "1000"),
        ("DATABASE_ACQUIRE_TIMEOUT_MS", "500"),
        ("DATABASE_STATEMENT_TIMEOUT_MS", "500"),
        ("SHUTDOWN_TIMEOUT_MS", "30000"),
    ];
    let end = Process::start("serve", &database, &contradictions).end().await;
    assert_eq!(end.code, Some(1));
    for (name, _) in contradictions {
        assert!(end.errors.contains(name), "{name} in {}", end.errors);
    }
}

#[tokio::test]
async fn a_secret_is_not_in_an_error_about_it() {
    let database = TestDatabase::create().await;
    let url = [("DATABASE_URL", "other://user:secret@host/name")];
    let end = Process::start("serve", &database, &url).end().await;
    assert_eq!(end.code, Some(1));
    assert!(end.errors.contains("DATABASE_URL: "), "{}", end.errors);
    assert!(!end.errors.contains("secret"), "{}", end.errors);
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let app = TestApp::start().await;
    let addr = app.addr.to_string();
    let second = TestApp::on(Arc::clone(&app.database), &[("HTTP_ADDR", &addr)]).await;
    let error = causes(&second.err().expect("the port is taken"));
    assert!(error.contains("HTTP_ADDR") && error.contains(&addr), "{error}");
}

#[tokio::test]
async fn a_command_that_there_is_not_is_refused_with_those_that_there_are() {
    let database = TestDatabase::create().await;
    let end = Process::start("server", &database, &[]).end().await;
    assert_eq!(end.code, Some(1));
    assert!(end.errors.contains("[serve | migrate]"), "{}", end.errors);
}

#[tokio::test]
async fn a_service_that_must_not_migrate_serves_what_another_process_migrated() {
    let database = TestDatabase::create().await;
    let end = Process::start("migrate", &database, &[]).end().await;
    assert_eq!(end.code, Some(0), "{}", end.errors);
    // Doing so again does no harm.
    let end = Process::start("migrate", &database, &[]).end().await;
    assert_eq!(end.code, Some(0), "{}", end.errors);

    let app = TestApp::on(database.into(), &[("DATABASE_MIGRATE", "false")]).await;
    let app = app.expect("the service starts");
    app.create(ITEMS, "ada@example.org").await.json(201);
}

#[tokio::test]
async fn sigterm_lets_a_request_finish_and_ends_in_success() {
    let database = TestDatabase::create().await;
    let mut process = Process::start("serve", &database, &[]);
    let mut client = Connection::to(process.serving().await).await;
    let body = r#"{"email":"ada@example.org","name":"Ada"}"#;
    let head = format!("POST {ITEMS} HTTP/1.1\r\nHost: test\r\nX-Request-Id: last");
    let length = body.len();
    // The service says so when it begins to read the body.
    let entity = format!("Content-Type: application/json\r\nContent-Length: {length}");
    client.send(&format!("{head}\r\n{entity}\r\nExpect: 100-continue\r\n\r\n")).await;
    client.receive("HTTP/1.1 100 Continue\r\n\r\n").await;

    process.terminate().await;
    process.logged("stopping").await;
    client.send(body).await;
    client.answer().await.json(201);

    let end = process.end().await;
    assert_eq!(end.code, Some(0), "{}", end.errors);
    assert!(end.log.iter().any(|line| line.contains(r#""request_id":"last""#)), "{:?}", end.log);
    assert!(end.log.iter().any(|line| line.contains(r#""message":"stopped""#)), "{:?}", end.log);
    assert_eq!(end.errors, "");
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let database = TestDatabase::create().await;
    // Longer than the test waits for the end.
    let times = [("SHUTDOWN_DELAY_MS", "25000"), ("SHUTDOWN_TIMEOUT_MS", "1000")];
    for second in ["TERM", "INT"] {
        let mut process = Process::start("serve", &database, &times);
        process.serving().await;
        process.terminate().await;
        process.logged("stopping").await;
        process.signal(second).await;
        let end = process.end().await;
        assert_eq!(end.code, Some(1));
        assert!(end.errors.contains("second signal"), "{}", end.errors);
    }
}

#[tokio::test]
async fn a_log_that_is_not_read_does_not_hold_up_the_exit() {
    let database = TestDatabase::create().await;
    let mut process = Process::start("serve", &database, &[]);
    let mut client = Connection::to(process.serving().await).await;
    // Their lines are more than a pipe holds.
    let path = "x".repeat(4_000);
    for _ in 0..300 {
        client.send(&format!("GET /{path} HTTP/1.1\r\nHost: test\r\n\r\n")).await;
        client.answer().await.problem(404);
    }
    let started = Instant::now();
    process.terminate().await;
    assert_eq!(process.end_unread().await, Some(0));
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
}

#[tokio::test]
async fn what_was_stored_is_there_after_a_restart() {
    let mut app = TestApp::start().await;
    let created = app.create_with_key(ITEMS, "ada@example.org", "once").await;
    let id = created.json(201)["id"].as_str().expect("text").to_owned();
    app.stop().await;
    let app = TestApp::on(Arc::clone(&app.database), &[]).await.expect("the service starts");
    assert_eq!(app.read(ITEMS, &id).await.json(200), created.json(201));
    let again = app.create_with_key(ITEMS, "ada@example.org", "once").await;
    assert_eq!(again.json(201), created.json(201));
}
