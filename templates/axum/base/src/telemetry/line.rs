//! The line of one request, and what all lines have in common. It is formatted
//! straight into a buffer: measured, a general-purpose subscriber at full rate
//! cost as much as the rest of a small request.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::net::IpAddr;
use std::time::Duration;

use time::OffsetDateTime;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{FilterExt, Targets, filter_fn};
use tracing_subscriber::layer::Filter;

use super::{REQUEST_TARGET, Route};
use crate::context::{Context, Waits};
use crate::env::Env;

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Json,
    Pretty,
}

impl Format {
    /// Reads `LOG_FORMAT`; unset, a terminal is for people.
    pub fn read(env: &mut Env) -> Format {
        match env.text("LOG_FORMAT").as_deref() {
            Some("json") => Format::Json,
            Some("pretty") => Format::Pretty,
            None if io::stdout().is_terminal() => Format::Pretty,
            None => Format::Json,
            Some(other) => {
                env.refuse(format_args!("LOG_FORMAT: `{other}` is neither `json` nor `pretty`"));
                Format::Json
            }
        }
    }

    /// `line` with all escaped that a terminal obeys, or some readers take for the end of
    /// a line, and that JSON lets through: control characters beyond ASCII, and the
    /// separators of lines and paragraphs.
    pub fn escaped(self, line: &[u8]) -> Cow<'_, [u8]> {
        if line.is_ascii() && !line.contains(&b'\x7f') {
            return Cow::Borrowed(line);
        }
        let mut text = String::with_capacity(line.len() + 32);
        for character in String::from_utf8_lossy(line).chars() {
            match (character, self) {
                ('\x7f'..='\u{9f}' | '\u{2028}' | '\u{2029}', Format::Json) => {
                    // Writing to a string cannot fail.
                    let _ = write!(text, "\\u{:04x}", u32::from(character));
                }
                ('\x7f'..='\u{9f}' | '\u{2028}' | '\u{2029}', Format::Pretty) => {
                    text.extend(character.escape_unicode());
                }
                _ => text.push(character),
            }
        }
        Cow::Owned(text.into_bytes())
    }

    /// The line that takes the place of so many that were dropped.
    pub fn dropped(self, lines: u64) -> String {
        let mut text = String::new();
        match self {
            Format::Json => {
                json_head(&mut text, Level::WARN);
                json_field(&mut text, "message", "lines are missing here");
                let _ = writeln!(text, ",\"log_lines_dropped\":{lines}}}");
            }
            Format::Pretty => {
                pretty_head(&mut text, Level::WARN);
                let _ = writeln!(text, "lines are missing here log_lines_dropped={lines}");
            }
        }
        text
    }
}

/// Reads `RUST_LOG`: levels by module, as in `info,sqlx=warn`.
pub fn read_filter(env: &mut Env) -> Targets {
    const NAME: &str = "RUST_LOG";
    let default = Targets::new().with_default(Level::INFO);
    let Some(text) = env.text(NAME) else { return default };
    let directives: Vec<_> = text.split(',').map(str::trim).collect();
    // A single word that is no level would be taken for a module, all of whose lines are
    // written, and none of any other.
    match directives.iter().find(|directive| !is_directive(directive)) {
        None => directives.join(",").parse().unwrap_or(default),
        Some(wrong) => {
            env.refuse(format_args!(
                "{NAME}: `{wrong}` is neither a level nor a module with one, as in `info,sqlx=warn`"
            ));
            default
        }
    }
}

fn is_directive(directive: &str) -> bool {
    let (module, level) = directive.split_once('=').unwrap_or(("all", directive));
    let is_in_modules = |byte: u8| byte.is_ascii_alphanumeric() || b"_-:".contains(&byte);
    let is_module = !module.is_empty() && module.bytes().all(is_in_modules);
    is_module && !level.is_empty() && level.parse::<LevelFilter>().is_ok()
}

/// The finest level of request lines that `filter` lets through.
pub fn request_level(filter: &Targets) -> LevelFilter {
    let levels = [Level::INFO, Level::WARN, Level::ERROR];
    let finest = levels.into_iter().find(|level| filter.would_enable(REQUEST_TARGET, level));
    finest.map_or(LevelFilter::OFF, LevelFilter::from_level)
}

/// Lets through the lines that `filter` does, and the spans that they name, whichever
/// lines that are: a warning names its request where nothing but warnings is wanted, too.
pub fn line_filter<S>(filter: &Targets) -> impl Filter<S> + use<S> {
    let finest = if names_spans(filter) { LevelFilter::INFO } else { LevelFilter::OFF };
    let spans = filter_fn(move |metadata| metadata.is_span() && *metadata.level() <= finest);
    filter.clone().or(spans.with_max_level_hint(finest))
}

/// Whether `filter` lets through more than the lines of requests, which are logged inside
/// of no span.
fn names_spans(filter: &Targets) -> bool {
    let modules = filter.iter().filter(|(target, _)| *target != REQUEST_TARGET);
    let mut levels = modules.map(|(_, level)| level).chain(filter.default_level());
    levels.any(|level| level != LevelFilter::OFF)
}

/// Everything that the line of one request says.
pub struct RequestLine<'a> {
    pub context: &'a Context,
    pub method: &'static str,
    pub route: &'a Route,
    pub path: &'a str,
    pub status: u16,
    pub error_type: Option<&'static str>,
    pub duration: Duration,
    /// For how long its body was waited for, where it has one.
    pub body: Option<Duration>,
    /// Where the request comes from, as far as that can be believed.
    pub client: Option<IpAddr>,
    /// What the client says that it is.
    pub user_agent: Option<&'a str>,
}

impl RequestLine<'_> {
    /// How much it is worth somebody's attention. What fails because of a dependency,
    /// or of too much at once, ends with that; what fails by itself is a bug.
    pub fn level(&self) -> Level {
        match self.status {
            503 | 504 => Level::WARN,
            500.. => Level::ERROR,
            _ => Level::INFO,
        }
    }

    /// As an object, which is left open: whoever writes the line closes it.
    pub fn json(&self, text: &mut String) {
        json_head(text, self.level());
        json_field(text, "message", "request");
        json_field(text, "request_id", self.context.request_id());
        json_field(text, "method", self.method);
        json_field(text, "route", self.route.as_str());
        json_field(text, "path", self.path);
        json_name(text, &["status"]);
        number(text, self.status.into());
        if let Some(error_type) = self.error_type {
            json_field(text, "error_type", error_type);
        }
        json_name(text, &["duration_ms"]);
        millis(text, self.duration);
        if let Some(body) = self.body {
            json_name(text, &["body_ms"]);
            millis(text, body);
        }
        for Waits { dependency, calls, time } in self.context.waits() {
            json_name(text, &[dependency, "_calls"]);
            number(text, calls.into());
            json_name(text, &[dependency, "_ms"]);
            millis(text, time);
        }
        if let Some(client) = self.client {
            json_name(text, &["client"]);
            text.push('"');
            address(text, client);
            text.push('"');
        }
        if let Some(user_agent) = self.user_agent {
            json_field(text, "user_agent", user_agent);
        }
    }

    /// As people like it, with the end of the line left to whoever writes it.
    pub fn pretty(&self, text: &mut String) {
        pretty_head(text, self.level());
        let RequestLine { method, path, status, .. } = self;
        let _ = write!(text, "{method} {path} {status} ");
        millis(text, self.duration);
        text.push_str("ms");
        if let Some(body) = self.body {
            text.push_str(" body=");
            millis(text, body);
            text.push_str("ms");
        }
        for Waits { dependency, calls, time } in self.context.waits() {
            let _ = write!(text, " {dependency}=");
            millis(text, time);
            let _ = write!(text, "ms/{calls}");
        }
        if let Some(error_type) = self.error_type {
            let _ = write!(text, " error_type={error_type}");
        }
        let _ = write!(text, " request_id={}", self.context.request_id());
    }
}

/// A number in decimal digits. `write!` can do more, and made a line cost nearly three
/// times as many instructions.
fn number(text: &mut String, number: u64) {
    text.push_str(itoa::Buffer::new().format(number));
}

/// Writes the last digits of a number, as many as there is room for.
fn write_digits(digits: &mut [u8], number: u32) {
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

/// A duration in milliseconds with three digits after the point.
fn millis(text: &mut String, duration: Duration) {
    number(text, u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
    let mut digits = *b".000";
    write_digits(&mut digits[1..], duration.subsec_micros());
    text.push_str(str::from_utf8(&digits).unwrap_or_default());
}

/// An address as `Display` writes it.
fn address(text: &mut String, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            for (index, part) in address.octets().into_iter().enumerate() {
                text.push_str(if index == 0 { "" } else { "." });
                number(text, part.into());
            }
        }
        IpAddr::V6(address) => {
            let _ = write!(text, "{address}");
        }
    }
}

/// The beginning of an object that is a line.
pub fn json_head(text: &mut String, level: Level) {
    text.push_str("{\"timestamp\":\"");
    timestamp(text);
    text.push_str("\",\"level\":\"");
    text.push_str(level.as_str());
    text.push('"');
}

/// The beginning of a line for people.
pub fn pretty_head(text: &mut String, level: Level) {
    timestamp(text);
    let _ = write!(text, " {level:>5} ");
}

/// One more field of an object, with whatever JSON has to escape.
pub fn json_field(text: &mut String, name: &str, value: &str) {
    json_name(text, &[name]);
    if is_plain(value) {
        text.push('"');
        text.push_str(value);
        text.push('"');
    } else {
        text.push_str(&serde_json::Value::from(value).to_string());
    }
}

/// Whether JSON has nothing to escape in it. It looks at all bytes, also after one that
/// decides: so the compiler does it for many at once.
fn is_plain(value: &str) -> bool {
    let is_plain = |byte| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
    value.bytes().fold(true, |all, byte| all & is_plain(byte))
}

/// The name of one more field, from its parts, up to its value.
fn json_name(text: &mut String, parts: &[&str]) {
    text.push_str(",\"");
    parts.iter().for_each(|part| text.push_str(part));
    text.push_str("\":");
}

/// As tracing-subscriber writes it, so that all lines sort alike.
fn timestamp(text: &mut String) {
    let now = OffsetDateTime::now_utc();
    let (year, month, day) = now.to_calendar_date();
    let (hour, minute, second, micro) = now.to_hms_micro();
    let mut text_of_now = *b"0000-00-00T00:00:00.000000Z";
    write_digits(&mut text_of_now[..4], year.unsigned_abs());
    write_digits(&mut text_of_now[5..7], u8::from(month).into());
    write_digits(&mut text_of_now[8..10], day.into());
    write_digits(&mut text_of_now[11..13], hour.into());
    write_digits(&mut text_of_now[14..16], minute.into());
    write_digits(&mut text_of_now[17..19], second.into());
    write_digits(&mut text_of_now[20..26], micro);
    text.push_str(str::from_utf8(&text_of_now).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use time::format_description::well_known::Rfc3339;

    use super::*;

    fn written(write: impl FnOnce(&mut String)) -> String {
        let mut text = String::new();
        write(&mut text);
        text
    }

    #[test]
    fn a_duration_has_three_digits_after_the_point() {
        for (micros, expected) in
            [(0, "0.000"), (7, "0.007"), (1_050, "1.050"), (61_234_567, "61234.567")]
        {
            let duration = Duration::from_micros(micros);
            assert_eq!(written(|text| millis(text, duration)), expected);
        }
    }

    #[test]
    fn an_address_is_written_as_everywhere() {
        for expected in ["0.0.0.0", "127.0.0.1", "255.10.9.100", "::1", "2001:db8::7"] {
            let client = expected.parse().expect("an address");
            assert_eq!(written(|text| address(text, client)), expected);
        }
    }

    #[test]
    fn a_line_begins_with_the_time_of_now() {
        let before = OffsetDateTime::now_utc();
        let text = written(timestamp);
        let time = OffsetDateTime::parse(&text, &Rfc3339).expect("a time");
        // It has microseconds, and the clock may have more.
        assert!(time - before < Duration::from_secs(60) && text.len() == 27, "{text}");
        assert!(before - time < Duration::from_micros(1), "{text}");
    }

    #[test]
    fn no_line_has_what_a_terminal_obeys_or_a_reader_takes_for_its_end() {
        let mut line = String::from("{\"a\":1");
        json_field(&mut line, "path", "/é\u{85}\u{9b}31m\u{2028}\u{2029}\x7f\x1b");
        line.push_str("}\n");
        let escaped = Format::Json.escaped(line.as_bytes());
        let text = r#"{"a":1,"path":"/é\u0085\u009b31m\u2028\u2029\u007f\u001b"}"#;
        assert_eq!(str::from_utf8(&escaped), Ok(&*format!("{text}\n")));
        let escaped = Format::Pretty.escaped("/é\u{9b}31m\n".as_bytes());
        assert_eq!(str::from_utf8(&escaped), Ok("/é\\u{9b}31m\n"));
    }
}
