//! The variables of the environment, one by one, and what is wrong with them. Whoever
//! has settings reads them from here.

use std::ffi::OsString;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU16, NonZeroUsize};
use std::ops::RangeInclusive;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

/// The most that there may be of anything: more is a mistake, and far more than this
/// is more than the libraries can count.
pub const MAX_COUNT: u64 = 1_000_000;

/// The longest that anything may be waited for: databases cannot count much further.
pub const MAX_MILLIS: u64 = 24 * 60 * 60 * 1_000;

/// The bytes that the file of a secret may have: a longer one is another file.
const MAX_SECRET: u64 = 16 * 1024;

/// The bytes that any other file may have: more than all certificates of a system.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// Reads variables one by one and collects what is wrong with them.
pub struct Env<'a> {
    lookup: &'a dyn Fn(&str) -> Option<OsString>,
    errors: Vec<String>,
}

impl<'a> Env<'a> {
    /// What `lookup` knows.
    pub fn new(lookup: &'a dyn Fn(&str) -> Option<OsString>) -> Env<'a> {
        Env { lookup, errors: Vec::new() }
    }

    /// How much of what was read is wrong.
    pub fn refused(&self) -> usize {
        self.errors.len()
    }

    /// What is wrong with the variables that were read.
    pub fn mistakes(self) -> Vec<String> {
        self.errors
    }

    /// The variable's text; unset and empty are the same.
    pub fn text(&mut self, name: &str) -> Option<String> {
        // Not what it is: it may be secret.
        let Ok(text) = (self.lookup)(name)?.into_string() else {
            self.refuse(format_args!("{name}: it is not UTF-8"));
            return None;
        };
        Some(text).filter(|text| !text.is_empty())
    }

    /// What may be secret: the variable's text, or that of the file which the
    /// variable of this name with `_FILE` after it leads to.
    pub fn secret(&mut self, name: &str) -> Option<String> {
        let text = self.text(name);
        let variable = format!("{name}_FILE");
        let Some(path) = self.text(&variable) else { return text };
        if text.is_some() {
            self.refuse(format_args!("{variable}: {name} is set, too; leave out one of them"));
            return None;
        }
        let content = self.read_file(&variable, &path, MAX_SECRET)?;
        let Ok(content) = String::from_utf8(content) else {
            self.refuse(format_args!("{variable}: `{path}` is not UTF-8"));
            return None;
        };
        let line = content.strip_suffix("\r\n").or(content.strip_suffix('\n'));
        let line = line.unwrap_or(&content);
        if line.is_empty() {
            self.refuse(format_args!("{variable}: `{path}` is empty"));
            return None;
        }
        Some(line.to_owned())
    }

    /// A URL, which may be secret, as it is written or not at all: white space around it
    /// and control characters are left out without a word by one reader, and are part
    /// of a name to another; and for most, a text ends at a zero.
    pub fn url(&mut self, name: &str) -> Option<String> {
        let url = self.secret(name)?;
        let wrong = match &url {
            url if url.trim() != url => "leave out the white space before or after it",
            url if url.contains(char::is_control) => "percent-encode control characters",
            url if url.contains("%00") => "no part of it can have a zero, `%00`",
            _ => return Some(url),
        };
        self.refuse(format_args!("{name}: {wrong}"));
        None
    }

    /// The URL of a server, which may be secret, with one of `schemes`. What has a
    /// meaning in a URL has to be encoded inside of a password: what follows it there
    /// would be taken for the host or the path, and be shown as such.
    pub fn server(&mut self, name: &str, schemes: &[&str]) -> Option<String> {
        let url = self.url(name)?;
        let parts = url.split_once("://").filter(|(scheme, _)| schemes.contains(scheme));
        let Some((_, parts)) = parts else {
            let schemes: Vec<_> = schemes.iter().map(|scheme| format!("`{scheme}://`")).collect();
            self.refuse(format_args!("{name}: it does not begin with {}", schemes.join(" or ")));
            return None;
        };
        let (user, _) = parts.rsplit_once('@').unwrap_or_default();
        if user.contains(['@', '/', '?', '#']) || user.matches(':').count() > 1 {
            self.refuse(format_args!(
                "{name}: percent-encode `@`, `/`, `?`, `#` and `:` in the user, the password and \
                 whatever follows the host, such as `@` as `%40`"
            ));
            return None;
        }
        Some(url)
    }

    /// Refuses a host that there cannot be, which would look like a server that is down.
    pub fn check_host(&mut self, name: &str, host: &str) {
        let is_part = |part: &str| {
            let is_in_names = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            (1..=63).contains(&part.len()) && part.bytes().all(is_in_names)
        };
        let is_name = || host.strip_suffix('.').unwrap_or(host).split('.').all(is_part);
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if address.unwrap_or(host).parse::<IpAddr>().is_err() && !is_name() {
            // Not which one it is: it may be part of a password.
            self.refuse(format_args!("{name}: it is neither the name nor the address of a host"));
        }
    }

    /// Refuses a port that nobody can listen on.
    pub fn check_port(&mut self, name: &str, port: &str) {
        if port.parse::<NonZeroU16>().is_err() {
            self.refuse(format_args!("{name}: it is not a number from 1 to {}", u16::MAX));
        }
    }

    /// The content of the file at `path`, which the variable `name` leads to: `what`, as
    /// PEM, if `is_in` finds that in it.
    pub fn pem(
        &mut self,
        name: &str,
        path: &str,
        what: &str,
        is_in: fn(&[u8]) -> bool,
    ) -> Option<Vec<u8>> {
        let content = self.read_file(name, path, MAX_FILE)?;
        if !is_in(&content) {
            // An error of the parser would show a line of it.
            self.refuse(format_args!("{name}: `{path}` has no {what} in it, as PEM"));
            return None;
        }
        Some(content)
    }

    fn read_file(&mut self, name: &str, path: &str, max: u64) -> Option<Vec<u8>> {
        read_at_most(path, max)
            .map_err(|error| match is_like_path(path) {
                true => self.refuse(format_args!("{name}: `{path}`: {error}")),
                false => self.refuse(format_args!("{name}: it is not the path of a file: {error}")),
            })
            .ok()
    }

    /// The variable parsed, or `default` where it is unset.
    pub fn parse<T>(&mut self, name: &str, default: T) -> T
    where
        T: FromStr<Err: Display>,
    {
        match self.text(name).map(|text| text.parse()) {
            None => default,
            Some(Ok(value)) => value,
            Some(Err(error)) => {
                self.refuse(format_args!("{name}: {error}"));
                default
            }
        }
    }

    /// A whole number within `range`, or `default` where the variable is unset.
    pub fn number(&mut self, name: &str, default: u64, range: RangeInclusive<u64>) -> u64 {
        let Some(text) = self.text(name) else { return default };
        if let Some(number) = text.parse().ok().filter(|number| range.contains(number)) {
            return number;
        }
        let (least, most) = (range.start(), range.end());
        self.refuse(format_args!("{name}: it is not a whole number from {least} to {most}"));
        default
    }

    /// A duration in milliseconds, at least one: with none, everything would be too late.
    pub fn millis(&mut self, name: &str, default: u64) -> Duration {
        Duration::from_millis(self.number(name, default, 1..=MAX_MILLIS))
    }

    /// How many there may be of something, at least one and at most [`MAX_COUNT`].
    pub fn count(&mut self, name: &str, default: usize) -> NonZeroUsize {
        let count = self.number(name, default as u64, 1..=MAX_COUNT);
        NonZeroUsize::new(count as usize).unwrap_or(NonZeroUsize::MIN)
    }

    /// An address to listen at.
    pub fn addr(&mut self, name: &str, default: SocketAddr) -> SocketAddr {
        let Some(text) = self.text(name) else { return default };
        text.parse().unwrap_or_else(|_| {
            let refusal = "it is not an IP address and a port, such as";
            self.refuse(format_args!("{name}: {refusal} `{default}`"));
            default
        })
    }

    /// Notes what is wrong; reading goes on.
    pub fn refuse(&mut self, what: impl Display) {
        let what = what.to_string();
        // A variable may be read for more than one setting.
        if !self.errors.contains(&what) {
            self.errors.push(what);
        }
    }
}

/// Whether a text that names no file that can be read is meant as a path. Otherwise it
/// may be the secret that belongs into the file.
fn is_like_path(text: &str) -> bool {
    let is_odd = |character: char| {
        character.is_whitespace() || character.is_control() || "=@,;?%#".contains(character)
    };
    let path = Path::new(text);
    let begins = path.has_root() || text.starts_with("./") || text.starts_with("../");
    (begins || path.exists()) && !text.contains(is_odd) && !text.contains("://")
}

fn read_at_most(path: &str, max: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    // To open a pipe may take for ever.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    // One byte more shows that there is more.
    let length = File::open(path)?.take(max + 1).read_to_end(&mut content)?;
    if length as u64 > max {
        let error = format!("it has more than {max} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, error));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with `value`, as `read` takes it.
    fn mistakes(value: &str, read: impl Fn(&mut Env)) -> Vec<String> {
        let lookup = |name: &str| (name == "NAME").then(|| value.into());
        let mut env = Env::new(&lookup);
        read(&mut env);
        env.mistakes()
    }

    #[test]
    fn a_mistake_in_what_several_settings_are_read_from_is_reported_once() {
        let read = |env: &mut Env| {
            env.millis("NAME", 1);
            env.millis("NAME", 1);
        };
        let mistakes = mistakes("many", read);
        assert_eq!(mistakes, ["NAME: it is not a whole number from 1 to 86400000"]);
    }

    #[test]
    fn a_number_that_is_refused_is_told_with_those_that_are_not() {
        let read = |env: &mut Env| {
            env.count("NAME", 1);
        };
        for value in ["0", "-1", "1000001", "99999999999999999999", "1.5", " 5", "5s", "many"] {
            let mistakes = mistakes(value, read);
            assert_eq!(mistakes, ["NAME: it is not a whole number from 1 to 1000000"], "{value}");
        }
        assert_eq!(mistakes("1000000", read), [""; 0]);
    }

    #[test]
    fn a_url_is_taken_as_it_is_written_or_not_at_all() {
        let read = |env: &mut Env| drop(env.url("NAME"));
        for value in [" ", " a:b", "a:b\n", "a:b\n\n", "a:b\u{a0}", "a:\tb", "a:b%00c"] {
            assert_eq!(mistakes(value, read).len(), 1, "{value:?}");
        }
        assert_eq!(mistakes("a:b c%20", read), [""; 0]);
    }

    #[test]
    fn a_path_is_shown_only_if_it_looks_like_one() {
        let read = |path: &'static str| {
            mistakes("", |env| drop(env.pem("NAME_FILE", path, "certificates", |_| true)))
        };
        for path in ["/no/such/file", "./no-such_file", "../no.such", "src"] {
            assert!(read(path)[0].starts_with(&format!("NAME_FILE: `{path}`: ")), "{path}");
        }
        for secret in [
            "/ftp://s3cret",
            "https://s3cret",
            "-----BEGIN KEY-----s3cret",
            "authorization=Bearer s3cret",
            "root:s3cret@127.0.0.1/db",
            "server:root:s3cret@h/db",
            "/s3cret==",
            "/s3cret with blanks",
            "s3cret",
        ] {
            let mistakes = read(secret);
            let told = "NAME_FILE: it is not the path of a file: ";
            assert!(mistakes[0].starts_with(told), "{mistakes:?}");
            assert!(!mistakes[0].contains("s3cret"), "{mistakes:?}");
        }
    }

    #[test]
    fn a_host_that_there_cannot_be_is_refused() {
        let read = |host: &'static str| mistakes("", |env| env.check_host("NAME", host));
        for host in ["db", "my_host.example.org.", "127.0.0.1", "::1", "[::1]", "1.2.3"] {
            assert_eq!(read(host), [""; 0], "{host}");
        }
        for host in ["", ".", "a b", "a%20b", "a,b", "a..b", "-:1", "[db]", "m\u{fc}nchen"] {
            assert_eq!(read(host).len(), 1, "{host}");
        }
    }
}
