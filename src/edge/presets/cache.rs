//! Presets from git repositories: fetched with the user's own git, kept below the user's cache directory, and read out of
//! the bare repository.
//!
//! There is never a work tree, so nothing of what was fetched can run: no hook, no filter, no submodule. What was fetched
//! is a commit, and has a directory of its own that appears with one rename and never changes after that; a branch or a
//! tag is a file beside it that says which commit it was. So whoever is interrupted, and whoever fetches at the same time,
//! leaves a cache that works.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use etcetera::BaseStrategy;
use fs_err as fse;

use crate::core::preset::address::{Address, escape};
use crate::core::preset::{Files, MANIFEST};
use crate::core::problem::{OrProblem, Problem};
use crate::core::secrets::masked;
use crate::edge::interrupt;
use crate::edge::presets::git::{Bounds, git, git_in, run};
use crate::edge::presets::limits::{self, Incoming};
use crate::edge::report::say;

/// Bytes that a commit may have as it comes, packed: what is the preset's own and what its repository keeps beside it.
const MAX_DOWNLOAD: u64 = 64 * 1024 * 1024;
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
        let base = etcetera::choose_base_strategy().or_problem(|| {
            Problem::new("there is no home directory to keep a preset in")
                .help("set `XDG_CACHE_HOME`")
        })?;
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
                    Problem::refusal(format!(
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
            say(&format!("asking `{url}` for the preset\n"));
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
            (None, Some(reference)) => Err(Problem::refusal(format!(
                "`{url}` has neither a branch nor a tag `{reference}`"
            ))
            .help(format!(
                "`git ls-remote {url}` lists what it has; a commit is given by all of its digits"
            ))
            .into()),
            (None, None) => Err(Problem::refusal(format!("`{url}` has no commit yet")).into()),
        }
    }

    /// What the address meant the last time, where the repository can't be asked.
    fn fall_back(&self, reason: &str) -> Result<(String, PathBuf)> {
        let url = &self.address.url;
        let Some((commit, repository)) = self.kept() else {
            return Err(cannot_fetch(url, reason));
        };
        say(&format!(
            "note: `{url}` can't be reached, so the preset is what was fetched before, commit `{commit}`: {reason}\n"
        ));
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
            .map_err(|_| Problem::refusal(format!("`{reference}` of `{url}` is not a commit")))?;
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
            Problem::new(format!(
                "`{}` can't be read: {reason}",
                repository.display()
            ))
            .help("remove it, and it is fetched again")
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
        if limits::belongs_to_the_repository(path) {
            continue;
        }
        let facts: Vec<&str> = facts.split_ascii_whitespace().collect();
        let &[mode, _, object, size] = facts.as_slice() else {
            bail!("`git` lists no size of `{path}`");
        };
        match mode {
            "120000" => return Err(limits::refuse_link(path)),
            "160000" => bail!(
                Problem::new(format!("the preset has a submodule: `{path}`"))
                    .help("put its files there")
            ),
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
        return Err(Problem::refusal(what).help(help).into());
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
fn cannot_fetch(url: &str, reason: &str) -> Error {
    let help = if reason.contains("does not allow request for unadvertised object") {
        Some("this server gives only what a branch or a tag points at: make a tag there, or set `uploadpack.allowReachableSHA1InWant` in the repository".to_owned())
    } else if reason.starts_with("remote error: ") || reason.starts_with("transport ") {
        None
    } else {
        Some(format!(
            "once `git ls-remote {url}` works and asks for nothing, this works, too"
        ))
    };
    // The user's configuration may have git put a token into the address.
    let what = format!(
        "the preset can't be fetched from `{url}`: {}",
        masked(reason)
    );
    Problem::new(what).maybe_help(help).into()
}

/// All digits of the name of a commit.
fn is_object_name(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
