//! Where a project can go and where it can't, and what is around it: repositories, workspaces, machines that lack things.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use crate::assert_seen;
use crate::support::{Test, paths};

const NEW: &[&str] = &["new", "accounts-api", "--yes", "--no-git"];

fn new_into(into: &str) -> Vec<&str> {
    [NEW, &["--into", into]].concat()
}

#[test]
fn an_empty_directory_is_fine() {
    let test = Test::new();
    fs::create_dir(test.dir().join("accounts-api")).unwrap();
    assert_eq!(test.run(NEW).code, Some(0));
    assert!(test.paths().contains(&"accounts-api/Cargo.toml".to_owned()));
}

#[test]
fn the_directory_that_one_stands_in_is_fine_where_it_is_empty() {
    let test = Test::new();
    assert_eq!(test.run(&new_into(".")).code, Some(0));
    assert!(test.paths().contains(&"Cargo.toml".to_owned()));
}

#[test]
fn a_directory_that_is_not_empty_is_refused() {
    let test = Test::new();
    test.write("accounts-api/.keep", "mine");
    assert_seen!(test.run(NEW), @"
    exit 2
    --- stderr
    error: `accounts-api` is there already, and is not empty
    help: say `--into DIR` with a directory that is empty or not there yet
    ");
    assert_seen!(test.run(&new_into(".")), @"
    exit 2
    --- stderr
    error: `.` is there already, and is not empty
    help: say `--into DIR` with a directory that is empty or not there yet
    ");
    assert_eq!(test.paths(), ["accounts-api/", "accounts-api/.keep"]);
}

#[test]
fn a_file_and_a_link_are_refused() {
    let test = Test::new();
    test.write("accounts-api", "mine");
    fs::create_dir(test.dir().join("elsewhere")).unwrap();
    symlink("elsewhere", test.dir().join("link")).unwrap();
    symlink("nowhere", test.dir().join("dangling")).unwrap();
    assert_seen!(test.run(NEW), @"
    exit 2
    --- stderr
    error: `accounts-api` is there already, and is a file
    help: say `--into DIR` with a directory that is empty or not there yet
    ");
    assert_seen!(test.run(&new_into("link")), @"
    exit 2
    --- stderr
    error: `link` is there already, and is a link
    help: say `--into DIR` with a directory that is empty or not there yet
    ");
    assert_seen!(test.run(&new_into("link/")), @"
    exit 2
    --- stderr
    error: `link` is there already, and is a link
    help: say `--into DIR` with a directory that is empty or not there yet
    ");
    assert_seen!(test.run(&new_into("dangling")), @"
    exit 2
    --- stderr
    error: `dangling` is there already, and is a link
    help: say `--into DIR` with a directory that is empty or not there yet
    ");
    assert_eq!(
        test.paths(),
        ["accounts-api", "dangling", "elsewhere/", "link"]
    );
}

#[test]
fn a_parent_that_does_not_exist_or_is_a_file_is_refused() {
    let test = Test::new();
    test.write("file", "mine");
    assert_seen!(test.run(&new_into("missing/shop")), @"
    exit 2
    --- stderr
    error: there is no directory `missing` for the project to go into
    help: make it first, or say `--into DIR`
    ");
    assert_seen!(test.run(&new_into("file/shop")), @"
    exit 2
    --- stderr
    error: `file` is not a directory
    help: say `--into DIR` with a directory that is empty or not there yet
    ");
    assert_seen!(test.run(&new_into("/")), @"
    exit 2
    --- stderr
    error: `/` is there already, and is not empty
    help: say `--into DIR` with a directory that is empty or not there yet
    ");
    assert_seen!(test.run(&new_into("")), @"
    exit 2
    --- stderr
    error: a value is required for '--into <DIR>' but none was supplied

    For more information, try '--help'.
    ");
    assert_eq!(test.paths(), ["file"]);
}

#[test]
fn a_path_may_have_any_character() {
    let test = Test::new();
    let parent = "a 'b' \"c\" $d `e` ü 部 :f";
    fs::create_dir(test.dir().join(parent)).unwrap();
    let into = format!("{parent}/the project");
    assert_seen!(test.run(&["new", "accounts-api", "--yes", "--into", &into]), @r#"
    exit 0
    --- stderr
    made `accounts-api` in `[ROOT]/work/a 'b' "c" $d `e` ü 部 :f/the project`, [N] files
      committed to a new git repository

    the same without a question:
      scaffold new accounts-api --database sqlite --cache memory --observability prometheus --into "a 'b' \"c\" "'$d `e` ü 部 :f/the project'

    next:
      cd "a 'b' \"c\" "'$d `e` ü 部 :f/the project'
      cargo run
      curl http://localhost:8080/v1/accounts
    "#);
    let plain = test.run(&new_into("plain"));
    assert_eq!(plain.code, Some(0));
    let (odd, plain) = (test.dir().join(into), test.dir().join("plain"));
    for path in paths(&plain).iter().filter(|path| !path.ends_with('/')) {
        assert_eq!(
            fs::read(odd.join(path)).unwrap(),
            fs::read(plain.join(path)).unwrap(),
            "{path}"
        );
    }
}

#[test]
fn files_get_the_modes_that_any_new_file_gets() {
    let test = Test::new();
    test.preset(&[("base/run.sh", "#!/bin/sh\n"), ("base/plain.txt", "text\n")]);
    let mut command = Command::new("sh");
    let line = format!(
        "umask 027; {} new shop --preset house --no-git",
        env!("CARGO_BIN_EXE_scaffold")
    );
    test.at_home(command.args(["-c", &line]));
    assert_eq!(test.see(&mut command).code, Some(0));
    let mode = |path: &str| {
        fs::metadata(test.dir().join(path))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(
        (mode("shop"), mode("shop/run.sh"), mode("shop/plain.txt")),
        (0o750, 0o750, 0o640)
    );
}

#[test]
fn a_new_project_is_committed() {
    let test = Test::new();
    assert_eq!(test.run(&["new", "accounts-api", "--yes"]).code, Some(0));
    let mut git = Command::new("git");
    test.at_home(git.args(["-C", "accounts-api", "log", "--format=%an: %s", "main"]));
    assert_seen!(test.see(&mut git), @"
    exit 0
    --- stdout
    Ann: Generate the project with scaffold
    ");
    let mut git = Command::new("git");
    test.at_home(git.args(["-C", "accounts-api", "status", "--short"]));
    assert_seen!(test.see(&mut git), @"exit 0");
}

/// As where git is told to write CRLF: a checksum of a file's bytes is the same everywhere.
#[test]
fn every_clone_of_a_project_has_the_same_bytes() {
    let test = Test::new();
    assert_eq!(test.run(&["new", "accounts-api", "--yes"]).code, Some(0));
    let mut git = Command::new("git");
    test.at_home(git.args(["-c", "core.autocrlf=true", "clone", "--quiet"]));
    assert_seen!(test.see(git.args(["accounts-api", "clone"])), @"exit 0");
    let project = test.dir().join("accounts-api");
    let files = paths(&project).into_iter();
    for path in files.filter(|path| !path.starts_with(".git/") && !path.ends_with('/')) {
        let cloned = fs::read(test.dir().join("clone").join(&path)).unwrap();
        assert_eq!(cloned, fs::read(project.join(&path)).unwrap(), "{path}");
    }
}

#[test]
fn a_repository_around_the_project_is_enough() {
    let test = Test::new();
    fs::create_dir(test.dir().join(".git")).unwrap();
    fs::create_dir(test.dir().join("services")).unwrap();
    assert_seen!(test.run(&["new", "accounts-api", "--yes", "--into", "services/accounts"]), @"
    exit 0
    --- stderr
    made `accounts-api` in `[ROOT]/work/services/accounts`, [N] files
      skipped the git repository, because `[ROOT]/work` is one already

    the same without a question:
      scaffold new accounts-api --database sqlite --cache memory --observability prometheus --into services/accounts

    next:
      cd services/accounts
      cargo run
      curl http://localhost:8080/v1/accounts
    ");
    assert!(!test.dir().join("services/accounts/.git").exists());
}

#[test]
fn a_worktree_is_a_repository_too() {
    let test = Test::new();
    test.write(".git", "gitdir: /elsewhere\n");
    let seen = test.run(&["new", "accounts-api", "--yes"]);
    assert!(seen.stderr.contains("skipped the git repository"), "{seen}");
}

#[test]
fn it_works_from_within_a_git_hook() {
    let test = Test::new();
    let mut command = test.scaffold(&["new", "accounts-api", "--yes"]);
    let seen = test.see(
        command
            .env("GIT_DIR", "/elsewhere/.git")
            .env("GIT_INDEX_FILE", "/elsewhere/index"),
    );
    assert!(
        seen.stderr.contains("committed to a new git repository"),
        "{seen}"
    );
}

#[test]
fn without_git_cargo_and_home_it_says_what_it_skipped() {
    let test = Test::new();
    let mut command = test.scaffold(&["new", "accounts-api", "--yes"]);
    assert_seen!(test.see(command.env("PATH", "/nowhere").env_remove("HOME")), @"
    exit 0
    --- stderr
    made `accounts-api` in `[ROOT]/work/accounts-api`, [N] files
      skipped the git repository, because there is no `git` on the `PATH`

    the same without a question:
      scaffold new accounts-api --database sqlite --cache memory --observability prometheus

    next:
      # `cargo run` needs Rust, which is not on the `PATH`: it comes from https://rustup.rs
      cd accounts-api
      cargo run
      curl http://localhost:8080/v1/accounts
    ");
    assert!(test.dir().join("accounts-api/Cargo.lock").exists());
}

#[test]
fn without_an_environment_it_works() {
    let test = Test::new();
    let seen = test.see(test.scaffold(NEW).env_clear());
    assert_eq!(seen.code, Some(0), "{seen}");
}

#[test]
fn where_git_does_not_know_who_commits_it_says_so() {
    let test = Test::new();
    fs::write(
        test.dir().join("../home/.gitconfig"),
        "[user]\nuseConfigOnly = true\n",
    )
    .unwrap();
    assert_seen!(test.run(&["new", "accounts-api", "--yes"]), @"
    exit 0
    --- stderr
    made `accounts-api` in `[ROOT]/work/accounts-api`, [N] files
      skipped the first commit, because git does not know who you are (`git config --global user.name` and `user.email`)

    the same without a question:
      scaffold new accounts-api --database sqlite --cache memory --observability prometheus

    next:
      cd accounts-api
      cargo run
      curl http://localhost:8080/v1/accounts
    ");
    assert!(test.dir().join("accounts-api/.git").exists());
}

#[test]
fn where_git_fails_the_project_is_there_and_the_reason_is_told() {
    let test = Test::new();
    test.write(
        "bin/git",
        "#!/bin/sh\necho 'fatal: no luck today' >&2\nexit 128\n",
    );
    fs::set_permissions(
        test.dir().join("bin/git"),
        fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    let path = format!(
        "{}:{}",
        test.dir().join("bin").display(),
        std::env::var("PATH").unwrap()
    );
    let seen = test.see(
        test.scaffold(&["new", "accounts-api", "--yes"])
            .env("PATH", path),
    );
    assert!(
        seen.stderr
            .contains("skipped the git repository, because `git` failed: no luck today"),
        "{seen}"
    );
}

const MANIFEST: &str =
    "[package]\nname = \"shop\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n";

/// A test with a small preset whose projects cargo can read, and cargo's view of a directory.
fn workspace(manifest: &str) -> Test {
    let test = Test::new();
    test.preset(&[("base/Cargo.toml.jinja", MANIFEST), ("base/src/lib.rs", "")]);
    test.write("ours/Cargo.toml", manifest);
    test.write(
        "ours/crates/one/Cargo.toml",
        "[package]\nname = \"one\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    );
    test.write("ours/crates/one/src/lib.rs", "");
    test
}

fn cargo_reads(test: &Test, directory: &str) -> bool {
    let mut cargo = Command::new("cargo");
    test.at_home(cargo.args([
        "metadata",
        "--offline",
        "--no-deps",
        "--format-version",
        "1",
    ]));
    for variable in ["HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"] {
        cargo.envs(std::env::var_os(variable).map(|value| (variable, value)));
    }
    let output = cargo
        .current_dir(test.dir().join(directory))
        .output()
        .unwrap();
    output.status.success()
}

const NEW_IN_WORKSPACE: &[&str] = &[
    "new",
    "shop",
    "--preset",
    "house",
    "--no-git",
    "--into",
    "ours/crates/shop",
];

#[test]
fn a_workspace_that_takes_the_project_for_a_member_leaves_it_alone_afterwards() {
    let test = workspace(
        "# Ours.\n[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"] # all of them\n\n[profile.dev]\n# Faster.\ndebug=0\n",
    );
    assert_seen!(test.run(NEW_IN_WORKSPACE), @"
    exit 0
    --- stderr
    made `shop` in `[ROOT]/work/ours/crates/shop`, [N] files
      listed in `exclude` of `[ROOT]/work/ours/Cargo.toml`, whose workspace takes it for a member
      skipped `Cargo.lock`, because the preset has no lock table: the first build resolves the dependencies

    the same without a question:
      scaffold new shop --preset house --into ours/crates/shop --no-git

    next:
      cd ours/crates/shop
    ");
    insta::assert_snapshot!(test.read("ours/Cargo.toml"), @r#"
    # Ours.
    [workspace]
    resolver = "3"
    members = ["crates/*"] # all of them
    exclude = ["crates/shop"]

    [profile.dev]
    # Faster.
    debug=0
    "#);
    assert!(cargo_reads(&test, "ours") && cargo_reads(&test, "ours/crates/shop"));
    assert_eq!(
        test.paths()
            .iter()
            .filter(|path| path.contains("/.") && !path.contains(".scaffold/"))
            .count(),
        0,
        "{:?}",
        test.paths()
    );
}

#[test]
fn a_project_remembers_where_its_preset_is_from_there() {
    let test = Test::new();
    test.preset(&[("base/README.md", "ours\n")]);
    test.write("deep/down/file", "")
        .write("house/.demo/file", "");
    let house = test.dir().join("house");
    let house = house.to_str().unwrap();
    for (preset, into, remembered) in [
        ("house", "shop", "../house"),
        ("./house", "deep/down/shop", "../../../house"),
        (house, "house/.demo/shop", "../.."),
        ("axum", "built-in", "axum"),
    ] {
        let seen = test.run(&["new", "shop", "--preset", preset, "--into", into, "--yes"]);
        assert_eq!(seen.code, Some(0), "{seen}");
        let answers = test.read(&format!("{into}/.scaffold/answers.toml"));
        let line = format!("\npreset = \"{remembered}\"\n");
        assert!(answers.contains(&line), "{answers}");
    }
}

#[test]
fn a_list_of_exclusions_keeps_its_layout() {
    let test = workspace(
        "[workspace]\nmembers = [\"./crates/*/\"]\nexclude = [\n    # Not ready.\n    \"crates/two\", # yet\n    # Old.\n    \"crates/three\",\n]\n",
    );
    assert_eq!(test.run(NEW_IN_WORKSPACE).code, Some(0));
    insta::assert_snapshot!(test.read("ours/Cargo.toml"), @r#"
    [workspace]
    members = ["./crates/*/"]
    exclude = [
        # Not ready.
        "crates/two", # yet
        # Old.
        "crates/three",
        "crates/shop",
    ]
    "#);
    assert!(cargo_reads(&test, "ours"));
}

#[test]
fn a_workspace_that_does_not_want_the_project_is_not_touched() {
    for manifest in [
        "[workspace]\nmembers=[\"crates/one\"]\n",
        "[workspace]\nmembers=[\"crates/*\"]\nexclude=[\"crates/shop\"]\n",
        "[package]\nname=\"ours\"\nversion=\"0.1.0\"\n",
        "this is not TOML",
    ] {
        let test = workspace(manifest);
        assert_eq!(test.run(NEW_IN_WORKSPACE).code, Some(0));
        assert_eq!(test.read("ours/Cargo.toml"), manifest);
    }
}

#[test]
fn a_workspace_that_names_the_project_is_refused() {
    let test = workspace("[workspace]\nmembers = [\"crates/one\", \"crates/shop\"]\n");
    let before = test.paths();
    assert_seen!(test.run(NEW_IN_WORKSPACE), @"
    exit 2
    --- stderr
    error: `[ROOT]/work/ours/Cargo.toml` names `crates/shop` as a member of its workspace
    help: a project is a workspace of its own: take it off `members`, or say `--into DIR`
    ");
    assert_eq!(test.paths(), before);
}

#[test]
fn what_a_user_ignores_everywhere_is_a_part_of_the_first_commit() {
    let test = Test::new();
    let home = test.dir().join("../home");
    fs::write(home.join("ignored"), "Cargo.lock\n*.toml\n").unwrap();
    let config = "[user]\nname = Ann\nemail = a@example.org\n[core]\nexcludesFile = ~/ignored\n";
    fs::write(home.join(".gitconfig"), config).unwrap();
    let seen = test.run(&["new", "accounts-api", "--yes"]);
    assert!(
        seen.stderr.contains("committed to a new git repository"),
        "{seen}"
    );
    let mut status = Command::new("git");
    test.at_home(status.args(["-C", "accounts-api", "ls-files", "Cargo.lock", "Cargo.toml"]));
    assert_eq!(test.see(&mut status).stdout, "Cargo.lock\nCargo.toml\n");
}

#[test]
fn what_git_leaves_out_of_the_first_commit_is_told() {
    let test = Test::new();
    let home = test.dir().join("../home");
    fs::create_dir_all(home.join("template/info")).unwrap();
    fs::write(home.join("template/info/exclude"), "Cargo.lock\n").unwrap();
    let config = "[user]\nname = Ann\nemail = a@example.org\n[init]\ntemplateDir = ~/template\n";
    fs::write(home.join(".gitconfig"), config).unwrap();
    let seen = test.run(&["new", "accounts-api", "--yes"]);
    let told = "  skipped `Cargo.lock` in the first commit, because git ignores it\n";
    assert!(seen.stderr.contains(told), "{seen}");
}

#[test]
fn a_repository_without_files_is_filled() {
    let test = Test::new();
    let mut git = Command::new("git");
    test.at_home(git.args(["init", "--quiet", "."]));
    assert_eq!(test.see(&mut git).code, Some(0));
    let seen = test.run(&["new", "accounts-api", "--yes", "--into", "."]);
    assert_eq!(seen.code, Some(0), "{seen}");
    let told = "  skipped the first commit, because `[ROOT]/work` is a git repository already\n";
    assert!(seen.stderr.contains(told), "{seen}");
    let paths = test.paths();
    assert!(paths.contains(&"Cargo.toml".to_owned()) && paths.contains(&".git/HEAD".to_owned()));
    assert!(
        !paths.contains(&".scaffold/transaction/".to_owned()),
        "{paths:?}"
    );
    // With files it is somebody's.
    let seen = test.run(&["new", "accounts-api", "--yes", "--into", "."]);
    assert_eq!(seen.code, Some(2), "{seen}");
}

#[test]
fn a_repository_that_can_not_be_filled_stays_as_it_was() {
    let test = Test::new();
    let mut git = Command::new("git");
    test.at_home(git.args(["init", "--quiet", "shop"]));
    assert_eq!(test.see(&mut git).code, Some(0));
    let before = test.paths();
    let line = format!(
        "trap '' XFSZ; ulimit -f 8; {} new accounts-api --yes --into shop",
        env!("CARGO_BIN_EXE_scaffold")
    );
    let mut shell = Command::new("sh");
    test.at_home(shell.args(["-c", &line]));
    let seen = test.see(&mut shell);
    assert_eq!(seen.code, Some(1), "{seen}");
    assert!(
        seen.stderr.contains("can't be written: File too large"),
        "{seen}"
    );
    assert_eq!(test.paths(), before);
}

#[test]
fn with_little_address_space_it_works() {
    let test = Test::new();
    let line = format!(
        "ulimit -v 400000; {} new accounts-api --yes",
        env!("CARGO_BIN_EXE_scaffold")
    );
    let mut shell = Command::new("sh");
    test.at_home(shell.args(["-c", &line]));
    let seen = test.see(&mut shell);
    assert_eq!(seen.code, Some(0), "{seen}");
}

#[test]
fn a_preset_behind_a_link_is_one() {
    let test = Test::new();
    test.preset(&[("base/README.md", "ours\n")]);
    symlink("house", test.dir().join("link")).unwrap();
    for args in [
        &["new", "shop", "--yes", "--preset", "link"][..],
        &["preset", "check", "link"],
        &["preset", "test", "link", "--level", "render", "--accept"],
    ] {
        let seen = test.run(args);
        assert_eq!(seen.code, Some(0), "{seen}");
    }
}

#[test]
fn a_dry_run_and_a_repository_from_a_stranger_touch_nothing() {
    let test = Test::new();
    test.write("victim/thesis.txt", "years\n");
    test.write("evil/.git/HEAD", "")
        .write("evil/.scaffold/transaction/old/0", "");
    symlink(
        "../../../victim",
        test.dir().join("evil/.scaffold/transaction/new"),
    )
    .unwrap();
    let before = test.paths();
    for more in [&["--dry-run"][..], &[]] {
        let args = [&["new", "shop", "--into", "evil", "--yes"][..], more].concat();
        let seen = test.run(&args);
        assert_ne!(seen.code, Some(0), "{seen}");
        assert_eq!(test.paths(), before);
    }
    let seen = test.run(&["preset", "dev", "evil", "--out", "evil"]);
    assert_ne!(seen.code, Some(0), "{seen}");
    assert_eq!(test.paths(), before);
}

#[test]
fn where_git_is_told_to_keep_its_objects_elsewhere_the_repository_is_whole() {
    let test = Test::new();
    for variable in ["GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"] {
        let name = format!("shop-{}", variable.to_lowercase().replace('_', "-"));
        let mut new = test.scaffold(&["new", &name, "--yes"]);
        let seen = test.see(new.env(variable, test.dir().join("elsewhere")));
        assert!(
            seen.stderr.contains("committed to a new git repository"),
            "{seen}"
        );
        let mut log = Command::new("git");
        test.at_home(log.args(["-C", &name, "log", "--oneline"]));
        assert_eq!(test.see(&mut log).code, Some(0));
    }
}

#[test]
fn a_hook_that_leaves_something_behind_is_not_waited_for() {
    let test = Test::new();
    let home = test.dir().join("../home");
    let hook = home.join("hooks/post-commit");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, "#!/bin/sh\nsleep 60 &\n").unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let config = "[user]\nname = Ann\nemail = a@example.org\n[core]\nhooksPath = ~/hooks\n";
    fs::write(home.join(".gitconfig"), config).unwrap();
    let started = std::time::Instant::now();
    let seen = test.run(&["new", "shop", "--yes"]);
    assert_eq!(seen.code, Some(0), "{seen}");
    assert!(started.elapsed().as_secs() < 30);
}
