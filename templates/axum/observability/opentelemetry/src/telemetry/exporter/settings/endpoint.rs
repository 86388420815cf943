//! Where a signal goes, and whom to trust there.

use axum::http::uri::Uri;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use super::Kind;
use crate::env::Env;

/// Where to connect to. The scheme says whether with TLS, so
/// `OTEL_EXPORTER_OTLP_INSECURE`, which is for addresses without one, says nothing.
pub fn endpoint(env: &mut Env, kind: &Kind) -> Option<Endpoint> {
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
    env.pem(&name, &path, what, is_in)
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

#[cfg(test)]
mod tests {
    use super::super::tests::{metrics, read};
    use super::*;

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
}
