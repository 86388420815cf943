//! What would change on disk, file by file, and how that prints.

use std::borrow::Cow;
use std::fmt;

/// What happens to one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<'t> {
    /// It is new.
    Create(&'t str),
    /// It gets another text: theirs where its owner did not touch it, and both sides' changes where they go together.
    Update(Cow<'t, str>),
    /// It goes, and nobody but `scaffold` has touched it.
    Delete,
    /// It stays as it is.
    Keep,
    /// Its owner deleted it, and it stays away.
    StayAway,
    /// Both sides changed it: it stays as it is, and its owner decides.
    Conflict(Conflict<'t>),
}

/// A file that both sides changed, each in its own way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict<'t> {
    /// What was rendered last; none if it is new on both sides.
    pub base: Option<&'t str>,
    /// The owner's file; none if it is no text.
    pub ours: Option<&'t str>,
    /// What is rendered now; none if it is not any more.
    pub theirs: Option<&'t str>,
    /// The file piece by piece, where there are texts of both sides.
    pub pieces: Vec<Piece>,
}

/// A piece of a file that both sides changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Lines that go together.
    Clean(String),
    /// Lines that don't.
    Both {
        /// What was rendered last.
        base: String,
        /// What its owner made of it.
        ours: String,
        /// What is rendered now.
        theirs: String,
    },
}

impl Conflict<'_> {
    /// The file with marks around what both sides changed, as git writes them.
    pub fn marked(&self) -> String {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Clean(lines) => text.push_str(lines),
                Piece::Both { base, ours, theirs } => {
                    let sides = [
                        ("<<<<<<< yours", ours),
                        ("||||||| rendered before", base),
                        ("=======", theirs),
                    ];
                    for (mark, lines) in sides {
                        push_line(&mut text, mark);
                        push_line(&mut text, lines);
                    }
                    push_line(&mut text, ">>>>>>> rendered now");
                }
            }
        }
        text
    }
}

/// Adds lines, the last of which ends with a line feed from now on.
fn push_line(text: &mut String, lines: &str) {
    text.push_str(lines);
    if !lines.is_empty() && !lines.ends_with('\n') {
        text.push('\n');
    }
}

impl Change<'_> {
    /// The verb that stands for it, in print and in JSON.
    pub fn verb(&self) -> &'static str {
        match self {
            Change::Create(_) => "create",
            Change::Update(_) => "update",
            Change::Delete => "delete",
            Change::Keep => "keep",
            Change::StayAway => "stay away",
            Change::Conflict(_) => "conflict",
        }
    }
}

/// The changes by path, sorted.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Plan<'t> {
    pub(crate) changes: Vec<(&'t str, Change<'t>)>,
    /// What else there is to know of it.
    pub notes: Vec<String>,
}

impl<'t> Plan<'t> {
    /// Every path with what happens to it.
    pub fn changes(&self) -> impl Iterator<Item = &(&'t str, Change<'t>)> {
        self.changes.iter()
    }

    /// The files to write, with their texts.
    pub fn writes(&self) -> impl Iterator<Item = (&'t str, &str)> {
        self.changes().filter_map(|(path, change)| match change {
            Change::Create(text) => Some((*path, *text)),
            Change::Update(text) => Some((*path, &**text)),
            _ => None,
        })
    }

    /// The files to delete.
    pub fn deletes(&self) -> impl Iterator<Item = &'t str> {
        self.changes()
            .filter(|(_, change)| matches!(change, Change::Delete))
            .map(|(path, _)| *path)
    }

    /// The files that both sides changed.
    pub fn conflicts(&self) -> impl Iterator<Item = (&'t str, &Conflict<'t>)> {
        self.changes().filter_map(|(path, change)| match change {
            Change::Conflict(conflict) => Some((*path, conflict)),
            _ => None,
        })
    }
}

impl fmt::Display for Plan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.changes().map(|(_, change)| change.verb().len());
        let width = width.max().unwrap_or_default().max("conflict".len());
        for (path, change) in self.changes() {
            writeln!(f, "{:width$} {path}", change.verb())?;
        }
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        Ok(())
    }
}
