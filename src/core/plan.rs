//! What would change on disk, file by file, and how that prints.

use std::fmt;

/// What happens to one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<'t> {
    /// It is new.
    Create(&'t str),
    /// It gets another text, which nobody but `scaffold` has touched so far.
    Update(&'t str),
    /// It goes, and nobody but `scaffold` has touched it.
    Delete,
    /// It stays as it is.
    Keep,
    /// Both sides changed it: it stays as it is, and its owner decides.
    Conflict,
}

impl Change<'_> {
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

/// The changes by path, sorted. The texts are those of the trees that were merged.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Plan<'t> {
    pub(crate) changes: Vec<(&'t str, Change<'t>)>,
}

impl<'t> Plan<'t> {
    /// Every path with what happens to it.
    pub fn changes(&self) -> impl Iterator<Item = &(&'t str, Change<'t>)> {
        self.changes.iter()
    }

    /// The files to write, with their texts.
    pub fn writes(&self) -> impl Iterator<Item = (&'t str, &'t str)> {
        self.changes
            .iter()
            .filter_map(|(path, change)| match change {
                Change::Create(text) | Change::Update(text) => Some((*path, *text)),
                Change::Delete | Change::Keep | Change::Conflict => None,
            })
    }
}

impl fmt::Display for Plan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (path, change) in self.changes() {
            writeln!(f, "{:8} {path}", change.verb())?;
        }
        Ok(())
    }
}
