//! `scaffold preset price`: measures what each option of a preset costs, and prints the table for its README.

use std::collections::BTreeMap;
use std::path::Path;
use std::slice;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::core::answers::SAMPLE;
use crate::core::cargo_lock::Chosen;
use crate::core::preset::choice::Choice;
use crate::core::preset::prices::{PRICES, Price, Prices};
use crate::core::preset::{LOCK_TABLE, Preset};
use crate::edge::cargo::{self, Stub};
use crate::edge::{presets, project, watchdog};

/// Measures what each option of the preset in `directory` costs, and prints the table for its README.
pub fn run(directory: &Path) -> Result<()> {
    let preset = presets::load_directory(directory)?;

    let base = price_of(&preset, &[])?;
    let mut options: BTreeMap<String, BTreeMap<String, Price>> = BTreeMap::new();
    for option in preset.choices.iter().flat_map(Choice::named_options) {
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
                .any(|option| choice.named_options().any(|named| named == *option));
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
    project::new::write(
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
