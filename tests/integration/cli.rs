//! A command line, and what is seen of it: exit code, stdout, stderr.

use crate::assert_seen;
#[cfg(unix)]
use crate::support;
use crate::support::Test;

#[test]
fn it_says_what_it_can_do() {
    assert_seen!(Test::new().run(&["--help"]), @"
    exit 0
    --- stdout
    Generates production-ready Rust services that you are glad to own

    Usage: scaffold <COMMAND>

    Commands:
      new          Makes a new project
      verify       Proves combinations of a preset's options: generates, compiles, lints and tests them
      preset       Shows presets, makes and maintains them
      completions  Prints the script with which a shell completes command lines
      man          Writes the manual, a page for each command
      help         Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help
      -V, --version  Print version
    ");
}

#[test]
fn the_choices_of_the_preset_are_flags() {
    assert_seen!(Test::new().run(&["new", "-h"]), @"
    exit 0
    --- stdout
    Makes a new project

    Usage: scaffold new [OPTIONS] <NAME>

    Arguments:
      <NAME>  The project's name, such as `accounts-api`

    Options:
          --preset <PRESET>  The preset: a built-in one, a directory, or GIT-URL[#REF] [default: axum]
          --resource <NAME>  What the service serves, such as `accounts` [default: after the project's
                             name]
      -y, --yes              Takes the defaults instead of asking
          --into <DIR>       The directory that becomes the project [default: ./NAME]
          --dry-run          Says what would be written, and writes nothing
          --no-git           Makes no git repository
          --format <FORMAT>  Who reads the answer: people read it on stderr, programs on stdout
                             [default: human] [possible values: human, json]
      -h, --help             Print help (see more with '--help')

    Choices of the preset `axum`:
          --database <OPTION>       Which database? [default: sqlite] [possible values: sqlite,
                                    postgres, mysql]
          --cache <OPTION>          Which cache? [default: memory] [possible values: memory, redis,
                                    none]
          --observability <OPTION>  How do you watch it? [default: prometheus] [possible values: logs,
                                    prometheus, opentelemetry]
    ");
}

#[test]
fn it_makes_a_project_and_says_what_comes_next() {
    let test = Test::new();
    assert_seen!(test.run(&["new", "accounts-api", "--yes"]), @"
    exit 0
    --- stderr
    made `accounts-api` in `[ROOT]/work/accounts-api`, [N] files
      committed to a new git repository

    the same without a question:
      scaffold new accounts-api --database sqlite --cache memory --observability prometheus

    next:
      cd accounts-api
      cargo run
      curl http://localhost:8080/v1/accounts
    ");
}

#[cfg(unix)]
#[test]
fn an_answer_given_as_a_flag_stands_in_the_project_and_in_the_command() {
    let test = Test::new();
    let seen = test.run(&[
        "new",
        "shop",
        "--cache",
        "none",
        "--observability=logs",
        "--database",
        "sqlite",
        "--resource",
        "payment-methods",
        "--into",
        "the shop",
        "--no-git",
    ]);
    assert_seen!(seen, @"
    exit 0
    --- stderr
    made `shop` in `[ROOT]/work/the shop`, [N] files

    the same without a question:
      scaffold new shop --database sqlite --cache none --observability logs --resource payment-methods --into 'the shop' --no-git

    next:
      cd 'the shop'
      cargo run
      curl http://localhost:8080/v1/payment-methods
    ");
    insta::assert_snapshot!(test.read("the shop/.scaffold/answers.toml").replace(env!("CARGO_PKG_VERSION"), "[VERSION]"), @r#"
    # What `scaffold` made this project from. It is read again when the project is
    # changed or updated with `scaffold`, so it belongs into version control.

    name = "shop"

    preset = "axum"

    scaffold = "[VERSION]"

    [choices]

    database = "sqlite"

    cache = "none"

    observability = "logs"
    "#);
}

#[cfg(unix)]
#[test]
fn the_command_that_it_prints_makes_the_same_project() {
    let test = Test::new();
    let seen = test.run(&[
        "new",
        "accounts-api",
        "--yes",
        "--no-git",
        "--into",
        "it's \"here\" $now",
    ]);
    let line = seen
        .stderr
        .lines()
        .skip_while(|line| *line != "the same without a question:")
        .nth(1);
    let first = support::paths(&test.dir().join("it's \"here\" $now"));
    std::fs::rename(
        test.dir().join("it's \"here\" $now"),
        test.dir().join("first"),
    )
    .unwrap();

    let program = env!("CARGO_BIN_EXE_scaffold");
    let line = line.unwrap().trim().replacen("scaffold", program, 1);
    let mut shell = std::process::Command::new("sh");
    test.at_home(shell.args(["-c", &line]));
    assert_eq!(test.see(&mut shell).code, Some(0));
    assert_eq!(
        support::paths(&test.dir().join("it's \"here\" $now")),
        first
    );
}

#[test]
fn a_program_gets_one_json_document_and_nothing_else() {
    let test = Test::new();
    let seen = test.run(&["new", "accounts-api", "--yes", "--format", "json"]);
    assert_eq!((seen.code, seen.stderr.as_str()), (Some(0), ""));
    let mut json: serde_json::Value = serde_json::from_str(&seen.stdout).unwrap();
    let plan = json["plan"].take();
    assert!(
        plan.as_array()
            .unwrap()
            .contains(&serde_json::json!({ "change": "create", "path": "src/main.rs" }))
    );
    insta::assert_snapshot!(format!("{json:#}"), @r#"
    {
      "answers": {
        "name": "accounts-api",
        "options": {
          "cache": "memory",
          "database": "sqlite",
          "observability": "prometheus"
        },
        "preset": "axum",
        "resources": [
          "accounts"
        ]
      },
      "command": "scaffold new accounts-api --database sqlite --cache memory --observability prometheus",
      "destination": "[ROOT]/work/accounts-api",
      "done": [
        "committed to a new git repository"
      ],
      "next": [
        "cd accounts-api",
        "cargo run",
        "curl http://localhost:8080/v1/accounts"
      ],
      "plan": null,
      "skipped": [],
      "written": true
    }
    "#);
}

#[test]
fn a_dry_run_prints_the_plan_and_writes_nothing() {
    let test = Test::new();
    test.preset(&[
        ("base/README.md.jinja", "# {{ name }}\n"),
        ("base/src/main.rs", "fn main() {}\n"),
    ]);
    let before = test.paths();
    assert_seen!(test.run(&["new", "shop", "--preset", "house", "--dry-run"]), @"
    exit 0
    --- stderr
    create   .scaffold/.gitattributes
    create   .scaffold/answers.toml
    create   .scaffold/parts/resource-shops.toml
    create   .scaffold/pristine.txt
    create   README.md
    create   src/main.rs
    would make `shop` in `[ROOT]/work/shop`, [N] files
      skipped `Cargo.lock`, because the preset has no lock table: the first build resolves the dependencies

    the same without a question:
      scaffold new shop --preset house
    ");
    assert_eq!(test.paths(), before);
}

#[test]
fn a_dry_run_prints_json_too() {
    let test = Test::new();
    test.preset(&[("base/README.md", "")]);
    assert_seen!(test.run(&["new", "shop", "--preset", "house", "--dry-run", "--format", "json"]), @r#"
    exit 0
    --- stdout
    {
      "answers": {
        "name": "shop",
        "options": {},
        "preset": "house",
        "resources": [
          "shops"
        ]
      },
      "command": "scaffold new shop --preset house",
      "destination": "[ROOT]/work/shop",
      "done": [],
      "next": [
        "cd shop"
      ],
      "plan": [
        {
          "change": "create",
          "path": ".scaffold/.gitattributes"
        },
        {
          "change": "create",
          "path": ".scaffold/answers.toml"
        },
        {
          "change": "create",
          "path": ".scaffold/parts/resource-shops.toml"
        },
        {
          "change": "create",
          "path": ".scaffold/pristine.txt"
        },
        {
          "change": "create",
          "path": "README.md"
        }
      ],
      "skipped": [
        "`Cargo.lock`, because the preset has no lock table: the first build resolves the dependencies"
      ],
      "written": false
    }
    "#);
}

#[test]
fn without_a_terminal_it_names_every_flag_that_would_answer() {
    let test = Test::new();
    assert_seen!(test.run(&["new", "accounts-api"]), @"
    exit 2
    --- stderr
    error: there is no terminal to ask on, and no answer to `database`, `cache`, `observability`
    help: answer with `--database sqlite|postgres|mysql`, `--cache memory|redis|none`, `--observability logs|prometheus|opentelemetry`, or take the defaults with `--yes`
    ");
    assert_seen!(test.run(&["new", "accounts-api", "--cache", "none"]), @"
    exit 2
    --- stderr
    error: there is no terminal to ask on, and no answer to `database`, `observability`
    help: answer with `--database sqlite|postgres|mysql`, `--observability logs|prometheus|opentelemetry`, or take the defaults with `--yes`
    ");
    assert!(test.paths().is_empty());
}

#[test]
fn an_unknown_option_gets_the_list_and_the_nearest() {
    let test = Test::new();
    assert_seen!(test.run(&["new", "accounts-api", "--cache", "memroy"]), @"
    exit 2
    --- stderr
    error: `--cache` has no option `memroy`, it has `memory`, `redis`, `none`
    help: did you mean `memory`?
    ");
    assert_seen!(test.run(&["new", "accounts-api", "--cache", "paper"]), @"
    exit 2
    --- stderr
    error: `--cache` has no option `paper`, it has `memory`, `redis`, `none`
    help: see `scaffold new --help`
    ");
    assert_seen!(test.run(&["new", "accounts-api", "--format", "jsn"]), @"
    exit 2
    --- stderr
    error: `--format` has no option `jsn`, it has `human`, `json`
    help: did you mean `json`?
    ");
}

#[test]
fn an_unknown_choice_gets_the_list_and_the_nearest() {
    let test = Test::new();
    assert_seen!(test.run(&["new", "accounts-api", "--databse", "sqlite"]), @"
    exit 2
    --- stderr
    error: there is no flag `--databse`, the choices of `axum` are `--database`, `--cache`, `--observability`
    help: did you mean `--database`?
    ");
    assert_seen!(test.run(&["new", "accounts-api", "--queue=kafka"]), @"
    exit 2
    --- stderr
    error: there is no flag `--queue`, the choices of `axum` are `--database`, `--cache`, `--observability`
    help: see `scaffold new --help`
    ");
}

#[test]
fn a_command_line_that_is_not_one_is_refused() {
    let test = Test::new();
    assert_seen!(test.run(&["new"]), @"
    exit 2
    --- stderr
    error: the following required arguments were not provided:
      <NAME>

    Usage: scaffold new <NAME>

    For more information, try '--help'.
    ");
    assert_seen!(test.run(&["nwe", "accounts-api"]), @"
    exit 2
    --- stderr
    error: unrecognized subcommand 'nwe'

    Usage: scaffold <COMMAND>

    For more information, try '--help'.
    ");
    assert_seen!(test.run(&["new", "accounts-api", "--cache"]), @"
    exit 2
    --- stderr
    error: a value is required for '--cache <OPTION>' but none was supplied
      [possible values: memory, redis, none]

    For more information, try '--help'.
    ");
}

#[test]
fn a_name_that_will_not_do_is_refused_before_anything_is_asked() {
    let test = Test::new();
    assert_seen!(test.run(&["new", "Accounts API"]), @"
    exit 2
    --- stderr
    error: a project can't be called `Accounts API`: it has an upper-case letter
    help: try `accounts-api`
    ");
    assert_seen!(test.run(&["new", ""]), @"
    exit 2
    --- stderr
    error: a project can't be called ``: it is empty
    help: try `my-service`
    ");
    assert_seen!(test.run(&["new", "services/accounts"]), @"
    exit 2
    --- stderr
    error: a project can't be called `services/accounts`: it is a path
    help: try `accounts`, and say where it goes with `--into DIR`
    ");
    assert_seen!(test.run(&["new", "serde"]), @"
    exit 2
    --- stderr
    error: a project can't be called `serde`: it is the name of a crate that the project depends on
    help: try `serde-service`
    ");
    assert_seen!(test.run(&["new", "--", "-accounts"]), @"
    exit 2
    --- stderr
    error: a project can't be called `-accounts`: it does not start with a letter
    help: try `accounts`
    ");
    assert_seen!(test.run(&["new", "-accounts"]), @"
    exit 2
    --- stderr
    error: a project can't be called `-accounts`: it does not start with a letter
    help: try `accounts`
    ");
    assert!(test.paths().is_empty());
}

#[test]
fn a_resource_that_will_not_do_is_refused_before_anything_is_asked() {
    let test = Test::new();
    assert_seen!(test.run(&["new", "accounts-api", "--resource", "select"]), @"
    exit 2
    --- stderr
    error: a resource can't be called `select`: `select` is reserved in SQL
    help: try `selects`
    ");
    assert_seen!(test.run(&["new", "accounts-api", "--resource", "health"]), @"
    exit 2
    --- stderr
    error: a resource can't be called `health`: the service uses the name `health` itself
    help: try `health-items`
    ");
    assert_seen!(test.run(&["new", "type-api"]), @"
    exit 2
    --- stderr
    error: `type-api` would serve `types`, but a resource can't be called `types`: `type` is a keyword of Rust
    help: say what it serves with `--resource NAME`
    ");
    assert!(test.paths().is_empty());
}

#[test]
fn no_color_and_a_pipe_give_plain_text() {
    let test = Test::new();
    for args in [
        &["new", "accounts-api", "--yes"][..],
        &["new", "Serde"],
        &["new", "--help"],
        &["new", "x", "--nope"],
    ] {
        let seen = test.run(args);
        assert!(!format!("{seen}").contains('\x1b'), "{seen}");
    }
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let test = Test::new();
    let line = format!(
        "{} new accounts-api --yes --format json | true; echo $?",
        env!("CARGO_BIN_EXE_scaffold")
    );
    let mut shell = std::process::Command::new("bash");
    test.at_home(shell.args(["-c", &format!("set -o pipefail; {line}")]));
    assert_seen!(test.see(&mut shell), @"
    exit 0
    --- stdout
    0
    ");
}
