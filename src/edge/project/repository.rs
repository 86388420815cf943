//! A repository for a new project: an extra that may fail without the project failing.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::edge::process::{self, Failure, Process};

/// Makes a repository. Its branch is the one that the project's own workflows name.
const INIT: &[&str] = &["-c", "init.defaultBranch=main", "init", "--quiet"];
/// Adds all that the project's own `.gitignore` lets in. What the user ignores everywhere, such as `Cargo.lock`, is a part
/// of this project.
const ADD: &[&str] = &["-c", "core.excludesFile=", "add", "--all"];
/// The first commit's message.
const MESSAGE: &str = "Generate the project with scaffold";

/// The repository around a directory, if there is one.
pub fn surrounding(directory: &Path) -> Option<PathBuf> {
    // In a worktree and in a submodule `.git` is a file.
    let holder = directory
        .ancestors()
        .find(|parent| parent.join(".git").exists());
    holder.map(Path::to_owned)
}

/// What became of the first commit.
#[derive(Debug)]
pub enum Commit {
    /// It is there, without these files that git ignores.
    Made(Vec<String>),
    /// What could not be done, and why.
    Skipped(String),
}

/// Makes a repository of a directory and commits all that is in it.
pub fn commit_all(directory: &Path) -> Result<Commit> {
    let steps: [(&str, &[&str]); 4] = [
        ("the git repository", INIT),
        ("the first commit", ADD),
        (
            "the first commit",
            &["commit", "--quiet", "--message", MESSAGE],
        ),
        ("the first commit", &["ls-files", "--others", "-z"]),
    ];
    let mut printed = String::new();
    for (what, arguments) in steps {
        match run(directory, arguments)? {
            Ok(text) => printed = text,
            Err(reason) => return Ok(Commit::Skipped(format!("{what}, because {reason}"))),
        }
    }
    let left_out = printed.split_terminator('\0').map(str::to_owned);
    Ok(Commit::Made(left_out.collect()))
}

/// Runs git to its end, or to the next signal, and answers what it prints. The inner error is a reason to go without.
fn run(directory: &Path, arguments: &[&str]) -> Result<Result<String, String>> {
    let mut git = process::git(directory);
    git.args(arguments);
    // A hook or a key may ask somebody at the terminal, who is there.
    let git = Process::new(git).attended(io::stdin().is_terminal());
    match git.run() {
        Ok(ended) if ended.status.success() => {
            Ok(Ok(String::from_utf8_lossy(&ended.stdout).into_owned()))
        }
        Ok(ended) => Ok(Err(reason(&String::from_utf8_lossy(&ended.stderr)))),
        Err(Failure::Stopped(error)) => Err(error),
        Err(Failure::NotFound) => Ok(Err("there is no `git` on the `PATH`".to_owned())),
        Err(failure) => Ok(Err(format!("`git` failed: {failure}"))),
    }
}

/// What git said, in one line.
fn reason(said: &str) -> String {
    if said.contains("user.email") || said.contains("user.name") {
        return "git does not know who you are (`git config --global user.name` and `user.email`)"
            .to_owned();
    }
    let line = said.lines().map(str::trim).find(|line| !line.is_empty());
    let line = line
        .unwrap_or("it does not say why")
        .trim_start_matches("fatal: ");
    format!("`git` failed: {line}")
}
