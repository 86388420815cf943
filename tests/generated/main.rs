//! Generated projects, used as their owners use them: built locked, linted, tested by their own tests, started and
//! talked to over HTTP. A test here is a promise and the combination of options that keeps it:
//! `cargo test --test generated -- sqlite+memory+prometheus`, `cargo test --test generated -- half_a_body`.
//!
//! What needs a server, such as a database or a Prometheus, is ignored unless asked for: `-- --ignored`. Where `scaffold
//! verify` has had cargo build, lint and test the combinations, `COMBINATIONS=pairs` or `COMBINATIONS=all` says which of
//! them are only used, then with the servers that they need.
//!
//! Dependencies are compiled once for all projects, under `target/tmp/generated` or `$GENERATED_TARGET_DIR`.

mod checks;
mod limits;
mod lock;
mod operator;
mod pooler;
mod project;
mod prometheus;
mod promises;
mod readme;
mod scrape;
mod servers;
mod service;
mod soak;
mod volume;

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Trial};
use scaffold::core::author::combinations;
use scaffold::core::preset::answer::Combination;
use scaffold::core::preset::choice::Choice;
use scaffold::core::preset::{Preset, Server};
use scaffold::edge::presets;

use crate::project::Project;
use crate::servers::Servers;
use crate::service::Service;

fn main() {
    let mut arguments = Arguments::from_args();
    // Cargo builds one project at a time anyway, and a service whose times are looked at needs a core for itself.
    arguments.test_threads = Some(1);
    libtest_mimic::run(&arguments, trials()).exit();
}

fn trials() -> Vec<Trial> {
    let preset = presets::load(presets::DEFAULT).unwrap();
    let lock = || {
        lock::making_the_table_anew_changes_nothing();
        Ok(())
    };
    let mut trials = vec![Trial::test(
        "preset::making_its_lock_table_anew_changes_nothing",
        lock,
    )];
    let verified = verified(&preset.choices);
    let defaults = preset.choices.iter();
    let defaults = defaults.map(|choice| (choice.name.clone(), choice.default.clone()));
    let default: Combination = defaults.collect();
    for options in combinations::all(&preset.choices) {
        let name = options.name();
        let subject = Subject::of(&preset, &options);
        let promises = [promises::of(&options), limits::of(&options)].concat();
        match &verified {
            Some(verified) if !verified.contains(&options) => {}
            Some(_) => trials.extend(subject.trials(&name, &[&promises])),
            None if options == default => {
                trials.extend(subject.trials(&name, &[checks::ALL, &promises]));
            }
            None => trials.extend(ignored(subject.trials(&name, &[&promises]))),
        }
    }
    let combinations = combinations::all(&preset.choices);
    // What both use is built once.
    let mut subjects: BTreeMap<&str, Arc<Subject>> = BTreeMap::new();
    for (prefix, names, checks) in [
        ("soak", soak::COMBINATIONS, soak::ALL),
        ("operator", operator::combinations(), operator::ALL),
    ] {
        for name in names {
            let subject = subjects.entry(name).or_insert_with(|| {
                let options = combinations.iter().find(|options| options.name() == *name);
                let options = options.unwrap_or_else(|| panic!("there is no combination `{name}`"));
                Subject::of(&preset, options)
            });
            let subject = Arc::clone(subject);
            trials.extend(ignored(
                subject.trials(&format!("{prefix}::{name}"), &[checks]),
            ));
        }
    }
    drop(subjects);
    let scraped = [scrape::ALL, scrape::RULES].concat();
    for (observability, cache, checks) in [
        ("prometheus", "memory", &scraped[..]),
        ("prometheus", "redis", scrape::RULES),
        ("prometheus", "none", scrape::RULES),
        ("opentelemetry", "none", scrape::RULES),
    ] {
        let flags = vec![
            format!("--observability={observability}"),
            format!("--cache={cache}"),
        ];
        let subject = Subject::new("accounts-api", flags, Vec::new(), "/v1/accounts");
        let prefix = format!("{observability}+{cache}");
        trials.extend(ignored(subject.trials(&prefix, &[checks])));
    }
    for (name, flags, path, checks) in AWKWARD {
        let flags = flags.iter().map(|flag| flag.to_string()).collect();
        let subject = Subject::new(name, flags, Vec::new(), path);
        let named = subject.trials(name, &[checks, promises::NAMED]);
        trials.extend(ignored(named));
    }
    trials.extend(
        Subject::new("accounts-api", Vec::new(), Vec::new(), "/v1/accounts")
            .trials("readme", &[readme::ALL]),
    );
    trials
}

/// The combinations that are verified elsewhere, if any are.
fn verified(choices: &[Choice]) -> Option<Vec<Combination>> {
    match env::var("COMBINATIONS").ok()?.as_str() {
        "pairs" => Some(combinations::pairs(choices)),
        "all" => Some(combinations::all(choices)),
        other => panic!("`COMBINATIONS` is `{other}`, and can be `pairs` or `all`"),
    }
}

fn ignored(trials: Vec<Trial>) -> impl Iterator<Item = Trial> {
    trials
        .into_iter()
        .map(|trial| trial.with_ignored_flag(true))
}

/// Names that a template could stumble over, the path that their service serves, and what is checked of them beside what
/// is served: of words that are the same for one and for many what a compiler sees, of long names their own tests, too.
const AWKWARD: &[(&str, &[&str], &str, &[Check])] = &[
    (
        "payment-methods-svc",
        &[],
        "/v1/payment-methods",
        checks::ALL,
    ),
    ("news-api", &[], "/v1/news", checks::LINTS),
    ("people", &[], "/v1/people", checks::LINTS),
    (
        "q",
        &["--resource=customer-notification-preference-change-requests"],
        "/v1/customer-notification-preference-change-requests",
        checks::ALL,
    ),
];

/// What one test does with a project.
type Check = (&'static str, fn(&Subject));

/// A project under test. It is made when the first of its tests asks for it, and goes away with the last.
pub struct Subject {
    name: &'static str,
    flags: Vec<String>,
    servers: Vec<Server>,
    /// Where its resource is served.
    pub path: &'static str,
    project: OnceLock<Project>,
    binary: OnceLock<Result<PathBuf, String>>,
}

impl Subject {
    fn new(
        name: &'static str,
        flags: Vec<String>,
        servers: Vec<Server>,
        path: &'static str,
    ) -> Arc<Subject> {
        Arc::new(Subject {
            name,
            flags,
            servers,
            path,
            project: OnceLock::new(),
            binary: OnceLock::new(),
        })
    }

    /// The service of a combination.
    fn of(preset: &Preset, options: &Combination) -> Arc<Subject> {
        let servers = preset.servers(options).into_iter().cloned().collect();
        let flags = options
            .iter()
            .map(|(choice, answer)| format!("--{choice}={answer}"))
            .collect();
        Subject::new("accounts-api", flags, servers, "/v1/accounts")
    }

    /// The options that it was asked for.
    pub fn options(&self) -> Vec<&str> {
        let options = self.flags.iter().filter_map(|flag| flag.split_once('='));
        options.map(|(_, option)| option).collect()
    }

    fn trials(self: Arc<Self>, prefix: &str, checks: &[&[Check]]) -> Vec<Trial> {
        let trial = |(name, check): &Check| {
            let (subject, check) = (Arc::clone(&self), *check);
            Trial::test(format!("{prefix}::{name}"), move || {
                check(&subject);
                Ok(())
            })
        };
        checks.iter().copied().flatten().map(trial).collect()
    }

    /// The project as it was generated.
    pub fn project(&self) -> &Project {
        self.project
            .get_or_init(|| Project::new(self.name, &self.flags))
    }

    /// The service, built once: where that fails, it fails for each test with the same words.
    pub fn binary(&self) -> &Path {
        match self.binary.get_or_init(|| self.project().build()) {
            Ok(binary) => binary,
            Err(said) => panic!("{said}"),
        }
    }

    /// Starts the service with these variables.
    pub fn start(&self, variables: &[(&str, &str)]) -> Service {
        Service::start(self.binary(), Servers::new(&self.servers), variables)
    }
}
