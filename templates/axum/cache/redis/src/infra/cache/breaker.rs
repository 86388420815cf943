//! Keeps everybody from waiting for a server that does not answer. When too many
//! of the last calls failed, there are no more for a while; then one probe, and
//! if that is answered, all is as before.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How far back calls count, in seconds.
const WINDOW: usize = 10;

/// Fewer calls than that prove nothing.
const CALLS_AT_LEAST: u32 = 20;

/// The share of failed calls that is too many.
const FAILED_AT_LEAST_PERCENT: u32 = 50;

/// How long nobody calls.
const OPEN_FOR: Duration = Duration::from_secs(5);

/// What is let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Every call.
    Closed = 0,
    /// One probe.
    HalfOpen = 1,
    /// Nothing.
    Open = 2,
}

/// Counts calls by how they ended, and says whether there should be another one.
pub struct Breaker(Mutex<Inner>);

struct Inner {
    state: BreakerState,
    /// When it was opened the last time.
    opened: Instant,
    /// What the seconds are counted from.
    start: Instant,
    seconds: [Second; WINDOW],
}

/// The calls that ended in one second.
#[derive(Clone, Copy, Default)]
struct Second {
    number: u64,
    calls: u32,
    failed: u32,
}

impl Breaker {
    /// A closed one. All times that it is told begin at `now`.
    pub fn new(now: Instant) -> Breaker {
        let state = BreakerState::Closed;
        let seconds = [Second::default(); WINDOW];
        Breaker(Mutex::new(Inner { state, opened: now, start: now, seconds }))
    }

    pub fn state(&self) -> BreakerState {
        self.lock().state
    }

    /// Counts a call. Those that end after the breaker was opened began before
    /// and tell nothing new. Returns whether this one was one too many.
    pub fn count(&self, failed: bool, now: Instant) -> bool {
        let mut inner = self.lock();
        if inner.state != BreakerState::Closed {
            return false;
        }
        let too_many = inner.count(failed, now);
        if too_many {
            inner.state = BreakerState::Open;
            inner.opened = now;
        }
        too_many
    }

    /// How long to wait for the time of a probe, unless all calls are let through.
    pub fn until_probe(&self, now: Instant) -> Option<Duration> {
        let inner = self.lock();
        let probe = inner.opened + OPEN_FOR;
        (inner.state != BreakerState::Closed).then(|| probe.saturating_duration_since(now))
    }

    /// Lets one probe through, of which [`Breaker::probed`] is to be told.
    pub fn probe(&self) {
        self.lock().state = BreakerState::HalfOpen;
    }

    /// The probe was answered, or not.
    pub fn probed(&self, answered: bool, now: Instant) {
        let mut inner = self.lock();
        match answered {
            true => {
                inner.state = BreakerState::Closed;
                inner.seconds = [Second::default(); WINDOW];
            }
            false => {
                inner.state = BreakerState::Open;
                inner.opened = now;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Counts a call, and returns whether too many have failed.
    fn count(&mut self, failed: bool, now: Instant) -> bool {
        let number = now.saturating_duration_since(self.start).as_secs();
        let second = &mut self.seconds[number as usize % WINDOW];
        if second.number != number {
            *second = Second { number, ..Second::default() };
        }
        second.calls += 1;
        second.failed += u32::from(failed);

        let recent = |second: &&Second| second.number + WINDOW as u64 > number;
        let recent = self.seconds.iter().filter(recent);
        let (calls, failures) = recent.fold((0, 0), |(calls, failures), second| {
            (calls + second.calls, failures + second.failed)
        });
        calls >= CALLS_AT_LEAST && failures * 100 >= calls * FAILED_AT_LEAST_PERCENT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker() -> (Breaker, Instant) {
        let now = Instant::now();
        (Breaker::new(now), now)
    }

    fn after(now: Instant, seconds: u64) -> Instant {
        now + Duration::from_secs(seconds)
    }

    #[test]
    fn half_of_twenty_calls_may_not_fail() {
        let (breaker, now) = breaker();
        let opened = (0..20).map(|n| breaker.count(n % 2 == 0, now)).collect::<Vec<_>>();
        assert_eq!(opened.iter().position(|opened| *opened), Some(19));
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[test]
    fn few_failures_do_not_open_it() {
        let (breaker, now) = breaker();
        assert!(!(0..19).any(|_| breaker.count(true, now)));
        let (breaker, now) = self::breaker();
        assert!(!(0..100).any(|n| breaker.count(n % 3 == 0, now)));
    }

    #[test]
    fn failures_are_forgotten_after_ten_seconds() {
        let (breaker, now) = breaker();
        assert!(!(0..19).any(|_| breaker.count(true, now)));
        assert!(!breaker.count(true, after(now, 10)));
        assert!(!(0..17).any(|_| breaker.count(true, after(now, 19))));
        assert!(!breaker.count(true, after(now, 19)));
        assert!(breaker.count(true, after(now, 19)));
    }

    #[test]
    fn it_is_closed_by_a_probe_that_is_answered() {
        let (breaker, now) = breaker();
        assert_eq!(breaker.until_probe(now), None);
        while !breaker.count(true, now) {}
        assert_eq!(breaker.until_probe(after(now, 2)), Some(Duration::from_secs(3)));
        breaker.probe();
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        breaker.probed(false, after(now, 6));
        assert_eq!(breaker.state(), BreakerState::Open);
        assert_eq!(breaker.until_probe(after(now, 6)), Some(OPEN_FOR));
        breaker.probe();
        breaker.probed(true, after(now, 12));
        assert_eq!(breaker.state(), BreakerState::Closed);
        // It starts afresh.
        assert!(!breaker.count(true, after(now, 12)));
    }
}
