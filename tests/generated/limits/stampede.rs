//! A thousand clients that ask for the same at once, while it is not in the cache.
//!
//! A lock of another client keeps the read waiting until all of them have asked. Meanwhile the database itself tells how
//! many reads there are.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::client::{Connection, Response, request};
use super::tell;
use crate::project::output;
use crate::servers::Database;
use crate::service::Service;
use crate::{Check, Subject};

pub const ALL: &[Check] = &[
    (
        "limits::a_stampede_on_a_cold_key_costs_one_read",
        a_stampede_on_a_cold_key_costs_one_read,
    ),
    (
        "limits::a_stampede_on_a_key_that_does_not_exist_costs_one_read",
        a_stampede_on_a_key_that_does_not_exist_costs_one_read,
    ),
];

/// Those in which the read fails, which a file does not.
pub const FAILING: &[Check] = &[
    (
        "limits::all_of_a_stampede_learn_that_the_read_was_too_slow",
        all_of_a_stampede_learn_that_the_read_was_too_slow,
    ),
    (
        "limits::all_of_a_stampede_learn_that_the_read_failed",
        all_of_a_stampede_learn_that_the_read_failed,
    ),
];

/// That of two services with one cache.
pub const REPLICAS: &[Check] = &[(
    "limits::a_stampede_on_two_replicas_costs_each_one_read",
    a_stampede_on_two_replicas_costs_each_one_read,
)];

const CLIENTS: usize = 1_000;

/// Requests in flight and times such that nothing but the cache decides how many reads there are: a lock is waited for half
/// as long as a statement may run.
const PATIENT: &[(&str, &str)] = &[
    ("HTTP_MAX_CONNECTIONS", "1100"),
    ("HTTP_MAX_IN_FLIGHT", "1024"),
    ("HTTP_REQUEST_TIMEOUT_MS", "30000"),
    ("DATABASE_STATEMENT_TIMEOUT_MS", "20000"),
    ("RUST_LOG", "info,request=off"),
];

/// The same with the defaults of all times.
const PROMPT: &[(&str, &str)] = &[
    ("HTTP_MAX_CONNECTIONS", "1100"),
    ("HTTP_MAX_IN_FLIGHT", "1024"),
    ("RUST_LOG", "info,request=off"),
];

/// How long the database is watched while all have asked.
const WATCHED: Duration = Duration::from_secs(1);

/// The default of `HTTP_REQUEST_TIMEOUT_MS`, and what a busy machine takes for a thousand responses.
const IN_TIME: Duration = Duration::from_secs(5 + 5);

fn a_stampede_on_a_cold_key_costs_one_read(subject: &Subject) {
    let service = subject.start(PATIENT);
    let (location, created) = create(&service, subject.path);
    let stampede = Stampede::on(&[&service], &location);
    let responses = stampede.watch(1).responses();
    for response in &responses {
        assert_eq!((response.status, &response.body), (200, &created));
    }
    expect_reads(subject, &service, 1);
    let came = format!("{} requests for one cold key, one read", responses.len());
    tell("stampede", &subject.options(), &came);
}

fn a_stampede_on_a_key_that_does_not_exist_costs_one_read(subject: &Subject) {
    let service = subject.start(PATIENT);
    let path = format!("{}/019b7c8a-1e35-7000-8000-{:012x}", subject.path, 1);
    for response in Stampede::on(&[&service], &path).watch(1).responses() {
        assert_eq!(response.status, 404, "{}", response.body);
    }
    service.get(&path).expect(404);
    expect_reads(subject, &service, 1);
}

fn all_of_a_stampede_learn_that_the_read_was_too_slow(subject: &Subject) {
    let service = subject.start(PROMPT);
    let (location, created) = create(&service, subject.path);
    let mut stampede = Stampede::on(&[&service], &location);
    let lock = stampede.lock.take();
    stampede.expect_refusals();
    drop(lock);
    assert_eq!(service.get(&location).expect(200).body, created);
}

fn all_of_a_stampede_learn_that_the_read_failed(subject: &Subject) {
    let service = subject.start(PATIENT);
    let (location, created) = create(&service, subject.path);
    let mut stampede = Stampede::on(&[&service], &location).watch(1);
    // As often as it is tried.
    let database = service.servers().database().unwrap();
    while stampede.connections[0].is_silent() {
        reads(database, true);
        thread::sleep(Duration::from_millis(20));
    }
    let lock = stampede.lock.take();
    stampede.expect_refusals();
    drop(lock);
    assert_eq!(service.get(&location).expect(200).body, created);
}

fn a_stampede_on_two_replicas_costs_each_one_read(subject: &Subject) {
    let one = subject.start(PATIENT);
    let other = one.replica();
    let (location, created) = create(&one, subject.path);
    let stampede = Stampede::on(&[&one, &other], &location).watch(2);
    for response in stampede.responses() {
        assert_eq!((response.status, &response.body), (200, &created));
    }
    for replica in [&one, &other] {
        expect_reads(subject, replica, 1);
    }
}

/// Makes an account that nobody has read; where it is, and what a reader has to get.
fn create(service: &Service, path: &str) -> (String, String) {
    let ada = json!({"email": "ada@example.com", "name": "Ada"});
    let created = service.post(path, &ada).expect(201);
    (created.header("location").to_owned(), created.body)
}

/// Clients that have asked, and wait.
struct Stampede<'a> {
    connections: Vec<Connection>,
    database: Option<&'a Database>,
    lock: Option<Lock>,
}

impl<'a> Stampede<'a> {
    /// Has a thousand clients ask for it, each replica as many.
    fn on(replicas: &[&'a Service], path: &str) -> Stampede<'a> {
        let database = replicas[0].servers().database();
        let lock = database.map(Lock::take);
        let addresses: Vec<SocketAddr> = replicas.iter().map(|replica| replica.address()).collect();
        let addresses = addresses.iter().cycle().take(CLIENTS);
        let connections = addresses.map(|address| Connection::open(*address).unwrap());
        let mut connections: Vec<_> = connections.collect();
        let request = request("GET", path, &[], None);
        for connection in &mut connections {
            connection.send(&request).unwrap();
        }
        Stampede {
            connections,
            database,
            lock,
        }
    }

    /// Makes sure that the database has so many reads at once.
    fn watch(self, expected: usize) -> Self {
        let Some(database) = self.database else {
            return self;
        };
        let since = Instant::now();
        let mut seen = 0;
        while since.elapsed() < WATCHED {
            seen = seen.max(reads(database, false));
            thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(seen, expected, "reads at once");
        assert!(self.connections.iter().all(Connection::is_silent));
        self
    }

    /// What all of them get once the read goes on.
    fn responses(mut self) -> Vec<Response> {
        self.lock = None;
        let responses = self.connections.iter_mut();
        responses
            .map(|connection| connection.receive().unwrap())
            .collect()
    }

    /// Makes sure that all of them are told in time that there is no result.
    fn expect_refusals(self) {
        let since = Instant::now();
        for response in self.responses() {
            assert_eq!(response.status, 503, "{}", response.body);
        }
        let time = since.elapsed();
        assert!(time < IN_TIME, "{time:?}");
    }
}

/// How many reads of accounts the database has under way; each is ended first if that is asked for.
fn reads(database: &Database, end: bool) -> usize {
    let name = &database.name;
    let is_read = "LIKE '%SELECT%FROM accounts WHERE%'";
    let said = if database.url.starts_with("mysql:") {
        let sql = format!(
            "SELECT CONCAT('KILL QUERY ', id, ';') FROM information_schema.processlist \
             WHERE db = '{name}' AND info {is_read}"
        );
        let kills = output(&mut database.client(&sql));
        if end && !kills.is_empty() {
            // One may have ended by itself meanwhile.
            let _ = database.client(&kills).arg("--force").output();
        }
        kills
    } else {
        let what = if end { "pg_cancel_backend(pid)" } else { "pid" };
        output(&mut database.client(&format!(
            "SELECT {what} FROM pg_stat_activity \
             WHERE datname = '{name}' AND state = 'active' AND query {is_read}"
        )))
    };
    said.lines().count()
}

/// Makes sure that a service has read accounts so many times, if it counts.
fn expect_reads(subject: &Subject, service: &Service, expected: u32) {
    if !subject.options().contains(&"prometheus") {
        return;
    }
    let metrics = service.get_admin("/metrics").expect(200).body;
    let is_read = |line: &&str| {
        line.starts_with("db_client_operation_duration_seconds_count{")
            && line.contains("\"SELECT\"")
            && line.contains("\"accounts\"")
    };
    let counts = metrics.lines().filter(is_read);
    let count: u32 = counts
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<u32>().unwrap())
        .sum();
    assert_eq!(count, expected, "{metrics}");
}

/// Another client of the database that keeps every read of accounts waiting, until it is dropped.
struct Lock {
    client: Child,
    words: Option<ChildStdin>,
    _said: BufReader<ChildStdout>,
}

impl Lock {
    fn take(database: &Database) -> Lock {
        let take = match database.url.starts_with("mysql:") {
            true => format!(
                "LOCK TABLES {}.accounts WRITE; SELECT 'locked';\n",
                database.name
            ),
            false => "BEGIN; LOCK TABLE accounts; SELECT 'locked';\n".to_owned(),
        };
        let mut client = database.session();
        let client = client.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut client = client.spawn().unwrap();
        let mut words = client.stdin.take().unwrap();
        words.write_all(take.as_bytes()).unwrap();
        let mut said = BufReader::new(client.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert_eq!(line, "locked\n");
        Lock {
            client,
            words: Some(words),
            _said: said,
        }
    }
}

impl Drop for Lock {
    /// It ends with its words, and its lock with it.
    fn drop(&mut self) {
        self.words = None;
        let _ = self.client.wait();
    }
}
