//! The line of what is traced. As JSON: its own fields and, beside them, those of the
//! request that it belongs to, so that one search finds all lines of a request.

use std::borrow::Cow;
use std::fmt::{self, Debug, Display, Write as _};

use tracing::field::{Field, Visit};
use tracing::span::Record;
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::{LookupSpan, Scope};

use super::line::{json_field, json_head};
use super::trace::REQUEST_SPAN;
use super::{VALUE_LIMIT, shortened};

/// Formats what is traced.
pub struct JsonEvent;

/// Formats the fields of spans for [`JsonEvent`], each as what can follow another one in
/// an object. There is a span around each request, and few of them are in a line.
pub struct JsonFields;

impl<'writer> FormatFields<'writer> for JsonFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, of: R) -> fmt::Result {
        let mut fields = Fields { others: String::with_capacity(128), ..Fields::default() };
        of.record(&mut fields);
        writer.write_str(&fields.message)?;
        writer.write_str(&fields.others)
    }

    fn add_fields(
        &self,
        current: &'writer mut FormattedFields<JsonFields>,
        more: &Record<'_>,
    ) -> fmt::Result {
        self.format_fields(current.as_writer(), more)
    }
}

impl<S> FormatEvent<S, JsonFields> for JsonEvent
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let mut text = String::with_capacity(512);
        json_head(&mut text, *metadata.level());
        let mut fields = Fields::default();
        event.record(&mut fields);
        text.push_str(&fields.message);
        text.push_str(&fields.others);
        json_field(&mut text, "target", metadata.target());
        let scope = || context.event_scope().into_iter().flat_map(Scope::from_root);
        for span in scope().filter(|span| span.name() == REQUEST_SPAN) {
            if let Some(fields) = span.extensions().get::<FormattedFields<JsonFields>>() {
                text.push_str(fields);
            }
        }
        let mut others = String::new();
        for span in scope().filter(|span| span.name() != REQUEST_SPAN) {
            others.push_str(if others.is_empty() { "{" } else { ",{" });
            others.push_str("\"name\":");
            others.push_str(&serde_json::Value::from(span.name()).to_string());
            if let Some(fields) = span.extensions().get::<FormattedFields<JsonFields>>() {
                others.push_str(fields);
            }
            others.push('}');
        }
        if !others.is_empty() {
            text.push_str(",\"spans\":[");
            text.push_str(&others);
            text.push(']');
        }
        text.push_str("}\n");
        writer.write_str(&text)
    }
}

/// The fields of an event. The message comes first, as in the line of a request.
#[derive(Default)]
struct Fields {
    message: String,
    others: String,
}

impl Fields {
    /// The text that a field of this name is added to.
    fn of(&mut self, name: &str) -> &mut String {
        if name == "message" { &mut self.message } else { &mut self.others }
    }

    /// Adds what is written in JSON as it is.
    fn plain(&mut self, field: &Field, value: impl Display) {
        // Writing to a string cannot fail.
        let _ = write!(self.of(field.name()), ",\"{}\":{value}", field.name());
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.plain(field, serde_json::Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        json_field(self.of(field.name()), field.name(), &shown(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

/// Writes one field for people. What a terminal obeys is escaped: a value may be
/// anybody's.
///
/// # Errors
///
/// Those of the writer.
pub fn pretty_field(writer: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> fmt::Result {
    if field.name() != "message" {
        write!(writer, "{field}=")?;
    }
    for character in shown(&format!("{value:?}")).chars() {
        match character {
            '\n' | '\t' => writer.write_char(character)?,
            _ if character.is_control() => write!(writer, "{}", character.escape_unicode())?,
            _ => writer.write_char(character)?,
        }
    }
    Ok(())
}

/// What a line has room for of a value.
fn shown(value: &str) -> Cow<'_, str> {
    // What is escaped takes six bytes.
    if value.len() <= VALUE_LIMIT / 6 {
        return Cow::Borrowed(value);
    }
    let written = |character: char| if character.is_control() { 6 } else { character.len_utf8() };
    let mut length = 0;
    let end = value.char_indices().find(|(_, character)| {
        length += written(*character);
        length > VALUE_LIMIT
    });
    shortened(value, end.map_or(value.len(), |(end, _)| end))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::Request;
    use futures_util::FutureExt;
    use serde_json::{Value, json};
    use tracing::dispatcher;

    use crate::telemetry::Route;
    use crate::telemetry::log::Log;
    use crate::telemetry::logged::{Logged, written};
    use crate::telemetry::trace::REQUEST_SPAN;

    fn text(log: impl FnOnce()) -> String {
        let logged = Logged::start();
        log();
        logged.end()
    }

    fn line(log: impl FnOnce()) -> Value {
        serde_json::from_str(&text(log)).expect("one line of JSON")
    }

    #[test]
    fn the_message_comes_first_and_the_other_fields_as_they_were_given() {
        let text = text(|| tracing::info!(size = 7, error = "a", done = true, "it works"));
        let fields = r#""level":"INFO","message":"it works","size":7,"error":"a","done":true,"#;
        assert!(text.contains(fields), "{text}");
    }

    #[test]
    fn a_line_for_people_has_nothing_that_a_terminal_obeys() {
        let logged = Logged::start_for_people();
        let error = "\x1b[31m\u{9b}";
        tracing::warn!(%error, place = error, "it fails: {error}");
        let text = logged.end();
        let odd = r"\u{1b}[31m\u{9b}";
        let fields = format!("it fails: {odd} error={odd} place=\"{odd}\"\n");
        assert!(text.ends_with(&fields), "{text}");
    }

    #[test]
    fn no_value_makes_a_line_that_is_too_long() {
        let log = || {
            let (text, odd) = ("é".repeat(100_000), "\x1b\"".repeat(50_000));
            tracing::warn!(error = text, odd = %odd, "it fails");
        };
        let line = text(log);
        assert!(line.len() < 12 * 1024, "{}", line.len());
        let line: Value = serde_json::from_str(&line).expect("one line of JSON");
        assert_eq!(line["error"], "é".repeat(2 * 1024) + "…");

        let logged = Logged::start_for_people();
        log();
        let line = logged.end();
        assert!(line.len() < 12 * 1024 && line.contains("é…"), "{}", line.len());
    }

    #[test]
    fn a_line_has_its_own_fields_and_those_of_its_request() {
        let line = line(|| {
            let request = tracing::info_span!("request", request_id = "named", method = "GET");
            let work = tracing::info_span!(parent: &request, "work", size = 7);
            work.in_scope(|| tracing::warn!(error = "a \"b\"", "it fails"));
        });
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["message"], "it fails");
        assert_eq!(line["error"], "a \"b\"");
        assert_eq!((&line["request_id"], &line["method"]), (&json!("named"), &json!("GET")));
        assert_eq!(line["spans"], json!([{ "name": "work", "size": 7 }]));
        assert!(line["target"].is_string() && line["timestamp"].is_string(), "{line}");
    }

    /// What `work` returns inside of a request, with a method that nobody knows.
    fn in_request<T>(log: &Log, work: impl FnOnce() -> T) -> T {
        let request = Request::builder().method("BREW").body(Body::empty()).expect("right");
        let span = log.request_span("named", &request, &Route::new(None));
        span.around(async { work() }).now_or_never().expect("it waits for nothing")
    }

    #[test]
    fn a_line_has_what_was_recorded_of_its_spans_later() {
        let line = line(|| {
            let work = tracing::info_span!("work", size = 7, error = tracing::field::Empty);
            work.record("error", "a \"b\"");
            work.in_scope(|| tracing::warn!("it fails"));
        });
        let work = json!({ "name": "work", "size": 7, "error": "a \"b\"" });
        assert_eq!(line["spans"], json!([work]));
    }

    #[test]
    fn a_method_that_nobody_knows_is_in_no_line() {
        let text = written(&[], |log| in_request(log, || tracing::warn!("it fails")));
        let line: Value = serde_json::from_str(&text).expect("one line of JSON");
        assert_eq!((&line["request_id"], &line["method"]), (&json!("named"), &json!("_OTHER")));
    }

    #[test]
    fn a_line_names_its_request_and_its_spans_whichever_lines_are_wanted() {
        let only_here = concat!("off,", module_path!(), "=error");
        for filter in ["trace", "info,request=off", "warn", "error", only_here] {
            let text = written(&[("RUST_LOG", filter)], |log| {
                in_request(log, || {
                    let work = tracing::info_span!("work", size = 7);
                    work.in_scope(|| tracing::error!("it fails"));
                });
            });
            let line: Value = serde_json::from_str(&text).expect(filter);
            assert_eq!(line["request_id"], "named", "{filter}");
            assert_eq!(line["spans"], json!([{ "name": "work", "size": 7 }]), "{filter}");
        }
    }

    #[test]
    fn no_span_is_made_where_no_line_names_it() {
        for (filter, is_made) in [("off", false), ("off,request=info", false), ("error", true)] {
            written(&[("RUST_LOG", filter)], |_| {
                let span = tracing::info_span!(REQUEST_SPAN);
                let span = span.metadata().expect("it has a name");
                // What this log alone says: in a process of tests it is not the only one.
                let interest = dispatcher::get_default(|log| log.register_callsite(span));
                assert_eq!(!interest.is_never(), is_made, "{filter}");
            });
        }
    }

    #[test]
    fn a_line_of_no_request_has_none_of_its_fields() {
        let line = line(|| tracing::info!(addr = "127.0.0.1", "serving"));
        let names: Vec<_> = line.as_object().expect("an object").keys().cloned().collect();
        assert_eq!(names, ["addr", "level", "message", "target", "timestamp"]);
    }
}
