//! What an operator sees of a service that is used while faults come and go around it: a real Prometheus scrapes it, and
//! every query of the dashboard, of the runbook and of the alerts has to show what was done to it.
//!
//! It takes half a minute for each combination. `OPERATOR_SECONDS` makes it longer, and with `OPERATOR_PLOT` what the dashboard shows is drawn
//! into that file.

mod bridge;
mod dashboard;
mod load;
mod plot;
mod proxy;

use std::env;
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use self::bridge::Bridge;
use self::dashboard::panels;
use self::load::Target;
use self::plot::Mark;
use self::proxy::Proxy;
use crate::prometheus::{Prometheus, Series, eventually, now};
use crate::scrape::{alerts, sections};
use crate::servers::Servers;
use crate::service::Service;
use crate::soak::Stop;
use crate::soak::faults::Fault;
use crate::{Check, Subject};

pub const ALL: &[Check] = &[(
    "is_shown_what_happens_by_each_query_there_is",
    is_shown_what_happens_by_each_query_there_is,
)];

/// Each way in which metrics get to Prometheus beside each cache; the first two have all four.
const COMBINATIONS: &[&str] = &[
    "postgres+redis+prometheus",
    "postgres+memory+opentelemetry",
    "postgres+memory+prometheus",
    "postgres+redis+opentelemetry",
];

/// Those that are watched: as many as there have to be, where a covering set is asked for.
pub fn combinations() -> &'static [&'static str] {
    match env::var("COMBINATIONS").as_deref() {
        Ok("pairs") => &COMBINATIONS[..2],
        _ => COMBINATIONS,
    }
}

/// Small limits, so that a few clients reach them.
const VARIABLES: &[(&str, &str)] = &[
    ("HTTP_MAX_IN_FLIGHT", "24"),
    ("HTTP_MAX_CONNECTIONS", "64"),
    ("DATABASE_MAX_CONNECTIONS", "2"),
    ("DATABASE_ACQUIRE_TIMEOUT_MS", "500"),
    ("DATABASE_STATEMENT_TIMEOUT_MS", "1000"),
    ("RUST_LOG", "info,request=off"),
    ("OTEL_METRIC_EXPORT_INTERVAL", "1000"),
    ("OTEL_BSP_SCHEDULE_DELAY", "500"),
    ("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=pod-1"),
];

/// Clients that come all the time, and those that come at once: more than may be in flight.
const CLIENTS: usize = 6;
const CROWD: usize = 32;

/// Connections that are held without a use: as many as there may be.
const HELD: usize = 64;

/// How long each piece of a response takes from a slow database: less than the quarter of the wait for a connection after
/// which one that is tested counts as dead, and so long that those in flight do not get one in time.
const SLOW: Duration = Duration::from_millis(110);

/// The seconds that it takes as it is tested, about.
const SECONDS: f64 = 36.0;

/// The alerts on what is not done here: a runtime that is busy for ten minutes, and a service that nobody has heard of.
/// All others have to notice.
const UNTOUCHED: &[&str] = &["RuntimeSaturated", "TargetMissing", "TelemetryMissing"];

/// Part of a query, and whether a value of it says what was done.
type Sign = (&'static str, fn(&Series, f64) -> bool);

/// What queries with these parts have to show. All others have to show something.
const SIGNS: &[Sign] = &[
    ("1 - sum(increase(", |_, value| value < 1.0),
    ("http_server_failed_requests_total", |_, value| value > 0.0),
    ("http_response_status_code=~\"5..\"", |_, value| value > 0.0),
    ("by (http_response_status_code)", |series, value| {
        series.labels["http_response_status_code"] == "503" && value > 0.0
    }),
    ("error_type!=\"\"", |_, value| value > 0.0),
    ("http_server_in_flight", |_, value| value > 0.8),
    ("http_server_open_connections", |_, value| value > 0.9),
    ("http_server_dismissed_connections_total", |_, value| {
        value > 0.0
    }),
    ("http_server_unreadable_requests_total", |_, value| {
        value > 0.0
    }),
    ("http_server_shed_requests_total", |_, value| value > 0.0),
    ("dependency_retries_total", |_, value| value > 0.0),
    ("dependency_up", |series, value| {
        let dependency = series.labels.get("dependency");
        dependency.is_none_or(|name| name == "database") && value == 0.0
    }),
    ("outcome!=\"ok\"", |_, value| value > 0.0),
    ("by (dependency, outcome)", |series, value| {
        series.labels["outcome"] != "ok" && value > 0.0
    }),
    ("db_client_connection_timeouts_total", |_, value| {
        value > 0.0
    }),
    ("cache_coalesced_requests_total", |_, value| value > 0.0),
    ("dependency_breaker_state", |_, value| value == 2.0),
    ("resets(", |_, value| value >= 2.0),
    ("(up", |_, value| value == 0.0),
    ("telemetry_dropped_total", |_, value| value > 0.0),
];

/// The same where the cache is a server, which can be away.
const SIGNS_OF_CACHE: &[Sign] = &[("by (cache, result)", |series, value| {
    let is_answered = ["hit", "miss", "negative"].contains(&series.labels["result"].as_str());
    !is_answered && value > 0.0
})];

fn is_shown_what_happens_by_each_query_there_is(subject: &Subject) {
    let seconds = env::var("OPERATOR_SECONDS").map_or(SECONDS, |seconds| seconds.parse().unwrap());
    let mut watch = Watch::new(subject, seconds / SECONDS);
    watch.load();
    watch.to = now();

    // All that is wrong, not only the first thing.
    let mut wrong = Vec::new();
    let dashboard = subject
        .project()
        .read("deploy/grafana/dashboards/service.json");
    let panels = panels(&dashboard, &watch.prometheus, watch.from, watch.to);
    assert!(!panels.is_empty());
    for panel in &panels {
        for query in &panel.queries {
            wrong.extend(watch.look(&format!("panel `{}`", panel.title), &query.expression));
        }
    }
    let runbook = subject.project().read("RUNBOOK.md");
    let queries: Vec<_> = sections(&runbook)
        .flat_map(|section| section.queries())
        .collect();
    assert!(!queries.is_empty());
    for query in queries {
        wrong.extend(watch.look("runbook", query));
    }
    wrong.extend(watch.look_at_alerts(subject));
    assert!(
        wrong.is_empty(),
        "{}\n\n{}",
        wrong.join("\n"),
        watch.service.log()
    );

    if let Ok(path) = env::var("OPERATOR_PLOT") {
        let data = |query: &str| watch.range(query).unwrap();
        let svg = plot::draw(&panels, data, watch.from, watch.to, &watch.marks);
        fs::write(path, svg).unwrap();
    }
}

/// A service, what is around it, and the Prometheus that looks.
struct Watch {
    service: Service,
    database: Proxy,
    cache: Option<Proxy>,
    bridge: Option<Bridge>,
    prometheus: Prometheus,
    path: &'static str,
    /// By how much longer everything takes than where it is tested.
    scale: f64,
    from: f64,
    to: f64,
    marks: Vec<Mark>,
}

impl Watch {
    fn new(subject: &Subject, scale: f64) -> Watch {
        let servers = Servers::new(&subject.servers);
        let mut variables: Vec<(&str, String)> = Vec::new();
        variables.extend(
            VARIABLES
                .iter()
                .map(|(name, value)| (*name, (*value).into())),
        );
        let mut by_proxy = |name: &'static str, port| {
            let url = servers.variable(name)?;
            let proxy = Proxy::start(url, port);
            variables.push((name, proxy.url(url)));
            Some(proxy)
        };
        let database = by_proxy("DATABASE_URL", 5432).expect("a server");
        let cache = by_proxy("REDIS_URL", 6379);
        let configuration = subject.project().read("deploy/prometheus/prometheus.yml");
        let is_scraped = configuration.contains("scrape_configs:");
        let bridge = (!is_scraped).then(|| Bridge::start(&configuration));
        let endpoint = bridge.as_ref().map(Bridge::endpoint);
        variables.extend(endpoint.map(|endpoint| ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)));
        let variables = variables
            .iter()
            .map(|(name, value)| (*name, value.as_str()));
        let variables: Vec<_> = variables.collect();
        let service = Service::start(subject.binary(), servers, &variables);

        let directory = subject.project().root().join("deploy/prometheus");
        let configuration = match &bridge {
            None => configuration.replace("app:9090", &service.admin().to_string()),
            // Without what Debian's Prometheus does not know, and what stands for it here.
            Some(bridge) => {
                let sections = configuration.split("\n\n");
                let known = sections.filter(|section| !section.starts_with("otlp:"));
                let scraped = format!(
                    "scrape_configs:\n  - job_name: bridge\n    scrape_interval: 1s\n    \
                     honor_labels: true\n    static_configs:\n      - targets: [\"{}\"]\n",
                    bridge.scraped()
                );
                known
                    .chain([scraped.as_str()])
                    .collect::<Vec<_>>()
                    .join("\n\n")
            }
        };
        let configuration = configuration
            .replace("15s", "1s")
            .replace("alerts.yml", "hasty.yml");
        fs::write(directory.join("operator.yml"), configuration).unwrap();
        let rules = subject.project().read("deploy/prometheus/alerts.yml");
        fs::write(directory.join("hasty.yml"), hasty(&rules)).unwrap();
        let prometheus = Prometheus::start(&directory, "operator.yml");
        let workers = [("query", "tokio_workers")];
        eventually(|| {
            let data = prometheus.try_get("query", &workers)?;
            (!data["result"].as_array()?.is_empty()).then_some(())
        });
        Watch {
            service,
            database,
            cache,
            bridge,
            prometheus,
            path: subject.path,
            scale,
            from: now(),
            to: 0.0,
            marks: Vec::new(),
        }
    }

    /// One fault after the other, while clients come and go.
    fn load(&mut self) {
        let (stop, target) = (AtomicBool::new(false), self.target());
        let (scale, stop) = (self.scale, &stop);
        thread::scope(|scope| {
            let _stop = Stop(stop);
            for number in 0..CLIENTS {
                scope.spawn(move || target.use_it(&format!("client{number}"), stop));
            }
            let pause = |seconds: f64| thread::sleep(Duration::from_secs_f64(seconds * scale));
            pause(4.0);
            self.mark("connections are ended", |watch| {
                Fault::Disconnect.inject(&mut watch.service);
            });
            pause(1.5);
            self.mark(
                "clients hold connections, and say nothing or nonsense",
                |watch| {
                    let hold = |_| TcpStream::connect(watch.service.address());
                    let held: Vec<_> = (0..HELD).map(hold).collect();
                    pause(3.0);
                    for connection in held.into_iter().flatten() {
                        // It may be closed, to make room.
                        let _ = (&connection).write_all(b"no request at all\r\n\r\n");
                    }
                },
            );
            pause(1.0);
            if self.cache.is_some() {
                self.mark("the cache is away", |watch| {
                    let cache = watch.cache.as_ref().unwrap();
                    cache.cut();
                    pause(3.0);
                    cache.mend();
                });
                pause(2.0);
            }
            if self.bridge.is_some() {
                self.mark("the collector refuses spans", |watch| {
                    let bridge = watch.bridge.as_ref().unwrap();
                    bridge.refuse_spans(true);
                    pause(1.5);
                    bridge.refuse_spans(false);
                });
                pause(1.0);
            }
            self.mark("the process is killed", Watch::kill);
            pause(2.0);
            self.mark("the database is slow, many clients come", |watch| {
                watch.database.delay(SLOW);
                watch.crowd(|| pause(5.0));
                watch.database.delay(Duration::ZERO);
            });
            pause(1.0);
            self.mark("the process is killed", Watch::kill);
            pause(1.0);
            self.mark("the database is away, many clients come", |watch| {
                watch.database.cut();
                watch.crowd(|| pause(4.5));
                watch.database.mend();
            });
            pause(3.0);
        });
    }

    /// Remembers when something went on.
    fn mark(&mut self, name: &'static str, fault: impl FnOnce(&mut Watch)) {
        let from = now();
        fault(self);
        let to = now();
        self.marks.push(Mark { name, from, to });
    }

    /// Kills the process, and starts it again after it was missed.
    fn kill(&mut self) {
        self.service.kill();
        thread::sleep(Duration::from_secs(2));
        self.service.restart();
    }

    /// Has many clients come meanwhile.
    fn crowd(&self, meanwhile: impl Fn()) {
        let (stop, target, since) = (AtomicBool::new(false), self.target(), now());
        let stop = &stop;
        thread::scope(|scope| {
            let _stop = Stop(stop);
            for number in 0..CROWD {
                scope.spawn(move || target.crowd(&format!("crowd{number}-{since}"), stop));
            }
            meanwhile();
        });
    }

    fn target(&self) -> Target {
        Target {
            address: self.service.address(),
            path: self.path,
        }
    }

    fn range(&self, query: &str) -> Result<Vec<Series>, String> {
        self.prometheus.range(query, self.from, self.to)
    }

    /// What is wrong with a query, if anything is.
    fn look(&self, whose: &str, query: &str) -> Option<String> {
        let series = match self.range(query) {
            Ok(series) => series,
            Err(error) => return Some(format!("{whose}: `{query}` fails: {error}")),
        };
        let shows = |sign: fn(&Series, f64) -> bool| {
            let values =
                |series: &Series| series.values.iter().any(|(_, value)| sign(series, *value));
            series.iter().any(values)
        };
        if !shows(|_, _| true) {
            return Some(format!("{whose}: `{query}` gives nothing"));
        }
        let of_cache = self.cache.as_ref().map_or(&[][..], |_| SIGNS_OF_CACHE);
        let mut signs = SIGNS.iter().chain(of_cache);
        // The first one is the most special.
        let (part, sign) = signs.find(|(part, _)| query.contains(part))?;
        (!shows(*sign)).then(|| format!("{whose}: `{query}` does not show what was done ({part})"))
    }

    /// What is wrong with the alerts: those that fail, and those that did not notice.
    fn look_at_alerts(&self, subject: &Subject) -> Vec<String> {
        let data = self.prometheus.try_get("rules", &[]).unwrap();
        let groups = data["groups"].as_array().unwrap().iter();
        let rules: Vec<&Value> = groups
            .flat_map(|group| group["rules"].as_array().unwrap())
            .collect();
        let is_ill = |rule: &&&Value| rule["health"] != "ok";
        let ill = rules.iter().filter(is_ill).map(|rule| rule.to_string());
        let mut wrong: Vec<String> = ill.collect();
        let rules = subject.project().read("deploy/prometheus/alerts.yml");
        for alert in alerts(&rules) {
            let name = alert.name;
            let states = self.range(&format!("ALERTS{{alertname=\"{name}\"}}"));
            if !UNTOUCHED.contains(&name) && states.unwrap().is_empty() {
                wrong.push(format!("`{name}` did not notice"));
            }
        }
        wrong
    }
}

/// The same rules, which wait for a second where they would wait for minutes.
fn hasty(rules: &str) -> String {
    let hasty = |line: &str| match line.trim_start().strip_prefix("for: ") {
        Some(_) => "        for: 1s".to_owned(),
        None => line.to_owned(),
    };
    let lines: Vec<_> = rules.lines().map(hasty).collect();
    lines.join("\n") + "\n"
}
