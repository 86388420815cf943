//! What one test logs, in a process where others run at the same time.

use std::io::{self, Write};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, Once, PoisonError};

use tracing::dispatcher::{self, DefaultGuard, Dispatch};
use tracing::subscriber;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{DefaultFields, Format, debug_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Registry, fmt, registry};

use super::event::{JsonEvent, JsonFields, pretty_field};
use super::log::Log;
use crate::config::Config;

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
        let lines = Lines::default();
        let log = subscriber(fmt::layer().with_writer(lines.clone()));
        Logged { lines, log: listen(&log) }
    }

    /// All lines up to here.
    pub fn end(self) -> String {
        drop(self.log);
        let lines = self.lines.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8(lines.clone()).expect("text")
    }
}

/// Has `log` take what is traced in this thread, as long as the guard exists.
pub fn listen(log: &Dispatch) -> DefaultGuard {
    SOMEBODY_LISTENS.call_once(|| {
        subscriber::set_global_default(registry()).expect("no other is set");
    });
    dispatcher::set_default(log)
}

/// All that a log writes which is set up by these variables, and takes what `work` traces.
pub fn written(variables: &[(&str, &str)], work: impl FnOnce(&Log)) -> String {
    let lookup = |name: &str| {
        let (_, value) = variables.iter().find(|(variable, _)| *variable == name)?;
        Some(*value)
    };
    let config = Config::read(&lookup).map_err(|error| error.to_string());
    let settings = config.expect("the variables are right").log;
    let (sender, written) = channel();
    let (log, flush) = Log::new(&settings, Out(sender));
    let listening = listen(&log.subscriber(&settings));
    work(&log);
    drop((listening, flush));
    // It ends when the thread that writes does.
    String::from_utf8(written.into_iter().flatten().collect()).expect("text")
}

/// Passes on what is written to it.
struct Out(Sender<Vec<u8>>);

impl Write for Out {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.0.send(lines.to_owned()).map_err(io::Error::other)?;
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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
