//! Whether a dependency is up, by how its calls of the last 30 s ended. No single
//! one decides: it is down once two of five fail, and up again once fewer than
//! one of ten does.
//!
//! Two of five, so that it is down if half of the reads fail while pings are
//! answered in between. One of ten is so far from that that chance does not lead
//! from one to the other: what fails by halves is down and stays so, and an alert
//! that waits for a minute sees it.

use std::time::Instant;

use crate::infra::window::{Recent, Window};

/// How far back calls count, and how many of them prove something. A probe of
/// Kubernetes fails after as much: three times, 10 s apart.
const SECONDS: usize = 30;
const CALLS_AT_LEAST: u32 = 3;

/// How a dependency does.
pub struct State {
    up: bool,
    /// What kind the last failure was of.
    failure: &'static str,
    window: Window<SECONDS>,
}

impl State {
    /// Up, until calls say otherwise. All times that it is told begin at `now`.
    pub fn new(now: Instant) -> State {
        State { up: true, failure: "", window: Window::new(now) }
    }

    pub fn is_up(&self) -> bool {
        self.up
    }

    /// What kind of failure it is down by.
    pub fn failure(&self) -> Option<&'static str> {
        (!self.up).then_some(self.failure)
    }

    /// Counts a call, which may have failed. If that changes the state, returns the calls
    /// that did.
    pub fn count(&mut self, failure: Option<&'static str>, now: Instant) -> Option<Recent> {
        let failed = failure.is_some();
        self.failure = failure.unwrap_or(self.failure);
        self.window.count(failed, now);
        let changes = match (self.up, failed) {
            (true, true) => State::is_too_bad,
            (false, false) => State::is_good,
            // It stays as it is, and nothing needs to be added up.
            (true, false) | (false, true) => return None,
        };
        let recent = self.window.recent(now);
        if !changes(&recent) {
            return None;
        }
        self.up = !self.up;
        Some(recent)
    }

    fn is_too_bad(recent: &Recent) -> bool {
        recent.failed >= CALLS_AT_LEAST && recent.failed * 5 >= recent.calls * 2
    }

    fn is_good(recent: &Recent) -> bool {
        recent.calls >= CALLS_AT_LEAST && recent.failed * 10 < recent.calls
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
        let after = |(millis, failed): (u64, bool)| {
            let failure = failed.then_some("broken");
            state.count(failure, start + Duration::from_millis(millis));
            state.is_up()
        };
        calls.into_iter().map(after).collect()
    }

    fn changes(states: &[bool]) -> usize {
        states.windows(2).filter(|pair| pair[0] != pair[1]).count()
    }

    #[test]
    fn two_calls_change_nothing() {
        let failures = (0..3).map(|n| (n, true));
        let answers = (0..3).map(|n| (40_000 + n, false));
        assert_eq!(states(failures.chain(answers)), [true, true, false, false, false, true]);
    }

    /// The pings of a service without requests end 5 s apart, or 7 s where each
    /// takes its 2 s in vain.
    #[test]
    fn three_pings_are_enough() {
        let answered = (0..10).map(|n| (n * 5_000, false));
        let failed = (1..=5).map(|n| (45_000 + n * 7_000, true));
        let again = (1..=7).map(|n| (80_000 + n * 5_000, false));
        let states = states(answered.chain(failed).chain(again));
        let mut expected = [true; 22];
        // From 21 s after the last good one, to 30 s after the last bad one.
        expected[12..20].fill(false);
        assert_eq!(states, expected);
    }

    #[test]
    fn a_database_of_which_half_of_the_reads_fail_is_down_and_stays_so() {
        for pause in [10, 100, 1_000] {
            let reads =
                (0..120_000).step_by(pause).map(|time| (time, time / pause as u64 % 2 == 1));
            let pings = (0..120_000).step_by(5_000).map(|time| (time, false));
            let mut calls: Vec<_> = reads.chain(pings).collect();
            calls.sort();
            let states = states(calls);
            assert_eq!((changes(&states), states.last()), (1, Some(&false)), "every {pause} ms");
        }
    }

    #[test]
    fn chance_does_not_change_it_back() {
        let mut random = fastrand::Rng::with_seed(7);
        for pause in [1, 100, 1_000] {
            for _ in 0..100 {
                let states = states((0..120).map(|n| (n * pause, random.bool())));
                assert_eq!((changes(&states), states[119]), (1, false), "every {pause} ms");
            }
        }
    }

    #[test]
    fn a_third_of_the_calls_may_fail() {
        for share in [3, 10, 100] {
            let states = states((0..1_000).map(|n| (n * 10, n % share == share - 1)));
            assert!(states.iter().all(|up| *up), "one of {share}");
        }
    }

    #[test]
    fn it_is_down_or_up_within_the_window_whatever_was_before() {
        // A hundred a second: good ones for a minute, bad ones, and good ones.
        let states = states((0..18_000).map(|n| (n * 10, (6_000..12_000).contains(&n))));
        assert_eq!(changes(&states), 2);
        assert_eq!(
            [states[5_999], states[9_000], states[11_999], states[15_000]],
            [true, false, false, true]
        );
    }
}
