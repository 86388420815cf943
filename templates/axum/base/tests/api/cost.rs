//! What a request costs the process, counted and not timed: a count is the same on every
//! machine. One that goes up is a reason to look, and to raise its bound if it is worth it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;

use allocation_counter::measure;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::app::{self, TestApp};
use crate::database::TestDatabase;
use crate::{ITEMS, database, signals};

/// Requests of one round.
const REQUESTS: u32 = 50;

/// Rounds, of which the cheapest counts: what goes on beside the requests now and then, such
/// as a look at the database, is in some of them.
const ROUNDS: usize = 6;

/// The most allocations of a request that asks for next to nothing, without what counting
/// adds.
const REQUEST: u64 = 36;

#[test]
fn a_request_allocates_no_more_than_it_is_known_to() {
    check(REQUEST, |_| "/health".to_owned());
}

#[test]
fn a_read_of_the_database_allocates_no_more_than_it_is_known_to() {
    check(database::READ_ALLOCATIONS, |_| format!("{ITEMS}?limit=1"));
}

/// A service allocates at most so often for each GET of a path, on average, beside what it
/// counts. There is one item, and `path` gets its id.
#[track_caller]
pub fn check(most: u64, path: impl Fn(&str) -> String) {
    // Of one thread, so that all that the service allocates is allocated in it.
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (app, id) = runtime.block_on(async {
        let database = Arc::new(TestDatabase::create().await);
        let mut config = app::config(&database, &[]);
        signals::silence(&mut config);
        let app = TestApp::configured(database, &config).await.expect("the service starts");
        let item = app.create(ITEMS, "ada@example.org").await.json(201);
        (app, item["id"].as_str().expect("text").to_owned())
    });
    let path = path(&id);
    let round = |_| measure(|| ask(&runtime, app.addr, &path)).count_total / u64::from(REQUESTS);
    let counted = (0..ROUNDS).map(round).min().expect("there is a round");
    let most = most + signals::ALLOCATIONS;
    assert!(counted <= most, "{counted} allocations, and {most} are known");
}

/// Has a client in another thread ask, while the service runs in this one.
fn ask(runtime: &Runtime, addr: SocketAddr, path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nUser-Agent: test\r\n\r\n");
    let (done, asked) = oneshot::channel();
    let client = thread::spawn(move || {
        let mut stream = TcpStream::connect(addr).expect("it listens");
        (0..REQUESTS).for_each(|_| get(&mut stream, &request));
        done.send(()).expect("it is waited for");
    });
    let asked = runtime.block_on(asked);
    client.join().expect("all are answered");
    asked.expect("all are answered");
}

/// Asks, and reads the response to its end.
fn get(stream: &mut TcpStream, request: &str) {
    stream.write_all(request.as_bytes()).expect("it is read");
    let mut response = [0; 4096];
    let length = stream.read(&mut response).expect("it is answered");
    let response = String::from_utf8_lossy(&response[..length]);
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    let (head, body) = response.split_once("\r\n\r\n").expect("a whole head");
    let length = format!("content-length: {}\r\n", body.len());
    assert!(format!("{head}\r\n").contains(&length), "{response}");
}
