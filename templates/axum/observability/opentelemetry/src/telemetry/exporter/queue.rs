//! Where spans and log records wait to be sent, as what is sent: so it is known
//! how large they are, and a bound on how many there may be is also one on memory.
//! The SDK's own batch processors would do, but for four things: they know no
//! bytes, they do not tell how much they dropped, they take a thread each, and
//! their shutdown blocks.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opentelemetry::{Context, InstrumentationScope};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord};
use opentelemetry_sdk::trace::{Span as SdkSpan, SpanData, SpanProcessor};
use tokio::sync::Notify;

use super::Signal;
use super::collector::{Item, Record};

/// The bytes that may wait in a queue. Thousands of usual spans are a tenth of it.
const QUEUE_BYTES: usize = 8 << 20;

/// The bytes to send at once: collectors take 4 MiB, unless they are set up
/// otherwise.
const BATCH_BYTES: usize = 1 << 20;

/// A bounded queue. Clones are the same one.
#[derive(Debug)]
pub struct Queue<T>(Arc<Shared<T>>);

#[derive(Debug)]
struct Shared<T> {
    capacity: usize,
    batch: usize,
    state: Mutex<State<T>>,
    filled: Notify,
}

#[derive(Debug)]
struct State<T> {
    /// With the bytes of each.
    waiting: VecDeque<(T, usize)>,
    bytes: usize,
    overflow: usize,
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Queue<T> {
        Queue(Arc::clone(&self.0))
    }
}

impl<T: Item> Queue<T> {
    /// A queue for what is sent as `signal` says.
    pub fn new(signal: &Signal) -> Queue<T> {
        let Signal { queue: capacity, batch, .. } = *signal;
        let state = State { waiting: VecDeque::new(), bytes: 0, overflow: 0 };
        Queue(Arc::new(Shared { capacity, batch, state: Mutex::new(state), filled: Notify::new() }))
    }

    /// Puts something into the queue, or drops it where the queue is full.
    pub fn put(&self, item: T) {
        let size = item.size();
        let mut state = self.state();
        if state.waiting.len() >= self.0.capacity || state.bytes + size > QUEUE_BYTES {
            state.overflow += 1;
            return;
        }
        let had_batch = self.has_batch(&state);
        state.waiting.push_back((item, size));
        state.bytes += size;
        let filled = !had_batch && self.has_batch(&state);
        drop(state);
        if filled {
            self.0.filled.notify_one();
        }
    }

    /// Waits until a batch has come together.
    pub async fn worth_sending(&self) {
        self.0.filled.notified().await;
    }

    /// A batch of what has waited longest, which is empty if nothing waits, and how
    /// much was dropped since the last time.
    pub fn take(&self) -> (Vec<T>, usize) {
        let mut state = self.state();
        let mut batch = Vec::new();
        let mut bytes = 0;
        while let Some((_, size)) = state.waiting.front()
            && batch.len() < self.0.batch
            && (batch.is_empty() || bytes + size <= BATCH_BYTES)
        {
            bytes += size;
            batch.extend(state.waiting.pop_front().map(|(item, _)| item));
        }
        state.bytes -= bytes;
        (batch, mem::take(&mut state.overflow))
    }

    /// Whether all that came since the last time fitted in.
    pub fn has_room(&self) -> bool {
        self.state().overflow == 0
    }

    /// How much waits.
    pub fn waiting(&self) -> usize {
        self.state().waiting.len()
    }

    fn has_batch(&self, state: &State<T>) -> bool {
        state.waiting.len() >= self.0.batch || state.bytes >= BATCH_BYTES
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SpanProcessor for Queue<Span> {
    fn on_start(&self, _span: &mut SdkSpan, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() {
            self.put(span.into());
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
        self.put(Record::new(record, scope));
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
    use opentelemetry::logs::{LogRecord, Logger, LoggerProvider};
    use opentelemetry_sdk::logs::SdkLoggerProvider;
    use tokio::time::timeout;
    use tonic::metadata::MetadataMap;
    use tonic::transport::Endpoint;

    use super::*;

    fn queue<T: Item>(capacity: usize, batch: usize) -> Queue<T> {
        Queue::new(&Signal {
            endpoint: Endpoint::from_static("http://localhost"),
            headers: MetadataMap::new(),
            compression: None,
            timeout: Duration::ZERO,
            interval: Duration::ZERO,
            queue: capacity,
            batch,
        })
    }

    fn span(name: impl Into<String>) -> Span {
        Span { name: name.into(), ..Span::default() }
    }

    fn take(queue: &Queue<Span>) -> (Vec<String>, usize) {
        let (batch, overflow) = queue.take();
        (batch.into_iter().map(|span| span.name).collect(), overflow)
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let queue = queue(2, 2);
        (1..=5).for_each(|number| queue.put(span(number.to_string())));
        assert_eq!(take(&queue), (vec!["1".to_owned(), "2".to_owned()], 3));
        queue.put(span("6"));
        assert_eq!(take(&queue), (vec!["6".to_owned()], 0));
    }

    #[test]
    fn the_bytes_that_wait_are_bounded_as_well() {
        let queue = queue(10_000, 512);
        (0..1_000).for_each(|_| queue.put(span("x".repeat(60_000))));
        let sizes = queue.state().waiting.iter().map(|(_, size)| size).sum::<usize>();
        assert!((QUEUE_BYTES - 70_000..=QUEUE_BYTES).contains(&sizes), "{sizes}");
        queue.put(span("small enough"));

        let waiting = queue.waiting();
        let (mut taken, mut overflow) = (0, 0);
        while let (batch, dropped) = queue.take()
            && !batch.is_empty()
        {
            assert!(batch.iter().map(Item::size).sum::<usize>() <= BATCH_BYTES);
            taken += batch.len();
            overflow += dropped;
        }
        assert_eq!((taken, taken + overflow), (waiting, 1_001));
        assert_eq!(queue.state().bytes, 0);
    }

    #[test]
    fn no_value_makes_a_record_that_is_too_long() {
        let queue: Queue<Record> = queue(1, 1);
        let provider = SdkLoggerProvider::builder().with_log_processor(queue.clone()).build();
        let logger = provider.logger("test");
        let mut record = logger.create_log_record();
        record.set_body("x".repeat(1 << 20).into());
        record.add_attribute("error", "y".repeat(1 << 20));
        logger.emit(record);
        let (batch, _) = queue.take();
        let size = batch[0].size();
        assert!((8 << 10..9 << 10).contains(&size), "{size}");
    }

    #[test]
    fn what_is_larger_than_a_batch_goes_alone() {
        let queue = queue(10, 512);
        ["1", "2", "3"].into_iter().for_each(|name| {
            queue.put(span(name.repeat(if name == "2" { BATCH_BYTES + 1 } else { 1 })));
        });
        let sizes = [(); 3].map(|()| queue.take().0.len());
        assert_eq!(sizes, [1, 1, 1]);
    }

    #[tokio::test]
    async fn a_batch_is_not_left_to_wait() {
        for size in [1, BATCH_BYTES / 2] {
            let queue = queue(10, 2);
            (1..=2).for_each(|_| queue.put(span("x".repeat(size))));
            let waiting = queue.worth_sending();
            timeout(Duration::from_secs(5), waiting).await.expect("it is worth sending");
        }
    }
}
