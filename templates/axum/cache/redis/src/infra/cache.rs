//! A cache in Redis, which all replicas share. It is a help and not a need: the
//! service starts without it, and what it does not answer in time, or at all,
//! is read from the database as if it had not been there.
//!
//! However many requests ask for the same key at once, one of them looks it up,
//! and loads it on a miss, and the others wait for that: an entry that expires
//! under load costs each replica one read.
//!
//! What changes is removed after its commit. Until that is confirmed this process
//! reads nothing from the entry, and goes on removing it. A load that began before
//! the change does not leave behind what it read, if both were in this process.
//! That of another replica can, for as long as an entry lasts:
//! `CACHE_TTL_SECONDS`, give or take a tenth.

mod breaker;
mod flight;
mod remote;
mod removals;

use std::hash::Hash;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use redis::{Client, RedisResult, TlsCertificates, parse_redis_url};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::breaker::BreakerState;
use self::flight::{Flights, Seat};
use self::remote::{Remote, Unanswered};
use super::dependency::Dependency;
use crate::context::Context;
use crate::env::Env;
use crate::telemetry::metrics::Metrics;

/// The cache, where no variable names another.
const URL: &str = "redis://127.0.0.1:6379";

/// What the names of all entries begin with, where no variable says otherwise.
const PREFIX: &str = env!("CARGO_PKG_NAME");

/// The second part of their names. The number goes up when entries of the version
/// before could be misread; they are left to expire.
const VERSION: &str = "v1";

/// For how long it is remembered that there is nothing.
const NEGATIVE_TTL: Duration = Duration::from_secs(10);

/// How to reach the cache, and how to cache.
#[derive(Clone)]
pub struct Settings {
    /// `REDIS_URL`: the server, as in `rediss://user:password@host:6379/0`.
    pub url: String,
    /// What is in `REDIS_CA_FILE`: certificates of those who may vouch for the server,
    /// instead of the authorities of the system.
    pub authorities: Option<Vec<u8>>,
    /// `REDIS_CONNECT_TIMEOUT_MS`: how long making a connection may take.
    pub connect_timeout: Duration,
    /// `REDIS_COMMAND_TIMEOUT_MS`: how long a request waits for an answer.
    pub command_timeout: Duration,
    /// `CACHE_TTL_SECONDS`: how long an entry lasts, give or take a tenth.
    pub ttl: Duration,
    /// `CACHE_PREFIX`: what the names of all entries begin with.
    pub prefix: String,
}

impl Settings {
    /// Reads the variables that begin with `REDIS_` and `CACHE_`.
    pub fn read(env: &mut Env) -> Settings {
        let ttl = env.count("CACHE_TTL_SECONDS", 60).get();
        let authorities = authorities(env);
        Settings {
            url: url(env, authorities.as_deref()),
            authorities,
            connect_timeout: env.millis("REDIS_CONNECT_TIMEOUT_MS", 1_000),
            command_timeout: env.millis("REDIS_COMMAND_TIMEOUT_MS", 200),
            ttl: Duration::from_secs(ttl as u64),
            prefix: prefix(env),
        }
    }
}

/// What a cache had to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lookup {
    Hit,
    Miss,
    /// It knew that there is nothing.
    Negative,
    /// It did not answer.
    Error,
    /// It was not asked: it fails too often, or has not heard of a change yet.
    Bypass,
}

impl Lookup {
    pub const ALL: [Lookup; 5] =
        [Lookup::Hit, Lookup::Miss, Lookup::Negative, Lookup::Error, Lookup::Bypass];

    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Lookup::Hit => "hit",
            Lookup::Miss => "miss",
            Lookup::Negative => "negative",
            Lookup::Error => "error",
            Lookup::Bypass => "bypass",
        }
    }
}

/// What can be kept outside of the process.
pub trait Cached: Sized + Send + Sync {
    /// What it is asked for by.
    type Key: Clone + Eq + Hash;
    /// What is kept of it, as JSON.
    type Form: Serialize + DeserializeOwned;

    /// What this one is asked for by.
    fn key(&self) -> Self::Key;
    /// The last part of its entry's name.
    fn name(key: &Self::Key) -> String;
    fn to_form(&self) -> Self::Form;
    fn from_form(form: Self::Form) -> Self;
}

/// What all caches share: one connection, and what is known of it.
pub struct Caches {
    remote: Arc<Remote>,
    prefix: String,
    ttl: Duration,
    metrics: Metrics,
}

impl Caches {
    /// Caches on a server that need not be there yet.
    pub fn new(settings: &Settings, metrics: Metrics) -> Caches {
        let prefix = format!("{}:{VERSION}", settings.prefix);
        let lifetime = settings.ttl.mul_f64(1.1).max(NEGATIVE_TTL);
        let remote = Remote::start(settings, format!("{prefix}:check"), lifetime, metrics.clone());
        Caches { remote, prefix, ttl: settings.ttl, metrics }
    }

    /// A cache under the name that its entries and its metrics carry.
    pub fn cache<K, V: Cached<Key = K>, E>(&self, name: &'static str) -> Cache<K, V, E> {
        self.metrics.declare_cache(name);
        Cache {
            name,
            prefix: format!("{}:{name}", self.prefix),
            ttl: self.ttl,
            remote: Arc::clone(&self.remote),
            flights: Flights::default(),
            metrics: self.metrics.clone(),
        }
    }

    /// The dependency that all calls go through.
    pub fn dependency(&self) -> Option<Dependency> {
        Some(self.remote.dependency().clone())
    }

    /// Removes what is still to be removed, until `deadline`.
    pub async fn close(&self, deadline: tokio::time::Instant) {
        self.remote.close(deadline).await;
    }
}

/// Values by key, `None` where there is known to be nothing. `E` is what a load
/// can fail with.
pub struct Cache<K, V: Cached, E> {
    name: &'static str,
    prefix: String,
    ttl: Duration,
    remote: Arc<Remote>,
    flights: Flights<K, Found<V, E>>,
    metrics: Metrics,
}

/// How a value was come by, and the value.
type Found<V, E> = (Lookup, Result<Option<Arc<V>>, E>);

impl<K: Clone + Eq + Hash, V: Cached<Key = K>, E: Clone> Cache<K, V, E> {
    /// The value of `key`, from `load` where it is not cached. `load` is better pinned
    /// and lent than given away: it takes its space at each step of the way.
    ///
    /// # Errors
    ///
    /// That of `load`; it is not remembered.
    pub async fn get_or_load(
        &self,
        context: &Context,
        key: K,
        load: impl Future<Output = Result<Option<V>, E>>,
    ) -> Result<Option<Arc<V>>, E> {
        let mut found_by_us = false;
        let seat = self.flights.board(&key);
        let (lookup, value) = {
            let find = pin!(async {
                found_by_us = true;
                let found = self.find(context, &key, load, &seat).await;
                // Others may have the time that this request has run out of.
                let out_of_time = found.1.is_err() && context.remaining().is_zero();
                if out_of_time { Err(found) } else { Ok(found) }
            });
            seat.land(find).await
        };
        self.metrics.cache_request(self.name, lookup);
        if !found_by_us && !matches!(lookup, Lookup::Hit | Lookup::Negative) {
            self.metrics.cache_coalesced(self.name);
        }
        value
    }

    async fn find(
        &self,
        context: &Context,
        key: &K,
        load: impl Future<Output = Result<Option<V>, E>>,
        seat: &Seat<'_, K, Found<V, E>>,
    ) -> Found<V, E> {
        let entry = self.entry(key);
        let lookup = match self.remote.get(context, self.name, &entry).await {
            Ok(Some(kept)) => match decode::<V>(&kept) {
                Ok(Some(value)) if value.key() == *key => {
                    return (Lookup::Hit, Ok(Some(Arc::new(value))));
                }
                Ok(Some(_)) => {
                    tracing::warn!(entry, "an entry of the cache holds something else");
                    Lookup::Miss
                }
                Ok(None) => return (Lookup::Negative, Ok(None)),
                Err(error) => {
                    tracing::warn!(entry, %error, "an entry of the cache cannot be read");
                    Lookup::Miss
                }
            },
            // What it holds is of another type, and is overwritten.
            Ok(None) | Err(Unanswered::Refused) => Lookup::Miss,
            Err(Unanswered::Failed) => Lookup::Error,
            Err(Unanswered::NotAsked) => Lookup::Bypass,
        };
        let value = match load.await {
            Ok(value) => value,
            Err(error) => return (lookup, Err(error)),
        };
        // A request waits for a cache that fails once, not twice.
        if lookup == Lookup::Miss {
            // On the heap: few look-ups miss, and this would be moved with each.
            Box::pin(self.store(context, entry, value.as_ref(), seat)).await;
        }
        (lookup, Ok(value.map(Arc::new)))
    }

    async fn store(
        &self,
        context: &Context,
        entry: String,
        value: Option<&V>,
        seat: &Seat<'_, K, Found<V, E>>,
    ) {
        let ttl = match value {
            // Entries that were made together must not expire together.
            Some(_) => self.ttl.mul_f64(0.9 + 0.2 * fastrand::f64()),
            None => NEGATIVE_TTL,
        };
        let Ok(kept) = serde_json::to_vec(&value.map(V::to_form)) else { return };
        if seat.is_overtaken() {
            return;
        }
        let mut storing = Storing { remote: &self.remote, entry, seat, is_unheard_of: true };
        let stored = self.remote.set(context, self.name, &storing.entry, &kept, ttl).await;
        storing.is_unheard_of = matches!(stored, Err(Unanswered::Failed));
    }

    /// Reads nothing of `key` from the cache for a while: what it stands for may yet
    /// change, without a word.
    pub fn doubt(&self, key: &K) {
        self.remote.doubt(self.entry(key));
    }

    /// Forgets `key`; to be called after what it stands for has changed.
    pub async fn remove(&self, context: &Context, key: &K) {
        self.flights.overtake(key);
        self.remote.remove(context, self.name, self.entry(key)).await;
        // Those that have begun since may have been told what is removed now.
        self.flights.overtake(key);
    }

    fn entry(&self, key: &K) -> String {
        format!("{}:{}", self.prefix, V::name(key))
    }
}

/// An entry that is being stored. A change may overtake that, and its removal
/// may come before what it should remove; the request may be given up at any
/// time, too. Once it is over, one way or the other, the entry is removed then. One
/// of which the server was not heard again may be stored at any time.
struct Storing<'a, K: Eq + Hash, T> {
    remote: &'a Remote,
    entry: String,
    seat: &'a Seat<'a, K, T>,
    is_unheard_of: bool,
}

impl<K: Eq + Hash, T> Drop for Storing<'_, K, T> {
    fn drop(&mut self) {
        if self.is_unheard_of {
            self.remote.doubt(self.entry.clone());
        }
        if self.seat.is_overtaken() {
            self.remote.remove_later(std::mem::take(&mut self.entry));
        }
    }
}

fn decode<V: Cached>(kept: &[u8]) -> serde_json::Result<Option<V>> {
    let form: Option<V::Form> = serde_json::from_slice(kept)?;
    Ok(form.map(V::from_form))
}

/// `REDIS_URL`, which may have a password in it.
fn url(env: &mut Env, authorities: Option<&[u8]>) -> String {
    let url = env.server("REDIS_URL", &["redis", "rediss"]).unwrap_or_else(|| URL.to_owned());
    let before = env.refused();
    check(env, &url);
    if env.refused() == before
        && let Err(error) = client(&url, authorities)
    {
        env.refuse(format_args!("REDIS_URL: {error}"));
    }
    url
}

/// Refuses what the client would pass over, or would try for ever.
fn check(env: &mut Env, url: &str) {
    // What is none is told by the client.
    let Some(url) = parse_redis_url(url) else { return };
    if url.fragment().is_some() {
        env.refuse(
            "REDIS_URL: `#` is not supported, since `#insecure` would take any server for the \
             cache; REDIS_CA_FILE names those who may vouch for it",
        );
    }
    if url.query_pairs().any(|(name, _)| name != "protocol") {
        env.refuse("REDIS_URL: it has a parameter other than `protocol`");
    }
    if url.query_pairs().filter(|(name, _)| name == "protocol").count() > 1 {
        env.refuse("REDIS_URL: `protocol`: it is set twice; leave out one of them");
    }
    if !url.username().is_empty() && url.password().is_none() {
        env.refuse(
            "REDIS_URL: it has a user without a password, and neither would be sent; for a user \
             that needs none, any will do",
        );
    }
    let database = url.path().trim_matches('/');
    if !database.is_empty() && !database.parse().is_ok_and(|number: i32| number >= 0) {
        env.refuse("REDIS_URL: after the host comes the number of a database, such as `/0`");
    }
    if let Some(host) = url.host_str() {
        env.check_host("REDIS_URL: its host", host);
    }
    if let Some(port) = url.port() {
        env.check_port("REDIS_URL: its port", &port.to_string());
    }
}

/// `REDIS_CA_FILE`.
fn authorities(env: &mut Env) -> Option<Vec<u8>> {
    let path = env.text("REDIS_CA_FILE")?;
    env.pem("REDIS_CA_FILE", &path, "certificates", are_certificates)
}

fn are_certificates(pem: &[u8]) -> bool {
    let mut certificates = CertificateDer::pem_slice_iter(pem).peekable();
    certificates.peek().is_some() && certificates.all(|certificate| certificate.is_ok())
}

/// What connects to the server at `url`.
fn client(url: &str, authorities: Option<&[u8]>) -> RedisResult<Client> {
    match authorities {
        None => Client::open(url),
        Some(pem) => {
            let root_cert = Some(pem.to_owned());
            Client::build_with_tls(url, TlsCertificates { client_tls: None, root_cert })
        }
    }
}

/// `CACHE_PREFIX`. `redis-cli --scan` is to find by it what it stands for and
/// nothing else.
fn prefix(env: &mut Env) -> String {
    let prefix = env.text("CACHE_PREFIX").unwrap_or_else(|| PREFIX.to_owned());
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    if prefix.len() > 100 || !prefix.bytes().all(allowed) {
        env.refuse("CACHE_PREFIX: it has more than 100 characters, or others than `a-zA-Z0-9-_.:`");
    }
    prefix
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

    use futures_util::future::join_all;
    use tokio::sync::Notify;
    use tokio::time::timeout;

    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Thing {
        key: u32,
        value: u32,
    }

    impl Cached for Thing {
        type Key = u32;
        type Form = (u32, u32);

        fn key(&self) -> u32 {
            self.key
        }

        fn name(key: &u32) -> String {
            key.to_string()
        }

        fn to_form(&self) -> (u32, u32) {
            (self.key, self.value)
        }

        fn from_form((key, value): (u32, u32)) -> Thing {
            Thing { key, value }
        }
    }

    fn thing(value: u32) -> Thing {
        Thing { key: 1, value }
    }

    /// A cache on a server that is not there.
    fn cache() -> (Cache<u32, Thing, &'static str>, Context) {
        let settings = Settings {
            url: "redis://127.0.0.1:1".to_owned(),
            authorities: None,
            connect_timeout: Duration::from_secs(1),
            command_timeout: Duration::from_secs(1),
            ttl: Duration::from_secs(60),
            prefix: PREFIX.to_owned(),
        };
        let cache = Caches::new(&settings, Metrics::new(1)).cache("test");
        (cache, Context::new("test", Duration::from_secs(5)))
    }

    #[tokio::test]
    async fn concurrent_look_ups_load_once_without_the_server_too() {
        let (cache, context) = cache();
        let loads = AtomicU32::new(0);
        let look_up = async || {
            let load = async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Ok(Some(thing(loads.fetch_add(1, SeqCst))))
            };
            cache.get_or_load(&context, 1, load).await
        };
        for found in join_all((0..20).map(|_| look_up())).await {
            assert_eq!(found, Ok(Some(Arc::new(thing(0)))));
        }
        assert_eq!(look_up().await, Ok(Some(Arc::new(thing(1)))));
    }

    #[tokio::test]
    async fn a_failed_load_is_the_answer_for_all_who_wait_and_for_nobody_else() {
        let (cache, context) = cache();
        let load = async || {
            let load = async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Err("broken")
            };
            cache.get_or_load(&context, 1, load).await
        };
        assert_eq!(join_all((0..3).map(|_| load())).await, [const { Err("broken") }; 3]);
        assert_eq!(cache.get_or_load(&context, 1, async { Ok(None) }).await, Ok(None));
    }

    #[tokio::test]
    async fn a_look_up_after_a_change_does_not_join_a_load_from_before() {
        let (cache, context) = cache();
        let before = cache.get_or_load(&context, 1, async {
            cache.remove(&context, &1).await;
            let after = cache.get_or_load(&context, 1, async { Ok(Some(thing(2))) }).await;
            assert_eq!(after, Ok(Some(Arc::new(thing(2)))));
            Ok(Some(thing(1)))
        });
        assert_eq!(before.await, Ok(Some(Arc::new(thing(1)))));
    }

    #[tokio::test]
    async fn a_look_up_after_a_change_does_not_join_one_from_before_its_removal() {
        let (cache, context) = cache();
        let changed = Notify::new();
        let change = async {
            cache.remove(&context, &1).await;
            let after = cache.get_or_load(&context, 1, async { Ok(Some(thing(2))) }).await;
            changed.notify_one();
            after
        };
        let before = cache.get_or_load(&context, 1, async {
            changed.notified().await;
            Ok(Some(thing(1)))
        });
        let both = async { tokio::join!(change, before) };
        let (after, before) = timeout(context.remaining(), both).await.expect("it did not join");
        assert_eq!(after, Ok(Some(Arc::new(thing(2)))));
        assert_eq!(before, Ok(Some(Arc::new(thing(1)))));
    }

    #[tokio::test]
    async fn those_who_wait_for_one_that_runs_out_of_time_go_on_themselves() {
        let (cache, context) = cache();
        let short = Context::new("short", Duration::from_millis(20));
        let first = cache.get_or_load(&short, 1, async {
            tokio::time::sleep(short.remaining()).await;
            Err("out of time")
        });
        let second = cache.get_or_load(&context, 1, async { Ok(Some(thing(2))) });
        let (first, second) = tokio::join!(first, second);
        assert_eq!(first, Err("out of time"));
        assert_eq!(second, Ok(Some(Arc::new(thing(2)))));
    }

    #[test]
    fn an_entry_is_what_was_stored() {
        for value in [Some(thing(7)), None] {
            let kept = serde_json::to_vec(&value.as_ref().map(Thing::to_form)).expect("it is JSON");
            assert_eq!(decode::<Thing>(&kept).expect("it can be read"), value);
        }
        assert!(decode::<Thing>(b"what another version kept").is_err());
    }
}
