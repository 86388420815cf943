//! `scaffold preset check`: what a preset is told without compiling anything, all of it at once.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::assert_seen;
use crate::support::{Seen, Test};

/// A choice with a neutral option, one with none, and a text.
const CHOICES: &str = r#"
name = "house"
description = "Ours"

[[choice]]
name = "database"
prompt = "Which database?"
default = "sqlite"
[[choice.option]]
name = "sqlite"
help = "in SQLite"
[[choice.option]]
name = "postgres"
help = "in PostgreSQL"

[[choice]]
name = "cache"
prompt = "Which cache?"
default = "none"
[[choice.option]]
name = "none"
help = "without"
[[choice.option]]
name = "redis"
help = "in Redis"
"#;

const OWNER: &str = r#"
[[choice]]
name = "owner"
prompt = "Who owns it?"
kind = "text"
pattern = "[A-Za-z]*"
default = ""
"#;

/// A preset of which nothing is wrong.
const RIGHT: &[(&str, &str)] = &[
    ("preset.toml", CHOICES),
    (
        "base/Cargo.toml.jinja",
        "[package]\nname = \"{{ name }}\"\n",
    ),
    ("database/sqlite/src/store.rs", "// SQLite\n"),
    ("database/postgres/src/store.rs", "// PostgreSQL\n"),
    ("cache/redis/src/cache.rs", "// Redis\n"),
];

/// The preset with these files, in the place of its own or beside them.
fn house(files: &[(&str, &str)]) -> Test {
    let test = Test::new();
    test.preset(&[RIGHT, files].concat());
    test
}

/// What the check says, after making sure that each finding has a file and a way out.
fn check(files: &[(&str, &str)]) -> Seen {
    checked(&house(files))
}

fn checked(test: &Test) -> Seen {
    let seen = test.run(&["preset", "check", "house", "--format=json"]);
    let report: serde_json::Value = serde_json::from_str(&seen.stdout).unwrap();
    for finding in report["findings"].as_array().unwrap() {
        for field in ["file", "what", "help"] {
            assert!(finding[field].is_string(), "no `{field}` in {finding}");
        }
    }
    test.run(&["preset", "check", "house"])
}

#[test]
fn a_preset_of_which_nothing_is_wrong_passes() {
    assert_seen!(check(&[]), @"
    exit 0
    --- stderr
    nothing is wrong with `house`, in 4 combinations
    ");
    assert_seen!(house(&[]).run(&["preset", "check", "house", "--format=json"]), @r#"
    exit 0
    --- stdout
    {
      "findings": []
    }
    "#);
}

#[test]
fn the_built_in_preset_passes() {
    let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/axum");
    let seen = Test::new().run(&["preset", "check", templates.to_str().unwrap()]);
    assert_eq!(seen.code, Some(0), "{seen}");
    assert_seen!(Test::new().run(&["preset", "check", "axum"]), @"
    exit 0
    --- stderr
    nothing is wrong with `axum`, in 27 combinations
    ");
}

#[test]
fn a_preset_that_there_is_not_is_no_finding() {
    assert_seen!(Test::new().run(&["preset", "check", "huose"]), @"
    exit 2
    --- stderr
    error: there is no preset `huose`: it is neither built in nor a directory with a `preset.toml`
    help: built in is `axum`
    ");
}

#[test]
fn a_manifest_that_can_not_be_used_is_the_one_finding() {
    let manifest = |text: &str| check(&[("preset.toml", text), ("base/a.jinja", "{{ wrong }}")]);
    assert_seen!(manifest("name = \"house\"\ndescription = \"\"\nhooks = [\"rm\"]\n"), @r#"
    exit 1
    --- stderr
    `preset.toml` is not valid: unknown field `hooks`, expected one of `name`, `description`, `extends`, `choice`, `reserved`, `next`
      |
    3 | hooks = ["rm"]
      | ^^^^^
    help: it may be misspelt, or stand in the wrong table

    error: 1 finding
    "#);
    assert_seen!(manifest(&CHOICES.replace("default = \"none\"", "default = \"moka\"")), @r#"
    exit 1
    --- stderr
    `preset.toml` is not valid: the default `moka` of `cache` is not one of its options
       |
    19 | default = "moka"
       |           ^^^^^^
    help: they are `none`, `redis`

    error: 1 finding
    "#);
    assert_seen!(manifest(&format!("{CHOICES}{}", OWNER.replace("]*", "*"))), @r#"
    exit 1
    --- stderr
    `preset.toml` is not valid: the pattern of `owner` is not valid: unclosed character class
       |
    31 | pattern = "[A-Za-z*"
       |           ^^^^^^^^^^
    help: it is a regular expression as Rust's `regex` has them

    error: 1 finding
    "#);
    assert_seen!(manifest(&CHOICES.replace("\"Ours\"", "\"Ours\"\nextends = \"../flat\"")), @r#"
    exit 1
    --- stderr
    the preset `house` can't be used: it extends `../flat`: there is no preset `house/../flat`: it is neither built in nor a directory with a `preset.toml`
      |
    4 | extends = "../flat"
      |           ^^^^^^^^^
    help: built in is `axum`

    error: 1 finding
    "#);
}

#[test]
fn all_that_is_wrong_with_a_manifest_is_told_at_once() {
    let manifest = r#"
name = "My House"
description = 1
hooks = ["rm"]

[reserved]
projects = "shop"

[[choice]]
name = "name"
prompt = "Which?"
default = "c"
help = 1
colour = "red"
[[choice.option]]
name = "a-b"
help = "A"
[[choice.option]]
name = "b"

[[choice]]
name = "owner"
prompt = "Who?"
kind = "text"
pattern = "[a-z*"
default = ""

[[choice]]
name = "queue"
prompt = "Which?"
default = "rabbit"
[[choice.option]]
name = "nats"
help = ""
server = { name = "NATS", variable = "NATS_URL", default = "nowhere", start = "" }
"#;
    assert_seen!(check(&[("preset.toml", manifest)]), @r#"
    exit 1
    --- stderr
    `preset.toml` is not valid: the name `My House` of the preset is not made of lower-case letters, digits and `_`
      |
    2 | name = "My House"
      |        ^^^^^^^^^^
    help: it starts with a letter, and is a flag, a directory and a variable

    `preset.toml` is not valid: invalid type: integer `1`, expected a string
      |
    3 | description = 1
      |               ^
    help: an editor that knows the JSON Schema of manifests completes what can stand there

    `preset.toml` is not valid: unknown field `hooks`, expected one of `name`, `description`, `extends`, `choice`, `reserved`, `next`
      |
    4 | hooks = ["rm"]
      | ^^^^^
    help: it may be misspelt, or stand in the wrong table

    `preset.toml` is not valid: invalid type: string "shop", expected a sequence
      |
    7 | projects = "shop"
      |            ^^^^^^
    help: an editor that knows the JSON Schema of manifests completes what can stand there

    `preset.toml` is not valid: a choice can't be called `name`: the word is taken
       |
    10 | name = "name"
       |        ^^^^^^
    help: templates, flags or directories use it already, so give it another name

    `preset.toml` is not valid: invalid type: integer `1`, expected a string
       |
    13 | help = 1
       |        ^
    help: an editor that knows the JSON Schema of manifests completes what can stand there

    `preset.toml` is not valid: unknown field `colour`, expected one of `name`, `prompt`, `help`, `kind`, `default`, `pattern`, `option`, `when`
       |
    14 | colour = "red"
       | ^^^^^^
    help: it may be misspelt, or stand in the wrong table

    `preset.toml` is not valid: the name `a-b` of an option is not made of lower-case letters, digits and `_`
       |
    16 | name = "a-b"
       |        ^^^^^
    help: it starts with a letter, and is a flag, a directory and a variable

    `preset.toml` is not valid: missing field `help`
       |
    18 | [[choice.option]]
       | ^^^^^^^^^^^^^^^^^
    help: add `help = ...` there

    `preset.toml` is not valid: the pattern of `owner` is not valid: unclosed character class
       |
    25 | pattern = "[a-z*"
       |           ^^^^^^^
    help: it is a regular expression as Rust's `regex` has them

    `preset.toml` is not valid: the default `rabbit` of `queue` is not one of its options
       |
    31 | default = "rabbit"
       |           ^^^^^^^^
    help: they are `nats`

    `preset.toml` is not valid: the default server of `queue=nats`: it names no port
       |
    35 | server = { name = "NATS", variable = "NATS_URL", default = "nowhere", start = "" }
       |                                                            ^^^^^^^^^
    help: it is a URL with a host and a port, such as `redis://127.[VERSION]:6379`

    error: 12 findings
    "#);

    let manifest = r#"
name = "house"
description = "Ours"

[[choice]]
name = "queue"
prompt = "Which?"
default = "rabbit"
when = { cache = "redis", database = "oracle" }
[[choice.option]]
name = "nats"
help = ""

[[choice]]
name = "database"
prompt = "Which?"
default = "sqlite"
[[choice.option]]
name = "sqlite"
help = ""

[[choice]]
name = "audit"
prompt = "Which?"
kind = "flag"
when = { database = ["oracle", "db2"] }

[[choice]]
name = "extras"
prompt = "Which?"
kind = "many"
[[choice.option]]
name = "audit"
help = ""
"#;
    assert_seen!(check(&[("preset.toml", manifest)]), @r#"
    exit 1
    --- stderr
    `preset.toml` is not valid: the default `rabbit` of `queue` is not one of its options
      |
    8 | default = "rabbit"
      |           ^^^^^^^^
    help: they are `nats`

    `preset.toml` is not valid: `queue` depends on `cache`, which is no choice with options before it
      |
    9 | when = { cache = "redis", database = "oracle" }
      |                  ^^^^^^^
    help: a choice can depend on those that are asked before it and have options

    `preset.toml` is not valid: `queue` depends on `database`, which is no choice with options before it
      |
    9 | when = { cache = "redis", database = "oracle" }
      |                                      ^^^^^^^^
    help: a choice can depend on those that are asked before it and have options

    `preset.toml` is not valid: `audit` is a word of `audit` and of `extras`
       |
    23 | name = "audit"
       |        ^^^^^^^
    help: what flags and the options of a `many` are called names combinations, so only one choice can have it

    `preset.toml` is not valid: `audit` depends on the option `oracle` of `database`, which there is not
       |
    26 | when = { database = ["oracle", "db2"] }
       |                     ^^^^^^^^^^^^^^^^^
    help: its options are `sqlite`

    `preset.toml` is not valid: `audit` depends on the option `db2` of `database`, which there is not
       |
    26 | when = { database = ["oracle", "db2"] }
       |                     ^^^^^^^^^^^^^^^^^
    help: its options are `sqlite`

    error: 6 findings
    "#);
}

#[test]
fn a_preset_without_an_end_is_a_finding() {
    let test = house(&[]);
    for index in 0..5_001 {
        test.write(&format!("house/base/{index}"), "");
    }
    assert_seen!(test.run(&["preset", "check", "house", "--format=json"]), @r#"
    exit 1
    --- stdout
    {
      "findings": [
        {
          "combination": null,
          "excerpt": null,
          "file": ".",
          "help": "is it the right directory?",
          "line": null,
          "what": "the preset `house` has more than [N] files"
        }
      ]
    }
    --- stderr
    error: 1 finding
    "#);
}

#[test]
fn every_file_that_is_none_of_a_preset_is_found() {
    let test = house(&[
        ("bsae/README.md", ""),
        ("cache/memory/README.md", ""),
        ("base/aux.rs", ""),
    ]);
    let base = test.dir().join("house/base");
    symlink("/etc/passwd", base.join("passwd")).unwrap();
    fs::write(base.join("logo.png"), b"\x89PNG\xff").unwrap();
    let large = fs::File::create(base.join("large")).unwrap();
    large.set_len(1 << 40).unwrap();
    assert_seen!(checked(&test), @"
    exit 1
    --- stderr
    `base/large` of the preset `house` is larger than 4194304 bytes
    help: a preset is text: keep what is large somewhere else

    the preset has a link: `house/base/passwd`
    help: put the file itself there

    `base/logo.png` of the preset `house` is not text: invalid utf-8 sequence of 1 bytes from index 0
    help: a preset holds nothing but text in UTF-8

    the path `base/aux.rs` is the name of a Windows device
    help: it has to be a place inside of the project, on every system

    `bsae/README.md` belongs to no layer: `bsae` is neither `base` nor a choice
    help: the choices are `database`, `cache`; what is no part of a project stands in the root, or in a hidden directory

    `cache/memory/README.md` belongs to no layer: `memory` is not an option of `cache`
    help: its options are `none`, `redis`

    error: 6 findings
    ");
}

#[test]
fn every_broken_template_of_every_combination_is_found() {
    assert_seen!(check(&[
        ("base/one.rs.jinja", "{{ nmae }}\n"),
        ("base/two.rs.jinja", "//% if cache\n"),
        ("base/three.rs.jinja", "//% if cache\n{{ database.port }}\n//% endif\n"),
        ("database/postgres/four.rs.jinja", "{{ name | shout }}\n"),
    ]), @"
    exit 1
    --- stderr
    `base/one.rs.jinja` is a broken template: undefined value: `nmae` is undefined
      |
    1 | {{ nmae }}
      |    ^^^^
    help: a template knows `name`, `crate_name`, `resource`, `resources`, `fragments(NAME)` and each choice by its name

    `base/three.rs.jinja` is a broken template: undefined value: `database.port` is undefined
      |
    2 | {{ database.port }}
      |    ^^^^^^^^^^^^^
    in the combination `sqlite+redis`
    help: a template knows `name`, `crate_name`, `resource`, `resources`, `fragments(NAME)` and each choice by its name

    `base/two.rs.jinja` is a broken template: syntax error: unexpected end of input, expected end of block
      |
    1 | //% if cache
      |             ^
    help: there are `if`, `for`, `set`, `filter` and `raw`, as minijinja has them: <https://docs.rs/minijinja>

    `database/postgres/four.rs.jinja` is a broken template: unknown filter: filter shout is unknown
      |
    1 | {{ name | shout }}
      |           ^^^^^
    in the combination `postgres+none`
    help: filters are those of minijinja, `fit`, and those that quote: `toml`, `yaml`, `json`, `rust`, `sh`, `markdown`

    error: 4 findings
    ");
}

#[test]
fn a_text_that_is_written_without_a_filter_is_found_though_its_default_is_empty() {
    let manifest = format!("{CHOICES}{OWNER}");
    assert_seen!(check(&[
        ("preset.toml", &manifest),
        ("base/owner.md.jinja", "{% if owner %}{{ owner }}{% endif %}\n"),
    ]), @"
    exit 1
    --- stderr
    `base/owner.md.jinja` is a broken template: a text that users type is never written as it is
      |
    1 | {% if owner %}{{ owner }}{% endif %}
      |                  ^^^^^
    help: a filter quotes it for where it lands: `toml`, `yaml`, `json`, `rust`, `sh` or `markdown`, each with the quotes that it needs

    error: 1 finding
    ");
}

#[test]
fn a_template_is_rendered_with_a_text_and_without() {
    let manifest = format!("{CHOICES}{}", OWNER.replace("\"\"", "\"Ann\""));
    assert_seen!(check(&[
        ("preset.toml", &manifest),
        ("base/owner.md.jinja", "{% if owner %}{{ owner | markdown }}{% else %}{{ nobody }}{% endif %}\n"),
    ]), @"
    exit 1
    --- stderr
    `base/owner.md.jinja` is a broken template: undefined value: `nobody` is undefined
      |
    1 | {% if owner %}{{ owner | markdown }}{% else %}{{ nobody }}{% endif %}
      |                                                  ^^^^^^
    help: a template knows `name`, `crate_name`, `resource`, `resources`, `fragments(NAME)` and each choice by its name

    error: 1 finding
    ");
}

#[test]
fn what_is_broken_hides_an_option_without_effect_only_if_it_asks_for_it() {
    let broken = |template: &str| {
        check(&[
            ("database/postgres/src/store.rs", "// SQLite\n"),
            ("base/a.rs.jinja", template),
        ])
    };
    assert_seen!(broken("{{ nmae }}\n"), @r#"
    exit 1
    --- stderr
    `base/a.rs.jinja` is a broken template: undefined value: `nmae` is undefined
      |
    1 | {{ nmae }}
      |    ^^^^
    help: a template knows `name`, `crate_name`, `resource`, `resources`, `fragments(NAME)` and each choice by its name

    the option `postgres` of `database` has no effect: with it a project is as with `sqlite`
       |
    13 | name = "postgres"
       |        ^^^^^^^^^^
    help: what it adds stands in `database/postgres/`, or leave it out

    error: 2 findings
    "#);
    assert_seen!(broken("{{ nmae }}{{ database }}\n"), @"
    exit 1
    --- stderr
    `base/a.rs.jinja` is a broken template: undefined value: `nmae` is undefined
      |
    1 | {{ nmae }}{{ database }}
      |    ^^^^
    help: a template knows `name`, `crate_name`, `resource`, `resources`, `fragments(NAME)` and each choice by its name

    error: 1 finding
    ");
}

#[test]
fn a_text_that_no_template_writes_is_found() {
    let manifest = format!("{CHOICES}{OWNER}");
    assert_seen!(check(&[("preset.toml", &manifest), ("base/a.md.jinja", "{{ resource.plural }} co-owners downer\n")]), @r#"
    exit 1
    --- stderr
    the choice `owner` has no effect: no template writes its text
       |
    28 | name = "owner"
       |        ^^^^^^^
    help: a template writes it with a filter that quotes it, such as `{{ owner | toml }}`

    error: 1 finding
    "#);
}

#[test]
fn a_file_that_stands_twice_is_dropped_in_vain_or_gathered_by_nobody_is_found() {
    assert_seen!(check(&[
        ("base/twice.rs", ""),
        ("base/twice.rs.jinja", ""),
        ("base/README.md", ""),
        ("base/readme.md", ""),
        ("cache/redis/gone.rs.drop", ""),
        ("cache/redis/_env.example", "REDIS_URL=\n"),
        ("database/sqlite/_list", "gathered by what is broken\n"),
        ("base/list.jinja", "{{ broken }}{{ fragments(\"list\") }}\n"),
    ]), @r#"
    exit 1
    --- stderr
    `base/list.jinja` is a broken template: undefined value: `broken` is undefined
      |
    1 | {{ broken }}{{ fragments("list") }}
      |    ^^^^^^
    help: a template knows `name`, `crate_name`, `resource`, `resources`, `fragments(NAME)` and each choice by its name

    `README.md` and `readme.md` are the same to systems that do not tell upper case from lower case
    help: rename one of them

    `base/twice.rs` and `base/twice.rs.jinja` become the same file
    help: keep one of them

    `cache/redis/_env.example` is a fragment that no file gathers
    in the combination `sqlite+redis`
    help: a shared file gathers it with `{{ fragments("env.example") }}`

    `cache/redis/gone.rs.drop` drops `gone.rs`, which no earlier layer has
    in the combination `sqlite+redis`
    help: a file that only some options bring is dropped in the layers of those options

    error: 5 findings
    "#);
}

#[test]
fn manifests_that_are_none_or_do_not_fit_are_found() {
    assert_seen!(check(&[
        ("base/Cargo.toml.jinja", "[dependencies]\naxum = \"0.8\"\n"),
        ("database/sqlite/_Cargo.toml", "[dependencies]\naxum = \"0.7\"\n"),
        ("database/postgres/_Cargo.toml", "[dependencies\n"),
        ("cache/redis/_Cargo.toml.jinja", "#% if cache\n[dependencies]\nredis = {{ cache }}\n#% endif\n"),
    ]), @r#"
    exit 1
    --- stderr
    `cache/redis/_Cargo.toml.jinja` is not valid TOML: string values must be quoted, expected literal string
      |
    2 | redis = redis
      |         ^^^^^
    in the combination `sqlite+redis`
    help: it becomes a part of the project's `Cargo.toml`, in every combination

    `database/postgres/_Cargo.toml` is not valid TOML: unclosed table, expected `]`
      |
    1 | [dependencies
      |              ^
    in the combination `postgres+none`
    help: it becomes a part of the project's `Cargo.toml`, in every combination

    `database/sqlite/_Cargo.toml` does not fit `base/Cargo.toml.jinja`: `dependencies.axum` is `"0.8"` in one and `"0.7"` in the other
    in the combination `sqlite+none`
    help: let both say the same, or one of them nothing

    error: 3 findings
    "#);
    assert_seen!(check(&[("base/Cargo.toml.jinja", "[package]\nname = {{ name }}\n")]), @"
    exit 1
    --- stderr
    `base/Cargo.toml.jinja` is not valid TOML: invalid boolean, expected `true`
      |
    2 | name = things-api
      |        ^^^^^^^^^^
    help: it becomes a part of the project's `Cargo.toml`, in every combination

    error: 1 finding
    ");
}

#[test]
fn an_option_without_effect_is_found() {
    let flag = "\n[[choice]]\nname = \"audit\"\nprompt = \"Audit?\"\nkind = \"flag\"\n";
    let many = "\n[[choice]]\nname = \"features\"\nprompt = \"What?\"\nkind = \"many\"\n[[choice.option]]\nname = \"search\"\nhelp = \"\"\n[[choice.option]]\nname = \"export\"\nhelp = \"\"\n";
    assert_seen!(check(&[
        ("preset.toml", &format!("{CHOICES}{flag}{many}")),
        ("database/postgres/src/store.rs", "// SQLite\n"),
        ("features/export/export.rs", ""),
    ]), @r#"
    exit 1
    --- stderr
    the option `postgres` of `database` has no effect: with it a project is as with `sqlite`
       |
    13 | name = "postgres"
       |        ^^^^^^^^^^
    help: what it adds stands in `database/postgres/`, or leave it out

    the option `yes` of `audit` has no effect: with it a project is as with `no`
       |
    28 | name = "audit"
       |        ^^^^^^^
    help: what it adds stands in `audit/yes/`, or leave it out

    the option `search` of `features` has no effect: with it a project is as without
       |
    37 | name = "search"
       |        ^^^^^^^^
    help: what it adds stands in `features/search/`, or leave it out

    error: 3 findings
    "#);
}

#[test]
fn an_option_has_an_effect_if_another_one_makes_it_or_another_question_depends_on_it() {
    let depends = "\n[[choice]]\nname = \"replica\"\nprompt = \"Replica?\"\nkind = \"flag\"\nwhen = { database = \"postgres\" }\n";
    let seen = check(&[
        ("preset.toml", &format!("{CHOICES}{depends}")),
        ("database/postgres/src/store.rs", "// SQLite\n"),
        ("replica/yes/replica.rs", ""),
    ]);
    assert_eq!(seen.code, Some(0), "{seen}");
}

#[test]
fn an_option_of_a_preset_with_too_many_combinations_is_checked_as_well() {
    let flag =
        |at: usize| format!("\n[[choice]]\nname = \"f{at}\"\nprompt = \"?\"\nkind = \"flag\"\n");
    let flags: String = (0..10).map(flag).collect();
    let layers: Vec<String> = (1..10).map(|at| format!("f{at}/yes/f{at}.rs")).collect();
    let layers = layers.iter().map(|path| (path.as_str(), ""));
    let manifest = format!("{CHOICES}{flags}");
    let files: Vec<_> = layers.chain([("preset.toml", manifest.as_str())]).collect();
    assert_seen!(check(&files), @r#"
    exit 1
    --- stderr
    the option `yes` of `f0` has no effect: with it a project is as with `no`
       |
    28 | name = "f0"
       |        ^^^^
    help: what it adds stands in `f0/yes/`, or leave it out

    error: 1 finding
    "#);
}

#[test]
fn a_file_that_two_options_of_one_preset_own_is_found() {
    assert_seen!(check(&[("cache/redis/src/store.rs.jinja", "// Redis\n"), ("base/src/cache.rs", "")]), @"
    exit 1
    --- stderr
    `cache/redis/src/store.rs.jinja` replaces `database/sqlite/src/store.rs`, which another option brings
    in the combination `sqlite+redis`
    help: give them names of their own, or let both be fragments that a file in `base/` gathers

    `cache/redis/src/store.rs.jinja` replaces `database/postgres/src/store.rs`, which another option brings
    in the combination `postgres+redis`
    help: give them names of their own, or let both be fragments that a file in `base/` gathers

    error: 2 findings
    ");
    // What replaces the files of another preset does so by intention.
    let test = house(&[]);
    let child = "name = \"flat\"\ndescription = \"\"\nextends = \"../house\"\n";
    test.write("flat/preset.toml", child);
    test.write("flat/cache/redis/src/store.rs", "// both\n");
    assert_seen!(test.run(&["preset", "check", "flat"]), @"
    exit 0
    --- stderr
    nothing is wrong with `flat`, in 4 combinations
    ");
}

#[test]
fn an_option_that_base_names_is_found() {
    assert_seen!(check(&[
        ("base/src/redis.rs", "//! Uses a pool.\n\nstruct RedisPool;\n"),
        ("base/README.md", "It redistributes what PostgreSQL keeps, or SQLITE.\n"),
    ]), @"
    exit 1
    --- stderr
    `base/README.md` names the option `sqlite` of `database`
      |
    1 | It redistributes what PostgreSQL keeps, or SQLITE.
      |                                            ^^^^^^
    help: what only some options need stands in their layers; an option whose name has other uses says `common = true`

    `base/README.md` names the option `postgres` of `database`
      |
    1 | It redistributes what PostgreSQL keeps, or SQLITE.
      |                       ^^^^^^^^
    help: what only some options need stands in their layers; an option whose name has other uses says `common = true`

    the path `base/src/redis.rs` names the option `redis` of `cache`
    help: what only some options need stands in their layers; an option whose name has other uses says `common = true`

    `base/src/redis.rs` names the option `redis` of `cache`
      |
    3 | struct RedisPool;
      |        ^^^^^
    help: what only some options need stands in their layers; an option whose name has other uses says `common = true`

    error: 4 findings
    ");
}

#[test]
fn an_option_whose_name_is_a_common_word_may_say_so() {
    let manifest = CHOICES.replace("\"redis\"", "\"redis\"\ncommon = true");
    let seen = check(&[("preset.toml", &manifest), ("base/README.md", "Redis\n")]);
    assert_eq!(seen.code, Some(0), "{seen}");
}

#[test]
fn an_option_of_many_may_be_asked_for_in_base() {
    let many = "\n[[choice]]\nname = \"features\"\nprompt = \"What?\"\nkind = \"many\"\n[[choice.option]]\nname = \"export\"\nhelp = \"\"\n";
    let manifest = format!("{CHOICES}{many}");
    let asked = "//% if \"export\" in features\n// CSV\n//% endif\n";
    let files = [
        ("preset.toml", manifest.as_str()),
        ("base/a.rs.jinja", asked),
    ];
    let seen = check(&files);
    assert_eq!(seen.code, Some(0), "{seen}");
    let named = asked.replace("CSV", "export");
    assert_seen!(check(&[files[0], ("base/a.rs.jinja", &named)]), @"
    exit 1
    --- stderr
    `base/a.rs.jinja` names the option `export` of `features`
      |
    2 | // export
      |    ^^^^^^
    help: what only some options need stands in their layers; an option whose name has other uses says `common = true`

    error: 1 finding
    ");
}

#[test]
fn a_lock_table_that_is_none_or_does_not_fit_is_found() {
    let cargo = (
        "base/Cargo.toml.jinja",
        "[dependencies]\naxum = \"0.8\"\n\n[dev-dependencies]\nserde = { version = \"1\" }\n",
    );
    let fragment = ("cache/redis/_Cargo.toml", "[dependencies]\nredis = \"1\"\n");
    assert_seen!(check(&[cargo, fragment, ("lock.txt", "project\n    axum\n    serde\n    tokio\naxum 0.7.1 abc\nserde 1.0.1 abc\ntokio 1.0.0 abc\n")]), @"
    exit 1
    --- stderr
    `lock.txt` has no version of `axum` that is `0.8`, as `Cargo.toml` asks
    help: `scaffold preset lock DIR` makes the table anew

    `lock.txt` has `tokio` as a dependency of the project, and `Cargo.toml` has not
    help: `scaffold preset lock DIR` makes the table anew

    `lock.txt` does not have `redis`, which `Cargo.toml` depends on
    in the combination `sqlite+redis`
    help: `scaffold preset lock DIR` makes the table anew

    error: 3 findings
    ");
    assert_seen!(check(&[cargo, fragment, ("lock.txt", "project\n    axum\nserde\ntokio 1.0.0 abc def ghi\n")]), @"
    exit 1
    --- stderr
    `lock.txt` is not valid: expected a version after the name
      |
    3 | serde
      |
    help: `scaffold preset lock DIR` makes the table anew

    `lock.txt` is not valid: expected nothing more
      |
    4 | tokio 1.0.0 abc def ghi
      |
    help: `scaffold preset lock DIR` makes the table anew

    error: 2 findings
    ");
    let seen = check(&[
        cargo,
        fragment,
        (
            "lock.txt",
            "project\n    axum\n    redis | cache=redis\n    serde\naxum 0.8.1 abc\nredis 1.2.3 abc | cache=redis\nserde 1.0.1 abc\n",
        ),
    ]);
    assert_eq!(seen.code, Some(0), "{seen}");
}

/// One of every kind, for which `findings` are those of the tests above.
fn all_wrong() -> Test {
    house(&[
        ("bsae/README.md", ""),
        ("base/one.rs.jinja", "{{ nmae }}\n"),
        ("base/redis.md", "\n"),
        ("base/Cargo.toml.jinja", "[dependencies]\naxum = \"0.8\"\n"),
        (
            "cache/redis/_Cargo.toml",
            "[dependencies]\naxum = \"0.7\"\n",
        ),
        ("cache/redis/_env.example", "REDIS_URL=\n"),
        ("cache/redis/src/store.rs", ""),
        ("lock.txt", "project\n"),
    ])
}

#[test]
fn every_finding_is_told_at_once() {
    assert_seen!(checked(&all_wrong()), @r#"
    exit 1
    --- stderr
    `bsae/README.md` belongs to no layer: `bsae` is neither `base` nor a choice
    help: the choices are `database`, `cache`; what is no part of a project stands in the root, or in a hidden directory

    `base/one.rs.jinja` is a broken template: undefined value: `nmae` is undefined
      |
    1 | {{ nmae }}
      |    ^^^^
    help: a template knows `name`, `crate_name`, `resource`, `resources`, `fragments(NAME)` and each choice by its name

    the path `base/redis.md` names the option `redis` of `cache`
    help: what only some options need stands in their layers; an option whose name has other uses says `common = true`

    `cache/redis/_Cargo.toml` does not fit `base/Cargo.toml.jinja`: `dependencies.axum` is `"0.8"` in one and `"0.7"` in the other
    in the combination `sqlite+redis`
    help: let both say the same, or one of them nothing

    `cache/redis/_env.example` is a fragment that no file gathers
    in the combination `sqlite+redis`
    help: a shared file gathers it with `{{ fragments("env.example") }}`

    `cache/redis/src/store.rs` replaces `database/sqlite/src/store.rs`, which another option brings
    in the combination `sqlite+redis`
    help: give them names of their own, or let both be fragments that a file in `base/` gathers

    `cache/redis/src/store.rs` replaces `database/postgres/src/store.rs`, which another option brings
    in the combination `postgres+redis`
    help: give them names of their own, or let both be fragments that a file in `base/` gathers

    `lock.txt` does not have `axum`, which `Cargo.toml` depends on
    help: `scaffold preset lock DIR` makes the table anew

    error: 8 findings
    "#);
}

#[test]
fn a_program_gets_the_findings_as_json() {
    let seen = all_wrong().run(&["preset", "check", "house", "--format=json"]);
    assert_eq!(
        (seen.code, seen.stderr.as_str()),
        (Some(1), "error: 8 findings\n")
    );
    let json: serde_json::Value = serde_json::from_str(&seen.stdout).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&json["findings"][1]).unwrap(), @r#"
    {
      "combination": null,
      "excerpt": "  |\n1 | {{ nmae }}\n  |    ^^^^",
      "file": "base/one.rs.jinja",
      "help": "a template knows `name`, `crate_name`, `resource`, `resources`, `fragments(NAME)` and each choice by its name",
      "line": 1,
      "what": "`base/one.rs.jinja` is a broken template: undefined value: `nmae` is undefined"
    }
    "#);
    let findings = json["findings"].as_array().unwrap().iter();
    let files: Vec<_> = findings
        .map(|finding| finding["file"].as_str().unwrap())
        .collect();
    insta::assert_snapshot!(files.join("\n"), @"
    bsae/README.md
    base/one.rs.jinja
    base/redis.md
    cache/redis/_Cargo.toml
    cache/redis/_env.example
    cache/redis/src/store.rs
    cache/redis/src/store.rs
    lock.txt
    ");
}
