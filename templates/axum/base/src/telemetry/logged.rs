//! What one test logs, in a process where others run at the same time.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, Once, PoisonError};

use tracing::dispatcher::{self, DefaultGuard, Dispatch};
use tracing::subscriber;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{DefaultFields, Format, debug_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Registry, fmt, registry};

use super::event::{JsonEvent, JsonFields, pretty_field};

/// Once a process. tracing asks each place that logs only once who listens, and it may
/// ask in the thread of a test where nobody does: it would stay silent for all tests.
static SOMEBODY_LISTENS: Once = Once::new();

type Layer = fmt::Layer<Registry, DefaultFields, Format, Lines>;

/// Keeps what is logged in this thread.
pub struct Logged {
    lines: Lines,
    log: DefaultGuard,
}

impl Logged {
    /// From here on, as JSON.
    pub fn start() -> Logged {
        Logged::new(|lines| {
            registry().with(lines.fmt_fields(JsonFields).event_format(JsonEvent)).into()
        })
    }

    /// From here on, as people read it.
    pub fn start_for_people() -> Logged {
        let fields = debug_fn(pretty_field).delimited(" ");
        Logged::new(|lines| registry().with(lines.fmt_fields(fields).with_ansi(false)).into())
    }

    fn new(subscriber: impl FnOnce(Layer) -> Dispatch) -> Logged {
        SOMEBODY_LISTENS.call_once(|| {
            subscriber::set_global_default(registry()).expect("no other is set");
        });
        let lines = Lines::default();
        let log = subscriber(fmt::layer().with_writer(lines.clone()));
        Logged { lines, log: dispatcher::set_default(&log) }
    }

    /// All lines up to here.
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

impl MakeWriter<'_> for Lines {
    type Writer = Lines;

    fn make_writer(&self) -> Lines {
        self.clone()
    }
}
