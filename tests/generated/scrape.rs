//! A real Prometheus understands what a service shows of itself.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::project::{Running, run};
use crate::service::free_address;
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
        "every_alert_leads_to_a_section_of_the_runbook",
        every_alert_leads_to_a_section_of_the_runbook,
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
    let address = free_address();
    let prometheus = Command::new("prometheus")
        .current_dir(&directory)
        .arg("--config.file=here.yml")
        .arg(format!("--web.listen-address={address}"))
        .arg(format!(
            "--storage.tsdb.path={}",
            directory.join("data").display()
        ))
        .stderr(Stdio::null())
        .spawn();
    let _prometheus = Running(prometheus.expect("the Debian package `prometheus` brings it"));

    let ask = |path: &str, query: &str| -> Option<Value> {
        let url = format!("http://{address}/api/v1/{path}");
        let mut answer = ureq::get(url).query("query", query).call().ok()?;
        serde_json::from_str(&answer.body_mut().read_to_string().ok()?).ok()
    };
    let value = |query: &str| {
        let answer = ask("query", query)?;
        answer["data"]["result"][0]["value"][1]
            .as_str()
            .map(str::to_owned)
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
        let rules = ask("rules", "")?;
        let groups = rules["data"]["groups"].as_array()?.iter();
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

fn every_alert_leads_to_a_section_of_the_runbook(subject: &Subject) {
    let project = subject.project();
    let runbook = project.read("RUNBOOK.md");
    let headings = runbook.lines().filter_map(|line| line.strip_prefix("## "));
    let sections: Vec<_> = headings
        .map(|heading| heading.to_lowercase().replace(' ', "-"))
        .collect();
    let rules = project.read("deploy/prometheus/alerts.yml");
    let (_, alerts) = rules.split_once("- alert: ").expect("there are some");
    for alert in alerts.split("- alert: ") {
        let url = alert
            .lines()
            .find_map(|line| line.trim().strip_prefix("runbook_url: "));
        let (page, section) = url
            .unwrap_or_else(|| panic!("{alert}"))
            .split_once('#')
            .unwrap();
        assert!(
            page.starts_with("https://") && page.ends_with("/RUNBOOK.md"),
            "{page}"
        );
        assert!(
            sections.iter().any(|its| its == section),
            "`{section}` in {sections:?}"
        );
    }
}

fn eventually<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "it has not come about");
        thread::sleep(Duration::from_millis(200));
    }
}
