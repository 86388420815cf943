//! The line of what is traced, as JSON: its own fields and, beside them, those of the
//! request that it belongs to, so that one search finds all lines of a request.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::{LookupSpan, Scope};

use super::line::{json_field, json_head};
use super::trace::REQUEST_SPAN;

/// Formats what is traced. Its fields have to be formatted as JSON, too.
pub struct JsonEvent;

impl<S, N> FormatEvent<S, N> for JsonEvent
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let mut text = String::with_capacity(512);
        json_head(&mut text, *metadata.level());
        let mut fields = String::new();
        context.format_fields(Writer::new(&mut fields), event)?;
        add(&mut text, &fields);
        json_field(&mut text, "target", metadata.target());
        let scope = || context.event_scope().into_iter().flat_map(Scope::from_root);
        for span in scope().filter(|span| span.name() == REQUEST_SPAN) {
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
                add(&mut text, fields);
            }
        }
        let mut others = String::new();
        for span in scope().filter(|span| span.name() != REQUEST_SPAN) {
            others.push_str(if others.is_empty() { "{" } else { ",{" });
            others.push_str("\"name\":");
            others.push_str(&serde_json::Value::from(span.name()).to_string());
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
                add(&mut others, fields);
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

/// Adds what is inside of an object to another one.
fn add(text: &mut String, object: &str) {
    let inside = object.strip_prefix('{').and_then(|object| object.strip_suffix('}'));
    if let Some(inside) = inside.filter(|inside| !inside.is_empty()) {
        text.push(',');
        text.push_str(inside);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::logged::Logged;

    fn line(log: impl FnOnce()) -> Value {
        let logged = Logged::start();
        log();
        serde_json::from_str(&logged.end()).expect("one line of JSON")
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

    #[test]
    fn a_line_of_no_request_has_none_of_its_fields() {
        let line = line(|| tracing::info!(addr = "127.0.0.1", "serving"));
        let names: Vec<_> = line.as_object().expect("an object").keys().cloned().collect();
        assert_eq!(names, ["addr", "level", "message", "target", "timestamp"]);
    }
}
