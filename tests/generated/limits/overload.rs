//! A service that is asked for three times what it can do.
//!
//! The loop is open: requests are due at their times, whatever became of those before, as those of many clients are. Each
//! has a thread, so many of which wait for their times that there is always one.
//!
//! The limit is that of the database, as it mostly is: a read takes it some milliseconds, so that the few connections of
//! the pool are the bottleneck. Were it the CPU, then on a small machine the clients, who share it, would take what the
//! service needs, and how those two share it would be measured.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use super::client::{Connection, request};
use super::{long, tell};
use crate::project::output;
use crate::service::Service;
use crate::soak::Stop;
use crate::{Check, Subject};

pub const ALL: &[Check] = &[(
    "limits::three_times_its_load_is_served_or_refused_at_once",
    three_times_its_load_is_served_or_refused_at_once,
)];

/// How many times of what it can do it is asked for.
const TIMES: f64 = 3.0;

/// How long the database takes for a read, in seconds. Were as many as may be in flight to wait for the pool, they would
/// for longer than `DATABASE_ACQUIRE_TIMEOUT_MS`: 512 x 30 ms / 10 connections is 1.5 s.
const READ: f64 = 0.03;

/// Clients that ask again as soon as they have their response, to see what it can do.
const CLOSED: usize = 64;

/// Clients that wait for the time of a request: more than the default of `HTTP_MAX_IN_FLIGHT`, fewer than that of
/// `HTTP_MAX_CONNECTIONS`.
const OPEN: usize = 900;

/// The default of `HTTP_REQUEST_TIMEOUT_MS`.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Within this a request that is refused has its response.
const REFUSAL: Duration = Duration::from_millis(50);

/// The default of `DATABASE_ACQUIRE_TIMEOUT_MS`: what is refused early is not refused for want of a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(1);

/// How much of what it can do it has to go on doing, and on a machine that has other things to do.
const LEAST_GOODPUT: f64 = 0.9;
const BUSY_GOODPUT: f64 = 0.5;

/// How much of the memory after two thirds may be there in the end.
const MOST_GROWTH: f64 = 1.05;

/// How long a probe of `deploy/kubernetes` may take, and how often there is one here.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
const PROBE_PAUSE: Duration = Duration::from_millis(100);

fn three_times_its_load_is_served_or_refused_at_once(subject: &Subject) {
    let limit = memory_limit(&subject.project().read("deploy/kubernetes/deployment.yaml"));
    let service = subject.start(&[("RUST_LOG", "info,request=off")]);
    let database = service.servers().database().unwrap();
    let sql = format!(
        "ALTER TABLE accounts RENAME TO stored; CREATE VIEW accounts AS \
         SELECT * FROM stored WHERE (SELECT pg_sleep({READ})) IS NOT NULL"
    );
    output(database.client(&sql).args(["--dbname", &database.url]));
    let request = request("GET", subject.path, &[], None);
    let time = long().unwrap_or(Duration::from_secs(8));

    let load = |clients, pace, time| load(service.address(), &request, clients, pace, time);
    let capacity = load(CLOSED, None, (time / 2).min(Duration::from_secs(10)));
    assert_eq!(capacity.others, Vec::<String>::new());
    let rate = TIMES * capacity.per_second();

    let stop = AtomicBool::new(false);
    let (seen, middle, probes) = thread::scope(|scope| {
        let _stop = Stop(&stop);
        let probes = scope.spawn(|| probe(service.address(), &stop));
        let middle = scope.spawn(|| {
            thread::sleep(time * 2 / 3);
            resident(&service)
        });
        let seen = load(OPEN, Some(Duration::from_secs_f64(1.0 / rate)), time);
        stop.store(true, Relaxed);
        (seen, middle.join().unwrap(), probes.join().unwrap())
    });
    let (end, most) = (
        resident(&service),
        service.kibibytes("VmHWM:") as f64 / 1024.0,
    );

    assert_eq!(seen.others, Vec::<String>::new(), "neither 200 nor 503");
    assert!(!seen.refused.is_empty(), "it was not asked for too much");
    let goodput = seen.per_second() / capacity.per_second();
    let (accepted, refused) = (part(99, &seen.accepted), part(99, &seen.refused));
    let slowest = probes.iter().max().expect("there were probes");
    let came = format!(
        "{:.0} requests/s possible, {rate:.0} asked for: goodput {:.0} %; 99 % of the accepted within {accepted:.0?}, of the \
         refused within {refused:.0?}; each of {} probes within {slowest:.0?}; {middle:.1} → {end:.1} MiB",
        capacity.per_second(),
        100.0 * goodput,
        probes.len(),
    );
    assert!(most < limit, "{most:.1} MiB of {limit:.0}: {came}");
    assert!(goodput >= BUSY_GOODPUT, "{came}");
    assert!(part(50, &seen.refused) < ACQUIRE_TIMEOUT, "{came}");
    if long().is_some() {
        assert!(goodput >= LEAST_GOODPUT, "{came}");
        assert!(accepted < REQUEST_TIMEOUT && refused < REFUSAL, "{came}");
        assert!(*slowest < PROBE_TIMEOUT, "{came}");
        assert!(end <= MOST_GROWTH * middle, "{came}");
    }
    tell("overload", &subject.options(), &came);
}

/// What came of requests.
#[derive(Default)]
struct Seen {
    time: Duration,
    /// How long those took that got a 200, from when they were due.
    accepted: Vec<Duration>,
    /// Those that got a 503.
    refused: Vec<Duration>,
    /// How many of the accepted ones were served before the time was over.
    in_time: u32,
    /// What became of the others.
    others: Vec<String>,
}

impl Seen {
    fn per_second(&self) -> f64 {
        f64::from(self.in_time) / self.time.as_secs_f64()
    }
}

/// Has requests come at this pace, or as fast as so many clients get their responses.
fn load(
    address: SocketAddr,
    request: &str,
    clients: usize,
    pace: Option<Duration>,
    time: Duration,
) -> Seen {
    let (since, number) = (Instant::now(), AtomicU32::new(0));
    let next = || match pace {
        Some(pace) => since + pace * number.fetch_add(1, Relaxed),
        None => Instant::now(),
    };
    let client = || {
        let (mut seen, mut connection) = (Seen::default(), None);
        loop {
            let due = next();
            if due >= since + time {
                return seen;
            }
            thread::sleep(due.saturating_duration_since(Instant::now()));
            match ask(address, request, &mut connection) {
                Ok(200) => {
                    seen.accepted.push(due.elapsed());
                    seen.in_time += u32::from(since.elapsed() < time);
                }
                Ok(503) => seen.refused.push(due.elapsed()),
                other => seen.others.push(format!("{other:?}")),
            }
        }
    };
    let seen = thread::scope(|scope| {
        let clients: Vec<_> = (0..clients).map(|_| scope.spawn(client)).collect();
        let seen = clients.into_iter().map(|client| client.join().unwrap());
        seen.collect::<Vec<_>>()
    });
    seen.into_iter().fold(
        Seen {
            time,
            ..Seen::default()
        },
        |mut all, one| {
            all.accepted.extend(one.accepted);
            all.refused.extend(one.refused);
            all.in_time += one.in_time;
            all.others.extend(one.others);
            all
        },
    )
}

/// The status of the response, on this connection or on a new one.
fn ask(
    address: SocketAddr,
    request: &str,
    connection: &mut Option<Connection>,
) -> std::io::Result<u16> {
    let mut used = match connection.take() {
        Some(connection) => connection,
        None => Connection::open(address)?,
    };
    let response = used.ask(request)?;
    if !response.is_last() {
        *connection = Some(used);
    }
    Ok(response.status)
}

/// Asks as Kubernetes does, until it is to stop; how long each took.
fn probe(address: SocketAddr, stop: &AtomicBool) -> Vec<Duration> {
    let mut times = Vec::new();
    while !stop.load(Relaxed) {
        for path in ["/livez", "/readyz"] {
            let since = Instant::now();
            let request = request("GET", path, &[], None);
            assert_eq!(ask(address, &request, &mut None).unwrap(), 200, "{path}");
            times.push(since.elapsed());
        }
        thread::sleep(PROBE_PAUSE);
    }
    times
}

/// In MiB.
fn resident(service: &Service) -> f64 {
    service.kibibytes("VmRSS:") as f64 / 1024.0
}

/// The time that so many of a hundred did not exceed.
fn part(percent: usize, times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort();
    times[(times.len() * percent).div_ceil(100) - 1]
}

/// What a pod may take at most, in MiB.
fn memory_limit(deployment: &str) -> f64 {
    let limits = deployment.split("limits:").nth(1);
    let memory = limits.and_then(|limits| limits.split("memory:").nth(1)?.split("Mi").next());
    memory.expect("a limit in Mi").trim().parse().unwrap()
}
