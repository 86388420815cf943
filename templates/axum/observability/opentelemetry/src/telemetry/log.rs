//! Log lines, and the same as records for a collector. Every request is one, of
//! a fixed form; what is traced, which is rare, becomes lines and records through
//! a subscriber. Lines go into one buffer, records into one queue.
//!
//! Here is also where the span of a request begins and ends, since what is known
//! of a request at its end is what its line says.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::iter;

use axum::extract::Request;
use opentelemetry::logs::{AnyValue, LogRecord, Logger, LoggerProvider, Severity};
use opentelemetry::trace::TracerProvider;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_sdk::logs::{SdkLogger, SdkLoggerProvider};
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use tracing::level_filters::LevelFilter;
use tracing::{Dispatch, Level};
use tracing_subscriber::Layer;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::{FilterExt, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::debug_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::buffer::Buffer;
use super::event::{JsonEvent, JsonFields, pretty_field};
use super::exporter::Signal;
use super::exporter::collector::Record;
use super::exporter::queue::Queue;
use super::exporter::settings::{LOGS, TRACES};
use super::line::{Format, RequestLine, json_field, line_filter, read_filter, request_level};
use super::trace::{Propagators, RequestSpan, Tracing, read_sampler};
use super::{REQUEST_TARGET, Route};
use crate::context::Waits;
use crate::env::Env;

pub use super::buffer::Flush;

/// What sending a record logs must not become a record, nor a span: there would be no
/// end.
const SENDERS: [&str; 7] = ["h2", "hyper", "mio", "opentelemetry", "tonic", "tower", "want"];

/// How to log.
#[derive(Clone)]
pub struct Settings {
    /// `LOG_FORMAT`: `json`, or `pretty` for people; unset: pretty on a terminal.
    pub format: Format,
    /// `RUST_LOG`: levels by module, as in `info,sqlx=warn`.
    pub filter: Targets,
    /// Where to send records, if anywhere.
    pub logs: Option<Signal>,
    /// Which spans to send, and where; without, none are made.
    pub traces: Option<Traces>,
    /// `OTEL_PROPAGATORS`: what services tell each other, also where no spans are made.
    pub propagators: Propagators,
}

/// How to trace.
#[derive(Clone)]
pub struct Traces {
    pub signal: Signal,
    /// `OTEL_TRACES_SAMPLER`: which traces are sent.
    pub sampler: Sampler,
}

impl Settings {
    /// Reads `LOG_FORMAT`, `RUST_LOG`, and the `OTEL_` variables of logs and traces.
    pub fn read(env: &mut Env) -> Settings {
        let traces = Signal::read(env, &TRACES);
        Settings {
            format: Format::read(env),
            filter: read_filter(env),
            logs: Signal::read(env, &LOGS),
            propagators: Propagators::read(env, traces.is_some()),
            traces: traces.map(|signal| Traces { signal, sampler: read_sampler(env) }),
        }
    }
}

/// Takes lines, records and spans. Clones take them to the same place.
#[derive(Clone)]
pub struct Log {
    buffer: Buffer,
    format: Format,
    /// The finest level of request lines that are written.
    requests: LevelFilter,
    records: Option<Records>,
    tracing: Tracing,
    spans: Option<Spans>,
}

#[derive(Clone)]
struct Records {
    provider: SdkLoggerProvider,
    logger: SdkLogger,
    queue: Queue<Record>,
    signal: Signal,
}

#[derive(Clone)]
struct Spans {
    queue: Queue<Span>,
    signal: Signal,
}

impl Log {
    /// A log that goes to `out`, written by a thread of its own, and to queues
    /// that the exporter empties.
    pub fn new(settings: &Settings, out: impl Write + Send + 'static) -> (Log, Flush) {
        let (buffer, flush) = Buffer::new(out, settings.format);
        let records = settings.logs.clone().map(Records::new);
        let (tracer, spans) = settings.traces.clone().map(Spans::new).unzip();
        let tracing = Tracing { tracer, propagators: settings.propagators };
        let requests = request_level(&settings.filter);
        (Log { buffer, format: settings.format, requests, records, tracing, spans }, flush)
    }

    /// Sends what the process traces to this log, too. Once a process.
    pub fn install(&self, settings: &Settings) {
        self.subscriber(settings).init();
    }

    /// Makes lines, records and spans of what is traced. Which lines are wanted says
    /// nothing of spans.
    pub fn subscriber(&self, settings: &Settings) -> Dispatch {
        let wanted = line_filter(&settings.filter);
        let lines = tracing_subscriber::fmt::layer().with_writer(self.clone());
        let lines = match self.format {
            Format::Json => {
                let lines = lines.fmt_fields(JsonFields).event_format(JsonEvent);
                lines.with_filter(wanted).boxed()
            }
            Format::Pretty => {
                let lines = lines.fmt_fields(debug_fn(pretty_field).delimited(" "));
                lines.with_ansi(io::stdout().is_terminal()).with_filter(wanted).boxed()
            }
        };
        let records = self.records.as_ref().map(|records| {
            let others = all_but_senders(LevelFilter::TRACE).and(settings.filter.clone());
            OpenTelemetryTracingBridge::new(&records.provider).with_filter(others).boxed()
        });
        let spans = self.tracing.below_requests(all_but_senders(LevelFilter::INFO));
        let spans = spans.map(Layer::boxed);
        // No layer that is none: it would want whatever no other one wants.
        let layers: Vec<_> = iter::once(lines).chain(records).chain(spans).collect();
        tracing_subscriber::registry().with(layers).into()
    }

    /// Opens the span of a request, a child of the one that the client names.
    pub fn request_span(&self, id: &str, request: &Request, route: &Route) -> RequestSpan {
        RequestSpan::begin(&self.tracing, id, request, route)
    }

    /// Ends the span of a request and writes its line.
    pub fn request(&self, line: &RequestLine) {
        let span = line.context.span();
        span.end(line);
        if line.level() > self.requests {
            return;
        }
        if let Some(Records { logger, .. }) = &self.records {
            logger.emit(record(line, logger.create_log_record()));
        }
        let mut text = String::with_capacity(512);
        match self.format {
            Format::Json => {
                line.json(&mut text);
                if let Some(ids) = span.ids() {
                    json_field(&mut text, "trace_id", &ids.trace_id().to_string());
                    json_field(&mut text, "span_id", &ids.span_id().to_string());
                }
                text.push_str("}\n");
            }
            Format::Pretty => {
                line.pretty(&mut text);
                if let Some(ids) = span.ids() {
                    let _ = write!(text, " trace_id={}", ids.trace_id());
                }
                text.push('\n');
            }
        }
        self.buffer.append(text.as_bytes());
    }

    /// How many lines have been dropped since the start.
    pub fn dropped(&self) -> u64 {
        self.buffer.dropped()
    }

    /// The spans that wait to be sent.
    pub fn spans(&self) -> Option<(Queue<Span>, Signal)> {
        self.spans.as_ref().map(|spans| (spans.queue.clone(), spans.signal.clone()))
    }

    /// The records that wait to be sent.
    pub fn records(&self) -> Option<(Queue<Record>, Signal)> {
        self.records.as_ref().map(|records| (records.queue.clone(), records.signal.clone()))
    }
}

/// Lets through what is traced down to `level`, but for what sending itself traces.
fn all_but_senders(level: LevelFilter) -> Targets {
    let senders = SENDERS.map(|sender| (sender, LevelFilter::OFF));
    Targets::new().with_default(level).with_targets(senders)
}

impl Records {
    fn new(signal: Signal) -> Records {
        let queue = Queue::new(&signal);
        let provider = SdkLoggerProvider::builder().with_log_processor(queue.clone()).build();
        let logger = provider.logger(env!("CARGO_PKG_NAME"));
        Records { provider, logger, queue, signal }
    }
}

impl Spans {
    /// What makes them, and where they wait.
    fn new(Traces { signal, sampler }: Traces) -> (SdkTracer, Spans) {
        let queue = Queue::new(&signal);
        let provider = SdkTracerProvider::builder().with_span_processor(queue.clone());
        let tracer = provider.with_sampler(sampler).build().tracer(env!("CARGO_PKG_NAME"));
        (tracer, Spans { queue, signal })
    }
}

/// What the line of a request says, in the names of the semantic conventions
/// where they have one.
fn record<R: LogRecord>(line: &RequestLine, mut record: R) -> R {
    record.set_target(REQUEST_TARGET);
    let level = line.level();
    record.set_severity_number(match level {
        Level::ERROR => Severity::Error,
        Level::WARN => Severity::Warn,
        _ => Severity::Info,
    });
    record.set_severity_text(level.as_str());
    record.set_body("request".into());
    if let Some(ids) = line.context.span().ids() {
        record.set_trace_context(ids.trace_id(), ids.span_id(), Some(ids.trace_flags()));
    }
    record.add_attribute("request_id", line.context.request_id().to_owned());
    record.add_attribute("http.request.method", line.method);
    if let Some(route) = line.route.matched() {
        record.add_attribute("http.route", route.to_owned());
    }
    record.add_attribute("url.path", line.path.to_owned());
    record.add_attribute("http.response.status_code", i64::from(line.status));
    if let Some(error_type) = line.error_type {
        record.add_attribute("error.type", error_type);
    }
    if let Some(client) = line.client {
        record.add_attribute("client.address", client.to_string());
    }
    if let Some(user_agent) = line.user_agent {
        record.add_attribute("user_agent.original", user_agent.to_owned());
    }
    let millis = |time: std::time::Duration| AnyValue::Double(time.as_secs_f64() * 1e3);
    record.add_attribute("duration_ms", millis(line.duration));
    if let Some(body) = line.body {
        record.add_attribute("body_ms", millis(body));
    }
    for Waits { dependency, calls, time } in line.context.waits() {
        record.add_attribute(format!("{dependency}_calls"), i64::from(calls));
        record.add_attribute(format!("{dependency}_ms"), millis(time));
    }
    record
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

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use futures_util::FutureExt;
    use tracing::dispatcher;

    use super::super::logged::written;
    use super::super::trace::REQUEST_SPAN;
    use super::*;

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317");

    #[test]
    fn which_lines_are_wanted_does_not_decide_which_spans_there_are() {
        #[tracing::instrument]
        async fn work() {}

        for filter in ["trace", "info", "info,request=off", "warn", "off"] {
            let mut names = Vec::new();
            written(&[("RUST_LOG", filter), ENDPOINT], |log| {
                let request = Request::get("/").body(Body::empty()).expect("right");
                let span = log.request_span("named", &request, &Route::new(None));
                span.around(work()).now_or_never().expect("it waits for nothing");
                drop(span);
                let (queue, _) = log.spans().expect("they are sent");
                names.extend(queue.take().0.into_iter().map(|span| span.name));
            });
            assert_eq!(names, ["work", "request"], "{filter}");
        }
    }

    #[test]
    fn the_span_of_a_request_is_not_made_where_no_line_names_it() {
        for (filter, is_made) in [("off", false), ("off,request=info", false), ("error", true)] {
            written(&[("RUST_LOG", filter), ENDPOINT], |_| {
                let span = tracing::info_span!(REQUEST_SPAN);
                let span = span.metadata().expect("it has a name");
                let interest = dispatcher::get_default(|log| log.register_callsite(span));
                assert_eq!(!interest.is_never(), is_made, "{filter}");
            });
        }
    }
}
