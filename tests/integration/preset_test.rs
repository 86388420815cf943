//! `scaffold preset test` tells whether a preset still gives what its author saw last, and whether that works.

use crate::assert_seen;
use crate::support::{Seen, Test};
use serde_json::Value;

const CARGO: (&str, &str) = (
    "base/Cargo.toml.jinja",
    "[package]\nname = \"{{ name }}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n",
);
const MAIN: (&str, &str) = ("base/src/main.rs", "fn main() {}\n");

/// Two options of paper, a flag, three inks of which there may be many, and a text.
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
name = "seal"
prompt = "With a seal?"
kind = "flag"
when = { paper = "lined" }
[[choice]]
name = "ink"
prompt = "Which inks?"
kind = "many"
[[choice.option]]
name = "black"
help = "dark"
[[choice.option]]
name = "blue"
help = "bright"
[[choice]]
name = "owner"
prompt = "Whose is it?"
kind = "text"
pattern = "[a-zA-Z]*"
default = "Ann"
"#;

const LETTER: (&str, &str) = (
    "base/letter.yaml.jinja",
    "by: {{ owner | yaml }}\n\
     #% if paper == \"lined\"\nlines: 12\n#% endif\n\
     {% if seal %}seal: wax\n{% endif %}\
     inks: {{ \"some\" if ink else \"none\" }}\n\
     {% for each in ink if each != \"blue\" %}{{ each }}: {{ loop.index }}\n{% endfor %}",
);

fn house(files: &[(&str, &str)]) -> Test {
    let test = Test::new();
    test.preset(&[("preset.toml", MANIFEST), CARGO, MAIN, LETTER]);
    test.preset(&[&[("preset.toml", MANIFEST)], files].concat());
    test
}

/// A preset without choices.
fn hut(main: &str) -> Test {
    let test = Test::new();
    test.preset(&[CARGO, ("base/src/main.rs", main)]);
    test
}

/// The program as a person runs it who has a cargo of their own.
fn preset_test(test: &Test, args: &[&str]) -> Seen {
    let mut command = test.scaffold(&["preset", "test", "house", "--build-dir", "build"]);
    command.args(args);
    for (name, directory) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        let home = || std::env::home_dir().unwrap().join(directory).into();
        command.env(name, std::env::var_os(name).unwrap_or_else(home));
    }
    if let Some(toolchain) = std::env::var_os("RUSTUP_TOOLCHAIN") {
        command.env("RUSTUP_TOOLCHAIN", toolchain);
    }
    test.see(&mut command)
}

fn rendered(test: &Test, args: &[&str]) -> Seen {
    preset_test(test, &[&["--level", "render"], args].concat())
}

/// Accepts what there is.
fn accepted(test: Test) -> Test {
    let seen = rendered(&test, &["--accept"]);
    assert_eq!(seen.code, Some(0), "{seen}");
    test
}

/// What was said before the combinations.
fn said(seen: &Seen) -> String {
    let before = seen.stderr.split("combinations:\n").next().unwrap();
    let before = before.rsplit_once('\n').map_or("", |(before, _)| before);
    let last = seen.stderr.lines().last().unwrap();
    // Without the time.
    let last = last.split(" skipped").next().unwrap();
    format!("exit {}\n{before}\n{last}", seen.code.unwrap())
}

fn json(seen: &Seen) -> Value {
    serde_json::from_str(&seen.stdout).unwrap_or_else(|error| panic!("{error}\n{seen}"))
}

fn snapshots(test: &Test) -> Vec<String> {
    let paths = test.paths().into_iter();
    let names = paths.filter_map(|path| Some(path.strip_prefix("house/snapshots/")?.to_owned()));
    names.filter(|name| !name.is_empty()).collect()
}

#[test]
fn what_was_accepted_passes() {
    let test = house(&[]);
    let seen = rendered(&test, &["--accept"]);
    insta::assert_snapshot!(said(&seen), @"
    exit 0
    wrote `snapshots/default.txt`
    wrote `snapshots/ink=all-together.diff`
    wrote `snapshots/ink=black.diff`
    wrote `snapshots/ink=blue.diff`
    wrote `snapshots/owner=empty.diff`
    wrote `snapshots/owner=filled.diff`
    wrote `snapshots/paper=lined.diff`
    wrote `snapshots/seal=yes.diff`
    8 snapshots: 8 passed, 0 failed
    12 combinations: 12 passed, 0 failed, 0
    ");
    insta::assert_snapshot!(test.read("house/snapshots/default.txt"), @r#"
    ==> Cargo.toml
    [package]
    name = "things-api"
    version = "0.1.0"
    edition = "2024"

    [workspace]
    ==> letter.yaml
    by: "Ann"
    inks: none
    ==> src/main.rs
    fn main() {}
    "#);
    let differences = snapshots(&test)
        .into_iter()
        .filter(|name| name != "default.txt");
    let differences = differences.map(|name| {
        format!(
            "# {name}\n{}",
            test.read(&format!("house/snapshots/{name}"))
        )
    });
    insta::assert_snapshot!(differences.collect::<String>(), @r#"
    # ink=all-together.diff
    --- letter.yaml
    +++ letter.yaml
    @@ -1,2 +1,3 @@
     by: "Ann"
    -inks: none
    +inks: some
    +black: 1
    # ink=black.diff
    --- letter.yaml
    +++ letter.yaml
    @@ -1,2 +1,3 @@
     by: "Ann"
    -inks: none
    +inks: some
    +black: 1
    # ink=blue.diff
    --- letter.yaml
    +++ letter.yaml
    @@ -1,2 +1,2 @@
     by: "Ann"
    -inks: none
    +inks: some
    # owner=empty.diff
    --- letter.yaml
    +++ letter.yaml
    @@ -1,2 +1,2 @@
    -by: "Ann"
    +by: ""
     inks: none
    # owner=filled.diff
    --- letter.yaml
    +++ letter.yaml
    @@ -1,2 +1,2 @@
    -by: "Ann"
    +by: "sample"
     inks: none
    # paper=lined.diff
    --- letter.yaml
    +++ letter.yaml
    @@ -1,2 +1,3 @@
     by: "Ann"
    +lines: 12
     inks: none
    # seal=yes.diff
    with paper=lined
    --- letter.yaml
    +++ letter.yaml
    @@ -1,2 +1,4 @@
     by: "Ann"
    +lines: 12
    +seal: wax
     inks: none
    "#);
    let seen = rendered(&test, &[]);
    insta::assert_snapshot!(said(&seen), @"
    exit 0
    8 snapshots: 8 passed, 0 failed
    12 combinations: 12 passed, 0 failed, 0
    ");
}

#[test]
fn a_changed_template_fails_and_shows_what_it_changes() {
    let test = accepted(house(&[]));
    let before = test.read("house/snapshots/paper=lined.diff");
    test.preset(&[
        ("preset.toml", MANIFEST),
        ("base/letter.yaml.jinja", &LETTER.1.replace("12", "24")),
    ]);
    let seen = rendered(&test, &[]);
    insta::assert_snapshot!(said(&seen), @r#"
    exit 1
    snapshot `paper=lined.diff`: failed, it differs
    --- paper=lined.diff
    +++ paper=lined.diff
    @@ -4,3 +4,3 @@
      by: "Ann"
    -+lines: 12
    ++lines: 24
      inks: none
    help: look at it, and accept it with `--accept`
    snapshot `seal=yes.diff`: failed, it differs
    --- seal=yes.diff
    +++ seal=yes.diff
    @@ -5,3 +5,3 @@
      by: "Ann"
    -+lines: 12
    ++lines: 24
     +seal: wax
    help: look at it, and accept it with `--accept`
    8 snapshots: 6 passed, 2 failed
    error: 2 of 8 snapshots failed
    "#);
    assert_eq!(test.read("house/snapshots/paper=lined.diff"), before);

    let report = json(&rendered(&test, &["--format", "json"]));
    let results = report["snapshots"].as_array().unwrap().iter();
    let results = results.map(|one| format!("{} {}", one["name"], one["result"]));
    assert_eq!(results.filter(|one| one.contains("failed")).count(), 2);
    assert_eq!(report["selection"], "all");

    let seen = rendered(&test, &["--accept"]);
    assert_eq!(seen.code, Some(0), "{seen}");
    assert!(
        seen.stderr.contains("wrote `snapshots/paper=lined.diff`\n"),
        "{seen}"
    );
    assert!(
        test.read("house/snapshots/paper=lined.diff")
            .contains("+lines: 24")
    );
}

#[test]
fn a_long_difference_is_cut() {
    let test = accepted(hut("fn main() {}\n"));
    let long: String = (0..100).map(|line| format!("// {line}\n")).collect();
    test.write("house/base/src/main.rs", &long);
    let seen = rendered(&test, &[]);
    assert!(seen.stderr.contains("+// 50\n"), "{seen}");
    assert!(!seen.stderr.contains("+// 99\n"), "{seen}");
    assert!(
        seen.stderr.contains(" lines more\nhelp: look at it"),
        "{seen}"
    );
}

#[test]
fn a_missing_and_a_surplus_snapshot_fail() {
    let test = accepted(house(&[]));
    std::fs::remove_file(test.dir().join("house/snapshots/ink=blue.diff")).unwrap();
    test.write("house/snapshots/ink=red.diff", "red\n");
    test.write("house/snapshots/README.md", "how to read them\n");
    let before = test.paths();
    insta::assert_snapshot!(said(&rendered(&test, &[])), @"
    exit 1
    snapshot `ink=blue.diff`: failed, it is missing
    help: write it with `--accept`, and look at it
    snapshot `ink=red.diff`: failed, the preset has no such option any more
    help: remove it with `--accept`
    9 snapshots: 7 passed, 2 failed
    error: 2 of 9 snapshots failed
    ");
    assert_eq!(test.paths(), before);

    insta::assert_snapshot!(said(&rendered(&test, &["--accept"])), @"
    exit 0
    wrote `snapshots/ink=blue.diff`
    removed `snapshots/ink=red.diff`
    8 snapshots: 8 passed, 0 failed
    12 combinations: 12 passed, 0 failed, 0
    ");
    let left = snapshots(&test);
    assert!(left.contains(&"ink=blue.diff".to_owned()), "{left:?}");
    assert!(left.contains(&"README.md".to_owned()), "{left:?}");
    assert!(!left.contains(&"ink=red.diff".to_owned()), "{left:?}");
}

#[test]
fn nothing_is_accepted_of_a_preset_that_does_not_render() {
    let test = house(&[("paper/lined/a.txt.jinja", "{{ nothing }}\n")]);
    let seen = rendered(&test, &["--accept", "--mutate"]);
    insta::assert_snapshot!(said(&seen), @"
    exit 1
    snapshot `paper=lined.diff`: failed, it can't be made: `paper/lined/a.txt.jinja` is a broken template: undefined value: `nothing` is undefined
      |
    1 | {{ nothing }}
      |    ^^^^^^^
    help: a template knows `name`, `crate_name`, `resource`, `resources`, `fragments(NAME)` and each choice by its name
    1 snapshot: 0 passed, 1 failed
    error: 1 of 1 snapshot failed, 8 of 12 combinations failed
    ");
    assert_eq!(snapshots(&test), [""; 0]);
}

#[test]
fn snapshots_are_no_layer_and_no_choice() {
    let test = accepted(house(&[]));
    let seen = test.run(&["new", "letters", "--preset", "house", "--yes", "--no-git"]);
    assert_eq!(seen.code, Some(0), "{seen}");
    assert!(
        !test
            .paths()
            .iter()
            .any(|path| path.starts_with("letters/snapshots"))
    );

    let manifest = MANIFEST.replace("\"seal\"", "\"snapshots\"");
    let test = house(&[]);
    test.preset(&[("preset.toml", &manifest)]);
    let seen = rendered(&test, &[]);
    assert!(
        seen.stderr.contains("a choice can't be called `snapshots`"),
        "{seen}"
    );
}

#[test]
fn a_preset_that_extends_another_one_is_tested_as_users_get_it() {
    let test = house(&[]);
    let manifest = "name = \"street\"\ndescription = \"Many\"\nextends = \"../house\"\n";
    test.write("street/preset.toml", manifest);
    test.write(
        "street/base/street.txt.jinja",
        "{% if paper %}{{ name }}\n{% endif %}",
    );
    // A mutant of the other one would survive.
    test.write("house/base/none.txt.jinja", "{% if paper %}{% endif %}\n");
    let args = [
        "preset", "test", "street", "--level", "render", "--accept", "--mutate",
    ];
    let seen = test.run(&args);
    assert_eq!(seen.code, Some(0), "{seen}");
    assert!(seen.stderr.contains("\n1 mutant: 0 survived\n"), "{seen}");
    assert_eq!(
        test.read("street/snapshots/default.diff"),
        "+++ street.txt\nthings-api\n"
    );
    assert!(!test.dir().join("house/snapshots").exists());
}

#[test]
fn combinations_are_compiled_linted_and_tested() {
    let test = accepted(hut("fn main() {}\n\n#[test]\nfn passes() {}\n"));
    let seen = preset_test(&test, &[]);
    assert_eq!(seen.code, Some(0), "{seen}");
    assert!(seen.stderr.contains("[1/1] the base: passed"), "{seen}");
    assert!(seen.stdout.starts_with("| combination |"), "{seen}");

    let test = accepted(hut("fn main() {\n    missing();\n}\n"));
    let seen = preset_test(&test, &["--level", "check", "--format", "json"]);
    assert_eq!(seen.code, Some(1), "{seen}");
    let report = json(&seen);
    assert_eq!(report["combinations"][0]["result"], "failed");
    let reason = report["combinations"][0]["reason"].as_str().unwrap();
    assert!(
        reason.contains("cannot find function `missing`"),
        "{reason}"
    );
    assert!(
        seen.stderr.ends_with("error: 1 of 1 combination failed\n"),
        "{seen}"
    );
}

#[test]
fn no_condition_of_a_good_preset_is_useless() {
    let seen = rendered(&accepted(house(&[])), &["--mutate"]);
    assert_eq!(seen.code, Some(0), "{seen}");
    assert!(seen.stderr.contains("\n4 mutants: 0 survived\n"), "{seen}");
}

#[test]
fn a_condition_that_nothing_notices_is_shown() {
    let useless = "a\n//% if paper == \"lined\"\n//% endif\n\
                   {{ \"same\" if owner else \"same\" }}\n\
                   //% if ink and \"blue\" in ink\n//% if paper\n//% if seal\n//% if ink | length > 1\nb\n//% endif\n//% endif\n//% endif\n//% endif\n";
    let test = accepted(house(&[("base/useless.rs.jinja", useless)]));
    let seen = rendered(&test, &["--mutate"]);
    insta::assert_snapshot!(said(&seen), @r#"
    exit 1
    8 snapshots: 8 passed, 0 failed
    `base/useless.rs.jinja`, line 2: no snapshot notices `not (paper == "lined")`
      //% if paper == "lined"
    help: no combination tells the two apart: remove the condition, or let what depends on it differ
    `base/useless.rs.jinja`, line 4: no snapshot notices `not (owner)`
      {{ "same" if owner else "same" }}
    help: no combination tells the two apart: remove the condition, or let what depends on it differ
    `base/useless.rs.jinja`, line 5: no snapshot notices `not (ink and "blue" in ink)`
      //% if ink and "blue" in ink
    help: of the combinations only those like `lined+seal+black+blue` tell the two apart, and no snapshot shows one: ask for less at once
    `base/useless.rs.jinja`, line 6: no snapshot notices `not (paper)`
      //% if paper
    help: of the combinations only those like `lined+seal+black+blue` tell the two apart, and no snapshot shows one: ask for less at once
    `base/useless.rs.jinja`, line 8: no snapshot notices `not (ink | length > 1)`
      //% if ink | length > 1
    help: of the combinations only those like `lined+seal+blue` tell the two apart, and no snapshot shows one: ask for less at once
    10 mutants: 5 survived
    error: 5 of 10 mutants survived
    "#);
    let report = json(&rendered(&test, &["--mutate", "--format", "json"]));
    assert_eq!(report["mutants"]["survivors"][0]["line"], 2);
}

#[test]
fn beyond_64_combinations_it_is_pairs() {
    let choice = |name: &str| {
        let options = ["a", "b", "c"]
            .map(|option| format!("[[choice.option]]\nname = \"{option}\"\nhelp = \"x\"\n"));
        format!(
            "[[choice]]\nname = \"{name}\"\nprompt = \"?\"\ndefault = \"a\"\n{}",
            options.concat()
        )
    };
    let names: Vec<String> = (0..30).map(|index| format!("choice{index}")).collect();
    for (count, said, selection) in [
        (3, "all 27 combinations:", "all"),
        (
            4,
            "9 of more than 64 combinations, with every two options",
            "pairs",
        ),
        (
            30,
            " of more than 64 combinations, with every two options",
            "pairs",
        ),
    ] {
        let choices: String = names[..count].iter().map(|name| choice(name)).collect();
        let manifest = format!("name = \"house\"\ndescription = \"Ours\"\n{choices}");
        let test = Test::new();
        test.preset(&[("preset.toml", &manifest), CARGO, MAIN]);
        let seen = rendered(&accepted(test), &["--format", "json"]);
        assert_eq!(seen.code, Some(0), "{seen}");
        assert!(seen.stderr.contains(said), "{seen}");
        assert_eq!(json(&seen)["selection"], selection);
    }
}

#[test]
fn only_the_combinations_that_are_asked_for_are_compiled() {
    let test = accepted(house(&[]));
    let seen = rendered(&test, &["--only", "paper=lined", "ink=none,ink=blue"]);
    insta::assert_snapshot!(seen.stdout, @"
    | combination           | crates |  time | warnings | result |
    | --------------------- | -----: | ----: | -------: | ------ |
    | lined+seal            |        | 0.0 s |        0 | passed |
    | lined+seal+blue       |        | 0.0 s |        0 | passed |
    | lined+seal+black+blue |        | 0.0 s |        0 | passed |
    | lined                 |        | 0.0 s |        0 | passed |
    | lined+blue            |        | 0.0 s |        0 | passed |
    | lined+black+blue      |        | 0.0 s |        0 | passed |
    ");
    let seen = rendered(&test, &["--only=paper=lined,seal=yes", "--format", "json"]);
    let report = json(&seen);
    assert_eq!(report["selection"], "only");
    assert_eq!(report["combinations"].as_array().unwrap().len(), 4);
    // The conditions are those of the preset, whatever is compiled of it.
    let seen = rendered(&test, &["--only", "paper=plain", "--mutate"]);
    assert_eq!(seen.code, Some(0), "{seen}");
    assert_seen!(rendered(&test, &["--only", "paper=lines"]), @"
    exit 2
    --- stderr
    error: `--only` has no option `paper=lines`, it has `paper=plain`, `paper=lined`, `seal=yes`, `seal=no`, `ink=black`, `ink=blue`, `ink=none`
    ");
    assert_seen!(rendered(&test, &["--only", "paper=plain", "seal=yes"]), @"
    exit 2
    --- stderr
    error: no combination has `paper=plain`, `seal=yes`
    help: a choice that depends on another one is asked only with that
    ");
    assert_seen!(test.run(&["verify", "--preset", "house", "--only", "paper=plain", "seal=yes"]), @"
    exit 2
    --- stderr
    error: no combination has `paper=plain`, `seal=yes`
    help: a choice that depends on another one is asked only with that
    ");
}

#[test]
fn the_snapshots_of_a_preset_that_extends_another_one_are_what_it_makes_of_that() {
    let test = accepted(house(&[]));
    let manifest = r#"
name = "flat"
description = "Ours"
extends = "../house"
[[choice]]
name = "paper"
prompt = "Which paper?"
default = "lined"
[[choice.option]]
name = "plain"
help = "white"
[[choice.option]]
name = "lined"
help = "with lines"
[[choice.option]]
name = "squared"
help = "for sums"
[[choice]]
name = "stamp"
prompt = "With a stamp?"
kind = "flag"
"#;
    test.write("flat/preset.toml", manifest)
        .write("flat/base/_header.rs", "// Ours\n")
        .write(
            "flat/base/src/lib.rs.jinja",
            "//% if paper == \"plain\"\nmod plain;\n//% endif\n",
        )
        .write("flat/paper/squared/src/sums.rs", "mod sums;\n")
        .write("flat/stamp/yes/letter.yaml", "stamp: 1\n");
    let args = ["preset", "test", "flat", "--accept", "--level", "render"];
    let seen = test.run(&args);
    assert_eq!(seen.code, Some(0), "{seen}");
    let paths = test.paths();
    let names = paths
        .iter()
        .filter_map(|path| path.strip_prefix("flat/snapshots/"));
    let texts = names.filter(|name| !name.is_empty()).map(|name| {
        let text = test.read(&format!("flat/snapshots/{name}"));
        format!("# {name}\n{text}")
    });
    insta::assert_snapshot!(texts.collect::<String>(), @r#"
    # default.diff
    +++ src/lib.rs
    // Ours
    --- src/main.rs
    +++ src/main.rs
    @@ -1 +1,2 @@
    +// Ours
     fn main() {}
    # paper=plain.diff
    +++ src/lib.rs
    // Ours
    mod plain;
    # paper=squared.diff
    +++ src/sums.rs
    // Ours
    mod sums;
    # stamp=yes.diff
    --- letter.yaml
    +++ letter.yaml
    @@ -1,3 +1 @@
    -by: "Ann"
    -lines: 12
    -inks: none
    +stamp: 1
    "#);

    // What changes in the other one, and nothing of which is its own, is that one's to tell.
    test.write(
        "house/base/Cargo.toml.jinja",
        &CARGO.1.replace("0.1", "0.2"),
    );
    let seen = test.run(&["preset", "test", "flat", "--level", "render"]);
    assert_eq!(seen.code, Some(0), "{seen}");
    test.write("flat/base/_header.rs", "// Theirs\n");
    let seen = test.run(&["preset", "test", "flat", "--level", "render"]);
    assert_eq!(seen.code, Some(1), "{seen}");
}

#[test]
fn it_takes_a_directory() {
    insta::assert_snapshot!(Test::new().run(&["preset", "test", "axum"]), @"
    exit 2
    --- stderr
    error: there is no directory `axum`
    help: `scaffold preset test` takes the directory of a preset
    ");
    // A directory of that name is not the built-in preset.
    let test = Test::new();
    let manifest = "name = \"mine\"\ndescription = \"Mine\"\n";
    test.write("axum/preset.toml", manifest)
        .write("axum/base/a.txt", "a\n");
    let seen = test.run(&["preset", "test", "axum", "--level", "render", "--accept"]);
    assert_eq!(seen.code, Some(0), "{seen}");
    assert_eq!(test.read("axum/snapshots/default.txt"), "==> a.txt\na\n");
    // Nor does another author's command take the one for the other.
    let seen = test.run(&["preset", "lock", "axum"]);
    assert!(seen.stderr.contains("Cargo.toml"), "{seen}");
}

#[test]
fn a_choice_that_is_hard_to_get_at_has_its_snapshot() {
    let choice = |name: &str, when: &str| {
        let options = ["x", "y", "z"]
            .map(|option| format!("[[choice.option]]\nname = \"{option}\"\nhelp = \"x\"\n"));
        format!(
            "[[choice]]\nname = \"{name}\"\nprompt = \"?\"\ndefault = \"x\"\n{when}{}",
            options.concat()
        )
    };
    // `c` needs `y` of `b`, which applies with two options of `way`, but not the first of them.
    let choices = [
        choice("way", ""),
        choice("b", "when = { way = [\"y\", \"z\"] }\n"),
        choice("c", "when = { b = \"y\", way = \"z\" }\n"),
    ];
    let manifest = format!(
        "name = \"house\"\ndescription = \"Ours\"\n{}",
        choices.concat()
    );
    let test = Test::new();
    let told = "{{ way }} {{ b or \"-\" }} {{ c or \"-\" }}\n";
    test.preset(&[("preset.toml", &manifest), ("base/told.txt.jinja", told)]);
    let test = accepted(test);
    let made = |name: &String| {
        let text = test.read(&format!("house/snapshots/{name}"));
        format!("{name}: {}", text.lines().last().unwrap())
    };
    let made: Vec<String> = snapshots(&test).iter().map(made).collect();
    insta::assert_snapshot!(made.join("\n"), @"
    b=y.diff: +y y -
    b=z.diff: +y z -
    c=x.diff: +z y x
    c=y.diff: +z y y
    c=z.diff: +z y z
    default.txt: x - -
    way=y.diff: +y x -
    way=z.diff: +z x -
    ");
}
