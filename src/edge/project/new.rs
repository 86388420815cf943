//! Reads and writes projects: all or nothing. What is written grows in a hidden sibling of its destination, and one
//! rename puts it in place; until then, dropping the sibling undoes everything.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::core::plan::Plan;
use crate::core::problem::Problem;
use crate::core::secrets::holds_secrets;
use crate::core::tree::{self, Tree};
use crate::edge::interrupt;
use crate::edge::presets::named;
use crate::edge::project::permissions;

/// A place that can take a new project: it is not there yet, an empty directory, or a repository without files.
#[derive(Debug, Clone)]
pub struct Destination {
    /// The path, free of links and of `..`.
    pub path: PathBuf,
    /// The directory that it is in.
    pub parent: PathBuf,
    /// Whether it is a git repository already, with nothing else in it.
    pub is_repository: bool,
    /// Whether the directory is there.
    was_there: bool,
}

impl Destination {
    /// Checks a path, without touching it.
    pub fn parse(given: &Path) -> Result<Destination> {
        // Without a trailing slash, which would make a link look like what it points to.
        let path: PathBuf = given.components().collect();
        let shown = path.display();
        let parent = match path.parent() {
            Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
            Some(parent) => parent,
            None => &path,
        };
        match fs::metadata(parent) {
            Ok(parent) if parent.is_dir() => {}
            Ok(_) => refuse(format!("`{}` is not a directory", parent.display()))?,
            Err(error) => {
                // A part of a mistaken address may not look like one.
                let missing = match holds_secrets(&given.to_string_lossy()) {
                    true => named(given),
                    false => named(parent),
                };
                if error.kind() != ErrorKind::NotFound {
                    Err(error).with_context(|| format!("`{missing}` can't be read"))?
                }
                let what = format!("there is no directory `{missing}` for the project to go into");
                return Err(Problem::refusal(what)
                    .help("make it first, or say `--into DIR`")
                    .into());
            }
        }
        let resolve = |path: &Path| {
            dunce::canonicalize(path).with_context(|| format!("`{}` can't be read", path.display()))
        };
        let mut is_repository = false;
        let (path, was_there) = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => (
                resolve(parent)?.join(path.file_name().unwrap_or_default()),
                false,
            ),
            Err(error) => {
                return Err(error).with_context(|| format!("`{}` can't be read", named(given)));
            }
            Ok(found) if found.is_symlink() => {
                return refuse(format!("`{shown}` is there already, and is a link"));
            }
            Ok(found) if !found.is_dir() => {
                return refuse(format!("`{shown}` is there already, and is a file"));
            }
            Ok(_) => {
                let entries =
                    fs::read_dir(&path).with_context(|| format!("`{shown}` can't be read"))?;
                for entry in entries {
                    let entry = entry.with_context(|| format!("`{shown}` can't be read"))?;
                    if entry.file_name() != ".git" {
                        return refuse(format!("`{shown}` is there already, and is not empty"));
                    }
                    is_repository = true;
                }
                (resolve(&path)?, true)
            }
        };
        match path.parent().map(Path::to_owned) {
            Some(parent) => Ok(Destination {
                path,
                parent,
                is_repository,
                was_there,
            }),
            None => refuse(format!("`{shown}` is the root of the file system")),
        }
    }
}

fn refuse<T>(what: String) -> Result<T> {
    Err(Problem::refusal(what)
        .help("say `--into DIR` with a directory that is empty or not there yet")
        .into())
}

/// A project being written.
#[derive(Debug)]
pub struct Staging {
    directory: TempDir,
    destination: Destination,
}

impl Staging {
    /// Opens a hidden sibling of the destination.
    pub fn open(destination: Destination) -> Result<Staging> {
        let name = destination
            .path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        let mut builder = tempfile::Builder::new();
        let prefix = format!(".{name}.");
        builder.prefix(&prefix).suffix(".scaffold");
        // The directory becomes the project's, so it gets the mode of any new directory.
        permissions::set(&mut builder, permissions::RUNS);
        let directory = builder
            .tempdir_in(&destination.parent)
            // Its kind alone: the rest is a temporary path, which says nothing to anybody.
            .map_err(|error| cannot_write(&destination.parent, &error.kind().into()))?;
        Ok(Staging {
            directory,
            destination,
        })
    }

    /// Where the project is until it is in place.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes what a plan writes. A signal ends it between two files.
    pub fn write(&self, plan: &Plan) -> Result<()> {
        write_files(self.path(), &self.destination.path, plan.writes())
    }

    /// Puts the project in place.
    pub fn publish(&self) -> Result<()> {
        let destination = &self.destination.path;
        // Elsewhere a rename takes the place of an empty directory.
        if cfg!(windows) && self.destination.was_there {
            fs::remove_dir(destination).map_err(|error| cannot_write(destination, &error))?;
        }
        fs::rename(self.path(), destination).map_err(|error| cannot_write(destination, &error))
    }

    /// Takes the project out of its place again.
    pub fn withdraw(&self) -> Result<()> {
        let destination = &self.destination.path;
        fs::rename(destination, self.path()).map_err(|error| cannot_write(destination, &error))?;
        if self.destination.was_there {
            fs::create_dir(destination).map_err(|error| cannot_write(destination, &error))?;
        }
        Ok(())
    }
}

/// Writes a tree into an empty directory.
pub fn write(tree: &Tree, root: &Path) -> Result<()> {
    write_files(root, root, tree.iter())
}

/// Writes files below `root`, which errors call by the name that it will have.
fn write_files<'t>(
    root: &Path,
    called: &Path,
    files: impl Iterator<Item = (&'t str, &'t str)>,
) -> Result<()> {
    let mut directory = PathBuf::new();
    for (path, text) in files {
        interrupt::check()?;
        let file = root.join(path);
        let parent = file.parent().unwrap_or(root);
        // Files come sorted, so that most follow another one of their directory.
        let made = match parent == directory {
            true => Ok(()),
            false => fs::create_dir_all(parent),
        };
        made.and_then(|()| write_file(&file, text))
            .map_err(|error| cannot_write(&called.join(path), &error))?;
        parent.clone_into(&mut directory);
    }
    Ok(())
}

fn write_file(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    if tree::is_executable(text) {
        permissions::open_with(&mut options, permissions::RUNS);
    }
    options.open(path)?.write_all(text.as_bytes())
}

fn cannot_write(path: &Path, error: &io::Error) -> anyhow::Error {
    anyhow::anyhow!("`{}` can't be written: {error}", path.display())
}
