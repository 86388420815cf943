//! What shells and `man` read: completions and the manual.

#![cfg(unix)]

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use support::Test;

/// Whether a program is there; its own tests are for those machines that have it.
fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

fn run(test: &Test, program: &str, args: &[&str]) -> Output {
    let mut command = Command::new(program);
    test.at_home(command.args(args));
    command.output().unwrap()
}

/// Writes the script of a shell into a file.
fn script(test: &Test, args: &[&str]) {
    let seen = test.run(&[&["completions"], args].concat());
    assert_eq!(seen.code, Some(0), "{seen}");
    test.write("script", &seen.stdout);
}

/// What bash offers after these words, the last of which is being typed.
fn offered(test: &Test, words: &[&str]) -> String {
    let (last, previous) = (words.len() - 1, words[words.len() - 2]);
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let line = format!(
        "source ./script; COMP_WORDS=({}); COMP_CWORD={last}; _scaffold scaffold '{}' '{previous}'; echo \"${{COMPREPLY[@]}}\"",
        quoted.join(" "),
        words[last]
    );
    let output = run(test, "bash", &["-c", &line]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn bash_completes_choices_and_options() {
    let test = Test::new();
    script(&test, &["bash"]);
    assert!(run(&test, "bash", &["-n", "./script"]).status.success());
    assert_eq!(
        offered(&test, &["scaffold", "new", "x", "--database", ""]),
        "sqlite postgres mysql"
    );
    assert_eq!(
        offered(&test, &["scaffold", "new", "x", "--cache", "m"]),
        "memory"
    );
    assert_eq!(
        offered(&test, &["scaffold", "new", "x", "--obs"]),
        "--observability"
    );
    assert_eq!(offered(&test, &["scaffold", "preset", "s"]), "show");
}

#[test]
fn the_choices_of_another_preset_are_completed_too() {
    let test = Test::new();
    let choice = "name = \"house\"\ndescription = \"\"\n[[choice]]\nname = \"queue\"\nprompt = \"\"\ndefault = \"nats\"\n[[choice.option]]\nname = \"nats\"\nhelp = \"\"\n";
    test.preset(&[("preset.toml", choice)]);
    script(&test, &["bash", "--preset", "house"]);
    assert_eq!(
        offered(&test, &["scaffold", "new", "x", "--queue", ""]),
        "nats"
    );
}

#[test]
fn stdout_has_the_script_and_stderr_says_where_it_belongs() {
    let test = Test::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let seen = test.run(&["completions", shell]);
        assert_eq!(seen.code, Some(0), "{seen}");
        assert!(seen.stdout.contains("observability") && !seen.stdout.contains("help: put"));
        assert!(
            seen.stderr.starts_with("help: ") && seen.stderr.lines().count() == 1,
            "{}",
            seen.stderr
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
fn other_shells_can_read_theirs() {
    let test = Test::new();
    for shell in ["zsh", "fish"].into_iter().filter(|shell| has(shell)) {
        script(&test, &[shell]);
        let output = run(&test, shell, &["-n", "script"]);
        assert!(
            output.status.success(),
            "{shell}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let test = Test::new();
    assert_seen!(test.run(&["man", "the manual"]), @"
    exit 0
    --- stderr
    wrote the manual to `the manual`
    help: read it with `man the manual/scaffold.1`
    ");
    let pages = support::paths(&test.dir().join("the manual"));
    for name in [
        "",
        "-new",
        "-verify",
        "-preset",
        "-preset-list",
        "-preset-show",
        "-completions",
        "-man",
    ] {
        assert!(pages.contains(&format!("scaffold{name}.1")), "{pages:?}");
    }
    let overview = test.read("the manual/scaffold.1");
    for command in ["new", "verify", "preset", "completions", "man"] {
        assert!(
            overview.contains(&format!("scaffold\\-{command}(1)")),
            "{overview}"
        );
    }
    assert!(
        test.read("the manual/scaffold-new.1")
            .contains("\\-\\-database")
    );
    // The same again, over what is there.
    assert_eq!(test.run(&["man", "the manual"]).code, Some(0));
    if has("man") && Path::new("/usr/bin/groff").exists() {
        for page in &pages {
            let output = run(
                &test,
                "man",
                &["--warnings", "-l", &format!("the manual/{page}")],
            );
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success() && said.is_empty(), "{page}: {said}");
        }
    }
}

#[test]
fn a_directory_of_the_manual_that_is_a_file_is_told_as_such() {
    let test = Test::new();
    test.write("file", "mine");
    assert_seen!(test.run(&["man", "file"]), @"
    exit 1
    --- stderr
    error: `file` can't be written: File exists (os error 17)
    ");
    assert_eq!(fs::read_to_string(test.dir().join("file")).unwrap(), "mine");
}
