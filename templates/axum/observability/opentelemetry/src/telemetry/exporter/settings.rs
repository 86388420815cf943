//! The variables that the standard defines. Each is followed, or refused where the
//! service cannot do what it says: nobody should have to find out that one has no
//! effect. Those of a signal that is sent nowhere are not looked at, so that what is
//! set for a whole cluster stops no service that does not send. `OTEL_PROPAGATORS` is
//! of no signal: it has an effect where nothing is sent, too.

use std::borrow::Cow;
use std::time::Duration;

use axum::http::header::{HeaderMap, HeaderName, HeaderValue};
use axum::http::uri::Uri;
use opentelemetry::KeyValue;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_sdk::Resource as SdkResource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use percent_encoding::percent_decode_str;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

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

/// The headers that a call has anyway, and those that HTTP/2 has none of.
const RESERVED: [&str; 9] = [
    "connection",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
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

/// Where to connect to. The scheme says whether with TLS, so
/// `OTEL_EXPORTER_OTLP_INSECURE`, which is for addresses without one, says nothing.
fn endpoint(env: &mut Env, kind: &Kind) -> Option<Endpoint> {
    let (name, text) = kind.option(env, "ENDPOINT")?;
    if let Some((name, text)) = kind.option(env, "INSECURE")
        && !["true", "false"].iter().any(|known| text.eq_ignore_ascii_case(known))
    {
        env.refuse(format_args!("{name}: it is neither `true` nor `false`"));
    }
    // Not what it is: a password is secret, and would not be sent anyway.
    if text.contains('@') {
        env.refuse(format_args!(
            "{name}: no user goes before the host; what lets the service in belongs into \
             OTEL_EXPORTER_OTLP_HEADERS"
        ));
        return None;
    }
    let uri = text.parse::<Uri>().ok().filter(|uri| {
        let is_known = matches!(uri.scheme_str(), Some("http" | "https"));
        // A call has a path of its own, and what follows `#` would be left out.
        is_known && uri.path() == "/" && uri.query().is_none() && !text.contains('#')
    });
    let Some(uri) = uri else {
        // Not what it is: a key may be in the path or the query.
        env.refuse(format_args!("{name}: it is not like http://collector:4317"));
        return None;
    };
    let before = env.refused();
    check_place(env, &name, &uri);
    if env.refused() > before {
        return None;
    }
    let with_tls = uri.scheme_str() == Some("https");
    let tls = tls(env, kind, with_tls);
    let endpoint = Endpoint::from(uri);
    match tls {
        None => Some(endpoint),
        Some(tls) => endpoint
            .tls_config(tls)
            .inspect_err(|error| {
                let cause = std::error::Error::source(error).map(ToString::to_string);
                let cause = cause.unwrap_or_else(|| error.to_string());
                env.refuse(format_args!("{name}: cannot prepare TLS: {cause}"));
            })
            .ok(),
    }
}

/// Refuses a host and a port that there cannot be: the parser takes a port which is none
/// for that of the scheme.
fn check_place(env: &mut Env, name: &str, uri: &Uri) {
    let host = uri.host().unwrap_or_default();
    env.check_host(&format!("{name}: its host"), host);
    let place = uri.authority().map_or("", |place| place.as_str());
    if let Some(port) = place.strip_prefix(host).and_then(|port| port.strip_prefix(':')) {
        env.check_port(&format!("{name}: its port"), port);
    }
}

/// Trusts whom Mozilla trusts, unless told whom to trust.
fn tls(env: &mut Env, kind: &Kind, with_tls: bool) -> Option<ClientTlsConfig> {
    let options = ["CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"];
    if !with_tls {
        for option in options {
            if let Some((name, _)) = kind.option(env, option) {
                env.refuse(format_args!("{name}: the endpoint is http, not https"));
            }
        }
        return None;
    }
    let trusted = pem(env, kind, options[0], "certificates", is_trust);
    let before = env.refused();
    let certificate = pem(env, kind, options[1], "certificates", is_trust);
    let key = pem(env, kind, options[2], "private key", is_key);
    let tls = ClientTlsConfig::new();
    let tls = match trusted {
        Some(trusted) => tls.ca_certificate(Certificate::from_pem(trusted)),
        None => tls.with_enabled_roots(),
    };
    match (certificate, key) {
        (Some(certificate), Some(key)) => Some(tls.identity(Identity::from_pem(certificate, key))),
        (None, None) => Some(tls),
        // The other one is there, but cannot be used.
        _ if env.refused() > before => None,
        _ => {
            let name = format!("OTEL_EXPORTER_OTLP_{}", kind.name);
            env.refuse(format_args!(
                "{name}_CLIENT_CERTIFICATE and {name}_CLIENT_KEY, or those of all signals: one of \
                 them does not go without the other"
            ));
            None
        }
    }
}

/// What is in the file that a variable names, which is `what` if `is_in` says so.
fn pem(
    env: &mut Env,
    kind: &Kind,
    option: &str,
    what: &str,
    is_in: fn(&[u8]) -> bool,
) -> Option<Vec<u8>> {
    let (name, path) = kind.option(env, option)?;
    let content = env.file(&name, &path)?;
    if !is_in(&content) {
        // An error of the parser would show a line of it.
        env.refuse(format_args!("{name}: `{path}` has no {what} in it, as PEM"));
        return None;
    }
    Some(content)
}

/// Whether there is a certificate, and none that cannot be used. The library would pass
/// over those, and trust nobody where none is left.
fn is_trust(pem: &[u8]) -> bool {
    let mut roots = RootCertStore::empty();
    let mut certificates = CertificateDer::pem_slice_iter(pem).peekable();
    certificates.peek().is_some()
        && certificates.all(|certificate| certificate.is_ok_and(|read| roots.add(read).is_ok()))
}

fn is_key(pem: &[u8]) -> bool {
    PrivateKeyDer::from_pem_slice(pem).is_ok()
}

/// What lets the service in is among them, so no value is ever shown.
fn headers(env: &mut Env, kind: &Kind) -> MetadataMap {
    let mut headers = HeaderMap::new();
    let headers_option = kind.read(env, "HEADERS", Env::secret);
    let Some((name, text)) = headers_option else { return MetadataMap::new() };
    if pairs(&text).next().is_none() {
        env.refuse(format_args!("{name}: nothing in it is like name=value"));
    }
    for (number, pair) in pairs(&text).enumerate() {
        let header = pair.and_then(|(key, value)| {
            let mut value = HeaderValue::try_from(value).ok()?;
            value.set_sensitive(true);
            Some((HeaderName::try_from(key).ok()?, value))
        });
        match header {
            Some((key, value)) if is_allowed(&key, &value) => drop(headers.append(key, value)),
            Some(_) => {
                let number = number + 1;
                env.refuse(format_args!("{name}: entry {number} is no header that gRPC allows"));
            }
            None => refuse_pair(env, &name, number),
        }
    }
    MetadataMap::from_headers(headers)
}

/// Whether a call can have this header: it would fail, or leave the header out.
fn is_allowed(key: &HeaderName, value: &HeaderValue) -> bool {
    let name = key.as_str();
    let is_own = RESERVED.contains(&name) || name.starts_with("grpc-");
    let is_in_names = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_value = match name.ends_with("-bin") {
        true => {
            let header = HeaderMap::from_iter([(key.clone(), value.clone())]);
            let binary = MetadataMap::from_headers(header);
            binary.get_bin(name).is_some_and(|value| value.to_bytes().is_ok())
        }
        false => value.as_bytes().iter().all(|byte| (b' '..=b'~').contains(byte)),
    };
    !is_own && name.bytes().all(is_in_names) && is_value
}

fn resource_attributes(env: &mut Env) -> Vec<KeyValue> {
    const NAME: &str = "OTEL_RESOURCE_ATTRIBUTES";
    let text = env.text(NAME).unwrap_or_default();
    let mut attributes = Vec::new();
    for (number, pair) in pairs(&text).enumerate() {
        let pair = pair.and_then(|(key, value)| Some((percent_decoded(&key)?, value)));
        match pair {
            Some((key, value)) => attributes.push(KeyValue::new(key, value)),
            None => refuse_pair(env, NAME, number),
        }
    }
    attributes
}

fn refuse_pair(env: &mut Env, name: &str, number: usize) {
    let number = number + 1;
    env.refuse(format_args!("{name}: entry {number} is not like name=value"));
}

/// The pairs of a list such as `a=1,b=2`, whose values are percent-encoded; none for
/// what is no pair.
fn pairs(text: &str) -> impl Iterator<Item = Option<(String, String)>> {
    let entries = text.split(',').filter(|entry| !entry.trim().is_empty());
    entries.map(|entry| {
        let (key, value) = entry.split_once('=')?;
        let value = percent_decoded(value.trim())?;
        let key = key.trim();
        (!key.is_empty()).then(|| (key.to_owned(), value))
    })
}

fn percent_decoded(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(Cow::into_owned)
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

    /// One of nobody.
    const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIIBczCCARmgAwIBAgIUB/jBpMvKj6MZo1SghC9SWGpFwlgwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAeFw0yNjExMjgwNDI0MjhaFw0zNjExMjUwNDI0Mjha
MA8xDTALBgNVBAMMBHRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATrfMeJ
W0ojC4SuHkVxbx3pPgZz40u5lA/stjZo0qFguHvg+nvhYJKP34xnD/RUCY3o9Vf9
HPTdQ4otd3N+Lb0Io1MwUTAdBgNVHQ4EFgQUldQ746h9DucQ5FXLzWGipaQ+Fbww
HwYDVR0jBBgwFoAUldQ746h9DucQ5FXLzWGipaQ+FbwwDwYDVR0TAQH/BAUwAwEB
/zAKBggqhkjOPQQDAgNIADBFAiEAjoe6ut529nsEmqc7naw6fqbMO/p8jBcXUYed
0v7MXlYCIAdbi+IGSLICqfHGcFPiM3s2Il7S39ySS7+N+8yFnAjq
-----END CERTIFICATE-----
";

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317");

    fn read(variables: &[(&str, &str)]) -> Result<Config, String> {
        let lookup = |name: &str| {
            let (_, value) = variables.iter().find(|(key, _)| *key == name)?;
            Some(*value)
        };
        Config::read(&lookup).map_err(|error| error.to_string())
    }

    /// With an endpoint, and one more variable.
    fn with(name: &str, value: &str) -> Result<Config, String> {
        read(&[(name, value), ENDPOINT])
    }

    fn metrics(variables: &[(&str, &str)]) -> Signal {
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

    #[test]
    fn an_address_has_a_scheme_and_no_path() {
        for endpoint in ["http://c:4317", "http://c:4317/", "https://c", "http://[::1]:4317"] {
            let signal = metrics(&[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)]);
            assert_eq!(signal.endpoint.uri().path(), "/");
        }
        for endpoint in ["c:4317", "c", "http://", "http://a b", "ftp://c", "http://c/v1/traces"] {
            let error = read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)]).err().expect(endpoint);
            assert_eq!(error.matches("OTEL_EXPORTER_OTLP_ENDPOINT").count(), 1, "{error}");
        }
    }

    #[test]
    fn an_address_that_there_cannot_be_is_refused_and_never_shown() {
        for endpoint in [
            "http://c2VjcmV0:99999",
            "http://c2VjcmV0:",
            "http://c2VjcmV0:0",
            "http://c2VjcmV0..b:4317",
            "http://c2VjcmV0,b:4317",
            "http://:4317",
            "http://[zz]:4317",
            "http://c/#c2VjcmV0",
            "http://c/c2VjcmV0",
            "http://c?key=c2VjcmV0",
        ] {
            let error = read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)]).err().expect(endpoint);
            assert_eq!(error.matches("\n  OTEL_EXPORTER_OTLP_ENDPOINT: it").count(), 1, "{error}");
            assert!(!error.contains("c2VjcmV0"), "{error}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_refused_and_never_shown() {
        for endpoint in ["http://user:c2VjcmV0@c:4317", "https://c2VjcmV0@c", "u:c2VjcmV0@c"] {
            let error = read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)]).err().expect(endpoint);
            assert!(error.contains("_ENDPOINT: no user goes before the host"), "{error}");
            assert!(!error.contains("c2VjcmV0"), "{error}");
        }
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
    fn a_propagator_that_there_is_not_is_refused_also_where_nothing_is_sent() {
        let b3 = ("OTEL_PROPAGATORS", "tracecontext,b3");
        for others in [&[][..], &[ENDPOINT], &[ENDPOINT, ("OTEL_SDK_DISABLED", "true")]] {
            let error = read(&[&[b3], others].concat()).err().expect("it is not known");
            assert!(error.contains("`b3` is not `tracecontext`, `baggage`"), "{error}");
            assert_eq!(error.lines().count(), 2, "{error}");
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
    fn headers_are_decoded_and_never_shown() {
        let headers = |text| with("OTEL_EXPORTER_OTLP_HEADERS", text);
        let config = headers("authorization=Basic%20c2VjcmV0%3D, x-tenant = a ,").expect("right");
        let metrics = config.exporter.metrics.expect("metrics are sent");
        assert_eq!(metrics.headers.get("authorization").unwrap(), "Basic c2VjcmV0=");
        assert_eq!(metrics.headers.get("x-tenant").unwrap(), "a");
        assert!(!format!("{metrics:?}").contains("c2VjcmV0"));
        for malformed in ["x-ok=1,c2VjcmV0", "x-ok=1,a b=c2VjcmV0", "x-ok=1,a=c2VjcmV0%0A"] {
            let error = headers(malformed).err().expect(malformed);
            assert!(error.contains("OTLP_HEADERS: entry 2 is not like"), "{error}");
            assert!(!error.contains("c2VjcmV0"), "{error}");
        }
    }

    #[test]
    fn headers_that_grpc_does_not_allow_are_refused_and_never_shown() {
        let headers = |text: &str| with("OTEL_EXPORTER_OTLP_HEADERS", text);
        assert!(headers("x-key-bin=c2VjcmV0,x_1.2=a").is_ok());
        for entry in [
            "TE=c2VjcmV0",
            "content-type=c2VjcmV0",
            "grpc-timeout=c2VjcmV0",
            "connection=c2VjcmV0",
            "a!b=c2VjcmV0",
            "x-key-bin=c2VjcmV0!",
            "x-key=%C3%A9c2VjcmV0",
        ] {
            let error = headers(&format!("x-ok=1,{entry}")).err().expect(entry);
            let why = "OTLP_HEADERS: entry 2 is no header that gRPC allows";
            assert!(error.contains(why) && !error.contains("c2VjcmV0"), "{error}");
        }
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
    fn certificates_that_cannot_be_used_are_refused() {
        let secure = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:4317");
        let no_pem = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let refused = [
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/no/such/file", "`/no/such/file`: "),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", no_pem, "has no certificates in it, as PEM"),
            ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", no_pem, "has no certificates in it"),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", no_pem, "has no private key in it, as PEM"),
        ];
        for (name, value, why) in refused {
            let error = read(&[secure, (name, value)]).err().expect(name);
            assert!(error.contains(why), "{error}");
            assert_eq!(error.lines().count(), 2, "{error}");
        }
    }

    #[test]
    fn a_key_is_nobody_to_trust_nor_is_what_is_no_certificate() {
        let pem = |kind| format!("-----BEGIN {kind}-----\nMAA=\n-----END {kind}-----\n");
        let none = [pem("PRIVATE KEY"), pem("CERTIFICATE"), CERTIFICATE.replace("MI", "M!")];
        for content in none.iter().chain(&[CERTIFICATE.to_owned() + &none[1]]) {
            assert!(!is_trust(content.as_bytes()), "{content}");
        }
        assert!(is_trust(CERTIFICATE.as_bytes()));
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
