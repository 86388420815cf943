//! A dashboard, as Grafana would ask for its data.

use serde_json::Value;

use crate::prometheus::Prometheus;

/// What is shown together under a title.
pub struct Panel {
    pub title: String,
    pub kind: String,
    pub unit: String,
    pub queries: Vec<Query>,
}

/// What one line of a panel, or several, are made of.
pub struct Query {
    /// With all variables filled in.
    pub expression: String,
    /// The name of a line: text, and labels in double braces.
    pub legend: String,
}

/// The panels of a dashboard whose time range is from one time to another, once its variables have been asked for.
pub fn panels(dashboard: &str, prometheus: &Prometheus, from: f64, to: f64) -> Vec<Panel> {
    let dashboard: Value = serde_json::from_str(dashboard).expect("JSON");
    let range = to - from;
    // With the interval of the scrape, 1 s, and one of a second between two points.
    let mut values = vec![
        ("$__rate_interval".to_owned(), "4s".to_owned()),
        ("$__range".to_owned(), format!("{range:.0}s")),
    ];
    for variable in list(&dashboard["templating"]["list"]) {
        let name = format!("${}", text(&variable["name"]));
        match text(&variable["type"]) {
            "datasource" => continue,
            "query" => {}
            other => panic!("`{name}` is a variable of the kind `{other}`"),
        }
        let found = label_values(&fill(text(&variable["query"]), &values), prometheus);
        assert!(!found.is_empty(), "`{name}` has no values");
        let current = text(&variable["current"]["value"]);
        let value = match current {
            "$__all" => text(&variable["allValue"]),
            _ => current,
        };
        assert!(
            current == "$__all" || found.iter().any(|found| found == current),
            "`{name}` is `{current}`, which is not among {found:?}"
        );
        values.push((name, value.to_owned()));
    }
    // The longest first: `$__range` begins a name as well.
    values.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    let panel = |panel: &Value| {
        let query = |target: &Value| Query {
            expression: fill(text(&target["expr"]), &values),
            legend: text(&target["legendFormat"]).to_owned(),
        };
        Panel {
            title: text(&panel["title"]).to_owned(),
            kind: text(&panel["type"]).to_owned(),
            unit: text(&panel["fieldConfig"]["defaults"]["unit"]).to_owned(),
            queries: list(&panel["targets"]).iter().map(query).collect(),
        }
    };
    let panels = list(&dashboard["panels"]).iter();
    panels
        .filter(|panel| panel["type"] != "row")
        .map(panel)
        .collect()
}

/// What `label_values(SERIES, LABEL)` gives.
fn label_values(query: &str, prometheus: &Prometheus) -> Vec<String> {
    let words = query.strip_prefix("label_values(");
    let words = words.and_then(|words| words.strip_suffix(')')?.rsplit_once(", "));
    let (series, label) = words.unwrap_or_else(|| panic!("`{query}` asks for no label"));
    let path = format!("label/{label}/values");
    let found = prometheus.try_get(&path, &[("match[]", series)]);
    serde_json::from_value(found.unwrap_or_else(|| panic!("`{query}` fails"))).unwrap()
}

fn fill(query: &str, values: &[(String, String)]) -> String {
    let fill = |query: String, (name, value): &(String, String)| query.replace(name, value);
    let query = values.iter().fold(query.to_owned(), fill);
    assert!(!query.contains('$'), "`{query}` has an unknown variable");
    query
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
