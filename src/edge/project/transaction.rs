//! Changes files of a project that its owner lives in: all of them, or none.
//!
//! New texts and what was there before lie in one directory of the project until all is done, with a journal of what is
//! going on. A run that ended in the middle of it, whatever ended it, is taken back by the next one: what a file was
//! before is there until the journal says that all is done. What its owner changed in between stays as it is.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use walkdir::WalkDir;

use crate::core::digest::digest;
use crate::core::merge::Ours;
use crate::core::plan::Plan;
use crate::core::problem::Problem;
use crate::core::tree::MEMORY;
use crate::edge::interrupt;
use crate::edge::project::disk::{Disk, RealDisk};
use crate::edge::project::journal::{Journal, Step};
use crate::edge::project::read::{Found, find};
use crate::edge::report::say;

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

/// Makes these changes in the project at `root`, once what a run that was cut off has left is taken back.
pub fn apply(root: &Path, edits: &[Edit]) -> Result<()> {
    recover(root)?;
    apply_on(&RealDisk, root, edits)
}

/// Takes back what a run that was cut off has left, or finishes it, and says which files it let be.
pub fn recover(root: &Path) -> Result<()> {
    for told in recover_on(&RealDisk, root)? {
        say(&format!("note: {told}\n"));
    }
    Ok(())
}

fn apply_on(disk: &dyn Disk, root: &Path, edits: &[Edit]) -> Result<()> {
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
    if fs::symlink_metadata(&directory).is_err() {
        return Ok(Vec::new());
    }
    let refused = |why: &str| {
        let what = format!(
            "what a run left in `{}` can't be taken back: {why}",
            directory.display()
        );
        let help = "remove it; what files were before is in its directory `old`";
        Error::from(Problem::new(what).help(help))
    };
    check_shape(root, &directory).map_err(|why| refused(&why))?;
    let mut transaction = Transaction {
        disk,
        root: root.to_owned(),
        journal: Journal::default(),
        was: Vec::new(),
        _lock: lock(&directory)?,
        directory: directory.clone(),
    };
    let path = directory.join(JOURNAL);
    match fs::read_to_string(&path) {
        Ok(text) => {
            transaction.journal = Journal::parse(&text, root).map_err(|why| refused(&why))?;
            transaction.take_back()
        }
        // It was done, or had not begun.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            transaction.clear()?;
            Ok(Vec::new())
        }
        Err(error) => Err(error).with_context(|| format!("`{}` can't be read", path.display())),
    }
}

/// Checks that the directory of a transaction is as one of ours is: files in three directories. One that came with a
/// repository could lead anywhere by a link.
fn check_shape(root: &Path, directory: &Path) -> Result<(), String> {
    if root.join(MEMORY).is_symlink() {
        return Err(format!("`{MEMORY}` is a link"));
    }
    for entry in WalkDir::new(directory).max_depth(3) {
        let entry = entry.map_err(|error| error.to_string())?;
        let found = entry.file_type();
        let may_be_directory = match entry.depth() {
            0 => true,
            1 => ["new", "old"].iter().any(|name| entry.file_name() == *name),
            _ => false,
        };
        if found.is_dir() != may_be_directory || !(found.is_dir() || found.is_file()) {
            let path = entry.path().strip_prefix(directory).unwrap_or(directory);
            return Err(format!("`{}` is not what was left there", path.display()));
        }
    }
    Ok(())
}

struct Transaction<'d> {
    disk: &'d dyn Disk,
    root: PathBuf,
    directory: PathBuf,
    journal: Journal,
    /// The digests of what the files are before, by their numbers; none are known of a run that was cut off.
    was: Vec<Option<String>>,
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
            journal: Journal {
                steps: edits.iter().enumerate().map(step).collect(),
                made: missing_directories(root, edits),
            },
            was: edits.iter().map(|edit| edit.was.map(digest)).collect(),
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
            .write(&part, &self.journal.print(&self.root), None)
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
            ensure!(is_as_planned, changed_meanwhile(edit.path));
        }
        let is_dropped = |step: &&Step| step.new.is_none();
        for step in self.journal.steps.iter().filter(is_dropped) {
            self.change(step)?;
        }
        for directory in &self.journal.made {
            let directory = self.root.join(directory);
            self.disk
                .make_directory(&directory)
                .map_err(|error| cannot_write(&directory, &error))?;
        }
        for step in self.journal.steps.iter().filter(|step| !is_dropped(step)) {
            self.change(step)?;
        }
        // What its owner saved meanwhile went into the old file.
        for step in &self.journal.steps {
            self.check_old(step)?;
        }
        let (journal, done) = (self.directory.join(JOURNAL), self.directory.join(DONE));
        self.disk
            .rename(&journal, &done)
            .map_err(|error| cannot_write(&done, &error))
    }

    fn change(&self, step: &Step) -> Result<()> {
        interrupt::check()?;
        let (target, old) = (self.root.join(&step.path), self.old_text(step.number));
        let cannot = |error: io::Error| cannot_write(&target, &error);
        match (step.was_there, &step.new) {
            (true, Some(_)) => {
                // Whoever reads it meanwhile, such as cargo, finds the one or the other. Not every disk has links.
                self.disk
                    .link(&target, &old)
                    .or_else(|_| self.disk.rename(&target, &old))
                    .map_err(cannot)?;
                self.check_old(step)?;
                self.disk
                    .rename(&self.new_text(step.number), &target)
                    .map_err(cannot)
            }
            (true, None) => {
                self.disk.rename(&target, &old).map_err(cannot)?;
                self.check_old(step)?;
                self.remove_empty_above(&step.path).map_err(cannot)
            }
            // Unlike a new name this takes nobody's place.
            (false, _) => match self.disk.link(&self.new_text(step.number), &target) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    bail!(changed_meanwhile(&step.path))
                }
                Err(_) if fs::symlink_metadata(&target).is_err() => self
                    .disk
                    .rename(&self.new_text(step.number), &target)
                    .map_err(cannot),
                linked => linked.map_err(cannot),
            },
        }
    }

    /// Checks that what a file was is what it was when this was planned.
    fn check_old(&self, step: &Step) -> Result<()> {
        let Some(Some(was)) = self.was.get(step.number) else {
            return Ok(());
        };
        let old = self.old_text(step.number);
        let bytes = fs::read(&old).map_err(|error| cannot_write(&old, &error))?;
        ensure!(digest(bytes) == *was, changed_meanwhile(&step.path));
        Ok(())
    }

    /// Puts everything back that it changed, the last first, and tells of the files that it let be.
    fn take_back(&self) -> Result<Vec<String>> {
        let mut told = Vec::new();
        let mut put_back = |is_dropped: bool| {
            let steps = self.journal.steps.iter().rev();
            for step in steps.filter(|step| step.new.is_none() == is_dropped) {
                let target = self.root.join(&step.path);
                self.put_back(step, &target, &mut told)
                    .with_context(|| format!("`{}` can't be put back", target.display()))?;
            }
            anyhow::Ok(())
        };
        put_back(false)?;
        for directory in self.journal.made.iter().rev() {
            // Somebody may have put something there, or a link in its place.
            if is_out_of_reach(&self.root, directory) {
                continue;
            }
            let _ = self.disk.remove_directory(&self.root.join(directory));
        }
        put_back(true)?;
        self.clear()?;
        Ok(told)
    }

    fn put_back(&self, step: &Step, target: &Path, told: &mut Vec<String>) -> Result<()> {
        let old = self.old_text(step.number);
        if is_out_of_reach(&self.root, &step.path) {
            return self.keep(step, told);
        }
        let now = match fs::symlink_metadata(target) {
            Ok(found) if found.is_file() => Some(digest(fs::read(target)?)),
            Ok(_) => Some(String::new()),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        let is_ours = now.is_none() || now == step.new;
        if !step.was_there {
            if is_ours && now.is_some() {
                self.disk.remove(target)?;
            }
            return Ok(());
        }
        let bytes = match fs::read(&old) {
            Ok(bytes) => bytes,
            // It was not changed, or is put back already.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error).with_context(|| old.display().to_string()),
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
        let is_free = |name: &String| fs::symlink_metadata(self.root.join(name)).is_err();
        let mut free = names.filter(is_free);
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
}

/// Whether a path leads through what is no directory any more: a link, which leads somewhere else, or a file.
fn is_out_of_reach(root: &Path, path: &str) -> bool {
    let mut ends = path.match_indices('/').map(|(end, _)| &path[..end]);
    ends.any(|above| {
        let found = fs::symlink_metadata(root.join(above));
        found.is_ok_and(|found| !found.is_dir())
    })
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

fn changed_meanwhile(path: &str) -> Problem {
    Problem::new(format!("`{path}` changed while this was at work")).help("run it again")
}

fn cannot_write(path: &Path, error: &io::Error) -> anyhow::Error {
    anyhow!("`{}` can't be written: {error}", path.display())
}

#[cfg(test)]
mod tests;
