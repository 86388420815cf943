//! Takes batches to a collector, and keeps account of what that does not get.

use std::collections::HashSet;
use std::fmt::Display;
use std::time::{Duration, Instant};

use axum::http::Uri;
use tokio_util::sync::CancellationToken;

use super::collector::{Collector, Item, Refusal};
use super::pause;
use crate::telemetry::metrics::Metrics;

/// Why something is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Loss {
    /// More came than was sent.
    QueueFull,
    /// The collector is away or too slow.
    Export,
    /// The collector does not want it.
    Refused,
    /// One alone is larger than what the collector takes at once.
    TooLarge,
    /// The collector took a batch, but not all of it.
    Rejected,
}

impl Loss {
    pub const ALL: [Loss; 5] =
        [Loss::QueueFull, Loss::Export, Loss::Refused, Loss::TooLarge, Loss::Rejected];

    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Loss::QueueFull => "queue_full",
            Loss::Export => "export",
            Loss::Refused => "refused",
            Loss::TooLarge => "too_large",
            Loss::Rejected => "rejected",
        }
    }
}

/// The calls that one batch may take to send in parts: twenty for one item that is too
/// large among 512.
const CALLS: usize = 64;

/// What the wait before a batch is sent again begins with, and the longest one.
const WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How long to try to send a batch again.
pub struct Patience<'a> {
    stop: &'a CancellationToken,
    /// Whether what comes meanwhile has a place to wait.
    has_room: &'a (dyn Fn() -> bool + Send + Sync),
    until: Instant,
    wait: Duration,
}

impl<'a> Patience<'a> {
    /// For so long from now, as long as there is room, and not beyond `stop`.
    pub fn new(
        limit: Duration,
        has_room: &'a (dyn Fn() -> bool + Send + Sync),
        stop: &'a CancellationToken,
    ) -> Patience<'a> {
        Patience { stop, has_room, until: Instant::now() + limit, wait: WAIT }
    }

    /// Waits before the next time, as long as `told` or longer each time; false if
    /// there is to be none. At the end of the service it comes at once, and is the last.
    async fn wait(&mut self, told: Option<Duration>) -> bool {
        let wait = told.unwrap_or(self.wait).min(LONGEST_WAIT);
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
        // Not all services at the same time.
        let wait = wait.mul_f64(1.0 + fastrand::f64() / 4.0);
        let in_time = Instant::now() + wait < self.until;
        if !in_time || self.stop.is_cancelled() || !(self.has_room)() {
            return false;
        }
        pause(wait, self.stop).await;
        true
    }
}

/// Sends one signal.
pub struct Sender {
    signal: &'static str,
    collector: Collector,
    metrics: Metrics,
    /// What was taken to be sent and has not been settled.
    unsettled: usize,
    /// Why something was lost the last time. Only a change is logged: a line for
    /// each loss would be one more thing to send.
    losing: HashSet<Loss>,
}

impl Sender {
    pub fn new(signal: &'static str, collector: Collector, metrics: Metrics) -> Sender {
        metrics.declare_signal(signal);
        Sender { signal, collector, metrics, unsettled: 0, losing: HashSet::new() }
    }

    /// Where it sends to.
    pub fn endpoint(&self) -> &Uri {
        self.collector.endpoint()
    }

    /// Sends a batch; false if the collector is not there for any. One that is too
    /// large for it is sent in halves; one that it does not take now, again.
    pub async fn send<T: Item>(&mut self, batch: Vec<T>, mut patience: Patience<'_>) -> bool {
        self.unsettled = batch.len();
        let mut lost = HashSet::new();
        let mut parts = vec![batch];
        let mut calls = 0;
        while let Some(mut part) = parts.pop() {
            let count = part.len();
            calls += 1;
            match self.collector.export(part.clone()).await {
                Ok(None) => {}
                Ok(Some(rejected)) => {
                    lost.insert(Loss::Rejected);
                    self.lose(Loss::Rejected, rejected.count, rejected.why);
                }
                Err(Refusal::TooLarge(why)) if calls >= CALLS => {
                    lost.insert(Loss::TooLarge);
                    self.lose(Loss::TooLarge, self.unsettled, why);
                    self.unsettled = 0;
                    break;
                }
                Err(Refusal::TooLarge(_)) if count > 1 => {
                    let second = part.split_off(count / 2);
                    parts.extend([second, part]);
                    continue;
                }
                Err(Refusal::TooLarge(why)) => {
                    lost.insert(Loss::TooLarge);
                    self.lose(Loss::TooLarge, 1, why);
                }
                Err(Refusal::NotNow(why, wait)) => {
                    if patience.wait(wait).await {
                        calls -= 1;
                        parts.push(part);
                        continue;
                    }
                    return self.fail(Loss::Export, why);
                }
                Err(Refusal::Refused(why)) => return self.fail(Loss::Refused, why),
            }
            self.unsettled -= count;
        }
        for loss in [Loss::Export, Loss::Refused, Loss::TooLarge, Loss::Rejected] {
            if !lost.contains(&loss) {
                self.recover(loss);
            }
        }
        true
    }

    /// All that is unsettled is lost.
    fn fail(&mut self, loss: Loss, why: String) -> bool {
        self.lose(loss, self.unsettled, why);
        self.unsettled = 0;
        false
    }

    /// So much did not fit into the queue since the last time.
    pub fn overflowed(&mut self, count: usize) {
        match count {
            0 => self.recover(Loss::QueueFull),
            _ => self.lose(Loss::QueueFull, count, "more came than was sent"),
        }
    }

    /// Counts as lost what was being sent, and what else `waits`.
    pub fn give_up(&mut self, waits: usize) {
        let lost = self.unsettled + waits;
        self.metrics.telemetry_dropped(self.signal, Loss::Export, lost);
    }

    fn lose(&mut self, loss: Loss, count: usize, why: impl Display) {
        let Sender { signal, metrics, .. } = self;
        metrics.telemetry_dropped(signal, loss, count);
        if self.losing.insert(loss) {
            let reason = loss.as_str();
            tracing::warn!(signal, reason, count, error = %why, "the collector does not get all");
        }
    }

    fn recover(&mut self, loss: Loss) {
        if self.losing.remove(&loss) {
            let (signal, reason) = (self.signal, loss.as_str());
            tracing::info!(signal, reason, "the collector gets all again");
        }
    }
}
