//! What a project remembers, printed and read back. No disk.

use std::borrow::Cow;
use std::collections::BTreeSet;

use proptest::prelude::*;
use scaffold::core::answers::Answers;
use scaffold::core::preset::answer::{Answer, Combination};
use scaffold::core::preset::manifest::Manifest;
use scaffold::core::preset::{Files, Origin, Preset};
use scaffold::core::record::{Memory, Recalled};
use scaffold::core::tree::Tree;

const MANIFEST: &str = r#"
name = "house"
description = "Ours"

[[choice]]
name = "database"
prompt = "Which?"
default = "files"
[[choice.option]]
name = "files"
help = "a"
[[choice.option]]
name = "none"
help = "b"

[[choice]]
name = "audit"
prompt = "Audit?"
kind = "flag"

[[choice]]
name = "features"
prompt = "Which?"
kind = "many"
when = { database = "files" }
[[choice.option]]
name = "search"
help = "a"
[[choice.option]]
name = "export"
help = "b"

[[choice]]
name = "owner"
prompt = "Who?"
kind = "text"
pattern = ".*"
default = "Ann"
"#;

fn preset() -> Preset {
    let mut files = Files::new();
    files.insert(Cow::Borrowed("preset.toml"), Cow::Borrowed(MANIFEST));
    let manifest = Manifest::parse(&files).unwrap();
    Preset::new(manifest, files, None).unwrap()
}

fn memory(choices: Combination, resources: &[&str], pristine: Tree) -> Memory {
    let preset = preset();
    let name = preset.project_name("shop").unwrap();
    let resources = resources.iter().map(|name| preset.resource_name(name));
    let resources = resources.map(Result::unwrap).collect();
    Memory {
        origin: Origin {
            name: "../house".to_owned(),
            commit: Some("a".repeat(40)),
        },
        answers: Answers::new(&preset, name, choices, resources).unwrap(),
        pristine,
        deleted: BTreeSet::new(),
    }
}

fn choices(owner: &str) -> Combination {
    let option = |name: &str| name.to_owned();
    Combination::default()
        .with("database", Answer::One(option("files")))
        .with("audit", Answer::Flag(true))
        .with(
            "features",
            Answer::Many(vec![option("search"), option("export")]),
        )
        .with("owner", Answer::Text(owner.to_owned()))
}

fn shop() -> Memory {
    let mut pristine = Tree::default();
    pristine.insert("src/main.rs", "fn main() {}\n").unwrap();
    memory(choices("Ann"), &["orders", "order-lines"], pristine)
}

/// All that is wrong with a memory of which one file is another one.
fn told(path: &str, change: impl Fn(&str) -> String) -> String {
    let files = shop().to_files().unwrap();
    let mut changed = Tree::default();
    for (other, text) in files.iter() {
        let text = if other == path {
            change(text)
        } else {
            text.to_owned()
        };
        changed.insert(other, text).unwrap();
    }
    if files.get(path).is_none() {
        changed.insert(path, change("")).unwrap();
    }
    let recalled = Recalled::parse(&changed).and_then(|it| it.with(&preset()));
    let findings = recalled.expect_err("something is wrong");
    findings
        .iter()
        .map(|finding| format!("{}\n", finding.told()))
        .collect()
}

#[test]
fn a_memory_is_text_that_two_branches_can_change() {
    let files = shop().to_files().unwrap();
    let version = env!("CARGO_PKG_VERSION");
    insta::assert_snapshot!(files.to_string().replace(version, "[VERSION]"), @r#"
    ==> .scaffold/.gitattributes
    pristine.txt -merge -text linguist-generated
    ==> .scaffold/answers.toml
    # What `scaffold` made this project from. It is read again when the project is
    # changed or updated with `scaffold`, so it belongs into version control.

    name = "shop"

    preset = "../house"

    commit = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

    scaffold = "[VERSION]"

    [choices]

    database = "files"

    audit = true

    features = ["search", "export"]

    owner = "Ann"
    ==> .scaffold/parts/resource-order-lines.toml
    # A part of this project, which `scaffold` reads again like `answers.toml`.

    kind = "resource"

    name = "order-lines"
    ==> .scaffold/parts/resource-orders.toml
    # A part of this project, which `scaffold` reads again like `answers.toml`.

    kind = "resource"

    name = "orders"
    ==> .scaffold/pristine.txt
    # The project as `scaffold` rendered it last. XXH3-128 of what follows: e169c57e4227cbc89944f43b304c1565
    \==> src/main.rs
    fn main() {}
    "#);
}

#[test]
fn a_pristine_that_is_not_as_it_was_written_is_refused() {
    let pristine = ".scaffold/pristine.txt";
    let mut said = told(pristine, |text| text.replace("fn main", "fn mine"));
    said += &told(pristine, |text| text.replace('\n', "\r\n"));
    said += &told(pristine, |text| text.replacen("# The", "# A", 1));
    said += &told(pristine, |text| {
        format!("<<<<<<< ours\n{text}=======\n{text}>>>>>>> theirs\n")
    });
    insta::assert_snapshot!(said, @"
    `.scaffold/pristine.txt` is not as `scaffold` wrote it
    help: take it back out of version control
    `.scaffold/pristine.txt` has the line ends of Windows
    help: write it with those of Unix, as `.gitattributes` has it
    `.scaffold/pristine.txt` does not start with its digest
    help: take it back out of version control
    `.scaffold/pristine.txt` has the marks of a merge that was not finished
      |
    1 | <<<<<<< ours
      |
    help: take that of one branch whole: `git checkout --ours -- .scaffold/pristine.txt`
    ");
}

#[test]
fn all_that_is_wrong_with_the_answers_is_told_at_once() {
    let answers = ".scaffold/answers.toml";
    let mut said = told(answers, |text| {
        text.replace("\"files\"", "\"paper\"")
            .replace("audit = true", "audit = \"yes\"")
            .replace("[\"search\", \"export\"]", "[\"export\", \"search\"]")
            .replace("owner", "color")
    });
    said += &told(answers, |text| {
        text.replace("name = \"shop\"", "name = 1")
            .replace("preset", "preset_")
    });
    said += &told(answers, |text| text.replace("audit = true", "audit ="));
    said += &told(answers, |text| {
        text.replace(
            "audit = true",
            "<<<<<<< ours\naudit = true\n=======\naudit = false\n>>>>>>> theirs",
        )
    });
    said += &told(answers, |text| text.replace("audit = true\n", ""));
    said += &told(answers, |text| text.replace("\"shop\"", "\"fn\""));
    insta::assert_snapshot!(said, @"
    `.scaffold/answers.toml` says of `database` what is no answer to it
    help: it is one of `files`, `none`
    `.scaffold/answers.toml` says of `audit` what is no answer to it
    help: it is true or false
    `.scaffold/answers.toml` says of `features` what is no answer to it
    help: it is any of `search`, `export`, in this order, each once
    `.scaffold/answers.toml` answers `color`, which is no choice
    help: the choices are `database`, `audit`, `features`, `owner`
    `.scaffold/answers.toml` has no text `name`
    help: take it back out of version control
    `.scaffold/answers.toml` has no text `preset`
    help: take it back out of version control
    `.scaffold/answers.toml` is not valid TOML: string values must be quoted, expected literal string
       |
    16 | audit =
       |        ^
    help: take it back out of version control
    `.scaffold/answers.toml` has the marks of a merge that was not finished
       |
    16 | <<<<<<< ours
       |
    help: choose between the two, and remove the marks
    `.scaffold/answers.toml`: there is no answer to `audit`
    help: take it back out of version control
    a project can't be called `fn`: it is a keyword of Rust
    help: it can't be renamed there: take back what it was
    ");
}

#[test]
fn a_part_that_is_none_is_refused() {
    let part = ".scaffold/parts/resource-orders.toml";
    let mut said = told(part, |text| text.replace("\"orders\"", "\"bills\""));
    said += &told(part, |text| text.replace("\"resource\"", "\"client\""));
    said += &told(part, |_| String::new());
    said += &told(".scaffold/parts/resource-select.toml", |_| {
        "kind = \"resource\"\nname = \"select\"\n".to_owned()
    });
    insta::assert_snapshot!(said, @"
    `.scaffold/parts/resource-orders.toml` holds the part `bills`
    help: take it back out of version control
    `.scaffold/parts/resource-orders.toml` is of no known kind: `client`
    help: take it back out of version control
    `.scaffold/parts/resource-orders.toml` has no texts `kind` and `name`
    help: take it back out of version control
    a resource can't be called `select`: `select` is reserved in SQL
    help: it can't be renamed there: take back what it was
    ");
}

#[test]
fn what_the_owner_deleted_stays_away_when_it_is_rendered_again() {
    let mut memory = shop();
    memory.deleted = ["src/cache.rs".to_owned()].into();
    let again = Recalled::parse(&memory.to_files().unwrap()).unwrap();
    let again = again.with(&preset()).unwrap();
    assert_eq!(again, memory);
    let mut theirs = memory.pristine.clone();
    theirs.insert("src/cache.rs", "// a cache\n").unwrap();
    let ours = scaffold::core::merge::Ours::from(&memory.pristine);
    let wanted = memory.wanted(&theirs).unwrap();
    let plan = scaffold::core::merge::merge(&memory.pristine, &ours, &wanted);
    assert_eq!(plan.writes().count(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn printing_and_reading_are_inverse(
        owner in "\\PC{0,40}|[\"'\\\\#\\[\\]= ]{0,20}",
        texts in prop::collection::vec("(<<<<<<< |>>>>>>> |=======|\\\\|==> |a|\n){0,12}", 0..4),
        audit in any::<bool>(),
        deleted in prop::collection::btree_set("[a-z]{1,8}(/[a-z]{1,8})?", 0..3),
    ) {
        let mut pristine = Tree::default();
        for (index, text) in texts.into_iter().enumerate() {
            pristine.insert(format!("file {index}"), text).unwrap();
        }
        let choices = Combination::default()
            .with("database", Answer::One("none".to_owned()))
            .with("audit", Answer::Flag(audit))
            .with("owner", Answer::Text(owner));
        let memory = Memory { deleted, ..memory(choices, &["orders"], pristine) };
        let files = memory.to_files().unwrap();
        let read = Recalled::parse(&files).unwrap().with(&preset()).unwrap();
        prop_assert_eq!(&read, &memory);
        prop_assert_eq!(read.to_files().unwrap(), files);
    }
}
