//! A repository for a new project: an extra that may fail without the project failing.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::Result;

use crate::edge::interrupt;

/// How long a running git is left alone before the next look at it and at signals.
const LOOK: Duration = Duration::from_millis(2);
/// What would make git work on another repository than the new one, as it is set inside of git's own hooks.
const ELSEWHERE: &[&str] = &["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"];
/// Makes a repository. Its branch is the one that the project's own workflows name.
const INIT: &[&str] = &["-c", "init.defaultBranch=main", "init", "--quiet"];
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

/// Makes a repository of a directory and commits all that is in it. Answers what could not be done, and why.
pub fn commit_all(directory: &Path) -> Result<Option<String>> {
    let steps: [(&str, &[&str]); 3] = [
        ("the git repository", INIT),
        ("the first commit", &["add", "--all"]),
        (
            "the first commit",
            &["commit", "--quiet", "--message", MESSAGE],
        ),
    ];
    for (what, arguments) in steps {
        if let Err(reason) = run(directory, arguments)? {
            return Ok(Some(format!("{what}, because {reason}")));
        }
    }
    Ok(None)
}

/// Runs git to its end, or to the next signal. The inner error is a reason to go without.
fn run(directory: &Path, arguments: &[&str]) -> Result<Result<(), String>> {
    let mut command = Command::new("git");
    command.args(arguments).current_dir(directory);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    for variable in ELSEWHERE {
        command.env_remove(variable);
    }
    own_group(&mut command);
    let mut git = match command.spawn() {
        Ok(git) => git,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Err("there is no `git` on the `PATH`".to_owned()));
        }
        Err(error) => return Ok(Err(format!("`git` can't be started: {error}"))),
    };
    let mut stderr = git.stderr.take();
    // Read while git runs: it would wait for ever with a full pipe.
    let said = thread::spawn(move || {
        let mut said = Vec::new();
        let read = stderr.as_mut().map(|stderr| stderr.read_to_end(&mut said));
        read.transpose().map(|_| said)
    });
    let status = loop {
        if let Some(status) = git.try_wait()? {
            break status;
        }
        if let Err(interrupted) = interrupt::check() {
            kill(&mut git)?;
            return Err(interrupted.into());
        }
        thread::sleep(LOOK);
    };
    if status.success() {
        return Ok(Ok(()));
    }
    let said = said.join().unwrap_or_else(|_| Ok(Vec::new()))?;
    Ok(Err(reason(&String::from_utf8_lossy(&said))))
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

/// Puts git into a group of its own, so that whatever it starts can be ended with it.
#[cfg(unix)]
fn own_group(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}

#[cfg(windows)]
fn own_group(command: &mut Command) {
    use std::os::windows::process::CommandExt;
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
    command.creation_flags(CREATE_NEW_PROCESS_GROUP);
}

/// Ends git and what it started, and waits: the directory that they write to is about to go.
pub fn kill(git: &mut Child) -> io::Result<()> {
    kill_group(git)?;
    git.wait().map(|_| ())
}

#[cfg(unix)]
fn kill_group(git: &Child) -> io::Result<()> {
    if let Some(group) = rustix::process::Pid::from_raw(git.id().cast_signed()) {
        // An error says that they have ended by themselves.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    Ok(())
}

/// Windows kills no groups, but knows who started whom.
#[cfg(windows)]
fn kill_group(git: &mut Child) -> io::Result<()> {
    let mut taskkill = Command::new("taskkill");
    taskkill.args(["/T", "/F", "/PID", &git.id().to_string()]);
    taskkill.stdin(Stdio::null());
    // An error says that they have ended by themselves, or that git has to be ended alone.
    let _ = taskkill
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    git.kill()
}
