//! `scaffold preset dev` follows a preset while its author works on it.

#![cfg(unix)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use crate::support;
use crate::support::Test;

/// Longer than anything here takes, and shorter than a developer's patience.
const PATIENCE: Duration = Duration::from_secs(30);

const MANIFEST: &str = r#"
name = "house"
description = "Ours"

[[choice]]
name = "paper"
prompt = "Which paper?"
default = "plain"
[[choice.option]]
name = "plain"
help = "white"
[[choice.option]]
name = "lined"
help = "with lines"

[[choice]]
name = "features"
prompt = "Which features?"
kind = "many"
[[choice.option]]
name = "search"
help = "finds things"
[[choice.option]]
name = "export"
help = "writes CSV"
"#;

fn house() -> Test {
    let test = Test::new();
    test.preset(&[
        ("preset.toml", MANIFEST),
        ("base/README.md.jinja", "# {{ name }}\n\nOne.\nTwo.\n"),
        ("base/deep/down/note.txt", "note\n"),
        ("base/uses.txt.jinja", "{{ features }}\n"),
        ("paper/plain/paper.txt", "white\n"),
        ("paper/lined/paper.txt", "lines\n"),
    ]);
    test
}

/// Saves files of the preset.
fn edit(test: &Test, files: &[(&str, &str)]) {
    for (path, text) in files {
        test.write(&format!("house/{path}"), text);
    }
}

/// The program at work, and what it said so far.
struct Dev {
    child: Child,
    lines: Receiver<String>,
}

impl Dev {
    fn start(test: &Test, args: &[&str]) -> Dev {
        let mut command = test.scaffold(&["preset", "dev", "house", "--out", "out"]);
        let mut child = command.args(args).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            let lines = stderr.lines().map_while(Result::ok);
            lines.for_each(|line| drop(sender.send(line)));
        });
        let mut dev = Dev { child, lines };
        dev.until("watching ");
        dev
    }

    /// All that it says up to a line that has this in it, without times and places.
    fn until(&mut self, end: &str) -> String {
        let start = Instant::now();
        let mut said = String::new();
        loop {
            let line = self.lines.recv_timeout(Duration::from_millis(50));
            if let Ok(line) = &line {
                said.push_str(line);
                said.push('\n');
            }
            if line.is_ok_and(|line| line.contains(end)) {
                break;
            }
            assert!(start.elapsed() < PATIENCE, "no {end:?} in {said}");
        }
        regex::Regex::new(r"\d+ ms")
            .unwrap()
            .replace_all(&said, "[TIME]")
            .into_owned()
    }

    /// The exit code after a signal, and the last words.
    fn end(mut self, signal: &str) -> (Option<i32>, String) {
        let kill = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status();
        assert!(kill.unwrap().success());
        let code = self.child.wait().unwrap().code();
        (code, self.lines.iter().map(|line| line + "\n").collect())
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // Where a test fails, nothing else ends it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn out(test: &Test) -> Vec<String> {
    let mut files = support::paths(&test.dir().join("out"));
    files.retain(|path| !path.ends_with('/'));
    files
}

#[test]
fn it_renders_what_changes_and_shows_it() {
    let test = house();
    let mut dev = Dev::start(&test, &[]);
    let files = [
        ".scaffold/dev.txt",
        "README.md",
        "deep/down/note.txt",
        "paper.txt",
        "uses.txt",
    ];
    assert_eq!(out(&test), files);
    assert_eq!(test.read("out/README.md"), "# things-api\n\nOne.\nTwo.\n");
    assert_eq!(test.read("out/paper.txt"), "white\n");
    let untouched = || {
        let file = fs::metadata(test.dir().join("out/paper.txt")).unwrap();
        file.modified().unwrap()
    };
    let before = untouched();

    edit(
        &test,
        &[("base/README.md.jinja", "# {{ name }}\n\nOne.\nThree.\n")],
    );
    insta::assert_snapshot!(dev.until("changed,"), @"
    update README.md
      @@ -3,2 +3,2 @@
       One.
      -Two.
      +Three.
    1 file changed, [TIME]
    ");
    assert_eq!(test.read("out/README.md"), "# things-api\n\nOne.\nThree.\n");
    assert_eq!(untouched(), before);

    edit(&test, &[("base/new.txt", "one\ntwo\n")]);
    insta::assert_snapshot!(dev.until("changed,"), @"
    create new.txt, 2 lines
    1 file changed, [TIME]
    ");
    assert_eq!(test.read("out/new.txt"), "one\ntwo\n");

    fs::remove_file(test.dir().join("house/base/deep/down/note.txt")).unwrap();
    insta::assert_snapshot!(dev.until("changed,"), @"
    delete deep/down/note.txt
    1 file changed, [TIME]
    ");
    assert!(!test.dir().join("out/deep").exists());
}

#[test]
fn a_broken_template_is_told_and_the_last_good_files_stay() {
    let test = house();
    let mut dev = Dev::start(&test, &[]);
    edit(&test, &[("base/README.md.jinja", "# {{ nome }}\n")]);
    insta::assert_snapshot!(dev.until("help: "), @"
    error: `base/README.md.jinja` is a broken template: undefined value: `nome` is undefined
      |
    1 | # {{ nome }}
      |      ^^^^
    help: a template knows `name`, `crate_name`, `resource`, `resources`, `fragments(NAME)` and each choice by its name
    ");
    assert_eq!(test.read("out/README.md"), "# things-api\n\nOne.\nTwo.\n");
    edit(&test, &[("preset.toml", "name = \"house\"\nchoices")]);
    dev.until("error: ");
    edit(
        &test,
        &[
            ("base/README.md.jinja", "# {{ name }}\n\nOne.\nTwo.\n"),
            ("preset.toml", MANIFEST),
        ],
    );
    let said = dev.until("changed,");
    assert!(said.ends_with("\n0 files changed, [TIME]\n"), "{said}");
}

#[test]
fn a_preset_that_is_broken_at_the_start_is_waited_for() {
    let test = house();
    edit(&test, &[("base/README.md.jinja", "# {{ nome }}\n")]);
    let mut dev = Dev::start(&test, &[]);
    assert!(!test.dir().join("out").exists());
    edit(&test, &[("base/README.md.jinja", "# {{ name }}\n")]);
    dev.until("4 files changed");
    assert_eq!(test.read("out/README.md"), "# things-api\n");
}

#[test]
fn a_file_that_somebody_else_wrote_stays() {
    let test = house();
    let mut dev = Dev::start(&test, &[]);
    test.write("out/README.md", "mine\n");
    test.write("out/own.txt", "mine\n");
    test.write("out/deep/down/note.txt", "mine\n");
    fs::remove_file(test.dir().join("out/paper.txt")).unwrap();
    edit(
        &test,
        &[
            ("base/README.md.jinja", "# other\n"),
            ("base/own.txt", "ours\n"),
        ],
    );
    fs::remove_file(test.dir().join("house/base/deep/down/note.txt")).unwrap();
    // It may see them one after another.
    let mut said = String::new();
    while said.matches("keep ").count() < 3 {
        said += &dev.until("changed,");
    }
    for path in ["README.md", "own.txt", "deep/down/note.txt"] {
        assert!(
            said.contains(&format!("keep   {path}, which somebody else wrote\n")),
            "{said}"
        );
        assert_eq!(test.read(&format!("out/{path}")), "mine\n");
    }
    // What is missing is nobody's.
    assert_eq!(test.read("out/paper.txt"), "white\n");
    // It is told once.
    edit(&test, &[("base/README.md.jinja", "# more\n")]);
    assert_eq!(dev.until("changed,"), "0 files changed, [TIME]\n");
    // As it would be anyway, it is ours again.
    test.write("out/README.md", "# more\n");
    edit(&test, &[("base/other.txt", "")]);
    dev.until("changed,");
    edit(&test, &[("base/README.md.jinja", "# most\n")]);
    dev.until("changed,");
    assert_eq!(test.read("out/README.md"), "# most\n");
}

#[test]
fn nothing_is_written_through_a_link() {
    let test = house();
    test.write("elsewhere/note.txt", "note\n");
    let mut dev = Dev::start(&test, &[]);
    fs::remove_dir_all(test.dir().join("out/deep")).unwrap();
    fs::create_dir(test.dir().join("out/deep")).unwrap();
    std::os::unix::fs::symlink("../../elsewhere", test.dir().join("out/deep/down")).unwrap();
    edit(&test, &[("base/deep/down/note.txt", "other\n")]);
    insta::assert_snapshot!(dev.until("changed,"), @"
    keep   deep/down/note.txt, which somebody else wrote
    0 files changed, [TIME]
    ");
    assert_eq!(test.read("elsewhere/note.txt"), "note\n");
}

#[test]
fn a_file_may_become_a_directory() {
    let test = house();
    let mut dev = Dev::start(&test, &[]);
    fs::remove_file(test.dir().join("house/paper/plain/paper.txt")).unwrap();
    edit(&test, &[("paper/plain/paper.txt/inside.txt", "white\n")]);
    while !test.dir().join("out/paper.txt/inside.txt").exists() {
        dev.until("changed,");
    }
}

#[test]
fn the_presets_that_it_extends_are_watched_too() {
    let test = house();
    let manifest = "name = \"parent\"\ndescription = \"Theirs\"\n";
    test.write(
        "house/preset.toml",
        &format!("extends = \"../parent\"\n{MANIFEST}"),
    );
    test.write("parent/preset.toml", manifest);
    test.write("parent/base/theirs.txt", "one\n");
    let mut dev = Dev::start(&test, &[]);
    test.write("parent/base/theirs.txt", "two\n");
    dev.until("changed,");
    assert_eq!(test.read("out/theirs.txt"), "two\n");
}

#[test]
fn options_are_those_that_it_was_told() {
    let test = house();
    let _dev = Dev::start(&test, &["--with", "paper=lined,features=search,export"]);
    assert_eq!(test.read("out/paper.txt"), "lines\n");
    assert_eq!(test.read("out/uses.txt"), "['search', 'export']\n");
}

#[test]
fn an_interrupt_ends_it_and_the_next_one_goes_on() {
    for signal in ["-INT", "-TERM"] {
        let test = house();
        let dev = Dev::start(&test, &[]);
        let (code, said) = dev.end(signal);
        assert_eq!(
            (code, said.as_str()),
            (Some(130), "error: interrupted, what was rendered stays\n")
        );
        assert_eq!(test.read("out/paper.txt"), "white\n");

        edit(&test, &[("paper/plain/paper.txt", "whiter\n")]);
        fs::remove_file(test.dir().join("house/base/deep/down/note.txt")).unwrap();
        let _dev = Dev::start(&test, &[]);
        assert_eq!(test.read("out/paper.txt"), "whiter\n");
        assert!(!test.dir().join("out/deep").exists());
    }
}

#[test]
fn what_it_can_not_start_with_is_refused_and_nothing_is_written() {
    let test = house();
    test.write("taken/file", "").write("file", "");
    let before = test.paths();
    let refused: [&[&str]; 8] = [
        &["missing", "--out", "out"],
        &["taken", "--out", "out"],
        &["house", "--out", "taken"],
        &["house", "--out", "file"],
        &["house", "--out", "no/where"],
        &["house", "--out", "house/out"],
        &["house", "--out", "out", "--with", "paper=gold"],
        &["house", "--out", "out", "--with", "ink"],
    ];
    let mut said = String::new();
    for args in refused {
        let seen = test.run(&[&["preset", "dev"], args].concat());
        assert_eq!(seen.code, Some(2), "{seen}");
        said.push_str(&seen.stderr);
        assert_eq!(test.paths(), before);
    }
    insta::assert_snapshot!(said, @"
    error: there is no directory `missing`
    error: there is no preset `[ROOT]/work/taken`: it is neither built in nor a directory with a `preset.toml`
    help: built in is `axum`
    error: `taken` is there already, and is not empty
    help: say `--out DIR` with a directory that is empty, not there yet, or was made by `preset dev`
    error: `file` is there already, and is a file
    help: say `--out DIR` with a directory that is empty, not there yet, or was made by `preset dev`
    error: there is no directory for `no/where` to go into
    help: say `--out DIR` with a directory that is empty, not there yet, or was made by `preset dev`
    error: `[ROOT]/work/house/out` is inside of the preset
    help: say `--out .dev`, or a directory somewhere else
    error: `paper` has no option `gold`, it has `plain`, `lined`
    error: `--with ink` answers no choice of `house`
    help: say `--with CHOICE=OPTION`, the choices are `paper`, `features`
    ");
}

#[test]
fn a_hidden_directory_of_the_preset_will_do() {
    let test = house();
    let mut command = test.scaffold(&["preset", "dev", ".", "--out", ".dev"]);
    command.current_dir(test.dir().join("house"));
    let child = command.stderr(Stdio::null()).spawn().unwrap();
    let (_, lines) = mpsc::channel();
    let _dev = Dev { child, lines };
    let start = Instant::now();
    while !test.dir().join("house/.dev/uses.txt").exists() {
        assert!(start.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(10));
    }
}
