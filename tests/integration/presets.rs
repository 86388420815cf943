//! Presets from a directory: what they can say, and what broken and hostile ones get told.

#[cfg(unix)]
use std::os::unix::fs::symlink;

use crate::assert_seen;
use crate::support::{Seen, Test};

/// What a preset with these files makes of the project `shop`.
fn render(files: &[(&str, &str)]) -> (Test, Seen) {
    let test = Test::new();
    test.preset(files);
    let seen = test.run(&["new", "shop", "--preset", "house", "--yes", "--no-git"]);
    (test, seen)
}

/// The one file of a project that a preset with this template makes.
fn text(template: &str) -> String {
    let (test, seen) = render(&[("base/file.rs.jinja", template)]);
    assert_eq!(seen.code, Some(0), "{seen}");
    test.read("shop/file.rs")
}

/// What a template that does not render gets told.
fn broken(template: &str) -> Seen {
    let (test, seen) = render(&[("base/src/lib.rs.jinja", template)]);
    assert!(!test.dir().join("shop").exists());
    seen
}

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
next = ["mkdir data"]

[[choice]]
name = "cache"
prompt = "Which cache?"
default = "none"
[[choice.option]]
name = "none"
help = "without"
[[choice.option]]
name = "memory"
help = "in memory"
"#;

#[test]
fn a_template_knows_the_names() {
    let (test, seen) = render(&[(
        "base/names.txt.jinja",
        "{{ name }} {{ crate_name }} {{ resource.plural }} {{ resource.singular }} {{ resource.Plural }} {{ resource.Singular }} {{ resource.path }}\n",
    )]);
    assert_eq!(seen.code, Some(0), "{seen}");
    assert_eq!(
        test.read("shop/names.txt"),
        "shop shop shops shop Shops Shop shops\n"
    );
}

#[test]
fn a_line_statement_looks_like_a_comment_of_the_language() {
    assert_eq!(
        text("a\n//% if name == \"shop\"\nb\n//% else\nc\n//% endif\nd\n"),
        "a\nb\nd\n"
    );
    assert_eq!(
        text("fn f() {\n    //% for r in resources\n    {{ r.plural }}();\n    //% endfor\n}\n"),
        "fn f() {\n    shops();\n}\n"
    );
    let (test, seen) = render(&[
        ("base/a.sql.jinja", "--% if true\nSELECT 1;\n--% endif\n"),
        ("base/a.yaml.jinja", "#% if true\na: 1\n#% endif\n"),
        (
            "base/Dockerfile.jinja",
            "#% if false\nFROM a\n#% endif\nFROM b\n",
        ),
        (
            "base/README.md.jinja",
            "#% not ours\n{% if true %}\n# Shop\n{% endif %}\n",
        ),
    ]);
    assert_eq!(seen.code, Some(0), "{seen}");
    assert_eq!(test.read("shop/a.sql"), "SELECT 1;\n");
    assert_eq!(test.read("shop/a.yaml"), "a: 1\n");
    assert_eq!(test.read("shop/Dockerfile"), "FROM b\n");
    assert_eq!(test.read("shop/README.md"), "#% not ours\n# Shop\n");
}

#[test]
fn a_file_without_the_suffix_is_copied_byte_for_byte() {
    let (test, _) = render(&[("base/ci.yml", "${{ github.ref }}\r\n{% no template %}")]);
    assert_eq!(
        test.read("shop/ci.yml"),
        "${{ github.ref }}\r\n{% no template %}"
    );
}

#[test]
fn a_later_layer_replaces_a_file_and_adds_to_lists() {
    let test = Test::new();
    test.preset(&[
        ("preset.toml", CHOICES),
        ("base/Cargo.toml.jinja", "[package]\nname = \"{{ name }}\"\n\n[dependencies]\naxum = \"0.8\"\ntokio = { version = \"1\", features = [\"net\"] }\n\n[workspace]\n"),
        ("base/list.txt.jinja", "base\n{{ fragments(\"list\") }}end{% if cache %} cached{% endif %}.\n"),
        ("base/store.rs", "// base\n"),
        ("database/files/store.rs.jinja", "// {{ database }}\n"),
        ("database/files/_list", "files\n"),
        ("cache/memory/_list.jinja", "{{ cache }}\n"),
        ("cache/memory/_Cargo.toml", "[dependencies]\n# It caches.\nmoka = \"0.12\"\ntokio = { version = \"1\", features = [\"sync\"] }\n\n[dev-dependencies]\ninsta = \"1\"\n"),
    ]);
    assert_eq!(
        test.run(&["new", "shop", "--preset", "house", "--yes", "--no-git"])
            .code,
        Some(0)
    );
    assert_eq!(test.read("shop/store.rs"), "// files\n");
    assert_eq!(test.read("shop/list.txt"), "base\nfiles\nend.\n");

    assert_eq!(
        test.run(&[
            "new", "mall", "--preset", "house", "--cache", "memory", "--no-git"
        ])
        .code,
        Some(0)
    );
    assert_eq!(
        test.read("mall/list.txt"),
        "base\nfiles\nmemory\nend cached.\n"
    );
    insta::assert_snapshot!(test.read("mall/Cargo.toml"), @r#"
    [package]
    name = "mall"

    [dependencies]
    axum = "0.8"
    # It caches.
    moka = "0.12"
    tokio = { version = "1", features = ["net", "sync"] }

    [workspace]

    [dev-dependencies]
    insta = "1"
    "#);
}

#[test]
fn a_path_with_a_resource_stands_for_each() {
    let (test, seen) = render(&[(
        "base/src/{{resource}}/mod.rs.jinja",
        "// {{ resource.singular }}\n",
    )]);
    assert_eq!(seen.code, Some(0), "{seen}");
    assert_eq!(test.read("shop/src/shops/mod.rs"), "// shop\n");
}

#[test]
fn the_commands_of_the_options_come_before_those_of_the_preset() {
    let (_, seen) = render(&[(
        "preset.toml",
        &CHOICES.replace(
            "Ours\"",
            "Ours\"\nnext = [\"cargo run\", \"curl localhost/{{resource}}\"]",
        ),
    )]);
    assert_seen!(seen, @"
    exit 0
    --- stderr
    made `shop` in `[ROOT]/work/shop`, [N] files
      skipped `Cargo.lock`, because the preset has no lock table: the first build resolves the dependencies

    the same without a question:
      scaffold new shop --preset house --database files --cache none --no-git

    next:
      cd shop
      mkdir data
      cargo run
      curl localhost/shops
    ");
}

#[test]
fn a_preset_without_a_lock_table_says_so() {
    let (test, seen) = render(&[("base/README.md", "")]);
    assert_seen!(seen, @"
    exit 0
    --- stderr
    made `shop` in `[ROOT]/work/shop`, [N] files
      skipped `Cargo.lock`, because the preset has no lock table: the first build resolves the dependencies

    the same without a question:
      scaffold new shop --preset house --no-git

    next:
      cd shop
    ");
    assert!(!test.dir().join("shop/Cargo.lock").exists());
}

#[test]
fn a_preset_that_there_is_not_is_refused() {
    assert_seen!(Test::new().run(&["new", "shop", "--preset", "axun"]), @"
    exit 2
    --- stderr
    error: there is no preset `axun`: it is neither built in nor a directory with a `preset.toml`
    help: built in is `axum`
    ");
}

#[test]
fn a_broken_manifest_is_shown_where_it_breaks() {
    let manifest = |manifest: &str| render(&[("preset.toml", manifest)]).1;
    assert_seen!(manifest("name = \"house\"\ndescription = \n"), @"
    exit 1
    --- stderr
    error: the preset `house` can't be used: `preset.toml` is not valid: string values must be quoted, expected literal string
      |
    2 | description = 
      |               ^
    help: a manifest is TOML, see <https://toml.io>
    ");
    assert_seen!(manifest("name = \"house\"\ndescription = \"\"\nhooks = [\"rm\"]\n"), @r#"
    exit 1
    --- stderr
    error: the preset `house` can't be used: `preset.toml` is not valid: unknown field `hooks`, expected one of `name`, `description`, `extends`, `choice`, `reserved`, `next`
      |
    3 | hooks = ["rm"]
      | ^^^^^
    help: it may be misspelt, or stand in the wrong table
    "#);
    assert_seen!(manifest("name = \"house\"\n"), @r#"
    exit 1
    --- stderr
    error: the preset `house` can't be used: `preset.toml` is not valid: missing field `description`
      |
    1 | name = "house"
      | ^
    help: add `description = ...` there
    "#);
    assert_seen!(manifest("name = \"My House\"\ndescription = \"\"\n"), @r#"
    exit 1
    --- stderr
    error: the preset `house` can't be used: `preset.toml` is not valid: the name `My House` of the preset is not made of lower-case letters, digits and `_`
      |
    1 | name = "My House"
      |        ^^^^^^^^^^
    help: it starts with a letter, and is a flag, a directory and a variable
    "#);
    assert_seen!(manifest(&CHOICES.replace("\"database\"", "\"name\"")), @r#"
    exit 1
    --- stderr
    error: the preset `house` can't be used: `preset.toml` is not valid: a choice can't be called `name`: the word is taken
      |
    6 | name = "name"
      |        ^^^^^^
    help: templates, flags or directories use it already, so give it another name
    "#);
    assert_seen!(manifest(&CHOICES.replace("\"cache\"", "\"database\"")), @r#"
    exit 1
    --- stderr
    error: the preset `house` can't be used: `preset.toml` is not valid: the choice `database` stands twice
       |
    15 | name = "database"
       |        ^^^^^^^^^^
    help: give one of them another name, or make one choice of both
    "#);
    assert_seen!(manifest(&CHOICES.replace("\"memory\"", "\"none\"")), @r#"
    exit 1
    --- stderr
    error: the preset `house` can't be used: `preset.toml` is not valid: the option `none` of `cache` stands twice
       |
    22 | name = "none"
       |        ^^^^^^
    help: give one of them another name
    "#);
    assert_seen!(manifest(&CHOICES.replace("default = \"none\"", "default = \"moka\"")), @r#"
    exit 1
    --- stderr
    error: the preset `house` can't be used: `preset.toml` is not valid: the default `moka` of `cache` is not one of its options
       |
    17 | default = "moka"
       |           ^^^^^^
    help: they are `none`, `memory`
    "#);
}

#[test]
fn a_directory_that_is_no_layer_is_refused() {
    assert_seen!(render(&[("bsae/README.md", "")]).1, @"
    exit 1
    --- stderr
    error: the preset `house` can't be used: `bsae/README.md` belongs to no layer: `bsae` is neither `base` nor a choice
    help: there is no choice; what is no part of a project stands in the root, or in a hidden directory
    ");
    assert_seen!(render(&[("preset.toml", CHOICES), ("cache/memroy/README.md", "")]).1, @"
    exit 1
    --- stderr
    error: the preset `house` can't be used: `cache/memroy/README.md` belongs to no layer: `memroy` is not an option of `cache`
    help: its options are `none`, `memory`
    ");
    assert_seen!(render(&[("preset.toml", CHOICES), ("cache/README.md", "")]).1, @"
    exit 1
    --- stderr
    error: the preset `house` can't be used: `cache/README.md` belongs to no layer: `README.md` is not an option of `cache`
    help: its options are `none`, `memory`
    ");
}

#[test]
fn options_share_what_is_the_same_for_them() {
    let option = |name: &str| format!("[[choice.option]]\nname = \"{name}\"\nhelp = \"\"\n");
    let options: String = ["sqlite", "postgres", "mysql"].map(option).concat();
    let inks: String = ["black", "blue", "red"].map(option).concat();
    let manifest = format!(
        "name = \"house\"\ndescription = \"\"\n\
         [[choice]]\nname = \"database\"\nprompt = \"\"\ndefault = \"sqlite\"\n{options}\
         [[choice]]\nname = \"ink\"\nprompt = \"\"\nkind = \"many\"\n{inks}"
    );
    let test = Test::new();
    test.preset(&[
        ("preset.toml", &manifest),
        ("base/list.txt.jinja", "{{ fragments(\"list\") }}"),
        ("base/file.txt", "base\n"),
        ("database/sqlite+postgres+mysql/_list", "sql\n"),
        ("database/sqlite+postgres+mysql/file.txt", "sql\n"),
        ("database/postgres+mysql/_list", "server\n"),
        ("database/postgres+mysql/file.txt", "server\n"),
        ("database/postgres+mysql/proxy.rs", ""),
        ("database/mysql/_list.jinja", "{{ database }}\n"),
        ("database/mysql/file.txt", "mysql\n"),
        ("ink/black+blue/_list", "dark\n"),
        ("ink/red/red.txt", ""),
    ]);
    let made = |flags: &[&str]| {
        let _ = std::fs::remove_dir_all(test.dir().join("shop"));
        let args = ["new", "shop", "--preset", "house", "--yes", "--no-git"];
        let seen = test.run(&[&args, flags].concat());
        assert_eq!(seen.code, Some(0), "{seen}");
        let (list, file) = (test.read("shop/list.txt"), test.read("shop/file.txt"));
        let is_shared = test.dir().join("shop/proxy.rs").exists();
        format!(
            "{} | {} | {is_shared}",
            list.replace('\n', " "),
            file.trim()
        )
    };
    assert_eq!(made(&[]), "sql  | sql | false");
    assert_eq!(
        made(&["--database=postgres"]),
        "sql server  | server | true"
    );
    assert_eq!(
        made(&["--database=mysql", "--ink=black,blue"]),
        "sql server mysql dark  | mysql | true"
    );
    assert_eq!(made(&["--ink=red"]), "sql  | sql | false");
    // What is narrower replaces what is wider, which is meant.
    assert_seen!(test.run(&["preset", "check", "house"]), @"
    exit 0
    --- stderr
    nothing is wrong with `house`, in 15 combinations
    ");

    // Any other is an accident.
    test.write("house/database/sqlite+postgres/proxy.rs", "");
    let seen = test.run(&["preset", "check", "house"]);
    assert!(
        seen.stderr.contains("which another option brings"),
        "{seen}"
    );
    assert_seen!(render(&[("preset.toml", &manifest), ("database/mysql+postgres/a", "")]).1, @"
    exit 1
    --- stderr
    error: the preset `house` can't be used: `database/mysql+postgres/a` belongs to no layer
    help: the directory of what these options share is `database/postgres+mysql/`, each once and in the order of the manifest
    ");
    assert_seen!(render(&[("preset.toml", &manifest), ("database/mysql+oracle/a", "")]).1, @"
    exit 1
    --- stderr
    error: the preset `house` can't be used: `database/mysql+oracle/a` belongs to no layer: `oracle` is not an option of `database`
    help: its options are `sqlite`, `postgres`, `mysql`
    ");
}

#[test]
fn a_broken_template_is_shown_where_it_breaks() {
    assert_seen!(broken("//! The shop.\n\npub mod {{ resources.0.plurl }};\n"), @"
    exit 1
    --- stderr
    error: `base/src/lib.rs.jinja` is a broken template: undefined value: `resources[0].plurl` is undefined
      |
    3 | pub mod {{ resources.0.plurl }};
      |            ^^^^^^^^^^^^^^^^^
    help: a template knows `name`, `crate_name`, `resource`, `resources`, `fragments(NAME)` and each choice by its name
    ");
    assert_seen!(broken("//% if cache\n"), @"
    exit 1
    --- stderr
    error: `base/src/lib.rs.jinja` is a broken template: syntax error: unexpected end of input, expected end of block
      |
    1 | //% if cache
      |             ^
    help: there are `if`, `for`, `set`, `filter` and `raw`, as minijinja has them: <https://docs.rs/minijinja>
    ");
    assert_seen!(broken("ü {{ name | shout }}\n"), @"
    exit 1
    --- stderr
    error: `base/src/lib.rs.jinja` is a broken template: unknown filter: filter shout is unknown
      |
    1 | ü {{ name | shout }}
      |             ^^^^^
    help: filters are those of minijinja, `fit`, and those that quote: `toml`, `yaml`, `json`, `rust`, `sh`, `markdown`
    ");
    assert_seen!(broken("{% include \"/etc/passwd\" %}\n"), @r#"
    exit 1
    --- stderr
    error: `base/src/lib.rs.jinja` is a broken template: syntax error: unknown statement include
      |
    1 | {% include "/etc/passwd" %}
      |    ^^^^^^^
    help: there are `if`, `for`, `set`, `filter` and `raw`, as minijinja has them: <https://docs.rs/minijinja>
    "#);
}

#[test]
fn an_endless_template_ends() {
    assert_seen!(broken("{% for a in range(100000) %}{% for b in range(100000) %}{{ a }}{% endfor %}{% endfor %}\n"), @"
    exit 1
    --- stderr
    error: `base/src/lib.rs.jinja` is a broken template: engine ran out of fuel
      |
    1 | {% for a in range(100000) %}{% for b in range(100000) %}{{ a }}{% endfor %}{% endfor %}
      |                                                            ^
    help: what a template may do is counted: look for a loop without an end
    ");
    let doubling = format!(
        "{{% set a = name %}}\n{}{{{{ a }}}}\n",
        "{% set a = a ~ a %}\n".repeat(60)
    );
    assert_seen!(broken(&doubling), @"
    exit 1
    --- stderr
    error: `base/src/lib.rs.jinja` is a broken template: engine ran out of fuel
       |
    24 | {% set a = a ~ a %}
       |            ^^^^^
    help: what a template may do is counted: look for a loop without an end
    ");
}

#[test]
fn a_fragment_that_nobody_reads_is_refused() {
    assert_seen!(render(&[("base/_list", "a\n")]).1, @r#"
    exit 1
    --- stderr
    error: `base/_list` is a fragment that no file gathers
    help: a shared file gathers it with `{{ fragments("list") }}`
    "#);
    assert_seen!(render(&[("base/src/_list", "a\n")]).1, @"
    exit 1
    --- stderr
    error: `base/src/_list`: a fragment stands in the root of its layer, which is `base`
    help: move it there; a file whose own name starts with `_` can't be made
    ");
    assert_seen!(render(&[("base/_Cargo.toml", "[dependencies]\n")]).1, @r#"
    exit 1
    --- stderr
    error: `base/_Cargo.toml` is a fragment that no file gathers
    help: a shared file gathers it with `{{ fragments("Cargo.toml") }}`
    "#);
}

#[test]
fn manifests_that_disagree_are_refused() {
    let manifests = |base, fragment| {
        let files = [
            ("preset.toml", CHOICES),
            ("base/Cargo.toml.jinja", base),
            ("database/files/_Cargo.toml", fragment),
        ];
        render(&files).1
    };
    assert_seen!(manifests("[dependencies]\naxum = \"0.8\"\n", "[dependencies]\naxum = \"0.7\"\n"), @r#"
    exit 1
    --- stderr
    error: `database/files/_Cargo.toml` does not fit `base/Cargo.toml.jinja`: `dependencies.axum` is `"0.8"` in one and `"0.7"` in the other
    help: let both say the same, or one of them nothing
    "#);
    assert_seen!(manifests("[dependencies]\naxum = \"0.8\"\n", "dependencies = 1\n"), @"
    exit 1
    --- stderr
    error: `database/files/_Cargo.toml` does not fit `base/Cargo.toml.jinja`: `dependencies` is a table in one and a value in the other
    help: let all layers write it in one way
    ");
    assert_seen!(manifests("[dependencies]\n", "[dependencies\n"), @"
    exit 1
    --- stderr
    error: `database/files/_Cargo.toml` is not valid TOML: unclosed table, expected `]`
      |
    1 | [dependencies
      |              ^
    help: it becomes a part of the project's `Cargo.toml`, in every combination
    ");
}

#[cfg(unix)]
#[test]
fn a_path_that_leaves_the_project_is_refused() {
    for path in [
        "base/.git/hooks/pre-commit",
        "base/.GIT/config",
        "base/.scaffold/answers.toml",
        "base/aux.rs",
        "base/a:b",
        "base/dot./a",
    ] {
        let (test, seen) = render(&[(path, "")]);
        assert_eq!(seen.code, Some(1), "{path}: {seen}");
        assert!(!test.dir().join("shop").exists());
    }
    assert_seen!(render(&[("base/.git/hooks/pre-commit", "")]).1, @"
    exit 1
    --- stderr
    error: the preset `house` can't be used: the path `base/.git/hooks/pre-commit` belongs to git
    help: it has to be a place inside of the project, on every system
    ");
    assert_seen!(render(&[("base/.scaffold/answers.toml", "")]).1, @"
    exit 1
    --- stderr
    error: `base/.scaffold/answers.toml`: `.scaffold` holds the project's memory and is not a preset's to write
    help: put the file somewhere else
    ");
}

#[cfg(unix)]
#[test]
fn a_link_in_a_preset_is_refused() {
    let test = Test::new();
    test.preset(&[("base/README.md", "")]);
    symlink("/etc/passwd", test.dir().join("house/base/passwd")).unwrap();
    assert_seen!(test.run(&["new", "shop", "--preset", "house", "--yes"]), @"
    exit 1
    --- stderr
    error: the preset has a link: `house/base/passwd`
    help: put the file itself there
    ");
}

#[test]
fn a_file_that_is_not_text_is_refused() {
    let test = Test::new();
    test.preset(&[("base/README.md", "")]);
    std::fs::write(test.dir().join("house/base/logo.png"), b"\x89PNG\xff").unwrap();
    assert_seen!(test.run(&["new", "shop", "--preset", "house", "--yes"]), @"
    exit 1
    --- stderr
    error: `base/logo.png` of the preset `house` is not text: invalid utf-8 sequence of 1 bytes from index 0
    help: a preset holds nothing but text in UTF-8
    ");
}

#[test]
fn a_preset_that_is_too_large_is_refused() {
    let test = Test::new();
    test.preset(&[]);
    let large = std::fs::File::create(test.dir().join("house/large")).unwrap();
    large.set_len(1 << 40).unwrap();
    assert_seen!(test.run(&["new", "shop", "--preset", "house", "--yes"]), @"
    exit 1
    --- stderr
    error: `large` of the preset `house` is larger than 4194304 bytes
    help: a preset is text: keep what is large somewhere else
    ");
}

#[test]
fn a_name_that_the_preset_reserves_is_refused() {
    let test = Test::new();
    let reserved =
        format!("{CHOICES}\n[reserved]\nprojects = [\"lobby\"]\nresources = [\"rooms\"]\n");
    test.preset(&[("preset.toml", &reserved)]);
    assert_seen!(test.run(&["new", "lobby", "--preset", "house"]), @"
    exit 2
    --- stderr
    error: a project can't be called `lobby`: the project has a module or a target of that name
    help: try `lobby-service`
    ");
    assert_seen!(test.run(&["new", "room-api", "--preset", "house"]), @"
    exit 2
    --- stderr
    error: `room-api` would serve `rooms`, but a resource can't be called `rooms`: the service uses the name `rooms` itself
    help: say what it serves with `--resource NAME`
    ");
    assert_seen!(test.run(&["new", "shop", "--preset", "house", "--resource", "room"]), @"
    exit 2
    --- stderr
    error: a resource can't be called `room`: the service uses the name `rooms` itself
    help: try `room-items`
    ");
}

#[test]
fn a_header_stands_above_every_file_of_its_extension() {
    let (test, seen) = render(&[
        ("base/_header.rs", "// Acme\n"),
        ("base/_header.sh", "# Acme\n"),
        ("base/src/main.rs", "fn main() {}\n"),
        ("base/src/lib.rs.jinja", "// {{ name }}\n"),
        ("base/run.sh", "#!/bin/sh\ntrue\n"),
        ("base/README.md", "Read me\n"),
    ]);
    assert_eq!(seen.code, Some(0), "{seen}");
    assert_eq!(test.read("shop/src/main.rs"), "// Acme\nfn main() {}\n");
    assert_eq!(test.read("shop/src/lib.rs"), "// Acme\n// shop\n");
    assert_eq!(test.read("shop/run.sh"), "#!/bin/sh\ntrue\n");
    assert_eq!(test.read("shop/README.md"), "Read me\n");

    let (_, seen) = render(&[("base/_header.py", "# Acme\n"), ("base/a.rs", "")]);
    assert_eq!(seen.code, Some(1), "{seen}");
    assert!(
        seen.stderr
            .contains("`base/_header.py` is a fragment that no file gathers"),
        "{seen}"
    );
}
