//! `scaffold preset lock`: makes the lock table of a preset anew, after its dependencies changed.

use std::path::Path;
use std::slice;

use anyhow::{Result, ensure};

use crate::core::answers::SAMPLE;
use crate::core::cargo_lock::{self, Chosen, Resolved, Table};
use crate::core::preset::choice::{Choice, Kind};
use crate::core::preset::{LOCK_TABLE, Preset};
use crate::edge::cargo::Stub;
use crate::edge::{presets, watchdog};

/// Sets of options that are looked at for a lock table, of which each is a second or two of cargo's, unless it adds nothing.
const MAX_SETS: usize = 4_096;

/// Makes the lock table of the preset in `directory`. A version that it holds already moves only for `update`.
pub fn run(directory: &Path, update: bool) -> Result<()> {
    let preset = presets::load_directory(directory)?;

    let everything: Vec<Chosen> = preset
        .choices
        .iter()
        .flat_map(Choice::named_options)
        .collect();
    let everything = preset.sample(&everything)?;
    let of_all = manifest(&preset, &everything.options)?;
    // All of them before anything is begun that a template could cut off.
    let sets = distinct(&preset, subsets(&preset)?)?;

    let all = Stub::new(&of_all)?;
    // Without a table of its own it starts from that of the preset it extends.
    let superset = match preset.pinned_text().map(Table::parse).transpose()? {
        Some(table) if !update => {
            all.resolve_from(&table.lockfile(SAMPLE, &everything.chosen().collect::<Vec<_>>()))?
        }
        _ => all.resolve()?,
    };

    let mut locks = Vec::new();
    for (options, manifest) in sets {
        let lock = Stub::new(&manifest)?.prune(&superset)?;
        locks.push(Resolved {
            options: options.into_iter().collect(),
            lock,
        });
    }
    fs_err::write(directory.join(LOCK_TABLE), cargo_lock::tabulate(&locks)?)?;
    eprintln!(
        "wrote `{LOCK_TABLE}`: it gives the lock of each of {} sets of options",
        locks.len()
    );
    Ok(())
}

/// The sets, with their manifests, without those whose manifest some of their options have already.
fn distinct(preset: &Preset, sets: Vec<Vec<Chosen>>) -> Result<Vec<(Vec<Chosen>, String)>> {
    let mut distinct: Vec<(Vec<Chosen>, String)> = Vec::new();
    for options in sets {
        let manifest = manifest(preset, &options)?;
        let is_known = distinct.iter().any(|(smaller, known)| {
            *known == manifest && smaller.iter().all(|option| options.contains(option))
        });
        if !is_known {
            distinct.push((options, manifest));
        }
    }
    Ok(distinct)
}

/// Every set of options that has at most one of each choice, or any of a choice of many, the smallest sets first.
fn subsets(preset: &Preset) -> Result<Vec<Vec<Chosen>>> {
    let mut subsets: Vec<Vec<Chosen>> = vec![Vec::new()];
    for choice in &preset.choices {
        let of_others = subsets.clone();
        for option in choice.named_options() {
            let without = match choice.kind {
                Kind::Many => &subsets,
                _ => &of_others,
            };
            let with = without
                .iter()
                .map(|subset| [subset.as_slice(), slice::from_ref(&option)].concat());
            let with: Vec<_> = with.collect();
            subsets.extend(with);
            ensure!(
                subsets.len() <= MAX_SETS,
                "the preset has more than {MAX_SETS} sets of options to lock"
            );
        }
    }
    subsets.sort_by_key(Vec::len);
    Ok(subsets)
}

/// The `Cargo.toml` of a project with these options.
fn manifest(preset: &Preset, options: &[Chosen]) -> Result<String> {
    watchdog::render_manifest(preset, &preset.sample(options)?)
}
