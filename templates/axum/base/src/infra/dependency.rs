//! One call of something that can be slow or gone. However it ends, it ends in
//! time, it is counted, and the request knows how long it has waited.
//!
//! This is the only layer that repeats a call. Two of them would multiply the
//! load on a dependency that is already in trouble; so does every retry, which
//! is why there is one at the most, for reads and for what was undone, while the
//! budget lasts.

mod state;

use std::fmt::{self, Debug, Display};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use self::state::State;
use super::window::Recent;
use crate::context::Context;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::{Operation, Outcome};

/// The wait before a retry, in milliseconds, drawn at random so that callers
/// which failed together do not come back together.
const BACKOFF_MS: std::ops::RangeInclusive<u64> = 25..=250;

/// Something that the service calls and does not own. Clones share its state.
#[derive(Clone)]
pub struct Dependency(Arc<Inner>);

struct Inner {
    name: &'static str,
    system: &'static str,
    metrics: Metrics,
    state: Mutex<State>,
    budget: RetryBudget,
}

/// What to call, and within which limits.
#[derive(Clone, Copy)]
pub struct Call {
    /// What is done, such as `SELECT`.
    pub operation: &'static str,
    /// What it is done to, such as a table.
    pub collection: &'static str,
    /// The longest that one attempt may take.
    pub timeout: Duration,
    pub retry: Retry,
}

/// When a call may be repeated that has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It only reads: once.
    Once,
    /// It may have had its effect: once, if the dependency says that it undid it.
    IfUndone,
}

/// What an error of a dependency's client says about the dependency.
pub trait Failure: Debug + Display {
    /// How the call counts. `Ok` is an answer, too, such as a violated constraint.
    fn outcome(&self) -> Outcome;
    /// Whether a repetition might reach it.
    fn is_transient(&self) -> bool;
    /// Whether the dependency says that it undid all that the call did.
    fn is_undone(&self) -> bool {
        false
    }
    /// The `error.type` label, of few values.
    fn error_type(&self) -> &'static str;
}

/// Why a call has no result.
#[derive(Debug)]
pub enum CallError<E> {
    /// The dependency, or the way to it, failed.
    Failed(E),
    /// It took longer than it may.
    Timeout,
    /// There was no time left to try.
    Rejected,
}

impl Dependency {
    /// A dependency under the name that its metrics carry. `system` is what the
    /// semantic conventions call the product.
    pub fn new(name: &'static str, system: &'static str, metrics: Metrics) -> Dependency {
        metrics.declare_dependency(name);
        metrics.dependency_up(name, true);
        Dependency(Arc::new(Inner {
            name,
            system,
            metrics,
            state: Mutex::new(State::new(Instant::now())),
            budget: RetryBudget::default(),
        }))
    }

    /// The name that its metrics carry.
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// The `error.type` of its last failure, unless its last calls were answered, all in
    /// all.
    pub fn failure(&self) -> Option<&'static str> {
        self.state().failure()
    }

    /// Runs `attempt`, and once more if `call` allows it.
    ///
    /// # Errors
    ///
    /// The last attempt's error, or that time ran out.
    pub async fn call<T, E: Failure, F>(
        &self,
        context: &Context,
        call: Call,
        attempt: impl Fn() -> F,
    ) -> Result<T, CallError<E>>
    where
        F: Future<Output = Result<T, E>>,
    {
        self.0.budget.earn();
        let mut counted = Counted { dependency: &self.0, outcome: Outcome::Cancelled };
        let mut is_first = true;
        loop {
            // Held here, and nowhere else: a future that is passed on by value takes its
            // space at each step of the way.
            let result = self.attempt(context, call, pin!(attempt())).await;
            let Err(error) = result else {
                counted.outcome = Outcome::Ok;
                self.settle(Outcome::Ok, None);
                return result;
            };
            let backoff = Duration::from_millis(fastrand::u64(BACKOFF_MS));
            let may_help = is_first && error.allows(call.retry) && backoff < context.remaining();
            if may_help && self.0.budget.spend() {
                is_first = false;
                sleep(backoff).await;
                if !context.remaining().is_zero() {
                    self.0.metrics.dependency_retry(self.0.name);
                    continue;
                }
            }
            counted.outcome = error.outcome();
            self.settle(counted.outcome, Some((&error, error.error_type())));
            return Err(error);
        }
    }

    async fn attempt<T, E: Failure>(
        &self,
        context: &Context,
        call: Call,
        attempt: Pin<&mut impl Future<Output = Result<T, E>>>,
    ) -> Result<T, CallError<E>> {
        let limit = call.timeout.min(context.remaining());
        if limit.is_zero() {
            return Err(CallError::Rejected);
        }
        let Call { operation: name, collection, .. } = call;
        let operation = Operation { system: self.0.system, name, collection };
        let mut timed = Timed {
            dependency: &self.0,
            context,
            operation,
            started: Instant::now(),
            error_type: Some("cancelled"),
        };
        let result = match timeout(limit, attempt).await {
            Ok(result) => result.map_err(CallError::Failed),
            Err(_) => Err(CallError::Timeout),
        };
        timed.error_type = result.as_ref().err().map(CallError::error_type);
        result
    }

    /// What a call that has ended says of the dependency: nothing, if it was a mistake of
    /// ours or was never tried.
    fn settle(&self, outcome: Outcome, error: Option<(&dyn Display, &'static str)>) {
        let Inner { name: dependency, metrics, .. } = &*self.0;
        let error = match outcome {
            Outcome::Ok => None,
            Outcome::Error | Outcome::Timeout => error,
            Outcome::Misused | Outcome::Rejected | Outcome::Cancelled => return,
        };
        // Told of while it is held, so that changes are told of in their order.
        let mut state = self.state();
        let failure = error.map(|(_, error_type)| error_type);
        if let Some(Recent { calls, failed }) = state.count(failure, Instant::now()) {
            metrics.dependency_up(dependency, state.is_up());
            match state.is_up() {
                true => tracing::info!(dependency, calls, failed, "a dependency answers again"),
                false => {
                    let error = error.map(|(error, _)| tracing::field::display(error));
                    tracing::warn!(dependency, calls, failed, error, "a dependency fails");
                }
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a call when it has ended, or when its caller leaves and drops it.
struct Counted<'a> {
    dependency: &'a Inner,
    outcome: Outcome,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.dependency.metrics.dependency_request(self.dependency.name, self.outcome);
    }
}

/// Tells how long an attempt took, also when its caller leaves and drops it.
struct Timed<'a> {
    dependency: &'a Inner,
    context: &'a Context,
    operation: Operation,
    started: Instant,
    error_type: Option<&'static str>,
}

impl Drop for Timed<'_> {
    fn drop(&mut self) {
        let Timed { dependency, context, operation, started, error_type } = *self;
        let time = started.elapsed();
        context.waited(dependency.name, time);
        dependency.metrics.operation(operation, error_type, time);
        context.span().called(operation, error_type, time);
    }
}

impl<E: Failure> CallError<E> {
    /// How the call counts.
    pub fn outcome(&self) -> Outcome {
        match self {
            CallError::Failed(error) => error.outcome(),
            CallError::Timeout => Outcome::Timeout,
            CallError::Rejected => Outcome::Rejected,
        }
    }

    /// Whether a call that ended like this may be repeated.
    fn allows(&self, retry: Retry) -> bool {
        let CallError::Failed(error) = self else { return false };
        error.is_undone() || (retry == Retry::Once && error.is_transient())
    }

    fn error_type(&self) -> &'static str {
        match self {
            CallError::Failed(error) => error.error_type(),
            CallError::Timeout => "timeout",
            CallError::Rejected => "rejected",
        }
    }
}

impl<E: Display> Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Failed(error) => error.fmt(f),
            CallError::Timeout => f.write_str("no answer in time"),
            CallError::Rejected => f.write_str("no time left to ask"),
        }
    }
}

impl<E: Debug + Display> std::error::Error for CallError<E> {}

/// Lets retries be a tenth of the calls. What is saved up while all is well is
/// bounded, so that it is soon spent when nothing is.
struct RetryBudget {
    /// In tenths of a retry.
    tenths: AtomicI64,
}

impl RetryBudget {
    const RETRY: i64 = 10;
    const SAVED_AT_MOST: i64 = 10 * RetryBudget::RETRY;

    fn earn(&self) {
        // Racing callers may overshoot by a tenth each, which does no harm.
        if self.tenths.load(Relaxed) < RetryBudget::SAVED_AT_MOST {
            self.tenths.fetch_add(1, Relaxed);
        }
    }

    fn spend(&self) -> bool {
        let pay = |tenths| (tenths >= RetryBudget::RETRY).then(|| tenths - RetryBudget::RETRY);
        self.tenths.fetch_update(Relaxed, Relaxed, pay).is_ok()
    }
}

impl Default for RetryBudget {
    fn default() -> RetryBudget {
        RetryBudget { tenths: AtomicI64::new(RetryBudget::SAVED_AT_MOST) }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::telemetry::logged::Logged;

    #[derive(Debug, thiserror::Error)]
    enum Broken {
        #[error("unreachable")]
        Unreachable,
        #[error("no such table")]
        Misused,
    }

    impl Failure for Broken {
        fn outcome(&self) -> Outcome {
            match self {
                Broken::Unreachable => Outcome::Error,
                Broken::Misused => Outcome::Misused,
            }
        }

        fn is_transient(&self) -> bool {
            matches!(self, Broken::Unreachable)
        }

        fn error_type(&self) -> &'static str {
            "broken"
        }
    }

    fn call(retry: Retry) -> Call {
        let timeout = Duration::from_millis(50);
        Call { operation: "SELECT", collection: "things", timeout, retry }
    }

    fn dependency() -> (Dependency, Context) {
        let dependency = Dependency::new("database", "test", Metrics::new(1));
        (dependency, Context::new("test", Duration::from_secs(5)))
    }

    #[tokio::test]
    async fn a_read_is_tried_once_more_and_a_write_is_not() {
        for (retry, expected) in [(Retry::Once, 2), (Retry::IfUndone, 1)] {
            let (dependency, context) = dependency();
            let attempts = Cell::new(0);
            let attempt = || {
                attempts.set(attempts.get() + 1);
                async { Err::<(), _>(Broken::Unreachable) }
            };
            let result = dependency.call(&context, call(retry), attempt).await;
            assert!(matches!(result, Err(CallError::Failed(Broken::Unreachable))));
            assert_eq!(attempts.get(), expected);
        }
    }

    #[tokio::test]
    async fn a_call_that_hangs_ends_at_its_timeout() {
        let (dependency, context) = dependency();
        let hang = || async {
            sleep(Duration::from_secs(60)).await;
            Ok::<(), Broken>(())
        };
        let result = dependency.call(&context, call(Retry::Once), hang).await;
        assert!(matches!(result, Err(CallError::Timeout)));
        let [waits] = &context.waits()[..] else { panic!("one dependency was called") };
        assert_eq!((waits.dependency, waits.calls), ("database", 1));
    }

    #[tokio::test]
    async fn a_call_whose_caller_leaves_is_told_of() {
        let (dependency, context) = dependency();
        let hang = || async {
            sleep(Duration::from_secs(60)).await;
            Ok::<(), Broken>(())
        };
        let patience = Duration::from_millis(10);
        let left = timeout(patience, dependency.call(&context, call(Retry::Once), hang)).await;
        assert!(left.is_err());
        let [waits] = &context.waits()[..] else { panic!("one dependency was called") };
        assert_eq!((waits.dependency, waits.calls), ("database", 1));
        assert!(waits.time >= patience);
    }

    #[tokio::test]
    async fn a_call_past_the_deadline_is_not_tried() {
        let (dependency, _) = dependency();
        let late = Context::new("test", Duration::ZERO);
        let never = || async { panic!("it was tried") };
        let result = dependency.call::<(), Broken, _>(&late, call(Retry::Once), never).await;
        assert!(matches!(result, Err(CallError::Rejected)));
        assert_eq!(dependency.failure(), None);
    }

    /// Whether it is up after each of these calls.
    async fn states(calls: impl IntoIterator<Item = Result<(), Broken>>) -> Vec<bool> {
        let (dependency, context) = dependency();
        let mut states = Vec::new();
        for result in calls {
            let result = Cell::new(Some(result));
            let attempt = async || result.take().expect("it is tried once");
            let _ = dependency.call(&context, call(Retry::IfUndone), attempt).await;
            states.push(dependency.failure().is_none());
        }
        states
    }

    #[tokio::test]
    async fn what_fails_by_halves_changes_once() {
        let calls = (0..120).map(|n| if n % 2 == 0 { Ok(()) } else { Err(Broken::Unreachable) });
        let states = states(calls).await;
        let changes = states.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert_eq!((changes, states[119]), (1, false));
    }

    #[tokio::test]
    async fn the_log_says_why_it_fails() {
        let logged = Logged::start();
        states((0..3).map(|_| Err(Broken::Unreachable))).await;
        let lines = logged.end();
        for part in ["WARN", "a dependency fails", r#""error":"unreachable""#] {
            assert!(lines.contains(part), "{part} in {lines}");
        }
    }

    #[tokio::test]
    async fn what_is_misused_stays_as_it_is() {
        let misuse = || (0..50).map(|_| Err(Broken::Misused));
        assert_eq!(states(misuse()).await, [true; 50]);
        let down = (0..3).map(|_| Err(Broken::Unreachable));
        assert_eq!(states(down.chain(misuse())).await[2..], [false; 51]);
    }

    #[test]
    fn retries_end_when_the_budget_is_spent() {
        let budget = RetryBudget::default();
        assert_eq!((0..100).filter(|_| budget.spend()).count(), 10);
        (0..10).for_each(|_| budget.earn());
        assert_eq!((0..100).filter(|_| budget.spend()).count(), 1);
    }
}
