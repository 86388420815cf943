//! Presets from git repositories: fetched with the user's own git, kept below the user's cache directory, and read out of
//! the bare repository.
//!
//! There is never a work tree, so nothing of what was fetched can run: no hook, no filter, no submodule. What was fetched
//! is a commit, and has a directory of its own that appears with one rename and never changes after that; a branch or a
//! tag is a file beside it that says which commit it was. So whoever is interrupted, and whoever fetches at the same time,
//! leaves a cache that works.

use std::env;
use std::fs;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use etcetera::BaseStrategy;
use fs_err as fse;

use crate::address::{Address, escape};
use crate::incoming::{self, Incoming};
use crate::interrupt;
use crate::preset::{Files, MANIFEST};
use crate::refusal::Refusal;

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
/// Bytes that a commit may have as it comes, packed: what is the preset's own and what its repository keeps beside it.
const MAX_DOWNLOAD: u64 = 64 * 1024 * 1024;
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
/// What was fetched, by the name that it has in the repository of the cache.
const FETCHED: &str = "refs/preset/fetched";

/// A preset that was fetched.
#[derive(Debug)]
pub struct Fetched {
    /// The commit that it is.
    pub commit: String,
    /// Its files.
    pub files: Files,
}

/// Gets the preset at an address, out of the cache where that is enough.
pub fn fetch(address: &Address) -> Result<Fetched> {
    interrupt::watch()?;
    let cache = Cache::open(address)?;
    let (commit, repository) = cache.commit()?;
    let files = read(&repository, &commit, address)?;
    Ok(Fetched { commit, files })
}

/// Gets the preset at an address as it was fetched the last time, and asks no network.
pub fn kept(address: &Address) -> Result<Fetched> {
    let (commit, repository) = Cache::of(address)?
        .kept()
        .with_context(|| format!("`{address}` was not fetched yet"))?;
    let files = read(&repository, &commit, address)?;
    Ok(Fetched { commit, files })
}

/// The directory of all that was ever fetched from one address.
struct Cache<'a> {
    address: &'a Address,
    directory: PathBuf,
}

impl<'a> Cache<'a> {
    fn of(address: &'a Address) -> Result<Cache<'a>> {
        let base = etcetera::choose_base_strategy().ok().context(
            "there is no home directory to keep a preset in\nhelp: set `XDG_CACHE_HOME`",
        )?;
        let directory = base.cache_dir().join("scaffold").join("presets");
        let directory = directory.join(escape(&address.url));
        Ok(Cache { address, directory })
    }

    fn open(address: &'a Address) -> Result<Cache<'a>> {
        let cache = Cache::of(address)?;
        fse::create_dir_all(&cache.directory)?;
        Ok(cache)
    }

    /// The commit that the address means, and the repository that has it.
    fn commit(&self) -> Result<(String, PathBuf)> {
        if let Some(commit) = self.address.commit() {
            let repository = self.repository(commit);
            if !repository.is_dir() {
                let there = self.download(commit, commit)?;
                ensure!(
                    there == commit,
                    Refusal::new(format!(
                        "`{commit}` of `{}` is not a commit",
                        self.address.url
                    ))
                );
            }
            return Ok((commit.to_owned(), repository));
        }
        match self.ask()? {
            Ok((reference, object)) => {
                let commit = match self.repository(&object).is_dir() {
                    true => object,
                    false => self.download(&reference, &object)?,
                };
                self.note(&commit)?;
                Ok((commit.clone(), self.repository(&commit)))
            }
            Err(reason) => self.fall_back(&reason),
        }
    }

    /// Asks the repository itself: the full name of what the address means, and the commit. The inner error is a reason
    /// why it can't be asked.
    fn ask(&self) -> Result<Result<(String, String), String>> {
        let Address { url, reference } = self.address;
        // A tag comes before a branch of its name, as everywhere in git; `^{}` is the commit that a tag of its own is of.
        let names = match reference {
            None => vec!["HEAD".to_owned()],
            Some(reference) => vec![
                format!("refs/tags/{reference}^{{}}"),
                format!("refs/tags/{reference}"),
                format!("refs/heads/{reference}"),
            ],
        };
        let mut git = git(&self.directory);
        git.args(["ls-remote", "--quiet", "--", url]).args(&names);
        if io::stderr().is_terminal() {
            eprintln!("asking `{url}` for the preset");
        }
        let listed = match run(git, Vec::new(), &Bounds::default())? {
            Ok(listed) => String::from_utf8_lossy(&listed).into_owned(),
            Err(reason) => return Ok(Err(reason)),
        };
        let found = names.iter().find_map(|name| {
            let mut lines = listed.lines().filter_map(|line| line.split_once('\t'));
            let (object, _) = lines.find(|(_, listed)| listed == name)?;
            let name = name.trim_end_matches("^{}").to_owned();
            is_object_name(object).then(|| (name, object.to_owned()))
        });
        match (found, reference) {
            (Some(found), _) => Ok(Ok(found)),
            (None, Some(reference)) => Err(Refusal::new(format!(
                "`{url}` has neither a branch nor a tag `{reference}`"
            ))
            .help(format!(
                "`git ls-remote {url}` lists what it has; a commit is given by all of its digits"
            ))
            .into()),
            (None, None) => Err(Refusal::new(format!("`{url}` has no commit yet")).into()),
        }
    }

    /// What the address meant the last time, where the repository can't be asked.
    fn fall_back(&self, reason: &str) -> Result<(String, PathBuf)> {
        let url = &self.address.url;
        let Some((commit, repository)) = self.kept() else {
            return Err(cannot_fetch(url, reason));
        };
        eprintln!(
            "note: `{url}` can't be reached, so the preset is what was fetched before, commit `{commit}`: {reason}"
        );
        Ok((commit, repository))
    }

    /// The commit that the address is or meant the last time, and the repository that has it.
    fn kept(&self) -> Option<(String, PathBuf)> {
        let commit = match self.address.commit() {
            Some(commit) => commit.to_owned(),
            None => fs::read_to_string(self.noted_in()).ok()?.trim().to_owned(),
        };
        let repository = self.repository(&commit);
        (is_object_name(&commit) && repository.is_dir()).then_some((commit, repository))
    }

    /// Fetches one commit into a hidden sibling of the repository that it becomes, and answers which commit that is.
    fn download(&self, reference: &str, object: &str) -> Result<String> {
        let url = &self.address.url;
        let fetching = tempfile::Builder::new()
            .prefix(".fetching-")
            .tempdir_in(&self.directory)
            .with_context(|| format!("`{}` can't be written", self.directory.display()))?;
        let failed = |reason: String| cannot_fetch(url, &reason);

        let mut init = git(&self.directory);
        init.args(["init", "--quiet", "--bare", "--template="]);
        if object.len() == 64 {
            init.arg("--object-format=sha256");
        }
        init.arg("--").arg(fetching.path());
        run(init, Vec::new(), &Bounds::default())?.map_err(failed)?;

        let mut fetch = git_in(fetching.path());
        fetch.args(["fetch", "--quiet", "--depth=1", "--no-tags"]);
        fetch.args(["--no-recurse-submodules", "--no-write-fetch-head"]);
        fetch.args(["--", url, &format!("+{reference}:{FETCHED}")]);
        let bounds = Bounds {
            written: Some((fetching.path(), MAX_DOWNLOAD)),
            ..Bounds::default()
        };
        run(fetch, Vec::new(), &bounds)
            .with_context(|| format!("the preset can't be fetched from `{url}`"))?
            .map_err(failed)?;

        let mut resolve = git_in(fetching.path());
        resolve.args(["rev-parse", "--verify", "--quiet", "--end-of-options"]);
        resolve.arg(format!("{FETCHED}^{{commit}}"));
        let commit = run(resolve, Vec::new(), &Bounds::default())?
            .map_err(|_| Refusal::new(format!("`{reference}` of `{url}` is not a commit")))?;
        let commit = String::from_utf8_lossy(&commit).trim().to_owned();
        ensure!(
            is_object_name(&commit),
            "`git` names no commit but `{commit}`"
        );

        interrupt::check()?;
        let repository = self.repository(&commit);
        match fs::rename(fetching.path(), &repository) {
            // Somebody else may have fetched it meanwhile.
            Err(_) if repository.is_dir() => {}
            renamed => {
                renamed.with_context(|| format!("`{}` can't be written", repository.display()))?
            }
        }
        Ok(commit)
    }

    /// Keeps in mind which commit the address means.
    fn note(&self, commit: &str) -> Result<()> {
        let cannot_write = || format!("`{}` can't be written", self.directory.display());
        let mut file = tempfile::Builder::new()
            .prefix(".noting-")
            .tempfile_in(&self.directory)
            .with_context(cannot_write)?;
        writeln!(file, "{commit}").with_context(cannot_write)?;
        file.persist(self.noted_in()).with_context(cannot_write)?;
        Ok(())
    }

    fn noted_in(&self) -> PathBuf {
        let reference = self.address.reference.as_deref().unwrap_or("HEAD");
        self.directory.join(format!("at-{}", escape(reference)))
    }

    fn repository(&self, commit: &str) -> PathBuf {
        self.directory.join(format!("{commit}.git"))
    }
}

/// The files of a commit: listed with their sizes first, and then read if there is room for them.
fn read(repository: &Path, commit: &str, address: &Address) -> Result<Files> {
    let shown = address.to_string();
    let failed = |reason| {
        anyhow!(
            "`{}` can't be read: {reason}\nhelp: remove it, and it is fetched again",
            repository.display()
        )
    };
    let mut list = git_in(repository);
    list.args([
        "ls-tree",
        "-r",
        "-z",
        "-l",
        "--full-tree",
        "--end-of-options",
        commit,
    ]);
    let listed = run(list, Vec::new(), &Bounds::default())?.map_err(failed)?;

    let mut incoming = Incoming::new(&shown);
    let (mut blobs, mut request, mut room) = (Vec::new(), Vec::new(), 0);
    for entry in listed
        .split(|byte| *byte == 0)
        .filter(|entry| !entry.is_empty())
    {
        let entry = str::from_utf8(entry)
            .with_context(|| format!("a path of the preset `{shown}` is not UTF-8"))?;
        let (facts, path) = entry.split_once('\t').context("`git` lists no path")?;
        if incoming::belongs_to_the_repository(path) {
            continue;
        }
        let facts: Vec<&str> = facts.split_ascii_whitespace().collect();
        let &[mode, _, object, size] = facts.as_slice() else {
            bail!("`git` lists no size of `{path}`");
        };
        match mode {
            "120000" => return Err(incoming::refuse_link(path)),
            "160000" => bail!("the preset has a submodule: `{path}`\nhelp: put its files there"),
            _ => {}
        }
        let size: u64 = size.parse().context("`git` lists no size")?;
        incoming.announce(path, size)?;
        blobs.push((path, size));
        request.extend_from_slice(format!("{object}\n").as_bytes());
        // The line before each file and the one after it.
        room += size + 128;
    }
    if !blobs.iter().any(|(path, _)| *path == MANIFEST) {
        let what = format!("the root of `{shown}` has no `{MANIFEST}`, in commit `{commit}`");
        let help = "a preset is a whole repository; one that is a directory of it can be used from a clone, with `--preset DIR`";
        return Err(Refusal::new(what).help(help).into());
    }

    let mut cat = git_in(repository);
    cat.args(["cat-file", "--batch"]);
    let bounds = Bounds {
        printed: room,
        ..Bounds::default()
    };
    let bytes = run(cat, request, &bounds)?.map_err(failed)?;
    let mut rest = bytes.as_slice();
    for (path, size) in blobs {
        let end_of_line = rest.iter().position(|byte| *byte == b'\n');
        let file = end_of_line.and_then(|end| {
            let (_, rest) = rest.split_at(end + 1);
            rest.split_at_checked(usize::try_from(size).ok()?)
        });
        let (file, after) = file.with_context(|| format!("`git` does not give all of `{path}`"))?;
        incoming.take(path.to_owned(), file.to_vec())?;
        rest = after.strip_prefix(b"\n").unwrap_or(after);
    }
    Ok(incoming.into_files())
}

/// A preset that can't be fetched, and the way out where there is one.
fn cannot_fetch(url: &str, reason: &str) -> anyhow::Error {
    let help = if reason.contains("does not allow request for unadvertised object") {
        "\nhelp: this server gives only what a branch or a tag points at: make a tag there, or set `uploadpack.allowReachableSHA1InWant` in the repository".to_owned()
    } else if reason.starts_with("remote error: ") || reason.starts_with("transport ") {
        String::new()
    } else {
        format!("\nhelp: once `git ls-remote {url}` works and asks for nothing, this works, too")
    };
    anyhow!("the preset can't be fetched from `{url}`: {reason}{help}")
}

/// All digits of the name of a commit.
fn is_object_name(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Git that works on a bare repository.
fn git_in(repository: &Path) -> Command {
    let mut git = git(repository);
    git.arg("--git-dir").arg(repository);
    git
}

/// Git that starts nothing and asks nobody who isn't there.
fn git(directory: &Path) -> Command {
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
struct Bounds<'a> {
    /// Bytes that it prints.
    printed: u64,
    /// How long it runs.
    time: Duration,
    /// A directory that it writes to, and bytes in there.
    written: Option<(&'a Path, u64)>,
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
fn run(
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
    crate::git::kill(git)
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
