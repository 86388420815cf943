//! What belongs to one request: the span around it, which every line that is
//! logged inside names, and the calls that it led to.

use std::time::Duration;

use tracing::instrument::Instrumented;
use tracing::{Instrument, Span};

use super::Operation;

/// What the span around a request is called.
pub const REQUEST_SPAN: &str = "request";

/// The span around one request. Clones are the same span.
#[derive(Clone, Debug)]
pub struct RequestSpan(Span);

impl RequestSpan {
    /// The span that names the request in the log.
    pub fn new(span: Span) -> RequestSpan {
        RequestSpan(span)
    }

    /// For work that no request asked for.
    pub fn none() -> RequestSpan {
        RequestSpan(Span::none())
    }

    /// `work`, inside the span wherever it is run.
    pub fn around<F: Future>(&self, work: F) -> Instrumented<F> {
        work.instrument(self.0.clone())
    }

    /// A call of a dependency has ended: a line for whoever debugs, and the
    /// metrics for everybody else.
    pub fn called(&self, call: Operation, error_type: Option<&'static str>, time: Duration) {
        let Operation { system, name, collection } = call;
        tracing::debug!(parent: &self.0, system, name, collection, error_type, ?time, "called");
    }
}
