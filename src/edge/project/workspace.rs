//! Someone else's cargo workspace around a new project.
//!
//! A generated project is a workspace of its own, so cargo builds it wherever it lies. But where the workspace around it
//! takes all directories of some pattern for members, cargo refuses to build *that* one, with two roots in it. So the
//! project goes on the list of what the surrounding workspace leaves alone.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::NamedTempFile;

use crate::core::problem::Problem;
use crate::core::workspace::{self, Membership};

/// The change that a surrounding workspace needs.
#[derive(Debug)]
pub struct Exclusion {
    /// Its manifest.
    pub manifest: PathBuf,
    text: String,
}

/// A change that is written, beside the manifest, and not in place yet.
#[derive(Debug)]
pub struct Staged {
    manifest: PathBuf,
    file: NamedTempFile,
}

/// Looks for a workspace around `project` that would take it for a member.
pub fn surrounding(project: &Path) -> Result<Option<Exclusion>> {
    for root in project.ancestors().skip(1) {
        let manifest = root.join("Cargo.toml");
        let Ok(text) = fs::read_to_string(&manifest) else {
            continue;
        };
        let Some(path) = relative(root, project) else {
            continue;
        };
        match workspace::membership(&text, &path) {
            Membership::None => continue,
            Membership::Named => return Err(is_named(&manifest, &path).into()),
            Membership::Matched(text) => return Ok(Some(Exclusion { manifest, text })),
        }
    }
    Ok(None)
}

impl Exclusion {
    /// Writes the change beside the manifest.
    pub fn stage(&self) -> Result<Staged> {
        self.write()
            .with_context(|| format!("`{}` can't be changed", self.manifest.display()))
    }

    fn write(&self) -> io::Result<Staged> {
        // Where the manifest is a link, what it points to changes.
        let manifest = dunce::canonicalize(&self.manifest)?;
        let mut file = NamedTempFile::new_in(manifest.parent().unwrap_or(Path::new("/")))?;
        file.write_all(self.text.as_bytes())?;
        fs::set_permissions(file.path(), fs::metadata(&manifest)?.permissions())?;
        Ok(Staged { manifest, file })
    }
}

impl Staged {
    /// Puts the change in place.
    pub fn apply(self) -> Result<()> {
        let persisted = self.file.persist(&self.manifest);
        persisted
            .map_err(|failed| failed.error)
            .with_context(|| format!("`{}` can't be changed", self.manifest.display()))?;
        Ok(())
    }
}

fn is_named(manifest: &Path, path: &str) -> Problem {
    let manifest = manifest.display();
    Problem::refusal(format!(
        "`{manifest}` names `{path}` as a member of its workspace"
    ))
    .help("a project is a workspace of its own: take it off `members`, or say `--into DIR`")
}

/// The path of the project inside the workspace, as manifests write it.
fn relative(root: &Path, project: &Path) -> Option<String> {
    let parts: Option<Vec<&str>> = project
        .strip_prefix(root)
        .ok()?
        .iter()
        .map(|part| part.to_str())
        .collect();
    Some(parts?.join("/"))
}
