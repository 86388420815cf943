//! Where a preset's text comes from: embedded in the program, a directory, or a git repository.

pub mod cache;
mod directory;
mod embedded;
mod git;
pub mod limits;

use std::fmt;
use std::path::{Path, PathBuf};
use std::slice;

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use include_dir::Dir;

use crate::core::preset::address::Address;
use crate::core::preset::manifest::Manifest;
use crate::core::preset::{Files, MANIFEST, Origin, Preset, spanned};
use crate::core::problem::{Problem, Problems, Refuse, fail, list};
use crate::core::secrets::shown;
use crate::edge::presets::cache::Fetched;
use crate::edge::presets::limits::WHOLE;

pub use crate::edge::presets::directory::walk;
pub use crate::edge::presets::embedded::{DEFAULT, built_in};

/// Presets that one chain may have.
const MAX_CHAIN: usize = 16;

/// Where a preset is.
#[derive(Debug, Clone)]
enum Place {
    BuiltIn(Dir<'static>),
    Directory(PathBuf),
    Repository(Address),
}

/// How a preset comes out of a git repository.
type Get = fn(&Address) -> Result<Fetched>;

/// The preset that users name: a built-in one, a directory, or a git repository.
pub fn load(preset: &str) -> Result<Preset> {
    load_from(&place(preset)?, preset, cache::fetch)
}

/// The preset in a directory, which may be called like a built-in one.
pub fn load_directory(directory: &Path) -> Result<Preset> {
    let text = directory.to_string_lossy();
    if !directory.is_dir() && Address::parse(&text).is_some() {
        let what = format!(
            "`{}` is a repository, and this works on a directory",
            shown(&text)
        );
        return Err(Problem::refusal(what)
            .help("clone it, and name the clone")
            .into());
    }
    let place = Place::Directory(directory.to_owned());
    load_from(&place, &directory.to_string_lossy(), cache::fetch)
}

/// The preset that users name, if it is on this machine already.
pub fn load_kept(preset: &str) -> Result<Preset> {
    load_from(&place(preset)?, preset, cache::kept)
}

fn load_from(place: &Place, preset: &str, get: Get) -> Result<Preset> {
    let (files, commit) = read(place, get, &mut fail)?;
    let opened = open(place, files, &[], get, &mut fail);
    let mut opened = opened.with_context(|| cannot_be_used(preset))?;
    opened.is_built_in = matches!(place, Place::BuiltIn(_));
    opened.origin = Origin {
        name: preset.to_owned(),
        commit,
    };
    Ok(opened)
}

/// The preset that users name without what can't be used of it, and all that can't be. There is no preset if that is its
/// manifest.
pub fn survey(preset: &str) -> Result<(Option<Preset>, Vec<Problem>)> {
    let place = place(preset)?;
    let mut findings = Vec::new();
    let mut refuse = |path: &str, error| {
        findings.push(Problem::of(&error, path));
        Ok(())
    };
    let files = match read(&place, cache::fetch, &mut refuse) {
        Ok((files, _)) => files,
        // The rest of it isn't looked at.
        Err(error) if Problem::of(&error, "").is_in(WHOLE) => {
            findings.push(Problem::of(&error, "."));
            return Ok((None, findings));
        }
        Err(error) => return Err(error),
    };
    let manifest = files.get(MANIFEST).cloned().unwrap_or_default();
    let opened = match open(&place, files, &[], cache::fetch, &mut refuse) {
        Ok(preset) => Some(preset),
        Err(error) => {
            findings.extend(of_manifest(error, preset, &manifest));
            None
        }
    };
    Ok((opened, findings))
}

/// Why a preset can't be used, with the place in its manifest.
fn of_manifest(error: Error, preset: &str, manifest: &str) -> Vec<Problem> {
    if let Some(Problems(findings)) = error.downcast_ref() {
        return findings.clone();
    }
    let extends = error.is::<ItExtends>();
    let error = error.context(cannot_be_used(preset));
    let finding = Problem::of(&error, MANIFEST);
    vec![match extends {
        true => spanned::locate(finding, manifest, "extends"),
        false => finding,
    }]
}

fn cannot_be_used(preset: &str) -> String {
    format!("the preset `{}` can't be used", named(Path::new(preset)))
}

/// A path as it is shown: whole if it is that of a directory, for else it may be a mistaken address.
pub fn named(path: &Path) -> String {
    let text = path.to_string_lossy();
    match path.is_dir() {
        true => text.escape_debug().to_string(),
        false => shown(&text),
    }
}

/// Where a preset comes from, as a project at `project` finds it: a directory by its path from there.
pub fn origin_from(origin: &Origin, project: &Path) -> Result<Origin> {
    let Place::Directory(directory) = place(&origin.name)? else {
        return Ok(origin.clone());
    };
    let directory = dunce::canonicalize(&directory)
        .with_context(|| format!("`{}` can't be read", named(&directory)))?;
    let name = match relative(&directory, project) {
        Some(path) if path.is_empty() => ".".to_owned(),
        Some(path) if path.starts_with("..") => path,
        Some(path) => format!("./{path}"),
        // On another drive of Windows.
        None => directory.to_string_lossy().replace('\\', "/"),
    };
    Ok(Origin {
        name,
        commit: origin.commit.clone(),
    })
}

/// The path to `target` from `directory`, with `/` between its parts. Both are absolute, and free of links.
pub fn relative(target: &Path, directory: &Path) -> Option<String> {
    let common = target
        .components()
        .zip(directory.components())
        .take_while(|(one, other)| one == other)
        .count();
    let up = directory.components().skip(common).map(|_| Some(".."));
    let down: PathBuf = target.components().skip(common).collect();
    // On Windows there may be nothing that both are in.
    let parts = up.chain(down.iter().map(|part| part.to_str()));
    let parts: Vec<&str> = parts.collect::<Option<_>>()?;
    (common > 0).then(|| parts.join("/"))
}

/// Says which one it is that can't be extended, as it is shown.
#[derive(Debug)]
struct ItExtends(String);

impl fmt::Display for ItExtends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it extends `{}`", self.0)
    }
}

fn place(preset: &str) -> Result<Place> {
    match (embedded::find(preset), Address::parse(preset)) {
        (Some(dir), _) => Ok(Place::BuiltIn(dir)),
        (None, Some(address)) if !Path::new(preset).is_dir() => Ok(Place::Repository(address?)),
        _ => Ok(Place::Directory(preset.into())),
    }
}

/// The preset that the one at `child` extends: a built-in one, a commit of a repository, or a directory by its path from
/// there. A repository's paths lead nowhere, so that a stranger's preset can't read what else is on the disk.
fn parent(child: &Place, extends: &str) -> Result<Place> {
    let is_path = extends.starts_with("./") || extends.starts_with("../");
    if let Some(dir) = embedded::find(extends) {
        return Ok(Place::BuiltIn(dir));
    }
    match (child, Address::parse(extends)) {
        (Place::Directory(child), _) if is_path => Ok(Place::Directory(child.join(extends))),
        (Place::Repository(_), _) if is_path => {
            let what = format!(
                "a preset from a repository can't extend the directory `{}`",
                shown(extends)
            );
            let help = "it can extend a built-in preset, or a commit of a repository";
            Err(Problem::refusal(what).help(help).into())
        }
        (_, Some(address)) => {
            let address = address?;
            // A project is pinned to one commit, that of the preset it was made from.
            ensure!(
                address.commit().is_some(),
                Problem::refusal(format!("`{}` is not pinned to a commit", shown(extends)))
                    .help("a preset extends `ADDRESS#COMMIT`, with all digits of the commit")
            );
            Ok(Place::Repository(address))
        }
        _ => {
            let what = format!("there is no preset `{}` to extend", shown(extends));
            let help = format!(
                "built in is {}, a directory starts with `./` or `../`, and a repository is `ADDRESS#COMMIT`",
                list(built_in())
            );
            Err(Problem::refusal(what).help(help).into())
        }
    }
}

/// The files of a place, and the commit that they are of.
fn read(place: &Place, get: Get, refuse: &mut Refuse) -> Result<(Files, Option<String>)> {
    match place {
        Place::BuiltIn(dir) => Ok((embedded::read(dir)?, None)),
        Place::Directory(root) => {
            let root = root
                .to_str()
                .context("the path of the preset is not UTF-8")?;
            Ok((directory::read(root, refuse)?, None))
        }
        Place::Repository(address) => {
            let Fetched { commit, files } = get(address)?;
            Ok((files, Some(commit)))
        }
    }
}

/// The preset of these files from a place. `children` are those that extend it, and `refuse` decides of the files of the
/// preset itself.
fn open(
    place: &Place,
    mut files: Files,
    children: &[String],
    get: Get,
    refuse: &mut Refuse,
) -> Result<Preset> {
    let manifest = Manifest::parse(&files)?;
    let chain = [children, slice::from_ref(&manifest.name)].concat();
    if children.contains(&manifest.name) {
        let help = "presets of one chain have a name of their own each";
        bail!(Problem::new(format!("{} is a cycle", as_chain(&chain))).help(help));
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
            let parent = parent(place, extends);
            let is_there = matches!(&parent, Ok(Place::Directory(path)) if path.is_dir());
            let extended = parent.and_then(|place| {
                let (files, _) = read(&place, get, &mut fail)?;
                open(&place, files, &chain, get, &mut fail)
            });
            // Its findings are none of the preset's own.
            let extended = extended.map_err(|error| match error.downcast::<Problems>() {
                Ok(findings) => anyhow!(findings.first()),
                Err(error) => error,
            });
            let called = || match is_there {
                true => extends.escape_debug().to_string(),
                false => shown(extends),
            };
            Some(extended.with_context(|| ItExtends(called()))?)
        }
        None => None,
    };
    Preset::sift(manifest, files, extended, refuse)
}

/// "`a` extends `b` extends `a`".
fn as_chain(names: &[String]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(" extends ")
}

/// The directories that the preset in `directory` is read from: its own, and those of what it extends.
pub fn directories(directory: &Path) -> Vec<PathBuf> {
    let extended = |child: &PathBuf| {
        let manifest = child.join(MANIFEST);
        // To open a pipe is to wait for whoever writes to it. A broken one is told when it is used.
        let text = manifest
            .is_file()
            .then(|| std::fs::read_to_string(manifest));
        let manifest: toml::Table = toml::from_str(&text?.ok()?).ok()?;
        match parent(
            &Place::Directory(child.clone()),
            manifest.get("extends")?.as_str()?,
        ) {
            Ok(Place::Directory(extended)) => Some(extended),
            _ => None,
        }
    };
    let chain = std::iter::successors(Some(directory.to_owned()), extended);
    chain.take(MAX_CHAIN).collect()
}
