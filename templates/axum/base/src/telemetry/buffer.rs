//! Where lines wait to be written. Whoever logs puts a line into a buffer, and
//! one thread writes the buffer out. A slow reader of the log costs lines, which
//! are counted, not answers.

use std::io::Write;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long lines are gathered before they are written together.
const GATHER: Duration = Duration::from_millis(20);

/// What the buffer may hold before lines are dropped.
const LIMIT: usize = 4 * 1024 * 1024;

/// Takes lines. Clones put them into the same place.
#[derive(Clone)]
pub struct Buffer(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    buffer: Vec<u8>,
    dropped: u64,
    closed: bool,
}

/// Writes out what is left when it is dropped; `main` holds it to its end.
#[must_use]
pub struct Flush {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

impl Buffer {
    /// A buffer that is written to `out` by a thread of its own.
    pub fn new(out: impl Write + Send + 'static) -> (Buffer, Flush) {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        let writer = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.write_to(out)
        });
        (Buffer(Arc::clone(&shared)), Flush { shared, writer: Some(writer) })
    }

    /// Takes one whole line.
    pub fn append(&self, line: &[u8]) {
        self.0.append(line);
    }
}

impl Shared {
    fn append(&self, line: &[u8]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.buffer.len() + line.len() > LIMIT {
            state.dropped += 1;
            return;
        }
        let was_empty = state.buffer.is_empty();
        state.buffer.extend_from_slice(line);
        drop(state);
        if was_empty {
            self.changed.notify_one();
        }
    }

    /// The writer's thread: waits for a line, gathers, writes, until closed.
    fn write_to(&self, mut out: impl Write) {
        let mut lines = Vec::new();
        loop {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            while state.buffer.is_empty() && !state.closed {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if !state.closed {
                state = self
                    .changed
                    .wait_timeout_while(state, GATHER, |state| !state.closed)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
            }
            mem::swap(&mut state.buffer, &mut lines);
            let dropped = mem::take(&mut state.dropped);
            let closed = state.closed;
            drop(state);

            // There is nowhere left to report that the log cannot be written.
            let _ = out.write_all(&lines);
            if dropped > 0 {
                let _ = writeln!(out, "{{\"level\":\"WARN\",\"log_lines_dropped\":{dropped}}}");
            }
            let _ = out.flush();
            lines.clear();
            if closed {
                return;
            }
        }
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.shared.changed.notify_one();
        if let Some(writer) = self.writer.take() {
            // It can only have ended by a panic, and there is no log to say so.
            let _ = writer.join();
        }
    }
}
