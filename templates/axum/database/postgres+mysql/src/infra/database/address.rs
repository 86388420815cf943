//! `DATABASE_URL`, taken as it is written or not at all. sqlx passes over parameters
//! that it does not know, and opens the files of others when it connects: one that is
//! missing would look like a server that is down, and be waited for.

use std::borrow::Cow;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sqlx::ConnectOptions;
use url::Url;

use crate::env::{Env, MAX_COUNT};

const NAME: &str = "DATABASE_URL";

/// A parameter that is known: its name, the name of what it sets, which others may set,
/// too, and what it is.
pub type Known = (&'static str, &'static str, Parameter);

/// One that is there: how it is told of, and what it is.
type Given = (String, Parameter);

/// What a parameter is.
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

/// How many there may be of something.
pub const COUNT: Parameter = Parameter::Checked(|env, name, value| {
    if !value.parse::<u64>().is_ok_and(|count| count <= MAX_COUNT) {
        env.refuse(format_args!("{name}: it is not a whole number from 0 to {MAX_COUNT}"));
    }
});

/// Reads the URL, which has one of `schemes` and none but these parameters, and checks the
/// `variables` that stand for what it leaves out. `verifies` tells whether the server's
/// certificate is checked.
pub fn read<T: ConnectOptions>(
    env: &mut Env,
    schemes: &[&str],
    parameters: &[Known],
    variables: &[(&str, Parameter)],
    verifies: impl Fn(&T) -> bool,
) -> Option<T> {
    let from_variables = check_variables(env, variables);
    let before = env.refused();
    let url = env.server(NAME, schemes).and_then(|url| {
        Url::parse(&url).map_err(|error| env.refuse(format_args!("{NAME}: {error}"))).ok()
    });
    // What else such a URL would have said is not known.
    if url.is_none() && env.refused() > before {
        return None;
    }
    let from_url = url.as_ref().map_or_else(Vec::new, |url| check_url(env, url, parameters));
    check_pair(env, &[&*from_url, &from_variables].concat());
    if env.refused() > before {
        return None;
    }
    let options = T::from_url(&url?);
    let options = options.map_err(|error| env.refuse(format_args!("{NAME}: {error}"))).ok()?;
    let authorities = from_url.iter().find(|(_, kind)| matches!(kind, Parameter::Authorities));
    if let Some((name, _)) = authorities.filter(|_| !verifies(&options)) {
        env.refuse(format_args!("{name} has no effect, as no certificate is checked"));
    }
    Some(options)
}

/// Refuses those of the variables that cannot be used; returns those that are set.
fn check_variables(env: &mut Env, variables: &[(&str, Parameter)]) -> Vec<Given> {
    let mut given = Vec::new();
    for &(name, kind) in variables {
        let Some(value) = env.text(name) else { continue };
        // Instead of a path, one may hold what would be in the file.
        let text = value.trim();
        if !(text.starts_with("-----BEGIN") && text.ends_with("-----")) {
            check(env, name, &value, kind);
        }
        given.push((name.to_owned(), kind));
    }
    given
}

/// Refuses what is wrong with the URL; returns the parameters that it has.
fn check_url(env: &mut Env, url: &Url, parameters: &[Known]) -> Vec<Given> {
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
    let mut given = Vec::new();
    let mut set: Vec<(Cow<str>, &str)> = Vec::new();
    for (name, value) in url.query_pairs() {
        let Some(&(known, sets, kind)) = parameters.iter().find(|(known, ..)| is(&name, known))
        else {
            // Not which one it is: it may be the rest of a password.
            let known: Vec<_> = parameters.iter().map(|(name, ..)| *name).collect();
            let known = known.join(", ");
            env.refuse(format_args!("{NAME}: it has a parameter that is none of {known}"));
            continue;
        };
        let place = format!("{NAME}: `{known}`");
        // Of a family, each member is another one.
        let sets = if known.ends_with("[]") { name } else { sets.into() };
        if let Some((_, first)) = set.iter().find(|(set, _)| *set == sets) {
            env.refuse(format_args!(
                "{place}: it sets the same as `{first}` before it; leave out one of them"
            ));
        }
        set.push((sets, known));
        check(env, &place, &value, kind);
        given.push((place, kind));
    }
    given
}

/// Refuses a certificate without a key and a key without a certificate: no connection is
/// made with only one of them.
fn check_pair(env: &mut Env, given: &[Given]) {
    let certificate = given.iter().find(|(_, kind)| matches!(kind, Parameter::Certificate));
    let key = given.iter().find(|(_, kind)| matches!(kind, Parameter::Key));
    let (name, missing) = match (certificate, key) {
        (Some((name, _)), None) => (name, "key"),
        (None, Some((name, _))) => (name, "certificate"),
        (Some(_), Some(_)) | (None, None) => return,
    };
    env.refuse(format_args!("{name}: there is no {missing} for it; name one, or leave it out"));
}

/// Whether a parameter is the known one, or one of a family such as `options[]`.
fn is(name: &str, known: &str) -> bool {
    let Some(family) = known.strip_suffix("[]") else { return name == known };
    let member = name.strip_prefix(family);
    member.is_some_and(|member| member.starts_with('[') && member.ends_with(']'))
}

/// Refuses what cannot be used, such as the path of a file that is missing or does not
/// hold what it should.
fn check(env: &mut Env, name: &str, value: &str, kind: Parameter) {
    match kind {
        Parameter::Text => {}
        Parameter::Checked(check) => check(env, name, value),
        Parameter::Authorities | Parameter::Certificate => {
            env.pem(name, value, "certificates", are_certificates);
        }
        Parameter::Key => drop(env.pem(name, value, "private key", is_key)),
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

/// Where a server is, as a URL has it.
pub fn authority(host: &str, port: u16) -> String {
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}
