//! Clients that take what they can and give nothing, or little. They cost the
//! others nothing, and the service no more than it has.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tokio::time::sleep;

use crate::app::{TestApp, eventually};
use crate::client::Connection;
use crate::database::TestDatabase;
use crate::process::Process;
use crate::{ITEMS, TABLE};

/// The head of a request whose body is JSON of unknown length.
fn chunked(path: &str) -> String {
    let headers = "Host: test\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked";
    format!("POST {path} HTTP/1.1\r\n{headers}\r\n\r\n")
}

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

/// As many connections on each of which this has been sent.
async fn connections(app: &TestApp, number: usize, text: &str) -> Vec<Connection> {
    let connect = async || {
        let mut connection = app.connect().await;
        connection.send(text).await;
        connection
    };
    join_all((0..number).map(|_| connect())).await
}

async fn shed(app: &TestApp, reason: &str) -> f64 {
    app.metric("http_server_shed_requests_total", &[("reason", reason)]).await
}

#[tokio::test]
async fn slow_bodies_do_not_take_the_places_of_others() {
    let app = TestApp::with(&[("HTTP_MAX_IN_FLIGHT", "2")]).await;
    let half = format!("{}{}", chunked(ITEMS), chunk("{\"email\":"));
    let mut slow = connections(&app, 20, &half).await;
    app.until_metric("http_server_active_requests", &[], 20.0).await;
    app.create(ITEMS, "ada@example.org").await.json(201);
    app.list(ITEMS, "").await.json(200);
    assert_eq!(shed(&app, "in_flight").await, 0.0);

    let rest = format!("{}0\r\n\r\n", chunk("\"bob@example.org\",\"name\":\"Bob\"}"));
    slow[0].send(&rest).await;
    slow[0].answer().await.json(201);
}

#[tokio::test]
async fn a_request_has_all_of_its_time_when_its_body_is_there() {
    let times = [
        ("HTTP_REQUEST_TIMEOUT_MS", "1000"),
        ("DATABASE_ACQUIRE_TIMEOUT_MS", "300"),
        ("DATABASE_STATEMENT_TIMEOUT_MS", "300"),
    ];
    let app = TestApp::with(&times).await;
    app.database.slow_reads(TABLE).await;
    let mut client = app.connect().await;
    client.send(&chunked("/test/wait")).await;
    for _ in 0..6 {
        sleep(Duration::from_millis(200)).await;
        client.send(&chunk("x")).await;
    }
    app.gate.open();
    client.send("0\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 200);
}

#[tokio::test]
async fn a_body_of_which_nothing_more_comes_is_given_up_before_a_slow_one() {
    let app = TestApp::with(&[("HTTP_BODY_TIMEOUT_MS", "3000")]).await;
    let mut silent = app.connect().await;
    let mut slow = app.connect().await;
    for client in [&mut silent, &mut slow] {
        client.send(&format!("{}{}", chunked(ITEMS), chunk("{"))).await;
    }
    let (silent, slow) = tokio::join!(
        async {
            silent.answer().await.problem(408);
            std::time::Instant::now()
        },
        async {
            // It goes on for longer than a body may be silent.
            for _ in 0..10 {
                sleep(Duration::from_millis(200)).await;
                slow.send(&chunk(" ")).await;
            }
            slow.answer().await.problem(408);
            std::time::Instant::now()
        }
    );
    assert!(silent < slow);
}

#[tokio::test]
async fn large_bodies_share_a_limit_and_keep_out_no_small_one() {
    let limits = [("HTTP_BODY_LIMIT_BYTES", "100000"), ("HTTP_BODIES_LIMIT_BYTES", "100000")];
    let app = TestApp::with(&limits).await;
    let large = format!("{}{}", chunked(ITEMS), chunk(&" ".repeat(90_000)));
    let mut first = connections(&app, 1, &large).await;
    app.until_metric("http_server_active_requests", &[], 1.0).await;
    let second = async || {
        let mut second = connections(&app, 1, &large).await;
        // Only the first one may have been read by now, or neither.
        let answer = second[0].answer().await;
        (answer.status == 503).then_some(answer)
    };
    let refused = eventually("there is no room", second).await;
    refused.problem(503);
    assert_eq!(refused.header("retry-after"), "1");
    assert!(shed(&app, "bodies").await >= 1.0);
    app.create(ITEMS, "ada@example.org").await.json(201);

    first[0].send(&format!("{}0\r\n\r\n", chunk("{}"))).await;
    first[0].answer().await.problem(422);
    let again = format!("{large}0\r\n\r\n");
    connections(&app, 1, &again).await[0].answer().await.problem(400);
}

#[tokio::test]
async fn clients_that_keep_the_service_waiting_make_room_for_others() {
    let app = TestApp::with(&[("HTTP_MAX_CONNECTIONS", "8"), ("HTTP_MAX_IN_FLIGHT", "4")]).await;
    let half = format!("{}{}", chunked(ITEMS), chunk("{"));
    for text in ["", "GET /livez HTTP/1.1\r\nHost: te", &half] {
        let _waiting = connections(&app, 40, text).await;
        // On a connection of its own.
        let mut client = app.connect().await;
        client.send("GET /livez HTTP/1.1\r\nHost: test\r\n\r\n").await;
        assert_eq!(client.answer().await.status, 200, "beside {text:?}");
    }
    let metrics = app.metrics().await;
    assert_eq!(metrics.sum("http_server_max_connections", &[]), 8.0);
    assert!(metrics.sum("http_server_open_connections", &[]) <= 8.0);
    // Of each forty at least as many as there was no room for.
    let dismissed = metrics.sum("http_server_dismissed_connections_total", &[]);
    assert!(dismissed >= 3.0 * 32.0, "{dismissed}");
}

#[tokio::test]
async fn more_clients_than_there_is_room_for_are_served_one_after_the_other() {
    let app = TestApp::with(&[("HTTP_MAX_CONNECTIONS", "8"), ("HTTP_MAX_IN_FLIGHT", "4")]).await;
    // Each keeps its connection for as long as it may.
    let mut clients = connections(&app, 100, "GET /livez HTTP/1.1\r\nHost: test\r\n\r\n").await;
    for client in &mut clients {
        assert_eq!(client.answer().await.status, 200);
    }
    assert_eq!(app.metric("http_server_dismissed_connections_total", &[]).await, 0.0);
}

#[tokio::test]
async fn a_client_that_does_not_read_makes_room_for_others() {
    let app = TestApp::with(&[("HTTP_MAX_CONNECTIONS", "2"), ("HTTP_MAX_IN_FLIGHT", "1")]).await;
    let _unread = connections(&app, 2, LARGE).await;
    let mut client = app.connect().await;
    client.send("GET /livez HTTP/1.1\r\nHost: test\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 200);
}

const LARGE: &str = "GET /test/large HTTP/1.1\r\nHost: test\r\n\r\n";

#[tokio::test]
async fn large_responses_that_are_not_read_keep_out_no_small_one() {
    let app = TestApp::start().await;
    let mut unread = connections(&app, 1, LARGE).await;
    unread[0].receive("HTTP/1.1 200 OK").await;
    let refused = app.get("/test/large").await;
    refused.problem(503);
    assert_eq!(refused.header("retry-after"), "1");
    assert!(shed(&app, "bodies").await >= 1.0);
    app.create(ITEMS, "ada@example.org").await.json(201);

    drop(unread);
    let again = async || (app.get("/test/large").await.status == 200).then_some(());
    eventually("there is room", again).await;
}

#[tokio::test]
async fn who_reads_a_large_response_too_slowly_is_let_go() {
    let app = TestApp::with(&[("HTTP_BODY_TIMEOUT_MS", "1000")]).await;
    let mut slow = connections(&app, 1, LARGE).await;
    slow[0].sips_until_closed().await;
    app.until_metric("http_server_dismissed_connections_total", &[], 1.0).await;
}

#[tokio::test]
async fn a_request_that_is_being_served_keeps_its_connection() {
    let app = TestApp::with(&[("HTTP_MAX_CONNECTIONS", "4"), ("HTTP_MAX_IN_FLIGHT", "3")]).await;
    let wait = "GET /test/wait HTTP/1.1\r\nHost: test\r\n\r\n";
    let mut served = connections(&app, 3, wait).await;
    app.gate.entered(3).await;
    let mut next = connections(&app, 5, "GET /livez HTTP/1.1\r\nHost: test\r\n\r\n").await;
    sleep(Duration::from_millis(100)).await;
    app.gate.open();
    for client in served.iter_mut().chain(&mut next) {
        assert_eq!(client.answer().await.status, 200);
    }
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let app = TestApp::start().await;
    let mut client = app.connect().await;
    let long = "x".repeat(15_000);
    client.send(&format!("GET /livez HTTP/1.1\r\nHost: test\r\nX-Long: {long}\r\n\r\n")).await;
    assert_eq!(client.answer().await.status, 200);
    client.send(&format!("GET /livez HTTP/1.1\r\nHost: test\r\nX-Long: {long}{long}\r\n")).await;
    client.receive("HTTP/1.1 431").await;
}

#[tokio::test]
async fn more_silent_clients_than_descriptors_leave_some_for_others() {
    let database = TestDatabase::create().await;
    let mut process = Process::start_under("ulimit -n 80", "serve", &database, &[]);
    let addr = process.serving().await;
    let mut silent = Vec::new();
    for _ in 0..176 {
        silent.push(Connection::to(addr).await);
    }
    for path in ["/livez", ITEMS] {
        let mut client = Connection::to(addr).await;
        client.send(&format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")).await;
        assert_eq!(client.answer().await.status, 200, "{path}");
    }
    process.terminate().await;
    assert_eq!(process.end().await.code, Some(0));
}

#[tokio::test]
async fn too_few_descriptors_to_serve_are_said_to_be_so_before_the_database_is_opened() {
    let database = TestDatabase::create().await;
    // It is not asked whether it has a schema.
    let variables = [("DATABASE_MIGRATE", "false")];
    let end = Process::start_under("ulimit -n 40", "serve", &database, &variables).end().await;
    assert_eq!(end.code, Some(1), "{}", end.errors);
    assert!(end.errors.contains("ulimit -n"), "{}", end.errors);
}

/// What the README says that the process takes at most, with some to spare: the manifest
/// of the deployment allows as much again for sockets.
#[cfg(target_os = "linux")]
const MEMORY: usize = 256 * 1024 * 1024;

#[cfg(target_os = "linux")]
#[tokio::test]
async fn whatever_clients_send_and_leave_unread_fits_into_the_memory_of_a_pod() {
    let database = TestDatabase::create().await;
    let mut process = Process::start("serve", &database, &[]);
    let addr = process.serving().await;
    // As many of the largest that there can be as a page can have.
    let mut client = Connection::to(addr).await;
    for number in 0..100 {
        let email = format!("{number:0>232}@example.org");
        let body = json!({ "email": email, "name": "\u{1d11e}".repeat(200) });
        client.send(&format!("{}{}0\r\n\r\n", chunked(ITEMS), chunk(&body.to_string()))).await;
        client.answer().await.json(201);
    }
    let connect = async |text: &str| {
        let mut connection = Connection::to(addr).await;
        connection.try_send(text).await;
        connection
    };
    // The heads never end, and neither do the bodies.
    let head = format!("GET /livez HTTP/1.1\r\nHost: test\r\nX-Long: {}", "x".repeat(400_000));
    let _heads = join_all((0..730).map(|_| connect(&head))).await;
    let piece = chunk(&" ".repeat(65_535)).repeat(15);
    let body = format!("{}{piece}", chunked(ITEMS));
    let _bodies = join_all((0..512).map(|_| connect(&body))).await;
    let small = format!("{}{}", chunked(ITEMS), chunk(&" ".repeat(16_000)));
    let _small = join_all((0..1_024).map(|_| connect(&small))).await;
    let pages = format!("GET {ITEMS}?limit=100 HTTP/1.1\r\nHost: test\r\n\r\n").repeat(16);
    let ask = async || {
        let mut connection = Connection::narrow(addr).await;
        connection.send(&pages).await;
        connection.receive("HTTP/1.1 ").await;
        connection
    };
    let _unread = join_all((0..1_000).map(|_| ask())).await;

    let mut client = Connection::to(addr).await;
    client.send("GET /livez HTTP/1.1\r\nHost: test\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 200);
    let peak = process.peak_memory();
    assert!(peak < MEMORY * 3 / 4, "{} MiB", peak / 1024 / 1024);
}
