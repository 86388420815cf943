//! Rounds of measurements. In each of them every subject answers every question once, so that whatever else the machine
//! does in that time comes to all of them; the order turns from round to round. Each time a service is started anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::builds::Built;
use crate::collector::Collector;
use crate::load::Load;
use crate::process::{Memory, Process, get, output};
use crate::servers::{self, Database, Kind};
use crate::subjects::{Question, Source, Subject};

/// How often a service is started in a round. It serves the last time.
const STARTS: usize = 3;

/// How long each question is asked before it counts: connections are made, caches are filled.
const WARM_UP_SECONDS: u32 = 1;

/// What came of one question in one round.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    pub requests_per_second: f64,
    /// In milliseconds.
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
    /// CPU time of the service, in seconds for 100,000 requests.
    pub cpu: f64,
}

/// What came of a subject in all rounds.
pub struct Outcome {
    pub name: String,
    pub database: Kind,
    pub bytes: u64,
    /// One of each round.
    pub answers: BTreeMap<Question, Vec<Answer>>,
    /// In milliseconds, from spawning it to the first 200.
    pub starts: Vec<f64>,
    /// After all questions of a round.
    pub memory: Vec<Memory>,
}

/// A subject with what it uses.
pub struct Stage<'a> {
    pub subject: &'a Subject,
    pub program: &'a Path,
    variables: Vec<(&'static str, String)>,
    pub database: Database,
    directory: PathBuf,
}

impl<'a> Stage<'a> {
    /// A database of its own, with the tables and the accounts in it.
    pub fn set(
        built: &'a Built,
        number: usize,
        schema: &str,
        collector: &Collector,
        directory: &Path,
    ) -> Result<Stage<'a>> {
        let subject = &built.subject;
        let directory = directory.join(&subject.name);
        fs::create_dir(&directory)?;
        let database = Database::create(subject.database(), number, &directory)?;
        let mut variables = vec![("DATABASE_URL", database.url.clone())];
        if subject.sends() {
            variables.push(("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint()));
        }
        if let Source::Generated { cache, .. } = subject.source {
            if cache == "redis" {
                variables.push(("REDIS_URL", servers::redis()?));
                variables.push(("CACHE_PREFIX", database.name.clone()));
            }
            let mut migrate = Command::new(&built.program);
            migrate
                .arg("migrate")
                .env_clear()
                .envs(variables.clone())
                .current_dir(&directory);
            output(&mut migrate)?;
        } else {
            database.execute(schema)?;
        }
        database.fill()?;
        Ok(Stage {
            subject,
            program: &built.program,
            variables,
            database,
            directory,
        })
    }

    /// Starts the service.
    pub fn start(&self) -> Result<Process> {
        self.start_with(Command::new(self.program))
    }

    /// Starts the service by a command that runs its program.
    pub fn start_with(&self, command: Command) -> Result<Process> {
        Process::start(command, &self.variables, &self.directory)
    }

    /// The path that asks for the first account.
    pub fn path(&self, question: Question) -> String {
        self.subject.path(question, &servers::ids()[0])
    }

    fn paths(&self, question: Question) -> Vec<String> {
        let ids = servers::ids();
        ids.iter()
            .map(|id| self.subject.path(question, id))
            .collect()
    }
}

/// Measures all of them, `rounds` times.
pub fn run(built: &[Built], schema: &str, rounds: usize, seconds: u32) -> Result<Vec<Outcome>> {
    let directory = tempfile::tempdir()?;
    let collector = Collector::start()?;
    let mut stages = Vec::new();
    let mut outcomes = Vec::new();
    for (number, built) in built.iter().enumerate() {
        let name = &built.subject.name;
        let stage = Stage::set(built, number, schema, &collector, directory.path());
        stages.push(stage.with_context(|| format!("`{name}` cannot be prepared"))?);
        outcomes.push(Outcome::new(built));
    }
    for round in 0..rounds {
        for index in order(stages.len(), round) {
            let (stage, outcome) = (&stages[index], &mut outcomes[index]);
            let name = &stage.subject.name;
            eprintln!("round {} of {rounds}: {name}", round + 1);
            turn(stage, outcome, &collector, seconds)
                .with_context(|| format!("`{name}` was not measured"))?;
        }
    }
    Ok(outcomes)
}

/// The order of a round: another subject begins each time, and every other round goes backwards.
fn order(count: usize, round: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.rotate_left(round % count.max(1));
    if round % 2 == 1 {
        order.reverse();
    }
    order
}

/// One subject answers all its questions.
fn turn(stage: &Stage, outcome: &mut Outcome, collector: &Collector, seconds: u32) -> Result<()> {
    stage.database.has_room()?;
    let mut process = stage.start()?;
    outcome.starts.push(milliseconds(&process));
    for _ in 1..STARTS {
        drop(process);
        process = stage.start()?;
        outcome.starts.push(milliseconds(&process));
    }
    let exports = collector.exports();
    for &question in stage.subject.questions() {
        let answer = ask(stage, &process, question, seconds);
        let answer = answer.with_context(|| format!("{question}{}", process.last_words()))?;
        outcome.answers.entry(question).or_default().push(answer);
    }
    ensure!(
        !stage.subject.sends() || collector.exports() > exports,
        "it sent nothing to the collector"
    );
    outcome.memory.push(process.memory()?);
    Ok(())
}

fn milliseconds(process: &Process) -> f64 {
    process.start.as_secs_f64() * 1e3
}

/// Asks one question for as long.
fn ask(stage: &Stage, process: &Process, question: Question, seconds: u32) -> Result<Answer> {
    let paths = stage.paths(question);
    // All are in the cache after this, where there is one.
    check(process, question, &paths)?;
    Load::run(process.address, &paths, WARM_UP_SECONDS)?;
    let before = process.cpu()?;
    let load = Load::run(process.address, &paths, seconds)?;
    let cpu = process.cpu()? - before;
    if question == Question::Cached {
        // A cache that is not there costs no more than time, so it has to show what is no longer in the database.
        stage
            .database
            .execute("UPDATE accounts SET version = version + 1")?;
        check(process, question, &paths).context("it was not cached")?;
        stage
            .database
            .execute("UPDATE accounts SET version = version - 1")?;
    }
    Ok(Answer {
        requests_per_second: load.requests_per_second(),
        p50: load.p50(),
        p99: load.p99(),
        p999: load.p999(),
        cpu: cpu.as_secs_f64() / load.requests as f64 * 1e5,
    })
}

/// Makes sure that it serves what every other one serves.
fn check(process: &Process, question: Question, paths: &[String]) -> Result<()> {
    for (path, account) in paths.iter().zip(servers::accounts()) {
        let (status, body) = get(process.address, path)?;
        ensure!(status == 200, "`{path}` was answered with {status}: {body}");
        if question != Question::Health {
            let shown: Value = serde_json::from_str(&body)?;
            ensure!(shown == account, "`{path}` is {shown}, not {account}");
        }
    }
    Ok(())
}

impl Outcome {
    fn new(built: &Built) -> Outcome {
        Outcome {
            name: built.subject.name.clone(),
            database: built.subject.database(),
            bytes: built.bytes,
            answers: BTreeMap::new(),
            starts: Vec::new(),
            memory: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_round_has_every_subject_once_and_another_one_first() {
        let rounds: Vec<_> = (0..4).map(|round| order(3, round)).collect();
        assert_eq!(rounds, [[0, 1, 2], [0, 2, 1], [2, 0, 1], [2, 1, 0]]);
        assert!(order(0, 1).is_empty());
    }
}
