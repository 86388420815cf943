//! The commands of README.md and CONTRIBUTING.md do what they are said to do.

use std::fs;
use std::path::Path;

use crate::support;
use crate::support::Test;
use scaffold::core::author::combinations;
use scaffold::core::preset::answer::Combination;

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The lines of all shell blocks.
fn commands(markdown: &str) -> Vec<&str> {
    let blocks = markdown.split("```sh\n").skip(1);
    blocks
        .flat_map(|block| block.split("```").next().unwrap().lines())
        .collect()
}

#[test]
fn every_command_of_the_readme_that_makes_a_project_makes_it() {
    let readme = read("README.md");
    let commands = commands(&readme);
    // The first one builds `scaffold` and runs it; here it is built already.
    let runs = commands.iter().filter_map(|command| {
        command
            .strip_prefix("scaffold ")
            .or(command.strip_prefix("cargo run --release -- "))
    });
    let mut projects = 0;
    for arguments in runs {
        let test = Test::new();
        let arguments = shlex::split(arguments).unwrap();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let seen = test.run(&arguments);
        assert_eq!(seen.code, Some(0), "{arguments:?}\n{seen}");
        if arguments[0] != "new" {
            assert_ne!(seen.stdout, "", "{arguments:?}");
            continue;
        }
        let is_dry = arguments.contains(&"--dry-run");
        let parent = test.dir().parent().unwrap().to_owned();
        let made = support::paths(&parent)
            .iter()
            .any(|path| path.ends_with("/src/app.rs"));
        assert_eq!(made, !is_dry, "{arguments:?}\n{seen}");
        projects += 1;
    }
    assert_eq!(projects, 5, "{commands:?}");
}

/// The guide makes the example: from an empty directory, by its own commands, in one shell.
#[cfg(unix)]
#[test]
fn the_authors_guide_makes_the_example_preset() {
    let test = Test::new();
    let program = Path::new(env!("CARGO_BIN_EXE_scaffold")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let script = format!(
        "set -euo pipefail\n{}",
        commands(&read("docs/authors-guide.md")).join("\n")
    );
    let mut shell = std::process::Command::new("bash");
    test.at_home(shell.args(["-c", &script]));
    let cargo = support::cargo_home();
    let seen = test.see(shell.envs(cargo).env("PATH", path));
    assert_eq!(seen.code, Some(0), "{seen}");

    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/presets/acme");
    let made = test.dir().join("acme");
    // Which version of the one dependency is the newest changes with time.
    let is_compared = |path: &String| {
        let is_left_out = path.starts_with(".git/") || path == "lock.txt" || path == "README.md";
        !path.ends_with('/') && !is_left_out
    };
    let files = |root: &Path| -> Vec<(String, String)> {
        let paths = support::paths(root).into_iter().filter(is_compared);
        paths
            .map(|path| (fs::read_to_string(root.join(&path)).unwrap(), path))
            .map(|(text, path)| (path, text))
            .collect()
    };
    assert_eq!(files(&made), files(&example));
    assert!(made.join("lock.txt").exists());

    assert!(
        test.read("shop-api/catalog-info.yaml")
            .contains("owner: \"payments\"")
    );
    assert!(
        test.read("shop-api/src/main.rs")
            .starts_with("// Copyright Acme")
    );
    assert!(test.read("shop-api/Cargo.lock").contains("name = \"heck\""));
    assert!(
        !test
            .paths()
            .contains(&"shop-api/.github/dependabot.yml".to_owned())
    );
    assert!(
        test.read("shop-api/.scaffold/answers.toml")
            .contains("\ncommit = \"")
    );
}

#[test]
fn the_readme_names_every_option() {
    let readme = read("README.md");
    let preset = scaffold::edge::presets::load(scaffold::edge::presets::DEFAULT).unwrap();
    for choice in &preset.choices {
        let mut options: Vec<&str> = choice
            .options
            .iter()
            .map(|option| option.name.as_str())
            .collect();
        options.sort_by_key(|option| !choice.default.options().contains(option));
        let options: Vec<_> = options.iter().map(|option| format!("`{option}`")).collect();
        let row = format!("| `--{}` | {} |", choice.name, options.join(", "));
        assert!(readme.contains(&row), "README.md lacks `{row}`");
    }
}

/// The rows of the table between these marks.
fn rows<'t>(markdown: &'t str, mark: &str) -> Vec<Vec<&'t str>> {
    let (_, rest) = markdown.split_once(&format!("<!-- {mark} -->\n")).unwrap();
    let (table, _) = rest.split_once(&format!("<!-- /{mark} -->")).unwrap();
    let rows = table.lines().skip(2);
    rows.map(|row| row.split('|').map(str::trim).collect())
        .collect()
}

#[test]
fn the_readme_shows_that_a_service_of_each_database_was_soaked() {
    let readme = read("README.md");
    let soaked: Vec<&str> = rows(&readme, "soaked").iter().map(|row| row[1]).collect();
    let preset = scaffold::edge::presets::load(scaffold::edge::presets::DEFAULT).unwrap();
    let databases = preset.choices[0].options.iter();
    for database in databases.map(|option| format!("{}+", option.name)) {
        let is_there = soaked.iter().any(|name| name.starts_with(&database));
        assert!(is_there, "{database} is not among {soaked:?}");
    }
}

#[test]
fn the_readme_shows_that_every_combination_was_verified() {
    let readme = read("README.md");
    let rows = rows(&readme, "verified");
    let preset = scaffold::edge::presets::load(scaffold::edge::presets::DEFAULT).unwrap();
    let names = combinations::all(&preset.choices);
    let names: Vec<String> = names.iter().map(Combination::name).collect();
    let verified: Vec<&str> = rows.iter().map(|row| row[1]).collect();
    assert_eq!(verified, names);
    for row in rows {
        assert_eq!(row[4..6], ["0", "passed"], "{row:?}");
    }
}

#[test]
fn the_tests_that_contributing_names_are_there() {
    let contributing = read("CONTRIBUTING.md");
    let named = contributing.split("--test ").skip(1);
    let named: Vec<&str> = named
        .map(|rest| rest.split([' ', '`']).next().unwrap())
        .collect();
    assert!(!named.is_empty());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    for name in named {
        let is_there = root.join(name).join("main.rs").exists();
        assert!(is_there, "there is no test `{name}`");
    }
    let subjects = contributing.split("--test integration -- ").skip(1);
    for subject in subjects.map(|rest| rest.split([' ', '`', ':']).next().unwrap()) {
        let is_there = root
            .join("integration")
            .join(format!("{subject}.rs"))
            .exists();
        assert!(is_there, "there is no subject `{subject}`");
    }
}
