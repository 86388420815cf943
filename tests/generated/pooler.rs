//! A service with a real PgBouncer between it and its database.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;
use ureq::http::Uri;

use crate::project::{Running, output};
use crate::promises::retry;
use crate::servers::{Database, Servers};
use crate::service::{Service, free_address};
use crate::soak::client::Client;
use crate::soak::{Stop, check};
use crate::{Check, Subject};

pub const ALL: &[Check] = &[
    (
        "a_pooler_in_session_mode_leaves_limits_and_locks_as_they_are",
        a_pooler_in_session_mode_leaves_limits_and_locks_as_they_are,
    ),
    (
        "a_pooler_with_a_single_connection_is_used",
        a_pooler_with_a_single_connection_is_used,
    ),
    (
        "a_pooler_that_restarts_under_load_loses_no_acknowledged_write",
        a_pooler_that_restarts_under_load_loses_no_acknowledged_write,
    ),
    (
        "a_pooler_in_any_other_mode_is_refused_at_start",
        a_pooler_in_any_other_mode_is_refused_at_start,
    ),
];

/// Clients at once, more than there are connections.
const CLIENTS: usize = 8;

/// Connections that the pooler has to the server.
const CONNECTIONS: &str = "3";

/// A PgBouncer in front of a database.
struct Pooler {
    directory: TempDir,
    address: SocketAddr,
    process: Running,
}

impl Pooler {
    /// In this mode, with so many connections to the server.
    fn start(database: &Database, mode: &str, connections: &str) -> Pooler {
        let (directory, address) = (TempDir::new().unwrap(), free_address());
        let server: Uri = database.url.parse().unwrap();
        let authority = server.authority().unwrap().as_str();
        let user = authority
            .split_once('@')
            .map_or("postgres", |(user, _)| user);
        let login = match user.split_once(':') {
            Some((user, password)) => format!("user={user} password={password}"),
            None => format!("user={user}"),
        };
        let (host, port) = (server.host().unwrap(), server.port_u16().unwrap_or(5432));
        let configuration = format!(
            "[databases]\n* = host={host} port={port} {login}\n[pgbouncer]\nlisten_addr = {}\nlisten_port = {}\n\
             unix_socket_dir =\nauth_type = any\npool_mode = {mode}\ndefault_pool_size = {connections}\n",
            address.ip(),
            address.port()
        );
        fs::write(directory.path().join("pgbouncer.ini"), configuration).unwrap();
        let process = Pooler::spawn(&directory, address);
        Pooler {
            directory,
            address,
            process,
        }
    }

    fn spawn(directory: &TempDir, address: SocketAddr) -> Running {
        // Debian has it where only root looks.
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap());
        let mut pooler = Command::new("pgbouncer");
        pooler
            .env("PATH", path)
            .arg("--quiet")
            .current_dir(directory.path());
        // It does not run as root.
        if output(Command::new("id").arg("-u")).trim() == "0" {
            pooler.args(["--user", "nobody"]);
        }
        let pooler = pooler.arg("pgbouncer.ini").stderr(Stdio::null()).spawn();
        let process = Running(pooler.expect("the Debian package `pgbouncer` brings it"));
        let since = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(
                since.elapsed() < Duration::from_secs(20),
                "PgBouncer does not listen"
            );
            thread::sleep(Duration::from_millis(20));
        }
        process
    }

    /// Ends all connections of both sides, and comes back.
    fn restart(&mut self) {
        self.process.end();
        thread::sleep(Duration::from_millis(200));
        self.process = Pooler::spawn(&self.directory, self.address);
    }

    /// The database, by way of the pooler.
    fn url(&self, database: &Database) -> String {
        format!("postgres://somebody@{}/{}", self.address, database.name)
    }
}

/// A database, and a pooler before it.
fn pooled(subject: &Subject, mode: &str, connections: &str) -> (Servers, Pooler, String) {
    let servers = Servers::new(&subject.servers);
    let database = servers.database().expect("it has one");
    let pooler = Pooler::start(database, mode, connections);
    let url = pooler.url(database);
    (servers, pooler, url)
}

/// Runs a command of the service to its end.
fn command(subject: &Subject, name: &str, url: &str) -> Output {
    let mut command = Command::new(subject.binary());
    command.arg(name).env_clear().env("DATABASE_URL", url);
    command.env("HTTP_ADDR", "127.0.0.1:0").output().unwrap()
}

fn a_pooler_in_session_mode_leaves_limits_and_locks_as_they_are(subject: &Subject) {
    let (servers, _pooler, url) = pooled(subject, "session", CONNECTIONS);
    let migrated = command(subject, "migrate", &url);
    assert!(migrated.status.success(), "{migrated:?}");
    let variables = [
        ("DATABASE_URL", url.as_str()),
        ("DATABASE_MIGRATE", "false"),
        ("DATABASE_MAX_CONNECTIONS", CONNECTIONS),
        ("DATABASE_STATEMENT_TIMEOUT_MS", "500"),
    ];
    let service = Service::start(subject.binary(), servers, &variables);
    let ada = json!({"email": "ada@example.com", "name": "Ada"});
    let create = || service.send("POST", subject.path, &[("idempotency-key", "once")], &ada);
    let created = create().expect(201);
    assert_eq!(create().expect(201).json(), created.json());
    let location = created.header("location");
    assert_eq!(service.get(location).expect(200).json(), created.json());

    let database = service.servers().database().unwrap();
    let on_database = |sql: &str| output(database.client(sql).args(["--dbname", &database.url]));
    on_database(
        "ALTER TABLE accounts RENAME TO stored; CREATE VIEW accounts AS \
         SELECT * FROM stored WHERE (SELECT pg_sleep(600)) IS NOT NULL",
    );
    service.get(subject.path).expect_problem(503);
    // The server has ended what nobody waits for any more.
    let running = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                   AND state = 'active' AND pid <> pg_backend_pid()";
    assert_eq!(on_database(running).trim(), "0");
    on_database("DROP VIEW accounts; ALTER TABLE stored RENAME TO accounts");
    assert_eq!(service.get(location).expect(200).json(), created.json());
}

fn a_pooler_with_a_single_connection_is_used(subject: &Subject) {
    let (servers, _pooler, url) = pooled(subject, "session", "1");
    let variables = [
        ("DATABASE_URL", url.as_str()),
        ("DATABASE_MAX_CONNECTIONS", "1"),
    ];
    let service = Service::start(subject.binary(), servers, &variables);
    service.get(subject.path).expect(200);
    // The log is written by a thread of its own.
    retry(|| service.log().contains("no second connection").then_some(()));
}

fn a_pooler_that_restarts_under_load_loses_no_acknowledged_write(subject: &Subject) {
    let (servers, mut pooler, url) = pooled(subject, "session", CONNECTIONS);
    let variables = [
        ("DATABASE_URL", url.as_str()),
        ("DATABASE_MAX_CONNECTIONS", CONNECTIONS),
        ("RUST_LOG", "info,request=off"),
    ];
    let service = Service::start(subject.binary(), servers, &variables);
    let client = |name: &str| Client::new(name, service.address(), subject.path);
    let names = (0..CLIENTS).map(|number| format!("client{number}"));
    let mut clients: Vec<_> = names.map(|name| client(&name)).collect();
    let mut witness = client("witness");
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let _stop = Stop(&stop);
        for client in &mut clients {
            scope.spawn(|| client.work(&stop));
        }
        for _ in 0..3 {
            thread::sleep(Duration::from_millis(500));
            pooler.restart();
            witness.create_at_last();
        }
    });
    check(&mut witness, &mut clients);
}

fn a_pooler_in_any_other_mode_is_refused_at_start(subject: &Subject) {
    for mode in ["transaction", "statement"] {
        let (_servers, _pooler, url) = pooled(subject, mode, CONNECTIONS);
        for name in ["serve", "migrate"] {
            let end = command(subject, name, &url);
            let said = String::from_utf8_lossy(&end.stderr);
            assert_eq!(end.status.code(), Some(1), "{mode}: {said}");
            assert!(said.contains("session mode"), "{mode}: {said}");
        }
    }
}
