//! The variables that the standard defines. Each is followed, or refused where the
//! service cannot do what it says: nobody should have to find out that one has no
//! effect. Those of a signal that is sent nowhere are not looked at, so that what is
//! set for a whole cluster stops no service that does not send. `OTEL_PROPAGATORS` has an
//! effect where nothing is sent, too, as far as the service knows what it says.

mod endpoint;
mod pairs;

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_sdk::Resource as SdkResource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::transport::Endpoint;

use self::endpoint::endpoint;
use self::pairs::{headers, resource_attributes};
use crate::env::Env;

/// Where to send the metrics, and what all signals say of this process. How to send
/// traces and logs is set where they are made, in [`crate::telemetry::log::Settings`].
#[derive(Clone)]
pub struct Settings {
    /// None where no metrics are wanted.
    pub metrics: Option<Signal>,
    /// `OTEL_RESOURCE_ATTRIBUTES` comes before what is known here, and
    /// `OTEL_SERVICE_NAME` before both.
    pub resource: Resource,
}

/// How one of the three signals is sent. Below, `OTEL_EXPORTER_OTLP_<SIGNAL>_…`
/// comes before `OTEL_EXPORTER_OTLP_…`.
#[derive(Clone, Debug)]
pub struct Signal {
    /// `…_ENDPOINT`, with `…_CERTIFICATE`, `…_CLIENT_CERTIFICATE` and `…_CLIENT_KEY`.
    pub endpoint: Endpoint,
    /// `…_HEADERS`, or what is in the file that `…_HEADERS_FILE` names.
    pub headers: MetadataMap,
    /// `…_COMPRESSION`.
    pub compression: Option<CompressionEncoding>,
    /// `…_TIMEOUT`, or the signal's `…_EXPORT_TIMEOUT` where that is less: for one
    /// batch.
    pub timeout: Duration,
    /// How long to gather before sending.
    pub interval: Duration,
    /// How much may wait to be sent; no limit where it does not grow.
    pub queue: usize,
    /// How much to send at once.
    pub batch: usize,
}

/// What the standard's variables call a signal, and the defaults they give it.
pub struct Kind {
    name: &'static str,
    interval: (&'static str, u64),
    timeout: &'static str,
    /// Of the queue, and of a batch.
    sizes: Option<[&'static str; 2]>,
    unsupported: &'static [Unsupported],
}

/// A variable that the service has no way to follow, and its value, if there is
/// one, with which there is nothing to follow.
type Unsupported = (&'static str, &'static str);

pub const TRACES: Kind = Kind {
    name: "TRACES",
    interval: ("OTEL_BSP_SCHEDULE_DELAY", 5_000),
    timeout: "OTEL_BSP_EXPORT_TIMEOUT",
    sizes: Some(["OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"]),
    unsupported: &[("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "")],
};

pub const LOGS: Kind = Kind {
    name: "LOGS",
    interval: ("OTEL_BLRP_SCHEDULE_DELAY", 1_000),
    timeout: "OTEL_BLRP_EXPORT_TIMEOUT",
    sizes: Some(["OTEL_BLRP_MAX_QUEUE_SIZE", "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE"]),
    unsupported: &[
        ("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", ""),
        ("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", ""),
    ],
};

const METRICS: Kind = Kind {
    name: "METRICS",
    interval: ("OTEL_METRIC_EXPORT_INTERVAL", 60_000),
    timeout: "OTEL_METRIC_EXPORT_TIMEOUT",
    sizes: None,
    unsupported: &[
        ("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "explicit_bucket_histogram"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "cumulative"),
        ("OTEL_METRICS_EXEMPLAR_FILTER", "always_off"),
    ],
};

/// Those that concern all signals. The levels of the log are set by `RUST_LOG`.
const UNSUPPORTED: [Unsupported; 7] = [
    ("OTEL_ATTRIBUTE_COUNT_LIMIT", ""),
    ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", ""),
    ("OTEL_CONFIG_FILE", ""),
    ("OTEL_EXPERIMENTAL_CONFIG_FILE", ""),
    ("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", ""),
    ("OTEL_LOG_LEVEL", "info"),
    ("OTEL_SEMCONV_STABILITY_OPT_IN", ""),
];

/// The SDK reads some of these by itself, and passes over what is no number. The others
/// limit what spans have none of: attributes of their events and links.
const LIMITS: [&str; 5] = [
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_EVENT_COUNT_LIMIT",
    "OTEL_SPAN_LINK_COUNT_LIMIT",
];

/// Less than the standard's 10 s, which a queue may not last.
const TIMEOUT_MS: u64 = 3_000;
const EXPORT_TIMEOUT_MS: u64 = 30_000;
const QUEUE: usize = 2_048;
const BATCH: usize = 512;

impl Settings {
    /// Reads the variables of the metrics, and those of all signals.
    pub fn read(env: &mut Env) -> Settings {
        let sends = [TRACES, LOGS, METRICS].iter().any(|kind| kind.is_sent(env));
        if sends {
            UNSUPPORTED.iter().for_each(|variable| refuse_unsupported(env, variable));
        }
        let attributes = if sends { resource_attributes(env) } else { Vec::new() };
        Settings { metrics: Signal::read(env, &METRICS), resource: resource(env, attributes) }
    }
}

impl Signal {
    /// Reads the variables of one signal: none without an endpoint, or where
    /// `OTEL_<SIGNAL>_EXPORTER` is `none` or `OTEL_SDK_DISABLED` is `true`.
    pub fn read(env: &mut Env, kind: &Kind) -> Option<Signal> {
        if !kind.is_sent(env) {
            return None;
        }
        kind.unsupported.iter().for_each(|variable| refuse_unsupported(env, variable));
        if kind.name == TRACES.name {
            for name in LIMITS {
                env.parse(name, u32::MAX);
            }
        }
        if let Some((name, protocol)) = kind.option(env, "PROTOCOL")
            && protocol != "grpc"
        {
            env.refuse(format_args!("{name}: `{protocol}` is not `grpc`"));
        }
        let timeout = kind.option(env, "TIMEOUT").map(|(name, _)| env.millis(&name, TIMEOUT_MS));
        let timeout = timeout.unwrap_or(Duration::from_millis(TIMEOUT_MS));
        let (queue, batch) =
            kind.sizes.map_or((usize::MAX, usize::MAX), |sizes| read_sizes(env, sizes));
        Some(Signal {
            headers: headers(env, kind),
            compression: compression(env, kind),
            timeout: timeout.min(env.millis(kind.timeout, EXPORT_TIMEOUT_MS)),
            interval: env.millis(kind.interval.0, kind.interval.1),
            queue,
            batch,
            // One that is refused hides nothing else that is wrong.
            endpoint: endpoint(env, kind).unwrap_or(Endpoint::from_static("http://refused")),
        })
    }
}

impl Kind {
    /// Whether the signal is sent anywhere.
    fn is_sent(&self, env: &mut Env) -> bool {
        self.option(env, "ENDPOINT").is_some() && !is_disabled(env) && self.is_exported(env)
    }

    fn is_exported(&self, env: &mut Env) -> bool {
        let name = format!("OTEL_{}_EXPORTER", self.name);
        match env.text(&name).map(|text| text.to_ascii_lowercase()).as_deref() {
            None | Some("otlp") => true,
            Some("none") => false,
            Some(other) => {
                env.refuse(format_args!("{name}: `{other}` is neither `otlp` nor `none`"));
                false
            }
        }
    }

    /// The name and the text of the variable that sets this option for the signal:
    /// its own, or that of all signals.
    fn option(&self, env: &mut Env, option: &str) -> Option<(String, String)> {
        self.read(env, option, Env::text)
    }

    /// The same, with each of the two read like this.
    fn read<'a>(
        &self,
        env: &mut Env<'a>,
        option: &str,
        read: fn(&mut Env<'a>, &str) -> Option<String>,
    ) -> Option<(String, String)> {
        let own = format!("OTEL_EXPORTER_OTLP_{}_{option}", self.name);
        let names = [own, format!("OTEL_EXPORTER_OTLP_{option}")];
        let [own, all] = names.map(|name| read(env, &name).map(|text| (name, text)));
        own.or(all)
    }
}

fn is_disabled(env: &mut Env) -> bool {
    const NAME: &str = "OTEL_SDK_DISABLED";
    match env.text(NAME).map(|text| text.to_ascii_lowercase()).as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(other) => {
            env.refuse(format_args!("{NAME}: `{other}` is neither `true` nor `false`"));
            false
        }
    }
}

fn refuse_unsupported(env: &mut Env, (name, supported): &Unsupported) {
    let Some(text) = env.text(name) else { return };
    match *supported {
        "" => env.refuse(format_args!("{name}: this service cannot follow it")),
        only if text.eq_ignore_ascii_case(only) => {}
        only => env.refuse(format_args!("{name}: `{text}` is not `{only}`")),
    }
}

fn read_sizes(env: &mut Env, [queue_name, batch_name]: [&str; 2]) -> (usize, usize) {
    let queue = env.count(queue_name, QUEUE).get();
    let batch = env.count(batch_name, BATCH.min(queue)).get();
    if batch > queue {
        env.refuse(format_args!("{batch_name} is {batch}, more than {queue_name}, {queue}"));
    }
    (queue, batch)
}

fn compression(env: &mut Env, kind: &Kind) -> Option<CompressionEncoding> {
    let (name, text) = kind.option(env, "COMPRESSION")?;
    match text.to_ascii_lowercase().as_str() {
        "gzip" => Some(CompressionEncoding::Gzip),
        "none" => None,
        _ => {
            env.refuse(format_args!("{name}: `{text}` is neither `gzip` nor `none`"));
            None
        }
    }
}

fn resource(env: &mut Env, attributes: Vec<KeyValue>) -> Resource {
    // Containers are named by their host name, and so are pods.
    let instance = env.text("HOSTNAME").unwrap_or_else(|| std::process::id().to_string());
    let resource = SdkResource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attribute(KeyValue::new("service.name", env!("CARGO_PKG_NAME")))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("service.instance.id", instance))
        .with_attributes(attributes);
    let resource = match env.text("OTEL_SERVICE_NAME") {
        Some(name) => resource.with_service_name(name).build(),
        None => resource.build(),
    };
    (&resource).into()
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;

    use super::*;
    use crate::config::Config;

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317");

    pub fn read(variables: &[(&str, &str)]) -> Result<Config, String> {
        let lookup = |name: &str| {
            let (_, value) = variables.iter().find(|(key, _)| *key == name)?;
            Some(*value)
        };
        Config::read(&lookup).map_err(|error| error.to_string())
    }

    /// With an endpoint, and one more variable.
    pub fn with(name: &str, value: &str) -> Result<Config, String> {
        read(&[(name, value), ENDPOINT])
    }

    pub fn metrics(variables: &[(&str, &str)]) -> Signal {
        read(variables).expect("they are right").exporter.metrics.expect("metrics are sent")
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
            ENDPOINT,
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://tracing:4317"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "500"),
            ("OTEL_BLRP_EXPORT_TIMEOUT", "1"),
            ("OTEL_METRIC_EXPORT_TIMEOUT", "700"),
            ("OTEL_LOGS_EXPORTER", "None"),
        ]);
        let config = config.expect("the variables are right");
        let metrics = config.exporter.metrics.expect("metrics are sent");
        assert_eq!(metrics.endpoint.uri().host(), Some("collector"));
        assert_eq!(metrics.timeout, Duration::from_millis(700));
        let traces = config.log.traces.expect("traces are sent").signal;
        assert_eq!(traces.endpoint.uri().host(), Some("tracing"));
        assert_eq!(traces.timeout, Duration::from_millis(500));
        assert!(config.log.logs.is_none());
    }

    #[test]
    fn all_signals_can_be_turned_off_at_once() {
        for value in ["true", "TRUE", "True"] {
            let config = with("OTEL_SDK_DISABLED", value).expect(value);
            assert!(config.exporter.metrics.is_none() && config.log.traces.is_none());
        }
        assert!(with("OTEL_SDK_DISABLED", "False").expect("False").log.logs.is_some());
    }

    #[cfg(unix)]
    #[test]
    fn what_is_not_utf_8_is_refused_by_name() {
        use std::ffi::OsString;
        use std::os::unix::ffi::OsStringExt;

        for odd in [
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "OTEL_EXPORTER_OTLP_HEADERS_FILE",
            "OTEL_EXPORTER_OTLP_INSECURE",
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
            "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
            "OTEL_SDK_DISABLED",
            "OTEL_SERVICE_NAME",
            "OTEL_TRACES_SAMPLER",
        ] {
            // The address of one signal, so that there is something to read the others for.
            let lookup = |name: &str| match name {
                _ if name == odd => Some(OsString::from_vec(vec![0xff])),
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" => Some("http://collector:4317".into()),
                _ => None,
            };
            let error = Config::read(&lookup).err().expect(odd).to_string();
            assert!(error.contains(&format!("\n  {odd}: it is not UTF-8")), "{error}");
        }
    }

    #[test]
    fn what_the_service_cannot_follow_is_refused_once() {
        let refused = [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", "is not `grpc`"),
            ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "http/json", "is not `grpc`"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "neither `gzip` nor `none`"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/a.pem", "the endpoint is http, not https"),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta", "is not `cumulative`"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "soon", "whole number"),
            ("OTEL_TRACES_SAMPLER", "jaeger_remote", "`jaeger_remote` is not `always_on`"),
            ("OTEL_SDK_DISABLED", "yes", "neither `true` nor `false`"),
            ("OTEL_METRICS_EXPORTER", "prometheus", "neither `otlp` nor `none`"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4096", "more than OTEL_BSP_MAX_QUEUE_SIZE, 2048"),
            ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "all", "invalid digit"),
            ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "4095", "cannot follow it"),
            ("OTEL_CONFIG_FILE", "/otel.yaml", "cannot follow it"),
            ("OTEL_SEMCONV_STABILITY_OPT_IN", "http/dup", "cannot follow it"),
            ("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", "GET", "cannot follow it"),
            ("OTEL_EXPORTER_OTLP_INSECURE", "maybe", "neither `true` nor `false`"),
            ("OTEL_EXPORTER_OTLP_HEADERS", " , ", "nothing in it is like name=value"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a=1,b", "entry 2 is not like name=value"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a=%ff", "entry 1 is not like name=value"),
            ("OTEL_RESOURCE_ATTRIBUTES", "%ff=a", "entry 1 is not like name=value"),
        ];
        for (name, value, why) in refused {
            let error = with(name, value).err().expect(name);
            assert!(error.contains(why), "{name}: {error}");
            assert_eq!(error.lines().count(), 2, "{error}");
            assert!(read(&[(name, value)]).is_ok(), "{name}, and nothing is sent");
        }
    }

    #[test]
    fn a_propagator_that_there_is_not_is_refused_where_spans_are_sent() {
        let b3 = ("OTEL_PROPAGATORS", "tracecontext,b3");
        let error = read(&[b3, ENDPOINT]).err().expect("it is not known");
        assert!(error.contains("`b3` is not `tracecontext`, `baggage`"), "{error}");
        assert_eq!(error.lines().count(), 2, "{error}");
        for others in [&[][..], &[ENDPOINT, ("OTEL_SDK_DISABLED", "true")]] {
            assert!(read(&[&[b3], others].concat()).is_ok(), "{others:?}");
        }
    }

    #[test]
    fn an_endpoint_that_is_refused_hides_no_other_mistake() {
        let error = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector"),
            ("OTEL_TRACES_SAMPLER_ARG", "2"),
            ("OTEL_PROPAGATORS", "b3"),
        ]);
        let error = error.err().expect("they are wrong");
        for name in ["OTEL_EXPORTER_OTLP_ENDPOINT: ", "OTEL_TRACES_SAMPLER_ARG: ", "`b3` is not"] {
            assert!(error.contains(name), "{name}: {error}");
        }
    }

    #[test]
    fn what_asks_for_no_more_than_the_service_does_is_taken() {
        let taken = [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "none"),
            ("OTEL_EXPORTER_OTLP_INSECURE", "true"),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "Cumulative"),
            ("OTEL_PROPAGATORS", "tracecontext, Baggage"),
        ];
        for (name, value) in taken {
            assert!(with(name, value).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_protocol_of_its_own_comes_before_that_of_all() {
        let variables = |name| {
            let protocols = [("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"), (name, "grpc")];
            [ENDPOINT, protocols[0], protocols[1], ("OTEL_TRACES_EXPORTER", "none")]
        };
        let error = read(&variables("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL")).err();
        assert!(error.is_some_and(|error| error.contains("OTLP_PROTOCOL: `http/protobuf`")));
        let mut variables = variables("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL").to_vec();
        variables.push(("OTEL_LOGS_EXPORTER", "none"));
        assert!(read(&variables).is_ok());
    }

    #[test]
    fn how_much_is_sent_at_once_can_be_set() {
        let config = read(&[
            ENDPOINT,
            ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "gzip"),
            ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "7"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "4"),
        ]);
        let log = config.expect("the variables are right").log;
        let (logs, traces) = (log.logs.expect("sent"), log.traces.expect("sent").signal);
        assert_eq!((logs.queue, logs.batch), (QUEUE, 7));
        assert_eq!((traces.queue, traces.batch), (4, 4));
        assert_eq!(logs.compression, Some(CompressionEncoding::Gzip));
        assert_eq!(traces.compression, None);
    }

    #[test]
    fn a_resource_is_what_the_variables_say_before_what_is_known() {
        let attributes = |variables: &[(&str, &str)]| {
            let resource = read(variables).expect("the variables are right").exporter.resource;
            move |name: &str| {
                let known = resource.attributes.iter().find(|attribute| attribute.key == name)?;
                match known.value.as_ref()?.value.as_ref()? {
                    Value::StringValue(text) => Some(text.clone()),
                    _ => None,
                }
            }
        };
        let own = attributes(&[("HOSTNAME", "pod-1")]);
        assert_eq!(own("service.name").as_deref(), Some(env!("CARGO_PKG_NAME")));
        assert_eq!(own("service.instance.id").as_deref(), Some("pod-1"));
        assert_eq!(own("telemetry.sdk.language").as_deref(), Some("rust"));
        let text = "service.version=9, te%61m=caf%C3%A9%2C1 ,service.name=a";
        let set = [ENDPOINT, ("OTEL_RESOURCE_ATTRIBUTES", text), ("OTEL_SERVICE_NAME", "named")];
        let set = attributes(&set);
        assert_eq!(set("service.version").as_deref(), Some("9"));
        assert_eq!(set("team").as_deref(), Some("café,1"));
        assert_eq!(set("service.name").as_deref(), Some("named"));
    }
}
