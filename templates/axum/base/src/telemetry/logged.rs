//! What one test logs, in a process where others run at the same time.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, Once, PoisonError};

use tracing::subscriber::{self, DefaultGuard};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{fmt, registry};

use super::event::JsonEvent;

/// Once a process. tracing asks each place that logs only once who listens, and it may
/// ask in the thread of a test where nobody does: it would stay silent for all tests.
static SOMEBODY_LISTENS: Once = Once::new();

/// Keeps what is logged in this thread.
pub struct Logged {
    lines: Lines,
    log: DefaultGuard,
}

impl Logged {
    /// From here on.
    pub fn start() -> Logged {
        SOMEBODY_LISTENS.call_once(|| {
            subscriber::set_global_default(registry()).expect("no other is set");
        });
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = fmt::layer().with_writer(move || writer.clone());
        let layer = layer.json().event_format(JsonEvent);
        Logged { lines, log: subscriber::set_default(registry().with(layer)) }
    }

    /// All lines up to here, of JSON.
    pub fn end(self) -> String {
        drop(self.log);
        let lines = self.lines.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8(lines.clone()).expect("text")
    }
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
