//! Reads a project that its owner lives in, as far as its files may be ours to change.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result};
use walkdir::WalkDir;

use crate::core::merge::Ours;

/// Bytes that a file may have that is merged: a larger one is none that was rendered.
const MAX_FILE_BYTES: u64 = 32 * 1024 * 1024;

/// What stands at these paths of the project at `root`.
pub fn read<'p>(root: &Path, paths: impl IntoIterator<Item = &'p str>) -> Result<Ours> {
    let paths: BTreeSet<&str> = paths.into_iter().collect();
    let mut ours = Ours::default();
    for path in &paths {
        match find(root, path)? {
            Found::Nothing => {}
            Found::Text(text) => ours.insert(*path, text),
            // Where nothing else is in it, it makes room for a file.
            Found::Directory if has_only(root, path, &paths)? => {}
            Found::Directory | Found::Other => ours.insert_other(*path),
        }
    }
    Ok(ours)
}

/// Whether a directory holds nothing but some of these files, and so is gone with them.
fn has_only(root: &Path, directory: &str, paths: &BTreeSet<&str>) -> Result<bool> {
    for entry in WalkDir::new(root.join(directory)) {
        let entry = entry?;
        let path = entry.path().strip_prefix(root)?;
        let path = path.to_string_lossy().replace('\\', "/");
        let is_ours = match entry.file_type().is_dir() {
            // An empty one is not.
            true => fs::read_dir(entry.path())?.next().is_some(),
            false => paths.contains(path.as_str()),
        };
        if !is_ours {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What is at a path.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing at all.
    Nothing,
    /// A file that is text.
    Text(String),
    /// A directory.
    Directory,
    /// A link, what is below a link, or what is no text.
    Other,
}

/// What is at a path below `root`.
pub fn find(root: &Path, path: &str) -> Result<Found> {
    let file = root.join(path);
    let unreadable = || format!("`{}` can't be read", file.display());
    // What is below a link is somewhere else, and below a file is nothing.
    let ends = path.match_indices('/').map(|(end, _)| &path[..end]);
    for above in ends {
        match fs::symlink_metadata(root.join(above)) {
            Ok(found) if found.is_dir() => {}
            Ok(found) if found.is_file() => return Ok(Found::Nothing),
            Ok(_) => return Ok(Found::Other),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(error).with_context(unreadable),
        }
    }
    match fs::symlink_metadata(&file) {
        Ok(found) if found.is_file() && found.len() <= MAX_FILE_BYTES => {
            let text = String::from_utf8(fs::read(&file).with_context(unreadable)?);
            Ok(text.map_or(Found::Other, Found::Text))
        }
        Ok(found) if found.is_dir() => Ok(Found::Directory),
        Ok(_) => Ok(Found::Other),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Found::Nothing),
        Err(error) => Err(error).with_context(unreadable),
    }
}
