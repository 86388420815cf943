//! What takes a service's OTLP and serves it to a Prometheus that has no receiver for it, as Debian's has none.
//!
//! It stands for the receiver of Prometheus 3, set up as the section `otlp` of the project's `prometheus.yml` says, and
//! keeps to the specification, "Prometheus and OpenMetrics Compatibility", "OTLP Metric points to Prometheus"
//! (<https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/>): names with underscores, then
//! the unit, then `_total` for sums that only grow; other sums are gauges; `job` and `instance` come of the resource, what
//! is promoted of it becomes labels, and `target_info` has the rest.
//!
//! One thing differs: series are scraped, with the time of the scrape, and do not end when nothing is sent any more. A
//! receiver would keep the last values for five minutes.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::runtime::Builder;

use self::any_value::Value;
use self::metric::Data;

/// A running bridge. It ends with the process.
pub struct Bridge {
    collector: SocketAddr,
    scraped: SocketAddr,
    state: Arc<State>,
}

struct State {
    /// The attributes of the resource that become labels.
    promoted: Vec<String>,
    refuses_spans: AtomicBool,
    /// The text of what was sent last.
    text: Mutex<String>,
}

impl Bridge {
    /// With the section `otlp` of this configuration.
    pub fn start(configuration: &str) -> Bridge {
        let mut sections = configuration.split("\n\n");
        let section = sections.find(|section| section.starts_with("otlp:"));
        let section = section.expect("what becomes of OTLP");
        assert!(section.contains("keep_identifying_resource_attributes: true"));
        let promoted = section
            .lines()
            .filter_map(|line| line.strip_prefix("    - "));
        let state = Arc::new(State {
            promoted: promoted.map(str::to_owned).collect(),
            refuses_spans: AtomicBool::new(false),
            text: Mutex::default(),
        });
        assert!(!state.promoted.is_empty(), "{section}");

        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"));
        let (listener, to_scrape) = (listener.unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let bridge = Bridge {
            collector: listener.local_addr().unwrap(),
            scraped: to_scrape.local_addr().unwrap(),
            state,
        };
        let state = Arc::clone(&bridge.state);
        thread::spawn(move || runtime.block_on(collect(listener, state)));
        let state = Arc::clone(&bridge.state);
        thread::spawn(move || serve(&to_scrape, &state));
        bridge
    }

    /// Where a service sends to.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.collector)
    }

    /// Where it is scraped.
    pub fn scraped(&self) -> SocketAddr {
        self.scraped
    }

    /// Whether spans are refused from now on.
    pub fn refuse_spans(&self, refuses: bool) {
        self.state.refuses_spans.store(refuses, Ordering::Relaxed);
    }
}

/// The services that the protocol defines, over gRPC.
async fn collect(listener: tokio::net::TcpListener, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        let take = service_fn(move |request| take(request, Arc::clone(&state)));
        let connection = http2::Builder::new(TokioExecutor::new());
        tokio::spawn(connection.serve_connection(TokioIo::new(stream), take));
    }
}

async fn take(
    request: Request<Incoming>,
    state: Arc<State>,
) -> Result<Response<impl Body<Data = Bytes, Error = Infallible>>, hyper::Error> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await?.to_bytes();
    if path.ends_with(".MetricsService/Export") {
        // A byte for the compression, four for the length.
        let message = ExportMetricsServiceRequest::decode(&body[5..]).expect("a message");
        *state.text.lock().unwrap() = exposition(&message, &state.promoted);
    }
    let is_refused =
        path.ends_with(".TraceService/Export") && state.refuses_spans.load(Ordering::Relaxed);
    // PERMISSION_DENIED, or OK and an empty message, which says that everything was taken.
    let (status, message) = match is_refused {
        true => ("7", Bytes::new()),
        false => ("0", Bytes::from_static(&[0; 5])),
    };
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static(status));
    let body = Full::new(message).with_trailers(async { Some(Ok(trailers)) });
    let mut response = Response::new(body);
    let kind = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

/// The text, for whoever asks.
fn serve(listener: &TcpListener, state: &State) {
    for mut stream in listener.incoming().map_while(Result::ok) {
        let mut request = Vec::new();
        let mut piece = [0; 4096];
        while !request.ends_with(b"\r\n\r\n") {
            match stream.read(&mut piece) {
                Ok(length @ 1..) => request.extend_from_slice(&piece[..length]),
                _ => break,
            }
        }
        let text = state.text.lock().unwrap().clone();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n",
            text.len()
        );
        // One who has gone away asks again.
        let _ = stream.write_all((head + &text).as_bytes());
    }
}

/// The labels of a series.
type Labels = BTreeMap<String, String>;

/// Everything as text, by the rules for names and labels.
fn exposition(message: &ExportMetricsServiceRequest, promoted: &[String]) -> String {
    let mut text = String::new();
    for of_resource in &message.resource_metrics {
        let resource = of_resource.resource.as_ref().map(|it| &it.attributes);
        let resource = resource.map_or(&[][..], Vec::as_slice);
        let attribute = |name: &str| {
            let found = resource.iter().find(|attribute| attribute.key == name);
            found.map(KeyValue::text)
        };
        let mut target = Labels::new();
        let service = attribute("service.name").expect("each service has a name");
        let job = match attribute("service.namespace") {
            Some(namespace) => format!("{namespace}/{service}"),
            None => service,
        };
        target.insert("job".to_owned(), job);
        let instance = attribute("service.instance.id");
        target.extend(instance.map(|instance| ("instance".to_owned(), instance)));
        let info = [target.clone(), labels(resource)].into_iter().flatten();
        writeln!(text, "# TYPE target_info gauge").unwrap();
        sample(&mut text, "target_info", info.collect(), 1.0);
        let is_promoted = |attribute: &&KeyValue| promoted.contains(&attribute.key);
        let promoted: Vec<_> = resource.iter().filter(is_promoted).cloned().collect();
        target.extend(labels(&promoted));
        for metric in of_resource.scope_metrics.iter().flat_map(|it| &it.metrics) {
            write_metric(&mut text, metric, &target);
        }
    }
    text
}

fn write_metric(text: &mut String, metric: &Metric, target: &Labels) {
    let data = metric.data.as_ref().expect("a kind that is known here");
    let (kind, is_monotonic) = match data {
        Data::Gauge(_) => ("gauge", false),
        Data::Sum(sum) if sum.is_monotonic => ("counter", true),
        Data::Sum(_) => ("gauge", false),
        Data::Histogram(_) => ("histogram", false),
    };
    let is_gauge = matches!(data, Data::Gauge(_));
    let name = name(&metric.name, &metric.unit, is_gauge, is_monotonic);
    writeln!(text, "# TYPE {name} {kind}").unwrap();
    let all = |attributes: &[KeyValue]| {
        let both = [target.clone(), labels(attributes)];
        both.into_iter().flatten().collect::<Labels>()
    };
    match data {
        Data::Gauge(Gauge { data_points }) | Data::Sum(Sum { data_points, .. }) => {
            for point in data_points {
                sample(text, &name, all(&point.attributes), point.value());
            }
        }
        Data::Histogram(histogram) => {
            for point in &histogram.data_points {
                let labels = all(&point.attributes);
                let bounds = point.explicit_bounds.iter().map(f64::to_string);
                let mut count = 0;
                for (bound, more) in bounds.chain(["+Inf".to_owned()]).zip(&point.bucket_counts) {
                    count += more;
                    let mut labels = labels.clone();
                    labels.insert("le".to_owned(), bound);
                    sample(text, &format!("{name}_bucket"), labels, count as f64);
                }
                let sum = point.sum.unwrap_or_default();
                sample(text, &format!("{name}_sum"), labels.clone(), sum);
                sample(text, &format!("{name}_count"), labels, point.count as f64);
            }
        }
    }
}

/// "Metric Metadata": the unit in its long form, unless the name has it, and the suffix of a counter.
fn name(name: &str, unit: &str, is_gauge: bool, is_monotonic: bool) -> String {
    let mut words: Vec<&str> = name.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    words.retain(|word| !word.is_empty());
    let unit = match unit {
        "s" => Some("seconds"),
        "By" => Some("bytes"),
        "1" => is_gauge.then_some("ratio"),
        unit if unit.starts_with('{') => None,
        other => panic!("`{name}` has the unit `{other}`, whose long form is not known here"),
    };
    for (suffix, has) in [(unit, unit.is_some()), (Some("total"), is_monotonic)] {
        words.extend(suffix.filter(|suffix| has && !words.contains(suffix)));
    }
    words.join("_")
}

fn labels(attributes: &[KeyValue]) -> Labels {
    let label = |attribute: &KeyValue| {
        let name = attribute
            .key
            .replace(|c: char| !c.is_ascii_alphanumeric() && c != '_', "_");
        (name, attribute.text())
    };
    attributes.iter().map(label).collect()
}

fn sample(text: &mut String, name: &str, labels: Labels, value: f64) {
    let escaped = |value: &str| {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"");
        value.replace('\n', "\\n")
    };
    let labels = labels
        .iter()
        .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)));
    let labels: Vec<_> = labels.collect();
    writeln!(text, "{name}{{{}}} {value}", labels.join(",")).unwrap();
}

impl KeyValue {
    fn text(&self) -> String {
        match self.value.as_ref().and_then(|value| value.value.as_ref()) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Bool(truth)) => truth.to_string(),
            Some(Value::Int(number)) => number.to_string(),
            Some(Value::Double(number)) => number.to_string(),
            None => panic!("`{}` has a value that is not known here", self.key),
        }
    }
}

impl NumberDataPoint {
    fn value(&self) -> f64 {
        match self.value {
            Some(number_data_point::Value::Double(number)) => number,
            Some(number_data_point::Value::Int(number)) => number as f64,
            None => f64::NAN,
        }
    }
}

// What is used of the messages of `opentelemetry-proto` 1.x, by the numbers of their fields: all that is generated of
// them would bring a client, a server and the SDK along.

#[derive(Clone, PartialEq, Message)]
struct ExportMetricsServiceRequest {
    #[prost(message, repeated, tag = "1")]
    resource_metrics: Vec<ResourceMetrics>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceMetrics {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_metrics: Vec<ScopeMetrics>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(oneof = "any_value::Value", tags = "1, 2, 3, 4")]
    value: Option<any_value::Value>,
}

mod any_value {
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Value {
        #[prost(string, tag = "1")]
        String(String),
        #[prost(bool, tag = "2")]
        Bool(bool),
        #[prost(int64, tag = "3")]
        Int(i64),
        #[prost(double, tag = "4")]
        Double(f64),
    }
}

#[derive(Clone, PartialEq, Message)]
struct ScopeMetrics {
    #[prost(message, repeated, tag = "2")]
    metrics: Vec<Metric>,
}

#[derive(Clone, PartialEq, Message)]
struct Metric {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "3")]
    unit: String,
    #[prost(oneof = "metric::Data", tags = "5, 7, 9")]
    data: Option<metric::Data>,
}

mod metric {
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Data {
        #[prost(message, tag = "5")]
        Gauge(super::Gauge),
        #[prost(message, tag = "7")]
        Sum(super::Sum),
        #[prost(message, tag = "9")]
        Histogram(super::Histogram),
    }
}

#[derive(Clone, PartialEq, Message)]
struct Gauge {
    #[prost(message, repeated, tag = "1")]
    data_points: Vec<NumberDataPoint>,
}

#[derive(Clone, PartialEq, Message)]
struct Sum {
    #[prost(message, repeated, tag = "1")]
    data_points: Vec<NumberDataPoint>,
    #[prost(bool, tag = "3")]
    is_monotonic: bool,
}

#[derive(Clone, PartialEq, Message)]
struct NumberDataPoint {
    #[prost(message, repeated, tag = "7")]
    attributes: Vec<KeyValue>,
    #[prost(oneof = "number_data_point::Value", tags = "4, 6")]
    value: Option<number_data_point::Value>,
}

mod number_data_point {
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Value {
        #[prost(double, tag = "4")]
        Double(f64),
        #[prost(sfixed64, tag = "6")]
        Int(i64),
    }
}

#[derive(Clone, PartialEq, Message)]
struct Histogram {
    #[prost(message, repeated, tag = "1")]
    data_points: Vec<HistogramDataPoint>,
}

#[derive(Clone, PartialEq, Message)]
struct HistogramDataPoint {
    #[prost(fixed64, tag = "4")]
    count: u64,
    #[prost(double, optional, tag = "5")]
    sum: Option<f64>,
    #[prost(fixed64, repeated, tag = "6")]
    bucket_counts: Vec<u64>,
    #[prost(double, repeated, tag = "7")]
    explicit_bounds: Vec<f64>,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
}
