//! What `man` reads.

#![cfg(unix)]

use std::fs;
use std::process::Command;

use crate::assert_seen;
use crate::support;
use crate::support::Test;

#[test]
fn the_manual_has_a_page_for_each_command() {
    let test = Test::new();
    assert_seen!(test.run(&["man", "the manual"]), @"
    exit 0
    --- stderr
    wrote the manual to `the manual`
    help: read it with `man the manual/scaffold.1`
    ");
    let pages = support::paths(&test.dir().join("the manual"));
    for name in [
        "",
        "-new",
        "-verify",
        "-preset",
        "-preset-list",
        "-preset-show",
        "-completions",
        "-man",
    ] {
        assert!(pages.contains(&format!("scaffold{name}.1")), "{pages:?}");
    }
    let overview = test.read("the manual/scaffold.1");
    for command in ["new", "verify", "preset", "completions", "man"] {
        assert!(
            overview.contains(&format!("scaffold\\-{command}(1)")),
            "{overview}"
        );
    }
    assert!(
        test.read("the manual/scaffold-new.1")
            .contains("\\-\\-database")
    );
    // The same again, over what is there.
    assert_eq!(test.run(&["man", "the manual"]).code, Some(0));
    if support::has("man") && support::has("groff") {
        for page in &pages {
            let mut man = Command::new("man");
            test.at_home(man.args(["--warnings", "-l", &format!("the manual/{page}")]));
            let output = man.output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success() && said.is_empty(), "{page}: {said}");
        }
    }
}

#[test]
fn a_directory_of_the_manual_that_is_a_file_is_told_as_such() {
    let test = Test::new();
    test.write("file", "mine");
    assert_seen!(test.run(&["man", "file"]), @"
    exit 1
    --- stderr
    error: `file` can't be written: File exists (os error 17)
    ");
    assert_eq!(fs::read_to_string(test.dir().join("file")).unwrap(), "mine");
}
