//! All or nothing, for real: signals at the worst moments, a full disk, a disk that is read-only.

#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use crate::assert_seen;
use crate::support;
use crate::support::Test;
use crate::support::terminal::{Terminal, wait_until};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed()).unwrap()
}

/// Runs `new` with a git that never ends, sends the signal while git runs, and looks at what is left.
fn interrupt_during_git(signal: Signal) {
    let test = Test::new();
    // What git starts has to end, too: it would write on into a directory that is gone.
    test.write("../bin/git", "#!/bin/sh\nsleep 1000 &\necho $! > ../../sleeping\nmv ../../sleeping ../../started\nwait\n");
    let git = test.dir().join("../bin/git");
    fs::set_permissions(&git, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!(
        "{}:{}",
        git.parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );

    let mut command = test.scaffold(&["new", "accounts-api", "--yes"]);
    let child = command
        .env("PATH", path)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let started = test.dir().join("../started");
    wait_until("git", || started.exists());
    assert_eq!(
        test.paths()
            .iter()
            .filter(|path| path.contains(".scaffold/src/main.rs"))
            .count(),
        1
    );
    kill_process(pid(&child), signal).unwrap();

    let seen = test.seen(child.wait_with_output().unwrap());
    assert_eq!(
        seen.to_string(),
        "exit 130\n--- stderr\nerror: interrupted, nothing was written\n"
    );
    assert!(test.paths().is_empty(), "{:?}", test.paths());
    let sleeping =
        Pid::from_raw(fs::read_to_string(started).unwrap().trim().parse().unwrap()).unwrap();
    wait_until("what git started to end", || {
        test_kill_process(sleeping).is_err()
    });
}

#[test]
fn an_interrupt_leaves_nothing_behind() {
    interrupt_during_git(Signal::INT);
}

#[test]
fn a_termination_leaves_nothing_behind() {
    interrupt_during_git(Signal::TERM);
}

const HIDE_CURSOR: &str = "\x1b[?25l";
const SHOW_CURSOR: &str = "\x1b[?25h";

fn new_on_a_terminal(test: &Test) -> Terminal {
    Terminal::open(
        test,
        &format!(
            "{} new accounts-api --no-git",
            env!("CARGO_BIN_EXE_scaffold")
        ),
    )
}

#[test]
fn on_a_terminal_it_asks_for_what_is_open() {
    let test = Test::new();
    let mut terminal = new_on_a_terminal(&test);
    terminal.wait_for("Which database?");
    terminal.wait_for("mysql");
    terminal.press("\r");
    terminal.wait_for("Which cache?");
    terminal.wait_for("none");
    terminal.press("\x1b[B\x1b[B\r");
    terminal.wait_for("How do you watch it?");
    terminal.press("\r");
    let (code, shown) = terminal.close();
    assert_eq!(code, Some(0), "{shown}");
    let answers = test.read("accounts-api/.scaffold/answers.toml");
    assert!(
        answers.contains("cache = \"none\"") && answers.contains("observability = \"prometheus\""),
        "{answers}"
    );
}

#[test]
fn an_interrupt_of_a_question_shows_the_cursor_again() {
    let test = Test::new();
    let mut terminal = new_on_a_terminal(&test);
    terminal.wait_for(HIDE_CURSOR);
    terminal.wait_for("mysql");
    terminal.press("\x03");
    let (code, shown) = terminal.close();
    assert_eq!(code, Some(130), "{shown}");
    assert!(shown.contains(SHOW_CURSOR), "{shown:?}");
    assert!(test.paths().is_empty());
}

/// A preset with one choice of each other kind.
const KINDS: &str = r#"
name = "house"
description = "Ours"

[[choice]]
name = "audit"
prompt = "Keep an audit log?"
kind = "flag"

[[choice]]
name = "features"
prompt = "Which features?"
kind = "many"
default = ["search"]
[[choice.option]]
name = "search"
help = "finds things"
[[choice.option]]
name = "export"
help = "writes CSV"

[[choice]]
name = "owner"
prompt = "Who owns it?"
kind = "text"
pattern = "[A-Z][a-z]*"
default = "Ann"
"#;

fn ask_every_kind(test: &Test, flags: &str) -> Terminal {
    test.preset(&[("preset.toml", KINDS), ("base/README.md", "")]);
    let program = env!("CARGO_BIN_EXE_scaffold");
    let line = format!("{program} new shop --preset house --no-git {flags}");
    Terminal::open(test, &line)
}

#[test]
fn every_kind_of_choice_is_asked() {
    let test = Test::new();
    let mut terminal = ask_every_kind(&test, "");
    terminal.wait_for("Keep an audit log?");
    terminal.press("y");
    terminal.wait_for("export");
    // Leaves the first one out, and takes the second one.
    terminal.press(" \x1b[B \r");
    terminal.wait_for("Who owns it?");
    terminal.wait_for("Ann");
    terminal.press("1\r");
    terminal.wait_for("does not match");
    // It starts anew. To erase is left out: between two keys the terminal itself may do it.
    terminal.press("a\r");
    let (code, shown) = terminal.close();
    assert_eq!(code, Some(0), "{shown}");
    let answers = test.read("shop/.scaffold/answers.toml");
    let (_, options) = answers.split_once("[choices]\n").unwrap();
    insta::assert_snapshot!(options, @r#"

    audit = true

    features = ["export"]

    owner = "Anna"
    "#);
}

#[test]
fn every_kind_of_question_can_be_interrupted() {
    for (flags, question) in [
        ("", "Keep an audit log?"),
        ("--audit", "Which features?"),
        ("--audit --features none", "Who owns it?"),
    ] {
        let test = Test::new();
        let mut terminal = ask_every_kind(&test, flags);
        terminal.wait_for(question);
        terminal.press("\x03");
        let (code, shown) = terminal.close();
        assert_eq!(code, Some(130), "{question} {shown}");
        assert!(!test.dir().join("shop").exists());
    }
}

#[test]
fn a_termination_during_a_question_restores_the_terminal() {
    let test = Test::new();
    let program = env!("CARGO_BIN_EXE_scaffold");
    let line =
        format!("{program} new accounts-api & echo $! > ../pid; fg; code=$?; stty -a; exit $code");
    let mut terminal = Terminal::open(&test, &format!("bash -mc '{line}'"));
    terminal.wait_for("mysql");
    let pid = fs::read_to_string(test.dir().join("../pid")).unwrap();
    kill_process(
        Pid::from_raw(pid.trim().parse().unwrap()).unwrap(),
        Signal::TERM,
    )
    .unwrap();
    let (code, shown) = terminal.close();
    assert_eq!(code, Some(130), "{shown}");
    assert!(
        shown.contains(SHOW_CURSOR) && shown.contains(" icanon") && shown.contains(" echo "),
        "{shown}"
    );
    assert!(test.paths().is_empty());
}

/// Whether this machine lets anybody have mounts and users of their own. Some Linux distributions do not, and other
/// systems have no such thing; where changes are checked, it has to.
fn has_namespaces() -> bool {
    let mut unshare = Command::new("unshare");
    unshare.args(["--map-root-user", "--mount", "true"]);
    let has = unshare.output().is_ok_and(|output| output.status.success());
    assert!(
        has || std::env::var_os("CI").is_none(),
        "`unshare --map-root-user --mount` does not work here"
    );
    has
}

/// Runs `new` in a directory on a disk of its own, and tells what it does.
fn on_a_disk(options: &str) -> support::Seen {
    let test = Test::new();
    fs::create_dir(test.dir().join("disk")).unwrap();
    let line = format!(
        "mount -t tmpfs -o {options} none disk && cd disk && {} new accounts-api --yes; code=$?; ls -A; exit $code",
        env!("CARGO_BIN_EXE_scaffold")
    );
    // A namespace of its own: the disk is gone with the command, and no privilege is needed.
    let mut unshare = Command::new("unshare");
    test.at_home(unshare.args(["--map-root-user", "--mount", "sh", "-c", &line]));
    test.see(&mut unshare)
}

#[test]
fn a_full_disk_leaves_nothing_behind() {
    if !has_namespaces() {
        return;
    }
    assert_seen!(on_a_disk("size=80k"), @"
    exit 1
    --- stderr
    error: `[ROOT]/work/disk/accounts-api/.scaffold/pristine.txt` can't be written: No space left on device (os error 28)
    ");
    assert_seen!(on_a_disk("nr_inodes=12"), @"
    exit 1
    --- stderr
    error: `[ROOT]/work/disk/accounts-api/.scaffold/.gitattributes` can't be written: No space left on device (os error 28)
    ");
}

#[test]
fn a_disk_that_is_read_only_is_told_as_such() {
    if !has_namespaces() {
        return;
    }
    assert_seen!(on_a_disk("ro"), @"
    exit 1
    --- stderr
    error: `[ROOT]/work/disk` can't be written: read-only filesystem or storage medium
    ");
}

#[test]
fn a_file_that_may_not_get_so_large_leaves_nothing_behind() {
    let test = Test::new();
    let line = format!(
        "trap '' XFSZ; ulimit -f 8; {} new accounts-api --yes",
        env!("CARGO_BIN_EXE_scaffold")
    );
    let mut shell = Command::new("sh");
    test.at_home(shell.args(["-c", &line]));
    assert_seen!(test.see(&mut shell), @"
    exit 1
    --- stderr
    error: `[ROOT]/work/accounts-api/.scaffold/pristine.txt` can't be written: File too large (os error 27)
    ");
    assert!(test.paths().is_empty());
}

#[test]
fn a_directory_that_one_may_not_write_to_is_told_as_such() {
    if !has_namespaces() {
        return;
    }
    let test = Test::new();
    let mut command = Command::new("unshare");
    // Root may write everywhere, so somebody else has to try.
    let line = format!("{} new accounts-api --yes", env!("CARGO_BIN_EXE_scaffold"));
    test.at_home(command.args(["--map-user=1000", "--map-group=1000", "sh", "-c", &line]));
    fs::set_permissions(test.dir(), fs::Permissions::from_mode(0o555)).unwrap();
    let seen = test.see(&mut command);
    fs::set_permissions(test.dir(), fs::Permissions::from_mode(0o755)).unwrap();
    assert_seen!(seen, @"
    exit 1
    --- stderr
    error: `[ROOT]/work` can't be written: permission denied
    ");
    assert!(test.paths().is_empty());
}

#[test]
fn where_the_workspace_around_can_not_be_changed_the_project_is_taken_back() {
    if !has_namespaces() {
        return;
    }
    let test = Test::new();
    test.preset(&[("base/README.md", "")]);
    test.write("ours/Cargo.toml", "[workspace]\nmembers = [\"*\"]\n");
    fs::create_dir(test.dir().join("ours/shop")).unwrap();
    let before = test.paths();
    // What is mounted can't be replaced.
    let line = format!(
        "mount --bind ours/Cargo.toml ours/Cargo.toml && {} new shop --preset house --into ours/shop",
        env!("CARGO_BIN_EXE_scaffold")
    );
    let mut unshare = Command::new("unshare");
    test.at_home(unshare.args(["--map-root-user", "--mount", "sh", "-c", &line]));
    assert_seen!(test.see(&mut unshare), @"
    exit 1
    --- stderr
    error: `[ROOT]/work/ours/Cargo.toml` can't be changed: Device or resource busy (os error 16)
    ");
    assert_eq!(test.paths(), before);
}
