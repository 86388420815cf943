//! Lists such as `a=1,b=2`: the headers of calls, and what is to be known of the service.

use std::borrow::Cow;

use axum::http::header::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::KeyValue;
use percent_encoding::percent_decode_str;
use tonic::metadata::MetadataMap;

use super::Kind;
use crate::env::Env;

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

/// What lets the service in is among them, so no value is ever shown.
pub fn headers(env: &mut Env, kind: &Kind) -> MetadataMap {
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

/// What `OTEL_RESOURCE_ATTRIBUTES` says of the service.
pub fn resource_attributes(env: &mut Env) -> Vec<KeyValue> {
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

#[cfg(test)]
mod tests {
    use super::super::tests::with;

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
}
