//! `scaffold verify` proves combinations of a preset, and says truly what it proved.

use std::net::TcpListener;
use std::process::Command;

use crate::assert_seen;
use crate::support;
use crate::support::{Seen, Test};
use serde_json::Value;

const CARGO: (&str, &str) = (
    "base/Cargo.toml.jinja",
    "[package]\nname = \"{{ name }}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n",
);
const MAIN: (&str, &str) = ("base/src/main.rs", "fn main() {}\n");

/// A preset without dependencies, with two choices of two options each. `paper/plain` brings what `plain` is, and
/// `ink/blue` needs the server at `port`.
fn house(port: u16, plain: &str) -> Test {
    let test = Test::new();
    let manifest = format!(
        "name = \"house\"\ndescription = \"Ours\"\n\
         [[choice]]\nname = \"paper\"\nprompt = \"Which paper?\"\ndefault = \"plain\"\n\
         [[choice.option]]\nname = \"plain\"\nhelp = \"white\"\n\
         [[choice.option]]\nname = \"lined\"\nhelp = \"with lines\"\n\
         [[choice]]\nname = \"ink\"\nprompt = \"Which ink?\"\ndefault = \"black\"\n\
         [[choice.option]]\nname = \"black\"\nhelp = \"dark\"\n\
         [[choice.option]]\nname = \"blue\"\nhelp = \"bright\"\n\
         server = {{ name = \"Inkwell\", variable = \"TEST_INK_URL\", default = \"ink://127.0.0.1:{port}\", start = \"inkwell --fill\" }}\n"
    );
    test.preset(&[
        ("preset.toml", &manifest),
        CARGO,
        MAIN,
        ("paper/plain/tests/paper.rs", plain),
    ]);
    test
}

const GOOD: &str = "#[test]\nfn is_white() {}\n";

/// The program as a person runs it who has a cargo of their own.
fn verify(test: &Test, args: &[&str]) -> Seen {
    let mut command = verify_command(test, args);
    test.see(&mut command)
}

fn verify_command(test: &Test, args: &[&str]) -> Command {
    let mut command = test.scaffold(&["verify", "--preset", "house", "--build-dir", "build"]);
    command.args(args);
    command.envs(support::cargo_home());
    command
}

/// What the program printed for programs.
fn json(seen: &Seen) -> Value {
    serde_json::from_str(&seen.stdout).unwrap_or_else(|error| panic!("{error}\n{seen}"))
}

/// `paper+ink: result` of each combination.
fn results(report: &Value) -> Vec<String> {
    let combinations = report["combinations"].as_array().unwrap().iter();
    let one = |combination: &Value| {
        let word = |value: &Value| value.as_str().unwrap().to_owned();
        let options = &combination["options"];
        format!(
            "{}+{}: {}",
            word(&options["paper"]),
            word(&options["ink"]),
            word(&combination["result"])
        )
    };
    combinations.map(one).collect()
}

/// A port that nobody listens on.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

#[test]
fn every_combination_is_taken_through_its_tests() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let test = house(server.local_addr().unwrap().port(), GOOD);
    let seen = verify(&test, &["--all", "--level", "test"]);
    assert_eq!(seen.code, Some(0), "{seen}");
    let combinations: Vec<&str> = seen
        .stdout
        .lines()
        .map(|line| line.split('|').nth(1).unwrap().trim())
        .collect();
    assert_eq!(
        combinations[2..],
        ["plain+black", "plain+blue", "lined+black", "lined+blue"]
    );
    assert!(seen.stderr.contains("[4/4] lined+blue: passed"), "{seen}");
    assert!(
        seen.stderr
            .contains("4 combinations: 4 passed, 0 failed, 0 skipped"),
        "{seen}"
    );
    // Made elsewhere, and gone.
    let left = test
        .paths()
        .into_iter()
        .filter(|path| path.ends_with("main.rs"));
    assert_eq!(left.collect::<Vec<_>>(), ["house/base/src/main.rs"]);
}

#[test]
fn a_test_that_fails_fails_its_combinations_and_the_others_go_on() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let bad = "#[test]\nfn is_white() {\n    panic!(\"it is grey\");\n}\n";
    let test = house(server.local_addr().unwrap().port(), bad);
    let seen = verify(&test, &["--level", "test", "--format", "json"]);
    assert_eq!(seen.code, Some(1), "{seen}");
    let report = json(&seen);
    assert_eq!(
        results(&report),
        [
            "plain+black: failed",
            "plain+blue: failed",
            "lined+black: passed",
            "lined+blue: passed"
        ]
    );
    assert_eq!(
        (&report["passed"], &report["failed"]),
        (&2.into(), &2.into())
    );
    let reason = report["combinations"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("it is grey"), "{reason}");
    assert!(
        reason.contains("help: all of it is in `[ROOT]/work/build/logs/plain+black.log`"),
        "{reason}"
    );
    assert!(
        test.read("build/logs/plain+black.log")
            .contains("it is grey")
    );
    assert!(
        seen.stderr.ends_with("error: 2 of 4 combinations failed\n"),
        "{seen}"
    );
}

#[test]
fn a_warning_counts_and_fails_from_lint_on() {
    let warning = "fn unused() {}\n\n#[test]\nfn is_white() {}\n";
    let test = house(closed_port(), warning);
    let only = ["--only", "ink=black,paper=plain", "--format", "json"];

    let seen = verify(&test, &[&only[..], &["--level", "check"]].concat());
    assert_eq!(seen.code, Some(0), "{seen}");
    assert_eq!(json(&seen)["combinations"][0]["warnings"], 1);

    let seen = verify(&test, &[&only[..], &["--level", "lint"]].concat());
    assert_eq!(seen.code, Some(1), "{seen}");
    let combination = &json(&seen)["combinations"][0];
    assert_eq!(combination["warnings"], 1);
    let reason = combination["reason"].as_str().unwrap();
    assert!(
        reason.contains("function `unused` is never used"),
        "{reason}"
    );
}

#[test]
fn what_is_not_formatted_or_does_not_compile_fails() {
    for (plain, level, said) in [
        (
            "#[test]\nfn  is_white() {}\n",
            "lint",
            "`cargo fmt --check` failed",
        ),
        (
            "#[test]\nfn is_white() { missing() }\n",
            "check",
            "cannot find function `missing`",
        ),
    ] {
        let test = house(closed_port(), plain);
        let seen = verify(
            &test,
            &["--only", "ink=black", "paper=plain", "--level", level],
        );
        assert_eq!(seen.code, Some(1), "{seen}");
        assert!(seen.stderr.contains(said), "{seen}");
    }
}

#[test]
fn a_template_that_breaks_fails_only_where_it_is_used() {
    let test = house(closed_port(), GOOD);
    test.write("house/paper/lined/lines.txt.jinja", "{{ nothing }}\n");
    let seen = verify(&test, &["--level", "render", "--format", "json"]);
    assert_eq!(seen.code, Some(1), "{seen}");
    assert_eq!(
        results(&json(&seen)),
        [
            "plain+black: passed",
            "plain+blue: passed",
            "lined+black: failed",
            "lined+blue: failed"
        ]
    );
    assert!(
        seen.stderr.contains("paper/lined/lines.txt.jinja"),
        "{seen}"
    );
}

#[test]
fn a_combination_whose_server_does_not_answer_fails_and_says_how_to_start_it() {
    let port = closed_port();
    let test = house(port, GOOD);
    let seen = verify(&test, &["--only", "ink=blue", "--level", "test"]);
    assert_eq!(seen.code, Some(1), "{seen}");
    let said = format!("Inkwell can't be reached at `127.0.0.1:{port}`");
    assert!(seen.stderr.contains(&said), "{seen}");
    let help = "help: start it with `inkwell --fill`, or say where it is with `TEST_INK_URL`";
    assert!(seen.stderr.contains(help), "{seen}");
    assert!(
        seen.stderr.contains("0 passed, 2 failed, 0 skipped"),
        "{seen}"
    );
}

#[test]
fn one_that_is_skipped_for_want_of_a_server_is_counted() {
    let test = house(closed_port(), GOOD);
    let seen = verify(&test, &["--level", "test", "--skip-unreachable"]);
    assert_eq!(seen.code, Some(0), "{seen}");
    assert!(
        seen.stderr.contains("2 passed, 0 failed, 2 skipped"),
        "{seen}"
    );
}

#[test]
fn a_server_is_looked_for_where_its_variable_says_and_tests_are_told() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ink://{}", server.local_addr().unwrap());
    let told = format!(
        "#[test]\nfn is_told() {{\n    let told = std::env::var(\"TEST_INK_URL\");\n    assert_eq!(told.unwrap(), \"{url}\");\n}}\n"
    );
    let test = house(closed_port(), &told);
    let mut command = verify_command(
        &test,
        &["--only", "ink=blue", "paper=plain", "--level", "test"],
    );
    let seen = test.see(command.env("TEST_INK_URL", &url));
    assert_eq!(seen.code, Some(0), "{seen}");
}

#[test]
fn tests_see_the_environment() {
    let told = "#[test]\nfn is_told() {\n    assert_eq!(std::env::var(\"SWEEP\").unwrap(), \"full\");\n}\n";
    let test = house(closed_port(), told);
    let only = ["--only", "ink=black", "paper=plain", "--level", "test"];
    let seen = test.see(verify_command(&test, &only).env("SWEEP", "full"));
    assert_eq!(seen.code, Some(0), "{seen}");
}

#[test]
fn below_test_no_server_is_needed() {
    let test = house(closed_port(), GOOD);
    let seen = verify(&test, &["--only", "ink=blue", "--level", "render"]);
    assert_eq!(seen.code, Some(0), "{seen}");
}

#[test]
fn pairs_are_fewer_than_all_and_have_every_two_options_together() {
    let test = Test::new();
    let choice = |name: &str| {
        let options: String = ["a", "b", "c"]
            .map(|option| format!("[[choice.option]]\nname = \"{option}\"\nhelp = \"x\"\n"))
            .concat();
        format!("[[choice]]\nname = \"{name}\"\nprompt = \"?\"\ndefault = \"a\"\n{options}")
    };
    let choices = ["one", "two", "three"].map(choice).concat();
    let manifest = format!("name = \"house\"\ndescription = \"Ours\"\n{choices}");
    test.preset(&[("preset.toml", &manifest), CARGO, MAIN]);
    let count = |which: &[&str]| {
        let flags = [which, &["--level", "render", "--format", "json"]].concat();
        json(&verify(&test, &flags))["passed"].clone()
    };
    assert_eq!(
        (count(&["--all"]), count(&["--pairs"])),
        (27.into(), 9.into())
    );
    assert_eq!(count(&["--pairs", "--only", "one=a"]), 3);
    assert_eq!(count(&["--pairs", "--only", "one=b", "one=c"]), 6);

    // Each two of them stand together in one of the pairs, which has one third option.
    let with = |third| verify(&test, &["--pairs", "--only", "one=a", "two=a", third]);
    let mut seen = ["three=a", "three=b", "three=c"].map(with);
    seen.sort_by_key(|seen| seen.code);
    assert_eq!(
        [0, 1, 2].map(|index| seen[index].code),
        [Some(0), Some(2), Some(2)]
    );
    let error = "error: none of the pairs has `one=a`, `two=a`, `three=";
    assert!(seen[1].stderr.starts_with(error), "{}", seen[1]);
    assert_eq!(verify(&test, &["--all", "--pairs"]).code, Some(2));
}

#[test]
fn an_option_that_there_is_not_is_refused_before_anything_is_done() {
    let test = house(closed_port(), GOOD);
    assert_seen!(verify(&test, &["--only", "ink=bleu"]), @"
    exit 2
    --- stderr
    error: `--only` has no option `ink=bleu`, it has `paper=plain`, `paper=lined`, `ink=black`, `ink=blue`
    help: did you mean `ink=blue`?
    ");
    assert_seen!(verify(&test, &["--only", "size=huge"]), @"
    exit 2
    --- stderr
    error: `--only` has no option `size=huge`, it has `paper=plain`, `paper=lined`, `ink=black`, `ink=blue`
    help: see `scaffold verify --help`
    ");
    assert!(!test.paths().iter().any(|path| path.starts_with("build")));
}

#[test]
fn the_table_is_markdown() {
    let test = house(closed_port(), GOOD);
    let seen = verify(&test, &["--only", "ink=black", "--level", "render"]);
    insta::with_settings!({ filters => vec![(r"\d\.\d s", "[TIME]")] }, {
        insta::assert_snapshot!(seen.stdout, @"
        | combination | crates |  time | warnings | result |
        | ----------- | -----: | ----: | -------: | ------ |
        | plain+black |        | [TIME] |        0 | passed |
        | lined+black |        | [TIME] |        0 | passed |
        ");
    });
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_it_and_leaves_no_project_behind() {
    let endless = "#[test]\nfn is_white() {\n    std::thread::sleep(std::time::Duration::from_secs(60));\n}\n";
    let test = house(closed_port(), endless);
    let temporary = test.dir().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let mut command = verify_command(
        &test,
        &["--only", "ink=black", "paper=plain", "--level", "test"],
    );
    command
        .env("TMPDIR", &temporary)
        .stderr(std::process::Stdio::piped());
    let child = command.spawn().unwrap();
    let log = test.dir().join("build/logs/plain+black.log");
    let is_testing = || std::fs::read_to_string(&log).is_ok_and(|log| log.contains("$ cargo test"));
    while !is_testing() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let kill = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
    let seen = test.seen(child.wait_with_output().unwrap());
    assert_eq!(seen.code, Some(130), "{seen}");
    assert_eq!(support::paths(&temporary), [""; 0]);
}
