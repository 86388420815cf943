//! The project's README does what it says.

use std::fs;
use std::process::Command;
use std::time::SystemTime;

use crate::project::run;
use crate::service::{Service, free_address};
use crate::{Check, Subject};

pub const ALL: &[Check] = &[
    (
        "cargo_run_and_the_curl_lines_work_as_written",
        cargo_run_and_the_curl_lines_work_as_written,
    ),
    (
        "builds_after_its_directory_was_renamed",
        builds_after_its_directory_was_renamed,
    ),
];

/// The shell of somebody who copies line after line, and stops at the first one that does not work.
const SHELL: &str =
    "set -euo pipefail\ncurl() { command curl --fail-with-body --silent --show-error \"$@\"; }\n";

fn cargo_run_and_the_curl_lines_work_as_written(subject: &Subject) {
    let project = subject.project();
    let readme = project.read("README.md");
    let blocks = shell_blocks(&readme);
    assert!(
        blocks.iter().any(|block| block.trim() == "cargo run"),
        "{blocks:?}"
    );
    project.cargo("build");

    let (address, admin) = (free_address(), free_address());
    let _service = Service::spawn(project.cargo_command("run"), address, admin);
    let script: String = blocks
        .into_iter()
        .filter(|block| block.contains("curl"))
        .collect();
    assert!(script.contains("localhost:8080"), "{script}");
    // The default ports may be taken on the machine that runs this; that they are the defaults, the project's own tests
    // know.
    let script = script
        .replace("localhost:8080", &address.to_string())
        .replace("localhost:9090", &admin.to_string());
    run(Command::new("bash").args(["-c", &format!("{SHELL}{script}")]));
}

fn builds_after_its_directory_was_renamed(subject: &Subject) {
    let project = subject.project();
    project.cargo("build");
    let renamed = project.root().with_file_name("renamed");
    fs::rename(project.root(), &renamed).unwrap();
    // What the build script has written stays as it is, and is compiled again.
    fs::File::open(renamed.join("src/infra/migrations.rs"))
        .and_then(|file| file.set_modified(SystemTime::now()))
        .unwrap();
    run(project.cargo_command("build").current_dir(&renamed));
    // Where the project expects itself when it is cleaned up.
    fs::rename(&renamed, project.root()).unwrap();
}

/// The blocks that are marked as shell.
fn shell_blocks(markdown: &str) -> Vec<&str> {
    let openings = markdown.split("```sh\n").skip(1);
    openings
        .map(|rest| rest.split("```").next().unwrap_or_default())
        .collect()
}
