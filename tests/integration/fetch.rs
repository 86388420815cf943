//! Presets from git repositories: which commit is taken, what is kept of it, and what a hostile one can't do.

#![cfg(unix)]

// The servers are Debian's.
#[cfg(target_os = "linux")]
mod http;
#[cfg(target_os = "linux")]
mod server;
#[cfg(target_os = "linux")]
mod ssh;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::assert_seen;
use crate::support;
use crate::support::{Seen, Test};

const MANIFEST: &str = "name = \"house\"\ndescription = \"Ours\"\n";

/// Runs git in the repository `preset`, which is outside of the directory that the program runs in.
fn git(test: &Test, args: &[&str]) -> String {
    let mut git = Command::new("git");
    test.at_home(git.args(args));
    let output = git
        .current_dir(test.dir().join("../preset"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "git {args:?}: {said}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Commits all that is in the repository, and says the commit.
fn commit(test: &Test) -> String {
    git(test, &["add", "--all", "--force"]);
    git(
        test,
        &[
            "commit",
            "--quiet",
            "--allow-empty",
            "--message",
            "Change it",
        ],
    );
    git(test, &["rev-parse", "HEAD"])
}

/// A test with a repository that has a preset in its first commit.
fn repository() -> (Test, String) {
    let test = Test::new();
    test.write("../preset/preset.toml", MANIFEST);
    test.write("../preset/base/README.md", "one\n");
    git(&test, &["init", "--quiet", "--initial-branch=main"]);
    let commit = commit(&test);
    (test, commit)
}

/// The address of the repository.
fn url(test: &Test) -> String {
    let root = test.dir().parent().unwrap().canonicalize().unwrap();
    format!("file://{}", root.join("preset").display())
}

/// A test with a repository that has a branch, a tag, and a commit that neither is at any more; and that commit.
fn history() -> (Test, String) {
    let (test, _) = repository();
    git(&test, &["tag", "v1"]);
    git(&test, &["switch", "--quiet", "--create", "feature/two"]);
    test.write("../preset/base/README.md", "two\n");
    commit(&test);
    git(&test, &["switch", "--quiet", "main"]);
    test.write("../preset/base/README.md", "three\n");
    let third = commit(&test);
    test.write("../preset/base/README.md", "four\n");
    commit(&test);
    (test, third)
}

/// Takes everything of such a repository by an address, each at its word.
fn take_all(test: &Test, url: &str, third: &str) {
    assert_eq!(readme_from(test, url), "four");
    assert_eq!(readme_from(test, &format!("{url}#main")), "four");
    assert_eq!(readme_from(test, &format!("{url}#feature/two")), "two");
    assert_eq!(readme_from(test, &format!("{url}#v1")), "one");
    assert_eq!(readme_from(test, &format!("{url}#{third}")), "three");
}

/// Makes the project `shop` from the repository, at what `reference` says after the address.
fn new(test: &Test, reference: &str) -> Seen {
    new_from(test, &format!("{}{reference}", url(test)))
}

/// Makes the project `shop` from a preset.
fn new_from(test: &Test, preset: &str) -> Seen {
    let _ = fs::remove_dir_all(test.dir().join("shop"));
    let args = ["new", "shop", "--preset", preset, "--yes", "--no-git"];
    let mut seen = test.run(&args);
    // Commits have other names each time, since they have dates.
    for text in [&mut seen.stdout, &mut seen.stderr] {
        let is_hex = |word: &str| word.len() == 40 && word.chars().all(|c| c.is_ascii_hexdigit());
        let mut words: Vec<_> = text
            .split(|c: char| !c.is_alphanumeric())
            .map(str::to_owned)
            .collect();
        words.retain(|word| is_hex(word));
        for word in words {
            *text = text.replace(&word, "[COMMIT]");
        }
    }
    seen
}

/// The README of the project, which says what commit the preset was of.
fn readme(test: &Test, reference: &str) -> String {
    readme_from(test, &format!("{}{reference}", url(test)))
}

fn readme_from(test: &Test, preset: &str) -> String {
    let seen = new_from(test, preset);
    assert_eq!(seen.code, Some(0), "{seen}");
    test.read("shop/README.md").trim().to_owned()
}

/// The paths in the cache, hidden ones too.
fn kept(test: &Test) -> Vec<String> {
    support::paths(&test.dir().join("../home/.cache/scaffold/presets"))
}

fn refused(test: &Test, preset: &str) -> Seen {
    let seen = test.run(&["new", "shop", "--preset", preset, "--yes"]);
    assert!(test.paths().is_empty(), "{:?}", test.paths());
    seen
}

#[test]
fn a_project_remembers_the_address_and_the_commit() {
    let (test, commit) = repository();
    assert_seen!(new(&test, "#main"), @"
    exit 0
    --- stderr
    made `shop` in `[ROOT]/work/shop`, [N] files
      from commit `[COMMIT]` of the preset
      skipped `Cargo.lock`, because the preset has no lock table: the first build resolves the dependencies

    the same without a question:
      scaffold new shop --preset 'file://[ROOT]/preset#[COMMIT]' --no-git

    next:
      cd shop
    ");
    let remembered = test.read("shop/.scaffold/answers.toml");
    let address = format!(
        "preset = \"{}#main\"\n\ncommit = \"{commit}\"\n",
        url(&test)
    );
    assert!(remembered.contains(&address), "{remembered}");

    let preset = url(&test);
    let args = [
        "new", "mall", "--preset", &preset, "--yes", "--format", "json",
    ];
    let seen = test.run(&args);
    assert_eq!((seen.code, seen.stderr.as_str()), (Some(0), ""));
    let json: serde_json::Value = serde_json::from_str(&seen.stdout).unwrap();
    assert_eq!(json["answers"]["commit"], commit);
}

#[test]
fn a_branch_a_tag_and_a_commit_are_taken_at_their_word() {
    let (test, first) = repository();
    git(&test, &["tag", "v1"]);
    git(
        &test,
        &["tag", "--annotate", "--message", "One", "signed/v1"],
    );
    git(&test, &["switch", "--quiet", "--create", "feature/two"]);
    test.write("../preset/base/README.md", "two\n");
    commit(&test);
    git(&test, &["switch", "--quiet", "main"]);
    test.write("../preset/base/README.md", "three\n");
    commit(&test);

    assert_eq!(readme(&test, ""), "three");
    assert_eq!(readme(&test, "#HEAD"), "three");
    assert_eq!(readme(&test, "#main"), "three");
    assert_eq!(readme(&test, "#feature/two"), "two");
    assert_eq!(readme(&test, "#v1"), "one");
    assert_eq!(readme(&test, "#signed/v1"), "one");
    assert_eq!(readme(&test, &format!("#{first}")), "one");
    // A branch is not taken for a tag of a longer name.
    assert_eq!(new(&test, "#two").code, Some(2));
    assert_seen!(new(&test, "#v2"), @"
    exit 2
    --- stderr
    error: `file://[ROOT]/preset` has neither a branch nor a tag `v2`
    help: `git ls-remote file://[ROOT]/preset` lists what it has; a commit is given by all of its digits
    ");
}

#[test]
fn a_branch_is_asked_for_each_time() {
    let (test, _) = repository();
    assert_eq!(readme(&test, "#main"), "one");
    test.write("../preset/base/README.md", "two\n");
    commit(&test);
    assert_eq!(readme(&test, "#main"), "two");
}

#[test]
fn what_was_fetched_serves_where_the_repository_is_gone() {
    let (test, commit) = repository();
    assert_eq!(readme(&test, ""), "one");
    let [here, gone] = ["../preset", "../gone"].map(|path| test.dir().join(path));
    fs::rename(&here, &gone).unwrap();
    assert_seen!(new(&test, ""), @"
    exit 0
    --- stderr
    note: `file://[ROOT]/preset` can't be reached, so the preset is what was fetched before, commit `[COMMIT]`: '[ROOT]/preset' does not appear to be a git repository
    made `shop` in `[ROOT]/work/shop`, [N] files
      from commit `[COMMIT]` of the preset
      skipped `Cargo.lock`, because the preset has no lock table: the first build resolves the dependencies

    the same without a question:
      scaffold new shop --preset 'file://[ROOT]/preset#[COMMIT]' --no-git

    next:
      cd shop
    ");
    // A commit is the same for ever, so nobody is asked.
    let seen = new(&test, &format!("#{commit}"));
    assert!(!seen.stderr.contains("note:"), "{seen}");
    // This branch was never fetched.
    assert_seen!(new(&test, "#main"), @"
    exit 1
    --- stderr
    error: the preset can't be fetched from `file://[ROOT]/preset`: '[ROOT]/preset' does not appear to be a git repository
    help: once `git ls-remote file://[ROOT]/preset` works and asks for nothing, this works, too
    ");
}

#[test]
fn a_commit_is_fetched_by_its_digits_alone() {
    let (test, first) = repository();
    test.write("../preset/base/README.md", "two\n");
    commit(&test);
    assert_eq!(readme(&test, &format!("#{first}")), "one");
    assert_seen!(new(&test, "#0123456789012345678901234567890123456789"), @"
    exit 1
    --- stderr
    error: the preset can't be fetched from `file://[ROOT]/preset`: remote error: upload-pack: not our ref [COMMIT]
    ");
    let tree = git(&test, &["rev-parse", "HEAD^{tree}"]);
    assert_seen!(new(&test, &format!("#{tree}")), @"
    exit 2
    --- stderr
    error: `[COMMIT]` of `file://[ROOT]/preset` is not a commit
    ");
}

#[test]
fn a_fetch_that_was_cut_off_is_made_again() {
    let (test, _) = repository();
    let cache = test.dir().join("../home/.cache/scaffold/presets");
    assert_eq!(readme(&test, ""), "one");
    let kept = fs::read_dir(&cache)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    for entry in fs::read_dir(&kept).unwrap() {
        let entry = entry.unwrap();
        let is_repository = entry.file_name().to_str().unwrap().ends_with(".git");
        if is_repository {
            // As it is before its rename.
            fs::rename(entry.path(), kept.join(".fetching-cut")).unwrap();
        }
    }
    assert_eq!(readme(&test, ""), "one");
}

#[test]
fn two_that_fetch_at_once_do_not_disturb_each_other() {
    let (test, _) = repository();
    let preset = url(&test);
    let names = ["shop", "mall", "bank", "zoo", "farm", "club"];
    let runs: Vec<_> = names
        .iter()
        .map(|name| {
            let mut command =
                test.scaffold(&["new", name, "--preset", &preset, "--yes", "--no-git"]);
            command.stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for run in runs {
        let output = run.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn the_cache_is_where_the_user_says() {
    let (test, _) = repository();
    let preset = url(&test);
    let mut command = test.scaffold(&["new", "shop", "--preset", &preset, "--yes"]);
    command.env("XDG_CACHE_HOME", test.dir().join("../cache"));
    assert_eq!(test.see(&mut command).code, Some(0));
    assert!(test.dir().join("../cache/scaffold/presets").is_dir());
    assert!(!test.dir().join("../home/.cache").exists());
}

#[test]
fn a_repository_without_a_manifest_in_its_root_is_told_so() {
    let (test, _) = repository();
    git(&test, &["mv", "--force", "preset.toml", "base/preset.toml"]);
    commit(&test);
    assert_seen!(new(&test, ""), @"
    exit 2
    --- stderr
    error: the root of `file://[ROOT]/preset` has no `preset.toml`, in commit `[COMMIT]`
    help: a preset is a whole repository; one that is a directory of it can be used from a clone, with `--preset DIR`
    ");
}

#[test]
fn a_repository_without_a_commit_is_told_so() {
    let (test, _) = repository();
    fs::remove_dir_all(test.dir().join("../preset/.git")).unwrap();
    git(&test, &["init", "--quiet"]);
    assert_seen!(new(&test, ""), @"
    exit 2
    --- stderr
    error: `file://[ROOT]/preset` has no commit yet
    ");
}

#[test]
fn what_a_repository_keeps_for_itself_is_no_part_of_the_preset() {
    let (test, _) = repository();
    test.write("../preset/.github/workflows/ci.yml", "on: push\n");
    test.write("../preset/LICENSE", "MIT\n");
    commit(&test);
    assert_eq!(readme(&test, ""), "one");
    assert!(!test.dir().join("shop/.github").exists());
    // And the same for the directory that it was cloned to.
    let seen = test.run(&["new", "mall", "--preset", "../preset", "--yes", "--no-git"]);
    assert_eq!(seen.code, Some(0), "{seen}");
}

#[test]
fn an_address_that_would_run_something_is_refused() {
    let test = Test::new();
    for preset in [
        "ext::sh -c touch% pwned",
        "fd::17",
        "ssh://-oProxyCommand=touch% pwned/a",
        "git@-oProxyCommand=touch% pwned:a",
        "git@host:--upload-pack=touch% pwned",
        "git://localhost/a",
        "file:///tmp/a#--upload-pack=touch",
    ] {
        let seen = refused(&test, preset);
        assert_eq!(seen.code, Some(2), "{preset}: {seen}");
        assert!(seen.stderr.contains("can't be used: "), "{seen}");
    }
    assert_seen!(refused(&test, "ext::sh -c touch% pwned"), @"
    exit 2
    --- stderr
    error: the address `ext::sh -c touch% pwned` can't be used: presets come by `https`, `http`, `ssh` and `file`
    help: an address is `https://HOST/PATH`, `ssh://HOST/PATH`, `USER@HOST:PATH` or `file:///PATH`, and `#REF` if need be
    ");
    assert_seen!(refused(&test, "-upload-pack=touch@host:a"), @"
    exit 2
    --- stderr
    error: the address `-upload-pack=touch@host:a` can't be used: it starts with a dash
    help: an address is `https://HOST/PATH`, `ssh://HOST/PATH`, `USER@HOST:PATH` or `file:///PATH`, and `#REF` if need be
    ");
    assert_seen!(refused(&test, "file:///tmp/a#main..next"), @"
    exit 2
    --- stderr
    error: the address `file:///tmp/a#main..next` can't be used: what follows `#` is no name that git allows
    help: a branch, a tag or a full commit follows it
    ");
    assert_seen!(refused(&test, "file:///tmp/a#main#next"), @"
    exit 2
    --- stderr
    error: the address `file:///tmp/a#main#next` can't be used: what follows `#` is no name that git allows
    help: a branch, a tag or a full commit follows it
    ");
    assert!(!test.dir().join("../home/.cache").exists());
}

#[test]
fn what_lets_one_in_is_neither_kept_nor_shown() {
    let test = Test::new();
    assert_seen!(refused(&test, "https://secret@localhost/a"), @"
    exit 2
    --- stderr
    error: the address `https://...@localhost/a` can't be used: it holds a user, who may be a token
    help: leave it out: git's credential helper knows it, and a project remembers the address
    ");
    assert_seen!(refused(&test, "https://ann:secret@localhost/a"), @"
    exit 2
    --- stderr
    error: the address `https://...@localhost/a` can't be used: it holds a password
    help: leave it out: git's credential helper knows it, and a project remembers the address
    ");
    for address in [
        "https://secret@localhost/a",
        "https://ann:secret@localhost/a",
        "https://localhost/a?token=secret",
    ] {
        let pinned = format!("{address}#{}", "0".repeat(40));
        let manifest = format!("{MANIFEST}extends = \"{pinned}\"\n");
        test.write("../house/preset.toml", &manifest);
        for command in [
            &["preset", "show", address][..],
            &["preset", "check", address],
            &["preset", "lock", address],
            &["preset", "new", "ours", "--extends", address],
            &["verify", "--preset", address],
            &["new", "shop", "--yes", "--preset", "../house"],
            &["preset", "check", "../house"],
            &["preset", "check", "../house", "--format", "json"],
            &["preset", "show", "../house"],
            &["preset", "test", "../house"],
        ] {
            let seen = test.run(command);
            assert_ne!(seen.code, Some(0), "{seen}");
            assert!(!seen.to_string().contains("secret"), "{seen}");
            assert!(test.paths().is_empty(), "{:?}", test.paths());
        }
    }
    assert!(!test.dir().join("../home/.cache").exists());
}

#[test]
fn a_mistaken_address_does_not_show_its_secret() {
    let test = Test::new();
    for address in [
        "https:/user:SECRET@h/p.git",
        "//user:SECRET@h/p.git",
        "user:SECRET@h:/p.git",
        "user:SEC/RET@h:/p.git",
        "https://user:SECRET",
        "https://user:SECRET@h/p.git",
        "git@SECRET@h:p.git",
        "https://h/p.git;token=SECRET",
    ] {
        let manifest = format!("{MANIFEST}extends = \"{address}\"\n");
        test.write("../house/preset.toml", &manifest);
        let into = format!("{address}/shop");
        for command in [
            &["new", "shop", "--yes", "--preset", address][..],
            &["new", address, "--yes"],
            &["new", "shop", "--yes", "--resource", address],
            &["new", "shop", "--yes", "--into", &into],
            &["preset", "new", address],
            &["preset", "new", "ours", "--extends", address],
            &["preset", "new", "ours", "--into", &into],
            &["preset", "show", address],
            &["preset", "check", address],
            &["preset", "test", address],
            &["preset", "dev", address, "--out", "out"],
            &["preset", "lock", address],
            &["preset", "price", address],
            &["verify", "--preset", address],
            &["new", "shop", "--yes", "--preset", "../house"],
            &["preset", "show", "../house"],
            &["preset", "check", "../house"],
            &["preset", "check", "../house", "--format", "json"],
            &["preset", "test", "../house"],
            &["verify", "--preset", "../house"],
        ] {
            let seen = test.run(command);
            assert_ne!(seen.code, Some(0), "{seen}");
            let said = seen.to_string().to_lowercase();
            assert!(!said.contains("sec"), "{command:?}: {seen}");
            assert!(test.paths().is_empty(), "{:?}", test.paths());
        }
    }
    // A directory is called what it is called.
    test.write("a@b/preset.toml", "");
    let seen = test.run(&["preset", "show", "a@b"]);
    assert!(seen.stderr.contains("`a@b` can't be used"), "{seen}");
}

#[test]
fn a_rewritten_address_gets_no_further() {
    let (test, _) = repository();
    // As if somebody had talked the user into it; the helper is git's to refuse then.
    let config = "[url \"ext::sh -c touch% pwned\"]\ninsteadOf = https://presets.example/\n[protocol \"ext\"]\nallow = always\n";
    test.write("../home/.gitconfig", config);
    assert_seen!(refused(&test, "https://presets.example/a"), @"
    exit 1
    --- stderr
    error: the preset can't be fetched from `https://presets.example/a`: transport 'ext' not allowed
    ");
}

#[test]
fn links_and_submodules_are_refused() {
    let (test, first) = repository();
    symlink("/etc/passwd", test.dir().join("../preset/base/passwd")).unwrap();
    commit(&test);
    assert_seen!(new(&test, ""), @"
    exit 1
    --- stderr
    error: the preset has a link: `base/passwd`
    help: put the file itself there
    ");

    git(&test, &["rm", "--quiet", "base/passwd"]);
    let module = format!("160000,{first},base/module");
    git(&test, &["update-index", "--add", "--cacheinfo", &module]);
    git(
        &test,
        &["commit", "--quiet", "--message", "Add a submodule"],
    );
    assert_seen!(new(&test, ""), @"
    exit 1
    --- stderr
    error: the preset has a submodule: `base/module`
    help: put its files there
    ");
}

#[test]
fn nothing_of_what_was_fetched_runs() {
    let (test, _) = repository();
    let pwn = format!("touch {}/pwned", test.dir().display());
    let script = format!("#!/bin/sh\n{pwn}\ncat\n");
    for hook in [
        "post-checkout",
        "post-merge",
        "reference-transaction",
        "pre-auto-gc",
        "fsmonitor-watchman",
    ] {
        for path in [
            format!("../home/hooks/{hook}"),
            format!("../home/template/hooks/{hook}"),
        ] {
            test.write(&path, &script);
            fs::set_permissions(test.dir().join(&path), fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    let home = test.dir().parent().unwrap().join("home");
    let home = home.display();
    test.write(
        "../preset/.gitattributes",
        "* filter=lfs diff=lfs merge=lfs\n",
    );
    commit(&test);
    let config = format!(
        "[core]\nhooksPath = {home}/hooks\nfsmonitor = {home}/hooks/fsmonitor-watchman\n[init]\ntemplateDir = {home}/template\n[filter \"lfs\"]\nsmudge = {pwn}; cat\nprocess = {pwn}\nrequired = true\n"
    );
    test.write("../home/.gitconfig", &config);
    assert_eq!(readme(&test, ""), "one");
    assert!(!test.dir().join("pwned").exists());
}

#[test]
fn a_repository_has_the_limits_of_a_directory() {
    let (test, _) = repository();
    let large = fs::File::create(test.dir().join("../preset/base/large")).unwrap();
    large.set_len(5 << 20).unwrap();
    commit(&test);
    assert_seen!(new(&test, ""), @"
    exit 1
    --- stderr
    error: `base/large` of the preset `file://[ROOT]/preset` is larger than 4194304 bytes
    help: a preset is text: keep what is large somewhere else
    ");

    fs::write(test.dir().join("../preset/base/large"), b"\xff").unwrap();
    commit(&test);
    assert_seen!(new(&test, ""), @"
    exit 1
    --- stderr
    error: `base/large` of the preset `file://[ROOT]/preset` is not text: invalid utf-8 sequence of 1 bytes from index 0
    help: a preset holds nothing but text in UTF-8
    ");

    fs::remove_file(test.dir().join("../preset/base/large")).unwrap();
    for index in 0..5_001 {
        test.write(&format!("../preset/base/{index}"), "");
    }
    commit(&test);
    assert_seen!(new(&test, ""), @"
    exit 1
    --- stderr
    error: the preset `file://[ROOT]/preset` has more than [N] files
    help: is it the right directory?
    ");
}

#[test]
fn a_repository_that_does_not_stop_to_come_is_given_up() {
    let (test, _) = repository();
    // Nothing of this gets smaller on its way, and nobody tries.
    git(&test, &["config", "core.compression", "0"]);
    git(&test, &["config", "core.bigFileThreshold", "1"]);
    let mut noise = fs::File::open("/dev/urandom").unwrap();
    for index in 0..17 {
        let path = test.dir().join(format!("../preset/base/{index}"));
        let mut file = fs::File::create(path).unwrap();
        io::copy(&mut noise.by_ref().take(4 << 20), &mut file).unwrap();
    }
    commit(&test);
    assert_seen!(new(&test, ""), @"
    exit 1
    --- stderr
    error: the preset can't be fetched from `file://[ROOT]/preset`: it is larger than 67108864 bytes, without its history
    help: a preset is text; keep what is large in another repository
    ");
    // Of the cache there is no more than the directory of the address.
    assert_eq!(kept(&test).len(), 1, "{:?}", kept(&test));
    assert!(test.paths().is_empty(), "{:?}", test.paths());
}

#[test]
fn without_git_it_says_so() {
    let (test, _) = repository();
    let preset = url(&test);
    let mut command = test.scaffold(&["new", "shop", "--preset", &preset, "--yes"]);
    assert_seen!(test.see(command.env("PATH", "/nowhere")), @"
    exit 1
    --- stderr
    error: there is no `git` on the `PATH` to get the preset with
    help: install git, or take a preset that is a directory
    ");
}

#[test]
fn an_interrupt_ends_the_fetch() {
    let test = Test::new();
    test.write(
        "../bin/git",
        "#!/bin/sh\necho $$ > ../../started\nexec sleep 1000\n",
    );
    let script = test.dir().join("../bin/git");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    test.write(
        "../bin/git",
        &format!(
            "#!/bin/sh\necho $$ > {}\nexec sleep 1000\n",
            test.dir().join("../started").display()
        ),
    );
    let path = format!(
        "{}:{}",
        test.dir().join("../bin").display(),
        std::env::var("PATH").unwrap()
    );
    let mut command = test.scaffold(&["new", "shop", "--preset", "https://localhost/a", "--yes"]);
    command.env("PATH", path).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let start = Instant::now();
    let pid = loop {
        let pid = fs::read_to_string(test.dir().join("../started")).unwrap_or_default();
        if let Ok(pid) = pid.trim().parse() {
            break rustix::process::Pid::from_raw(pid).unwrap();
        }
        assert!(start.elapsed() < Duration::from_secs(20));
        thread::sleep(Duration::from_millis(5));
    };
    let id = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    assert_seen!(test.seen(child.wait_with_output().unwrap()), @"
    exit 130
    --- stderr
    error: interrupted, nothing was written
    ");
    assert!(rustix::process::test_kill_process(pid).is_err());
    assert!(test.paths().is_empty());
}

#[test]
fn a_preset_extends_a_commit_of_a_repository_and_nothing_that_may_move() {
    let (test, commit) = repository();
    let child = |extends: &str| {
        let manifest = format!("name = \"flat\"\ndescription = \"\"\nextends = \"{extends}\"\n");
        test.write("flat/preset.toml", &manifest);
        test.run(&["new", "shop", "--preset", "flat", "--yes", "--no-git"])
    };
    let seen = child(&format!("{}#main", url(&test)));
    assert_eq!(seen.code, Some(2), "{seen}");
    assert!(seen.stderr.contains("is not pinned to a commit"), "{seen}");
    let seen = child(&format!("{}#{commit}", url(&test)));
    assert_eq!(seen.code, Some(0), "{seen}");
    assert_eq!(test.read("shop/README.md"), "one\n");
}

#[test]
fn a_preset_from_a_repository_reaches_no_directory_beside_it() {
    let (test, _) = repository();
    test.write(
        "../secret/preset.toml",
        "name = \"secret\"\ndescription = \"\"\n",
    );
    for extends in ["../secret", "./inside"] {
        let manifest = format!("{MANIFEST}extends = \"{extends}\"\n");
        test.write("../preset/preset.toml", &manifest);
        commit(&test);
        let seen = new(&test, "");
        assert_eq!(seen.code, Some(2), "{seen}");
        let said = format!("a preset from a repository can't extend the directory `{extends}`");
        assert!(seen.stderr.contains(&said), "{seen}");
    }
}

/// Whoever types a command line waits for no network.
#[test]
fn completing_takes_what_was_fetched_and_fetches_nothing() {
    let (test, _) = repository();
    let choice = "[[choice]]\nname = \"audit\"\nprompt = \"Audit it?\"\nkind = \"flag\"\n";
    test.write("../preset/preset.toml", &format!("{MANIFEST}{choice}"));
    commit(&test);
    let completed = || {
        let preset = url(&test);
        let words = ["--", "scaffold", "new", "x", "--preset", &preset, "--audi"];
        let mut scaffold = test.scaffold(&words);
        test.see(scaffold.env("SCAFFOLD_COMPLETE", "fish")).stdout
    };
    assert_eq!(completed(), "");
    assert!(!test.dir().join("../home/.cache").exists());
    assert_eq!(new(&test, "").code, Some(0));
    assert_eq!(completed(), "--audit\tAudit it? [default: no]\n");
}
