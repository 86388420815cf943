//! How many of the calls of the last ten seconds failed.

use std::time::Instant;

/// How far back calls count, in seconds. Hystrix opens a circuit breaker by as
/// many.
const SECONDS: usize = 10;

/// Calls by the second in which they ended.
pub struct Window {
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

/// What ended within the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recent {
    pub calls: u32,
    pub failed: u32,
}

impl Window {
    /// An empty one. All times that it is told begin at `now`.
    pub fn new(now: Instant) -> Window {
        Window { start: now, seconds: [Second::default(); SECONDS] }
    }

    /// Counts a call, and returns all that count.
    pub fn count(&mut self, failed: bool, now: Instant) -> Recent {
        let number = now.saturating_duration_since(self.start).as_secs();
        let second = &mut self.seconds[number as usize % SECONDS];
        if second.number != number {
            *second = Second { number, ..Second::default() };
        }
        second.calls += 1;
        second.failed += u32::from(failed);

        let recent = self.seconds.iter().filter(|second| second.number + SECONDS as u64 > number);
        recent.fold(Recent { calls: 0, failed: 0 }, |sum, second| Recent {
            calls: sum.calls + second.calls,
            failed: sum.failed + second.failed,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_call_counts_for_ten_seconds() {
        let start = Instant::now();
        let mut window = Window::new(start);
        let mut count = |failed, second| {
            let Recent { calls, failed } =
                window.count(failed, start + Duration::from_secs(second));
            (calls, failed)
        };
        assert_eq!(count(true, 0), (1, 1));
        assert_eq!(count(false, 0), (2, 1));
        assert_eq!(count(true, 9), (3, 2));
        assert_eq!(count(false, 10), (2, 1));
        assert_eq!(count(false, 100), (1, 0));
    }
}
