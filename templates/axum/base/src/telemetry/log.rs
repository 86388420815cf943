//! Log lines, written whole and never by a request itself: a line is put into
//! a buffer, and one thread writes the buffer out. A slow reader of the log
//! costs lines, which are counted, not answers.
//!
//! Every request is one line of a fixed form, formatted straight into that
//! buffer. Measured, a general-purpose subscriber at full rate cost as much as
//! the rest of a small request; here it formats only what is rare.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use time::OffsetDateTime;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::Env;
use crate::context::Waits;

/// How long lines are gathered before they are written together.
const GATHER: Duration = Duration::from_millis(20);

/// What the buffer may hold before lines are dropped.
const BUFFER_LIMIT: usize = 4 * 1024 * 1024;

/// The target that turns the request lines off, as in `RUST_LOG=info,request=off`.
const REQUEST_TARGET: &str = "request";

/// How to log.
#[derive(Clone)]
pub struct Settings {
    /// `LOG_FORMAT`: `json`, or `pretty` for people; unset: pretty on a terminal.
    pub format: Format,
    /// `RUST_LOG`: levels by module, as in `info,sqlx=warn`.
    pub filter: Targets,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Json,
    Pretty,
}

impl Settings {
    /// Reads `LOG_FORMAT` and `RUST_LOG`.
    pub fn read(env: &mut Env) -> Settings {
        let format = match env.text("LOG_FORMAT").as_deref() {
            Some("json") => Format::Json,
            Some("pretty") => Format::Pretty,
            None if io::stdout().is_terminal() => Format::Pretty,
            None => Format::Json,
            Some(other) => {
                env.refuse(format_args!("LOG_FORMAT: `{other}` is neither `json` nor `pretty`"));
                Format::Json
            }
        };
        let filter = env.parse("RUST_LOG", Targets::new().with_default(Level::INFO));
        Settings { format, filter }
    }
}

/// Takes lines. Clones write to the same place.
#[derive(Clone)]
pub struct Log {
    shared: Arc<Shared>,
    format: Format,
    requests: bool,
}

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

/// Everything that the line of one request says.
pub struct RequestLine<'a> {
    pub request_id: &'a str,
    pub method: &'a str,
    pub route: &'a str,
    pub path: &'a str,
    pub status: u16,
    pub error_type: Option<&'a str>,
    pub duration: Duration,
    pub waits: &'a [Waits],
}

impl Log {
    /// A log that goes to `out`, written by a thread of its own.
    pub fn new(settings: &Settings, out: impl Write + Send + 'static) -> (Log, Flush) {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        let writer = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.write_to(out)
        });
        let log = Log {
            shared: Arc::clone(&shared),
            format: settings.format,
            requests: settings.filter.would_enable(REQUEST_TARGET, &Level::INFO),
        };
        (log, Flush { shared, writer: Some(writer) })
    }

    /// Sends what the process traces to this log, too. Once a process.
    pub fn install(&self, settings: &Settings) {
        let lines = tracing_subscriber::fmt::layer().with_writer(self.clone());
        let registry = tracing_subscriber::registry().with(settings.filter.clone());
        match self.format {
            Format::Json => registry.with(lines.json().flatten_event(true)).init(),
            Format::Pretty => registry.with(lines.with_ansi(io::stdout().is_terminal())).init(),
        }
    }

    /// Writes the line of one request.
    pub fn request(&self, line: &RequestLine) {
        if !self.requests {
            return;
        }
        let mut text = String::with_capacity(512);
        match self.format {
            Format::Json => line.json(&mut text),
            Format::Pretty => line.pretty(&mut text),
        }
        self.shared.append(text.as_bytes());
    }

    /// Writes one line of `message` with the fields of a JSON object's inside,
    /// such as `"a":1,"b":2`.
    pub fn fields(&self, message: &str, fields: &str) {
        let mut text = String::with_capacity(fields.len() + 96);
        match self.format {
            Format::Json => {
                json_head(&mut text, message);
                let _ = writeln!(text, ",{fields}}}");
            }
            Format::Pretty => {
                timestamp(&mut text);
                let _ = writeln!(text, "  INFO {message} {fields}");
            }
        }
        self.shared.append(text.as_bytes());
    }
}

impl RequestLine<'_> {
    fn json(&self, text: &mut String) {
        json_head(text, "request");
        json_field(text, "request_id", self.request_id);
        json_field(text, "method", self.method);
        json_field(text, "route", self.route);
        json_field(text, "path", self.path);
        let _ = write!(text, ",\"status\":{}", self.status);
        if let Some(error_type) = self.error_type {
            json_field(text, "error_type", error_type);
        }
        let _ = write!(text, ",\"duration_ms\":{}", Millis(self.duration));
        for Waits { dependency, calls, time } in self.waits {
            let time = Millis(*time);
            let _ = write!(text, ",\"{dependency}_calls\":{calls},\"{dependency}_ms\":{time}");
        }
        text.push_str("}\n");
    }

    fn pretty(&self, text: &mut String) {
        timestamp(text);
        let RequestLine { method, path, status, request_id, .. } = self;
        let duration = Millis(self.duration);
        let _ = write!(text, "  INFO {method} {path} {status} {duration}ms");
        for Waits { dependency, calls, time } in self.waits {
            let _ = write!(text, " {dependency}={}ms/{calls}", Millis(*time));
        }
        if let Some(error_type) = self.error_type {
            let _ = write!(text, " error_type={error_type}");
        }
        let _ = writeln!(text, " request_id={request_id}");
    }
}

/// A duration in milliseconds with three digits after the point.
struct Millis(Duration);

impl std::fmt::Display for Millis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let micros = self.0.as_micros();
        write!(f, "{}.{:03}", micros / 1_000, micros % 1_000)
    }
}

fn json_head(text: &mut String, message: &str) {
    text.push_str("{\"timestamp\":\"");
    timestamp(text);
    let _ = write!(text, "\",\"level\":\"INFO\",\"message\":\"{message}\"");
}

fn json_field(text: &mut String, name: &str, value: &str) {
    let _ = write!(text, ",\"{name}\":");
    if value.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\') {
        let _ = write!(text, "\"{value}\"");
    } else {
        text.push_str(&serde_json::Value::from(value).to_string());
    }
}

/// As tracing-subscriber writes it, so that all lines sort alike.
fn timestamp(text: &mut String) {
    let now = OffsetDateTime::now_utc();
    let (year, month, day) = now.to_calendar_date();
    let (hour, minute, second, micro) = now.to_hms_micro();
    let month = u8::from(month);
    let _ = write!(text, "{year:04}-{month:02}-{day:02}T");
    let _ = write!(text, "{hour:02}:{minute:02}:{second:02}.{micro:06}Z");
}

impl Shared {
    fn append(&self, line: &[u8]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.buffer.len() + line.len() > BUFFER_LIMIT {
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

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.shared.append(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Log;

    fn make_writer(&self) -> Log {
        self.clone()
    }
}
