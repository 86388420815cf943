//! The user's own git, to get something from a repository that nobody has to trust: it starts nothing, asks nobody who isn't
//! there, and ends within bounds.

use std::cell::Cell;
use std::env;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::core::problem::Problem;
use crate::edge::process::{self, Failure, Process};

/// How long what git writes is left alone before it is measured again.
const MEASURE: Duration = Duration::from_millis(50);
/// How long one git may take, with the password that it may ask for.
const MAX_TIME: Duration = Duration::from_mins(5);
/// Bytes that a list of refs or of files may have.
const MAX_LIST: u64 = 4 * 1024 * 1024;
/// Where the user's configuration would start something: hooks, a file system monitor, submodules, a gc that outlives
/// its git. A web server that says nothing for half a minute is given up. What comes is one file that grows, and not
/// unpacked and packed again before it gets to the disk.
const CONFIGURATION: &[&str] = &[
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "fetch.unpackLimit=1",
    "fetch.writeCommitGraph=false",
    "transfer.bundleURI=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "http.lowSpeedLimit=1",
    "http.lowSpeedTime=30",
];
/// The ways to a repository. The variable outdoes whatever the user's configuration allows.
const PROTOCOLS: &str = "file:http:https:ssh";

/// Git that works on a bare repository.
pub fn git_in(repository: &Path) -> Command {
    let mut git = git(repository);
    git.arg("--git-dir").arg(repository);
    git
}

/// Git that starts nothing and asks nobody who isn't there.
pub fn git(directory: &Path) -> Command {
    let mut git = process::git(directory);
    git.env("GIT_ALLOW_PROTOCOL", PROTOCOLS)
        .env("GIT_PROTOCOL_FROM_USER", "0")
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("LC_ALL", "C");
    if is_unattended() {
        git.env("GIT_TERMINAL_PROMPT", "0");
        // Of the terminal that it was started from, ssh would ask even so. What the user set up to be asked by is kept.
        if env::var_os("SSH_ASKPASS").is_none() {
            git.env("SSH_ASKPASS", "false")
                .env("SSH_ASKPASS_REQUIRE", "force");
        }
    }
    for setting in CONFIGURATION {
        git.args(["-c", setting]);
    }
    git
}

/// Whether there is nobody to be asked for a password.
fn is_unattended() -> bool {
    !io::stdin().is_terminal()
}

/// What one git may take.
#[derive(Debug)]
pub struct Bounds<'a> {
    /// Bytes that it prints.
    pub printed: u64,
    /// How long it runs.
    pub time: Duration,
    /// A directory that it writes to, and bytes in there.
    pub written: Option<(&'a Path, u64)>,
}

impl Default for Bounds<'_> {
    fn default() -> Self {
        Bounds {
            printed: MAX_LIST,
            time: MAX_TIME,
            written: None,
        }
    }
}

impl Bounds<'_> {
    /// Fails if more is written than may be.
    fn measure(&self) -> Result<()> {
        let Some((directory, limit)) = self.written else {
            return Ok(());
        };
        // What is gone since it was listed, or can't be read, has no size.
        let files = walkdir::WalkDir::new(directory).into_iter().flatten();
        let sizes = files.filter_map(|entry| Some(entry.metadata().ok()?.len()));
        ensure!(
            sizes.sum::<u64>() <= limit,
            Problem::new(format!(
                "it is larger than {limit} bytes, without its history"
            ))
            .help("a preset is text; keep what is large in another repository")
        );
        Ok(())
    }
}

/// Runs git to its end, to its bounds, or to the next signal, and answers what it prints. The inner error is the reason
/// of a failure, in one line.
pub fn run(
    command: Command,
    input: Vec<u8>,
    bounds: &Bounds<'_>,
) -> Result<Result<Vec<u8>, String>> {
    let measured = Cell::new(Instant::now());
    let watch = || {
        if measured.get().elapsed() < MEASURE {
            return Ok(());
        }
        measured.set(Instant::now());
        bounds.measure()
    };
    let git = Process::new(command).input(input).watch(&watch);
    // Where somebody can be asked, it stays in the group that the terminal lets ask.
    let git = git.attended(!is_unattended());
    match git.time(bounds.time).printed(bounds.printed).run() {
        Ok(ended) => {
            bounds.measure()?;
            Ok(match ended.status.success() {
                true => Ok(ended.stdout),
                false => Err(reason(&String::from_utf8_lossy(&ended.stderr))),
            })
        }
        Err(Failure::NotFound) => bail!(
            Problem::new("there is no `git` on the `PATH` to get the preset with")
                .help("install git, or take a preset that is a directory")
        ),
        Err(Failure::NotStarted(error)) => Err(error).context("`git` can't be started"),
        Err(Failure::TooLong(time)) => {
            let seconds = time.as_secs_f32();
            Ok(Err(format!("`git` took longer than {seconds} seconds")))
        }
        Err(Failure::TooMuch(bytes)) => {
            bail!("`git` lists more than {bytes} bytes: this is no preset")
        }
        Err(Failure::Stopped(error)) => Err(error),
    }
}

/// What git said, in one line and without what a server could do to a terminal.
fn reason(said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).collect();
    let starting = |start| lines.iter().find(move |line| line.starts_with(start));
    // That git got no further is the last that it says; whoever hindered it, often ssh, has said why just before.
    let end = lines
        .iter()
        .position(|line| *line == "fatal: Could not read from remote repository.");
    let is_text = |line: &&&str| {
        line.trim_start_matches("remote:")
            .contains(char::is_alphanumeric)
    };
    // Both ends may speak here, in any order; what the remote one said is also told by this one.
    let line = starting("fatal: remote error: ")
        .or_else(|| lines[..end?].iter().rfind(is_text))
        .or_else(|| starting("fatal: "))
        .or_else(|| lines.iter().find(|line| !line.is_empty()))
        .unwrap_or(&"`git` does not say why");
    let line = ["remote: ", "fatal: ", "error: ", "ERROR: "]
        .iter()
        .fold(*line, |line, start| line.trim_start_matches(start));
    line.chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// The address of a web server that says this, and nothing after it.
    fn falls_silent_after(said: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/preset", listener.local_addr().unwrap());
        thread::spawn(move || {
            let mut kept = Vec::new();
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                connection.write_all(said.as_bytes()).unwrap();
                kept.push(connection);
            }
        });
        url
    }

    #[test]
    fn a_git_that_waits_for_an_answer_is_ended() {
        let beginning = "HTTP/1.1 200 OK\r\n\
            Content-Type: application/x-git-upload-pack-advertisement\r\n\
            Content-Length: 1000\r\n\r\n\
            001e# service=git-upload-pack\n";
        for said in ["", beginning] {
            let mut git = git(&std::env::temp_dir());
            git.env("no_proxy", "*");
            git.args(["ls-remote", "--", &falls_silent_after(said)]);
            let bounds = Bounds {
                time: Duration::from_millis(300),
                ..Bounds::default()
            };
            let reason = run(git, Vec::new(), &bounds).unwrap().unwrap_err();
            assert_eq!(reason, "`git` took longer than 0.3 seconds");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_never_stops_to_write_is_ended() {
        let directory = tempfile::tempdir().unwrap();
        let mut endless = Command::new("sh");
        endless.args(["-c", "while echo more; do :; done > endless"]);
        endless.current_dir(directory.path());
        let bounds = Bounds {
            written: Some((directory.path(), 10_000)),
            ..Bounds::default()
        };
        let error = run(endless, Vec::new(), &bounds).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("it is larger than 10000 bytes")
        );
    }

    #[test]
    fn of_all_that_is_said_the_reason_is_told() {
        for (said, told) in [
            ("", "`git` does not say why"),
            (
                "warning: a\nfatal: unable to access 'https://a/'\n",
                "unable to access 'https://a/'",
            ),
            (
                "remote: hello\nfatal: remote error: no\nfatal: more\n",
                "remote error: no",
            ),
            (
                "Warning: old\r\nHost key verification failed.\r\nfatal: Could not read from remote repository.\n\nPlease make sure\n",
                "Host key verification failed.",
            ),
            (
                "remote: \nremote: ERROR: no such project\nremote: \nremote: =====\nremote: \nfatal: Could not read from remote repository.\n",
                "no such project",
            ),
            (
                "fatal: Could not read from remote repository.\n",
                "Could not read from remote repository.",
            ),
            ("fatal: \u{1b}[2Ja\u{7}\n", "[2Ja"),
        ] {
            assert_eq!(reason(said), told);
        }
    }
}
