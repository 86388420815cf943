//! Base, ours and theirs as three small trees, and the plan. No disk.

use scaffold::core::merge::merge;
use scaffold::core::tree::Tree;

fn tree(files: &[(&str, &str)]) -> Tree {
    let mut tree = Tree::default();
    for (path, text) in files {
        tree.insert(*path, format!("{text}\n")).unwrap();
    }
    tree
}

#[test]
fn into_nothing_everything_is_created() {
    let theirs = tree(&[("src/main.rs", "fn main() {}"), ("README.md", "# Shop")]);
    insta::assert_snapshot!(merge(&Tree::default(), &Tree::default(), &theirs), @"
    create   README.md
    create   src/main.rs
    ");
}

#[test]
fn what_only_they_changed_follows_them() {
    let base = tree(&[("changed", "1"), ("gone", "1"), ("same", "1")]);
    let theirs = tree(&[("changed", "2"), ("new", "2"), ("same", "1")]);
    insta::assert_snapshot!(merge(&base, &base, &theirs), @"
    update   changed
    delete   gone
    create   new
    keep     same
    ");
}

#[test]
fn what_only_we_changed_stays_ours() {
    let base = tree(&[("changed", "1"), ("gone", "1"), ("same", "1")]);
    let ours = tree(&[("changed", "2"), ("new", "2"), ("same", "1")]);
    insta::assert_snapshot!(merge(&base, &ours, &base), @"
    keep     changed
    keep     new
    keep     same
    ");
}

#[test]
fn what_both_changed_is_a_conflict_unless_it_became_the_same() {
    let base = tree(&[
        ("alike", "1"),
        ("both", "1"),
        ("we deleted", "1"),
        ("they deleted", "1"),
        ("both deleted", "1"),
    ]);
    let ours = tree(&[
        ("alike", "2"),
        ("both", "ours"),
        ("they deleted", "ours"),
        ("both new", "ours"),
    ]);
    let theirs = tree(&[
        ("alike", "2"),
        ("both", "theirs"),
        ("we deleted", "theirs"),
        ("both new", "theirs"),
    ]);
    insta::assert_snapshot!(merge(&base, &ours, &theirs), @"
    keep     alike
    conflict both
    conflict both new
    conflict they deleted
    conflict we deleted
    ");
}

#[test]
fn only_what_is_created_or_updated_is_written() {
    let base = tree(&[("a", "1"), ("b", "1"), ("c", "1")]);
    let ours = tree(&[("a", "1"), ("b", "ours"), ("c", "1")]);
    let theirs = tree(&[("a", "2"), ("b", "theirs"), ("d", "2")]);
    let plan = merge(&base, &ours, &theirs);
    assert_eq!(
        plan.writes().collect::<Vec<_>>(),
        [("a", "2\n"), ("d", "2\n")]
    );
}
