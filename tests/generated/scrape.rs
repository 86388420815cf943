//! A real Prometheus understands what a service shows of itself.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::project::run;
use crate::prometheus::{Prometheus, eventually};
use crate::{Check, Subject};

pub const ALL: &[Check] = &[
    (
        "scrapes_the_service_with_the_projects_own_configuration",
        scrapes_the_service_with_the_projects_own_configuration,
    ),
    (
        "finds_nothing_wrong_with_an_exposition",
        finds_nothing_wrong_with_an_exposition,
    ),
];

/// Those of the alert rules, which know whether there is a cache, and which.
pub const RULES: &[Check] = &[
    ("finds_the_alert_rules_right", finds_the_alert_rules_right),
    (
        "finds_the_configuration_right",
        finds_the_configuration_right,
    ),
    (
        "every_alert_is_tested_to_fire_and_to_stay_silent",
        every_alert_is_tested_to_fire_and_to_stay_silent,
    ),
    (
        "every_alert_leads_to_a_query_in_the_runbook",
        every_alert_leads_to_a_query_in_the_runbook,
    ),
];

fn scrapes_the_service_with_the_projects_own_configuration(subject: &Subject) {
    let service = subject.start(&[]);
    let body = serde_json::json!({"email": "ada@example.com", "name": "Ada"});
    service.post(subject.path, &body).expect(201);

    let directory = subject.project().root().join("deploy/prometheus");
    let configuration = fs::read_to_string(directory.join("prometheus.yml")).unwrap();
    assert!(configuration.contains("app:9090"), "{configuration}");
    let configuration = configuration
        .replace("app:9090", &service.admin().to_string())
        .replace("15s", "1s");
    fs::write(directory.join("here.yml"), configuration).unwrap();
    let prometheus = Prometheus::start(&directory, "here.yml");
    let value = |query: &str| {
        let data = prometheus.try_get("query", &[("query", query)])?;
        data["result"][0]["value"][1].as_str().map(str::to_owned)
    };
    let created = format!(
        "http_server_request_duration_seconds_count{{http_request_method=\"POST\",\
         http_route=\"{}\",http_response_status_code=\"201\"}}",
        subject.path
    );
    assert_eq!(eventually(|| value(&created)), "1");
    assert_eq!(eventually(|| value("up")), "1");

    // Every rule can be evaluated, and none has anything to say of a service that is well. Before the first scrape there
    // was none.
    let rules = || {
        let rules = prometheus.try_get("rules", &[])?;
        let groups = rules["groups"].as_array()?.iter();
        let rules: Vec<Value> = groups
            .flat_map(|group| group["rules"].as_array().unwrap().clone())
            .collect();
        let is_well = |rule: &Value| {
            rule["health"] == "ok" && (rule["type"] != "alerting" || rule["state"] == "inactive")
        };
        rules.iter().all(is_well).then_some(rules.len())
    };
    assert!(eventually(rules) > 0);
}

fn finds_nothing_wrong_with_an_exposition(subject: &Subject) {
    let service = subject.start(&[]);
    service.get("/no/such/route").expect(404);
    let scrape = service.get_admin("/metrics").expect(200).body;
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped());
    promtool.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = promtool
        .spawn()
        .expect("the Debian package `prometheus` brings it");
    let stdin = promtool.stdin.take();
    stdin.unwrap().write_all(scrape.as_bytes()).unwrap();
    let said = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned();
    assert_eq!(said.trim(), "");
}

fn finds_the_alert_rules_right(subject: &Subject) {
    let directory = subject.project().root().join("deploy/prometheus");
    for words in [
        ["check", "rules", "alerts.yml"],
        ["test", "rules", "alerts.test.yml"],
    ] {
        run(Command::new("promtool").args(words).current_dir(&directory));
    }
}

/// Debian's promtool is older than the section `otlp`, which a workflow of the project holds against one that knows it.
fn finds_the_configuration_right(subject: &Subject) {
    let directory = subject.project().root().join("deploy/prometheus");
    let configuration = fs::read_to_string(directory.join("prometheus.yml")).unwrap();
    let sections = configuration.split("\n\n");
    let known: Vec<_> = sections
        .filter(|section| !section.starts_with("otlp:"))
        .collect();
    assert!(!known.is_empty(), "{configuration}");
    fs::write(directory.join("known.yml"), known.join("\n\n")).unwrap();
    let words = ["check", "config", "known.yml"];
    run(Command::new("promtool").args(words).current_dir(&directory));
}

/// An alert that never fires says nothing, and neither does one that always does: promtool has a case of each.
fn every_alert_is_tested_to_fire_and_to_stay_silent(subject: &Subject) {
    let project = subject.project();
    let tests = project.read("deploy/prometheus/alerts.test.yml");
    let mut lines = tests.lines().map(str::trim);
    let (mut firing, mut silent) = (BTreeSet::new(), BTreeSet::new());
    while let Some(line) = lines.next() {
        if let Some(alert) = line.strip_prefix("alertname: ") {
            match lines.next() {
                Some("exp_alerts: []") => silent.insert(alert),
                Some("exp_alerts:") => firing.insert(alert),
                other => panic!("`{alert}` is followed by {other:?}"),
            };
        }
    }
    let rules = project.read("deploy/prometheus/alerts.yml");
    let alerts: BTreeSet<_> = alerts(&rules).into_iter().map(|alert| alert.name).collect();
    assert!(!alerts.is_empty());
    assert_eq!(firing, alerts, "have to be tested to fire");
    assert_eq!(silent, alerts, "have to be tested to stay silent");
}

fn every_alert_leads_to_a_query_in_the_runbook(subject: &Subject) {
    let project = subject.project();
    let runbook = project.read("RUNBOOK.md");
    let rules = project.read("deploy/prometheus/alerts.yml");
    let alerts = alerts(&rules);
    assert!(!alerts.is_empty());
    for alert in alerts {
        let (page, anchor) = alert.runbook_url.split_once('#').unwrap();
        assert!(
            page.starts_with("https://") && page.ends_with("/RUNBOOK.md"),
            "{page}"
        );
        let sections: Vec<_> = sections(&runbook).collect();
        let section = sections.iter().find(|section| section.anchor == anchor);
        let section = section.unwrap_or_else(|| panic!("no section is `{anchor}`"));
        assert!(
            section.text.contains(&format!("`{}`", alert.name)),
            "`{anchor}` does not name `{}`",
            alert.name
        );
        assert!(
            !section.queries().is_empty(),
            "`{anchor}` has no query for `{}`",
            alert.name
        );
    }
}

/// An alert as `alerts.yml` has it.
pub struct Alert<'t> {
    pub name: &'t str,
    runbook_url: &'t str,
}

pub fn alerts(rules: &str) -> Vec<Alert<'_>> {
    let alerts = rules.split("- alert: ").skip(1);
    let alert = |text| {
        let mut lines = str::lines(text).map(str::trim);
        Alert {
            name: lines.next().unwrap(),
            runbook_url: lines
                .find_map(|line| line.strip_prefix("runbook_url: "))
                .unwrap_or_else(|| panic!("it leads nowhere: {text}")),
        }
    };
    alerts.map(alert).collect()
}

/// A section of a runbook.
pub struct Section<'t> {
    /// What an address ends with that leads to it.
    anchor: String,
    text: &'t str,
}

impl<'t> Section<'t> {
    /// The lines of its blocks of PromQL, each of which is a query.
    pub fn queries(&self) -> Vec<&'t str> {
        let blocks = self.text.split("```promql\n").skip(1);
        blocks
            .flat_map(|block| block.split("```").next().unwrap().lines())
            .collect()
    }
}

pub fn sections(runbook: &str) -> impl Iterator<Item = Section<'_>> {
    runbook.split("\n## ").skip(1).map(|text| Section {
        anchor: text
            .lines()
            .next()
            .unwrap()
            .to_lowercase()
            .replace(' ', "-"),
        text,
    })
}
