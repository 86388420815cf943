//! The one connection to Redis, and the watch over it.
//!
//! A request sends a command and waits for it no longer than
//! `REDIS_COMMAND_TIMEOUT_MS`. What may take longer is for the watch: a task that
//! makes connections, asks for a sign of life now and then, repeats removals that
//! were not confirmed, and probes while the breaker is open. So a request that
//! gives up ends no connection that is being made, and none is the probe.
//!
//! A connection is used once a removal has succeeded on it. To answer is not
//! enough: a replica does, or a node of a cluster that has nothing to say, but on
//! what they hold no change has an effect.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult};
use tokio::sync::{Notify, watch};
use tokio::time::{timeout, timeout_at};

use super::Settings;
use super::breaker::{Breaker, BreakerState};
use super::removals::Removals;
use crate::context::Context;
use crate::infra::background::watched;
use crate::infra::dependency::{Call, CallError, Dependency, Failure, Retry};
use crate::telemetry::Outcome;
use crate::telemetry::metrics::Metrics;

/// The name that the metrics carry.
const NAME: &str = "cache";

/// How often to ask for a sign of life, so that `dependency_up` is right when
/// nobody else asks.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// How often to warn of failures of one kind.
const WARN_INTERVAL: Duration = Duration::from_secs(60);

/// What the server may say when it refuses, as far as it is worth a label.
const REFUSALS: [&str; 13] = [
    "BUSY",
    "CLUSTERDOWN",
    "CROSSSLOT",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "MOVED",
    "NOAUTH",
    "NOPERM",
    "NOREPLICAS",
    "OOM",
    "READONLY",
    "WRONGTYPE",
];

/// Redis, as this process sees it.
pub struct Remote {
    url: String,
    authorities: Option<Vec<u8>>,
    command_timeout: Duration,
    connect_timeout: Duration,
    /// An entry that there never is.
    nothing: String,
    link: watch::Sender<Link>,
    breaker: Breaker,
    dependency: Dependency,
    metrics: Metrics,
    removals: Mutex<Removals>,
    /// When a warning was given of a kind of failure.
    warned: Mutex<HashMap<&'static str, Instant>>,
    /// Tells the watch that there is something to do.
    wake: Arc<Notify>,
}

/// The connection, as it is now.
enum Link {
    /// The watch is at it; requests wait.
    Making,
    Made(Arc<MultiplexedConnection>),
    /// It could not be made.
    Failed,
}

impl Link {
    fn made(&self) -> Option<&Arc<MultiplexedConnection>> {
        match self {
            Link::Made(connection) => Some(connection),
            Link::Making | Link::Failed => None,
        }
    }

    fn is(&self, connection: &Arc<MultiplexedConnection>) -> bool {
        self.made().is_some_and(|made| Arc::ptr_eq(made, connection))
    }
}

/// Why there is no response.
pub enum Unanswered {
    /// The call failed.
    Failed,
    /// The server is well and refused just this.
    Refused,
    /// The breaker did not let it through, or what it asks for may be out of date.
    NotAsked,
}

impl Remote {
    /// Begins to connect, and returns at once. Ends with its last user. No entry
    /// lasts longer than `lifetime`.
    pub fn start(
        settings: &Settings,
        nothing: String,
        lifetime: Duration,
        metrics: Metrics,
    ) -> Arc<Remote> {
        let remote = Arc::new(Remote {
            url: settings.url.clone(),
            authorities: settings.authorities.clone(),
            command_timeout: settings.command_timeout,
            connect_timeout: settings.connect_timeout,
            nothing,
            link: watch::Sender::new(Link::Making),
            breaker: Breaker::new(Instant::now()),
            dependency: Dependency::new(NAME, "redis", metrics.clone()),
            metrics,
            removals: Mutex::new(Removals::new(lifetime)),
            warned: Mutex::default(),
            wake: Arc::default(),
        });
        remote.show_breaker();
        tokio::spawn(watch(Arc::downgrade(&remote), Arc::clone(&remote.wake)));
        remote
    }

    pub fn dependency(&self) -> &Dependency {
        &self.dependency
    }

    /// What `entry` holds.
    pub async fn get(
        &self,
        context: &Context,
        cache: &'static str,
        entry: &str,
    ) -> Result<Option<Vec<u8>>, Unanswered> {
        if self.removals().cover(entry, Instant::now()) {
            return Err(Unanswered::NotAsked);
        }
        self.ask(context, self.call("GET", cache), &Cmd::get(entry)).await
    }

    /// Lets `entry` hold `value` for `ttl`.
    pub async fn set(
        &self,
        context: &Context,
        cache: &'static str,
        entry: &str,
        value: &[u8],
        ttl: Duration,
    ) -> Result<(), Unanswered> {
        let millis = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        let command = Cmd::pset_ex(entry, value, millis);
        self.ask(context, self.call("PSETEX", cache), &command).await
    }

    /// Removes `entry`, now or as soon as Redis can be reached.
    pub async fn remove(&self, context: &Context, cache: &'static str, entry: String) {
        // What was committed in the last moment has to be removed all the same.
        let context = context.clone().due_in(self.command_timeout);
        let removed: Result<(), _> =
            self.ask(&context, self.call("DEL", cache), &Cmd::del(&entry)).await;
        if removed.is_err() {
            self.remove_later(entry);
        }
    }

    /// Reads nothing from `entry` for as long as it may yet be stored and last.
    pub fn doubt(&self, entry: String) {
        self.removals().doubt(entry, Instant::now());
    }

    /// Leaves the removal to the watch.
    pub fn remove_later(&self, entry: String) {
        self.removals().add(entry, Instant::now());
        self.wake.notify_one();
    }

    /// Tries once more to remove what is still to be removed, until `deadline`.
    pub async fn close(&self, deadline: tokio::time::Instant) {
        let deliver = async {
            // On a new connection: the one that there is may be the reason.
            self.connect().await;
            while self.breaker.state() == BreakerState::Closed
                && self.removals().are_due(Instant::now())
            {
                self.look_after().await;
            }
        };
        if self.removals().are_pending() {
            // What is left is counted below.
            let _ = timeout_at(deadline, deliver).await;
        }
        let lost = self.removals().lost(Instant::now());
        if lost > 0 {
            tracing::warn!(lost, "entries of the cache are out of date until they expire");
        }
    }

    fn call(&self, operation: &'static str, collection: &'static str) -> Call {
        Call { operation, collection, timeout: self.command_timeout, retry: Retry::IfUndone }
    }

    /// Sends a request's command, if the breaker lets it through.
    async fn ask<T: FromRedisValue>(
        &self,
        context: &Context,
        call: Call,
        command: &Cmd,
    ) -> Result<T, Unanswered> {
        if self.breaker.state() != BreakerState::Closed {
            self.metrics.dependency_request(NAME, Outcome::Rejected);
            return Err(Unanswered::NotAsked);
        }
        let began = Instant::now();
        let made = self.link.borrow().made().cloned();
        let attempt = || async {
            let connection = match &made {
                Some(connection) => Arc::clone(connection),
                None => self.connection().await?,
            };
            command.query_async(&mut MultiplexedConnection::clone(&connection)).await
        };
        let result = self.dependency.call(context, call, attempt).await;
        let outcome = result.as_ref().map_or_else(CallError::outcome, |_| Outcome::Ok);
        if let Some(connection) = &made {
            self.count(connection, outcome, began);
        }
        result.map_err(|error| {
            self.warn(call.operation, &error);
            match outcome {
                Outcome::Ok => Unanswered::Refused,
                Outcome::Rejected => Unanswered::NotAsked,
                _ => Unanswered::Failed,
            }
        })
    }

    /// The connection, once it is made.
    async fn connection(&self) -> RedisResult<Arc<MultiplexedConnection>> {
        let mut link = self.link.subscribe();
        let link = link.wait_for(|link| !matches!(link, Link::Making)).await;
        let made = link.ok().and_then(|link| link.made().cloned());
        made.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected).into())
    }

    /// Counts a call that was made on `connection`. If that has been replaced
    /// since, the call says nothing of the next one.
    fn count(&self, connection: &Arc<MultiplexedConnection>, outcome: Outcome, began: Instant) {
        if !self.link.borrow().is(connection) {
            return;
        }
        match outcome {
            Outcome::Misused | Outcome::Rejected | Outcome::Cancelled => return,
            Outcome::Ok => {}
            // It is slow or dead. The kernel can take a quarter of an hour to find
            // out which, so the watch does.
            Outcome::Timeout => self.wake.notify_one(),
            // It is broken, or leads to a server that will not do. Behind the same
            // name there may be another one by now.
            Outcome::Error => self.replace(connection),
        }
        if self.breaker.count(outcome != Outcome::Ok, began, Instant::now()) {
            tracing::warn!("the cache fails too often and is left alone for a while");
            self.show_breaker();
            self.wake.notify_one();
        }
    }

    /// Has another connection made in place of this one.
    fn replace(&self, connection: &Arc<MultiplexedConnection>) {
        let replaced = self.link.send_if_modified(|link| {
            let is_ours = link.is(connection);
            if is_ours {
                *link = Link::Making;
            }
            is_ours
        });
        if replaced {
            self.wake.notify_one();
        }
    }

    /// Warns of a failure, or of a new reason for it, but not of each one.
    fn warn(&self, operation: &'static str, error: &CallError<RedisError>) {
        let error_type = match error {
            CallError::Failed(error) => error.error_type(),
            CallError::Timeout => "timeout",
            // That was the request's own fault.
            CallError::Rejected => return,
        };
        let now = Instant::now();
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        let last = warned.get(error_type);
        if last.is_none_or(|last| now.duration_since(*last) >= WARN_INTERVAL) {
            warned.insert(error_type, now);
            tracing::warn!(%error, error_type, operation, "the cache fails");
        }
    }

    fn show_breaker(&self) {
        self.metrics.breaker_state(NAME, self.breaker.state());
    }

    fn removals(&self) -> MutexGuard<'_, Removals> {
        self.removals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One round of the watch.
    async fn look_after(&self) {
        let made = self.link.borrow().made().cloned();
        match (self.breaker.until_probe(Instant::now()), made) {
            (None, Some(connection)) => self.check(&connection).await,
            (None, None) => self.connect().await,
            (Some(Duration::ZERO), _) => {
                self.breaker.probe();
                self.show_breaker();
                self.connect().await;
            }
            (Some(_), _) => {}
        }
    }

    /// When the next one is due.
    fn pause(&self) -> Duration {
        match self.breaker.until_probe(Instant::now()) {
            Some(wait) => wait,
            None if self.removals().are_due(Instant::now()) => Duration::ZERO,
            None => CHECK_INTERVAL,
        }
    }

    /// Makes a connection. If it can be used, the breaker lets calls through.
    async fn connect(&self) {
        let timeout = self.connect_timeout + self.command_timeout;
        let call = Call { timeout, ..self.call("CONNECT", "") };
        let attempt = || async {
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(self.connect_timeout))
                .set_response_timeout(None);
            let client = super::client(&self.url, self.authorities.as_deref())?;
            let made = client.get_multiplexed_async_connection_with_config(&config).await?;
            self.remove_pending(made.clone()).await?;
            Ok(made)
        };
        let result = self.dependency.call(&Context::new("connect", timeout), call, attempt).await;
        let link = match result {
            Ok(made) => Link::Made(Arc::new(made)),
            Err(error) => {
                self.warn(call.operation, &error);
                Link::Failed
            }
        };
        let made = link.made().is_some();
        self.link.send_replace(link);
        self.breaker.probed(made, Instant::now());
        self.show_breaker();
    }

    /// Asks for a sign of life. If there is none, a new connection is made, and
    /// nothing is let through before.
    async fn check(&self, connection: &MultiplexedConnection) {
        let call = self.call("DEL", "");
        let context = Context::new("check", self.command_timeout);
        let attempt = || self.remove_pending(connection.clone());
        if let Err(error) = self.dependency.call(&context, call, attempt).await {
            self.warn(call.operation, &error);
            self.breaker.open(Instant::now());
            self.show_breaker();
        }
    }

    /// Removes some of what is still to be removed, and what there never is: a
    /// command for each, since a cluster refuses one for several keys. Only the last
    /// tells whether the connection can be used: a server may refuse one key alone.
    async fn remove_pending(&self, mut connection: MultiplexedConnection) -> RedisResult<()> {
        let batch = self.removals().batch(Instant::now());
        let mut pipeline = redis::pipe();
        pipeline.ignore_errors().del(&self.nothing);
        for (entry, _) in &batch {
            pipeline.del(entry);
        }
        let results: Vec<RedisResult<()>> = pipeline.query_async(&mut connection).await?;
        let mut results = results.into_iter();
        let usable = results.next().unwrap_or(Ok(()));
        for ((entry, expires), result) in batch.iter().zip(results) {
            match result {
                Ok(()) => self.removals().confirm(entry, *expires),
                Err(error) => {
                    self.removals().refuse(entry, Instant::now());
                    self.warn("DEL", &CallError::Failed(error));
                }
            }
        }
        usable
    }
}

/// Looks after `remote` for as long as somebody uses it.
async fn watch(remote: Weak<Remote>, wake: Arc<Notify>) {
    while let Some(remote) = remote.upgrade() {
        if !watched("cache", remote.look_after()).await {
            // The result of its probe would be waited for without an end.
            if remote.breaker.state() != BreakerState::Closed {
                remote.breaker.probed(false, Instant::now());
                remote.show_breaker();
            }
        }
        let pause = remote.pause();
        drop(remote);
        // Whichever ends first.
        let _ = timeout(pause, wake.notified()).await;
    }
}

impl Failure for RedisError {
    fn outcome(&self) -> Outcome {
        match self.code() {
            // The server is well: it may not store more, or holds something else.
            Some("OOM" | "WRONGTYPE") => Outcome::Ok,
            _ if self.is_timeout() => Outcome::Timeout,
            _ => Outcome::Error,
        }
    }

    fn is_transient(&self) -> bool {
        self.is_io_error()
    }

    fn error_type(&self) -> &'static str {
        let refusal = REFUSALS.into_iter().find(|refusal| self.code() == Some(refusal));
        match self.kind() {
            _ if self.is_timeout() => "connect_timeout",
            ErrorKind::Io => "connection",
            ErrorKind::AuthenticationFailed => "authentication",
            ErrorKind::Server(_) | ErrorKind::Extension => refusal.unwrap_or("server"),
            _ => "client",
        }
    }
}
