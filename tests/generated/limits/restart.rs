//! Two replicas on one database, restarted one after the other behind a real haproxy, which only forwards TCP: what one of
//! them does to a connection, its client sees.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::client::{Connection, Response, request};
use super::{long, tell};
use crate::project::Running;
use crate::service::{Service, free_address};
use crate::soak::Stop;
use crate::soak::client::{Client as Reader, State};
use crate::{Check, Subject};

pub const ALL: &[Check] = &[(
    "limits::a_rolling_restart_loses_no_request_and_no_write",
    a_rolling_restart_loses_no_request_and_no_write,
)];

/// How long a replica serves on after SIGTERM, in milliseconds: the balancer asks it in less than that.
const SHUTDOWN_DELAY: &str = "1000";

/// How long a replica may take to end, and the balancer to notice that it is back.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many clients there are of each kind.
const CLIENTS: usize = 6;

fn a_rolling_restart_loses_no_request_and_no_write(subject: &Subject) {
    let variables = [
        ("SHUTDOWN_DELAY_MS", SHUTDOWN_DELAY),
        ("RUST_LOG", "info,request=off"),
    ];
    let one = subject.start(&variables);
    let other = one.replica();
    let mut replicas = [one, other];
    let balancer = Balancer::start(&replicas);
    let kinds = [Kind::Keeps, Kind::Closes, Kind::Idles];
    let mut clients: Vec<_> = kinds
        .into_iter()
        .flat_map(|kind| (0..CLIENTS).map(move |number| (kind, number)))
        .map(|(kind, number)| Client::new(kind, number, balancer.address, subject.path))
        .collect();

    let since = Instant::now();
    let (stop, mut restarts) = (AtomicBool::new(false), 0);
    thread::scope(|scope| {
        let _stop = Stop(&stop);
        for client in &mut clients {
            scope.spawn(|| client.work(&stop));
        }
        while restarts < 4 || long().is_some_and(|time| since.elapsed() < time) {
            for replica in &mut replicas {
                thread::sleep(Duration::from_millis(300));
                replica.terminate();
                let status = replica.wait(PATIENCE);
                assert!(status.success(), "{status}");
                replica.restart();
                balancer.until_it_has_both();
                restarts += 1;
            }
        }
    });

    let lost: Vec<_> = clients.iter().flat_map(|client| &client.lost).collect();
    assert!(lost.is_empty(), "{} were lost: {lost:#?}", lost.len());
    let requests: u32 = clients.iter().map(|client| client.requests).sum();
    let writes: u32 = clients.iter().map(|client| client.writes).sum();
    let repeated: u32 = clients.iter().map(|client| client.repeated).sum();
    let acknowledged: BTreeMap<_, _> = clients
        .into_iter()
        .flat_map(|client| client.acknowledged)
        .collect();
    let listed = Reader::new("reader", balancer.address, subject.path).list();
    assert_eq!(listed, acknowledged);
    let came = format!(
        "{restarts} restarts in {} s, {requests} requests, none without a response; {writes} writes acknowledged, none lost; \
         {repeated} repeated, on connections that had been idle when their replica ended",
        since.elapsed().as_secs()
    );
    tell("rolling restart", &subject.options(), &came);
}

/// haproxy before two replicas.
struct Balancer {
    address: SocketAddr,
    statistics: SocketAddr,
    _process: Running,
    _directory: TempDir,
}

impl Balancer {
    fn start(replicas: &[Service; 2]) -> Balancer {
        let (address, statistics) = (free_address(), free_address());
        let [one, other] = replicas.each_ref().map(Service::address);
        let configuration = format!(
            "defaults\n timeout connect 1s\n timeout client 60s\n timeout server 60s\n\
             listen service\n mode tcp\n bind {address}\n balance roundrobin\n option redispatch 1\n\
             option httpchk GET /readyz\n default-server check inter 100ms fall 2 rise 1\n\
             server one {one}\n server other {other}\n\
             listen statistics\n mode http\n bind {statistics}\n stats enable\n stats uri /\n"
        );
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("haproxy.cfg");
        fs::write(&path, configuration).unwrap();
        // Debian has it where only root looks.
        let paths = format!("{}:/usr/sbin", std::env::var("PATH").unwrap());
        let mut haproxy = Command::new("haproxy");
        let haproxy = haproxy.env("PATH", paths).arg("-f").arg(path);
        let haproxy = haproxy.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let balancer = Balancer {
            address,
            statistics,
            _process: Running(haproxy.expect("the Debian package `haproxy` brings it")),
            _directory: directory,
        };
        balancer.until_it_has_both();
        balancer
    }

    /// Waits until it sends requests to both replicas.
    fn until_it_has_both(&self) {
        let since = Instant::now();
        let count = |table: String| {
            let rows = table
                .lines()
                .filter(|row| row.starts_with("service,o") && row.contains(",UP,"));
            rows.count()
        };
        let url = format!("http://{}/;csv", self.statistics);
        let ask = || {
            ureq::get(&url)
                .call()
                .ok()?
                .body_mut()
                .read_to_string()
                .ok()
        };
        while ask().map_or(0, count) < 2 {
            assert!(since.elapsed() < PATIENCE, "haproxy does not have both");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// What a client does with its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It asks again soon, until it is told that a response was the last.
    Keeps,
    /// It has another one for each request.
    Closes,
    /// It keeps it, and asks seldom: it may not have been told anything since its replica began to stop. When the
    /// connection ends as it sends, it repeats what is safe to repeat, as RFC 9110 has it in section 9.2.2.
    Idles,
}

/// A client that notes what it was told.
struct Client {
    kind: Kind,
    name: String,
    address: SocketAddr,
    path: &'static str,
    connection: Option<Connection>,
    /// The accounts that it has made, as they were acknowledged, and where the last one is.
    acknowledged: BTreeMap<String, State>,
    last: Option<(String, String)>,
    requests: u32,
    writes: u32,
    repeated: u32,
    /// What got no response, or one that there should not be.
    lost: Vec<String>,
}

impl Client {
    fn new(kind: Kind, number: usize, address: SocketAddr, path: &'static str) -> Client {
        Client {
            kind,
            name: format!("{kind:?}-{number}").to_lowercase(),
            address,
            path,
            connection: None,
            acknowledged: BTreeMap::new(),
            last: None,
            requests: 0,
            writes: 0,
            repeated: 0,
            lost: Vec::new(),
        }
    }

    /// Creates, reads and changes in turn until it is to stop.
    fn work(&mut self, stop: &AtomicBool) {
        for turn in 0.. {
            if stop.load(Relaxed) {
                return;
            }
            match (turn % 3, self.last.clone()) {
                (1, Some((_, location))) => {
                    self.expect(200, "GET", &location, &[], None);
                }
                // A change is not safe to repeat.
                (2, Some((email, location))) if self.kind != Kind::Idles => {
                    self.change(email, &location);
                }
                _ => self.create(turn),
            }
            thread::sleep(match self.kind {
                Kind::Idles => Duration::from_millis(300 * (turn % 7)),
                _ => Duration::from_millis(2 * (turn % 7)),
            });
        }
    }

    fn create(&mut self, turn: u64) {
        let email = format!("{}-{turn}@example.com", self.name);
        let body = json!({"email": email, "name": self.name});
        let key = [("idempotency-key", email.as_str())];
        if let Some(response) = self.expect(201, "POST", self.path, &key, Some(&body)) {
            let location = response.header("location").unwrap().to_owned();
            self.last = Some((email.clone(), location));
            self.acknowledge(email, 1, self.name.clone());
        }
    }

    fn change(&mut self, email: String, location: &str) {
        let name = format!("{} again", self.name);
        let seen = [("if-match", "\"1\"")];
        let body = json!({"name": name});
        if let Some(response) = self.expect(200, "PATCH", location, &seen, Some(&body)) {
            assert!(response.body.contains(&name), "{}", response.body);
            self.acknowledge(email, 2, name);
        }
    }

    fn acknowledge(&mut self, email: String, version: u64, name: String) {
        self.writes += 1;
        self.acknowledged.insert(email, State::Is { version, name });
    }

    /// The response, if it is the one that there should be.
    fn expect(
        &mut self,
        status: u16,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Option<Response> {
        self.requests += 1;
        let close: &[_] = match self.kind {
            Kind::Closes => &[("connection", "close")],
            _ => &[],
        };
        let text = request(method, path, &[headers, close].concat(), body);
        let mut response = self.ask(&text);
        if response.is_err() && self.kind == Kind::Idles {
            self.repeated += 1;
            response = self.ask(&text);
        }
        match response {
            Ok(response) if response.status == status => Some(response),
            other => {
                let name = &self.name;
                self.lost
                    .push(format!("{name}: {method} {path}: {other:?}"));
                None
            }
        }
    }

    fn ask(&mut self, request: &str) -> io::Result<Response> {
        // One that has ended meanwhile is not used, as clients of HTTP do.
        let kept = self.connection.take().filter(Connection::is_silent);
        let mut connection = match kept {
            Some(connection) => connection,
            None => Connection::open(self.address)?,
        };
        let response = connection.ask(request)?;
        if !response.is_last() && self.kind != Kind::Closes {
            self.connection = Some(connection);
        }
        Ok(response)
    }
}
