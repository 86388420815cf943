//! How many of the last calls failed.

use std::time::Instant;

/// Calls by the second in which they ended, for as many seconds.
pub struct Window<const SECONDS: usize> {
    /// What the seconds are counted from.
    start: Instant,
    seconds: [Second; SECONDS],
}

#[derive(Clone, Copy, Default)]
struct Second {
    number: u64,
    calls: u32,
    failed: u32,
}

/// The calls that ended within the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recent {
    pub calls: u32,
    pub failed: u32,
}

impl<const SECONDS: usize> Window<SECONDS> {
    /// An empty one. All times that it is told begin at `now`.
    pub fn new(now: Instant) -> Window<SECONDS> {
        Window { start: now, seconds: [Second::default(); SECONDS] }
    }

    /// Counts a call that ended `now`.
    pub fn count(&mut self, failed: bool, now: Instant) {
        let number = self.number(now);
        let second = &mut self.seconds[number as usize % SECONDS];
        if second.number != number {
            *second = Second { number, ..Second::default() };
        }
        second.calls += 1;
        second.failed += u32::from(failed);
    }

    /// All that count `now`.
    pub fn recent(&self, now: Instant) -> Recent {
        let number = self.number(now);
        let recent = self.seconds.iter().filter(|second| second.number + SECONDS as u64 > number);
        recent.fold(Recent { calls: 0, failed: 0 }, |sum, second| Recent {
            calls: sum.calls + second.calls,
            failed: sum.failed + second.failed,
        })
    }

    fn number(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_secs()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_call_counts_for_as_many_seconds() {
        let start = Instant::now();
        let mut window = Window::<10>::new(start);
        let mut count = |failed, second| {
            let now = start + Duration::from_secs(second);
            window.count(failed, now);
            let Recent { calls, failed } = window.recent(now);
            (calls, failed)
        };
        assert_eq!(count(true, 0), (1, 1));
        assert_eq!(count(false, 0), (2, 1));
        assert_eq!(count(true, 9), (3, 2));
        assert_eq!(count(false, 10), (2, 1));
        assert_eq!(count(false, 100), (1, 0));
    }
}
