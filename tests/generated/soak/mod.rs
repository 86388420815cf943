//! A soak: a service under a mixed load, while faults come and go around it. At the end every acknowledged write is there
//! as it was acknowledged, one that was refused is there wholly or not at all, and nothing has piled up.
//!
//! Each service is soaked for about `SOAK_SECONDS`, and what came of it is printed as a row of a table.

pub mod client;
pub mod faults;

use std::env;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use self::client::{Client, Counts};
use self::faults::{Fault, Sessions};
use crate::service::Service;
use crate::{Check, Subject};

pub const ALL: &[Check] = &[(
    "keeps_what_it_acknowledged_and_nothing_else",
    keeps_what_it_acknowledged_and_nothing_else,
)];

/// Of each database and of each cache one.
pub const COMBINATIONS: &[&str] = &[
    "sqlite+memory+prometheus",
    "postgres+redis+prometheus",
    "mysql+none+prometheus",
];

/// Clients that behave; one more does not.
const CLIENTS: usize = 6;

/// What the service is told: a cache that is soon as full as it gets, and a stop that is soon over.
const VARIABLES: &[(&str, &str)] = &[
    ("CACHE_TTL_SECONDS", "5"),
    ("SHUTDOWN_DELAY_MS", "500"),
    ("RUST_LOG", "info,request=off"),
];

/// The most connections that a service has to its database, unless it is told otherwise.
const MAX_CONNECTIONS: usize = 10;

/// How long there is nothing but load before each fault.
const LULL: Duration = Duration::from_secs(1);

/// How long after the last request all may take to be at rest.
const SETTLE: Duration = Duration::from_secs(15);

/// The KiB by which memory may grow in the last third: an allocator does not keep the same from one moment to the next.
const GROWTH: u64 = 8 * 1024;

/// How many label sets may be new in the last third: an error that had not come up before brings a few.
const NEW_LABEL_SETS: usize = 20;

fn keeps_what_it_acknowledged_and_nothing_else(subject: &Subject) {
    let seconds = env::var("SOAK_SECONDS").map_or(15, |seconds| seconds.parse().unwrap());
    let third = Duration::from_secs(seconds) / 3;
    let since = Instant::now();
    let mut soak = Soak::new(subject);

    let all = Fault::all(&soak.service);
    soak.load(third, &all);
    // From here on it is one process, and every request gets a response.
    let unanswered = soak.counts().unanswered;
    let around = Fault::around(&soak.service);
    soak.load(third, &around);
    let middle = soak.rest();
    soak.load(third, &around);
    let end = soak.rest();
    assert_eq!(soak.counts().unanswered, unanswered);
    soak.check();

    assert!(
        end.memory <= middle.memory + GROWTH
            && end.descriptors <= middle.descriptors + MAX_CONNECTIONS
            && end.label_sets <= middle.label_sets + NEW_LABEL_SETS,
        "{middle:?}, then {end:?}"
    );
    let counts = soak.counts();
    println!(
        "\n| {} | {} s | {} | {} | {} | {} | {:.1} → {:.1} MiB | {} → {} | {} → {} |",
        subject.options().join("+"),
        since.elapsed().as_secs(),
        counts.requests,
        counts.acknowledged,
        counts.refused,
        soak.faults,
        middle.memory as f64 / 1024.0,
        end.memory as f64 / 1024.0,
        middle.descriptors,
        end.descriptors,
        middle.label_sets,
        end.label_sets,
    );
}

/// A service and its clients.
struct Soak {
    service: Service,
    clients: Vec<Client>,
    rude: Client,
    /// Writes after each fault, until one is acknowledged.
    witness: Client,
    faults: usize,
}

/// What a service uses of its machine while it has no requests.
#[derive(Debug)]
struct Rest {
    /// Resident, in KiB.
    memory: u64,
    descriptors: usize,
    label_sets: usize,
}

impl Soak {
    fn new(subject: &Subject) -> Soak {
        let service = subject.start(VARIABLES);
        let client = |name: &str| Client::new(name, service.address(), subject.path);
        Soak {
            clients: (0..CLIENTS)
                .map(|number| client(&format!("client{number}")))
                .collect(),
            rude: client("rude"),
            witness: client("witness"),
            service,
            faults: 0,
        }
    }

    /// Injects each of these faults, and them again until `time` is over, while the clients work.
    fn load(&mut self, time: Duration, faults: &[Fault]) {
        let (since, stop) = (Instant::now(), AtomicBool::new(false));
        thread::scope(|scope| {
            let _stop = Stop(&stop);
            let clients = self.clients.iter_mut();
            let mut threads: Vec<_> = clients
                .map(|client| scope.spawn(|| client.work(&stop)))
                .collect();
            threads.push(scope.spawn(|| self.rude.be_rude(&stop)));
            for (number, fault) in faults.iter().cycle().enumerate() {
                let is_over = number >= faults.len() && since.elapsed() >= time;
                // A client ends by itself only where something was wrong.
                if is_over || threads.iter().any(|thread| thread.is_finished()) {
                    break;
                }
                thread::sleep(LULL);
                fault.inject(&mut self.service);
                self.faults += 1;
                self.witness.create_at_last();
            }
        });
    }

    /// Waits until nothing is under way any more, in the service and in its database.
    fn rest(&self) -> Rest {
        let since = Instant::now();
        loop {
            thread::sleep(LULL);
            let metrics = self.service.get_admin("/metrics").expect(200).body;
            let sessions = Sessions::of(&self.service);
            let busy = metrics.lines().filter(|line| is_busy(line));
            let busy: Vec<&str> = busy.collect();
            if busy.is_empty()
                && sessions.in_transaction == 0
                && sessions.connections <= MAX_CONNECTIONS
            {
                return self.look(&metrics);
            }
            assert!(since.elapsed() < SETTLE, "{busy:?} {sessions:?}");
        }
    }

    fn look(&self, metrics: &str) -> Rest {
        let process = format!("/proc/{}", self.service.pid());
        let samples = metrics.lines().filter(|line| !line.starts_with('#'));
        Rest {
            memory: self.service.kibibytes("VmRSS:"),
            descriptors: fs::read_dir(format!("{process}/fd")).unwrap().count(),
            label_sets: samples.filter(|line| !line.contains("_bucket{")).count(),
        }
    }

    /// Checks that what is there is what the clients know of, and nothing else.
    fn check(&mut self) {
        let clients = self.clients.iter_mut().chain([&mut self.rude]);
        check(&mut self.witness, clients);
    }

    /// What came of the requests of all clients that wait for responses.
    fn counts(&self) -> Counts {
        let clients = self.clients.iter().chain([&self.witness]);
        clients.map(|client| client.counts).sum()
    }
}

/// Checks that what is there is what these clients know of, and nothing else.
pub fn check<'a>(witness: &mut Client, clients: impl IntoIterator<Item = &'a mut Client>) {
    let mut listed = witness.list();
    for client in clients {
        client.check(&mut listed);
    }
    witness.check(&mut listed);
    assert!(listed.is_empty(), "no client made {listed:?}");
}

/// Whether a sample says that something is under way.
fn is_busy(sample: &str) -> bool {
    let is_named = [
        "http_server_active_requests",
        "http_server_in_flight",
        "db_client_connection_pending_requests",
    ]
    .iter()
    .any(|name| sample.starts_with(name));
    let is_used = sample.starts_with("db_client_connections{") && sample.contains("\"used\"");
    (is_named || is_used) && !sample.ends_with(" 0")
}

/// Stops the clients when it is dropped, also by a panic: the scope waits for them.
pub struct Stop<'a>(pub &'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
