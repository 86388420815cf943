//! Whether a dependency is up, by how its last calls ended. No single one
//! decides: it is down once half of them fail, which is also where Hystrix opens
//! a circuit breaker, and up again once fewer than a tenth do.
//!
//! The two are so far apart that chance does not lead from one to the other: of
//! ten calls that fail as often as not, all succeed once in a thousand times. So
//! what fails by halves is down, and stays so for as long as an alert waits.

use std::time::Instant;

use crate::infra::window::{Recent, Window};

/// One call proves nothing.
const CALLS_AT_LEAST: u32 = 2;

/// How a dependency does.
pub struct State {
    up: bool,
    window: Window,
}

impl State {
    /// Up, until calls say otherwise. All times that it is told begin at `now`.
    pub fn new(now: Instant) -> State {
        State { up: true, window: Window::new(now) }
    }

    pub fn is_up(&self) -> bool {
        self.up
    }

    /// Counts a call. If that changes the state, returns the calls that did.
    pub fn count(&mut self, failed: bool, now: Instant) -> Option<Recent> {
        let recent = self.window.count(failed, now);
        let changes = match self.up {
            true => failed && recent.failed >= CALLS_AT_LEAST && recent.failed * 2 >= recent.calls,
            false => !failed && recent.calls >= CALLS_AT_LEAST && recent.failed * 10 < recent.calls,
        };
        self.up ^= changes;
        changes.then_some(recent)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// What it is after each of the calls, given as when they end, in
    /// milliseconds, and whether they fail.
    fn states(calls: impl IntoIterator<Item = (u64, bool)>) -> Vec<bool> {
        let start = Instant::now();
        let mut state = State::new(start);
        let after = |(millis, failed)| {
            state.count(failed, start + Duration::from_millis(millis));
            state.is_up()
        };
        calls.into_iter().map(after).collect()
    }

    fn changes(states: &[bool]) -> usize {
        states.windows(2).filter(|pair| pair[0] != pair[1]).count()
    }

    #[test]
    fn one_call_changes_nothing() {
        assert_eq!(states([(0, true)]), [true]);
        assert_eq!(states([(0, false), (5_000, true), (10_000, false)]), [true; 3]);
        let calls = [(0, true), (1, true), (11_000, false), (11_001, false)];
        assert_eq!(states(calls), [true, false, false, true]);
    }

    /// The pings of a service without requests end 5 s apart, or 7 s where each
    /// takes its 2 s in vain.
    #[test]
    fn two_pings_that_fail_are_enough_and_two_that_are_answered() {
        let pings = [(0, false), (7_000, true), (14_000, true), (19_000, false), (24_000, false)];
        assert_eq!(states(pings), [true, true, false, false, true]);
    }

    #[test]
    fn what_fails_by_halves_is_down_and_stays_so() {
        for pause in [1, 100, 1_000, 2_500] {
            let states = states((0..120).map(|n| (n * pause, n % 2 == 1)));
            assert_eq!((changes(&states), states[119]), (1, false), "every {pause} ms");
        }
    }

    #[test]
    fn what_fails_by_halves_at_random_hardly_ever_changes() {
        let mut random = fastrand::Rng::with_seed(7);
        for pause in [1, 100, 1_000] {
            let most = (0..100)
                .map(|_| changes(&states((0..120).map(|n| (n * pause, random.bool())))))
                .max();
            assert!(most <= Some(3), "{most:?}, every {pause} ms");
        }
    }

    #[test]
    fn a_few_failures_among_many_calls_are_none_of_its_business() {
        for share in [3, 10, 100] {
            assert!(
                states((0..1_000).map(|n| (n * 10, n % share == share - 1))).iter().all(|up| *up)
            );
        }
    }

    #[test]
    fn what_dies_under_load_is_down_within_the_window() {
        let calls = (0..3_000).map(|n| (n * 10, n >= 1_500));
        let states = states(calls);
        let down = states.iter().position(|up| !up).expect("it is down");
        assert!((1_501..2_500).contains(&down), "{down}");
        assert_eq!(changes(&states), 1);
    }

    #[test]
    fn what_is_back_is_up_within_the_window() {
        let calls = (0..3_000).map(|n| (n * 10, n < 1_500));
        let states = states(calls);
        assert!(!states[1_499]);
        assert!(states[2_500]);
        assert_eq!(changes(&states), 2);
    }
}
