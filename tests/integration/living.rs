//! A project that its owner lives in, read, merged and changed on the disk.

#![cfg(unix)]

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use scaffold::core::merge::merge;
use scaffold::core::tree::Tree;
use scaffold::edge::project::new;
use scaffold::edge::project::read::read;
use scaffold::edge::project::transaction;

fn tree(files: &[(&str, &str)]) -> Tree {
    let mut tree = Tree::default();
    for (path, text) in files {
        tree.insert(*path, (*text).to_owned()).unwrap();
    }
    tree
}

/// Brings the project from one rendering to another, and tells the plan.
fn change(root: &Path, base: &Tree, theirs: &Tree) -> String {
    let paths = base.iter().chain(theirs.iter()).map(|(path, _)| path);
    let ours = read(root, paths).unwrap();
    let plan = merge(base, &ours, theirs);
    let edits = transaction::edits(&plan, &ours);
    transaction::apply(root, &edits).unwrap();
    plan.to_string()
}

#[test]
fn what_a_plan_does_not_touch_stays_as_it_is_and_what_it_touches_keeps_its_owner_s_ways() {
    let base = tree(&[
        ("windows.txt", "1\n2\n3\n4\n5\n"),
        ("latin.txt", "1\n"),
        ("logo.png", "1\n"),
        ("link.txt", "1\n"),
        ("below/link.txt", "1\n"),
        ("run.sh", "#!/bin/sh\n"),
        ("secret.env", "A=1\n"),
        ("gone.txt", "1\n"),
    ]);
    let mut theirs = base.clone();
    for (path, text) in [
        ("windows.txt", "1\n2\n3\n4\nfive\n"),
        ("latin.txt", "2\n"),
        ("logo.png", "2\n"),
        ("link.txt", "2\n"),
        ("below/link.txt", "2\n"),
        ("run.sh", "#!/bin/sh\nset -e\n"),
        ("secret.env", "A=2\n"),
        ("gone.txt", "2\n"),
    ] {
        theirs.insert(path, text).unwrap();
    }
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    new::write(&base, root).unwrap();
    fs::write(root.join("windows.txt"), "one\r\n2\r\n3\r\n4\r\n5\r\n").unwrap();
    fs::write(root.join("latin.txt"), b"caf\xe9\n").unwrap();
    fs::write(root.join("logo.png"), b"\x89PNG\0").unwrap();
    fs::remove_file(root.join("link.txt")).unwrap();
    symlink("elsewhere", root.join("link.txt")).unwrap();
    fs::remove_dir_all(root.join("below")).unwrap();
    fs::create_dir(root.join("other")).unwrap();
    fs::write(root.join("other/link.txt"), "1\n").unwrap();
    symlink("other", root.join("below")).unwrap();
    let mode = |path: &str, mode| {
        fs::set_permissions(root.join(path), Permissions::from_mode(mode)).unwrap();
    };
    mode("run.sh", 0o700);
    mode("secret.env", 0o600);
    fs::remove_file(root.join("gone.txt")).unwrap();
    fs::write(root.join("own.bin"), b"\0\xff").unwrap();

    insta::assert_snapshot!(change(root, &base, &theirs), @"
    conflict  below/link.txt
    stay away gone.txt
    conflict  latin.txt
    conflict  link.txt
    conflict  logo.png
    update    run.sh
    update    secret.env
    update    windows.txt
    ");

    let read = |path: &str| fs::read(root.join(path)).unwrap();
    assert_eq!(read("windows.txt"), b"one\r\n2\r\n3\r\n4\r\nfive\r\n");
    assert_eq!(read("latin.txt"), b"caf\xe9\n");
    assert_eq!(read("logo.png"), b"\x89PNG\0");
    assert_eq!(read("other/link.txt"), b"1\n");
    assert_eq!(read("own.bin"), b"\0\xff");
    assert!(root.join("link.txt").is_symlink() && !root.join("gone.txt").exists());
    let mode = |path: &str| fs::metadata(root.join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("run.sh"), mode("secret.env")), (0o700, 0o600));
    assert!(!root.join(".scaffold").exists());
}

#[test]
fn an_empty_directory_where_a_file_comes_is_its_owner_s() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    fs::create_dir(root.join("notes")).unwrap();
    let plan = change(root, &Tree::default(), &tree(&[("notes", "text\n")]));
    assert_eq!(plan, "conflict notes\n");
    assert!(root.join("notes").is_dir());
}
