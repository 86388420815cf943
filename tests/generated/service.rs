//! A generated service as a process of its own, and the clients that use it.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use ureq::Agent;
use ureq::http::{HeaderMap, Request};

use crate::servers::Servers;

/// As long as anything here may take that isn't slow by intent.
const PATIENCE: Duration = Duration::from_secs(20);

/// How much of a log is shown where a test failed.
const SHOWN_LINES: usize = 200;

/// A running service with a database of its own. It ends with this value.
pub struct Service {
    command: Command,
    process: Child,
    directory: TempDir,
    address: SocketAddr,
    admin: SocketAddr,
    agent: Agent,
    /// They go when the process that uses them has ended.
    servers: Servers,
}

impl Service {
    /// Starts `binary` with nothing in its environment but these variables and those of its servers, and waits until it
    /// is ready.
    pub fn start(binary: &Path, servers: Servers, variables: &[(&str, &str)]) -> Service {
        let mut command = Command::new(binary);
        command.env_clear().envs(servers.variables());
        command.envs(variables.iter().copied());
        let mut service = Service::spawn(command, free_address(), free_address());
        service.servers = servers;
        service
    }

    /// Starts a service with a command that leads to it, and waits until it is ready.
    pub fn spawn(mut command: Command, address: SocketAddr, admin: SocketAddr) -> Service {
        let directory = TempDir::new().unwrap();
        let log = File::create(directory.path().join("log")).unwrap();
        command
            .env("HTTP_ADDR", address.to_string())
            .env("ADMIN_ADDR", admin.to_string());
        if command.get_current_dir().is_none() {
            command.current_dir(directory.path());
        }
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .build()
            .into();
        let mut service = Service {
            process: command.spawn().unwrap(),
            command,
            directory,
            address,
            admin,
            agent,
            servers: Servers::default(),
        };
        service.wait_until_ready();
        service
    }

    /// Another one on what this one uses of its servers, which it must not outlive.
    pub fn replica(&self) -> Service {
        let mut command = Command::new(self.command.get_program());
        command.env_clear();
        for (name, value) in self.command.get_envs() {
            command.env(name, value.expect("none is taken away"));
        }
        Service::spawn(command, free_address(), free_address())
    }

    fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while !self
            .agent
            .get(self.url("/readyz"))
            .call()
            .is_ok_and(|answer| answer.status() == 200)
        {
            let ended = self.process.try_wait().unwrap();
            assert!(ended.is_none(), "the service ended at once\n{}", self.log());
            assert!(
                Instant::now() < deadline,
                "the service is not ready\n{}",
                self.log()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Starts it again after it has ended, where and as it was.
    pub fn restart(&mut self) {
        self.process = self.command.spawn().unwrap();
        self.wait_until_ready();
    }

    /// The directory that it runs in.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What it uses of its servers.
    pub fn servers(&self) -> &Servers {
        &self.servers
    }

    /// Its process, as the system knows it.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// What the system tells of its process under this name, such as `VmRSS:`, in KiB.
    pub fn kibibytes(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let value = status.lines().find_map(|line| line.strip_prefix(name));
        let value = value.unwrap().trim().strip_suffix(" kB").unwrap();
        value.parse().unwrap()
    }

    /// Where it serves.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All that it has printed so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap()
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask(&self.url(path))
    }

    /// Where it shows what it knows of itself.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Asks the admin port.
    pub fn get_admin(&self, path: &str) -> Answer {
        self.ask(&format!("http://{}{path}", self.admin))
    }

    /// Scrapes the metrics as one who reads OpenMetrics.
    pub fn scrape(&self) -> Answer {
        let url = format!("http://{}/metrics", self.admin);
        let accepted = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5";
        let answer = self.agent.get(&url).header("accept", accepted).call();
        Answer::from(answer, &url)
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[], body)
    }

    /// Sends JSON with some more headers.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let json = ("content-type", "application/json");
        self.send_text(
            method,
            path,
            &[&[json], headers].concat(),
            &body.to_string(),
        )
    }

    /// Sends a text with these headers and no others.
    pub fn send_text(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = match body {
            "" => self.agent.run(request.body(()).unwrap()),
            _ => self.agent.run(request.body(body).unwrap()),
        };
        Answer::from(answer, &format!("{method} {path}"))
    }

    fn ask(&self, url: &str) -> Answer {
        Answer::from(self.agent.get(url).call(), url)
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A connection that says what a client never would, or says it slowly.
    pub fn connect(&self) -> Connection {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Connection(stream)
    }

    /// Whether it takes new connections.
    pub fn accepts(&self) -> bool {
        TcpStream::connect(self.address).is_ok()
    }

    /// Asks it to stop.
    pub fn terminate(&self) {
        let status = Command::new("kill")
            .args(["-TERM", &self.pid().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Ends it as a machine does that loses its power.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Waits until it has ended.
    pub fn wait(&mut self, budget: Duration) -> ExitStatus {
        let deadline = Instant::now() + budget;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "the service did not end within {budget:?}\n{}",
                self.log()
            );
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let shown = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
            eprintln!("the service said at last:\n{}", shown.join("\n"));
        }
    }
}

/// An answer with its body read.
pub struct Answer {
    /// What it answers.
    request: String,
    pub status: u16,
    headers: HeaderMap,
    pub body: String,
}

impl Answer {
    fn from(
        answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
        request: &str,
    ) -> Answer {
        Answer::try_from(answer, request)
            .unwrap_or_else(|error| panic!("{request} got no answer: {error}"))
    }

    /// The answer, if all of it came.
    pub fn try_from(
        answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
        request: &str,
    ) -> Result<Answer, ureq::Error> {
        let mut answer = answer?;
        Ok(Answer {
            request: request.to_owned(),
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            body: answer.body_mut().read_to_string()?,
        })
    }

    /// Fails unless this is the status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{}: {}", self.request, self.body);
        self
    }

    /// Fails unless this is an error of RFC 9457 with this status; answers what it says.
    #[track_caller]
    pub fn expect_problem(self, status: u16) -> Value {
        let answer = self.expect(status);
        assert_eq!(
            answer.header("content-type"),
            "application/problem+json",
            "{}",
            answer.request
        );
        let problem = answer.json();
        assert_eq!(problem["status"], status, "{problem}");
        assert!(problem["title"].is_string(), "{problem}");
        problem
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{}: {error}: {}", self.request, self.body))
    }

    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let value = self
            .headers
            .get(name)
            .unwrap_or_else(|| panic!("{} has no `{name}`", self.request));
        value.to_str().unwrap()
    }
}

/// A raw connection.
pub struct Connection(TcpStream);

impl Connection {
    pub fn write(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).unwrap();
    }

    /// All that comes until the other side closes.
    pub fn read_to_end(mut self) -> String {
        let mut text = String::new();
        // A reset is an end, too: it is how a server leaves a client that is still talking.
        if let Err(error) = self.0.read_to_string(&mut text) {
            assert_eq!(
                error.kind(),
                std::io::ErrorKind::ConnectionReset,
                "after `{text}`"
            );
        }
        text
    }
}

/// An address that nobody listens on now.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}
