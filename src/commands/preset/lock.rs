//! `scaffold preset lock`: makes the lock table of a preset anew, after its dependencies changed.

use std::path::Path;

use anyhow::{Result, bail, ensure};

use crate::core::answers::Answers;
use crate::core::cargo_lock::{self, Resolved, Table};
use crate::core::cargo_toml;
use crate::core::names::SAMPLE;
use crate::core::preset::answer::{Answer, Combination};
use crate::core::preset::choice::{Choice, Kind};
use crate::core::preset::{LOCK_TABLE, Preset};
use crate::core::problem::fail;
use crate::edge::cargo::Stub;
use crate::edge::report::say;
use crate::edge::{interrupt, presets, watchdog};

/// Sets of options that are looked at for a lock table, of which each is a second or two of cargo's, unless it adds nothing.
const MAX_SETS: usize = 4_096;

/// Makes the lock table of the preset in `directory`. A version that it holds already moves only for `update`.
pub fn run(directory: &Path, update: bool) -> Result<()> {
    interrupt::watch()?;
    let preset = presets::load_directory(directory)?;

    // All of them before anything is begun that a template could cut off.
    let sets = distinct(&preset, subsets(&preset)?)?;
    let all = Stub::new(&of_all(&sets)?)?;
    // Without a table of its own it starts from that of the preset it extends.
    let superset = match preset.pinned_text().map(Table::parse).transpose()? {
        Some(table) if !update => {
            let options = preset.choices.iter().flat_map(|choice| {
                let options = choice.options.iter();
                options.map(|option| (choice.name.as_str(), option.name.as_str()))
            });
            all.resolve_from(&table.lockfile(SAMPLE, &options.collect::<Vec<_>>()))?
        }
        _ => all.resolve()?,
    };

    let mut locks = Vec::new();
    let count = sets.len();
    for (index, (options, manifest)) in sets.into_iter().enumerate() {
        interrupt::check()?;
        say(&format!("[{}/{count}] {}\n", index + 1, options.name()));
        let lock = Stub::new(&manifest)?.prune(&superset)?;
        let options = options.options();
        let options = options.map(|(choice, option)| (choice.to_owned(), option.to_owned()));
        locks.push(Resolved {
            options: options.collect(),
            lock,
        });
    }
    fs_err::write(directory.join(LOCK_TABLE), cargo_lock::tabulate(&locks)?)?;
    say(&format!(
        "wrote `{LOCK_TABLE}`: it gives the lock of each of {} sets of options\n",
        locks.len()
    ));
    Ok(())
}

/// The `Cargo.toml` that has all that any of these has.
fn of_all(sets: &[(Combination, String)]) -> Result<String> {
    let manifests = sets
        .iter()
        .map(|(options, manifest)| (options.name(), manifest.clone()));
    let manifests: Vec<_> = manifests.collect();
    let Some(((place, base), others)) = manifests.split_first() else {
        bail!("the preset has no set of options to lock");
    };
    cargo_toml::merge((place, base), others, &mut fail)
}

/// The sets, with their manifests, without those whose manifest some of their options have already.
fn distinct(preset: &Preset, sets: Vec<Combination>) -> Result<Vec<(Combination, String)>> {
    let mut distinct: Vec<(Combination, String)> = Vec::new();
    for options in sets {
        let manifest = watchdog::render_manifest(preset, &Answers::sample(preset, &options))?;
        let is_known = distinct.iter().any(|(smaller, known)| {
            let mut smaller = smaller.options();
            *known == manifest && smaller.all(|(choice, option)| options.has(choice, option))
        });
        if !is_known {
            distinct.push((options, manifest));
        }
    }
    Ok(distinct)
}

/// Every set of options that has at most one of each choice, or any of a choice of many, the smallest sets first.
fn subsets(preset: &Preset) -> Result<Vec<Combination>> {
    let mut subsets = vec![Combination::default()];
    for choice in &preset.choices {
        let answers = bringing(choice)?;
        check_count(subsets.len().saturating_mul(answers.len() + 1))?;
        let with = subsets.iter().flat_map(|subset| {
            let answers = answers.iter();
            answers.map(|answer| subset.with(&choice.name, answer.clone()))
        });
        let with: Vec<_> = with.collect();
        subsets.extend(with);
    }
    subsets.sort_by_key(|options| options.options().count());
    Ok(subsets)
}

/// The answers to a choice that bring something: of many every set of its options.
fn bringing(choice: &Choice) -> Result<Vec<Answer>> {
    if !matches!(choice.kind, Kind::Many) {
        return Ok(choice.bringing().collect());
    }
    let mut sets: Vec<Vec<String>> = vec![Vec::new()];
    for option in &choice.options {
        check_count(2 * sets.len())?;
        let with = sets.iter().map(|set| {
            let own = std::slice::from_ref(&option.name);
            [set.as_slice(), own].concat()
        });
        let with: Vec<_> = with.collect();
        sets.extend(with);
    }
    let sets = sets.into_iter().skip(1);
    Ok(sets.map(|names| choice.of_names(&names)).collect())
}

fn check_count(sets: usize) -> Result<()> {
    ensure!(
        sets <= MAX_SETS,
        "the preset has more than {MAX_SETS} sets of options to lock"
    );
    Ok(())
}
