//! What the service says of itself while all is well. What it says of its
//! failures is tested where they are.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use crate::app::TestApp;
use crate::client::Connection;
use crate::database::TestDatabase;
use crate::process::Process;
use crate::signals::{POOL_CONNECTIONS, UNMATCHED};
use crate::{ITEMS, TABLE};

const REQUESTS: &str = "http_server_request_duration_seconds_count";

/// What the line of a request has that asked the database and did not fail.
const FIELDS: &str = "client database_calls database_ms duration_ms level message method path \
                      request_id route status timestamp";

/// What ends a connection.
const NO_REQUEST: &str = "no request at all\r\n\r\n";

#[tokio::test]
async fn a_request_is_counted_under_its_route_and_never_under_its_path() {
    let app = TestApp::start().await;
    let unknown = uuid::Uuid::now_v7().to_string();
    app.read(ITEMS, &unknown).await.problem(404);
    app.list(ITEMS, "limit=7").await.json(200);
    app.get("/no/such/route?with=query").await.problem(404);
    app.send(app.request("BREW", "/livez")).await.problem(405);

    let metrics = app.metrics().await;
    let count = |method, route, status| {
        let labels = [
            ("http_request_method", method),
            ("http_route", route),
            ("http_response_status_code", status),
        ];
        metrics.sum(REQUESTS, &labels)
    };
    let item = format!("{ITEMS}/{{id}}");
    assert_eq!(count("GET", &item, "404"), 1.0);
    assert_eq!(count("GET", ITEMS, "200"), 1.0);
    assert_eq!(count("GET", UNMATCHED, "404"), 1.0);
    assert_eq!(count("_OTHER", "/livez", "405"), 1.0);
    assert_eq!(metrics.sum(REQUESTS, &[]), 4.0);
    let mut routes = metrics.values("http_route");
    routes.remove(UNMATCHED);
    assert_eq!(routes, BTreeSet::from([ITEMS, &*item, "/livez"]));
    // What is the client's fault is no error of the service.
    let errors = metrics.values("error_type");
    assert!(errors.iter().all(|error| error.is_empty()), "{errors:?}");
}

#[tokio::test]
async fn a_request_is_one_line_of_fixed_fields() {
    let app = TestApp::start().await;
    let request = app.request("GET", ITEMS).header("x-request-id", "named");
    app.send(request).await.json(200);
    let line = app.log.request("named").await;
    let mut names: Vec<_> = line.as_object().expect("an object").keys().cloned().collect();
    names.sort();
    assert_eq!(names.join(" "), FIELDS);
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["method"], "GET");
    assert_eq!(line["route"], ITEMS);
    assert_eq!(line["path"], ITEMS);
    assert_eq!(line["status"], 200);
    assert_eq!(line["database_calls"], 1);
    let millis = |name: &str| line[name].as_f64().expect("a number");
    assert!(millis("database_ms") > 0.0 && millis("database_ms") <= millis("duration_ms"));
    let timestamp = line["timestamp"].as_str().expect("text");
    assert!(timestamp.ends_with('Z') && timestamp.len() == "2000-01-01T00:00:00.000000Z".len());

    // A request that was answered later is written later.
    app.log.request(app.get("/livez").await.header("x-request-id")).await;
    assert_eq!(app.log.requests("named").len(), 1);
}

#[tokio::test]
async fn a_line_says_for_how_long_the_body_was_waited_for() {
    let app = TestApp::start().await;
    let begin = async |path: &str, id: &str| {
        let mut client = app.connect().await;
        let head = format!("POST {path} HTTP/1.1\r\nHost: test\r\nX-Request-Id: {id}");
        let entity = "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{";
        client.send(&format!("{head}\r\n{entity}")).await;
        client
    };
    let pause = async || {
        app.until_metric("http_server_active_requests", &[], 1.0).await;
        sleep(Duration::from_millis(200)).await;
    };
    let mut slow = begin(ITEMS, "slow").await;
    pause().await;
    slow.send("}").await;
    slow.answer().await.problem(422);
    let gone = begin(ITEMS, "gone").await;
    pause().await;
    drop(gone);
    for id in ["slow", "gone"] {
        let line = app.log.request(id).await;
        let millis = |name: &str| line[name].as_f64().expect("a number");
        assert!(millis("body_ms") >= 200.0, "{line}");
        assert!(millis("body_ms") <= millis("duration_ms"), "{line}");
    }
    // This one is not read.
    begin("/nowhere", "unread").await.answer().await.problem(404);
    assert!(app.log.request("unread").await["body_ms"].is_null());
}

#[tokio::test]
async fn a_path_cannot_break_out_of_its_line() {
    let app = TestApp::start().await;
    let mut client = app.connect().await;
    let path = "/\"},{\"é\\\u{85}\u{9b}31m\u{2028}\u{2029}";
    client.send(&format!("GET {path} HTTP/1.1\r\nHost: test\r\nX-Request-Id: odd\r\n\r\n")).await;
    client.answer().await.problem(404);
    let line = app.log.request("odd").await;
    assert_eq!(line["path"], path);
    assert_eq!(line["route"], "unmatched");
    assert!(!app.log.text().contains(['\u{85}', '\u{9b}', '\u{2028}', '\u{2029}']));
}

#[tokio::test]
async fn a_long_path_is_cut_and_its_line_is_short() {
    let app = TestApp::start().await;
    // Two bytes each, so that the limit is in the middle of one.
    let path = format!("/{}", "é".repeat(7_000));
    let mut client = app.connect().await;
    client.send(&format!("GET {path} HTTP/1.1\r\nHost: test\r\nX-Request-Id: long\r\n\r\n")).await;
    client.answer().await.problem(404);
    let line = app.log.request("long").await;
    let shown = line["path"].as_str().expect("text").strip_suffix('…').expect("it is marked");
    assert!((1_000..=1_024).contains(&shown.len()) && path.starts_with(shown), "{shown}");
    assert!(line.to_string().len() < 2_000);
}

#[tokio::test]
async fn a_query_is_not_logged() {
    let app = TestApp::start().await;
    let answer = app.list(ITEMS, "cursor=secret").await;
    answer.problem(400);
    let line = app.log.request(answer.header("x-request-id")).await;
    assert!(!line.to_string().contains("secret"), "{line}");
}

#[tokio::test]
async fn a_line_names_the_client_that_the_proxies_have_named() {
    let app = TestApp::with(&[("HTTP_TRUSTED_PROXIES", "127.0.0.0/8, 192.0.2.1")]).await;
    let request = app.request("GET", "/livez").header("x-request-id", "forwarded");
    let request = request.header("x-forwarded-for", "203.0.113.9, 198.51.100.1, 192.0.2.1");
    app.send(request.header("user-agent", format!("curl/8 {}", "x".repeat(500)))).await;
    let line = app.log.request("forwarded").await;
    assert_eq!(line["client"], "198.51.100.1");
    let user_agent = line["user_agent"].as_str().expect("text");
    assert!(user_agent.starts_with("curl/8 x"), "{user_agent}");
    assert_eq!(user_agent.chars().count(), 257);
}

#[tokio::test]
async fn a_line_has_what_a_client_says_that_it_is_in_any_encoding() {
    let app = TestApp::start().await;
    let request = app.request("GET", "/livez").header("x-request-id", "odd");
    app.send(request.header("user-agent", b"caf\xc3\xa9 \xff".as_slice())).await;
    assert_eq!(app.log.request("odd").await["user_agent"], "café \u{fffd}");
}

#[tokio::test]
async fn a_request_that_fails_stands_out_by_its_level() {
    let app = TestApp::with(&[
        ("RUST_LOG", "warn"),
        ("DATABASE_ACQUIRE_TIMEOUT_MS", "1000"),
        ("DATABASE_STATEMENT_TIMEOUT_MS", "2000"),
        ("HTTP_REQUEST_TIMEOUT_MS", "4000"),
    ])
    .await;
    app.get("/livez").await;
    let (panicked, late) = tokio::join!(app.get("/test/panic"), app.get("/test/wait"));
    let panicked = app.log.request(panicked.header("x-request-id")).await;
    assert_eq!((&panicked["status"], &panicked["level"]), (&json!(500), &json!("ERROR")));
    let late = app.log.request(late.header("x-request-id")).await;
    assert_eq!((&late["status"], &late["level"]), (&json!(504), &json!("WARN")));
    let lines = app.log.lines();
    assert_eq!(lines.iter().filter(|line| line["message"] == "request").count(), 2);
}

#[tokio::test]
async fn what_is_no_request_is_told_and_counted() {
    let app = TestApp::start().await;
    let long = "x".repeat(20_000);
    for (text, answer) in [
        (NO_REQUEST, "HTTP/1.1 400"),
        (&format!("GET / HTTP/1.1\r\nHost: test\r\nX: {long}\r\n\r\n"), "HTTP/1.1 431"),
    ] {
        let mut client = app.connect().await;
        client.send(text).await;
        client.receive(answer).await;
    }
    app.until_metric("http_server_unreadable_requests_total", &[], 2.0).await;

    let database = TestDatabase::create().await;
    let mut process = Process::start("serve", &database, &[]);
    let mut client = Connection::to(process.serving().await).await;
    client.send(NO_REQUEST).await;
    let line = process.logged("an unreadable request").await;
    assert_eq!(line["client"], "127.0.0.1");
    assert_eq!(line["error"], "invalid HTTP version parsed");
}

#[tokio::test]
async fn request_lines_can_be_turned_off() {
    let mut app = TestApp::with(&[("RUST_LOG", "info,request=off")]).await;
    app.get("/livez").await;
    app.stop().await;
    let requests = app.log.lines().into_iter().filter(|line| line["message"] == "request");
    assert_eq!(requests.count(), 0);
}

#[tokio::test]
async fn requests_under_way_are_counted_until_they_end() {
    let app = TestApp::start().await;
    let waiting = app.get("/test/wait");
    let counted = async {
        app.gate.entered(1).await;
        assert_eq!(app.metric("http_server_active_requests", &[]).await, 1.0);
        app.gate.open();
    };
    tokio::join!(waiting, counted);
    assert_eq!(app.metric("http_server_active_requests", &[]).await, 0.0);
}

#[tokio::test]
async fn every_call_of_the_database_is_counted_by_what_it_did() {
    let app = TestApp::start().await;
    let created = app.create(ITEMS, "ada@example.org").await;
    let id = created.json(201)["id"].as_str().expect("text").to_owned();
    app.read(ITEMS, &id).await.json(200);
    let changes = json!({ "name": "Ada Lovelace" });
    app.update(ITEMS, &id, created.header("etag"), &changes).await.json(200);
    app.create(ITEMS, "ada@example.org").await.problem(409);
    assert_eq!(app.delete(ITEMS, &id).await.status, 204);

    let metrics = app.metrics().await;
    let calls = |operation, error_type: Option<&str>| {
        let mut labels = vec![("db_operation_name", operation), ("db_collection_name", TABLE)];
        labels.extend(error_type.map(|error_type| ("error_type", error_type)));
        metrics.sum("db_client_operation_duration_seconds_count", &labels)
    };
    for (operation, times) in [("SELECT", 1.0), ("INSERT", 2.0), ("UPDATE", 1.0), ("DELETE", 1.0)] {
        assert_eq!(calls(operation, None), times, "{operation}");
    }
    // To refuse a row is an answer.
    assert_eq!(calls("INSERT", Some("constraint")), 1.0);
    let answered = [("dependency", "database"), ("outcome", "ok")];
    assert!(metrics.sum("dependency_requests_total", &answered) >= 5.0);
    let all = [("dependency", "database")];
    let failed = metrics.sum("dependency_requests_total", &all)
        - metrics.sum("dependency_requests_total", &answered);
    assert_eq!(failed, 0.0);
}

#[tokio::test]
async fn whoever_debugs_sees_every_call_of_the_database_and_its_request() {
    let database = TestDatabase::create().await;
    let mut process = Process::start("serve", &database, &[("RUST_LOG", "debug")]);
    let addr = process.serving().await;
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let request = client.get(format!("http://{addr}{ITEMS}")).header("x-request-id", "debugged");
    assert_eq!(request.send().await.expect("an answer").status(), 200);
    let line = loop {
        // A ping is a call, too, but of nobody's request.
        let line = process.logged("called").await;
        if line["collection"] == TABLE {
            break line;
        }
    };
    assert_eq!(line["name"], "SELECT");
    assert_eq!(line["request_id"], "debugged");
}

#[tokio::test]
async fn saturation_is_shown() {
    let app = TestApp::start().await;
    app.list(ITEMS, "").await.json(200);
    let metrics = app.metrics().await;
    for name in [
        POOL_CONNECTIONS,
        "db_client_connection_max",
        "db_client_connection_pending_requests",
        "db_client_connection_wait_time_seconds_count",
        "http_server_dismissed_connections_total",
        "http_server_failed_requests_total",
        "http_server_in_flight",
        "http_server_max_connections",
        "http_server_max_in_flight",
        "http_server_open_connections",
        "http_server_requests_total",
        "http_server_unreadable_requests_total",
        "log_lines_dropped_total",
        "tokio_alive_tasks",
        "tokio_global_queue_depth",
        "tokio_worker_busy_seconds_total",
        "tokio_workers",
    ] {
        assert!(metrics.names().contains(name), "{name} in {:?}", metrics.names());
    }
    assert!(metrics.sum("db_client_connection_max", &[]) >= 1.0);
    assert_eq!(metrics.sum("db_client_connection_pending_requests", &[]), 0.0);
    assert_eq!(metrics.sum("tokio_workers", &[]), 1.0);
}

#[tokio::test]
async fn two_services_in_one_process_do_not_count_each_others_requests() {
    let (one, other) = tokio::join!(TestApp::start(), TestApp::start());
    one.get("/livez").await;
    assert_eq!(one.metric(REQUESTS, &[]).await, 1.0);
    assert_eq!(other.metric(REQUESTS, &[]).await, 0.0);
    one.log.request(one.get("/livez").await.header("x-request-id")).await;
    assert!(other.log.lines().iter().all(|line| line["message"] != "request"));
}
