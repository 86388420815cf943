//! `scaffold preset new` makes presets that work as they stand.

use std::fs;
use std::path::Path;
#[cfg(unix)]
use std::process::Command;

use crate::assert_seen;
use crate::support;
use crate::support::{Seen, Test};

/// `verify`, as a person runs it who has a cargo of their own.
fn verify(test: &Test, level: &str) -> Seen {
    let mut command = test.scaffold(&["verify", "--preset", "acme", "--build-dir", "build"]);
    command.args(["--level", level]);
    command.envs(support::cargo_home());
    test.see(&mut command)
}

fn files(test: &Test) -> String {
    let mut files = test.paths();
    files.retain(|path| !path.ends_with('/'));
    files.join("\n")
}

#[test]
fn it_makes_a_preset_that_stands_alone() {
    let test = Test::new();
    assert_seen!(test.run(&["preset", "new", "acme"]), @r"
    exit 0
    --- stderr
    made the preset `acme` in `[ROOT]/work/acme`, [N] files

    next:
      cd acme
      scaffold new demo --preset . --into ../demo
      scaffold preset dev . --out .dev
    ");
    insta::assert_snapshot!(files(&test), @"
    acme/.github/workflows/verify.yml
    acme/.gitignore
    acme/README.md
    acme/base/.gitignore.jinja
    acme/base/Cargo.toml.jinja
    acme/base/README.md.jinja
    acme/base/src/main.rs
    acme/greeting/plain/src/greeting.rs
    acme/greeting/warm/src/greeting.rs
    acme/preset.toml
    acme/snapshots/default.txt
    acme/snapshots/greeting=warm.diff
    ");
    for path in files(&test).lines() {
        assert!(!test.read(path).contains("my_"), "{path}");
    }
    let seen = test.run(&[
        "new",
        "demo",
        "--preset",
        "./acme",
        "--greeting",
        "warm",
        "--no-git",
    ]);
    assert_eq!(seen.code, Some(0), "{seen}");
    assert!(test.read("demo/src/greeting.rs").contains("How good"));
    assert!(test.read("demo/Cargo.toml").contains("name = \"demo\""));
}

#[test]
fn every_combination_of_it_passes_its_tests() {
    let test = Test::new();
    test.run(&["preset", "new", "acme"]);
    let seen = verify(&test, "test");
    assert_eq!(seen.code, Some(0), "{seen}");
    let said = "2 combinations: 2 passed, 0 failed, 0 skipped";
    assert!(seen.stderr.contains(said), "{seen}");
}

#[test]
fn it_passes_check_and_test_as_it_stands() {
    for (extends, level) in [(&[][..], "test"), (&["--extends", "axum"], "render")] {
        let test = Test::new();
        test.run(&[&["preset", "new", "acme"], extends].concat());
        let seen = test.run(&["preset", "check", "acme"]);
        assert_eq!(seen.code, Some(0), "{seen}");
        let mut command = test.scaffold(&["preset", "test", "acme", "--build-dir", "build"]);
        command.args(["--level", level, "--mutate"]);
        let seen = test.see(command.envs(support::cargo_home()));
        assert_eq!(seen.code, Some(0), "{seen}");
    }
}

/// What the workflow of a preset runs on a push, without what gets the program.
#[cfg(unix)]
fn steps(workflow: &str) -> Vec<String> {
    let runs = workflow.lines().filter_map(|line| line.split_once("run: "));
    let runs = runs.filter(|(_, run)| !run.starts_with("cargo install"));
    let on_a_push = |run: &str| match (run.split_once("${{"), run.split_once("}}")) {
        (Some((before, expression)), Some((_, after))) => {
            assert!(expression.contains("|| '--pairs' }}"), "{run}");
            format!("{before}--pairs{after}")
        }
        _ => run.to_owned(),
    };
    runs.map(|(_, run)| on_a_push(run)).collect()
}

#[cfg(unix)]
#[test]
fn its_workflow_passes_on_a_clean_clone() {
    for (extends, is_compiled) in [(&[][..], true), (&["--extends", "axum"], false)] {
        let test = Test::new();
        test.run(&[&["preset", "new", "acme"], extends].concat());
        let workflow = test.read("acme/.github/workflows/verify.yml");
        let steps = steps(&workflow).into_iter();
        // With all combinations of `axum` that is for those who have an hour.
        let steps = steps.filter(|step| is_compiled || !step.contains(" verify "));
        let steps: Vec<_> = steps
            .filter(|step| is_compiled || !step.contains("table.md"))
            .collect();
        assert!(steps.len() >= 2, "{steps:?}");
        let mut script = "set -euo pipefail\n\
            git -C acme init --quiet && git -C acme add --all\n\
            git -C acme commit --quiet --message 'Begin'\n\
            git clone --quiet acme clone && rm -r acme && cd clone\n"
            .to_owned();
        script.push_str(&steps.join("\n"));
        let program = Path::new(env!("CARGO_BIN_EXE_scaffold")).parent().unwrap();
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("bash");
        test.at_home(shell.args(["-c", &script]));
        shell
            .envs(support::cargo_home())
            .env("PATH", path)
            .env("GITHUB_STEP_SUMMARY", test.dir().join("summary.md"));
        let seen = test.see(&mut shell);
        assert_eq!(seen.code, Some(0), "{steps:?}\n{seen}");
        if is_compiled {
            assert_eq!(test.read("summary.md").matches("| passed |").count(), 2);
        }
    }
}

#[test]
fn it_makes_a_preset_that_extends_another_one() {
    let test = Test::new();
    assert_seen!(test.run(&["preset", "new", "acme", "--extends", "axum"]), @"
    exit 0
    --- stderr
    made the preset `acme` in `[ROOT]/work/acme`, [N] files

    next:
      cd acme
      scaffold new demo --preset . --into ../demo
      scaffold preset dev . --out .dev
    ");
    insta::assert_snapshot!(files(&test), @"
    acme/.github/workflows/verify.yml
    acme/.gitignore
    acme/README.md
    acme/notice/yes/NOTICE.md.jinja
    acme/preset.toml
    acme/snapshots/default.diff
    acme/snapshots/notice=yes.diff
    ");
    insta::assert_snapshot!(test.read("acme/preset.toml"), @r#"
    # What this preset is and what it asks, on top of the preset that it extends.
    # `notice/yes/` has what the option adds; files for every project go into `base/`.
    name = "acme"
    description = "What our projects start from"
    extends = "axum"

    [[choice]]
    name = "notice"
    prompt = "Add a notice of where it comes from?"
    kind = "flag"
    "#);
    let seen = verify(&test, "render");
    assert_eq!(seen.code, Some(0), "{seen}");
    let seen = test.run(&[
        "new", "demo", "--preset", "acme", "--yes", "--notice", "--no-git",
    ]);
    assert_eq!(seen.code, Some(0), "{seen}");
    let notice = "# Notice\n\n`demo` started from the preset `acme`.\n";
    assert_eq!(test.read("demo/NOTICE.md"), notice);
}

#[test]
fn a_directory_is_extended_by_its_path_from_there() {
    let test = Test::new();
    test.run(&["preset", "new", "house"]);
    fs::create_dir_all(test.dir().join("team/presets")).unwrap();
    let args = [
        "preset",
        "new",
        "acme",
        "--extends",
        "./house",
        "--into",
        "team/presets/acme",
    ];
    let seen = test.run(&args);
    assert_eq!(seen.code, Some(0), "{seen}");
    let manifest = test.read("team/presets/acme/preset.toml");
    assert!(
        manifest.contains("extends = \"../../../house\"\n"),
        "{manifest}"
    );
    let args = [
        "new",
        "demo",
        "--preset",
        "team/presets/acme",
        "--yes",
        "--no-git",
    ];
    let seen = test.run(&args);
    assert_eq!(seen.code, Some(0), "{seen}");
}

#[cfg(unix)]
#[test]
fn a_repository_is_extended_at_the_commit_that_it_has_now() {
    let test = Test::new();
    test.preset(&[("base/README.md", "ours\n")]);
    let git = |args: &[&str]| {
        let mut git = Command::new("git");
        test.at_home(git.args(args));
        let output = git.current_dir(test.dir().join("house")).output().unwrap();
        assert!(output.status.success(), "git {args:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    git(&["init", "--quiet"]);
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message", "Start"]);
    let house = test.dir().join("house").canonicalize().unwrap();
    let address = format!("file://{}", house.display());
    let seen = test.run(&["preset", "new", "acme", "--extends", &address]);
    assert_eq!(seen.code, Some(0), "{seen}");
    let extends = format!("extends = \"{address}#{}\"\n", git(&["rev-parse", "HEAD"]));
    let manifest = test.read("acme/preset.toml");
    assert!(manifest.contains(&extends), "{manifest}");
    let seen = test.run(&["new", "demo", "--preset", "acme", "--notice", "--no-git"]);
    assert_eq!(seen.code, Some(0), "{seen}");
}

#[test]
fn what_can_not_become_a_preset_is_refused_and_nothing_is_left() {
    let test = Test::new();
    test.write("taken/file", "");
    test.preset(&[("preset.toml", "name = \"house\"\ndescription = \"x\"\n[[choice]]\nname = \"word\"\nprompt = \"?\"\ndefault = \"notice\"\n[[choice.option]]\nname = \"notice\"\nhelp = \"x\"\n")]);
    let before = test.paths();
    let refused: [&[&str]; 8] = [
        &["Acme-One"],
        &["../acme"],
        &["axum"],
        &["aux"],
        &["taken"],
        &["acme", "--extends", "axxum"],
        &["acme", "--extends", "house"],
        &["house", "--extends", "house", "--into", "other"],
    ];
    let mut said = String::new();
    for args in refused {
        let seen = test.run(&[&["preset", "new"], args].concat());
        assert_eq!(seen.code, Some(2), "{seen}");
        said.push_str(&seen.stderr);
        assert_eq!(test.paths(), before);
    }
    insta::assert_snapshot!(said, @r#"
    error: a preset can't be called `Acme-One`: it is not made of lower-case letters, digits and `_`, a letter first
    help: try `acme_one`
    error: a preset can't be called `../acme`: it is not made of lower-case letters, digits and `_`, a letter first
    help: try `my_preset`, and say where it goes with `--into DIR`
    error: a preset can't be called `axum`: that is a built-in preset
    help: try `my_axum`
    error: a preset can't be called `aux`: it is the name of a device on Windows
    error: `taken` is there already, and is not empty
    help: say `--into DIR` with a directory that is empty or not there yet
    error: there is no preset `axxum`: it is neither built in nor a directory with a `preset.toml`
    help: built in is `axum`
    error: `acme` can't extend `house`: `preset.toml` is not valid: `notice` is a word of `notice` and of `word`
      |
    8 | name = "notice"
      |        ^^^^^^^^
    help: what flags and the options of a `many` are called names combinations, so only one choice can have it
    error: `house` can't extend `house`: it extends `../house`: `house` extends `house` is a cycle
    help: presets of one chain have a name of their own each
    "#);
}

#[test]
fn the_workflow_of_a_new_preset_is_the_one_of_the_documentation() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| {
        let text = fs::read_to_string(root.join(path)).unwrap();
        text[text.find("name: verify\n").unwrap()..].to_owned()
    };
    let kit = |name: &str| {
        read(&format!(
            "src/commands/preset/kits/{name}/.github/workflows/verify.yml"
        ))
    };
    let documented = read("docs/verify-preset.yml");
    assert_eq!(kit("extending"), documented);
    let (before, rest) = documented.split_once("    services:\n").unwrap();
    let (_, steps) = rest.split_once("    steps:\n").unwrap();
    assert_eq!(kit("minimal"), format!("{before}    steps:\n{steps}"));
}

/// The registry has another program of the name `scaffold`.
#[cfg(unix)]
#[test]
fn the_workflow_of_a_new_preset_installs_this_program_and_no_other() {
    let workflow = {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        fs::read_to_string(root.join("docs/verify-preset.yml")).unwrap()
    };
    let installs: Vec<_> = workflow.matches("cargo install ").collect();
    assert_eq!(installs.len(), 1);
    let package = env!("CARGO_PKG_NAME");
    assert_ne!(package, "scaffold");
    let line = workflow
        .lines()
        .find(|line| line.contains("cargo install "));
    let (_, install) = line.unwrap().split_once("- run: ").unwrap();
    assert!(install.ends_with(&format!(" {package}")), "{install}");
    // No registry has it, so nobody else may come to be installed by that name.
    let end = Command::new("bash")
        .args(["-c", &install.replace("cargo install", "echo")])
        .env("SCAFFOLD_GIT", "")
        .output()
        .unwrap();
    assert!(!end.status.success());
    let said = String::from_utf8_lossy(&end.stderr);
    assert!(
        said.contains("say above where scaffold comes from"),
        "{said}"
    );
    assert!(install.contains(" --git ") && install.contains(" --rev "));
}
