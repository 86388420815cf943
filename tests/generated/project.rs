//! A project as its owner gets it: made by the program, outside of any repository, and built by cargo.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use tempfile::TempDir;

/// A project on disk. Its compiled code goes away with it; that of its dependencies stays for the next one.
pub struct Project {
    name: String,
    directory: TempDir,
}

impl Project {
    /// Runs `scaffold new` with these flags.
    pub fn new(name: &str, flags: &[String]) -> Project {
        let directory = TempDir::new().unwrap();
        let project = Project {
            name: name.to_owned(),
            directory,
        };
        let mut scaffold = Command::new(env!("CARGO_BIN_EXE_scaffold"));
        scaffold
            .args(["new", name, "--yes", "--no-git", "--into"])
            .arg(project.root())
            .args(flags);
        run(&mut scaffold);
        project
    }

    /// The project's directory.
    pub fn root(&self) -> PathBuf {
        self.directory.path().join("project")
    }

    /// The text of a file.
    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root().join(path)).unwrap()
    }

    /// Runs `cargo` with these words, and fails with all that it said unless it succeeds.
    pub fn cargo(&self, words: &str) {
        run(&mut self.cargo_command(words));
    }

    /// `cargo` with these words, in the project. All projects share what they compile.
    pub fn cargo_command(&self, words: &str) -> Command {
        let mut cargo = Command::new("cargo");
        cargo.args(words.split(' ')).current_dir(self.root());
        cargo
            .env("CARGO_TARGET_DIR", target())
            .env("CARGO_INCREMENTAL", "0")
            .env("CARGO_PROFILE_DEV_DEBUG", "0");
        cargo
    }

    /// Builds the service as one does first, and keeps its binary from the next project's.
    pub fn build(&self) -> Result<PathBuf, String> {
        try_run(&mut self.cargo_command("build --locked"))?;
        let binary = self.directory.path().join("service");
        fs::copy(target().join("debug").join(&self.name), &binary).unwrap();
        Ok(binary)
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let _ = self
            .cargo_command(&format!("clean --quiet --offline --package {}", self.name))
            .output();
    }
}

/// A process that ends with this value.
pub struct Running(pub Child);

impl Running {
    pub fn end(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// Where all projects are compiled.
fn target() -> PathBuf {
    match env::var_os("GENERATED_TARGET_DIR") {
        Some(directory) => directory.into(),
        None => Path::new(env!("CARGO_TARGET_TMPDIR")).join("generated"),
    }
}

/// Runs a command to its end, and fails with all that it said unless it succeeds.
pub fn run(command: &mut Command) {
    try_run(command).unwrap_or_else(|said| panic!("{said}"));
}

/// What a command prints, if it succeeds; it fails with all that it said otherwise.
pub fn output(command: &mut Command) -> String {
    try_run(command).unwrap_or_else(|said| panic!("{said}"))
}

fn try_run(command: &mut Command) -> Result<String, String> {
    let output = command.output().unwrap();
    let [printed, said] =
        [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    if output.status.success() {
        Ok(printed)
    } else {
        Err(format!("{command:?} failed\n{printed}{said}"))
    }
}
