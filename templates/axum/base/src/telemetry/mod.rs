//! How the service shows how it is doing: [`log`] for what happened, one line a
//! request; [`trace`] for what belongs to which request; [`metrics`] for how
//! often and how long; [`exporter`] for whoever reads them. Nothing here is
//! global: whoever counts was handed what to count with.

pub mod buffer;
pub mod event;
pub mod exporter;
pub mod line;
pub mod log;
#[cfg(test)]
pub mod logged;
pub mod metrics;
pub mod process;
pub mod saturation;
pub mod trace;

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::panic;
use std::time::Duration;

use axum::extract::MatchedPath;
use axum::http::Method;

/// The target of what is logged for each request, which `RUST_LOG=info,request=off`
/// turns off.
pub const REQUEST_TARGET: &str = "request";

/// The bytes of one value that a line or a record has: what a server says may be of any
/// length, and is not to fill the log.
pub const VALUE_LIMIT: usize = 4 * 1024;

/// All that an exporter may read.
#[derive(Clone)]
pub struct Signals {
    pub metrics: metrics::Metrics,
    pub gauges: saturation::Gauges,
    pub log: log::Log,
}

/// Sends panics to the log, once a process. By default they go to stderr, which
/// may block the thread, and carry no request id.
pub fn log_panics() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(tracing::field::display);
        let backtrace = Backtrace::capture();
        let backtrace = (backtrace.status() == BacktraceStatus::Captured).then_some(backtrace);
        let backtrace = backtrace.as_ref().map(tracing::field::display);
        tracing::error!(panic = info.payload_as_str(), place, backtrace, "a thread panicked");
    }));
}

/// The route that a request matched, never its raw path: a label must not have
/// as many values as there are clients' ideas.
#[derive(Clone, Debug)]
pub struct Route(Option<MatchedPath>);

impl Route {
    /// The route, or none where the path matched nothing.
    pub fn new(matched: Option<MatchedPath>) -> Route {
        Route(matched)
    }

    /// As the router has it.
    pub fn matched(&self) -> Option<&str> {
        self.0.as_ref().map(MatchedPath::as_str)
    }

    /// As the router has it, `unmatched` for none.
    pub fn as_str(&self) -> &str {
        self.matched().unwrap_or("unmatched")
    }
}

impl PartialEq for Route {
    fn eq(&self, other: &Route) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Route {}

impl Hash for Route {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

/// What a method is called: a label must not have as many values as there are words.
pub fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::CONNECT => "CONNECT",
        Method::TRACE => "TRACE",
        _ => "_OTHER",
    }
}

/// A request that has been answered, or given up.
pub struct RequestEnd<'a> {
    pub method: &'static str,
    pub route: &'a Route,
    pub status: u16,
    /// Why it failed, for the service's own failures.
    pub error_type: Option<&'static str>,
    pub duration: Duration,
}

/// One call of a dependency, as the semantic conventions name its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Operation {
    /// `db.system.name`.
    pub system: &'static str,
    /// `db.operation.name`.
    pub name: &'static str,
    /// `db.collection.name`.
    pub collection: &'static str,
}

/// How a call of a dependency ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    Ok,
    Error,
    Timeout,
    /// It was asked for what it can't do, such as a row of a table that is not
    /// there: a mistake of ours.
    Misused,
    /// Not tried: there was no time left, no connection free, or no hope.
    Rejected,
    /// Its caller left before it ended.
    Cancelled,
}

impl Outcome {
    pub const ALL: [Outcome; 6] = [
        Outcome::Ok,
        Outcome::Error,
        Outcome::Timeout,
        Outcome::Misused,
        Outcome::Rejected,
        Outcome::Cancelled,
    ];

    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Error => "error",
            Outcome::Timeout => "timeout",
            Outcome::Misused => "misused",
            Outcome::Rejected => "rejected",
            Outcome::Cancelled => "cancelled",
        }
    }
}

/// A text as it is shown, with its end replaced by `…` where it is longer than so many
/// bytes.
pub fn shortened(text: &str, limit: usize) -> Cow<'_, str> {
    if text.len() <= limit {
        return text.into();
    }
    let (kept, _) = text.split_at(text.floor_char_boundary(limit));
    format!("{kept}…").into()
}

/// What a panic said.
pub fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
