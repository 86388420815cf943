//! What becomes of a service that is asked for three times what it can do.
//!
//! The loop is open: requests are due at their times, whatever became of those before, as those of many clients are. wrk
//! cannot do that, and `oha` does not tell how long the accepted requests took from how long the refused ones took, which
//! is the question here; so the clients are a few lines with hyper.
//!
//! The limit is that of the database, as it mostly is: a read takes it some milliseconds, so that the few connections of
//! the pool are the bottleneck. Were it the CPU, then on a small machine the clients, who share it, would take what the
//! service needs, and how those two share it would be measured.

use std::cell::{Cell, RefCell};
use std::fs;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::task::{JoinSet, LocalSet};

use crate::builds;
use crate::collector::Collector;
use crate::load::Load;
use crate::process::{Memory, Process, get};
use crate::rounds::Stage;
use crate::servers;
use crate::subjects::{self, Question, UNCACHED};

/// How many times of what it can do it is asked for.
const TIMES: f64 = 3.0;

/// How long its capacity is measured.
const CAPACITY_SECONDS: u32 = 5;

/// The default of `HTTP_REQUEST_TIMEOUT_MS`.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Within this a request that is refused has its answer.
const REFUSAL: Duration = Duration::from_millis(50);

/// Fewer than the default of `HTTP_MAX_CONNECTIONS`, more than that of `HTTP_MAX_IN_FLIGHT`.
const MAX_CONNECTIONS: usize = 1_000;

/// How much of what it can do it has to go on doing.
const LEAST_GOODPUT: f64 = 0.9;

/// How much of the memory after a third may be there in the end.
const MOST_GROWTH: f64 = 1.05;

/// The longest that clients wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a probe of Kubernetes may take, and how often there is one here.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
const PROBE_PAUSE: Duration = Duration::from_millis(100);

/// Asks a generated service for three times of what it can do.
///
/// Measures what it can do, and then has requests come three times as often, whatever became of those before. It passes if
/// it serves as much as before, in time, refuses all others at once, answers probes, and takes no more memory.
#[derive(clap::Args)]
pub struct Overload {
    /// How long.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(3..))]
    seconds: u32,
    /// How long the database takes for a read.
    #[arg(long, value_name = "MS", default_value_t = 5)]
    read_ms: u32,
}

impl Overload {
    /// Whether it passes.
    pub fn run(&self) -> Result<bool> {
        let mut subjects = subjects::all().into_iter();
        let subject = subjects.find(|subject| subject.name == UNCACHED);
        let subject = subject.context("there is no such subject")?;
        let deployment = builds::render(&subject)?.join("deploy/kubernetes/deployment.yaml");
        let limit = memory_limit(&fs::read_to_string(deployment)?)?;
        let built = builds::build(subject)?;
        let directory = tempfile::tempdir()?;
        let stage = Stage::set(&built, 0, "", &Collector::start()?, directory.path())?;
        stage.database.has_room()?;
        stage.database.execute(&format!(
            "ALTER TABLE accounts RENAME TO kept_accounts;
             CREATE VIEW accounts AS SELECT kept_accounts.* FROM kept_accounts, pg_sleep({})",
            f64::from(self.read_ms) / 1e3
        ))?;
        let paths: Vec<String> = servers::ids()
            .iter()
            .map(|id| built.subject.path(Question::Read, id))
            .collect();

        let process = stage.start()?;
        let load = Load::run(process.address, &paths, CAPACITY_SECONDS);
        let load = load.with_context(|| format!("it fails already{}", process.last_words()))?;
        let capacity = load.requests_per_second();
        let rate = capacity * TIMES;
        eprintln!("it can do {capacity:.0} requests/s, and is asked for {rate:.0}");
        let before = process.memory()?;
        let time = Duration::from_secs(self.seconds.into());
        let is_over = AtomicBool::new(false);
        let (flooded, probes) = thread::scope(|scope| {
            let probes = scope.spawn(|| probe(process.address, &is_over));
            let flooded = flood(&process, &paths, rate, time);
            is_over.store(true, Relaxed);
            (flooded, probes.join())
        });
        let (seen, middle) = flooded?;

        let mut report = Report { passed: true };
        report.requests(&seen, capacity, time);
        report.probes(&probes.map_err(|_| anyhow!("the probes panicked"))?);
        report.memory(before, middle, process.memory()?, limit);
        Ok(report.passed)
    }
}

/// What came of all requests.
#[derive(Default)]
struct Seen {
    /// How long those took that were answered with 200, from when they were due.
    accepted: Vec<Duration>,
    /// Those with 503.
    refused: Vec<Duration>,
    /// How many of the accepted ones were answered before the flood was over.
    in_time: u64,
    /// Those with another answer, or none.
    others: u64,
    /// Those for which there was no connection left.
    unsent: u64,
}

/// What requests are sent with and remembered in.
struct Clients {
    address: SocketAddr,
    idle: RefCell<Vec<SendRequest<Empty<Bytes>>>>,
    connections: Cell<usize>,
    end: Instant,
    seen: RefCell<Seen>,
}

/// Has requests come at this rate for as long; what came of them, and the memory that is resident after a third.
fn flood(process: &Process, paths: &[String], rate: f64, time: Duration) -> Result<(Seen, f64)> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let tasks = LocalSet::new();
    let started = Instant::now();
    let clients = Rc::new(Clients {
        address: process.address,
        idle: RefCell::default(),
        connections: Cell::new(0),
        end: started + time,
        seen: RefCell::default(),
    });
    let middle = tasks.block_on(&runtime, async {
        let mut middle = None;
        let mut sent = 0;
        let mut asked = JoinSet::new();
        let mut clock = tokio::time::interval(Duration::from_millis(1));
        while started.elapsed() < time {
            clock.tick().await;
            while f64::from(sent) < started.elapsed().min(time).as_secs_f64() * rate {
                let due = started + Duration::from_secs_f64(f64::from(sent) / rate);
                let path = paths[sent as usize % paths.len()].clone();
                asked.spawn_local(Rc::clone(&clients).ask(path, due));
                sent += 1;
            }
            while asked.try_join_next().is_some() {}
            if middle.is_none() && started.elapsed() >= time / 3 {
                middle = Some(process.memory()?.resident);
            }
        }
        asked.join_all().await;
        middle.context("the time was too short")
    })?;
    Ok((clients.seen.take(), middle))
}

impl Clients {
    /// Sends a request on a connection that is free, or on a new one, and remembers what came of it.
    async fn ask(self: Rc<Clients>, path: String, due: Instant) {
        let idle = self.idle.borrow_mut().pop();
        if idle.is_none() && self.connections.get() >= MAX_CONNECTIONS {
            self.seen.borrow_mut().unsent += 1;
            return;
        }
        let answer = tokio::time::timeout(PATIENCE, self.send(idle, path)).await;
        let mut seen = self.seen.borrow_mut();
        match answer {
            Ok(Ok(StatusCode::OK)) => {
                seen.accepted.push(due.elapsed());
                seen.in_time += u64::from(Instant::now() < self.end);
            }
            Ok(Ok(StatusCode::SERVICE_UNAVAILABLE)) => seen.refused.push(due.elapsed()),
            _ => seen.others += 1,
        }
    }

    async fn send(
        self: &Rc<Clients>,
        idle: Option<SendRequest<Empty<Bytes>>>,
        path: String,
    ) -> Result<StatusCode> {
        let mut sender = match idle {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        let request = Request::get(path)
            .header(HOST, self.address.to_string())
            .body(Empty::new())?;
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        answer.into_body().collect().await?;
        if sender.ready().await.is_ok() {
            self.idle.borrow_mut().push(sender);
        }
        Ok(status)
    }

    async fn connect(self: &Rc<Clients>) -> Result<SendRequest<Empty<Bytes>>> {
        let counted = Counted::new(self);
        let stream = TcpStream::connect(self.address).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::task::spawn_local(async move {
            let _ = connection.await;
            drop(counted);
        });
        Ok(sender)
    }
}

/// A connection that is being made or is there.
struct Counted(Rc<Clients>);

impl Counted {
    fn new(clients: &Rc<Clients>) -> Counted {
        clients.connections.update(|count| count + 1);
        Counted(Rc::clone(clients))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connections.update(|count| count - 1);
    }
}

/// What came of the probes.
#[derive(Default)]
struct Probes {
    asked: u64,
    failed: u64,
    slowest: Duration,
}

/// Asks as Kubernetes does, until it is over.
fn probe(address: SocketAddr, is_over: &AtomicBool) -> Probes {
    let mut probes = Probes::default();
    while !is_over.load(Relaxed) {
        for path in ["/livez", "/readyz"] {
            let started = Instant::now();
            let is_well = get(address, path).is_ok_and(|(status, _)| status == 200);
            let time = started.elapsed();
            probes.asked += 1;
            probes.failed += u64::from(!is_well || time > PROBE_TIMEOUT);
            probes.slowest = probes.slowest.max(time);
        }
        thread::sleep(PROBE_PAUSE);
    }
    probes
}

/// Prints what holds and what does not.
struct Report {
    passed: bool,
}

impl Report {
    fn requests(&mut self, seen: &Seen, capacity: f64, time: Duration) {
        let goodput = seen.in_time as f64 / time.as_secs_f64();
        let part = goodput / capacity;
        let line = format!(
            "goodput is {goodput:.0} requests/s, {:.0} % of what it can do",
            100.0 * part
        );
        self.line(part >= LEAST_GOODPUT, &line);
        let (count, p99) = (seen.accepted.len(), quantile(&seen.accepted, 0.99));
        let line = format!("p99 of the {count} accepted is {p99:.0?}, of {REQUEST_TIMEOUT:?}");
        self.line(count > 0 && p99 < REQUEST_TIMEOUT, &line);
        let (count, p99) = (seen.refused.len(), quantile(&seen.refused, 0.99));
        let slowest = quantile(&seen.refused, 1.0);
        let line = format!(
            "p99 of the {count} refused with 503 is {p99:.1?}, of {REFUSAL:?}; at most {slowest:.1?}"
        );
        self.line(count > 0 && p99 < REFUSAL, &line);
        let line = format!("{} got another answer or none", seen.others);
        self.line(seen.others == 0, &line);
        let line = format!("{} could not be sent", seen.unsent);
        self.line(seen.unsent == 0, &line);
    }

    fn probes(&mut self, probes: &Probes) {
        let Probes {
            asked,
            failed,
            slowest,
        } = probes;
        let line = format!("{failed} of {asked} probes failed, the slowest took {slowest:.1?}");
        self.line(*asked > 0 && *failed == 0, &line);
    }

    fn memory(&mut self, before: Memory, middle: f64, after: Memory, limit: f64) {
        let (before, end) = (before.resident, after.resident);
        let line = format!(
            "{before:.1} MiB were resident before, {middle:.1} after a third, {end:.1} in the end"
        );
        self.line(end <= MOST_GROWTH * middle, &line);
        let line = format!("{:.1} MiB at most, of the pod's {limit:.0}", after.peak);
        self.line(after.peak < limit, &line);
    }

    fn line(&mut self, holds: bool, what: &str) {
        self.passed &= holds;
        println!("{}  {what}", if holds { "pass" } else { "FAIL" });
    }
}

/// The time that this part of them did not exceed; none of none.
fn quantile(times: &[Duration], part: f64) -> Duration {
    let mut times = times.to_vec();
    times.sort();
    let rank = (part * times.len() as f64).ceil() as usize;
    times
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

/// What a pod may take at most, in MiB.
fn memory_limit(deployment: &str) -> Result<f64> {
    let limits = deployment.split("limits:").nth(1);
    let memory = limits.and_then(|limits| limits.split("memory:").nth(1)?.split("Mi").next());
    let memory = memory.context("the deployment has no limit for memory in Mi")?;
    Ok(memory.trim().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_a_time_that_this_part_did_not_exceed() {
        let times: Vec<_> = (1..=200).rev().map(Duration::from_millis).collect();
        assert_eq!(quantile(&times, 0.99), Duration::from_millis(198));
        assert_eq!(quantile(&times, 1.0), Duration::from_millis(200));
        assert_eq!(quantile(&times[..1], 0.5), Duration::from_millis(200));
        assert_eq!(quantile(&[], 0.99), Duration::ZERO);
    }

    #[test]
    fn the_limit_of_a_pod_is_that_of_its_limits() {
        let deployment = "requests:\n  memory: 128Mi\nlimits:\n  memory: 512Mi\n";
        assert_eq!(memory_limit(deployment).unwrap(), 512.0);
        assert!(memory_limit("requests:\n  memory: 128Mi\n").is_err());
    }
}
