//! Takes batches to a collector, and keeps account of what that does not get.

use std::collections::HashSet;
use std::fmt::Display;

use axum::http::Uri;

use super::collector::{Collector, Item, Refusal};
use crate::telemetry::metrics::Metrics;

/// Why something is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Loss {
    /// More came than was sent.
    QueueFull,
    /// The collector is away, too slow, or does not want it.
    Export,
    /// One alone is larger than what the collector takes at once.
    TooLarge,
    /// The collector took a batch, but not all of it.
    Rejected,
}

impl Loss {
    pub const ALL: [Loss; 4] = [Loss::QueueFull, Loss::Export, Loss::TooLarge, Loss::Rejected];

    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Loss::QueueFull => "queue_full",
            Loss::Export => "export",
            Loss::TooLarge => "too_large",
            Loss::Rejected => "rejected",
        }
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
    /// large for it is sent in halves.
    pub async fn send<T: Item>(&mut self, batch: Vec<T>) -> bool {
        self.unsettled = batch.len();
        let mut lost = HashSet::new();
        let mut parts = vec![batch];
        while let Some(mut part) = parts.pop() {
            let count = part.len();
            match self.collector.export(part.clone()).await {
                Ok(None) => {}
                Ok(Some(rejected)) => {
                    lost.insert(Loss::Rejected);
                    self.lose(Loss::Rejected, rejected.count, rejected.why);
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
                Err(Refusal::Failed(why)) => {
                    self.lose(Loss::Export, self.unsettled, why);
                    self.unsettled = 0;
                    return false;
                }
            }
            self.unsettled -= count;
        }
        for loss in [Loss::Export, Loss::TooLarge, Loss::Rejected] {
            if !lost.contains(&loss) {
                self.recover(loss);
            }
        }
        true
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
