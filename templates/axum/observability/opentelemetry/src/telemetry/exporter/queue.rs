//! Where spans and log records wait to be sent. The SDK's own batch processors
//! would do, but for three things: they do not tell how much they dropped, they
//! take a thread each, and their shutdown blocks.

use std::fmt::Debug;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opentelemetry::{Context, InstrumentationScope};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord};
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::BATCH;

/// What is logged, and by what.
pub type Record = (SdkLogRecord, InstrumentationScope);

/// A bounded queue. Clones are the same one.
#[derive(Debug)]
pub struct Queue<T>(Arc<Shared<T>>);

#[derive(Debug)]
struct Shared<T> {
    capacity: usize,
    state: Mutex<State<T>>,
    filled: Notify,
}

#[derive(Debug)]
struct State<T> {
    waiting: Vec<T>,
    overflow: u64,
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Queue<T> {
        Queue(Arc::clone(&self.0))
    }
}

impl<T> Queue<T> {
    /// A queue that holds at most `capacity`.
    pub fn new(capacity: usize) -> Queue<T> {
        let state = Mutex::new(State { waiting: Vec::new(), overflow: 0 });
        Queue(Arc::new(Shared { capacity, state, filled: Notify::new() }))
    }

    /// Puts something into the queue, or drops it where the queue is full.
    pub fn put(&self, item: T) {
        let mut state = self.state();
        if state.waiting.len() >= self.0.capacity {
            state.overflow += 1;
            return;
        }
        state.waiting.push(item);
        let filled = state.waiting.len() == BATCH.min(self.0.capacity);
        drop(state);
        if filled {
            self.0.filled.notify_one();
        }
    }

    /// Waits until a batch is together, or for `interval`.
    pub async fn worth_sending(&self, interval: Duration) {
        // Either is a reason to look what there is.
        let _ = timeout(interval, self.0.filled.notified()).await;
    }

    /// All that waits, and how much was dropped since the last time.
    pub fn take(&self) -> (Vec<T>, u64) {
        let mut state = self.state();
        (mem::take(&mut state.waiting), mem::take(&mut state.overflow))
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SpanProcessor for Queue<SpanData> {
    fn on_start(&self, _span: &mut Span, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() {
            self.put(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl LogProcessor for Queue<Record> {
    fn emit(&self, record: &mut SdkLogRecord, scope: &InstrumentationScope) {
        self.put((record.clone(), scope.clone()));
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_counted() {
        let queue = Queue::new(2);
        (1..=5).for_each(|item| queue.put(item));
        assert_eq!(queue.take(), (vec![1, 2], 3));
        queue.put(6);
        assert_eq!(queue.take(), (vec![6], 0));
    }

    #[tokio::test]
    async fn a_full_queue_is_not_left_to_wait() {
        let queue = Queue::new(2);
        (1..=2).for_each(|item| queue.put(item));
        let waiting = queue.worth_sending(Duration::from_secs(60));
        timeout(Duration::from_secs(5), waiting).await.expect("it is worth sending");
    }
}
