//! The kinds of choices that a preset can have: how each is asked, given, kept and rendered.

use crate::assert_seen;
use crate::support::{Seen, Test};

/// A choice of every kind, and one that depends on others.
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
name = "postgres"
help = "in PostgreSQL"

[[choice]]
name = "audit"
prompt = "Keep an audit log?"
kind = "flag"

[[choice]]
name = "features"
prompt = "Which features?"
kind = "many"
default = ["search"]
[[choice.option]]
name = "search"
help = "finds things"
[[choice.option]]
name = "export"
help = "writes CSV"

[[choice]]
name = "owner"
prompt = "Who owns it?"
help = "a team, as the organisation chart has it"
kind = "text"
pattern = "[A-Z].*"
default = "Platform"

[[choice]]
name = "replica"
prompt = "Read from a replica?"
kind = "flag"
when = { database = "postgres", audit = ["yes"] }
"#;

const SHOWN: &str = "{{ database }} {% if audit %}audit{% else %}no audit{% endif %} {% if replica %}replica{% endif %} {% for feature in features %}{{ feature }},{% endfor %} {% if \"export\" in features %}CSV{% endif %} {{ owner | json }}{% if owner == \"Platform\" %} us{% endif %}.\n";

fn house(files: &[(&str, &str)]) -> Test {
    let test = Test::new();
    test.preset(
        &[
            &[("preset.toml", CHOICES), ("base/shown.txt.jinja", SHOWN)],
            files,
        ]
        .concat(),
    );
    test
}

fn new(test: &Test, flags: &[&str]) -> Seen {
    let args = ["new", "shop", "--preset", "house", "--yes", "--no-git"];
    test.run(&[&args, flags].concat())
}

/// The file that shows what a template sees with these flags.
fn shown(flags: &[&str]) -> String {
    let test = house(&[]);
    let seen = new(&test, flags);
    assert_eq!(seen.code, Some(0), "{seen}");
    test.read("shop/shown.txt")
}

#[test]
fn every_kind_is_a_flag_with_its_help() {
    let help = house(&[])
        .run(&["new", "--preset", "house", "--help"])
        .stdout;
    let (_, choices) = help.split_once("Choices of").unwrap();
    insta::assert_snapshot!(choices, @"
    the preset `house`:
         --database <OPTION>
             Which database? [default: files]

             Possible values:
             - files:    in files
             - postgres: in PostgreSQL

         --audit [<OPTION>]
             Keep an audit log? [default: no]
             
             [possible values: yes, no]

         --features <OPTION,...>
             Which features? [default: search]

             Possible values:
             - search: finds things
             - export: writes CSV
             - none:   none of them

         --owner <TEXT>
             Who owns it? a team, as the organisation chart has it [default: Platform]

         --replica [<OPTION>]
             Read from a replica? [default: no]
             
             [possible values: yes, no]
    ");
}

#[test]
fn every_kind_is_seen_by_templates_as_what_it_is() {
    assert_eq!(shown(&[]), "files no audit  search,  \"Platform\" us.\n");
    assert_eq!(
        shown(&[
            "--database=postgres",
            "--audit",
            "--replica",
            "--features=export,search",
            "--owner=Ann"
        ]),
        "postgres audit replica search,export, CSV \"Ann\".\n"
    );
    assert_eq!(
        shown(&["--audit=no", "--features", "none", "--owner", "Bo B."]),
        "files no audit    \"Bo B.\".\n"
    );
    assert_eq!(
        shown(&[
            "--audit",
            "yes",
            "--features=export",
            "--features",
            "export"
        ]),
        "files audit  export, CSV \"Platform\" us.\n"
    );
}

#[test]
fn a_flag_that_stands_alone_takes_no_word_for_its_option() {
    let test = house(&[]);
    let seen = test.run(&[
        "new",
        "--preset=house",
        "--yes",
        "--no-git",
        "--audit",
        "shop",
    ]);
    assert_eq!(seen.code, Some(0), "{seen}");
    assert!(test.read("shop/shown.txt").contains(" audit "));
}

#[cfg(unix)]
#[test]
fn what_was_answered_is_kept_reported_and_repeated() {
    let test = house(&[]);
    let flags = [
        "--database=postgres",
        "--audit",
        "--features=none",
        "--owner=It's \"$HOME\"",
    ];
    assert_seen!(new(&test, &flags), @r#"
    exit 0
    --- stderr
    made `shop` in `[ROOT]/work/shop`, [N] files
      skipped `Cargo.lock`, because the preset has no lock table: the first build resolves the dependencies

    the same without a question:
      scaffold new shop --preset house --database postgres --audit yes --features none --owner "It's \""'$HOME"' --replica no --no-git

    next:
      cd shop
    "#);
    let answers = test.read("shop/.scaffold/answers.toml");
    let (_, options) = answers.split_once("[choices]").unwrap();
    insta::assert_snapshot!(options, @r#"


    database = "postgres"

    audit = true

    features = []

    owner = """It's "$HOME""""

    replica = false
    "#);
    let json = new(
        &test,
        &[&flags[..], &["--into=json", "--format=json"]].concat(),
    );
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    insta::assert_snapshot!(json["answers"]["options"], @r#"{"audit":true,"database":"postgres","features":[],"owner":"It's \"$HOME\"","replica":false}"#);

    // The command that it prints.
    let command = json["command"].as_str().unwrap();
    let words = shlex::split(command).unwrap();
    let words: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
    std::fs::remove_dir_all(test.dir().join("json")).unwrap();
    let seen = test.run(&words);
    assert_eq!(seen.code, Some(0), "{seen}");
    assert_eq!(test.read("json/shown.txt"), test.read("shop/shown.txt"));
    assert_eq!(test.read("json/.scaffold/answers.toml"), answers);
}

#[test]
fn a_chosen_option_brings_its_layer_whatever_the_kind() {
    let layers = [
        ("audit/yes/yes.md", ""),
        ("audit/no/no.md", ""),
        ("features/export/_list", "export\n"),
        ("features/search/_list", "search\n"),
        ("replica/yes/replica.md", ""),
        ("base/list.txt.jinja", "{{ fragments(\"list\") }}end\n"),
    ];
    let made = |flags: &[&str]| {
        let test = house(&layers);
        let seen = new(&test, flags);
        assert_eq!(seen.code, Some(0), "{seen}");
        let markdown = test
            .paths()
            .into_iter()
            .filter(|path| path.ends_with(".md"));
        let markdown: Vec<String> = markdown.filter(|path| path.starts_with("shop/")).collect();
        (markdown.join(" "), test.read("shop/list.txt"))
    };
    let flags = [
        "--database=postgres",
        "--audit",
        "--replica",
        "--features=export,search",
    ];
    assert_eq!(
        made(&flags),
        (
            "shop/replica.md shop/yes.md".to_owned(),
            "search\nexport\nend\n".to_owned()
        )
    );
    assert_eq!(
        made(&["--features=none", "--dry-run"][..1]),
        ("shop/no.md".to_owned(), "end\n".to_owned())
    );
}

#[test]
fn an_answer_to_a_choice_that_does_not_apply_is_refused() {
    assert_seen!(new(&house(&[]), &["--replica"]), @"
    exit 2
    --- stderr
    error: `--replica` says something only with `--audit yes` and `--database postgres`
    help: leave `--replica` out, or say that, too
    ");
    assert_seen!(new(&house(&[]), &["--database=postgres", "--replica=no"]), @"
    exit 2
    --- stderr
    error: `--replica` says something only with `--audit yes` and `--database postgres`
    help: leave `--replica` out, or say that, too
    ");
    assert!(
        house(&[])
            .run(&[
                "new",
                "shop",
                "--preset",
                "house",
                "--database=postgres",
                "--audit"
            ])
            .stderr
            .contains("--replica yes|no")
    );
}

#[test]
fn a_choice_that_does_not_apply_has_no_answer_and_is_seen_as_nothing() {
    let depends = r#"
[[choice]]
name = "scope"
prompt = "What of?"
default = "all"
when = { audit = "yes" }
[[choice.option]]
name = "all"
help = ""

[[choice]]
name = "sinks"
prompt = "Where to?"
kind = "many"
default = ["disk"]
when = { scope = "all" }
[[choice.option]]
name = "disk"
help = ""

[[choice]]
name = "reader"
prompt = "Who reads it?"
kind = "text"
pattern = ".*"
default = "Ann"
when = { sinks = ["disk"] }
"#;
    let test = house(&[
        ("preset.toml", &format!("{CHOICES}{depends}")),
        (
            "base/shown.txt.jinja",
            "{{ scope is none }} {{ sinks | length }} {{ reader | json }} {{ reader == \"\" }}\n",
        ),
        ("sinks/disk/disk.md", ""),
    ]);
    assert_eq!(new(&test, &[]).code, Some(0));
    assert_eq!(test.read("shop/shown.txt"), "true 0 \"\" true\n");
    assert!(!test.dir().join("shop/disk.md").exists());
    let answers = test.read("shop/.scaffold/answers.toml");
    assert!(
        !answers.contains("reader") && !answers.contains("sinks"),
        "{answers}"
    );
    let seen = new(&test, &["--audit", "--into", "mall"]);
    assert_eq!(seen.code, Some(0), "{seen}");
    assert_eq!(test.read("mall/shown.txt"), "false 1 \"Ann\" false\n");
    assert!(test.dir().join("mall/disk.md").exists());
    let seen = new(&test, &["--audit", "--sinks=none", "--reader=Bo"]);
    assert_eq!(seen.code, Some(2), "{seen}");
}

#[test]
fn without_a_terminal_every_kind_names_its_answers() {
    assert_seen!(house(&[]).run(&["new", "shop", "--preset", "house"]), @"
    exit 2
    --- stderr
    error: there is no terminal to ask on, and no answer to `database`, `audit`, `features`, `owner`
    help: answer with `--database files|postgres`, `--audit yes|no`, `--features search|export|none`, `--owner TEXT`, or take the defaults with `--yes`
    ");
}

// A backslash is told as it is.
#[cfg(unix)]
#[test]
fn an_answer_that_will_not_do_is_refused() {
    let refused = |flag: &str| new(&house(&[]), &[flag]);
    assert_seen!(refused("--audit=maybe"), @"
    exit 2
    --- stderr
    error: `--audit` has no option `maybe`, it has `yes`, `no`
    help: see `scaffold new --help`
    ");
    assert_seen!(refused("--features=export,serach"), @"
    exit 2
    --- stderr
    error: `--features` has no option `serach`, it has `search`, `export`, `none`
    help: did you mean `search`?
    ");
    assert_seen!(refused("--features=none,export"), @"
    exit 2
    --- stderr
    error: `--features none` can't have `export` as well
    help: leave `none` out, or the others
    ");
    assert_seen!(refused("--owner=platform"), @"
    exit 2
    --- stderr
    error: `--owner` can't be `platform`: it does not match `[A-Z].*`
    help: a team, as the organisation chart has it
    ");
    assert_seen!(refused("--owner=A\nb"), @r"
    exit 2
    --- stderr
    error: `--owner` can't be `A\nb`: it has a control character
    help: a team, as the organisation chart has it
    ");
    assert_seen!(refused(&format!("--owner={}", "A".repeat(201))), @"
    exit 2
    --- stderr
    error: `--owner` can't be `AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA`: it has more than 200 characters
    help: a team, as the organisation chart has it
    ");
}

#[test]
fn a_text_is_written_only_where_a_filter_quotes_it() {
    let refused = |template: &str| new(&house(&[("base/file.txt.jinja", template)]), &[]);
    let made = |template: &str, flags: &[&str]| {
        let test = house(&[("base/file.txt.jinja", template)]);
        let seen = new(&test, flags);
        assert_eq!(seen.code, Some(0), "{seen}");
        test.read("shop/file.txt")
    };
    assert_seen!(refused("owner: {{ owner }}\n"), @"
    exit 1
    --- stderr
    error: `base/file.txt.jinja` is a broken template: a text that users type is never written as it is
      |
    1 | owner: {{ owner }}
      |           ^^^^^
    help: a filter quotes it for where it lands: `toml`, `yaml`, `json`, `rust`, `sh` or `markdown`, each with the quotes that it needs
    ");
    assert_seen!(refused("{% set me = owner %}{{ me }}\n"), @"
    exit 1
    --- stderr
    error: `base/file.txt.jinja` is a broken template: a text that users type is never written as it is
      |
    1 | {% set me = owner %}{{ me }}
      |                        ^^
    help: a filter quotes it for where it lands: `toml`, `yaml`, `json`, `rust`, `sh` or `markdown`, each with the quotes that it needs
    ");
    assert_seen!(refused("{{ owner | safe }}\n"), @"
    exit 1
    --- stderr
    error: `base/file.txt.jinja` is a broken template: unknown filter: filter safe is unknown
      |
    1 | {{ owner | safe }}
      |            ^^^^
    help: filters are those of minijinja, `fit`, and those that quote: `toml`, `yaml`, `json`, `rust`, `sh`, `markdown`
    ");
    assert_eq!(
        made("{% if owner %}a{% endif %}{{ name }}\n", &[]),
        "ashop\n"
    );

    let hostile = r#"A"; x = 1 '{{ 7*7 }}' $(rm -rf /) `id` */ <b> \ #"#;
    let flag = format!("--owner={hostile}");
    let quoted = |filter: &str| made(&format!("{{{{ owner | {filter} }}}}\n"), &[&flag]);
    let table: toml::Table = format!("a = {}", quoted("toml")).parse().unwrap();
    assert_eq!(table["a"].as_str(), Some(hostile));
    for filter in ["json", "yaml"] {
        assert_eq!(
            serde_json::from_str::<String>(&quoted(filter)).unwrap(),
            hostile
        );
    }
    assert_eq!(
        syn::parse_str::<syn::LitStr>(&quoted("rust"))
            .unwrap()
            .value(),
        hostile
    );
    assert_eq!(shlex::split(&quoted("sh")).unwrap(), [hostile]);
    insta::assert_snapshot!(quoted("markdown"), @r#"A"; x = 1 '{{ 7\*7 }}' \$(rm -rf /) \`id\` \*/ &lt;b&gt; \\ #"#);
}

#[test]
fn a_manifest_that_says_what_can_not_be_is_refused() {
    let manifest = |choice: &str| {
        let text = format!("name = \"house\"\ndescription = \"\"\n{choice}");
        let test = Test::new();
        test.preset(&[("preset.toml", &text)]);
        let seen = new(&test, &[]);
        assert_eq!(seen.code, Some(1), "{seen}");
        let (_, reason) = seen
            .stderr
            .split_once("`preset.toml` is not valid: ")
            .unwrap();
        format!("{reason}\n")
    };
    let choice = |rest: &str| {
        manifest(&format!(
            "[[choice]]\nname = \"a\"\nprompt = \"A?\"\n{rest}\n"
        ))
    };
    let option = |name: &str| format!("[[choice.option]]\nname = \"{name}\"\nhelp = \"\"\n");
    let (x, yes, none) = (option("x"), option("yes"), option("none"));
    let refusals = [
        choice(""),
        choice("kind = \"some\""),
        choice(&x),
        choice(&format!("default = [\"x\"]\n{x}")),
        choice("kind = \"flag\"\ndefault = \"maybe\""),
        choice(&format!("kind = \"flag\"\n{x}")),
        choice(&format!("default = \"yes\"\n{yes}")),
        choice("kind = \"many\""),
        choice(&format!("kind = \"many\"\ndefault = \"x\"\n{x}")),
        choice(&format!("kind = \"many\"\ndefault = [\"x\", \"x\"]\n{x}")),
        choice(&format!("kind = \"many\"\n{none}")),
        choice("kind = \"text\"\ndefault = \"\""),
        choice("kind = \"text\"\npattern = \"a\""),
        choice("kind = \"text\"\npattern = \"a\"\ndefault = \"ba\""),
        choice("kind = \"text\"\npattern = \"(a\"\ndefault = \"a\""),
        choice("kind = \"text\"\npattern = \"(a{1000}){1000}\"\ndefault = \"a\""),
        choice(&format!("default = \"x\"\nwhen = {{ b = \"x\" }}\n{x}")),
        choice(&format!("default = \"x\"\nwhen = {{ a = \"x\" }}\n{x}")),
        choice(&format!("default = \"x\"\nwhen = {{ a = 1 }}\n{x}")),
        manifest(&format!(
            "{}[[choice]]\nname = \"moved\"\nprompt = \"\"\nkind = \"flag\"\nwhen = {{ database = \"oracle\" }}\n",
            &CHOICES[CHOICES.find("[[choice]]").unwrap()..]
        )),
        manifest(&format!(
            "{}[[choice]]\nname = \"files\"\nprompt = \"\"\nkind = \"flag\"\n",
            &CHOICES[CHOICES.find("[[choice]]").unwrap()..]
        )),
    ];
    insta::assert_snapshot!(refusals.concat(), @r#"
    the choice `a` has no default
      |
    3 | [[choice]]
      | ^^^^^^^^^^
    help: `default` says what stands where nobody answers

    unknown variant `some`, expected one of `one`, `flag`, `many`, `text`
      |
    6 | kind = "some"
      |        ^^^^^^
    help: an editor that knows the JSON Schema of manifests completes what can stand there

    the choice `a` has no default
      |
    3 | [[choice]]
      | ^^^^^^^^^^
    help: `default` says what stands where nobody answers

    the default of `a` is a list
      |
    6 | default = ["x"]
      |           ^^^^^
    help: there can be but one of them

    the default `maybe` of `a` is not one of its options
      |
    7 | default = "maybe"
      |           ^^^^^^^
    help: they are `yes`, `no`

    the flag `a` has `yes` and `no`, and no option `x`
      |
    8 | name = "x"
      |        ^^^
    help: a choice with options of other names is no flag

    the option `yes` of `a` is one of a flag
      |
    8 | name = "yes"
      |        ^^^^^
    help: such a choice has `kind = "flag"`

    the choice `a` has no option
      |
    4 | name = "a"
      |        ^^^
    help: each is a `[[choice.option]]` below it

    the default of `a` is no list
      |
    7 | default = "x"
      |           ^^^
    help: there may be many: `default = ["a", "b"]`

    the default of `a` has `x` twice
      |
    7 | default = ["x", "x"]
      |           ^^^^^^^^^^
    help: once is enough

    the option `none` of `a` stands for no option where there may be many
      |
    8 | name = "none"
      |        ^^^^^^
    help: leave it out: it is there by itself

    the choice `a` is a text without a pattern
      |
    3 | [[choice]]
      | ^^^^^^^^^^
    help: `pattern = ".+"` takes any that is not empty

    the choice `a` has no default
      |
    3 | [[choice]]
      | ^^^^^^^^^^
    help: `default` says what stands where nobody answers

    the default `ba` of `a` does not match `a`
      |
    8 | default = "ba"
      |           ^^^^
    help: it stands where nobody answers, so it has to be an answer

    the pattern of `a` is not valid: unclosed group
      |
    7 | pattern = "(a"
      |           ^^^^
    help: it is a regular expression as Rust's `regex` has them

    the pattern of `a` is not valid: Compiled regex exceeds size limit of 1048576 bytes
      |
    7 | pattern = "(a{1000}){1000}"
      |           ^^^^^^^^^^^^^^^^^
    help: it is a regular expression as Rust's `regex` has them

    `a` depends on `b`, which is no choice with options before it
      |
    7 | when = { b = "x" }
      |              ^^^
    help: a choice can depend on those that are asked before it and have options

    `a` depends on `a`, which is no choice with options before it
      |
    7 | when = { a = "x" }
      |              ^^^
    help: a choice can depend on those that are asked before it and have options

    expected a string or a list of strings
      |
    7 | when = { a = 1 }
      |              ^
    help: an editor that knows the JSON Schema of manifests completes what can stand there

    `moved` depends on the option `oracle` of `database`, which there is not
       |
    48 | when = { database = "oracle" }
       |                     ^^^^^^^^
    help: its options are `files`, `postgres`

    `files` is a word of `files` and of `database`
       |
    45 | name = "files"
       |        ^^^^^^^
    help: what flags and the options of a `many` are called names combinations, so only one choice can have it
    "#);
}

#[test]
fn only_combinations_that_were_asked_for_are_verified() {
    let names = |flags: &[&str]| {
        let args = [
            "verify",
            "--preset=house",
            "--level=render",
            "--format=json",
        ];
        let seen = house(&[]).run(&[&args, flags].concat());
        assert_eq!(seen.code, Some(0), "{seen}");
        let lines = seen.stderr.lines().filter(|line| line.starts_with('['));
        let name = |line: &str| line.split([' ', ':']).nth(1).unwrap().to_owned();
        lines.map(name).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        names(&["--only", "replica=yes", "--only", "features=none"]),
        "postgres+audit+replica"
    );
    assert_eq!(
        names(&[
            "--only",
            "audit=no",
            "--only",
            "features=export",
            "--only",
            "database=files"
        ]),
        "files+export files+search+export"
    );
}

#[test]
fn a_text_that_starts_with_a_dash_is_no_flag() {
    let test = house(&[]);
    let said = new(&test, &["--owner", "-lead"]).stderr;
    let expected = "error: `--owner` can't be `-lead`: it does not match";
    assert!(said.starts_with(expected), "{said}");
}

#[test]
fn what_works_on_a_directory_says_so_of_an_address() {
    let test = house(&[]);
    for command in ["lock", "price"] {
        let seen = test.run(&["preset", command, "https://example.org/house.git"]);
        insta::allow_duplicates!(insta::assert_snapshot!(seen, @"
        exit 2
        --- stderr
        error: `https://example.org/house.git` is a repository, and this works on a directory
        help: clone it, and name the clone
        "));
    }
}

#[test]
fn a_pattern_may_end_in_a_comment() {
    let test = Test::new();
    let manifest = "name = \"house\"\ndescription = \"Ours\"\n[[choice]]\nname = \"owner\"\nprompt = \"Who?\"\nkind = \"text\"\npattern = '(?x) [A-Z]+ # letters'\ndefault = \"A\"\n";
    test.preset(&[
        ("preset.toml", manifest),
        ("base/a.jinja", "{{ owner | json }}"),
    ]);
    let said = new(&test, &["--owner", "a"]).stderr;
    assert!(
        said.contains("does not match `(?x) [A-Z]+ # letters`"),
        "{said}"
    );
    assert_eq!(new(&test, &["--owner", "B"]).code, Some(0));
}
