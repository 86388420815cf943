//! Runs a program to its end, to its bounds, or to the next signal. What it started ends with it: an ssh that waits for an
//! answer outlives its git, and a rustc its cargo.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Result;
use process_wrap::std::{ChildWrapper, CommandWrap};

use crate::edge::interrupt;

/// How long a running program is left alone before the next look at it and at signals: an eighth of the time that it took
/// so far, within these. So a short one is hardly waited for, and a look at a long one costs nothing.
const LOOK: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_millis(20);
/// How long a signal that ended the program may take to get here, too.
const HEARSAY: Duration = Duration::from_millis(100);
/// How long a program gets to end itself and what it started, before all of them are killed.
const GRACE: Duration = Duration::from_secs(2);
/// How long the pipes of a program that has ended are read on, where what it started holds them.
const LINGER: Duration = Duration::from_millis(200);
/// Bytes of what a program says of itself that are kept.
const MAX_SAID: u64 = 4 * 1024 * 1024;

/// What would make git work on another repository than that of its directory, or make a new one look otherwise, as it is
/// set inside of git's own hooks.
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

/// Git that works in this directory.
pub fn git(directory: &Path) -> Command {
    let mut git = Command::new("git");
    git.current_dir(directory);
    for variable in ELSEWHERE {
        git.env_remove(variable);
    }
    git
}

/// A program to be run.
pub struct Process<'a> {
    command: CommandWrap,
    input: Vec<u8>,
    /// Whether it stays in the group that the terminal lets ask, and is ended alone.
    is_attended: bool,
    time: Option<Duration>,
    printed: Option<u64>,
    stdout: Option<File>,
    stderr: Option<File>,
    watch: Option<&'a dyn Fn() -> Result<()>>,
}

/// How a program ended by itself.
#[derive(Debug)]
pub struct Ended {
    /// With which exit code or signal.
    pub status: ExitStatus,
    /// What it printed, unless that went to a file.
    pub stdout: Vec<u8>,
    /// What it said of itself, unless that went to a file.
    pub stderr: Vec<u8>,
}

/// Why there is no end of a program to tell of.
#[derive(Debug)]
pub enum Failure {
    /// There is no such program.
    NotFound,
    /// It can't be started.
    NotStarted(io::Error),
    /// It took longer than it may.
    TooLong(Duration),
    /// It printed more bytes than it may.
    TooMuch(u64),
    /// A signal came, or what watches over it refused to go on.
    Stopped(anyhow::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::NotFound => f.write_str("it is not on the `PATH`"),
            Failure::NotStarted(error) => write!(f, "it can't be started: {error}"),
            Failure::TooLong(time) => {
                write!(f, "it took longer than {} seconds", time.as_secs_f32())
            }
            Failure::TooMuch(bytes) => write!(f, "it printed more than {bytes} bytes"),
            Failure::Stopped(error) => write!(f, "{error:#}"),
        }
    }
}

impl std::error::Error for Failure {}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Stopped(error.into())
    }
}

impl<'a> Process<'a> {
    /// Runs a command in a group of its own, with nothing to read and no bounds.
    pub fn new(command: Command) -> Process<'a> {
        Process {
            command: CommandWrap::from(command),
            input: Vec::new(),
            is_attended: false,
            time: None,
            printed: None,
            stdout: None,
            stderr: None,
            watch: None,
        }
    }

    /// Gives it something to read.
    pub fn input(mut self, input: Vec<u8>) -> Self {
        self.input = input;
        self
    }

    /// Lets it ask somebody at the terminal: it stays in the group of this program.
    pub fn attended(mut self, is_attended: bool) -> Self {
        self.is_attended = is_attended;
        self
    }

    /// Gives it no more than this time.
    pub fn time(mut self, time: Duration) -> Self {
        self.time = Some(time);
        self
    }

    /// Lets it print no more than so many bytes.
    pub fn printed(mut self, bytes: u64) -> Self {
        self.printed = Some(bytes);
        self
    }

    /// Ends it as soon as this fails.
    pub fn watch(mut self, watch: &'a dyn Fn() -> Result<()>) -> Self {
        self.watch = Some(watch);
        self
    }

    /// Has what it prints written to a file.
    pub fn stdout(mut self, file: File) -> Self {
        self.stdout = Some(file);
        self
    }

    /// Has what it says of itself written to a file.
    pub fn stderr(mut self, file: File) -> Self {
        self.stderr = Some(file);
        self
    }

    /// Runs it.
    pub fn run(mut self) -> Result<Ended, Failure> {
        let printed = self.printed.unwrap_or(u64::MAX);
        let stdio = |file: Option<File>| file.map_or_else(Stdio::piped, Stdio::from);
        let (stdout, stderr) = (stdio(self.stdout.take()), stdio(self.stderr.take()));
        let command = self.command.command_mut();
        command.stdout(stdout).stderr(stderr);
        command.stdin(match self.input.is_empty() {
            true => Stdio::null(),
            false => Stdio::piped(),
        });
        if !self.is_attended {
            own_group(&mut self.command);
        }
        let mut child = self.command.spawn().map_err(|error| match error.kind() {
            ErrorKind::NotFound => Failure::NotFound,
            _ => Failure::NotStarted(error),
        })?;
        // All three at once: a program waits for as long as a pipe is full.
        if let Some(mut stdin) = child.stdin().take() {
            let input = mem::take(&mut self.input);
            thread::spawn(move || stdin.write_all(&input));
        }
        let stdout = Reading::begin(
            child.stdout().take(),
            printed.saturating_add(1),
            Rest::Refused,
        );
        let stderr = Reading::begin(child.stderr().take(), MAX_SAID, Rest::Dropped);
        let status = self.wait(child.as_mut())?;
        // What it started may live on, and hold its pipes.
        let wait_for_all = |patience: Duration| {
            let ended = Instant::now();
            while !(stdout.is_done() && stderr.is_done()) && ended.elapsed() < patience {
                thread::sleep(*LOOK.start());
            }
        };
        wait_for_all(LINGER);
        // An error says that nothing is left.
        let _ = child.start_kill();
        wait_for_all(GRACE);
        let stdout = stdout.bytes();
        if stdout.len() as u64 > printed {
            return Err(Failure::TooMuch(printed));
        }
        Ok(Ended {
            status,
            stdout,
            stderr: stderr.bytes(),
        })
    }

    fn wait(&self, child: &mut dyn ChildWrapper) -> Result<ExitStatus, Failure> {
        let started = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            let failure = match (self.check(), self.time) {
                (Err(error), _) => Failure::Stopped(error),
                (Ok(()), Some(time)) if started.elapsed() >= time => Failure::TooLong(time),
                _ => {
                    let look = started.elapsed() / 8;
                    thread::sleep(look.clamp(*LOOK.start(), *LOOK.end()));
                    continue;
                }
            };
            end(child)?;
            return Err(failure);
        };
        // A terminal sends its interrupt to the program as well, which may be the first to hear of it.
        if status.code().is_none() {
            thread::sleep(HEARSAY);
        }
        self.check().map_err(Failure::Stopped)?;
        Ok(status)
    }

    fn check(&self) -> Result<()> {
        interrupt::check()?;
        self.watch.map_or(Ok(()), |watch| watch())
    }
}

#[cfg(unix)]
fn own_group(command: &mut CommandWrap) {
    command.wrap(process_wrap::std::ProcessGroup::leader());
}

#[cfg(windows)]
fn own_group(command: &mut CommandWrap) {
    command.wrap(process_wrap::std::JobObject);
}

/// Asks a program to end itself and what it started, which removes what they began, and kills what is left after that.
/// On Windows nobody can ask it.
fn end(child: &mut dyn ChildWrapper) -> io::Result<()> {
    #[cfg(unix)]
    {
        // An error says that all have ended by themselves.
        let _ = child.signal(rustix::process::Signal::TERM.as_raw());
        let asked = Instant::now();
        while child.try_wait()?.is_none() && asked.elapsed() < GRACE {
            thread::sleep(*LOOK.start());
        }
    }
    // Those that it started may be left when it is gone.
    let _ = child.start_kill();
    child.wait().map(drop)
}

/// What becomes of bytes that are too many.
enum Rest {
    /// Whoever writes them is told that nobody reads.
    Refused,
    /// They are read, and not kept.
    Dropped,
}

/// A pipe that is read as long as there is something, and what came of it so far.
struct Reading {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Reading {
    /// Keeps so many bytes.
    fn begin(pipe: Option<impl Read + Send + 'static>, limit: u64, rest: Rest) -> Reading {
        let bytes = Arc::<Mutex<Vec<u8>>>::default();
        let read = Arc::clone(&bytes);
        let reader = thread::spawn(move || {
            let Some(mut pipe) = pipe else { return };
            let mut chunk = [0; 8 * 1024];
            let mut left = limit;
            loop {
                let count = match pipe.read(&mut chunk) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                    // A pipe that fails has nothing more.
                    Ok(0) | Err(_) => return,
                    Ok(count) => count,
                };
                let kept = usize::try_from(left).unwrap_or(usize::MAX).min(count);
                if let Ok(mut bytes) = read.lock() {
                    bytes.extend_from_slice(&chunk[..kept]);
                }
                left -= kept as u64;
                if left == 0 && matches!(rest, Rest::Refused) {
                    return;
                }
            }
        });
        Reading { bytes, reader }
    }

    fn is_done(&self) -> bool {
        self.reader.is_finished()
    }

    fn bytes(self) -> Vec<u8> {
        let bytes = self.bytes.lock();
        bytes
            .map(|mut bytes| mem::take(&mut *bytes))
            .unwrap_or_default()
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut sh = Command::new("sh");
        sh.args(["-c", script]);
        sh
    }

    #[test]
    fn what_a_program_prints_and_says_is_kept_and_it_reads_what_it_is_given() {
        let ended = Process::new(sh("cat; echo said >&2; exit 3")).input(b"read".to_vec());
        let ended = ended.run().unwrap();
        assert_eq!(
            (ended.stdout, ended.stderr),
            (b"read".to_vec(), b"said\n".to_vec())
        );
        assert_eq!(ended.status.code(), Some(3));
    }

    #[test]
    fn a_program_that_there_is_not_is_told_from_one_that_fails() {
        let failure = Process::new(Command::new("/no/such/program")).run();
        assert!(matches!(failure, Err(Failure::NotFound)));
    }

    #[test]
    fn a_program_ends_at_its_bounds_with_all_that_it_started() {
        let directory = tempfile::tempdir().unwrap();
        let alive = directory.path().join("alive");
        // Neither of them hears of a request to end.
        let script = format!(
            "trap '' TERM; (while :; do echo > '{}'; sleep 0.01; done) & wait",
            alive.display()
        );
        let is_begun = || {
            anyhow::ensure!(!alive.exists(), "seen");
            Ok(())
        };
        let failure = Process::new(sh(&script)).watch(&is_begun).run();
        assert!(matches!(failure, Err(Failure::Stopped(error)) if error.to_string() == "seen"));
        assert_nothing_writes(&alive);

        let time = Duration::from_millis(100);
        let failure = Process::new(sh("sleep 60 & wait")).time(time).run();
        assert!(matches!(failure, Err(Failure::TooLong(_))));
        let failure = Process::new(sh("echo more than this")).printed(10).run();
        assert!(matches!(failure, Err(Failure::TooMuch(10))));
    }

    #[test]
    fn what_a_program_leaves_behind_is_not_waited_for_and_ends() {
        let directory = tempfile::tempdir().unwrap();
        let alive = directory.path().join("alive");
        let script = format!(
            "(while :; do echo > '{}'; sleep 0.01; done) & echo begun; sleep 0.1",
            alive.display()
        );
        let ended = Process::new(sh(&script)).run().unwrap();
        assert_eq!(ended.stdout, b"begun\n");
        assert_nothing_writes(&alive);
    }

    fn assert_nothing_writes(path: &Path) {
        std::fs::remove_file(path).unwrap();
        thread::sleep(Duration::from_millis(100));
        assert!(!path.exists());
    }
}
