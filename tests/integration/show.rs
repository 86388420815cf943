//! `scaffold preset list` and `scaffold preset show`: what there is to choose from, for people and for programs.

use crate::assert_seen;
use crate::support::Test;

const CHOICES: &str = r#"
name = "house"
description = "Ours"

[[choice]]
name = "database"
prompt = "Which database?"
default = "files"
[[choice.option]]
name = "files"
help = "in files"
[[choice.option]]
name = "none"
help = "without"
"#;

/// A preset with one option of which everything is known.
fn house() -> Test {
    let test = Test::new();
    test.preset(&[
        ("preset.toml", CHOICES),
        ("database/files/src/store.rs", ""),
        ("database/files/_env.example", "DIR=data\n"),
        (
            "database/files/_Cargo.toml.jinja",
            "[dependencies]\n#% if true\nfs-err = \"3\"\n#% endif\ntempfile = \"3\"\n\n[dev-dependencies]\ninsta = \"1\"\n",
        ),
        (
            "prices.toml",
            "[base]\ncrates = 1\nbuild_cpu_seconds = 1.0\n\n[database.files]\ncrates = 7\nbuild_cpu_seconds = 1.2\nbinary_bytes = 180568\n",
        ),
    ]);
    test
}

#[test]
fn the_built_in_presets_are_listed() {
    assert_seen!(Test::new().run(&["preset", "list"]), @"
    exit 0
    --- stdout
    axum  A JSON service on axum, with the protections that production asks for
    ");
    assert_seen!(Test::new().run(&["preset", "list", "--format", "json"]), @r#"
    exit 0
    --- stdout
    [
      {
        "description": "A JSON service on axum, with the protections that production asks for",
        "name": "axum"
      }
    ]
    "#);
}

#[test]
fn a_preset_shows_what_each_option_adds() {
    assert_seen!(house().run(&["preset", "show", "house"]), @"
    exit 0
    --- stdout
    house: Ours

    --database: Which database? [default: files]
      files  in files
             1 file; fs-err, tempfile; +7 crates, +1 s to build
      none   without
             [N] files
    ");
}

#[test]
fn a_program_gets_the_same_as_json() {
    assert_seen!(house().run(&["preset", "show", "house", "--format", "json"]), @r#"
    exit 0
    --- stdout
    {
      "choices": [
        {
          "default": [
            "files"
          ],
          "help": null,
          "kind": "one",
          "name": "database",
          "options": [
            {
              "dependencies": [
                "fs-err",
                "tempfile"
              ],
              "files": 1,
              "help": "in files",
              "name": "files",
              "price": {
                "binary_bytes": 180568,
                "build_cpu_seconds": 1.2,
                "crates": 7
              }
            },
            {
              "dependencies": [],
              "files": 0,
              "help": "without",
              "name": "none",
              "price": null
            }
          ],
          "prompt": "Which database?",
          "when": {}
        }
      ],
      "commit": null,
      "description": "Ours",
      "name": "house"
    }
    "#);
}

#[test]
fn every_built_in_preset_can_be_shown() {
    let test = Test::new();
    let seen = test.run(&["preset", "show", "axum"]);
    assert_eq!((seen.code, seen.stderr.as_str()), (Some(0), ""));
    for word in [
        "--database",
        "sqlite",
        "sqlx",
        "--cache",
        "moka",
        "--observability",
    ] {
        assert!(seen.stdout.contains(word), "{seen}");
    }
}

#[test]
fn a_preset_that_there_is_not_can_not_be_shown() {
    assert_seen!(Test::new().run(&["preset", "show", "axun"]), @"
    exit 2
    --- stderr
    error: there is no preset `axun`: it is neither built in nor a directory with a `preset.toml`
    help: built in is `axum`
    ");
}
