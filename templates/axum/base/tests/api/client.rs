//! Requests: those of a client that does as it should, named after what they
//! ask for, and those of one that does not, byte by byte.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::app::{PATIENCE, TestApp};
use crate::contract;

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    /// The header's text, empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// The body, of an answer with this status.
    #[track_caller]
    pub fn json(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        serde_json::from_str(&self.body).expect("the body is JSON")
    }

    /// The body, of an answer that says in the one form that all of them have
    /// why it is not the one asked for.
    #[track_caller]
    pub fn problem(&self, status: u16) -> Value {
        let problem = self.json(status);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(problem["type"], "about:blank");
        assert!(problem["code"].as_str().is_some_and(|code| !code.is_empty()), "{problem}");
        assert_eq!(problem["status"], status);
        assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{problem}");
        assert!(!self.header("x-request-id").is_empty());
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        problem
    }

    /// What a problem points at.
    #[track_caller]
    pub fn pointers(&self) -> Vec<String> {
        let problem = self.problem(422);
        let errors = problem["errors"].as_array().expect("it names fields");
        let pointer = |error: &Value| {
            assert!(error["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{error}");
            error["pointer"].as_str().expect("a pointer").to_owned()
        };
        errors.iter().map(pointer).collect()
    }
}

impl TestApp {
    /// A request to be sent with [`TestApp::send`].
    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        self.client.request(method, format!("http://{}{path}", self.addr))
    }

    /// Sends a request. What comes back has to be in the description of the API.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let request = request.build().expect("a request");
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let answer = async {
            let response = self.client.execute(request).await.expect("an answer");
            let status = response.status().as_u16();
            let headers = response.headers().clone();
            Answer { status, headers, body: response.text().await.expect("text") }
        };
        let answer = timeout(PATIENCE, answer).await.expect("the service answers");
        contract::check(method.as_str(), &path, &answer);
        answer
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request("POST", path).json(body)).await
    }

    /// Makes one of `items`, which is the path that they are under.
    pub async fn create(&self, items: &str, email: &str) -> Answer {
        self.post(items, &json!({ "email": email, "name": "Ada" })).await
    }

    /// The same under an idempotency key.
    pub async fn create_with_key(&self, items: &str, email: &str, key: &str) -> Answer {
        let body = json!({ "email": email, "name": "Ada" });
        self.send(self.request("POST", items).header("idempotency-key", key).json(&body)).await
    }

    pub async fn read(&self, items: &str, id: &str) -> Answer {
        self.get(&format!("{items}/{id}")).await
    }

    /// A page; `query` is what follows the question mark.
    pub async fn list(&self, items: &str, query: &str) -> Answer {
        self.get(&format!("{items}?{query}")).await
    }

    pub async fn update(&self, items: &str, id: &str, seen: &str, changes: &Value) -> Answer {
        let request = self.request("PATCH", &format!("{items}/{id}"));
        self.send(request.header("if-match", seen).json(changes)).await
    }

    pub async fn delete(&self, items: &str, id: &str) -> Answer {
        self.send(self.request("DELETE", &format!("{items}/{id}"))).await
    }

    /// A connection on which anything can be sent.
    pub async fn connect(&self) -> Connection {
        Connection::to(self.addr).await
    }
}

/// A client that does what no decent client does. Dropping it hangs up.
pub struct Connection {
    stream: TcpStream,
}

impl Connection {
    pub async fn to(addr: SocketAddr) -> Connection {
        Connection { stream: TcpStream::connect(addr).await.expect("it listens") }
    }

    /// A connection that holds next to nothing of what its client does not read.
    #[cfg(target_os = "linux")]
    pub async fn narrow(addr: SocketAddr) -> Connection {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4 * 1024).expect("a size");
        Connection { stream: socket.connect(addr).await.expect("it listens") }
    }

    pub async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.expect("it reads");
    }

    /// Sends as much of it as the service reads before it hangs up.
    pub async fn try_send(&mut self, text: &str) {
        let sending = self.stream.write_all(text.as_bytes());
        // It may also just stop to read.
        let _ = timeout(Duration::from_secs(1), sending).await;
    }

    /// Closes the half that it sends on.
    pub async fn close_sending(&mut self) {
        self.stream.shutdown().await.expect("the connection holds");
    }

    /// Breaks the connection off, rather than ending it.
    pub fn reset(self) {
        self.stream.set_zero_linger().expect("a socket");
    }

    /// Waits for exactly this.
    pub async fn receive(&mut self, expected: &str) {
        let mut read = vec![0; expected.len()];
        let received = timeout(PATIENCE, self.stream.read_exact(&mut read)).await;
        received.expect("the service speaks").expect("the connection holds");
        assert_eq!(String::from_utf8_lossy(&read), expected);
    }

    /// The answer, of which the service has to give the length.
    pub async fn answer(&mut self) -> Answer {
        timeout(PATIENCE, self.read_answer()).await.expect("the service answers")
    }

    async fn read_answer(&mut self) -> Answer {
        let mut read = Vec::new();
        loop {
            if let Some(answer) = parse(&read) {
                return answer;
            }
            let count = self.stream.read_buf(&mut read).await.expect("the connection holds");
            assert_ne!(count, 0, "it ended after {:?}", String::from_utf8_lossy(&read));
        }
    }

    /// Sends one byte after the other until the service closes the connection.
    pub async fn drips_until_closed(&mut self) {
        let drips = async {
            while self.stream.write_all(b"x").await.is_ok() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, drips).await.expect("the service hangs up");
    }

    /// Reads a little at a time until the service closes the connection.
    pub async fn sips_until_closed(&mut self) {
        let mut sip = vec![0; 16 * 1024];
        let sips = async {
            while self.stream.read(&mut sip).await.is_ok_and(|count| count > 0) {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, sips).await.expect("the service hangs up");
    }

    /// Waits until the service closes the connection, having said no more.
    pub async fn closed(&mut self) {
        let mut rest = Vec::new();
        let end = timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await;
        // A reset is an end, too.
        let _ = end.expect("the service hangs up");
        assert_eq!(String::from_utf8_lossy(&rest), "");
    }
}

/// An HTTP/1.1 answer with a `Content-Length`, if all of it is there.
fn parse(read: &[u8]) -> Option<Answer> {
    let text = std::str::from_utf8(read).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().expect("a status");
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").expect("a header");
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header's name");
        (name, HeaderValue::from_str(value).expect("a header's value"))
    };
    let answer = Answer { status, headers: lines.map(header).collect(), body: body.to_owned() };
    let length: usize = answer.header("content-length").parse().expect("a length");
    (body.len() == length).then_some(answer)
}
