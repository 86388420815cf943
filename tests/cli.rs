//! A command line, and what is seen of it: exit code, stdout, stderr.

mod support;

use support::Test;

#[test]
fn it_says_what_it_can_do() {
    assert_seen!(Test::new().run(&["--help"]), @"");
}

#[test]
fn the_choices_of_the_preset_are_flags() {
    assert_seen!(Test::new().run(&["new", "-h"]), @"");
}

#[test]
fn it_makes_a_project_and_says_what_comes_next() {
    let test = Test::new();
    assert_seen!(test.run(&["new", "accounts-api", "--yes"]), @"");
}

#[test]
fn an_answer_given_as_a_flag_stands_in_the_project_and_in_the_command() {
    let test = Test::new();
    let seen = test.run(&["new", "shop", "--cache", "none", "--observability=logs", "--database", "sqlite",
        "--resource", "payment-methods", "--into", "the shop", "--no-git"]);
    assert_seen!(seen, @"");
    insta::assert_snapshot!(test.read("the shop/.scaffold/answers.toml").replace(env!("CARGO_PKG_VERSION"), "[VERSION]"), @"");
}

#[test]
fn the_command_that_it_prints_makes_the_same_project() {
    let test = Test::new();
    let seen = test.run(&["new", "accounts-api", "--yes", "--no-git", "--into", "it's \"here\" $now"]);
    let line = seen.stderr.lines().skip_while(|line| *line != "the same without a question:").nth(1);
    let first = support::paths(&test.dir().join("it's \"here\" $now"));
    std::fs::rename(test.dir().join("it's \"here\" $now"), test.dir().join("first")).unwrap();

    let program = env!("CARGO_BIN_EXE_scaffold");
    let line = line.unwrap().trim().replacen("scaffold", program, 1);
    let mut shell = std::process::Command::new("sh");
    test.at_home(shell.args(["-c", &line]));
    assert_eq!(test.see(&mut shell).code, Some(0));
    assert_eq!(support::paths(&test.dir().join("it's \"here\" $now")), first);
}

#[test]
fn a_program_gets_one_json_document_and_nothing_else() {
    let test = Test::new();
    let seen = test.run(&["new", "accounts-api", "--yes", "--format", "json"]);
    assert_eq!((seen.code, seen.stderr.as_str()), (Some(0), ""));
    let mut json: serde_json::Value = serde_json::from_str(&seen.stdout).unwrap();
    let plan = json["plan"].take();
    assert!(plan.as_array().unwrap().contains(&serde_json::json!({ "change": "create", "path": "src/main.rs" })));
    insta::assert_snapshot!(format!("{json:#}"), @"");
}

#[test]
fn a_dry_run_prints_the_plan_and_writes_nothing() {
    let test = Test::new();
    test.preset(&[("base/README.md.jinja", "# {{ name }}\n"), ("base/src/main.rs", "fn main() {}\n")]);
    let before = test.paths();
    assert_seen!(test.run(&["new", "shop", "--preset", "house", "--dry-run"]), @"");
    assert_eq!(test.paths(), before);
}

#[test]
fn a_dry_run_prints_json_too() {
    let test = Test::new();
    test.preset(&[("base/README.md", "")]);
    assert_seen!(test.run(&["new", "shop", "--preset", "house", "--dry-run", "--format", "json"]), @"");
}

#[test]
fn without_a_terminal_it_names_every_flag_that_would_answer() {
    let test = Test::new();
    assert_seen!(test.run(&["new", "accounts-api"]), @"");
    assert_seen!(test.run(&["new", "accounts-api", "--cache", "none"]), @"");
    assert!(test.paths().is_empty());
}

#[test]
fn an_unknown_option_gets_the_list_and_the_nearest() {
    let test = Test::new();
    assert_seen!(test.run(&["new", "accounts-api", "--cache", "memroy"]), @"");
    assert_seen!(test.run(&["new", "accounts-api", "--cache", "paper"]), @"");
    assert_seen!(test.run(&["new", "accounts-api", "--format", "jsn"]), @"");
}

#[test]
fn an_unknown_choice_gets_the_list_and_the_nearest() {
    let test = Test::new();
    assert_seen!(test.run(&["new", "accounts-api", "--databse", "sqlite"]), @"");
    assert_seen!(test.run(&["new", "accounts-api", "--queue=kafka"]), @"");
}

#[test]
fn a_command_line_that_is_not_one_is_refused() {
    let test = Test::new();
    assert_seen!(test.run(&["new"]), @"");
    assert_seen!(test.run(&["nwe", "accounts-api"]), @"");
    assert_seen!(test.run(&["new", "accounts-api", "--cache"]), @"");
}

#[test]
fn a_name_that_will_not_do_is_refused_before_anything_is_asked() {
    let test = Test::new();
    assert_seen!(test.run(&["new", "Accounts API"]), @"");
    assert_seen!(test.run(&["new", ""]), @"");
    assert_seen!(test.run(&["new", "services/accounts"]), @"");
    assert_seen!(test.run(&["new", "serde"]), @"");
    assert_seen!(test.run(&["new", "--", "-accounts"]), @"");
    assert_seen!(test.run(&["new", "-accounts"]), @"");
    assert!(test.paths().is_empty());
}

#[test]
fn a_resource_that_will_not_do_is_refused_before_anything_is_asked() {
    let test = Test::new();
    assert_seen!(test.run(&["new", "accounts-api", "--resource", "select"]), @"");
    assert_seen!(test.run(&["new", "accounts-api", "--resource", "health"]), @"");
    assert_seen!(test.run(&["new", "type-api"]), @"");
    assert!(test.paths().is_empty());
}

#[test]
fn no_color_and_a_pipe_give_plain_text() {
    let test = Test::new();
    for args in [&["new", "accounts-api", "--yes"][..], &["new", "Serde"], &["new", "--help"], &["new", "x", "--nope"]] {
        let seen = test.run(args);
        assert!(!format!("{seen}").contains('\x1b'), "{seen}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let test = Test::new();
    let line = format!("{} new accounts-api --yes --format json | true; echo $?", env!("CARGO_BIN_EXE_scaffold"));
    let mut shell = std::process::Command::new("bash");
    test.at_home(shell.args(["-c", &format!("set -o pipefail; {line}")]));
    assert_seen!(test.see(&mut shell), @"");
}
