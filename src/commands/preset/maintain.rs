//! `scaffold preset lock` and `scaffold preset price`: what the maintainer of a preset runs after its dependencies changed.

use std::collections::BTreeMap;
use std::path::Path;
use std::slice;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::answers::SAMPLE;
use crate::cargo::{self, Stub};
use crate::choice::{Choice, Kind, NO, NONE};
use crate::lock::{self, Chosen, Resolved, Table};
use crate::preset::{LOCK_TABLE, Preset};
use crate::prices::{PRICES, Price, Prices};
use crate::{disk, source, watchdog};

/// Sets of options that are looked at for a lock table, of which each is a second or two of cargo's, unless it adds nothing.
const MAX_SETS: usize = 4_096;

/// Makes the lock table of the preset in `directory`. A version that it holds already moves only for `update`.
pub fn lock(directory: &Path, update: bool) -> Result<()> {
    let preset = source::load_directory(directory)?;

    let everything: Vec<Chosen> = preset.choices.iter().flat_map(named_options).collect();
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
    fs_err::write(directory.join(LOCK_TABLE), lock::tabulate(&locks)?)?;
    eprintln!(
        "wrote `{LOCK_TABLE}`: it gives the lock of each of {} sets of options",
        locks.len()
    );
    Ok(())
}

/// Measures what each option of the preset in `directory` costs, and prints the table for its README.
pub fn price(directory: &Path) -> Result<()> {
    let preset = source::load_directory(directory)?;

    let base = price_of(&preset, &[])?;
    let mut options: BTreeMap<String, BTreeMap<String, Price>> = BTreeMap::new();
    for option in preset.choices.iter().flat_map(named_options) {
        let brings_nothing =
            manifest(&preset, slice::from_ref(&option))? == manifest(&preset, &[])?;
        let whole = if brings_nothing {
            base.clone()
        } else {
            price_of(&preset, slice::from_ref(&option))?
        };
        options
            .entry(option.0)
            .or_default()
            .insert(option.1, whole.minus(&base));
    }
    let mut prices = Prices { base, options };

    let smallest = smallest_project(&preset, &prices);
    let target = TempDir::new()?;
    let bytes = binary_bytes(&preset, &smallest, target.path())?;
    prices.base.binary_bytes = Some(bytes);
    for (choice, options) in &mut prices.options {
        for (option, price) in options {
            let option = (choice.clone(), option.clone());
            if !smallest.contains(&option) {
                let project = swapped(&smallest, &option);
                price.binary_bytes = Some(binary_bytes(&preset, &project, target.path())? - bytes);
            }
        }
    }
    fs_err::write(directory.join(PRICES), prices.to_toml()?)?;
    print!("{}", prices.to_markdown());
    Ok(())
}

/// The options of a choice that bring something.
fn named_options(choice: &Choice) -> impl Iterator<Item = Chosen> {
    let is_without = |name: &str| match choice.kind {
        Kind::Flag => name == NO,
        _ => name == NONE,
    };
    let named = choice
        .options
        .iter()
        .filter(move |option| !is_without(&option.name));
    named.map(|option| (choice.name.clone(), option.name.clone()))
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
        for option in named_options(choice) {
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

/// The cheapest option of each choice; none where there may be none.
fn smallest_project(preset: &Preset, prices: &Prices) -> Vec<Chosen> {
    let crates =
        |(choice, option): &Chosen| prices.of(choice, option).map_or(0, |price| price.crates);
    let mut project = Vec::new();
    for choice in preset.choices.iter() {
        let alternatives = choice.alternatives().into_iter();
        let cost = |options: &Vec<Chosen>| {
            let is_named = options
                .iter()
                .any(|option| named_options(choice).any(|named| named == *option));
            (options.iter().map(crates).sum::<i64>(), is_named)
        };
        if choice.applies(&project) {
            project.extend(alternatives.min_by_key(cost).unwrap_or_default());
        }
    }
    project
}

/// The project with this option in the place of the one that it has, if it has one.
fn swapped(project: &[Chosen], option: &Chosen) -> Vec<Chosen> {
    let others = project.iter().filter(|other| other.0 != option.0);
    others.chain([option]).cloned().collect()
}

/// The `Cargo.toml` of a project with these options.
fn manifest(preset: &Preset, options: &[Chosen]) -> Result<String> {
    watchdog::render_manifest(preset, &preset.sample(options)?)
}

/// A project without code, which has the dependencies that these options bring.
fn stub(preset: &Preset, options: &[Chosen]) -> Result<Stub> {
    Stub::new(&manifest(preset, options)?)
}

/// What the dependencies cost that these options bring.
fn price_of(preset: &Preset, options: &[Chosen]) -> Result<Price> {
    let table = preset.lock_table()?.with_context(|| {
        format!("the preset has no `{LOCK_TABLE}`\nhelp: `scaffold preset lock` makes it")
    })?;
    let answers = preset.sample(options)?;
    let lock = table.lockfile(SAMPLE, &answers.chosen().collect::<Vec<_>>());
    let stub = stub(preset, options)?;
    let price = Price {
        crates: stub.count_crates(&lock)?,
        build_cpu_seconds: stub.build_cold(&lock)?,
        binary_bytes: None,
    };
    let (crates, seconds) = (price.crates, price.build_cpu_seconds);
    eprintln!(
        "{}: {crates} crates, {seconds:.1} s of CPU to build",
        describe(options)
    );
    Ok(price)
}

/// The size of the finished binary of a project with these options.
fn binary_bytes(preset: &Preset, options: &[Chosen], target: &Path) -> Result<i64> {
    let project = TempDir::new()?;
    disk::write(
        &watchdog::render(preset, &preset.sample(options)?)?,
        project.path(),
    )?;
    let bytes = cargo::release_bytes(project.path(), SAMPLE, target)?;
    eprintln!("{}: {bytes} bytes", describe(options));
    Ok(bytes)
}

fn describe(options: &[Chosen]) -> String {
    if options.is_empty() {
        return "the base".to_owned();
    }
    let options: Vec<_> = options
        .iter()
        .map(|(choice, option)| format!("{choice}={option}"))
        .collect();
    options.join(" ")
}
