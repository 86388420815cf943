//! A directory that follows a rendering: it gets what changed, and keeps what anybody else wrote there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::core::refusal::Refusal;
use crate::core::tree::{self, Tree};
use crate::edge::presets::named;
use crate::edge::project::permissions;

/// The file that holds what was written, as a tree prints.
const WRITTEN: &str = ".scaffold/dev.txt";

/// A directory, and what was written into it.
#[derive(Debug)]
pub struct Mirror {
    root: PathBuf,
    written: BTreeMap<String, String>,
    /// Files that are somebody else's and in the way, which was told already.
    told: BTreeSet<String>,
}

/// What became of a file.
#[derive(Debug)]
pub enum Step {
    /// It is new.
    Create {
        /// How many lines it has.
        lines: usize,
    },
    /// It got another text.
    Update {
        /// What it was.
        old: String,
        /// What it is now.
        new: String,
    },
    /// It is gone.
    Delete,
    /// It would have changed, but somebody else wrote it.
    Keep,
}

/// What is at a path.
enum Found {
    Nothing,
    Text(String),
    /// A directory, a link, or what is no text.
    Other,
}

impl Mirror {
    /// The directory at `root`, if it may become a mirror: it is empty, not there yet, or has been one. Touches nothing.
    pub fn open(root: &Path) -> Result<Mirror> {
        let shown = named(root);
        let unreadable = || format!("`{shown}` can't be read");
        let refuse = |what: String| {
            let help = "say `--out DIR` with a directory that is empty, not there yet, or was made by `preset dev`";
            Err(Refusal::new(what).help(help).into())
        };
        let mut written = BTreeMap::new();
        let root = match fs::read_dir(root) {
            Ok(mut entries) => {
                match fs::read_to_string(root.join(WRITTEN)) {
                    Ok(text) => {
                        let tree: Tree = text.parse().with_context(|| {
                            format!("`{}` is not valid", root.join(WRITTEN).display())
                        })?;
                        let files = tree.iter();
                        written = files
                            .map(|(path, text)| (path.into(), text.into()))
                            .collect();
                    }
                    Err(_) if entries.next().is_none() => {}
                    Err(_) => {
                        return refuse(format!("`{shown}` is there already, and is not empty"));
                    }
                }
                dunce::canonicalize(root).with_context(unreadable)?
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let parent = match root.parent() {
                    Some(parent) if !parent.as_os_str().is_empty() => parent,
                    _ => Path::new("."),
                };
                let (Ok(parent), Some(name)) = (dunce::canonicalize(parent), root.file_name())
                else {
                    return refuse(format!("there is no directory for `{shown}` to go into"));
                };
                parent.join(name)
            }
            Err(error) if error.kind() == ErrorKind::NotADirectory => {
                return refuse(format!("`{shown}` is there already, and is a file"));
            }
            Err(error) => return Err(error).with_context(unreadable),
        };
        Ok(Mirror {
            root,
            written,
            told: BTreeSet::new(),
        })
    }

    /// Where it is, free of links and of `..`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes the directory like `tree`, as far as it is ours, and tells what that took.
    pub fn follow(&mut self, tree: &Tree) -> Result<Vec<(String, Step)>> {
        if !self.root.join(WRITTEN).exists() {
            // First, so that after a crash it is known for what it is.
            self.note()?;
        }
        let mut steps = Vec::new();
        let gone = self.written.keys().filter(|path| tree.get(path).is_none());
        for path in gone.cloned().collect::<Vec<_>>() {
            match (self.find(&path)?, self.written.remove(&path)) {
                (Found::Text(text), Some(written)) if text == written => {
                    self.remove(&path)?;
                    steps.push((path, Step::Delete));
                }
                (Found::Nothing, _) => {}
                _ => steps.push((path, Step::Keep)),
            }
        }
        self.told.retain(|path| tree.get(path).is_some());
        for (path, new) in tree.iter() {
            let step = match (self.find(path)?, self.written.get(path)) {
                (Found::Text(text), _) if text == new => None,
                (Found::Nothing, _) => Some(Step::Create {
                    lines: new.lines().count(),
                }),
                (Found::Text(old), Some(written)) if old == *written => Some(Step::Update {
                    old,
                    new: new.into(),
                }),
                _ => Some(Step::Keep),
            };
            let is_kept = matches!(step, Some(Step::Keep));
            if !is_kept {
                if step.is_some() {
                    self.write(path, new)?;
                }
                self.told.remove(path);
                self.written.insert(path.into(), new.into());
            }
            if let Some(step) = step
                && (!is_kept || self.told.insert(path.into()))
            {
                steps.push((path.into(), step));
            }
        }
        self.note()?;
        Ok(steps)
    }

    /// Keeps in mind what was written, for the next `open`. It comes after the files: one that is as it should be is ours
    /// again, whatever was noted of it.
    fn note(&self) -> Result<()> {
        let mut tree = Tree::default();
        for (path, text) in &self.written {
            tree.insert(path, text.clone())?;
        }
        self.write(WRITTEN, &tree.to_string())
    }

    fn find(&self, path: &str) -> Result<Found> {
        let file = self.root.join(path);
        let unreadable = || format!("`{}` can't be read", file.display());
        // What is below a link is somewhere else.
        let ends = path.match_indices('/').map(|(end, _)| &path[..end]);
        for above in ends {
            match fs::symlink_metadata(self.root.join(above)) {
                Ok(found) if found.is_dir() => {}
                Ok(_) => return Ok(Found::Other),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
                Err(error) => return Err(error).with_context(unreadable),
            }
        }
        match fs::symlink_metadata(&file) {
            Ok(found) if found.is_file() => {
                let text = String::from_utf8(fs::read(&file).with_context(unreadable)?);
                Ok(text.map_or(Found::Other, Found::Text))
            }
            Ok(_) => Ok(Found::Other),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Found::Nothing),
            Err(error) => Err(error).with_context(unreadable),
        }
    }

    /// Puts a file in place as a whole, so that whoever reads it meanwhile, such as cargo, never finds a half of it.
    fn write(&self, path: &str, text: &str) -> Result<()> {
        let file = self.root.join(path);
        let write = || {
            let parent = file.parent().unwrap_or(&self.root);
            fs::create_dir_all(parent)?;
            let mut builder = tempfile::Builder::new();
            builder.prefix(".dev.");
            let mode = match tree::is_executable(text) {
                true => permissions::RUNS,
                false => permissions::USUAL,
            };
            permissions::set(&mut builder, mode);
            let mut temporary = builder.tempfile_in(parent)?;
            temporary.write_all(text.as_bytes())?;
            temporary.persist(&file)?;
            Ok(())
        };
        write().map_err(|error: std::io::Error| {
            anyhow::anyhow!("`{}` can't be written: {error}", file.display())
        })
    }

    /// Removes a file, and the directories that are empty without it.
    fn remove(&self, path: &str) -> Result<()> {
        let file = self.root.join(path);
        fs::remove_file(&file).with_context(|| format!("`{}` can't be removed", file.display()))?;
        for above in file
            .ancestors()
            .skip(1)
            .take_while(|above| *above != self.root)
        {
            if fs::remove_dir(above).is_err() {
                break;
            }
        }
        Ok(())
    }
}
