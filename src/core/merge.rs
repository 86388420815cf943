//! Base, ours and theirs to a plan, file by file. It cannot fail: what it can't decide is a conflict in the plan.

use std::collections::BTreeSet;

use crate::core::plan::{Change, Plan};
use crate::core::tree::Tree;

/// What it takes to bring `ours` from `base` to `theirs` without losing what its owner did.
///
/// `new` starts from two empty trees, so that everything in `theirs` is created.
pub fn merge<'t>(base: &'t Tree, ours: &'t Tree, theirs: &'t Tree) -> Plan<'t> {
    let paths: BTreeSet<&str> = [base, ours, theirs]
        .into_iter()
        .flat_map(|tree| tree.iter().map(|(path, _)| path))
        .collect();
    let changes = paths
        .into_iter()
        .filter_map(|path| {
            let change = change(base.get(path), ours.get(path), theirs.get(path))?;
            Some((path, change))
        })
        .collect();
    Plan { changes }
}

/// `None` where the file is in the base only, and so is gone already on both sides.
fn change<'t>(
    base: Option<&str>,
    ours: Option<&str>,
    theirs: Option<&'t str>,
) -> Option<Change<'t>> {
    match (ours, theirs) {
        (None, None) => None,
        (Some(ours), Some(theirs)) if ours == theirs => Some(Change::Keep),
        // Theirs did not move: whatever ours is, it is its owner's doing.
        _ if base == theirs => ours.map(|_| Change::Keep),
        (ours, theirs) if ours == base => Some(match (ours, theirs) {
            (None, Some(theirs)) => Change::Create(theirs),
            (Some(_), Some(theirs)) => Change::Update(theirs),
            (_, None) => Change::Delete,
        }),
        _ => Some(Change::Conflict),
    }
}
