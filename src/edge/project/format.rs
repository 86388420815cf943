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
    let edition = edition(tree);
    let mut formatted = Tree::default();
    for (path, text) in tree.iter() {
        let text = match path.ends_with(".rs") {
            true => match format_file(directory.path(), &edition, text)? {
                Ok(text) => text,
                Err(reason) => return Ok(Err(format!("`{path}`: {reason}"))),
            },
            false => text.to_owned(),
        };
        formatted.insert(path, text)?;
    }
    Ok(Ok(formatted))
}

/// One file, by itself: of a file on a disk rustfmt goes on to those that it names, wherever they are.
fn format_file(directory: &Path, edition: &str, text: &str) -> Result<Result<String, String>> {
    let mut rustfmt = Command::new("rustfmt");
    rustfmt.args(["--edition", edition, "--config-path"]);
    rustfmt.arg(directory).current_dir(directory);
    match Process::new(rustfmt).input(text.into()).run() {
        Ok(ended) if ended.status.success() => Ok(Ok(String::from_utf8(ended.stdout)?)),
        Ok(ended) => {
            let said = String::from_utf8_lossy(&ended.stderr);
            let said = said.lines().next().unwrap_or("it does not say why");
            Ok(Err(format!("`rustfmt` failed: {said}")))
        }
        Err(Failure::Stopped(error)) => Err(error),
        Err(Failure::NotFound) => Ok(Err("there is no `rustfmt` on the `PATH`".to_owned())),
        Err(failure) => Ok(Err(format!("`rustfmt` failed: {failure}"))),
    }
}

/// The edition of the project's package, which its workspace may say.
fn edition(tree: &Tree) -> String {
    let manifest = tree.get("Cargo.toml").unwrap_or_default();
    let manifest: toml::Table = manifest.parse().unwrap_or_default();
    let of = |package: &toml::Value| Some(package.get("edition")?.as_str()?.to_owned());
    let own = manifest.get("package").and_then(of);
    let of_workspace = || of(manifest.get("workspace")?.get("package")?);
    own.or_else(of_workspace)
        .unwrap_or_else(|| FIRST_EDITION.to_owned())
}
