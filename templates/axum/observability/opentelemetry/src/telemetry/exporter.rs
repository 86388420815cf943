//! Sends traces, metrics and logs to a collector, over OTLP/gRPC. Nobody waits
//! for it: what is to be sent lies in bounded queues, and what does not fit, or
//! is not taken, is dropped and counted.

pub mod collector;
pub mod queue;
pub mod sender;
pub mod settings;

use std::io;
use std::time::Duration;

use axum::http::Uri;
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::collector::{Collector, Item, Record};
use self::queue::Queue;
use self::sender::{Patience, Sender};
use super::Signals;
use super::metrics::Metrics;
use super::saturation::Gauges;

pub use self::settings::{Settings, Signal};

/// What the end of the service leaves for the last spans and records, and then
/// for the last metrics: all of the end has to fit into the time after which
/// Kubernetes kills a pod.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(500);

/// How long a batch is sent again that the collector does not take for the moment.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends what there is. Whatever has no endpoint is not made in the first place.
pub struct Exporter {
    metrics: Option<PeriodicReader>,
    traces: Option<Batcher<Span>>,
    logs: Option<Batcher<Record>>,
}

impl Exporter {
    /// An exporter that has not sent anything yet, and not connected either.
    ///
    /// # Errors
    ///
    /// None; exporters that open a port can fail.
    pub async fn start(settings: &Settings, signals: Signals) -> io::Result<Exporter> {
        let Signals { metrics, gauges, log } = signals;
        let sender = |name, signal| {
            let collector = Collector::new(signal, settings.resource.clone());
            Sender::new(name, collector, metrics.clone())
        };
        let traces = log.spans().map(|(queue, signal)| {
            let interval = signal.interval;
            Batcher { queue, interval, sender: sender("traces", signal) }
        });
        let logs = log.records().map(|(queue, signal)| {
            let interval = signal.interval;
            Batcher { queue, interval, sender: sender("logs", signal) }
        });
        let metrics = settings.metrics.clone().map(|signal| {
            let interval = signal.interval;
            PeriodicReader {
                sender: sender("metrics", signal),
                metrics: metrics.clone(),
                gauges,
                interval,
            }
        });
        Ok(Exporter { metrics, traces, logs })
    }

    /// Where metrics go, if they go anywhere.
    pub fn metrics_endpoint(&self) -> Option<&Uri> {
        self.metrics.as_ref().map(|reader| reader.sender.endpoint())
    }

    /// Sends until `stop`, and then what is left, as far as it goes in time.
    pub async fn run(self, stop: CancellationToken) {
        let Exporter { metrics, mut traces, mut logs } = self;
        let queues_are_done = CancellationToken::new();
        let queues = async {
            let both = async { tokio::join!(run(&mut traces, &stop), run(&mut logs, &stop)) };
            in_time(both, &stop).await;
            traces.iter_mut().for_each(Batcher::give_up);
            logs.iter_mut().for_each(Batcher::give_up);
            queues_are_done.cancel();
        };
        // The last metrics tell what the queues lost at their end.
        let metrics = async {
            if let Some(mut reader) = metrics {
                in_time(reader.run(&queues_are_done), &queues_are_done).await;
            }
        };
        tokio::join!(queues, metrics);
    }
}

async fn run<T: Item>(batcher: &mut Option<Batcher<T>>, stop: &CancellationToken) {
    match batcher {
        Some(batcher) => batcher.run(stop).await,
        None => stop.cancelled().await,
    }
}

/// `work`, until [`FLUSH_TIMEOUT`] after `stop`.
async fn in_time<T>(work: impl Future<Output = T>, stop: &CancellationToken) {
    let out_of_time = async {
        stop.cancelled().await;
        sleep(FLUSH_TIMEOUT).await;
    };
    tokio::select! {
        _ = work => {}
        () = out_of_time => tracing::warn!("the collector did not take the last of it in time"),
    }
}

/// Waits for `interval`, or less where `stop` comes; true if it has come.
async fn pause(interval: Duration, stop: &CancellationToken) -> bool {
    timeout(interval, stop.cancelled()).await.is_ok()
}

/// Takes the metrics, as they are now and then, to the collector.
struct PeriodicReader {
    metrics: Metrics,
    gauges: Gauges,
    interval: Duration,
    sender: Sender,
}

impl PeriodicReader {
    async fn run(&mut self, stop: &CancellationToken) {
        loop {
            let is_last = pause(self.interval, stop).await;
            match self.metrics.collect(self.gauges.read()) {
                Ok(collected) => {
                    // By the next interval they are old.
                    let limit = self.interval.min(PATIENCE);
                    self.sender.send(collected, Patience::new(limit, &|| true, stop)).await;
                }
                Err(error) => tracing::error!(%error, "the metrics cannot be read"),
            }
            if is_last {
                return;
            }
        }
    }
}

/// Takes what is in a queue to the collector.
struct Batcher<T> {
    queue: Queue<T>,
    interval: Duration,
    sender: Sender,
}

impl<T: Item> Batcher<T> {
    async fn run(&mut self, stop: &CancellationToken) {
        let mut is_taken = true;
        loop {
            tokio::select! {
                // A collector that is not there is left alone for a while.
                () = self.queue.worth_sending(), if is_taken => {}
                _ = pause(self.interval, stop) => {}
            }
            let is_last = stop.is_cancelled();
            is_taken = self.send(stop).await;
            if is_last {
                return;
            }
        }
    }

    /// Sends all that waits, as long as the collector takes it; false if it does
    /// not. What is left then is for the next time, so that a collector which is away
    /// costs a batch and not a queue. So is what comes meanwhile: it
    /// would make many small batches.
    async fn send(&mut self, stop: &CancellationToken) -> bool {
        let queue = &self.queue;
        let has_room = || queue.has_room();
        let mut left = queue.waiting();
        loop {
            let (batch, overflow) = queue.take();
            self.sender.overflowed(overflow);
            left = left.saturating_sub(batch.len());
            let patience = Patience::new(PATIENCE, &has_room, stop);
            if !batch.is_empty() && !self.sender.send(batch, patience).await {
                return false;
            }
            if left == 0 {
                return true;
            }
        }
    }

    /// Counts all that is left as lost.
    fn give_up(&mut self) {
        self.sender.give_up(self.queue.waiting());
    }
}
