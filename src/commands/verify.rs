//! `scaffold verify`: takes combinations of a preset through cargo, and says what became of each.

use std::env;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use etcetera::BaseStrategy;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::cli::{Selection, Verify};
use crate::core::answers::Answers;
use crate::core::author::combinations;
use crate::core::harmless::harmless;
use crate::core::preset::Preset;
use crate::core::preset::answer::Combination;
use crate::core::problem::{OrProblem, Problem, list};
use crate::edge::interrupt;
use crate::edge::report::Format;
use crate::edge::report::{options_json, print, print_json, say};
use crate::edge::verify::{Outcome, Verified, Verifier};

/// Combinations that are taken one after the other: each of them is seconds of cargo's at the least.
const MAX_COMBINATIONS: usize = 4_096;

/// Verifies what was asked for.
pub fn run(args: &Verify, preset: &Preset) -> Result<()> {
    interrupt::watch()?;
    let selected = selected(args, preset)?;
    let verifier = Verifier {
        preset,
        level: args.level,
        skips_unreachable: args.skip_unreachable,
        build_dir: build_dir(args.build_dir.as_deref())?,
    };
    let results = Results::of(&verifier, &selected)?;
    match args.format {
        Format::Human => results.print_table()?,
        Format::Json => {
            let mut json = results.json(preset);
            json["preset"] = json!(args.preset);
            json["level"] = json!(args.level);
            print_json(&json)?;
        }
    }
    results.sum_up();
    match results.failed() {
        Some(failed) => bail!(failed),
        None => Ok(()),
    }
}

/// What became of combinations that were taken one after the other.
pub(super) struct Results {
    verified: Vec<Verified>,
    time: Duration,
}

impl Results {
    /// Takes these combinations, and tells of each as it is done.
    pub(super) fn of(verifier: &Verifier, selected: &[Combination]) -> Result<Results> {
        let started = Instant::now();
        verifier.prepare()?;
        let progress = Progress::start(selected.len());
        let mut verified = Vec::new();
        for options in selected {
            let name = options.name();
            verified.push(verifier.verify(options, &|step| progress.at(&name, step))?);
            progress.done(&verified);
        }
        progress.end();
        Ok(Results {
            verified,
            time: started.elapsed(),
        })
    }

    /// Says how many there are of each outcome.
    pub(super) fn sum_up(&self) {
        let [passed, failed, skipped] = count(&self.verified);
        let (combinations, time) = (self.combinations(), seconds(self.time));
        say(&format!(
            "{combinations}: {passed} passed, {failed} failed, {skipped} skipped, {time}\n"
        ));
    }

    /// How many of them failed, if any did.
    pub(super) fn failed(&self) -> Option<String> {
        let [_, failed, _] = count(&self.verified);
        (failed > 0).then(|| format!("{failed} of {} failed", self.combinations()))
    }

    fn combinations(&self) -> String {
        match self.verified.len() {
            1 => "1 combination".to_owned(),
            count => format!("{count} combinations"),
        }
    }

    /// The table for people, in Markdown, so that it can go into a README as it is.
    pub(super) fn print_table(&self) -> Result<()> {
        print_table(&self.verified)
    }

    /// Each of them, and how many there are of each outcome, for programs.
    pub(super) fn json(&self, preset: &Preset) -> Value {
        let [passed, failed, skipped] = count(&self.verified);
        let result = |verified: &Verified| {
            let answers = Answers::sample(preset, &verified.options);
            json!({
                "options": options_json(&answers),
                "crates": verified.crates,
                "seconds": verified.time.as_secs_f64(),
                "warnings": verified.warnings,
                "result": verified.outcome.verb(),
                "reason": verified.outcome.reason(),
            })
        };
        let combinations: Vec<Value> = self.verified.iter().map(result).collect();
        json!({
            "combinations": combinations,
            "passed": passed,
            "failed": failed,
            "skipped": skipped,
        })
    }
}

/// The combinations that the flags ask for: all of them, where none asks for less.
fn selected(args: &Verify, preset: &Preset) -> Result<Vec<Combination>> {
    let Selection { pairs, only, .. } = &args.selection;
    let only: Vec<_> = only.iter().map(String::as_str).collect();
    if !pairs {
        return only_with(preset, &only);
    }
    let mut pairs = combinations::pairs(&preset.choices);
    let with: Vec<_> = only
        .iter()
        .filter_map(|only| only.split_once('='))
        .collect();
    pairs.retain(|combination| combinations::has(combination, &with));
    ensure!(
        !pairs.is_empty(),
        Problem::refusal(format!("none of the pairs has {}", list(only)))
            .help("say only one of `--pairs` and `--only`")
    );
    Ok(pairs)
}

/// The combinations with these options, each as `CHOICE=OPTION`.
pub(super) fn only_with(preset: &Preset, only: &[&str]) -> Result<Vec<Combination>> {
    let pairs: Vec<_> = only
        .iter()
        .filter_map(|only| only.split_once('='))
        .collect();
    let selected = combinations::only(&preset.choices, &pairs, MAX_COMBINATIONS);
    let Some(selected) = selected else {
        let what = format!("there are more than {MAX_COMBINATIONS} combinations");
        let help = "say `--pairs`, or fewer with `--only CHOICE=OPTION`";
        return Err(Problem::refusal(what).help(help).into());
    };
    ensure!(
        !selected.is_empty(),
        Problem::refusal(format!("no combination has {}", list(only)))
            .help("a choice that depends on another one is asked only with that")
    );
    Ok(selected)
}

/// Where to compile. If nobody says, what is there is compiled already the next time.
pub(super) fn build_dir(said: Option<&Path>) -> Result<PathBuf> {
    if let Some(directory) = said {
        return Ok(env::current_dir()?.join(directory));
    }
    let base = etcetera::choose_base_strategy();
    let base = base.or_problem(|| {
        Problem::new("there is no home directory to keep a cache in").help("say `--build-dir DIR`")
    })?;
    Ok(base.cache_dir().join("scaffold").join("verify"))
}

/// Where it is: a bar on a terminal, lines in a log.
struct Progress {
    bar: Option<ProgressBar>,
    total: usize,
}

impl Progress {
    fn start(total: usize) -> Progress {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total as u64);
            let style = "{bar:24} {pos}/{len} {elapsed} {msg}";
            bar.set_style(
                ProgressStyle::with_template(style).unwrap_or(ProgressStyle::default_bar()),
            );
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Progress { bar, total }
    }

    fn at(&self, name: &str, step: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{name}: {step}"));
        }
    }

    /// Tells of the last result; a failure with its reason, while the others go on.
    fn done(&self, results: &[Verified]) {
        let Some(last) = results.last() else { return };
        let (name, time) = (last.options.name(), seconds(last.time));
        let mut line = format!(
            "[{}/{}] {name}: {}, {time}",
            results.len(),
            self.total,
            last.outcome.verb()
        );
        if let Some(reason) = last.outcome.reason() {
            line.push_str(&format!("\n{reason}"));
        }
        match &self.bar {
            Some(bar) => {
                bar.println(harmless(&line));
                bar.inc(1);
            }
            None => say(&format!("{line}\n")),
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn count(results: &[Verified]) -> [usize; 3] {
    let mut counts = [0; 3];
    for verified in results {
        counts[match verified.outcome {
            Outcome::Passed => 0,
            Outcome::Failed(_) => 1,
            Outcome::Skipped(_) => 2,
        }] += 1;
    }
    counts
}

fn print_table(results: &[Verified]) -> Result<()> {
    let head = ["combination", "crates", "time", "warnings", "result"].map(str::to_owned);
    let rows: Vec<[String; 5]> = std::iter::once(head)
        .chain(results.iter().map(row))
        .collect();
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: [usize; 5] = std::array::from_fn(width);
    let mut table = String::new();
    for (index, row) in rows.iter().enumerate() {
        let cells = row
            .iter()
            .zip(widths)
            .enumerate()
            .map(|(column, (cell, width))| {
                // Numbers stand to the right.
                match column {
                    1..=3 => format!(" {cell:>width$} |"),
                    _ => format!(" {cell:width$} |"),
                }
            });
        table.push_str(&format!("|{}\n", cells.collect::<String>()));
        if index == 0 {
            let lines = widths
                .iter()
                .enumerate()
                .map(|(column, width)| match column {
                    1..=3 => format!(" {}: |", "-".repeat(width - 1)),
                    _ => format!(" {} |", "-".repeat(*width)),
                });
            table.push_str(&format!("|{}\n", lines.collect::<String>()));
        }
    }
    print(&table)
}

fn row(verified: &Verified) -> [String; 5] {
    [
        verified.options.name(),
        verified
            .crates
            .map_or_else(String::new, |crates| crates.to_string()),
        seconds(verified.time),
        verified.warnings.to_string(),
        verified.outcome.verb().to_owned(),
    ]
}

/// `0.4 s` or `41 s`.
fn seconds(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds < 9.95 {
        true => format!("{seconds:.1} s"),
        false => format!("{seconds:.0} s"),
    }
}
