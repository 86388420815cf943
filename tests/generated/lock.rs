//! The lock table says what cargo says now.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::project::run;

/// Whoever changes a dependency, or a feature of one, has to make the table anew.
pub fn making_the_table_anew_changes_nothing() {
    let preset = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/axum");
    let directory = TempDir::new().unwrap();
    let copy = directory.path().join("axum");
    run(Command::new("cp").arg("-r").arg(&preset).arg(&copy));
    run(Command::new(env!("CARGO_BIN_EXE_scaffold"))
        .args(["preset", "lock"])
        .arg(&copy));
    let table = |preset: &Path| fs::read_to_string(preset.join("lock.txt")).unwrap();
    assert!(
        table(&copy) == table(&preset),
        "`scaffold preset lock templates/axum` was not run after a change"
    );
}
