//! Connections to a database, each lent to one caller at a time.
//!
//! A connection that comes back is lent again as it is, and nothing is asked of
//! the server in between. So only one that is at rest comes back: its last
//! statement has ended, and it is outside of a transaction. Every other one is
//! closed. One whose call was cut off may still get the response to it, or be
//! inside a transaction that the client knows nothing of: the next statement on
//! it would be acknowledged, and lost with that transaction.
//!
//! A call is cut off by dropping its future, at any `await`. So a lease closes its
//! connection unless [`Lease::end`] says otherwise, and whatever is forgotten
//! costs a connection and never a write.
//!
//! The server goes on with a statement whose client has gone. So a connection that is
//! closed keeps its place in the pool until the server is done with it: however many
//! callers leave, the server has no more connections than there may be.

use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use deadpool::managed::{self, Object, PoolError, RecycleError, RecycleResult};
use futures_util::future::join_all;
use sqlx::Connection;
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

use super::meaning::verdict;
use crate::telemetry::metrics::Metrics;

/// How long one of several connections lasts, give or take a tenth: a server
/// that was added behind an address gets its share after this time.
const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// How long a connection may lie idle, while there are more than are kept ready.
const IDLE: Duration = Duration::from_secs(10 * 60);

/// A connection that lay idle for as long is tested before it is lent: the server or
/// something in between may have closed it without a word, and a write is not
/// repeated. Under load none lies idle for as long.
const UNTESTED: Duration = Duration::from_secs(5);

/// A call that was cut off after this time says that the server may be gone.
const SILENCE: Duration = Duration::from_millis(500);

/// The longest that closing a connection may take; the server notices by itself
/// where this does not get through.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// All connections are replaced at most once in this time, so that a server that
/// stays as it is is not connected to over and over again: a newer connection is kept
/// although it is of no use.
const REPLACE_PAUSE: Duration = Duration::from_secs(1);

/// The part of the acquire timeout that a caller may be expected to wait. One that would
/// wait for longer is refused at once, since it would most likely be refused in the end;
/// the rest is for what the expectation is wrong by.
const HOPE: f64 = 0.75;

/// How to make connections.
pub trait Connector: Send + Sync + 'static {
    type Connection: Connection + Send;

    /// What begins a transaction.
    const BEGIN: &'static str;

    /// Makes a connection, with all limits set.
    fn connect(&self) -> impl Future<Output = Result<Self::Connection, sqlx::Error>> + Send;

    /// Executes a statement without parameters.
    fn execute(
        connection: &mut Self::Connection,
        sql: &'static str,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
}

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The statement was refused, and the connection is at rest.
    Keep,
    /// It is broken, or its state is unknown.
    Close,
    /// The server does not do what it is for, such as a primary that was demoted.
    /// The address may lead to another one by now, so no connection is kept.
    Replace,
}

/// What is set for a pool.
#[derive(Clone, Copy)]
pub struct Limits {
    pub max_connections: usize,
    /// How many are kept ready.
    pub min_connections: usize,
    /// How long to wait for a connection.
    pub acquire_timeout: Duration,
    /// After this time the server has ended a statement by itself.
    pub statement_timeout: Duration,
    /// Whether connections are closed after [`LIFETIME`] and [`IDLE`].
    pub ages: bool,
}

/// Connections of one kind. Clones share them.
pub struct Pool<C: Connector> {
    name: &'static str,
    connections: managed::Pool<Manager<C>>,
    limits: Limits,
    metrics: Metrics,
}

/// How full a pool is.
pub struct PoolStatus {
    pub name: &'static str,
    pub used: usize,
    pub idle: usize,
    pub max: usize,
}

struct Manager<C> {
    connector: C,
    test_timeout: Duration,
    ages: bool,
    /// When a connection last turned out to be dead. Those that lay idle at that
    /// time may have died with it, and are tested before they are lent: to test each
    /// one would cost a third of a read.
    failed: Moment,
    /// What is older than this is not lent again.
    replaced: Moment,
    /// When a connection last did not respond to a test. Those that lay idle at that
    /// time are not tested one by one, but closed.
    silent: Moment,
    /// Callers that wait for a connection.
    waiting: Count,
    /// Connections that are being made.
    making: Count,
    lease_time: LeaseTime,
}

/// A connection, and what is known of it.
struct Held<T> {
    connection: T,
    made: Instant,
    expires: Instant,
    idle_since: Instant,
}

impl<T> Held<T> {
    /// Whether it is to be closed: because of its age, or because it has been idle
    /// for long and is one of those that can be spared.
    fn is_due(&self, now: Instant, spare: &mut usize) -> bool {
        let is_due = self.expires <= now || (self.idle_since + IDLE <= now && *spare > 0);
        if is_due {
            *spare = spare.saturating_sub(1);
        }
        is_due
    }
}

impl<C: Connector> Pool<C> {
    /// A pool under the name that its metrics carry. It has no connection yet.
    pub fn new(name: &'static str, connector: C, limits: Limits, metrics: Metrics) -> Pool<C> {
        metrics.declare_pool(name);
        let manager = Manager {
            connector,
            test_timeout: limits.acquire_timeout / 4,
            ages: limits.ages,
            failed: Moment::default(),
            replaced: Moment::default(),
            silent: Moment::default(),
            waiting: Count::default(),
            making: Count::default(),
            lease_time: LeaseTime::default(),
        };
        // The one used last is lent first, so that those beyond need fall idle.
        let connections = managed::Pool::builder(manager)
            .max_size(limits.max_connections)
            .queue_mode(managed::QueueMode::Lifo)
            .build()
            .expect("no timeout is set, so no runtime is needed");
        Pool { name, connections, limits, metrics }
    }

    /// Lends a connection.
    ///
    /// # Errors
    ///
    /// None is free in time, or so many wait that none will be, or none can be made.
    pub async fn lend(&self) -> Result<Lease<C>, sqlx::Error> {
        if self.is_hopeless() {
            self.metrics.pool_timeout(self.name);
            return Err(sqlx::Error::PoolTimedOut);
        }
        let pending = Pending::new(self);
        let lent = timeout(self.limits.acquire_timeout, self.connections.get()).await;
        match lent {
            Ok(Ok(connection)) => {
                pending.ends_well();
                let Limits { statement_timeout, .. } = self.limits;
                Ok(Lease { connection: Some(connection), lent: Instant::now(), statement_timeout })
            }
            Ok(Err(PoolError::Backend(error))) => Err(error),
            Ok(Err(_)) => Err(sqlx::Error::PoolClosed),
            // No caller held it up but the server.
            Err(_) if !self.is_full() => {
                let error = "the server accepts no connection in time";
                Err(io::Error::new(io::ErrorKind::TimedOut, error).into())
            }
            Err(_) => {
                self.metrics.pool_timeout(self.name);
                Err(sqlx::Error::PoolTimedOut)
            }
        }
    }

    /// Whether there are as many connections as there may be, and none is being made.
    fn is_full(&self) -> bool {
        let made = self.connections.status().size;
        made.saturating_sub(self.connections.manager().making.get()) >= self.limits.max_connections
    }

    /// Whether those that wait already will take up the time that there is. A few always
    /// wait, so that it is noticed when connections come back sooner than they did.
    fn is_hopeless(&self) -> bool {
        let Manager { waiting, lease_time, .. } = self.connections.manager();
        let (waiting, connections) = (waiting.get(), self.limits.max_connections);
        waiting >= connections
            && lease_time.mean().mul_f64(waiting as f64 / connections as f64)
                > self.limits.acquire_timeout.mul_f64(HOPE)
    }

    /// Closes what is old or has been idle for long, and opens what is missing of
    /// those that are kept ready; to be called now and then.
    pub async fn tend(&self) {
        if self.limits.ages {
            let now = Instant::now();
            let mut spare =
                self.connections.status().size.saturating_sub(self.limits.min_connections);
            let removed = self.connections.retain(|held, _| !held.is_due(now, &mut spare)).removed;
            close(removed).await;
        }
        if self.connections.status().size < self.limits.min_connections {
            // Those that are there are lent, too, and must soon be free for others.
            let time = self.limits.acquire_timeout / 4;
            let leases = (0..self.limits.min_connections).map(|_| timeout(time, self.lend()));
            for lease in join_all(leases).await.into_iter().flatten().flatten() {
                // Whatever needs one next learns what is wrong.
                let _ = lease.end(Ok(()));
            }
        }
    }

    /// How full it is.
    pub fn status(&self) -> PoolStatus {
        let status = self.connections.status();
        let idle = status.available;
        PoolStatus {
            name: self.name,
            used: status.size.saturating_sub(idle),
            idle,
            max: self.limits.max_connections,
        }
    }

    /// Closes all connections, those that are lent as soon as they come back.
    pub async fn close(&self) {
        while self.connections.status().size > 0 {
            let idle = self.connections.retain(|_, _| false).removed;
            match idle.is_empty() {
                true => sleep(Duration::from_millis(10)).await,
                false => close(idle).await,
            }
        }
        self.connections.close();
    }
}

impl<C: Connector> Clone for Pool<C> {
    fn clone(&self) -> Pool<C> {
        Pool { connections: self.connections.clone(), metrics: self.metrics.clone(), ..*self }
    }
}

impl<C: Connector> managed::Manager for Manager<C> {
    type Type = Held<C::Connection>;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<Held<C::Connection>, sqlx::Error> {
        let _making = self.making.one();
        // Before: the server may change while it is made.
        let made = Instant::now();
        // On the heap: few calls make a connection, and what that takes would be moved
        // with each one that might.
        let connection = Box::pin(self.connector.connect()).await?;
        // Those that were made together must not expire together.
        let expires = made + LIFETIME.mul_f64(0.9 + 0.2 * fastrand::f64());
        Ok(Held { connection, made, expires, idle_since: Instant::now() })
    }

    async fn recycle(
        &self,
        held: &mut Held<C::Connection>,
        _: &managed::Metrics,
    ) -> RecycleResult<sqlx::Error> {
        if self.replaced.is_since(held.made) {
            return Err(RecycleError::message("it leads to a server that is of no use"));
        }
        if self.ages && held.expires <= Instant::now() {
            return Err(RecycleError::message("it is old"));
        }
        if self.failed.is_since(held.idle_since) || held.idle_since.elapsed() >= UNTESTED {
            if self.silent.is_since(held.idle_since) {
                return Err(RecycleError::message("another one did not respond"));
            }
            let ping = Box::pin(held.connection.ping());
            let Ok(ping) = timeout(self.test_timeout, ping).await else {
                self.silent.note(Duration::ZERO);
                return Err(RecycleError::message("it does not respond"));
            };
            ping?;
            held.idle_since = Instant::now();
        }
        Ok(())
    }
}

/// A connection on loan, which is closed unless it is given back by [`Lease::end`].
#[must_use]
pub struct Lease<C: Connector> {
    /// There until it ends.
    connection: Option<Object<Manager<C>>>,
    lent: Instant,
    statement_timeout: Duration,
}

impl<C: Connector> Lease<C> {
    /// Gives the connection back, if what was done with it ended such that it can
    /// be; returns that result.
    ///
    /// # Errors
    ///
    /// Those of the result.
    pub fn end<T>(mut self, result: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        let verdict = result.as_ref().err().map_or(Verdict::Keep, verdict);
        if !self.is_kept(verdict) {
            self.close(verdict);
        } else if let Some(mut object) = self.take() {
            object.idle_since = Instant::now();
        }
        result
    }

    /// Whether the connection is lent again. One that is of no use is, if it was made
    /// after all were replaced, and another one would be made too soon.
    fn is_kept(&self, verdict: Verdict) -> bool {
        match verdict {
            Verdict::Keep => true,
            Verdict::Close => false,
            Verdict::Replace => self.manager().is_some_and(|pool| {
                pool.manager().replaced.note(REPLACE_PAUSE);
                let made = self.connection.as_ref().map(|object| object.made);
                made.is_some_and(|made| !pool.manager().replaced.is_since(made))
            }),
        }
    }

    /// Closes the connection, whatever became of it.
    fn close(mut self, verdict: Verdict) {
        if let Some(pool) = self.manager() {
            match verdict {
                Verdict::Replace => pool.manager().replaced.note(REPLACE_PAUSE),
                _ => pool.manager().failed.note(Duration::ZERO),
            }
        }
        self.take().map(Object::take);
    }

    /// The connection, unless it was taken; notes how long it was lent.
    fn take(&mut self) -> Option<Object<Manager<C>>> {
        let object = self.connection.take()?;
        if let Some(pool) = Object::pool(&object) {
            pool.manager().lease_time.note(self.lent.elapsed());
        }
        Some(object)
    }

    fn manager(&self) -> Option<managed::Pool<Manager<C>>> {
        self.connection.as_ref().and_then(Object::pool)
    }
}

impl<C: Connector> Deref for Lease<C> {
    type Target = C::Connection;

    fn deref(&self) -> &C::Connection {
        &self.connection.as_ref().expect("it has not ended").connection
    }
}

impl<C: Connector> DerefMut for Lease<C> {
    fn deref_mut(&mut self) -> &mut C::Connection {
        &mut self.connection.as_mut().expect("it has not ended").connection
    }
}

impl<C: Connector> Drop for Lease<C> {
    fn drop(&mut self) {
        let (lent, Some(mut object)) = (self.lent.elapsed(), self.take()) else { return };
        if let (true, Some(pool)) = (lent >= SILENCE, Object::pool(&object)) {
            pool.manager().failed.note(Duration::ZERO);
        }
        let rest = self.statement_timeout.saturating_sub(lent);
        let closed = async move {
            // Its response comes after that of the statement that was left.
            let _ = timeout(rest, object.connection.ping()).await;
            drop(Object::take(object));
        };
        // Without a runtime there is nothing more to wait for.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(closed);
        }
    }
}

/// A transaction on a connection of its own. Unless [`Transaction::end`] says
/// otherwise the connection is closed, and the server rolls back.
#[must_use]
pub struct Transaction<C: Connector>(Lease<C>);

impl<C: Connector> Transaction<C> {
    /// Begins one.
    ///
    /// # Errors
    ///
    /// The server's.
    pub async fn begin(mut lease: Lease<C>) -> Result<Transaction<C>, sqlx::Error> {
        match C::execute(&mut lease, C::BEGIN).await {
            Ok(()) => Ok(Transaction(lease)),
            // Where the server has plainly refused it, nothing was begun.
            Err(error) if verdict(&error) == Verdict::Keep => lease.end(Err(error)),
            Err(error) => Err(close_after(lease, error)),
        }
    }

    /// Commits what ended well and rolls back what did not. An error inside of a
    /// transaction has to end it: some databases undo all of it at once, others
    /// only the statement.
    ///
    /// # Errors
    ///
    /// That of the result, or of the commit. After the latter it is not known
    /// whether the transaction took effect.
    pub async fn end<T>(self, result: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        let Transaction(mut lease) = self;
        let error = match result {
            Ok(value) => match C::execute(&mut lease, "COMMIT").await {
                Ok(()) => return lease.end(Ok(value)),
                Err(error) => error,
            },
            Err(error) => {
                let is_there = verdict(&error) != Verdict::Close;
                if is_there && C::execute(&mut lease, "ROLLBACK").await.is_ok() {
                    return lease.end(Err(error));
                }
                error
            }
        };
        Err(close_after(lease, error))
    }
}

impl<C: Connector> Deref for Transaction<C> {
    type Target = C::Connection;

    fn deref(&self) -> &C::Connection {
        &self.0
    }
}

impl<C: Connector> DerefMut for Transaction<C> {
    fn deref_mut(&mut self) -> &mut C::Connection {
        &mut self.0
    }
}

/// A transaction that did not begin or end as it should leaves no connection that
/// could be used.
fn close_after<C: Connector>(lease: Lease<C>, error: sqlx::Error) -> sqlx::Error {
    lease.close(verdict(&error));
    error
}

/// Tells the server, which need not find out by itself.
async fn close<T: Connection>(connections: Vec<Held<T>>) {
    let close = connections.into_iter().map(|held| held.connection.close());
    let _ = timeout(CLOSE_TIMEOUT, join_all(close)).await;
}

/// When something last happened.
#[derive(Default)]
struct Moment(Mutex<Option<Instant>>);

impl Moment {
    /// It happens now, if the last time is longer ago than `pause`.
    fn note(&self, pause: Duration) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.elapsed() >= pause) {
            *last = Some(Instant::now());
        }
    }

    fn is_since(&self, time: Instant) -> bool {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|last| last >= time)
    }
}

/// How long connections are lent, on average, in nanoseconds. Two that come back at the
/// same time may count as one.
#[derive(Default)]
struct LeaseTime(AtomicU64);

impl LeaseTime {
    /// How many of the last leases make the average.
    const WEIGHT: u64 = 32;

    /// A lease counts for so many times the average and a millisecond at the most: one
    /// statement that hung says little of those that come.
    const MOST: u64 = 4;
    const MILLISECOND: u64 = 1_000_000;

    fn note(&self, lent: Duration) {
        let mean = self.0.load(Relaxed);
        let most = LeaseTime::MOST * mean + LeaseTime::MILLISECOND;
        let lent = u64::try_from(lent.as_nanos()).unwrap_or(u64::MAX).min(most);
        self.0.store(mean - mean / LeaseTime::WEIGHT + lent / LeaseTime::WEIGHT, Relaxed);
    }

    fn mean(&self) -> Duration {
        Duration::from_nanos(self.0.load(Relaxed))
    }
}

/// How many of something there are at the moment.
#[derive(Default)]
struct Count(AtomicUsize);

impl Count {
    /// One more, until it is dropped.
    fn one(&self) -> Counted<'_> {
        self.0.fetch_add(1, Relaxed);
        Counted(self)
    }

    fn get(&self) -> usize {
        self.0.load(Relaxed)
    }
}

#[must_use]
struct Counted<'a>(&'a Count);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Relaxed);
    }
}

/// A caller that waits for a connection, until it has one, or leaves.
struct Pending<'a, C: Connector> {
    pool: &'a Pool<C>,
    _waiting: Counted<'a>,
    started: Instant,
    is_lent: bool,
}

impl<C: Connector> Pending<'_, C> {
    fn new(pool: &Pool<C>) -> Pending<'_, C> {
        pool.metrics.pool_pending(pool.name, 1);
        let waiting = pool.connections.manager().waiting.one();
        Pending { pool, _waiting: waiting, started: Instant::now(), is_lent: false }
    }

    fn ends_well(mut self) {
        self.is_lent = true;
    }
}

impl<C: Connector> Drop for Pending<'_, C> {
    fn drop(&mut self) {
        let Pool { name, metrics, .. } = self.pool;
        metrics.pool_pending(name, -1);
        // Or else it was the server that was waited for.
        if self.is_lent || self.pool.is_full() {
            metrics.pool_wait(name, self.started.elapsed());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn held(now: Instant) -> Held<()> {
        Held { connection: (), made: now, expires: now + LIFETIME, idle_since: now }
    }

    #[test]
    fn an_idle_connection_is_closed_while_there_are_more_than_are_kept_ready() {
        let now = Instant::now();
        let mut spare = 2;
        let idle = [1, 2, 3].map(|_| held(now).is_due(now + IDLE, &mut spare));
        assert_eq!(idle, [true, true, false]);
        assert!(!held(now).is_due(now + IDLE - SECOND, &mut 1));
    }

    #[test]
    fn an_old_connection_is_closed_whatever_is_kept_ready() {
        let now = Instant::now();
        let used = Held { idle_since: now + LIFETIME, ..held(now) };
        assert!(used.is_due(now + LIFETIME, &mut 0));
        assert!(!used.is_due(now + LIFETIME - SECOND, &mut 0));
    }

    #[test]
    fn the_average_of_leases_follows_what_most_of_them_take() {
        let leases = LeaseTime::default();
        let after = |count, millis| {
            (0..count).for_each(|_| leases.note(Duration::from_millis(millis)));
            leases.mean().as_secs_f64() * 1_000.0
        };
        assert!((18.0..=20.0).contains(&after(200, 20)));
        assert!((1.0..1.1).contains(&after(200, 1)));
        assert!(after(1, 60_000) < 1.3, "one that hung");
        assert!(after(200, 60_000) > 1_000.0, "all hang");
    }
}
