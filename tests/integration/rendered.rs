//! What can be told of a project from its text alone, for every combination and for names of every length.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use scaffold::core::answers::Answers;
use scaffold::core::author::combinations;
use scaffold::core::names::ResourceName;
use scaffold::core::preset::Preset;
use scaffold::core::preset::answer::Combination;
use scaffold::core::render;
use scaffold::core::tree::Tree;
use scaffold::edge::presets;
use scaffold::edge::project::new;
use semver::{Version, VersionReq};
use tempfile::TempDir;
use toml::Value;

/// Two names of projects, between which all others lie.
const PROJECTS: [&str; 4] = [
    "q",
    "the-accounts-of-all",
    "the-service-that-keeps-the-accounts-of",
    "the-service-that-keeps-the-accounts-of-all-the-clients",
];

fn preset() -> Preset {
    presets::load(presets::DEFAULT).unwrap()
}

fn project(preset: &Preset, name: &str, resource: ResourceName, options: Combination) -> Tree {
    let name = preset.project_name(name).unwrap();
    let answers = Answers::new(preset, name, options, vec![resource]).unwrap();
    render::render(preset, &answers).unwrap()
}

fn accounts(preset: &Preset, options: &Combination) -> Tree {
    let resource = preset.resource_name("accounts").unwrap();
    project(preset, "accounts-api", resource, options.clone())
}

#[test]
fn every_dependency_is_used() {
    let preset = preset();
    for options in combinations::all(&preset.choices) {
        let tree = accounts(&preset, &options);
        let text = tree.get("Cargo.toml").unwrap();
        let manifest: toml::Table = text.parse().unwrap();
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
                // Some are there for a feature that they switch on in others, and say so.
                let is_for_a_feature =
                    text.lines()
                        .zip(text.lines().skip(1))
                        .any(|(reason, line)| {
                            reason.starts_with("# Only to ")
                                && line.starts_with(&format!("{name} = "))
                        });
                assert!(
                    is_used || is_for_a_feature,
                    "`{name}` of `[{table}]` is not used with {options:?}"
                );
            }
        }
    }
}

/// What the lock table says agrees with the manifests, as far as that can be seen without cargo: whoever changes a
/// dependency runs `scaffold preset lock templates/axum`.
#[test]
fn the_lock_holds_what_the_manifest_asks_for() {
    let preset = preset();
    for options in combinations::all(&preset.choices) {
        let tree = accounts(&preset, &options);
        let table = |path| tree.get(path).unwrap().parse::<toml::Table>().unwrap();
        let (manifest, lock) = (table("Cargo.toml"), table("Cargo.lock"));
        let packages = lock["package"].as_array().unwrap();
        let project = packages
            .iter()
            .find(|package| package.get("source").is_none())
            .unwrap();
        let locked: BTreeSet<_> = project["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            // A version follows where the lock has more than one.
            .filter_map(|dependency| dependency.split(' ').next())
            .collect();

        let asked = ["dependencies", "dev-dependencies", "build-dependencies"];
        let asked: BTreeMap<_, _> = asked
            .iter()
            .filter_map(|name| manifest.get(*name)?.as_table())
            .flatten()
            .collect();
        assert_eq!(
            locked,
            asked.keys().map(|name| name.as_str()).collect(),
            "with {options:?}"
        );
        for (name, asked) in asked {
            let asked = asked
                .as_str()
                .unwrap_or_else(|| asked["version"].as_str().unwrap());
            let asked = VersionReq::parse(asked).unwrap();
            let named = packages
                .iter()
                .filter(|package| package["name"].as_str() == Some(name));
            let mut versions =
                named.map(|package| Version::parse(package["version"].as_str().unwrap()).unwrap());
            assert!(
                versions.any(|version| asked.matches(&version)),
                "no `{name}` {asked} is locked with {options:?}"
            );
        }
    }
}

/// A name is at most 63 characters of a few kinds, and so is a label; the longest project with the longest resource has
/// the longest of them.
#[test]
fn every_name_in_kubernetes_is_one_that_kubernetes_takes() {
    let preset = preset();
    let names = (1..100).map(|length| "long_name_".chars().cycle().take(length).collect());
    let mut accepted = names.filter(|name: &String| preset.project_name(name).is_ok());
    let name = accepted.next_back().unwrap();
    let resource = resources(&preset).last().unwrap();
    for options in combinations::all(&preset.choices) {
        let tree = project(&preset, &name, resource.clone(), options.clone());
        let manifests = tree
            .iter()
            .filter(|(path, _)| path.starts_with("deploy/kubernetes/"));
        let named: Vec<_> = manifests
            .flat_map(|(_, text)| kubernetes_names(text))
            .collect();
        assert!(named.len() > 10, "{named:?}");
        for named in named {
            assert!(
                is_dns_label(named),
                "`{named}` of `{name}` with {options:?}"
            );
        }
    }
}

/// What a manifest calls things, and the labels that it gives them.
fn kubernetes_names(manifest: &str) -> impl Iterator<Item = &str> {
    // Images have names of another kind.
    let lines = manifest
        .split("\nimages:\n")
        .next()
        .unwrap_or_default()
        .lines();
    lines.filter_map(|line| {
        let (key, value) = line
            .trim_start()
            .trim_start_matches("- ")
            .split_once(": ")?;
        let is_label = key.contains('/') || key == "k8s-app";
        // So have variables.
        let is_variable = value.starts_with(|c: char| c.is_ascii_uppercase());
        (is_label || matches!(key, "name" | "claimName") && !is_variable).then_some(value)
    })
}

/// Whether a service may have this name: the narrowest of all kinds, RFC 1035's.
fn is_dns_label(name: &str) -> bool {
    name.len() <= 63
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
        && name
            .chars()
            .all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-'))
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
    let mut checked = HashSet::new();
    // How a line breaks depends on two options at the most: on whose layer it is in, and on what it asks for. Each option is
    // in three of the pairs, one of which at least has the names that another one leaves out.
    for (pair, options) in combinations::pairs(&preset.choices).into_iter().enumerate() {
        let names = resources(&preset).enumerate();
        // Each length of a resource comes twice in a row.
        for (index, resource) in names.filter(|(index, _)| (index + index / 2 + pair) % 2 == 0) {
            let name = PROJECTS[(index + index / 2) % PROJECTS.len()];
            let what = format!("`{name}` with `{}` and {options:?}", resource.plural());
            let tree = project(&preset, name, resource, options.clone());
            let directory = TempDir::new().unwrap();
            new::write(&without(&mut checked, &tree), directory.path()).unwrap();
            check_format(directory.path(), &what);
        }
    }
}

/// The project, with nothing in the code whose text was checked before: most don't vary. Only a file that leads
/// rustfmt to others stays as it is.
fn without(checked: &mut HashSet<String>, tree: &Tree) -> Tree {
    let mut rest = Tree::default();
    for (path, text) in tree.iter() {
        let is_needed =
            !path.ends_with(".rs") || text.contains("mod ") || checked.insert(text.to_owned());
        let text = if is_needed { text } else { "// as before\n" };
        rest.insert(path, text.to_owned()).unwrap();
    }
    rest
}

/// Resources with a name of every length that one may have, as one word and as several.
fn resources(preset: &Preset) -> impl Iterator<Item = ResourceName> {
    let names = (1..64).flat_map(|length| {
        let letters = "dbg".chars().cycle();
        let one: String = letters.clone().take(length).collect();
        let several = letters
            .enumerate()
            .map(|(at, letter)| if at % 5 == 3 { '_' } else { letter });
        [one, several.take(length).collect()]
    });
    names.filter_map(|name| preset.resource_name(&name).ok())
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
