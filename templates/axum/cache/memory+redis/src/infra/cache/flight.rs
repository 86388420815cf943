//! One load for many: a look-up that finds another of the same key under way
//! waits for its result. One of those that wait does the work, in its own time;
//! if it is given up, the next one begins anew.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

/// What is under way, by key.
pub struct Flights<K, T>(Mutex<HashMap<K, Arc<Flight<T>>>>);

struct Flight<T> {
    landed: OnceCell<T>,
    overtaken: AtomicBool,
    /// How many wait. It changes only while the map is locked.
    seats: AtomicUsize,
}

/// A place among those that wait for one result.
pub struct Seat<'a, K: Eq + Hash, T> {
    flights: &'a Flights<K, T>,
    key: K,
    flight: Arc<Flight<T>>,
}

impl<K, T> Default for Flights<K, T> {
    fn default() -> Flights<K, T> {
        Flights(Mutex::default())
    }
}

impl<K: Eq + Hash, T> Flights<K, T> {
    /// Joins those that wait for `key`, or becomes the first of them.
    pub fn board(&self, key: &K) -> Seat<'_, K, T>
    where
        K: Clone,
    {
        let mut flights = self.lock();
        let flight = flights.entry(key.clone()).or_insert_with(|| {
            Arc::new(Flight {
                landed: OnceCell::new(),
                overtaken: AtomicBool::new(false),
                seats: AtomicUsize::new(0),
            })
        });
        flight.seats.fetch_add(1, SeqCst);
        Seat { flights: self, key: key.clone(), flight: Arc::clone(flight) }
    }

    /// What is under way for `key` is out of date. A look-up that begins from now
    /// on does not wait for it.
    pub fn overtake(&self, key: &K) {
        if let Some(flight) = self.lock().remove(key) {
            flight.overtaken.store(true, SeqCst);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Arc<Flight<T>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash, T: Clone> Seat<'_, K, T> {
    /// The result: that of `find`, or of the first that found one. What `find`
    /// gives as an error is for its caller alone, and the next one that waits
    /// goes on.
    pub async fn land(&self, find: impl Future<Output = Result<T, T>>) -> T {
        match self.flight.landed.get_or_try_init(|| find).await {
            Ok(found) => found.clone(),
            Err(own) => own,
        }
    }
}

impl<K: Eq + Hash, T> Seat<'_, K, T> {
    /// Whether the result has become out of date while it was found.
    pub fn is_overtaken(&self) -> bool {
        self.flight.overtaken.load(SeqCst)
    }
}

impl<K: Eq + Hash, T> Drop for Seat<'_, K, T> {
    fn drop(&mut self) {
        let mut flights = self.flights.lock();
        let is_last = self.flight.seats.fetch_sub(1, SeqCst) == 1;
        if self.flight.landed.initialized() || is_last {
            // There may be another one by now.
            let is_ours = |flight: &Arc<Flight<T>>| Arc::ptr_eq(flight, &self.flight);
            if flights.get(&self.key).is_some_and(is_ours) {
                flights.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::atomic::AtomicU32;

    use futures_util::future::{join, join_all};
    use futures_util::{FutureExt, poll};
    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn many_look_ups_at_once_find_out_once() {
        let flights = Flights::default();
        let found = AtomicU32::new(0);
        let ask = async || {
            let seat = flights.board(&1);
            let find = async {
                yield_now().await;
                Ok(found.fetch_add(1, SeqCst))
            };
            seat.land(find).await
        };
        let results = join_all((0..20).map(|_| ask())).await;
        assert_eq!(results, [0; 20]);
        assert_eq!(ask().await, 1);
        assert!(flights.lock().is_empty());
    }

    #[tokio::test]
    async fn when_one_is_given_up_the_next_that_waits_goes_on() {
        let flights = Flights::default();
        let (first, second) = (flights.board(&1), flights.board(&1));
        let mut given_up = Box::pin(first.land(pending()));
        let mut waits = Box::pin(second.land(async { Ok("found") }));
        assert!(poll!(&mut given_up).is_pending() && poll!(&mut waits).is_pending());
        drop(given_up);
        assert_eq!(waits.now_or_never(), Some("found"));
        drop((first, second));
        assert!(flights.lock().is_empty());
    }

    #[tokio::test]
    async fn what_failed_for_one_alone_fails_no_other() {
        let flights = Flights::default();
        let (first, second) = (flights.board(&1), flights.board(&1));
        let late = first.land(async {
            yield_now().await;
            Err("late")
        });
        let found = second.land(async { Ok("found") });
        assert_eq!(join(late, found).await, ("late", "found"));
        drop((first, second));
        assert!(flights.lock().is_empty());
    }

    #[tokio::test]
    async fn nobody_joins_what_a_change_has_overtaken() {
        let flights = Flights::default();
        let before = flights.board(&1);
        flights.overtake(&1);
        assert!(before.is_overtaken());
        let after = flights.board(&1);
        assert!(!after.is_overtaken());
        assert_eq!(before.land(async { Ok("before") }).await, "before");
        drop(before);
        assert_eq!(after.land(async { Ok("after") }).await, "after");
        drop(after);
        assert!(flights.lock().is_empty());
    }
}
