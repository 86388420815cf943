//! Renderings formatted as a project is: an owner who has other tastes than the preset changes each line of it, and is in
//! conflict with none.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use tempfile::TempDir;

use crate::core::tree::Tree;
use crate::edge::process::{Failure, Process};

/// The files that rustfmt reads its configuration from, the first that is there.
const CONFIGURATIONS: [&str; 2] = [".rustfmt.toml", "rustfmt.toml"];
/// The edition of a package that names none.
const FIRST_EDITION: &str = "2015";

/// The renderings as they are, or as the project formats them.
#[derive(Debug)]
pub struct Formatted {
    /// What was rendered last.
    pub base: Tree,
    /// What is rendered now.
    pub theirs: Tree,
    /// Why they are not as the project formats them, if they should be and can't.
    pub note: Option<String>,
}

/// Formats what was rendered last and what is rendered now as the project at `root` does it, where that has another
/// configuration of rustfmt than it was rendered with. No file of the project is touched.
pub fn like_the_project(root: &Path, base: Tree, theirs: Tree) -> Result<Formatted> {
    let own = configuration(|path| fs::read_to_string(root.join(path)).ok());
    let rendered = configuration(|path| base.get(path).map(str::to_owned));
    let as_they_are = |base, theirs, note| Formatted { base, theirs, note };
    let Some((name, text)) = own else {
        return Ok(as_they_are(base, theirs, None));
    };
    if rendered.is_some_and(|(_, rendered)| rendered == text) {
        return Ok(as_they_are(base, theirs, None));
    }
    let formatted = [&base, &theirs].map(|tree| format(tree, name, &text));
    let [new_base, new_theirs] = formatted;
    match (new_base?, new_theirs?) {
        (Ok(base), Ok(theirs)) => Ok(as_they_are(base, theirs, None)),
        (Err(reason), _) | (_, Err(reason)) => {
            let note = format!(
                "the project's `{name}` can't be followed, so lines that only look different may be in conflict: {reason}"
            );
            Ok(as_they_are(base, theirs, Some(note)))
        }
    }
}

fn configuration(read: impl Fn(&str) -> Option<String>) -> Option<(&'static str, String)> {
    let mut names = CONFIGURATIONS.into_iter();
    names.find_map(|name| Some((name, read(name)?)))
}

/// A tree with all of its Rust formatted. The inner error is a reason to go without.
fn format(tree: &Tree, name: &str, configuration: &str) -> Result<Result<Tree, String>> {
    let directory = TempDir::new()?;
    fs_err::write(directory.path().join(name), configuration)?;
    let is_rust = |path: &str| path.ends_with(".rs");
    let mut rustfmt = Command::new("rustfmt");
    rustfmt.args(["--edition", &edition(tree)]);
    for (path, text) in tree.iter().filter(|(path, _)| is_rust(path)) {
        let file = directory.path().join(path);
        fs_err::create_dir_all(file.parent().unwrap_or(directory.path()))?;
        fs_err::write(&file, text)?;
        rustfmt.arg(file);
    }
    match Process::new(rustfmt).run() {
        Ok(ended) if ended.status.success() => {}
        Ok(ended) => {
            let said = String::from_utf8_lossy(&ended.stderr);
            let said = said.lines().next().unwrap_or("it does not say why");
            return Ok(Err(format!("`rustfmt` failed: {said}")));
        }
        Err(Failure::Stopped(error)) => return Err(error),
        Err(Failure::NotFound) => return Ok(Err("there is no `rustfmt` on the `PATH`".to_owned())),
        Err(failure) => return Ok(Err(format!("`rustfmt` failed: {failure}"))),
    }
    let mut formatted = Tree::default();
    for (path, text) in tree.iter() {
        let text = match is_rust(path) {
            true => fs_err::read_to_string(directory.path().join(path))?,
            false => text.to_owned(),
        };
        formatted.insert(path, text)?;
    }
    Ok(Ok(formatted))
}

/// The edition of the project's package.
fn edition(tree: &Tree) -> String {
    let manifest = tree.get("Cargo.toml").unwrap_or_default();
    let manifest: toml::Table = manifest.parse().unwrap_or_default();
    let edition = manifest
        .get("package")
        .and_then(|package| package.get("edition")?.as_str());
    edition.unwrap_or(FIRST_EDITION).to_owned()
}
