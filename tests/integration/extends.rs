//! Presets that extend other ones: what is taken over, replaced and dropped, and what broken chains get told.

use crate::assert_seen;
use crate::support::{Seen, Test};

/// What others start from.
const HOUSE: &str = r#"
name = "house"
description = "Ours"
next = ["cargo run"]

[[choice]]
name = "database"
prompt = "Which database?"
default = "files"
[[choice.option]]
name = "files"
help = "in files"
[[choice.option]]
name = "sqlite"
help = "in SQLite"

[[choice]]
name = "cache"
prompt = "Which cache?"
default = "memory"
[[choice.option]]
name = "memory"
help = "in memory"

[reserved]
projects = ["lobby"]
"#;

/// The files of `house`, which the presets of these tests extend.
const HOUSE_FILES: &[(&str, &str)] = &[
    ("preset.toml", HOUSE),
    ("base/README.md", "house base\n"),
    ("base/kept.md", "house\n"),
    ("base/list.txt.jinja", "{{ fragments(\"list\") }}end\n"),
    ("base/_list", "house base\n"),
    ("database/files/README.md", "house files\n"),
    ("database/files/_list", "house files\n"),
    ("database/sqlite/store.rs", "// house sqlite\n"),
    ("cache/memory/_list", "house memory\n"),
];

/// `house`, and `flat` with these files, which extends it.
fn flat(files: &[(&str, &str)]) -> Test {
    let test = Test::new();
    test.preset(HOUSE_FILES);
    let manifest = "name = \"flat\"\ndescription = \"Smaller\"\nextends = \"../house\"\n";
    if files.iter().all(|(path, _)| *path != "preset.toml") {
        test.write("flat/preset.toml", manifest);
    }
    for (path, text) in files {
        test.write(&format!("flat/{path}"), text);
    }
    test
}

fn new(test: &Test, flags: &[&str]) -> Seen {
    let args = ["new", "shop", "--preset", "flat", "--yes", "--no-git"];
    test.run(&[&args, flags].concat())
}

#[test]
fn a_preset_without_files_makes_what_it_extends_makes() {
    let test = flat(&[]);
    assert_seen!(new(&test, &[]), @"
    exit 0
    --- stderr
    made `shop` in `[ROOT]/work/shop`, [N] files
      skipped `Cargo.lock`, because the preset has no lock table: the first build resolves the dependencies

    the same without a question:
      scaffold new shop --preset flat --database files --cache memory --no-git

    next:
      cd shop
      cargo run
    ");
    assert_eq!(test.read("shop/README.md"), "house files\n");
    assert_eq!(
        test.read("shop/list.txt"),
        "house base\nhouse files\nhouse memory\nend\n"
    );
}

#[test]
fn its_layers_lie_over_all_layers_of_what_it_extends() {
    let test = flat(&[
        ("base/README.md", "flat base\n"),
        ("base/_list", "flat base\n"),
        ("cache/memory/_list", "flat memory\n"),
        ("database/sqlite/README.md.jinja", "flat {{ database }}\n"),
    ]);
    assert_eq!(new(&test, &[]).code, Some(0));
    assert_eq!(test.read("shop/README.md"), "flat base\n");
    assert_eq!(test.read("shop/kept.md"), "house\n");
    assert_eq!(
        test.read("shop/list.txt"),
        "house base\nhouse files\nhouse memory\nflat base\nflat memory\nend\n"
    );
    assert_eq!(
        new(&test, &["--database=sqlite", "--into", "mall"]).code,
        Some(0)
    );
    assert_eq!(test.read("mall/README.md"), "flat sqlite\n");
    assert_eq!(test.read("mall/store.rs"), "// house sqlite\n");
}

#[test]
fn a_choice_of_the_same_name_is_replaced_in_its_place_and_new_ones_come_after() {
    let manifest = r#"
name = "flat"
description = "Smaller"
extends = "../house"

[[choice]]
name = "queue"
prompt = "Which queue?"
default = "none"
[[choice.option]]
name = "none"
help = "without"

[[choice]]
name = "database"
prompt = "Which database is it?"
default = "paper"
[[choice.option]]
name = "paper"
help = "on paper"
[[choice.option]]
name = "sqlite"
help = "in SQLite, too"
"#;
    let test = flat(&[("preset.toml", manifest), ("database/paper/paper.md", "")]);
    let help = test.run(&["new", "--preset", "flat", "-h"]).stdout;
    let (_, choices) = help.split_once("Choices of").unwrap();
    insta::assert_snapshot!(choices, @"
    the preset `flat`:
         --database <OPTION>  Which database is it? [default: paper] [possible values: paper, sqlite]
         --cache <OPTION>     Which cache? [default: memory] [possible values: memory]
         --queue <OPTION>     Which queue? [default: none] [possible values: none]
    ");
    let seen = new(&test, &["--database=sqlite"]);
    assert_eq!(seen.code, Some(0), "{seen}");
    assert_eq!(test.read("shop/store.rs"), "// house sqlite\n");
    assert_seen!(new(&test, &["--database=files"]), @"
    exit 2
    --- stderr
    error: `--database` has no option `files`, it has `paper`, `sqlite`
    help: see `scaffold new --help`
    ");
}

#[test]
fn the_last_commands_are_its_own_if_it_has_any_and_reserved_names_add_up() {
    let manifest = "name = \"flat\"\ndescription = \"Smaller\"\nextends = \"../house\"\nnext = [\"make\"]\n[reserved]\nprojects = [\"attic\"]\n";
    let test = flat(&[("preset.toml", manifest)]);
    let seen = new(&test, &[]).stderr;
    assert!(seen.ends_with("next:\n  cd shop\n  make\n"), "{seen}");
    for name in ["lobby", "attic"] {
        let seen = test.run(&["new", name, "--preset", "flat", "--yes"]);
        assert_eq!(seen.code, Some(2), "{seen}");
    }
}

#[test]
fn a_file_that_ends_in_drop_takes_away_what_earlier_layers_gave() {
    let test = flat(&[
        ("base/kept.md.drop", "we keep nothing\n"),
        ("base/_list.drop", ""),
        ("cache/memory/_list", "flat memory\n"),
        ("database/sqlite/store.rs.drop", ""),
    ]);
    let seen = new(&test, &["--database=sqlite"]);
    assert_eq!(seen.code, Some(0), "{seen}");
    assert_eq!(test.read("shop/list.txt"), "flat memory\nend\n");
    let paths = test.paths();
    let made: Vec<_> = paths
        .iter()
        .filter_map(|path| path.strip_prefix("shop/"))
        .filter(|path| !path.starts_with(".scaffold") && !path.is_empty())
        .collect();
    assert_eq!(made, ["README.md", "list.txt"]);
}

#[test]
fn dropping_what_is_not_there_is_refused() {
    assert_seen!(new(&flat(&[("base/store.rs.drop", "")]), &[]), @"
    exit 1
    --- stderr
    error: `flat:base/store.rs.drop` drops `store.rs`, which no earlier layer has
    help: a file that only some options bring is dropped in the layers of those options
    ");
    assert_seen!(new(&flat(&[("base/list.txt.jinja.drop", "")]), &[]), @"
    exit 1
    --- stderr
    error: `flat:base/list.txt.jinja.drop` drops `list.txt.jinja`, which no earlier layer has
    help: it is called as in the project, without `.jinja`: `list.txt.drop`
    ");
    assert_seen!(new(&flat(&[("base/_lits.drop", "")]), &[]), @"
    exit 1
    --- stderr
    error: `flat:base/_lits.drop` drops `_lits`, which no earlier layer has
    help: a file that only some options bring is dropped in the layers of those options
    ");
}

#[test]
fn a_chain_may_have_several_presets() {
    let test = flat(&[("base/README.md.jinja", "flat {{ name }}\n")]);
    test.write(
        "rooms/preset.toml",
        "name = \"room\"\ndescription = \"Smallest\"\nextends = \"./inside\"\n",
    );
    test.write(
        "rooms/inside/preset.toml",
        "name = \"inside\"\ndescription = \"Held\"\nextends = \"../../flat\"\n",
    );
    test.write("rooms/base/room.md", "");
    let seen = test.run(&["new", "shop", "--preset", "rooms", "--yes", "--no-git"]);
    assert_eq!(seen.code, Some(0), "{seen}");
    assert_eq!(test.read("shop/README.md"), "flat shop\n");
    assert_eq!(test.read("shop/kept.md"), "house\n");
    assert_eq!(test.read("shop/room.md"), "");
}

#[test]
fn a_cycle_is_refused_and_shown() {
    let test = Test::new();
    test.write(
        "a/preset.toml",
        "name = \"a\"\ndescription = \"\"\nextends = \"../b\"\n",
    );
    test.write(
        "b/preset.toml",
        "name = \"b\"\ndescription = \"\"\nextends = \"../a\"\n",
    );
    assert_seen!(test.run(&["new", "shop", "--preset", "a", "--yes"]), @"
    exit 1
    --- stderr
    error: the preset `a` can't be used: it extends `../b`: it extends `../a`: `a` extends `b` extends `a` is a cycle
    help: presets of one chain have a name of their own each
    ");
}

#[test]
fn a_parent_that_there_is_not_is_refused() {
    let manifest = |extends: &str| {
        let text = format!("name = \"flat\"\ndescription = \"\"\nextends = \"{extends}\"\n");
        new(&flat(&[("preset.toml", &text)]), &[])
    };
    assert_seen!(manifest("axun"), @"
    exit 2
    --- stderr
    error: the preset `flat` can't be used: it extends `axun`: there is no preset `axun` to extend
    help: built in is `axum`, a directory starts with `./` or `../`, and a repository is `ADDRESS#COMMIT`
    ");
    assert_seen!(manifest("../hosue"), @"
    exit 2
    --- stderr
    error: the preset `flat` can't be used: it extends `../hosue`: there is no preset `flat/../hosue`: it is neither built in nor a directory with a `preset.toml`
    help: built in is `axum`
    ");
    assert_seen!(manifest("/etc"), @"
    exit 2
    --- stderr
    error: the preset `flat` can't be used: it extends `/etc`: there is no preset `/etc` to extend
    help: built in is `axum`, a directory starts with `./` or `../`, and a repository is `ADDRESS#COMMIT`
    ");
}

#[test]
fn an_error_says_which_preset_of_the_chain_a_file_is_of() {
    assert_seen!(new(&flat(&[("base/a.rs.jinja", "{{ cahce }}\n")]), &[]), @"
    exit 1
    --- stderr
    error: `flat:base/a.rs.jinja` is a broken template: undefined value: `cahce` is undefined
      |
    1 | {{ cahce }}
      |    ^^^^^
    help: a template knows `name`, `crate_name`, `resource`, `resources`, `fragments(NAME)` and each choice by its name
    ");
    let test = flat(&[("base/list.txt", "")]);
    assert_seen!(new(&test, &[]), @r#"
    exit 1
    --- stderr
    error: `house:base/_list` is a fragment that no file gathers
    help: a shared file gathers it with `{{ fragments("list") }}`
    "#);
    test.write("house/base/a.rs.jinja", "{{ cahce }}\n");
    assert_seen!(new(&test, &[]), @"
    exit 1
    --- stderr
    error: `house:base/a.rs.jinja` is a broken template: undefined value: `cahce` is undefined
      |
    1 | {{ cahce }}
      |    ^^^^^
    help: a template knows `name`, `crate_name`, `resource`, `resources`, `fragments(NAME)` and each choice by its name
    ");
    assert_seen!(new(&flat(&[("cache/redis/README.md", "")]), &[]), @"
    exit 1
    --- stderr
    error: the preset `flat` can't be used: `cache/redis/README.md` belongs to no layer: `redis` is not an option of `cache`
    help: its options are `memory`
    ");
}

/// A preset that extends the built-in one.
fn acme(files: &[(&str, &str)]) -> Test {
    let manifest = "name = \"flat\"\ndescription = \"Acme's\"\nextends = \"axum\"\n";
    flat(&[&[("preset.toml", manifest)], files].concat())
}

#[test]
fn the_lock_table_of_what_it_extends_does_unless_it_adds_a_dependency() {
    let lock = |test: &Test| {
        let seen = new(test, &[]);
        assert_eq!(seen.code, Some(0), "{seen}");
        let has_lock = test.dir().join("shop/Cargo.lock").exists();
        assert_eq!(
            has_lock,
            !seen.stderr.contains("has no lock table"),
            "{seen}"
        );
        has_lock
    };
    assert!(lock(&acme(&[("base/LICENSE", "Ours.\n")])));
    let dependency = ("base/_Cargo.toml", "[dependencies]\nanyhow = \"1\"\n");
    assert!(!lock(&acme(&[dependency])));
    let test = acme(&[dependency]);
    assert!(!lock(&test));
    let seen = test.run(&["new", "serde", "--preset", "flat", "--yes"]);
    assert_eq!(seen.code, Some(2), "{seen}");
}
