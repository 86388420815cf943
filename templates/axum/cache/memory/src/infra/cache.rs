//! A cache in the memory of this process. It answers at once or not at all, so
//! it needs no timeout; each replica has its own, so what another one changes is
//! seen here after `CACHE_TTL_SECONDS` at the latest.
//!
//! However many requests miss the same key at once, one of them loads it and the
//! others wait for that: an entry that expires under load costs one read.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::future::Cache as Entries;

use super::dependency::Dependency;
use crate::config::Env;
use crate::context::Context;
use crate::telemetry::metrics::Metrics;

/// For how long it is remembered that there is nothing.
const NEGATIVE_TTL: Duration = Duration::from_secs(10);

/// How to cache.
#[derive(Clone)]
pub struct Settings {
    /// `CACHE_TTL_SECONDS`: how long an entry lasts, give or take a tenth.
    pub ttl: Duration,
    /// `CACHE_MAX_ENTRIES`: how many are kept.
    pub max_entries: u64,
}

impl Settings {
    /// Reads the variables that begin with `CACHE_`.
    pub fn read(env: &mut Env) -> Settings {
        Settings {
            ttl: Duration::from_secs(env.parse("CACHE_TTL_SECONDS", 60)),
            max_entries: env.parse("CACHE_MAX_ENTRIES", 10_000),
        }
    }
}

/// What the cache had to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lookup {
    Hit,
    Miss,
    /// It knew that there is nothing.
    Negative,
}

impl Lookup {
    pub const ALL: [Lookup; 3] = [Lookup::Hit, Lookup::Miss, Lookup::Negative];

    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Lookup::Hit => "hit",
            Lookup::Miss => "miss",
            Lookup::Negative => "negative",
        }
    }
}

/// What all caches share.
pub struct Caches {
    settings: Settings,
    metrics: Metrics,
}

impl Caches {
    pub fn new(settings: &Settings, metrics: Metrics) -> Caches {
        Caches { settings: settings.clone(), metrics }
    }

    /// An empty cache under the name that its metrics carry.
    pub fn cache<K, V>(&self, name: &'static str) -> Cache<K, V>
    where
        K: Hash + Eq + Send + Sync + 'static,
        V: Send + Sync + 'static,
    {
        self.metrics.declare_cache(name);
        let entries = Entries::builder()
            .max_capacity(self.settings.max_entries)
            .expire_after(Ttl(self.settings.ttl))
            .build();
        Cache { name, entries, removals: AtomicU64::new(0), metrics: self.metrics.clone() }
    }

    /// None: what is in this process is not called.
    pub fn dependency(&self) -> Option<Dependency> {
        None
    }
}

/// Values by key, `None` where there is known to be nothing.
pub struct Cache<K, V> {
    name: &'static str,
    entries: Entries<K, Option<Arc<V>>>,
    /// Counts removals. A load that one of them overtook may have read what was
    /// true before, and must not leave that behind.
    removals: AtomicU64,
    metrics: Metrics,
}

impl<K, V> Cache<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// The value of `key`, from `load` where it is not cached. It takes no call
    /// to look, and so none of the request's time.
    ///
    /// # Errors
    ///
    /// That of `load`; it is not remembered.
    pub async fn get_or_load<E>(
        &self,
        _context: &Context,
        key: K,
        load: impl Future<Output = Result<Option<V>, E>>,
    ) -> Result<Option<Arc<V>>, E>
    where
        K: Clone,
        E: Clone + Send + Sync + 'static,
    {
        if let Some(value) = self.entries.get(&key).await {
            let lookup = if value.is_some() { Lookup::Hit } else { Lookup::Negative };
            self.metrics.cache_request(self.name, lookup);
            return Ok(value);
        }
        self.metrics.cache_request(self.name, Lookup::Miss);

        let removals = self.removals.load(SeqCst);
        let mut loaded = false;
        let load = async {
            loaded = true;
            load.await.map(|value| value.map(Arc::new))
        };
        let result = self.entries.try_get_with_by_ref(&key, load).await;
        if !loaded {
            self.metrics.cache_coalesced(self.name);
        }
        if self.removals.load(SeqCst) != removals {
            self.entries.invalidate(&key).await;
        }
        result.map_err(|error: Arc<E>| E::clone(&error))
    }

    /// Forgets `key`; to be called after what it stands for has changed.
    pub async fn remove(&self, _context: &Context, key: &K) {
        self.removals.fetch_add(1, SeqCst);
        self.entries.invalidate(key).await;
    }
}

/// Entries that were made together must not expire together.
struct Ttl(Duration);

impl<K, V> Expiry<K, Option<V>> for Ttl {
    fn expire_after_create(
        &self,
        _key: &K,
        value: &Option<V>,
        _created_at: Instant,
    ) -> Option<Duration> {
        match value {
            Some(_) => Some(self.0.mul_f64(0.9 + 0.2 * fastrand::f64())),
            None => Some(NEGATIVE_TTL),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> (Arc<Cache<u32, &'static str>>, Context) {
        let settings = Settings { ttl: Duration::from_secs(60), max_entries: 10 };
        let caches = Caches::new(&settings, Metrics::new(1));
        (Arc::new(caches.cache("test")), Context::new("test", Duration::from_secs(5)))
    }

    async fn never() -> Result<Option<&'static str>, ()> {
        panic!("it was loaded")
    }

    #[tokio::test]
    async fn concurrent_misses_load_once() {
        let (cache, context) = cache();
        let loads = Arc::new(AtomicU64::new(0));
        let readers: Vec<_> = (0..20)
            .map(|_| {
                let (cache, context) = (Arc::clone(&cache), context.clone());
                let loads = Arc::clone(&loads);
                tokio::spawn(async move {
                    let load = async {
                        loads.fetch_add(1, SeqCst);
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        Ok::<_, ()>(Some("value"))
                    };
                    cache.get_or_load(&context, 1, load).await
                })
            })
            .collect();
        for reader in readers {
            assert_eq!(reader.await.expect("it ran"), Ok(Some(Arc::new("value"))));
        }
        assert_eq!(loads.load(SeqCst), 1);
    }

    #[tokio::test]
    async fn nothing_is_remembered_but_a_failure_is_not() {
        let (cache, context) = cache();
        assert_eq!(cache.get_or_load(&context, 1, async { Err("broken") }).await, Err("broken"));
        assert_eq!(cache.get_or_load(&context, 1, async { Ok::<_, ()>(None) }).await, Ok(None));
        assert_eq!(cache.get_or_load(&context, 1, never()).await, Ok(None));
    }

    #[tokio::test]
    async fn a_load_that_a_change_overtook_is_not_kept() {
        let (cache, context) = cache();
        let load = async {
            cache.remove(&context, &1).await;
            Ok::<_, ()>(Some("before"))
        };
        assert_eq!(cache.get_or_load(&context, 1, load).await, Ok(Some(Arc::new("before"))));
        let load = async { Ok::<_, ()>(Some("after")) };
        assert_eq!(cache.get_or_load(&context, 1, load).await, Ok(Some(Arc::new("after"))));
    }
}
