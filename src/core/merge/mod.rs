//! Base, ours and theirs to a plan. It cannot fail: what it can't decide is a conflict in the plan.
//!
//! A file that only one side changed follows that side. Where both did, it is merged line by line, `Cargo.toml` key by
//! key; a file that its owner deleted stays away.

mod keys;
mod lines;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::core::merge::lines::Merged;
use crate::core::plan::{Change, Conflict, Plan};
use crate::core::tree::Tree;

/// A project as its owner has it, as far as its files may be ours to change.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Ours {
    files: BTreeMap<String, Option<String>>,
}

impl Ours {
    /// Adds a file with its text.
    pub fn insert(&mut self, path: impl Into<String>, text: impl Into<String>) {
        self.files.insert(path.into(), Some(text.into()));
    }

    /// Adds what is no text: a directory, a link, bytes.
    pub fn insert_other(&mut self, path: impl Into<String>) {
        self.files.insert(path.into(), None);
    }

    /// Whether anything is at a path.
    pub fn has(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    /// The text at a path, if there is one.
    pub fn get(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.as_deref()
    }
}

impl From<&Tree> for Ours {
    fn from(tree: &Tree) -> Self {
        let files = tree.iter();
        let files = files.map(|(path, text)| (path.to_owned(), Some(text.to_owned())));
        Ours {
            files: files.collect(),
        }
    }
}

/// What stands at a path of the owner's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing<'t> {
    Nothing,
    Text(&'t str),
    Other,
}

/// What it takes to bring `ours` from `base` to `theirs` without losing what its owner did.
///
/// `new` starts from nothing, so that everything in `theirs` is created.
pub fn merge<'t>(base: &'t Tree, ours: &'t Ours, theirs: &'t Tree) -> Plan<'t> {
    let paths = [base, theirs].into_iter().flat_map(Tree::iter);
    let paths: BTreeSet<&str> = paths.map(|(path, _)| path).collect();
    let changes = paths.into_iter().filter_map(|path| {
        let standing = match ours.files.get(path) {
            None => Standing::Nothing,
            Some(None) => Standing::Other,
            Some(Some(text)) => Standing::Text(text),
        };
        let change = change(path, base.get(path), standing, theirs.get(path))?;
        Some((path, change))
    });
    Plan {
        changes: changes.collect(),
        notes: Vec::new(),
    }
}

/// `None` where the file is gone already on both sides.
fn change<'t>(
    path: &str,
    base: Option<&'t str>,
    ours: Standing<'t>,
    theirs: Option<&'t str>,
) -> Option<Change<'t>> {
    let conflict = |ours, pieces| {
        Some(Change::Conflict(Conflict {
            base,
            ours,
            theirs,
            pieces,
        }))
    };
    match (base, ours, theirs) {
        (_, Standing::Nothing, None) => None,
        (None, Standing::Nothing, Some(theirs)) => Some(Change::Create(theirs)),
        (base, Standing::Nothing, theirs) => (base != theirs).then_some(Change::StayAway),
        (_, Standing::Text(ours), Some(theirs)) if ours == theirs => Some(Change::Keep),
        // Theirs did not move: whatever ours is, it is its owner's doing.
        (base, _, theirs) if base == theirs => Some(Change::Keep),
        (Some(base), Standing::Text(ours), None) if base == ours => Some(Change::Delete),
        (Some(base), Standing::Text(ours), Some(theirs)) if base == ours => {
            Some(Change::Update(Cow::Borrowed(theirs)))
        }
        (Some(base), Standing::Text(ours), Some(theirs)) => {
            match merged(path, base, ours, theirs) {
                Merged::Clean(text) if text == ours => Some(Change::Keep),
                Merged::Clean(text) => Some(Change::Update(Cow::Owned(text))),
                Merged::Conflict(pieces) => conflict(Some(ours), pieces),
            }
        }
        (None, Standing::Text(ours), Some(theirs)) => {
            conflict(Some(ours), vec![lines::whole("", ours, theirs)])
        }
        (_, Standing::Text(ours), None) => conflict(Some(ours), Vec::new()),
        (_, Standing::Other, _) => conflict(None, Vec::new()),
    }
}

/// A text that both sides changed. Line ends are the owner's.
fn merged(path: &str, base: &str, ours: &str, theirs: &str) -> Merged {
    let Some(unix) = lines::without_returns(ours) else {
        return lines::merge_checked(path, base, ours, theirs);
    };
    match lines::merge_checked(path, base, &unix, theirs) {
        Merged::Clean(text) => Merged::Clean(text.replace('\n', "\r\n")),
        conflict => conflict,
    }
}
