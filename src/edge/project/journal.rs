//! What a transaction is about to do, written down before the first file changes: a line for each directory and for each
//! file, below the project that it is of.
//!
//! ```text
//! project /home/ann/shop
//! make src/cache
//! create 0 DIGEST src/cache/mod.rs
//! write 1 DIGEST README.md
//! delete 2 - src/gone.rs
//! ```

use std::path::Path;

use crate::core::tree;

/// What happens to one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The name of its texts in the directory of the transaction.
    pub number: usize,
    /// Its path in the project.
    pub path: String,
    /// Whether there is a file before.
    pub was_there: bool,
    /// The digest of its new text; none if it goes.
    pub new: Option<String>,
}

/// What happens to a project.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Journal {
    /// The directories that are made, the outermost first.
    pub made: Vec<String>,
    /// The files that change.
    pub steps: Vec<Step>,
}

impl Journal {
    /// Its text, for the project at `root`.
    pub fn print(&self, root: &Path) -> String {
        let mut text = of_project(root);
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

    /// Reads the text of the project at `root`, or tells why it can't be used. One that came with a repository could name
    /// any file, so it has to be of this place, and its paths have to lie in it.
    pub fn parse(text: &str, root: &Path) -> Result<Journal, String> {
        let lines = text
            .strip_prefix(&of_project(root))
            .ok_or("it is of another project, or of another place")?;
        let mut journal = Journal::default();
        for line in lines.lines() {
            let broken = || format!("its line `{line}` is broken");
            let words: Vec<&str> = line.splitn(4, ' ').collect();
            let path = match words.as_slice() {
                ["make", ..] => {
                    let path = &line["make ".len().min(line.len())..];
                    journal.made.push(path.to_owned());
                    path
                }
                [verb @ ("write" | "create" | "delete"), number, digest, path] => {
                    journal.steps.push(Step {
                        number: number.parse().map_err(|_| broken())?,
                        path: (*path).to_owned(),
                        was_there: *verb != "create",
                        new: (*verb != "delete").then(|| (*digest).to_owned()),
                    });
                    path
                }
                _ => return Err(broken()),
            };
            if tree::unsafe_path(path).is_some() {
                return Err(broken());
            }
        }
        Ok(journal)
    }
}

/// The first line, which is of one project in one place.
fn of_project(root: &Path) -> String {
    let root = dunce::canonicalize(root).unwrap_or_else(|_| root.to_owned());
    let root = root.display().to_string();
    format!("project {}\n", root.replace('\n', " "))
}
