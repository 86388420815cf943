//! Presets in a directory.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use walkdir::{DirEntry, WalkDir};

use crate::core::preset::{Files, MANIFEST};
use crate::core::problem::{Problem, Refuse, list, or_refuse};
use crate::edge::presets::embedded::built_in;
use crate::edge::presets::limits::{Incoming, belongs_to_the_repository, refuse_link};
use crate::edge::presets::named;

/// All that is in a preset's directory and is the preset's.
pub fn walk(root: &Path) -> impl Iterator<Item = walkdir::Result<DirEntry>> + use<> {
    let is_the_presets = |entry: &DirEntry| {
        let path = format!("{}/", entry.file_name().to_string_lossy());
        let is_in_the_root = entry.depth() == 1 && entry.file_type().is_dir();
        !(is_in_the_root && belongs_to_the_repository(&path))
    };
    WalkDir::new(root).into_iter().filter_entry(is_the_presets)
}

/// The files of the preset in a directory.
pub fn read(preset: &str, refuse: &mut Refuse) -> Result<Files> {
    let root = Path::new(preset);
    if !root.join(MANIFEST).is_file() {
        let what = format!(
            "there is no preset `{}`: it is neither built in nor a directory with a `{MANIFEST}`",
            named(root)
        );
        let help = format!("built in is {}", list(built_in()));
        return Err(Problem::refusal(what).help(help).into());
    }
    let mut incoming = Incoming::new(preset);
    let mut paths = Vec::new();
    for entry in walk(root) {
        let entry = entry?;
        let shown = entry.path().strip_prefix(root)?;
        let Some(path) = or_refuse(&shown.to_string_lossy(), portable(shown), refuse)? else {
            incoming.announce("", 0)?;
            continue;
        };
        if entry.depth() == 0 {
            // The preset itself, which may be behind a link.
            continue;
        }
        let found = entry.file_type();
        // A directory counts as well: there may be no end of them, either.
        let bytes = match found.is_file() {
            true => entry.metadata()?.len(),
            false => 0,
        };
        let refused = if found.is_symlink() {
            Some(refuse_link(&entry.path().to_string_lossy()))
        } else if let Err(error) = incoming.check(&path, bytes) {
            Some(error)
        } else if !(found.is_file() || found.is_dir()) {
            // To open a pipe is to wait for whoever writes to it.
            let what = "is neither a file nor a directory";
            Some(anyhow!("`{path}` of the preset `{preset}` {what}"))
        } else {
            None
        };
        if let Some(error) = refused {
            refuse(&path, error)?;
            // There may be no end of what is refused, either.
            incoming.announce("", 0)?;
            continue;
        }
        incoming.announce(&path, bytes)?;
        if found.is_file() {
            paths.push((path, bytes));
        }
    }
    paths.sort_unstable();
    for (path, announced) in paths {
        let mut bytes = Vec::new();
        let file = fs_err::File::open(root.join(&path))?;
        // Some grow, and what the system itself makes up is longer than it says.
        file.take(announced + 1).read_to_end(&mut bytes)?;
        ensure!(
            bytes.len() as u64 <= announced,
            "`{path}` of the preset `{preset}` grows while it is read"
        );
        let taken = incoming.take(path.clone(), bytes);
        or_refuse(&path, taken, refuse)?;
    }
    Ok(incoming.into_files())
}

/// The path with `/` between its parts, on every system.
fn portable(path: &Path) -> Result<String> {
    let parts: Option<Vec<&str>> = path.iter().map(|part| part.to_str()).collect();
    let parts = parts.with_context(|| format!("the path `{}` is not UTF-8", path.display()))?;
    Ok(parts.join("/"))
}
