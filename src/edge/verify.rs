//! Takes one combination of a preset after the other as far as an owner would: rendered, compiled, linted, tested.
//!
//! A project is made in a temporary directory, where nobody's workspace, configuration or lock reaches it. What cargo
//! compiles is kept in one build directory for all of them, so that a dependency is compiled once; what is the project's
//! own goes away with it.

use std::collections::BTreeSet;
use std::env;
use std::fmt;
use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::core::answers::Answers;
use crate::core::names::SAMPLE;
use crate::core::preset::answer::Combination;
use crate::core::preset::{Preset, Server};
use crate::core::problem::told;
use crate::core::record;
use crate::edge::cargo::{self, End, Project};
use crate::edge::project::new;
use crate::edge::watchdog;

/// How long a server has to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How far to take a combination. Each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Its templates render.
    Render,
    /// It compiles, its tests too.
    Check,
    /// It is formatted, and compiler and clippy have no warning.
    Lint,
    /// Its tests pass.
    Test,
}

/// What became of a combination.
#[derive(Debug)]
pub enum Outcome {
    /// It went as far as it was to go.
    Passed,
    /// It did not: why.
    Failed(String),
    /// It was not tried: why.
    Skipped(String),
}

impl Outcome {
    /// The word for it.
    pub fn verb(&self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Failed(_) => "failed",
            Outcome::Skipped(_) => "skipped",
        }
    }

    /// Why it did not pass.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Outcome::Passed => None,
            Outcome::Failed(reason) | Outcome::Skipped(reason) => Some(reason),
        }
    }
}

/// A combination that was tried.
#[derive(Debug)]
pub struct Verified {
    /// Its options.
    pub options: Combination,
    /// How many crates `cargo build` compiles for it; none below [`Level::Check`].
    pub crates: Option<i64>,
    /// How long it took.
    pub time: Duration,
    /// Warnings in the project's own code.
    pub warnings: usize,
    /// What became of it.
    pub outcome: Outcome,
}

/// How combinations are tried.
#[derive(Debug)]
pub struct Verifier<'p> {
    /// The preset.
    pub preset: &'p Preset,
    /// How far each is taken.
    pub level: Level,
    /// Whether a combination whose server does not answer is skipped instead of failed.
    pub skips_unreachable: bool,
    /// Where cargo compiles.
    pub build_dir: PathBuf,
}

impl Verifier<'_> {
    /// Makes the build directory, and checks that there is a cargo to call.
    pub fn prepare(&self) -> Result<()> {
        if self.level == Level::Render {
            return Ok(());
        }
        fs_err::create_dir_all(self.build_dir.join("logs"))?;
        cargo::find()
    }

    /// Tries one combination; `at` hears of each step.
    ///
    /// # Errors
    ///
    /// Whatever would fail for every other one, too: a disk, a signal. What is wrong with this one is its outcome.
    pub fn verify(&self, options: &Combination, at: &dyn Fn(&str)) -> Result<Verified> {
        let started = Instant::now();
        let mut verified = Verified {
            options: options.clone(),
            crates: None,
            time: Duration::ZERO,
            warnings: 0,
            outcome: Outcome::Passed,
        };
        if let Some(reason) = self.missing_server(options) {
            verified.outcome = match self.skips_unreachable {
                true => Outcome::Skipped(reason),
                false => Outcome::Failed(reason),
            };
        } else if let Err(error) = self.take_through(&mut verified, at) {
            let Some(failed) = error.downcast_ref::<Failed>() else {
                return Err(error);
            };
            verified.outcome = Outcome::Failed(failed.0.clone());
        }
        verified.time = started.elapsed();
        Ok(verified)
    }

    /// Why the tests of a project with these options can't run.
    fn missing_server(&self, options: &Combination) -> Option<String> {
        if self.level < Level::Test {
            return None;
        }
        self.preset.servers(options).into_iter().find_map(missing)
    }

    fn take_through(&self, verified: &mut Verified, at: &dyn Fn(&str)) -> Result<()> {
        at("render");
        let answers = Answers::sample(self.preset, &verified.options);
        let tree = watchdog::render(self.preset, &answers);
        let mut tree = tree.map_err(Failed::new)?;
        record::remember(&mut tree, &self.preset.origin, &answers)?;
        if self.level == Level::Render {
            return Ok(());
        }
        let directory = TempDir::new()?;
        new::write(&tree, directory.path())?;
        let servers = self.preset.servers(&verified.options);
        let variables = servers
            .iter()
            .map(|server| (server.variable.clone(), url(server).into()));
        let log = self.log(&verified.options);
        let root = dunce::canonicalize(directory.path())?;
        let project = Project::new(&root, &self.build_dir, log, variables.collect())?;
        let done = self.compile(&project, &root, verified, at);
        // What is left in the build directory costs space, and no combination its result.
        let _ = project.run(&format!("clean --quiet --offline --package {SAMPLE}"));
        done
    }

    fn compile(
        &self,
        project: &Project,
        root: &Path,
        verified: &mut Verified,
        at: &dyn Fn(&str),
    ) -> Result<()> {
        let must = |words: &str| {
            let end = project.run(words)?;
            succeeded(project, words, &end)
        };
        let locked = match self.preset.lock_text() {
            Some(_) => " --locked",
            None => "",
        };
        if self.level >= Level::Lint {
            // First, because it takes no time.
            at("format");
            must("fmt --check")?;
        }
        // One of the two, because clippy finds whatever the compiler would.
        let lint = if self.level < Level::Lint {
            "check"
        } else {
            "clippy"
        };
        at(lint);
        let words = format!("{lint} --all-targets{locked} --message-format=json");
        let end = project.run(&words)?;
        let (warnings, text) = diagnostics(&end.stdout, root);
        verified.warnings = warnings;
        project.note(&text)?;
        succeeded(project, &words, &end)?;
        verified.crates = Some(cargo::count_crates(root)?);
        if self.level >= Level::Lint && warnings > 0 {
            let said = project.said(&end)?;
            return Err(Failed(format!("it has warnings\n{said}")).into());
        }
        if self.level >= Level::Test {
            at("test");
            must(&format!("test --no-fail-fast{locked}"))?;
        }
        Ok(())
    }

    /// What cargo says of a combination is kept here, since somebody will want to read it when it failed.
    fn log(&self, options: &Combination) -> PathBuf {
        let name = options.name().replace(' ', "-");
        self.build_dir.join("logs").join(format!("{name}.log"))
    }
}

fn succeeded(project: &Project, words: &str, end: &End) -> Result<()> {
    if end.is_success {
        return Ok(());
    }
    let said = project.said(end)?;
    Err(Failed(format!("`cargo {words}` failed\n{said}")).into())
}

/// A failure of the combination, and not of the machine.
#[derive(Debug)]
struct Failed(String);

impl Failed {
    fn new(error: anyhow::Error) -> Failed {
        Failed(told(&error))
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failed {}

/// Why a server can't be used, and how to have one.
fn missing(server: &Server) -> Option<String> {
    let Server {
        name,
        variable,
        start,
        ..
    } = server;
    let help = format!("help: start it with `{start}`, or say where it is with `{variable}`");
    let (host, port) = match server.address(&url(server)) {
        Ok(address) => address,
        Err(error) => {
            return Some(format!(
                "`{variable}` doesn't say where {name} is: {error:#}"
            ));
        }
    };
    let addresses = (host.as_str(), port)
        .to_socket_addrs()
        .into_iter()
        .flatten();
    let mut refusal = "it has no address".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(_) => return None,
            Err(error) => refusal = error.to_string(),
        }
    }
    Some(format!(
        "{name} can't be reached at `{host}:{port}`: {refusal}\n{help}"
    ))
}

/// Where a server is.
fn url(server: &Server) -> String {
    env::var(&server.variable).unwrap_or_else(|_| server.default.clone())
}

/// One line of what cargo says to programs; most of them are about other things.
#[derive(Deserialize)]
struct Message {
    target: Option<Target>,
    message: Option<Diagnostic>,
}

#[derive(Deserialize)]
struct Target {
    src_path: PathBuf,
}

#[derive(Deserialize)]
struct Diagnostic {
    level: String,
    rendered: Option<String>,
}

/// What the compiler says of the code at `root`, as people read it: warnings, and everything. What it says twice,
/// because a library is compiled for itself and for its tests, counts once.
fn diagnostics(stdout: &str, root: &Path) -> (usize, String) {
    let (mut seen, mut warnings) = (BTreeSet::new(), 0);
    let mut text = String::new();
    let messages = stdout
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok());
    for message in messages {
        let (Some(target), Some(diagnostic)) = (message.target, message.message) else {
            continue;
        };
        let rendered = diagnostic.rendered.unwrap_or_default();
        if target.src_path.starts_with(root) && seen.insert(rendered.clone()) {
            warnings += usize::from(diagnostic.level == "warning" && !is_a_count(&rendered));
            text.push_str(&rendered);
        }
    }
    (warnings, text)
}

/// Whether a warning only counts those before it.
fn is_a_count(rendered: &str) -> bool {
    rendered.contains(" warnings emitted") || rendered.contains(" warning emitted")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(path: &str, level: &str, rendered: &str) -> String {
        let message = serde_json::json!({
            "reason": "compiler-message",
            "target": { "src_path": path },
            "message": { "level": level, "rendered": rendered },
        });
        format!("{message}\n")
    }

    #[test]
    fn only_warnings_of_the_project_itself_count_and_each_once() {
        let said = [
            message("/tmp/p/src/lib.rs", "warning", "warning: unused\n"),
            message("/tmp/p/src/lib.rs", "warning", "warning: unused\n"),
            message(
                "/tmp/p/src/lib.rs",
                "warning",
                "warning: 1 warning emitted\n",
            ),
            message(
                "/registry/dependency/src/lib.rs",
                "warning",
                "warning: old\n",
            ),
            message("/tmp/p/src/main.rs", "error", "error: missing\n"),
            r#"{"reason":"build-finished","success":false}"#.to_owned(),
            "not JSON".to_owned(),
        ];
        let (warnings, text) = diagnostics(&said.concat(), Path::new("/tmp/p"));
        assert_eq!(warnings, 1);
        assert!(
            text.contains("error: missing") && !text.contains("old"),
            "{text}"
        );
    }
}
