//! What cargo says of a project before anything is changed in it.

use crate::{Check, Subject};

/// In the order in which an owner would come upon them.
pub const ALL: &[Check] = &[
    (
        "builds_locked_and_keeps_its_lock",
        builds_locked_and_keeps_its_lock,
    ),
    ("is_formatted", is_formatted),
    ("has_no_warning", has_no_warning),
    ("passes_its_own_tests", passes_its_own_tests),
];

/// What needs no test of its own to run.
pub const LINTS: &[Check] = &[
    ("is_formatted", is_formatted),
    ("has_no_warning", has_no_warning),
];

fn builds_locked_and_keeps_its_lock(subject: &Subject) {
    let lock = subject.project().read("Cargo.lock");
    subject.binary();
    subject
        .project()
        .cargo("update --workspace --offline --locked");
    assert_eq!(subject.project().read("Cargo.lock"), lock);
}

fn is_formatted(subject: &Subject) {
    subject.project().cargo("fmt --check");
}

fn has_no_warning(subject: &Subject) {
    subject
        .project()
        .cargo("clippy --locked --all-targets -- -D warnings");
}

fn passes_its_own_tests(subject: &Subject) {
    subject.project().cargo("test --locked");
}
