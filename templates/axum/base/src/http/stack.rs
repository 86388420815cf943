//! The one layer around all routes. What it does, from the outside in:
//!
//! 1. hides credentials from whoever might log headers;
//! 2. names the request: the client's `X-Request-Id`, or a new one;
//! 3. opens a span, so that every line logged inside carries that name;
//! 4. counts the request and writes its line, however it ends;
//! 5. ends the connection with the response while the service stops;
//! 6. refuses it unless it says for which host it is, and reads its body, in the
//!    client's time and not in the service's;
//! 7. refuses it if too many are under way, but never a probe;
//! 8. answers at the deadline, whatever the handler is doing;
//! 9. answers after a panic, too;
//! 10. counts a large response until its client has read it, and refuses to make one
//!     more if there are too many.
//!
//! The order matters. With 8 or 9 outside of 4, requests that time out or panic
//! are not counted at all; with 6 inside of 7, slow clients take the places of all
//! others. It is one function rather than nine layers because layers are not free,
//! even empty ones, and because it can be read.

use std::net::{IpAddr, Ipv6Addr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::uri::Authority;
use axum::http::{StatusCode, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use hyper::body::Body as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;
use tokio_util::task::TaskTracker;
use uuid::{Builder, Uuid};

use super::Settings;
use super::body::{Bodies, BodyLimits, Room};
use super::client::TrustedProxies;
use super::health::Health;
use super::problem::{CLIENT_DISCONNECTED, Problem};
use crate::context::Context;
use crate::server::last;
use crate::server::peer::{Awaited, Peer};
use crate::telemetry::line::RequestLine;
use crate::telemetry::log::Log;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::{RequestEnd, Route, method_name, panic_message, shortened};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Headers that let their sender in.
const CREDENTIALS: [HeaderName; 3] =
    [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION];

/// Whoever asks these must get an answer from a busy service, too.
const PROBES: [&str; 3] = ["/livez", "/readyz", "/health"];

/// How much of a path is kept, in bytes: more than any route needs. A head may hold
/// sixteen times as much, which would be in every line and span.
const PATH_LIMIT: usize = 1_024;

/// The same of what a client says that it is.
const USER_AGENT_LIMIT: usize = 256;

/// What nginx calls a request whose client has gone; nobody gets to see it.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// What the layer works with. Clones share it.
#[derive(Clone)]
pub struct Stack(Arc<Inner>);

struct Inner {
    metrics: Metrics,
    log: Log,
    bodies: Bodies,
    request_timeout: Duration,
    places: Places,
    trusted_proxies: TrustedProxies,
    health: Health,
    writes: TaskTracker,
}

impl Stack {
    /// `health` tells when to let go of clients, and `writes` tracks the requests
    /// that go on without theirs.
    pub fn new(
        settings: &Settings,
        metrics: Metrics,
        log: Log,
        health: Health,
        writes: TaskTracker,
    ) -> Stack {
        Stack(Arc::new(Inner {
            metrics,
            log,
            bodies: Bodies::new(BodyLimits {
                bytes: settings.body_limit,
                all_bytes: settings.bodies_limit,
                timeout: settings.body_timeout,
            }),
            request_timeout: settings.request_timeout,
            places: Places::new(settings.max_in_flight.get()),
            trusted_proxies: settings.trusted_proxies.clone(),
            health,
            writes,
        }))
    }

    /// The places among those being served.
    pub fn places(&self) -> &Places {
        &self.0.places
    }

    /// Point 6. A request that no route takes has no use for its body.
    async fn receive(
        &self,
        record: &mut Record,
        request: Request,
    ) -> Result<(Request, Room), Problem> {
        if !has_a_host(&request) {
            return Err(Problem::new(StatusCode::BAD_REQUEST).detail("send one valid `Host`"));
        }
        let has_body = !request.body().is_end_stream();
        if !has_body || request.extensions().get::<MatchedPath>().is_none() {
            return Ok((request, None));
        }
        let (parts, body) = request.into_parts();
        let waiting = parts.extensions.get::<Peer>().map(|peer| peer.wait(Awaited::Request));
        // On the heap: most requests have no body, and this would be moved with each.
        record.body = BodyWait::Since(Instant::now());
        let received = Box::pin(self.0.bodies.receive(body)).await;
        record.body.end();
        drop(waiting);
        let received = received.inspect_err(|problem| self.count_shed(problem))?;
        Ok((Request::from_parts(parts, Body::from(received.bytes)), received.room))
    }

    /// Point 10.
    fn hold(&self, response: Response, peer: Option<&Peer>) -> Response {
        let held = self.0.bodies.hold(response, peer);
        held.unwrap_or_else(|problem| {
            self.count_shed(&problem);
            problem.into_response()
        })
    }

    fn count_shed(&self, problem: &Problem) {
        if problem.error_type() == Some("shed") {
            self.0.metrics.request_shed("bodies");
        }
    }

    /// A place among those being served: none if all are taken. Probes do not
    /// need one.
    fn admit(&self, path: &str) -> Option<Option<OwnedSemaphorePermit>> {
        if PROBES.contains(&path) {
            return Some(None);
        }
        self.0.places.take().map(Some)
    }

    /// Points 6 to 10. hyper ends the connection after a request whose body was not
    /// read, and does not tell the client.
    async fn serve(&self, record: &mut Record, request: Request, next: Next) -> Response {
        let (mut request, room) = match self.receive(record, request).await {
            Ok(received) => received,
            Err(problem) => return last(problem.into_response()),
        };
        let context = record.context.clone().due_in(self.0.request_timeout);
        request.extensions_mut().insert(context.clone());
        let Some(permit) = self.admit(request.uri().path()) else {
            self.0.metrics.request_shed("in_flight");
            return Problem::overloaded("too many requests at once").into_response();
        };
        let reads_only = request.method().is_safe();
        let peer = request.extensions().get::<Peer>().cloned();
        let handler = async move {
            let _held = (permit, room);
            next.run(request).await
        };
        let handler = AssertUnwindSafe(handler).catch_unwind();
        let deadline = context.deadline().into();
        let outcome = if reads_only {
            timeout_at(deadline, handler).await
        } else {
            // A write goes on when its client hangs up: one whose answer nobody
            // hears is better than half of one.
            let write = self.0.writes.spawn(context.span().around(handler));
            let write = write.map(|joined| joined.unwrap_or_else(|error| Err(error.into_panic())));
            timeout_at(deadline, write).await
        };
        match outcome {
            Ok(Ok(response)) => self.hold(response, peer.as_ref()),
            Ok(Err(panic)) => {
                tracing::error!(panic = panic_message(&*panic), "a handler panicked");
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR).because("panic").into_response()
            }
            Err(_) => {
                let problem = Problem::new(StatusCode::GATEWAY_TIMEOUT).because("timeout");
                problem.detail("the request took too long").into_response()
            }
        }
    }
}

/// The places for requests that are being served. Clones are of the same ones.
#[derive(Clone)]
pub struct Places {
    free: Arc<Semaphore>,
    max: usize,
}

impl Places {
    fn new(max: usize) -> Places {
        Places { free: Arc::new(Semaphore::new(max)), max }
    }

    fn take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.free).try_acquire_owned().ok()
    }

    /// How many are taken: also by writes whose client has gone, and not by requests
    /// whose body is still to come.
    pub fn taken(&self) -> usize {
        self.max - self.free.available_permits()
    }
}

/// The layer. See the top of this file.
pub async fn stack(State(stack): State<Stack>, mut request: Request, next: Next) -> Response {
    for name in CREDENTIALS {
        if let Some(value) = request.headers_mut().get_mut(name) {
            value.set_sensitive(true);
        }
    }
    let request_id = request_id(request.headers());
    let route = Route::new(request.extensions().get::<MatchedPath>().cloned());
    let span = stack.0.log.request_span(&request_id, &request, &route);
    let context = Context::of_request(request_id, span, stack.0.request_timeout);
    let mut record = Record::start(&stack, &request, route, context.clone());

    let mut response = context.span().around(stack.serve(&mut record, request, next)).await;

    Problem::write(&mut response, context.request_id());
    if let Ok(id) = HeaderValue::from_str(context.request_id()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    if stack.0.health.is_draining() {
        // A balancer that forwards TCP can move connections only while they are new.
        response = last(response);
    }
    record.end(&response);
    response
}

/// Whether it names one host, as RFC 9112 asks for in section 3.2. One that a proxy
/// reads in another way than the service does can lead past the proxy's rules.
fn has_a_host(request: &Request) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).into_iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => is_plain_host(host.as_bytes()) || is_authority(host.as_bytes()),
        (None, _) => request.version() < Version::HTTP_11,
        (Some(_), Some(_)) => false,
    }
}

/// Whether it is a name, and perhaps a port of up to four digits, as most clients send
/// it. An `Authority` would copy it first, which costs as much as a metric.
fn is_plain_host(host: &[u8]) -> bool {
    let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-.".contains(byte);
    let end = host.iter().position(|byte| !is_of_name(byte)).unwrap_or(host.len());
    match &host[end..] {
        [] => end > 0,
        [b':', port @ ..] => end > 0 && port.len() < 5 && port.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// Whether it is a host and perhaps a port, and no more.
fn is_authority(host: &[u8]) -> bool {
    let Ok(authority) = Authority::try_from(host) else { return false };
    let host = authority.host();
    let Some(port) = authority.as_str().strip_prefix(host) else { return false };
    let is_port = |port: &str| {
        let is_number = port.bytes().all(|digit| digit.is_ascii_digit());
        is_number && (port.is_empty() || port.parse::<u16>().is_ok())
    };
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    !host.is_empty()
        && !authority.as_str().contains('@')
        && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
        && literal.is_none_or(|literal| literal.parse::<Ipv6Addr>().is_ok())
}

/// The client's own id for the request, if it is fit to be repeated in a log.
fn request_id(headers: &HeaderMap) -> Box<str> {
    let fit = |id: &&str| {
        (1..=64).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    match headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(fit) {
        Some(id) => id.into(),
        None => new_id().to_string().into(),
    }
}

/// An id that sorts by its time. Nobody gains by guessing it, so it need not cost a
/// system call, as those of resources do.
fn new_id() -> Uuid {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let millis = u64::try_from(time.as_millis()).unwrap_or_default();
    let mut random = [0; 10];
    fastrand::fill(&mut random);
    Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

/// How long a body was waited for. The clock is read only where there is one.
#[derive(Clone, Copy)]
enum BodyWait {
    None,
    Since(Instant),
    Took(Duration),
}

impl BodyWait {
    /// It has come, or nobody waits for it any more.
    fn end(&mut self) {
        if let BodyWait::Since(begun) = *self {
            *self = BodyWait::Took(begun.elapsed());
        }
    }
}

/// Counts one request, also when its client has gone and dropped it.
struct Record {
    stack: Stack,
    context: Context,
    started: Instant,
    method: &'static str,
    route: Route,
    path: Box<str>,
    status: u16,
    client: Option<IpAddr>,
    user_agent: Option<HeaderValue>,
    error_type: Option<&'static str>,
    body: BodyWait,
}

impl Record {
    fn start(stack: &Stack, request: &Request, route: Route, context: Context) -> Record {
        let method = method_name(request.method());
        stack.0.metrics.request_started(method);
        let headers = request.headers();
        let peer = request.extensions().get::<Peer>();
        Record {
            client: peer.map(|peer| stack.0.trusted_proxies.client(peer.addr().ip(), headers)),
            user_agent: headers.get(header::USER_AGENT).cloned(),
            stack: stack.clone(),
            context,
            started: Instant::now(),
            method,
            route,
            path: shortened(request.uri().path(), PATH_LIMIT).into(),
            status: CLIENT_CLOSED_REQUEST,
            error_type: Some(CLIENT_DISCONNECTED),
            body: BodyWait::None,
        }
    }

    fn end(&mut self, response: &Response) {
        let problem = response.extensions().get::<Problem>();
        if problem.and_then(Problem::error_type) == Some(CLIENT_DISCONNECTED) {
            return;
        }
        let status = response.status();
        self.status = status.as_u16();
        self.error_type = status
            .is_server_error()
            .then(|| problem.and_then(Problem::error_type).unwrap_or("internal"));
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        // Before the whole, of which it is a part.
        self.body.end();
        let duration = self.started.elapsed();
        self.stack.0.metrics.request_ended(&RequestEnd {
            method: self.method,
            route: &self.route,
            status: self.status,
            error_type: self.error_type,
            duration,
        });
        if !PROBES.contains(&&*self.path) {
            self.stack.0.metrics.request_counted(self.status >= 500);
        }
        let user_agent = self.user_agent.as_ref().map(HeaderValue::as_bytes);
        let user_agent = user_agent.map(String::from_utf8_lossy);
        let user_agent = user_agent.as_deref().map(|name| shortened(name, USER_AGENT_LIMIT));
        self.stack.0.log.request(&RequestLine {
            context: &self.context,
            method: self.method,
            route: &self.route,
            path: &self.path,
            status: self.status,
            error_type: self.error_type,
            duration,
            body: match self.body {
                BodyWait::Took(time) => Some(time),
                BodyWait::None | BodyWait::Since(_) => None,
            },
            client: self.client,
            user_agent: user_agent.as_deref(),
        });
    }
}
