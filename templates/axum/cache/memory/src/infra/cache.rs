//! A cache in the memory of this process. It answers at once or not at all, so
//! it needs no timeout; each replica has its own, so what another one changes is
//! seen here after `CACHE_TTL_SECONDS` at the latest.
//!
//! However many requests miss the same key at once, one of them loads it and the
//! others wait for that: an entry that expires under load costs one read.

mod doubts;
mod flight;

use std::hash::Hash;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::ops::compute::Op;
use moka::sync::Cache as Entries;

use self::doubts::Doubts;
use self::flight::{Flights, Seat};
use super::dependency::Dependency;
use crate::context::Context;
use crate::env::{Env, MAX_COUNT};
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
        let ttl = env.number("CACHE_TTL_SECONDS", 60, 1..=MAX_COUNT);
        Settings {
            ttl: Duration::from_secs(ttl),
            max_entries: env.number("CACHE_MAX_ENTRIES", 10_000, 1..=u32::MAX.into()),
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
    pub fn cache<K, V, E>(&self, name: &'static str) -> Cache<K, V, E>
    where
        K: Hash + Eq + Send + Sync + 'static,
        V: Send + Sync + 'static,
    {
        self.metrics.declare_cache(name);
        let entries = Entries::builder()
            .max_capacity(self.settings.max_entries)
            .expire_after(Ttl(self.settings.ttl))
            .build();
        Cache {
            name,
            entries,
            flights: Flights::default(),
            doubts: Doubts::new(2 * self.settings.ttl.max(NEGATIVE_TTL)),
            metrics: self.metrics.clone(),
        }
    }

    /// None: what is in this process is not called.
    pub fn dependency(&self) -> Option<Dependency> {
        None
    }

    /// Nothing is to be done: what is in this process ends with it.
    pub async fn close(&self, _deadline: tokio::time::Instant) {}
}

/// Values by key, `None` where there is known to be nothing. `E` is what a load
/// can fail with.
pub struct Cache<K, V, E> {
    name: &'static str,
    entries: Entries<K, Found<V>>,
    flights: Flights<K, Result<Found<V>, E>>,
    doubts: Doubts<K>,
    metrics: Metrics,
}

type Found<V> = Option<Arc<V>>;

impl<K, V, E> Cache<K, V, E>
where
    K: Clone + Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    E: Clone,
{
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
    ) -> Result<Found<V>, E> {
        if let Some(value) = self.entries.get(&key) {
            let lookup = if value.is_some() { Lookup::Hit } else { Lookup::Negative };
            self.metrics.cache_request(self.name, lookup);
            return Ok(value);
        }
        self.metrics.cache_request(self.name, Lookup::Miss);

        let mut loaded = false;
        let seat = self.flights.board(&key);
        let result = {
            let find = pin!(async {
                // Another load may have ended since we looked.
                if let Some(value) = self.entries.get(&key) {
                    return Ok(Ok(value));
                }
                loaded = true;
                match load.await {
                    Ok(value) => {
                        let value = value.map(Arc::new);
                        self.keep(&key, &value, &seat);
                        Ok(Ok(value))
                    }
                    // It ran out of time, and others may have more.
                    Err(error) if context.remaining().is_zero() => Err(Err(error)),
                    Err(error) => Ok(Err(error)),
                }
            });
            seat.land(find).await
        };
        if !loaded {
            self.metrics.cache_coalesced(self.name);
        }
        result
    }

    /// Keeps what a load has read, unless a change overtook it. `remove` comes
    /// either before or after all of this, since moka does one at a time for a key.
    fn keep(&self, key: &K, value: &Found<V>, seat: &Seat<'_, K, Result<Found<V>, E>>) {
        self.entries.entry_by_ref(key).and_compute_with(|_| {
            match seat.is_overtaken() || self.doubts.cover(key, Instant::now()) {
                true => Op::Nop,
                false => Op::Put(value.clone()),
            }
        });
    }

    /// Keeps nothing of `key` for a while: what it stands for may yet change, without
    /// a word. To be called before [`Cache::remove`].
    pub fn doubt(&self, key: &K) {
        self.doubts.add(key.clone(), Instant::now());
    }

    /// Forgets `key`; to be called after what it stands for has changed.
    pub async fn remove(&self, _context: &Context, key: &K) {
        self.flights.overtake(key);
        self.entries.entry_by_ref(key).and_compute_with(|_| Op::Remove);
        // Those that have begun since may have found what is removed now.
        self.flights.overtake(key);
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
    use std::cell::RefCell;
    use std::hash::Hasher;
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
    use std::thread;

    use futures_util::future::{join, join_all};
    use futures_util::{FutureExt, poll};
    use tokio::runtime::Handle;
    use tokio::task::yield_now;

    use super::*;

    fn cache<V: Send + Sync + 'static>() -> (Cache<u32, V, &'static str>, Context) {
        let settings = Settings { ttl: Duration::from_secs(60), max_entries: 10 };
        let caches = Caches::new(&settings, Metrics::new(1));
        (caches.cache("test"), Context::new("test", Duration::from_secs(5)))
    }

    async fn never<V>() -> Result<Option<V>, &'static str> {
        panic!("it was loaded")
    }

    #[tokio::test]
    async fn concurrent_misses_load_once() {
        let (cache, context) = cache();
        let loads = AtomicU64::new(0);
        let look_up = async || {
            let load = async {
                yield_now().await;
                Ok(Some(loads.fetch_add(1, SeqCst)))
            };
            cache.get_or_load(&context, 1, load).await
        };
        for found in join_all((0..20).map(|_| look_up())).await {
            assert_eq!(found, Ok(Some(Arc::new(0))));
        }
        assert_eq!(loads.load(SeqCst), 1);
    }

    thread_local! {
        /// What happens each time that a [`Watched`] is looked for, the last one first.
        static MEANWHILE: RefCell<Vec<Box<dyn FnOnce()>>> = RefCell::default();
    }

    /// A key that lets something happen while it is looked for.
    #[derive(Clone, PartialEq, Eq)]
    struct Watched;

    impl Hash for Watched {
        fn hash<H: Hasher>(&self, _: &mut H) {
            let happens = MEANWHILE.with_borrow_mut(Vec::pop);
            happens.into_iter().for_each(|happens| happens());
        }
    }

    #[tokio::test]
    async fn what_is_found_while_it_is_removed_is_passed_on_to_nobody() {
        let settings = Settings { ttl: Duration::from_secs(60), max_entries: 10 };
        let cache = Caches::new(&settings, Metrics::new(1)).cache::<_, u32, ()>("test");
        let cache: &'static Cache<_, _, _> = Box::leak(Box::new(cache));
        let context = Context::new("test", Duration::from_secs(5));
        let load =
            async |value| cache.get_or_load(&context, Watched, async { Ok(Some(value)) }).await;
        assert_eq!(load(1).await, Ok(Some(Arc::new(1))));

        // Another look-up, which has come to the entry and no further.
        let find = || {
            let seat = cache.flights.board(&Watched);
            let found = cache.entries.get(&Watched).expect("it is still there");
            seat.land(async { Ok(Ok(found)) }).now_or_never();
            std::mem::forget(seat);
        };
        MEANWHILE.set(vec![Box::new(find), Box::new(|| {})]);
        cache.remove(&context, &Watched).await;
        assert_eq!(load(2).await, Ok(Some(Arc::new(2))));
    }

    #[tokio::test]
    async fn nothing_is_remembered_but_a_failure_is_not() {
        let (cache, context) = cache::<()>();
        assert_eq!(cache.get_or_load(&context, 1, async { Err("broken") }).await, Err("broken"));
        assert_eq!(cache.get_or_load(&context, 1, async { Ok(None) }).await, Ok(None));
        assert_eq!(cache.get_or_load(&context, 1, never()).await, Ok(None));
    }

    #[tokio::test]
    async fn a_failed_load_fails_all_that_wait_for_it() {
        let (cache, context) = cache::<()>();
        let load = async {
            yield_now().await;
            Err("broken")
        };
        let one = cache.get_or_load(&context, 1, load);
        let other = cache.get_or_load(&context, 1, never());
        assert_eq!(join(one, other).await, (Err("broken"), Err("broken")));
    }

    #[tokio::test]
    async fn a_load_that_ran_out_of_time_fails_only_itself() {
        let (cache, context) = cache();
        let late = Context::new("late", Duration::ZERO);
        let load = async {
            yield_now().await;
            Err("no time left")
        };
        let one = cache.get_or_load(&late, 1, load);
        let other = cache.get_or_load(&context, 1, async { Ok(Some("value")) });
        let value = Ok(Some(Arc::new("value")));
        assert_eq!(join(one, other).await, (Err("no time left"), value));
    }

    #[tokio::test]
    async fn a_load_that_a_change_overtook_is_not_kept() {
        let (cache, context) = cache();
        let load = async {
            cache.remove(&context, &1).await;
            Ok(Some("before"))
        };
        assert_eq!(cache.get_or_load(&context, 1, load).await, Ok(Some(Arc::new("before"))));
        let load = async { Ok(Some("after")) };
        assert_eq!(cache.get_or_load(&context, 1, load).await, Ok(Some(Arc::new("after"))));
    }

    #[tokio::test]
    async fn what_may_yet_change_is_not_kept() {
        let (cache, context) = cache();
        cache.doubt(&1);
        cache.remove(&context, &1).await;
        for value in ["before", "after"] {
            let found = cache.get_or_load(&context, 1, async { Ok(Some(value)) }).await;
            assert_eq!(found, Ok(Some(Arc::new(value))));
        }
    }

    #[tokio::test]
    async fn a_look_up_after_a_change_does_not_join_a_load_from_before() {
        let (cache, context) = cache();
        let load = async {
            yield_now().await;
            Ok(Some("before"))
        };
        let mut before = pin!(cache.get_or_load(&context, 1, load));
        assert!(poll!(&mut before).is_pending());
        cache.remove(&context, &1).await;
        let after = cache.get_or_load(&context, 1, async { Ok(Some("after")) });
        assert_eq!(after.now_or_never(), Some(Ok(Some(Arc::new("after")))));
        assert_eq!(before.await, Ok(Some(Arc::new("before"))));
        let kept = cache.get_or_load(&context, 1, never());
        assert_eq!(kept.await, Ok(Some(Arc::new("after"))));
    }

    #[tokio::test]
    async fn a_look_up_that_is_given_up_leaves_nothing_that_a_change_overtook() {
        let (cache, context) = cache();
        for polls in 1..=3 {
            let load = async {
                yield_now().await;
                cache.remove(&context, &1).await;
                yield_now().await;
                Ok(Some("before"))
            };
            let mut given_up = Box::pin(cache.get_or_load(&context, 1, load));
            for _ in 0..polls {
                let _ = poll!(&mut given_up);
            }
            drop(given_up);
            assert_eq!(cache.entries.get(&1), None, "polled {polls} times");
        }
    }

    #[tokio::test]
    async fn a_change_is_seen_by_all_look_ups_that_begin_after_it() {
        const CHANGES: u64 = 2_000;
        let (cache, context) = cache();
        let stored = AtomicU64::new(0);
        let look_up = async || {
            let load = async {
                let value = stored.load(SeqCst);
                yield_now().await;
                Ok(Some(value))
            };
            cache.get_or_load(&context, 1, load).await
        };
        let read = async || {
            while stored.load(SeqCst) < CHANGES {
                look_up().await.expect("it is loaded");
            }
        };
        let change = async || {
            let mut unseen = 0;
            for change in 1..=CHANGES {
                stored.store(change, SeqCst);
                cache.remove(&context, &1).await;
                unseen += u64::from(look_up().await != Ok(Some(Arc::new(change))));
            }
            unseen
        };
        let runtime = Handle::current();
        let unseen = thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| runtime.block_on(read()));
            }
            scope.spawn(|| runtime.block_on(change())).join()
        });
        assert_eq!(unseen.expect("it ended"), 0);
    }
}
