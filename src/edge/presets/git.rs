//! The user's own git, to get something from a repository that nobody has to trust: it starts nothing, asks nobody who isn't
//! there, and ends within bounds.

use std::env;
use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::edge::interrupt;

/// How long a running git is left alone before the next look at it and at signals.
const LOOK: Duration = Duration::from_millis(5);
/// How long a signal that ended git may take to get to this program, too.
const HEARSAY: Duration = Duration::from_millis(100);
/// How long git gets to end what it started.
#[cfg(unix)]
const GRACE: Duration = Duration::from_secs(2);
/// How long what git writes is left alone before it is measured again.
const MEASURE: Duration = Duration::from_millis(50);
/// How long one git may take, with the password that it may ask for.
const MAX_TIME: Duration = Duration::from_mins(5);
/// Bytes that a list of refs or of files may have.
const MAX_LIST: u64 = 4 * 1024 * 1024;
/// What would make git work on another repository, or make a new one look otherwise.
const ELSEWHERE: &[&str] = &[
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_TEMPLATE_DIR",
    "GIT_WORK_TREE",
];
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
    let mut git = Command::new("git");
    git.current_dir(directory);
    for variable in ELSEWHERE {
        git.env_remove(variable);
    }
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
        own_group(&mut git);
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

/// Puts git into a group of its own, so that whatever it starts can be ended with it: an ssh that waits for an answer
/// outlives its git. Where somebody can be asked, it stays in the group that the terminal lets ask.
#[cfg(unix)]
fn own_group(git: &mut Command) {
    use std::os::unix::process::CommandExt;
    git.process_group(0);
}

#[cfg(not(unix))]
fn own_group(_: &mut Command) {}

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
            "it is larger than {limit} bytes, without its history\nhelp: a preset is text; keep what is large in another repository"
        );
        Ok(())
    }
}

/// Runs git to its end, to its bounds, or to the next signal, and answers what it prints. The inner error is the reason
/// of a failure, in one line.
pub fn run(
    mut command: Command,
    input: Vec<u8>,
    bounds: &Bounds<'_>,
) -> Result<Result<Vec<u8>, String>> {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut git = match command.spawn() {
        Ok(git) => git,
        Err(error) if error.kind() == io::ErrorKind::NotFound => bail!(
            "there is no `git` on the `PATH` to get the preset with\nhelp: install git, or take a preset that is a directory"
        ),
        Err(error) => return Err(error).context("`git` can't be started"),
    };
    // All three at once: git waits for whoever leaves a pipe full.
    let (stdin, stdout, stderr) = (git.stdin.take(), git.stdout.take(), git.stderr.take());
    let limit = bounds.printed;
    thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(&input)));
    let printed = thread::spawn(move || read_some(stdout, limit + 1));
    let said = thread::spawn(move || read_some(stderr, MAX_LIST));
    let started = Instant::now();
    let mut measured = started;
    let status = loop {
        if let Some(status) = git.try_wait()? {
            break status;
        }
        let mut checked = interrupt::check().map_err(Into::into);
        if checked.is_ok() && measured.elapsed() >= MEASURE {
            checked = bounds.measure();
            measured = Instant::now();
        }
        if let Err(error) = checked {
            end(&mut git)?;
            return Err(error);
        }
        if started.elapsed() >= bounds.time {
            end(&mut git)?;
            let seconds = bounds.time.as_secs_f32();
            return Ok(Err(format!("`git` took longer than {seconds} seconds")));
        }
        thread::sleep(LOOK);
    };
    // A terminal sends its interrupt to git as well, which may be the first to hear of it.
    if status.code().is_none() {
        thread::sleep(HEARSAY);
    }
    interrupt::check()?;
    bounds.measure()?;
    let printed = printed.join().unwrap_or_else(|_| Ok(Vec::new()))?;
    if printed.len() as u64 > limit {
        bail!("`git` lists more than {limit} bytes: this is no preset");
    }
    if status.success() {
        return Ok(Ok(printed));
    }
    let said = said.join().unwrap_or_else(|_| Ok(Vec::new()))?;
    Ok(Err(reason(&String::from_utf8_lossy(&said))))
}

fn read_some(pipe: Option<impl Read>, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(limit).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
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

/// Asks git to end, which removes what it began, and what it started; and ends whatever does not.
#[cfg(unix)]
fn end(git: &mut Child) -> io::Result<()> {
    if let Some(id) = rustix::process::Pid::from_raw(git.id().cast_signed()) {
        use rustix::process::{Signal, kill_process, kill_process_group};
        let is_group = is_unattended();
        // An error says that all have ended by themselves.
        let _ = match is_group {
            true => kill_process_group(id, Signal::TERM),
            false => kill_process(id, Signal::TERM),
        };
        let asked = Instant::now();
        while git.try_wait()?.is_none() && asked.elapsed() < GRACE {
            thread::sleep(LOOK);
        }
        if is_group {
            let _ = kill_process_group(id, Signal::KILL);
        }
    }
    git.kill()?;
    git.wait().map(|_| ())
}

/// On Windows nobody can ask it. What it began is below a directory that goes.
#[cfg(windows)]
fn end(git: &mut Child) -> io::Result<()> {
    crate::edge::project::repository::kill(git)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

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
        own_group(endless.current_dir(directory.path()));
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
