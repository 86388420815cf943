//! Shells complete command lines: each one for real, set up as `scaffold completions` says.

#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::Command;

use crate::assert_seen;
use crate::support;
use crate::support::Test;
use crate::support::terminal::Terminal;

/// A preset whose author knows how shells read what they are given.
const PRESET: &str = r#"name = "house"
description = "Ours"

[[choice]]
name = "queue"
prompt = "Which \"queue\" [of: ours], it's `touch pwned` or $(touch pwned)?"
default = "nats"
[[choice.option]]
name = "nats"
help = "it's [fast]: \"$(touch pwned)\" `touch pwned` $HOME \\"
[[choice.option]]
name = "kafka"
help = "\"; touch pwned; \"' ) ; touch pwned ; ("

[[choice]]
name = "extras"
prompt = "Which extras?"
kind = "many"
[[choice.option]]
name = "metrics"
help = ""
[[choice.option]]
name = "traces"
help = ""
"#;

/// What is typed, and some of what is offered then.
const OFFERED: &[(&str, &[&str])] = &[
    ("scaffold ", &["verify", "completions"]),
    ("scaffold preset ", &["show", "check", "price"]),
    ("scaffold completions ", &["zsh", "elvish"]),
    ("scaffold new x --", &["--database", "--observability"]),
    (
        "scaffold new x --database ",
        &["sqlite", "postgres", "mysql"],
    ),
    (
        "scaffold verify --only ",
        &["database=sqlite", "cache=redis"],
    ),
    ("scaffold new x --preset ", &["axum", "house"]),
    ("scaffold new x --preset house --", &["--queue", "--extras"]),
    ("scaffold new x --preset house --queue ", &["nats", "kafka"]),
    (
        "scaffold new x --preset house --extras traces,",
        &["traces,metrics"],
    ),
];

/// A test with that preset, whose shell was told to complete as the program says on a terminal.
fn set_up(shell: &str, before: &str) -> Test {
    let test = Test::new();
    test.preset(&[("preset.toml", PRESET)]);
    let program = env!("CARGO_BIN_EXE_scaffold");
    let terminal = Terminal::open(&test, &format!("{program} completions {shell}"));
    let (code, shown) = terminal.close();
    assert_eq!(code, Some(0), "{shown}");
    let (_, tip) = shown.split_once("help: put `").unwrap();
    let (line, rest) = tip.split_once("` into `~/").unwrap();
    let (file, _) = rest.split_once('`').unwrap();
    test.write(&format!("../home/{file}"), &format!("{before}\n{line}\n"));
    test
}

/// Has the program on the `PATH` of a shell.
fn with_program(line: &str) -> String {
    let directory = Path::new(env!("CARGO_BIN_EXE_scaffold")).parent();
    format!("PATH={}:$PATH {line}", directory.unwrap().display())
}

/// Types what is to be completed, and looks at what the shell shows.
fn completes(test: &Test, shell: &str, offered: &[(&str, &[&str])], tab: &str) {
    let line = with_program(&format!("{shell} -i"));
    let mut terminal = Terminal::open(test, &format!("stty cols 120 rows 40; {line}"));
    terminal.wait_for("ready> ");
    for (typed, offered) in offered {
        terminal.forget();
        terminal.press(typed);
        terminal.press(tab);
        for offer in *offered {
            terminal.wait_for(offer);
        }
        // Clears the line.
        terminal.press("\x15");
    }
    terminal.press("exit\r");
    terminal.close();
    assert!(!test.dir().join("pwned").exists());
}

#[test]
fn bash_completes_choices_and_options() {
    let test = set_up("bash", "PS1='ready> '");
    completes(&test, "bash", OFFERED, "\t\t");
}

/// For bash `=` and `:` are words of their own.
#[test]
fn bash_completes_what_follows_an_equals_sign() {
    let test = set_up("bash", "PS1='ready> '");
    let offered: &[(&str, &[&str])] = &[
        ("scaffold new x --database=", &["sqlite", "postgres"]),
        ("scaffold new x --database=po", &["--database=postgres "]),
        ("scaffold new x --preset=house --queue=", &["nats", "kafka"]),
        ("scaffold verify --only database=", &["sqlite", "postgres"]),
        (
            "scaffold verify --only database=po",
            &["database=postgres "],
        ),
    ];
    completes(&test, "bash", offered, "\t\t");
}

#[test]
fn zsh_completes_choices_and_options() {
    if support::has("zsh") {
        let test = set_up("zsh", "PS1='ready> '\nautoload -Uz compinit && compinit -u");
        completes(&test, "zsh", OFFERED, "\t");
    }
}

#[test]
fn fish_completes_choices_and_options() {
    if !support::has("fish") {
        return;
    }
    let test = set_up("fish", "");
    for (typed, offered) in OFFERED {
        let line = with_program(&format!("fish --command \"complete -C '{typed}'\""));
        let mut shell = Command::new("sh");
        test.at_home(shell.args(["-c", &line]));
        let seen = test.see(&mut shell);
        for offer in *offered {
            assert!(seen.stdout.contains(offer), "{typed}: {seen}");
        }
    }
    assert!(!test.dir().join("pwned").exists());
}

/// Its completer is asked as its editor asks it: by the words.
#[test]
fn elvish_completes_choices_and_options() {
    if !support::has("elvish") {
        return;
    }
    let test = set_up("elvish", "");
    let rc = "../home/.config/elvish/rc.elv";
    let mut lines = test.read(rc);
    for (typed, _) in OFFERED {
        let words: Vec<_> = typed.split(' ').map(|word| format!("'{word}'")).collect();
        let words = words.join(" ");
        lines += &format!("$edit:completion:arg-completer[scaffold] {words} >> offered\n");
        lines += "echo '' >> offered\n";
    }
    test.write(rc, &(lines + "exit\n"));
    let (code, shown) = Terminal::open(&test, &with_program("elvish")).close();
    assert_eq!(code, Some(0), "{shown}");
    let offers = test.read("offered");
    let offers: Vec<_> = offers.split("\n\n").collect();
    for ((typed, offered), offers) in OFFERED.iter().zip(offers) {
        for offer in *offered {
            assert!(offers.contains(offer), "{typed}: {offers}");
        }
    }
    assert!(!test.dir().join("pwned").exists());
}

#[test]
fn stdout_has_the_script_with_nothing_of_a_preset() {
    let test = Test::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let seen = test.run(&["completions", shell]);
        assert_eq!((seen.code, &*seen.stderr), (Some(0), ""), "{seen}");
        assert!(
            seen.stdout.contains("SCAFFOLD_COMPLETE") && !seen.stdout.contains("database"),
            "{seen}"
        );
    }
    assert_seen!(test.run(&["completions", "csh"]), @"
    exit 2
    --- stderr
    error: `<SHELL>` has no option `csh`, it has `bash`, `elvish`, `fish`, `powershell`, `zsh`
    help: did you mean `zsh`?
    ");
}

#[test]
fn a_shell_that_there_is_not_is_told_as_such() {
    let test = Test::new();
    assert_seen!(test.see(test.scaffold(&["--", "scaffold", ""]).env("SCAFFOLD_COMPLETE", "csh")), @"
    exit 2
    --- stderr
    error: the variable `SCAFFOLD_COMPLETE` has no option `csh`
    help: unset `SCAFFOLD_COMPLETE`
    ");
}
