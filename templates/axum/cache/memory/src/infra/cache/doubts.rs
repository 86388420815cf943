//! Keys whose values may change at any time: a change of which nothing was heard any
//! more may be on its way to the database.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many are remembered.
const AT_MOST: usize = 10_000;

/// Keys that are in doubt, each for the same time.
pub struct Doubts<K> {
    time: Duration,
    /// Whether there may be any: nearly always there is none.
    are_any: AtomicBool,
    until: Mutex<Until<K>>,
}

struct Until<K> {
    keys: HashMap<K, Instant>,
    /// Until when every key is in doubt, where there were too many.
    all: Option<Instant>,
}

impl<K: Hash + Eq> Doubts<K> {
    pub fn new(time: Duration) -> Doubts<K> {
        let until = Mutex::new(Until { keys: HashMap::new(), all: None });
        Doubts { time, are_any: AtomicBool::new(false), until }
    }

    /// From `now` on `key` is in doubt.
    pub fn add(&self, key: K, now: Instant) {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.keys.retain(|_, until| now < *until);
        if until.keys.len() < AT_MOST {
            until.keys.insert(key, now + self.time);
        } else {
            until.all = Some(now + self.time);
        }
        self.are_any.store(true, SeqCst);
    }

    /// Whether `key` is in doubt.
    pub fn cover(&self, key: &K, now: Instant) -> bool {
        if !self.are_any.load(SeqCst) {
            return false;
        }
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.keys.retain(|_, until| now < *until);
        until.all = until.all.filter(|until| now < *until);
        self.are_any.store(!until.keys.is_empty() || until.all.is_some(), SeqCst);
        until.all.is_some() || until.keys.contains_key(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_secs(60);

    #[test]
    fn a_key_is_in_doubt_for_its_time() {
        let (doubts, now) = (Doubts::new(TIME), Instant::now());
        doubts.add(1, now);
        assert!(doubts.cover(&1, now + TIME / 2));
        assert!(!doubts.cover(&2, now));
        doubts.add(2, now + TIME / 2);
        assert!(!doubts.cover(&1, now + TIME));
        assert!(doubts.cover(&2, now + TIME));
        assert!(!doubts.cover(&2, now + 2 * TIME));
    }

    #[test]
    fn while_there_are_too_many_it_may_be_any_key() {
        let (doubts, now) = (Doubts::new(TIME), Instant::now());
        for key in 0..=AT_MOST {
            doubts.add(key, now);
        }
        assert!(doubts.cover(&usize::MAX, now));
        assert!(!doubts.cover(&usize::MAX, now + TIME));
    }
}
