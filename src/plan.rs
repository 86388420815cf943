//! What would change on disk, file by file, and how that prints.

use std::fmt;

/// What happens to one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Create(String),
    /// It gets another text, which nobody but `scaffold` has touched so far.
    Update(String),
    /// It goes, and nobody but `scaffold` has touched it.
    Delete,
    /// It stays as it is.
    Keep,
    /// Both sides changed it: it stays as it is, and its owner decides.
    Conflict,
}

impl Change {
    /// The verb that stands for it, in print and in JSON.
    pub fn verb(&self) -> &'static str {
        match self {
            Change::Create(_) => "create",
            Change::Update(_) => "update",
            Change::Delete => "delete",
            Change::Keep => "keep",
            Change::Conflict => "conflict",
        }
    }
}

/// The changes by path, sorted.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Plan {
    pub(crate) changes: Vec<(String, Change)>,
}

impl Plan {
    /// Every path with what happens to it.
    pub fn changes(&self) -> impl Iterator<Item = (&str, &Change)> {
        self.changes.iter().map(|(path, change)| (path.as_str(), change))
    }

    /// The files to write, with their texts.
    pub fn writes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.changes().filter_map(|(path, change)| match change {
            Change::Create(text) | Change::Update(text) => Some((path, text.as_str())),
            Change::Delete | Change::Keep | Change::Conflict => None,
        })
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (path, change) in self.changes() {
            writeln!(f, "{:8} {path}", change.verb())?;
        }
        Ok(())
    }
}
