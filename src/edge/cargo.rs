//! Runs cargo for the maintainer of a preset: on stubs, which are manifests without code and all that resolving and
//! pricing dependencies need, and on finished projects.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Error, Result, bail};
use tempfile::TempDir;
use toml_edit::DocumentMut;

use crate::core::problem::{OrProblem, Problem};
use crate::edge::process::{Failure, Process};

/// The parts of a manifest that name a project's own files, which a stub does not have.
const TARGETS: &[&str] = &["lib", "bin", "test", "bench", "example"];

/// How often a build is timed.
const BUILDS: usize = 2;

/// How many lines of what cargo said are shown where it failed: of each binary whose tests did.
const SHOWN_LINES: usize = 60;

/// A project that has dependencies and no code.
pub struct Stub {
    directory: TempDir,
}

impl Stub {
    /// Lays a stub with the dependencies of a manifest.
    pub fn new(manifest: &str) -> Result<Stub> {
        let mut manifest: DocumentMut = manifest
            .parse()
            .context("the preset's `Cargo.toml` is not valid TOML")?;
        for target in TARGETS {
            manifest.remove(target);
        }
        if let Some(package) = manifest
            .get_mut("package")
            .and_then(|item| item.as_table_like_mut())
        {
            package.remove("default-run");
            package.remove("build");
        }
        let stub = Stub {
            directory: TempDir::new()?,
        };
        let root = stub.directory.path();
        fs_err::create_dir(root.join("src"))?;
        fs_err::write(root.join("src/main.rs"), "fn main() {}\n")?;
        if manifest.contains_key("build-dependencies") {
            fs_err::write(root.join("build.rs"), "fn main() {}\n")?;
        }
        fs_err::write(root.join("Cargo.toml"), manifest.to_string())?;
        Ok(stub)
    }

    /// Resolves every dependency anew.
    pub fn resolve(&self) -> Result<String> {
        run(cargo(self.directory.path(), &["generate-lockfile"]))?;
        self.read_lock()
    }

    /// Resolves what `lock` leaves open, and moves nothing that it pins.
    pub fn resolve_from(&self, lock: &str) -> Result<String> {
        self.write_lock(lock)?;
        run(cargo(self.directory.path(), &["update", "--workspace"]))?;
        self.read_lock()
    }

    /// Leaves of `superset` what this project needs. Asks no registry.
    pub fn prune(&self, superset: &str) -> Result<String> {
        self.write_lock(superset)?;
        run(cargo(
            self.directory.path(),
            &["update", "--workspace", "--offline"],
        ))?;
        self.read_lock()
    }

    /// The number of crates that `cargo build` compiles under this lock.
    pub fn count_crates(&self, lock: &str) -> Result<i64> {
        self.write_lock(lock)?;
        count_crates(self.directory.path())
    }

    /// The CPU seconds of a `cargo build` under this lock that finds nothing compiled: the fewest of some, since
    /// whatever else the machine does can only add to them.
    pub fn build_cold(&self, lock: &str) -> Result<f64> {
        self.write_lock(lock)?;
        run(cargo(self.directory.path(), &["fetch", "--locked"]))?;
        let builds = (0..BUILDS)
            .map(|_| self.time_build())
            .collect::<Result<Vec<f64>>>()?;
        Ok(builds.into_iter().fold(f64::INFINITY, f64::min))
    }

    fn time_build(&self) -> Result<f64> {
        let target = TempDir::new()?;
        let mut shell = Command::new("sh");
        // What a shell says of its children is all that cargo started, and needs neither a clock nor unsafe code.
        shell.args(["-c", "cargo build --quiet --locked --offline && times"]);
        shell
            .current_dir(self.directory.path())
            .env("CARGO_TARGET_DIR", target.path())
            .env_remove("RUSTC_WRAPPER");
        let times = run(shell)?;
        let children = times.lines().last().unwrap_or_default();
        let seconds: Option<Vec<f64>> = children.split(' ').map(parse_duration).collect();
        Ok(seconds
            .with_context(|| format!("`sh` answered `{children}`, which is no time"))?
            .iter()
            .sum())
    }

    fn write_lock(&self, lock: &str) -> Result<()> {
        Ok(fs_err::write(
            self.directory.path().join("Cargo.lock"),
            lock,
        )?)
    }

    fn read_lock(&self) -> Result<String> {
        Ok(fs_err::read_to_string(
            self.directory.path().join("Cargo.lock"),
        )?)
    }
}

/// The number of crates that `cargo build` compiles for the project at `root`, itself left out.
pub fn count_crates(root: &Path) -> Result<i64> {
    let arguments = [
        "tree",
        "--locked",
        "--edges",
        "normal,build",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ];
    let tree = run(cargo(root, &arguments))?;
    // A line is `NAME vVERSION`, with a note after it for a macro and for a crate that stood before.
    let crates: BTreeSet<_> = tree
        .lines()
        .skip(1)
        .map(|line| line.split(' ').take(2).collect::<Vec<_>>())
        .collect();
    Ok(i64::try_from(crates.len())?)
}

/// A finished project that is compiled, linted and tested; what cargo says goes into a log.
#[derive(Debug)]
pub struct Project {
    root: PathBuf,
    log: PathBuf,
    variables: Vec<(String, OsString)>,
}

/// How a command ended.
#[derive(Debug)]
pub struct End {
    /// Whether it did what it was to do.
    pub is_success: bool,
    /// What it printed for programs.
    pub stdout: String,
    /// Where it begins in the log.
    from: usize,
}

impl Project {
    /// The project at `root`, compiled in `target` as where nobody debugs: a log of its own, and `variables` for its
    /// tests.
    pub fn new(
        root: &Path,
        target: &Path,
        log: PathBuf,
        variables: Vec<(String, OsString)>,
    ) -> Result<Project> {
        fs_err::write(&log, "")?;
        let settings = [
            ("CARGO_TARGET_DIR", target.as_os_str()),
            ("CARGO_INCREMENTAL", "0".as_ref()),
            ("CARGO_PROFILE_DEV_DEBUG", "0".as_ref()),
            ("CARGO_TERM_COLOR", "never".as_ref()),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ok(Project {
            root: root.to_owned(),
            log,
            variables: settings.into_iter().chain(variables).collect(),
        })
    }

    /// Runs cargo with these words to its end, or until a signal comes.
    pub fn run(&self, words: &str) -> Result<End> {
        let mut log = File::options().append(true).open(&self.log)?;
        writeln!(log, "$ cargo {words}")?;
        let from = usize::try_from(log.metadata()?.len())?;
        let mut stdout = tempfile::tempfile()?;
        let words: Vec<_> = words.split(' ').collect();
        let mut command = cargo(&self.root, &words);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let printed = match is_for_programs(&words) {
            true => stdout.try_clone()?,
            false => log.try_clone()?,
        };
        let ended = Process::new(command).stdout(printed).stderr(log).run();
        let ended = ended.map_err(|failure| explain("cargo", failure))?;
        stdout.rewind()?;
        Ok(End {
            is_success: ended.status.success(),
            stdout: std::io::read_to_string(stdout)?,
            from,
        })
    }

    /// Adds to the log what a program printed for programs, made readable.
    pub fn note(&self, text: &str) -> Result<()> {
        Ok(File::options()
            .append(true)
            .open(&self.log)?
            .write_all(text.as_bytes())?)
    }

    /// What a command said of its failure, and where all of it is.
    pub fn said(&self, end: &End) -> Result<String> {
        let log = fs_err::read(&self.log)?;
        let said = String::from_utf8_lossy(log.get(end.from..).unwrap_or_default()).into_owned();
        let log = self.log.display();
        Ok(format!("{}\nhelp: all of it is in `{log}`", excerpt(&said)))
    }
}

/// What cargo said of tests that failed; the last that it said where there are none.
fn excerpt(said: &str) -> String {
    let lines: Vec<&str> = said.trim_end().lines().collect();
    let mut shown = Vec::new();
    let mut rest = &lines[..];
    while let Some(end) = rest
        .iter()
        .position(|line| line.starts_with("test result: FAILED"))
    {
        let (binary, after) = rest.split_at(end + 1);
        // The panics come first, then the names alone, below the same word.
        let begin = binary.iter().position(|line| *line == "failures:");
        shown.extend(first_lines(&binary[begin.unwrap_or(end)..]));
        rest = after;
    }
    if shown.is_empty() {
        shown.extend(last_lines(&lines));
    }
    shown.join("\n")
}

fn first_lines<'a>(lines: &[&'a str]) -> Vec<Cow<'a, str>> {
    let shown = &lines[..lines.len().min(SHOWN_LINES)];
    let mut shown: Vec<Cow<'a, str>> = shown.iter().map(|line| Cow::from(*line)).collect();
    if let left_out @ 1.. = lines.len() - shown.len() {
        shown.push(format!("[{left_out} lines after]").into());
    }
    shown
}

fn last_lines<'a>(lines: &[&'a str]) -> Vec<Cow<'a, str>> {
    let left_out = lines.len().saturating_sub(SHOWN_LINES);
    let note = (left_out > 0).then(|| format!("[{left_out} lines before]").into());
    let last = lines[left_out..].iter().map(|line| Cow::from(*line));
    note.into_iter().chain(last).collect()
}

fn is_for_programs(words: &[&str]) -> bool {
    words.contains(&"--message-format=json")
}

/// Builds the finished project at `root` for release and answers the size of its binary `name`.
pub fn release_bytes(root: &Path, name: &str, target: &Path) -> Result<i64> {
    let mut build = cargo(root, &["build", "--quiet", "--release", "--locked"]);
    build.env("CARGO_TARGET_DIR", target);
    run(build)?;
    let binary = target
        .join("release")
        .join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    Ok(i64::try_from(fs_err::metadata(binary)?.len())?)
}

fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.args(arguments).current_dir(root);
    cargo
}

/// Runs a command to its end, and answers what it prints.
fn run(command: Command) -> Result<String> {
    let name = command.get_program().display().to_string();
    let words = command.get_args().map(|word| word.to_string_lossy());
    let words: Vec<_> = [name.as_str().into()].into_iter().chain(words).collect();
    let words = words.join(" ");
    let ended = Process::new(command).run();
    let ended = ended.map_err(|failure| explain(&name, failure))?;
    if !ended.status.success() {
        let said = String::from_utf8_lossy(&ended.stderr);
        bail!("`{words}` failed\n{}", said.trim_end());
    }
    String::from_utf8(ended.stdout).with_context(|| format!("what `{name}` printed is not text"))
}

/// Why there is no end of a program to tell of.
fn explain(name: &str, failure: Failure) -> Error {
    match failure {
        Failure::Stopped(error) => error,
        failure => Error::from(failure).context(format!("`{name}` can't be run")),
    }
}

/// Checks that there is a cargo to call.
pub fn find() -> Result<()> {
    let mut command = Command::new("cargo");
    command.arg("--version");
    let found = run(command).map(drop);
    Ok(found.or_problem(|| {
        Problem::new("`cargo` can't be started").help("it comes with Rust, from https://rustup.rs")
    })?)
}

/// The seconds of a time as POSIX has shells print it: `1m2.34s`.
fn parse_duration(text: &str) -> Option<f64> {
    let (minutes, seconds) = text.strip_suffix('s')?.split_once('m')?;
    Some(60.0 * minutes.parse::<f64>().ok()? + seconds.parse::<f64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_test_is_shown_whatever_comes_after_it() {
        let passed = "test good ... ok\n".repeat(100);
        let failed = "failures:\n\n---- bad stdout ----\nat src/lib.rs\n\nfailures:\n    bad\n";
        let result = "test result: FAILED. 100 passed; 1 failed";
        let said = format!("{passed}{failed}{result}\n{passed}test result: ok\nerror: 1 target");
        assert_eq!(excerpt(&said), format!("{failed}{result}"));
    }

    #[test]
    fn where_no_test_failed_the_last_lines_are_shown() {
        let said = format!("{}error: it does not compile\n", "Compiling\n".repeat(70));
        let excerpt = excerpt(&said);
        assert!(excerpt.starts_with("[11 lines before]\nCompiling\n"));
        assert!(excerpt.ends_with("\nerror: it does not compile"));
    }

    #[test]
    fn a_time_is_read_as_shells_print_it() {
        assert_eq!(parse_duration("1m2.34s"), Some(62.34));
        assert_eq!(parse_duration("0m0.000000s"), Some(0.0));
        assert_eq!(parse_duration("1:02"), None);
    }
}
