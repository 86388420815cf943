//! `scaffold preset price`: measures what each option of a preset costs, and prints the table for its README.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use tempfile::TempDir;

use crate::core::answers::Answers;
use crate::core::names::SAMPLE;
use crate::core::preset::answer::{Answer, Combination};
use crate::core::preset::choice::Choice;
use crate::core::preset::prices::{PRICES, Price, Prices};
use crate::core::preset::{LOCK_TABLE, Preset};
use crate::core::problem::Problem;
use crate::edge::cargo::{self, Stub};
use crate::edge::report::{print, say};
use crate::edge::{presets, project, watchdog};

/// Measures what each option of the preset in `directory` costs, and prints the table for its README.
pub fn run(directory: &Path) -> Result<()> {
    let preset = presets::load_directory(directory)?;

    let nothing = Combination::default();
    let base = price_of(&preset, &nothing)?;
    let mut options: BTreeMap<String, BTreeMap<String, Price>> = BTreeMap::new();
    for choice in &preset.choices {
        for answer in choice.bringing() {
            let alone = nothing.with(&choice.name, answer);
            let whole = match manifest(&preset, &alone)? == manifest(&preset, &nothing)? {
                true => base.clone(),
                false => price_of(&preset, &alone)?,
            };
            for (choice, option) in alone.options() {
                let prices = options.entry(choice.to_owned()).or_default();
                prices.insert(option.to_owned(), whole.minus(&base));
            }
        }
    }
    let mut prices = Prices { base, options };

    let smallest = smallest_project(&preset, &prices);
    let target = TempDir::new()?;
    let bytes = binary_bytes(&preset, &smallest, target.path())?;
    prices.base.binary_bytes = Some(bytes);
    for choice in &preset.choices {
        let Some(of_choice) = prices.options.get_mut(&choice.name) else {
            continue;
        };
        for (option, price) in of_choice {
            if !smallest.has(&choice.name, option) {
                let answer = choice.of_names(std::slice::from_ref(option));
                let project = swapped(&smallest, choice, &answer);
                price.binary_bytes = Some(binary_bytes(&preset, &project, target.path())? - bytes);
            }
        }
    }
    fs_err::write(directory.join(PRICES), prices.to_toml()?)?;
    print(&prices.to_markdown())
}

/// The cheapest answer to each choice; none where there may be none.
fn smallest_project(preset: &Preset, prices: &Prices) -> Combination {
    let mut project = Combination::default();
    for choice in &preset.choices {
        let crates = |option: &str| {
            prices
                .of(&choice.name, option)
                .map_or(0, |price| price.crates)
        };
        let cost = |answer: &Answer| {
            let crates = answer.options().into_iter().map(crates);
            (crates.sum::<i64>(), !answer.is_without())
        };
        let cheapest = choice.alternatives().into_iter().min_by_key(cost);
        if let (true, Some(answer)) = (choice.applies(&project), cheapest) {
            project.push(&choice.name, answer);
        }
    }
    project
}

/// The project with this answer in the place of the one that it has, if it has one.
fn swapped(project: &Combination, choice: &Choice, answer: &Answer) -> Combination {
    let others = project.iter().filter(|(name, _)| *name != choice.name);
    let others = others.chain([(choice.name.as_str(), answer)]);
    others
        .map(|(name, answer)| (name.to_owned(), answer.clone()))
        .collect()
}

/// The `Cargo.toml` of a project with these options.
fn manifest(preset: &Preset, options: &Combination) -> Result<String> {
    watchdog::render_manifest(preset, &Answers::sample(preset, options))
}

/// What the dependencies cost that these options bring.
fn price_of(preset: &Preset, options: &Combination) -> Result<Price> {
    let table = preset.lock_table()?.ok_or_else(|| {
        let what = format!("the preset has no `{LOCK_TABLE}`");
        Problem::new(what).help("`scaffold preset lock` makes it")
    })?;
    let lock = table.lockfile(SAMPLE, &options.options().collect::<Vec<_>>());
    let stub = Stub::new(&manifest(preset, options)?)?;
    let price = Price {
        crates: stub.count_crates(&lock)?,
        build_cpu_seconds: stub.build_cold(&lock)?,
        binary_bytes: None,
    };
    let (crates, seconds) = (price.crates, price.build_cpu_seconds);
    say(&format!(
        "{}: {crates} crates, {seconds:.1} s of CPU to build\n",
        describe(options)
    ));
    Ok(price)
}

/// The size of the finished binary of a project with these options.
fn binary_bytes(preset: &Preset, options: &Combination, target: &Path) -> Result<i64> {
    let project = TempDir::new()?;
    let tree = watchdog::render(preset, &Answers::sample(preset, options))?;
    project::new::write(&tree, project.path())?;
    let bytes = cargo::release_bytes(project.path(), SAMPLE, target)?;
    say(&format!("{}: {bytes} bytes\n", describe(options)));
    Ok(bytes)
}

fn describe(options: &Combination) -> String {
    let options = options.options();
    let options: Vec<_> = options
        .map(|(choice, option)| format!("{choice}={option}"))
        .collect();
    match options.is_empty() {
        true => "the base".to_owned(),
        false => options.join(" "),
    }
}
