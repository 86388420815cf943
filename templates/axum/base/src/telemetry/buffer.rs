//! Where lines wait to be written. Whoever logs puts a line into a buffer, and
//! one thread writes the buffer out. A slow reader of the log, or a full disk,
//! costs lines, which are counted, but no responses.

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::line::Format;

/// How long lines are gathered before they are written together.
const GATHER: Duration = Duration::from_millis(20);

/// What the buffer may hold before lines are dropped.
const LIMIT: usize = 4 * 1024 * 1024;

/// How long to wait before writing again after an error.
const RETRY: Duration = Duration::from_millis(200);

/// How long the end of the process waits for the last lines to be written. A
/// write has no timeout: it blocks for as long as a reader does not read.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Takes lines. Clones put them into the same place.
#[derive(Clone)]
pub struct Buffer(Arc<Shared>);

struct Shared {
    format: Format,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    buffer: Vec<u8>,
    /// How many lines were dropped, and how many of them the log has told of.
    dropped: u64,
    told: u64,
    closed: bool,
    written_out: bool,
}

/// Has what is left written out when it is dropped; `main` holds it to its end.
#[must_use]
pub struct Flush(Arc<Shared>);

impl Buffer {
    /// A buffer of lines in this format that is written to `out` by a thread of its own.
    pub fn new(out: impl Write + Send + 'static, format: Format) -> (Buffer, Flush) {
        let (state, changed) = (Mutex::default(), Condvar::new());
        let shared = Arc::new(Shared { format, state, changed });
        thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.write_to(out)
        });
        (Buffer(Arc::clone(&shared)), Flush(shared))
    }

    /// Takes one whole line.
    pub fn append(&self, line: &[u8]) {
        self.0.append(&self.0.format.escaped(line));
    }

    /// How many lines have been dropped since the start.
    pub fn dropped(&self) -> u64 {
        self.0.state().dropped
    }
}

impl Shared {
    fn append(&self, line: &[u8]) {
        let mut state = self.state();
        if state.buffer.len() + line.len() > LIMIT {
            state.dropped += 1;
            return;
        }
        let was_empty = state.buffer.is_empty();
        state.buffer.extend_from_slice(line);
        drop(state);
        if was_empty {
            self.changed.notify_all();
        }
    }

    /// The writer's thread: gathers and writes, until the buffer is closed.
    fn write_to(&self, mut out: impl Write) {
        let mut lines = Vec::new();
        while self.gather(&mut lines) {
            let mut rest = lines.as_slice();
            let mut closed = false;
            // There is nowhere left to report that the log cannot be written.
            while write(&mut out, &mut rest).is_err() && !closed {
                closed = self.wait(self.state(), RETRY).closed;
            }
            lines.clear();
        }
        self.state().written_out = true;
        self.changed.notify_all();
    }

    /// Waits for lines and takes them: none are left at the end.
    fn gather(&self, lines: &mut Vec<u8>) -> bool {
        let mut state = self.state();
        while state.buffer.is_empty() && !state.closed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state = self.wait(state, GATHER);
        mem::swap(&mut state.buffer, lines);
        let dropped = state.dropped - state.told;
        state.told = state.dropped;
        drop(state);
        if dropped > 0 {
            lines.extend_from_slice(self.format.dropped(dropped).as_bytes());
        }
        !lines.is_empty()
    }

    /// Waits, unless the buffer is closed.
    fn wait<'a>(&'a self, state: MutexGuard<'a, State>, time: Duration) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout_while(state, time, |state| !state.closed);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes `rest`, which becomes what is still to be written.
fn write(out: &mut impl Write, rest: &mut &[u8]) -> io::Result<()> {
    while !rest.is_empty() {
        match out.write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => *rest = &rest[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    out.flush()
}

impl Drop for Flush {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.closed = true;
        self.0.changed.notify_all();
        let end = self.0.changed.wait_timeout_while(state, FLUSH_TIMEOUT, |it| !it.written_out);
        drop(end);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Instant;

    use serde_json::Value;

    use super::*;

    /// Takes what it is given, as far as `allowed` lets it: an error for each
    /// `None`, so many bytes for each `Some`; it blocks while there is neither.
    struct Reader {
        allowed: Receiver<Option<usize>>,
        read: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let allowed = self.allowed.recv().map_err(|_| io::ErrorKind::BrokenPipe)?;
            let allowed = allowed.ok_or(io::ErrorKind::StorageFull)?.min(bytes.len());
            self.read.lock().unwrap().extend_from_slice(&bytes[..allowed]);
            Ok(allowed)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    type Read = Arc<Mutex<Vec<u8>>>;

    fn reader() -> (Sender<Option<usize>>, Read, Buffer, Flush) {
        let (allow, allowed) = channel();
        let read = Read::default();
        let out = Reader { allowed, read: Arc::clone(&read) };
        let (buffer, flush) = Buffer::new(out, Format::Json);
        (allow, read, buffer, flush)
    }

    fn eventually(happened: impl Fn() -> bool) {
        let started = Instant::now();
        while !happened() {
            assert!(started.elapsed() < Duration::from_secs(20), "it does not happen");
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn what_could_not_be_written_is_written_later_and_once() {
        let (allow, read, buffer, _flush) = reader();
        buffer.append(b"first\nsecond\n");
        for allowed in [Some(2), None, Some(7), None, Some(100)] {
            allow.send(allowed).unwrap();
        }
        eventually(|| *read.lock().unwrap() == b"first\nsecond\n");
    }

    #[test]
    fn what_does_not_fit_is_counted_and_told_when_there_is_room() {
        let (allow, read, buffer, _flush) = reader();
        let line = [vec![b'x'; LIMIT / 2], vec![b'\n']].concat();
        // One of them may be on its way out already, and one fits.
        (0..4).for_each(|_| buffer.append(&line));
        let dropped = buffer.dropped();
        assert!(dropped >= 2, "{dropped}");
        for _ in 0..10 {
            allow.send(Some(LIMIT)).unwrap();
        }
        let told = || {
            let read = read.lock().unwrap();
            let lines = read.split(|byte| *byte == b'\n');
            let lines = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
            let lines = lines.filter(|line| line["timestamp"].is_string());
            lines.filter_map(|line| line["log_lines_dropped"].as_u64()).sum::<u64>()
        };
        eventually(|| told() == dropped);
    }

    #[test]
    fn the_end_does_not_wait_for_a_reader_that_does_not_read() {
        let (_allow, read, buffer, flush) = reader();
        buffer.append(b"unread\n");
        drop(flush);
        assert_eq!(*read.lock().unwrap(), b"");
    }

    #[test]
    fn a_reader_that_is_gone_is_given_up_at_the_end() {
        let (allow, _, buffer, flush) = reader();
        drop(allow);
        buffer.append(b"unread\n");
        drop(flush);
        eventually(|| buffer.0.state().written_out);
    }
}
