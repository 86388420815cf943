//! A client so plain that it can tell why a request got no response.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// The longest that a client waits, for a connection or for the next piece of a response.
const PATIENCE: Duration = Duration::from_secs(20);

/// All of a request, for whichever connection.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> String {
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n");
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    let body = body.map(Value::to_string).unwrap_or_default();
    if !body.is_empty() {
        let length = body.len();
        request += &format!("content-type: application/json\r\ncontent-length: {length}\r\n");
    }
    request + "\r\n" + &body
}

/// A response that came as a whole.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: String,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find_map(|(its, value)| (its == name).then_some(value.as_str()))
    }

    /// Whether the connection takes no other request.
    pub fn is_last(&self) -> bool {
        self.header("connection") == Some("close")
    }
}

/// A connection that is used for one request after the other.
pub struct Connection(BufReader<TcpStream>);

impl Connection {
    pub fn open(address: SocketAddr) -> io::Result<Connection> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Connection(BufReader::with_capacity(1024, stream)))
    }

    /// Sends a request and waits for its response.
    pub fn ask(&mut self, request: &str) -> io::Result<Response> {
        self.send(request)?;
        self.receive()
    }

    pub fn send(&mut self, request: &str) -> io::Result<()> {
        self.0.get_mut().write_all(request.as_bytes())
    }

    /// The next response. Its error says whether it had begun.
    pub fn receive(&mut self) -> io::Result<Response> {
        let status = self.line("no response")?;
        let status = status
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let status = status.ok_or(ErrorKind::InvalidData)?;
        let mut headers = Vec::new();
        loop {
            let line = self.line("half a head")?;
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut response = Response {
            status,
            headers,
            body: String::new(),
        };
        let length = response.header("content-length").unwrap_or("0");
        let length: u64 = length.parse().map_err(|_| ErrorKind::InvalidData)?;
        let read = (&mut self.0)
            .take(length)
            .read_to_string(&mut response.body)?;
        match read as u64 == length {
            true => Ok(response),
            false => Err(io::Error::new(ErrorKind::UnexpectedEof, "half a body")),
        }
    }

    fn line(&mut self, missing: &'static str) -> io::Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        match line.strip_suffix("\r\n") {
            Some(line) => Ok(line.to_owned()),
            None => Err(io::Error::new(ErrorKind::UnexpectedEof, missing)),
        }
    }

    /// Whether nothing has come that was not read: no response, and no end.
    pub fn is_silent(&self) -> bool {
        let stream = self.0.get_ref();
        stream.set_nonblocking(true).unwrap();
        let peeked = stream.peek(&mut [0]);
        stream.set_nonblocking(false).unwrap();
        peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}
