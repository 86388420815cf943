//! `scaffold preset dev`: renders a preset, and again whenever one of its files changes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, ensure};
use similar::TextDiff;

use crate::core::answers::Answers;
use crate::core::preset::Preset;
use crate::core::preset::choice::Choice;
use crate::core::problem::{Problem, is_refusal, list};
use crate::core::tree::Tree;
use crate::edge::ask::{self, Given, Open};
use crate::edge::interrupt;
use crate::edge::presets;
use crate::edge::presets::limits::belongs_to_the_repository;
use crate::edge::project::demo::{Demo, Step};
use crate::edge::report::{self, say};
use crate::edge::watchdog;

/// How often to look at the files. A look at all of a preset takes a millisecond or two, finds what any system and any
/// disk does, and misses nothing.
const LOOK: Duration = Duration::from_millis(30);
/// How long files have to be left alone: many editors write one in two steps.
const CALM: Duration = Duration::from_millis(10);
/// How long to wait for that.
const PATIENCE: Duration = Duration::from_millis(50);
/// Files to look at, more than any preset may have.
const MAX_FILES: usize = 20_000;
/// Lines of differences that are shown at a time.
const MAX_LINES: usize = 40;
/// Lines around a difference.
const CONTEXT: usize = 1;

/// What tells that a file changed, by its path: its size, and when it was written.
type Stamps = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// Renders the preset in `directory` into `out`, with the options that `with` names, until somebody ends it.
pub fn run(directory: &Path, out: &Path, with: &[String]) -> Result<()> {
    interrupt::watch()?;
    interrupt::leave("what was rendered stays");
    let shown = presets::named(directory);
    let directory = dunce::canonicalize(directory)
        .map_err(|_| Problem::refusal(format!("there is no directory `{shown}`")))?;
    let mut demo = Demo::open(out)?;
    check_place(demo.root(), &directory)?;

    let mut seen = stamps(&directory);
    let mut started = Instant::now();
    let mut is_first = true;
    loop {
        match follow(&mut demo, &directory, with) {
            Ok((steps, files)) => say(&told(&steps, files, started, is_first)),
            // The command line won't change.
            Err(error) if is_first && is_refusal(&error) => {
                return Err(error);
            }
            Err(error) => say(&report::explain(&error)),
        }
        if is_first {
            say(&format!(
                "watching `{}`, Ctrl-C ends it\n",
                directory.display()
            ));
            is_first = false;
        }
        (seen, started) = next(&directory, &seen)?;
    }
}

/// Waits until something is not as it was, and then until it is left alone. Tells how it is then, and since when.
fn next(directory: &Path, seen: &Stamps) -> Result<(Stamps, Instant)> {
    loop {
        thread::sleep(LOOK);
        interrupt::check()?;
        let mut now = stamps(directory);
        if now == *seen {
            continue;
        }
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            thread::sleep(CALM);
            let later = stamps(directory);
            if later == now {
                break;
            }
            now = later;
        }
        return Ok((now, started));
    }
}

/// How the files are that the preset is read from, those of what it extends among them.
fn stamps(directory: &Path) -> Stamps {
    let directories = presets::directories(directory);
    let entries = directories.iter().flat_map(|root| presets::walk(root));
    let files = entries.take(MAX_FILES).filter_map(|entry| {
        let entry = entry.ok()?;
        let found = entry.metadata().ok()?;
        // What is in a directory has a stamp itself.
        let stamp = match found.is_dir() {
            true => (0, None),
            false => (found.len(), found.modified().ok()),
        };
        Some((entry.into_path(), stamp))
    });
    files.collect()
}

/// What is rendered is no part of what it is rendered from.
fn check_place(out: &Path, directory: &Path) -> Result<()> {
    for root in presets::directories(directory) {
        let root = dunce::canonicalize(&root).unwrap_or(root);
        let Ok(inside) = out.strip_prefix(&root) else {
            continue;
        };
        ensure!(
            belongs_to_the_repository(&format!("{}/", inside.display())),
            Problem::refusal(format!("`{}` is inside of the preset", out.display()))
                .help("say `--out .dev`, or a directory somewhere else")
        );
    }
    Ok(())
}

/// Renders, and brings the directory up to it. Tells what that took, and how many files there are.
fn follow(
    demo: &mut Demo,
    directory: &Path,
    with: &[String],
) -> Result<(Vec<(String, Step)>, usize)> {
    let tree = rendered(directory, with)?;
    Ok((demo.follow(&tree)?, tree.len()))
}

fn rendered(directory: &Path, with: &[String]) -> Result<Tree> {
    let preset = presets::load_directory(directory)?;
    let given = given(&preset, with)?;
    let choices = ask::answers(&preset, &given, Open::TakeDefault)?;
    let answers = Answers::sample(&preset, &choices);
    watchdog::render(&preset, &answers)
}

/// What `--with` says, by the choice's name. A word without a choice is one more answer to the choice before it.
fn given(preset: &Preset, with: &[String]) -> Result<Given, Problem> {
    let mut given = Given::new();
    let mut last: Option<&Choice> = None;
    for word in with.iter().flat_map(|with| with.split(',')) {
        let named = word.split_once('=');
        let named = named.and_then(|(name, answer)| Some((preset.choice(name)?, answer)));
        let (choice, answer) = match (named, last) {
            (Some(named), _) => named,
            (None, Some(last)) if last.is_text() || !word.contains('=') => (last, word),
            _ => {
                let what = format!("`--with {word}` answers no choice of `{}`", preset.name);
                let choices = list(preset.choices.iter().map(|choice| &choice.name));
                let help = format!("say `--with CHOICE=OPTION`, the choices are {choices}");
                return Err(Problem::refusal(what).help(help));
            }
        };
        let answers = given.entry(choice.name.clone()).or_default();
        match (choice.is_text(), named.is_some(), answers.last_mut()) {
            // Its comma is its own.
            (true, false, Some(text)) => text.extend([",", answer]),
            _ => answers.push(answer.to_owned()),
        }
        last = Some(choice);
    }
    Ok(given)
}

/// What became of the files, for whoever looks on.
fn told(steps: &[(String, Step)], files: usize, started: Instant, is_first: bool) -> String {
    let mut text = String::new();
    let mut room = MAX_LINES;
    for (path, step) in steps {
        match step {
            // All of them, at the start.
            Step::Create { .. } | Step::Update { .. } | Step::Delete if is_first => {}
            Step::Create { lines } => text.push_str(&format!("create {path}, {lines} lines\n")),
            Step::Update { old, new } => {
                text.push_str(&format!("update {path}\n"));
                text.push_str(&difference(old, new, &mut room));
            }
            Step::Delete => text.push_str(&format!("delete {path}\n")),
            Step::Keep => text.push_str(&format!("keep   {path}, which somebody else wrote\n")),
        }
    }
    let changed = steps
        .iter()
        .filter(|(_, step)| !matches!(step, Step::Keep))
        .count();
    let time = started.elapsed().as_millis();
    text + &match changed {
        _ if is_first => {
            format!("rendered {files} files, {changed} of them new or changed, {time} ms\n")
        }
        1 => format!("1 file changed, {time} ms\n"),
        _ => format!("{changed} files changed, {time} ms\n"),
    }
}

/// The lines that differ, as many as there is room for.
fn difference(old: &str, new: &str, room: &mut usize) -> String {
    let difference = TextDiff::from_lines(old, new);
    let difference = difference
        .unified_diff()
        .context_radius(CONTEXT)
        .to_string();
    let lines: Vec<&str> = difference.lines().collect();
    let shown = lines.len().min(*room);
    *room -= shown;
    let mut text: String = lines[..shown]
        .iter()
        .map(|line| format!("  {line}\n"))
        .collect();
    match lines.len() - shown {
        0 => {}
        more => text.push_str(&format!("  ... {more} more lines\n")),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_difference_is_cut() {
        let (old, new) = ("a\nb\nc\n", "d\ne\nf\n");
        insta::assert_snapshot!(difference(old, new, &mut 4), @r"
          @@ -1,3 +1,3 @@
          -a
          -b
          -c
          ... 3 more lines
        ");
        insta::assert_snapshot!(difference("a\n", "b\n", &mut 0), @"  ... 3 more lines");
    }
}
