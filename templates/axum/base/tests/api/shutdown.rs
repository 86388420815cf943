//! How the service stops: nobody who was let in is turned away, and nobody can
//! keep it from its end.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use crate::ITEMS;
use crate::app::{TestApp, eventually};

/// What the service takes for its end when it need not wait for anybody, on a
/// machine that has other things to do.
const PROMPTLY: Duration = Duration::from_secs(10);

#[tokio::test]
async fn requests_are_served_until_load_balancers_know() {
    let mut app = TestApp::with(&[("SHUTDOWN_DELAY_MS", "3000")]).await;
    app.begin_stop();
    let not_ready = async || Some(app.get("/readyz").await).filter(|ready| ready.status == 503);
    let ready = eventually("the service is not ready", not_ready).await;
    assert_eq!(ready.json(503)["status"], "draining");
    assert_eq!(app.get("/livez").await.status, 200);
    app.create(ITEMS, "ada@example.org").await.json(201);
    let refused = [("http_route", "/readyz"), ("http_response_status_code", "503")];
    assert!(app.metric("http_server_request_duration_seconds_count", &refused).await >= 1.0);
    app.stopped().await;
    let refused = async || TcpStream::connect(app.addr).await.err();
    eventually("new connections are refused", refused).await;
}

#[tokio::test]
async fn responses_before_the_end_send_their_clients_elsewhere() {
    let [delay, timeout] = [("SHUTDOWN_DELAY_MS", "20000"), ("SHUTDOWN_TIMEOUT_MS", "5000")];
    let mut app = TestApp::with(&[delay, timeout, ("HTTP_MAX_IN_FLIGHT", "1")]).await;
    let mut idle = app.connect().await;
    idle.send("GET /livez HTTP/1.1\r\nHost: test\r\n\r\n").await;
    assert_eq!(idle.answer().await.header("connection"), "");
    let mut under_way = app.connect().await;
    under_way.send("GET /test/wait HTTP/1.1\r\nHost: test\r\n\r\n").await;
    app.gate.entered(1).await;

    app.begin_stop();
    let not_ready = async || Some(app.get("/readyz").await).filter(|ready| ready.status == 503);
    let ready = eventually("the service is not ready", not_ready).await;
    assert_eq!(ready.header("connection"), "close");
    idle.send("GET /livez HTTP/1.1\r\nHost: test\r\n\r\n").await;
    assert_eq!(idle.answer().await.header("connection"), "close");
    idle.closed().await;
    // The only place is taken, so this one is refused.
    let refused = app.get(ITEMS).await;
    assert_eq!((refused.status, refused.header("connection")), (503, "close"));
    app.gate.open();
    assert_eq!(under_way.answer().await.header("connection"), "close");
    under_way.closed().await;

    for request in ["GET /v1/nothing HTTP/1.1", "GET /livez HTTP/1.0\r\nConnection: keep-alive"] {
        let mut client = app.connect().await;
        client.send(&format!("{request}\r\nHost: test\r\n\r\n")).await;
        let answer = client.answer().await;
        assert!(answer.header("connection").starts_with("close"), "{request}: {answer:?}");
        client.closed().await;
    }
}

#[tokio::test]
async fn a_request_under_way_is_answered_and_a_new_one_is_not_taken() {
    let mut app = TestApp::start().await;
    let mut client = app.connect().await;
    client.send("GET /test/wait HTTP/1.1\r\nHost: test\r\nX-Request-Id: last\r\n\r\n").await;
    app.gate.entered(1).await;
    app.begin_stop();
    let refused = async || TcpStream::connect(app.addr).await.err();
    eventually("new connections are refused", refused).await;
    app.gate.open();
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "done"));
    assert_eq!(answer.header("connection"), "close");
    app.stopped().await;
    assert_eq!(app.log.request("last").await["status"], 200);
}

#[tokio::test]
async fn a_write_whose_client_has_gone_is_waited_for() {
    let mut app = TestApp::start().await;
    let mut client = app.connect().await;
    let head = "POST /test/wait HTTP/1.1\r\nHost: test\r\nX-Request-Id: gone";
    client.send(&format!("{head}\r\nContent-Length: 0\r\n\r\n")).await;
    app.gate.entered(1).await;
    drop(client);
    assert_eq!(app.log.request("gone").await["status"], 499);
    app.begin_stop();
    let refused = async || TcpStream::connect(app.addr).await.err();
    eventually("new connections are refused", refused).await;
    assert_eq!(app.gate.has_let_through(), 0);
    app.gate.open();
    app.stopped().await;
    assert_eq!(app.gate.has_let_through(), 1);
}

#[tokio::test]
async fn a_request_that_never_ends_does_not_keep_the_service_from_its_end() {
    for method in ["GET", "POST"] {
        let mut app = TestApp::with(&[("SHUTDOWN_TIMEOUT_MS", "300")]).await;
        let mut client = app.connect().await;
        let head = format!("{method} /test/wait HTTP/1.1\r\nHost: test\r\nX-Request-Id: cut");
        client.send(&format!("{head}\r\nContent-Length: 0\r\n\r\n")).await;
        app.gate.entered(1).await;
        let started = Instant::now();
        app.stop().await;
        assert!(started.elapsed() >= Duration::from_millis(300), "it had time to end");
        assert!(started.elapsed() < PROMPTLY, "{:?}", started.elapsed());
        client.closed().await;
        let line = app.log.request("cut").await;
        assert_eq!(line["status"], 499);
        assert_eq!(line["error_type"], "client_disconnected");
    }
}

#[tokio::test]
async fn clients_that_say_nothing_do_not_keep_the_service_from_its_end() {
    let variables = [("HTTP_HEADER_TIMEOUT_MS", "300"), ("SHUTDOWN_TIMEOUT_MS", "15000")];
    let mut app = TestApp::with(&variables).await;
    let mut idle = app.connect().await;
    idle.send("GET /livez HTTP/1.1\r\nHost: test\r\n\r\n").await;
    assert_eq!(idle.answer().await.status, 200);
    let _silent = app.connect().await;
    let mut half = app.connect().await;
    half.send("GET /livez HTTP/1.1\r\nHost: te").await;
    let started = Instant::now();
    app.stop().await;
    assert!(started.elapsed() < PROMPTLY, "{:?}", started.elapsed());
    idle.closed().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_does_not_keep_the_service_from_its_end() {
    let variables = [("HTTP_BODY_TIMEOUT_MS", "300"), ("SHUTDOWN_TIMEOUT_MS", "15000")];
    let mut app = TestApp::with(&variables).await;
    let mut client = app.connect().await;
    client.send("GET /test/large HTTP/1.1\r\nHost: test\r\nX-Request-Id: unread\r\n\r\n").await;
    app.log.request("unread").await;
    let started = Instant::now();
    app.stop().await;
    assert!(started.elapsed() < PROMPTLY, "{:?}", started.elapsed());
}

#[tokio::test]
async fn requests_that_are_on_their_way_when_it_stops_are_served() {
    let mut app = TestApp::start().await;
    let connect = || std::net::TcpStream::connect(app.addr).expect("it listens");
    let accepted: Vec<_> = (0..10).map(|_| connect()).collect();
    app.until_metric("http_server_open_connections", &[], 10.0).await;
    // The service sees nothing of these before it is told to stop.
    let in_the_backlog = (0..10).map(|_| connect());
    let mut clients: Vec<_> = accepted.into_iter().chain(in_the_backlog).collect();
    for client in &mut clients {
        client.write_all(b"GET /livez HTTP/1.1\r\nHost: test\r\n\r\n").expect("it is there");
    }
    app.interrupt();
    app.stopped().await;
    for client in &mut clients {
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

#[tokio::test]
async fn somebody_at_the_terminal_does_not_wait_for_load_balancers() {
    // Longer than the test waits for the end.
    let variables = [("SHUTDOWN_DELAY_MS", "25000"), ("SHUTDOWN_TIMEOUT_MS", "1000")];
    let mut app = TestApp::with(&variables).await;
    app.interrupt();
    app.stopped().await;
}

#[tokio::test]
async fn the_database_is_left_to_others_at_the_end() {
    let mut app = TestApp::start().await;
    app.create(ITEMS, "ada@example.org").await.json(201);
    app.stop().await;
    let again = TestApp::on(Arc::clone(&app.database), &[]).await.expect("the service starts");
    again.create(ITEMS, "bob@example.org").await.json(201);
}
