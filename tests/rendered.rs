//! What can be told of a project from its text alone, for every combination and for names of every length.

use std::fs;
use std::path::Path;
use std::process::Command;

use scaffold::answers::Answers;
use scaffold::preset::Preset;
use scaffold::tree::Tree;
use scaffold::{disk, render, source};
use tempfile::TempDir;

/// The lengths that a resource's name may have, and two names of projects between which all others lie.
const RESOURCE_LENGTHS: std::ops::RangeInclusive<usize> = 3..=32;
const PROJECTS: [&str; 2] = [
    "q",
    "the-service-that-keeps-the-accounts-of-all-customers-of-the-bank",
];

fn preset() -> Preset {
    source::load(source::DEFAULT).unwrap()
}

/// Every combination of the preset's options.
fn combinations(preset: &Preset) -> Vec<Vec<(String, String)>> {
    preset
        .choices
        .iter()
        .fold(vec![Vec::new()], |combinations, choice| {
            let options = choice
                .options
                .iter()
                .map(|option| (choice.name.clone(), option.name.clone()));
            let with = |option: &(String, String)| {
                let option = option.clone();
                combinations
                    .iter()
                    .map(move |options: &Vec<_>| [options.as_slice(), &[option.clone()]].concat())
            };
            options.collect::<Vec<_>>().iter().flat_map(with).collect()
        })
}

fn project(preset: &Preset, name: &str, resource: &str, options: Vec<(String, String)>) -> Tree {
    let name = preset.project_name(name).unwrap();
    let resources = vec![preset.resource_name(resource).unwrap()];
    render::render(
        preset,
        &Answers {
            name,
            options,
            resources,
        },
    )
    .unwrap()
}

#[test]
fn every_dependency_is_used() {
    let preset = preset();
    for options in combinations(&preset) {
        let tree = project(&preset, "accounts-api", "accounts", options.clone());
        let manifest: toml::Table = tree.get("Cargo.toml").unwrap().parse().unwrap();
        let places: [(&str, &[&str]); 3] = [
            ("dependencies", &["src/"]),
            ("dev-dependencies", &["src/", "tests/"]),
            ("build-dependencies", &["build.rs"]),
        ];
        for (table, places) in places {
            for name in manifest
                .get(table)
                .iter()
                .flat_map(|table| table.as_table().unwrap().keys())
            {
                let path = format!("{}::", name.replace('-', "_"));
                let is_code = |file: &str| {
                    file.ends_with(".rs") && places.iter().any(|place| file.starts_with(place))
                };
                let is_used = tree
                    .iter()
                    .any(|(file, text)| is_code(file) && names(text, &path));
                assert!(
                    is_used,
                    "`{name}` of `[{table}]` is not used with {options:?}"
                );
            }
        }
    }
}

/// Whether code has this word outside of comments, as the first of a path.
fn names(code: &str, word: &str) -> bool {
    let lines = code
        .lines()
        .map(str::trim_start)
        .filter(|line| !line.starts_with("//"));
    lines
        .flat_map(|line| line.match_indices(word).map(move |(at, _)| &line[..at]))
        .any(|before| !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'))
}

/// rustfmt breaks lines where they get too long, so a template can be right for one name and wrong for another.
#[test]
fn code_is_formatted_whatever_the_names_are() {
    let preset = preset();
    for options in combinations(&preset) {
        for (index, resource) in resources().enumerate() {
            let name = PROJECTS[index % PROJECTS.len()];
            let tree = project(&preset, name, &resource, options.clone());
            let directory = TempDir::new().unwrap();
            disk::write(&tree, directory.path()).unwrap();
            check_format(
                directory.path(),
                &format!("`{name}` with `{resource}` and {options:?}"),
            );
        }
    }
}

/// Nouns of every length, as one word and as several.
fn resources() -> impl Iterator<Item = String> {
    RESOURCE_LENGTHS
        .flat_map(|length| {
            let word = "dbg".chars().cycle();
            let one: String = word.clone().take(length).collect();
            let several = word
                .enumerate()
                .map(|(at, letter)| if at % 5 == 3 { '_' } else { letter });
            let several: String = several.take(length).collect();
            [
                Some(one),
                Some(several).filter(|name| length > 4 && !name.ends_with('_')),
            ]
        })
        .flatten()
}

fn check_format(root: &Path, what: &str) {
    let mut rustfmt = Command::new("rustfmt");
    rustfmt
        .args(["--edition", "2024", "--check"])
        .current_dir(root);
    for path in ["src/lib.rs", "src/main.rs", "build.rs", "tests/api/main.rs"] {
        assert!(
            fs::exists(root.join(path)).unwrap(),
            "a project has no `{path}`, from which rustfmt finds its files"
        );
        rustfmt.arg(path);
    }
    let output = rustfmt.output().unwrap();
    let said = [output.stdout, output.stderr]
        .map(|said| String::from_utf8_lossy(&said).into_owned())
        .concat();
    assert!(output.status.success(), "{what} is not formatted\n{said}");
}
