//! The variables of the environment, one by one, and what is wrong with them. Whoever
//! has settings reads them from here.

use std::ffi::OsString;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::time::Duration;

/// The most that there may be of anything: more is a mistake, and far more than this
/// is more than the libraries can count.
const MAX_COUNT: NonZeroUsize = NonZeroUsize::new(1_000_000).expect("it is not 0");

/// The longest that anything may be waited for: databases cannot count much further.
const MAX_MILLIS: u64 = 24 * 60 * 60 * 1_000;

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

    /// The URL of a server, which may be secret, with one of `schemes`. What has a
    /// meaning in a URL has to be encoded inside of a password: what follows it there
    /// would be taken for the host or the path, and be shown as such.
    pub fn url(&mut self, name: &str, schemes: &[&str]) -> Option<String> {
        let url = self.secret(name)?;
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
        // They are left out without a word.
        if url.contains(char::is_control) {
            self.refuse(format_args!("{name}: percent-encode control characters"));
            return None;
        }
        Some(url)
    }

    /// The content of the file at `path`, which the variable `name` leads to.
    pub fn file(&mut self, name: &str, path: &str) -> Option<Vec<u8>> {
        self.read_file(name, path, MAX_FILE)
    }

    fn read_file(&mut self, name: &str, path: &str, max: u64) -> Option<Vec<u8>> {
        // A URL or a key that belongs into the file, and would be shown.
        if path.contains("://") || path.contains("-----") {
            self.refuse(format_args!("{name}: it is not the path of a file"));
            return None;
        }
        let content = read_at_most(path, max);
        content.map_err(|error| self.refuse(format_args!("{name}: `{path}`: {error}"))).ok()
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

    /// A duration in milliseconds, at least one.
    pub fn millis(&mut self, name: &str, default: u64) -> Duration {
        let millis = self.parse(name, default);
        if millis == 0 {
            self.refuse(format_args!("{name}: a timeout of 0 would refuse everything"));
        }
        if millis > MAX_MILLIS {
            self.refuse(format_args!("{name}: at most {MAX_MILLIS}, a day"));
        }
        Duration::from_millis(millis)
    }

    /// How many there may be of something, at least one and at most [`MAX_COUNT`].
    pub fn count(&mut self, name: &str, default: usize) -> NonZeroUsize {
        let count = self.parse(name, NonZeroUsize::new(default).unwrap_or(NonZeroUsize::MIN));
        if count > MAX_COUNT {
            self.refuse(format_args!("{name}: at most {MAX_COUNT}"));
        }
        count
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

    #[test]
    fn a_mistake_in_what_several_settings_are_read_from_is_reported_once() {
        let lookup = |_: &str| Some("many".into());
        let mut env = Env::new(&lookup);
        for _ in 0..2 {
            env.millis("TIMEOUT_MS", 1);
        }
        assert_eq!(env.mistakes(), ["TIMEOUT_MS: invalid digit found in string"]);
    }
}
