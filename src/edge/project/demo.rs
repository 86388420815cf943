//! The directory that `scaffold preset dev` renders into: it gets what changes, and keeps what anybody else wrote there.

use std::collections::BTreeSet;
use std::fs::{self, DirEntry};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::core::merge::merge;
use crate::core::plan::Change;
use crate::core::problem::Problem;
use crate::core::tree::{MEMORY, Tree};
use crate::edge::presets::named;
use crate::edge::project::read::read;
use crate::edge::project::transaction::{self, Edit};

/// The file that holds what was rendered last, as a tree prints.
const WRITTEN: &str = ".scaffold/dev.txt";

/// A directory, and what was rendered into it last.
#[derive(Debug)]
pub struct Demo {
    root: PathBuf,
    written: Tree,
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

impl Demo {
    /// The directory at `root`, if it may be rendered into: it is empty, not there yet, or was. Writes nothing but what
    /// puts a run right that was cut off.
    pub fn open(root: &Path) -> Result<Demo> {
        let shown = named(root);
        let unreadable = || format!("`{shown}` can't be read");
        let refuse = |what: String| {
            let help = "say `--out DIR` with a directory that is empty, not there yet, or was made by `preset dev`";
            Err(Problem::refusal(what).help(help).into())
        };
        let mut written = Tree::default();
        let root = match fs::read_dir(root) {
            Ok(entries) => {
                transaction::recover(root)?;
                let path = root.join(WRITTEN);
                let is_memory = |entry: io::Result<DirEntry>| {
                    entry.is_ok_and(|entry| entry.file_name() == MEMORY)
                };
                match fs::read_to_string(&path) {
                    Ok(text) => {
                        let tree = text.parse();
                        written =
                            tree.with_context(|| format!("`{}` is not valid", path.display()))?;
                    }
                    // One that was cut off at its very start has nothing else.
                    Err(_) if entries.into_iter().all(is_memory) => {}
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
        Ok(Demo {
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
        if !self.root.is_dir() {
            fs::create_dir(&self.root)
                .with_context(|| format!("`{}` can't be made", self.root.display()))?;
        }
        let paths = self.written.iter().chain(tree.iter()).map(|(path, _)| path);
        let ours = read(&self.root, paths.chain([WRITTEN]))?;
        // Here what is missing was deleted by nobody who wants it to stay away.
        let mut base = Tree::default();
        for (path, text) in self.written.iter().filter(|(path, _)| ours.has(path)) {
            base.insert(path, text.to_owned())?;
        }
        let plan = merge(&base, &ours, tree);
        let written = tree.to_string();
        let mut edits = transaction::edits(&plan, &ours);
        let was = ours.get(WRITTEN);
        if was != Some(&written) {
            edits.push(Edit {
                path: WRITTEN,
                was,
                text: Some(&written),
            });
        }
        if !edits.is_empty() {
            transaction::apply(&self.root, &edits)?;
        }

        let mut steps = Vec::new();
        for (path, change) in plan.changes() {
            let old = || ours.get(path).unwrap_or_default().to_owned();
            let step = match change {
                Change::Create(text) => Step::Create {
                    lines: text.lines().count(),
                },
                Change::Update(text) => Step::Update {
                    old: old(),
                    new: text.to_string(),
                },
                Change::Delete => Step::Delete,
                Change::Conflict(_) if self.told.insert((*path).to_owned()) => Step::Keep,
                Change::Conflict(_) | Change::Keep | Change::StayAway => continue,
            };
            steps.push(((*path).to_owned(), step));
        }
        let is_in_the_way = |path: &String| plan.conflicts().any(|(other, _)| other == path);
        self.told.retain(is_in_the_way);
        self.written = tree.clone();
        Ok(steps)
    }
}
