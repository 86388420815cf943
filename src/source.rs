//! Where a preset's text comes from: embedded in the program, or a directory.

use std::borrow::Cow;
use std::path::Path;

use anyhow::{Context, Result, bail};
use include_dir::{Dir, include_dir};
use walkdir::WalkDir;

use crate::preset::{Files, MANIFEST, Preset};
use crate::refusal::{Refusal, list};

static TEMPLATES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/templates");

/// The preset that stands where nobody chose one.
pub const DEFAULT: &str = "axum";

/// Bytes that a preset in a directory may have; a wrong directory is found out before it is read.
const MAX_BYTES: u64 = 32 * 1024 * 1024;

/// The preset that users name: a built-in one, or a directory.
pub fn load(preset: &str) -> Result<Preset> {
    let files = match TEMPLATES.get_dir(preset) {
        Some(dir) => {
            embedded(dir).with_context(|| format!("the built-in preset `{preset}` is broken"))?
        }
        None => directory(Path::new(preset))?,
    };
    Preset::parse(files).with_context(|| format!("the preset `{preset}` can't be used"))
}

fn embedded(preset: &Dir<'static>) -> Result<Files> {
    let mut files = Files::new();
    let mut open = vec![preset.clone()];
    while let Some(dir) = open.pop() {
        open.extend(dir.dirs().cloned());
        for file in dir.files() {
            let path = file.path().strip_prefix(preset.path())?;
            let path = path.to_str().context("a path is not UTF-8")?;
            let text = file
                .contents_utf8()
                .with_context(|| format!("`{path}` is not text"))?;
            files.insert(Cow::Borrowed(path), Cow::Borrowed(text));
        }
    }
    Ok(files)
}

fn directory(root: &Path) -> Result<Files> {
    if !root.join(MANIFEST).is_file() {
        let built_in = TEMPLATES.dirs().map(|dir| dir.path().to_string_lossy());
        let what = format!(
            "there is no preset `{}`: it is neither built in nor a directory with a `{MANIFEST}`",
            root.display()
        );
        let help = format!("built in is {}", list(built_in));
        return Err(Refusal::new(what).help(help).into());
    }
    let mut files = Files::new();
    let mut bytes = 0;
    for entry in WalkDir::new(root).sort_by_file_name() {
        let entry = entry?;
        let path = entry.path();
        if entry.path_is_symlink() && entry.depth() > 0 {
            bail!(
                "the preset has a link: `{}`\nhelp: put the file itself there",
                path.display()
            );
        }
        if !entry.file_type().is_file() {
            continue;
        }
        bytes += entry.metadata()?.len();
        if bytes > MAX_BYTES {
            bail!(
                "the preset `{}` is larger than {MAX_BYTES} bytes",
                root.display()
            );
        }
        let text = String::from_utf8(fs_err::read(path)?)
            .with_context(|| format!("`{}` is not text", path.display()))?;
        files.insert(
            Cow::Owned(portable(path.strip_prefix(root)?)?),
            Cow::Owned(text),
        );
    }
    Ok(files)
}

/// The path with `/` between its parts, on every system.
fn portable(path: &Path) -> Result<String> {
    let parts: Option<Vec<&str>> = path.iter().map(|part| part.to_str()).collect();
    let parts = parts.with_context(|| format!("the path `{}` is not UTF-8", path.display()))?;
    Ok(parts.join("/"))
}
