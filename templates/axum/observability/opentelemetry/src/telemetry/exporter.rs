//! Sends traces, metrics and logs to a collector, over OTLP/gRPC. Nobody waits
//! for it: what is to be sent lies in bounded queues, and what does not fit, or
//! is not taken in time, is dropped and counted.

pub mod queue;

use std::io;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_otlp::{
    ExporterBuildError, LogExporter, MetricExporter, SpanExporter, WithExportConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogBatch, LogExporter as _};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::queue::{Queue, Record};
use super::Signals;
use super::metrics::Metrics;
use super::saturation::Gauges;
use crate::config::Env;

/// How much is sent at once.
const BATCH: usize = 512;

/// What the end of the service leaves for the last of it: all of the end has to
/// fit into the time after which Kubernetes kills a pod.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Where to send the metrics. How to send traces and logs is set where they are
/// made, in [`super::log::Settings`].
#[derive(Clone)]
pub struct Settings {
    /// None where no metrics are wanted.
    pub metrics: Option<Signal>,
}

/// How one of the three signals is sent.
#[derive(Clone, Debug)]
pub struct Signal {
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`, or `OTEL_EXPORTER_OTLP_<SIGNAL>_ENDPOINT`.
    pub endpoint: String,
    /// `OTEL_EXPORTER_OTLP_TIMEOUT`, or that of the signal: for one batch.
    pub timeout: Duration,
    /// How long to gather before sending.
    pub interval: Duration,
    /// How much may wait to be sent; no limit where it does not grow.
    pub queue: usize,
}

/// What the standard variables call a signal, and the defaults they give it.
pub struct Kind {
    name: &'static str,
    interval: (&'static str, u64),
    queue: Option<(&'static str, usize)>,
}

pub const TRACES: Kind = Kind {
    name: "TRACES",
    interval: ("OTEL_BSP_SCHEDULE_DELAY", 5_000),
    queue: Some(("OTEL_BSP_MAX_QUEUE_SIZE", 2_048)),
};

pub const LOGS: Kind = Kind {
    name: "LOGS",
    interval: ("OTEL_BLRP_SCHEDULE_DELAY", 1_000),
    queue: Some(("OTEL_BLRP_MAX_QUEUE_SIZE", 2_048)),
};

const METRICS: Kind =
    Kind { name: "METRICS", interval: ("OTEL_METRIC_EXPORT_INTERVAL", 60_000), queue: None };

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TIMEOUT: &str = "OTEL_EXPORTER_OTLP_TIMEOUT";
const DEFAULT_TIMEOUT_MS: u64 = 3_000;

impl Settings {
    /// Reads the variables of the metrics, and those of all signals.
    pub fn read(env: &mut Env) -> Settings {
        // What all signals share is checked here, and not once for each of them.
        if let Some(endpoint) = env.text(ENDPOINT) {
            check(env, ENDPOINT, &endpoint);
        }
        env.millis(TIMEOUT, DEFAULT_TIMEOUT_MS);
        if let Some(protocol) = env.text("OTEL_EXPORTER_OTLP_PROTOCOL")
            && protocol != "grpc"
        {
            env.refuse(format_args!("OTEL_EXPORTER_OTLP_PROTOCOL: `{protocol}` is not `grpc`"));
        }
        Settings { metrics: Signal::read(env, &METRICS) }
    }
}

impl Signal {
    /// Reads the variables of one signal: none without an endpoint, or where
    /// `OTEL_<SIGNAL>_EXPORTER` is `none` or `OTEL_SDK_DISABLED` is `true`.
    pub fn read(env: &mut Env, kind: &Kind) -> Option<Signal> {
        let Kind { name, interval, queue } = kind;
        let exporter = format!("OTEL_{name}_EXPORTER");
        let wanted = match env.text(&exporter).as_deref() {
            None | Some("otlp") => true,
            Some("none") => false,
            Some(other) => {
                env.refuse(format_args!("{exporter}: `{other}` is neither `otlp` nor `none`"));
                false
            }
        };
        let own_endpoint = format!("OTEL_EXPORTER_OTLP_{name}_ENDPOINT");
        let own = env.text(&own_endpoint);
        if let Some(endpoint) = &own {
            check(env, &own_endpoint, endpoint);
        }
        let own_timeout = format!("OTEL_EXPORTER_OTLP_{name}_TIMEOUT");
        let timeout = env.text(TIMEOUT).and_then(|text| text.parse().ok());
        let timeout = env.millis(&own_timeout, timeout.unwrap_or(DEFAULT_TIMEOUT_MS));
        let interval = env.millis(interval.0, interval.1);
        let queue = queue.map_or(usize::MAX, |(name, default)| env.count(name, default).get());
        let disabled = env.text("OTEL_SDK_DISABLED").is_some_and(|text| text == "true");
        let endpoint = own.or_else(|| env.text(ENDPOINT))?;
        (wanted && !disabled).then_some(Signal { endpoint, timeout, interval, queue })
    }
}

/// The collector is next door: in the pod, on the node, in the cluster. To send
/// to one across the internet, let `opentelemetry-otlp` have its feature `tls-ring`.
fn check(env: &mut Env, name: &str, endpoint: &str) {
    let rest = endpoint.strip_prefix("http://");
    if rest.and_then(|rest| rest.parse::<axum::http::uri::Authority>().ok()).is_none() {
        env.refuse(format_args!("{name}: `{endpoint}` is not like http://collector:4317"));
    }
}

/// What all signals say of this process. `OTEL_RESOURCE_ATTRIBUTES` comes before
/// what is known here, and `OTEL_SERVICE_NAME` before both, as the standard has it.
pub fn resource() -> Resource {
    // Containers are named by their host name, and so are pods.
    let instance = variable("HOSTNAME").unwrap_or_else(|| std::process::id().to_string());
    let resource = Resource::builder_empty()
        .with_attribute(KeyValue::new("service.name", env!("CARGO_PKG_NAME")))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("service.instance.id", instance))
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_detector(Box::new(EnvResourceDetector::new()));
    match variable("OTEL_SERVICE_NAME") {
        Some(name) => resource.with_service_name(name).build(),
        None => resource.build(),
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// Sends what there is. Whatever has no endpoint is not made in the first place.
pub struct Exporter {
    metrics: Metrics,
    gauges: Gauges,
    to: Option<(MetricExporter, Signal)>,
    traces: Option<Sender<SpanData, SpanExporter>>,
    logs: Option<Sender<Record, LogExporter>>,
}

impl Exporter {
    /// An exporter that has not sent anything yet, and not connected either.
    ///
    /// # Errors
    ///
    /// A variable that only the library reads, such as a header's, is not valid.
    pub async fn start(settings: &Settings, signals: Signals) -> io::Result<Exporter> {
        let Signals { metrics, gauges, log } = signals;
        let mut exporter = Exporter { metrics, gauges, to: None, traces: None, logs: None };
        if let Some(signal) = &settings.metrics {
            let to = MetricExporter::builder().with_tonic().with_endpoint(&signal.endpoint);
            let to = to.with_timeout(signal.timeout).build().map_err(invalid)?;
            exporter.to = Some((to, signal.clone()));
        }
        if let Some((queue, signal)) = log.spans() {
            let to = SpanExporter::builder().with_tonic().with_endpoint(&signal.endpoint);
            let mut to = to.with_timeout(signal.timeout).build().map_err(invalid)?;
            to.set_resource(&resource());
            exporter.traces = Some(exporter.sender("traces", queue, signal, to));
        }
        if let Some((queue, signal)) = log.records() {
            let to = LogExporter::builder().with_tonic().with_endpoint(&signal.endpoint);
            let mut to = to.with_timeout(signal.timeout).build().map_err(invalid)?;
            to.set_resource(&resource());
            exporter.logs = Some(exporter.sender("logs", queue, signal, to));
        }
        Ok(exporter)
    }

    fn sender<T, E>(
        &self,
        name: &'static str,
        queue: Queue<T>,
        signal: Signal,
        to: E,
    ) -> Sender<T, E> {
        self.metrics.declare_signal(name);
        let state = Delivery { signal: name, failing: false };
        Sender { name, queue, signal, to, metrics: self.metrics.clone(), state }
    }

    /// Where metrics go, if they go anywhere.
    pub fn metrics_endpoint(&self) -> Option<&str> {
        self.to.as_ref().map(|(_, signal)| signal.endpoint.as_str())
    }

    /// Sends until `stop`, and then what is left, as far as it goes in time.
    pub async fn run(self, stop: CancellationToken) {
        let Exporter { metrics, gauges, to, traces, logs } = self;
        let metrics = async {
            if let Some((to, signal)) = to {
                send_metrics(&metrics, &gauges, &to, &signal, &stop).await;
            }
        };
        let traces = async {
            if let Some(mut traces) = traces {
                traces.run(&stop).await;
            }
        };
        let logs = async {
            if let Some(mut logs) = logs {
                logs.run(&stop).await;
            }
        };
        let all = async { tokio::join!(metrics, traces, logs) };
        let out_of_time = async {
            stop.cancelled().await;
            sleep(FLUSH_TIMEOUT).await;
        };
        tokio::select! {
            _ = all => {}
            () = out_of_time => tracing::warn!("the collector did not take the last of it in time"),
        }
    }
}

fn invalid(error: ExporterBuildError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}

async fn send_metrics(
    metrics: &Metrics,
    gauges: &Gauges,
    to: &MetricExporter,
    signal: &Signal,
    stop: &CancellationToken,
) {
    let mut state = Delivery { signal: "metrics", failing: false };
    loop {
        tokio::select! {
            () = sleep(signal.interval) => {}
            () = stop.cancelled() => {}
        }
        let last = stop.is_cancelled();
        let result = match metrics.collect(&gauges.read()) {
            Ok(collected) => in_time(signal, to.export(&collected)).await,
            Err(error) => Err(error.to_string()),
        };
        state.settle(result);
        if last {
            return;
        }
    }
}

/// Takes what is in a queue to the collector.
struct Sender<T, E> {
    name: &'static str,
    queue: Queue<T>,
    signal: Signal,
    to: E,
    metrics: Metrics,
    state: Delivery,
}

impl<T, E: Take<T>> Sender<T, E> {
    async fn run(&mut self, stop: &CancellationToken) {
        loop {
            tokio::select! {
                () = self.queue.worth_sending(self.signal.interval) => {}
                () = stop.cancelled() => {}
            }
            let last = stop.is_cancelled();
            self.send().await;
            if last {
                return;
            }
        }
    }

    async fn send(&mut self) {
        let (mut waiting, overflow) = self.queue.take();
        self.metrics.telemetry_dropped(self.name, "queue_full", overflow);
        while !waiting.is_empty() {
            let rest = waiting.split_off(waiting.len().min(BATCH));
            let count = waiting.len() as u64;
            let result = in_time(&self.signal, self.to.take(waiting)).await;
            if self.state.settle(result) {
                waiting = rest;
            } else {
                // Whoever did not take this will not take the rest any sooner.
                let lost = count + rest.len() as u64;
                return self.metrics.telemetry_dropped(self.name, "export", lost);
            }
        }
    }
}

/// Somebody who takes batches.
trait Take<T> {
    fn take(&self, batch: Vec<T>) -> impl Future<Output = OTelSdkResult> + Send;
}

impl Take<SpanData> for SpanExporter {
    async fn take(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.export(batch).await
    }
}

impl Take<Record> for LogExporter {
    async fn take(&self, batch: Vec<Record>) -> OTelSdkResult {
        let batch: Vec<_> = batch.iter().map(|(record, scope)| (record, scope)).collect();
        self.export(LogBatch::new(&batch)).await
    }
}

async fn in_time(
    signal: &Signal,
    export: impl Future<Output = OTelSdkResult>,
) -> Result<(), String> {
    match timeout(signal.timeout, export).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer in {:?}", signal.timeout)),
    }
}

/// Whether a signal gets through. Only a change is logged: a line for each
/// failure would be one more thing to send.
struct Delivery {
    signal: &'static str,
    failing: bool,
}

impl Delivery {
    fn settle(&mut self, result: Result<(), String>) -> bool {
        let signal = self.signal;
        match &result {
            Ok(()) if self.failing => tracing::info!(signal, "the collector takes it again"),
            Err(error) if !self.failing => {
                tracing::warn!(signal, error, "the collector does not take it");
            }
            _ => {}
        }
        self.failing = result.is_err();
        result.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn read(variables: &[(&str, &str)]) -> Result<Config, String> {
        let lookup = |name: &str| {
            let (_, value) = variables.iter().find(|(key, _)| *key == name)?;
            Some((*value).to_owned())
        };
        Config::read(&lookup).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_is_sent_without_an_endpoint() {
        let config = read(&[]).expect("the defaults are right");
        assert!(config.exporter.metrics.is_none());
        assert!(config.log.traces.is_none() && config.log.logs.is_none());
    }

    #[test]
    fn a_signal_may_go_elsewhere_or_nowhere() {
        let config = read(&[
            (ENDPOINT, "http://collector:4317"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://tracing:4317"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "500"),
            ("OTEL_LOGS_EXPORTER", "none"),
        ]);
        let config = config.expect("the variables are right");
        let metrics = config.exporter.metrics.expect("metrics are sent");
        assert_eq!(metrics.endpoint, "http://collector:4317");
        assert_eq!(metrics.timeout, Duration::from_secs(3));
        let traces = config.log.traces.expect("traces are sent");
        assert_eq!(traces.endpoint, "http://tracing:4317");
        assert_eq!(traces.timeout, Duration::from_millis(500));
        assert!(config.log.logs.is_none());
    }

    #[test]
    fn all_signals_can_be_turned_off_at_once() {
        let config = read(&[(ENDPOINT, "http://collector:4317"), ("OTEL_SDK_DISABLED", "true")]);
        let config = config.expect("the variables are right");
        assert!(config.exporter.metrics.is_none() && config.log.traces.is_none());
    }

    #[test]
    fn what_is_no_address_of_a_collector_is_refused_once() {
        for endpoint in ["collector:4317", "https://collector:4317", "http://", "http://a b"] {
            let error = read(&[(ENDPOINT, endpoint)]).err().expect(endpoint);
            assert_eq!(error.matches(ENDPOINT).count(), 1, "{error}");
        }
        let error = read(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")]).err().unwrap();
        assert!(error.contains("is not `grpc`"), "{error}");
    }
}
