//! The presets inside of the program.

use std::borrow::Cow;

use anyhow::{Context, Result};
use include_dir::{Dir, include_dir};

use crate::core::preset::Files;
use crate::edge::presets::limits::belongs_to_the_repository;

static TEMPLATES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/templates");

/// The preset that stands where nobody chose one.
pub const DEFAULT: &str = "axum";

/// The names of the built-in presets.
pub fn built_in() -> impl Iterator<Item = &'static str> {
    TEMPLATES.dirs().filter_map(|dir| dir.path().to_str())
}

/// The directory of a built-in preset.
pub fn find(preset: &str) -> Option<Dir<'static>> {
    TEMPLATES.get_dir(preset).cloned()
}

/// The files of a built-in preset.
pub fn read(preset: &Dir<'static>) -> Result<Files> {
    let mut files = Files::new();
    let mut open = vec![preset.clone()];
    while let Some(dir) = open.pop() {
        open.extend(dir.dirs().cloned());
        for file in dir.files() {
            let path = file.path().strip_prefix(preset.path())?;
            let path = path.to_str().context("a path is not UTF-8")?;
            if belongs_to_the_repository(path) {
                continue;
            }
            let text = file
                .contents_utf8()
                .with_context(|| format!("`{path}` is not text"))?;
            files.insert(Cow::Borrowed(path), Cow::Borrowed(text));
        }
    }
    Ok(files)
}
