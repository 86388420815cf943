//! What one request carries from the edge to its last dependency: who it is,
//! until when it has to be answered, and how long it has waited for whom. It
//! is handed down as an argument, so that a signature shows what may wait.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::telemetry::trace::RequestSpan;

/// One request, or one round of background work. Clones share it.
#[derive(Clone, Debug)]
pub struct Context {
    deadline: Instant,
    request: Arc<Request>,
}

#[derive(Debug)]
struct Request {
    id: Box<str>,
    span: RequestSpan,
    waits: Mutex<Vec<Waits>>,
}

/// How often and how long a request has waited for one dependency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waits {
    pub dependency: &'static str,
    pub calls: u32,
    pub time: Duration,
}

impl Context {
    /// Work that no client asked for and that has to end within `timeout` from now.
    pub fn new(name: impl Into<Box<str>>, timeout: Duration) -> Context {
        Context::of_request(name, RequestSpan::none(), timeout)
    }

    /// A request that has to be answered within `timeout` from now.
    pub fn of_request(
        request_id: impl Into<Box<str>>,
        span: RequestSpan,
        timeout: Duration,
    ) -> Context {
        let waits = Mutex::default();
        let request = Arc::new(Request { id: request_id.into(), span, waits });
        Context { deadline: Instant::now() + timeout, request }
    }

    /// The same request, to be answered within `timeout` from now.
    pub fn due_in(mut self, timeout: Duration) -> Context {
        self.deadline = Instant::now() + timeout;
        self
    }

    /// The id that the client sent, or the one that it was given.
    pub fn request_id(&self) -> &str {
        &self.request.id
    }

    /// The span that everything done for the request belongs to.
    pub fn span(&self) -> &RequestSpan {
        &self.request.span
    }

    /// When the answer is due.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// What is left until then; zero once it has passed.
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Adds one call of a dependency that took `time`.
    pub fn waited(&self, dependency: &'static str, time: Duration) {
        let mut waits = self.request.waits.lock().unwrap_or_else(PoisonError::into_inner);
        match waits.iter_mut().find(|known| known.dependency == dependency) {
            Some(known) => {
                known.calls += 1;
                known.time += time;
            }
            None => waits.push(Waits { dependency, calls: 1, time }),
        }
    }

    /// What the request has waited for so far.
    pub fn waits(&self) -> Vec<Waits> {
        self.request.waits.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
