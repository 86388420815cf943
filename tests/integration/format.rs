//! A project that its owner formats in another way than the preset does.

use std::fs;
use std::process::Command;

use scaffold::core::merge::{Ours, merge};
use scaffold::core::preset::answer::{Answer, Combination};
use scaffold::core::tree::Tree;
use scaffold::edge::presets;
use scaffold::edge::project::format::like_the_project;
use scaffold::edge::project::new;
use scaffold::edge::project::read::read;

use crate::merge::project;

/// The default project with this cache.
fn with_cache(cache: &str) -> Tree {
    let preset = presets::load(presets::DEFAULT).unwrap();
    let answers = preset.choices.iter().map(|choice| {
        let answer = match choice.name.as_str() {
            "cache" => Answer::One(cache.to_owned()),
            _ => choice.default.clone(),
        };
        (choice.name.clone(), answer)
    });
    project(&preset, answers.collect::<Combination>())
}

#[test]
fn an_owner_who_formats_in_another_way_is_in_conflict_with_nothing() {
    let (base, theirs) = (with_cache("none"), with_cache("memory"));
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    new::write(&base, root).unwrap();
    fs::write(
        root.join("rustfmt.toml"),
        "max_width = 70\nhard_tabs = true\n",
    )
    .unwrap();
    let mut fmt = Command::new("cargo");
    let fmt = fmt.args(["fmt"]).current_dir(root).output().unwrap();
    assert!(fmt.status.success(), "{fmt:?}");
    let before = fs::read_to_string(root.join("src/app.rs")).unwrap();

    let all = base.iter().chain(theirs.iter()).map(|(path, _)| path);
    let ours = read(root, all).unwrap();
    let plain = merge(&base, &ours, &theirs);
    assert!(plain.conflicts().count() > 3, "{plain}");

    let formatted = like_the_project(root, base.clone(), theirs.clone()).unwrap();
    assert_eq!(formatted.note, None);
    let plan = merge(&formatted.base, &ours, &formatted.theirs);
    let conflicts: Vec<&str> = plan.conflicts().map(|(path, _)| path).collect();
    assert_eq!(conflicts, [""; 0]);
    // The owner's lines are as they were, and new ones are as the owner has them.
    assert_eq!(fs::read_to_string(root.join("src/app.rs")).unwrap(), before);
    let written: String = plan.writes().map(|(_, text)| text).collect();
    assert!(written.contains("\n\t"));
}

#[test]
fn a_project_that_is_formatted_as_it_was_rendered_needs_no_rustfmt() {
    let base = with_cache("none");
    let directory = tempfile::tempdir().unwrap();
    new::write(&base, directory.path()).unwrap();
    let formatted = like_the_project(directory.path(), base.clone(), base.clone()).unwrap();
    assert_eq!((formatted.base, formatted.note), (base, None));
}

#[test]
fn what_can_not_be_formatted_is_told_and_merged_as_it_is() {
    let mut base = Tree::default();
    base.insert("src/main.rs", "fn main( {\n").unwrap();
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("rustfmt.toml"), "max_width = 70\n").unwrap();
    let formatted = like_the_project(directory.path(), base.clone(), base.clone()).unwrap();
    assert_eq!(formatted.base, base);
    let ours = Ours::default();
    let mut plan = merge(&formatted.base, &ours, &formatted.theirs);
    plan.notes.extend(formatted.note);
    let said = plan.to_string();
    let expected = "note: the project's `rustfmt.toml` can't be followed, so lines that only look different may be in conflict: `src/main.rs`: `rustfmt` failed: ";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn nothing_outside_is_formatted() {
    let (project, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = outside.path().join("file.rs");
    fs::write(&file, "fn   f( ){  }\n").unwrap();
    fs::write(project.path().join("rustfmt.toml"), "max_width = 80\n").unwrap();
    let mut tree = Tree::default();
    let main = format!(
        "#[path = \"{}\"]\nmod file;\nfn  main() {{}}\n",
        file.display()
    );
    tree.insert("src/main.rs", main).unwrap();
    let formatted = like_the_project(project.path(), tree.clone(), tree).unwrap();
    assert!(
        formatted
            .base
            .get("src/main.rs")
            .unwrap()
            .contains("fn main() {}")
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), "fn   f( ){  }\n");
}

#[test]
fn the_edition_may_be_that_of_the_workspace() {
    let project = tempfile::tempdir().unwrap();
    fs::write(project.path().join("rustfmt.toml"), "max_width = 80\n").unwrap();
    let mut tree = Tree::default();
    let manifest = "[package]\nname = \"a\"\nedition.workspace = true\n[workspace.package]\nedition = \"2024\"\n";
    tree.insert("Cargo.toml", manifest).unwrap();
    tree.insert("src/main.rs", "async  fn f() {}\n").unwrap();
    let formatted = like_the_project(project.path(), tree.clone(), tree).unwrap();
    assert_eq!(formatted.note, None);
}
