//! What belongs to one request: the span around it, which is part of the trace
//! that the client began, and which every line that is logged inside names; what
//! the code opened below it, as with `#[tracing::instrument]`; and the calls that it
//! led to, each a span below those.
//!
//! The spans of requests and calls are made here, and not from those of the crate
//! `tracing`: so they need no global tracer, `RUST_LOG` does not decide which there
//! are, and a request that is not sampled costs next to nothing.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use axum::extract::Request;
use axum::http::Method;
use axum::http::header::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{
    FutureExt, Span as _, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt, Tracer,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use opentelemetry_sdk::trace::{Sampler, SdkTracer};
use tracing::level_filters::LevelFilter;
use tracing::{Instrument, Span, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{FilterExt, Targets, filter_fn};
use tracing_subscriber::registry::LookupSpan;

use super::line::RequestLine;
use super::{Operation, Route, method_name};
use crate::env::Env;

/// What the span around a request is called in the log.
pub const REQUEST_SPAN: &str = "request";

/// The span around one request. Clones are the same span.
#[derive(Clone, Debug)]
pub struct RequestSpan {
    lines: Span,
    traced: Option<Traced>,
}

#[derive(Clone, Debug)]
struct Traced {
    context: Context,
    tracing: Tracing,
}

/// What makes spans, and what tells services of each other's.
#[derive(Clone, Debug)]
pub struct Tracing {
    /// None where no spans are sent. The context of the client is handed on all the same,
    /// so that the trace does not end here.
    pub tracer: Option<SdkTracer>,
    pub propagators: Propagators,
}

/// `OTEL_PROPAGATORS`: what is taken from the client, and handed on to services that are
/// called.
#[derive(Clone, Copy, Debug)]
pub struct Propagators {
    trace_context: bool,
    baggage: bool,
}

impl RequestSpan {
    /// The span of a request that has just come in. What else there is to say of the
    /// request is said at its end.
    pub fn begin(tracing: &Tracing, id: &str, request: &Request, route: &Route) -> RequestSpan {
        let mut context = tracing.propagators.extract(request.headers());
        if let Some(tracer) = &tracing.tracer {
            let span = SpanBuilder::from_name("request").with_kind(SpanKind::Server);
            let span = span.with_attributes(method_original(request.method()));
            context = context.with_span(tracer.build_with_context(span, &context));
        }
        let traced = Traced { context, tracing: tracing.clone() };
        let (method, route) = (method_name(request.method()), route.as_str());
        let ids = traced.ids();
        let trace_id = ids.as_ref().map(|ids| tracing::field::display(ids.trace_id()));
        let span_id = ids.as_ref().map(|ids| tracing::field::display(ids.span_id()));
        let lines =
            tracing::info_span!(REQUEST_SPAN, request_id = id, method, route, trace_id, span_id);
        RequestSpan { lines, traced: Some(traced) }
    }

    /// For work that no request asked for; nobody looks for its trace.
    pub fn none() -> RequestSpan {
        RequestSpan { lines: Span::none(), traced: None }
    }

    /// `work`, inside the span wherever it is run.
    pub fn around<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        let context = self.traced.as_ref().map(|traced| traced.context.clone());
        work.with_context(context.unwrap_or_default()).instrument(self.lines.clone())
    }

    /// A call of a dependency has ended: a span of its own, from its beginning
    /// until now, and a line for whoever debugs.
    pub fn called(&self, call: Operation, error_type: Option<&'static str>, time: Duration) {
        let Operation { system, name, collection } = call;
        tracing::debug!(parent: &self.lines, system, name, collection, error_type, ?time, "called");
        let Some(traced) = &self.traced else { return };
        let Some(tracer) = &traced.tracing.tracer else { return };
        // Not whether it is recorded still: a write outlives a client that has gone.
        if !traced.context.span().span_context().is_sampled() {
            return;
        }
        let mut attributes =
            vec![KeyValue::new("db.system.name", system), KeyValue::new("db.operation.name", name)];
        let title = match collection {
            "" => name.into(),
            _ => {
                attributes.push(KeyValue::new("db.collection.name", collection));
                format!("{name} {collection}").into()
            }
        };
        attributes.extend(error_type.map(|error_type| KeyValue::new("error.type", error_type)));
        let ended = SystemTime::now();
        let span = SpanBuilder {
            span_kind: Some(SpanKind::Client),
            name: title,
            start_time: Some(ended.checked_sub(time).unwrap_or(ended)),
            attributes: Some(attributes),
            ..SpanBuilder::default()
        };
        let mut span = tracer.build_with_context(span, &traced.innermost());
        if let Some(error_type) = error_type {
            span.set_status(Status::error(error_type));
        }
        span.end_with_timestamp(ended);
    }

    /// Ends the span with all that its request was.
    pub fn end(&self, line: &RequestLine) {
        let Some(Traced { context, .. }) = &self.traced else { return };
        let span = context.span();
        if !span.is_recording() {
            return;
        }
        // The conventions know no name for a method that nobody knows.
        let method = if line.method == "_OTHER" { "HTTP" } else { line.method };
        let mut attributes = vec![
            KeyValue::new("http.request.method", line.method),
            KeyValue::new("url.path", line.path.to_owned()),
            KeyValue::new("url.scheme", "http"),
            KeyValue::new("request_id", line.context.request_id().to_owned()),
        ];
        match line.route.matched() {
            Some(route) => {
                span.update_name(format!("{method} {route}"));
                attributes.push(KeyValue::new("http.route", route.to_owned()));
            }
            None => span.update_name(method),
        }
        if let Some(client) = line.client {
            attributes.push(KeyValue::new("client.address", client.to_string()));
        }
        if let Some(user_agent) = line.user_agent {
            attributes.push(KeyValue::new("user_agent.original", user_agent.to_owned()));
        }
        // A client that has gone got no answer, so there is no status to name.
        if line.status != 499 {
            attributes.push(KeyValue::new("http.response.status_code", i64::from(line.status)));
        }
        if let Some(error_type) = line.error_type {
            attributes.push(KeyValue::new("error.type", error_type));
            span.set_status(Status::error(error_type));
        }
        span.set_attributes(attributes);
        span.end();
    }

    /// The names of the trace and of the span, if there are any: those of the client's
    /// where no spans are made here.
    pub fn ids(&self) -> Option<SpanContext> {
        self.traced.as_ref().and_then(Traced::ids)
    }

    /// Names the span to a service that is called, so that its own part of the
    /// trace is found below this one.
    pub fn propagate(&self, headers: &mut HeaderMap) {
        if let Some(traced) = &self.traced {
            traced.tracing.propagators.inject(&traced.innermost(), headers);
        }
    }
}

/// What the client called a method that has no name in the conventions, to its 32nd byte.
fn method_original(method: &Method) -> Option<KeyValue> {
    let original = method.as_str();
    let is_unknown = method_name(method) != original;
    let shown = original.get(..32).unwrap_or(original);
    is_unknown.then(|| KeyValue::new("http.request.method_original", shown.to_owned()))
}

impl Traced {
    fn ids(&self) -> Option<SpanContext> {
        Some(self.context.span().span_context().clone()).filter(SpanContext::is_valid)
    }

    /// The span that the code is in: the request's, or one below it.
    fn innermost(&self) -> Context {
        let current = Context::current();
        let trace = current.span().span_context().trace_id();
        let is_of_request = self.ids().is_some_and(|ids| ids.trace_id() == trace);
        if is_of_request { current } else { self.context.clone() }
    }
}

impl Tracing {
    /// Makes spans of those of the crate `tracing` that the code opens, as far as `modules`
    /// lets them through, below the one of the request that they are opened in.
    pub fn below_requests<S>(&self, modules: Targets) -> Option<impl Layer<S> + use<S>>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        // What is logged inside is a record of its own already.
        let spans = filter_fn(|metadata| metadata.is_span() && metadata.name() != REQUEST_SPAN);
        let layer = tracing_opentelemetry::layer().with_tracer(self.tracer.clone()?);
        // Where it is in the code, on which thread, and how much it waited, with each span.
        let layer = layer.with_location(false).with_threads(false).with_tracked_inactivity(false);
        // One filter: of two, the first one would have spans made that the second one drops.
        Some(layer.with_filter(modules.and(spans.with_max_level_hint(LevelFilter::TRACE))))
    }
}

impl Propagators {
    /// Reads `OTEL_PROPAGATORS`: by default, the trace alone. Baggage may be anybody's
    /// and hold anything. One that is not known is refused if spans are sent, and passed
    /// over otherwise: it may be set for a whole cluster.
    pub fn read(env: &mut Env, is_sent: bool) -> Propagators {
        const NAME: &str = "OTEL_PROPAGATORS";
        let mut propagators = Propagators { trace_context: false, baggage: false };
        let list = env.text(NAME).unwrap_or("tracecontext".to_owned()).to_ascii_lowercase();
        for name in list.split(',').map(str::trim) {
            match name {
                "tracecontext" => propagators.trace_context = true,
                "baggage" => propagators.baggage = true,
                "none" => {}
                _ if is_sent => env.refuse(format_args!(
                    "{NAME}: `{name}` is not `tracecontext`, `baggage` or `none`"
                )),
                _ => {}
            }
        }
        propagators
    }

    fn extract(self, headers: &HeaderMap) -> Context {
        let (mut context, headers) = (Context::new(), Headers::new(headers));
        if self.trace_context {
            context = TraceContextPropagator::new().extract_with_context(&context, &headers);
        }
        if self.baggage {
            context = BaggagePropagator::new().extract_with_context(&context, &headers);
        }
        context
    }

    fn inject(self, context: &Context, headers: &mut HeaderMap) {
        let mut headers = HeadersMut(headers);
        if self.trace_context {
            TraceContextPropagator::new().inject_context(context, &mut headers);
        }
        if self.baggage {
            BaggagePropagator::new().inject_context(context, &mut headers);
        }
    }
}

/// What the client sends for propagators, by its name. Headers of one name are one list
/// (RFC 9110, 5.3): a state or baggage may come in several, and two parents are none that
/// can be read, so that the trace begins anew, as the W3C has it.
struct Headers<'a>([(&'static str, Option<Cow<'a, str>>); 3]);

impl<'a> Headers<'a> {
    fn new(headers: &'a HeaderMap) -> Headers<'a> {
        Headers(["traceparent", "tracestate", "baggage"].map(|name| (name, list(headers, name))))
    }
}

fn list<'a>(headers: &'a HeaderMap, name: &str) -> Option<Cow<'a, str>> {
    let mut values = headers.get_all(name).iter().map(HeaderValue::to_str);
    let first = values.next()?.ok()?;
    let join = |list, value| Some(Cow::from(format!("{list},{}", Result::ok(value)?)));
    values.try_fold(Cow::from(first), join)
}

impl Extractor for Headers<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name)?.1.as_deref()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.iter().filter(|(_, value)| value.is_some()).map(|(name, _)| *name).collect()
    }
}

struct HeadersMut<'a>(&'a mut HeaderMap);

impl Injector for HeadersMut<'_> {
    fn set(&mut self, name: &str, value: String) {
        let name = HeaderName::from_bytes(name.as_bytes());
        // The state of a trace is empty more often than not.
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&value))
            && !value.is_empty()
        {
            self.0.insert(name, value);
        }
    }
}

/// Reads `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`: by default, what
/// the client decided, and everything where it did not.
pub fn read_sampler(env: &mut Env) -> Sampler {
    let share = env.parse("OTEL_TRACES_SAMPLER_ARG", 1.0);
    if !(0.0..=1.0).contains(&share) {
        env.refuse(format_args!("OTEL_TRACES_SAMPLER_ARG: {share} is not between 0 and 1"));
    }
    let name = env.text("OTEL_TRACES_SAMPLER").unwrap_or("parentbased_always_on".to_owned());
    let name = name.to_ascii_lowercase();
    let (parent_based, root) = match name.strip_prefix("parentbased_") {
        Some(root) => (true, root),
        None => (false, name.as_str()),
    };
    let sampler = match root {
        "always_on" => Sampler::AlwaysOn,
        "always_off" => Sampler::AlwaysOff,
        "traceidratio" => Sampler::TraceIdRatioBased(share),
        _ => {
            env.refuse(format_args!(
                "OTEL_TRACES_SAMPLER: `{name}` is not `always_on`, `always_off` or `traceidratio`, \
                 with or without `parentbased_` before it"
            ));
            Sampler::AlwaysOn
        }
    };
    if parent_based { Sampler::ParentBased(Box::new(sampler)) } else { sampler }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_proto::tonic::trace::v1 as proto;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing_subscriber::layer::SubscriberExt;

    use super::super::exporter::queue::Queue;
    use super::super::log::Settings;
    use super::super::logged::listen;
    use super::*;
    use crate::config::Config;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

    fn settings(propagators: &str) -> Settings {
        let lookup = |variable: &str| match variable {
            "OTEL_EXPORTER_OTLP_ENDPOINT" => Some("http://collector:4317".to_owned()),
            "OTEL_PROPAGATORS" => Some(propagators.to_owned()),
            _ => None,
        };
        let config = Config::read(&lookup).map_err(|error| error.to_string());
        config.expect("the variables are right").log
    }

    const CALL: Operation = Operation { system: "database", name: "SELECT", collection: "things" };

    /// What makes spans, and the queue that they get into.
    fn queued() -> (Tracing, Queue<proto::Span>) {
        let Settings { traces, propagators, .. } = settings("");
        let queue = Queue::new(&traces.expect("sent").signal);
        let tracer = SdkTracerProvider::builder().with_span_processor(queue.clone()).build();
        (Tracing { tracer: Some(tracer.tracer("test")), propagators }, queue)
    }

    /// What makes spans that are sent nowhere.
    fn tracing(propagators: &str) -> Tracing {
        let tracer = Some(SdkTracerProvider::builder().build().tracer("test"));
        Tracing { tracer, ..no_spans(propagators) }
    }

    /// What makes none.
    fn no_spans(propagators: &str) -> Tracing {
        Tracing { tracer: None, propagators: settings(propagators).propagators }
    }

    /// The span of a request with these headers.
    fn span_of(headers: &[(&str, &str)], tracing: &Tracing) -> RequestSpan {
        let request = headers
            .iter()
            .fold(Request::get("/"), |request, (name, value)| request.header(*name, *value));
        let request = request.body(Body::empty()).expect("right");
        RequestSpan::begin(tracing, "id", &request, &Route::new(None))
    }

    fn span(traceparent: &str, tracing: &Tracing) -> RequestSpan {
        let others = [("tracestate", "vendor=1"), ("baggage", "tenant=a")];
        span_of(&[("traceparent", traceparent), others[0], others[1]], tracing)
    }

    /// What a service is told that the span calls.
    fn handed_on(span: &RequestSpan) -> HeaderMap {
        let mut headers = HeaderMap::new();
        span.propagate(&mut headers);
        headers
    }

    #[test]
    fn a_service_that_is_called_learns_of_the_span() {
        let span = span(&format!("00-{TRACE}-b7ad6b7169203331-01"), &tracing(""));
        let headers = handed_on(&span);
        let ids = span.ids().expect("it is traced");
        assert_eq!(ids.trace_id().to_string(), TRACE);
        assert_eq!(headers["traceparent"], format!("00-{TRACE}-{}-01", ids.span_id()));
        assert_eq!(headers["tracestate"], "vendor=1");
        assert!(!headers.contains_key("baggage"), "nobody asked for it");
    }

    #[test]
    fn what_is_handed_on_can_be_chosen() {
        let handed_on = |list: &str| {
            let span = span(&format!("00-{TRACE}-b7ad6b7169203331-01"), &tracing(list));
            let headers = handed_on(&span);
            ["traceparent", "baggage"].map(|name| headers.contains_key(name))
        };
        assert_eq!(handed_on("tracecontext,baggage"), [true, true]);
        assert_eq!(handed_on("baggage"), [false, true]);
        assert_eq!(handed_on("none"), [false, false]);
    }

    #[tokio::test]
    async fn what_the_code_opens_is_between_a_request_and_its_calls() {
        #[tracing::instrument]
        async fn work(size: u8) {}

        let (tracing, queue) = queued();
        let all = Targets::new().with_default(LevelFilter::TRACE);
        let layer = tracing.below_requests(all).expect("spans are made");
        let log = tracing_subscriber::registry().with(layer);
        let _listening = listen(&log.into());

        let request = Request::get("/").body(Body::empty()).expect("right");
        let span = RequestSpan::begin(&tracing, "id", &request, &Route::new(None));
        span.around(async {
            work(7).await;
            span.called(CALL, None, Duration::ZERO);
            let inner = tracing::info_span!("inner");
            async { span.called(CALL, None, Duration::ZERO) }.instrument(inner).await;
        })
        .await;

        let (spans, _) = queue.take();
        let [work, outer_call, inner_call, inner] = &spans[..] else { panic!("{spans:?}") };
        let request = span.ids().expect("it is traced").span_id().to_bytes();
        assert_eq!((&*work.name, &*work.parent_span_id), ("work", &request[..]));
        assert!(work.attributes.iter().any(|attribute| attribute.key == "size"), "{work:?}");
        assert_eq!(outer_call.parent_span_id, request);
        assert_eq!((&*inner.name, &*inner.parent_span_id), ("inner", &request[..]));
        assert_eq!(inner_call.parent_span_id, inner.span_id);
    }

    #[test]
    fn what_is_called_after_the_end_of_a_request_is_below_it_too() {
        let (tracing, queue) = queued();
        let request = Request::post("/").body(Body::empty()).expect("right");
        let span = RequestSpan::begin(&tracing, "id", &request, &Route::new(None));
        span.traced.as_ref().expect("it is traced").context.span().end();
        span.called(CALL, None, Duration::ZERO);
        let (spans, _) = queue.take();
        let [request, call] = &spans[..] else { panic!("{spans:?}") };
        assert_eq!((&*call.name, &call.parent_span_id), ("SELECT things", &request.span_id));
    }

    #[test]
    fn where_no_spans_are_made_the_context_of_the_client_is_handed_on_as_it_came() {
        let parent = format!("00-{TRACE}-b7ad6b7169203331-01");
        let span = span(&parent, &no_spans("tracecontext,baggage"));
        span.called(CALL, None, Duration::ZERO);
        let ids = span.ids().expect("the client has named them");
        assert_eq!(ids.trace_id().to_string(), TRACE);
        assert_eq!(ids.span_id().to_string(), "b7ad6b7169203331");
        let headers = handed_on(&span);
        assert_eq!(headers["traceparent"], parent);
        assert_eq!(headers["tracestate"], "vendor=1");
        assert_eq!(headers["baggage"], "tenant=a");

        let span = span_of(&[("baggage", "tenant=a")], &no_spans("tracecontext,baggage"));
        assert!(span.ids().is_none());
        let headers = handed_on(&span);
        assert_eq!((headers.len(), &headers["baggage"]), (1, &"tenant=a".parse().unwrap()));
        assert!(handed_on(&span_of(&[], &no_spans(""))).is_empty());
    }

    #[test]
    fn a_trace_that_nobody_can_read_is_not_continued() {
        for traceparent in ["", "00", "00-0-0-01", &format!("00-{TRACE}-0000000000000000-01")] {
            let ids = span(traceparent, &tracing("")).ids().expect("it is traced");
            assert!(ids.is_valid() && ids.trace_id().to_string() != TRACE, "{traceparent}");
        }
    }

    #[test]
    fn a_trace_with_two_parents_is_not_continued() {
        let parent = |id: &str| format!("00-{TRACE}-{id}-01");
        let (one, other) = (parent("b7ad6b7169203331"), parent("b7ad6b7169203332"));
        for two in [[&*one, &other], [&other, &one], [&one, &one], [&one, ""]] {
            let [one, other] = two.map(|parent| ("traceparent", parent));
            let headers = [one, other, ("tracestate", "vendor=1")];
            let span = span_of(&headers, &tracing(""));
            let ids = span.ids().expect("it is traced");
            assert!(ids.is_valid() && ids.trace_id().to_string() != TRACE, "{two:?}");
            assert!(!handed_on(&span).contains_key("tracestate"), "{two:?}");
        }
    }

    #[test]
    fn the_state_of_a_trace_and_baggage_may_come_in_several_headers() {
        let span = span_of(
            &[
                ("traceparent", &format!("00-{TRACE}-b7ad6b7169203331-01")),
                ("tracestate", "vendor=1"),
                ("tracestate", "other=2,third=3"),
                ("baggage", "tenant=a"),
                ("baggage", "user=b"),
            ],
            &tracing("tracecontext,baggage"),
        );
        let headers = handed_on(&span);
        assert_eq!(headers["tracestate"], "vendor=1,other=2,third=3");
        let baggage = headers["baggage"].to_str().expect("text");
        let mut baggage: Vec<_> = baggage.split(',').collect();
        baggage.sort_unstable();
        assert_eq!(baggage, ["tenant=a", "user=b"]);
    }

    #[test]
    fn samplers_are_those_of_the_standard() {
        let read = |name: &'static str, share: &'static str| {
            let lookup = |variable: &str| match variable {
                "OTEL_EXPORTER_OTLP_ENDPOINT" => Some("http://collector:4317".to_owned()),
                "OTEL_TRACES_SAMPLER" => Some(name.to_owned()),
                "OTEL_TRACES_SAMPLER_ARG" => Some(share.to_owned()),
                _ => None,
            };
            let config = Config::read(&lookup).map_err(|error| error.to_string());
            config.map(|config| format!("{:?}", config.log.traces.expect("sent").sampler))
        };
        assert_eq!(read("", "").as_deref(), Ok("ParentBased(AlwaysOn)"));
        assert_eq!(read("always_off", "").as_deref(), Ok("AlwaysOff"));
        let share = read("parentbased_traceidratio", "0.1");
        assert_eq!(share.as_deref(), Ok("ParentBased(TraceIdRatioBased(0.1))"));
        assert!(read("sometimes", "").is_err_and(|error| error.contains("OTEL_TRACES_SAMPLER: ")));
        assert!(read("traceidratio", "2").is_err_and(|error| error.contains("_ARG: 2 is not")));
    }
}
