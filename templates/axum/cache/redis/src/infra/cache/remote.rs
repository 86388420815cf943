//! The one connection to Redis, and the watch over it.
//!
//! A request sends a command and waits for it no longer than
//! `REDIS_COMMAND_TIMEOUT_MS`. The rest is for the watch: a task that makes
//! connections, asks for a sign of life now and then, repeats removals that were
//! not heard, and probes while the breaker is open. So no request waits longer
//! because there is no connection yet, and none is the probe.

use std::collections::HashSet;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::Settings;
use super::breaker::{Breaker, BreakerState};
use crate::context::Context;
use crate::infra::dependency::{Call, CallError, Dependency, Failure, Retry};
use crate::telemetry::Outcome;
use crate::telemetry::metrics::Metrics;

/// The name that the metrics carry.
const NAME: &str = "cache";

/// How often to ask for a sign of life, so that `dependency_up` is right when
/// nobody else asks.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// How many removals are remembered to be repeated. What is beyond that lasts as
/// long as any entry.
const REMOVALS_AT_MOST: usize = 10_000;

/// Redis, as this process sees it.
pub struct Remote {
    url: String,
    config: ConnectionManagerConfig,
    connection: Mutex<Connection>,
    command_timeout: Duration,
    connect_timeout: Duration,
    breaker: Breaker,
    dependency: Dependency,
    metrics: Metrics,
    /// Entries whose removal Redis may not have heard of.
    removals: Mutex<HashSet<String>>,
    /// Tells the watch that there is something to do.
    wake: Arc<Notify>,
}

/// One connection after the other, numbered; none until somebody needs it.
#[derive(Default)]
struct Connection {
    number: u64,
    manager: Option<ConnectionManager>,
}

impl Connection {
    /// Ends this one. The next one is made when it is needed.
    fn end(&mut self) {
        self.number += 1;
        self.manager = None;
    }
}

/// Why there is no answer.
pub enum Unanswered {
    /// The call failed.
    Failed,
    /// The breaker did not let it through.
    NotAsked,
}

impl Remote {
    /// Begins to connect, and returns at once. Ends with its last user.
    pub fn start(settings: &Settings, metrics: Metrics) -> Arc<Remote> {
        // No retries: commands would wait for them.
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(settings.connect_timeout))
            .set_response_timeout(None)
            .set_number_of_retries(0);
        let remote = Arc::new(Remote {
            url: settings.url.clone(),
            config,
            connection: Mutex::default(),
            command_timeout: settings.command_timeout,
            connect_timeout: settings.connect_timeout,
            breaker: Breaker::new(Instant::now()),
            dependency: Dependency::new(NAME, "redis", metrics.clone()),
            metrics,
            removals: Mutex::default(),
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
        let own = Context::new(context.request_id(), self.command_timeout);
        let removed: Result<(), _> =
            self.ask(&own, self.call("DEL", cache), &Cmd::del(&entry)).await;
        for waits in own.waits() {
            context.waited(waits.dependency, waits.time);
        }
        if removed.is_err() {
            self.remove_later(entry);
        }
    }

    /// Leaves the removal to the watch.
    pub fn remove_later(&self, entry: String) {
        let mut removals = self.removals();
        if removals.len() < REMOVALS_AT_MOST {
            removals.insert(entry);
        }
        drop(removals);
        self.wake.notify_one();
    }

    fn call(&self, operation: &'static str, collection: &'static str) -> Call {
        Call { operation, collection, timeout: self.command_timeout, retry: Retry::Never }
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
        let result = self.send(context, call, command).await;
        self.count(&result);
        if matches!(result, Err(CallError::Timeout)) {
            // The connection was replaced, and somebody has to make the new one.
            self.wake.notify_one();
        }
        result.map_err(|_| Unanswered::Failed)
    }

    async fn send<T: FromRedisValue>(
        &self,
        context: &Context,
        call: Call,
        command: &Cmd,
    ) -> Result<T, CallError<RedisError>> {
        let was_up = self.dependency.is_up();
        let (number, connection) = self.connection();
        let attempt = || {
            let connection = connection.clone();
            async move { command.query_async(&mut connection?).await }
        };
        let result = self.dependency.call(context, call, attempt).await;
        if let Err(error) = &result {
            match was_up {
                true => tracing::warn!(%error, operation = call.operation, "the cache fails"),
                false => tracing::debug!(%error, operation = call.operation, "the cache fails"),
            }
            if matches!(error, CallError::Timeout) {
                self.hang_up(number);
            }
        }
        result
    }

    fn count<T>(&self, result: &Result<T, CallError<RedisError>>) {
        let outcome = result.as_ref().map_or_else(CallError::outcome, |_| Outcome::Ok);
        // One that was never tried says nothing of the cache.
        if outcome == Outcome::Rejected {
            return;
        }
        if self.breaker.count(outcome != Outcome::Ok, Instant::now()) {
            tracing::warn!("the cache fails too often and is left alone for a while");
            self.show_breaker();
            self.wake.notify_one();
        }
    }

    fn show_breaker(&self) {
        self.metrics.breaker_state(NAME, self.breaker.state());
    }

    /// The connection; it is made by the first command that is sent on it.
    fn connection(&self) -> (u64, RedisResult<ConnectionManager>) {
        let mut current = self.current();
        let manager = match &current.manager {
            Some(manager) => Ok(manager.clone()),
            None => {
                let client = Client::open(self.url.as_str());
                let made = client.and_then(|client| {
                    ConnectionManager::new_lazy_with_config(client, self.config.clone())
                });
                current.manager = made.as_ref().ok().cloned();
                made
            }
        };
        (current.number, manager)
    }

    /// Ends the connection of this number. A silent one may be dead, and the
    /// kernel can take a quarter of an hour to find out.
    fn hang_up(&self, number: u64) {
        let mut current = self.current();
        if current.number == number {
            current.end();
        }
    }

    fn current(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn removals(&self) -> MutexGuard<'_, HashSet<String>> {
        self.removals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One round of the watch.
    async fn look_after(&self) {
        match self.breaker.until_probe(Instant::now()) {
            None => self.count(&self.knock().await),
            Some(Duration::ZERO) => self.probe().await,
            Some(_) => {}
        }
    }

    /// Finds out, on a new connection, whether Redis answers again.
    async fn probe(&self) {
        self.breaker.probe();
        self.show_breaker();
        self.current().end();
        let answered = self.knock().await.is_ok();
        self.breaker.probed(answered, Instant::now());
        self.show_breaker();
        if answered {
            tracing::info!("the cache is asked again");
            // Something may have changed in the meantime.
            self.wake.notify_one();
        }
    }

    /// Asks for a sign of life, and has it do what is left to do.
    async fn knock(&self) -> Result<(), CallError<RedisError>> {
        let entries = mem::take(&mut *self.removals());
        let (operation, command) = match entries.is_empty() {
            true => ("PING", Cmd::ping()),
            false => ("DEL", Cmd::del(&entries)),
        };
        let timeout = self.connect_timeout + self.command_timeout;
        let context = Context::new("ping", timeout);
        let call = Call { timeout, ..self.call(operation, "") };
        let result = self.send(&context, call, &command).await;
        if result.is_err() {
            self.removals().extend(entries);
        }
        result
    }
}

/// Looks after `remote` for as long as somebody uses it.
async fn watch(remote: Weak<Remote>, wake: Arc<Notify>) {
    while let Some(remote) = remote.upgrade() {
        remote.look_after().await;
        let pause = remote.breaker.until_probe(Instant::now()).unwrap_or(PING_INTERVAL);
        drop(remote);
        // Whichever ends first.
        let _ = timeout(pause, wake.notified()).await;
    }
}

impl Failure for RedisError {
    fn outcome(&self) -> Outcome {
        match self.is_timeout() {
            true => Outcome::Timeout,
            false => Outcome::Error,
        }
    }

    fn is_transient(&self) -> bool {
        self.is_io_error()
    }

    fn error_type(&self) -> &'static str {
        match self.kind() {
            _ if self.is_timeout() => "connect_timeout",
            ErrorKind::Io => "connection",
            ErrorKind::AuthenticationFailed => "authentication",
            ErrorKind::Server(_) | ErrorKind::Extension => "server",
            _ => "client",
        }
    }
}
