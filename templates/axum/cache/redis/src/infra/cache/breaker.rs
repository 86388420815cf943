//! Keeps requests from waiting for a server that does not answer. When too many
//! of the last calls failed, there are no more for a while; then one probe after
//! the other, and once one is answered, all is as before.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::infra::window::{Recent, Window};

/// How far back calls count.
const SECONDS: usize = 10;

/// Fewer calls than that prove nothing.
const CALLS_AT_LEAST: u32 = 20;

/// The share of failed calls that is too many.
const FAILED_AT_LEAST_PERCENT: u32 = 50;

/// As many failures in a row are too many, whatever came before them: the number
/// that Envoy's outlier detection has by default.
const FAILED_IN_A_ROW: u32 = 5;

/// How long a server that failed too often is left alone.
const OPEN_FOR: Duration = Duration::from_secs(5);

/// How long to wait after a probe that was not answered. No request pays for it.
const PROBE_AGAIN: Duration = Duration::from_secs(1);

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
    /// When the next probe is due, unless it is closed.
    probe: Instant,
    window: Window<SECONDS>,
    failed_in_a_row: u32,
    /// When the last one of them ended.
    failed: Instant,
}

impl Breaker {
    /// A closed one. All times that it is told begin at `now`.
    pub fn new(now: Instant) -> Breaker {
        Breaker(Mutex::new(Inner {
            state: BreakerState::Closed,
            probe: now,
            window: Window::new(now),
            failed_in_a_row: 0,
            failed: now,
        }))
    }

    pub fn state(&self) -> BreakerState {
        self.lock().state
    }

    /// Counts a call that began at `began` and ended `now`. Those that end after
    /// the breaker was opened began before and tell nothing new. Returns whether
    /// this one was one too many.
    pub fn count(&self, failed: bool, began: Instant, now: Instant) -> bool {
        let mut inner = self.lock();
        if inner.state != BreakerState::Closed {
            return false;
        }
        inner.count(failed, began, now);
        let too_many = inner.too_many_failed(now);
        if too_many {
            inner.open(now, OPEN_FOR);
        }
        too_many
    }

    /// Lets nothing through before a probe is answered, which is due at once.
    pub fn open(&self, now: Instant) {
        self.lock().open(now, Duration::ZERO);
    }

    /// How long to wait for the time of a probe, unless all calls are let through.
    pub fn until_probe(&self, now: Instant) -> Option<Duration> {
        let inner = self.lock();
        let wait = inner.probe.saturating_duration_since(now);
        (inner.state != BreakerState::Closed).then_some(wait)
    }

    /// Lets one probe through, of which [`Breaker::probed`] is to be told.
    pub fn probe(&self) {
        self.lock().state = BreakerState::HalfOpen;
    }

    /// A probe was answered, or not.
    pub fn probed(&self, answered: bool, now: Instant) {
        let mut inner = self.lock();
        match answered {
            true => inner.state = BreakerState::Closed,
            false => inner.open(now, PROBE_AGAIN),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// It starts afresh when it is closed again.
    fn open(&mut self, now: Instant, wait: Duration) {
        self.state = BreakerState::Open;
        self.probe = now + wait;
        self.window = Window::new(now);
        self.failed_in_a_row = 0;
    }

    fn count(&mut self, failed: bool, began: Instant, now: Instant) {
        self.window.count(failed, now);
        if !failed {
            self.failed_in_a_row = 0;
        } else if self.failed_in_a_row == 0 || began >= self.failed {
            // Calls that were under way together fail together, for one reason.
            self.failed_in_a_row += 1;
            self.failed = now;
        }
    }

    fn too_many_failed(&self, now: Instant) -> bool {
        let Recent { calls, failed } = self.window.recent(now);
        self.failed_in_a_row >= FAILED_IN_A_ROW
            || calls >= CALLS_AT_LEAST && failed * 100 >= calls * FAILED_AT_LEAST_PERCENT
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

    /// Counts calls that were under way together.
    fn count(breaker: &Breaker, calls: u32, failed: bool, now: Instant) -> bool {
        let began = now - Duration::from_millis(1);
        (0..calls).any(|_| breaker.count(failed, began, now))
    }

    #[test]
    fn half_of_twenty_calls_may_not_fail() {
        let (breaker, now) = breaker();
        assert!(!count(&breaker, 10, false, now));
        assert!(!count(&breaker, 9, true, now));
        assert!(count(&breaker, 1, true, now));
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[test]
    fn few_failures_do_not_open_it() {
        let (breaker, now) = breaker();
        assert!(!count(&breaker, 19, true, now));
        let (breaker, now) = self::breaker();
        assert!(!(0..100).any(|n| count(&breaker, 1, n % 3 == 0, now)));
    }

    #[test]
    fn failures_are_forgotten_after_ten_seconds() {
        let (breaker, now) = breaker();
        assert!(!count(&breaker, 19, true, now));
        assert!(!count(&breaker, 1, true, after(now, 10)));
        assert!(!count(&breaker, 18, true, after(now, 19)));
        assert!(count(&breaker, 1, true, after(now, 19)));
    }

    #[test]
    fn five_failures_in_a_row_open_it_whatever_came_before() {
        let (breaker, now) = breaker();
        assert!(!count(&breaker, 1_000, false, now));
        assert!(!(1..5).any(|n| count(&breaker, 1, true, after(now, n))));
        assert!(!count(&breaker, 1, false, after(now, 5)));
        assert!(!(6..10).any(|n| count(&breaker, 1, true, after(now, n))));
        assert!(count(&breaker, 1, true, after(now, 10)));
    }

    #[test]
    fn failures_of_calls_that_were_under_way_together_are_one_in_a_row() {
        let (breaker, now) = breaker();
        assert!(!count(&breaker, 1_000, false, now));
        assert!(!count(&breaker, 100, true, now));
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn it_is_closed_by_a_probe_that_is_answered() {
        let (breaker, now) = breaker();
        assert_eq!(breaker.until_probe(now), None);
        assert!(count(&breaker, 20, true, now));
        assert_eq!(breaker.until_probe(after(now, 2)), Some(Duration::from_secs(3)));
        breaker.probe();
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        breaker.probed(false, after(now, 6));
        assert_eq!(breaker.state(), BreakerState::Open);
        assert_eq!(breaker.until_probe(after(now, 6)), Some(PROBE_AGAIN));
        breaker.probe();
        breaker.probed(true, after(now, 7));
        assert_eq!(breaker.state(), BreakerState::Closed);
        // It starts afresh.
        assert!(!count(&breaker, 1, true, after(now, 7)));
    }
}
