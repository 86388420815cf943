//! Where a preset's text comes from: embedded in the program, or a directory.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::slice;

use anyhow::{Context, Result, bail};
use include_dir::{Dir, include_dir};
use walkdir::WalkDir;

use crate::preset::{Files, MANIFEST, Manifest, Preset};
use crate::refusal::{Refusal, list};

static TEMPLATES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/templates");

/// The preset that stands where nobody chose one.
pub const DEFAULT: &str = "axum";

/// Bytes that a preset in a directory may have; a wrong directory is found out before it is read.
const MAX_BYTES: u64 = 32 * 1024 * 1024;

/// Presets that one chain may have.
const MAX_CHAIN: usize = 16;

/// Where a preset is.
#[derive(Debug, Clone)]
enum Place {
    BuiltIn(Dir<'static>),
    Directory(PathBuf),
}

/// The preset that users name: a built-in one, or a directory.
pub fn load(preset: &str) -> Result<Preset> {
    let place = place(preset);
    open(&place, read(&place)?, &[]).with_context(|| format!("the preset `{preset}` can't be used"))
}

fn place(preset: &str) -> Place {
    match TEMPLATES.get_dir(preset) {
        Some(dir) => Place::BuiltIn(dir.clone()),
        None => Place::Directory(preset.into()),
    }
}

/// The preset that the one at `child` extends: a built-in one, or a directory by its path from there.
fn parent(child: &Place, extends: &str) -> Result<Place> {
    let is_path = extends.starts_with("./") || extends.starts_with("../");
    match (child, TEMPLATES.get_dir(extends)) {
        (Place::Directory(child), _) if is_path => Ok(Place::Directory(child.join(extends))),
        (_, Some(dir)) => Ok(Place::BuiltIn(dir.clone())),
        _ => {
            let built_in = TEMPLATES.dirs().map(|dir| dir.path().to_string_lossy());
            let what = format!("there is no preset `{extends}` to extend");
            let help = format!(
                "built in is {}, and a directory starts with `./` or `../`",
                list(built_in)
            );
            Err(Refusal::new(what).help(help).into())
        }
    }
}

fn read(place: &Place) -> Result<Files> {
    match place {
        Place::BuiltIn(dir) => embedded(dir),
        Place::Directory(root) => directory(root),
    }
}

/// The preset of these files from a place. `children` are those that extend it.
fn open(place: &Place, mut files: Files, children: &[String]) -> Result<Preset> {
    let manifest = Manifest::parse(&files)?;
    let chain = [children, slice::from_ref(&manifest.name)].concat();
    if children.contains(&manifest.name) {
        let help = "presets of one chain have a name of their own each";
        bail!("{} is a cycle\nhelp: {help}", as_chain(&chain));
    }
    if chain.len() > MAX_CHAIN {
        bail!("{} are more than {MAX_CHAIN} presets", as_chain(&chain));
    }
    let extended = match &manifest.extends {
        Some(extends) => {
            // A preset may hold the one that it extends, which is no layer of its own.
            if let Some(inside) = extends.strip_prefix("./") {
                let inside = format!("{}/", inside.trim_end_matches('/'));
                files.retain(|path, _| !path.starts_with(&inside));
            }
            let extended =
                parent(place, extends).and_then(|place| open(&place, read(&place)?, &chain));
            Some(extended.with_context(|| format!("it extends `{extends}`"))?)
        }
        None => None,
    };
    Preset::new(manifest, files, extended)
}

/// "`a` extends `b` extends `a`".
fn as_chain(names: &[String]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(" extends ")
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
