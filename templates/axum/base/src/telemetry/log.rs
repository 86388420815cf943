//! Log lines. Every request is one, of a fixed form; what is traced, which is
//! rare, becomes lines through a subscriber. Both go into one buffer.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use axum::extract::Request;
use tracing::level_filters::LevelFilter;
use tracing::{Dispatch, Level};
use tracing_subscriber::Layer;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::debug_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::buffer::Buffer;
use super::event::{JsonEvent, JsonFields, pretty_field};
use super::line::{
    Format, RequestLine, json_field, json_head, line_filter, pretty_head, read_filter,
    request_level,
};
use super::trace::{REQUEST_SPAN, RequestSpan};
use super::{Route, method_name};
use crate::env::Env;

pub use super::buffer::Flush;

/// How to log.
#[derive(Clone)]
pub struct Settings {
    /// `LOG_FORMAT`: `json`, or `pretty` for people; unset: pretty on a terminal.
    pub format: Format,
    /// `RUST_LOG`: levels by module, as in `info,sqlx=warn`.
    pub filter: Targets,
}

impl Settings {
    /// Reads `LOG_FORMAT` and `RUST_LOG`.
    pub fn read(env: &mut Env) -> Settings {
        Settings { format: Format::read(env), filter: read_filter(env) }
    }
}

/// Takes lines. Clones write to the same place.
#[derive(Clone)]
pub struct Log {
    buffer: Buffer,
    format: Format,
    /// The finest level of request lines that are written.
    requests: LevelFilter,
}

impl Log {
    /// A log that goes to `out`, written by a thread of its own.
    pub fn new(settings: &Settings, out: impl Write + Send + 'static) -> (Log, Flush) {
        let (buffer, flush) = Buffer::new(out, settings.format);
        let requests = request_level(&settings.filter);
        (Log { buffer, format: settings.format, requests }, flush)
    }

    /// Sends what the process traces to this log, too. Once a process.
    pub fn install(&self, settings: &Settings) {
        self.subscriber(settings).init();
    }

    /// Makes lines of what is traced.
    pub fn subscriber(&self, settings: &Settings) -> Dispatch {
        let wanted = line_filter(&settings.filter);
        let lines = tracing_subscriber::fmt::layer().with_writer(self.clone());
        match self.format {
            Format::Json => {
                let lines = lines.fmt_fields(JsonFields).event_format(JsonEvent);
                tracing_subscriber::registry().with(lines.with_filter(wanted)).into()
            }
            Format::Pretty => {
                let lines = lines.fmt_fields(debug_fn(pretty_field).delimited(" "));
                let lines = lines.with_ansi(io::stdout().is_terminal());
                tracing_subscriber::registry().with(lines.with_filter(wanted)).into()
            }
        }
    }

    /// Opens the span that names a request on every line that is logged inside.
    pub fn request_span(&self, id: &str, request: &Request, route: &Route) -> RequestSpan {
        let (method, route) = (method_name(request.method()), route.as_str());
        RequestSpan::new(tracing::info_span!(REQUEST_SPAN, request_id = id, method, route))
    }

    /// Writes the line of one request.
    pub fn request(&self, line: &RequestLine) {
        if line.level() > self.requests {
            return;
        }
        let mut text = String::with_capacity(512);
        match self.format {
            Format::Json => {
                line.json(&mut text);
                text.push_str("}\n");
            }
            Format::Pretty => {
                line.pretty(&mut text);
                text.push('\n');
            }
        }
        self.buffer.append(text.as_bytes());
    }

    /// Writes lines of `message` and of one time, each with one of `parts` and its
    /// number. A part is the fields of a JSON object, such as `"a":1,"b":2`.
    pub fn fields(&self, message: &str, parts: &[String]) {
        let mut head = String::new();
        let end = match self.format {
            Format::Json => {
                json_head(&mut head, Level::INFO);
                json_field(&mut head, "message", message);
                head.push(',');
                "}"
            }
            Format::Pretty => {
                pretty_head(&mut head, Level::INFO);
                let _ = write!(head, "{message} ");
                ""
            }
        };
        let count = parts.len();
        for (part, fields) in (1..).zip(parts) {
            let line = format!("{head}\"part\":{part},\"parts\":{count},{fields}{end}\n");
            self.buffer.append(line.as_bytes());
        }
    }

    /// How many lines have been dropped since the start.
    pub fn dropped(&self) -> u64 {
        self.buffer.dropped()
    }
}

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.buffer.append(line);
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
