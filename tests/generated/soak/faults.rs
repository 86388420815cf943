//! What goes wrong around a service, and what its database says of it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::project::output;
use crate::service::Service;

/// How long a lock is held: longer than a statement may take.
const LOCK_SECONDS: &str = "3";

/// How long a service may take to end: the delay and the drain that the soak gives it, and some for a busy machine.
const END: Duration = Duration::from_secs(20);

/// Something that goes wrong, and is over when it has been injected.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// The servers end all connections of the service, a few times.
    Disconnect,
    /// Another client has locked what a write needs, for longer than a statement may take.
    Lock,
    /// The service is asked to stop, and started again.
    Restart,
    /// The service is killed, and started again.
    Kill,
}

impl Fault {
    /// Those through which a service goes on: one that has no server can't be disconnected.
    pub fn around(service: &Service) -> Vec<Fault> {
        match service.servers().variables().next() {
            Some(_) => vec![Fault::Disconnect, Fault::Lock],
            None => vec![Fault::Lock],
        }
    }

    /// All that there are for a service.
    pub fn all(service: &Service) -> Vec<Fault> {
        [Fault::around(service), vec![Fault::Restart, Fault::Kill]].concat()
    }

    pub fn inject(self, service: &mut Service) {
        match self {
            Fault::Disconnect => {
                let times = (0..5).map(|_| {
                    thread::sleep(Duration::from_millis(200));
                    disconnect(service)
                });
                assert_ne!(times.sum::<usize>(), 0, "there was no connection to end");
            }
            Fault::Lock => lock(service),
            Fault::Restart => {
                service.terminate();
                let status = service.wait(END);
                assert!(status.success(), "{status}");
                service.restart();
            }
            Fault::Kill => {
                service.kill();
                service.restart();
            }
        }
    }
}

/// What a database has of the service.
#[derive(Debug, PartialEq, Eq)]
pub struct Sessions {
    pub connections: usize,
    pub in_transaction: usize,
}

impl Sessions {
    /// Asks the database; of a file it knows no connections, but whether one of them has anything open.
    pub fn of(service: &Service) -> Sessions {
        let Some(database) = service.servers().database() else {
            // The log can be emptied only while no connection reads or writes.
            let said = output(&mut sqlite(service, &["PRAGMA wal_checkpoint(TRUNCATE)"]));
            let is_busy = !said.starts_with("0|");
            return Sessions {
                connections: 0,
                in_transaction: usize::from(is_busy),
            };
        };
        let name = &database.name;
        let sql = if is_mysql(service) {
            format!(
                "SELECT (SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{name}'), (SELECT COUNT(*) \
                 FROM information_schema.innodb_trx JOIN information_schema.processlist ON id = trx_mysql_thread_id \
                 WHERE db = '{name}')"
            )
        } else {
            format!(
                "SELECT count(*), count(*) FILTER (WHERE state <> 'idle') FROM pg_stat_activity \
                 WHERE datname = '{name}'"
            )
        };
        let said = output(&mut database.client(&sql));
        let mut fields = said.trim().split('\t').map(|field| field.parse().unwrap());
        Sessions {
            connections: fields.next().unwrap(),
            in_transaction: fields.next().unwrap(),
        }
    }
}

/// Has the servers end the connections of a service; says how many.
fn disconnect(service: &Service) -> usize {
    let mut ended = 0;
    if let Some(database) = service.servers().database() {
        let name = &database.name;
        let said = if is_mysql(service) {
            let kills = output(&mut database.client(&format!(
                "SELECT CONCAT('KILL ', id, ';') FROM information_schema.processlist \
                 WHERE db = '{name}'"
            )));
            // One that has ended by itself meanwhile is no reason to leave out the others.
            let _ = database.client(&kills).arg("--force").output();
            kills
        } else {
            output(&mut database.client(&format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
            )))
        };
        ended += said.lines().count();
    }
    if let Some(url) = service.servers().variable("REDIS_URL") {
        // Most connections of the process are to others, and Redis does not know them.
        let is_ended = |port: &u16| {
            let mut client = Command::new("redis-cli");
            client.args(["-u", url, "CLIENT", "KILL", &format!("127.0.0.1:{port}")]);
            output(&mut client).trim() == "OK"
        };
        ended += local_ports(service.pid())
            .iter()
            .filter(|port| is_ended(port))
            .count();
    }
    ended
}

fn lock(service: &Service) {
    match service.servers().database() {
        None => {
            let sleep = format!(".shell sleep {LOCK_SECONDS}");
            let words = [".timeout 2000", "BEGIN IMMEDIATE", &sleep, "ROLLBACK"];
            output(&mut sqlite(service, &words));
        }
        Some(database) if is_mysql(service) => {
            let table = format!("{}.accounts", database.name);
            let sql = format!("LOCK TABLES {table} WRITE; DO SLEEP({LOCK_SECONDS})");
            output(&mut database.client(&sql));
        }
        Some(database) => {
            let sql = format!("BEGIN; LOCK TABLE accounts; SELECT pg_sleep({LOCK_SECONDS})");
            output(database.client(&sql).args(["--dbname", &database.url]));
        }
    }
}

fn is_mysql(service: &Service) -> bool {
    let database = service.servers().database();
    database.is_some_and(|database| database.url.starts_with("mysql:"))
}

/// The shell of SQLite, on the file of a service that was told nothing of where to have it.
fn sqlite(service: &Service, words: &[&str]) -> Command {
    let files = fs::read_dir(service.directory().join("data")).unwrap();
    let mut files = files.map(|file| file.unwrap().path());
    let file: PathBuf = files
        .find(|path| path.extension().is_some_and(|extension| extension == "db"))
        .unwrap();
    let mut sqlite = Command::new("sqlite3");
    sqlite.arg(file).args(words);
    sqlite
}

/// The ports of this machine from which a process has connections, or on which it has been called.
fn local_ports(pid: u32) -> Vec<u16> {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let links = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
    let sockets: Vec<String> = links
        .filter_map(|link| {
            let link = link.to_str()?;
            Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
        })
        .collect();
    // `sl local_address rem_address st queues timer retransmit uid timeout inode …`, ports in hexadecimal.
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let row = |row: &str| {
        let fields: Vec<&str> = row.split_whitespace().collect();
        let is_its = sockets.iter().any(|inode| inode == fields[9]);
        let (_, port) = fields[1].rsplit_once(':')?;
        is_its.then(|| u16::from_str_radix(port, 16).unwrap())
    };
    table.lines().skip(1).filter_map(row).collect()
}
