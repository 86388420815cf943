//! Changes files of a project that its owner lives in: all of them, or none.
//!
//! New texts and what was there before lie in one directory of the project until all is done, with a journal of what is
//! going on. A run that ended in the middle of it, whatever ended it, is taken back by the next one: what a file was
//! before is there until the journal says that all is done. What its owner changed in between stays as it is.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, anyhow, bail, ensure};

use crate::core::digest::digest;
use crate::core::merge::Ours;
use crate::core::plan::Plan;
use crate::core::problem::Problem;
use crate::core::tree::{self, MEMORY};
use crate::edge::interrupt;
use crate::edge::project::disk::{Disk, RealDisk};
use crate::edge::project::read::{Found, find};

/// The directory of a transaction.
const DIRECTORY: &str = ".scaffold/transaction";
/// What is going on: it is there from the moment on that the first file may be another one.
const JOURNAL: &str = "journal.txt";
/// The journal of a transaction that is done, but for its traces.
const DONE: &str = "done.txt";
/// Keeps git from taking any of it.
const IGNORED: &str = ".gitignore";
/// Held by whoever is at work.
const LOCK: &str = "lock";

/// A file that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit<'a> {
    /// Its path in the project.
    pub path: &'a str,
    /// What it was when this was planned; none if it wasn't there.
    pub was: Option<&'a str>,
    /// What it gets; none if it goes.
    pub text: Option<&'a str>,
}

/// The files that a plan changes in a project.
pub fn edits<'p>(plan: &'p Plan, ours: &'p Ours) -> Vec<Edit<'p>> {
    let writes = plan.writes().map(|(path, text)| (path, Some(text)));
    let deletes = plan.deletes().map(|path| (path, None));
    writes
        .chain(deletes)
        .map(|(path, text)| Edit {
            path,
            was: ours.get(path),
            text,
        })
        .collect()
}

/// Makes these changes in the project at `root`.
pub fn apply(root: &Path, edits: &[Edit]) -> Result<()> {
    apply_on(&RealDisk, root, edits)
}

/// Takes back what a run that was cut off has left, or finishes it, and tells of files that it let be.
pub fn recover(root: &Path) -> Result<Vec<String>> {
    recover_on(&RealDisk, root)
}

fn apply_on(disk: &dyn Disk, root: &Path, edits: &[Edit]) -> Result<()> {
    recover_on(disk, root)?;
    let mut edits: Vec<&Edit> = edits.iter().collect();
    // A file that goes may be where a directory has to be; what the project remembers is true when all the rest is.
    edits.sort_by_key(|edit| (edit.path.starts_with(MEMORY), edit.text.is_some()));
    let transaction = Transaction::begin(disk, root, &edits)?;
    match transaction.run(&edits) {
        Ok(()) => {
            // Nothing depends on it any more, and the next run does it if this one can't.
            let _ = transaction.clear();
            Ok(())
        }
        Err(error) => {
            let taken_back = transaction.take_back();
            Err(match taken_back {
                Ok(_) => error,
                Err(second) => error.context(format!(
                    "the changes can't be taken back now ({second:#}), but will be by the next run"
                )),
            })
        }
    }
}

fn recover_on(disk: &dyn Disk, root: &Path) -> Result<Vec<String>> {
    let directory = root.join(DIRECTORY);
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    let transaction = Transaction {
        disk,
        root: root.to_owned(),
        steps: Vec::new(),
        made: Vec::new(),
        _lock: lock(&directory)?,
        directory,
    };
    let journal = transaction.directory.join(JOURNAL);
    match fs::read_to_string(&journal) {
        Ok(text) => transaction.with_journal(&text)?.take_back(),
        // It was done, or had not begun.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            transaction.clear()?;
            Ok(Vec::new())
        }
        Err(error) => Err(error).with_context(|| format!("`{}` can't be read", journal.display())),
    }
}

/// What happens to one file, as the journal has it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    /// The name of its texts in the directory of the transaction.
    number: usize,
    path: String,
    was_there: bool,
    /// The digest of its new text; none if it goes.
    new: Option<String>,
}

struct Transaction<'d> {
    disk: &'d dyn Disk,
    root: PathBuf,
    directory: PathBuf,
    steps: Vec<Step>,
    /// The directories that it makes, the outermost first.
    made: Vec<String>,
    _lock: Lock,
}

impl<'d> Transaction<'d> {
    /// Puts all new texts beside what they will replace. No file of the project is another one after that.
    fn begin(disk: &'d dyn Disk, root: &Path, edits: &[&Edit]) -> Result<Transaction<'d>> {
        let directory = root.join(DIRECTORY);
        let memory = root.join(MEMORY);
        if !memory.is_dir() {
            disk.make_directory(&memory)
                .map_err(|error| cannot_write(&memory, &error))?;
        }
        disk.make_directory(&directory)
            .map_err(|error| match error.kind() {
                ErrorKind::AlreadyExists => is_busy(root),
                _ => cannot_write(&directory, &error),
            })?;
        let step = |(number, edit): (usize, &&Edit)| Step {
            number,
            path: edit.path.to_owned(),
            was_there: edit.was.is_some(),
            new: edit.text.map(digest),
        };
        let transaction = Transaction {
            disk,
            root: root.to_owned(),
            steps: edits.iter().enumerate().map(step).collect(),
            made: missing_directories(root, edits),
            _lock: lock(&directory)?,
            directory,
        };
        match transaction.stage(edits) {
            Ok(()) => Ok(transaction),
            Err(error) => {
                // What is left is known for what it is.
                let _ = transaction.clear();
                Err(error)
            }
        }
    }

    fn stage(&self, edits: &[&Edit]) -> Result<()> {
        for name in ["new", "old"] {
            let directory = self.directory.join(name);
            self.disk
                .make_directory(&directory)
                .map_err(|error| cannot_write(&directory, &error))?;
        }
        let ignored = self.directory.join(IGNORED);
        self.disk
            .write(&ignored, "*\n", None)
            .map_err(|error| cannot_write(&ignored, &error))?;
        for (number, edit) in edits.iter().enumerate() {
            interrupt::check()?;
            let Some(text) = edit.text else { continue };
            let target = self.root.join(edit.path);
            let permissions = edit.was.and_then(|_| fs::metadata(&target).ok());
            let permissions = permissions.map(|found| found.permissions());
            self.disk
                .write(&self.new_text(number), text, permissions)
                .map_err(|error| cannot_write(&target, &error))?;
        }
        let part = self.directory.join("journal.part");
        self.disk
            .write(&part, &self.journal(), None)
            .and_then(|()| self.disk.rename(&part, &self.directory.join(JOURNAL)))
            .map_err(|error| cannot_write(&self.directory.join(JOURNAL), &error))
    }

    /// Changes the files, and says that it is done.
    fn run(&self, edits: &[&Edit]) -> Result<()> {
        for edit in edits {
            let is_as_planned = match (find(&self.root, edit.path)?, edit.was) {
                // A directory has to be empty by the time that a file takes its place.
                (Found::Nothing | Found::Directory, None) => true,
                (Found::Text(text), Some(was)) => text == was,
                _ => false,
            };
            ensure!(
                is_as_planned,
                Problem::new(format!("`{}` changed while this was at work", edit.path))
                    .help("run it again")
            );
        }
        let is_dropped = |step: &&Step| step.new.is_none();
        for step in self.steps.iter().filter(is_dropped) {
            self.change(step)?;
        }
        for directory in &self.made {
            let directory = self.root.join(directory);
            self.disk
                .make_directory(&directory)
                .map_err(|error| cannot_write(&directory, &error))?;
        }
        for step in self.steps.iter().filter(|step| !is_dropped(step)) {
            self.change(step)?;
        }
        let (journal, done) = (self.directory.join(JOURNAL), self.directory.join(DONE));
        self.disk
            .rename(&journal, &done)
            .map_err(|error| cannot_write(&done, &error))
    }

    fn change(&self, step: &Step) -> Result<()> {
        interrupt::check()?;
        let (target, old) = (self.root.join(&step.path), self.old_text(step.number));
        let change = || {
            match (step.was_there, &step.new) {
                // Whoever reads it meanwhile, such as cargo, finds the one or the other. Not every disk has links.
                (true, Some(_)) => self
                    .disk
                    .link(&target, &old)
                    .or_else(|_| self.disk.rename(&target, &old))?,
                (true, None) => {
                    self.disk.rename(&target, &old)?;
                    return self.remove_empty_above(&step.path);
                }
                (false, _) => {}
            }
            self.disk.rename(&self.new_text(step.number), &target)
        };
        change().map_err(|error: io::Error| cannot_write(&target, &error))
    }

    /// Puts everything back that it changed, the last first, and tells of the files that it let be.
    fn take_back(&self) -> Result<Vec<String>> {
        let mut told = Vec::new();
        let mut put_back = |is_dropped: bool| {
            let steps = self.steps.iter().rev();
            for step in steps.filter(|step| step.new.is_none() == is_dropped) {
                let target = self.root.join(&step.path);
                self.put_back(step, &target, &mut told)
                    .with_context(|| format!("`{}` can't be put back", target.display()))?;
            }
            anyhow::Ok(())
        };
        put_back(false)?;
        for directory in self.made.iter().rev() {
            // Somebody may have put something there.
            let _ = self.disk.remove_directory(&self.root.join(directory));
        }
        put_back(true)?;
        self.clear()?;
        Ok(told)
    }

    fn put_back(&self, step: &Step, target: &Path, told: &mut Vec<String>) -> Result<()> {
        let old = self.old_text(step.number);
        if is_below_a_link(&self.root, &step.path) {
            // It is somewhere else now, and none of this project.
            return self.keep(step, told);
        }
        let now = match fs::symlink_metadata(target) {
            Ok(found) if found.is_file() => Some(digest(fs::read(target)?)),
            Ok(_) => Some(String::new()),
            Err(_) => None,
        };
        let is_ours = now.is_none() || now == step.new;
        if !step.was_there {
            if is_ours && now.is_some() {
                self.disk.remove(target)?;
            }
            return Ok(());
        }
        let Ok(bytes) = fs::read(&old) else {
            // It was not changed, or is put back already.
            return Ok(());
        };
        if is_ours || now == Some(digest(bytes)) {
            self.make_above(&step.path)?;
            self.disk.rename(&old, target)?;
            // Of two names of one file a rename removes neither.
            if old.exists() {
                self.disk.remove(&old)?;
            }
            return Ok(());
        }
        self.keep(step, told)
    }

    /// Puts what a file was beside what its owner made of it.
    fn keep(&self, step: &Step, told: &mut Vec<String>) -> Result<()> {
        let old = self.old_text(step.number);
        if !old.exists() {
            return Ok(());
        }
        let name = step.path.replace('/', "-");
        let names = (0..).map(|number| match number {
            0 => format!("{name}.before"),
            number => format!("{name}.before-{number}"),
        });
        let mut free = names.filter(|name| !self.root.join(name).exists());
        let Some(kept) = free.next() else {
            bail!("there is no name left for it");
        };
        self.disk.rename(&old, &self.root.join(&kept))?;
        told.push(format!(
            "`{}` was changed after a run that was cut off, and stays; what it was before that run is `{kept}`",
            step.path
        ));
        Ok(())
    }

    /// Removes all traces, the journal first: without it nothing is taken back.
    fn clear(&self) -> Result<()> {
        let cannot = |path: &Path, error: &io::Error| cannot_write(path, error);
        for name in [JOURNAL, DONE, "journal.part", IGNORED] {
            let path = self.directory.join(name);
            match self.disk.remove(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(cannot(&path, &error))?,
                _ => {}
            }
        }
        for name in ["new", "old"] {
            let directory = self.directory.join(name);
            let Ok(entries) = fs::read_dir(&directory) else {
                continue;
            };
            for entry in entries {
                let path = entry?.path();
                self.disk
                    .remove(&path)
                    .map_err(|error| cannot(&path, &error))?;
            }
            self.disk
                .remove_directory(&directory)
                .map_err(|error| cannot(&directory, &error))?;
        }
        self.disk
            .remove(&self.directory.join(LOCK))
            .and_then(|()| self.disk.remove_directory(&self.directory))
            .map_err(|error| cannot(&self.directory, &error))?;
        // If it was made for this alone.
        let _ = self.disk.remove_directory(&self.root.join(MEMORY));
        Ok(())
    }

    fn make_above(&self, path: &str) -> io::Result<()> {
        for (end, _) in path.match_indices('/') {
            match self.disk.make_directory(&self.root.join(&path[..end])) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn remove_empty_above(&self, path: &str) -> io::Result<()> {
        for (end, _) in path.rmatch_indices('/') {
            match self.disk.remove_directory(&self.root.join(&path[..end])) {
                Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => return Ok(()),
                removed => removed?,
            }
        }
        Ok(())
    }

    fn new_text(&self, number: usize) -> PathBuf {
        self.directory.join("new").join(number.to_string())
    }

    fn old_text(&self, number: usize) -> PathBuf {
        self.directory.join("old").join(number.to_string())
    }

    /// The project that it is of, and a line for each directory and for each file: `make src/cache`,
    /// `write 3 DIGEST src/app.rs`.
    fn journal(&self) -> String {
        let mut text = of_project(&self.root);
        for directory in &self.made {
            text.push_str(&format!("make {directory}\n"));
        }
        for step in &self.steps {
            let (number, path) = (step.number, &step.path);
            let line = match (&step.new, step.was_there) {
                (Some(digest), true) => format!("write {number} {digest} {path}\n"),
                (Some(digest), false) => format!("create {number} {digest} {path}\n"),
                (None, _) => format!("delete {number} - {path}\n"),
            };
            text.push_str(&line);
        }
        text
    }

    fn with_journal(mut self, text: &str) -> Result<Transaction<'d>> {
        let refused = |why: &str| {
            let directory = self.directory.display();
            let what = format!("what a run left in `{directory}` can't be taken back: {why}");
            let help = "remove it; what files were before is in its directory `old`";
            Error::from(Problem::new(what).help(help))
        };
        let of_project = of_project(&self.root);
        let Some(lines) = text.strip_prefix(&of_project) else {
            // One that came with a repository could name any file.
            return Err(refused("it is of another project, or of another place"));
        };
        let broken = |line: &str| refused(&format!("it is broken: `{line}`"));
        for line in lines.lines() {
            let words: Vec<&str> = line.splitn(4, ' ').collect();
            let path = match words.as_slice() {
                ["make", ..] => {
                    let path = &line["make ".len()..];
                    self.made.push(path.to_owned());
                    path
                }
                [verb @ ("write" | "create" | "delete"), number, digest, path] => {
                    self.steps.push(Step {
                        number: number.parse().map_err(|_| broken(line))?,
                        path: (*path).to_owned(),
                        was_there: *verb != "create",
                        new: (*verb != "delete").then(|| (*digest).to_owned()),
                    });
                    path
                }
                _ => return Err(broken(line)),
            };
            ensure!(tree::unsafe_path(path).is_none(), broken(line));
        }
        Ok(self)
    }
}

/// The first line of a journal, which is of one project in one place.
fn of_project(root: &Path) -> String {
    let root = dunce::canonicalize(root).unwrap_or_else(|_| root.to_owned());
    format!(
        "project {}\n",
        root.display().to_string().replace('\n', " ")
    )
}

/// Whether a path leads through a link.
fn is_below_a_link(root: &Path, path: &str) -> bool {
    let mut ends = path.match_indices('/').map(|(end, _)| &path[..end]);
    ends.any(|above| root.join(above).is_symlink())
}

/// The directories that are not there and have to be, the outermost first.
fn missing_directories(root: &Path, edits: &[&Edit]) -> Vec<String> {
    let mut missing = Vec::new();
    for edit in edits.iter().filter(|edit| edit.text.is_some()) {
        for (end, _) in edit.path.match_indices('/') {
            let above = &edit.path[..end];
            let is_known = missing.iter().any(|known| known == above);
            if !is_known && !root.join(above).is_dir() {
                missing.push(above.to_owned());
            }
        }
    }
    missing
}

/// A file that nobody else can lock.
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // To close it is not enough: a program that is being started has it open, too, for a moment.
        let _ = self.0.unlock();
    }
}

/// Keeps everybody else from this transaction, as long as the lock is held.
fn lock(directory: &Path) -> Result<Lock> {
    let path = directory.join(LOCK);
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|error| cannot_write(&path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(is_busy(directory)),
        Err(TryLockError::Error(error)) => Err(cannot_write(&path, &error)),
    }
}

fn is_busy(place: &Path) -> anyhow::Error {
    anyhow!(
        Problem::new(format!(
            "another `scaffold` is at work in `{}`",
            place.display()
        ))
        .help("run this one when that has ended")
    )
}

fn cannot_write(path: &Path, error: &io::Error) -> anyhow::Error {
    anyhow!("`{}` can't be written: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::BTreeMap;
    use std::fs::Permissions;

    use tempfile::TempDir;

    use super::*;
    use crate::core::problem::told;

    /// A disk that fails at one step, or from that step on: what is cut off can't put anything right any more.
    struct FaultyDisk {
        left: Cell<usize>,
        is_cut_off: bool,
    }

    impl FaultyDisk {
        fn new(left: usize, is_cut_off: bool) -> FaultyDisk {
            let left = Cell::new(left);
            FaultyDisk { left, is_cut_off }
        }

        fn step(&self) -> io::Result<()> {
            match self.left.get() {
                0 if self.is_cut_off => {}
                0 => self.left.set(usize::MAX),
                left => {
                    self.left.set(left - 1);
                    return Ok(());
                }
            }
            Err(io::Error::from(ErrorKind::StorageFull))
        }
    }

    impl Disk for FaultyDisk {
        fn make_directory(&self, path: &Path) -> io::Result<()> {
            self.step().and_then(|()| RealDisk.make_directory(path))
        }
        fn write(&self, path: &Path, text: &str, mode: Option<Permissions>) -> io::Result<()> {
            // A full disk takes a part.
            let (part, _) = text.split_at(text.len() / 2);
            if let Err(error) = self.step() {
                if !self.is_cut_off {
                    RealDisk.write(path, part, mode)?;
                }
                return Err(error);
            }
            RealDisk.write(path, text, mode)
        }
        fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
            self.step().and_then(|()| RealDisk.link(from, to))
        }
        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            self.step().and_then(|()| RealDisk.rename(from, to))
        }
        fn remove(&self, path: &Path) -> io::Result<()> {
            self.step().and_then(|()| RealDisk.remove(path))
        }
        fn remove_directory(&self, path: &Path) -> io::Result<()> {
            self.step().and_then(|()| RealDisk.remove_directory(path))
        }
    }

    /// Files by their paths; a directory has none.
    type Files = BTreeMap<String, Option<Vec<u8>>>;

    fn files(root: &Path) -> Files {
        let entries = walkdir::WalkDir::new(root).min_depth(1).into_iter();
        let file = |entry: walkdir::Result<walkdir::DirEntry>| {
            let entry = entry.unwrap();
            let path = entry.path().strip_prefix(root).unwrap();
            let text = entry.file_type().is_file();
            let text = text.then(|| fs::read(entry.path()).unwrap());
            (path.to_str().unwrap().to_owned(), text)
        };
        entries.map(file).collect()
    }

    fn project() -> TempDir {
        let project = TempDir::new().unwrap();
        for (path, text) in [
            ("README.md", "old\n"),
            ("src/gone/deep.rs", "old\n"),
            ("src/kept.rs", "the owner's\n"),
            ("file", "old\n"),
            ("directory/inside", "old\n"),
            (".scaffold/answers.toml", "old\n"),
        ] {
            let path = project.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        project
    }

    /// A file that changes, one that goes with its directory, new ones, a file that becomes a directory, a directory that
    /// becomes a file, and the memory.
    fn edits() -> Vec<Edit<'static>> {
        let edit = |path, was, text| Edit { path, was, text };
        let (old, new) = (Some("old\n"), Some("new\n"));
        vec![
            edit(".scaffold/answers.toml", old, new),
            edit("README.md", old, new),
            edit("src/gone/deep.rs", old, None),
            edit("src/cache/mod.rs", None, new),
            edit("file", old, None),
            edit("file/inside", None, new),
            edit("directory/inside", old, None),
            edit("directory", None, new),
            edit("run.sh", None, Some("#!/bin/sh\n")),
        ]
    }

    fn done() -> Files {
        let project = project();
        apply(project.path(), &edits()).unwrap();
        files(project.path())
    }

    #[test]
    fn all_files_change_and_nothing_is_left_of_it() {
        let done = done();
        let paths: Vec<&str> = done.keys().map(String::as_str).collect();
        insta::assert_snapshot!(paths.join("\n"), @"
        .scaffold
        .scaffold/answers.toml
        README.md
        directory
        file
        file/inside
        run.sh
        src
        src/cache
        src/cache/mod.rs
        src/kept.rs
        ");
        assert_eq!(done["README.md"].as_deref(), Some(&b"new\n"[..]));
    }

    #[test]
    fn a_fault_at_any_step_leaves_the_project_as_it_was() {
        let (before, done) = (files(project().path()), done());
        for step in 0.. {
            let project = project();
            let disk = FaultyDisk::new(step, false);
            let applied = apply_on(&disk, project.path(), &edits());
            let is_met = disk.left.get() > edits().len() * 100;
            if applied.is_ok() {
                recover(project.path()).unwrap();
                assert_eq!(files(project.path()), done, "step {step}");
            } else {
                assert_eq!(files(project.path()), before, "step {step}");
            }
            if !is_met {
                assert!(step > 20);
                break;
            }
        }
    }

    #[test]
    fn whatever_a_run_that_is_cut_off_leaves_the_next_one_puts_right() {
        let (before, done) = (files(project().path()), done());
        let (mut taken_back, mut finished) = (0, 0);
        for step in 0.. {
            let project = project();
            let disk = FaultyDisk::new(step, true);
            let applied = apply_on(&disk, project.path(), &edits());
            let is_met = disk.left.get() == 0;
            assert_eq!(recover(project.path()).unwrap(), Vec::<String>::new());
            let now = files(project.path());
            match applied {
                Ok(()) => assert_eq!(now, done, "step {step}"),
                Err(_) => assert_eq!(now, before, "step {step}"),
            }
            // It is cut off while it puts things right, at each step of that, too.
            let count = if now == done {
                &mut finished
            } else {
                &mut taken_back
            };
            *count += 1;
            if now == before {
                apply(project.path(), &edits()).unwrap();
                assert_eq!(files(project.path()), done, "step {step}");
            }
            if !is_met {
                break;
            }
        }
        assert!(taken_back > 20 && finished > 3, "{taken_back} {finished}");
    }

    #[test]
    fn to_be_cut_off_while_it_takes_back_does_no_harm() {
        let before = files(project().path());
        for first in (0..40).step_by(3) {
            for second in 0..40 {
                let project = project();
                let disk = FaultyDisk::new(first, true);
                if apply_on(&disk, project.path(), &edits()).is_ok() {
                    continue;
                }
                let _ = recover_on(&FaultyDisk::new(second, true), project.path());
                recover(project.path()).unwrap();
                assert_eq!(files(project.path()), before, "{first}, {second}");
            }
        }
    }

    #[test]
    fn what_changed_since_it_was_planned_stays_and_nothing_else_changes() {
        let project = project();
        fs::write(project.path().join("README.md"), "edited\n").unwrap();
        let before = files(project.path());
        let error = apply(project.path(), &edits()).unwrap_err();
        insta::assert_snapshot!(told(&error), @"
        `README.md` changed while this was at work
        help: run it again
        ");
        assert_eq!(files(project.path()), before);
    }

    #[test]
    fn what_its_owner_changes_after_a_run_that_was_cut_off_stays() {
        let project = project();
        let journal_is_written = 40;
        for step in 0..journal_is_written {
            let disk = FaultyDisk::new(step, true);
            let _ = apply_on(&disk, project.path(), &edits());
            let readme = project.path().join("README.md");
            if fs::read_to_string(&readme).unwrap() == "new\n" {
                fs::write(&readme, "edited\n").unwrap();
                let told = recover(project.path()).unwrap();
                insta::assert_snapshot!(told.join("\n"), @"`README.md` was changed after a run that was cut off, and stays; what it was before that run is `README.md.before`");
                assert_eq!(fs::read_to_string(&readme).unwrap(), "edited\n");
                let kept = project.path().join("README.md.before");
                assert_eq!(fs::read_to_string(kept).unwrap(), "old\n");
                return;
            }
            recover(project.path()).unwrap();
        }
        panic!("it was never cut off after README.md");
    }

    #[test]
    fn a_journal_that_came_with_a_repository_changes_nothing() {
        let digest = digest("the owner's\n");
        let of = |project: &TempDir| of_project(project.path());
        for journal in [
            format!("project /elsewhere\ncreate 0 {digest} src/kept.rs\n"),
            format!("create 0 {digest} src/kept.rs\n"),
            format!("PROJECTcreate 0 {digest} ../outside\n"),
            format!("PROJECTwrite 0 {digest} .git/hooks/post-checkout\n"),
            "PROJECTmake /tmp\n".to_owned(),
            "PROJECTwrite x y z\n".to_owned(),
            "PROJECTremove\n".to_owned(),
        ] {
            let project = project();
            let journal = journal.replace("PROJECT", &of(&project));
            let directory = project.path().join(DIRECTORY);
            fs::create_dir_all(directory.join("old")).unwrap();
            fs::write(directory.join("old/0"), "theirs\n").unwrap();
            fs::write(directory.join(JOURNAL), journal).unwrap();
            fs::write(directory.join(LOCK), "").unwrap();
            let before = files(project.path());
            assert!(recover(project.path()).is_err());
            assert_eq!(files(project.path()), before);
        }
    }

    #[cfg(unix)]
    #[test]
    fn nothing_is_put_back_through_a_link() {
        let elsewhere = TempDir::new().unwrap();
        for step in 0..60 {
            let project = project();
            let disk = FaultyDisk::new(step, true);
            let _ = apply_on(&disk, project.path(), &edits());
            let directory = project.path().join("directory");
            if directory.is_dir() || directory.is_file() {
                continue;
            }
            std::os::unix::fs::symlink(elsewhere.path(), &directory).unwrap();
            let told = recover(project.path()).unwrap();
            assert_eq!(told.len(), 1, "{told:?}");
            assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
            let kept = fs::read_to_string(project.path().join("directory-inside.before"));
            assert_eq!(kept.unwrap(), "old\n");
            return;
        }
        panic!("it was never cut off without `directory`");
    }

    #[test]
    fn two_at_a_time_do_not_meet() {
        let project = project();
        let all = edits();
        let sorted: Vec<&Edit> = all.iter().collect();
        let running = Transaction::begin(&RealDisk, project.path(), &sorted).unwrap();
        for refused in [
            apply(project.path(), &all).unwrap_err(),
            recover(project.path()).unwrap_err(),
        ] {
            let said = refused.to_string();
            assert!(
                said.starts_with("another `scaffold` is at work in `"),
                "{said}"
            );
        }
        running.take_back().unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_file_keeps_its_mode_and_a_new_script_can_be_run() {
        use std::os::unix::fs::PermissionsExt;
        let project = project();
        let readme = project.path().join("README.md");
        fs::set_permissions(&readme, Permissions::from_mode(0o640)).unwrap();
        apply(project.path(), &edits()).unwrap();
        let mode = |path: &str| {
            let found = fs::metadata(project.path().join(path)).unwrap();
            found.permissions().mode() & 0o777
        };
        assert_eq!(mode("README.md"), 0o640);
        assert_eq!(mode("run.sh") & 0o100, 0o100);
    }
}
