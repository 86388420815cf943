//! What happens to a request when something else does not do as it should: its
//! client, its handler, all the other requests, or the database. The answer
//! says so, and so do the metrics.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use tokio::time::sleep;

use crate::app::{TestApp, eventually};
use crate::{ITEMS, TABLE};

const REQUESTS: &str = "http_server_request_duration_seconds_count";
const ACTIVE: &str = "http_server_active_requests";
const IN_FLIGHT: &str = "http_server_in_flight";
const ENDED: &str = "http_server_requests_total";
const FAILED: &str = "http_server_failed_requests_total";

/// For a deadline that passes while the test waits. Waits for dependencies
/// together must be shorter.
const SHORT_DEADLINE: [(&str, &str); 3] = [
    ("HTTP_REQUEST_TIMEOUT_MS", "1000"),
    ("DATABASE_ACQUIRE_TIMEOUT_MS", "300"),
    ("DATABASE_STATEMENT_TIMEOUT_MS", "300"),
];

#[tokio::test]
async fn a_body_that_comes_too_slowly_is_not_waited_for() {
    let app = TestApp::with(&[("HTTP_BODY_TIMEOUT_MS", "100")]).await;
    let mut client = app.connect().await;
    let head = format!("POST {ITEMS} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json");
    client.send(&format!("{head}\r\nContent-Length: 100\r\n\r\n{{\"email\":")).await;
    client.answer().await.problem(408);
    let slow = [("http_response_status_code", "408"), ("http_route", ITEMS)];
    assert_eq!(app.metric(REQUESTS, &slow).await, 1.0);
}

#[tokio::test]
async fn a_body_that_breaks_off_stores_nothing() {
    let app = TestApp::start().await;
    let mut client = app.connect().await;
    let head = format!("POST {ITEMS} HTTP/1.1\r\nHost: test\r\nX-Request-Id: half");
    let entity = "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"email\":";
    client.send(&format!("{head}\r\n{entity}")).await;
    app.until_metric(ACTIVE, &[], 1.0).await;
    drop(client);
    app.log.request("half").await;
    assert_eq!(app.list(ITEMS, "").await.json(200)["items"], json!([]));
}

#[tokio::test]
async fn a_client_that_goes_before_the_end_of_its_body_is_counted_as_gone() {
    let app = TestApp::start().await;
    let half = format!("POST {ITEMS} HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n");
    let send = async |id: &str, body: &str| {
        let mut client = app.connect().await;
        client.send(&format!("{half}X-Request-Id: {id}\r\n\r\n{body}")).await;
        app.until_metric(ACTIVE, &[], 1.0).await;
        client
    };
    drop(send("ended", "1\r\n{").await);
    send("broken", "1\r\n{").await.reset();
    for id in ["ended", "broken"] {
        let line = app.log.request(id).await;
        assert_eq!(line["status"], 499, "{id}");
        assert_eq!(line["error_type"], "client_disconnected");
    }
    let gone = [("http_response_status_code", "499"), ("error_type", "client_disconnected")];
    assert_eq!(app.metric(REQUESTS, &gone).await, 2.0);

    // This one is still there.
    let mut wrong = send("wrong", "1\r\n{").await;
    wrong.send("\r\nno chunk").await;
    wrong.answer().await.problem(400);
    assert_eq!(app.log.request("wrong").await["status"], 400);
}

#[tokio::test]
async fn an_answer_says_that_the_connection_ends_if_the_body_was_not_read() {
    let limits = [("HTTP_BODY_TIMEOUT_MS", "100"), ("HTTP_BODY_LIMIT_BYTES", "1000")];
    let app = TestApp::with(&limits).await;
    for (path, host, length, status) in [
        (ITEMS, "test", 100, 408),
        (ITEMS, "test", 2000, 413),
        (ITEMS, "", 100, 400),
        ("/nowhere", "test", 100, 404),
    ] {
        let mut client = app.connect().await;
        let head = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}");
        client.send(&format!("{head}\r\n\r\n{{")).await;
        let answer = client.answer().await;
        answer.problem(status);
        assert_eq!(answer.header("connection"), "close", "{status}");
        client.closed().await;
    }
    let mut client = app.connect().await;
    client.send("GET /nowhere HTTP/1.1\r\nHost: test\r\n\r\n").await;
    assert_eq!(client.answer().await.header("connection"), "", "there was no body");
}

#[tokio::test]
async fn half_a_head_does_not_hold_a_connection() {
    let app = TestApp::with(&[("HTTP_HEADER_TIMEOUT_MS", "100")]).await;
    let mut client = app.connect().await;
    client.send("GET /livez HTTP/1.1\r\nHost: te").await;
    client.closed().await;
    let mut silent = app.connect().await;
    silent.closed().await;
    assert_eq!(app.get("/livez").await.status, 200);
}

#[tokio::test]
async fn a_head_has_to_come_in_time_and_on_a_kept_connection_too() {
    let app = TestApp::with(&[("HTTP_HEADER_TIMEOUT_MS", "300")]).await;
    for head in ["GET /livez HTTP/1.1\r\nHost: te", "G"] {
        let mut client = app.connect().await;
        client.send("GET /livez HTTP/1.1\r\nHost: test\r\n\r\n").await;
        assert_eq!(client.answer().await.status, 200);
        client.send(head).await;
        client.closed().await;
    }
    let mut slow = app.connect().await;
    slow.send("GET /livez HTTP/1.1\r\nHost: ").await;
    slow.drips_until_closed().await;
}

#[tokio::test]
async fn a_connection_may_be_idle_for_longer_than_a_head_may_take() {
    let app = TestApp::with(&[("HTTP_HEADER_TIMEOUT_MS", "100")]).await;
    let mut client = app.connect().await;
    let body = "{}";
    let head = format!("POST {ITEMS} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json");
    for _ in 0..3 {
        client.send(&format!("{head}\r\nContent-Length: {}\r\n\r\n", body.len())).await;
        client.send(body).await;
        client.answer().await.problem(422);
        sleep(Duration::from_millis(400)).await;
    }
    client.send("GET /livez HTTP/1.1\r\nHost: test\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 200);
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_the_end() {
    let variables = [("HTTP_HEADER_TIMEOUT_MS", "60000"), ("HTTP_IDLE_TIMEOUT_MS", "100")];
    let app = TestApp::with(&variables).await;
    let mut client = app.connect().await;
    client.send("GET /livez HTTP/1.1\r\nHost: test\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 200);
    client.closed().await;
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_answered_at_its_deadline() {
    let app = TestApp::with(&SHORT_DEADLINE).await;
    for method in ["GET", "POST"] {
        let answer = app.send(app.request(method, "/test/wait")).await;
        answer.problem(504);
        let labels = [
            ("http_request_method", method),
            ("http_route", "/test/wait"),
            ("http_response_status_code", "504"),
            ("error_type", "timeout"),
        ];
        let metrics = app.metrics().await;
        assert_eq!(metrics.sum(REQUESTS, &labels), 1.0);
        assert_eq!(metrics.sum(ACTIVE, &[]), 0.0);
        let line = app.log.request(answer.header("x-request-id")).await;
        assert_eq!(line["status"], 504);
        assert_eq!(line["error_type"], "timeout");
    }
}

#[tokio::test]
async fn a_read_that_missed_its_deadline_makes_room_and_a_write_goes_on() {
    let one_place = ("HTTP_MAX_IN_FLIGHT", "1");
    let [request, acquire, statement] = SHORT_DEADLINE;
    let app = TestApp::with(&[request, acquire, statement, one_place]).await;
    app.get("/test/wait").await.problem(504);
    app.post("/test/wait", &json!({})).await.problem(504);
    // It still takes its place: what it does is not done.
    app.get("/docs").await.problem(503);
    let metrics = app.metrics().await;
    assert_eq!(metrics.sum(IN_FLIGHT, &[]), 1.0, "the place of the write is shown");
    assert_eq!(metrics.sum(ACTIVE, &[]), 0.0, "it has been answered");
    app.gate.open();
    app.gate.left(1).await;
    let room = async || (app.get("/docs").await.status == 200).then_some(());
    eventually("there is room", room).await;
    assert_eq!(app.metric(IN_FLIGHT, &[]).await, 0.0);
}

#[tokio::test]
async fn a_body_that_is_being_sent_takes_no_place() {
    let app = TestApp::with(&[("HTTP_MAX_IN_FLIGHT", "1")]).await;
    let mut client = app.connect().await;
    let head = format!("POST {ITEMS} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json");
    client.send(&format!("{head}\r\nContent-Length: 2\r\n\r\n{{")).await;
    app.until_metric(ACTIVE, &[], 1.0).await;
    assert_eq!(app.metric(IN_FLIGHT, &[]).await, 0.0);
    app.list(ITEMS, "").await.json(200);
    client.send("}").await;
    client.answer().await.problem(422);
}

#[tokio::test]
async fn requests_and_failures_are_counted_from_the_start_and_probes_are_not() {
    let app = TestApp::start().await;
    let counted = async || {
        let metrics = app.metrics().await;
        [ENDED, FAILED].map(|name| (metrics.names().contains(name), metrics.sum(name, &[])))
    };
    // One that first shows up as 1 has not gone up.
    assert_eq!(counted().await, [(true, 0.0); 2]);
    for probe in ["/livez", "/readyz", "/health"] {
        assert_eq!(app.get(probe).await.status, 200, "{probe}");
    }
    assert_eq!(counted().await, [(true, 0.0); 2]);
    app.list(ITEMS, "").await.json(200);
    app.get("/nowhere").await.problem(404);
    app.get("/test/panic").await.problem(500);
    assert_eq!(counted().await, [(true, 3.0), (true, 1.0)]);

    // Whose client has gone was not answered with a 5xx.
    let mut client = app.connect().await;
    client.send("GET /test/wait HTTP/1.1\r\nHost: test\r\nX-Request-Id: gone\r\n\r\n").await;
    app.gate.entered(1).await;
    drop(client);
    app.log.request("gone").await;
    assert_eq!(counted().await, [(true, 4.0), (true, 1.0)]);
}

#[tokio::test]
async fn too_many_requests_at_once_are_refused_and_probes_are_not() {
    let app = TestApp::with(&[("HTTP_MAX_IN_FLIGHT", "2")]).await;
    let others = join_all([app.get("/test/wait"), app.get("/test/wait")]);
    let refused = async {
        app.gate.entered(2).await;
        for method in ["GET", "POST"] {
            let answer = app.send(app.request(method, ITEMS)).await;
            answer.problem(503);
            assert_eq!(answer.header("retry-after"), "1");
        }
        for probe in ["/livez", "/readyz", "/health"] {
            assert_eq!(app.get(probe).await.status, 200, "{probe}");
        }
        let metrics = app.metrics().await;
        let refused = [("reason", "in_flight")];
        assert_eq!(metrics.sum("http_server_shed_requests_total", &refused), 2.0);
        let counted = [("http_response_status_code", "503"), ("error_type", "shed")];
        assert_eq!(metrics.sum(REQUESTS, &counted), 2.0);
        assert_eq!(metrics.sum(ACTIVE, &[]), 2.0);
        assert_eq!(metrics.sum(IN_FLIGHT, &[]), 2.0);
        assert_eq!(metrics.sum("http_server_max_in_flight", &[]), 2.0);
        app.gate.open();
    };
    let (others, ()) = tokio::join!(others, refused);
    assert!(others.iter().all(|answer| answer.status == 200), "{others:?}");
    app.list(ITEMS, "").await.json(200);
    assert_eq!(app.metric(ACTIVE, &[]).await, 0.0);
}

#[tokio::test]
async fn a_handler_that_panics_costs_its_own_request_and_no_other() {
    let app = TestApp::with(&[("HTTP_MAX_IN_FLIGHT", "1")]).await;
    for method in ["GET", "POST"] {
        let answer = app.send(app.request(method, "/test/panic")).await;
        let problem = answer.problem(500);
        assert_eq!(problem["detail"], json!(null));
        assert!(!answer.body.contains("secret"), "{}", answer.body);
        let labels = [
            ("http_request_method", method),
            ("http_route", "/test/panic"),
            ("http_response_status_code", "500"),
            ("error_type", "panic"),
        ];
        assert_eq!(app.metric(REQUESTS, &labels).await, 1.0);
        let line = app.log.request(answer.header("x-request-id")).await;
        assert_eq!(line["status"], 500);
        assert_eq!(line["error_type"], "panic");
        // The only place is free again.
        app.list(ITEMS, "").await.json(200);
    }
    assert_eq!(app.metric(ACTIVE, &[]).await, 0.0);
}

#[tokio::test]
async fn a_client_that_hangs_up_is_counted_and_makes_room() {
    let app = TestApp::with(&[("HTTP_MAX_IN_FLIGHT", "1")]).await;
    let mut client = app.connect().await;
    client.send("GET /test/wait HTTP/1.1\r\nHost: test\r\nX-Request-Id: gone\r\n\r\n").await;
    app.gate.entered(1).await;
    drop(client);
    let line = app.log.request("gone").await;
    assert_eq!(line["status"], 499);
    assert_eq!(line["error_type"], "client_disconnected");
    let metrics = app.metrics().await;
    let gone = [("http_response_status_code", "499"), ("error_type", "client_disconnected")];
    assert_eq!(metrics.sum(REQUESTS, &gone), 1.0);
    assert_eq!(metrics.sum(ACTIVE, &[]), 0.0);
    app.list(ITEMS, "").await.json(200);
    assert_eq!(app.gate.has_let_through(), 0, "a read that nobody waits for is not worth its end");
}

#[tokio::test]
async fn a_client_that_says_no_more_after_its_request_is_answered() {
    let app = TestApp::start().await;
    let request = format!("GET {ITEMS} HTTP/1.1\r\nHost: test\r\n\r\n");
    let started = Instant::now();
    for _ in 0..20 {
        let mut client = app.connect().await;
        client.send(&request).await;
        client.close_sending().await;
        assert_eq!(client.answer().await.status, 200);
        client.closed().await;
    }
    // Each is let go with its response, not at the end of the second it might have had.
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert_eq!(app.metric(REQUESTS, &[]).await, 20.0);
}

#[tokio::test]
async fn a_client_that_breaks_off_after_its_request_is_counted() {
    let app = TestApp::start().await;
    for _ in 0..20 {
        let mut client = app.connect().await;
        client.send("GET /livez HTTP/1.1\r\nHost: test\r\n\r\n").await;
        client.reset();
    }
    app.until_metric(REQUESTS, &[], 20.0).await;
}

#[tokio::test]
async fn a_write_survives_a_client_that_hangs_up() {
    let app = TestApp::with(&[("HTTP_MAX_IN_FLIGHT", "1")]).await;
    let mut client = app.connect().await;
    let head = "POST /test/wait HTTP/1.1\r\nHost: test\r\nX-Request-Id: gone";
    client.send(&format!("{head}\r\nContent-Length: 0\r\n\r\n")).await;
    app.gate.entered(1).await;
    drop(client);
    assert_eq!(app.log.request("gone").await["status"], 499);
    let gone = [("http_request_method", "POST"), ("error_type", "client_disconnected")];
    let metrics = app.metrics().await;
    assert_eq!(metrics.sum(REQUESTS, &gone), 1.0);
    assert_eq!(metrics.sum(IN_FLIGHT, &[]), 1.0);
    app.get("/docs").await.problem(503);
    app.gate.open();
    app.gate.left(1).await;
    let room = async || (app.get("/docs").await.status == 200).then_some(());
    eventually("there is room", room).await;
}

#[tokio::test]
async fn a_write_whose_client_has_gone_waits_for_the_lock_and_is_done() {
    let app = TestApp::start().await;
    app.database.cut().await;
    let mut client = app.connect().await;
    let head = format!("POST {ITEMS} HTTP/1.1\r\nHost: test\r\nX-Request-Id: gone");
    let kind = "Content-Type: application/json";
    let body = r#"{"email":"ada@example.org","name":"Ada"}"#;
    let length = format!("Content-Length: {}", body.len());
    client.send(&format!("{head}\r\n{length}\r\n{kind}\r\n\r\n{body}")).await;
    app.until_a_write_waits().await;
    drop(client);
    assert_eq!(app.log.request("gone").await["status"], 499);

    app.database.restore().await;
    let stored = async || {
        let items = app.list(ITEMS, "").await.json(200)["items"].clone();
        (items[0]["email"] == "ada@example.org").then_some(())
    };
    eventually("the write is done", stored).await;
}

#[tokio::test]
async fn a_statement_that_takes_its_time_is_waited_for() {
    let app = TestApp::start().await;
    app.create(ITEMS, "ada@example.org").await.json(201);
    app.database.slow_reads(TABLE).await;
    let page = app.list(ITEMS, "").await.json(200);
    assert_eq!(page["items"][0]["email"], "ada@example.org");
}

#[tokio::test]
async fn a_table_that_is_missing_is_a_mistake_of_ours_and_no_outage() {
    let app = TestApp::start().await;
    app.database.lose(TABLE).await;
    for _ in 0..5 {
        app.list(ITEMS, "").await.problem(500);
    }
    let metrics = app.metrics().await;
    let misused = [("dependency", "database"), ("outcome", "misused")];
    assert_eq!(metrics.sum("dependency_requests_total", &misused), 5.0);
    assert_eq!(metrics.sum("dependency_up", &[("dependency", "database")]), 1.0);
}

#[tokio::test]
async fn writes_are_refused_in_time_while_the_database_is_gone_and_work_when_it_is_back() {
    let times = [("DATABASE_ACQUIRE_TIMEOUT_MS", "500"), ("DATABASE_STATEMENT_TIMEOUT_MS", "500")];
    let app = TestApp::with(&times).await;
    app.create(ITEMS, "ada@example.org").await.json(201);
    let up = [("dependency", "database")];
    assert_eq!(app.metric("dependency_up", &up).await, 1.0);

    app.database.cut().await;
    let started = Instant::now();
    let answers = join_all((0..4).map(|n| {
        let email = format!("{n}@example.org");
        let app = &app;
        async move { app.create(ITEMS, &email).await }
    }));
    for answer in answers.await {
        let problem = answer.problem(503);
        assert_eq!(answer.header("retry-after"), "1");
        assert_eq!(problem["detail"], json!(null), "what failed is for the log");
    }
    // The limits add up to little more than a second; the machine may be slow, too.
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    let metrics = app.metrics().await;
    let failed = |outcome| {
        let labels = [("dependency", "database"), ("outcome", outcome)];
        metrics.sum("dependency_requests_total", &labels)
    };
    // Where there is one connection to write with, the others do not get to it.
    assert_eq!(failed("error") + failed("timeout") + failed("rejected"), 4.0);
    assert!(failed("rejected") < 4.0);
    assert_eq!(metrics.sum(REQUESTS, &[("error_type", "dependency_unavailable")]), 4.0);
    assert_eq!(metrics.sum("dependency_retries_total", &[]), 0.0, "no write is repeated");

    // Calls that were answered may still outweigh those that failed.
    let down = async || {
        app.create(ITEMS, "bob@example.org").await.problem(503);
        (app.metric("dependency_up", &up).await == 0.0).then_some(())
    };
    eventually("the database is down", down).await;
    let ready = app.get("/readyz").await.json(200);
    assert_eq!(ready["dependencies"][0]["status"], "down");

    app.database.restore().await;
    let back = async || (app.create(ITEMS, "bob@example.org").await.status == 201).then_some(());
    eventually("writes work again", back).await;
    let up_again = async || {
        app.list(ITEMS, "").await.json(200);
        (app.metric("dependency_up", &up).await == 1.0).then_some(())
    };
    eventually("the database is up", up_again).await;
    let items = app.list(ITEMS, "").await.json(200)["items"].clone();
    assert_eq!(items.as_array().expect("items").len(), 2, "what was refused was not done");
}
