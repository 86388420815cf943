//! `scaffold preset test`: what the author of a preset runs after each change, and in CI.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::cli::PresetTest;
use crate::commands::verify::{Results, build_dir, only_with};
use crate::core::answers::Answers;
use crate::core::author::combinations;
use crate::core::author::mutants::{self, Mutant};
use crate::core::author::snapshots;
use crate::core::preset::answer::Combination;
use crate::core::preset::choice::Choice;
use crate::core::preset::{Preset, SNAPSHOTS};
use crate::core::problem::{Problem, list, told};
use crate::core::tree::Tree;
use crate::edge::interrupt;
use crate::edge::presets;
use crate::edge::project::permissions;
use crate::edge::report::Format;
use crate::edge::report::{print_json, say};
use crate::edge::verify::Verifier;
use crate::edge::watchdog;

/// Combinations that are all tested; of more, pairs.
const MAX_COMBINATIONS: usize = 64;
/// Bytes that a snapshot may have, as many as a project.
const MAX_SNAPSHOT: u64 = 32 * 1024 * 1024;
/// Lines of a difference that are shown.
const MAX_LINES: usize = 60;

/// Tests the preset in a directory.
pub fn run(args: &PresetTest) -> Result<()> {
    interrupt::watch()?;
    let directory = &args.directory;
    let shown = presets::named(directory);
    ensure!(
        directory.is_dir(),
        Problem::refusal(format!("there is no directory `{shown}`"))
            .help("`scaffold preset test` takes the directory of a preset")
    );
    let mut preset = presets::load_directory(directory)?;
    let build_dir = build_dir(args.build_dir.as_deref())?;
    let (selected, which) = selected(&preset, &args.only)?;

    let snapshots = Snapshots::of(&preset, &directory.join(SNAPSHOTS), args.accept)?;
    snapshots.tell();
    // What can't be rendered has no conditions that anything could notice.
    let mutants = match args.mutate && !snapshots.is_broken {
        true => Some(Mutants::of(&mut preset)?),
        false => None,
    };
    if let Some(mutants) = &mutants {
        mutants.tell();
    }
    say(&format!("{}\n", described(&selected, which)));
    let verifier = Verifier {
        preset: &preset,
        level: args.level,
        skips_unreachable: args.skip_unreachable,
        build_dir,
    };
    let results = Results::of(&verifier, &selected)?;

    match args.format {
        Format::Human => results.print_table()?,
        Format::Json => {
            let mut json = results.json(&preset);
            json["preset"] = json!(args.directory.to_string_lossy());
            json["level"] = json!(args.level);
            json["selection"] = json!(which);
            json["snapshots"] = snapshots.json();
            json["mutants"] = json!(mutants.as_ref().map(Mutants::json));
            print_json(&json)?;
        }
    }
    results.sum_up();
    let failed = [
        snapshots.failed(),
        mutants.and_then(|mutants| mutants.failed()),
        results.failed(),
    ];
    let failed: Vec<String> = failed.into_iter().flatten().collect();
    ensure!(failed.is_empty(), failed.join(", "));
    Ok(())
}

/// The combinations to test, and which they are.
fn selected(preset: &Preset, only: &[String]) -> Result<(Vec<Combination>, &'static str)> {
    if !only.is_empty() {
        for option in only {
            check_option(preset, option)?;
        }
        let only: Vec<&str> = only.iter().map(String::as_str).collect();
        return Ok((only_with(preset, &only)?, "only"));
    }
    Ok(
        match combinations::all_within(&preset.choices, MAX_COMBINATIONS) {
            Some(all) => (all, "all"),
            None => (combinations::pairs(&preset.choices), "pairs"),
        },
    )
}

/// Whether the preset has this `CHOICE=OPTION`.
fn check_option(preset: &Preset, option: &str) -> Result<(), Problem> {
    let known: Vec<String> = preset.choices.iter().flat_map(Choice::answers).collect();
    match known.iter().any(|known| known == option) {
        true => Ok(()),
        false => Err(Problem::refusal(format!(
            "`--only` has no option `{option}`, it has {}",
            list(&known)
        ))),
    }
}

fn described(selected: &[Combination], which: &str) -> String {
    match (which, selected.len()) {
        ("all", 1) => "the one combination:".to_owned(),
        ("all", count) => format!("all {count} combinations:"),
        ("only", 1) => "1 combination:".to_owned(),
        ("only", count) => format!("{count} combinations:"),
        (_, count) => format!(
            "{count} of more than {MAX_COMBINATIONS} combinations, with every two options together in one of them:"
        ),
    }
}

/// What became of a snapshot.
enum Standing {
    Passed,
    Written,
    Removed,
    Failed(String),
}

/// The snapshots of a preset, compared.
struct Snapshots {
    /// By their names, the default project first.
    standings: Vec<(String, Standing)>,
    /// Whether the first one that can't be made is all that there is.
    is_broken: bool,
}

impl Snapshots {
    /// Compares those in a directory with what the preset gives now, or brings the directory up to date.
    fn of(preset: &Preset, directory: &Path, accept: bool) -> Result<Snapshots> {
        let projects = snapshots::projects(preset);
        let mut all_made = Vec::new();
        for project in &projects {
            match project.make(preset, watchdog::render) {
                Ok(made) => all_made.push(made),
                // Nothing is accepted, and what differs can't be known.
                Err(error) => {
                    let reason = format!("it can't be made: {}", told(&error));
                    return Ok(Snapshots {
                        standings: vec![(project.name.clone(), Standing::Failed(reason))],
                        is_broken: true,
                    });
                }
            }
        }
        let now = snapshots::texts(&projects, &all_made)?;
        let kept = kept(directory)?;
        let names: BTreeSet<&String> = now.keys().chain(kept.keys()).collect();
        let standing = |name: &String| match (kept.get(name), now.get(name)) {
            (Some(kept), Some(now)) if kept == now => Standing::Passed,
            (_, Some(_)) if accept => Standing::Written,
            (_, None) if accept => Standing::Removed,
            (Some(kept), Some(now)) => Standing::Failed(format!(
                "it differs\n{}help: look at it, and accept it with `--accept`",
                capped(&snapshots::unified(name, kept, now))
            )),
            (None, Some(_)) => Standing::Failed(
                "it is missing\nhelp: write it with `--accept`, and look at it".to_owned(),
            ),
            (_, None) => Standing::Failed(
                "the preset has no such option any more\nhelp: remove it with `--accept`"
                    .to_owned(),
            ),
        };
        let mut names: Vec<&String> = names.into_iter().collect();
        names.sort_by_key(|name| !snapshots::is_default(name));
        let standings = names.into_iter().map(|name| (name.clone(), standing(name)));
        let snapshots = Snapshots {
            standings: standings.collect(),
            is_broken: false,
        };
        snapshots.bring_up_to_date(directory, &now)?;
        Ok(snapshots)
    }

    /// Writes what is to be written before it removes anything, each file at once.
    fn bring_up_to_date(&self, directory: &Path, now: &BTreeMap<String, String>) -> Result<()> {
        let written = |(name, standing): &(String, Standing)| match standing {
            Standing::Written => Some((directory.join(name), now.get(name)?.clone())),
            _ => None,
        };
        let mut staged = Vec::new();
        for (path, text) in self.standings.iter().filter_map(written) {
            interrupt::check()?;
            fs_err::create_dir_all(directory)?;
            let cannot = || format!("`{}` can't be written", path.display());
            let mut builder = tempfile::Builder::new();
            // It becomes a file of the repository, with the mode of any new one.
            permissions::set(&mut builder, permissions::USUAL);
            let mut file = builder.tempfile_in(directory).with_context(cannot)?;
            file.write_all(text.as_bytes()).with_context(cannot)?;
            staged.push((path, file));
        }
        for (path, file) in staged {
            let file: NamedTempFile = file;
            let persisted = file.persist(&path).map_err(|failed| failed.error);
            persisted.with_context(|| format!("`{}` can't be written", path.display()))?;
        }
        for (name, standing) in &self.standings {
            if matches!(standing, Standing::Removed) {
                fs_err::remove_file(directory.join(name))?;
            }
        }
        Ok(())
    }

    fn tell(&self) {
        for (name, standing) in &self.standings {
            match standing {
                Standing::Passed => {}
                Standing::Written => say(&format!("wrote `{SNAPSHOTS}/{name}`\n")),
                Standing::Removed => say(&format!("removed `{SNAPSHOTS}/{name}`\n")),
                Standing::Failed(reason) => say(&format!("snapshot `{name}`: failed, {reason}\n")),
            }
        }
        let failed = self.count_failed();
        let passed = self.count() - failed;
        say(&format!(
            "{}: {passed} passed, {failed} failed\n",
            self.counted()
        ));
    }

    fn count_failed(&self) -> usize {
        let is_failed =
            |(_, standing): &&(String, Standing)| matches!(standing, Standing::Failed(_));
        self.standings.iter().filter(is_failed).count()
    }

    /// How many there are now.
    fn count(&self) -> usize {
        let is_there = |(_, standing): &&(String, Standing)| !matches!(standing, Standing::Removed);
        self.standings.iter().filter(is_there).count()
    }

    fn counted(&self) -> String {
        counted(self.count(), "snapshot")
    }

    fn failed(&self) -> Option<String> {
        let failed = self.count_failed();
        (failed > 0).then(|| format!("{failed} of {} failed", self.counted()))
    }

    fn json(&self) -> Value {
        let one = |(name, standing): &(String, Standing)| {
            let (result, reason) = match standing {
                Standing::Passed => ("passed", None),
                Standing::Written => ("written", None),
                Standing::Removed => ("removed", None),
                Standing::Failed(reason) => ("failed", Some(reason)),
            };
            json!({ "name": name, "result": result, "reason": reason })
        };
        self.standings.iter().map(one).collect()
    }
}

/// The snapshots in a directory.
fn kept(directory: &Path) -> Result<BTreeMap<String, String>> {
    let mut kept = BTreeMap::new();
    let entries = match fs_err::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(kept),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if snapshots::is_snapshot(&name) && entry.file_type()?.is_file() {
            let bytes = entry.metadata()?.len();
            ensure!(
                bytes <= MAX_SNAPSHOT,
                Problem::new(format!(
                    "`{}` is larger than a snapshot may be, {MAX_SNAPSHOT} bytes",
                    entry.path().display()
                ))
                .help("remove it, and write it anew with `--accept`")
            );
            let text = fs_err::read(entry.path())?;
            kept.insert(name, String::from_utf8_lossy(&text).into_owned());
        }
    }
    Ok(kept)
}

/// The first lines of a difference.
fn capped(difference: &str) -> String {
    let lines: Vec<&str> = difference.split_inclusive('\n').collect();
    match lines.len().checked_sub(MAX_LINES) {
        None | Some(0) => difference.to_owned(),
        Some(more) => {
            let shown = lines[..MAX_LINES].concat();
            format!("{shown}... and {} more\n", counted(more, "line"))
        }
    }
}

/// The conditions of a preset, each turned round.
struct Mutants {
    count: usize,
    /// Those that no snapshot notices, each with the combination that does, if one does.
    survivors: Vec<(Mutant, Option<String>)>,
}

impl Mutants {
    fn of(preset: &mut Preset) -> Result<Mutants> {
        let projects = rendered(
            preset,
            snapshots::projects(preset)
                .into_iter()
                .map(|project| (project.name, project.answers)),
        );
        let mut others = None;
        let mutants = mutants::of(preset)?;
        let count = mutants.len();
        let mut survivors = Vec::new();
        for mutant in mutants {
            interrupt::check()?;
            if noticed_by(&mutant, preset, &projects).is_some() {
                continue;
            }
            if others.is_none() {
                let (every, _) = selected(preset, &[])?;
                let answers = every
                    .iter()
                    .map(|options| (options.name(), Answers::sample(preset, options)));
                others = Some(rendered(preset, answers));
            }
            let others = others.as_deref().unwrap_or_default();
            let noticed = noticed_by(&mutant, preset, others).cloned();
            survivors.push((mutant, noticed));
        }
        Ok(Mutants { count, survivors })
    }

    fn tell(&self) {
        for (mutant, noticed) in &self.survivors {
            let Mutant {
                path,
                line,
                excerpt,
                condition,
                ..
            } = mutant;
            say(&format!(
                "`{path}`, line {line}: no snapshot notices `not ({condition})`\n  {excerpt}\n"
            ));
            say(&format!("{}\n", help(noticed.as_deref())));
        }
        let survived = self.survivors.len();
        say(&format!(
            "{}: {survived} survived\n",
            counted(self.count, "mutant")
        ));
    }

    fn failed(&self) -> Option<String> {
        let (survived, mutants) = (self.survivors.len(), counted(self.count, "mutant"));
        (survived > 0).then(|| format!("{survived} of {mutants} survived"))
    }

    fn json(&self) -> Value {
        let survivor = |(mutant, noticed): &(Mutant, Option<String>)| {
            json!({
                "file": mutant.path,
                "line": mutant.line,
                "excerpt": mutant.excerpt,
                "condition": mutant.condition,
                "noticed_by": noticed,
            })
        };
        let survivors: Vec<Value> = self.survivors.iter().map(survivor).collect();
        json!({ "count": self.count, "survivors": survivors })
    }
}

fn help(noticed: Option<&str>) -> String {
    match noticed {
        Some(combination) => format!(
            "help: of the combinations only those like `{combination}` tell the two apart, and no snapshot shows one: ask for less at once"
        ),
        None => "help: no combination tells the two apart: remove the condition, or let what depends on it differ".to_owned(),
    }
}

/// A project to compare with.
type Rendered<P> = (P, Answers, Tree);

/// The projects that can be rendered; the others have failed already.
fn rendered<P>(
    preset: &Preset,
    answers: impl IntoIterator<Item = (P, Answers)>,
) -> Vec<Rendered<P>> {
    let tree = |(project, answers): (P, Answers)| {
        let tree = watchdog::render(preset, &answers).ok()?;
        Some((project, answers, tree))
    };
    answers.into_iter().filter_map(tree).collect()
}

/// The first project that is another one with the mutant.
fn noticed_by<'p, P>(
    mutant: &Mutant,
    preset: &mut Preset,
    projects: &'p [Rendered<P>],
) -> Option<&'p P> {
    let borrowed = projects
        .iter()
        .map(|(project, answers, tree)| (project, answers, tree));
    watchdog::while_rendering(projects.len(), || mutant.noticed_by(preset, borrowed))
}

/// "1 snapshot", "2 snapshots".
fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}
