//! `DATABASE_URL`, taken as it is written or not at all. sqlx passes over parameters
//! that it does not know, and opens the files of others when it connects: one that is
//! missing would look like a server that is down, and be waited for.

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sqlx::ConnectOptions;
use url::Url;

use crate::env::Env;

const NAME: &str = "DATABASE_URL";

/// What a parameter of the URL is.
#[derive(Clone, Copy)]
pub enum Parameter {
    /// What sqlx or the server checks.
    Text,
    /// What this refuses, by its name, or not.
    Checked(fn(&mut Env, &str, &str)),
    /// The path of a file with the certificates of authorities.
    Authorities,
    /// The path of a file with the certificate of the service.
    Certificate,
    /// The path of a file with a private key.
    Key,
}

/// Reads the URL, which has one of `schemes` and none but these parameters. `verifies`
/// tells whether the server's certificate is checked.
pub fn read<T: ConnectOptions>(
    env: &mut Env,
    schemes: &[&str],
    parameters: &[(&str, Parameter)],
    verifies: impl Fn(&T) -> bool,
) -> Option<T> {
    let url = env.server(NAME, schemes)?;
    let url = Url::parse(&url).map_err(|error| env.refuse(format_args!("{NAME}: {error}"))).ok()?;
    let before = env.refused();
    // The directory of a socket is encoded.
    let host = url.host_str().unwrap_or_default();
    if !host.is_empty() && !host.to_ascii_uppercase().starts_with("%2F") {
        env.check_host(&format!("{NAME}: its host"), host);
    }
    if let Some(port) = url.port() {
        env.check_port(&format!("{NAME}: its port"), &port.to_string());
    }
    if url.fragment().is_some() {
        env.refuse(format_args!("{NAME}: percent-encode `#` as `%23`, or leave out what follows"));
    }
    let mut authorities = None;
    for (name, value) in url.query_pairs() {
        match parameters.iter().find(|(known, _)| is(&name, known)) {
            Some((name, kind)) => {
                check(env, &format!("{NAME}: `{name}`"), &value, *kind);
                if let Parameter::Authorities = kind {
                    authorities = Some(*name);
                }
            }
            None => {
                // Not which one it is: it may be the rest of a password.
                let known: Vec<_> = parameters.iter().map(|(name, _)| *name).collect();
                let known = known.join(", ");
                env.refuse(format_args!("{NAME}: it has a parameter that is none of {known}"));
            }
        }
    }
    if env.refused() > before {
        return None;
    }
    let options = T::from_url(&url);
    let options = options.map_err(|error| env.refuse(format_args!("{NAME}: {error}"))).ok()?;
    if let Some(name) = authorities.filter(|_| !verifies(&options)) {
        env.refuse(format_args!("{NAME}: `{name}` has no effect, as no certificate is checked"));
    }
    Some(options)
}

/// Whether a parameter is the known one, or one of a family such as `options[]`.
fn is(name: &str, known: &str) -> bool {
    let Some(family) = known.strip_suffix("[]") else { return name == known };
    let member = name.strip_prefix(family);
    member.is_some_and(|member| member.starts_with('[') && member.ends_with(']'))
}

/// Refuses what cannot be used, such as the path of a file that is missing or does not
/// hold what it should.
pub fn check(env: &mut Env, name: &str, value: &str, kind: Parameter) {
    let (what, is_in): (_, fn(&[u8]) -> bool) = match kind {
        Parameter::Authorities | Parameter::Certificate => ("certificates", are_certificates),
        Parameter::Key => ("private key", is_key),
        Parameter::Checked(check) => return check(env, name, value),
        Parameter::Text => return,
    };
    let content = env.file(name, value);
    // An error of the parser would show a line of it.
    if content.is_some_and(|content| !is_in(&content)) {
        env.refuse(format_args!("{name}: `{value}` has no {what} in it, as PEM"));
    }
}

/// Refuses what is no number of things that there may be.
pub fn check_count(env: &mut Env, name: &str, value: &str) {
    if value.parse::<usize>().is_err() {
        env.refuse(format_args!("{name}: it is not a whole number"));
    }
}

fn are_certificates(pem: &[u8]) -> bool {
    let mut certificates = CertificateDer::pem_slice_iter(pem).peekable();
    certificates.peek().is_some() && certificates.all(|certificate| certificate.is_ok())
}

fn is_key(pem: &[u8]) -> bool {
    PrivateKeyDer::from_pem_slice(pem).is_ok()
}

/// The host of a URL as sockets and certificates have it: sqlx leaves the brackets
/// around an address of IPv6, and nothing has that name.
pub fn host(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// Where that is, as a URL has it.
pub fn place(host: &str, port: u16) -> String {
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}
